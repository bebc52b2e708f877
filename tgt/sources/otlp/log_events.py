"""Log events of coding agents, by name: what each product calls a prompt, a request, a tool.

An event is listed here as one that becomes a record or as one that is no event; one that is listed
nowhere is not understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress

from tgt.sources.base import SKIPPED, Outcome, Record, unknown
from tgt.sources.codex import outputs as codex
from tgt.sources.coerce import (
    first,
    http_class,
    is_abort,
    is_refusal,
    number,
    text,
    truth,
    upstream,
)
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.outcomes import Ending, reported
from tgt.sources.otlp.records import (
    answer,
    api_error,
    disjoint_tokens,
    elapsed_ms,
    model_of,
    own_tool,
    prompt,
    record_of,
    tool,
    trouble,
)

_EXIT_CODE = re.compile(r'"exit_?code"\s*:\s*"?(-?\d{1,10})\b', re.IGNORECASE)
_IS_ERROR = re.compile(r'"is_?error"\s*:\s*true', re.IGNORECASE)
_LOOKED_AT = 20_000


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


_LONGEST_PARAMETERS = 65_536


def asks_a_person(item: Item) -> str | None:
    """The call that a person was asked about, where the time of that counts as the call's."""
    if item.name not in {"codex.tool_decision", "tool_decision"} or is_claude(item):
        return None
    source = (text(item.attributes.get("source")) or "").lower()
    return text(item.told("call")) if source == "user" else None


def _claude_request(item: Item) -> Record:
    call = text(item.told("request"))
    return answer(item, "end", call_id=call, input_tokens=disjoint_tokens(item))


def _claude_refusal(item: Item) -> Record:
    return _claude_request(item) | {"finish_reason": "content_filter"}


def _claude_error(item: Item) -> Record:
    call = text(item.told("request"))
    how = reported(item, success=False)
    if how is not Ending.FAILED:
        return answer(item, "end", Ending.CANCELLED, call_id=call)
    kind = http_class(item.told("http")) or "network"
    return api_error(item, "end", call_id=call, error_type=kind, subject=upstream(kind, None))


def _reported_tool(item: Item) -> Record:
    how = reported(item, success=truth(item.told("success")))
    record = tool(item, "end", _name_of_tool(item), how)
    decision = text(item.attributes.get("decision"))
    if is_refusal(decision) or is_abort(decision):
        untold = {"failed": None, "error": None, "elapsed_ms": None, "soft_failed": None}
        record |= {**untold, "error_type": "user_rejected"}
    return own_tool(item, record)


def _name_of_tool(item: Item) -> str:
    """Claude Code calls all tools of servers alike, and tells which beside it if it may."""
    name = text(item.told("tool")) or "unknown"
    if name != "mcp_tool":
        return name
    attributes = item.attributes
    packed = attributes.get("tool_parameters")
    if isinstance(packed, str) and packed[:1] == "{" and len(packed) <= _LONGEST_PARAMETERS:
        with suppress(ValueError, RecursionError):
            attributes = {**json.loads(packed), **attributes}
    server, called = text(attributes.get("mcp_server_name")), text(attributes.get("mcp_tool_name"))
    return f"mcp__{server}__{called}" if server and called else name


# Of the tools of Gemini CLI and Qwen Code those about which nobody is asked.
_UNASKED = frozenset(
    (
        *("read_file", "read_many_files", "list_directory", "glob", "search_file_content"),
        *("grep_search", "google_web_search", "web_search", "write_todos", "todo_write"),
    )
)


def _may_have_waited(item: Item, name: str) -> bool:
    """Whether a person may have been asked about a call, and its time may be that of the answer."""
    decision = text(item.attributes.get("decision"))
    is_attended = truth(item.attributes.get("interactive")) is not False
    return is_attended and decision in {"accept", "modify"} and name not in _UNASKED


def _decision(item: Item) -> Outcome:
    """What a person refused is no failure; who broke off altogether is an abort."""
    word = text(item.attributes.get("decision"))
    source = text(item.attributes.get("source"))
    if not (is_refusal(word) or is_abort(word)):
        return SKIPPED
    gave_up = (source or "").lower() == "user_abort" or is_abort(word)
    name = text(item.told("tool"))
    return record_of(item, "approval", "user", name=name, cancelled=gave_up)


def _internal_error(item: Item) -> Record:
    return trouble(item, "internal_error", text(first(item.attributes, "error_name")))


def _mcp_connection(item: Item) -> Outcome:
    if text(item.attributes.get("status")) not in {"failed", "error"}:
        return SKIPPED
    name = text(first(item.attributes, "server_name", "mcp_server_name", "mcp_server.name"))
    return trouble(item, "mcp_server_connection", name)


def _codex_request(item: Item) -> Outcome:
    status = number(item.told("http"))
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
    attributes = item.attributes
    record = _reported_tool(item)
    if record["error_type"] == "user_rejected":
        return record
    name = codex.qualified(text(attributes.get("tool_namespace")), record["name"])
    output = item.told("result")
    told_by_output = codex.ending(output, name).columns()
    is_told = output is not None and told_by_output["failed"] is not False
    if is_told or (output is not None and record["failed"] is not True):
        # The tool may have done its work while the command that it ran failed.
        record |= told_by_output
    record |= {"name": name, "subject": f"tool_call/{name}"}
    return own_tool(item, record)


def _gemini_answer(item: Item) -> Outcome:
    if (text(item.attributes.get("role")) or "").startswith("utility"):
        return SKIPPED
    thoughts = number(item.attributes.get("thoughts_token_count")) or 0
    record = answer(item, "end")
    if record["output_tokens"] is not None:
        record["output_tokens"] += thoughts
    return record


def _gemini_error(item: Item) -> Record:
    return api_error(item, "end")


def _gemini_tool(item: Item) -> Record:
    record = _reported_tool(item)
    metadata = item.attributes.get("metadata")
    if _may_have_waited(item, record["name"]):
        record["elapsed_ms"] = None
    if record["failed"] is False and isinstance(metadata, str):
        code = _EXIT_CODE.search(metadata[:_LOOKED_AT])
        has_failed = code is not None and int(code[1]) != 0
        if has_failed or _IS_ERROR.search(metadata[:_LOOKED_AT]):
            kind = "exit_code" if has_failed else "tool_error"
            record |= {"failed": True, "error_type": kind, "soft_failed": None}
    return record


def _gemini_retry(item: Item) -> Record:
    return trouble(item, item.name.rpartition(".")[2], model_of(item))


def _gemini_agent(item: Item) -> Record:
    reason = (text(item.attributes.get("terminate_reason")) or "").upper()
    name = text(first(item.attributes, "agent_name"))
    failed = None if reason in {"", "ABORTED"} else reason != "GOAL"
    columns = {"name": name, "failed": failed, "cancelled": reason == "ABORTED"}
    kind = reason.lower() if failed else None
    return record_of(
        item, "agent", "system", elapsed_ms=elapsed_ms(item), error_type=kind, **columns
    )


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
    )
)
_NO_EVENT_PREFIXES = (
    "gen_ai.",  # the conventions' events tell what their spans tell, or messages inside of them
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
_CLAUDES = "claude_code."


def told_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the events that become records, and those that Claude Code's have without its
    own before them."""
    return tuple(_LOGS), tuple(n.removeprefix(_CLAUDES) for n in _LOGS if n.startswith(_CLAUDES))
