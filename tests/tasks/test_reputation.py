"""Promises of a reputation: what people keep dismissing sinks, no further than half, and comes back
with every verdict that is taken back, given otherwise, or old."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.tasks import reputation
from tgt.tasks.card import Card, format_time
from tgt.tasks.reputation import FLOOR, HALF_LIFE, KEY, OLDEST, Decided, Reputation, marked
from tgt.tasks.verdict import Verdict, verdict

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
STAMP = format_time(NOW)
EARLIER = format_time(NOW - timedelta(hours=1))
DAY = timedelta(days=1)


def of(
    dismissed: int, upheld: int, *, age: timedelta = timedelta(0), one_tool: bool = False
) -> Reputation:
    kinds = [Verdict.DISMISSED] * dismissed + [Verdict.APPROVED] * upheld
    tools = [0] * len(kinds) if one_tool else range(len(kinds))
    subjects = [f"tool_call/{chr(97 + tool) * 3}" for tool in tools]
    decided = [Decided("docs_gap", s, k, NOW - age) for s, k in zip(subjects, kinds, strict=True)]
    return Reputation(decided, NOW)


def left(known: Reputation, subject: str = "tool_call/new", severity: str = "low") -> float:
    return known.lowered(62, severity, "docs_gap", subject)


@pytest.mark.parametrize(
    ("dismissed", "upheld", "shown"),
    [(0, 0, 62), (3, 0, 62), (4, 0, 56), (6, 4, 62), (9, 1, 45), (10, 0, 31), (40, 0, 31)],
)
def test_only_what_is_clearly_dismissed_sinks_and_no_further_than_half(
    dismissed: int, upheld: int, shown: int
) -> None:
    known = of(dismissed, upheld)
    assert left(known) == shown
    assert left(known, severity="critical") == 62, "what is critical stays where it is"
    assert known.lowered(62, "low", "performance", "tool_call/new") == 62
    told = {r.family: (r.dismissed, r.approved, r.of) for r in known.records}
    assert told == ({"": (dismissed, upheld, dismissed + upheld)} if dismissed else {})


def test_old_verdicts_fade() -> None:
    fresh, older, gone = (of(20, 0, age=age) for age in (0 * DAY, 2 * HALF_LIFE, OLDEST + DAY))
    assert left(fresh) < left(older) < left(gone) == 62
    assert gone.records == ()
    assert left(of(20, 0, age=-DAY)) == 62, "what will be decided counts for nothing yet"


def test_one_odd_tool_does_not_drag_down_all_others() -> None:
    known = of(40, 0, one_tool=True)
    assert left(known) == 62
    for kin in ("tool_call/aaa", "tool_call/aaa@shop", "tool_call/aaa: ENOENT: no such file"):
        assert left(known, kin) == 31
    assert [(r.family, r.factor) for r in known.records] == [("", 1), ("tool_call/aaa", FLOOR)]


def test_what_differs_in_ids_alone_is_one_family() -> None:
    decided = [Decided("x", f"tool_call/get_{n:06}", Verdict.DISMISSED, NOW) for n in range(9)]
    lowering = Reputation(decided, NOW).lowering("low", "x", "tool_call/get_123456")
    assert lowering is not None
    assert (lowering.family, lowering.of) == ("tool_call/get_*", 9)


def test_a_family_that_people_uphold_does_not_sink_with_its_analyzer() -> None:
    decided = [Decided("x", f"tool_call/{n * 'a'}", Verdict.DISMISSED, NOW) for n in range(1, 20)]
    mine = Decided("x", "tool_call/mine", Verdict.COMPLETED, NOW)
    assert Reputation(decided, NOW).lowered(62, "low", "x", mine.subject) == 31
    assert Reputation([*decided, mine], NOW).lowered(62, "low", "x", mine.subject) == 62
    assert Reputation([*decided, mine], NOW).lowered(62, "low", "x", "tool_call/other") < 62


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200))
def test_one_more_upheld_never_sinks_and_one_more_dismissed_never_lifts(
    dismissed: int, upheld: int, days: int
) -> None:
    def factor(against: int, up: int) -> float:
        weight = 0.5 ** (days / 30)
        return reputation.Record("x", against=against * weight, upheld=up * weight).factor

    now = factor(dismissed, upheld)
    assert FLOOR <= factor(dismissed + 1, upheld) <= now <= factor(dismissed, upheld + 1) <= 1


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"status": "dismissed", "dismissedAt": STAMP}, Verdict.DISMISSED),
        ({"status": "dismissed", "updatedAt": STAMP}, Verdict.DISMISSED),
        ({"status": "dismissed", "dismissedAt": STAMP, "approvedAt": STAMP}, Verdict.DISMISSED),
        ({"status": "dismissed", "dismissedAt": STAMP, "dismissedUntil": STAMP}, None),
        ({"status": "dismissed", "dismissedAt": STAMP, "dismissedBy": "tgt"}, None),
        ({"status": "dismissed"}, None),
        ({"status": "approved", "approvedAt": STAMP}, Verdict.APPROVED),
        ({"status": "approved", "approvedAt": STAMP, "approvedBy": "agent:x"}, None),
        ({"status": "completed", "completedAt": STAMP}, Verdict.COMPLETED),
        ({"status": "completed", "completedAt": STAMP, "completedBy": "tgt"}, None),
        (
            {
                "status": "completed",
                "completedBy": "tgt",
                "completedAt": STAMP,
                "approvedAt": STAMP,
            },
            Verdict.APPROVED,
        ),
        ({"status": "generated", "approvedAt": STAMP}, Verdict.APPROVED),
        ({"status": "generated", "approvedAt": EARLIER, "dismissedAt": STAMP}, None),
        ({"status": "generated", "dismissedAt": STAMP, "reopenedAt": STAMP}, None),
        ({"status": "generated", "dismissedAt": EARLIER, "approvedAt": STAMP}, Verdict.APPROVED),
        ({"status": 7, "approvedAt": "soon"}, None),
    ],
)
def test_what_is_a_verdict(keys: dict[str, Any], expected: Verdict | None) -> None:
    found = verdict(Card({"id": "T", **keys}))
    assert found == (None if expected is None else (expected, NOW))
    assert verdict(Card({"id": "T", **keys}).brief()) == found


def test_a_card_is_shown_with_what_is_left_and_why_and_keeps_what_was_measured() -> None:
    now = {"priority": 62, "confidence": 0.9, "severity": "low", "at": STAMP}
    about = {"metadata": {"analyzer": "docs_gap"}, "subject": "tool_call/new"}
    card = Card({"id": "T", "status": "generated", "priority": 70, "now": now, **about})
    known = of(9, 1)
    shown = marked(card, known)
    assert (shown.current.priority, shown.data["priority"]) == (45, 70)
    assert shown.data[KEY] == {
        "priority": 62,
        "analyzer": "docs_gap",
        "family": None,
        "dismissed": 9,
        "approved": 1,
        "completed": 0,
        "of": 10,
        "dismissedAtLeast": 0.64,
        "factor": 0.73,
    }
    assert card.current.priority == 62
    assert marked(card.changed(now=None), known).data["priority"] == 51
    assert marked(card.changed(status="completed"), known).current.priority == 62
    unmarked = marked(card.changed(**{KEY: {"priority": 99}}), reputation.NOTHING)
    assert (unmarked.data[KEY], unmarked.current.priority) == (None, 62)
