"""Shares of which no more than a fixed line is tolerated, as ``ux_issue`` and ``continuation`` ask.

As in ``benchmarks.evidence`` there are only the numbers: how many units end in each quarter of an
hour and how many of them count. Of answers several are in a conversation, and these are alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence import GATE, HISTORY_H, QUARTERS, Array, Shares, windows
from tgt.analyzers import continuation, ux_issue
from tgt.analyzers.base import HALF
from tgt.config import Settings
from tgt.stats.confidence import (
    END_WEIGHT,
    Clusters,
    Usual,
    lies_above,
    prior_of,
    risen_above,
    shrunk_design_effect,
    usual_share,
)

_SUMS = 7


@dataclass(frozen=True)
class Question:
    """How an analyzer asks whether more than ``line`` of its units count: in windows of one hour
    and of ``longer`` ones, of at least so many units, so many of them counting (conversations, of
    answers), and how likely a change is beforehand in a window of so many hours.

    With ``near`` the shortest window is judged in which there are enough units, and longer ones
    only where so much of the line is reached in it. Where ``near_end`` of it is reached in the last
    hour, the ``end`` of that is judged, too, if no other window is sure. What ``is_relative`` must
    be more than usual.
    """

    line: float
    longer: tuple[int, ...]
    least: int
    least_counting: int
    prior: Callable[[float], float]
    end: float
    near_end: float
    near: float | None = None
    is_relative: bool = False
    is_clustered: bool = False


ABORTED, LONG_WAIT, ERROR_HEAVY = (
    Question(
        each.threshold,
        ux_issue.WINDOWS_H,
        ux_issue.MIN_CONVERSATIONS,
        ux_issue.MIN_BAD,
        lambda hours: prior_of(hours, ux_issue.A_HOUR),
        ux_issue.END,
        ux_issue.NEAR,
        ux_issue.NEAR,
        each.is_relative,
    )
    for each in ux_issue.questions(Settings())
)
CUT_OFF = Question(
    continuation.THRESHOLD.default,
    continuation.WINDOWS_H,
    continuation.MIN_RESPONSES,
    continuation.MIN_CONVERSATIONS,
    lambda _: continuation.PRIOR,
    HALF,
    HALF,
    is_clustered=True,
)


@dataclass(frozen=True)
class Limited:
    """Units of which a share counts, as many in a conversation as ``each`` says and ``alike`` there
    (the correlation of two of them), and what is asked of them."""

    question: Question
    units: Shares
    each: float = 1.0
    alike: float = 0.0

    @property
    def line(self) -> float:
        """What is tolerated of the share, or usual."""
        usual = self.units.share if self.question.is_relative else 0.0
        return max(self.question.line, usual)

    def draw(self, chance: np.random.Generator, share: Array) -> Array:
        """By subject and quarter of an hour what ``Clusters`` sums, and at last how many
        conversations have anything that counts."""
        begun = chance.poisson(self.units.per_hour / self.each / QUARTERS, share.shape)
        place = np.repeat(np.arange(share.size), begun.ravel())
        n = 1.0 + chance.poisson(self.each - 1.0, len(place))
        own = share.ravel()[place]
        if self.alike:
            certain = 1 / self.alike - 1
            own = chance.beta(own * certain + 1e-9, (1 - own) * certain + 1e-9)
        k = chance.binomial(n.astype(int), own).astype(float)
        each = (np.ones(len(n)), n, k, n * n, n * k, k * k, k > 0)
        sums = [np.bincount(place, some, share.size).reshape(share.shape) for some in each]
        return np.stack(sums, axis=-1)


def findings(question: Question, drawn: Array) -> tuple[Array, NDArray[np.int_]]:
    """How sure the model is at every step after the history, and since which step the window is
    that shows it best."""
    first = QUARTERS * HISTORY_H + 1
    sure = np.zeros((drawn.shape[0], drawn.shape[1] - first + 1))
    since = np.zeros(sure.shape, dtype=int)
    for subject, sums in enumerate(drawn):
        judge = _Judge(question, sums)
        for place in range(sure.shape[1]):
            sure[subject, place], since[subject, place] = judge.at(first + place)
    return sure, since


class _Judge:
    """Judges one subject."""

    def __init__(self, question: Question, sums: Array) -> None:
        self.question = question
        upto = np.concatenate([np.zeros((1, _SUMS)), np.cumsum(sums, axis=0)])
        self.upto = [tuple(map(float, row)) for row in upto]
        self._usual: dict[int, Usual] = {}

    def at(self, step: int) -> tuple[float, int]:
        """How sure it is, and since which step that is which shows it best."""
        question = self.question
        looks = [start for start, _ in windows(step, question.longer)]
        hour, end = looks[0], step - int(QUARTERS * question.end)
        is_near = self._share(hour, step) > question.near_end * question.line
        if question.near is not None:
            enough = (at for at, each in enumerate(looks) if self._n(each, step) >= question.least)
            looks = looks[next(enough, len(looks)) :]
            is_near = is_near and looks[:1] == [hour]
            if looks and not self._share(looks[0], step) > question.near * question.line:
                looks = looks[:1]
        best = max(((self._sure(start, step), start) for start in looks), default=(0.0, step))
        if is_near and best[0] < GATE:
            best = max(best, (self._sure(end, step, END_WEIGHT), end))
        return best

    def _between(self, start: int, step: int) -> list[float]:
        return [b - a for a, b in zip(self.upto[start], self.upto[step], strict=True)]

    def _n(self, start: int, step: int) -> float:
        return self.upto[step][1] - self.upto[start][1]

    def _share(self, start: int, step: int) -> float:
        return (self.upto[step][2] - self.upto[start][2]) / max(self._n(start, step), 1.0)

    def _sure(self, start: int, step: int, weight: float = 1.0) -> float:
        question = self.question
        *sums, counting = self._between(start, step)
        is_enough = sums[1] >= question.least and counting >= question.least_counting
        if not is_enough or sums[2] <= question.line * sums[1]:
            return 0.0
        usual, effect = self._known(start // QUARTERS, Clusters(*sums))
        n, k = sums[1] / effect, sums[2] / effect
        prior = question.prior((step - start) / QUARTERS) * weight
        if not question.is_relative:
            return lies_above(k, n, question.line, usual, prior)
        line = max(question.line, usual.share)
        return risen_above(k, n, line, usual, prior) if k > line * n else 0.0

    def _known(self, hour: int, now: Clusters) -> tuple[Usual, float]:
        """What is usual before an hour, and the design effect of a window after it."""
        first = max(0, hour - HISTORY_H)
        before = Clusters(*self._between(QUARTERS * first, QUARTERS * hour)[:-1])
        if hour not in self._usual:
            marks = [self.upto[QUARTERS * at] for at in range(first, hour + 1)]
            hours = [(b[2] - a[2], b[1] - a[1]) for a, b in itertools.pairwise(marks)]
            effect = before.design_effect() if self.question.is_clustered else 1.0
            self._usual[hour] = usual_share(hours, design_effect=effect)
        if not self.question.is_clustered:
            return self._usual[hour], 1.0
        return self._usual[hour], shrunk_design_effect(now, before)
