"""Rows come in any order and at any time: each counts once, and is read only while it is new."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from engine.clickhouse.databases import Database, writer
from engine.clickhouse.exporter import LOG_COLUMNS, MAP, SPAN_COLUMNS

from tgt.engine.clickhouse.reading import LATE
from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.events import CANONICAL

END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
_QUARTER = timedelta(minutes=15)


def span(
    at: datetime, trace: int, number: int, name: str, parent: Any = 0, ms: Any = 500, **told: Any
) -> Sequence[Any]:
    """A row of the table of spans; underscores in the names of attributes are dots."""
    failed = told.pop("failed", False)
    attributes = {key.replace("__", "."): str(value) for key, value in told.items()}
    start = int(at.timestamp() * 1000) * 1_000_000
    return (
        *(start, f"{trace:032x}", f"{number:016x}", f"{parent:016x}" if parent else "", name),
        *("shop", {"service.name": "shop"}, "app", attributes, ms * 1_000_000),
        *("Error" if failed else "Unset", "it broke" if failed else "", [], [], []),
    )


def trace(number: int, start: datetime, chance: random.Random) -> Iterator[Sequence[Any]]:
    """A turn of an agent, in one of the ways in which frameworks tell it."""
    first = number * 100

    def told(step: int, name: str, parent: int, ms: int, **more: Any) -> Sequence[Any]:
        at = start + timedelta(seconds=step)
        return span(at, number, first + step, name, first + parent, ms, **more)

    agent = {"gen_ai__operation__name": "invoke_agent"}
    if chance.random() < 0.5:
        agent["gen_ai__conversation__id"] = f"conversation-{number // 3}"
    yield span(start, number, first, "invoke_agent shop", 0, 90_000, **agent)
    chat = {
        "gen_ai__operation__name": "chat",
        "gen_ai__request__model": chance.choice(["m-1", "m-2"]),
        "gen_ai__usage__input_tokens": chance.randint(1, 900),
        "gen_ai__usage__output_tokens": chance.randint(1, 90),
    }
    ends = chance.choice(['["stop"]', '["length"]', '["tool_calls"]'])
    yield told(1, "chat m", 0, 4000, gen_ai__response__finish_reasons=ends, **chat)
    if chance.random() < 0.3:  # the provider's own span tells it once more
        yield told(2, "chat m", 1, 2000, gen_ai__response__finish_reasons=ends, **chat)
    tool = {
        "gen_ai__operation__name": "execute_tool",
        "gen_ai__tool__name": chance.choice(["search", "order"]),
        "gen_ai__tool__call__arguments": f'{{"n": {chance.randint(1, 3)}}}',
        "gen_ai__tool__call__result": chance.choice(["fine", '{"ok": false}']),
    }
    yield told(10, "execute_tool", 0, 20_000, failed=chance.random() < 0.3, **tool)
    if chance.random() < 0.3:  # and the tool's server
        yield told(11, "execute_tool", 10, 5000, failed=chance.random() < 0.5, **tool)
    yield told(12, "POST", 10, 100, http__request__method="POST")
    if chance.random() < 0.2:
        asked = {"claude_code__x": "1", "tool_name": "Bash", "session.id": f"s-{number}"}
        yield told(40, "claude_code.tool", 0, 9000, **asked)
        bad = chance.random() < 0.5
        yield told(41, "claude_code.tool.execution", 40, 300, success=str(not bad).lower())
    yield told(60, "chat m", 0, 3000, gen_ai__response__finish_reasons='["stop"]', **chat)


def world(seed: int, traces: int, minutes: int = 300) -> list[Sequence[Any]]:
    chance = random.Random(seed)
    rows: list[Sequence[Any]] = []
    for number in range(1, traces + 1):
        start = END - timedelta(minutes=chance.uniform(2, minutes))
        rows += trace(number, start, chance)
    rows += [
        span(END - timedelta(minutes=n), 10_000 + n, 1, "GET /orders", http__request__method="GET")
        for n in range(1, 40)
    ]
    return rows


_EVENTS = f"SELECT {', '.join(CANONICAL)} FROM ({canonical()}) ORDER BY ALL"
_OTHERS = (
    "SELECT * EXCLUDE (row) FROM conversations ORDER BY ALL",
    "SELECT act, count(*) FROM events JOIN wordings USING (wording) GROUP BY ALL ORDER BY ALL",
)


def held(timeline: DuckDBTimeline) -> list[Any]:
    """All that a timeline has come to know."""
    return [timeline.database.run(asked) for asked in (_EVENTS, *_OTHERS)]


@pytest.mark.parametrize("seed", range(2))
def test_rows_may_come_in_any_order_over_many_runs(seed: int, tmp_path: Path) -> None:
    """Parents after their children, parts of traces in one run and the rest hours later, some of
    them twice."""
    rows, chance = world(seed, 60), random.Random(seed)
    whole = Database("whole")
    whole.create()
    whole.insert("otel_traces", rows, SPAN_COLUMNS)
    with whole.timeline(END) as timeline:
        wanted = held(timeline)
    assert len(wanted[0]) > 150

    growing = Database("growing")
    growing.create()
    left = [*rows, *chance.sample(rows, 20)]
    chance.shuffle(left)
    while left:
        some, left = left[:160], left[160:]
        growing.insert("otel_traces", some, SPAN_COLUMNS)
        with growing.timeline(END, tmp_path / "cache") as timeline:
            found = held(timeline)
    assert found[0] == wanted[0]
    assert found[1] == wanted[1]
    with growing.timeline(END, tmp_path / "cache") as timeline:
        assert held(timeline)[:2] == wanted[:2], "and a run without news changes nothing"


def test_many_at_a_time_comes_to_what_one_by_one_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a span means is worked out once for all that say the same; here for none of them."""
    from tgt.engine.clickhouse import reading

    database = Database("ways")
    database.create()
    database.insert("otel_traces", world(7, 80), SPAN_COLUMNS)
    with database.timeline(END) as timeline:
        fast = held(timeline)
    monkeypatch.setattr(reading, "SpanTable", type(None))
    with database.timeline(END) as timeline:
        slow = held(timeline)
    assert fast == slow
    assert len(fast[0]) > 200


