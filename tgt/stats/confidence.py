"""From counts to a probability: the statistics behind every card.

Everything rests on one function, the regularised incomplete beta function I_x(a, b). A share is
judged by a mixture of two explanations: *unchanged*, where it is what the subject's own baseline
says, as far as that wanders from hour to hour, and *changed*, where it may be anything. The prior
odds of a change stand for how often a subject that is looked at every few minutes throws up an
excess by chance. Pure functions of numbers; no clock, no I/O.

Sources: Press et al., Numerical Recipes, section 6.4 (continued fraction of the incomplete beta
function, modified Lentz); Kish, Survey Sampling (1965), section 8.2 (design effect); Kass and
Raftery, Bayes Factors, JASA 90 (1995) (marginal likelihoods of the two explanations).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

_TINY = 1e-300
_CONVERGED = 1e-15
_MAX_TERMS = 10_000

DISPERSION_PRIOR = 0.05
"""Relative variance of a share from hour to hour that is assumed before any hour was seen."""
DISPERSION_PRIOR_HOURS = 24.0
DISPERSION_FLOOR = 1e-4
DESIGN_PRIOR_CONVERSATIONS = 15.0
END_WEIGHT = 0.25
"""What the later part of a window shows is so much less likely beforehand than what the whole does:
it is looked at beside the whole, and what is over soon is hardly worth a card."""
SHORT_HOURS = 2.5
_WINSOR = 0.98


def betainc(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b) for a, b > 0; x is clipped to [0, 1]."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_front += a * math.log(x) + b * math.log1p(-x)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - math.exp(log_front) * _beta_fraction(b, a, 1.0 - x) / b
    return math.exp(log_front) * _beta_fraction(a, b, x) / a


def _beta_fraction(a: float, b: float, x: float) -> float:
    c = 1.0
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            fraction *= c * d
        if abs(c * d - 1.0) < _CONVERGED:
            break
    return fraction


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def negative_binomial_tail(count: float, mean: float, size: float) -> float:
    """P(X >= count), negative binomial of this mean and size (variance mean + mean²/size)."""
    if count <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    return betainc(count, size, mean / (size + mean))


def share_above(k: float, n: float, line: float) -> float:
    """P(share > line) after k of n, with the Jeffreys prior Beta(1/2, 1/2)."""
    return 1.0 - betainc(k + 0.5, n - k + 0.5, line)


def interval(k: float, n: float, mass: float = 0.9) -> tuple[float, float]:
    """Central credible interval of a share after k of n (Jeffreys), to four digits."""
    tail = (1.0 - mass) / 2.0
    low = 0.0 if k <= 0 else _quantile(k + 0.5, n - k + 0.5, tail)
    high = 1.0 if k >= n else _quantile(k + 0.5, n - k + 0.5, 1.0 - tail)
    return low, high


def at_least(k: float, n: float, mass: float) -> float:
    """What a share exceeds with this probability after k of n, with a uniform prior."""
    return _quantile(k + 1.0, n - k + 1.0, 1.0 - mass)


def _quantile(a: float, b: float, mass: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2.0
        if betainc(a, b, middle) < mass:
            low = middle
        else:
            high = middle
    return round((low + high) / 2.0, 6)


@dataclass(frozen=True)
class Clusters:
    """Sums over conversations c with n_c events of which k_c count; they add up across hours."""

    conversations: float = 0.0
    n: float = 0.0
    k: float = 0.0
    nn: float = 0.0
    nk: float = 0.0
    kk: float = 0.0

    def design_effect(self) -> float:
        """Kish's ratio of the clustered to the plain binomial variance of k/n; at least 1."""
        if self.conversations < 2 or self.n <= 0 or not 0 < self.k < self.n:  # noqa: PLR2004
            return 1.0
        r = self.k / self.n
        scatter = self.kk - 2.0 * r * self.nk + r * r * self.nn
        variance = scatter * self.conversations / (self.conversations - 1.0)
        return max(1.0, variance / (self.n * r * (1.0 - r)))

    @property
    def most_alike(self) -> float:
        """What the design effect would be if all values of a conversation were the same."""
        return max(1.0, self.nn / self.n) if self.n else 1.0


def shrunk_design_effect(window: Clusters, baseline: Clusters) -> float:
    """The window's design effect, pulled towards the baseline's with 15 conversations' weight."""
    own, usual = window.conversations, DESIGN_PRIOR_CONVERSATIONS
    expected = baseline.design_effect()
    return (own * window.design_effect() + usual * expected) / (own + usual)


