"""OpenTelemetry of LLM agents: what spans and log records of each convention mean.

Agents tell one call up to five times (a request and its response, an error, a span around it, a
copy by the semantic conventions), each in words of its own. Here one *item*, a span or a log
record with its attributes, becomes one record, or is known to be no event, or is not understood.
Records of one call carry the same call id, or trace and name, by which they are joined later.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tgt.telemetry.translated import MALFORMED_RECORD, SKIPPED, UNKNOWN
from tgt.telemetry.values import (
    finish,
    first,
    http_class,
    number,
    preview,
    text,
    truth,
    upstream,
)

Record = dict[str, Any]


class Item(NamedTuple):
    """A span or a log record, apart from how it was encoded; times in microseconds."""

    is_span: bool
    name: str
    attributes: Mapping[str, Any]
    us: int | None
    start_us: int | None = None
    trace: str | None = None
    span: str | None = None
    parent: str | None = None
    severity: float = 0
    status: int = 0
    status_message: str | None = None
    exception: Mapping[str, Any] = MappingProxyType({})
    scope: str = ""
    service: str | None = None
    session: str | None = None


_CONVERSATION = (
    *("gen_ai.conversation.id", "session.id", "langfuse.session.id", "conversation.id"),
    *("ai.telemetry.metadata.sessionId", "traceloop.association.properties.session_id"),
    *("traceloop.association.properties.conversation_id", "session_id", "conversation_id"),
)
_MODEL = (
    *("gen_ai.response.model", "gen_ai.request.model", "ai.response.model", "ai.model.id"),
    *("llm.model_name", "llm.response.model", "llm.request.model", "model", "model_name"),
)
_TOOL = (
    *("gen_ai.tool.name", "tool_name", "tool.name", "ai.toolCall.name", "function_name"),
    *("traceloop.entity.name", "mcp.tool.name"),
)
_CALL = (
    *("gen_ai.tool.call.id", "gen_ai.tool.call_id", "tool_use_id", "tool_call.id", "tool.id"),
    *("ai.toolCall.id", "call_id"),
)
_FINISH = (
    *("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "finish_reasons"),
    *("gen_ai.response.stop_reason", "llm.finish_reason", "llm.response.finish_reason"),
    *("llm.response.stop_reason", "ai.response.finishReason", "stop_reason", "finish_reason"),
)
_INPUT = (
    *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    *("llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens"),
    *("input_token_count", "input_tokens"),
)
_OUTPUT = (
    *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    *("llm.token_count.completion", "llm.usage.completion_tokens", "ai.usage.outputTokens"),
    *("ai.usage.completionTokens", "output_token_count", "output_tokens"),
)
_COST = ("gen_ai.usage.cost", "llm.cost.total", "cost_usd")
_ARGS = (
    *("gen_ai.tool.call.arguments", "ai.toolCall.args", "function_args", "tool_input"),
    *("tool_parameters", "arguments", "input.value", "traceloop.entity.input"),
)
_RESULT = (
    *("gen_ai.tool.call.result", "ai.toolCall.result", "output.value"),
    *("traceloop.entity.output", "output"),
)
_ERROR_TYPE = ("error.type", "error_type", "exception.type")
_ERROR = ("error.message", "error", "exception.message")
_DURATION = ("duration_ms", "durationMs", "elapsed_ms", "latency_ms", "duration")
_HTTP = ("status_code", "http.response.status_code", "http.status_code")

_ANSWERS = frozenset(("chat", "generate_content", "text_completion", "completion", "message"))
_ENVELOPES = frozenset(
    (
        *("invoke_agent", "create_agent", "invoke_workflow", "schedule_tool_calls", "agent"),
        *("workflow", "task", "chain", "retrieval", "retriever", "guardrail", "evaluator"),
        *("reranker", "prompt", "plan", "execute_hook"),
    )
)
_EXIT_CODE = re.compile(
    r"(?:exited with code|exit[_ ]?code[\"']?\s*[:=]?)\s*(-?\d+)", re.IGNORECASE
)


def record(item: Item) -> Any:
    """The record of an item (its ``conv_id`` may be unknown), or SKIPPED or UNKNOWN."""
    made = _of_span(item) if item.is_span else _of_log(item)
    if isinstance(made, dict) and item.us is None:
        return MALFORMED_RECORD
    return made


def conversation(item: Item) -> str | None:
    """The conversation that an item names itself."""
    return text(first(item.attributes, *_CONVERSATION))


# --- records -------------------------------------------------------------------------------------


def _base(item: Item, act: str, actor: str, **more: Any) -> Record:
    made = {
        "us": item.us,
        "id": _identity(item),
        "actor": actor,
        "act": act,
        "cancelled": False,
        "conv_id": conversation(item),
        "trace_id": item.trace,
        "service": item.service,
        **more,
    }
    if "subject" not in made:
        made["subject"] = f"{act}/{made['name']}" if made.get("name") else act
    return made


def _identity(item: Item) -> str:
    if item.is_span and item.span:
        return f"{item.trace}:{item.span}"
    told = text(item.attributes.get("event.sequence")) or repr(sorted(item.attributes.items()))
    parts = (item.trace, item.span, item.us, item.name, told, item.session)
    return hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()


def _elapsed(item: Item) -> float | None:
    if item.is_span:
        if item.start_us is None or item.us is None or item.us < item.start_us:
            return None
        return (item.us - item.start_us) / 1000
    return next((v for name in _DURATION if (v := number(item.attributes.get(name)))), None)


def _tool(item: Item, phase: str, *, failed: bool | None, **more: Any) -> Record:
    name = text(first(item.attributes, *_TOOL)) or _suffix(item, "execute_tool ") or "unknown"
    attributes = item.attributes
    made = {
        "phase": phase,
        "name": name,
        "failed": failed,
        "call_id": text(first(attributes, *_CALL)),
        "elapsed_ms": _elapsed(item),
        "error": preview(_error(item)) if failed else None,
        "error_type": text(first(attributes, *_ERROR_TYPE)) if failed else None,
        "args_preview": preview(first(attributes, *_ARGS)),
        "result_preview": preview(first(attributes, *_RESULT)),
        "subject": f"tool_call/{name}",
        **more,
    }
    if failed and made["error_type"] is None:
        made["error_type"] = text(item.exception.get("exception.type"))
    return _base(item, "tool_call", "tool", **made)


def _own_tool(item: Item, made: Record) -> Record:
    """A coding agent's tool: one that it brings along is its own, and its maker documents it."""
    told = first(item.attributes, "mcp_server_name", "mcp_server", "mcp_server.name")
    is_added = told is not None or item.attributes.get("tool_type") == "mcp"
    if not is_added and not is_added_tool(made["name"]):
        made["actor"] = "assistant"
    return made