def test_a_usual_run_reads_the_last_hours_only(tmp_path: Path) -> None:
    """By what the server expects to read, which is marks of rows: the table is wide enough that a
    week of it is many more of them."""
    database = Database("usual")
    database.create()
    rows = [
        span(END - timedelta(minutes=n / 2), n, n, "chat m", gen_ai__request__model="m" + "x" * 20)
        for n in range(1, 2 * 60 * 24 * 6)
    ]
    database.insert("otel_traces", rows, SPAN_COLUMNS)
    cache = tmp_path / "cache"

    def asked(end: datetime) -> tuple[int, int]:
        """The rows that the server looks at, and the events that are held then."""
        told: list[str] = []
        with database.timeline(end, cache, asked=told.append) as timeline:
            many = timeline.database.value("SELECT count(*) FROM events")
        with database.connection() as connection:
            return sum(map(connection.rows_of, told)), many

    first, many = asked(END - _QUARTER)
    usual, more = asked(END)
    assert first > len(rows)
    assert more == many, "what had come ahead of its time was read before"
    assert usual < len(rows) / 3
    assert asked(END + _QUARTER)[1] == many


def test_of_logs_the_last_hours_alone_are_looked_at_however_the_table_is_parted(
    tmp_path: Path,
) -> None:
    """Versions of the exporter part it by another column than the one that the time is in."""
    for events in (True, False):
        database, cache = Database("parted", events=events), tmp_path / f"cache-{events}"
        database.create()
        own = {"event.name": "codex.tool_result", "tool_name": "shell", "success": "true"}
        columns = LOG_COLUMNS if events else LOG_COLUMNS[:-1]
        rows = [
            (
                *(int((END - timedelta(minutes=n)).timestamp()) * 10**9, "", "", 9, "codex_exec"),
                *("x", {"service.name": "codex_exec"}, "codex_otel"),
                *({**own, "call_id": f"c{n}"}, ""),
            )
            for n in range(1, 60 * 24 * 6)
        ]
        database.insert("otel_logs", (row[: len(columns)] for row in rows), columns)
        with database.timeline(END - _QUARTER, cache):
            pass
        told: list[str] = []
        with database.timeline(END, cache, asked=told.append) as timeline:
            assert timeline.database.value("SELECT count(*) FROM events") == len(rows)
        with database.connection() as connection:
            assert sum(map(connection.rows_of, told)) < len(rows) / 2


