"""Failures: the smallest multiple of its usual failing share at which a subject would be found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tgt.analyzers.baseline import Baseline
from tgt.analyzers.error_spike import (
    A_HOUR,
    MIN_BASELINE_FAILING,
    MIN_BASELINE_UNITS,
    MIN_CONVERSATIONS,
    MIN_ERRORS,
    MULTIPLIER,
)
from tgt.analyzers.exposure import Exposure, calls_of, exposure_of
from tgt.analyzers.figures import Unit
from tgt.analyzers.judgements import capped
from tgt.analyzers.outlook.base import DAY_HOURS, Look, Outlook, later, smallest, typical_peak
from tgt.analyzers.signals import FAILURE
from tgt.engine.protocol import Reading
from tgt.stats import confidence
from tgt.stats.calibration import calibrated


def outlooks(look: Look) -> Iterator[Outlook]:
    untold = look.without(0)
    for reading in look.readings(FAILURE, look.day):
        if reading.subject in untold:
            yield look.lacking(reading.subject, look.analyzer.needs[0].missing)
        else:
            yield _outlook(look, reading)


def _outlook(look: Look, reading: Reading) -> Outlook:
    history, multiplier = look.baseline(reading), look.context.option(MULTIPLIER, reading.subject)
    past = exposure_of(look.context, reading, history)
    calls = calls_of(reading, history, past, multiplier)
    exposure = _spread(look, past)
    failing = history.bad_units + past.failing
    at = _when_enough(look, exposure, failing, _a_day(exposure))
    if missing := Baseline({}, look.observed_now).missing:
        return look.lacking(reading.subject, missing, later(look.when_observed(), at))
    if failing < MIN_BASELINE_FAILING and exposure.size < MIN_BASELINE_UNITS:
        missing = f"{exposure.size:.0f} of {MIN_BASELINE_UNITS} {exposure.unit} in the baseline"
        return look.lacking(reading.subject, missing, at)
    seen = [_smallest(look, reading.subject, exposure, multiplier)]
    if calls is not None:
        seen.append(_smallest(look, reading.subject, _spread(look, calls), multiplier))
    return min(seen, key=lambda each: each.smallest_change or math.inf)


def _spread(look: Look, past: Exposure) -> Exposure:
    """With the last day among the hours: it is spread over its own, which are not told apart."""
    hours = look.hours_of_day
    even = (past.failing / len(hours), past.exposed / len(hours))
    return replace(past, hours={**past.hours, **dict.fromkeys(hours, even)})


def _a_day(exposure: Exposure) -> float:
    return typical_peak({hour: n for hour, (_, n) in exposure.hours.items()}, DAY_HOURS)


def _smallest(look: Look, subject: str, exposure: Exposure, multiplier: float) -> Outlook:
    usual = confidence.usual_share(exposure.hours.values(), design_effect=exposure.usual_effect)
    line, exposed = min(math.sqrt(multiplier) * usual.share, 1 - 1e-9), round(_a_day(exposure))
    effect, prior = exposure.effect, confidence.prior_of(DAY_HOURS, A_HOUR)

    def is_seen(failing: int) -> bool:
        sure = confidence.risen_above(failing / effect, exposed / effect, line, usual, prior)
        return calibrated(capped(sure, by_event=exposure.by_event)) >= look.minimum

    fewest = MIN_ERRORS if exposure.by_event else MIN_CONVERSATIONS
    low = max(fewest, math.floor(multiplier * usual.share * exposed) + 1)
    failing = smallest(low, exposed, is_seen)
    change = None if failing is None else failing / exposed / usual.share
    of = f"{exposure.unit} a day"
    return look.seeing(subject, change, Unit.RATIO, usual.share, exposed, of)


def _when_enough(look: Look, exposure: Exposure, failing: int, a_day: float) -> datetime | None:
    """When there will be enough failing ones in the baseline, or enough at all."""
    share = failing / exposure.size if exposure.size else 0.0
    moments = [
        look.when(MIN_BASELINE_UNITS - exposure.size, a_day, MIN_BASELINE_UNITS),
        look.when(MIN_BASELINE_FAILING - failing, a_day * share, MIN_BASELINE_FAILING),
    ]
    return min(filter(None, moments), default=None)
