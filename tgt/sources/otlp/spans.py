"""Spans: by which convention one is a model's answer, a tool's call, or an envelope around them.

The conventions are told by attributes, agents with words of their own by the names of their spans.
"""

from __future__ import annotations

from enum import StrEnum

from tgt.sources.base import SKIPPED, Outcome, unknown
from tgt.sources.coerce import first, number, text
from tgt.sources.otlp.attributes import told
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.outcomes import Ending, ending
from tgt.sources.otlp.records import answer, api_error, elapsed_ms, own_tool, record_of, tool


class Role(StrEnum):
    """What a span is about."""

    ANSWER = "answer"
    TOOL = "tool"
    EXECUTION = "execution"  # of a tool, inside of the span around its approval
    EMBEDDING = "embedding"
    AGENT = "agent"
    ENVELOPE = "envelope"  # something around others, or beside them
    UNKNOWN = "unknown"


def role_of(item: Item) -> Role:
    """What a span is about, by the convention that it follows."""
    for prefix, roles in _AGENTS.items():
        if item.name.startswith(prefix):
            return roles.get(item.name.removeprefix(prefix), Role.UNKNOWN)
    if item.scope == "gemini-cli" or item.scope.startswith("codex") or is_codex(item):
        return Role.ENVELOPE  # their log records tell the same calls, and their outcomes
    return _by_convention(item)


def is_codex(item: Item) -> bool:
    return (item.service or "").startswith("codex")


def is_own(item: Item) -> bool:
    """Whether a span is in the words of a coding agent, whose tools it brings along."""
    return item.name.startswith(tuple(_AGENTS))


def of_span(item: Item, role: Role) -> Outcome:
    """The record of a span that has the role."""
    make = _RECORDS.get(role)
    if make is not None:
        return make(item)
    return SKIPPED if role is not Role.UNKNOWN else unknown(_kind(item))


_CLAUDE = {
    "llm_request": Role.ANSWER,
    "tool": Role.TOOL,
    "tool.execution": Role.EXECUTION,
    "interaction": Role.AGENT,
    "tool.blocked_on_user": Role.ENVELOPE,
    "hook": Role.ENVELOPE,
    "subagent": Role.AGENT,
}
_QWEN = {name: role for name, role in _CLAUDE.items() if name != "hook"}
_AGENTS = {"claude_code.": _CLAUDE, "qwen-code.": _QWEN}

_NAMES = {
    "ai.toolCall": Role.TOOL,
    "ai.streamText.doStream": Role.ANSWER,
    "ai.generateText.doGenerate": Role.ANSWER,
    "ai.streamObject.doStream": Role.ANSWER,
    "ai.generateObject.doGenerate": Role.ANSWER,
    "ai.embed.doEmbed": Role.EMBEDDING,
    "ai.embedMany.doEmbed": Role.EMBEDDING,
    # Goose names its spans after its functions.
    "dispatch_tool_call": Role.TOOL,
    "stream_response_from_provider": Role.ENVELOPE,
    "reply_stream": Role.ENVELOPE,
    "reply": Role.AGENT,
}
_WORDS = {
    **dict.fromkeys(("chat", "generate_content", "text_completion", "completion"), Role.ANSWER),
    **dict.fromkeys(("message", "llm"), Role.ANSWER),
    **dict.fromkeys(("execute_tool", "tool"), Role.TOOL),
    **dict.fromkeys(("embeddings", "embedding"), Role.EMBEDDING),
    **dict.fromkeys(("invoke_agent", "create_agent", "invoke_workflow", "agent"), Role.AGENT),
    **dict.fromkeys(("schedule_tool_calls", "workflow", "task", "chain"), Role.ENVELOPE),
    **dict.fromkeys(("retrieval", "retriever", "guardrail", "evaluator"), Role.ENVELOPE),
    **dict.fromkeys(("reranker", "prompt", "plan", "execute_hook"), Role.ENVELOPE),
}
_WORD_OF = (
    *("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind"),
    "llm.request.type",
)


def _by_convention(item: Item) -> Role:
    """The most telling mark first."""
    attributes = item.attributes
    known = _NAMES.get(item.name)
    if known:
        return known
    if item.name.startswith("ai.") and "ai.operationId" in attributes:
        return Role.ENVELOPE
    for name in _WORD_OF:
        role = _WORDS.get((text(attributes.get(name)) or "").lower())
        if role:
            return role
    if item.name.startswith("execute_tool "):
        return Role.TOOL
    has_model = first(attributes, "gen_ai.request.model", "llm.model_name") is not None
    return Role.ANSWER if has_model else Role.UNKNOWN


def _kind(item: Item) -> str:
    """What a span that is not understood calls itself."""
    words = ((name, text(item.attributes.get(name))) for name in _WORD_OF)
    return next((f"{name}={word}" for name, word in words if word), item.name)


def _answer(item: Item) -> Outcome:
    call = text(told(item.attributes, "request"))
    how = ending(item)
    if how is Ending.FAILED:
        return api_error(item, "call", call_id=call)
    record = answer(item, "call", call_id=call)
    if item.name.startswith("claude_code."):
        record["elapsed_ms"] = number(first(item.attributes, "duration_ms") or elapsed_ms(item))
    return record


def _tool(item: Item) -> Outcome:
    record = tool(item, "call", failed=ending(item) is Ending.FAILED)
    return own_tool(item, record) if is_own(item) else record


def _embedding(item: Item) -> Outcome:
    model = text(told(item.attributes, "model"))
    failed = ending(item) is Ending.FAILED
    return record_of(
        item, "embeddings", "system", name=model, failed=failed, elapsed_ms=elapsed_ms(item)
    )


_RECORDS = {
    Role.ANSWER: _answer,
    Role.TOOL: _tool,
    Role.EXECUTION: _tool,
    Role.EMBEDDING: _embedding,
}
