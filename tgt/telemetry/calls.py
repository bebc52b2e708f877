"""From records to events: what was logged several times counts once.

A tool call may be a start and a finish or error record, and a record of the whole written later
by someone else; a response may be continued by a record of its own; an exporter may send a record
twice. Records of one call share a call id, else a trace, else a conversation, and the tool's
name; within those they are matched in order, because the times of different writers do not agree.
"""

from __future__ import annotations

_PREVIEWS = ("args_preview", "result_preview", "error", "input_tokens", "output_tokens", "cost_usd")
_CARRIED = (
    *("us", "id", "actor", "act", "name", "failed", "cancelled", "conv_id", "trace_id", "iter"),
    *("elapsed_ms", "finish_reason", "continuation", "error_type", "model", "service", "subject"),
    "done",
)

# One record of several identical ones: exporters repeat after a time-out.
_ONCE = """
SELECT rowid AS row, * FROM {records} WHERE us IS NOT NULL
QUALIFY id IS NULL OR row_number() OVER (
    PARTITION BY id, act, phase, failed, name, conv_id, trace_id ORDER BY us) = 1
"""

# The second of two end records in a row is the same call told twice (an error, then the finish
# that every call gets), if there are more ends than starts.
_PAIRED = """
SELECT *,
    coalesce(call_id, trace_id, conv_id) AS key,
    phase = 'end' AND coalesce(lag(phase) OVER steps = 'end', false)
        AND lag(failed) OVER steps IS DISTINCT FROM failed
        AND count(*) FILTER (phase = 'start') OVER whole
            BETWEEN 1 AND count(*) FILTER (phase = 'end') OVER whole - 1 AS is_twin,
    lead(failed) OVER steps AS next_failed,
    lead(elapsed_ms) OVER steps AS next_ms,
FROM once WHERE phase IS NOT NULL
WINDOW whole AS (PARTITION BY coalesce(call_id, trace_id, conv_id), name),
    steps AS (PARTITION BY coalesce(call_id, trace_id, conv_id), name, phase = 'call'
              ORDER BY us, phase = 'end', row)
"""

_MERGED = """
SELECT * REPLACE (
        CASE WHEN next_is_twin THEN failed OR next_failed ELSE failed END AS failed,
        CASE WHEN next_is_twin THEN coalesce(elapsed_ms, next_ms) ELSE elapsed_ms END
            AS elapsed_ms),
FROM (SELECT *, coalesce(lead(is_twin) OVER (
          PARTITION BY key, name, phase = 'call'
          ORDER BY us, phase = 'end', row), false) AS next_is_twin
      FROM paired)
WHERE NOT is_twin
"""

_RANKED = """
SELECT *,
    row_number() OVER (PARTITION BY key, name, phase ORDER BY us, row) AS rank,
    count(*) FILTER (phase = 'start') OVER whole AS starts,
    count(*) FILTER (phase = 'end') OVER whole AS ends,
    count(*) FILTER (phase = 'call') OVER whole AS wholes,
FROM merged WINDOW whole AS (PARTITION BY key, name)
"""

# A call is its end; without one, its record of the whole; without either, its start.
_CALLS = """
SELECT ranked.* REPLACE (
        CASE WHEN ranked.phase = 'end' THEN ranked.failed OR coalesce(whole.failed, ranked.failed)
             ELSE ranked.failed END AS failed,
        coalesce(ranked.elapsed_ms, whole.elapsed_ms, (ranked.us - start.us) / 1000.0)
            AS elapsed_ms,
        ranked.cancelled OR coalesce(whole.cancelled, false) AS cancelled,
        {joined_previews}
        coalesce(ranked.finish_reason, whole.finish_reason) AS finish_reason,
        coalesce(ranked.error_type, whole.error_type) AS error_type),
FROM ranked
LEFT JOIN ranked AS whole ON ranked.phase = 'end' AND whole.phase = 'call'
    AND ranked.key = whole.key AND ranked.name IS NOT DISTINCT FROM whole.name
    AND ranked.rank = whole.rank
LEFT JOIN ranked AS start ON ranked.phase = 'end' AND start.phase = 'start'
    AND ranked.key = start.key AND ranked.name IS NOT DISTINCT FROM start.name
    AND ranked.rank = start.rank
WHERE CASE ranked.phase
    WHEN 'end' THEN true
    WHEN 'call' THEN ranked.key IS NULL OR ranked.rank > ranked.ends
    ELSE ranked.rank > greatest(ranked.ends, CASE WHEN ranked.key IS NULL THEN 0
                                                  ELSE ranked.wholes END) END
"""

