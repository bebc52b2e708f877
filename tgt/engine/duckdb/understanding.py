"""How much of what was read is understood: what people should know when it is not nearly all.

A source whose format has changed loses its events without a failure. So a run says it when more
than a twentieth of a source's objects was not understood or malformed.
"""

from __future__ import annotations

import json
from collections import Counter

from tgt.engine.duckdb.database import Database
from tgt.sources.base import Reason

TOLERATED = 0.05
LEAST = 5
"""Fewer objects than this are no sign of anything."""
_NAMED = 3


def notices(database: Database) -> tuple[str, ...]:
    """One line for each source of which too much was not understood."""
    objects: Counter[str] = Counter()
    malformed: Counter[str] = Counter()
    unknown: dict[str, Counter[str]] = {}
    for source, records, lines, others in database.run(
        "SELECT source, records, malformed, passed_over FROM files"
    ):
        objects[source] += records + lines
        malformed[source] += lines
        for cause, many in json.loads(others).items():
            reason, _, kind = cause.partition(":")
            if reason == Reason.MALFORMED:
                continue  # among the lines
            objects[source] += many
            if reason == Reason.UNKNOWN:
                unknown.setdefault(source, Counter())[kind or "no kind"] += many
    return tuple(
        _notice(source, many, malformed[source], unknown.get(source, Counter()))
        for source, many in sorted(objects.items())
        if malformed[source] + unknown.get(source, Counter()).total() > max(TOLERATED * many, LEAST)
    )


def _notice(source: str, objects: int, malformed: int, unknown: Counter[str]) -> str:
    share = (malformed + unknown.total()) / objects
    kinds = [f"{kind} ({many:,})" for kind, many in unknown.most_common(_NAMED)]
    if len(unknown) > _NAMED:
        kinds.append("others")
    parts = [f"of unknown kinds {', '.join(kinds)}"] if kinds else []
    parts += [f"malformed ({malformed:,})"] if malformed else []
    return (
        f"{source}: {share:.0%} of {objects:,} objects were not understood: {'; '.join(parts)}."
        " tgt sources shows what they are"
    )
