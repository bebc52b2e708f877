"""Spans: by which convention one is a model's answer, a tool's call, or an envelope around them.

The conventions are told by attributes, agents with words of their own by the names of their spans.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from tgt.sources.base import SKIPPED, Outcome, Record, unknown
from tgt.sources.coerce import first, number, parsed, text
from tgt.sources.otlp.attributes import NAMES, PACKED
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.outcomes import ending
from tgt.sources.otlp.records import (
    answer,
    disjoint_tokens,
    elapsed_ms,
    embedding,
    own_tool,
    suffix,
    tool,
)


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
    if item.attributes.get("logfire.span_type") == "pending_span":
        return Role.ENVELOPE  # says that another one has begun
    role = _by_convention(item)
    # Frameworks make up a call of a tool for the results of several: (merged tools).
    is_made_up = role is Role.TOOL and (tool_name(item) or "").startswith("(")
    return Role.ENVELOPE if is_made_up else role


def is_codex(item: Item) -> bool:
    return (item.service or "").startswith("codex")


def is_own(item: Item) -> bool:
    """Whether a span is in the words of a coding agent, whose tools it brings along."""
    return item.name.startswith(tuple(_AGENTS))


def tool_name(item: Item) -> str | None:
    """The tool that a span is a call of."""
    named = text(item.told("tool"))
    if named:
        return named
    if item.name == _GOOSE_TOOL:
        return _name_in(item.told("arguments"))
    quoted = _QUOTED_TOOL.match(item.name)
    if quoted:
        return quoted[1]
    for prefix in ("execute_tool ", "tools/call ", "tool_call "):
        if suffix(item, prefix):
            return suffix(item, prefix)
    return None if item.name in _NAMES or is_own(item) else item.name or None


SIGNS = frozenset(
    (
        *NAMES["kind"],
        *PACKED,
        *("mcp.method.name", "gen_ai.tool.name", "mcp.tool.name", "lk.function_tool.name"),
        *("gen_ai.request.model", "llm.model_name", "ai.model.id", "ai.operationId"),
    )
)
"""Attributes of which a span that tells a call or an answer has one, unless its name tells it."""
WORDS = frozenset(
    (
        *SIGNS,
        *(
            name
            for row in (
                *("model", "tool", "finish", "version", "template", "template_version"),
                *("template_hash", "error_type", "http", "success", "tool_status"),
            )
            for name in NAMES[row]
        ),
        *("langfuse.observation.level", "logfire.span_type", "gen_ai.agent.name", "agent_name"),
        *("mcp_server_name", "mcp_server", "mcp_server.name", "tool_type", "gen_ai.tool.type"),
    )
)
"""Attributes that decide what a span means; of all others only what is counted, compared or shown
is taken."""
AGENT_SPANS = r"^(invoke_agent|create_agent|agent_run|agent run)| run$"
"""How spans of agents begin or end that no attribute tells."""


def named_signs() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of spans that tell a call or an answer by themselves, and beginnings of others."""
    return tuple(_NAMES), (*_AGENTS, "execute_tool ")


def of_span(item: Item, role: Role) -> Outcome:
    """The record of a span that has the role."""
    make = _RECORDS.get(role)
    if make is not None:
        return make(item)
    return SKIPPED if role is not Role.UNKNOWN else unknown(_kind(item))


# --- roles ---------------------------------------------------------------------------------------

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

# Coding agents in the words of a convention.
_CODING_AGENTS = ("copilot", "github-copilot", "opencode")

