"""Spans: by which convention one is a model's answer, a tool's call, or an envelope around them.

The conventions are told by attributes, agents with words of their own by the names of their spans.
"""

from __future__ import annotations

from typing import Any

from tgt.sources.coerce import first, number, text, truth
from tgt.sources.otlp.attributes import (
    MODEL,
    Item,
    answer,
    api_error,
    elapsed_ms,
    own_tool,
    record_of,
    tool,
)
from tgt.sources.translated import SKIPPED, UNKNOWN

_ANSWERS = frozenset(("chat", "generate_content", "text_completion", "completion", "message"))
_ENVELOPES = frozenset(
    (
        *("invoke_agent", "create_agent", "invoke_workflow", "schedule_tool_calls", "agent"),
        *("workflow", "task", "chain", "retrieval", "retriever", "guardrail", "evaluator"),
        *("reranker", "prompt", "plan", "execute_hook"),
    )
)


def _failed_span(item: Item) -> bool:
    if item.status == 2 or item.exception:  # noqa: PLR2004 the convention's code of an error
        return True
    if first(item.attributes, "error.type", "error_type") is not None:
        return True
    return truth(item.attributes.get("success")) is False


def of_span(item: Item) -> Any:
    if item.name.startswith("claude_code."):
        return _claude_span(item)
    if item.name.startswith("qwen-code."):
        return _qwen_span(item)
    if item.scope == "gemini-cli" or item.scope.startswith("codex") or is_codex(item):
        return SKIPPED  # their log records tell the same calls, and their outcomes
    return _convention_span(item)


def is_codex(item: Item) -> bool:
    return (item.service or "").startswith("codex")


def _convention_span(item: Item) -> Any:
    role = _role(item)
    if role == "tool":
        return tool(item, "call", failed=_failed_span(item))
    if role == "answer":
        if _failed_span(item):
            return api_error(item, "call")
        return answer(item, "call", call_id=text(item.attributes.get("request_id")))
    if role == "embedding":
        model = text(first(item.attributes, *MODEL))
        failed = _failed_span(item)
        return record_of(
            item, "embeddings", "system", name=model, failed=failed, elapsed_ms=elapsed_ms(item)
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
            return api_error(item, "call", call_id=call)
        # The tokens that came from the cache are not among these.
        return answer(item, "call", call_id=call, elapsed_ms=number(_claude_ms(item)))
    if kind in _TOOL_SPANS:
        return _tool_span(item, kind)
    known = {"interaction", "tool.blocked_on_user", "hook", "subagent"}
    return SKIPPED if kind in known else UNKNOWN


_TOOL_SPANS = ("tool", "tool.execution")


def _tool_span(item: Item, kind: str) -> Any:
    """A tool's call: the span around its approval, or the inner one of its execution."""
    made = tool(item, "call", failed=_failed_span(item))
    side = {"_outer": item.span} if kind == "tool" else {"_inner": item.parent}
    return own_tool(item, {**made, **side})


def _claude_ms(item: Item) -> Any:
    return first(item.attributes, "duration_ms") or elapsed_ms(item)


def _qwen_span(item: Item) -> Any:
    kind = item.name.removeprefix("qwen-code.")
    if kind == "llm_request":
        return api_error(item, "call") if _failed_span(item) else answer(item, "call")
    if kind in _TOOL_SPANS:
        return _tool_span(item, kind)
    return SKIPPED if kind in {"interaction", "tool.blocked_on_user", "subagent"} else UNKNOWN
