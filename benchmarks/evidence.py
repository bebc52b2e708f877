"""How soon a change can be known at all, and how soon the rules know it.

Other benchmarks run tgt over written logs, which takes minutes a week. Here are only the numbers
that an analyzer would get: how many conversations used something in each quarter of an hour and how
many of them failed, or how long calls took. So hundreds of weeks take seconds, and rules can be
compared before they are built in. Beside the rule stands the bound: a detector that knows both the
usual and the bad share (or latency) exactly, adds up the evidence from every time at which the
change may have begun (Shiryaev and Roberts), and raises as many false alarms. No rule can be much
faster.

    python -m benchmarks.evidence --subjects 200

The rules are those of ``tgt.stats`` with the windows and odds of the analyzers. A card needs more
than these numbers (five errors, three conversations), so this is the rule's own share of the delay.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaln

from benchmarks import bound
from tgt.analyzers import error_spike, performance
from tgt.stats import distributions
from tgt.stats.calibration import calibrated
from tgt.stats.confidence import Usual, prior_of, risen_above, usual_share
from tgt.stats.location import larger_by, usual_location

Array = NDArray[np.float64]

QUARTERS = 4
HISTORY_H = 168
BEFORE_H = 1
"""The change comes so long after the first run that could see it."""
NULL_H = 168
AGAIN_H = 24
"""Alarms of one subject are one card if they are no further apart."""
GATE = 0.7
LEAST_FAILING = 3
_UNKNOWN = math.inf


@dataclass(frozen=True)
class Shares:
    """So many units an hour of which a share fails, or ``times`` that share in a fault."""

    per_hour: float
    share: float
    times: float = 1.0
    wave: float = 0.0
    """How far the share swings around itself (logarithm), in hours of no period."""

    @property
    def name(self) -> str:
        swings = ", swinging" if self.wave else ""
        times = f" x{self.times:g}" if self.times > 1 else ""
        return f"{self.share:.0%} of {self.per_hour:g} an hour{times}{swings}"

    def draw(self, chance: np.random.Generator, hours: int, subjects: int) -> tuple[Array, Array]:
        """Units and failing ones by subject and quarter of an hour, with the history before."""
        steps = QUARTERS * (HISTORY_H + hours)
        at = np.arange(steps) / QUARTERS + chance.uniform(0, 1000, (subjects, 1))
        swing = np.exp(self.wave * (np.sin(0.9 * at) + 0.7 * np.sin(2.3 * at)))
        bad = np.arange(steps) >= QUARTERS * (HISTORY_H + BEFORE_H)
        share = np.clip(self.share * swing * np.where(bad, self.times, 1.0), 0, 0.98)
        units = chance.poisson(self.per_hour / QUARTERS, (subjects, steps))
        return units.astype(float), chance.binomial(units, share).astype(float)

    def bound(self, units: Array, failing: Array) -> Array:
        """The log likelihood ratio of every step, all known."""
        good = math.log((1 - self.share * self.times) / (1 - self.share))
        return failing * math.log(self.times) + (units - failing) * good


def windows(first: int) -> list[tuple[int, float]]:
    """Where the windows of a run begin that ends at a step, and their odds beforehand."""
    hours = {1: first - QUARTERS}
    hours |= {h: (first - QUARTERS * h) // QUARTERS * QUARTERS for h in error_spike.WINDOWS_H}
    return [(start, prior_of((first - start) / QUARTERS, 1.0)) for start in hours.values()]


def confidences(units: Array, failing: Array) -> Array:
    """What ``error_spike`` says at every step after the history, as ``tgt.stats`` does."""
    return stated(findings(units, failing)[0])


def stated(sure: Array) -> Array:
    """``tgt.stats.calibration.calibrated`` for many at once."""
    return np.array([calibrated(each) for each in sure.flat]).reshape(sure.shape)


def findings(units: Array, failing: Array) -> tuple[Array, NDArray[np.int_]]:
    """How sure the model is at every step after the history, before that is calibrated, and since
    which step the window is that shows it best."""
    n, k = (np.pad(np.cumsum(each, 1), ((0, 0), (1, 0))) for each in (units, failing))
    by_hour = [np.diff(each[:, ::QUARTERS], axis=1) for each in (k, n)]
    usual: dict[int, list[Usual]] = {}

    def learn(hour: int) -> list[Usual]:
        if hour not in usual:
            some = [each[:, max(0, hour - HISTORY_H) : hour] for each in by_hour]
            usual[hour] = [usual_share(zip(*rows, strict=True)) for rows in zip(*some, strict=True)]
        return usual[hour]

    multiplier = error_spike.MULTIPLIER.default
    steps = range(QUARTERS * HISTORY_H + 1, units.shape[1] + 1)
    best = np.zeros((units.shape[0], len(steps)))
    since = np.zeros(best.shape, dtype=int)
    for place, step in enumerate(steps):
        for start, odds in windows(step):
            known = learn(start // QUARTERS)
            share = np.array([each.share for each in known])
            a, b = np.array([each.beta for each in known]).T
            of, bad = n[:, step] - n[:, start], k[:, step] - k[:, start]
            fires = (bad >= LEAST_FAILING) & (bad > multiplier * share * of)
            line = np.minimum(math.sqrt(multiplier) * share, 1 - 1e-9)
            sure = risen(bad, of, line, a, b, odds * error_spike.A_HOUR)
            if step - start == QUARTERS:
                half = step - int(error_spike.HALF * QUARTERS)
                of, bad = n[:, step] - n[:, half], k[:, step] - k[:, half]
                prior = odds * error_spike.A_HOUR * error_spike.HALF_WEIGHT
                later = risen(bad, of, line, a, b, prior)
                sure = np.where(bad > multiplier * share * of, np.maximum(sure, later), sure)
            is_surer = fires & (sure > best[:, place])
            best[:, place] = np.where(is_surer, sure, best[:, place])
            since[:, place] = np.where(is_surer, start, since[:, place])
    return best, since


def risen(k: Array, n: Array, line: Array, a: Array, b: Array, prior: float) -> Array:
    """``tgt.stats.confidence.risen_above`` for many at once; ``a`` and ``b`` are of the usual."""
    changed = _log_beta(k + 0.5, n - k + 0.5) - _log_beta(0.5, 0.5)
    log_odds = (
        changed - _log_beta(k + a, n - k + b) + _log_beta(a, b) + math.log(prior / (1 - prior))
    )
    over: Array = 1 - betainc(k + 0.5, n - k + 0.5, line)
    sure: Array = over / (1 + np.exp(-np.clip(log_odds, -500, 500)))
    return sure


def _log_beta(a: Array | float, b: Array | float) -> Array:
    result: Array = gammaln(a) + gammaln(b) - gammaln(np.add(a, b))
    return result


@dataclass(frozen=True)
class Latencies:
    """So many calls an hour, whose logarithms scatter by ``sigma``, or take ``times`` as long."""

    per_hour: float
    sigma: float
    times: float = 1.0

    @property
    def name(self) -> str:
        times = f" x{self.times:g}" if self.times > 1 else ""
        return f"scatter {self.sigma:g}, {self.per_hour:g} an hour{times}"

    def draw(self, chance: np.random.Generator, hours: int) -> list[Array]:
        """The logarithms of latencies by the quarter of an hour."""
        bad = QUARTERS * (HISTORY_H + BEFORE_H)
        counts = chance.poisson(self.per_hour / QUARTERS, QUARTERS * (HISTORY_H + hours))
        slower = math.log(self.times)
        return [
            chance.normal(slower if step >= bad else 0.0, self.sigma, count)
            for step, count in enumerate(counts)
        ]

    def bound(self, values: list[Array]) -> Array:
        slower = math.log(self.times)
        return np.array([(slower * v - slower**2 / 2).sum() / self.sigma**2 for v in values])


def slow(values: list[Array]) -> Array:
    """What ``performance`` says of all calls at every step after the history."""
    hours = [values[at : at + QUARTERS] for at in range(0, QUARTERS * HISTORY_H, QUARTERS)]
    histograms = [_histogram(np.concatenate(each)) for each in hours]
    before = distributions.merge(histograms)
    threshold = performance.THRESHOLD.default
    factor = math.sqrt(threshold)
    median, p95 = (distributions.quantile(before, share) or 1.0 for share in (0.5, 0.95))
    where = usual_location(before, histograms, 1.0)
    above = [distributions.count_above(each, factor * median) for each in histograms]
    sizes = map(float, map(distributions.size, histograms))
    usual = usual_share(zip(above, sizes, strict=True))
    sure = []
    for step in range(QUARTERS * HISTORY_H + 1, len(values) + 1):
        best = 0.0
        for start, odds in windows(step):
            inside = np.concatenate(values[start:step])
            if len(inside) < performance.MIN_CALLS:
                continue
            now = _histogram(inside)
            if (distributions.quantile(now, 0.95) or 0.0) <= threshold * p95:
                continue
            count = distributions.count_above(now, factor * median)
            prior = odds * performance.A_HOUR
            best = max(best, risen_above(count, len(inside), 0.5, usual, prior))
            if 2 * count > len(inside):
                best = max(best, larger_by(now, where, factor, prior, 1.0))
        sure.append(best)
    return np.array(sure)


def _histogram(logs: Array) -> dict[int, int]:
    buckets, counts = np.unique(
        np.floor((logs + 5) / math.log(distributions.BASE)), return_counts=True
    )
    return {int(bucket): int(count) for bucket, count in zip(buckets, counts, strict=True)}


def alarms(sure: Array) -> int:
    """How many cards there would be of all subjects."""
    cards = 0
    for seen in sure >= GATE:
        steps = np.flatnonzero(seen)
        if len(steps):
            cards += 1 + int((np.diff(steps) > QUARTERS * AGAIN_H).sum())
    return cards


def delays(is_seen: NDArray[np.bool_]) -> Array:
    """How many minutes after it began each change was seen, that begins evenly between two runs."""
    after = is_seen[:, QUARTERS * BEFORE_H :]
    minutes = 60 / QUARTERS * (after.argmax(1) + 0.5)
    return np.where(after.any(1), minutes, _UNKNOWN)


def known(ratios: Array, a_week: float, faults: Array | None = None) -> NDArray[np.bool_]:
    """When the detector that knows everything sees each change, with so many false alarms a week:
    its statistic has the mean t after t steps without one. ``faults`` are ratios in a fault, if the
    others are not, from which it is known how far a step carries it beyond its limit."""
    steps = QUARTERS * 168 / a_week
    told = weighed(ratios)
    in_faults = told if faults is None else weighed(faults)
    seen: NDArray[np.bool_] = told >= math.log(steps * bound.overshoot(in_faults.tolist()))
    return seen


def weighed(ratios: Array) -> Array:
    """The logarithm of the evidence from every step at which the change may have begun."""
    total, courses = np.full(ratios.shape[0], -np.inf), []
    for step in range(ratios.shape[1]):
        total = np.logaddexp(0.0, total) + ratios[:, step]
        courses.append(total)
    return np.array(courses).T


def row(name: str, some: Array, best: Array) -> str:
    def told(minutes: Array) -> str:
        quantiles = np.quantile(minutes, [0.5, 0.9], method="inverted_cdf")
        half, most = (f"{each:.0f}" if math.isfinite(each) else "-" for each in quantiles)
        return f"{np.isfinite(minutes).mean():>8.0%}{half:>8}{most:>8}"

    return f"{name:<32}{told(some)}   |{told(best)}"


HEALTHY = (
    *(Shares(24, 0.04), Shares(2, 0.04), Shares(10, 0.03), Shares(20, 0.35)),
    *(Shares(24, 0.04, wave=0.3), Shares(2, 0.04, wave=0.3)),
)
FAULTS = (
    *(Shares(24, 0.04, times) for times in (3, 5, 8, 20)),
    *(Shares(10, 0.03, times) for times in (5, 10)),
    *(Shares(2, 0.04, times) for times in (3, 5, 8)),
)
CALM = (Latencies(23, 0.5), Latencies(23, 1.2), Latencies(3, 0.5))
SLOW = (
    *(Latencies(23, 0.5, times) for times in (1.5, 2, 3)),
    *(Latencies(23, 1.2, times) for times in (2, 3)),
    Latencies(3, 0.5, 2),
)


def _report(
    title: str,
    healthy: list[tuple[str, int]],
    weeks: int,
    faults: Callable[[float], list[str]],
) -> None:
    total = sum(count for _, count in healthy)
    print(f"\n{title:<32}{'false alarms a subject-week':>28}")
    for name, count in healthy:
        print(f"{name:<32}{count / weeks:>28.3f}")
    a_week = max(total, 1) / (weeks * len(healthy))
    head = "".join(f"{word:>8}" for word in ("seen", "median", "9 of 10"))
    print(f"\n{'change, minutes':<32}{head}   |{head}  (all known)")
    print("\n".join(faults(a_week)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--subjects", type=int, default=100, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, subjects = np.random.default_rng(options.seed), options.subjects
    weeks = subjects * NULL_H // 168

    def of_shares(a_week: float) -> list[str]:
        rows = []
        for fault in FAULTS:
            units, failing = fault.draw(
                chance, BEFORE_H + (24 if fault.per_hour < 5 else 6), subjects
            )
            since = QUARTERS * HISTORY_H
            best = known(fault.bound(units, failing)[:, since:], a_week)
            rows.append(row(fault.name, delays(confidences(units, failing) >= GATE), delays(best)))
        return rows

    def of_latencies(a_week: float) -> list[str]:
        rows = []
        for fault in SLOW:
            drawn = [fault.draw(chance, BEFORE_H + 6) for _ in range(max(1, subjects // 4))]
            since = QUARTERS * HISTORY_H
            best = known(np.array([fault.bound(each)[since:] for each in drawn]), a_week)
            sure = np.array([slow(each) for each in drawn])
            rows.append(row(fault.name, delays(sure >= GATE), delays(best)))
        return rows

    told = [
        (each.name, alarms(confidences(*each.draw(chance, NULL_H, subjects)))) for each in HEALTHY
    ]
    _report("failing shares", told, weeks, of_shares)
    few = max(1, subjects // 10)
    told = [
        (each.name, alarms(np.array([slow(each.draw(chance, NULL_H)) for _ in range(few)])))
        for each in CALM
    ]
    _report("latencies of all calls", told, few, of_latencies)


if __name__ == "__main__":
    main()