_GOOSE_TOOL = "dispatch_tool_call"
NAMED_IN_TEXTS = (_GOOSE_TOOL,)
"""Spans whose tool is named in a text of theirs."""
_NAMES = {
    "ai.toolCall": Role.TOOL,
    "ai.streamText.doStream": Role.ANSWER,
    "ai.generateText.doGenerate": Role.ANSWER,
    "ai.streamObject.doStream": Role.ANSWER,
    "ai.generateObject.doGenerate": Role.ANSWER,
    "ai.embed.doEmbed": Role.EMBEDDING,
    "ai.embedMany.doEmbed": Role.EMBEDDING,
    # Goose names its spans after its functions.
    _GOOSE_TOOL: Role.TOOL,
    "stream_response_from_provider": Role.ENVELOPE,
    "reply_stream": Role.ENVELOPE,
    "reply": Role.AGENT,
}
_WORDS: Mapping[str, Role] = {
    **dict.fromkeys(("chat", "generate_content", "text_completion", "completion"), Role.ANSWER),
    **dict.fromkeys(("message", "llm", "chat_model", "generation", "llm_call"), Role.ANSWER),
    **dict.fromkeys(("chat_completion", "completions", "responses", "response"), Role.ANSWER),
    **dict.fromkeys(("generate_text", "text_generation", "chat.completions"), Role.ANSWER),
    **dict.fromkeys(("execute_tool", "tool", "tool_call"), Role.TOOL),
    **dict.fromkeys(("embeddings", "embedding"), Role.EMBEDDING),
    **dict.fromkeys(("invoke_agent", "create_agent", "agent"), Role.AGENT),
    **dict.fromkeys(("schedule_tool_calls", "invoke_workflow", "workflow"), Role.ENVELOPE),
    **dict.fromkeys(("task", "chain", "framework", "span", "event", "handoff"), Role.ENVELOPE),
    **dict.fromkeys(("retrieval", "retriever", "reranker", "rerank", "memory"), Role.ENVELOPE),
    **dict.fromkeys(("guardrail", "evaluator", "parser", "prompt", "plan"), Role.ENVELOPE),
    **dict.fromkeys(("execute_hook", "execute_event_loop_cycle", "chat_client"), Role.ENVELOPE),
    **dict.fromkeys(("advisor", "vector_store", "default", "flow", "util"), Role.ENVELOPE),
    **dict.fromkeys(("step",), Role.ENVELOPE),
    **dict.fromkeys(("create_thread", "create_message", "submit_tool_outputs"), Role.ENVELOPE),
    **dict.fromkeys(("list_messages", "list_run_steps", "get_thread_run"), Role.ENVELOPE),
    **dict.fromkeys(("text.completions", "chat.streaming_completions"), Role.ANSWER),
    **dict.fromkeys(("text.streaming_completions", "model", "model_generation"), Role.ANSWER),
    **dict.fromkeys(("mcp_tool_call", "function_tool"), Role.TOOL),
    **dict.fromkeys(("agent_run",), Role.AGENT),
    **dict.fromkeys(("workflow_run", "workflow_step", "model_step", "model_chunk"), Role.ENVELOPE),
}
_AGENT_NAMES = re.compile(r"(?:invoke_agent|create_agent|agent_run|agent run)\b.*|.* run")
# What frameworks write of the steps of their loops and graphs alone.
_STEPS = frozenset(
    ("event_loop.cycle_id", "koog.node.name", "koog.node.id", "sk.available_functions")
)
# What requests, databases and queues are told by: conventions that know of no model and no tool.
_ELSEWHERE = ("http.", "url.", "db.", "messaging.", "rpc.grpc.", "net.peer.", "langfuse.trace.")
_QUOTED_TOOL = re.compile(r"(?:mcp_)?tool: '([^']+)'")
_TOOLS_TOGETHER = re.compile(r"running (?:\d+ )?tools")


def _by_convention(item: Item) -> Role:
    """The most telling mark first."""
    attributes = item.attributes
    by_name = _NAMES.get(item.name) or _NAMES.get(text(attributes.get("ai.operationId")) or "")
    if by_name:
        return by_name
    if item.name.startswith("ai.") and "ai.operationId" in attributes:
        return Role.ENVELOPE
    if item.told("kind") is not None:
        for name in NAMES["kind"]:
            role = _WORDS.get((text(attributes.get(name)) or "").lower())
            if role:
                return role
    return _by_other_marks(item)


def _by_other_marks(item: Item) -> Role:
    """What a span without a word for it is about."""
    attributes = item.attributes
    method = text(attributes.get("mcp.method.name"))
    if method is not None and method != "tools/call":
        return Role.ENVELOPE
    named = ("gen_ai.tool.name", "mcp.tool.name", "lk.function_tool.name")
    is_tool = first(attributes, *named) is not None
    if is_tool or method or item.name.startswith("execute_tool "):
        return Role.TOOL
    if first(attributes, "gen_ai.request.model", "llm.model_name", "ai.model.id") is not None:
        return Role.ANSWER
    is_agent = first(attributes, "gen_ai.agent.name", "agent_name") is not None
    if _AGENT_NAMES.fullmatch(item.name) and (is_agent or not item.name.endswith(" run")):
        return Role.AGENT
    is_around = _TOOLS_TOGETHER.fullmatch(item.name) or not _STEPS.isdisjoint(attributes)
    if item.scope == "gcp.vertex.agent" and item.name == "invocation":
        is_around = True
    is_around = is_around or any(name.startswith(_ELSEWHERE) for name in attributes)
    return Role.ENVELOPE if is_around else Role.UNKNOWN


def _kind(item: Item) -> str:
    """What a span that is not understood calls itself."""
    words = ((name, text(item.attributes.get(name))) for name in NAMES["kind"])
    return next((f"{name}={word}" for name, word in words if word), item.name)


# --- records -------------------------------------------------------------------------------------


def _answer(item: Item) -> Record:
    record = answer(item, "call", ending(item), call_id=text(item.told("request")))
    if item.name.startswith("claude_code.") and record["act"] == "assistant_response":
        record["input_tokens"] = disjoint_tokens(item)
        if record["elapsed_ms"] is not None:
            told_ms = number(item.told("duration_ms"))
            record["elapsed_ms"] = told_ms or elapsed_ms(item)
    return record


def _tool(item: Item) -> Record:
    record = tool(item, "call", tool_name(item) or "unknown", ending(item))
    service = item.service or ""
    if service.startswith("copilot"):
        # Its log events tell the same calls without their ids: by trace and name.
        record["call_id"] = None
    return own_tool(item, record) if is_own(item) or service.startswith(_CODING_AGENTS) else record


_RECORDS: Mapping[Role, Callable[[Item], Outcome]] = {
    Role.ANSWER: _answer,
    Role.TOOL: _tool,
    Role.EXECUTION: _tool,
    Role.EMBEDDING: lambda item: embedding(item, ending(item)),
}


def _name_in(call_text: object) -> str | None:
    """The tool that the JSON text of a call names."""
    call = parsed(call_text) if isinstance(call_text, str) else call_text
    return text(call.get("name")) if isinstance(call, dict) else None
