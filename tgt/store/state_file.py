"""The small JSON file of scheduler state: counters, quota, per-analyzer health, pause, sightings.

Whatever stands in it can be lost without losing a task. So it is never trusted and never fatal: a
field that makes no sense is described and left out, a file that makes none is rebuilt from the
cards, and the next writer sets the damaged file aside. A time that a wrong clock has written must
not stop generation for longer than it was meant to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from tgt.errors import StoreError
from tgt.store import fsio
from tgt.store.journal import Journal, decode, encode
from tgt.tasks import quota
from tgt.tasks.card import Card, format_time, parse_time

T = TypeVar("T")

FILE_NAME = "scheduler_state.json"
VERSION = 1
LONGEST_BACKOFF = timedelta(days=1)

_MAX_BYTES = 16 << 20
_MAX_SAVES = 10_000
_MAX_COUNT = 1 << 53
_MAX_ERROR = 500
_EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime(2200, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Pause:
    """Generation is stopped from ``since`` until ``until``, or until somebody resumes it."""

    until: datetime | None
    reason: str
    since: datetime

    def as_of(self, now: datetime) -> Pause | None:
        """What is left of the pause: None when it is over.

        Where the clock was set back behind ``since``, the pause begins anew at ``now``; who may
        write stores that, so that it ends after its own length at the latest.
        """
        if self.until is None or self.since <= now < self.until:
            return self
        if now >= self.until or self.until <= self.since:
            return None
        return replace(self, since=now, until=now + (self.until - self.since))


@dataclass(frozen=True)
class Health:
    """How an analyzer has fared: failures in a row, and when it is tried again."""

    consecutive_failures: int = 0
    retry_at: datetime | None = None
    last_error: str = ""

    def failed(self, error: str, now: datetime, interval: timedelta) -> Health:
        """After one more failure: each doubles the wait, from one interval up to a day."""
        failures = self.consecutive_failures + 1
        return Health(failures, now + _delay(failures, interval), error[:_MAX_ERROR])

    def waiting(self, now: datetime, interval: timedelta) -> bool:
        """Whether it is too early to try again; a time beyond the wait's own length is ignored."""
        if self.retry_at is None:
            return False
        left = self.retry_at - now
        return timedelta(0) < left <= _delay(self.consecutive_failures, interval)


def _delay(failures: int, interval: timedelta) -> timedelta:
    doublings = min(max(failures - 1, 0), 20)
    return min(interval * (1 << doublings), LONGEST_BACKOFF)


@dataclass(frozen=True)
class Sighting:
    """A problem that a card covers was seen again; the journal need not grow for that."""

    occurrences: int
    last_seen_at: datetime


@dataclass(frozen=True)
class SchedulerState:
    """``saves`` are card ids with times, ``abstentions`` subjects not judged in the last run.

    ``sightings`` are keyed by card, ``analyzers`` by name; ``extra`` holds keys of other writers.
    """

    total_runs: int = 0
    total_generated: int = 0
    total_saved: int = 0
    errors: int = 0
    last_run_duration_ms: int = 0
    last_run_at: datetime | None = None
    saves: tuple[tuple[str, datetime], ...] = ()
    analyzers: Mapping[str, Health] = field(default_factory=dict)
    pause: Pause | None = None
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    abstentions: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


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
        with fsio.write_lock(self.path.parent):
            state, warnings = self._load()
            present = state is not None
            if state is None:
                saves: dict[str, datetime] = {}
                journal = Journal(self.path.parent)
                journal.each(lambda card: saves.update(quota.saves_of((card,))))
                state = _rebuilt(saves.items())
            new = change(state)
            if warnings:
                fsio.set_aside(self.path)
            elif present and new == state:
                return new
            fsio.replace(self.path, (encode(_to_json(new)), b"\n"))
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
        version = data.get("version", VERSION)
        if version != VERSION:
            return None, (f"{self.path} has the unknown version {version!r:.40} and is rebuilt",)
        reader = _Reader(data)
        state = reader.state()
        warnings = (f"{self.path}: {key} makes no sense and is left out" for key in reader.bad)
        return state, tuple(warnings)