def is_added_tool(name: str) -> bool:
    """Whether the name is of a tool that somebody added to a coding agent."""
    return name.startswith("mcp") or "__" in name


def _answer(item: Item, phase: str | None, **more: Any) -> Record:
    attributes = item.attributes
    model = text(first(attributes, *_MODEL))
    made = {
        "phase": phase,
        "name": model,
        "model": model,
        "failed": False,
        "elapsed_ms": _elapsed(item),
        "finish_reason": finish(first(attributes, *_FINISH)),
        "input_tokens": number(first(attributes, *_INPUT)),
        "output_tokens": number(first(attributes, *_OUTPUT)),
        "cost_usd": number(first(attributes, *_COST)),
        "subject": f"assistant_response/{model}" if model else "assistant_response",
        **more,
    }
    return _base(item, "assistant_response", "assistant", **made)


def _api_error(item: Item, phase: str | None, **more: Any) -> Record:
    attributes = item.attributes
    model = text(first(attributes, *_MODEL))
    told = text(first(attributes, *_ERROR_TYPE)) or text(item.exception.get("exception.type"))
    status = first(attributes, *_HTTP)
    kind = http_class(status) or http_class(told) or told
    made = {
        "phase": phase,
        "name": model,
        "model": model,
        "failed": True,
        "elapsed_ms": _elapsed(item),
        "error": preview(_error(item)),
        "error_type": kind,
        "subject": upstream(kind, model),
        **more,
    }
    return _base(item, "api_error", "assistant", **made)