# A continuation belongs to the response before it in its trace; one that was written before the
# only response of its trace belongs to that response.
_CONTINUED = """
SELECT row FROM (
    SELECT row, act,
        lead(act) OVER steps = 'auto_continue' AS continues,
        count(*) FILTER (act = 'assistant_response') OVER steps = 1
            AND count(*) FILTER (act = 'auto_continue') OVER steps > 0 AS follows,
    FROM once
    WHERE act IN ('assistant_response', 'auto_continue') AND trace_id IN (
        SELECT trace_id FROM once WHERE act = 'auto_continue' AND trace_id IS NOT NULL)
    WINDOW steps AS (PARTITION BY trace_id ORDER BY us, act = 'auto_continue', row))
WHERE act = 'assistant_response' AND (continues OR follows)
"""


def events(records: str, *, paired: bool, continued: bool, previews: bool) -> str:
    """SQL for the events of a table of records.

    ``paired`` and ``continued`` tell whether the table has start or end records, and continuation
    records: where it has none, the statement does without their joins. ``previews`` carries the
    columns that only samples need. Adds to the columns of a record: ``truncated`` (NULL where the
    end is not told), ``ended`` (the response ended by itself; NULL where that is not told) and
    ``is_untold`` (a response whose end could only show as a continuation, and did not).
    """
    columns = ", ".join((*_CARRIED, *(_PREVIEWS if previews else ())))
    steps = [f"once AS MATERIALIZED ({_ONCE.format(records=records)})"]
    parts = []
    if paired:
        joined = _JOINED_PREVIEWS if previews else ""
        steps += [f"paired AS ({_PAIRED})", f"merged AS ({_MERGED})"]
        steps += [f"ranked AS MATERIALIZED ({_RANKED})"]
        steps += [f"calls AS ({_CALLS.format(joined_previews=joined)})"]
        parts += [f"SELECT {columns}, false AS continued FROM calls"]
    others = " WHERE phase IS NULL" if paired else ""
    if continued:
        steps += [f"continued AS ({_CONTINUED})"]
        parts += [
            f"SELECT {columns}, row IN (SELECT row FROM continued) AS continued FROM once{others}"
        ]
    else:
        parts += [f"SELECT {columns}, false AS continued FROM once{others}"]
    steps += [f"every AS ({' UNION ALL '.join(parts)})"]
    return f"WITH {', '.join(steps)} SELECT {columns}, {_ENDS} FROM every"


_JOINED_PREVIEWS = """
        coalesce(ranked.error, whole.error) AS error,
        coalesce(ranked.args_preview, whole.args_preview) AS args_preview,
        coalesce(ranked.result_preview, whole.result_preview) AS result_preview,"""

_ENDS = """
    CASE
        WHEN act <> 'assistant_response' THEN NULL
        WHEN finish_reason = 'length' OR continuation OR continued THEN true
        WHEN finish_reason IS NOT NULL OR continuation IS NOT NULL THEN false END AS truncated,
    CASE
        WHEN act <> 'assistant_response' THEN NULL
        WHEN failed OR continuation OR continued THEN false
        WHEN finish_reason IS NOT NULL THEN finish_reason = 'stop' END AS ended,
    coalesce(act = 'assistant_response' AND finish_reason IS NULL AND continuation IS NULL
        AND NOT continued AND NOT coalesce(failed, false), false) AS is_untold
"""
