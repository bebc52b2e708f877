"""What is silent although it always says something at this time.

The same clock hours of the days before (of the weeks before, where there are four) say how many
conversations there should have been. Where any of those days was quiet at this time, or in the hour
before or after, there is no verdict: nights, weekends and a clock that was set are no outage.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tgt.analyzers.base import Context
from tgt.analyzers.criteria import GONE, HOURS
from tgt.engine.protocol import Counts, Signal
from tgt.events import HOUR_US, Interval, to_us
from tgt.tasks.criterion import Tally

UNLIKELY = 1e-4
PRIOR = 1e-3
"""Probability, before looking at one window, that something has fallen silent."""
WINDOWS_H = (2, 4, 8)
"""What has few conversations an hour is missed later."""
DAYS, WEEKS, MIN_LEFT = 7, 4, 5
"""So many days or weeks are compared with; of days in which it was silent before, and had a card,
so many must be left without."""
DISPERSION_PRIOR = 0.1
"""Relative variance from day to day that is assumed before any day was seen, with the weight of
DAYS days."""


@dataclass(frozen=True)
class Past:
    """How many conversations there were at this time of the days (or weeks) before."""

    counts: tuple[float, ...]
    is_weekly: bool

    @property
    def mean(self) -> float:
        return sum(self.counts) / len(self.counts)

    @property
    def chance(self) -> float:
        """P(none): negative binomial, as the number differs from day to day."""
        mean, n = self.mean, len(self.counts)
        variance = sum((count - mean) ** 2 for count in self.counts) / max(n - 1, 1)
        own = max(0.0, (variance - mean) / mean**2) if mean else 0.0
        dispersion = (n * own + DAYS * DISPERSION_PRIOR) / (n + DAYS)
        return float((1 + mean * dispersion) ** (-1 / dispersion))

    @property
    def confidence(self) -> float:
        """How sure it is that a silence is no chance."""
        return min(0.99, PRIOR / (PRIOR + self.chance))


def past_of(
    context: Context,
    window: Interval,
    hours: Mapping[int, int],
    incidents: Sequence[Interval],
    heard: Signal,
    subject: str,
) -> Past | str:
    """What there was at the time of a window before, of something that has so many events in which
    hour; or why that cannot be told. ``heard`` asks for its events under its name, ``subject``."""
    backs, is_weekly = _backs(context)
    first, last = to_us(window.start) // HOUR_US - 1, (to_us(window.end) - 1) // HOUR_US + 1
    # What lies before the baseline is not known, which is no silence; of the day a week ago
    # that may be the first hour of the window.
    since = -(-to_us(context.snapshot.coverage.baseline.start) // HOUR_US)
    end = to_us(window.start) // HOUR_US
    left = [back for back in backs if not _touches(incidents, first - back, last - back)]
    if not left or min(hours) > last - backs[-1]:
        seen = (end - min(hours)) // 24
        return f"{seen} of {backs[-1] // 24} days of history"
    if len(left) < min(MIN_LEFT, len(backs) - 1):
        return f"{len(left)} of {MIN_LEFT} days without a silence"
    around = (h - back for back in left for h in range(first, last + 1))
    if any(hours.get(hour, 0) == 0 for hour in around if since <= hour < end):
        return "it is quiet at this time of some days"
    share = _conversations_per_event(context, heard, subject)
    whole = [back for back in left if first + 1 - back >= since]
    return Past(tuple(share * _events(hours, window, back) for back in whole), is_weekly)


def missed(context: Context, since: Interval, heard: Signal, events: Signal, subject: str) -> Tally:
    """Of the clock hours since then in which it has events on most days, and of the window, those
    without. ``events`` is a distribution with a value for each."""
    snapshot, own = context.snapshot, context.window
    history = snapshot.distribution_history(events, subject, own)
    hours = {hour for hour, each in history.items() if each}
    first, last = -(-to_us(since.start) // HOUR_US), to_us(own.start) // HOUR_US
    usual = [hour for hour in range(first, last) if _is_usual(hours, hour)]
    now = sum(each.now.n for each in snapshot.counts(heard, own) if each.subject == subject)
    without = sum(hour not in hours for hour in usual) + (not now)
    return Tally(without, len(usual) + 1, GONE, now, HOURS, is_fact=True)


def _is_usual(hours: Collection[int], hour: int) -> bool:
    """Whether there were events at this hour of most days before, as far as these are known."""
    before = [hour - 24 * day for day in range(1, DAYS + 1)]
    comparable = [each for each in before if hours and each >= min(hours)]
    return 2 * sum(each in hours for each in comparable) > len(comparable)


def _backs(context: Context) -> tuple[Sequence[int], bool]:
    """How many hours back the times lie that are compared with."""
    coverage = context.snapshot.coverage
    weeks = range(168, 168 * WEEKS + 1, 168)
    first = min(coverage.hours_observed, default=0)
    if to_us(context.window.end - timedelta(weeks=WEEKS)) // HOUR_US >= first > 0:
        return weeks, True
    return range(24, 24 * DAYS + 1, 24), False


def _touches(incidents: Sequence[Interval], first: int, last: int) -> bool:
    return any(
        to_us(each.start) // HOUR_US <= last and to_us(each.end) // HOUR_US >= first
        for each in incidents
    )


def _events(hours: Mapping[int, int], window: Interval, back: int) -> float:
    """The events of the same time so many hours before; of an hour that the window has in part, in
    proportion."""
    start, end = to_us(window.start) - back * HOUR_US, to_us(window.end) - back * HOUR_US
    return sum(
        hours.get(hour, 0) * (min(end, (hour + 1) * HOUR_US) - max(start, hour * HOUR_US)) / HOUR_US
        for hour in range(start // HOUR_US, (end - 1) // HOUR_US + 1)
    )


def _conversations_per_event(context: Context, heard: Signal, subject: str) -> float:
    """How many conversations an event stands for, as those count that have many events."""
    snapshot = context.snapshot
    whole = Interval(snapshot.coverage.baseline.start, context.window.end)
    readings = {each.subject: each.now for each in snapshot.counts(heard, whole)}
    counts = readings.get(subject, Counts())
    sums = counts.clusters
    return 1.0 if counts.by_event or not sums.nn else sums.n / sums.nn
