"""Rules about the p95 of a value: above a line, or risen against what is usual, as latencies are
judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tgt.analyzers.baseline import Baseline, observed_before
from tgt.analyzers.builder import Judged
from tgt.analyzers.criteria import EVENTS, beyond
from tgt.analyzers.figures import Measure, Unit, milliseconds, number
from tgt.analyzers.judgements import capped
from tgt.analyzers.rules.asked import Asked, Said
from tgt.analyzers.rules.question import Question
from tgt.analyzers.shift import TAIL, Shift, Values, across_conversations, quantile, shifted
from tgt.analyzers.touched import Harm
from tgt.engine.protocol import DistributionReading
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats import confidence, distributions
from tgt.stats.distributions import Histogram
from tgt.tasks.card import Finding
from tgt.tasks.criterion import Criterion, Tally

MIN_VALUES, MIN_TAIL_VALUES = 20, 60
MIN_BASELINE_VALUES = 200
WINDOWS_H = (2, 4)
ABOVE_PRIOR, RISEN_PRIOR = 0.02, 0.005
"""Those of cut-off answers and of slow-downs."""
_UNITS = {"elapsed_ms": "ms", "result_bytes": "bytes", "cost_usd": "US dollars"}


class P95(Question):
    """The p95 of a number."""

    @property
    def windows(self) -> tuple[int, ...]:
        return WINDOWS_H

    def judge(self, window: Interval) -> Iterator[Judged]:
        distribution = self.context.snapshot.distribution
        for reading in distribution(self.signals[0], window, least=MIN_VALUES):
            yield reading.subject, self._judged(self.asked(reading.subject, window), reading)

    def tally(self, criterion: Criterion, since: Interval) -> Tally:
        line = criterion.value
        return beyond(self.context, self.signals[0], criterion, since, line, 1 - TAIL, EVENTS)

    def _judged(self, question: Asked, reading: DistributionReading) -> Finding | Abstention | None:
        n = distributions.size(reading.now)
        if n < MIN_VALUES:
            return question.abstention(f"{n} of {MIN_VALUES} values")
        if self.rule.times_usual is not None:
            judged = self._risen(question, reading, self.rule.times_usual)
        else:
            judged = self._above(question, reading, self.rule.more_than or 0.0)
        if not isinstance(judged, Shift):
            return judged
        measure, left_out = judged.measure, judged.left_out
        wording = Said(
            self._text(measure.value),
            None if measure.usual is None else self._text(measure.usual),
            f"{measure.times:g} × usual" if measure.times else self._text(measure.threshold),
            f"The p95 of {n - left_out.n} values of {question.label}{left_out.told('values')} is"
            f" {self._text(measure.value)}",
        )
        touched = judged.touched(question.builder, Harm.FAILED)
        return question.finding(judged, wording, touched=touched, beyond=judged.line)

    def _text(self, value: float) -> str:
        if self._unit is Unit.MS:
            return milliseconds(value)
        return f"{number(value):,g} {self._noun}".rstrip()

    @property
    def _unit(self) -> Unit:
        return Unit.MS if self._noun == "ms" else Unit.COUNT

    @property
    def _noun(self) -> str:
        """What the values are, as far as their expression tells."""
        value = self.rule.value
        return "tokens" if value.endswith("_tokens") else _UNITS.get(value, "")

    def _above(
        self, question: Asked, reading: DistributionReading, line: float
    ) -> Shift | Abstention | None:
        p95 = quantile(reading.now, TAIL)
        if p95 <= line:
            return None
        counts = self.context.snapshot.beyond(
            question.signal, question.subject, question.window, line
        )
        if missing := self.too_few(replace(counts, bad_conversations=counts.bad_units)):
            return question.abstention(missing)
        n, k = distributions.size(reading.now), distributions.count_above(reading.now, line)
        history = self._history(question)
        usual = None
        if not Baseline({}, question.quiet_hours()).missing and history:
            above = [
                (distributions.count_above(h, line), float(distributions.size(h)))
                for h in history.values()
            ]
            usual = confidence.usual_share(above)
        effect = confidence.shrunk_design_effect(counts.clusters, confidence.Clusters())
        sure = confidence.lies_above(k / effect, n / effect, 1 - TAIL, usual, ABOVE_PRIOR)
        before = distributions.merge(history.values())
        return Shift(
            Measure(
                "p95",
                self._unit,
                p95,
                threshold=line,
                usual=quantile(before, TAIL) if before else None,
                hours=len(history),
                noun=self._noun or "in all",
            ),
            capped(sure, by_event=counts.by_event),
            details={"n": n, "k": round(k), "designEffect": effect},
            hours={hour: quantile(each, TAIL) for hour, each in history.items()},
            line=line,
            share=k / n,
            beyond=counts,
        )

    def _risen(
        self, question: Asked, reading: DistributionReading, times: float
    ) -> Shift | Abstention | None:
        hours, before = question.quiet_hours(), reading.before
        if missing := Baseline({}, hours).missing:
            return question.abstention(missing)
        if hours != observed_before(self.context, question.window):
            before = distributions.merge(self._history(question).values())
        size = distributions.size(before)
        if size < MIN_BASELINE_VALUES:
            return question.abstention(f"{size} of {MIN_BASELINE_VALUES} values in the baseline")
        values = Values(reading.now, before, {})
        if values.times_usual <= times:
            return None
        values, _ = across_conversations(question.builder, question.signal, values, times)
        if not values.times_usual > times:  # nor if nothing is left
            return None
        values = replace(values, history=self._history(question))
        least = self.rule.min_conversations
        shifts = [
            shifted(
                question.builder,
                question.signal,
                values,
                route,
                times,
                metric="p95",
                counted=lambda line: f"values above {self._text(line)}",
                prior=RISEN_PRIOR,
                minimum=(minimum, least),
            )
            for route, minimum in (("tail", MIN_TAIL_VALUES), ("all", MIN_VALUES))
        ]
        best = max(filter(None, shifts), key=lambda shift: shift.confidence, default=None)
        if best is None:
            return None
        measure = replace(best.measure, unit=self._unit, noun=self._noun or "in all")
        return replace(best, measure=measure)

    def _history(self, question: Asked) -> dict[int, Histogram]:
        snapshot, hours = self.context.snapshot, question.quiet_hours()
        history = snapshot.distribution_history(question.signal, question.subject, question.window)
        return {hour: each for hour, each in history.items() if hour in hours}
