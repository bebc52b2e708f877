"""What an OpenTelemetry span or log record becomes, dialect by dialect, and what spoils nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tgt.sources.base import METRIC, SKIPPED, PassedOver, Reason, malformed, unknown
from tgt.sources.envelopes import documents
from tgt.sources.otlp import Otlp

AT_NS = 1_762_185_600_123_000_000
AT_US = AT_NS // 1000


def value(given: Any) -> dict[str, Any]:
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(one) for one in given]}}
    if isinstance(given, int):
        return {"intValue": str(given)}
    return {"doubleValue": given} if isinstance(given, float) else {"stringValue": given}


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(given)} for key, given in attributes.items()]


def logs(*records: Any, service: str = "app", scope: str = "scope") -> dict[str, Any]:
    resource = {"attributes": pairs({"service.name": service})}
    return {
        "resourceLogs": [
            {
                "resource": resource,
                "scopeLogs": [{"scope": {"name": scope}, "logRecords": list(records)}],
            }
        ]
    }


def spans(*records: Any, service: str = "app", scope: str = "scope") -> dict[str, Any]:
    resource = {"attributes": pairs({"service.name": service})}
    return {
        "resourceSpans": [
            {
                "resource": resource,
                "scopeSpans": [{"scope": {"name": scope}, "spans": list(records)}],
            }
        ]
    }


def log(name: str, attributes: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    told = pairs({"event.name": name, **(attributes or {})})
    return {"timeUnixNano": str(AT_NS), "body": {"stringValue": name}, "attributes": told, **more}


def span(name: str, attributes: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "traceId": "0AF7651916CD43DD8448EB211C80319C",
        "spanId": "b7ad6b7169203331",
        "name": name,
        "startTimeUnixNano": str(AT_NS - 250_000_000),
        "endTimeUnixNano": AT_NS,
        "attributes": pairs(attributes or {}),
        **more,
    }


def read(path: Path) -> list[Any]:
    source = Otlp(path)
    outcomes: list[Any] = []
    for file in source.listing().files:
        reader = source.reader(file)
        for document in documents(file):
            if document.value is None:
                outcomes.append(malformed(document.reason))
            else:
                outcomes += reader.take(document.value, document.place)
        outcomes += reader.finish()
    return joined(outcomes)


def joined(outcomes: list[Any]) -> list[Any]:
    """What is left when records with one key are one, and traces are of their conversations."""
    records = [one for one in outcomes if not isinstance(one, PassedOver)]
    best: dict[str, Any] = {}
    for record in records:
        key, before = record.get("key"), best.get(record.get("key"))
        if key and (before is None or record.get("revision", 0) > before.get("revision", 0)):
            best[key] = record
    sessions = {
        r["trace_id"]: r["conv_id"] for r in best.values() if "trace_id" in r and r["act"] is None
    }
    left = []
    for one in outcomes:
        if isinstance(one, PassedOver):
            left.append(one)
        elif one["act"] and (not one.get("key") or best[one["key"]] is one):
            of_trace = one["conv_id"] == one["trace_id"]
            session = sessions.get(one["trace_id"]) if of_trace else None
            left.append(one | {"conv_id": session or one["conv_id"]})
    return left


def of(tmp_path: Path, *documents: Any) -> list[Any]:
    path = tmp_path / "telemetry.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return read(path)


CLAUDE, CODEX, GEMINI = "claude-code", "codex_exec", "gemini-cli"
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "the conventions' chat span ends when it ends, and its first bad finish reason counts",
        spans(
            span(
                "chat m",
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "m",
                    "gen_ai.response.model": "m-1",
                    "gen_ai.response.finish_reasons": ["stop", "length"],
                    "gen_ai.usage.input_tokens": 12,
                    "gen_ai.usage.output_tokens": 5,
                    "gen_ai.conversation.id": "c",
                },
            )
        ),
        {
            "us": AT_US,
            "act": "assistant_response",
            "actor": "assistant",
            "phase": "call",
            "failed": False,
            "name": "m-1",
            "model": "m-1",
            "elapsed_ms": 250.0,
            "finish_reason": "length",
            "input_tokens": 12,
            "output_tokens": 5,
            "conv_id": "c",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "service": "app",
            "subject": "assistant_response/m-1",
        },
    ),
    (
        "names that are deprecated but in use",
        spans(
            span(
                "x",
                {
                    "gen_ai.operation.name": "text_completion",
                    "gen_ai.request.model": "m",
                    "gen_ai.response.stop_reason": "max_tokens",
                    "gen_ai.usage.prompt_tokens": 7,
                    "gen_ai.usage.completion_tokens": 3,
                    "session.id": "s",
                },
            )
        ),
        {"finish_reason": "length", "input_tokens": 7, "output_tokens": 3, "conv_id": "s"},
    ),
    (
        "a tool's span",
        spans(
            span(
                "execute_tool find",
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "find",
                    "gen_ai.tool.call.id": "k",
                    "gen_ai.tool.call.arguments": '{"q": 1}',
                    "gen_ai.tool.call.result": "3 hits",
                },
            )
        ),
        {
            "act": "tool_call",
            "actor": "tool",
            "name": "find",
            "call_id": "k",
            "failed": False,
            "args_preview": '{"q": 1}',
            "result_preview": "3 hits",
            "subject": "tool_call/find",
        },
    ),
    (
        "a tool whose span has an exception failed, whatever its status",
        spans(
            span(
                "execute_tool find",
                {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"},
                events=[
                    {
                        "name": "exception",
                        "attributes": pairs(
                            {"exception.type": "KeyError", "exception.message": "no q"}
                        ),
                    }
                ],
            )
        ),
        {"failed": True, "error_type": "KeyError", "error": "no q"},
    ),
    (
        "a model's span that failed is a failing API, by the class of its HTTP status",
        spans(
            span(
                "chat m",
                {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "error.type": "503"},
                status={"code": 2, "message": "overloaded"},
            )
        ),
        {
            "act": "api_error",
            "failed": True,
            "error_type": "http_503",
            "error": "overloaded",
            "subject": "upstream/http_5xx",
        },
    ),
    (
        "OpenInference",
        spans(
            span(
                "ChatCompletion",
                {
                    "openinference.span.kind": "LLM",
                    "llm.model_name": "m",
                    "llm.token_count.prompt": 4,
                    "llm.token_count.completion": 2,
                    "llm.cost.total": 0.25,
                    "session.id": "s",
                },
            )
        ),
        {
            "act": "assistant_response",
            "model": "m",
            "input_tokens": 4,
            "output_tokens": 2,
            "cost_usd": 0.25,
            "finish_reason": None,
        },
    ),
    (
        "OpenLLMetry",
        spans(
            span(
                "find.tool",
                {
                    "traceloop.span.kind": "tool",
                    "traceloop.entity.name": "find",
                    "traceloop.entity.input": "{}",
                },
            )
        ),
        {"act": "tool_call", "name": "find", "args_preview": "{}"},
    ),
    (
        "the Vercel AI SDK, as opencode writes it",
        spans(
            span(
                "ai.streamText.doStream",
                {
                    "ai.model.id": "m",
                    "ai.response.finishReason": "tool-calls",
                    "ai.telemetry.metadata.sessionId": "s",
                },
            )
        ),
        {"act": "assistant_response", "finish_reason": "tool_calls", "conv_id": "s"},
    ),
    (
        "Claude Code: a request has no finish reason",
        logs(
            log(
                "api_request",
                {
                    "session.id": "s",
                    "model": "m",
                    "duration_ms": "216",
                    "cost_usd": 0.004,
                    "input_tokens": "12",
                    "output_tokens": 40,
                    "request_id": "r",
                },
            ),
            service=CLAUDE,
        ),
        {
            "act": "assistant_response",
            "phase": "end",
            "call_id": "r",
            "elapsed_ms": 216.0,
            "finish_reason": None,
            "cost_usd": 0.004,
            "input_tokens": 12,
            "output_tokens": 40,
            "conv_id": "s",
        },
    ),
    (
        "Claude Code: the outcome of a tool may be text",
        logs(
            log(
                "claude_code.tool_result",
                {
                    "tool_name": "Bash",
                    "success": "false",
                    "duration_ms": "46",
                    "error_type": "ShellError",
                    "tool_use_id": "t",
                },
            )
        ),
        {
            "act": "tool_call",
            "actor": "assistant",
            "phase": "end",
            "failed": True,
            "error_type": "ShellError",
            "call_id": "t",
            "elapsed_ms": 46.0,
            "subject": "tool_call/Bash",
        },
    ),
    (
        "Claude Code: a tool that somebody added is one to document",
        logs(log("claude_code.tool_result", {"tool_name": "mcp__jira__find", "success": True})),
        {"actor": "tool", "name": "mcp__jira__find"},
    ),
    (
        "Claude Code: an API error without a status is the network's",
        logs(log("api_error", {"model": "m", "error": "ECONNRESET"}), service=CLAUDE),
        {
            "act": "api_error",
            "failed": True,
            "error_type": "network",
            "subject": "upstream/network",
        },
    ),
    (
        "Claude Code: who refuses a tool has not failed",
        logs(
            log(
                "tool_decision",
                {"decision": "reject", "source": "user_reject", "tool_name": "Bash"},
            ),
            service=CLAUDE,
        ),
        {"act": "approval", "failed": None, "cancelled": False},
    ),
    (
        "Claude Code: who aborts has aborted",
        logs(log("tool_decision", {"decision": "reject", "source": "user_abort"}), service=CLAUDE),
        {"act": "approval", "cancelled": True},
    ),
    (
        "Codex: the time is an attribute, the name of the event a place in its source",
        logs(
            log(
                "codex.user_prompt",
                {"event.timestamp": "2025-11-03T16:00:00.123Z", "conversation.id": "c"},
                timeUnixNano="0",
                body=None,
                eventName="event otel/src/x.rs:1",
                traceId="",
            ),
            service=CODEX,
        ),
        {"us": AT_US, "act": "prompt", "actor": "user", "conv_id": "c", "trace_id": None},
    ),
    (
        "Codex: a shell command that failed was a success of the tool; its exit code tells",
        logs(
            log(
                "codex.tool_result",
                {
                    "tool_name": "exec_command",
                    "success": "true",
                    "output": "Wall time: 0.1 seconds\nProcess exited with code 2\nOutput:\nno",
                    "duration_ms": "70",
                },
            ),
            service=CODEX,
        ),
        {"failed": True, "error_type": "exit_code", "elapsed_ms": 70.0},
    ),
    (
        "Codex: a completion with its tokens is the response",
        logs(
            log(
                "codex.sse_event",
                {
                    "event.kind": "response.completed",
                    "input_token_count": "9",
                    "output_token_count": "4",
                    "model": "m",
                    "duration_ms": "3",
                },
            ),
            service=CODEX,
        ),
        {"act": "assistant_response", "input_tokens": 9, "output_tokens": 4, "elapsed_ms": None},
    ),
    (
        "Codex: a request that failed",
        logs(
            log("codex.api_request", {"http.response.status_code": 429, "model": "m"}),
            service=CODEX,
        ),
        {"act": "api_error", "error_type": "http_429", "subject": "upstream/http_429"},
    ),
    (
        "Gemini CLI: thinking is output",
        logs(
            log(
                "gemini_cli.api_response",
                {
                    "model": "m",
                    "duration_ms": 306,
                    "output_token_count": 40,
                    "thoughts_token_count": 10,
                    "finish_reasons": ["FINISH_REASON_MAX_TOKENS"],
                    "role": "main",
                },
            ),
            service=GEMINI,
        ),
        {"act": "assistant_response", "output_tokens": 50, "finish_reason": "length"},
    ),
    (
        "Gemini CLI: a tool whose command failed says so in its metadata only",
        logs(
            log(
                "gemini_cli.tool_call",
                {"function_name": "run", "success": True, "metadata": '{"exitCode": 1}'},
            )
        ),
        {"failed": True, "error_type": "exit_code"},
    ),
    (
        "Gemini CLI: an agent that ran out of time",
        logs(log("gemini_cli.agent.finish", {"agent_name": "a", "terminate_reason": "TIMEOUT"})),
        {"act": "agent", "failed": True, "error_type": "timeout", "cancelled": False},
    ),
    (
        "GitHub Copilot's tool calls name no conversation: the trace stands for it",
        logs(
            log(
                "copilot_chat.tool.call",
                {"gen_ai.tool.name": "edit", "duration_ms": 5, "success": False},
                traceId="0AF7651916CD43DD8448EB211C80319C",
            )
        ),
        {"failed": True, "name": "edit", "conv_id": "0af7651916cd43dd8448eb211c80319c"},
    ),
]


@pytest.mark.parametrize(("promise", "document", "expected"), CASES, ids=[c[0] for c in CASES])
def test_a_record(
    tmp_path: Path, promise: str, document: dict[str, Any], expected: dict[str, Any]
) -> None:
    (record,) = of(tmp_path, document)
    assert {key: record.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("promise", "document", "what"),
    [
        (
            "a response's twin is no event",
            logs(log("assistant_response"), service=CLAUDE),
            SKIPPED,
        ),
        (
            "nor is the copy by the conventions",
            logs(log("gen_ai.client.inference.operation.details")),
            SKIPPED,
        ),
        (
            "nor the first of Codex's two completions",
            logs(log("codex.sse_event", {"event.kind": "response.completed"})),
            SKIPPED,
        ),
        (
            "nor an answer that Gemini CLI asks for itself",
            logs(log("gemini_cli.api_response", {"role": "utility_router"})),
            SKIPPED,
        ),
        ("nor a tool that was allowed", logs(log("tool_decision"), service=CLAUDE), SKIPPED),
        (
            "nor an agent's envelope",
            spans(span("x", {"gen_ai.operation.name": "invoke_agent"})),
            SKIPPED,
        ),
        ("a span of something else is not understood", spans(span("GET /")), unknown("GET /")),
        ("nor is an event of an unknown name", logs(log("app.started")), unknown("app.started")),
        (
            "metrics are counted",
            {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x"}]}]}]},
            METRIC,
        ),
    ],
)
def test_what_is_no_event(
    tmp_path: Path, promise: str, document: dict[str, Any], what: object
) -> None:
    assert of(tmp_path, document) == [what]


def test_a_span_in_the_trace_of_a_conversation_is_of_that_conversation(tmp_path: Path) -> None:
    """Only the outermost span may name it, and it is exported last."""
    tool = span("t", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"})
    agent = span("a", {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "c"})
    records = of(tmp_path, spans(tool), spans(agent))
    assert [r["conv_id"] for r in records if isinstance(r, dict)] == ["c"]


def test_waiting_for_permission_is_not_running(tmp_path: Path) -> None:
    """Claude Code's span of a tool includes the wait, the one inside does not, and has no name."""
    outer = span("claude_code.tool", {"tool_name": "Bash"}, spanId="aa", status={"code": 0})
    outer["startTimeUnixNano"] = str(AT_NS - 60_000_000_000)
    waited = span("claude_code.tool.blocked_on_user", spanId="bb", parentSpanId="aa")
    inner = span("claude_code.tool.execution", {"success": False}, spanId="cc", parentSpanId="aa")
    found = [r for r in of(tmp_path, spans(inner, waited, outer)) if isinstance(r, dict)]
    assert [(r["name"], r["elapsed_ms"], r["failed"]) for r in found] == [("Bash", 250.0, True)]


