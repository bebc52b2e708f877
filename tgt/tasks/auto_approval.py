"""Which new cards tgt approves by itself: those of a kind that people have always approved.

A kind is a type, a severity and a tenth of confidence. What tgt has approved is no reason to
approve more, and one dismissal of a kind ends it: only a person who approves or completes that very
card takes it back. How many there were in the last day is counted from the cards, so nothing that
is lost beside them makes room for more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tgt.tasks.card import GENERATED_BY, Card, Status, format_time, parse_time
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.verdict import is_persons

NEEDED = 10
"""So many cards of a kind people must have approved."""
PERIOD = timedelta(days=1)
_BANDS = 10

KEY = "autoApproved"
"""Of a card that tgt approved: when, and what it was then. It outlasts whatever people decide."""


class Kind(NamedTuple):
    """``band`` is a tenth of confidence: 7 from 0.7 to below 0.8, 9 up to 1."""

    type: str
    severity: str
    band: int

    @property
    def bounds(self) -> tuple[float, float]:
        return self.band / _BANDS, (self.band + 1) / _BANDS


class Count(NamedTuple):
    """How many cards of a kind people approved, and how many they dismissed."""

    approved: int = 0
    dismissed: int = 0

    @property
    def qualifies(self) -> bool:
        return self.approved >= NEEDED and not self.dismissed


def kind_of(card: Card) -> Kind:
    return _kind(card.type, card.severity, card.confidence)


def counts(cards: Iterable[Card]) -> dict[Kind, Count]:
    """What people decided of each kind."""
    by_kind: dict[Kind, Count] = {}
    for card in cards:
        if _is_dismissed(card):
            for kind in _kinds_of_dismissed(card):
                count = by_kind.get(kind, Count())
                by_kind[kind] = count._replace(dismissed=count.dismissed + 1)
        elif _is_approved(card):
            count = by_kind.get(kind_of(card), Count())
            by_kind[kind_of(card)] = count._replace(approved=count.approved + 1)
    return by_kind


def in_last_day(cards: Iterable[Card], now: datetime) -> int:
    """How many tgt approved, whatever became of them. A clock that was set back makes no room."""
    times = (parse_time(card.mapping(KEY).get("at")) for card in cards)
    return sum(at is not None and abs(now - at) < PERIOD for at in times)


def approved(
    decisions: Sequence[Decision], cards: Mapping[str, Card], now: datetime, most: int
) -> tuple[Decision, ...]:
    """The decisions, with those of the new cards approved that may be: the first of them, as far as
    there is room for ``most`` a day."""
    room = most - in_last_day(cards.values(), now) if most else 0
    if room <= 0 or not any(decision.action is Action.SAVE for decision in decisions):
        return tuple(decisions)
    counts_by_kind = counts(cards.values())
    granted: dict[str, Card] = {}
    for card in (d.card for d in decisions if d.action is Action.SAVE):
        if card is not None and len(granted) < room:
            count = counts_by_kind.get(kind_of(card), Count())
            if count.qualifies:
                granted[card.id] = _approved(card, count, now)
    return tuple(
        replace(d, card=granted[d.card.id]) if d.card is not None and d.card.id in granted else d
        for d in decisions
    )


def _approved(card: Card, count: Count, now: datetime) -> Card:
    stamp = format_time(now)
    low, high = kind_of(card).bounds
    note = f"by tgt: people approved all {count.approved} tasks of this type, of {card.severity}"
    note += f" severity and a confidence of {low:g} to {high:g}, and dismissed none"
    record: dict[str, Any] = {"at": stamp, "severity": card.severity, "confidence": card.confidence}
    return card.changed(
        status=str(Status.APPROVED),
        approvedAt=stamp,
        approvedBy=GENERATED_BY,
        approvalNote=note,
        **{KEY: {**record, "approvals": count.approved}},
    )


def _kind(type_: str, severity: str, confidence: float) -> Kind:
    band = math.floor(round(confidence * _BANDS, 6))
    return Kind(type_, severity, min(max(band, 0), _BANDS - 1))


def _is_approved(card: Card) -> bool:
    """Whether a person approved it as it is, and it is so still, or completed since."""
    as_it_is = card.text("approvedSeverity") in {"", card.severity}
    is_so = card.status in {Status.APPROVED, Status.COMPLETED} and bool(card.time("approvedAt"))
    return is_so and as_it_is and is_persons(card, "approvedBy")


def _is_dismissed(card: Card) -> bool:
    """Whether somebody dismissed it, be it for a while, and no person has approved or completed it
    since. A run that opened it again has not."""
    at = card.time("dismissedAt")
    if card.status == Status.DISMISSED or at is None:
        return card.status == Status.DISMISSED
    approved_at = card.time("approvedAt") if is_persons(card, "approvedBy") else None
    is_completed = card.status == Status.COMPLETED and is_persons(card, "completedBy")
    completed_at = card.time("completedAt") if is_completed else None
    return not any(since is not None and since >= at for since in (approved_at, completed_at))


def _kinds_of_dismissed(card: Card) -> Iterator[Kind]:
    """That of the card as it was dismissed, and the one as which tgt approved it."""
    own = _kind(card.type, card.text("dismissedSeverity") or card.severity, card.confidence)
    yield own
    if card.mapping(KEY):
        was = Card(card.mapping(KEY))
        kind = _kind(card.type, was.severity, was.confidence)
        if kind != own:
            yield kind
