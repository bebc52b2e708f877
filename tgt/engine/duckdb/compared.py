"""Versions, models and prompts: since when there are which, and how what counts is spread over them
and over time. Asked only of what becomes a card, so it is answered from the events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tgt.engine.affected import Asked
from tgt.engine.compared import Column, Part, Parts, Use
from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.conversations import IDLE
from tgt.engine.duckdb.database import Database
from tgt.engine.protocol import Of
from tgt.events import Interval, to_us
from tgt.stats.distributions import BASE

_MOST_USES = 5000
_SUMS = (
    "count(*), count(*) FILTER (counts), count(DISTINCT conv_id),"
    " count(DISTINCT conv_id) FILTER (counts), min(us) FILTER (counts), max(us) FILTER (counts)"
)


def uses(db: Database, period: Interval) -> tuple[Use, ...]:
    """As ``Snapshot.uses``: the times are looked for by wording, of which there are few."""
    each_column = " UNION ALL ".join(
        f"SELECT service, '{column}' AS told, {column} AS value, first_us, last_us FROM used"
        for column in Column
    )
    rows = db.run(
        "WITH used AS (SELECT coalesce(service, '') AS service, version, model, prompt, first_us,"
        " last_us FROM (SELECT wording, min(us) AS first_us, max(us) AS last_us FROM events"
        f" WHERE {_inside(period)} GROUP BY wording) JOIN wordings USING (wording)"
        " WHERE act IS NOT NULL)"
        " SELECT service, told, value, min(first_us) AS first_us, max(last_us) AS last_us"
        f" FROM ({each_column}) WHERE value IS NOT NULL GROUP BY service, told, value"
        f" ORDER BY first_us DESC, service, told, value LIMIT {_MOST_USES}"
    )
    return tuple(Use(row[0], Column(row[1]), *row[2:]) for row in reversed(rows))


def parts(
    db: Database,
    question: Asked,
    called: str,
    period: Interval,
    column: Column | None,
    among: str,
    met: Collection[int] | None,
) -> Parts:
    """As ``Snapshot.parts``; ``called`` is SQL for the name of an event's subject."""
    value = "NULL::VARCHAR" if column is None else f"{column}"
    events, parameters = _population(question, called, period, value, among, met)
    values = "NULL"
    if question.signal.value:
        values = f"histogram(floor(ln(number) / ln({BASE}))::SMALLINT)"
    rows = db.run(
        f"SELECT coalesce(service, ''), told, {_SUMS}, {values} FROM ({events})"
        " GROUP BY coalesce(service, ''), told ORDER BY ALL",
        **parameters,
    )
    return {(row[0], row[1]): _part(row[2:]) for row in rows}


def course(
    db: Database, question: Asked, called: str, period: Interval, step_us: int, among: str
) -> dict[int, Part]:
    """As ``Snapshot.course``."""
    events, parameters = _population(question, called, period, "NULL::VARCHAR", among)
    rows = db.run(
        f"SELECT (us - 1 - {to_us(period.start)}) // {step_us} AS step, {_SUMS} FROM ({events})"
        " GROUP BY step ORDER BY step",
        **parameters,
    )
    return {row[0]: _part((*row[1:], None)) for row in rows}


def _part(sums: Sequence[Any]) -> Part:
    n, k, conversations, bad, first_us, last_us, values = sums
    return Part(n, k, conversations, bad, first_us, last_us, values or {})


def _population(
    question: Asked,
    called: str,
    period: Interval,
    value: str,
    among: str = "",
    met: Collection[int] | None = None,
) -> tuple[str, dict[str, Any]]:
    """SQL for the population: ``service``, ``us``, ``conv_id``, what is ``told`` of each, whether
    it ``counts``, and its ``number``; and its parameters."""
    signal = question.signal
    parameters: dict[str, Any] = {"subject": question.subject}
    if signal.of is Of.CONVERSATIONS:
        return _conversations(question, period, value), parameters
    own, counts, number = f"({signal.where}) AND {called} = $subject", f"({signal.counted})", "NULL"
    if signal.value:
        number = f"({signal.value})"
        own += f" AND {number} BETWEEN 1e-6 AND 1e15"
        counts = "true" if question.beyond is None else f"{number} > $line"
        parameters["line"] = question.beyond or 0.0
    if question.error is not None:
        counts += " AND error = $error"
        parameters["error"] = question.error
    if met is not None:
        counts += " AND conv_id IN (SELECT unnest($met))"
        parameters["met"] = list(met)
    where, counts = (among, f"({own}) AND {counts}") if among else (own, counts)
    return (
        f"SELECT service, us, conv_id, {value} AS told, coalesce({counts}, false) AS counts,"
        f" {number} AS number FROM ({canonical(_inside(period))}) WHERE {where}",
        parameters,
    )


def _conversations(question: Asked, period: Interval, value: str) -> str:
    """The same of finished conversations, of the table ``judged``: each at the time of its end,
    with the value that it had last."""
    signal, start, over = question.signal, to_us(period.start), to_us(period.end - IDLE)
    among = (
        "SELECT service, last_us AS us, conv, coalesce(" + signal.counted + ", false) AS counts"
        f" FROM judged WHERE ({signal.where}) AND ({signal.by}) = $subject"
        f" AND last_us > {start} AND last_us <= {over}"
    )
    events = canonical("conv IN (SELECT conv FROM ended)")
    return (
        f"WITH ended AS MATERIALIZED ({among}), last AS (SELECT conv_id,"
        f" arg_max({value}, us) FILTER ({value} IS NOT NULL) AS told FROM ({events})"
        f" WHERE us <= {to_us(period.end)} GROUP BY conv_id)"
        " SELECT service, us, conv AS conv_id, told, counts, NULL AS number"
        " FROM ended LEFT JOIN last ON conv = conv_id"
    )


def _inside(period: Interval) -> str:
    return f"us > {to_us(period.start)} AND us <= {to_us(period.end)}"
