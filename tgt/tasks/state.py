"""What runs remember of each other beside the cards: counters, quota, health, pause, sightings.

Losing it loses no task. These are values that decisions rest on; where they are kept is not known
here. A time that a wrong clock has written must not stop generation for longer than it was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tgt.tasks.quota import Save
from tgt.tasks.verification import Watch

LONGEST_BACKOFF = timedelta(days=1)

_MAX_ERROR = 500


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
    """A problem that a card covers was seen again; the journal need not grow for that.

    ``now`` is the card's key of that name as of then: what was measured of the problem; ``related``
    are the cards of its incident, some of which may have come later.
    """

    occurrences: int
    last_seen_at: datetime
    now: Mapping[str, Any] | None = None
    related: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class SchedulerState:
    """``saves`` are those of cards, ``abstentions`` subjects not judged in the last run.

    ``last_error`` says why the last run failed and is empty if it did not, ``last_event_at`` is
    the newest event that any run saw, ``runs_without_events`` counts them in a row, and
    ``deferred`` the findings that limits held back in the last run, ``muted`` those that somebody
    wants to be quiet. ``sightings`` are keyed by card like ``watches``, ``analyzers`` by name;
    ``extra`` holds keys of other writers.
    """

    total_runs: int = 0
    total_generated: int = 0
    total_saved: int = 0
    errors: int = 0
    last_run_duration_ms: int = 0
    last_run_at: datetime | None = None
    last_error: str = ""
    last_event_at: datetime | None = None
    runs_without_events: int = 0
    deferred: int = 0
    muted: int = 0
    saves: tuple[Save, ...] = ()
    analyzers: Mapping[str, Health] = field(default_factory=dict)
    pause: Pause | None = None
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    watches: Mapping[str, Watch] = field(default_factory=dict)
    abstentions: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
