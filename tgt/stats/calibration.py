"""From the confidence that a model gives to the one that is as often right as it says.

How often a finding is right depends on how often something is wrong, which no data of a single
subject tell. The reference is a service of eight subjects in which two things go wrong a week, for
one to twelve hours each; there a comparison of shares (``confidence.risen_above``, the surest of
several windows) is right from about 0.7 up and too modest below. So the log-odds of what is below
AGREED are moved up, the further below it the more, until FULLY_BELOW of them, by SHIFT. What is
surer stays: no finding is beyond a gate of 0.7 that was not before. Pure; no clock, no I/O.

SHIFT and FULLY_BELOW have the greatest likelihood where each tenth of the scale weighs the same, in
1,000 weeks of such a service: ``python -m benchmarks.reliability --seeds 20 --faults 2 --fit``. How
they hold in other weeks and services, docs/detection.md says.

Source: Platt, Probabilistic outputs for support vector machines (1999) (a straight line in
log-odds); here it has a kink on either side.
"""

from __future__ import annotations

import math

AGREED = 2 / 3
"""What the model says from here on is left alone."""
SHIFT = 1.16
FULLY_BELOW = 3.67
"""Of log-odds; more than SHIFT, so that of two findings the surer one remains so."""


def calibrated(sure: float) -> float:
    """The confidence to state where a comparison of shares is so ``sure``, both from 0 to 1.

    Continuous and strictly increasing; what is 0, or from AGREED up, is what it was.
    """
    if sure <= 0.0 or sure >= AGREED:
        return sure
    return moved(sure, SHIFT, FULLY_BELOW)


def moved(sure: float, shift: float, fully_below: float) -> float:
    """``sure``, of more than 0 and less than AGREED, with its log-odds moved up by as much of
    ``shift`` as it is of ``fully_below`` below AGREED, at most by all of it."""
    odds = sure / (1.0 - sure)
    below = math.log(AGREED / (1.0 - AGREED)) - math.log(odds)
    odds *= math.exp(shift * min(1.0, below / fully_below))
    return odds / (1.0 + odds)
