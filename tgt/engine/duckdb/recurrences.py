"""The same error text in several conversations, and what it cost until the tool went well again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.examples import LOCATED, sample_of
from tgt.engine.duckdb.sequences import BAD, CALL, ORDER
from tgt.engine.sequences import Cost, Counted, Recurrence

K = TypeVar("K")
T = TypeVar("T")

_LOCATED = ", ".join(LOCATED)

# Everything that failed in any of the windows, and the texts that are worth it in which of them.
_TEXTS = """
SELECT w, subject, error, count(*) AS events, count(DISTINCT conv_id) AS conversations,
    min(us) AS first_us, max(us) AS last_us, quantile_disc(us, 0.5) AS median_us,
    any_value(start_us) AS start_us, any_value(end_us) AS end_us
FROM failed JOIN (VALUES {windows}) walk(w, start_us, end_us, newest_us)
    ON us > start_us AND us <= end_us
GROUP BY w, subject, error
HAVING count(DISTINCT conv_id) >= $least AND max(us) > any_value(newest_us)
"""
_FAILING = """
SELECT w, failed.* FROM failed JOIN texts USING (subject, error)
WHERE us > start_us AND us <= end_us
"""
_SERVICES = """
SELECT w, subject, error, service FROM failing WHERE service IS NOT NULL
GROUP BY w, subject, error, service ORDER BY count(DISTINCT conv_id) DESC, service
"""
_SAME_CALL = """
SELECT w, subject, error, max(conversations) FROM (
    SELECT w, subject, error, count(DISTINCT conv_id) AS conversations FROM failing
    WHERE args_hash IS NOT NULL GROUP BY w, subject, error, args_hash)
GROUP BY w, subject, error
"""
# The end of a failure is the next success of the same subject in its conversation, if that was in
# the window.
_COSTS = f"""
SELECT w, subject, error,
    median(CASE WHEN ok_us <= end_us THEN ok_nth - nth END) AS calls,
    median(CASE WHEN ok_us <= end_us THEN (ok_us - us) / 1e6 END) AS seconds,
    count(CASE WHEN ok_us <= end_us THEN NULL ELSE 1 END) AS given_up
FROM (
    SELECT *, min(CASE WHEN NOT is_bad THEN nth END) OVER later AS ok_nth,
        min(CASE WHEN NOT is_bad THEN us END) OVER later AS ok_us
    FROM (
        SELECT conv_id, subject, us, error, {BAD} AS is_bad,
            row_number() OVER (PARTITION BY conv_id ORDER BY {ORDER}) AS nth
        FROM {{events}} WHERE {CALL} AND coalesce(error_type, '') <> 'sibling_error')
    WINDOW later AS (PARTITION BY conv_id, subject ORDER BY nth
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)) calls
JOIN texts USING (subject, error)
WHERE is_bad AND us > start_us AND us <= end_us AND EXISTS (
    SELECT 1 FROM failing WHERE failing.w = texts.w AND failing.conv_id = calls.conv_id)
GROUP BY w, subject, error
"""
_SAMPLES = f"""
SELECT w, subject, error, {_LOCATED} FROM (
    SELECT *, row_number() OVER (PARTITION BY w, subject, error ORDER BY nth, us DESC, key, row)
        AS place_of
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY w, subject, error, conv_id ORDER BY us DESC, key, row) AS nth
        FROM failing))
WHERE place_of <= $most ORDER BY w, subject, error, place_of
"""
_MOST_ROWS = 2_000_000
"""So many failures, each counted once for every window that has it, are looked at together."""


@dataclass(frozen=True)
class Asked:
    """A window with its number, and after what time a text must have come again."""

    w: int
    start_us: int
    end_us: int
    newest_us: int


def recurrences(
    db: Database, where: str, questions: Sequence[Asked], least: int, most: int
) -> dict[int, tuple[Recurrence, ...]]:
    """As ``Snapshot.recurrences``, for each of some windows."""
    start, newest = (min(getattr(a, name) for a in questions) for name in ("start_us", "newest_us"))
    end = max(each.end_us for each in questions)
    inside = f"us > {start} AND us <= {end}"
    # What did not come again need not be looked for in all the days before.
    again = f"SELECT error FROM events WHERE us > {newest} AND us <= {end} AND error IS NOT NULL"
    failures = f"{inside} AND conv IS NOT NULL AND error IS NOT NULL AND error IN ({again})"
    db.table(
        "failed",
        f"SELECT conv_id, row, subject, service, error, args_hash, {_LOCATED}"
        f" FROM ({canonical(failures)}) WHERE {BAD} AND ({where})",
    )
    try:
        rows = db.value("SELECT count(*) FROM failed") if len(questions) > 1 else 0
        at_once = max(1, _MOST_ROWS // max(1, rows))
        answers: dict[int, tuple[Recurrence, ...]] = {each.w: () for each in questions}
        for first in range(0, len(questions), at_once):
            batch = questions[first : first + at_once]
            answers.update(_recurrences(db, inside, batch, least, most))
    finally:
        db.drop("failed", "texts", "failing")
    return answers


def _recurrences(
    db: Database, inside: str, questions: Sequence[Asked], least: int, most: int
) -> dict[int, tuple[Recurrence, ...]]:
    windows = ", ".join(f"({a.w}, {a.start_us}, {a.end_us}, {a.newest_us})" for a in questions)
    db.table("texts", _TEXTS.format(windows=windows), least=least)
    texts = db.run(
        "SELECT w, subject, error, events, conversations, first_us, last_us, median_us"
        " FROM texts ORDER BY conversations DESC, subject, error"
    )
    if not most or not texts:
        return _listed(
            (w, Recurrence(subject, text, Counted(*figures)))
            for w, subject, text, *figures in texts
        )
    db.table("failing", _FAILING)
    events = f"({canonical(f'{inside} AND conv IN (SELECT conv_id FROM failing)')})"
    costs = {tuple(row[:3]): row[3:] for row in db.run(_COSTS.format(events=events))}
    same = {tuple(row[:3]): row[3] for row in db.run(_SAME_CALL)}
    services = _listed((row[:3], row[3]) for row in db.run(_SERVICES))
    located = db.run(_SAMPLES, most=most)
    samples = _listed((row[:3], sample_of(row[3:])) for row in located)
    return _listed(
        (
            w,
            Recurrence(
                subject,
                text,
                Counted(*figures),
                Cost(*costs.get((w, subject, text), ())),
                services.get((w, subject, text), ()),
                samples.get((w, subject, text), ()),
                same.get((w, subject, text)),
            ),
        )
        for w, subject, text, *figures in texts
    )


def _listed(rows: Iterable[tuple[K, T]]) -> dict[K, tuple[T, ...]]:
    by_key: dict[K, list[T]] = {}
    for key, value in rows:
        by_key.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in by_key.items()}
