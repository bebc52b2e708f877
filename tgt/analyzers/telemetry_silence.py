"""A service that says nothing although it always does at this time (``silence``).

Coding agents are none: they work when their people do.
"""

from __future__ import annotations

from collections.abc import Mapping

from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.figures import Measure, Unit, duration, number
from tgt.analyzers.judgements import Judgement
from tgt.analyzers.silence import UNLIKELY, WINDOWS_H, Past, missed, past_of
from tgt.analyzers.touched import Harm
from tgt.config import Settings
from tgt.engine.protocol import Examples, Signal
from tgt.engine.services import is_agent
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats import distributions
from tgt.tasks.card import Finding, Fix, Severity, TaskType, fingerprint
from tgt.tasks.criterion import Criterion, Tally

_SERVICE = "coalesce(service, '')"
EVENTS = Signal("events of a service", value="1", by=_SERVICE)
"""A distribution of ones: the number of events by the hour, also of a service without any now."""
UNNAMED = "unnamed"
HEARD = Signal("heard", counted="false", by=_SERVICE)


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
        unheard = {*snapshot.coverage.services, ""} - {
            reading.subject for reading in snapshot.counts(HEARD, own)
        }
        silent = sorted(service for service in unheard if not is_agent(service))
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
        return missed(context, since, HEARD, EVENTS, service)

    def _judge(
        self, context: Context, window: Interval, service: str, hours: Mapping[int, int]
    ) -> Finding | Abstention | None:
        builder = Builder(self, context, f"service/{service or UNNAMED}", window)
        incidents = context.incidents.get(
            fingerprint(TaskType.SILENCE, context.redacted(builder.subject)), ()
        )
        past = past_of(context, window, hours, incidents, HEARD, service)
        if isinstance(past, str):
            return builder.abstention(past)
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
                past.confidence,
            ),
            Examples(),
            severity=Severity.HIGH,
            touched=builder.touched_as_missing(past.mean, Harm.LOST),
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
                "severityRule": "always high",
                "chance": number(chance),
                "expectedConversations": past.mean,
                "compared": [number(count) for count in past.counts],
                "comparedWith": what,
            },
        )
