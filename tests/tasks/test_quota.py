"""Promises of the quota: an hour is an hour, and no clock can block it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.tasks import quota
from tgt.tasks.card import Card, format_time

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
TINY = timedelta(microseconds=1)


def saves(*ages: timedelta) -> list[quota.Save]:
    return [quota.Save(f"T{number}", NOW - age) for number, age in enumerate(ages)]


@pytest.mark.parametrize(
    ("age", "counts", "why"),
    [
        (timedelta(0), 1, "a save of this instant counts"),
        (59 * MINUTE, 1, "one of the last hour counts"),
        (quota.HOUR - TINY, 1, "also at its very end"),
        (quota.HOUR, 0, "after exactly an hour it is free again"),
        (-TINY, 0, "a save in the future never blocks"),
        (timedelta(days=365), 0, "nor does one long ago"),
    ],
)
def test_a_save_counts_for_one_hour(age: timedelta, counts: int, why: str) -> None:
    assert quota.used(saves(age), NOW) == counts, why


def test_the_earliest_and_latest_times_there_are_do_no_harm() -> None:
    extremes = [
        datetime.min.replace(tzinfo=timezone.utc),
        datetime.max.replace(tzinfo=timezone.utc),
    ]
    for now in extremes:
        assert quota.remaining([quota.Save("A", at) for at in extremes if at != now], now, 3) == 3


def test_remaining_is_never_negative() -> None:
    assert [quota.remaining(saves(MINUTE, MINUTE), NOW, n) for n in (3, 2, 1, 0)] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("per_hour", "expected", "why"),
    [
        (3, None, "one is free now"),
        (2, NOW + 10 * MINUTE, "the oldest must expire"),
        (1, NOW + 40 * MINUTE, "both must expire"),
        (0, None, "never"),
    ],
)
def test_the_next_free_time(per_hour: int, expected: datetime | None, why: str) -> None:
    assert quota.next_free(saves(20 * MINUTE, 50 * MINUTE), NOW, per_hour) == expected, why


@given(st.lists(st.integers(-90, 90), max_size=12), st.integers(1, 12))
def test_a_save_is_possible_at_the_next_free_time_and_not_before(
    ages: list[int], per_hour: int
) -> None:
    past = saves(*(age * MINUTE for age in ages if age >= 0))
    free = quota.next_free(past, NOW, per_hour)
    if free is None:
        assert quota.remaining(past, NOW, per_hour) > 0
    else:
        assert quota.remaining(past, free - TINY, per_hour) == 0
        assert quota.remaining(past, free, per_hour) > 0


def test_a_crash_between_journal_and_sidecar_frees_no_quota() -> None:
    of_analyzer = {"metadata": {"analyzer": "docs_gap"}}
    cards = [
        Card({"id": "T0", "generatedAt": format_time(NOW - MINUTE)}),
        Card({"id": "LOST", "generatedAt": format_time(NOW - 2 * MINUTE)} | of_analyzer),
        Card({"id": "OLD", "generatedAt": format_time(NOW - 61 * MINUTE), "savedAt": "now"}),
        Card({"id": "BARE", "savedAt": format_time(NOW - 3 * MINUTE)}),
        Card({"id": "ODD", "generatedAt": "yesterday"}),
    ]
    known = quota.reconcile(saves(MINUTE, 61 * MINUTE), cards, NOW)
    assert known == (
        ("BARE", NOW - 3 * MINUTE, ""),
        ("LOST", NOW - 2 * MINUTE, "docs_gap"),
        ("T0", NOW - MINUTE, ""),
    )
    assert quota.reconcile(known, cards, NOW) == known


def test_the_saves_of_one_analyzer() -> None:
    known = [
        quota.Save("A", NOW - 10 * MINUTE, "docs_gap"),
        quota.Save("B", NOW - 20 * MINUTE, "performance"),
        quota.Save("C", NOW - 61 * MINUTE, "docs_gap"),
        quota.Save("D", NOW),
    ]
    own = quota.of(known, "docs_gap")
    assert [save.id for save in own] == ["A", "C"]
    assert [quota.remaining(own, NOW, most) for most in (2, 1, 0)] == [1, 0, 0]
    assert quota.next_free(own, NOW, 1) == NOW + 50 * MINUTE
    assert quota.of(known, "ux_issue") == ()


def test_the_card_tells_the_analyzer_of_a_save_that_an_earlier_version_recorded() -> None:
    data = {"id": "T0", "generatedAt": format_time(NOW - 5 * MINUTE)}
    card = Card(
        {**data, "metadata": {"analyzer": "docs_gap", "relatedEvents": ["e"]}, "title": "t"}
    )
    expected = (quota.Save("T0", NOW - MINUTE, "docs_gap"),)
    for told in (card, card.brief()):
        assert quota.reconcile(saves(MINUTE), [told], NOW) == expected
    assert quota.recent(expected, NOW) == expected, "also when the card is gone by then"
    assert card.brief().data == {**data, "metadata": {"analyzer": "docs_gap"}}
    assert "metadata" not in Card(data).brief().data