def _prompt(item: Item) -> Record:
    # The task of an agent that works on its own: nobody waits for its answer in a chat.
    given = preview(first(item.attributes, "prompt", "input.value"))
    return _base(item, "prompt", "user", args_preview=given, subject="prompt")


def _trouble(item: Item, act: str, name: str | None, **more: Any) -> Record:
    """Something of the agent itself that went wrong."""
    made = {
        "name": name,
        "failed": True,
        "error": preview(_error(item)),
        "error_type": text(first(item.attributes, *_ERROR_TYPE)),
        **more,
    }
    return _base(item, act, "system", **made)


def _error(item: Item) -> Any:
    return (
        first(item.attributes, *_ERROR)
        or item.exception.get("exception.message")
        or item.status_message
    )


def _suffix(item: Item, prefix: str) -> str | None:
    return item.name[len(prefix) :] if item.name.startswith(prefix) else None


# --- spans ---------------------------------------------------------------------------------------


def _failed_span(item: Item) -> bool:
    if item.status == 2 or item.exception:  # noqa: PLR2004 the convention's code of an error
        return True
    if first(item.attributes, "error.type", "error_type") is not None:
        return True
    return truth(item.attributes.get("success")) is False


def _of_span(item: Item) -> Any:
    if item.name.startswith("claude_code."):
        return _claude_span(item)
    if item.name.startswith("qwen-code."):
        return _qwen_span(item)
    if item.scope == "gemini-cli" or item.scope.startswith("codex") or _is_codex(item):
        return SKIPPED  # their log records tell the same calls, and their outcomes
    return _convention_span(item)


def _is_codex(item: Item) -> bool:
    return (item.service or "").startswith("codex")


def _convention_span(item: Item) -> Any:
    role = _role(item)
    if role == "tool":
        return _tool(item, "call", failed=_failed_span(item))
    if role == "answer":
        if _failed_span(item):
            return _api_error(item, "call")
        return _answer(item, "call", call_id=text(item.attributes.get("request_id")))
    if role == "embedding":
        model = text(first(item.attributes, *_MODEL))
        failed = _failed_span(item)
        return _base(
            item, "embeddings", "system", name=model, failed=failed, elapsed_ms=_elapsed(item)
        )
    return SKIPPED if role == "envelope" else UNKNOWN


_VERCEL = {
    "ai.toolCall": "tool",
    "ai.streamText.doStream": "answer",
    "ai.generateText.doGenerate": "answer",
    "ai.streamObject.doStream": "answer",
    "ai.generateObject.doGenerate": "answer",
    "ai.embed.doEmbed": "embedding",
    "ai.embedMany.doEmbed": "embedding",
    # Goose names its spans after its functions.
    "dispatch_tool_call": "tool",
    "stream_response_from_provider": "envelope",
    "reply_stream": "envelope",
    "reply": "envelope",
}


def _role(item: Item) -> str | None:
    """What a span is about, by the convention that it follows: the most telling mark first."""
    attributes = item.attributes
    known = _VERCEL.get(item.name)
    if known:
        return known
    if item.name.startswith("ai.") and "ai.operationId" in attributes:
        return "envelope"
    words = (
        attributes.get("gen_ai.operation.name"),
        attributes.get("openinference.span.kind"),
        attributes.get("traceloop.span.kind"),
        attributes.get("llm.request.type"),
    )
    for word in words:
        role = _role_of_word(word)
        if role:
            return role
    if item.name.startswith("execute_tool "):
        return "tool"
    has_model = first(attributes, "gen_ai.request.model", "llm.model_name") is not None
    return "answer" if has_model else None


