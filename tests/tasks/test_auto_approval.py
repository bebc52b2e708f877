"""Promises of what tgt approves itself: only what people have always approved, never more than was
said, and nothing more of a kind once somebody dismissed one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from invented_problem import a_finding

from tgt import triage
from tgt.store.journal import Journal
from tgt.tasks import auto_approval, ledger
from tgt.tasks.auto_approval import KEY, NEEDED, Kind
from tgt.tasks.card import Card, Severity, format_time, new_card
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.verdict import is_by_tgt, verdict

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
STAMP, LATER = format_time(NOW - timedelta(days=9)), format_time(NOW - timedelta(days=8))
DAY = timedelta(days=1)
ALIKE = {"type": "error_spike", "severity": "high", "confidence": 0.97}


def cards(many: int = NEEDED, **changes: Any) -> dict[str, Card]:
    """So many approved cards of one kind, of which the first is another one."""
    made = {}
    for n in range(many):
        more = changes if n == 0 else {}
        data = {"id": f"C{n}", **ALIKE, "status": "approved", "approvedAt": STAMP, **more}
        made[f"C{n}"] = Card(data)
    return made


def new(many: int = 1) -> list[Decision]:
    return [
        Decision(a_finding(), Action.SAVE, ledger.NEW, new_card(a_finding(), NOW))
        for _ in range(many)
    ]


def count(known: dict[str, Card], many: int = 1, most: int = 100, now: datetime = NOW) -> int:
    made = auto_approval.approved(new(many), known, now, most)
    return sum(is_by_tgt(d.card) for d in made if d.card is not None)


def test_what_tgt_approves_says_so_with_figures() -> None:
    (made,) = auto_approval.approved(new(), cards(12), NOW, 1)
    assert made.card is not None
    data = made.card.data
    assert (data["status"], data["approvedAt"], data["approvedBy"]) == (
        "approved",
        format_time(NOW),
        "tgt",
    )
    assert data["approvalNote"] == (
        "by tgt: people approved all 12 tasks of this type, of high severity and a confidence of"
        " 0.9 to 1, and dismissed none"
    )
    assert data[KEY] == {
        "at": format_time(NOW),
        "severity": "high",
        "confidence": 0.93,
        "approvals": 12,
    }
    assert verdict(made.card) is None, "it is nobody's verdict"
    assert made.card.brief().data[KEY] == data[KEY]


@pytest.mark.parametrize(
    ("first", "approves"),
    [
        ({}, True),
        ({"confidence": 1}, True),
        ({"confidence": 0.9}, True),
        ({"confidence": 0.8999}, False),
        ({"severity": "critical"}, False),
        ({"type": "ux_issue"}, False),
        ({"status": "completed", "completedAt": LATER}, True),
        ({"status": "completed", "completedAt": LATER, "completedBy": "tgt"}, True),
        ({"status": "completed", "approvedAt": None, "completedAt": LATER}, False),
        ({"status": "generated"}, False),
        ({"approvedBy": "tgt"}, False),
        ({"approvedBy": "agent:x"}, False),
        ({"approvedSeverity": "high"}, True),
        ({"approvedSeverity": "medium"}, False),
    ],
)
def test_ten_approvals_by_people_are_needed(first: dict[str, Any], approves: bool) -> None:
    assert count(cards(**first)) == approves
    assert count(cards(NEEDED - 1)) == 0
    assert count(cards(NEEDED + 1, **first)) == 1, "one more or less of another kind is no matter"


@pytest.mark.parametrize(
    ("first", "approves"),
    [
        ({"status": "dismissed"}, False),
        ({"status": "dismissed", "dismissedAt": LATER, "dismissedUntil": LATER}, False),
        ({"status": "dismissed", "severity": "low"}, True),
        ({"status": "dismissed", "severity": "low", "dismissedSeverity": "high"}, False),
        ({"status": "dismissed", "confidence": 0.75}, True),
        ({"status": "generated", "dismissedAt": LATER, "reopenedAt": LATER}, False),
        ({"dismissedAt": STAMP, "approvedAt": LATER}, True),
        ({"dismissedAt": LATER, "approvedAt": STAMP}, False),
        ({"status": "completed", "dismissedAt": STAMP, "completedAt": LATER}, True),
        (
            {"status": "completed", "completedBy": "tgt", "dismissedAt": LATER},
            False,
        ),
        (
            {
                "status": "dismissed",
                "severity": "critical",
                "dismissedSeverity": "critical",
                "confidence": 0.8,
                KEY: {"at": STAMP, "severity": "high", "confidence": 0.95},
            },
            False,
        ),
    ],
)
def test_one_dismissal_of_the_kind_ends_it(first: dict[str, Any], approves: bool) -> None:
    known = cards(20, **first)
    assert count(known) == approves
    assert count({key: card.brief() for key, card in known.items()}) == approves


def test_never_more_than_was_said_in_a_day_whatever_became_of_them() -> None:
    known = cards(12)
    assert [count(known, 5, most) for most in (0, 1, 3, 9)] == [0, 1, 3, 5]
    for n, status in enumerate(("approved", "generated", "completed")):
        told = {KEY: {"at": format_time(NOW), "severity": "low", "confidence": 0.7}}
        known[f"A{n}"] = Card({"id": f"A{n}", "type": "x", "status": status, **told})
    assert [count(known, 5, most) for most in (3, 4, 9)] == [0, 1, 5]
    just_before, after = NOW + DAY - timedelta(seconds=1), NOW + DAY
    assert [count(known, 5, 3, now=now) for now in (just_before, after)] == [0, 3]
    assert count(known, 5, 3, now=NOW - timedelta(hours=1)) == 0, "a clock set back makes no room"
    odd = {KEY: {"at": "soon"}}, {KEY: 7}
    assert auto_approval.in_last_day([Card(each) for each in odd], NOW) == 0


def test_the_bands_of_confidence() -> None:
    told = {c: auto_approval.kind_of(Card({"confidence": c})).band for c in (0, 0.3, 0.69, 0.7, 1)}
    assert told == {0: 0, 0.3: 3, 0.69: 6, 0.7: 7, 1: 9}
    assert Kind("", "", 9).bounds == (0.9, 1.0)


def test_people_take_it_back_or_make_it_theirs(tmp_path: Path) -> None:
    store = Journal(tmp_path)
    (made,) = auto_approval.approved(new(), cards(12), NOW, 1)
    assert made.card is not None
    name = [made.card.id]
    with store.writing() as writer:
        writer.append([made.card])

    def after(change: Callable[..., triage.Outcome], **options: str) -> Card:
        return change(store, name, NOW + DAY, **options).cards[0]

    back = after(triage.reopen, note="let me see")
    assert (back.status, is_by_tgt(back), bool(back.data[KEY])) == ("generated", False, True)
    assert triage.reopen(store, name, NOW + DAY).changed == (), "once is enough"
    mine = after(triage.approve)
    assert (mine.status, mine.text("approvedBy"), mine.text("approvalNote")) == ("approved", "", "")
    assert mine.text("approvedSeverity") == "high"
    assert verdict(mine) == ("approved", NOW + DAY)
    gone = after(triage.dismiss, reason="no")
    assert auto_approval.counts([gone]) == {Kind("error_spike", "high", 9): (0, 1)}
    triage.cleanup(store, NOW + 99 * DAY, days=1)
    assert store.read().cards.keys() == {made.card.id}, "it is why there are no more of its kind"

    with store.writing() as writer:
        writer.append([made.card])
    confirmed = after(triage.approve, note="yes")
    assert (confirmed.text("approvedBy"), confirmed.text("approvalNote")) == ("", "yes")
    assert confirmed.text("approvedAt") == format_time(NOW + DAY)
    assert triage.reopen(store, name, NOW + DAY).changed == (), "a person's approval stays"


def test_what_becomes_worse_is_for_people_to_approve() -> None:
    (made,) = auto_approval.approved(new(), cards(12), NOW, 1)
    assert made.card is not None
    worse = replace(a_finding(), severity=Severity.CRITICAL)
    for card, status in (
        (made.card, "generated"),
        (made.card.changed(approvedBy=None), "approved"),
    ):
        (decision,) = ledger.decide([worse], {card.id: card}, NOW + DAY, 9)
        renewed = ledger.apply(decision, NOW + DAY)
        assert renewed is not None
        assert (decision.action, renewed.status, renewed.severity) == (
            Action.RENEW,
            status,
            "critical",
        )
    assert ledger.apply(decision, NOW + DAY).data.get("reopenedAt") is None  # type: ignore[union-attr]
