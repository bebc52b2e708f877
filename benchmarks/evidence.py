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
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaln

from benchmarks import bound, worlds
from tgt.analyzers import error_spike, performance
from tgt.analyzers.base import HALF
from tgt.analyzers.shift import FAR_CONVERSATIONS, FEWEST_CONVERSATIONS, large_conversations
from tgt.engine.protocol import Spread
from tgt.stats import distributions
from tgt.stats.calibration import RISEN, calibrated
from tgt.stats.confidence import (
    END_WEIGHT,
    Clusters,
    Usual,
    prior_of,
    probability_of_change,
    risen_above,
    share_above,
    shrunk_design_effect,
    tail_above,
    usual_share,
)
from tgt.stats.location import Usual as UsualLocation
from tgt.stats.location import larger_at_end, larger_by, usual_location

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
HEAP, HEAP_TIMES = 100, 3.0
"""How many calls a conversation has now and then that does the same slow thing again and again."""
PAUSE_MIN = 0.4
"""From one call of a conversation to the next."""
_SIZES = 1.0
"""How far the numbers of calls of conversations scatter (logarithm)."""


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
        bad = np.arange(QUARTERS * (HISTORY_H + hours)) >= QUARTERS * (HISTORY_H + BEFORE_H)
        share = self.shares(chance, np.where(bad, self.times, 1.0), subjects)
        units = chance.poisson(self.per_hour / QUARTERS, share.shape)
        return units.astype(float), chance.binomial(units, share).astype(float)

    def shares(self, chance: np.random.Generator, times: Array, subjects: int) -> Array:
        """The true share by subject and quarter of an hour, where it is so many times the usual."""
        at = np.arange(times.shape[-1]) / QUARTERS + chance.uniform(0, 1000, (subjects, 1))
        swing = np.exp(self.wave * (np.sin(0.9 * at) + 0.7 * np.sin(2.3 * at)))
        share: Array = np.clip(self.share * swing * times, 0, 0.98)
        return share

    def bound(self, units: Array, failing: Array) -> Array:
        """The log likelihood ratio of every step, all known."""
        good = math.log((1 - self.share * self.times) / (1 - self.share))
        return failing * math.log(self.times) + (units - failing) * good