def _role_of_word(value: Any) -> str | None:
    word = (text(value) or "").lower()
    if word in _ANSWERS or word == "llm":
        return "answer"
    if word in {"execute_tool", "tool"}:
        return "tool"
    if word in {"embeddings", "embedding"}:
        return "embedding"
    return "envelope" if word in _ENVELOPES else None


def _claude_span(item: Item) -> Any:
    kind = item.name.removeprefix("claude_code.")
    if kind == "llm_request":
        call = text(item.attributes.get("request_id"))
        if _failed_span(item):
            return _api_error(item, "call", call_id=call)
        # The tokens that came from the cache are not among these.
        return _answer(item, "call", call_id=call, elapsed_ms=number(_claude_ms(item)))
    if kind == "tool":
        return _own_tool(
            item, {**_tool(item, "call", failed=_failed_span(item)), "_outer": item.span}
        )
    if kind == "tool.execution":
        return _own_tool(
            item, {**_tool(item, "call", failed=_failed_span(item)), "_inner": item.parent}
        )
    known = {"interaction", "tool.blocked_on_user", "hook", "subagent"}
    return SKIPPED if kind in known else UNKNOWN


def _claude_ms(item: Item) -> Any:
    return first(item.attributes, "duration_ms") or _elapsed(item)


def _qwen_span(item: Item) -> Any:
    kind = item.name.removeprefix("qwen-code.")
    if kind == "llm_request":
        return _api_error(item, "call") if _failed_span(item) else _answer(item, "call")
    if kind == "tool":
        return _own_tool(
            item, {**_tool(item, "call", failed=_failed_span(item)), "_outer": item.span}
        )
    if kind == "tool.execution":
        return _own_tool(
            item, {**_tool(item, "call", failed=_failed_span(item)), "_inner": item.parent}
        )
    return SKIPPED if kind in {"interaction", "tool.blocked_on_user", "subagent"} else UNKNOWN


# --- log records ---------------------------------------------------------------------------------


def _of_log(item: Item) -> Any:
    name = item.name
    if "." not in name and _is_claude(item):
        name = f"claude_code.{name}"
    make = _LOGS.get(name)
    if make is not None:
        return make(item)
    if name in _NO_EVENTS or name.startswith(_NO_EVENT_PREFIXES):
        return SKIPPED
    return UNKNOWN


def _is_claude(item: Item) -> bool:
    return item.scope.startswith("com.anthropic.claude_code") or item.service == "claude-code"


def _claude_request(item: Item) -> Record:
    return _answer(item, "end", call_id=text(item.attributes.get("request_id")))


def _claude_refusal(item: Item) -> Record:
    call = text(item.attributes.get("request_id"))
    return _answer(item, "end", call_id=call, finish_reason="content_filter")


def _claude_error(item: Item) -> Record:
    call = text(item.attributes.get("request_id"))
    kind = http_class(first(item.attributes, *_HTTP)) or "network"
    return _api_error(item, "end", call_id=call, error_type=kind, subject=upstream(kind, None))


def _reported_tool(item: Item) -> Record:
    success = truth(item.attributes.get("success"))
    decision = text(item.attributes.get("decision"))
    if decision in {"reject", "denied", "abort"}:
        made = _tool(item, "end", failed=None, elapsed_ms=None, error_type="user_rejected")
    else:
        made = _tool(item, "end", failed=None if success is None else not success)
    return _own_tool(item, made)


def _decision(item: Item) -> Any:
    """What a person refused is no failure; who broke off altogether is an abort."""
    word = (text(item.attributes.get("decision")) or "").lower()
    source = (text(item.attributes.get("source")) or "").lower()
    if word not in {"reject", "rejected", "denied", "abort", "aborted"}:
        return SKIPPED
    gave_up = source == "user_abort" or word in {"abort", "aborted"}
    name = text(first(item.attributes, *_TOOL))
    return _base(item, "approval", "user", name=name, cancelled=gave_up)


