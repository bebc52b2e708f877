"""What is usual at this time of the day, or of the week, where that is worse than at others.

A job that fails every night at three is no news at three. Where the same hours of most days before
(of the weeks before, if there are four) were worse than the others beyond chance, they alone are
what a window is compared with; else all hours are, since few hours say little. Pure; no clock.
"""

from __future__ import annotations

from collections.abc import Mapping

from tgt.stats.confidence import negative_binomial_tail, usual_share
from tgt.stats.episodes import Hours

LONGEST_H = 9
"""What covers much of a day has little rhythm left."""
PERIODS_H = ((168, 4), (24, 5))
"""After so many hours something may come again, if that is known of so many times."""
WORSE = 1.5
MOSTLY = 0.7
UNLIKELY = 1e-3


def at_this_time(hours: Hours, first: int, last: int) -> Mapping[int, tuple[float, float]] | None:
    """The hours that are what is usual from one clock hour to another, if there is a rhythm."""
    if last - first >= LONGEST_H:
        return None
    for period, least in PERIODS_H:
        same = {h: each for h, each in hours.items() if (h - first) % period <= last - first}
        if _is_worse(same, hours, period, first, least):
            return same
    return None


def _is_worse(same: Hours, hours: Hours, period: int, first: int, least: int) -> bool:
    times: dict[int, list[float]] = {}
    for hour, (k, n) in same.items():
        if n > 0:
            time = times.setdefault((hour - first) // period, [0.0, 0.0])
            time[0], time[1] = time[0] + k, time[1] + n
    if len(times) < least:
        return False
    rest = usual_share(each for hour, each in hours.items() if hour not in same)
    worse = sum(k > WORSE * rest.share * n for k, n in times.values())
    if worse < MOSTLY * len(times):
        return False
    k, n = (sum(numbers) for numbers in zip(*times.values(), strict=True))
    return negative_binomial_tail(k, rest.share * n, 1 / rest.dispersion) < UNLIKELY
