"""The small JSON file of scheduler state: counters, quota, per-analyzer health, pause, sightings.

Whatever stands in it can be lost without losing a task. So it is never trusted and never fatal: a
field that makes no sense is described and left out, a file that makes none is rebuilt from the
cards, and the next writer sets the damaged file aside. Every small command reads it, so a table of
its keys takes the place of a validation library, whose import alone would double their time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tgt.errors import StoreError
from tgt.store import fsio, locks
from tgt.store.journal import Journal, decode, encode
from tgt.tasks import quota
from tgt.tasks.card import Card, parse_time
from tgt.tasks.json_form import camel_case, json_form
from tgt.tasks.state import Health, Pause, SchedulerState, Sighting
from tgt.tasks.verification import Watch

FILE_NAME = "scheduler_state.json"
VERSION = 1

_MAX_BYTES = 16 << 20
_MAX_SAVES = 10_000
_MAX_COUNT = 1 << 53
_MOST_MEASURED = 100
_EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime(2200, 1, 1, tzinfo=timezone.utc)

Parse = Callable[[Any], Any]
"""Makes a value of JSON one of ours, or raises TypeError or ValueError."""


class Sidecar:
    """The sidecar of a task directory, which need not exist yet."""

    def __init__(self, tasks_dir: Path) -> None:
        self.path = tasks_dir / FILE_NAME

    def read(self, cards: Iterable[Card]) -> tuple[SchedulerState, tuple[str, ...]]:
        """The state and what is wrong with the file; ``cards`` stand in for one that is unusable.

        Writes nothing and raises nothing.
        """
        try:
            state, warnings = self._load()
        except StoreError as failure:
            state, warnings = None, (str(failure),)
        return _rebuilt(quota.saves_of(cards)) if state is None else state, warnings

    def update(self, change: Callable[[SchedulerState], SchedulerState]) -> SchedulerState:
        """Store what ``change`` makes of the state as of the write lock. Raises StoreError."""
        with locks.write_lock(self.path.parent):
            state, warnings = self._load()
            present = state is not None
            if state is None:
                saves: dict[str, quota.Save] = {}
                journal = Journal(self.path.parent)
                journal.each(lambda card: saves.update((s.id, s) for s in quota.saves_of((card,))))
                state = _rebuilt(saves.values())
            new = change(state)
            if warnings:
                fsio.set_aside(self.path)
            elif present and new == state:
                return new
            fsio.replace(self.path, (encode(_document(new)), b"\n"))
            return new

    def _load(self) -> tuple[SchedulerState | None, tuple[str, ...]]:
        try:
            raw = fsio.read(self.path, _MAX_BYTES)
        except fsio.UnusableError as failure:
            return None, (str(failure),)
        if raw is None:
            return None, ()
        data = decode(raw)
        if data is None:
            return None, (f"{self.path} is damaged (no JSON object) and is rebuilt from the tasks",)
        version = data.pop("version", VERSION)
        if version != VERSION:
            return None, (f"{self.path} has the unknown version {version!r:.40} and is rebuilt",)
        state, bad = _state(data)
        return state, tuple(f"{self.path}: {key} makes no sense and is left out" for key in bad)


def _rebuilt(saves: Iterable[quota.Save]) -> SchedulerState:
    return SchedulerState(saves=_newest(saves))


def _newest(saves: Iterable[quota.Save]) -> tuple[quota.Save, ...]:
    return tuple(sorted(saves, key=lambda save: save.at)[-_MAX_SAVES:])


def _state(data: dict[str, Any]) -> tuple[SchedulerState, list[str]]:
    """The state, and the keys that make no sense; keys of others are taken over as they are."""
    values: dict[str, Any] = {}
    bad = []
    for name, (container, parse) in _FIELDS.items():
        key = _KEYS.get(name, camel_case(name))
        value = data.pop(key, None)
        if value is None:
            continue
        try:
            values[name], whole = container(value, parse)
        except (TypeError, ValueError):
            whole = False
        if not whole:
            bad.append(key)
    return SchedulerState(**values, extra=data), bad


def _document(state: SchedulerState) -> dict[str, Any]:
    saves = [save._asdict() for save in _newest(state.saves)]
    form = json_form(state, **_KEYS, extra=None)
    return {"version": VERSION, **form, _KEYS["saves"]: json_form(saves), **state.extra}


# What a container yields, and whether all of its rows made sense; one bad row spoils no other.


def _one(value: Any, parse: Parse) -> tuple[Any, bool]:
    return parse(value), True


def _rows(value: Any, parse: Parse) -> tuple[tuple[Any, ...], bool]:
    if not isinstance(value, list):
        raise TypeError
    table, whole = _table(dict(enumerate(value)), parse)
    return tuple(table.values()), whole


def _table(value: Any, parse: Parse) -> tuple[dict[Any, Any], bool]:
    parsed = {}
    for name, row in _mapping(value).items():
        try:
            parsed[name] = parse(row)
        except (TypeError, ValueError):
            continue
    return parsed, len(parsed) == len(value)


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not 0 <= value <= _MAX_COUNT:
        raise ValueError
    return int(value)


def _time(value: Any) -> datetime:
    moment = parse_time(value)
    if moment is None or not _EARLIEST <= moment < _LATEST:
        raise ValueError
    return moment


def _optional_time(value: Any) -> datetime | None:
    return None if value is None else _time(value)


def _measured(value: Any) -> Mapping[str, Any] | None:
    """What was measured of a problem: numbers, words and one list of numbers."""
    if value is None:
        return None
    row = _mapping(value)
    history = row.get("history")
    if len(row) > _MOST_MEASURED or (isinstance(history, list) and len(history) > _MOST_MEASURED):
        raise ValueError
    return row


def _related(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Other cards, as a card names them."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TypeError
    return tuple({**_mapping(row), "id": _text(row.get("id"))} for row in value[:_MOST_MEASURED])


def _save(value: Any) -> quota.Save:
    row = _mapping(value)
    analyzer = row.get("analyzer")  # which earlier versions did not write
    name = analyzer if isinstance(analyzer, str) else ""
    return quota.Save(_text(row.get("id")), _time(row.get("at")), name)


def _record(kind: type, *, absent: Mapping[str, Any], **parsers: Parse) -> Parse:
    """Reads a dataclass; ``absent`` gives the JSON value of keys that may be missing."""

    def parse(value: Any) -> Any:
        row = {**absent, **_mapping(value)}
        return kind(**{name: read(row.get(camel_case(name))) for name, read in parsers.items()})

    return parse


_KEYS = {
    "total_generated": "totalTasksGenerated",
    "total_saved": "totalTasksSaved",
    "last_run_duration_ms": "lastRunDuration",
    "saves": "recentSaves",
}
"""Keys that are not simply the name of the field."""
_FIELDS: dict[str, tuple[Callable[[Any, Parse], tuple[Any, bool]], Parse]] = {
    "total_runs": (_one, _count),
    "total_generated": (_one, _count),
    "total_saved": (_one, _count),
    "errors": (_one, _count),
    "last_run_duration_ms": (_one, _count),
    "last_run_at": (_one, _time),
    "last_error": (_one, _text),
    "last_event_at": (_one, _time),
    "runs_without_events": (_one, _count),
    "deferred": (_one, _count),
    "muted": (_one, _count),
    "saves": (_rows, _save),
    "analyzers": (
        _table,
        _record(
            Health,
            absent={"consecutiveFailures": 0, "lastError": ""},
            consecutive_failures=_count,
            retry_at=_optional_time,
            last_error=_text,
        ),
    ),
    "pause": (
        _one,
        _record(Pause, absent={"reason": ""}, until=_optional_time, reason=_text, since=_time),
    ),
    "sightings": (
        _table,
        _record(
            Sighting,
            absent={},
            occurrences=_count,
            last_seen_at=_time,
            now=_measured,
            related=_related,
        ),
    ),
    "watches": (
        _table,
        _record(
            Watch,
            absent={},
            quiet_since=_optional_time,
            since=_optional_time,
            verification=_measured,
        ),
    ),
    "abstentions": (_table, _count),
}
