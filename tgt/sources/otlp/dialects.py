"""OpenTelemetry of LLM agents: what spans and log records of each convention mean.

Agents tell one call up to five times (a request and its response, an error, a span around it, a
copy by the semantic conventions), each in words of its own. Here one *item*, a span or a log
record with its attributes, becomes one record, or is known to be no event, or is not understood.
Records of one call carry the same call id, or trace and name, by which they are joined later.
"""

from __future__ import annotations

from typing import Any

from tgt.sources.otlp.attributes import Item
from tgt.sources.otlp.log_events import is_claude, of_log
from tgt.sources.otlp.spans import is_codex, of_span
from tgt.sources.translated import MALFORMED_RECORD


def record(item: Item) -> Any:
    """The record of an item (its ``conv_id`` may be unknown), or SKIPPED or UNKNOWN."""
    made = of_span(item) if item.is_span else of_log(item)
    if isinstance(made, dict) and item.us is None:
        return MALFORMED_RECORD
    return made


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