def _internal_error(item: Item) -> Record:
    return _trouble(item, "internal_error", text(first(item.attributes, "error_name")))


def _mcp_connection(item: Item) -> Any:
    if text(item.attributes.get("status")) not in {"failed", "error"}:
        return SKIPPED
    name = text(first(item.attributes, "server_name", "mcp_server_name", "mcp_server.name"))
    return _trouble(item, "mcp_server_connection", name)


def _codex_request(item: Item) -> Any:
    status = number(first(item.attributes, *_HTTP))
    failed = status is not None and not 200 <= status < 300  # noqa: PLR2004 HTTP's success
    if not failed and first(item.attributes, "error.message", "error") is None:
        return SKIPPED
    return _api_error(item, None)


def _codex_stream(item: Item) -> Any:
    attributes = item.attributes
    if first(attributes, "error.message", "error") is not None:
        return _api_error(item, None)
    # A completion is told twice; the one with its tokens is the response.
    is_done = attributes.get("event.kind") == "response.completed"
    if not is_done or number(attributes.get("input_token_count")) is None:
        return SKIPPED
    return _answer(item, None, elapsed_ms=None)


def _codex_websocket(item: Item) -> Any:
    return _api_error(item, None) if truth(item.attributes.get("success")) is False else SKIPPED


def _codex_tool(item: Item) -> Record:
    made = _reported_tool(item)
    code = exit_code(item.attributes.get("output"))
    if code:
        made |= {"failed": True, "error_type": "exit_code", "error": made["result_preview"]}
    return made


def exit_code(output: Any) -> int | None:
    """The exit code that the output of a shell tool tells."""
    found = _EXIT_CODE.search(output[:2000]) if isinstance(output, str) else None
    return int(found[1]) if found and len(found[1]) < 12 else None  # noqa: PLR2004 no number


def _gemini_answer(item: Item) -> Any:
    if (text(item.attributes.get("role")) or "").startswith("utility"):
        return SKIPPED
    thoughts = number(item.attributes.get("thoughts_token_count")) or 0
    made = _answer(item, "end")
    if made["output_tokens"] is not None:
        made["output_tokens"] += thoughts
    return made


def _gemini_error(item: Item) -> Record:
    return _api_error(item, "end")


def _gemini_tool(item: Item) -> Record:
    made = _reported_tool(item)
    metadata = item.attributes.get("metadata")
    if made["failed"] is False and isinstance(metadata, str):
        code = exit_code(metadata)
        if re.search(r'"isError"\s*:\s*true', metadata[:20_000]) or code:
            made |= {"failed": True, "error_type": "exit_code" if code else "tool_error"}
    return made


def _gemini_retry(item: Item) -> Record:
    return _trouble(item, item.name.rpartition(".")[2], text(first(item.attributes, *_MODEL)))


def _gemini_agent(item: Item) -> Record:
    reason = (text(item.attributes.get("terminate_reason")) or "").upper()
    name = text(first(item.attributes, "agent_name"))
    failed = None if reason in {"", "ABORTED"} else reason != "GOAL"
    made = {"name": name, "failed": failed, "cancelled": reason == "ABORTED"}
    kind = reason.lower() if failed else None
    return _base(item, "agent", "system", elapsed_ms=_elapsed(item), error_type=kind, **made)


def _copilot_tool(item: Item) -> Record:
    return _reported_tool(item)


