"""TASKGEN_SOURCE as it is written: which format of telemetry lies where.

A source is written ``kind:place``; several are separated by commas and analyzed as one stream.
Nothing is looked up here: a place that is not there is told when it is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CONTEXTLOG, CLAUDE, CODEX, OTLP, NDJSON, AUTO = (
    *("contextlog", "claude-code", "codex"),
    *("otlp", "ndjson", "auto"),
)
KINDS = (CONTEXTLOG, CLAUDE, CODEX, OTLP, NDJSON, AUTO)
ACCEPTED = (
    "a comma-separated list of contextlog[:DIR], claude-code[:DIR], codex[:DIR],"
    " otlp:DIR-or-FILE, ndjson:DIR?map=FILE and auto:DIR"
)
_PLACE_NEEDED = (OTLP, NDJSON, AUTO)


@dataclass(frozen=True)
class Spec:
    """One source as it is written; None where the usual place is meant."""

    kind: str
    place: Path | None = None
    mapping: Path | None = None

    def __str__(self) -> str:
        place = f":{self.place}" if self.place else ""
        return f"{self.kind}{place}" + (f"?map={self.mapping}" if self.mapping else "")


def parse(value: str) -> tuple[Spec, ...]:
    """Raises ValueError saying what is accepted."""
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts or "\0" in value:
        raise ValueError(ACCEPTED)
    return tuple(_spec(part) for part in parts)


def _spec(part: str) -> Spec:
    kind, _, rest = part.partition(":")
    kind = kind.strip().lower().replace("_", "-")
    place, _, query = rest.partition("?")
    key, _, mapping = query.partition("=")
    has_mapping = key == "map" and bool(mapping.strip())
    if (
        kind not in KINDS
        or (kind in _PLACE_NEEDED and not place.strip())
        or (kind == NDJSON) != has_mapping
        or (query and kind != NDJSON)
    ):
        raise ValueError(ACCEPTED)
    return Spec(kind, _path(place), _path(mapping) if has_mapping else None)


def _path(text: str) -> Path | None:
    if not text.strip():
        return None
    try:
        return Path(text.strip()).expanduser()
    except RuntimeError:  # the home of a user whom nobody knows
        raise ValueError(ACCEPTED) from None
