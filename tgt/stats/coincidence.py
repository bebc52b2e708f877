"""Whether two things happened to the same ones more often than chance brings about.

Of ``n`` ones, ``a`` are in one set and ``b`` in another. If neither has to do with the other, the
number in both is hypergeometric. How much the sets have in common is told by the overlap
coefficient of Szymkiewicz and Simpson, shared / min(a, b): it is 1 where the smaller lies in the
larger, as the few conversations that were given up lie among the many that met an outage. By chance
it is max(a, b) / n, so where nearly all are in the larger set it says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Overlap:
    """How many are in both of two sets, in the first, in the second, and at all."""

    shared: int
    a: int
    b: int
    n: int

    @property
    def coefficient(self) -> float:
        """Which part of the smaller set lies in the larger; 0 where one is empty."""
        smaller = min(self.a, self.b)
        return self.shared / smaller if smaller else 0.0

    @property
    def expected(self) -> float:
        """The coefficient that chance gives."""
        return max(self.a, self.b) / self.n if self.n else 0.0

    @property
    def excess(self) -> float:
        """How far the coefficient goes beyond chance: 0 where it does not, 1 where the smaller set
        lies wholly in the larger although that has not all; 0 where that has all."""
        room = 1.0 - self.expected
        return max(0.0, (self.coefficient - self.expected) / room) if room > 0 else 0.0

    @property
    def chance(self) -> float:
        """How likely at least so many are shared if neither has to do with the other."""
        return tail(self.shared, self.a, self.b, self.n)

    @property
    def least_chance(self) -> float:
        """The same if as many were shared as can be: no overlap could say more."""
        return tail(min(self.a, self.b), self.a, self.b, self.n)


def tail(shared: int, a: int, b: int, n: int) -> float:
    """P(X >= shared) of the hypergeometric distribution: ``b`` drawn of ``n``, of which ``a``
    count."""
    low, high = max(0, a + b - n), min(a, b)
    if shared <= low:
        return 1.0
    if shared > high:
        return 0.0
    total = _log_choose(n, b)
    # Beyond its mode the distribution only falls, so what is left there can be neglected.
    mode = (a + 1) * (b + 1) // (n + 2)
    likely = 0.0
    for x in range(shared, high + 1):
        part = math.exp(_log_choose(a, x) + _log_choose(n - a, b - x) - total)
        likely += part
        if x > mode and part < _NEGLIGIBLE * likely:
            break
    return min(1.0, likely)


def within(parts: Iterable[Overlap]) -> tuple[float, float]:
    """Of an overlap in each of several classes of their own: how many more are shared than chance
    gives inside of each class, and how many more could be."""
    more = most = 0.0
    for each in parts:
        by_chance = each.a * each.b / each.n if each.n else 0.0
        more += each.shared - by_chance
        most += min(each.a, each.b) - by_chance
    return more, most


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
