"""Rules about an absence: no event although there always is one at this time, as
``telemetry_silence`` judges services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from tgt.analyzers.base import Analysis
from tgt.analyzers.builder import Judged
from tgt.analyzers.figures import Measure, Unit, number
from tgt.analyzers.judgements import Judgement
from tgt.analyzers.rules.asked import Asked, Said
from tgt.analyzers.rules.question import Question
from tgt.analyzers.silence import UNLIKELY, WINDOWS_H, missed, past_of
from tgt.analyzers.touched import Harm
from tgt.engine.protocol import Examples
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats import distributions
from tgt.tasks.card import Finding, TaskType, fingerprint
from tgt.tasks.criterion import Criterion, Tally


class Absence(Question):
    """Whether there is any event."""

    @property
    def windows(self) -> tuple[int, ...]:
        return WINDOWS_H

    def analysis(self) -> Analysis:
        return super().analysis() if self._histories else Analysis()

    @cached_property
    def _histories(self) -> Mapping[str, Mapping[int, int]]:
        """The events by the hour of what the baseline has and the window has not."""
        snapshot, own = self.context.snapshot, self.context.window
        heard, events = self.signals
        whole = Interval(snapshot.coverage.baseline.start, own.end)
        absent = {each.subject for each in snapshot.counts(heard, whole)}
        absent -= {each.subject for each in snapshot.counts(heard, own)}
        return {
            subject: {
                hour: distributions.size(each)
                for hour, each in snapshot.distribution_history(events, subject, own).items()
            }
            for subject in sorted(absent)
        }

    def judge(self, window: Interval) -> Iterator[Judged]:
        snapshot = self.context.snapshot
        heard = {each.subject for each in snapshot.counts(self.signals[0], window)}
        for subject, hours in self._histories.items():
            if hours and subject not in heard:
                yield subject, self._judged(self.asked(subject, window), hours)

    def tally(self, criterion: Criterion, since: Interval) -> Tally:
        heard, events = self.signals
        return missed(self.context, since, heard, events, criterion.subject)

    def _judged(self, question: Asked, hours: Mapping[int, int]) -> Finding | Abstention | None:
        context, window = self.context, question.window
        key = fingerprint(TaskType.CUSTOM, context.redacted(question.problem))
        incidents = context.incidents.get(key, ())
        past = past_of(context, window, hours, incidents, self.signals[0], question.subject)
        if isinstance(past, str):
            return question.abstention(past)
        if past.chance >= UNLIKELY:
            return None
        tolerated = f"an absence likelier than 1 in {1 / UNLIKELY:,.0f}"
        judgement = Judgement(
            Measure(
                "events", Unit.COUNT, 0, threshold=1, tolerated=tolerated, noun="events", op=">="
            ),
            past.confidence,
            details={
                "chance": number(past.chance),
                "expectedConversations": past.mean,
                "compared": [number(count) for count in past.counts],
                "comparedWith": "weeks" if past.is_weekly else "days",
            },
        )
        usual = f"about {past.mean:.0f} conversations at this time"
        wording = Said("no event", usual, tolerated, f"There is no event of {question.label}")
        touched = question.builder.touched_as_missing(past.mean, Harm.FAILED)
        return question.finding(judgement, wording, touched=touched, examples=Examples())
