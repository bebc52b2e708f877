"""What attributes mean: one table of names for all conventions, agents and their generations.

The first name of a row that an item has and that is not empty tells the value. Whoever looks for
telemetry elsewhere, such as in a database, asks for the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES: Mapping[str, tuple[str, ...]] = {
    "conversation": (
        *("gen_ai.conversation.id", "session.id", "langfuse.session.id", "conversation.id"),
        *("ai.telemetry.metadata.sessionId", "traceloop.association.properties.session_id"),
        *("traceloop.association.properties.conversation_id", "session_id", "conversation_id"),
        *("traceloop.association.properties.thread_id", "gcp.vertex.agent.session_id"),
        *("langsmith.metadata.thread_id", "langsmith.metadata.session_id"),
        *("langsmith.metadata.conversation_id", "mlflow.trace.session", "gen_ai.thread.id"),
        "copilot_chat.chat_session_id",
    ),
    "model": (
        *("gen_ai.response.model", "ai.response.model", "gen_ai.request.model", "ai.model.id"),
        *("llm.model_name", "embedding.model_name", "llm.response.model", "llm.request.model"),
        *("langfuse.observation.model.name", "mlflow.llm.model"),
        *("langsmith.metadata.ls_model_name", "model", "model_name", "genkit:name"),
    ),
    "tool": (
        *("gen_ai.tool.name", "tool_name", "tool.name", "ai.toolCall.name", "function_name"),
        *("traceloop.entity.name", "mcp.tool.name", "spring.ai.tool.definition.name"),
        *("lk.function_tool.name", "mastra.tool.name"),
    ),
    "call": (
        *("gen_ai.tool.call.id", "gen_ai.tool.call_id", "tool_use_id", "tool_call.id", "tool.id"),
        *("ai.toolCall.id", "call_id"),
    ),
    "finish": (
        *("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "finish_reasons"),
        *("gen_ai.response.stop_reason", "llm.finish_reason", "llm.response.finish_reason"),
        *("llm.response.stop_reason", "ai.response.finishReason", "stop_reason", "finish_reason"),
        *("gen_ai.completion.0.finish_reason", "llm.completions.0.finish_reason"),
    ),
    "input": (
        *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
        *("llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens"),
        *("langfuse.observation.usage_details.input", "mlflow.chat.tokenUsage.input_tokens"),
        "langfuse.observation.usage_details.prompt_tokens",
        "langfuse.observation.usage_details.input_tokens",
        *("input_token_count", "input_tokens"),
    ),
    "cached": (
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        *("llm.token_count.prompt_details.cache_read", "llm.usage.cache_read_input_tokens"),
        *("ai.usage.cachedInputTokens", "gen_ai.usage.details.cache_read_tokens"),
        *("gen_ai.usage.input_tokens.cached", "langfuse.observation.usage_details.cache_read"),
        "langfuse.observation.usage_details.input_cached_tokens",
        "langfuse.observation.usage_details.cache_read_input_tokens",
        "mlflow.chat.tokenUsage.cache_read_input_tokens",
        *("cached_content_token_count", "cached_token_count", "cache_read_tokens"),
    ),
    "cache_creation": (
        *("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
        *("llm.token_count.prompt_details.cache_write", "cache_creation_tokens"),
    ),
    "output": (
        *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        *("llm.token_count.completion", "llm.usage.completion_tokens", "ai.usage.outputTokens"),
        *("langfuse.observation.usage_details.output", "mlflow.chat.tokenUsage.output_tokens"),
        "langfuse.observation.usage_details.completion_tokens",
        "langfuse.observation.usage_details.output_tokens",
        *("ai.usage.completionTokens", "output_token_count", "output_tokens"),
    ),
    "cost": (
        *("gen_ai.usage.cost", "llm.cost.total", "langfuse.observation.cost_details.total"),
        *("mlflow.llm.cost.total_cost", "operation.cost", "cost_usd"),
    ),
    "arguments": (
        *("gen_ai.tool.call.arguments", "ai.toolCall.args", "function_args", "tool_input"),
        *("tool_parameters", "tool_arguments", "gcp.vertex.agent.tool_call_args", "arguments"),
        *("input.value", "traceloop.entity.input", "langfuse.observation.input"),
        *("mlflow.spanInputs", "gen_ai.prompt", "input"),
    ),
    "result": (
        *("gen_ai.tool.call.result", "ai.toolCall.result", "gcp.vertex.agent.tool_response"),
        *("tool_response", "output.value", "traceloop.entity.output"),
        *("langfuse.observation.output", "mlflow.spanOutputs", "gen_ai.completion", "output"),
    ),
    "result_bytes": ("tool_result_size_bytes", "content_length"),
    "prompt": ("prompt", "input.value"),
    "version": (
        *("gen_ai.agent.version", "app.version", "langfuse.release", "langfuse.version"),
        "service.version",
    ),
    # Which template a prompt is made of; the attributes with its text are other ones.
    "template": (
        *("gen_ai.prompt.name", "langfuse.observation.prompt.name", "langfuse.prompt.name"),
        *("traceloop.prompt.key", "llm.prompt_template.name"),
    ),
    "template_version": (
        *("gen_ai.prompt.version", "langfuse.observation.prompt.version"),
        *("langfuse.prompt.version", "traceloop.prompt.version", "llm.prompt_template.version"),
    ),
    "template_hash": ("gen_ai.prompt.hash", "traceloop.prompt.version_hash"),
    "error_type": ("error.type", "error_type", "exception.type"),
    "error": (
        *("error.message", "error", "exception.message"),
        "langfuse.observation.status_message",
    ),
    "duration_ms": ("duration_ms", "durationMs", "elapsed_ms", "latency_ms", "duration"),
    "http": ("status_code", "http.response.status_code", "http.status_code"),
    "request": ("request_id", "gen_ai.response.id", "response_id"),
    "success": ("success",),
    "tool_status": ("gen_ai.tool.status",),
    # What a span is about, in each convention's words: the most telling first.
    "kind": (
        *("langsmith.span.kind", "spring.ai.kind", "mastra.span.type", "gen_ai.operation.name"),
        *("openinference.span.kind", "traceloop.span.kind", "langfuse.observation.type"),
        *("mlflow.spanType", "lmnr.span.type", "braintrust.span_attributes.type"),
        *("genkit:metadata:subtype", "llm.request.type"),
    ),
}

PACKED = (
    *("langfuse.observation.usage_details", "langfuse.observation.cost_details"),
    *("mlflow.chat.tokenUsage", "mlflow.llm.cost", "braintrust.span_attributes"),
)
"""Attributes that hold several values, as an object or as the JSON text of one. Each of them is
told as an attribute of its own, too: ``mlflow.llm.cost.total_cost``."""


_LAST = 1_000  # behind all names of a row
_ROWS: dict[str, list[tuple[str, int]]] = {}
for _row, _names in NAMES.items():
    for _rank, _name in enumerate(_names):
        _ROWS.setdefault(_name, []).append((_row, _rank))


def meanings(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What attributes tell, by the rows of NAMES. An item has some of a hundred names, so it is
    asked for what it has and not for what it may have."""
    values: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    for name, value in attributes.items():
        if name in _ROWS and value is not None and value != "":
            for row, rank in _ROWS[name]:
                if rank < ranks.get(row, _LAST):
                    values[row], ranks[row] = value, rank
    return values
