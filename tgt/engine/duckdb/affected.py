"""Which conversations are affected: one pass over the events of a window for all that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tgt.engine.affected import Affected, Asked
from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.conversations import IDLE
from tgt.engine.duckdb.database import Database
from tgt.events import Interval, to_us


def of_events(
    db: Database, questions: Sequence[tuple[Asked, str]], window: Interval, most: int
) -> list[Affected]:
    """As ``Snapshot.affected`` for signals about events, each with SQL for the name of an event's
    subject."""
    parameters: dict[str, Any] = {}
    columns, sums = [], []
    for place, (each, called) in enumerate(questions):
        parameters[f"subject{place}"] = each.subject
        among = f"({each.signal.where}) AND {called} = $subject{place}"
        if each.signal.value:
            among += f" AND ({each.signal.value}) > 0"
        columns.append(f"coalesce({among}, false) AS among{place}")
        columns.append(f"coalesce({_counts(each, place, parameters)}, false) AS counts{place}")
        sums.append(f"min(us) FILTER (among{place} AND counts{place})")
        sums.append(f"max(us) FILTER (among{place})")
        sums.append(f"count(*) FILTER (among{place})")
    start, end = to_us(window.start), to_us(window.end)
    events = canonical(f"us > {start} AND us <= {end} AND conv IS NOT NULL")
    any_of = " OR ".join(f"among{place}" for place in range(len(questions)))
    rows = db.run(
        f"SELECT conv_id, {', '.join(sums)}"
        f" FROM (SELECT conv_id, us, {', '.join(columns)} FROM ({events})) WHERE {any_of}"
        f" GROUP BY conv_id ORDER BY conv_id LIMIT {int(most)}",
        **parameters,
    )
    return [
        Affected(
            {row[0]: row[bad] for row in rows if row[bad] is not None},
            {row[0]: row[bad + 1] for row in rows if row[bad] is None and row[bad + 2]},
            {row[0]: row[bad + 2] for row in rows if row[bad + 2]},
        )
        for bad in range(1, 3 * len(questions), 3)
    ]


def _counts(question: Asked, place: int, parameters: dict[str, Any]) -> str:
    """SQL for whether an event counts; what it is compared with is among the ``parameters``."""
    conditions = [f"({question.signal.counted})"]
    if question.signal.value:
        conditions = [f"({question.signal.value}) > $line{place}"]
        parameters[f"line{place}"] = question.beyond or 0.0
    if question.error is not None:
        conditions.append(f"error = $error{place}")
        parameters[f"error{place}"] = question.error
    return " AND ".join(conditions)


def of_conversations(
    db: Database, questions: Sequence[Asked], window: Interval, most: int
) -> list[Affected]:
    """The same for signals about finished conversations, of the table ``judged``."""
    parameters = {f"subject{place}": each.subject for place, each in enumerate(questions)}
    counts = ", ".join(
        f"CASE WHEN ({each.signal.where}) AND ({each.signal.by}) = $subject{place}"
        f" THEN coalesce({each.signal.counted}, false) END"
        for place, each in enumerate(questions)
    )
    rows = db.run(
        f"SELECT conv, last_us, events, {counts} FROM judged WHERE last_us > {to_us(window.start)}"
        f" AND last_us <= {to_us(window.end - IDLE)} ORDER BY conv LIMIT {int(most)}",
        **parameters,
    )
    return [
        Affected(
            {row[0]: row[1] for row in rows if row[place]},
            {row[0]: row[1] for row in rows if row[place] is False},
            {row[0]: row[2] for row in rows if row[place] is not None},
        )
        for place in range(3, 3 + len(questions))
    ]
