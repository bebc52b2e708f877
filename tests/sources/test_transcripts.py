"""What the lines of Claude Code's transcripts and of Codex's rollouts become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tgt.sources.claude_code import ClaudeCode
from tgt.sources.codex import Codex
from tgt.sources.files import parts
from tgt.sources.translated import SKIPPED, UNKNOWN, Translated

START = "2025-11-03T16:00:"


def read(source: Translated) -> list[Any]:
    return [
        record
        for file in source.files()
        for part in parts(file)
        for record in source.translate(part)
    ]


def written(path: Path, *lines: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


# --- Claude Code ---------------------------------------------------------------------------------


def line(second: float, kind: str, content: Any, **more: Any) -> dict[str, Any]:
    message = {"role": kind, "content": content, **more.pop("message", {})}
    return {
        "type": kind,
        "message": message,
        "timestamp": f"{START}{second:06.3f}Z",
        "sessionId": "s",
        "uuid": f"u{second}",
        "cwd": "/home/me/web",
        **more,
    }


def said(second: float, message_id: str, block: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"id": message_id, "model": "m", "usage": more.pop("usage", {}), **more}
    return line(second, "assistant", [block], message=message)


def use(call: str, name: str = "Bash") -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": {"command": "ls"}}


def result(second: float, call: str, content: Any = "text", **more: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": call, "content": content}
    if "is_error" in more:
        block["is_error"] = more.pop("is_error")
    return line(second, "user", [block], **more)


TEXT = {"type": "text", "text": "done"}


def claude(tmp_path: Path, *lines: dict[str, Any]) -> list[dict[str, Any]]:
    written(tmp_path / "-home-me-web" / "s.jsonl", *lines)
    return [r for r in read(ClaudeCode(tmp_path)) if isinstance(r, dict)]


def test_a_message_is_one_response_however_many_lines_it_has(tmp_path: Path) -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 5}
    (answer, call, prompt) = claude(
        tmp_path,
        line(0, "user", "please"),
        said(1, "m1", TEXT, usage={**usage, "output_tokens": 1}) | {"parentUuid": "u0"},
        said(2, "m1", use("k"), stop_reason="tool_use", usage={**usage, "output_tokens": 9}),
    )
    assert (prompt["act"], prompt["actor"], prompt["args_preview"]) == ("prompt", "user", "please")
    assert (answer["act"], answer["subject"]) == ("assistant_response", "assistant_response/m")
    assert (answer["finish_reason"], answer["elapsed_ms"]) == ("tool_calls", 2000.0)
    assert (answer["input_tokens"], answer["output_tokens"]) == (18, 9)
    assert (call["act"], call.get("failed"), call.get("elapsed_ms")) == ("tool_call", None, None)
    assert {r["service"] for r in (answer, call, prompt)} == {"claude-code:web"}
    assert {r["conv_id"] for r in (answer, call, prompt)} == {"s"}


@pytest.mark.parametrize(
    ("promise", "answer", "expected"),
    [
        ("as it is told", result(4, "k"), (False, 3000.0, None)),
        (
            "an exit code",
            result(4, "k", "Exit code 1\nno", is_error=True),
            (True, 3000.0, "exit_code"),
        ),
        (
            "a misuse of the tool",
            result(4, "k", "<tool_use_error>no file</tool_use_error>", is_error=True),
            (True, 3000.0, "misuse"),
        ),
        (
            "what the tool itself measured does not include the wait for permission",
            result(4, "k", toolUseResult={"durationMs": 12}),
            (False, 12.0, None),
        ),
        (
            "after a person was asked nobody knows how long it ran",
            result(4, "k", permissionDecision={"decision": "accept", "source": "user_temporary"}),
            (False, None, None),
        ),
        (
            "a rule is nobody",
            result(4, "k", permissionDecision={"decision": "accept", "source": "config"}),
            (False, 3000.0, None),
        ),
        (
            "a refusal is no failure",
            result(
                4,
                "k",
                "The user doesn't want to proceed with this tool use.",
                is_error=True,
                toolUseResult="User rejected tool use",
            ),
            (None, 3000.0, "user_rejected"),
        ),
    ],
)
def test_the_result_of_a_tool(
    tmp_path: Path, promise: str, answer: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    call = next(
        r for r in claude(tmp_path, said(1, "m1", use("k")), answer) if r["act"] == "tool_call"
    )
    assert (call["failed"], call["elapsed_ms"], call.get("error_type")) == expected


def test_a_question_to_the_person_has_no_duration(tmp_path: Path) -> None:
    records = claude(tmp_path, said(1, "m1", use("k", "AskUserQuestion")), result(9, "k"))
    assert [r.get("elapsed_ms") for r in records if r["act"] == "tool_call"] == [None]


@pytest.mark.parametrize(
    ("promise", "lines", "expected"),
    [
        ("told", [said(1, "a", TEXT, stop_reason="max_tokens")], ["length"]),
        ("old versions tell nothing: a last word is an end", [said(1, "a", TEXT)], ["stop"]),
        ("and a call is a call", [said(1, "a", TEXT), said(2, "a", use("k"))], ["tool_calls"]),
        (
            "where one was cut off, the next line says so",
            [
                said(1, "a", TEXT),
                line(2, "user", "Output token limit hit. Resume directly.", isMeta=True),
                said(3, "b", TEXT),
            ],
            ["length", "stop"],
        ),
        ("thinking alone is no end", [said(1, "a", {"type": "thinking"})], [None]),
    ],
)
def test_how_a_response_ended(
    tmp_path: Path, promise: str, lines: list[dict[str, Any]], expected: list[str | None]
) -> None:
    records = claude(tmp_path, *lines)
    found = [r.get("finish_reason") for r in records if r["act"] == "assistant_response"]
    assert found == expected


def test_an_interruption_is_an_abort(tmp_path: Path) -> None:
    block = {"type": "text", "text": "[Request interrupted by user for tool use]"}
    (record,) = claude(tmp_path, line(1, "user", [block]))
    assert (record["act"], record["cancelled"]) == ("interruption", True)


def test_failures_of_the_api(tmp_path: Path) -> None:
    retry = line(1, "system", None, subtype="api_error", error={"status": 529, "message": "busy"})
    final = said(2, "x", {"type": "text", "text": "API Error: 500 down"})
    found = claude(tmp_path, retry, {**final, "isApiErrorMessage": True})
    assert [(r["act"], r["failed"], r["error_type"], r["subject"]) for r in found] == [
        ("api_error", True, "http_529", "upstream/http_529"),
        ("api_error", True, "http_500", "upstream/http_5xx"),
    ]


def test_lines_that_are_no_events(tmp_path: Path) -> None:
    written(
        tmp_path / "p" / "s.jsonl",
        {"type": "file-history-snapshot", "messageId": "x"},
        {"type": "progress", "timestamp": f"{START}01Z", "uuid": "y"},
        line(1, "user", "<command-name>/compact</command-name>"),
        line(2, "user", "from the parent", isSidechain=True),
        line(3, "user", "summary", isCompactSummary=True),
        {"type": "a-kind-of-next-year"},
        {"type": "user", "message": {"content": "no time"}},
        {"type": "assistant", "message": 17, "timestamp": f"{START}01Z"},
    )
    found = read(ClaudeCode(tmp_path))
    assert found.count(SKIPPED) == 5
    assert found.count(UNKNOWN) == 1
    assert [r["us"] for r in found if isinstance(r, dict)] == [None, None]


def test_projects_and_sub_agents_are_found_at_any_depth(tmp_path: Path) -> None:
    written(tmp_path / "a" / "1.jsonl", line(0, "user", "x", cwd="/home/me/a"))
    written(tmp_path / "b" / "2" / "subagents" / "agent-1.jsonl", said(1, "m", TEXT))
    (tmp_path / "a" / ".hidden.jsonl").write_text("{}\n")
    (tmp_path / "a" / "notes.txt").write_text("{}\n")
    source = ClaudeCode(tmp_path)
    assert [Path(file.path).name for file in source.files()] == ["1.jsonl", "agent-1.jsonl"]
    services = {r["service"] for r in read(source) if isinstance(r, dict)}
    assert services == {"claude-code:a", "claude-code:web"}


# --- Codex ---------------------------------------------------------------------------------------


def entry(second: float, kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": f"{START}{second:06.3f}Z", "type": kind, "payload": payload}


def item(second: float, **payload: Any) -> dict[str, Any]:
    return entry(second, "response_item", **payload)


def event(second: float, **payload: Any) -> dict[str, Any]:
    return entry(second, "event_msg", **payload)


META = entry(0, "session_meta", id="c", cwd="/home/me/web")
MODEL = entry(0, "turn_context", model="m")


def called(second: float, name: str = "shell") -> dict[str, Any]:
    return item(second, type="function_call", name=name, call_id="k", arguments="{}")


def codex(tmp_path: Path, *lines: dict[str, Any]) -> list[dict[str, Any]]:
    written(tmp_path / "2025" / "11" / "03" / "rollout-1.jsonl", META, MODEL, *lines)
    return [r for r in read(Codex(tmp_path)) if isinstance(r, dict)]


@pytest.mark.parametrize(
    ("promise", "output", "expected"),
    [
        ("the exit code tells", "Process exited with code 0\nOutput:\n", (False, 2000.0, None)),
        (
            "a time that it took is without the wait for permission",
            "Wall time: 0.5 seconds\nProcess exited with code 1\n",
            (True, 500.0, "exit_code"),
        ),
        (
            "older versions wrote an object as text",
            json.dumps({"output": "no", "metadata": {"exit_code": 1, "duration_seconds": 0.25}}),
            (True, 250.0, "exit_code"),
        ),
        ("a tool that is not there", "unsupported call: x", (True, 2000.0, "tool_error")),
        (
            "an outcome of its own",
            {"content": "no", "success": False},
            (True, 2000.0, "tool_error"),
        ),
        (
            "who refuses has not failed",
            "exec command rejected by user",
            (None, None, "user_rejected"),
        ),
        ("nothing is wrong", "Plan updated", (False, 2000.0, None)),
    ],
)
def test_the_output_of_a_call(
    tmp_path: Path, promise: str, output: Any, expected: tuple[Any, ...]
) -> None:
    records = codex(
        tmp_path, called(1), item(3, type="function_call_output", call_id="k", output=output)
    )
    call = next(r for r in records if r["act"] == "tool_call")
    assert (call["failed"], call["elapsed_ms"], call.get("error_type")) == expected
    assert (call["conv_id"], call["service"]) == ("c", "codex:web")


def test_token_counts_are_cumulative_and_told_twice(tmp_path: Path) -> None:
    def counted(second: float, total: int, last: int) -> dict[str, Any]:
        usage = {"input_tokens": last, "output_tokens": last}
        info = {"total_token_usage": {"total_tokens": total}, "last_token_usage": usage}
        return event(second, type="token_count", info=info)

    done = item(2, type="function_call_output", call_id="k", output="ok")
    text = item(4, type="message", role="assistant", content=[])
    records = codex(
        tmp_path,
        *(called(1), counted(1.5, 10, 10), done, counted(2.5, 10, 10)),
        *(text, counted(4.5, 30, 20), counted(4.6, 30, 20)),
    )
    tokens = [r["output_tokens"] for r in records if r["act"] == "assistant_response"]
    assert tokens == [10, 20]


@pytest.mark.parametrize(
    ("promise", "end", "expected"),
    [
        ("completed", [event(3, type="task_complete")], ("stop", [])),
        (
            "cut off",
            [event(3, type="task_complete", error={"message": "reason: max_output_tokens"})],
            ("length", []),
        ),
        (
            "failed",
            [event(3, type="task_complete", error={"message": "unexpected status 503"})],
            (None, [("api_error", True, "upstream/http_5xx", False)]),
        ),
        (
            "aborted",
            [event(3, type="turn_aborted", reason="interrupted")],
            (None, [("turn_aborted", None, "turn_aborted", True)]),
        ),
        (
            "never completed, as the next turn shows",
            [event(9, type="task_started", turn_id="t2")],
            (None, [("turn_aborted", None, "turn_aborted", True)]),
        ),
        ("still going", [], (None, [])),
    ],
)
def test_the_end_of_a_turn(
    tmp_path: Path, promise: str, end: list[dict[str, Any]], expected: tuple[Any, ...]
) -> None:
    records = codex(
        tmp_path,
        event(1, type="task_started", turn_id="t1"),
        item(2, type="message", role="assistant", content=[]),
        *end,
    )
    answer, *others = records
    assert answer.get("finish_reason") == expected[0]
    told = [(r["act"], r.get("failed"), r["subject"], r["cancelled"]) for r in others]
    assert told == expected[1]


def test_what_the_machine_itself_tells_the_model_is_no_prompt(tmp_path: Path) -> None:
    given = [
        item(1, type="message", role=role, content=[{"type": "input_text", "text": text}])
        for role, text in (
            ("developer", "rules"),
            ("user", "<environment_context>x"),
            ("user", "please"),
        )
    ]
    assert [(r["act"], r["args_preview"]) for r in codex(tmp_path, *given)] == [
        ("prompt", "please")
    ]


def test_broken_lines_of_a_rollout(tmp_path: Path) -> None:
    path = written(tmp_path / "rollout-1.jsonl", META, {"type": "event_msg", "payload": {}})
    with path.open("a") as stream:
        stream.write(json.dumps({"timestamp": f"{START}01Z", "type": "next_year"}) + '\n{"torn')
    found = read(Codex(tmp_path))
    assert [r["us"] for r in found if isinstance(r, dict)] == [None, None]
    assert found.count(UNKNOWN) == 1