def test_a_record_without_any_time_is_malformed(tmp_path: Path) -> None:
    untimed = log("codex.user_prompt", timeUnixNano="0")
    (record,) = of(tmp_path, logs(untimed))
    assert record.reason is Reason.MALFORMED


# --- how documents are written ------------------------------------------------------------------


def good(number: int = 0) -> dict[str, Any]:
    return logs(log("user_prompt", {"session.id": "s", "n": number}), service=CLAUDE)


def outcome(records: list[Any]) -> tuple[int, int]:
    """How many events and malformed documents there are."""
    broken = [r for r in records if isinstance(r, PassedOver) and r.reason is Reason.MALFORMED]
    return sum(isinstance(r, dict) for r in records), len(broken)


def test_objects_of_the_javascript_sdk(tmp_path: Path) -> None:
    """What Gemini CLI writes to its outfile: private names, times as pairs, plain attributes."""
    resource = {"_rawAttributes": [["service.name", "gemini-cli"], ["session.id", "s"]]}
    record = {
        "hrTime": [AT_NS // 10**9, AT_NS % 10**9],
        "_body": "Tool call",
        "resource": resource,
        "attributes": {
            "event.name": "gemini_cli.tool_call",
            "function_name": "ls",
            "success": False,
            "duration_ms": 3,
        },
    }
    inside = {
        "_spanContext": {"traceId": "a" * 32, "spanId": "b" * 16},
        "name": "chat",
        "startTime": [AT_NS // 10**9 - 1, AT_NS % 10**9],
        "endTime": [AT_NS // 10**9, AT_NS % 10**9],
        "status": {"code": 0},
        "attributes": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"},
        "resource": {"attributes": {"service.name": "other"}},
    }
    tool, answer = of(tmp_path, record, inside)
    assert (tool["name"], tool["failed"], tool["service"], tool["conv_id"], tool["us"]) == (
        *("ls", True, "gemini-cli", "s"),
        AT_US,
    )
    assert (answer["model"], answer["elapsed_ms"], answer["service"]) == ("m", 1000.0, "other")


def test_the_console_output_of_the_python_sdk(tmp_path: Path) -> None:
    document = {
        "name": "execute_tool find",
        "context": {"trace_id": "0x" + "a" * 32, "span_id": "0x" + "b" * 16},
        "kind": "SpanKind.INTERNAL",
        "start_time": "2025-11-03T16:00:00.000000Z",
        "end_time": "2025-11-03T16:00:00.123000Z",
        "status": {"status_code": "ERROR", "description": "boom"},
        "attributes": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"},
        "resource": {"attributes": {"service.name": "app"}},
    }
    (tmp_path / "out.log").write_text(json.dumps(document, indent=4) + "\n")
    (record,) = read(tmp_path)
    assert (record["us"], record["elapsed_ms"], record["failed"], record["error"]) == (
        *(AT_US, 123.0, True),
        "boom",
    )
    assert record["trace_id"] == "a" * 32


def test_the_names_of_older_producers(tmp_path: Path) -> None:
    snake = {
        "resource_spans": [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"string_value": "a"}}]
                },
                "instrumentation_library_spans": [
                    {
                        "spans": [
                            {
                                "trace_id": "a" * 32,
                                "span_id": "b" * 16,
                                "end_time_unix_nano": AT_NS,
                                "start_time_unix_nano": AT_NS,
                                "status": {"code": "STATUS_CODE_ERROR"},
                                "attributes": [
                                    {
                                        "key": "openinference.span.kind",
                                        "value": {"string_value": "TOOL"},
                                    }
                                ],
                            }
                        ]
                    }
                ],
            }
        ]
    }
    (record,) = of(tmp_path, snake)
    assert (record["service"], record["failed"], record["us"]) == ("a", True, AT_US)


