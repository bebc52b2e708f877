"""Since when something goes wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.stats.onset import Onset, onset_of


def _units(seed: int, share: float, usual: float = 0.02) -> tuple[list[int], list[int]]:
    """600 units a day, of which a share is bad in the last 100."""
    chance = random.Random(seed)
    bad = [at for at in range(600) if chance.random() < (share if at >= 500 else usual)]
    return bad, [at for at in range(600) if at not in set(bad)]


@pytest.mark.parametrize("share", [0.25, 0.6, 1.0])
def test_the_change_lies_within_the_span_nearly_always(share: float) -> None:
    onsets = [onset_of(*_units(seed, share)) for seed in range(100)]
    spans = [onset for onset in onsets if onset is not None]
    assert len(spans) >= 98
    assert sum(each.earliest <= 500 <= each.latest for each in spans) >= 0.85 * len(spans)
    widths = sorted(each.width for each in spans)
    assert widths[50] <= {0.25: 30, 0.6: 6, 1.0: 2}[share]


def test_what_was_always_so_has_no_onset() -> None:
    always = [(seed, share) for seed in range(100) for share in (0.02, 0.3)]
    found = sum(onset_of(*_units(seed, share, share)) is not None for seed, share in always)
    assert found <= 0.03 * 200


def test_what_gets_better_has_no_onset() -> None:
    assert onset_of(range(100), range(100, 600)) is None


@pytest.mark.parametrize(
    ("bad", "fine", "onset"),
    [
        ((), (), None),
        ((1, 2, 3), (), None),
        ((), (1, 2, 3), None),
        ((10,), range(9), None),
        ((10, 11), range(9), Onset(10, 7, 10)),
        ((10, 11, 12), (8, 9), None),
        (range(10, 16), range(9), Onset(10, 8, 10)),
    ],
)
def test_it_takes_a_few_bad_ones_and_something_before_them(
    bad: range, fine: range, onset: Onset | None
) -> None:
    assert onset_of(bad, fine) == onset


def test_a_fault_that_is_over_began_when_it_began() -> None:
    bad = range(300, 330)
    onset = onset_of(bad, [at for at in range(600) if at not in bad])
    assert onset is not None
    assert (onset.at, onset.latest) == (300, 300)


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60))
def test_whatever_the_units_a_span_has_its_onset_at_a_bad_one(
    units: list[tuple[int, bool]],
) -> None:
    bad = [at for at, is_bad in units if is_bad]
    onset = onset_of(bad, [at for at, is_bad in units if not is_bad])
    if onset is not None:
        assert onset.at in bad
        assert onset.earliest <= onset.at <= onset.latest


def test_how_far_spans_are_apart() -> None:
    one = Onset(5, 4, 8)
    assert [one.apart(Onset(a, a, a)) for a in (0, 4, 8, 10)] == [4, 0, 0, 2]
    assert one.width == 4
