"""Failures among those who were exposed to them: how many of the units that used something fail.

A unit is a conversation in one hour or, where events have no conversation, an event. Where nearly
every conversation has a failure anyway, their share cannot rise by much, whatever happens: there
the calls are counted as well, for less than they are the more those of one conversation are alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tgt import subjects
from tgt.analyzers.base import Context
from tgt.analyzers.baseline import Baseline, usual_in
from tgt.analyzers.figures import Measure, Unit
from tgt.analyzers.judgements import Judgement, capped
from tgt.analyzers.signals import TRAFFIC
from tgt.engine.protocol import Counts, Reading
from tgt.events import Interval
from tgt.stats import confidence

CONVERSATIONS, EVENTS, CALLS = "conversations", "events", "calls"
SHARE_OF_CALLS = "failing_share"
ROOM = 0.75
"""A share that must grow beyond this one to be a rise can hardly do so."""


@dataclass(frozen=True)
class Exposure:
    """How many failed of how many were exposed, in the window and, ``hours``, before.

    ``effect`` and ``usual_effect`` are the design effects of units that are alike. What
    ``is_of_all`` may be met by whatever there is, not only by those who used something.
    """

    failing: int
    exposed: int
    hours: Mapping[int, tuple[float, float]]
    unit: str = CONVERSATIONS
    effect: float = 1.0
    usual_effect: float = 1.0
    is_of_all: bool = False

    @property
    def by_event(self) -> bool:
        return self.unit == EVENTS

    @property
    def metric(self) -> str:
        return "failing_conversations" if self.unit == CONVERSATIONS else SHARE_OF_CALLS

    @property
    def interval(self) -> tuple[float, float]:
        return confidence.interval(self.failing / self.effect, self.exposed / self.effect)

    @property
    def population(self) -> str:
        if self.unit == CALLS or self.is_of_all:
            return self.unit
        return f"{self.unit} that used it"

    @property
    def share(self) -> float:
        return self.failing / self.exposed

    @property
    def size(self) -> float:
        """How many units the baseline has."""
        return sum(exposed for _, exposed in self.hours.values())

    @property
    def counted(self) -> str:
        return f"failing {self.unit}"


def exposure_of(context: Context, reading: Reading, history: Baseline) -> Exposure:
    """Who met the failures of a subject: of those who used it, or of everybody."""
    now, past = reading.now, history.hours
    if now.by_event:
        hours = {hour: (float(each.k), float(each.n)) for hour, each in past.items()}
        return Exposure(now.k, now.n, hours, EVENTS)
    if _has_own_uses(reading):
        hours = {hour: (float(each.bad_units), float(each.units)) for hour, each in past.items()}
        return Exposure(now.bad_units, now.units, hours)
    # The conversations of all services: what fails is outside of any.
    traffic = context.snapshot.counts(TRAFFIC, reading.window, history=lambda _: True)
    hours = {}
    for hour in history.observed_hours:
        own = past.get(hour, Counts())
        every = sum(each.history[hour].units for each in traffic if hour in each.history)
        hours[hour] = (float(own.bad_units), float(max(every, own.units)))
    exposed = max(sum(each.now.units for each in traffic), now.units)
    return Exposure(now.bad_units, exposed, hours, is_of_all=True)


def met_by(context: Context, reading: Reading) -> Reading:
    """The reading among all who could meet it: of a mere error all conversations, as above."""
    now = reading.now
    if now.by_event or _has_own_uses(reading):
        return reading
    units = sum(each.now.units for each in context.snapshot.counts(TRAFFIC, reading.window))
    return replace(reading, now=replace(now, units=max(units, now.units)))


def calls_of(
    reading: Reading, history: Baseline, exposure: Exposure, multiplier: float
) -> Exposure | None:
    """The calls of a subject that fails in so many conversations that their share has no room to be
    a multiple of what is usual; None where it has."""
    if exposure.unit != CONVERSATIONS or not _has_own_uses(reading):
        return None
    usual = confidence.usual_share(exposure.hours.values())
    if multiplier * usual.share < ROOM:
        return None
    now = reading.now
    return Exposure(
        now.k,
        now.n,
        {hour: (float(each.k), float(each.n)) for hour, each in history.hours.items()},
        CALLS,
        confidence.shrunk_design_effect(now.clusters, history.clusters),
        history.clusters.design_effect(),
    )


def _has_own_uses(reading: Reading) -> bool:
    """Whether the subject also succeeds; else it is a mere error, and anything may meet it."""
    if subjects.parse(reading.subject).act in {subjects.TOOL_CALL, subjects.RESPONSE}:
        return True
    return reading.now.n > reading.now.k or any(t.n > t.k for t in reading.history.values())


@dataclass(frozen=True)
class Rise(Judgement):
    """A share that is so many ``times`` the usual one; ``tail`` is how seldom chance alone makes
    it so."""

    times: float = 0.0
    tail: float = 1.0


def risen(
    exposure: Exposure, history: Baseline, multiplier: float, prior: float, window: Interval
) -> Rise | None:
    """That more fail in a window than so many times the usual share; None if they do not."""
    usual = usual_in(exposure.hours, window, design_effect=exposure.usual_effect)
    times = exposure.share / usual.share
    if times <= multiplier:
        return None
    line = min(math.sqrt(multiplier) * usual.share, 1 - 1e-9)
    expected = usual.share * exposure.exposed
    effect = exposure.effect
    tail = confidence.negative_binomial_tail(
        exposure.failing / effect, expected / effect, 1 / usual.dispersion
    )

    def sure(failing: int) -> float:
        over = confidence.risen_above(
            failing / effect, exposure.exposed / effect, line, usual, prior
        )
        return capped(over, by_event=exposure.by_event)

    return Rise(
        Measure(
            exposure.metric,
            Unit.RATIO,
            exposure.share,
            times=multiplier,
            usual=usual.share,
            hours=history.observed,
        ),
        sure(exposure.failing),
        details={
            "expected": expected,
            "tail": float(f"{tail:.1e}"),
            "baselineShare": usual.share,
            **({"designEffect": effect} if exposure.unit == CALLS else {}),
            "rule": f"failing share of the {exposure.population}, against its own baseline"
            " (beta-binomial, with the baseline's variation from hour to hour)",
        },
        sure=sure,
        n=exposure.exposed,
        counted=exposure.counted,
        least=multiplier * expected,
        times=times,
        tail=tail,
    )


def mostly_failing(exposure: Exposure, minimum: float) -> Judgement | None:
    """That more than half fail, which needs no history; None if it is not as sure as the
    minimum."""

    def sure(failing: int) -> float:
        return confidence.share_above(failing, exposure.exposed, 0.5)

    certain = sure(exposure.failing)
    if certain < minimum:
        return None
    return Judgement(
        Measure(
            exposure.metric,
            Unit.SHARE,
            exposure.share,
            threshold=0.5,
            tolerated="50% of calls (no baseline)",
        ),
        capped(certain, by_event=exposure.by_event),
        details={"rule": "more than half of the uses fail; too little history for a comparison"},
        sure=sure,
        n=exposure.exposed,
        counted=exposure.counted,
        least=exposure.exposed / 2,
        minimum=minimum,
    )
