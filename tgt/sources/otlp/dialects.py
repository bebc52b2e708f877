"""Whose words OpenTelemetry is in, to tell people what was recognised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tgt.sources.otlp.decode import items
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.log_events import is_claude
from tgt.sources.otlp.spans import is_codex

_AGENTS = (
    *(("claude_code.", "Claude Code"), ("codex.", "Codex"), ("gemini_cli.", "Gemini CLI")),
    *(("qwen-code.", "Qwen Code"), ("copilot_chat.", "GitHub Copilot"), ("ai.", "Vercel AI SDK")),
)
_SERVICES = (("copilot", "GitHub Copilot"), ("goose", "Goose"))
_SCOPES = (
    *(("pydantic-ai", "Pydantic AI"), ("strands", "Strands"), ("gcp.vertex.agent", "Google ADK")),
    *(("ai.koog", "Koog"), ("agent_framework", "Agent Framework")),
)
_CONVENTIONS = (
    *(("langfuse.", "Langfuse"), ("langsmith.", "LangSmith"), ("mlflow.", "MLflow")),
    *(("openinference.", "OpenInference"), ("traceloop.", "OpenLLMetry")),
    *(("gcp.vertex.agent.", "Google ADK"), ("mcp.", "MCP"), ("gen_ai.", "GenAI conventions")),
)


def dialects(document: Mapping[str, Any]) -> Iterator[str]:
    """Whose words the items of a document are in, one for each that says so."""
    for item in items(document):
        name = dialect(item) if isinstance(item, Item) else None
        if name:
            yield name


def dialect(item: Item) -> str | None:
    """Whose words an item is in; None for those of no agent."""
    name = f"claude_code.{item.name}" if is_claude(item) else item.name
    if is_codex(item):
        name = f"codex.{name}"
    elif item.scope == "gemini-cli":
        name = f"gemini_cli.{name}"
    hints = ((_AGENTS, name), (_SERVICES, item.service or ""), (_SCOPES, item.scope))
    for words, begins in hints:
        agent = next((agent for prefix, agent in words if begins.startswith(prefix)), None)
        if agent:
            return agent
    return next(
        (
            convention
            for prefix, convention in _CONVENTIONS
            if any(key.startswith(prefix) for key in item.attributes)
        ),
        None,
    )
