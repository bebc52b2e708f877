"""What is usual for a subject: its history, without the times in which it was itself a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter

from tgt.analyzers.base import Context
from tgt.engine.protocol import Counts, Reading
from tgt.events import HOUR_US, Interval, to_us
from tgt.stats.confidence import Clusters, Usual, usual_share
from tgt.stats.episodes import DAY_HOURS, Hours, is_rising, unusual
from tgt.stats.rhythm import at_this_time
from tgt.tasks.card import fingerprint

MIN_HOURS_OBSERVED = 24
RISING_DAYS = 3
"""What became worse from day to day for so long is compared with the time before that."""
_SUMS = attrgetter(*(each.name for each in fields(Clusters)))


@dataclass(frozen=True)
class Baseline:
    """The history that a subject is compared with, without its own incidents."""

    hours: Mapping[int, Counts]
    observed_hours: frozenset[int]

    @property
    def observed(self) -> int:
        """How many hours had telemetry, of whatever subject."""
        return len(self.observed_hours)

    @property
    def n(self) -> int:
        return sum(counts.n for counts in self.hours.values())

    @property
    def bad_units(self) -> int:
        return sum(counts.bad_units for counts in self.hours.values())

    @property
    def clusters(self) -> Clusters:
        parts = [_SUMS(counts.clusters) for counts in self.hours.values()]
        return Clusters(*map(sum, zip(*parts, strict=True)))

    @property
    def missing(self) -> str:
        """What there is too little of; empty if there is a day of it."""
        if self.observed >= MIN_HOURS_OBSERVED:
            return ""
        return f"{self.observed} of {MIN_HOURS_OBSERVED} hours of baseline"

    def only(self, hours: frozenset[int]) -> Baseline:
        """That of these hours alone."""
        left = {hour: counts for hour, counts in self.hours.items() if hour in hours}
        return Baseline(left, self.observed_hours & hours)

    def usual(self, least: int, *, design_effect: float = 1.0) -> Usual | None:
        """The usual share of what counts, if there is a day of history with ``least`` events."""
        if self.missing or self.n < least:
            return None
        hours = [(counts.k, counts.n) for counts in self.hours.values()]
        return usual_share(hours, design_effect=design_effect)


def observed_before(context: Context, window: Interval) -> frozenset[int]:
    """The clock hours before the window that had telemetry."""
    return _before(context.snapshot.coverage.hours_observed, to_us(window.start) // HOUR_US)


@lru_cache(maxsize=64)
def _before(hours: frozenset[int], end: int) -> frozenset[int]:
    return frozenset(hour for hour in hours if hour < end)


def outside_incidents(
    context: Context, task_type: str, subject: str, window: Interval
) -> frozenset[int]:
    """The observed clock hours before the window that no incident of this problem touches.

    If fewer than a day would remain the incidents are the new normal, and count.
    """
    before = observed_before(context, window)
    incidents = context.incidents.get(fingerprint(task_type, context.redacted(subject)), ())
    if not incidents:
        return before
    quiet = frozenset(
        hour
        for hour in before
        if not any(to_us(i.start) // HOUR_US <= hour <= to_us(i.end) // HOUR_US for i in incidents)
    )
    return quiet if len(quiet) >= MIN_HOURS_OBSERVED else before


def baseline_of(context: Context, task_type: str, reading: Reading) -> Baseline:
    """What a reading's history says is usual, as a problem of this type sees it: without incidents,
    and without outages that no card tells of."""
    hours = outside_incidents(context, task_type, reading.subject, reading.window)
    history = reading.history
    every = Baseline({hour: history[hour] for hour in sorted(hours) if hour in history}, hours)
    return every.only(without_outages(hours, _shares(every)))


def without_outages(hours: frozenset[int], shares: Hours) -> frozenset[int]:
    """The observed hours without those of outages, as long as a day remains."""
    left = hours - unusual(shares)
    return left if len(left) >= MIN_HOURS_OBSERVED else hours


def before_it_rose(shares: Hours, window: Interval, share: float) -> frozenset[int] | None:
    """The hours before the days in which a share rose, from day to day, to what it is now; None if
    it did not. A slow rise makes each of its days the usual of the next one."""
    end = to_us(window.start) // HOUR_US
    if not is_rising(shares, end, RISING_DAYS, share):
        return None
    return frozenset(hour for hour in shares if hour < end - RISING_DAYS * DAY_HOURS)


def usual_in(shares: Hours, window: Interval, *, design_effect: float = 1.0) -> Usual:
    """The usual share at the time of a window, where it has a rhythm, else of all hours."""
    now = at_this_time(shares, *touched_hours(window))
    return usual_share((now or shares).values(), design_effect=design_effect)


def touched_hours(window: Interval) -> tuple[int, int]:
    """The first and the last clock hour that a window touches."""
    return to_us(window.start) // HOUR_US, (to_us(window.end) - 1) // HOUR_US


def _shares(history: Baseline) -> dict[int, tuple[float, float]]:
    if any(counts.by_event for counts in history.hours.values()):
        return {hour: (each.k, each.n) for hour, each in history.hours.items()}
    return {hour: (each.bad_units, each.units) for hour, each in history.hours.items()}
