"""The statistics against an independent implementation, and what must hold for any counts."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from tgt.stats import confidence as c
from tgt.stats.confidence import Clusters, Usual

SHAPES = st.floats(min_value=0.05, max_value=1e5)
FRACTIONS = st.floats(min_value=1e-6, max_value=1 - 1e-6)
COUNTS = st.integers(min_value=0, max_value=5000)
THRESHOLDS = [1e-3, 0.05, 0.15, 0.2, 0.5, 0.9]


def _usual(share: float = 0.05, dispersion: float = 0.05, units: float = 1000.0) -> Usual:
    return Usual(share, dispersion, units)


@given(SHAPES, SHAPES, st.floats(min_value=0, max_value=1))
def test_the_incomplete_beta_function(a: float, b: float, x: float) -> None:
    assert c.betainc(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "x"),
    [
        *((0.5, 0.5, x) for x in (0.0, 1e-12, 0.5, 1 - 1e-12, 1.0)),
        *((0.5, 1e6, x) for x in (1e-9, 1e-6, 1e-3)),
        *((1e6, 1e6, x) for x in (0.49, 0.4999, 0.5, 0.5001, 0.51)),
        *((1e-3, 1e3, x) for x in (1e-6, 0.5)),
        (3.0, 5.0, -1.0),
        (3.0, 5.0, 2.0),
    ],
)
def test_the_incomplete_beta_function_at_its_extremes(a: float, b: float, x: float) -> None:
    inside = min(max(x, 0.0), 1.0)
    assert c.betainc(a, b, x) == pytest.approx(special.betainc(a, b, inside), rel=1e-6, abs=1e-9)


@given(
    st.integers(min_value=0, max_value=2000),
    st.floats(min_value=1e-3, max_value=1000),
    st.floats(min_value=0.5, max_value=1e4),
)
def test_the_tail_of_the_negative_binomial(count: int, mean: float, size: float) -> None:
    expected = stats.nbinom.sf(count - 1, size, size / (size + mean))
    assert c.negative_binomial_tail(count, mean, size) == pytest.approx(
        expected, rel=1e-5, abs=1e-9
    )


@given(COUNTS, COUNTS, FRACTIONS)
def test_a_share_above_a_line(k: int, more: int, line: float) -> None:
    n = k + more
    expected = stats.beta.sf(line, k + 0.5, n - k + 0.5)
    assert c.share_above(k, n, line) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(COUNTS, COUNTS, st.sampled_from([0.5, 0.9, 0.99]))
def test_an_interval(k: int, more: int, mass: float) -> None:
    n = k + more
    low, high = c.interval(k, n, mass)
    assert 0 <= low <= high <= 1
    if k > 0:
        expected = stats.beta.ppf((1 - mass) / 2, k + 0.5, n - k + 0.5)
        assert low == pytest.approx(expected, abs=1e-5)
    if k < n:
        expected = stats.beta.ppf((1 + mass) / 2, k + 0.5, n - k + 0.5)
        assert high == pytest.approx(expected, abs=1e-5)


@given(COUNTS, COUNTS, st.floats(min_value=0.5, max_value=0.99))
def test_what_a_share_exceeds(k: int, more: int, mass: float) -> None:
    expected = stats.beta.ppf(1 - mass, k + 1, more + 1)
    assert c.at_least(k, k + more, mass) == pytest.approx(expected, abs=1e-5)


@given(COUNTS, COUNTS, FRACTIONS, st.floats(min_value=1e-4, max_value=5), FRACTIONS)
def test_a_change_by_its_definition(
    k: int, more: int, share: float, dispersion: float, prior: float
) -> None:
    """Posterior odds are prior odds times the ratio of two beta-binomial likelihoods."""
    n = k + more
    usual = _usual(share, dispersion)
    anything = stats.betabinom.logpmf(k, n, 0.5, 0.5)
    unchanged = stats.betabinom.logpmf(k, n, *usual.beta)
    expected = special.expit(special.logit(prior) + anything - unchanged)
    found = c.probability_of_change(k, n, usual, prior)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(COUNTS, COUNTS, FRACTIONS, st.sampled_from(THRESHOLDS), st.booleans())
def test_what_is_returned_is_always_a_probability(
    k: int, more: int, share: float, line: float, known: bool
) -> None:
    n = k + more
    usual = _usual(share)
    for value in (
        c.share_above(k, n, line),
        c.probability_of_change(k, n, usual, 0.01),
        c.risen_above(k, n, line, usual, 0.01),
        c.lies_above(k, n, line, usual if known else None, 0.01),
        c.negative_binomial_tail(k, share * n, 20),
    ):
        assert -1e-9 <= value <= 1 + 1e-9


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=40), st.floats(min_value=1, max_value=30))
def test_a_baseline_of_any_hours_can_be_used(
    hours: list[tuple[int, int]], design_effect: float
) -> None:
    usual = c.usual_share(
        [(float(k), float(k + more)) for k, more in hours], design_effect=design_effect
    )
    assert 0 < usual.share < 1
    assert usual.dispersion >= c.DISPERSION_FLOOR
    a, b = usual.beta
    assert a > 0
    assert b > 0
    for k, n in ((0, 0), (0, 10), (10, 10), (3, 5000)):
        assert 0 <= c.risen_above(k, n, 0.5, usual, 0.005) <= 1


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(0, 50)).map(lambda p: (p[0], min(p))),
        max_size=30,
    )
)
def test_the_design_effect_by_its_definition(conversations: list[tuple[int, int]]) -> None:
    sums = _clusters(conversations)
    effect = sums.design_effect()
    count = len(conversations)
    n, k = sum(p[0] for p in conversations), sum(p[1] for p in conversations)
    if count < 2 or not 0 < k < n:
        assert effect == 1.0
        return
    r = k / n
    scatter = sum((kc - r * nc) ** 2 for nc, kc in conversations) * count / (count - 1)
    assert effect == pytest.approx(max(1.0, scatter / (n * r * (1 - r))), rel=1e-6)


def _clusters(conversations: list[tuple[int, int]]) -> Clusters:
    return Clusters(
        len(conversations),
        sum(n for n, _ in conversations),
        sum(k for _, k in conversations),
        sum(n * n for n, _ in conversations),
        sum(n * k for n, k in conversations),
        sum(k * k for _, k in conversations),
    )


def test_a_burst_in_one_conversation_is_weaker_evidence() -> None:
    spread = _clusters([(5, 1)] * 20)
    burst = _clusters([(5, 5)] * 4 + [(5, 0)] * 16)
    assert spread.design_effect() == 1.0
    assert burst.design_effect() > 3
    none = Clusters()
    assert c.shrunk_design_effect(none, none) == 1.0
    shrunk = c.shrunk_design_effect(burst, none)
    assert 1 < shrunk < burst.design_effect()


def test_values_of_a_conversation_are_at_most_one() -> None:
    assert Clusters().most_alike == 1.0
    assert _clusters([(1, 0), (1, 1)]).most_alike == 1.0
    assert _clusters([(5, 1)] * 20).most_alike == 5.0
    burst = _clusters([(40, 40), *[(1, 0)] * 10])
    assert burst.most_alike == pytest.approx(1610 / 50)
    assert burst.most_alike >= burst.design_effect()


def test_a_few_values_far_out_say_more_than_as_many_just_beyond() -> None:
    near, far = _usual(0.01), _usual(0.0005)
    counts = range(3, 12)
    told = [[c.tail_above(k, k, 30, 0.05, usual, 0.002) for k in counts] for usual in (near, far)]
    for row in told:
        assert row == sorted(row)
    assert told[0][0] < 0.1
    assert told[1][0] > 0.7
    assert all(sure >= less for less, sure in zip(*told, strict=True))
    assert c.tail_above(3, 3, 400, 0.05, far, 0.002) < 0.05, "of so many they are no tail"


@pytest.mark.parametrize("n", [20, 60, 500])
@pytest.mark.parametrize("usual", [None, _usual(), _usual(0.3), _usual(1e-4)])
def test_more_failures_are_never_less_certain(n: int, usual: Usual | None) -> None:
    line = 0.15
    above = range(math.ceil(line * n), n + 1)
    if usual is not None and usual.share < line:
        risen = [c.risen_above(k, n, line, usual, 0.005) for k in above]
        assert all(later >= earlier - 1e-9 for earlier, later in pairwise(risen))
    lying = [c.lies_above(k, n, line, usual, 0.02) for k in above]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(lying))
    shares = [c.share_above(k, n, line) for k in range(n + 1)]
    assert all(later > earlier - 1e-12 for earlier, later in pairwise(shares))


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("share", [0.2, 0.3, 0.5, 1.0])
def test_more_data_at_the_same_share_are_more_certain(share: float, known: bool) -> None:
    usual = _usual(0.03, 0.05) if known else None
    sure = [c.lies_above(share * n, n, 0.15, usual, 0.02) for n in (10, 20, 40, 80, 400, 4000)]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(sure))
    assert sure[-1] > 0.99
    risen = [c.risen_above(share * n, n, 0.052, _usual(0.03), 0.005) for n in (5, 10, 40, 400)]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(risen))


def test_a_baseline_that_wanders_makes_the_same_excess_less_certain() -> None:
    steady = c.usual_share([(4.0, 100.0)] * 100)
    restless = c.usual_share([(0.0, 100.0), (8.0, 100.0)] * 50)
    assert steady.share == restless.share
    assert steady.dispersion < restless.dispersion
    line = 2 * steady.share
    sure, unsure = (c.risen_above(14, 100, line, usual, 0.005) for usual in (steady, restless))
    assert sure > unsure


def test_one_terrible_hour_in_the_baseline_does_not_hide_the_next() -> None:
    quiet = [(3.0, 100.0)] * 167
    poisoned = c.usual_share([*quiet, (90.0, 100.0)])
    clean = c.usual_share(quiet)
    assert poisoned.dispersion < 4 * clean.dispersion + 0.05
    assert poisoned.share < 1.3 * clean.share


def test_nothing_seen_is_no_evidence() -> None:
    assert c.share_above(0, 0, 0.5) == pytest.approx(0.5)
    assert c.risen_above(0, 0, 0.1, _usual(), 0.005) < 0.01
    assert c.lies_above(0, 0, 0.15, None, 0.02) < 0.15
    assert c.usual_share([]).share == pytest.approx(0.5)
    assert c.usual_share([(0.0, 0.0)]).units == 0
