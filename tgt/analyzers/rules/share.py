"""Rules about a share: which part of the events counts, by itself or against what is usual.

Events are counted, and those of one conversation are alike: they count for less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tgt.analyzers.builder import Judged
from tgt.analyzers.criteria import reading_of, share_of_events
from tgt.analyzers.exposure import CALLS, EVENTS, Exposure, risen
from tgt.analyzers.figures import percent
from tgt.analyzers.judgements import Judgement, share_above
from tgt.analyzers.rules.asked import Asked, Said
from tgt.analyzers.rules.question import Question
from tgt.analyzers.touched import Harm
from tgt.engine.protocol import Counts, Reading
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats import confidence
from tgt.tasks.card import Finding
from tgt.tasks.criterion import Criterion, Tally

MIN_EVENTS = 20
MIN_BASELINE_EVENTS = 200
ABOVE_WINDOWS_H = (6,)
RISEN_WINDOWS_H = (2, 4, 8, 24)
ABOVE_PRIOR, RISEN_PRIOR = 0.02, 0.005
"""Those of cut-off answers, and of error spikes, which look in the same windows."""


class Share(Question):
    """The share of events that count."""

    @property
    def windows(self) -> tuple[int, ...]:
        return RISEN_WINDOWS_H if self.rule.times_usual else ABOVE_WINDOWS_H

    def judge(self, window: Interval) -> Iterator[Judged]:
        counts = self.context.snapshot.counts
        for reading in counts(self.signals[0], window, history=_counts):
            yield reading.subject, self._judged(self.asked(reading.subject, window), reading)

    def tally(self, criterion: Criterion, since: Interval) -> Tally:
        readings = self.context.snapshot.counts(self.signals[0], since)
        return share_of_events(reading_of(readings, criterion.subject), criterion.value, EVENTS)

    def _judged(self, question: Asked, reading: Reading) -> Finding | Abstention | None:
        now = reading.now
        if now.n < MIN_EVENTS:
            return question.abstention(f"{now.n} of {MIN_EVENTS} events")
        if not now.k:
            return None
        judgement = self._above(question, reading) if self.rule.more_than is not None else None
        if self.rule.times_usual is not None:
            risen = self._risen(question, reading, self.rule.times_usual)
            if isinstance(risen, Abstention):
                return risen
            judgement = risen
        if judgement is None:
            return None
        if missing := self.too_few(now):
            return question.abstention(missing)
        share, usual = now.k / now.n, judgement.measure.usual
        wording = Said(
            percent(share),
            None if usual is None else percent(usual),
            judgement.measure.threshold_text,
            f"{now.k} of {now.n} events of {question.label} ({percent(share)}) count, in"
            f" {now.bad_conversations} conversations",
        )
        return question.finding(
            judgement, wording, touched=question.builder.touched_by(now, Harm.FAILED)
        )

    def _above(self, question: Asked, reading: Reading) -> Judgement | None:
        line = self.rule.more_than or 0.0
        if reading.now.k <= line * reading.now.n:
            return None
        return share_above(
            reading,
            question.baseline(reading),
            line,
            metric="share_of_events",
            counted="events that count",
            prior=ABOVE_PRIOR,
            needed=MIN_EVENTS,
            clustered=True,
        )

    @staticmethod
    def _risen(question: Asked, reading: Reading, times: float) -> Judgement | Abstention | None:
        now, history = reading.now, question.baseline(reading)
        missing = history.missing
        if not missing and history.n < MIN_BASELINE_EVENTS:
            missing = f"{history.n} of {MIN_BASELINE_EVENTS} events in the baseline"
        if missing:
            return question.abstention(missing)
        hours = {hour: (float(each.k), float(each.n)) for hour, each in history.hours.items()}
        exposure = Exposure(
            now.k,
            now.n,
            hours,
            EVENTS if now.by_event else CALLS,
            confidence.shrunk_design_effect(now.clusters, history.clusters),
            history.clusters.design_effect(),
        )
        rise = risen(exposure, history, times, RISEN_PRIOR, reading.window)
        if rise is None:
            return None
        return replace(
            rise,
            measure=replace(rise.measure, metric="share_of_events"),
            counted="events that count",
            hours={hour: k / n for hour, (k, n) in hours.items() if n},
        )


def _counts(now: Counts) -> bool:
    return now.k > 0 and now.n >= MIN_EVENTS
