"""Latencies and tokens: how many times their usual values must become to be found."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass

from tgt.analyzers import performance, token_waste
from tgt.analyzers.baseline import Baseline
from tgt.analyzers.figures import Unit
from tgt.analyzers.outlook.base import Look, Outlook, later, smallest, typical_peak
from tgt.analyzers.shift import MEDIAN, TAIL, quantile
from tgt.analyzers.signals import FAILURE, LATENCY
from tgt.engine.protocol import Signal
from tgt.stats import confidence, distributions
from tgt.stats.calibration import SLOWER, calibrated
from tgt.stats.confidence import Usual, prior_of
from tgt.stats.distributions import BASE, Histogram

_MOST_TIMES = 100.0


@dataclass(frozen=True)
class _Question:
    """A distribution, and what its analyzer wants of it: so many values in a window of so many
    hours, for their tail and before, and by how much they must rise."""

    signal: Signal
    noun: str
    unit: Unit
    hours: int
    least: int
    least_tail: int
    least_before: int
    threshold: Callable[[str], float]
    """That of a subject."""
    prior: float
    stated: Callable[[float], float] = float
    """The confidence that the analyzer states where its model is so sure."""


def latencies(look: Look) -> Iterator[Outlook]:
    question = _Question(
        LATENCY,
        "calls",
        Unit.MS,
        max(performance.WINDOWS_H),
        performance.MIN_CALLS,
        performance.MIN_TAIL_CALLS,
        performance.MIN_BASELINE_CALLS,
        lambda subject: look.context.option(performance.THRESHOLD, subject),
        prior_of(max(performance.WINDOWS_H), performance.A_HOUR),
        lambda sure: calibrated(sure, SLOWER),
    )
    judged = yield from _all(look, question)
    untold = look.without(0)
    for each in look.readings(FAILURE, look.day):
        if each.subject in untold and each.subject not in judged:
            yield look.lacking(each.subject, look.analyzer.needs[0].missing)


def tokens(look: Look) -> Iterator[Outlook]:
    """Of each model those of its answers, else of what it was given."""
    judged: frozenset[str] = frozenset()
    for signal in (token_waste.OUTPUT, token_waste.INPUT):
        question = _Question(
            signal,
            "answers",
            Unit.COUNT,
            max(token_waste.WINDOWS_H),
            token_waste.MIN_ANSWERS,
            token_waste.MIN_TAIL_ANSWERS,
            token_waste.MIN_BASELINE_ANSWERS,
            lambda _: token_waste.THRESHOLD,
            token_waste.PRIOR,
        )
        judged = judged | (yield from _all(look, question, judged))


def _all(
    look: Look, question: _Question, but: frozenset[str] = frozenset()
) -> Generator[Outlook, None, frozenset[str]]:
    """The outlooks on the subjects of the last day with most values; returns which they were."""
    readings = look.context.snapshot.distribution(question.signal, look.day, least=1 << 62)
    sizes = {r.subject: distributions.size(r.now) for r in readings if r.subject not in but}
    for subject in sorted(sizes, key=lambda name: (-sizes[name], name))[: look.most]:
        yield _outlook(look, question, subject)
    return frozenset(sizes)


def _outlook(look: Look, question: _Question, subject: str) -> Outlook:
    observed, window = look.observed_now, look.context.window
    every = look.context.snapshot.distribution_history(question.signal, subject, window)
    hours = {hour: values for hour, values in every.items() if hour in observed}
    before = distributions.merge(hours.values())
    size, needed = distributions.size(before), question.least_before
    enough = look.when(needed - size, size / look.span(frozenset(hours)), needed)
    if missing := Baseline({}, observed).missing:
        return look.lacking(subject, missing, later(look.when_observed(), enough))
    if size < needed:
        missing = f"{size} of {needed} {question.noun} in the baseline"
        return look.lacking(subject, missing, enough)
    peak = typical_peak(
        {hour: float(distributions.size(values)) for hour, values in hours.items()}, question.hours
    )
    n, of = round(peak), f"{question.noun} in {question.hours} hours"
    if n < question.least:
        return look.lacking(subject, f"{n} of {question.least} {of} of a typical day")
    change = _smallest(look, question, question.threshold(subject), before, hours, n)
    usual = quantile(before, TAIL)
    return look.seeing(subject, change, Unit.RATIO, usual, n, of, question.unit)


def _smallest(
    look: Look,
    question: _Question,
    threshold: float,
    before: Histogram,
    hours: Mapping[int, Histogram],
    n: int,
) -> float | None:
    """How many times larger all values must be, in steps of the buckets that count them."""
    routes: list[tuple[float, float, Usual]] = []
    for fraction, fewest in ((MEDIAN, question.least), (TAIL, question.least_tail)):
        line = math.sqrt(threshold) * quantile(before, fraction)
        beyond = [
            (distributions.count_above(each, line), float(distributions.size(each)))
            for each in hours.values()
        ]
        if n >= fewest:
            routes.append((line, 1 - fraction, confidence.usual_share(beyond)))
    size = distributions.size(before)

    def is_seen(step: int) -> bool:
        seen = (
            confidence.risen_above(
                n * distributions.count_above(before, line / BASE**step) / size,
                n,
                tolerated,
                usual,
                question.prior,
            )
            for line, tolerated, usual in routes
        )
        return any(question.stated(sure) >= look.minimum for sure in seen)

    low = math.floor(math.log(threshold, BASE)) + 1
    step = smallest(low, math.ceil(math.log(_MOST_TIMES, BASE)), is_seen)
    return None if step is None else float(BASE**step)
