"""From records to events: what was logged several times counts once.

A tool call may be a start and a finish or error record, and a record of the whole written later
by someone else; a response may be continued by a record of its own; an exporter may send a record
twice. Records of one call share a call id, else a trace, else a conversation, and the tool's
name; within those they are matched in order, because the times of different writers do not agree.

Whether records belong together is asked of hashes (see ``records``) and not of texts, and the
matching looks at the few columns that it needs.
"""

from __future__ import annotations

from tgt.events import HOUR_US

_COUNTED = (
    *("us", "actor", "act", "failed", "cancelled", "conv", "elapsed_ms", "finish_reason"),
    *("continuation", "service", "subject", "done"),
)
_SAMPLED = ("id", "name", "conv_id", "error_type", "error", "args_preview", "result_preview")

_REPEATED = f"""
SELECT row FROM (
    SELECT row, us - lag(us) OVER (PARTITION BY same ORDER BY us, row) AS later_us
    FROM seen WHERE same IN (
        SELECT same FROM seen WHERE same IS NOT NULL GROUP BY same HAVING count(*) > 1))
WHERE later_us <= {HOUR_US}
"""

# The second of two end records in a row is the same call told twice (an error, then the finish
# that every call gets), if there are more ends than starts.
_MERGED = """
SELECT row, us, phase, call, keyed, cancelled,
    CASE WHEN next_is_twin THEN failed OR next_failed ELSE failed END AS failed,
    CASE WHEN next_is_twin THEN coalesce(elapsed_ms, next_ms) ELSE elapsed_ms END AS elapsed_ms,
FROM (
    SELECT *,
        some_ends AND lag(phase) OVER steps = 'end' AND phase = 'end'
            AND lag(failed) OVER steps IS DISTINCT FROM failed AS is_twin,
        some_ends AND lead(phase) OVER steps = 'end' AND phase = 'end'
            AND next_failed IS DISTINCT FROM failed AS next_is_twin,
    FROM (
        SELECT row, us, phase, call, keyed, failed, elapsed_ms, cancelled,
            lead(failed) OVER steps AS next_failed,
            lead(elapsed_ms) OVER steps AS next_ms,
            count(*) FILTER (phase = 'start') OVER whole
                BETWEEN 1 AND count(*) FILTER (phase = 'end') OVER whole - 1 AS some_ends,
        FROM once WHERE phase IS NOT NULL
        WINDOW steps AS (PARTITION BY call, phase = 'call' ORDER BY us, phase = 'end', row),
            whole AS (PARTITION BY call, phase = 'call' ORDER BY us, phase = 'end', row
                      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))
    WINDOW steps AS (PARTITION BY call, phase = 'call' ORDER BY us, phase = 'end', row))
WHERE is_twin IS DISTINCT FROM true
"""

_RANKED = """
SELECT *,
    row_number() OVER (PARTITION BY call, phase ORDER BY us, row) AS rank,
FROM merged
"""

_TOTALS = """
SELECT call, count(*) FILTER (phase = 'end') AS ends, count(*) FILTER (phase = 'call') AS wholes,
FROM merged GROUP BY call
"""

# A call is its end; without one, its record of the whole; without either, its start.
_CALLS = """
SELECT ranked.row, whole.row AS whole_row,
    CASE WHEN ranked.phase = 'end' THEN ranked.failed OR coalesce(whole.failed, ranked.failed)
         ELSE ranked.failed END AS failed,
    coalesce(ranked.elapsed_ms, whole.elapsed_ms, (ranked.us - start.us) / 1000.0) AS elapsed_ms,
    ranked.cancelled OR coalesce(whole.cancelled, false) AS cancelled,
FROM ranked JOIN totals ON totals.call = ranked.call
LEFT JOIN (FROM ranked WHERE phase = 'call' AND keyed) AS whole
    ON ranked.phase = 'end' AND ranked.call = whole.call AND ranked.rank = whole.rank
LEFT JOIN (FROM ranked WHERE phase = 'start' AND keyed) AS start
    ON ranked.phase = 'end' AND ranked.call = start.call AND ranked.rank = start.rank
WHERE CASE ranked.phase
    WHEN 'end' THEN true
    WHEN 'call' THEN NOT ranked.keyed OR ranked.rank > ends
    ELSE ranked.rank > greatest(ends, CASE WHEN ranked.keyed THEN wholes ELSE 0 END) END
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
    WHERE act IN ('assistant_response', 'auto_continue') AND trace IN (
        SELECT trace FROM once WHERE act = 'auto_continue' AND trace IS NOT NULL)
    WINDOW steps AS (PARTITION BY trace ORDER BY us, act = 'auto_continue', row))
WHERE act = 'assistant_response' AND (continues OR follows)
"""