@dataclass(frozen=True)
class Usual:
    """What a share usually is: mean, relative variance between hours, and units it rests on."""

    share: float
    dispersion: float
    units: float

    @property
    def beta(self) -> tuple[float, float]:
        """Parameters of the Beta distribution of the share in one more hour.

        The relative variance is that between the hours plus that of the estimated mean itself.
        """
        p, q = self.share, 1.0 - self.share
        relative = self.dispersion + q / (p * (self.units + 1.0))
        concentration = max(q / (p * relative) - 1.0, 1.0)
        return p * concentration, q * concentration


def usual_share(hours: Iterable[tuple[float, float]], *, design_effect: float = 1.0) -> Usual:
    """Learn from the baseline's hours, each (k, n), what the share usually is.

    The mean is (k + 1/2)/(n + 1). The dispersion is the moment estimate of the residuals beyond
    binomial (times the design effect), the squares winsorised at their 98th percentile so that
    one bad hour does not hide the next, shrunk to 0.05 with the weight of 24 hours.
    """
    return _usual_share(tuple(hours), design_effect)


@lru_cache(maxsize=512)
def _usual_share(hours: tuple[tuple[float, float], ...], design_effect: float) -> Usual:
    """Looks that follow one another, and several of one look, rest on the same hours."""
    seen = [(k, n) for k, n in hours if n > 0]
    total_k = sum(k for k, _ in seen) / design_effect
    total_n = sum(n for _, n in seen) / design_effect
    share = (total_k + 0.5) / (total_n + 1.0)
    squares = [(k - share * n) ** 2 for k, n in seen]
    ceiling = _percentile(sorted(squares), _WINSOR)
    expected = [share * n for _, n in seen]
    noise = design_effect * (1.0 - share)
    excess = sum(min(s, ceiling) - noise * m for s, m in zip(squares, expected, strict=True))
    scale = sum(m * m for m in expected)
    own = max(0.0, excess / scale) if scale > 0 else 0.0
    weight = len(seen)
    dispersion = (weight * own + DISPERSION_PRIOR_HOURS * DISPERSION_PRIOR) / (
        weight + DISPERSION_PRIOR_HOURS
    )
    return Usual(share, max(dispersion, DISPERSION_FLOOR), total_n)


def _percentile(ordered: Sequence[float], fraction: float) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


def prior_of(hours: float, a_hour: float) -> float:
    """The probability, before looking, that what a window of so many hours shows best has changed;
    ``a_hour`` is that of a change within an hour.

    Each window is about twice as long as the next shorter one, which shows best what began in its
    own time. So a window stands for its older half, and one of up to SHORT_HOURS for half of these:
    of the same evidence the shorter window is to be told.
    """
    return a_hour * max(hours, SHORT_HOURS) / 2.0


def probability_of_change(k: float, n: float, usual: Usual, prior: float) -> float:
    """P(the share changed | k of n): Bayes factor of *anything* against *as usual*.

    *Anything* is Beta(1/2, 1/2); ``prior`` is the probability of a change before looking.
    """
    a, b = usual.beta
    unchanged = _log_beta(k + a, n - k + b) - _log_beta(a, b)
    changed = _log_beta(k + 0.5, n - k + 0.5) - _log_beta(0.5, 0.5)
    log_odds = math.log(prior) - math.log1p(-prior) + changed - unchanged
    if log_odds > 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    return math.exp(log_odds) / (1.0 + math.exp(log_odds))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def risen_above(k: float, n: float, line: float, usual: Usual, prior: float) -> float:
    """P(the share changed and is now above ``line``): the confidence of a comparison."""
    return probability_of_change(k, n, usual, prior) * share_above(k, n, line)


def tail_above(
    far: float, beyond: float, n: float, line: float, usual: Usual, prior: float
) -> float:
    """P(the share of values beyond a limit has changed and is now above ``line``), by what is far
    beyond it, since few of those say much.

    Of ``n`` values some conversations have any ``beyond`` the limit, and some any ``far`` beyond,
    of which a share is ``usual``. Each conversation counts once: it may be slow as a whole, and no
    more conversations are than there are such values.
    """
    return probability_of_change(far, n, usual, prior) * share_above(beyond, n, line)


def lies_above(k: float, n: float, line: float, usual: Usual | None, prior: float) -> float:
    """P(the share is above a fixed ``line``), because it changed or because it always was.

    Without a baseline the prior is Beta(1, 3/line - 1), mean a third of the line: a service is
    thought healthy until it shows otherwise.
    """
    if usual is None:
        return 1.0 - betainc(k + 1.0, n - k + max(3.0 / max(line, 1e-6) - 1.0, 0.5), line)
    changed = probability_of_change(k, n, usual, prior)
    long_run_k, long_run_n = usual.share * usual.units + k, usual.units + n
    chronic = share_above(long_run_k, long_run_n, line)
    return changed * share_above(k, n, line) + (1.0 - changed) * chronic
