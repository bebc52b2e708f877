"""From the confidence that a model gives to the one that is as often right as it says.

How often a finding is right depends on how often something is wrong, which no data of a single
subject tell. The reference are services in which one or another of eight subjects is at fault for
nine hours a week. What a model says there is about right from 0.7 up, and too modest below. So what
is below AGREED gets the odds that it would have if faults were likelier beforehand, by a ``shift``
of their logarithm; but not so many that it comes to AGREED. What is surer stays: no finding is
beyond a gate of 0.7 that was not before. Pure; no clock, no I/O.

The shifts have the greatest likelihood where each tenth of the scale weighs the same, in 400 weeks
of two services for each analyzer: ``python -m benchmarks.reliability error_spike ux_issue
continuation --services first second --first-seed 100 --fit``, and with ``--weeks 10``, for 200
weeks, of ``performance``. How they hold in other weeks and services, docs/detection.md says.

Source: Saerens, Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori
probabilities, Neural Computation 14 (2002).
"""

from __future__ import annotations

import math

AGREED = 2 / 3
"""What a model says from here on is left alone."""
RISEN = 0.76
"""Of what is compared with what is usual (``confidence.risen_above``): as if changes were twice
as likely beforehand."""
SLOWER = 1.38
"""Of latencies, all of them or their tail."""
ABOVE = 0.28
"""Of shares above a fixed line (``confidence.lies_above``)."""
BOTH = 1.02
"""Of shares that must have risen and lie above a fixed line, too."""
ROOM = 1.25
"""So many times ``shift`` below AGREED log-odds have all of it; more than 1, so that of two
findings the surer one remains so."""


def calibrated(sure: float, shift: float = RISEN) -> float:
    """The confidence to state where the model is so ``sure``, both from 0 to 1; ``shift`` is of
    log-odds, one of those above, and not negative.

    Continuous and strictly increasing; what is 0, or from AGREED up, is what it was.
    """
    if sure <= 0.0 or sure >= AGREED or shift <= 0.0:
        return sure
    odds = sure / (1.0 - sure)
    below = math.log(AGREED / (1.0 - AGREED)) - math.log(odds)
    odds *= math.exp(min(shift, below / ROOM))
    return odds / (1.0 + odds)