# Asked of what all known words mean, and of ids alone: it may be true of none of the records, and
# the joins then find nothing.
_PROBE = """
SELECT coalesce(bool_or(phase IN ('start', 'end')), false),
    coalesce(bool_or(act = 'auto_continue'), false),
    (SELECT count(same) > count(DISTINCT same) FROM {rows}),
FROM meanings
"""


def probe(rows: str) -> str:
    """SQL that tells whether records may have the ``paired``, ``continued`` and ``repeated`` ones;
    ``rows`` are those of the records without their meanings."""
    return _PROBE.format(rows=rows)


def events(records: str, *, paired: bool, continued: bool, repeated: bool, previews: bool) -> str:
    """SQL for the events of records, a FROM item with a ``row`` that tells them apart.

    ``paired``, ``continued`` and ``repeated`` tell what ``probe`` says of them: where there is
    nothing to join, the statement does without the joins. ``previews`` carries the columns that
    only samples need. Adds to the columns of a record: ``truncated`` (NULL where the end is not
    told), ``ended`` (the response ended by itself; NULL where that is not told) and ``is_untold``
    (a response whose end could only show as a continuation, and did not).
    """
    columns = (*_COUNTED, *(_SAMPLED if previews else ()))
    steps = [f"seen AS NOT MATERIALIZED (SELECT * FROM {records})"]
    if repeated:
        steps += [
            f"repeated AS MATERIALIZED ({_REPEATED})",
            "once AS NOT MATERIALIZED (SELECT * FROM seen ANTI JOIN repeated USING (row))",
        ]
    else:
        steps += ["once AS NOT MATERIALIZED (SELECT * FROM seen)"]
    goes_on = "false"
    if continued:
        steps += [f"continuing AS MATERIALIZED ({_CONTINUED})"]
        goes_on = "row IN (SELECT row FROM continuing)"
    others = " WHERE phase IS NULL" if paired else ""
    parts = [f"SELECT {', '.join(columns)}, {goes_on} AS continued FROM once{others}"]
    if paired:
        steps += [
            f"merged AS MATERIALIZED ({_MERGED})",
            f"ranked AS MATERIALIZED ({_RANKED})",
            f"totals AS ({_TOTALS})",
            f"calls AS ({_CALLS})",
        ]
        named = ", ".join(_of_call(name, previews=previews) for name in columns)
        parts += [
            f"SELECT {named}, false AS continued FROM once JOIN calls ON calls.row = once.row"
            " LEFT JOIN (SELECT * FROM once WHERE phase = 'call') AS whole"
            " ON whole.row = calls.whole_row"
        ]
    steps += [f"every AS NOT MATERIALIZED ({' UNION ALL '.join(parts)})"]
    return f"WITH {', '.join(steps)} SELECT {', '.join(columns)}, {_ENDS} FROM every"


def _of_call(name: str, *, previews: bool) -> str:
    if name in ("failed", "elapsed_ms", "cancelled"):
        return f"calls.{name}"
    told_by_either = ("finish_reason", *(_TEXTS if previews else ()))
    if name in told_by_either:
        return f"coalesce(once.{name}, whole.{name}) AS {name}"
    return f"once.{name}"


_TEXTS = ("error_type", "error", "args_preview", "result_preview")

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
