"""Since when something goes wrong: the one moment after which the share of what is bad is higher.

All units are put in the order of their times. Of every place it is asked how much likelier the
sequence is if the share changed there; the likeliest is the onset, and those that are nearly as
likely say how well it is known. With little traffic the answer is a long span, and where no change
stands out there is none: what was always so has no onset.

Source: Hinkley and Hinkley, Inference about the change-point in a sequence of binomial variables,
Biometrika 57 (1970).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LEAST_EVIDENCE = 5.0
"""Log likelihood by which a change must explain the sequence better than none. Every place is
tried, so chance alone reaches 4 now and then."""
NEARLY = 2.0
"""Places whose log likelihood is less by no more than this may be the onset as well."""
LEAST_BEFORE = 3
"""Of fewer units before a place nobody knows what was usual."""


@dataclass(frozen=True)
class Onset:
    """When the first bad unit after the change was, and between which times the change was; all in
    the unit of the times that were given."""

    at: int
    earliest: int
    latest: int

    @property
    def width(self) -> int:
        return self.latest - self.earliest

    def apart(self, other: Onset) -> int:
        """How far the spans of two onsets are from each other; 0 where they overlap."""
        return max(0, self.earliest - other.latest, other.earliest - self.latest)


def onset_of(bad: Iterable[int], fine: Iterable[int]) -> Onset | None:
    """The onset of what is bad, given the times of the bad and the fine units."""
    units = sorted([(time, True) for time in bad] + [(time, False) for time in fine])
    n, k = len(units), sum(is_bad for _, is_bad in units)
    unchanged = _likelihood(k, n)
    gains: list[tuple[int, float]] = []
    before = 0
    for place, (_, is_bad) in enumerate(units):
        if place >= LEAST_BEFORE and (k - before) * place > before * (n - place):
            changed = _likelihood(before, place) + _likelihood(k - before, n - place)
            gains.append((place, changed - unchanged))
        before += is_bad
    best, most = max(gains, key=lambda gain: gain[1], default=(0, 0.0))
    if most < LEAST_EVIDENCE:
        return None
    places = [place for place, gain in gains if gain >= most - NEARLY]
    return Onset(units[best][0], units[places[0] - 1][0], units[places[-1]][0])


def _likelihood(k: int, n: int) -> float:
    """The log likelihood of ``k`` of ``n`` under the share that fits best."""
    return sum(part * math.log(part / n) for part in (k, n - k) if part)
