"""Distributions that have shifted: a quantile lies higher than it usually does.

A quantile lies beyond a line exactly when more than a certain share of the values does, so the
question is about a share: usually it is what the baseline's hours say. One conversation may have
more values than a hundred others, and they are alike. So those few are left out that have most of
the tail: what has shifted has done so in the others as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tgt.analyzers.baseline import touched_hours, usual_in
from tgt.analyzers.builder import Builder
from tgt.analyzers.figures import Measure, Unit, duration
from tgt.analyzers.judgements import Detail, Judgement, capped
from tgt.analyzers.touched import touched_events
from tgt.engine.protocol import Counts, Signal, Spread
from tgt.events import Interval
from tgt.stats import confidence, distributions
from tgt.stats.distributions import Histogram
from tgt.stats.location import Usual, larger_at_end, larger_by, usual_location
from tgt.stats.rhythm import at_this_time
from tgt.tasks.card import Touched

MEDIAN, TAIL = 0.5, 0.95
PLAIN = 0.95
"""What is so sure is not looked at in further ways."""
FAR_CONVERSATIONS = 3
"""In fewer conversations values far out are no tail."""
FEWEST_CONVERSATIONS = 3
"""What fewer show is about these conversations."""
LARGE = 3
"""A conversation with more values in the tail than so many usual ones have in all may be all that
has shifted."""
LEFT_OUT, LEFT_OUT_SHARE, _LEFT_OUT_MOST = 2, 0.01, 100
"""So many large conversations are left out at most, or this share of all if that is more. Many that
are large are no exception."""
TAIL_WEIGHT = 1 / 3
"""A second more in one call of twenty weighs as much as a third of a second more in each."""


@dataclass(frozen=True)
class End:
    """The values of the end of a window, and the probability, before looking, that what that shows
    best has changed."""

    window: Interval
    now: Histogram
    prior: float


@dataclass(frozen=True)
class LeftOut:
    """The large conversations that are left out, and how many values they have."""

    conversations: frozenset[int] = frozenset()
    n: int = 0

    def told(self, noun: str) -> str:
        """What is said in brackets of what was looked at; empty if nothing is left out."""
        many = len(self.conversations)
        whose = "one large conversation" if many == 1 else f"{many} large conversations"
        return f" (leaving out {self.n} {noun} of {whose})" if many else ""

    @property
    def details(self) -> dict[str, Detail]:
        many = len(self.conversations)
        return {"leftOutConversations": many, "leftOutN": self.n} if many else {}


@dataclass(frozen=True)
class Values:
    """The values of one subject: now, usually, and by the clock hour before.

    Of the ``ends`` of the window it is asked as well whether all values are larger, since the whole
    is thinned out by the time before they became so. Some conversations may be ``left_out`` of
    those of now.
    """

    now: Histogram
    before: Histogram
    history: Mapping[int, Histogram]
    ends: Sequence[End] = ()
    left_out: LeftOut = LeftOut()

    @property
    def n(self) -> int:
        return distributions.size(self.now)

    @property
    def p95(self) -> float:
        return quantile(self.now, TAIL)

    @property
    def usual_p95(self) -> float:
        return quantile(self.before, TAIL)

    @property
    def extra_ms(self) -> float:
        """How much longer a call takes: the median one, or the slow ones as far as they weigh."""
        median = quantile(self.now, MEDIAN) - quantile(self.before, MEDIAN)
        return max(median, (self.p95 - self.usual_p95) * TAIL_WEIGHT)

    @property
    def times_usual(self) -> float:
        return self.p95 / self.usual_p95


def quantile(values: Histogram, fraction: float) -> float:
    """A quantile; not a number where there are no values."""
    value = distributions.quantile(values, fraction)
    return value if value is not None else math.nan


@dataclass(frozen=True)
class Shift(Judgement):
    """A quantile, ``route``, that has risen: ``share`` of the values are now beyond ``line``."""

    route: str = ""
    line: float = 0.0
    share: float = 0.0
    beyond: Counts = field(default_factory=Counts)
    """Those of them in the last hours."""
    left_out: LeftOut = LeftOut()

    @property
    def calls_each(self) -> float:
        """How many values there are in a conversation."""
        return self.beyond.n / self.beyond.units if self.beyond.units else 1.0

    def touched(self, builder: Builder, harm: float) -> Touched:
        """The conversations with a value beyond the line; of those of which only the last hours are
        known there are as many in the others."""
        told = self.beyond
        if told.by_event or not told.n:
            context, window = builder.context, builder.window
            return touched_events(context, window, self.share * self.n, harm)
        return builder.touched(told.bad_units * max(1.0, self.n / told.n), harm)


def across_conversations(
    builder: Builder, signal: Signal, values: Values, threshold: float
) -> tuple[Values, int]:
    """The values of now without the few large conversations that have most of those beyond the
    square root of the threshold times the usual p95; and how many conversations are left, where
    each value without a conversation is one."""
    snapshot, subject, window = builder.context.snapshot, builder.subject, builder.window
    line = math.sqrt(threshold) * values.usual_p95
    spread = snapshot.spread(signal, subject, window, line, _LEFT_OUT_MOST)
    units = spread.conversations + max(0, values.n - spread.n)
    without = large_conversations(spread)
    if not without:
        return values, units
    theirs = snapshot.values_of(signal, subject, window, without)
    now = distributions.less(values.now, theirs)
    left_out = LeftOut(without, values.n - distributions.size(now))
    return replace(values, now=now, left_out=left_out), units - len(without)


def large_conversations(spread: Spread) -> frozenset[int]:
    """The few that have so much of a tail that it may be theirs alone."""
    most = max(LEFT_OUT, math.ceil(LEFT_OUT_SHARE * spread.conversations))
    large = [each for each, k in spread.largest.items() if k > LARGE * spread.usual]
    return frozenset(large[:most])


@dataclass(frozen=True)
class _Look:
    """How sure one way of looking is, what it compares, and at which end of the window, if not all
    of it."""

    sure: float
    rule: str
    end: Interval | None = None


def shifted(
    builder: Builder,
    signal: Signal,
    values: Values,
    route: str,
    threshold: float,
    *,
    metric: str,
    counted: Callable[[float], str],
    prior: float,
    minimum: tuple[int, int] = (0, 0),
    far: Mapping[float, float] | None = None,
) -> Shift | None:
    """How sure it is that a quantile has risen by more than the square root of the threshold: the
    median for the route ``all``, the p95 for ``tail``.

    That all values have become larger is shown by how many lie beyond the line or by where they lie
    altogether, or do so at the end; that the tail has, by how many lie beyond the line or beyond
    the threshold itself, or by the conversations of the last hours with any ``far`` out, which are
    so many times the usual p95, each with its probability before looking. ``counted`` says what
    values beyond a line are. Fewer values, or units, than the ``minimum`` show nothing but by what
    lies far out; None if that does not, either.
    """
    name, fraction = ("median", MEDIAN) if route == "all" else ("p95", TAIL)
    line = math.sqrt(threshold) * quantile(values.before, fraction)
    ask = partial(builder.context.snapshot.beyond, signal, builder.subject, builder.window)
    beyond = ask(line, without=values.left_out.conversations)
    are_few = values.n < minimum[0] or (beyond.units < minimum[1] and not beyond.by_event)
    effect = confidence.shrunk_design_effect(beyond.clusters, confidence.Clusters())
    usual = usual_in(beyond_by_hour(values.history, line), builder.window, design_effect=effect)
    count = distributions.count_above(values.now, line)
    k, n = count / effect, values.n / effect

    def sure(count: float) -> float:
        return confidence.risen_above(count / effect, n, 1 - fraction, usual, prior)

    against = f"times the usual {name}) against their usual share"
    looks: list[_Look] = []
    if not are_few:
        root = f"{counted(line)} (the square root of the threshold {against}"
        looks.append(_Look(sure(count), root))
    if not are_few and route == "tail":
        further = threshold * quantile(values.before, fraction)
        other = _changed_beyond(builder, values, further, effect, prior)
        other *= confidence.share_above(k, n, 1 - fraction)
        looks.append(_Look(other, f"{counted(further)} (the threshold {against}"))
    if not are_few and route == "all":
        looks.append(_larger(builder, signal, values, line, effect, prior))
    is_plain = any(each.sure >= PLAIN for each in looks)
    for times, odds in (far or {}).items() if not is_plain else ():
        place = times * quantile(values.before, fraction)
        other = _far_out(builder, signal, values, (line, place), 1 - fraction, odds)
        told = f"conversations with {counted(place)} ({times:.3g} {against}"
        looks.append(_Look(other, told))
    look = max(looks, key=lambda each: each.sure, default=_Look(0.0, ""))
    if are_few and not look.sure:
        return None

    return Shift(
        Measure(
            metric,
            Unit.MS,
            values.p95,
            times=threshold,
            usual=values.usual_p95,
            hours=len(values.history),
        ),
        capped(look.sure, by_event=beyond.by_event),
        details={
            "ratio": values.times_usual,
            "n": values.n,
            "p50": quantile(values.now, MEDIAN),
            "baselineP50": quantile(values.before, MEDIAN),
            "baselineCalls": distributions.size(values.before),
            "baselineHours": len(values.history),
            "route": route,
            "k": round(k * effect),
            "expected": usual.share * n * effect,
            "designEffect": effect,
            "rule": look.rule,
            **values.left_out.details,
            **({"surestIn": duration(look.end)} if look.end else {}),
        },
        hours={hour: quantile(each, TAIL) for hour, each in values.history.items()},
        sure=None if are_few else sure,
        n=values.n,
        counted=counted(line),
        route=route,
        line=line,
        share=k / n,
        beyond=beyond,
        left_out=values.left_out,
    )


def beyond_by_hour(history: Mapping[int, Histogram], line: float) -> dict[int, tuple[float, float]]:
    """How many of how many values lie beyond a line, by the clock hour."""
    return {
        hour: (distributions.count_above(each, line), float(distributions.size(each)))
        for hour, each in history.items()
    }


def _changed_beyond(
    builder: Builder, values: Values, line: float, effect: float, prior: float
) -> float:
    """How sure it is that the share of the values beyond a line has changed."""
    hours = beyond_by_hour(values.history, line)
    usual = usual_in(hours, builder.window, design_effect=effect)
    count = distributions.count_above(values.now, line)
    return confidence.probability_of_change(count / effect, values.n / effect, usual, prior)


def _far_out(
    builder: Builder,
    signal: Signal,
    values: Values,
    lines: tuple[float, float],
    limit: float,
    prior: float,
) -> float:
    """How sure it is that more than a ``limit`` lies beyond the first line, by how many
    conversations have any value beyond the other, which is far out."""
    ask = partial(builder.context.snapshot.beyond, signal, builder.subject, builder.window)
    beyond, far = map(ask, lines)
    if far.by_event or far.bad_units < FAR_CONVERSATIONS:
        return 0.0
    usual = usual_in(beyond_by_hour(values.history, lines[1]), builder.window)
    return confidence.tail_above(far.bad_units, beyond.bad_units, far.n, limit, usual, prior)


def _larger(
    builder: Builder, signal: Signal, values: Values, line: float, effect: float, prior: float
) -> _Look:
    """How sure it is that all values have become larger, by where they lie altogether, or where
    those of an end of the window do; at a time at which more than usual lie beyond a line anyway,
    by where they lie then."""
    told = "the mean of the logarithms, the outermost pulled in, against what it usually is"
    ends = [each for each in values.ends if _are_most_beyond(each.now, line)]
    is_whole = _are_most_beyond(values.now, line)
    if not ends and not is_whole:
        return _Look(0.0, told)
    first, last = touched_hours(builder.window)
    now = at_this_time(beyond_by_hour(values.history, line), first, last)
    history = {hour: each for hour, each in values.history.items() if now is None or hour in now}
    before = values.before if now is None else distributions.merge(history.values())
    factor = line / quantile(values.before, MEDIAN)
    looks = []
    if is_whole:
        usual = usual_location(before, history.values(), effect)
        looks.append(_Look(larger_by(values.now, usual, factor, prior, effect), told))
    if ends and not any(each.sure >= PLAIN for each in looks):
        # Means of hours wander as far as values of a conversation are alike: that stays in here.
        usual = usual_location(before, history.values(), 1.0)
        for end in ends:
            sure = _at_end(builder, signal, end, usual, line, factor)
            looks.append(_Look(sure, told, end.window))
    return max(looks, key=lambda each: each.sure)


def _at_end(
    builder: Builder, signal: Signal, end: End, usual: Usual, line: float, factor: float
) -> float:
    beyond = builder.context.snapshot.beyond(signal, builder.subject, end.window, line)
    if beyond.by_event:
        return 0.0
    return larger_at_end(end.now, beyond.clusters, usual, factor, end.prior)


def _are_most_beyond(values: Histogram, line: float) -> bool:
    return 2 * distributions.count_above(values, line) > distributions.size(values)
