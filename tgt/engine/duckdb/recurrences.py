"""The same error text in several conversations, and what it cost until the tool went well again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.examples import LOCATED, sample_of
from tgt.engine.duckdb.sequences import BAD, CALL, ORDER
from tgt.engine.sequences import Cost, Counted, Recurrence
from tgt.events import Interval, to_us

_LOCATED = ", ".join(LOCATED)

_TEXTS = """
SELECT subject, error, count(*) AS events, count(DISTINCT conv_id) AS conversations,
    min(us) AS first_us, max(us) AS last_us
FROM failing GROUP BY subject, error
HAVING count(DISTINCT conv_id) >= $least AND max(us) > $newest
"""
_SERVICES = """
SELECT subject, error, service FROM failing JOIN texts USING (subject, error)
WHERE service IS NOT NULL
GROUP BY subject, error, service ORDER BY count(DISTINCT conv_id) DESC, service
"""
# The end of a failure is the next success of the same subject in its conversation.
_COSTS = f"""
SELECT subject, error, median(ok_nth - nth) AS calls, median((ok_us - us) / 1e6) AS seconds,
    count(CASE WHEN ok_nth IS NULL THEN 1 END) AS given_up
FROM (
    SELECT *, min(CASE WHEN NOT is_bad THEN nth END) OVER later AS ok_nth,
        min(CASE WHEN NOT is_bad THEN us END) OVER later AS ok_us
    FROM (
        SELECT conv_id, subject, us, error, {BAD} AS is_bad,
            row_number() OVER (PARTITION BY conv_id ORDER BY {ORDER}) AS nth
        FROM {{events}} WHERE {CALL})
    WINDOW later AS (PARTITION BY conv_id, subject ORDER BY nth
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING))
JOIN texts USING (subject, error) WHERE is_bad GROUP BY subject, error
"""
_SAMPLES = f"""
SELECT subject, error, {_LOCATED} FROM (
    SELECT *, row_number() OVER (PARTITION BY subject, error ORDER BY nth, us DESC, key, row)
        AS place_of
    FROM (
        SELECT failing.*, row_number() OVER (
            PARTITION BY subject, error, conv_id ORDER BY us DESC, key, row) AS nth
        FROM failing JOIN texts USING (subject, error)))
WHERE place_of <= $most ORDER BY subject, error, place_of
"""


def recurrences(
    db: Database, where: str, window: Interval, least: int, most: int, newest_us: int
) -> tuple[Recurrence, ...]:
    """As ``Snapshot.recurrences``."""
    end = to_us(window.end)
    inside = f"us > {to_us(window.start)} AND us <= {end}"
    # What did not come again need not be looked for in all the days before.
    again = f"SELECT error FROM events WHERE us > {newest_us} AND us <= {end} AND error IS NOT NULL"
    db.table(
        "failing",
        f"SELECT conv_id, row, subject, service, error, {_LOCATED}"
        f" FROM ({canonical(f'{inside} AND conv IS NOT NULL AND error IN ({again})')})"
        f" WHERE {BAD} AND ({where})",
    )
    db.table("texts", _TEXTS, least=least, newest=newest_us)
    try:
        texts = db.run(
            "SELECT subject, error, any_value(texts.events), any_value(conversations),"
            " any_value(first_us), any_value(last_us), quantile_disc(us, 0.5)"
            " FROM texts JOIN failing USING (subject, error) GROUP BY subject, error"
            " ORDER BY any_value(conversations) DESC, subject, error"
        )
        if not texts:
            return ()
        conversations = "conv IN (SELECT conv_id FROM failing JOIN texts USING (subject, error))"
        events = f"({canonical(f'{inside} AND {conversations}')})"
        costs = {(s, e): cost for s, e, *cost in db.run(_COSTS.format(events=events))}
        services = _grouped((s, e, name) for s, e, name in db.run(_SERVICES))
        samples = _grouped((s, e, sample_of(row)) for s, e, *row in db.run(_SAMPLES, most=most))
    finally:
        db.drop("failing", "texts")
    return tuple(
        Recurrence(
            subject,
            text,
            Counted(*figures),
            Cost(*costs.get((subject, text), ())),
            tuple(services.get((subject, text), ())),
            tuple(samples.get((subject, text), ())),
        )
        for subject, text, *figures in texts
    )


def _grouped(rows: Iterable[tuple[str, str, Any]]) -> dict[tuple[str, str], list[Any]]:
    by_text: dict[tuple[str, str], list[Any]] = {}
    for subject, text, value in rows:
        by_text.setdefault((subject, text), []).append(value)
    return by_text
