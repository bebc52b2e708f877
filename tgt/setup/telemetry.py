"""Which telemetry there is on this machine, or in the tables of a server, as a settings file names
it. Nothing of it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from tgt.engine.registry import engine_among, tables
from tgt.errors import SettingsError, TelemetryError
from tgt.settings import Settings
from tgt.sources.base import Source
from tgt.sources.registry import open_sources, usual_places
from tgt.sources.spec import AGENTS, CONTEXTLOG, Spec, parse


@dataclass(frozen=True)
class Place:
    """One place with telemetry. ``spec`` names it from wherever tgt is called; ``problem`` is why
    it cannot be read. A server has ``tables`` and no files."""

    spec: Spec
    directory: str
    files: int = 0
    newest: datetime | None = None
    problem: str = ""
    tables: tuple[str, ...] = ()


def look(specs: Sequence[Spec], settings: Settings) -> tuple[Place, ...]:
    """The places of the specifications with what lies there. Raises SettingsError for a mapping
    or a path that cannot be named, and TelemetryError for a server that cannot be read."""
    engine = engine_among(specs)
    if engine is not None and engine.address is not None:
        tables_there = tables(settings, engine.address)
        return (Place(_of_server(engine), str(engine.address), tables=tables_there),)
    return tuple(
        _seen(absolute, source)
        for spec in specs
        for absolute in anywhere(spec)
        for source in open_sources([absolute], settings.contextlog_dir)
    )


def anywhere(spec: Spec, environ: Mapping[str, str] = os.environ) -> tuple[Spec, ...]:
    """The specification without what depends on the directory or the variables of an agent's own,
    which a timer does not have."""
    if spec.place is None and spec.kind in AGENTS:
        places = usual_places(spec.kind, environ)
        if places == usual_places(spec.kind, {}):
            return (spec,)
        there = [place for place in places if os.path.exists(place)]  # noqa: PTH110 never raises
        return tuple(_checked(Spec(spec.kind, place)) for place in there or places[:1])
    place, mapping = (path and path.absolute() for path in (spec.place, spec.mapping))
    return (_checked(replace(spec, place=place, mapping=mapping)),)


def _of_server(spec: Spec) -> Spec:
    """The same of a server: its certificate may lie in this directory."""
    options = tuple(
        (name, str(Path(value).absolute()) if name == "ca" else value)
        for name, value in spec.options
    )
    (named,) = parse(str(replace(spec, options=options)))
    return named


def _checked(spec: Spec) -> Spec:
    try:
        is_named = parse(str(spec)) == (spec,)
    except ValueError:
        is_named = False
    if not is_named:
        raise SettingsError(
            f"TASKGEN_SOURCE cannot name {spec.place}",
            hint="give the directory another name, or link to it from one without ',' and '?'",
        )
    return spec


def _seen(spec: Spec, source: Source) -> Place:
    place = Place(spec, _directory(spec, source))
    try:
        files = source.listing().files
    except TelemetryError as failure:
        return replace(place, problem=failure.message)
    newest = max((file.modified_ns for file in files), default=None)
    at = None if newest is None else datetime.fromtimestamp(newest // 10**9, timezone.utc)
    return replace(place, files=len(files), newest=at)


def _directory(spec: Spec, source: Source) -> str:
    location = getattr(source, "location", None) or getattr(source, "directory", None)
    return str(location or spec.place or "")


def named(places: Sequence[Place], *, all_of_them: bool) -> Iterator[Spec]:
    """What a settings file names: the places that have files, or all of them."""
    seen = dict.fromkeys(p.spec for p in places if p.files or p.tables or all_of_them)
    yield from sorted(seen, key=lambda spec: spec.kind != CONTEXTLOG)
