"""Whatever column a secret stands in: it is in nothing that leaves, and in nothing that is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import invented_secrets as invented
import pytest
from conftest import NOW, Workplace
from engine.clickhouse.databases import SERVER, Database, directory
from engine.clickhouse.exporter import LOG_COLUMNS, MAP, SPAN_COLUMNS
from engine.clickhouse.server import SECRET, Server
from engine.clickhouse.test_clickhouse_langfuse import VERSIONS

pytestmark = pytest.mark.skipif(bool(SERVER), reason="these tests make their own servers")
END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
TOKEN = invented.filled("ghp_{alnum:36}")
KEY = invented.filled("AKIA{upper:16}")


def _times() -> Iterator[tuple[int, datetime, bool]]:
    """A number, when, and whether it fails: in the last hour many do."""
    for number in range(240):
        fails = number % 3 == 0
        yield number, END - timedelta(minutes=2 + number % 50 if fails else 60 + 9 * number), fails


def _span(number: int, at: datetime, fails: bool, name: str, **told: str) -> Sequence[Any]:
    nanos, service = int(at.timestamp()) * 1_000_000_000, f"shop {TOKEN}"
    resource = {"service.name": service, "service.version": f"1.{TOKEN}"}
    attributes = {key.replace("__", "."): value for key, value in told.items()}
    raised = {"exception.type": f"E {TOKEN}", "exception.message": f"with {KEY}"}
    return (
        *(nanos, f"{number // 4:032x}", f"{number:016x}", "", name, service, resource, TOKEN),
        *(attributes, 5_000_000, "Error" if fails else "Unset", f"no access with {TOKEN}"),
        *(([nanos], ["exception"], [raised]) if fails else ([], [], [])),
    )


def _log(at: datetime, body: str, told: dict[str, str]) -> Sequence[Any]:
    nanos, scope = int(at.timestamp()) * 1_000_000_000, "com.anthropic.claude_code.events"
    return (nanos, "", "", 9, "claude-code", body, {"service.name": TOKEN}, scope, told, "")


def exported(attributes: str) -> Database:
    database = Database("otel", attributes)
    database.create()
    spans, logs = [], []
    for number, at, fails in _times():
        common = {
            "gen_ai__conversation__id": f"conversation {TOKEN} {number % 40}",
            "error__type": f"E {TOKEN}",
        }
        tool = {
            "gen_ai__operation__name": "execute_tool",
            "gen_ai__tool__name": f"fetch https://u:{TOKEN}@git.example/x",
            "gen_ai__tool__call__id": f"id {TOKEN} {number}",
            "gen_ai__tool__call__arguments": f'{{"cmd": "curl -u ann:{TOKEN} x"}}',
            "gen_ai__tool__call__result": f"said {KEY}",
        }
        chat = {
            "gen_ai__operation__name": "chat",
            "gen_ai__request__model": f"gpt {TOKEN}",
            "gen_ai__response__finish_reasons": '["length"]' if fails else '["stop"]',
        }
        # One that is its own shape, one in words of an agent's own, and one that tells nothing.
        own = {"openinference.span.kind": "TOOL", "tool.name": f"tool {KEY}"}
        strange = {"gen_ai__operation__name": f"operation of somebody {TOKEN}"}
        for step, (name, more) in enumerate(
            ((f"execute_tool {TOKEN}", tool), ("chat", chat), ("x", own), (f"n {TOKEN}", strange))
        ):
            spans.append(_span(number * 4 + step, at, fails, name, **common, **more))
        own = {"event.name": "claude_code.tool_result", "tool_name": f"Bash {TOKEN}"}
        own |= {"success": str(not fails).lower(), "error": f"fatal: {TOKEN}", "session.id": TOKEN}
        logs.append(_log(at, "claude_code.tool_result", own))
        logs.append(_log(at, f"claude_code.{TOKEN}", {"what": TOKEN}))
    database.insert("otel_traces", spans, SPAN_COLUMNS)
    database.insert("otel_logs", logs, LOG_COLUMNS)
    return database


def langfuse() -> Database:
    database = Database("langfuse")
    database.create(*VERSIONS[3])
    rows = [
        {
            "id": f"o-{number}-{kind}",
            "trace_id": f"t-{number % 40}",
            "type": kind,
            "start_time": at,
            "end_time": at + timedelta(seconds=3),
            "environment": f"shop {TOKEN}",
            "name": f"fetch https://u:{TOKEN}@git.example/x",
            "level": "ERROR" if fails else "DEFAULT",
            "status_message": f"no access with {TOKEN}",
            "provided_model_name": f"gpt {TOKEN}",
            "prompt_name": f"prompt {TOKEN}",
            "version": f"1.{TOKEN}",
            "input": f"key {KEY}",
            "output": f"said {KEY}",
        }
        for number, at, fails in _times()
        for kind in ("TOOL", "GENERATION")
    ]
    database.insert("observations", (list(row.values()) for row in rows), list(rows[0]))
    return database


def test_no_secret_of_columns_of_json_stays(tmp_path: Path) -> None:
    with exported("JSON").timeline(END, tmp_path / "cache") as timeline:
        assert timeline.database.value("SELECT count(*) FROM events") > 1000
    _holds_none(tmp_path / "cache" / "events.duckdb")


@pytest.mark.parametrize("make", [lambda: exported(MAP), langfuse], ids=["map", "langfuse"])
def test_no_secret_leaves_or_stays(make: Callable[[], Database], workplace: Workplace) -> None:
    database = make()
    around = {
        "TASKGEN_MIN_CONFIDENCE": "0",
        "TASKGEN_MAX_TASKS": "50",
        "TASKGEN_MAX_PER_HOUR": "50",
        "TASKGEN_BASELINE_DAYS": "2",
        "TASKGEN_CLICKHOUSE_PASSWORD": SECRET,
    }

    def told(*arguments: str) -> str:
        done = workplace.tgt(*arguments, **around)
        assert done.status in {0, 1, 4}, done.err
        assert "defect" not in done.err
        return done.out + done.err

    with Server(directory()).serving() as port:
        source = f"clickhouse:http://reader@localhost:{port}/{database.name}"
        around["TASKGEN_SOURCE"] = source
        outputs = [told("run", "--json", "--now", NOW)]
        cards = json.loads(told("list", "--all", "--json"))["tasks"]
        assert cards
        outputs += [told("events", card["id"], "--now", NOW) for card in cards[:1]]
        outputs += [
            told(*words, "--now", NOW)
            for words in (("sources",), ("report", "--since", "2d", "--json"))
        ]
    outputs += [told("list", "--all"), json.dumps(cards)]
    outputs += [told("show", card["id"]) for card in cards[:2]]
    assert sum("[redacted:" in output for output in outputs) > 4
    for output in outputs:
        for secret in (TOKEN, KEY):
            assert secret[4:12] not in output
    for path in workplace.path.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not any(secret[4:12].encode() in held for secret in (TOKEN, KEY)), path.name
    _holds_none(workplace.tasks / "cache" / "events.duckdb")


def _holds_none(store: Path) -> None:
    with duckdb.connect(store, read_only=True) as kept:
        for (table,) in kept.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            rows = repr(kept.execute(f"SELECT * FROM {table}").fetchall())
            assert not any(secret[4:12] in rows for secret in (TOKEN, KEY)), table
