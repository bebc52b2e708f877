"""Langfuse's tables, of version 3 and of version 4, tell what its OpenTelemetry tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from engine.clickhouse.databases import Database, writer

from tgt.engine.clickhouse.reading import LATE
from tgt.engine.duckdb.canonical import canonical
from tgt.engine.protocol import Signal
from tgt.events import Interval

END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
_USAGE = """provided_model_name Nullable(String),
    usage_details Map(LowCardinality(String), UInt64),
    cost_details Map(LowCardinality(String), Decimal64(12)), input Nullable(String),
    output Nullable(String), prompt_name Nullable(String), prompt_version Nullable(UInt16),
    version Nullable(String), event_ts DateTime64(3) DEFAULT now64(3), is_deleted UInt8"""
_COMMON = f"""trace_id String, type LowCardinality(String), start_time DateTime64(6),
    end_time Nullable(DateTime64(6)), name String, level LowCardinality(String),
    environment LowCardinality(String), status_message Nullable(String), {_USAGE}"""
OBSERVATIONS = f"""CREATE TABLE {{}}.observations (id String,
    parent_observation_id Nullable(String), {_COMMON})
    ENGINE = ReplacingMergeTree(event_ts, is_deleted) ORDER BY (toDate(start_time), id)"""
TRACES = """CREATE TABLE {}.traces (id String, timestamp DateTime64(3), name String,
    session_id Nullable(String), event_ts DateTime64(3) DEFAULT now64(3), is_deleted UInt8)
    ENGINE = ReplacingMergeTree(event_ts, is_deleted) ORDER BY (toDate(timestamp), id)"""
EVENTS = f"""CREATE TABLE {{}}.events_core (span_id String, parent_span_id String,
    session_id String, service_name String, service_version String, scope_name String,
    release String, {_COMMON}) ENGINE = ReplacingMergeTree(event_ts, is_deleted)
    ORDER BY (toStartOfMinute(start_time), trace_id, span_id)"""
VERSIONS = {3: (OBSERVATIONS, TRACES), 4: (EVENTS,)}


def observation(number: int, kind: str, minutes: float, seconds: float | None, **told: Any) -> Any:
    start = END - timedelta(minutes=minutes)
    return {
        "id": f"o-{number}",
        "trace_id": "t-1",
        "type": kind,
        "start_time": start,
        "end_time": None if seconds is None else start + timedelta(seconds=seconds),
        "name": kind.lower(),
        "level": "DEFAULT",
        "parent": "o-0" if number else "",
        **told,
    }


WORLD = (
    observation(0, "AGENT", 20, 300),
    observation(
        1, "GENERATION", 19, 2, provided_model_name="m-1", prompt_name="p", prompt_version=3,
        usage_details={"input": 100, "output": 7, "input_cached_tokens": 40},
        cost_details={"total": 0.25}, version="1.2",
    ),
    observation(2, "TOOL", 18, 1, name="search", input='{"q": 1}', output="fine"),
    observation(3, "TOOL", 17, 3, name="search", level="ERROR", status_message="it broke"),
    observation(4, "SPAN", 16, 1, name="glue"),
    observation(5, "GENERATION", 15, None, provided_model_name="m-1"),
    observation(6, "TOOL", 14, 1, name="gone", is_deleted=1),
)  # fmt: skip


def write(database: Database, version: int, some: Sequence[dict[str, Any]]) -> None:
    for told in some:
        row = dict(told)
        number, parent = row.pop("id"), row.pop("parent")
        if version == 4:
            row |= {"span_id": number, "parent_span_id": parent, "session_id": "s-1"}
            row |= {"service_name": "shop"}
        else:
            row |= {"id": number, "parent_observation_id": parent, "environment": "shop"}
        table = "events_core" if version == 4 else "observations"
        database.insert(table, [list(row.values())], list(row))


@pytest.mark.parametrize("version", VERSIONS)
def test_observations_are_events(version: int, tmp_path: Path) -> None:
    database = Database(f"langfuse{version}")
    database.create(*VERSIONS[version])
    write(database, version, WORLD)
    if version == 3:
        trace = ["t-1", END - timedelta(minutes=20), "turn", "s-1"]
        database.insert("traces", [trace], ["id", "timestamp", "name", "session_id"])
    told = (
        "act, name, service, failed, error, elapsed_ms, input_tokens, cached_tokens, output_tokens,"
        " cost_usd, prompt, version, args_hash IS NOT NULL"
    )
    asked = f"SELECT {told} FROM ({canonical()}) ORDER BY us"
    failing = Signal("failing", counted="failed")
    with database.timeline(END, tmp_path, [failing]) as timeline:
        answered = ("assistant_response", "m-1", "shop", False, None, 2000.0)
        assert timeline.database.run(asked) == [
            (*answered, 100.0, 40.0, 7.0, 0.25, "p@3", "1.2", False),
            ("tool_call", "search", "shop", False, None, 1000.0, *[None] * 6, True),
            ("tool_call", "search", "shop", True, "it broke", 3000.0, *[None] * 6, False),
        ]
        conversations = timeline.database.run("SELECT count(DISTINCT conv) FROM events")
        assert conversations == [(1,)]
        snapshot = timeline.at(Interval(END - timedelta(hours=1), END))
        window = Interval(END - timedelta(hours=1), END)
        samples = snapshot.examples(failing, "tool_call/search", window, 3).samples
        (sample,) = timeline.complete(samples)
        assert (sample.text, sample.conv_id) == ("it broke", "s-1")

    # What had not ended has now, and is another row with the same id.
    write(database, version, [observation(5, "GENERATION", 15, 9, provided_model_name="m-1")])
    with database.timeline(END, tmp_path, [failing]) as timeline:
        assert [row[0:2] for row in timeline.database.run(asked)] == [
            ("assistant_response", "m-1"),
            ("tool_call", "search"),
            ("tool_call", "search"),
            ("assistant_response", "m-1"),
        ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("later", [timedelta(minutes=15), LATE], ids=["soon", "late"])
def test_an_observation_that_ends_later_counts_then(
    version: int, later: timedelta, tmp_path: Path
) -> None:
    """Also where the server has put both rows together meanwhile, so that there is still one; of a
    day ago as well as of this hour."""
    database = Database(f"ending{version}")
    database.create(*VERSIONS[version])
    age = 15 if later < LATE else 60 * 24
    begun = observation(5, "GENERATION", age, None, provided_model_name="m-1", event_ts=END)
    write(database, version, [begun])
    counted = f"SELECT count(*) FROM ({canonical()})"
    with database.timeline(END, tmp_path) as timeline:
        assert timeline.database.value(counted) == 0
    ended = {"end_time": begun["start_time"] + timedelta(seconds=9), "event_ts": END + later}
    write(database, version, [begun | ended])
    table = "events_core" if version == 4 else "observations"
    writer().command(f"OPTIMIZE TABLE {database.name}.{table} FINAL")
    assert writer().query(f"SELECT count() FROM {database.name}.{table}").result_rows == [(1,)]
    with database.timeline(END + later, tmp_path) as timeline:
        assert timeline.database.value(counted) == 1
