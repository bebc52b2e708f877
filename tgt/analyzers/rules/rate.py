"""Rules about a rate: in how many conversations an hour something counts (how many events, where
those have no conversation).

An hour is taken as very many moments, in each of which it may happen: then the statistics of shares
tell how sure a rate is, with its variation from hour to hour. It is compared with the same time of
the days before, an hour earlier and later included, since work has its times of day.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tgt.analyzers.builder import Judged
from tgt.analyzers.criteria import GONE, HOURS
from tgt.analyzers.figures import Measure, Unit
from tgt.analyzers.judgements import Judgement, capped
from tgt.analyzers.rules.asked import Asked, Said
from tgt.analyzers.rules.question import Question
from tgt.analyzers.touched import Harm
from tgt.engine import affected
from tgt.engine.compared import Part
from tgt.engine.protocol import Counts, Reading
from tgt.events import HOUR_US, Interval, to_us
from tgt.outcome import Abstention
from tgt.stats import confidence
from tgt.stats.confidence import Usual
from tgt.tasks.card import Finding
from tgt.tasks.criterion import Criterion, Tally

WINDOWS_H = (2, 4)
MOMENTS = 1_000_000.0
MIN_DAYS = 3
PRIOR = 0.005
_DAY_H = 24


@dataclass(frozen=True)
class Hourly(Measure):
    """A measure whose values are so many an hour."""

    @property
    def current_text(self) -> str:
        return self._text(self.value)

    @property
    def baseline_text(self) -> str | None:
        return None if self.usual is None else f"{self._text(self.usual)} over {self.hours} h"

    @property
    def threshold_text(self) -> str:
        limit = self._text(self.limit)
        return f"{self.times:g} × usual ({limit})" if self.times else limit

    def _text(self, value: float) -> str:
        return f"{value:.3g} {self.noun} an hour"


class Rate(Question):
    """The conversations an hour in which something counts."""

    @property
    def windows(self) -> tuple[int, ...]:
        return WINDOWS_H

    def judge(self, window: Interval) -> Iterator[Judged]:
        counts = self.context.snapshot.counts
        for reading in counts(self.signals[0], window, history=lambda now: now.k > 0):
            if reading.now.k:
                yield reading.subject, self._judged(self.asked(reading.subject, window), reading)

    def tally(self, criterion: Criterion, since: Interval) -> Tally:
        """Of the hours with telemetry, those with more than is tolerated; the value is the mean of
        all. A shorter time is one hour that is not over yet."""
        hours = max(1, int(since.minutes // 60))
        step = min(timedelta(hours=1), since.end - since.start)
        question = affected.Asked(self.signals[0], criterion.subject)
        first = since.end - hours * step
        course = self.context.snapshot.course(question, Interval(first, since.end), step)
        rates = [
            _rate(course.get(number, Part()), step)
            for number in range(hours)
            if self._is_observed(Interval(first + number * step, first + (number + 1) * step))
        ]
        beyond = sum(rate > criterion.value for rate in rates)
        mean = statistics.fmean(rates) if rates else None
        return Tally(beyond, len(rates), GONE, mean, HOURS, is_fact=True)

    def _is_observed(self, hour: Interval) -> bool:
        """Whether there was telemetry in each clock hour that it touches."""
        coverage = self.context.snapshot.coverage
        now = to_us(coverage.window.start) // HOUR_US
        first, last = to_us(hour.start) // HOUR_US, (to_us(hour.end) - 1) // HOUR_US
        return all(
            each in coverage.hours_observed or (each >= now and coverage.events > 0)
            for each in range(first, last + 1)
        )

    def _judged(self, question: Asked, reading: Reading) -> Finding | Abstention | None:
        now, hours, rule = reading.now, reading.window.minutes / 60, self.rule
        counted = _counted(now, by_event=now.by_event)
        before = _same_time(question, reading)
        end = to_us(reading.window.end) // HOUR_US
        days = len({(end - hour + _DAY_H // 2) // _DAY_H for hour in before})
        usual = confidence.usual_share((k, MOMENTS) for k in before.values()) if before else None
        if rule.times_usual and (usual is None or days < MIN_DAYS):
            return question.abstention(f"{days} of {MIN_DAYS} days of baseline at this time")
        line = rule.more_than or 0.0
        if rule.times_usual and usual is not None:
            line = rule.times_usual * usual.share * MOMENTS
        if counted <= line * hours:
            return None
        if missing := self.too_few(now):
            return question.abstention(missing)
        noun = "events" if now.by_event else "conversations"
        is_known = usual is not None and days >= MIN_DAYS
        measure = Hourly(
            f"{noun}_an_hour",
            Unit.COUNT,
            counted / hours,
            threshold=0.0 if rule.times_usual else line,
            times=rule.times_usual or 0.0,
            usual=usual.share * MOMENTS if usual is not None and is_known else None,
            hours=len(before),
            noun=noun,
        )
        judgement = Judgement(
            measure,
            capped(_sure(counted, hours, line, usual, rule.times_usual), by_event=now.by_event),
            details={"n": now.n, "k": now.k, "conversations": now.bad_conversations},
            hours={hour: float(_counted(c, by_event=now.by_event)) for hour, c in before.items()},
        )
        wording = Said(
            measure.current_text,
            None if measure.usual is None else f"{measure.usual:.3g} {noun} an hour",
            measure.threshold_text,
            f"{now.k} events of {question.label} count, in {measure.current_text},",
        )
        return question.finding(
            judgement, wording, touched=question.builder.touched_by(now, Harm.FAILED)
        )


def _rate(part: Part, step: timedelta) -> float:
    counted = part.bad_conversations if part.conversations else part.k
    return counted / (step / timedelta(hours=1))


def _counted(counts: Counts | float, *, by_event: bool) -> float:
    if not isinstance(counts, Counts):
        return counts
    return float(counts.k if by_event else counts.bad_units)


def _sure(
    counted: float, hours: float, line: float, usual: Usual | None, times: float | None
) -> float:
    """How sure it is that the rate lies above a line or, against what is usual, above the square
    root of so many times that."""
    moments = max(MOMENTS * hours, 2 * counted)
    if times is None or usual is None:
        return confidence.share_above(counted, moments, line / MOMENTS)
    return confidence.risen_above(
        counted, moments, min(usual.share * times**0.5, 1.0), usual, PRIOR
    )


def _same_time(question: Asked, reading: Reading) -> dict[int, float]:
    """How many counted in each quiet hour of another day that is at the same time of it."""
    start, end = to_us(reading.window.start) // HOUR_US, (to_us(reading.window.end) - 1) // HOUR_US
    times = {hour % _DAY_H for hour in range(start - 1, end + 2)}
    by_event, history = reading.now.by_event, reading.history
    return {
        hour: _counted(history.get(hour, Counts()), by_event=by_event)
        for hour in sorted(question.quiet_hours())
        if hour % _DAY_H in times and hour < start - _DAY_H // 2
    }
