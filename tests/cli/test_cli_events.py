"""``tgt events``: the telemetry lines behind a task."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from command_server import Server
from conftest import NOW, Workplace, call

from tgt.evidence import Line, Lines
from tgt.output import events_view, text

Card = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def looping(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Workplace:
    """A loop of seven calls, and its task; nothing that is asked of it changes it."""
    workplace = Workplace(tmp_path_factory.mktemp("looping"), server)
    asked = {"args_preview": "make", "result_preview": "no\x1b[2J rule", "elapsed_ms": 20}
    log = workplace.path / ".forgekeeper" / "context_log" / "ctx.jsonl"
    log.parent.mkdir(parents=True)
    calls = [call(30 - n / 6, "c-1", "Bash", **asked) for n in range(7)]
    log.write_text("".join(json.dumps(line) + "\n" for line in calls))
    saved = workplace.tgt("run", "--now", NOW, "--analyzers", "retry_loop", "--json").json
    assert saved["result"]["tasksSaved"] == 1
    return workplace


def test_each_begins_with_its_place_and_is_one_line(looping: Workplace) -> None:
    result = looping.tgt("events", "tool_call/Bash", "--limit", "2", COLUMNS="40")
    assert (result.status, result.err) == (0, "")
    assert result.out == (
        ".forgekeeper/context_log/ctx.jsonl:6:  2025-11-03 15:30:50 UTC  tool_call/Bash  c-1  20 ms"
        "  make → no\\x1b[2J rule\n"
        ".forgekeeper/context_log/ctx.jsonl:7:  2025-11-03 15:31:00 UTC  tool_call/Bash  c-1  20 ms"
        "  make → no\\x1b[2J rule\n"
    )


def test_for_scripts(looping: Workplace) -> None:
    told = looping.tgt("events", "tool_call/Bash", "--json").json
    assert (told["count"], len(told["events"]), told["message"]) == (7, 7, "")
    assert told["events"][0] == {
        "at": "2025-11-03T15:30:00.000Z",
        "subject": "tool_call/Bash",
        "file": ".forgekeeper/context_log/ctx.jsonl",
        "line": 1,
        "convId": "c-1",
        "eventId": None,
        "text": "make → no\x1b[2J rule",
        "elapsedMs": 20.0,
    }


def test_telemetry_that_is_gone_is_told_and_what_the_card_keeps(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(card_data())
    result = workplace.tgt("events", "tool_call/read_file")
    assert (result.status, result.err) == (0, "")
    line, empty, note = result.out.splitlines()
    assert line == (
        "(gone):  2025-11-03 15:41:07 UTC  tool_call/read_file  ENOENT: no such file, open"
        " 'config.yml'"
    )
    assert empty == ""
    assert ".forgekeeper/context_log" in note
    assert "these are the samples of the card, where they stood is not known" in note
    told = workplace.tgt("events", "tool_call/read_file", "--json").json
    assert (told["events"][0]["file"], told["events"][0]["line"]) == (None, None)
    assert told["message"] == note


def test_a_source_that_failed_is_a_warning(looping: Workplace) -> None:
    result = looping.tgt(
        "events", "tool_call/Bash", "--source", "contextlog,claude-code:nowhere", "--json"
    )
    assert result.json["count"] == 7
    assert (result.status, result.err.startswith("tgt: warning: ")) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nothing"], 3, "no such task"),
        ([], 2, "TASK"),
        (["tool_call/Bash", "--limit", "0"], 2, "--limit='0' is not usable"),
        (["tool_call/Bash", "--limit", "1001"], 2, "a whole number from 1 to 1000"),
        (["tool_call/Bash", "--source", "x"], 2, "--source="),
        (["-"], 2, "accepted is one task"),
    ],
)
def test_what_is_refused(looping: Workplace, arguments: list[str], status: int, told: str) -> None:
    result = looping.tgt("events", *arguments)
    assert (result.status, result.out) == (status, "")
    assert told in result.err


@pytest.mark.parametrize("width", [30, 80])
def test_on_a_terminal_nothing_is_wider_than_it_or_cut(width: int) -> None:
    at = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
    told = Lines(
        (
            Line(at, "tool_call/ls", "/var/log/ctx.jsonl", 7, "c-1", text="word " * 60),
            Line(at, "tool_call/ls", text="\x1b[31mred"),
        ),
        "Telemetry is gone",
    )
    on = text.Screen(width, colour=False, terminal=True)
    shown = events_view.events(on, told)
    assert max(map(len, shown.splitlines())) <= width
    assert shown.count("word") == 60
    assert "/var/log/ctx.jsonl:7" in shown
    assert "\x1b" not in shown
    assert shown.endswith("\n\nTelemetry is gone\n")
