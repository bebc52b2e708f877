"""A service that says nothing although it always does at this time.

The same clock hours of the days before (of the weeks before, where there are four) say how many
conversations there should have been; what is less likely than one in ten thousand is a silence.
Where any of those days was quiet at this time, or in the hour before or after, there is no verdict:
nights, weekends and a clock that was set are no outage. Coding agents work when their people do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.criteria import GONE
from tgt.analyzers.figures import Measure, Unit, duration, number
from tgt.analyzers.judgements import Judgement
from tgt.config import Settings
from tgt.engine.protocol import Counts, Examples, Signal
from tgt.engine.services import is_agent
from tgt.events import HOUR_US, Interval, to_us
from tgt.outcome import Abstention
from tgt.stats import distributions
from tgt.tasks.card import Finding, Fix, Severity, TaskType, fingerprint
from tgt.tasks.criterion import Criterion, Tally

UNLIKELY = 1e-4
PRIOR = 1e-3
"""Probability, before looking at one window, that a service has fallen silent."""
WINDOWS_H = (2, 4, 8)
"""A service with few conversations an hour is missed later."""
DAYS, WEEKS, MIN_LEFT = 7, 4, 5
"""So many days or weeks are compared with; of days in which the service was silent before, and had
a card, so many must be left without."""
DISPERSION_PRIOR = 0.1
"""Relative variance from day to day that is assumed before any day was seen, with the weight of
DAYS days."""
_SERVICE = "coalesce(service, '')"
EVENTS = Signal("events of a service", value="1", by=_SERVICE)
"""A distribution of ones: the number of events by the hour, also of a service without any now."""
UNNAMED = "unnamed"
HEARD = Signal("heard", counted="false", by=_SERVICE)


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


class TelemetrySilenceAnalyzer:
    name = "telemetry_silence"
    task_type = TaskType.SILENCE
    summary = "a service has no event, which is less likely than 1 in 10,000 at this time"
    options = ()
    needs = (Need("true", "there is no telemetry"),)
    works_without_events = True
    """A run asks it also where its window has no event at all."""

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return (EVENTS,)

    def analyze(self, context: Context) -> Analysis:
        snapshot, own = context.snapshot, context.window
        known = {*snapshot.coverage.services, ""} - {
            reading.subject for reading in snapshot.counts(HEARD, own)
        }
        silent = sorted(service for service in known if not is_agent(service))
        histories = {
            service: {
                hour: distributions.size(each)
                for hour, each in snapshot.distribution_history(EVENTS, service, own).items()
            }
            for service in silent
        }

        def judge(window: Interval) -> list[Judged]:
            heard = {r.subject for r in snapshot.counts(HEARD, window)} if window != own else set()
            return [
                (service, self._judge(context, window, service, hours))
                for service, hours in histories.items()
                if hours and service not in heard
            ]

        if not any(histories.values()):
            return Analysis()
        return look(context.longer_windows(*WINDOWS_H), judge)

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally:
        """Of the clock hours in which the service has events on most days, those without."""
        service = criterion.subject.removeprefix("service/")
        service = "" if service == UNNAMED else service
        snapshot, own = context.snapshot, context.window
        history = snapshot.distribution_history(EVENTS, service, own)
        hours = {hour for hour, each in history.items() if each}
        first, last = -(-to_us(since.start) // HOUR_US), to_us(own.start) // HOUR_US
        usual = [hour for hour in range(first, last) if _is_usual(hours, hour)]
        heard = sum(each.now.n for each in snapshot.counts(HEARD, own) if each.subject == service)
        missed = sum(hour not in hours for hour in usual) + (not heard)
        return Tally(missed, len(usual) + 1, GONE, heard, is_fact=True)

    def _judge(
        self, context: Context, window: Interval, service: str, hours: Mapping[int, int]
    ) -> Finding | Abstention | None:
        builder = Builder(self, context, f"service/{service or UNNAMED}", window)
        backs, is_weekly = _backs(context)
        incidents = context.incidents.get(
            fingerprint(TaskType.SILENCE, context.redacted(builder.subject)), ()
        )
        first, last = to_us(window.start) // HOUR_US - 1, (to_us(window.end) - 1) // HOUR_US + 1
        # What lies before the baseline is not known, which is no silence; of the day a week ago
        # that may be the first hour of the window.
        since = -(-to_us(context.snapshot.coverage.baseline.start) // HOUR_US)
        end = to_us(window.start) // HOUR_US
        left = [back for back in backs if not _touches(incidents, first - back, last - back)]
        if not left or min(hours) > last - backs[-1]:
            seen = (end - min(hours)) // 24
            return builder.abstention(f"{seen} of {backs[-1] // 24} days of history")
        if len(left) < min(MIN_LEFT, len(backs) - 1):
            return builder.abstention(f"{len(left)} of {MIN_LEFT} days without a silence")
        around = (h - back for back in left for h in range(first, last + 1))
        if any(hours.get(hour, 0) == 0 for hour in around if since <= hour < end):
            return builder.abstention("it is quiet at this time of some days")
        share = _conversations_per_event(context, service)
        whole = [back for back in left if first + 1 - back >= since]
        counts = tuple(share * _events(hours, window, back) for back in whole)
        past = Past(counts, is_weekly)
        return self._finding(builder, past) if past.chance < UNLIKELY else None

    def _finding(self, builder: Builder, past: Past) -> Finding:
        name = builder.subject.removeprefix("service/")
        what = "weeks" if past.is_weekly else "days"
        length, chance = duration(builder.window), past.chance
        return builder.finding(
            Judgement(
                Measure(
                    "events_of_a_service",
                    Unit.COUNT,
                    0,
                    threshold=1,
                    tolerated=f"silence likelier than 1 in {1 / UNLIKELY:,.0f}",
                    noun="events",
                    op=">=",
                ),
                min(0.99, PRIOR / (PRIOR + chance)),
            ),
            Examples(),
            severity=Severity.HIGH,
            impact=1.0,
            title=f"{name} is silent",
            description=(
                f"There is no event of {name} in the last {length}. At this time of the"
                f" {len(past.counts)} {what} before it had about {past.mean:.0f} conversations, at"
                f" least {min(past.counts):.0f}; by chance there would be none less than once in"
                f" {1 / UNLIKELY:,.0f} times."
            ),
            fix=Fix(
                approach="restore_the_telemetry_or_the_service",
                changes=(
                    f"See whether {name} runs and is reachable",
                    "If it does, see whether its log is still written where tgt reads it: the disk,"
                    " the rotation, the exporter, the path",
                ),
                effort="30 minutes",
            ),
            acceptance=(f"{name} has events in each of 24 hours in which it usually has",),
            details={
                "rule": "no event although the same clock hours before always had some",
                "chance": number(chance),
                "expectedConversations": past.mean,
                "compared": [number(count) for count in past.counts],
                "comparedWith": what,
            },
        )


def _is_usual(hours: Collection[int], hour: int) -> bool:
    """Whether there were events at this hour of most days before, as far as these are known."""
    before = [hour - 24 * day for day in range(1, DAYS + 1)]
    known = [each for each in before if hours and each >= min(hours)]
    return 2 * sum(each in hours for each in known) > len(known)


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


def _conversations_per_event(context: Context, service: str) -> float:
    """How many conversations an event stands for, as those count that have many events."""
    snapshot = context.snapshot
    whole = Interval(snapshot.coverage.baseline.start, context.window.end)
    readings = {each.subject: each.now for each in snapshot.counts(HEARD, whole)}
    counts = readings.get(service, Counts())
    sums = counts.clusters
    return 1.0 if counts.by_event or not sums.nn else sums.n / sums.nn
