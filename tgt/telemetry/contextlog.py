"""Forgekeeper's ContextLog: what its several writers call things, as records.

The log has no single layout. Besides the documented one (``act``, ``ts``) there are writers that
say ``type`` or ``action``, ``timestamp`` or ``t_utc_iso``, ``session_id`` or ``sessionId``, that
keep a finish reason under ``metadata``, write an HTTP number as ``status``, or numbers as text.
Every value is read as text and converted here, so that a wrong type makes one value NULL and
never a line invalid. The statements are built from constants of this module alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgt.telemetry.files import LogFile, Part, discover
from tgt.telemetry.macros import MACROS, constant_map

_TIMES = ("ts", "timestamp", "t_utc_iso", "wm_event_time_ms")
_WORDS = (
    *("id", "actor", "role", "act", "type", "action", "name", "tool", "tool_name", "where"),
    *("failed_tool", "planned_tool", "status", "conv_id", "session_id", "sessionId", "trace_id"),
    *("call_id", "tool_call_id", "finish_reason", "continuation", "error", "error_message"),
    *("message", "error_type", "error_code", "model", "service"),
)
_NUMBERS = (
    *("iter", "iteration", "turn_id", "attempt", "elapsed_ms", "duration_ms"),
    *("total_elapsed_ms", "input_tokens", "output_tokens", "reasoning_tokens"),
    *("content_tokens", "cost_usd"),
)
_TEXTS = ("args_preview", "result_preview", "content_preview")
_NESTED_WORDS = (
    *("meta.tool", "metadata.call_id", "metadata.finish_reason", "metadata.continuation"),
    *("metadata.error", "metadata.error_type", "metadata.model"),
)
_NESTED_NUMBERS = (
    *("metadata.elapsed_ms", "metadata.input_tokens", "metadata.output_tokens"),
    *("tokens.input", "tokens.output"),
)
COLUMNS = {
    **dict.fromkeys((*_TIMES, *_WORDS, *_NUMBERS, *_TEXTS), "VARCHAR"),
    "metadata": "JSON",
    "meta": "JSON",
    "tokens": "JSON",
}
"""What the engine's JSON reader is asked for: everything as text, the objects as JSON."""


_PHASES: Mapping[str, object] = {
    **dict.fromkeys(("tool_execution_start", "tool_call_begin"), "start"),
    **dict.fromkeys(("tool_execution_finish", "tool_execution_error", "tool_result"), "end"),
    **dict.fromkeys(("tool_call_end", "tool_call_error"), "end"),
    "tool_call": "call",
}

# One step of the meaning at a time: a macro writes its argument several times over, so what it is
# given had better be a mere column.
_UNPACKED = (
    "SELECT *, "
    + ", ".join(
        f"{of}->>'$.{key}' AS \"{of}.{key}\""
        for of, _, key in (name.partition(".") for name in (*_NESTED_WORDS, *_NESTED_NUMBERS))
    )
    + " FROM {relation}"
)
_CLEANED = (
    "SELECT filename AS path, error AS error_text, "
    + ", ".join(
        [f'moment("{name}") AS "{name}"' for name in _TIMES]
        + [f'word("{name}") AS "{name}"' for name in (*_WORDS, *_NESTED_WORDS)]
        + [f'number("{name}") AS "{name}"' for name in (*_NUMBERS, *_NESTED_NUMBERS)]
        + list(_TEXTS)
    )
    + " FROM unpacked"
)

_NAMED = """
SELECT path,
    coalesce(ts, "timestamp", t_utc_iso, wm_event_time_ms) AS us,
    id,
    lower(coalesce(actor, role)) AS raw_actor,
    coalesce(act, "type", action) AS raw_act,
    coalesce(name, tool_name, tool, "where", failed_tool, planned_tool, "meta.tool") AS name,
    "where" AS place,
    status AS raw_status,
    coalesce(conv_id, session_id, "sessionId") AS conv_id,
    trace_id,
    coalesce(call_id, tool_call_id, "metadata.call_id") AS call_id,
    TRY_CAST(coalesce(iter, iteration, turn_id, attempt) AS BIGINT) AS iter,
    coalesce(elapsed_ms, duration_ms, total_elapsed_ms, "metadata.elapsed_ms") AS elapsed_ms,
    coalesce(finish_reason, "metadata.finish_reason") AS raw_finish_reason,
    lower(coalesce(continuation, "metadata.continuation")) AS raw_continuation,
    coalesce(error, error_text, error_message, "metadata.error") AS raw_error,
    message,
    coalesce(error_type, error_code, "metadata.error_type") AS raw_error_type,
    args_preview,
    coalesce(result_preview, content_preview) AS result_preview,
    coalesce(model, "metadata.model") AS model,
    coalesce(input_tokens, "tokens.input", "metadata.input_tokens") AS input_tokens,
    coalesce(output_tokens, "tokens.output", "metadata.output_tokens",
             reasoning_tokens + content_tokens) AS output_tokens,
    cost_usd,
    service,
FROM cleaned
"""

