"""One span or log record of an agent, whatever encoded it, and the records made of such items.

Only what all conventions share is here: which attributes mean a model, a tool or an error in any
of their generations, and what a call, an answer or a failure looks like as a record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tgt.sources.coerce import finish, first, http_class, number, preview, text, upstream

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


CONVERSATION = (
    *("gen_ai.conversation.id", "session.id", "langfuse.session.id", "conversation.id"),
    *("ai.telemetry.metadata.sessionId", "traceloop.association.properties.session_id"),
    *("traceloop.association.properties.conversation_id", "session_id", "conversation_id"),
)
MODEL = (
    *("gen_ai.response.model", "gen_ai.request.model", "ai.response.model", "ai.model.id"),
    *("llm.model_name", "llm.response.model", "llm.request.model", "model", "model_name"),
)
TOOL = (
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
ERROR_TYPE = ("error.type", "error_type", "exception.type")
_ERROR = ("error.message", "error", "exception.message")
_DURATION = ("duration_ms", "durationMs", "elapsed_ms", "latency_ms", "duration")
HTTP = ("status_code", "http.response.status_code", "http.status_code")


def conversation(item: Item) -> str | None:
    """The conversation that an item names itself."""
    return text(first(item.attributes, *CONVERSATION))


def record_of(item: Item, act: str, actor: str, **more: Any) -> Record:
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


def elapsed_ms(item: Item) -> float | None:
    if item.is_span:
        if item.start_us is None or item.us is None or item.us < item.start_us:
            return None
        return (item.us - item.start_us) / 1000
    return next((v for name in _DURATION if (v := number(item.attributes.get(name)))), None)


def tool(item: Item, phase: str, *, failed: bool | None, **more: Any) -> Record:
    name = text(first(item.attributes, *TOOL)) or suffix(item, "execute_tool ") or "unknown"
    attributes = item.attributes
    made = {
        "phase": phase,
        "name": name,
        "failed": failed,
        "call_id": text(first(attributes, *_CALL)),
        "elapsed_ms": elapsed_ms(item),
        "error": preview(_error(item)) if failed else None,
        "error_type": text(first(attributes, *ERROR_TYPE)) if failed else None,
        "args_preview": preview(first(attributes, *_ARGS)),
        "result_preview": preview(first(attributes, *_RESULT)),
        "subject": f"tool_call/{name}",
        **more,
    }
    if failed and made["error_type"] is None:
        made["error_type"] = text(item.exception.get("exception.type"))
    return record_of(item, "tool_call", "tool", **made)


def own_tool(item: Item, made: Record) -> Record:
    """A coding agent's tool: one that it brings along is its own, and its maker documents it."""
    told = first(item.attributes, "mcp_server_name", "mcp_server", "mcp_server.name")
    is_added = told is not None or item.attributes.get("tool_type") == "mcp"
    if not is_added and not is_added_tool(made["name"]):
        made["actor"] = "assistant"
    return made


def is_added_tool(name: str) -> bool:
    """Whether the name is of a tool that somebody added to a coding agent."""
    return name.startswith("mcp") or "__" in name


def answer(item: Item, phase: str | None, **more: Any) -> Record:
    attributes = item.attributes
    model = text(first(attributes, *MODEL))
    made = {
        "phase": phase,
        "name": model,
        "model": model,
        "failed": False,
        "elapsed_ms": elapsed_ms(item),
        "finish_reason": finish(first(attributes, *_FINISH)),
        "input_tokens": number(first(attributes, *_INPUT)),
        "output_tokens": number(first(attributes, *_OUTPUT)),
        "cost_usd": number(first(attributes, *_COST)),
        "subject": f"assistant_response/{model}" if model else "assistant_response",
        **more,
    }
    return record_of(item, "assistant_response", "assistant", **made)


def api_error(item: Item, phase: str | None, **more: Any) -> Record:
    attributes = item.attributes
    model = text(first(attributes, *MODEL))
    told = text(first(attributes, *ERROR_TYPE)) or text(item.exception.get("exception.type"))
    status = first(attributes, *HTTP)
    kind = http_class(status) or http_class(told) or told
    made = {
        "phase": phase,
        "name": model,
        "model": model,
        "failed": True,
        "elapsed_ms": elapsed_ms(item),
        "error": preview(_error(item)),
        "error_type": kind,
        "subject": upstream(kind, model),
        **more,
    }
    return record_of(item, "api_error", "assistant", **made)


def prompt(item: Item) -> Record:
    # The task of an agent that works on its own: nobody waits for its answer in a chat.
    given = preview(first(item.attributes, "prompt", "input.value"))
    return record_of(item, "prompt", "user", args_preview=given, subject="prompt")


def trouble(item: Item, act: str, name: str | None, **more: Any) -> Record:
    """Something of the agent itself that went wrong."""
    made = {
        "name": name,
        "failed": True,
        "error": preview(_error(item)),
        "error_type": text(first(item.attributes, *ERROR_TYPE)),
        **more,
    }
    return record_of(item, act, "system", **made)


def _error(item: Item) -> Any:
    return (
        first(item.attributes, *_ERROR)
        or item.exception.get("exception.message")
        or item.status_message
    )


def suffix(item: Item, prefix: str) -> str | None:
    return item.name[len(prefix) :] if item.name.startswith(prefix) else None
