"""``tgt sources``: what lies where, and what it is good for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Workplace

NOW = "2025-11-03T16:00:00.000Z"


def event(name: str, **attributes: Any) -> dict[str, Any]:
    given = {"event.name": name, "session.id": "s", **attributes}
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in given.items()]
    return {"timeUnixNano": "1762185000000000000", "attributes": pairs}


def write_otlp(workplace: Workplace, *records: Any) -> str:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]}
    batch = {
        "resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": list(records)}]}],
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x"}, {"name": "y"}]}]}],
    }
    (workplace.path / "otel.jsonl").write_text(json.dumps(batch) + "\nno JSON\n")
    return "otlp:otel.jsonl"


@pytest.fixture
def claude(workplace: Workplace) -> str:
    return write_otlp(
        workplace,
        event("api_request", model="m", duration_ms="9"),
        event("tool_result", tool_name="Bash", success="true", duration_ms="5"),
        event("tool_decision", decision="accept"),
        event("something_new"),
    )


def test_what_a_script_is_told(workplace: Workplace, claude: str) -> None:
    result = workplace.tgt("sources", "--json", "--source", claude)
    assert result.status == 0
    assert result.err == ""
    (told,) = result.json["sources"]
    assert result.json["count"] == 1
    counts = ("files", "records", "understood", "notUnderstood", "metrics", "malformed")
    assert [told[key] for key in counts] == [1, 7, 5, 1, 2, 1]
    assert told["kind"] == "otlp"
    assert told["firstAt"] == told["lastAt"] == "2025-11-03T15:50:00.000Z"
    assert told["dialects"] == ["Claude Code"]
    assert told["services"] == {"claude-code": 2}
    assert told["acts"] == {"assistant_response": 1, "tool_call": 1}
    assert told["columns"]["elapsed_ms"] == 2
    able = {name: state["able"] for name, state in told["analyzers"].items()}
    assert {name for name, is_able in able.items() if not is_able} == {
        *("continuation", "docs_gap", "token_waste")
    }
    assert able["error_spike"] is able["performance"] is True
    reason = told["analyzers"]["continuation"]["reason"]
    assert reason == "no response tells how it ended (finish reason)"


def test_what_a_person_is_told(workplace: Workplace, claude: str) -> None:
    result = workplace.tgt("sources", "--now", NOW, TASKGEN_SOURCE=claude, COLUMNS="120")
    assert result.status == 0
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert lines[0] == "otlp"
    records = "7 records, 1 not understood (60% understood), 2 metrics passed over, 1 malformed"
    assert f"records {records}" in " ".join(lines)
    assert "in the words of Claude Code" in lines
    assert "docs_gap cannot: only the agent's own tools" in lines
    assert "error_spike can work on it" in lines


def test_the_usual_directory_with_nothing_in_it(workplace: Workplace) -> None:
    (workplace.path / ".forgekeeper" / "context_log").mkdir(parents=True)
    result = workplace.tgt("sources")
    assert result.status == 0
    assert "contextlog:.forgekeeper/context_log" in result.out
    assert "nothing has been written there yet" in result.out


def test_what_is_not_read_is_named_also_where_there_is_nothing_else(workplace: Workplace) -> None:
    logs = workplace.path / "logs"
    logs.mkdir()
    (logs / "ctx.jsonl.xz").write_bytes(b"\xfd7zXZ")
    result = workplace.tgt("sources", "--source", "contextlog:logs")
    assert "nothing has been written there yet" not in result.out
    assert "of what lies there nothing is read" in result.out
    assert "ctx.jsonl.xz: its ending is not one that is read" in " ".join(result.out.split())


def test_contextlog_in_counts(workplace: Workplace) -> None:
    logs = workplace.path / "logs"
    logs.mkdir()
    line = {"ts": NOW, "act": "tool_call", "name": "ls", "status": "ok", "conv_id": "c"}
    (logs / "ctx.jsonl").write_text(f"{json.dumps(line)}\ntorn\n{json.dumps(line)}\n")
    told = workplace.tgt("sources", "--json", "--source", "contextlog:logs").json["sources"][0]
    assert [told[key] for key in ("records", "understood", "malformed")] == [3, 2, 1]
    assert told["acts"] == {"tool_call": 2}
    assert told["columns"]["conv_id"] == 2
    assert told["analyzers"]["docs_gap"]["able"] is True


def test_a_place_that_is_not_there_is_a_problem(workplace: Workplace) -> None:
    result = workplace.tgt("sources", "--source", "claude-code:gone,contextlog:gone")
    assert result.status == 4
    assert result.out.count("problem") == 2


def test_files_of_no_known_format_are_shown(workplace: Workplace, claude: str) -> None:
    (workplace.path / "other.jsonl").write_text('{"something": "else"}\n')
    result = workplace.tgt("sources", "--json", "--source", "auto:.")
    assert [(one["kind"], one["files"]) for one in result.json["sources"]] == [
        ("otlp", 1),
        ("unknown", 1),
    ]


def test_nothing_of_the_telemetry_acts_on_a_terminal(workplace: Workplace) -> None:
    evil = "\x1b[31mred\u202e"
    source = write_otlp(workplace, event("codex.tool_result", tool_name=evil))
    (workplace.path / "otel.jsonl").write_text(
        (workplace.path / "otel.jsonl").read_text().replace("claude-code", "\\u001b[2Jx")
    )
    result = workplace.tgt("sources", "--source", source)
    assert result.status == 0
    assert "\x1b" not in result.out
    assert "\u202e" not in result.out


def test_nothing_is_written(workplace: Workplace, claude: str) -> None:
    before = sorted(workplace.path.rglob("*"))
    workplace.tgt("sources", "--source", claude)
    assert sorted(workplace.path.rglob("*")) == before
