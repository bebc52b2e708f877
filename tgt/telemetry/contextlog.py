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

from tgt.telemetry.files import LogFile, discover

_FIELDS = (
    *("id", "ts", "timestamp", "t_utc_iso", "wm_event_time_ms", "actor", "role", "act", "type"),
    *("action", "name", "tool", "tool_name", "where", "failed_tool", "planned_tool", "status"),
    *("conv_id", "session_id", "sessionId", "trace_id", "turn_id", "iter", "iteration", "attempt"),
    *("call_id", "tool_call_id", "elapsed_ms", "duration_ms", "total_elapsed_ms"),
    *("finish_reason", "continuation", "error", "error_message", "message", "error_type"),
    *("error_code", "args_preview", "result_preview", "content_preview", "model"),
    *("input_tokens", "output_tokens", "reasoning_tokens", "content_tokens", "cost_usd", "service"),
)
COLUMNS = {
    **dict.fromkeys(_FIELDS, "VARCHAR"),
    "metadata": "JSON",
    "meta": "JSON",
    "tokens": "JSON",
}
"""What the engine's JSON reader is asked for: everything as text, the objects as JSON."""


def _map(words: Mapping[str, object]) -> str:
    """A constant map of the statement: a look-up plans many times faster than a long CASE."""
    pairs = (
        f"'{word}': {str(value).lower() if value in (True, False) else repr(value)}"
        for word, value in words.items()
    )
    return "MAP {" + ", ".join(pairs) + "}"


_OUTCOME_WORDS = {
    **dict.fromkeys(("ok", "success", "succeeded", "completed", "complete", "done"), False),
    **dict.fromkeys(("error", "failed", "failure", "fail", "timeout", "timed_out"), True),
    **dict.fromkeys(("exception", "crashed"), True),
}
_ABORTS: Mapping[str, object] = dict.fromkeys(
    (
        *("cancelled", "canceled", "cancel", "aborted", "abort", "interrupted", "user_abort"),
        *("user_aborted", "user_cancel", "user_cancelled", "turn_aborted", "request_aborted"),
        *("request_cancelled", "conversation_aborted", "conversation_cancelled"),
    ),
    True,
)
# What a person refused is not a failure of the tool.
_REFUSALS: Mapping[str, object] = dict.fromkeys(
    (
        *("rejected", "reject", "denied", "deny", "declined", "user_reject", "user_rejected"),
        *("user_abort", "user_denied", "approval_denied", "approval_rejected"),
    ),
    True,
)
_FINISH_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "completed", "complete", "eos"), "stop"),
    **dict.fromkeys(("end", "done"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "max_token"), "length"),
    **dict.fromkeys(("model_length", "model_context_window_exceeded", "incomplete"), "length"),
    **dict.fromkeys(("max_completion_tokens", "token_limit"), "length"),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    "pause_turn": "tool_calls",
    **dict.fromkeys(("content_filter", "safety", "refusal", "recitation"), "content_filter"),
    **dict.fromkeys(("blocklist", "prohibited_content", "spii", "language"), "content_filter"),
    **dict.fromkeys(_ABORTS, "cancelled"),
    **dict.fromkeys(("error", "malformed_function_call", "failed"), "error"),
}

MACROS = (
    """CREATE OR REPLACE TEMP MACRO finite(v) AS CASE WHEN isfinite(v) AND v >= 0 THEN v END""",
    "CREATE OR REPLACE TEMP MACRO number(t) AS finite(TRY_CAST(t AS DOUBLE))",
    # An ISO 8601 time (UTC where it has no offset) or a Unix time in s, ms, us or ns by its size.
    """CREATE OR REPLACE TEMP MACRO moment(t) AS CASE
        WHEN t IS NULL OR t[1] NOT BETWEEN '0' AND '9' THEN NULL
        WHEN t[5] = '-' THEN epoch_us(TRY_CAST(replace(upper(t), ',', '.') AS TIMESTAMPTZ))
        ELSE TRY_CAST(number(t) * CASE length(split_part(t, '.', 1)) // 3
            WHEN 6 THEN 1e-3 WHEN 5 THEN 1 WHEN 4 THEN 1e3 ELSE 1e6 END AS BIGINT) END""",
    # A scalar as trimmed text; objects, arrays and blanks are no value.
    """CREATE OR REPLACE TEMP MACRO word(t) AS CASE
        WHEN t IS NULL OR t[1] IN ('{', '[') THEN NULL ELSE nullif(trim(t), '') END""",
    # false for the words of success, true for those of failure, NULL for all others.
    f"""CREATE OR REPLACE TEMP MACRO failure(s) AS
        coalesce({_map(_OUTCOME_WORDS)}[lower(s)], number(s) >= 400)""",
    f"CREATE OR REPLACE TEMP MACRO is_abort(w) AS coalesce({_map(_ABORTS)}[lower(w)], false)",
    f"CREATE OR REPLACE TEMP MACRO is_refusal(w) AS coalesce({_map(_REFUSALS)}[lower(w)], false)",
    f"""CREATE OR REPLACE TEMP MACRO finish(w) AS CASE WHEN w IS NOT NULL THEN coalesce(
        {_map(_FINISH_WORDS)}[
            replace(regexp_replace(lower(w), '^finish_?reason[_.]', ''), '-', '_')],
        'other') END""",
)

