"""What happened in a period and in the same length of time before it: a few sums over events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database
from tgt.engine.summary import ErrorSummary, Kind, Series, SubjectSummary, Summary, Sums
from tgt.events import Interval, from_us, to_us
from tgt.sources.words import REFUSALS
from tgt.stats.distributions import BASE

_US = timedelta(microseconds=1)
_REFUSALS = ", ".join(f"'{word}'" for word in sorted(REFUSALS))
_KINDS = ", ".join(f"'{kind}'" for kind in Kind if kind is not Kind.OTHER)
_KIND = (
    f"CASE WHEN split_part(subject, '/', 1) IN ({_KINDS}) THEN split_part(subject, '/', 1)"
    f" ELSE '{Kind.OTHER}' END"
)
# A condition of an aggregate does not keep its argument from being worked out.
_BUCKET = (
    "CASE WHEN elapsed_ms BETWEEN 1e-6 AND 1e15 AND NOT coalesce(failed, false)"
    f" THEN floor(ln(elapsed_ms) / ln({BASE}))::SMALLINT END"
)
_NOBODYS = "actor IS DISTINCT FROM 'user'"
"""What a user does counts for nobody's share."""

# In the order of the fields of Sums; the two quantiles are one list.
_SUMS = f"""
    count(*) AS events, count(*) FILTER (failed) AS failures,
    count(*) FILTER (soft_failed), count(*) FILTER (error_type IN ({_REFUSALS})),
    count(*) FILTER (cancelled), count(*) FILTER (truncated), count(DISTINCT conv_id),
    count(failed), count(truncated),
    quantile_disc({_BUCKET}, [0.5, 0.95]),
    coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(output_tokens), 0)
"""
_FIELDS = tuple(each.name for each in fields(Sums))
_REST = ", ".join(f"c{place}" for place in range(11))
"""Names for the columns of _SUMS after the first two."""


def summarized(db: Database, period: Interval, step: timedelta, most: int) -> Summary:
    """The sums of a period; of each kind of subject, and of error texts, at most ``most``."""
    before = Interval(period.start - (period.end - period.start), period.start)
    start, end = to_us(period.start), to_us(period.end)
    parameters = {"start": start}
    both = canonical(f"us > {to_us(before.start)} AND us <= {end}")
    events_of_both = f"(SELECT *, us > $start AS is_now FROM ({both}) WHERE {_NOBODYS})"
    now = f"(SELECT * FROM ({canonical(f'us > {start} AND us <= {end}')}) WHERE {_NOBODYS})"
    totals = {
        is_now: _sums(values)
        for is_now, *values in db.run(
            f"SELECT is_now, {_SUMS} FROM {events_of_both} GROUP BY ALL", **parameters
        )
    }
    steps = -(-(end - start) // (step // _US))
    number = f"{steps - 1} - ({end} - us) // {step // _US}"
    subjects, left_out = _subjects(db, events_of_both, most, parameters)
    series = _series(db, now, number, steps, [each.subject for each in subjects])
    errors, errors_left_out = _errors(db, events_of_both, most, parameters)
    return Summary(
        period,
        before,
        step,
        totals.get(True, Sums()),
        totals.get(False, Sums()),
        series.get(None, ()),
        tuple(
            SubjectSummary(s.subject, s.kind, s.now, s.before, series.get(s.subject, ()))
            for s in subjects
        ),
        left_out,
        errors,
        errors_left_out,
    )


def _sums(values: Sequence[Any]) -> Sums:
    *counts, quantiles, input_tokens, cached, output = values
    middles = [BASE ** (bucket + 0.5) for bucket in quantiles or ()] or [None, None]
    return Sums(
        **dict(zip(_FIELDS, (*counts, *middles, input_tokens, cached, output), strict=True))
    )


def _subjects(
    db: Database, events: str, most: int, parameters: dict[str, int]
) -> tuple[list[SubjectSummary], dict[Kind, int]]:
    """The subjects of each kind that fail most and are used most, and how many others there are.

    Of what is no tool, model or API only what fails is worth a line.
    """
    rows = db.run(
        f"WITH sums(kind, subject, is_now, events, failures, {_REST}) AS MATERIALIZED"
        f" (SELECT {_KIND} AS kind, subject, is_now, {_SUMS} FROM {events}"
        " WHERE subject IS NOT NULL GROUP BY ALL),"
        " ranked AS (SELECT kind, subject, count(*) OVER (PARTITION BY kind) AS many,"
        " row_number() OVER (PARTITION BY kind ORDER BY failures DESC, events DESC, subject)"
        " AS place FROM sums"
        f" WHERE is_now AND (kind <> '{Kind.OTHER}' OR failures > 0))"
        " SELECT many, place, sums.* FROM sums JOIN ranked USING (kind, subject)"
        f" WHERE place <= {int(most)} ORDER BY kind, place, is_now DESC",
        **parameters,
    )
    subjects: list[SubjectSummary] = []
    left_out: dict[Kind, int] = {}
    for many, _, kind, subject, is_now, *values in rows:
        if is_now:
            left_out[Kind(kind)] = max(0, many - most)
            subjects.append(SubjectSummary(subject, Kind(kind), _sums(values)))
        else:
            last = subjects[-1]
            subjects[-1] = SubjectSummary(last.subject, last.kind, last.now, _sums(values))
    return subjects, {kind: many for kind, many in left_out.items() if many}


def _series(
    db: Database, events: str, number: str, steps: int, subjects: Iterable[str]
) -> dict[str | None, Series]:
    """Events and failures by the step, of these subjects and (None) of everything."""
    rows = db.run(
        f"SELECT NULL AS subject, {number} AS step, count(*), count(*) FILTER (failed)"
        f" FROM {events} GROUP BY ALL UNION ALL"
        f" SELECT subject, {number} AS step, count(*), count(*) FILTER (failed) FROM {events}"
        " WHERE subject IN (SELECT unnest($subjects::VARCHAR[])) GROUP BY ALL",
        subjects=list(subjects),
    )
    by_subject: dict[str | None, list[tuple[int, int]]] = {}
    for subject, step, many, failures in rows:
        by_subject.setdefault(subject, [(0, 0)] * steps)[step] = (many, failures)
    return {subject: tuple(series) for subject, series in by_subject.items()}


def _errors(
    db: Database, events: str, most: int, parameters: dict[str, int]
) -> tuple[tuple[ErrorSummary, ...], int]:
    """The commonest error texts, and how many others there are."""
    rows = db.run(
        "SELECT count(*) OVER (), * FROM (SELECT subject, error,"
        " count(*) FILTER (is_now) AS many,"
        " count(DISTINCT conv_id) FILTER (is_now) AS conversations,"
        " min(us) FILTER (is_now), max(us) FILTER (is_now), count(*) FILTER (NOT is_now)"
        f" FROM {events} WHERE error IS NOT NULL AND subject IS NOT NULL GROUP BY subject, error)"
        " WHERE many > 0"
        f" ORDER BY many DESC, conversations DESC, subject, error LIMIT {int(most)}",
        **parameters,
    )
    errors = tuple(
        ErrorSummary(subject, text, many, conversations, from_us(first), from_us(last), before)
        for _, subject, text, many, conversations, first, last, before in rows
    )
    return errors, rows[0][0] - len(rows) if rows else 0
