"""Since when a share is what it is now: the last time that it rose, in counts by steps of time.

Of every step it is asked how much likelier the counts from there on are under the share of now than
under the share of before; the step from which this is most is the onset (a cumulative sum, looked
at from its end). Both shares are then those on the two sides of the onset, and it is asked again.
Earlier times at which the same was wrong, and was over, do not hide when it began this time. Where
there is the time of every single unit, and one change in it, see ``tgt.stats.onset``.

Source: Page, Continuous inspection schemes, Biometrika 41 (1954).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

LEAST_EVIDENCE = 4.5
"""Log likelihood by which a rise must explain the counts better than none."""
NEARLY = 2.0
"""Steps whose log likelihood is less by no more than this may be the onset as well."""
_ROUNDS = 4

Counts = tuple[float, float]
"""How many are bad of how many."""


@dataclass(frozen=True)
class Rise:
    """The steps between which a share rose: after the end of ``after`` (-1: before the first), at
    the latest in ``latest``; most likely in ``step``."""

    step: int
    after: int
    latest: int


def rise_of(course: Mapping[int, Counts], now: int) -> Rise | None:
    """The last rise of a share, given the counts by step and the first step that is surely bad;
    None where the share is now what it was before, or nothing is known of before."""
    steps = sorted(step for step, (_, units) in course.items() if units)
    split = now
    found: Rise | None = None
    for _ in range(_ROUNDS):
        usual = _share([course[step] for step in steps if step < split])
        high = _share([course[step] for step in steps if step >= split])
        if usual is None or high is None or high <= usual:
            return None
        found = _last_rise(steps, course, usual, high)
        if found is None or found.step == split:
            break
        split = found.step
    return found


def _last_rise(
    steps: list[int], course: Mapping[int, Counts], usual: float, high: float
) -> Rise | None:
    for_bad, for_good = math.log(high / usual), math.log((1 - high) / (1 - usual))
    sums: list[float] = [0.0] * len(steps)
    total = 0.0
    for place in range(len(steps) - 1, -1, -1):
        bad, units = course[steps[place]]
        total += bad * for_bad + (units - bad) * for_good
        sums[place] = total
    best = max(range(len(steps)), key=sums.__getitem__)
    if best == 0 or sums[best] < LEAST_EVIDENCE:
        return None
    latest = max(place for place in range(best, len(steps)) if sums[place] >= sums[best] - NEARLY)
    return Rise(steps[best], steps[best - 1], steps[latest])


def _share(counts: list[Counts]) -> float | None:
    """The share of all together, which is never none or all of them; None of nothing."""
    units = sum(each for _, each in counts)
    return (sum(bad for bad, _ in counts) + 0.5) / (units + 1) if units else None
