"""Since when a share is what it is now."""

from __future__ import annotations

import random

import pytest

from tgt.stats.rise import Rise, rise_of


def course(*runs: tuple[int, int, int]) -> dict[int, tuple[float, float]]:
    """Steps in a row: so many, each with so many bad of so many units."""
    counts = [(float(bad), float(units)) for many, bad, units in runs for _ in range(many)]
    return dict(enumerate(counts))


@pytest.mark.parametrize(
    ("promise", "given", "now", "found"),
    [
        (
            "it rose when the window began",
            course((100, 0, 10), (6, 5, 10)),
            100,
            Rise(100, 99, 100),
        ),
        ("it rose before the window", course((90, 0, 10), (16, 5, 10)), 100, Rise(90, 89, 90)),
        ("it rose within the window", course((103, 0, 10), (3, 8, 10)), 100, Rise(103, 102, 103)),
        (
            "that it was so before, and was over, is another time",
            course((30, 0, 10), (20, 5, 10), (50, 0, 10), (6, 5, 10)),
            100,
            Rise(100, 99, 100),
        ),
        (
            "in a night without anything it may have been at any time",
            {**course((50, 0, 10)), 98: (5.0, 10.0), 99: (5.0, 10.0)},
            98,
            Rise(98, 49, 98),
        ),
        ("it was always so", course((106, 5, 10)), 100, None),
        ("it fell", course((100, 5, 10), (6, 0, 10)), 100, None),
        ("nothing is known of before", {100: (5.0, 10.0)}, 100, None),
        ("nothing is known of now", course((90, 0, 10)), 100, None),
        ("nothing at all", {}, 0, None),
        ("too few to tell", course((100, 1, 10), (1, 1, 3)), 100, None),
        ("all are bad", course((100, 0, 10), (6, 10, 10)), 100, Rise(100, 99, 100)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_onset(
    promise: str, given: dict[int, tuple[float, float]], now: int, found: Rise | None
) -> None:
    assert rise_of(given, now) == found, promise


@pytest.mark.parametrize(("units", "most"), [(3, 16), (10, 0)])
def test_the_onset_is_found_among_chance(units: int, most: int) -> None:
    """A share that rises from one in twenty to one in three, of so many units in ten minutes: how
    many of 200 onsets are missed by more than an hour."""
    chance = random.Random(7)
    missed = 0
    for _ in range(200):
        onset = chance.randrange(900, 990)
        given = {}
        for step in range(1008):
            share = 0.33 if step >= onset else 0.05
            given[step] = (float(sum(chance.random() < share for _ in range(units))), float(units))
        rise = rise_of(given, 1002)
        missed += rise is None or not rise.after + 1 - 6 <= onset <= rise.latest + 6
    assert missed <= most
