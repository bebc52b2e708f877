"""A task is named by its id or either end of it; what a list shows always means that task."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.tasks.reference import SHORTEST, Ids

IDS = ("01KABC", "01KABCDE", "01KXYZ", "01lower", "TASK-17", "WITHABC")


@pytest.mark.parametrize(
    ("part", "expected", "why"),
    [
        ("01KX", ["01KXYZ"], "a beginning"),
        ("XYZ", ["01KXYZ"], "an end"),
        ("xyz", ["01KXYZ"], "in either case"),
        ("OWER", ["01lower"], "whatever case the journal has"),
        ("01KABC", ["01KABC"], "a whole id wins over a longer one"),
        ("01kabc", ["01KABC"], "also in the other case"),
        ("BC", ["01KABC", "WITHABC"], "several ends"),
        ("01K", ["01KABC", "01KABCDE", "01KXYZ"], "several beginnings"),
        ("BCD", [], "a middle is neither"),
        ("", [], "nothing means nothing"),
        ("01KXYZ0", [], "more than there is"),
    ],
)
def test_a_part_of_an_id(part: str, expected: list[str], why: str) -> None:
    assert Ids(IDS).match(part) == expected, why


def test_an_end_that_is_another_ones_beginning_means_both() -> None:
    assert Ids(["01KAXXXX", "XXXX01KB"]).match("XXXX") == ["01KAXXXX", "XXXX01KB"]


@pytest.mark.parametrize(
    ("card_id", "others", "short"),
    [
        ("01K94XYZ00A7T4M8R2VXCDGHJK", [], "GHJK"),
        ("01K94XYZ00A7T4M8R2VXCDGHJK", ["01K94XYZ00A7T4M8R2VXCDXHJK"], "GHJK"),
        ("01K94XYZ00A7T4M8R2VXCDGHJK", ["01K94XYZ00A7T4M8R2VXCAGHJK"], "DGHJK"),
        ("01K94XYZ00A7T4M8R2VXCDGHJK", ["ghjk-of-another-tool"], "DGHJK"),
        ("01K94XYZ00A701K9", ["01K94XYZ00A7T4M8R2VXCDGHJK"], "701K9"),
        ("AB", ["01AB"], "AB"),
        ("TASK-1", [], "TASK-1"),
        ("世界世界世界", [], "世界世界世界"),
    ],
)
def test_the_shortest_end_that_is_clear(card_id: str, others: list[str], short: str) -> None:
    assert Ids([card_id, *others]).short(card_id) == short


@given(st.lists(st.text("0A1b-", min_size=1, max_size=8), unique=True))
def test_what_is_shown_means_the_task_that_shows_it(ids: list[str]) -> None:
    known = Ids(ids)
    for card_id in ids:
        assert known.match(known.short(card_id)) == [card_id]


def test_a_large_journal_is_no_work() -> None:
    chance = random.Random(1)
    ids = [
        "01K9" + "".join(chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=22))
        for _ in "x" * 20_000
    ]
    known = Ids(ids)
    shown = [known.short(card_id) for card_id in ids]
    assert max(map(len, shown)) <= SHORTEST + 4
    assert sum(len(name) == SHORTEST for name in shown) > len(ids) * 0.9