# --- what is malformed ---------------------------------------------------------------------------


def _broken(document: Any, chance: random.Random) -> Any:
    """A copy with something of a wrong type, or missing, somewhere."""
    if isinstance(document, dict) and document:
        copy = dict(document)
        key = chance.choice(list(copy))
        draw = chance.random()
        if draw < 0.2:
            del copy[key]
        elif draw < 0.5:
            copy[key] = chance.choice([None, 17, -1, "x", [], {}, [None], True, 1e400, "\ud800"])
        else:
            copy[key] = _broken(copy[key], chance)
        return copy
    if isinstance(document, list) and document:
        at = chance.randrange(len(document))
        return [_broken(one, chance) if i == at else one for i, one in enumerate(document)]
    return chance.choice([None, 17, "x", [], {}])


def _whole() -> Iterator[dict[str, Any]]:
    for _, document, _ in CASES:
        yield document


def test_wrong_types_and_missing_parts_spoil_only_themselves(tmp_path: Path) -> None:
    """Two thousand broken documents, each between two good ones that must be counted."""
    chance = random.Random(5)
    documents: list[Any] = [good(-1)]
    for round_ in range(2000):
        documents += [_broken(list(_whole())[round_ % len(CASES)], chance), good(round_)]
    records = of(tmp_path, *documents)
    prompts = [r for r in records if isinstance(r, dict) and r.get("conv_id") == "s"]
    assert len([r for r in prompts if r["act"] == "prompt"]) >= 2001
    for record in records:
        if isinstance(record, dict) and record.get("us") is not None:
            json.dumps(record)
            assert isinstance(record["us"], int)
            assert isinstance(record["act"], str)


def test_a_huge_batch_and_several_kinds_in_one_file(tmp_path: Path) -> None:
    batch = logs(*(log("codex.user_prompt", {"n": n}) for n in range(20_000)))
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x"}] * 3}]}]}
    records = of(tmp_path, batch, metrics, spans(span("GET /")), good())
    assert sum(isinstance(r, dict) for r in records) == 20_001
    assert records.count(METRIC) == 3
    assert records.count(unknown("GET /")) == 1