_JUDGED = f"""
SELECT *, {constant_map(_PHASES)}[raw_act] AS phase,
    CASE
        WHEN phase IS NOT NULL THEN 'tool_call'
        WHEN raw_act IN ('message', 'response') AND raw_actor IN ('assistant', 'model')
            THEN 'assistant_response'
        WHEN raw_act = 'TOOL_OUT' THEN 'tool_output'
        WHEN raw_act = 'INPUT' AND raw_actor = 'user' THEN 'message'
        ELSE coalesce(raw_act, 'event') END AS act,
    coalesce(starts_with(raw_act, 'approval_') OR starts_with(raw_act, 'checkpoint_'), false)
        AS is_human,
    coalesce(raw_act = 'error' OR suffix(raw_act, '_error'), false) AS names_error,
    coalesce(raw_act IN ('upstream_error', 'api_error', 'circuit'), false) AS is_upstream,
    finish(raw_finish_reason) AS finish_reason,
    CASE raw_continuation WHEN 'true' THEN true WHEN '1' THEN true
        WHEN 'false' THEN false WHEN '0' THEN false END AS continuation,
FROM named
WHERE raw_act IS DISTINCT FROM 'tool_call_output_delta'
"""

_OUTCOMES = """
SELECT *,
    CASE
        WHEN is_human OR is_refusal(raw_status) OR is_refusal(raw_error_type)
            OR is_abort(raw_status) OR act = 'stuck_detection' THEN NULL
        WHEN names_error THEN true
        WHEN failure(raw_status) IS NOT NULL THEN failure(raw_status)
        WHEN finish_reason = 'error' THEN true
        WHEN raw_act IN ('tool_execution_finish', 'tool_call_end') THEN false
        END AS failed,
    NOT is_human AND (is_abort(raw_status) OR is_abort(raw_act)
        OR coalesce(finish_reason = 'cancelled', false)) AS cancelled,
    CASE WHEN is_human THEN NULL ELSE elapsed_ms END AS own_ms,
    coalesce(raw_error, CASE WHEN is_upstream OR names_error THEN message END) AS error,
    coalesce(raw_error_type, CASE WHEN number(raw_status) BETWEEN 400 AND 599
        THEN 'http_' || CAST(number(raw_status) AS INTEGER) END) AS error_type,
FROM judged
"""

_RECORDS = """
SELECT path, us, id,
    CASE
        WHEN act = 'tool_call' THEN 'tool'
        WHEN act = 'assistant_response' THEN 'assistant'
        ELSE coalesce(raw_actor, 'system') END AS actor,
    act, phase, name, failed, cancelled, conv_id, trace_id, call_id, iter,
    own_ms AS elapsed_ms, finish_reason, continuation, error, error_type, args_preview,
    result_preview, model, input_tokens, output_tokens, cost_usd, service,
    CASE
        WHEN act = 'tool_call' OR (act = 'error' AND raw_actor = 'tool')
            THEN 'tool_call/' || coalesce(name, 'unknown')
        WHEN act = 'assistant_response' THEN concat_ws('/', act, model)
        WHEN is_upstream THEN 'upstream/' || coalesce(place, CASE
            WHEN error_type IN ('http_429', 'http_529') THEN error_type
            WHEN error_type LIKE 'http%' THEN error_type[:6] || 'xx' END, name, 'unknown')
        WHEN names_error THEN concat_ws('/', act, coalesce(name, error_type))
        ELSE concat_ws('/', act, name) END AS subject,
FROM outcomes
"""


@dataclass(frozen=True)
class ContextLog:
    """A directory of ContextLog files; ``setting`` is what a user changes to name another."""

    directory: Path
    setting: str = "FGK_CONTEXTLOG_DIR"
    kind: str = "contextlog"
    in_lines: bool = True
    macros: Sequence[str] = MACROS

    def files(self) -> tuple[LogFile, ...]:
        return discover(self.directory, self.setting)

    def descriptor(self, part: Part) -> int | None:
        return None if part.is_whole else part.descriptor()

    def records(self) -> tuple[str, Mapping[str, Any]]:
        relation = (
            "read_ndjson($paths, columns = $columns, ignore_errors = true, filename = true,"
            " hive_partitioning = false)"
        )
        return records(relation), {"columns": COLUMNS}


def records(relation: str) -> str:
    """SQL that projects the relation (with COLUMNS) to records; a malformed line has no ``us``."""
    return (
        f"WITH unpacked AS ({_UNPACKED.format(relation=relation)}), cleaned AS ({_CLEANED}),"
        f" named AS ({_NAMED}), judged AS ({_JUDGED}), outcomes AS ({_OUTCOMES}) {_RECORDS}"
    )
