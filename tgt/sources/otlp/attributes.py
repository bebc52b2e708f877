"""What attributes mean: one table of names for all conventions, agents and their generations.

The first name of a row that an item has and that is not empty tells the value. Whoever looks for
telemetry elsewhere, such as in a database, asks for the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tgt.sources.coerce import first

NAMES: Mapping[str, tuple[str, ...]] = {
    "conversation": (
        *("gen_ai.conversation.id", "session.id", "langfuse.session.id", "conversation.id"),
        *("ai.telemetry.metadata.sessionId", "traceloop.association.properties.session_id"),
        *("traceloop.association.properties.conversation_id", "session_id", "conversation_id"),
    ),
    "model": (
        *("gen_ai.response.model", "gen_ai.request.model", "ai.response.model", "ai.model.id"),
        *("llm.model_name", "llm.response.model", "llm.request.model", "model", "model_name"),
    ),
    "tool": (
        *("gen_ai.tool.name", "tool_name", "tool.name", "ai.toolCall.name", "function_name"),
        *("traceloop.entity.name", "mcp.tool.name"),
    ),
    "call": (
        *("gen_ai.tool.call.id", "gen_ai.tool.call_id", "tool_use_id", "tool_call.id", "tool.id"),
        *("ai.toolCall.id", "call_id"),
    ),
    "finish": (
        *("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "finish_reasons"),
        *("gen_ai.response.stop_reason", "llm.finish_reason", "llm.response.finish_reason"),
        *("llm.response.stop_reason", "ai.response.finishReason", "stop_reason", "finish_reason"),
    ),
    "input": (
        *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
        *("llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens"),
        *("input_token_count", "input_tokens"),
    ),
    "output": (
        *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        *("llm.token_count.completion", "llm.usage.completion_tokens", "ai.usage.outputTokens"),
        *("ai.usage.completionTokens", "output_token_count", "output_tokens"),
    ),
    "cost": ("gen_ai.usage.cost", "llm.cost.total", "cost_usd"),
    "arguments": (
        *("gen_ai.tool.call.arguments", "ai.toolCall.args", "function_args", "tool_input"),
        *("tool_parameters", "arguments", "input.value", "traceloop.entity.input"),
    ),
    "result": (
        *("gen_ai.tool.call.result", "ai.toolCall.result", "output.value"),
        *("traceloop.entity.output", "output"),
    ),
    "prompt": ("prompt", "input.value"),
    "error_type": ("error.type", "error_type", "exception.type"),
    "error": ("error.message", "error", "exception.message"),
    "duration_ms": ("duration_ms", "durationMs", "elapsed_ms", "latency_ms", "duration"),
    "http": ("status_code", "http.response.status_code", "http.status_code"),
    "request": ("request_id",),
    "success": ("success",),
}


def told(attributes: Mapping[str, Any], what: str) -> Any:
    """What an item's attributes tell of one row of NAMES; None if nothing."""
    return first(attributes, *NAMES[what])
