"""What is news about a card, and what is none."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tgt.notify import news
from tgt.notify.news import News
from tgt.tasks.card import Card

Make = Callable[..., dict[str, Any]]

NOON, ONE, TWO = (f"2025-11-03T{hour}:00:00.000Z" for hour in (12, 13, 14))
OPEN: dict[str, Any] = {"status": "generated"}
APPROVED = {"status": "approved", "approvedAt": NOON, "approvedBy": "ada"}
DISMISSED = {"status": "dismissed", "dismissedAt": NOON}
BY_ADA = {"status": "completed", "completedAt": NOON, "completedBy": "ada"}
BY_SOMEBODY = {"status": "completed", "completedAt": NOON}
BY_TGT = {"status": "completed", "completedAt": NOON, "completedBy": "tgt"}
HOLDS = {"verification": {"state": "holds", "at": NOON, "text": "no failure in 300 calls"}}
NOT_HOLDING = {"verification": {"state": "not_holding", "at": NOON}}
TOO_EARLY = {"verification": {"state": "too_early", "at": NOON}}
BY_A_RUN = {"reopenedAt": ONE, "metadata": {"reopened": {"at": ONE, "reason": "came_back"}}}
BY_A_PERSON = {"reopenedAt": ONE, "reopenedBy": "ada"}
UNKNOWN = {"status": "in_progress"}
LESS = {"severity": "medium"}
MORE = {"severity": "critical"}
OF_OTHERS = {"severity": "blocker"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, OPEN, News.NEW),
        (None, APPROVED, News.NEW),
        (None, DISMISSED, None),
        (None, BY_ADA, None),
        (None, BY_TGT, News.FIXED),
        (None, UNKNOWN, None),
        (OPEN, OPEN, None),
        (OPEN, APPROVED, None),
        (OPEN, DISMISSED, None),
        (OPEN, BY_ADA, None),
        (OPEN, BY_SOMEBODY, None),
        (OPEN, BY_TGT, News.FIXED),
        (OPEN, BY_ADA | HOLDS, News.FIXED),
        (OPEN, OPEN | HOLDS, News.FIXED),
        (OPEN, OPEN | TOO_EARLY, None),
        (OPEN, OPEN | NOT_HOLDING, None),
        (OPEN, OPEN | {"verification": "holds"}, None),
        (OPEN, DISMISSED | HOLDS, None),
        (BY_ADA, BY_ADA | TOO_EARLY, None),
        (BY_ADA, BY_ADA | HOLDS, News.FIXED),
        (OPEN | HOLDS, BY_TGT | HOLDS, None),
        (OPEN | HOLDS, OPEN | NOT_HOLDING, News.BACK),
        (BY_TGT, OPEN | BY_A_RUN, News.BACK),
        (BY_TGT | HOLDS, OPEN | BY_A_RUN | HOLDS, News.BACK),
        (BY_ADA, OPEN | BY_A_RUN, News.BACK),
        (DISMISSED, OPEN | BY_A_RUN, News.BACK),
        (DISMISSED, OPEN | BY_A_PERSON, News.BACK),
        (DISMISSED, OPEN | BY_A_RUN | MORE, News.BACK),
        (OPEN, OPEN | BY_A_RUN, News.BACK),
        (APPROVED, OPEN | BY_A_PERSON, None),
        (UNKNOWN, OPEN, None),
        (LESS, OPEN, News.WORSE),
        (OPEN, LESS, None),
        (OPEN, OPEN | {"now": {"severity": "critical"}}, News.WORSE),
        (OPEN, OF_OTHERS, None),
        (OF_OTHERS, OPEN, None),
        (DISMISSED, DISMISSED | MORE, None),
    ],
)
def test_what_is_news(
    card_data: Make, before: dict[str, Any] | None, after: dict[str, Any], told: News | None
) -> None:
    remembered = None if before is None else news.known(Card(card_data(**before)))
    found = news.between(remembered, Card(card_data(**after)))
    assert (found and found[0]) == told
    assert remembered is None or news.is_known(remembered)


def test_the_severity_that_it_had_is_told(card_data: Make) -> None:
    found = news.between(news.known(Card(card_data(**LESS))), Card(card_data(**MORE)))
    assert found == (News.WORSE, "medium")


@pytest.mark.parametrize("key", ["status", "severity", "reopenedAt", "verification", "metadata"])
def test_a_card_of_another_writer_is_read_as_it_is(card_data: Make, key: str) -> None:
    strange: tuple[Any, ...] = (None, 7, [], {}, "\x1b[2J")
    for value in strange:
        card = Card(card_data(**{key: value}))
        assert news.is_known(news.known(card))
        news.between(news.known(Card(card_data())), card)


def test_what_is_remembered_is_short(card_data: Make) -> None:
    """There may be a hundred thousand."""
    assert news.known(Card(card_data())) == "oh"


def test_two_pieces_of_news_of_which_nobody_was_told_the_first() -> None:
    told = {
        pair: news.merged(*pair)
        for pair in itertools.product(News, repeat=2)
        if pair[1] is not News.NEW
    }
    assert told == {
        (News.NEW, News.WORSE): News.NEW,
        (News.NEW, News.BACK): News.NEW,
        (News.NEW, News.FIXED): News.FIXED,
        (News.WORSE, News.WORSE): News.WORSE,
        (News.WORSE, News.BACK): News.BACK,
        (News.WORSE, News.FIXED): News.FIXED,
        (News.BACK, News.WORSE): News.BACK,
        (News.BACK, News.BACK): News.BACK,
        (News.BACK, News.FIXED): News.FIXED,
        (News.FIXED, News.WORSE): News.FIXED,
        (News.FIXED, News.BACK): News.BACK,
        (News.FIXED, News.FIXED): News.FIXED,
    }