@pytest.mark.parametrize("attributes", [MAP, "JSON"])
def test_what_comes_late_is_met_within_hours(attributes: str, tmp_path: Path) -> None:
    """Seven hours and three days after it began; beside a row that was read, and in a minute of
    which nothing was. A usual run still reads the last hours only."""
    database, cache = Database("late", attributes), tmp_path / "cache"
    database.create()
    chat = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "m"}

    def insert(first: int, *ages: timedelta) -> None:
        rows = [span(END - a, first + n, first + n, "chat m", **chat) for n, a in enumerate(ages)]
        database.insert("otel_traces", rows, SPAN_COLUMNS)

    usual = [timedelta(minutes=n / 2) for n in range(1, 2 * 60 * 24 * 4)]
    insert(1, *usual)
    many = len(usual)

    def run(end: datetime) -> tuple[int, int]:
        """The events that are held then, and the rows that the server looked at."""
        told: list[str] = []
        with database.timeline(end, cache, asked=told.append) as timeline:
            events = timeline.database.value("SELECT count(*) FROM events")
        with database.connection() as connection:
            return events, sum(map(connection.rows_of, told))

    assert run(END)[0] == many
    insert(90_001, timedelta(hours=7), timedelta(days=3), timedelta(days=5), timedelta(hours=5))
    events, read = run(END + _QUARTER)
    assert events == many + 1, "what is five hours late"
    assert read < many * 2 / 3
    events, read = run(END + LATE)
    assert events == many + 4
    assert read > many, "all that is kept was counted"
    with database.timeline(END + LATE, cache) as kept, database.timeline(END + LATE) as fresh:
        assert held(kept)[0] == held(fresh)[0]
        hours = "SELECT hour, sum(n) FROM rollups GROUP BY hour ORDER BY hour"
        assert kept.database.run(hours) == fresh.database.run(hours)
    assert run(END + LATE + _QUARTER)[1] < many * 2 / 3


def test_what_a_server_keeps_no_longer_stays_known(tmp_path: Path) -> None:
    database, cache = Database("expired"), tmp_path / "cache"
    database.create()
    chat = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "m"}
    rows = [span(END - timedelta(days=2, seconds=n), n, n, "chat m", **chat) for n in range(1, 9)]
    database.insert("otel_traces", rows, SPAN_COLUMNS)
    for end in (END, END + LATE):
        with database.timeline(end, cache) as timeline:
            assert timeline.database.value("SELECT count(*) FROM events") == 8
        writer().command(
            f"DELETE FROM {database.name}.otel_traces WHERE cityHash64(SpanId) % 2 = 0"
        )


def test_what_people_typed_counts_once_however_late_its_neighbours_come(tmp_path: Path) -> None:
    """Log events that nothing identifies are read again with a row that comes late."""
    database, cache = Database("typed"), tmp_path / "cache"
    database.create()

    def typed(seconds: int) -> Sequence[Any]:
        nanos = int((END - timedelta(hours=30)).timestamp() + seconds) * 1_000_000_000
        own = {"event.name": "user_prompt", "session.id": "s", "prompt_length": "7"}
        claude = {"service.name": "claude-code"}
        scope = "com.anthropic.claude_code.events"
        body = "claude_code.user_prompt"
        return (nanos, "", "", 9, "claude-code", body, claude, scope, own, "")

    for number, end in enumerate((END, END + LATE), start=1):
        database.insert("otel_logs", [typed(number)], LOG_COLUMNS)
        with database.timeline(end, cache) as timeline:
            assert timeline.database.value("SELECT count(*) FROM events") == number


