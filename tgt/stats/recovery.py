"""Whether a problem is over: what was counted since, against how often it showed itself before.

Two explanations of ``k`` bad ones among ``n`` units are weighed. *It is still there*: the share is
what it was while the problem was there, as far as that is known (a Beta distribution of what was
counted then), or any share nearer to that than to what is tolerated, whichever explains most. *It
is over*: the share is anything up to the line that is tolerated. If the first is true, the chance
that their ratio ever reaches 100, however often one looks, is at most one in a hundred (Ville's
inequality: it is a test martingale or less). So it may be looked at by every run.

That it is back is weighed in the same way, and the other way round: any share beyond the line
against the one up to it that explains most.

Sources: Ville, Étude critique de la notion de collectif (1939); Grünwald, de Heide and Koolen,
Safe Testing, JRSS B 86 (2024) (mixtures of both explanations); Wasserman, Ramdas and Balakrishnan,
Universal inference, PNAS 117 (2020) (the largest likelihood of many shares). Pure functions; no
clock, no I/O.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tgt.stats.confidence import betainc

SURE = 100.0
"""So many times likelier must it be that a problem is over than that it is still there."""
_MOST = 1 << 20


@dataclass(frozen=True)
class Before:
    """What was counted while the problem was there: ``bad`` of ``units``.

    A problem is noticed because many were bad, so a little more is allowed for than chance: what
    was counted has the weight of ``WEIGHT`` of its units.
    """

    bad: float
    units: float

    WEIGHT = 0.5

    @property
    def beta(self) -> tuple[float, float]:
        """Parameters of the distribution of the share."""
        bad = self.bad * self.WEIGHT
        return bad + 0.5, (self.units - self.bad) * self.WEIGHT + 0.5


def likelier_over(before: Before, bad: float, units: float, line: float) -> float:
    """How many times likelier it is that the share lies below ``line`` than that it is what it was.

    ``bad`` of ``units`` were counted since. 1 where nothing was.
    """
    if units <= 0:
        return 1.0
    line = min(max(line, 1e-6), 1.0)
    good = units - bad
    over = betainc(bad + 1, good + 1, line)
    if over <= 0:
        return 0.0
    a, b = before.beta
    log_over = math.log(over) + _log_beta(bad + 1, good + 1) - math.log(line)
    log_still = _log_beta(a + bad, b + good) - _log_beta(a, b)
    log_partly = _log_likelihood(max(bad / units, _nearer(before, line)), bad, good)
    return math.exp(min(log_over - max(log_still, log_partly), 700.0))


def likelier_beyond(bad: float, units: float, line: float) -> float:
    """How many times likelier it is that the share lies beyond ``line``, all such shares being
    alike, than that it is the share up to it that explains most.

    One bad one among few is no sign of it, however good that explains them.
    """
    line = min(max(line, 1e-6), 1.0)
    if units <= 0 or bad <= line * units:
        return 0.0
    good = units - bad
    beyond = 1.0 - betainc(bad + 1, good + 1, line)
    if beyond <= 0:
        return 0.0
    log_beyond = math.log(beyond) + _log_beta(bad + 1, good + 1) - math.log1p(-line)
    return math.exp(min(log_beyond - _log_likelihood(line, bad, good), 700.0))


def _nearer(before: Before, line: float) -> float:
    """The smallest share that is nearer, as a multiple, to the old one than to the line."""
    return min(math.sqrt(line * before.bad / before.units), 1 - 1e-9) if before.bad else line


def _log_likelihood(share: float, bad: float, good: float) -> float:
    failures = bad * math.log(share) if bad else 0.0
    return failures + good * math.log1p(-share) if good else failures


def would_have_shown(before: Before, bad: float, units: float) -> float:
    """The probability that more than ``bad`` of so many units had been bad, were it still there."""
    a, b = before.beta
    fewer = sum(_beta_binomial(k, units, a, b) for k in range(math.floor(bad) + 1))
    return max(0.0, 1.0 - fewer)


def units_needed(before: Before, bad: float, units: float, line: float) -> int | None:
    """How many more units without a bad one make it sure; None where no number that anybody waits
    for does."""
    if likelier_over(before, bad, units, line) >= SURE:
        return 0
    more = 1
    while likelier_over(before, bad, units + more, line) < SURE:
        more *= 2
        if more > _MOST:
            return None
    low, high = more // 2, more
    while low + 1 < high:
        middle = (low + high) // 2
        if likelier_over(before, bad, units + middle, line) >= SURE:
            high = middle
        else:
            low = middle
    return high


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _beta_binomial(k: int, units: float, a: float, b: float) -> float:
    if k > units:
        return 0.0
    choose = math.lgamma(units + 1) - math.lgamma(k + 1) - math.lgamma(units - k + 1)
    return math.exp(choose + _log_beta(a + k, b + units - k) - _log_beta(a, b))
