"""The canonical columns, made of what is stored: SQL that all questions are asked of."""

from __future__ import annotations

TRUNCATED = """CASE
    WHEN act <> 'assistant_response' THEN NULL
    WHEN finish_reason = 'length' OR continuation OR continued THEN true
    WHEN finish_reason IS NOT NULL OR continuation IS NOT NULL THEN false END"""
ENDED = """CASE
    WHEN act <> 'assistant_response' THEN NULL
    WHEN failed OR continuation OR continued THEN false
    WHEN finish_reason IS NOT NULL THEN finish_reason = 'stop' END"""
IS_UNTOLD = """coalesce(act = 'assistant_response' AND finish_reason IS NULL
    AND continuation IS NULL AND NOT coalesce(continued, false)
    AND NOT coalesce(failed, false), false)"""

_JOINED = """
SELECT e.us, e.file, e.place, e.asked_file, e.asked_place, e.row, e.key, e.wording,
    e.conv, e.conv AS conv_id,
    e.trace AS trace_id, CASE WHEN e.keyed THEN e.call END AS call_id,
    w.actor, w.act, w.name, w.subject, w.service, w.model, w.version, w.prompt,
    CASE WHEN e.is_merged THEN e.failed ELSE w.failed END AS failed, w.soft_failed,
    CASE WHEN e.is_merged THEN e.cancelled ELSE w.cancelled END AS cancelled,
    coalesce(e.finish_reason, w.finish_reason) AS finish_reason,
    w.continuation, e.continued,
    coalesce(e.error_type, w.error_type) AS error_type, e.error,
    CASE WHEN w.is_wait IS NOT true THEN e.elapsed_ms END AS elapsed_ms,
    e.input_tokens, e.cached_tokens, e.output_tokens, e.cost_usd, e.args_hash, e.result_bytes
FROM {events} e JOIN wordings w USING (wording) WHERE w.act IS NOT NULL
"""


def canonical(condition: str = "true") -> str:
    """SQL for the events for which a condition over the stored columns holds, with the canonical
    columns; and those that say where a record stands."""
    joined = _JOINED.format(events=f"(SELECT * FROM events WHERE {condition})")
    return (
        f"SELECT *, {TRUNCATED} AS truncated, {ENDED} AS ended, {IS_UNTOLD} AS is_untold"
        f" FROM ({joined})"
    )
