"""Conversations: one row each, made of all their events, renewed when they get new ones.

A conversation is over when it had no event for IDLE. It was aborted when it has more than two
events and no answer that ended by itself, or an explicit abort after which none did: who steers an
agent does not give up. Where a service never tells how answers end, any that nothing continued and
that did not fail ended by itself. The wait of a user's message ends
with the first answer within an hour after it that is not a mere tool call. A prompt gives an agent
a task to work on by itself, and nobody sits waiting for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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

# Of each window the conversations that went on after it, as they were at its end. Each is another
# one in each window: ``conv_id`` is the number of such a pair.
_STRADDLING = """
SELECT row_number() OVER () AS number, conv, w, end_us, first_us, events
FROM conversations JOIN {windows} ON first_us <= end_us AND last_us > end_us
"""
_PAIRED = """(
SELECT events.* EXCLUDE (conv_id), number AS conv_id FROM ({events}) events
JOIN straddling ON conv_id = straddling.conv AND us <= end_us AND w BETWEEN {first} AND {last})
"""

# The columns that signals may use. Of what happened at one time nothing came after the other.
_JUDGED = f"""
WITH walk AS (SELECT * FROM {{windows}}),
shown AS (
    SELECT conversations.* EXCLUDE (row), w, end_us
    FROM conversations JOIN walk ON last_us BETWEEN {{begin}} AND end_us
    UNION ALL BY NAME SELECT * FROM unfinished),
tellers AS (SELECT unnest($told::INTEGER[]) AS w, unnest($tellers::VARCHAR[]) AS teller),
answering AS (
    SELECT DISTINCT w, service FROM (
        SELECT w, service FROM (
            SELECT service, last_us // {HOUR_US} AS hour, min(last_us) AS first_us
            FROM conversations WHERE answers > 0 GROUP BY ALL)
        JOIN walk ON hour >= since_us // {HOUR_US} AND first_us <= end_us
        UNION ALL SELECT w, service FROM unfinished WHERE answers > 0))
SELECT *, last_us // {HOUR_US} AS hour,
    CASE WHEN answered_us IS NULL THEN events > 2 OR cancelled > 0
        ELSE coalesce(cancelled_us >= answered_us, false) END AS is_aborted,
    coalesce(CASE WHEN messages > 0 THEN wait_ms ELSE slowest_ms END, 0) AS longest_wait_ms,
FROM (
    SELECT shown.*, answering.w IS NOT NULL AS tells_answers,
        greatest(ended_us, CASE WHEN teller IS NULL THEN untold_us END) AS answered_us
    FROM shown
    LEFT JOIN tellers ON tellers.w = shown.w AND teller = coalesce(service, '')
    LEFT JOIN answering ON answering.w = shown.w
        AND answering.service IS NOT DISTINCT FROM shown.service)
"""
_NONE = "SELECT * EXCLUDE (row), 0 AS w, 0::BIGINT AS end_us FROM conversations LIMIT 0"
_MOST_EVENTS = 500_000


@dataclass(frozen=True)
class States:
    """Which conversations are looked at: those that ended in some windows, (number, beginning of
    the baseline, end), from ``begin`` on, SQL over ``since_us`` and ``end_us``. ``tellers`` are the
    services, (number of the window, service), that tell how answers end."""

    windows: tuple[tuple[int, int, int], ...]
    tellers: tuple[tuple[int, str], ...]
    begin: str

    @property
    def sql(self) -> str:
        """A FROM item with the windows."""
        listed = ", ".join(map(str, self.windows))
        return f"(VALUES {listed}) walk(w, since_us, end_us)"


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


def judged_at(db: Database, name: str, states: States) -> None:
    """Make a temporary table of conversations as they were at the end of windows, with the columns
    of CONVERSATION, ``w``, ``end_us``, ``conv``, ``last_us`` and ``hour``."""
    windows = states.sql
    db.table("straddling", _STRADDLING.format(windows=windows))
    events = dict(db.run("SELECT w, sum(events)::BIGINT FROM straddling GROUP BY w"))
    parts = [_unfinished(db, states, first, last) for first, last in _parts(events)]
    db.table("unfinished", parts[0] if parts else _NONE)
    for part in parts[1:]:
        db.run(f"INSERT INTO temp.unfinished BY NAME {part}")
    told, tellers = zip(*states.tellers, strict=True) if states.tellers else ((), ())
    query = _JUDGED.format(windows=windows, begin=states.begin)
    db.table(name, query, told=list(told), tellers=list(tellers))
    db.drop("straddling", "unfinished")


def _parts(events: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """The windows, from one to another, that have few enough events to be looked at together."""
    first, last, many = None, 0, 0
    for w in sorted(events):
        if first is not None and many + events[w] > _MOST_EVENTS:
            yield first, last
            first, many = None, 0
        first = w if first is None else first
        last, many = w, many + events[w]
    if first is not None:
        yield first, last


def _unfinished(db: Database, states: States, first: int, last: int) -> str:
    """A query for what conversations were at the end of windows that they went on after."""
    begun = db.value(f"SELECT min(first_us) FROM straddling WHERE w BETWEEN {first} AND {last}")
    end = max(end for _, _, end in states.windows)
    among = f"us BETWEEN {begun} AND {end} AND conv IN (SELECT conv FROM straddling)"
    paired = _PAIRED.format(events=canonical(among), first=first, last=last)
    summary = _SUMMARY.format(events=paired, longest=HOUR_US)
    return (
        f"SELECT summary.* REPLACE (straddling.conv AS conv), w, end_us FROM ({summary}) summary"
        " JOIN straddling ON summary.conv = number"
    )
