"""What the store holds as a whole, for people who ask why there are no cards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database
from tgt.engine.protocol import Inventory
from tgt.events import CANONICAL, from_us

_COLUMNS = tuple(name for name in CANONICAL if name not in {"us", "subject", "is_untold"})
_FLAGS = ("soft_failed", "cancelled", "truncated")
"""Of these only what is true is worth a count."""


def inventory_of(database: Database, conditions: Sequence[str]) -> Inventory:
    """The inventory of a database with the tables of the store."""
    events = canonical()
    filled = ", ".join(
        f"count(*) FILTER ({name})" if name in _FLAGS else f"count({name})" for name in _COLUMNS
    )
    holds = "".join(f", coalesce(bool_or({condition}), false)" for condition in conditions)
    row = database.run(f"SELECT count(*), min(us), max(us), {filled}{holds} FROM ({events})")[0]
    many, first, last, *values = row
    by_word = {
        name: Counter(
            dict(
                database.run(
                    f"SELECT {name}, count(*) FROM ({events}) WHERE {name} IS NOT NULL GROUP BY ALL"
                )
            )
        )
        for name in ("act", "service")
    }
    passed: Counter[tuple[str, str]] = Counter()
    malformed = 0
    for lines, torn, others in database.run("SELECT malformed, is_torn, passed_over FROM files"):
        malformed += lines + bool(torn)
        for cause, n in json.loads(others).items():
            reason, _, kind = cause.partition(":")
            passed[reason, kind] += n
    return Inventory(
        events=many,
        malformed=malformed,
        first=None if first is None else from_us(first),
        last=None if last is None else from_us(last),
        columns=dict(zip(_COLUMNS, values, strict=False)),
        acts=by_word["act"],
        services=by_word["service"],
        holds=dict(zip(conditions, values[len(_COLUMNS) :], strict=True)),
        passed_over=passed,
    )