_PHASES: Mapping[str, object] = {
    **dict.fromkeys(("tool_execution_start", "tool_call_begin"), "start"),
    **dict.fromkeys(("tool_execution_finish", "tool_execution_error", "tool_result"), "end"),
    **dict.fromkeys(("tool_call_end", "tool_call_error"), "end"),
    "tool_call": "call",
}

_NAMED = """
SELECT
    coalesce(moment(ts), moment("timestamp"), moment(t_utc_iso), moment(wm_event_time_ms)) AS us,
    word(id) AS id,
    lower(coalesce(word(actor), word(role))) AS raw_actor,
    coalesce(word(act), word("type"), word(action)) AS raw_act,
    coalesce(word(name), word(tool_name), word(tool), word("where"), word(failed_tool),
             word(planned_tool), word(meta->>'$.tool')) AS name,
    word("where") AS place,
    word(status) AS raw_status,
    coalesce(word(conv_id), word(session_id), word("sessionId")) AS conv_id,
    word(trace_id) AS trace_id,
    coalesce(word(call_id), word(tool_call_id), word(metadata->>'$.call_id')) AS call_id,
    TRY_CAST(coalesce(number(iter), number(iteration), number(turn_id), number(attempt))
             AS BIGINT) AS iter,
    coalesce(number(elapsed_ms), number(duration_ms), number(total_elapsed_ms),
             number(metadata->>'$.elapsed_ms')) AS elapsed_ms,
    finish(coalesce(word(finish_reason), word(metadata->>'$.finish_reason'))) AS finish_reason,
    CASE lower(coalesce(word(continuation), word(metadata->>'$.continuation')))
        WHEN 'true' THEN true WHEN '1' THEN true WHEN 'false' THEN false WHEN '0' THEN false
        END AS continuation,
    coalesce(word(error), error, word(error_message), word(metadata->>'$.error')) AS raw_error,
    word(message) AS message,
    coalesce(word(error_type), word(error_code), word(metadata->>'$.error_type')) AS raw_error_type,
    args_preview,
    coalesce(result_preview, content_preview) AS result_preview,
    coalesce(word(model), word(metadata->>'$.model')) AS model,
    coalesce(number(input_tokens), number(tokens->>'$.input'),
             number(metadata->>'$.input_tokens')) AS input_tokens,
    coalesce(number(output_tokens), number(tokens->>'$.output'),
             number(metadata->>'$.output_tokens'),
             number(reasoning_tokens) + number(content_tokens)) AS output_tokens,
    number(cost_usd) AS cost_usd,
    word(service) AS service,
FROM {relation}
"""

_JUDGED = f"""
SELECT *, {_map(_PHASES)}[raw_act] AS phase,
    CASE
        WHEN phase IS NOT NULL THEN 'tool_call'
        WHEN raw_act IN ('message', 'response') AND raw_actor IN ('assistant', 'model')
            THEN 'assistant_response'
        WHEN raw_act = 'TOOL_OUT' THEN 'tool_output'
        WHEN raw_act = 'INPUT' AND raw_actor = 'user' THEN 'message'
        ELSE coalesce(raw_act, 'event') END AS act,
    coalesce(raw_act, '') LIKE 'approval\\_%' ESCAPE '\\'
        OR coalesce(raw_act, '') LIKE 'checkpoint\\_%' ESCAPE '\\' AS is_human,
    coalesce(raw_act = 'error' OR raw_act LIKE '%\\_error' ESCAPE '\\', false) AS names_error,
    coalesce(raw_act IN ('upstream_error', 'api_error', 'circuit'), false) AS is_upstream,
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
SELECT us, id,
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
    macros: Sequence[str] = MACROS

    def files(self) -> tuple[LogFile, ...]:
        return discover(self.directory, self.setting)

    def records(self) -> tuple[str, Mapping[str, Any]]:
        relation = "read_ndjson($paths, columns = $columns, ignore_errors = true)"
        return records(relation), {"columns": COLUMNS}


def records(relation: str) -> str:
    """SQL that projects the relation (with COLUMNS) to records; a malformed line has no ``us``."""
    return (
        f"WITH named AS ({_NAMED.format(relation=relation)}), judged AS ({_JUDGED}),"
        f" outcomes AS ({_OUTCOMES}) {_RECORDS}"
    )