_LOGS: Mapping[str, Callable[[Item], Any]] = {
    "claude_code.user_prompt": _prompt,
    "claude_code.api_request": _claude_request,
    "claude_code.api_refusal": _claude_refusal,
    "claude_code.api_error": _claude_error,
    "claude_code.tool_result": _reported_tool,
    "claude_code.tool_decision": _decision,
    "claude_code.internal_error": _internal_error,
    "claude_code.mcp_server_connection": _mcp_connection,
    "codex.user_prompt": _prompt,
    "codex.api_request": _codex_request,
    "codex.sse_event": _codex_stream,
    "codex.websocket_event": _codex_stream,
    "codex.websocket_request": _codex_websocket,
    "codex.websocket_connect": _codex_websocket,
    "codex.tool_result": _codex_tool,
    "codex.tool_decision": _decision,
    "copilot_chat.tool.call": _copilot_tool,
    **{
        f"{agent}.{event}": make
        for agent in ("gemini_cli", "qwen-code")
        for event, make in {
            "user_prompt": _prompt,
            "api_response": _gemini_answer,
            "api_error": _gemini_error,
            "tool_call": _gemini_tool,
            "agent.finish": _gemini_agent,
            "chat.content_retry": _gemini_retry,
            "chat.content_retry_failure": _gemini_retry,
            "chat.invalid_chunk": _gemini_retry,
            "network_retry_attempt": _gemini_retry,
            "malformed_json_response": _gemini_retry,
        }.items()
    },
}
_NO_EVENTS = frozenset(
    (
        *("claude_code.assistant_response", "claude_code.api_retries_exhausted"),
        *("claude_code.compaction", "claude_code.auth", "claude_code.plugin_loaded"),
        *("claude_code.plugin_installed", "claude_code.managed_settings_resolved"),
        *("claude_code.skill_activated", "claude_code.at_mention", "claude_code.api_request_body"),
        *("claude_code.api_response_body", "claude_code.permission_mode_changed"),
        *("claude_code.hook_execution_start", "claude_code.hook_execution_complete"),
        *("claude_code.hook_registered", "claude_code.feedback_survey"),
        *("codex.conversation_starts", "codex.startup_phase", "codex.turn_ttft"),
        *("copilot_chat.session.start", "copilot_chat.agent.turn"),
        "gen_ai.client.inference.operation.details",
    )
)
_NO_EVENT_PREFIXES = (
    *("gemini_cli.config", "gemini_cli.api_request", "gemini_cli.model_routing"),
    *("gemini_cli.ripgrep_fallback", "gemini_cli.startup_stats", "gemini_cli.file_operation"),
    *("gemini_cli.plan.", "gemini_cli.conversation_finished", "gemini_cli.next_speaker_check"),
    *("gemini_cli.chat_compression", "gemini_cli.slash_command", "gemini_cli.agent.start"),
    *("gemini_cli.tool_output_truncated", "gemini_cli.ide_connection", "gemini_cli.extension_"),
    *("gemini_cli.hook_call", "gemini_cli.approval_mode", "gemini_cli.edit_"),
    *("gemini_cli.flash_fallback", "gemini_cli.llm_loop_check", "gemini_cli.keychain"),
    *("qwen-code.config", "qwen-code.api_request", "qwen-code.file_operation"),
    *("qwen-code.ripgrep_fallback", "qwen-code.startup", "qwen-code.next_speaker_check"),
)


_AGENTS = (
    *(("claude_code.", "Claude Code"), ("codex.", "Codex"), ("gemini_cli.", "Gemini CLI")),
    *(("qwen-code.", "Qwen Code"), ("copilot_chat.", "GitHub Copilot"), ("ai.", "Vercel AI SDK")),
)

_CONVENTIONS = (
    *(("openinference.", "OpenInference"), ("traceloop.", "OpenLLMetry")),
    ("gen_ai.", "GenAI conventions"),
)


def dialect(item: Item) -> str | None:
    """Whose words an item is in; None for those of no agent."""
    name = f"claude_code.{item.name}" if _is_claude(item) else item.name
    if _is_codex(item):
        name = f"codex.{name}"
    elif item.scope == "gemini-cli":
        name = f"gemini_cli.{name}"
    agent = next((agent for prefix, agent in _AGENTS if name.startswith(prefix)), None)
    return agent or next(
        (
            convention
            for prefix, convention in _CONVENTIONS
            if any(key.startswith(prefix) for key in item.attributes)
        ),
        None,
    )
