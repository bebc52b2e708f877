"""Whatever a transcript, a rollout or a mapped line holds, it is read or counted, never fatal."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tgt.sources import claude_code, codex
from tgt.sources.mapping import Column, Mapped
from tgt.sources.ndjson import Translator
from tgt.sources.otlp import decode as otlp

AT = "2025-11-03T16:00:00.000Z"
_WRONG: tuple[Any, ...] = (
    None,
    17,
    -1,
    1.5,
    "x",
    "",
    [],
    {},
    [None],
    [[]],
    True,
    1e400,
    float("nan"),
    "\ud800",
)
_WRONG_DEEP: tuple[Any, ...] = (
    {"type": "tool_use", "id": []},
    [{"type": {}}],
    {"a": {"b": []}},
    "1e999",
    "9" * 400,
)


def claude_lines() -> list[dict[str, Any]]:
    use: dict[str, Any] = {
        "type": "tool_use",
        "id": "k",
        "name": "Bash",
        "input": {"command": "ls"},
    }
    done: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": "k",
        "is_error": True,
        "content": "Exit code 1",
    }
    common: dict[str, Any] = {
        "timestamp": AT,
        "sessionId": "s",
        "uuid": "u",
        "cwd": "/a/b",
        "parentUuid": "p",
    }
    answer: dict[str, Any] = {"id": "m", "model": "x", "content": [use], "stop_reason": "tool_use"}
    answer["usage"] = {"input_tokens": 1, "output_tokens": 2}
    return [
        {"type": "assistant", "message": answer, **common},
        {"type": "user", "message": {"content": [done]}, "toolUseResult": {"durationMs": 1}}
        | {"permissionDecision": {"source": "config"}, **common},
        {"type": "user", "message": {"content": "please"}, "isMeta": False, **common},
        {"type": "system", "subtype": "api_error", "error": {"status": 529}, **common},
        {"type": "assistant", "isApiErrorMessage": True, "message": answer, **common},
    ]


def codex_lines() -> list[dict[str, Any]]:
    output = json.dumps({"output": "no", "metadata": {"exit_code": 1, "duration_seconds": 0.5}})
    usage = {"total_token_usage": {"total_tokens": 1}, "last_token_usage": {"input_tokens": 1}}
    payloads: list[tuple[str, dict[str, Any]]] = [
        ("session_meta", {"id": "c", "cwd": "/a/b"}),
        ("turn_context", {"model": "m"}),
        ("event_msg", {"type": "task_started", "turn_id": "t"}),
        ("response_item", {"type": "message", "role": "user", "content": [{"text": "x"}]}),
        ("response_item", {"type": "function_call", "name": "f", "call_id": "k"}),
        ("response_item", {"type": "function_call_output", "call_id": "k", "output": output}),
        ("response_item", {"type": "message", "role": "assistant", "content": []}),
        ("event_msg", {"type": "token_count", "info": usage}),
        ("event_msg", {"type": "task_complete", "error": {"message": "status 503"}}),
        ("event_msg", {"type": "turn_aborted"}),
        ("token_usage_record", {"usage": {}, "thread_token_usage": {}}),
    ]
    return [{"timestamp": AT, "type": kind, "payload": told} for kind, told in payloads]


def plain_lines() -> list[dict[str, Any]]:
    resource = {"_rawAttributes": [["service.name", "a"]], "attributes": {"session.id": "s"}}
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"}
    return [
        {"hrTime": [1762185600, 1], "_body": "x", "attributes": attributes, "resource": resource},
        {"_spanContext": {"traceId": "a", "spanId": "b"}, "name": "n", "startTime": [1762185600, 0]}
        | {"endTime": [1762185600, 9], "status": {"code": 2}, "attributes": attributes}
        | {"events": [{"name": "exception", "attributes": {"exception.type": "E"}}]},
        {"name": "n", "context": {"trace_id": "0xa"}, "start_time": AT, "end_time": AT}
        | {"attributes": attributes, "status": {"status_code": "ERROR"}, "span_kind": "TOOL"},
    ]


def mapped(documents: Iterator[Any]) -> Iterator[Any]:
    names = (
        "ts",
        "act",
        "name",
        "status",
        "elapsed_s",
        "finish_reason",
        "iter",
        "conv_id",
        "error",
    )
    columns = tuple((name, Column(paths=((name,),))) for name in names)
    translator = Translator(Mapped(columns))
    return (translator.record(document) for document in documents)


def mapped_lines() -> list[dict[str, Any]]:
    return [
        {"ts": AT, "act": "tool_call", "name": "x", "status": "ok", "elapsed_s": 1, "iter": 2}
        | {"finish_reason": "stop", "conv_id": "c", "error": "e"}
    ]


def broken(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and value:
        copy, key = dict(value), chance.choice(list(value))
        draw = chance.random()
        if draw < 0.15:
            del copy[key]
        elif draw < 0.5:
            copy[key] = chance.choice((*_WRONG, *_WRONG_DEEP))
        else:
            copy[key] = broken(copy[key], chance)
        return copy
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [broken(one, chance) if i == at else one for i, one in enumerate(value)]
    return chance.choice((*_WRONG, *_WRONG_DEEP))


@pytest.mark.parametrize(
    ("name", "translate", "whole"),
    [
        ("Claude Code", lambda found: claude_code.translate(found, "project"), claude_lines),
        ("Codex", lambda found: codex.translate(found, "rollout"), codex_lines),
        ("SDK objects", otlp.translate, plain_lines),
        ("a mapping", mapped, mapped_lines),
    ],
)
def test_a_session_with_one_broken_line_is_read(
    name: str,
    translate: Callable[[Iterator[Any]], Iterator[Any]],
    whole: Callable[[], list[dict[str, Any]]],
) -> None:
    chance = random.Random(11)
    lines = whole()
    usual = sum(isinstance(record, dict) for record in translate(iter(lines)))
    assert usual
    for _ in range(3000):
        at = chance.randrange(len(lines))
        session = [broken(line, chance) if i == at else line for i, line in enumerate(lines)]
        for record in translate(iter(line for line in session if isinstance(line, dict))):
            if isinstance(record, dict) and record.get("us") is not None:
                assert isinstance(record["us"], int)
                assert isinstance(record["act"], str)
                json.dumps(record, allow_nan=False)
