"""``tgt sources --json``: per source what was found, in counts and shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgt.sources.base import Reason
from tgt.tasks.card import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tgt.survey import Surveyed


def document(surveyed: Sequence[Surveyed]) -> dict[str, Any]:
    return {"sources": [_source(one) for one in surveyed], "count": len(surveyed)}


def _source(one: Surveyed) -> dict[str, Any]:
    there, unknown = one.inventory, one.passed_over(Reason.UNKNOWN)
    return {
        "kind": one.kind,
        "source": one.place,
        "files": one.files,
        "filesRead": one.files_read,
        "bytes": one.size,
        "records": one.records,
        "understood": one.understood,
        "notUnderstood": sum(unknown.values()),
        "metrics": sum(one.passed_over(Reason.METRIC).values()),
        "malformed": there.malformed,
        "firstAt": format_time(there.first) if there.first else None,
        "lastAt": format_time(there.last) if there.last else None,
        "dialects": sorted(one.dialects),
        "services": _most(there.services),
        "acts": _most(there.acts),
        "columns": {name: n for name, n in _most(there.columns).items() if n},
        "unknownKinds": _most(unknown),
        "malformedReasons": _most(one.passed_over(Reason.MALFORMED)),
        "notRead": [{"file": name, "reason": reason} for name, reason in one.not_read],
        "analyzers": {
            name: {"able": not reason, "reason": reason or None}
            for name, reason in one.abilities.items()
        },
        "problems": list(one.problems),
    }


def _most(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts, the largest first."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
