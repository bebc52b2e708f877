"""From events to counts: the statements that make the tables of ``partials``, and join records.

All counts of an hour are additive, so they can be made in pieces and merged.
"""

from __future__ import annotations

import duckdb

from tgt.engine.duckdb import correlate as calls
from tgt.engine.duckdb.records import ROWS, VIEW
from tgt.events import HOUR_US
from tgt.stats.distributions import BASE

CONTEXT_US = HOUR_US
"""Records of one call lie within an hour of each other."""

UNITS = """
SELECT (us // {hour})::INTEGER AS hour, subject, conv,
    count(*)::INTEGER AS events,
    (count(*) FILTER (failed))::INTEGER AS errors,
    (count(*) FILTER (truncated IS NOT NULL))::INTEGER AS ends,
    (count(*) FILTER (truncated))::INTEGER AS cuts,
    (count(*) FILTER (is_untold))::INTEGER AS untold,
    (count(*) FILTER (finish_reason IS NOT NULL OR continuation IS NOT NULL))::INTEGER AS told,
FROM {events} WHERE actor <> 'user'
GROUP BY ALL
"""

LATENCY = """
SELECT (us // {hour})::INTEGER AS hour, subject,
    floor(ln(elapsed_ms) / ln({base}))::SMALLINT AS bucket,
    count(*)::INTEGER AS n,
FROM {events} WHERE elapsed_ms BETWEEN 1e-6 AND 1e15 AND failed IS DISTINCT FROM true
GROUP BY ALL
"""

# The wait of a user's message ends with the first answer within an hour after it that is not a mere
# tool call, also where that lies beyond the hours that are counted. A prompt gives an agent a task
# to work on by itself, and nobody sits waiting for that.
CONVERSATIONS = """
WITH talk AS (
    SELECT conv, us, actor = 'user' AS asked,
        min(CASE WHEN actor <> 'user' THEN us END) OVER (
            PARTITION BY conv ORDER BY us
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS answer_us,
    FROM {around} WHERE conv IS NOT NULL AND ((actor = 'user' AND act = 'message')
        OR (actor <> 'user' AND act = 'assistant_response'
            AND finish_reason IS DISTINCT FROM 'tool_calls'))),
waits AS (
    SELECT (us // {hour})::INTEGER AS hour, conv, max(answer_us - us) // 1000 AS wait_ms,
    FROM talk WHERE asked AND answer_us - us <= {longest} GROUP BY ALL),
states AS (
    SELECT (us // {hour})::INTEGER AS hour, conv, any_value(service) AS service,
        count(*)::INTEGER AS events,
        (count(*) FILTER (failed))::INTEGER AS errors,
        (count(*) FILTER (ended))::INTEGER AS ended,
        (count(*) FILTER (is_untold))::INTEGER AS untold,
        (count(*) FILTER (cancelled))::INTEGER AS cancelled,
        (count(*) FILTER (actor = 'user' AND act IN ('message', 'prompt')))::INTEGER AS messages,
        max(elapsed_ms) AS slowest_ms,
        min(us) AS first_us,
        max(us) AS last_us,
    FROM {events} WHERE conv IS NOT NULL GROUP BY ALL)
SELECT states.*, wait_ms FROM states LEFT JOIN waits USING (hour, conv)
"""
COUNTS = {"units": UNITS, "latency": LATENCY, "conversations": CONVERSATIONS}
"""What is made of events; the tallies are made of the units."""


def count_statement(table: str, events: str, around: str | None = None) -> str:
    """SQL that counts events into rows of one of the tables; ``around`` has later answers too."""
    return COUNTS[table].format(
        events=events, around=around or events, hour=HOUR_US, longest=CONTEXT_US, base=BASE
    )


def events_sql(
    connection: duckdb.DuckDBPyConnection, first_us: int, last_us: int, *, previews: bool
) -> tuple[str, bool]:
    """A FROM item with the events of the records of a time, and whether making them is dear, as
    joining is."""
    during = f"us BETWEEN {first_us} AND {last_us}"
    row = connection.execute(calls.probe(f"(FROM {ROWS} WHERE {during})")).fetchone()
    paired, continued, repeated = row or (True, True, True)
    statement = calls.events(
        f"(FROM {VIEW} WHERE {during})",
        paired=paired,
        continued=continued,
        repeated=repeated,
        previews=previews,
    )
    return f"({statement})", paired or continued or repeated
