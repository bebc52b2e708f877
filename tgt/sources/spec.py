"""TASKGEN_SOURCE as it is written: which format of telemetry lies where.

A source is written ``kind:place?option=value``; several are separated by commas and analyzed as one
stream. Nothing is looked up here: a place that is not there is told when it is opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tgt.sources.address import Address, address_of

CONTEXTLOG, CLAUDE, CODEX, OTLP, NDJSON, AUTO, CLICKHOUSE = (
    *("contextlog", "claude-code", "codex"),
    *("otlp", "ndjson", "auto", "clickhouse"),
)
AGENTS = (CLAUDE, CODEX, "copilot", "gemini", "qwen", "opencode", "pi", "cline")
"""Agents whose files lie in a usual place."""
KINDS = (CONTEXTLOG, *AGENTS, OTLP, NDJSON, AUTO)
ACCEPTED = (
    "a comma-separated list of"
    f" {', '.join(f'{kind}[:DIR]' for kind in (CONTEXTLOG, *AGENTS, AUTO))},"
    " otlp:DIR-or-FILE, ndjson:DIR?map=FILE, clickhouse:ADDRESS and what plug-ins add"
)
_PLACE_NEEDED = (OTLP, NDJSON)
_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Spec:
    """One source as it is written; ``place`` is None where the usual one is meant. A ClickHouse has
    an ``address``, which is written as ``location``, and no place."""

    kind: str
    place: Path | None = None
    mapping: Path | None = None
    options: tuple[tuple[str, str], ...] = ()
    location: str = ""
    address: Address | None = None

    def __str__(self) -> str:
        place = f":{self.place or self.location}" if self.place or self.location else ""
        options = [f"{name}={value}" for name, value in self.options]
        options += [f"map={self.mapping}"] if self.mapping else []
        return f"{self.kind}{place}" + (f"?{'&'.join(options)}" if options else "")


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
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    options = {name.strip(): value.strip() for name, _, value in pairs}
    if kind == CLICKHOUSE:
        address, option_pairs = address_of(place.strip(), options), tuple(options.items())
        return Spec(kind, options=option_pairs, location=place.strip(), address=address)
    mapping = options.pop("map", "")
    is_known = kind in KINDS
    if (
        not _NAME.fullmatch(kind)
        or (kind in _PLACE_NEEDED and not place.strip())
        or (kind == NDJSON) != bool(mapping)
        or (is_known and (options or (query and not mapping)))
    ):
        raise ValueError(ACCEPTED)
    if not is_known:
        _check_plug_in(kind)
    option_pairs = tuple(options.items())
    return Spec(kind, _path(place), _path(mapping) if mapping else None, option_pairs)


def _check_plug_in(kind: str) -> None:
    from tgt import plugins  # a source of tgt's own needs no look at what is installed

    if kind not in {*plugins.names(plugins.SOURCES), *plugins.names(plugins.ENGINES)}:
        raise ValueError(ACCEPTED)


def _path(text: str) -> Path | None:
    if not text.strip():
        return None
    try:
        return Path(text.strip()).expanduser()
    except RuntimeError:  # the home of a user whom nobody knows
        raise ValueError(ACCEPTED) from None
