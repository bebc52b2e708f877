"""``tgt sources --json``: per source what was found, in counts and shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgt.tasks.card import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgt.survey import Found


def document(found: Sequence[Found]) -> dict[str, Any]:
    return {"sources": [_source(one) for one in found], "count": len(found)}


def _source(one: Found) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "source": one.place,
        "files": one.files,
        "filesRead": one.files_read,
        "bytes": one.size,
        "records": one.records,
        "understood": one.understood,
        "notUnderstood": one.unknown,
        "metrics": one.metrics,
        "malformed": one.malformed,
        "firstAt": format_time(one.first) if one.first else None,
        "lastAt": format_time(one.last) if one.last else None,
        "dialects": sorted(one.dialects),
        "services": dict(one.services.most_common()),
        "acts": dict(one.acts.most_common()),
        "columns": {name: n for name, n in one.columns.most_common() if n},
        "analyzers": {
            name: {"able": not reason, "reason": reason or None}
            for name, reason in one.abilities().items()
        },
        "problems": list(one.problems),
    }
