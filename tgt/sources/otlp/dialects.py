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
_CONVENTIONS = (
    *(("openinference.", "OpenInference"), ("traceloop.", "OpenLLMetry")),
    ("gen_ai.", "GenAI conventions"),
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
    agent = next((agent for prefix, agent in _AGENTS if name.startswith(prefix)), None)
    return agent or next(
        (
            convention
            for prefix, convention in _CONVENTIONS
            if any(key.startswith(prefix) for key in item.attributes)
        ),
        None,
    )