def test_a_clock_that_is_ahead_counts_when_its_time_has_come(tmp_path: Path) -> None:
    database, cache = Database("ahead"), tmp_path / "cache"
    database.create()
    chat = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "m"}
    ahead = END + timedelta(hours=3)
    database.insert("otel_traces", [span(ahead, 1, 1, "chat m", **chat)], SPAN_COLUMNS)
    for end, events in ((END, 0), (END + timedelta(hours=2), 0), (END + timedelta(hours=4), 1)):
        with database.timeline(end, cache) as timeline:
            window = timeline.at(_window(end)).coverage
            assert window.events == events


def _window(end: datetime) -> Any:
    from tgt.events import Interval

    return Interval(end - timedelta(hours=1), end)


@pytest.mark.parametrize("attributes", ["Map(LowCardinality(String), String)", "JSON"])
def test_hostile_rows_cost_themselves(attributes: str) -> None:
    """Attributes that look like SQL, markup or megabytes, and bytes that are no text."""
    database = Database("hostile", attributes)
    database.create()
    chat = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "m"}
    strange = {
        "'; DROP TABLE otel_traces; --": "1",
        "a`b\\": "\\'",
        "\x1b[31m": "\x00\x07",
        "gen_ai__tool__name": "x" * 100_000,
        "gen_ai__conversation__id": "{" * 1000 + "'\"\\",
    }
    rows = [
        span(END - timedelta(minutes=9), 1, 1, "chat m", **chat),
        span(END - timedelta(minutes=8), 2, 2, "execute_tool '; SELECT 1", **strange),
        span(END - timedelta(minutes=7), 3, 3, "chat {x:String} \\", **{**chat, **strange}),
        span(END - timedelta(minutes=6), 4, 4, "chat m", ms=0, **chat),
    ]
    database.insert("otel_traces", rows, SPAN_COLUMNS)
    with database.timeline(END) as timeline:
        acts = timeline.database.run(f"SELECT act, name FROM ({canonical()}) ORDER BY us")
    assert len(acts) == 4
    assert all(len(name) < 300 for _, name in acts)


def test_bytes_that_are_no_text_cost_themselves() -> None:
    database = Database("bytes")
    database.create()
    from engine.clickhouse.databases import writer

    values = "'gen_ai.operation.name', 'chat', 'gen_ai.request.model', unhex('ff00fe')"
    writer().command(
        f"INSERT INTO {database.name}.otel_traces (Timestamp, TraceId, SpanId, SpanName,"
        " SpanAttributes, StatusMessage, StatusCode) SELECT"
        " toDateTime64('2025-11-03 15:50:00', 9), unhex('ff'), unhex('fe'), 'chat',"
        f" map({values}), unhex('c3'), 'Error'"
    )
    with database.timeline(END) as timeline:
        assert timeline.database.value("SELECT count(*) FROM events") == 1


def test_what_people_were_asked_is_known_to_the_next_run(tmp_path: Path) -> None:
    """The time until a person allows a call is no time of the call."""
    database, cache = Database("asked"), tmp_path / "cache"
    database.create()

    def log(at: datetime, name: str, **told: str) -> Sequence[Any]:
        own = {"event.name": name, "conversation.id": "c", "call_id": "call-1", **told}
        nanos = int(at.timestamp()) * 1_000_000_000
        codex = {"service.name": "codex_exec"}
        return (nanos, "", "", 9, "codex_exec", name, codex, "codex_otel", own, "")

    first = log(END - timedelta(minutes=9), "codex.tool_decision", source="User", decision="ok")
    last = {"tool_name": "shell", "success": "true", "duration_ms": "70000"}
    for row in (first, log(END - timedelta(minutes=8), "codex.tool_result", **last)):
        database.insert("otel_logs", [row], LOG_COLUMNS)
        with database.timeline(END, cache) as timeline:
            told = timeline.database.run(
                f"SELECT elapsed_ms FROM ({canonical()}) WHERE act = 'tool_call'"
            )
    assert told == [(None,)]
