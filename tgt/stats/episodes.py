"""Which hours of a history are not what is usual: an outage, after which things were as before.

An outage that nobody had a card of would make the next one look usual. It is known by what the
better days show: an episode of hours that are far worse than these, which the other hours cannot
explain. What comes three times or more in a history, or fills much of it, is usual there, and
stays. Pure functions of counts by the hour; no clock, no I/O.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from tgt.stats.confidence import DISPERSION_PRIOR, negative_binomial_tail, usual_share

Hours = Mapping[int, tuple[float, float]]
"""How many are bad of how many, by the clock hour."""

DAY_HOURS = 24
LEAST_DAYS = 3
"""Of fewer nobody knows which are the good ones."""
TIMES = 3.0
UNLIKELY_HOUR, UNLIKELY_EPISODE = 1e-3, 1e-6
GAP_HOURS = 2
"""Hours of one episode are at most so far apart."""
MOST_EPISODES, MOST_OF_ALL = 2, 0.25


def unusual(hours: Hours) -> frozenset[int]:
    """The hours of outages; empty where there was none, or where they are usual."""
    seen = {hour: each for hour, each in sorted(hours.items()) if each[1] > 0}
    good = _share_of_better_days(seen)
    if good is None:
        return frozenset()
    bad = [hour for hour, (k, n) in seen.items() if k > TIMES * good * n and _is_odd(k, good * n)]
    spans = _episodes(bad)
    if not 0 < len(spans) <= MOST_EPISODES:
        return frozenset()
    inside = {hour for hour in seen if any(first <= hour <= last for first, last in spans)}
    rest = usual_share(each for hour, each in seen.items() if hour not in inside)
    size = 1 / rest.dispersion
    outages = []
    for first, last in spans:
        counts = [each for hour, each in seen.items() if first <= hour <= last]
        k, n = (sum(numbers) for numbers in zip(*counts, strict=True))
        if negative_binomial_tail(k, rest.share * n, size) < UNLIKELY_EPISODE:
            outages.append((first, last))
    out = frozenset(h for h in seen if any(first <= h <= last for first, last in outages))
    return out if len(out) <= MOST_OF_ALL * len(seen) else frozenset()


def is_rising(hours: Hours, end: int, days: int, now: float) -> bool:
    """Whether each of so many days before an hour was worse than the one before it, the first of
    them worse than all hours before, and ``now`` is worse than the last."""
    edges = [end - DAY_HOURS * back for back in range(days, -1, -1)]
    spans = [(min(hours, default=end), edges[0]), *itertools.pairwise(edges)]
    shares = [_share(hours, range(*span)) for span in spans]
    steps = [*shares, now]
    return all(
        before is not None and after is not None and before < after
        for before, after in itertools.pairwise(steps)
    )


def _is_odd(k: float, expected: float) -> bool:
    return negative_binomial_tail(k, expected, 1 / DISPERSION_PRIOR) < UNLIKELY_HOUR


def _share_of_better_days(seen: Hours) -> float | None:
    """The share on the days on which it was lowest, as many as have half of all."""
    if not any(k for k, _ in seen.values()):
        return None
    last = max(seen)
    days: dict[int, list[float]] = {}
    for hour, (k, n) in seen.items():
        day = days.setdefault((last - hour) // DAY_HOURS, [0.0, 0.0])
        day[0], day[1] = day[0] + k, day[1] + n
    if len(days) < LEAST_DAYS:
        return None
    half, k, n = sum(of for _, of in days.values()) / 2, 0.0, 0.0
    for bad, of in sorted(days.values(), key=lambda day: day[0] / day[1]):
        k, n = k + bad, n + of
        if n >= half:
            break
    return (k + 0.5) / (n + 1)


def _episodes(bad: Sequence[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for hour in bad:
        if spans and hour - spans[-1][1] <= GAP_HOURS:
            spans[-1] = (spans[-1][0], hour)
        else:
            spans.append((hour, hour))
    return spans


def _share(hours: Hours, among: Collection[int]) -> float | None:
    counts = [each for hour, each in hours.items() if hour in among]
    n = sum(each for _, each in counts)
    return sum(k for k, _ in counts) / n if n else None
