"""A judgement: a measure beyond what is tolerated, how sure that is, and what it rests on.

The commonest is here, a share above a fixed line; those that compare with what is usual are in
``exposure`` and ``shift``. When one is asked, how bad it is and what is said of it is the
analyzer's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar, Union

from tgt.analyzers.baseline import Baseline
from tgt.analyzers.figures import Measure, Unit, duration
from tgt.engine.protocol import Reading
from tgt.events import Interval
from tgt.stats import confidence
from tgt.stats.calibration import calibrated
from tgt.stats.confidence import Usual
from tgt.tasks.card import Severity

LOOSE_CONFIDENCE = 0.8
"""The most that can be said where events have no conversation: a burst may be one of them."""
NEVER = math.inf
"""A limit that nothing reaches."""
FACT = 0.7
"""Confidence of what three conversations show."""
_ROUNDING = 1e-12  # 0.2 * 3 / 2 is a little more than 0.3

Detail: TypeAlias = Union[float, str, "Sequence[Detail]", None]
"""A further number, word or list for the card; what is no whole number is rounded there."""


@dataclass(frozen=True)
class Judgement:
    """Something beyond what is tolerated, and how sure that is.

    ``sure`` is the confidence if so many of ``n`` were ``counted``; no more than ``least`` would
    not have been too many, whatever it says. ``hours`` are the values of the measure before, by
    the clock hour.
    """

    measure: Measure
    confidence: float
    details: Mapping[str, Detail] = field(default_factory=dict)
    hours: Mapping[int, float] | None = None
    sure: Callable[[int], float] | None = None
    n: int = 0
    counted: str = ""
    least: float = 0.0
    minimum: float | None = None
    """The confidence that is enough; None for that of the settings."""


J = TypeVar("J", bound=Judgement)


def capped(sure: float, *, by_event: bool) -> float:
    return min(sure, LOOSE_CONFIDENCE) if by_event else sure


def restated(judgement: J, shift: float) -> J:
    """The judgement, as sure as is to be stated: calibrated by one of the shifts of
    ``tgt.stats.calibration``."""
    sure = judgement.sure
    return replace(
        judgement,
        confidence=calibrated(judgement.confidence, shift),
        sure=None if sure is None else lambda counted: calibrated(sure(counted), shift),
    )


def above(limit: float) -> float:
    """The lowest limit that a share must reach to be above this one."""
    return limit + 1e-9


def of_conversations(conversations: int) -> float:
    """How sure a fact is that at least three conversations show: 0.7 for three, 0.85 for six, 0.95
    for eighteen, never 1."""
    return max(FACT, min(0.99, 1.0 - (1.0 - FACT) * 3 / conversations))


def surest(judgement: Judgement, later: Judgement, end: Interval, minimum: float) -> Judgement:
    """What was judged in a window, as sure as it is at the ``end`` of it if that is surer. How few
    of the whole would have been believed is then no answer if not even those there are would be."""
    if later.confidence <= judgement.confidence:
        return judgement
    details = {**judgement.details, "surestIn": duration(end)}
    sure = judgement.sure if judgement.confidence >= minimum else None
    return replace(judgement, confidence=later.confidence, details=details, sure=sure)


def severity_of(value: float, *, high: float, critical: float = NEVER) -> Severity:
    """The step that a value reaches; its limits are part of a step."""
    if value >= critical - _ROUNDING:
        return Severity.CRITICAL
    return Severity.HIGH if value >= high - _ROUNDING else Severity.MEDIUM


def steps(
    say: Callable[[float], str], *, high: float, critical: float = NEVER, word: str = "from"
) -> str:
    """The steps of a severity as its card tells them: ``critical from 20 calls, high from 10 calls,
    else medium``."""
    limits = ((Severity.CRITICAL, critical), (Severity.HIGH, high))
    parts = [f"{step} {word} {say(limit)}" for step, limit in limits if limit != NEVER]
    return ", ".join((*parts, f"else {Severity.MEDIUM}"))


def share_above(
    reading: Reading,
    history: Baseline,
    threshold: float,
    *,
    metric: str,
    counted: str,
    prior: float,
    needed: int,
    least: int = 0,
    clustered: bool = False,
) -> Judgement:
    """That a share lies above a fixed line.

    A history of fewer than ``needed`` is none, and no more than ``least`` that count never are too
    many. ``clustered``: events of one conversation are alike, and count for less.
    """
    now, effect, usual_effect = reading.now, 1.0, 1.0
    if clustered:
        usual_effect = history.clusters.design_effect()
        effect = confidence.shrunk_design_effect(now.clusters, history.clusters)
    usual = history.usual(needed, design_effect=usual_effect)

    def sure(k: int) -> float:
        over = confidence.lies_above(k / effect, now.n / effect, threshold, usual, prior)
        return capped(over, by_event=now.by_event)

    return Judgement(
        Measure(
            metric,
            Unit.SHARE,
            now.k / now.n,
            threshold=threshold,
            usual=usual.share if usual else None,
            hours=history.observed,
        ),
        sure(now.k),
        details={
            "n": now.n,
            "k": now.k,
            **({"designEffect": effect} if clustered else {}),
            "interval": confidence.interval(now.k / effect, now.n / effect),
            "baselineHours": history.observed,
        },
        hours={hour: each.k / each.n for hour, each in reading.history.items() if each.n},
        sure=sure,
        n=now.n,
        counted=counted,
        least=max(least, threshold * now.n),
    )


def share_risen(
    reading: Reading,
    history: Baseline,
    threshold: float,
    usual: Usual,
    *,
    metric: str,
    counted: str,
    prior: float,
    least: int = 0,
) -> Judgement | None:
    """That a share lies above a fixed line and has risen above what is usual, for what may be usual
    where nothing is wrong; None if it lies no higher. ``least`` as for ``share_above``."""
    now, line = reading.now, max(threshold, usual.share)
    if now.k / now.n <= line:
        return None

    def sure(k: int) -> float:
        return capped(confidence.risen_above(k, now.n, line, usual, prior), by_event=now.by_event)

    return Judgement(
        Measure(
            metric,
            Unit.SHARE,
            now.k / now.n,
            threshold=line,
            usual=usual.share,
            hours=history.observed,
        ),
        sure(now.k),
        details={
            "n": now.n,
            "k": now.k,
            "interval": confidence.interval(now.k, now.n),
            "baselineHours": history.observed,
        },
        hours={hour: each.k / each.n for hour, each in reading.history.items() if each.n},
        sure=sure,
        n=now.n,
        counted=counted,
        least=max(least, line * now.n),
    )