def _rebuilt(saves: Iterable[quota.Save]) -> SchedulerState:
    newest = sorted(saves, key=lambda save: save[1])[-_MAX_SAVES:]
    return SchedulerState(saves=tuple(newest))


class _Reader:
    """Takes the known keys out of a JSON object; ``bad`` names those that make no sense."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self.bad: dict[str, None] = {}

    def state(self) -> SchedulerState:
        self._data.pop("version", None)
        return SchedulerState(
            total_runs=self._count("totalRuns"),
            total_generated=self._count("totalTasksGenerated"),
            total_saved=self._count("totalTasksSaved"),
            errors=self._count("errors"),
            last_run_duration_ms=self._count("lastRunDuration"),
            last_run_at=self._value("lastRunAt", _time),
            saves=self._saves("recentSaves"),
            analyzers=self._table("analyzers", _health),
            pause=self._value("pause", _pause),
            sightings=self._table("sightings", _sighting),
            abstentions=self._table("abstentions", _count),
            extra=self._data,  # what the lines above have left in it
        )

    def _count(self, key: str) -> int:
        return self._value(key, _count) or 0

    def _value(self, key: str, parse: Callable[[Any], T]) -> T | None:
        value = self._data.pop(key, None)
        return None if value is None else self._parsed(key, value, parse)

    def _table(self, key: str, parse: Callable[[Any], T]) -> dict[str, T]:
        rows = self._value(key, _mapping) or {}
        parsed = ((name, self._parsed(key, row, parse)) for name, row in rows.items())
        return {name: row for name, row in parsed if row is not None}

    def _saves(self, key: str) -> tuple[tuple[str, datetime], ...]:
        rows = self._value(key, _sequence) or []
        parsed = (self._parsed(key, row, _save) for row in rows)
        return tuple(row for row in parsed if row is not None)

    def _parsed(self, key: str, value: Any, parse: Callable[[Any], T]) -> T | None:
        try:
            return parse(value)
        except (TypeError, ValueError):
            self.bad[key] = None
            return None


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _sequence(value: Any) -> list[Any]:
    if not isinstance(value, list):
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


def _save(value: Any) -> tuple[str, datetime]:
    row = _mapping(value)
    return _text(row.get("id")), _time(row.get("at"))


def _health(value: Any) -> Health:
    row = _mapping(value)
    return Health(
        _count(row.get("consecutiveFailures", 0)),
        _optional_time(row.get("retryAt")),
        _text(row.get("lastError", "")),
    )


def _pause(value: Any) -> Pause:
    row = _mapping(value)
    return Pause(
        _optional_time(row.get("until")), _text(row.get("reason", "")), _time(row.get("since"))
    )


def _sighting(value: Any) -> Sighting:
    row = _mapping(value)
    return Sighting(_count(row.get("occurrences")), _time(row.get("lastSeenAt")))


def _to_json(state: SchedulerState) -> dict[str, Any]:
    newest = sorted(state.saves, key=lambda save: save[1])[-_MAX_SAVES:]
    pause = state.pause
    return {
        "version": VERSION,
        "totalRuns": state.total_runs,
        "totalTasksGenerated": state.total_generated,
        "totalTasksSaved": state.total_saved,
        "lastRunDuration": state.last_run_duration_ms,
        "errors": state.errors,
        "lastRunAt": _stamp(state.last_run_at),
        "recentSaves": [{"id": card_id, "at": format_time(at)} for card_id, at in newest],
        "analyzers": {
            name: {
                "consecutiveFailures": health.consecutive_failures,
                "retryAt": _stamp(health.retry_at),
                "lastError": health.last_error,
            }
            for name, health in state.analyzers.items()
        },
        "pause": None
        if pause is None
        else {
            "until": _stamp(pause.until),
            "reason": pause.reason,
            "since": format_time(pause.since),
        },
        "sightings": {
            card_id: {
                "occurrences": sighting.occurrences,
                "lastSeenAt": format_time(sighting.last_seen_at),
            }
            for card_id, sighting in state.sightings.items()
        },
        "abstentions": dict(state.abstentions),
        **state.extra,
    }


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