def windows(first: int, longer: Sequence[int]) -> list[tuple[int, float]]:
    """Where the windows of a run begin that ends at a step, and their odds beforehand."""
    hours = {1: first - QUARTERS}
    hours |= {h: (first - QUARTERS * h) // QUARTERS * QUARTERS for h in longer}
    return [(start, prior_of((first - start) / QUARTERS, 1.0)) for start in hours.values()]


def confidences(units: Array, failing: Array) -> Array:
    """What ``error_spike`` says at every step after the history, as ``tgt.stats`` does."""
    return stated(findings(units, failing)[0])


def stated(sure: Array, shift: Array | float = RISEN) -> Array:
    """``tgt.stats.calibration.calibrated`` for many at once."""
    shifts = np.broadcast_to(shift, sure.shape)
    told = map(calibrated, sure.ravel().tolist(), shifts.ravel().tolist())
    return np.array(list(told)).reshape(sure.shape)


def findings(units: Array, failing: Array) -> tuple[Array, NDArray[np.int_]]:
    """How sure the model is at every step after the history, before that is calibrated, and since
    which step the window is that shows it best."""
    n, k = (np.pad(np.cumsum(each, 1), ((0, 0), (1, 0))) for each in (units, failing))
    by_hour = [np.diff(each[:, ::QUARTERS], axis=1) for each in (k, n)]
    usual: dict[tuple[int, int], Usual] = {}

    def learn(subject: int, hour: int) -> Usual:
        if (subject, hour) not in usual:
            rows = (each[subject, max(0, hour - HISTORY_H) : hour] for each in by_hour)
            usual[subject, hour] = usual_share(zip(*rows, strict=True))
        return usual[subject, hour]

    multiplier = error_spike.MULTIPLIER.default
    steps = range(QUARTERS * HISTORY_H + 1, units.shape[1] + 1)
    best = np.zeros((units.shape[0], len(steps)))
    since = np.zeros(best.shape, dtype=int)
    for place, step in enumerate(steps):
        for start, odds in windows(step, error_spike.WINDOWS_H):
            of, bad = n[:, step] - n[:, start], k[:, step] - k[:, start]
            end = start // QUARTERS * QUARTERS
            first = max(0, end - QUARTERS * HISTORY_H)
            share = (k[:, end] - k[:, first] + 0.5) / (n[:, end] - n[:, first] + 1)
            some = np.flatnonzero((bad >= LEAST_FAILING) & (bad > multiplier * share * of))
            if not len(some):
                continue
            # How much the share varies takes long to learn.
            known = [learn(int(subject), end // QUARTERS) for subject in some]
            share = share[some]
            a, b = np.array([each.beta for each in known]).T
            line = np.minimum(math.sqrt(multiplier) * share, 1 - 1e-9)
            sure = risen(bad[some], of[some], line, a, b, odds * error_spike.A_HOUR)
            if step - start == QUARTERS:
                half = step - int(HALF * QUARTERS)
                of, bad = (each[some, step] - each[some, half] for each in (n, k))
                prior = odds * error_spike.A_HOUR * END_WEIGHT
                later = risen(bad, of, line, a, b, prior)
                sure = np.where(bad > multiplier * share * of, np.maximum(sure, later), sure)
            is_surer = sure > best[some, place]
            best[some[is_surer], place] = sure[is_surer]
            since[some[is_surer], place] = start
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
class Week:
    """Calls in the order of the quarters of an hour: the logarithms of how long they took, in which
    conversation, of how many calls, each was, and which is the first of every quarter."""

    logs: Array
    conversations: NDArray[np.int_]
    together: NDArray[np.int_]
    starts: NDArray[np.int_]

    @property
    def steps(self) -> int:
        return len(self.starts) - 1

    def inside(self, first: int, end: int) -> slice:
        """The calls from the quarter ``first`` up to ``end``."""
        return slice(int(self.starts[first]), int(self.starts[end]))

    @cached_property
    def _buckets(self) -> tuple[int, NDArray[np.int_]]:
        """The lowest bucket, and how many calls of each there are up to every quarter."""
        found = np.floor((self.logs + 5) / math.log(distributions.BASE)).astype(int)
        lowest = int(found.min(initial=0))
        at = np.repeat(np.arange(self.steps), np.diff(self.starts))
        counts = np.zeros((self.steps + 1, int(found.max(initial=0)) - lowest + 1), dtype=int)
        np.add.at(counts, (at + 1, found - lowest), 1)
        return lowest, counts.cumsum(0)

    def p95_bucket(self, first: int, end: int) -> float:
        """The bucket in which the p95 of the calls is."""
        lowest, upto = self._buckets
        seen = (upto[end] - upto[first]).cumsum()
        return lowest + int(np.searchsorted(seen, 0.95 * seen[-1]))

    def histogram(self, first: int, end: int) -> dict[int, int]:
        lowest, upto = self._buckets
        counts = upto[end] - upto[first]
        return {int(at) + lowest: int(counts[at]) for at in np.flatnonzero(counts)}

    def clusters(self, first: int, end: int, line: float) -> Clusters:
        """How the calls beyond a line (in ms, as the histogram has them) are spread."""
        _, n, k = self._spread(first, end, line)
        sums = (n.sum(), k.sum(), n @ n, n @ k, k @ k)
        return Clusters(float(len(n)), *map(float, sums))

    def spread(self, first: int, end: int, line: float) -> Spread:
        """The same as an engine tells it."""
        names, n, k = self._spread(first, end, line)
        usual = int(np.sort(n)[(len(n) - 1) // 2]) if len(n) else 0
        order = [at for at in np.argsort(-k, kind="stable") if k[at]]
        largest = {int(names[at]): int(k[at]) for at in order}
        return Spread(len(n), int(n.sum()), usual, largest)

    def _spread(self, first: int, end: int, line: float) -> tuple[NDArray[np.int_], Array, Array]:
        """Which conversations have how many calls, and how many beyond a line."""
        some = self.inside(first, end)
        names, of = np.unique(self.conversations[some], return_inverse=True)
        is_beyond = (self.logs[some] + 5 > math.log(line)).astype(float)
        n, k = np.bincount(of).astype(float), np.bincount(of, weights=is_beyond).astype(float)
        return names, n, k

    def units(self, first: int, end: int, line: float) -> int:
        """In how many conversations any call is beyond a line."""
        some = self.inside(first, end)
        is_beyond = self.logs[some] + 5 > (math.log(line) if line else -math.inf)
        return len(np.unique(self.conversations[some][is_beyond]))

    def left(self, first: int, end: int, without: Collection[int]) -> Week:
        """Those quarters alone, without some conversations; the others have no calls."""
        some = self.inside(first, end)
        is_left = ~np.isin(self.conversations[some], list(without))
        upto = np.concatenate([[0], np.cumsum(is_left)])
        starts = upto[np.clip(self.starts - some.start, 0, some.stop - some.start)]
        return Week(
            self.logs[some][is_left],
            self.conversations[some][is_left],
            self.together[some][is_left],
            starts,
        )


@dataclass(frozen=True)
class Latencies:
    """So many calls an hour, whose logarithms scatter by ``sigma``, or take ``times`` as long.

    There are ``each`` of them in a conversation, in a few many more; of the variance of their
    logarithms a part is that between conversations: so much are they ``alike``. A share of the
    conversations are ``heaps``: HEAP calls, all of them HEAP_TIMES as slow. With a ``tail`` a tenth
    of the calls takes so many times the usual p95 instead.
    """

    per_hour: float
    sigma: float
    times: float = 1.0
    each: float = 1.0
    alike: float = 0.0
    heaps: float = 0.0
    tail: float = 0.0

    @property
    def name(self) -> str:
        told = f"scatter {self.sigma:g}, {self.per_hour:g} an hour"
        told += f" x{self.times:g}" if self.times > 1 else ""
        told += f" tail x{self.tail:g}" if self.tail else ""
        told += f", {self.each:g} alike" if self.alike else ""
        return told + (", heaps" if self.heaps else "")

    def draw(
        self,
        chance: np.random.Generator,
        hours: int,
        bad: tuple[float, float] = (QUARTERS * (HISTORY_H + BEFORE_H), math.inf),
    ) -> Week:
        """The calls of a history and of so many hours after it, slower from one quarter of an hour
        up to another one."""
        steps = QUARTERS * (HISTORY_H + hours)
        begun = chance.poisson(self.per_hour / self.each / QUARTERS, steps)
        sizes = np.ones(begun.sum(), dtype=int)
        if self.each > 1:
            further = math.log(self.each - 1) - _SIZES**2 / 2
            sizes += np.rint(chance.lognormal(further, _SIZES, len(sizes))).astype(int)
        is_heap = chance.random(len(sizes)) < self.heaps
        sizes[is_heap] = HEAP
        own = chance.normal(0.0, self.sigma * math.sqrt(self.alike), len(sizes))
        own += math.log(HEAP_TIMES) * is_heap
        call = np.repeat(np.arange(len(sizes)), sizes)
        place = np.arange(len(call)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        start = np.repeat(np.arange(steps), begun) + chance.random(len(sizes))
        at = np.floor(start[call] + place * PAUSE_MIN * QUARTERS / 60).astype(int)
        is_bad = (bad[0] <= at) & (at < bad[1])
        logs = own[call] + math.log(self.times) * is_bad
        logs += chance.normal(0.0, self.sigma * math.sqrt(1 - self.alike), len(call))
        if self.tail:
            in_tail = is_bad & (chance.random(len(call)) < worlds.TAIL_SHARE)
            far = chance.normal(self._tail, worlds.TAIL_SIGMA, len(call))
            logs = np.where(in_tail, far, logs)
        order = np.argsort(at, kind="stable")
        starts = np.searchsorted(at[order], np.arange(steps + 1))
        order = order[: starts[-1]]
        return Week(logs[order], call[order], sizes[call][order], starts)

    @property
    def _tail(self) -> float:
        return math.log(self.tail) + 1.645 * self.sigma

    def bound(self, week: Week) -> Array:
        """The log likelihood ratio of every step, all known; in a tail no calls are alike."""
        if self.tail:
            usual = _normal(week.logs, 0.0, self.sigma)
            far = _normal(week.logs, self._tail, worlds.TAIL_SIGMA)
            ratios = np.log(1 - worlds.TAIL_SHARE + worlds.TAIL_SHARE * far / usual)
        else:
            slower = math.log(self.times)
            variance = self.sigma**2 * (1 - self.alike + self.alike * week.together)
            ratios = (slower * week.logs - slower**2 / 2) / variance
        return np.diff(np.concatenate([[0.0], np.cumsum(ratios)])[week.starts])


def _normal(values: Array, mean: float, sigma: float) -> Array:
    density: Array = np.exp(-(((values - mean) / sigma) ** 2) / 2) / sigma
    return density


@dataclass(frozen=True)
class Rule:
    """What is looked at beside whole windows: their ``ends``, which are such parts of an hour, and
    calls ``far`` out, at these powers of the threshold.
    ``by_call`` counts ends as if calls of a conversation had nothing to do with each other, and
    where it ``leaves_out`` nothing a large conversation is judged with the others."""

    ends: tuple[float, ...] = performance.ENDS
    far: tuple[float, ...] = performance.FAR
    by_call: bool = False
    leaves_out: bool = True


WHOLE = Rule((), ())
BY_CALL = Rule(far=(), by_call=True, leaves_out=False)
_RULE = Rule()


def _recent(step: int) -> int:
    """Where the clock hour begins in which the run's window does: only from then on conversations
    are known."""
    return (step - QUARTERS) // QUARTERS * QUARTERS


@dataclass(frozen=True)
class _Place(UsualLocation):
    """That of a week, of which is remembered where its values lie if all were so much larger."""

    seen: dict[float, tuple[float, float]]

    def moved(self, buckets: float = 0.0) -> tuple[float, float]:
        if buckets not in self.seen:
            self.seen[buckets] = super().moved(buckets)
        return self.seen[buckets]


class _Slow:
    """Judges the calls of a week."""

    def __init__(self, week: Week, rule: Rule) -> None:
        self.week, self.rule = week, rule
        starts = range(0, QUARTERS * HISTORY_H, QUARTERS)
        self.hours = [week.histogram(at, at + QUARTERS) for at in starts]
        self.before = distributions.merge(self.hours)
        self.sizes = [float(distributions.size(each)) for each in self.hours]
        self.threshold = performance.THRESHOLD.default
        self.factor = math.sqrt(self.threshold)
        self.median, self.p95 = (
            distributions.quantile(self.before, share) or 1.0 for share in (0.5, 0.95)
        )
        self.tolerated = math.log(self.threshold * self.p95) / math.log(distributions.BASE) - 0.5
        self._shares: dict[tuple[float, float], Usual] = {}
        self._places: dict[float, UsualLocation] = {}
        self._moved: dict[float, tuple[float, float]] = {}

    def share(self, line: float, effect: float) -> Usual:
        if (line, effect) not in self._shares:
            above = [distributions.count_above(each, line) for each in self.hours]
            usual = usual_share(zip(above, self.sizes, strict=True), design_effect=effect)
            self._shares[line, effect] = usual
        return self._shares[line, effect]

    def place(self, effect: float = 1.0) -> UsualLocation:
        if effect not in self._places:
            usual = usual_location(self.before, self.hours, effect)
            self._places[effect] = _Place(**vars(usual), seen=self._moved)
        return self._places[effect]

    def effect(self, week: Week, start: int, step: int, line: float) -> float:
        """The design effect, in steps, since what is usual is learned anew for each."""
        clusters = week.clusters(max(start, _recent(step)), step, line)
        return round(shrunk_design_effect(clusters, Clusters()), 1)

    def at(self, step: int) -> tuple[float, int]:
        """How sure it is, and since which step that is which shows it best."""
        widest, seen = step, [(0.0, step)]
        for start, odds in windows(step, performance.WINDOWS_H):
            week = self.left(start, step) if self.is_slow(self.week, start, step) else None
            if week and self.is_slow(week, start, step):
                widest, prior = start, odds * performance.A_HOUR
                looks = (self.of_all, self.of_tail)
                seen += [(look(week, start, step, prior), start) for look in looks]
        ends = [step - int(QUARTERS * part) for part in self.rule.ends]
        seen += [(self.of_end(start, step), start) for start in ends if start > widest]
        if widest < step:
            seen += [(self.of_far(step, power), _recent(step)) for power in self.rule.far]
        return max(seen, key=lambda each: each[0])

    def is_slow(self, week: Week, start: int, step: int) -> bool:
        n = int(week.starts[step] - week.starts[start])
        return n >= performance.MIN_CALLS and week.p95_bucket(start, step) > self.tolerated

    def left(self, start: int, step: int) -> Week | None:
        """The calls of a window without those of the large conversations; None if those of too few
        are left."""
        spread = self.week.spread(start, step, self.factor * self.p95)
        large = large_conversations(spread) if self.rule.leaves_out else frozenset()
        if self.rule.leaves_out and spread.conversations - len(large) < FEWEST_CONVERSATIONS:
            return None
        return self.week.left(start, step, large) if large else self.week

    def of_all(self, week: Week, start: int, step: int, prior: float) -> float:
        now, line = week.histogram(start, step), self.factor * self.median
        n, k = distributions.size(now), distributions.count_above(now, line)
        effect = self.effect(week, start, step, line)
        sure = risen_above(k / effect, n / effect, 0.5, self.share(line, effect), prior)
        if 2 * k > n:
            sure = max(sure, larger_by(now, self.place(effect), self.factor, prior, effect))
        return sure

    def of_end(self, start: int, step: int) -> float:
        now, line = self.week.histogram(start, step), self.factor * self.median
        if 2 * distributions.count_above(now, line) <= distributions.size(now):
            return 0.0
        prior = prior_of((step - start) / QUARTERS, performance.A_HOUR)
        if self.rule.by_call:
            return larger_by(now, self.place(), self.factor, prior, 1.0)
        clusters = self.week.clusters(start, step, line)
        return larger_at_end(now, clusters, self.place(), self.factor, prior)

    def of_tail(self, week: Week, start: int, step: int, prior: float) -> float:
        now, line = week.histogram(start, step), self.factor * self.p95
        n, known = distributions.size(now), max(start, _recent(step))
        if n < performance.MIN_TAIL_CALLS:
            return 0.0
        if week.units(known, step, 0) < performance.MIN_TAIL_CONVERSATIONS:
            return 0.0
        effect = self.effect(week, start, step, line)
        k, of = distributions.count_above(now, line) / effect, n / effect
        further = self.threshold * self.p95
        beyond = distributions.count_above(now, further) / effect
        changed = probability_of_change(beyond, of, self.share(further, effect), prior)
        over = share_above(k, of, 0.05)
        return max(risen_above(k, of, 0.05, self.share(line, effect), prior), changed * over)

    def of_far(self, step: int, power: float) -> float:
        start, far = _recent(step), self.threshold**power * self.p95
        units = self.week.units(start, step, far)
        if units < FAR_CONVERSATIONS:
            return 0.0
        beyond = self.week.units(start, step, self.factor * self.p95)
        n = int(self.week.starts[step] - self.week.starts[start])
        prior = prior_of(0, performance.A_HOUR) * performance.FAR_WEIGHT
        return tail_above(units, beyond, n, 0.05, self.share(far, 1.0), prior)


def slow(week: Week, rule: Rule = _RULE) -> Array:
    """What ``performance`` says at every step after the history."""
    return slow_since(week, rule)[0]


def slow_since(week: Week, rule: Rule = _RULE) -> tuple[Array, NDArray[np.int_]]:
    """The same, and since which step the window is that shows it best."""
    judge = _Slow(week, rule)
    steps = range(QUARTERS * HISTORY_H + 1, week.steps + 1)
    sure, since = zip(*(judge.at(step) for step in steps), strict=True)
    return np.array(sure), np.array(since)


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

    return f"{name:<40}{told(some)}   |{told(best)}"


HEALTHY = (
    *(Shares(24, 0.04), Shares(2, 0.04), Shares(10, 0.03), Shares(20, 0.35)),
    *(Shares(24, 0.04, wave=0.3), Shares(2, 0.04, wave=0.3)),
)
FAULTS = (
    *(Shares(24, 0.04, times) for times in (3, 5, 8, 20)),
    *(Shares(10, 0.03, times) for times in (5, 10)),
    *(Shares(2, 0.04, times) for times in (3, 5, 8)),
)
_ALIKE = Latencies(40, 0.8, each=5, alike=0.6)
CALM = (
    *(Latencies(23, 0.5), Latencies(23, 1.2), Latencies(3, 0.5)),
    *(_ALIKE, replace(_ALIKE, heaps=0.01)),
    Latencies(20, 1.2, each=8, alike=0.8, heaps=0.01),
)
SLOW = (
    *(Latencies(23, 0.5, times) for times in (1.5, 2, 3)),
    *(Latencies(23, 1.2, times) for times in (2, 3)),
    Latencies(3, 0.5, 2),
    replace(_ALIKE, times=3),
    *(Latencies(23, 0.5, tail=times) for times in (2, 3)),
)


@dataclass(frozen=True)
class _Alarms:
    """False alarms of something healthy, and those of a rule that was not taken. The bound, which
    knows that calls are alike, is allowed as many as there are where they are not."""

    name: str
    cards: int
    control: int | None = None
    alike: bool = False


def _report(
    title: str,
    healthy: Sequence[_Alarms],
    weeks: int,
    faults: Callable[[float], list[str]],
) -> None:
    plain = [each.cards for each in healthy if not each.alike]
    print(f"\n{title:<40}{'false alarms a subject-week':>28}")
    for each in healthy:
        control = "" if each.control is None else f"{each.control / weeks:>12.3f}  (ends by call)"
        print(f"{each.name:<40}{each.cards / weeks:>28.3f}{control}")
    a_week = max(sum(plain), 1) / (weeks * len(plain))
    head = "".join(f"{word:>8}" for word in ("seen", "median", "9 of 10"))
    print(f"\n{'change, minutes':<40}{head}   |{head}  (all known)")
    print("\n".join(faults(a_week)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--subjects", type=int, default=100, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("shares", "latencies"), help="half of it")
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

    if options.only != "latencies":
        told = [
            _Alarms(each.name, alarms(confidences(*each.draw(chance, NULL_H, subjects))))
            for each in HEALTHY
        ]
        _report("failing shares", told, weeks, of_shares)
    if options.only == "shares":
        return
    chance = np.random.default_rng(options.seed)
    few = max(1, subjects // 10)
    told = []
    for each in CALM:
        drawn = [each.draw(chance, NULL_H) for _ in range(few)]
        cards, control = (
            alarms(np.array([slow(week, rule) for week in drawn])) for rule in (Rule(), BY_CALL)
        )
        told.append(_Alarms(each.name, cards, control, each.alike > 0))
    _report("latencies", told, few, of_latencies)


if __name__ == "__main__":
    main()
