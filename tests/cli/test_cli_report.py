"""``tgt report`` as it is typed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Workplace

NOW = "2025-11-03T16:00:00.000Z"
END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)


def write(workplace: Workplace, *lines: dict[str, Any]) -> None:
    logs = workplace.path / ".forgekeeper" / "context_log"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "ctx.jsonl").open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in lines)


def call(minutes: float, **keys: Any) -> dict[str, Any]:
    at = (END - timedelta(minutes=minutes)).isoformat()
    return {"ts": at, "act": "tool_call", "name": "grep", "status": "ok", "conv_id": "c", **keys}


@pytest.fixture
def used(workplace: Workplace) -> Workplace:
    bad = {"status": "error", "error": "grep: \x1b[31mno such file <b>"}
    write(workplace, *(call(m, **(bad if m % 4 == 0 else {})) for m in range(1, 40)))
    return workplace


def test_what_a_person_is_told(used: Workplace) -> None:
    result = used.tgt("report", "--now", NOW, "--since", "1d", COLUMNS="100")
    assert (result.status, result.err) == (0, "")
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert lines[0] == "2025-11-02 16:00 UTC to 2025-11-03 16:00 UTC (1 d)"
    assert "contextlog:.forgekeeper/context_log" in lines
    assert "There is nothing from before to compare with" in lines
    assert any(line.startswith("grep 39 9 23%") for line in lines)
    assert "\x1b" not in result.out


def test_what_a_script_is_told(used: Workplace) -> None:
    result = used.tgt("report", "--json", "--now", NOW)
    assert (result.status, result.err) == (0, "")
    told = result.json["report"]
    assert told["since"] == "2025-10-27T16:00:00.000Z"
    assert told["until"] == NOW
    (tool,) = told["tools"]
    assert (tool["subject"], tool["calls"], tool["failures"]) == ("tool_call/grep", 39, 9)
    assert tool["before"]["calls"] == 0
    analyzers = {each["analyzer"] for each in told["coverage"]}
    assert analyzers >= {"error_spike", "performance", "ux_issue", "continuation", "docs_gap"}
    assert used.tgt("report", "--json", "--format", "html", "--now", NOW).json == result.json


def test_markdown(used: Workplace) -> None:
    result = used.tgt("report", "--format", "markdown", "--now", NOW)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("# What the telemetry says\n")
    assert "| grep | 39 | **9** |" in result.out


def test_html_is_one_page(used: Workplace) -> None:
    result = used.tgt("report", "--format", "html", "--now", NOW)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("<!DOCTYPE html>")
    assert result.out.endswith("</html>\n")
    assert "<b>" not in result.out
    HTMLParser().feed(result.out)


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_where_only_ascii_can_be_read(used: Workplace, form: str) -> None:
    result = used.tgt("report", "--format", form, "--now", NOW, LC_ALL="C")
    assert result.status == 0
    assert result.out.isascii()
    assert "?" not in result.out


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("90m", "2025-11-03T14:30:00.000Z"),
        ("2025-11-01", "2025-11-01T00:00:00.000Z"),
        ("2025-11-03T15:59:59Z", "2025-11-03T15:59:59.000Z"),
    ],
)
def test_since_when(used: Workplace, since: str, first: str) -> None:
    result = used.tgt("report", "--json", "--now", NOW, "--since", since)
    assert result.json["report"]["since"] == first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "soon"), "--since='soon' is not usable"),
        (("--since", NOW), "it must lie in the past"),
        (("--since", "2026-01-01"), "it must lie in the past"),
        (("--since", "9999d"), "--since='9999d' is not usable"),
        (("--format", "pdf"), "accepted is text, markdown or html"),
        (("--source", "nonsense"), "--source='nonsense' is not usable"),
    ],
)
def test_what_is_refused(used: Workplace, arguments: tuple[str, ...], said: str) -> None:
    result = used.tgt("report", "--now", NOW, *arguments)
    assert (result.status, result.out) == (2, "")
    assert said in result.err


def test_no_telemetry_yet(workplace: Workplace) -> None:
    write(workplace)
    for form in ("text", "markdown", "html"):
        result = workplace.tgt("report", "--format", form, "--now", NOW)
        assert (result.status, result.err) == (0, "")
        assert "No calls of tools." in result.out


def test_telemetry_that_is_not_there(workplace: Workplace) -> None:
    result = workplace.tgt("report", "--source", "contextlog:gone", "--json", "--now", NOW)
    assert result.status == 1
    assert "gone" in result.json["error"]


def test_what_could_not_be_read_is_named(used: Workplace) -> None:
    logs = used.path / ".forgekeeper" / "context_log"
    (logs / "bad.jsonl.gz").write_bytes(b"\x1f\x8b nothing")
    result = used.tgt("report", "--format", "html", "--now", NOW)
    assert result.status == 4
    assert "bad.jsonl.gz" in result.err
    assert "bad.jsonl.gz" in result.out
    told = used.tgt("report", "--json", "--now", NOW)
    assert told.status == 4
    assert "bad.jsonl.gz" in told.json["report"]["warnings"][0]


def test_nothing_is_written(used: Workplace) -> None:
    used.tgt("report", "--now", NOW)
    assert not used.tasks.exists()
