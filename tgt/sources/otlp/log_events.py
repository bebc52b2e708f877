"""Log events of coding agents, by name: what each product calls a prompt, a request, a tool.

An event is listed here as one that becomes a record or as one that is no event; one that is listed
nowhere is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tgt.sources.base import SKIPPED, Outcome, Record, unknown
from tgt.sources.coerce import first, http_class, number, text, truth, upstream
from tgt.sources.otlp.attributes import told
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.records import (
    answer,
    api_error,
    elapsed_ms,
    own_tool,
    prompt,
    record_of,
    tool,
    trouble,
)

_EXIT_CODE = re.compile(
    r"(?:exited with code|exit[_ ]?code[\"']?\s*[:=]?)\s*(-?\d+)", re.IGNORECASE
)


def of_log(item: Item) -> Outcome:
    name = item.name
    if "." not in name and is_claude(item):
        name = f"claude_code.{name}"
    make = _LOGS.get(name)
    if make is not None:
        return make(item)
    if name in _NO_EVENTS or name.startswith(_NO_EVENT_PREFIXES):
        return SKIPPED
    return unknown(name)


def is_claude(item: Item) -> bool:
    return item.scope.startswith("com.anthropic.claude_code") or item.service == "claude-code"


def _claude_request(item: Item) -> Record:
    return answer(item, "end", call_id=text(told(item.attributes, "request")))


def _claude_refusal(item: Item) -> Record:
    call = text(told(item.attributes, "request"))
    return answer(item, "end", call_id=call, finish_reason="content_filter")


def _claude_error(item: Item) -> Record:
    call = text(told(item.attributes, "request"))
    kind = http_class(told(item.attributes, "http")) or "network"
    return api_error(item, "end", call_id=call, error_type=kind, subject=upstream(kind, None))


def _reported_tool(item: Item) -> Record:
    success = truth(item.attributes.get("success"))
    decision = text(item.attributes.get("decision"))
    if decision in {"reject", "denied", "abort"}:
        made = tool(item, "end", failed=None, elapsed_ms=None, error_type="user_rejected")
    else:
        made = tool(item, "end", failed=None if success is None else not success)
    return own_tool(item, made)


def _decision(item: Item) -> Outcome:
    """What a person refused is no failure; who broke off altogether is an abort."""
    word = (text(item.attributes.get("decision")) or "").lower()
    source = (text(item.attributes.get("source")) or "").lower()
    if word not in {"reject", "rejected", "denied", "abort", "aborted"}:
        return SKIPPED
    gave_up = source == "user_abort" or word in {"abort", "aborted"}
    name = text(told(item.attributes, "tool"))
    return record_of(item, "approval", "user", name=name, cancelled=gave_up)


def _internal_error(item: Item) -> Record:
    return trouble(item, "internal_error", text(first(item.attributes, "error_name")))


def _mcp_connection(item: Item) -> Outcome:
    if text(item.attributes.get("status")) not in {"failed", "error"}:
        return SKIPPED
    name = text(first(item.attributes, "server_name", "mcp_server_name", "mcp_server.name"))
    return trouble(item, "mcp_server_connection", name)


def _codex_request(item: Item) -> Outcome:
    status = number(told(item.attributes, "http"))
    failed = status is not None and not 200 <= status < 300  # noqa: PLR2004 HTTP's success
    if not failed and first(item.attributes, "error.message", "error") is None:
        return SKIPPED
    return api_error(item, None)


def _codex_stream(item: Item) -> Outcome:
    attributes = item.attributes
    if first(attributes, "error.message", "error") is not None:
        return api_error(item, None)
    # A completion is told twice; the one with its tokens is the response.
    is_done = attributes.get("event.kind") == "response.completed"
    if not is_done or number(attributes.get("input_token_count")) is None:
        return SKIPPED
    return answer(item, None, elapsed_ms=None)


def _codex_websocket(item: Item) -> Outcome:
    return api_error(item, None) if truth(item.attributes.get("success")) is False else SKIPPED


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


def _gemini_answer(item: Item) -> Outcome:
    if (text(item.attributes.get("role")) or "").startswith("utility"):
        return SKIPPED
    thoughts = number(item.attributes.get("thoughts_token_count")) or 0
    made = answer(item, "end")
    if made["output_tokens"] is not None:
        made["output_tokens"] += thoughts
    return made


def _gemini_error(item: Item) -> Record:
    return api_error(item, "end")


def _gemini_tool(item: Item) -> Record:
    made = _reported_tool(item)
    metadata = item.attributes.get("metadata")
    if made["failed"] is False and isinstance(metadata, str):
        code = exit_code(metadata)
        if re.search(r'"isError"\s*:\s*true', metadata[:20_000]) or code:
            made |= {"failed": True, "error_type": "exit_code" if code else "tool_error"}
    return made


def _gemini_retry(item: Item) -> Record:
    return trouble(item, item.name.rpartition(".")[2], text(told(item.attributes, "model")))


def _gemini_agent(item: Item) -> Record:
    reason = (text(item.attributes.get("terminate_reason")) or "").upper()
    name = text(first(item.attributes, "agent_name"))
    failed = None if reason in {"", "ABORTED"} else reason != "GOAL"
    made = {"name": name, "failed": failed, "cancelled": reason == "ABORTED"}
    kind = reason.lower() if failed else None
    return record_of(item, "agent", "system", elapsed_ms=elapsed_ms(item), error_type=kind, **made)


_LOGS: Mapping[str, Callable[[Item], Outcome]] = {
    "claude_code.user_prompt": prompt,
    "claude_code.api_request": _claude_request,
    "claude_code.api_refusal": _claude_refusal,
    "claude_code.api_error": _claude_error,
    "claude_code.tool_result": _reported_tool,
    "claude_code.tool_decision": _decision,
    "claude_code.internal_error": _internal_error,
    "claude_code.mcp_server_connection": _mcp_connection,
    "codex.user_prompt": prompt,
    "codex.api_request": _codex_request,
    "codex.sse_event": _codex_stream,
    "codex.websocket_event": _codex_stream,
    "codex.websocket_request": _codex_websocket,
    "codex.websocket_connect": _codex_websocket,
    "codex.tool_result": _codex_tool,
    "codex.tool_decision": _decision,
    "copilot_chat.tool.call": _reported_tool,
    **{
        f"{agent}.{event}": make
        for agent in ("gemini_cli", "qwen-code")
        for event, make in {
            "user_prompt": prompt,
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
