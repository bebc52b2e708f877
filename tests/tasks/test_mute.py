"""Promises of mutes: what counts is asked as of a time, whatever stands in a file."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.tasks.card import Card
from tgt.tasks.mute import KEY, LONGEST_GLOB, LONGEST_REASON, Mute, Mutes, as_of, marked

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
TINY = timedelta(microseconds=1)
FIXED = {"at": "2025-11-03T12:00:00Z", "subject": "a", "muted": True}


@pytest.mark.parametrize(
    ("glob", "type_", "subject", "types", "covers"),
    [
        ("tool_call/*", "", "tool_call/read_file", ("error_spike",), True),
        ("tool_call/*", "", "upstream/http_529", ("error_spike",), False),
        ("tool_call/*", "", "x/tool_call/a", ("error_spike",), False),
        ("*read*", "", "tool_call/read_file", (), True),
        ("tool_call/[rw]*", "", "tool_call/write", (), True),
        ("tool_call/[!rw]*", "", "tool_call/write", (), False),
        ("TOOL_CALL/*", "", "tool_call/a", (), False),
        ("*", "", "", (), True),
        ("*", "", "a\nb", (), True),
        ("[", "", "[", (), True),
        ("*", "error_spike", "a", ("error_spike", "error_spike"), True),
        ("*", "docs_gap", "a", ("documentation_gap", "docs_gap"), True),
        ("*", "documentation_gap", "a", ("documentation_gap", "docs_gap"), True),
        ("*", "rules/mine", "a", ("custom", "rules/mine"), True),
        ("*", "Rules/Mine", "a", ("custom", "rules/mine"), True),
        ("*", "performance", "a", ("error_spike", "error_spike"), False),
    ],
)
def test_what_a_mute_covers(
    glob: str, type_: str, subject: str, types: tuple[str, ...], covers: bool
) -> None:
    mute = Mute(NOW, glob, type_)
    assert Mutes([mute]).covering(subject, *types) == (mute if covers else None)
    assert Mutes().covering(subject, *types) is None


@given(st.text("ab/*?[]!-", max_size=8), st.lists(st.text("ab/-!]", max_size=6), max_size=6))
def test_a_glob_means_what_it_means_in_tgt_list(glob: str, subjects: list[str]) -> None:
    mutes = Mutes([Mute(NOW, "never", "t"), Mute(NOW, glob)])
    for subject in subjects * 2:
        assert (mutes.covering(subject) is not None) == fnmatchcase(subject, glob)


def test_a_mute_counts_from_its_instant_to_its_end() -> None:
    history = [Mute(NOW, "a", until=NOW + HOUR), Mute(NOW, "b")]

    def subjects(now: datetime) -> set[str]:
        return {mute.subject for mute in as_of(history, now)}

    assert subjects(NOW - TINY) == set()
    assert subjects(NOW) == subjects(NOW + HOUR - TINY) == {"a", "b"}
    assert subjects(NOW + HOUR) == subjects(NOW + 9999 * HOUR) == {"b"}


def test_the_latest_decision_about_the_same_counts() -> None:
    first, longer = Mute(NOW, "a", until=NOW + HOUR), Mute(NOW + HOUR / 2, "a")
    end = Mute(NOW + HOUR, "a", ends=True)
    other, typed = Mute(NOW, "a*"), Mute(NOW, "a", "docs_gap")
    history = [end, first, other, longer, typed]  # a clock was set back

    def counting(now: datetime) -> set[Mute]:
        return set(as_of(history, now))

    assert counting(NOW) == {first, other, typed}
    assert counting(NOW + HOUR / 2) == {longer, other, typed}
    assert counting(NOW + HOUR) == {other, typed}, "ending one ends no other"
    assert set(as_of([first, Mute(NOW, "a", ends=True)], NOW)) == set()
    assert set(as_of([Mute(NOW, "a", ends=True), first], NOW)) == {first}, "of one instant the last"


def test_of_several_the_one_that_lasts_longest_is_named() -> None:
    short, long = Mute(NOW, "a*", until=NOW + HOUR), Mute(NOW, "*", until=NOW + 2 * HOUR)
    for_good = Mute(NOW, "ab")
    assert Mutes([short, long]).covering("ab") == long
    assert Mutes([for_good, short, long]).covering("ab") == for_good
    assert Mutes([for_good, short, long]).covering("ac") == long


@pytest.mark.parametrize(
    "mute",
    [
        Mute(NOW, "tool_call/*"),
        Mute(NOW, "é*", "docs_gap", NOW + HOUR, "flaky: see #7"),
        Mute(NOW, "a", ends=True, by="ada"),
    ],
)
def test_a_document_is_read_as_it_was_written(mute: Mute) -> None:
    assert Mute.of(mute.document) == mute


@pytest.mark.parametrize(
    "changes",
    [
        {"at": None},
        {"at": 7},
        {"at": "soon"},
        {"subject": None},
        {"subject": " "},
        {"subject": ["a"]},
        {"subject": "a" * (LONGEST_GLOB + 1)},
        {"type": "t" * 101},
        {"until": "never"},
        {"until": 7},
        {"muted": None},
        {"muted": "yes"},
        {"muted": 1},
    ],
)
def test_what_is_no_decision_is_none(changes: dict[str, Any]) -> None:
    assert Mute.of(FIXED) == Mute(NOW, "a")
    assert Mute.of({**FIXED, **changes}) is None


def test_the_words_of_a_decision_are_bounded() -> None:
    told = Mute.of({**FIXED, "type": 7, "reason": "r" * 10_000, "by": 7, "more": {}})
    assert told == Mute(NOW, "a", reason="r" * LONGEST_REASON)
    assert Mute.of({**FIXED, "by": "b" * 10_000}) == Mute(NOW, "a", by="b" * 100)
    told = Mute.of({**FIXED, "reason": ["r"]})
    assert told is not None
    assert told.reason == ""


def test_an_open_card_is_shown_with_what_mutes_it() -> None:
    data = {"id": "A", "status": "generated", "type": "error_spike", "subject": "a"}
    mutes = Mutes([Mute(NOW, "a", "error_spike", NOW + HOUR, "flaky", by="ada")])
    assert marked(Card(data), mutes).data[KEY] == {
        "subject": "a",
        "type": "error_spike",
        "at": "2025-11-03T12:00:00.000Z",
        "until": "2025-11-03T13:00:00.000Z",
        "reason": "flaky",
        "by": "ada",
    }
    for changes in ({"status": "dismissed"}, {"subject": "b"}, {"type": "x"}):
        card = Card({**data, **changes})
        assert marked(card, mutes) == card
    forged = Card({**data, KEY: {"subject": "*"}})
    assert marked(forged, Mutes()).data[KEY] is None, "it is never read from a card"
