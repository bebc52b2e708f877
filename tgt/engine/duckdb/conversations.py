"""Conversations: one row each, made of all their events, renewed when they get new ones.

A conversation is over when it had no event for IDLE. It was aborted when it has more than two
events and no answer that ended by itself, or an explicit abort after which none did: who steers an
agent does not give up. Where a service never tells how answers end, any that nothing continued and
that did not fail ended by itself. The wait of a user's message ends
with the first answer within an hour after it that is not a mere tool call. A prompt gives an agent
a task to work on by itself, and nobody sits waiting for that.
"""

from __future__ import annotations

from datetime import timedelta

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.store import Store
from tgt.events import HOUR_US

IDLE = timedelta(minutes=15)
"""A conversation without an event for this long is over."""
_AT_ONCE = 2_000_000

_SUMMARY = """
WITH talk AS (
    SELECT conv_id, us, actor = 'user' AS asked,
        min(CASE WHEN actor <> 'user' THEN us END) OVER (
            PARTITION BY conv_id ORDER BY us
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS answer_us,
    FROM {events} WHERE ((actor = 'user' AND act = 'message')
        OR (actor <> 'user' AND act = 'assistant_response'
            AND finish_reason IS DISTINCT FROM 'tool_calls'))),
waits AS (
    SELECT conv_id, max(answer_us - us) // 1000 AS wait_ms,
    FROM talk WHERE asked AND answer_us - us <= {longest} GROUP BY ALL),
sums AS (
    SELECT conv_id, min(service) AS service,
        count(*)::INTEGER AS events,
        (count(*) FILTER (failed))::INTEGER AS errors,
        (count(*) FILTER (act = 'assistant_response'))::INTEGER AS answers,
        (count(*) FILTER (ended))::INTEGER AS ended,
        (count(*) FILTER (cancelled))::INTEGER AS cancelled,
        (count(*) FILTER (actor = 'user' AND act IN ('message', 'prompt')))::INTEGER AS messages,
        max(elapsed_ms) AS slowest_ms,
        max(us) FILTER (ended) AS ended_us,
        max(us) FILTER (is_untold) AS untold_us,
        max(us) FILTER (cancelled) AS cancelled_us,
        min(us) AS first_us,
        max(us) AS last_us,
    FROM {events} GROUP BY conv_id)
SELECT conv_id AS conv, service, events, errors, answers, ended, cancelled, messages, wait_ms,
    slowest_ms, ended_us, untold_us, cancelled_us, first_us, last_us
FROM sums LEFT JOIN waits USING (conv_id)
"""

# The columns that signals may use. Of what happened at one time nothing came after the other.
_JUDGED = f"""
SELECT *, last_us // {HOUR_US} AS hour,
    bool_or(answers > 0) OVER (PARTITION BY service) AS tells_answers,
    CASE WHEN answered_us IS NULL THEN events > 2 OR cancelled > 0
        ELSE coalesce(cancelled_us >= answered_us, false) END AS is_aborted,
    coalesce(CASE WHEN messages > 0 THEN wait_ms ELSE slowest_ms END, 0) AS longest_wait_ms,
FROM (SELECT *, greatest(ended_us, CASE WHEN coalesce(service, '') NOT IN (SELECT unnest($tellers))
    THEN untold_us END) AS answered_us FROM ({{conversations}}))
"""


def _summary(condition: str) -> str:
    events = f"({canonical(f'conv IS NOT NULL AND ({condition})')})"
    return _SUMMARY.format(events=events, longest=HOUR_US)


def renew(store: Store, first_us: int | None) -> None:
    """Make the rows of the conversations in the temporary table ``touched`` anew; ``first_us`` is
    the time of the first record that touched one."""
    db = store.database
    db.table("touched", "SELECT DISTINCT conv FROM touched")
    if first_us is None or not db.value("SELECT count(*) FROM touched"):
        return
    begun = db.value(
        "SELECT min(first_us) FROM conversations WHERE conv IN (SELECT conv FROM touched)"
    )
    since = first_us if begun is None else min(first_us, begun)
    store.delete("conversations", "conv IN (SELECT conv FROM touched)")
    parts = 1 + db.value(f"SELECT count(*) FROM events WHERE us >= {since}") // _AT_ONCE
    for part in range(parts):
        mine = f"us >= {since} AND conv IN (SELECT conv FROM touched)"
        store.insert("conversations", _summary(f"conv % {parts} = {part} AND {mine}"))
    db.run("DELETE FROM touched")


def judged_at(db: Database, end_us: int, since_us: int, tellers: list[str]) -> None:
    """Make the temporary table ``judged``: the conversations with a last event of [since, end] as
    they were at the end, with the columns of CONVERSATION, ``conv``, ``last_us`` and ``hour``."""
    db.table(
        "straddling",
        "SELECT conv, first_us FROM conversations WHERE first_us <= $end AND last_us > $end",
        end=end_us,
    )
    rows = (
        f"SELECT * EXCLUDE (row) FROM conversations WHERE last_us BETWEEN {since_us} AND {end_us}"
    )
    first = db.value("SELECT min(first_us) FROM straddling")
    if first is not None:
        then = f"us BETWEEN {first} AND {end_us} AND conv IN (SELECT conv FROM straddling)"
        rows += f" UNION ALL SELECT * FROM ({_summary(then)})"
    db.table("judged", _JUDGED.format(conversations=rows), tellers=tellers)
