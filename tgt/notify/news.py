"""What is news about a card: what it was when somebody looked, beside what it is now.

Only the difference counts, and not how it came about. So it is the same whether the journal still
has every line that was written meanwhile, or ``tgt cleanup`` has left the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tgt.tasks.card import GENERATED_BY, Card, Severity, Status, parse_time, severity_rank

HOLDS = "holds"
"""The state of a verification that says that the problem is gone."""


class News(StrEnum):
    """Why people are told about a card."""

    NEW = "new"
    WORSE = "worse"
    BACK = "back"
    FIXED = "fixed"


@dataclass(frozen=True)
class Item:
    """A card as it is now, and what is news about it. ``before`` is the severity that it had,
    where it is worse."""

    card: Card
    news: News
    before: str = ""


_OPEN, _FIXED, _CLOSED, _OTHER = "o", "f", "c", "x"
_CLOSED_STATUSES = {str(Status.DISMISSED), str(Status.COMPLETED)}
_LETTERS = {severity.rank: str(severity)[0] for severity in Severity}
_RANKS = {letter: rank for rank, letter in _LETTERS.items()}
_NAMES = {severity.rank: str(severity) for severity in Severity}
_UNKNOWN_SEVERITY = "?"


class Known(NamedTuple):
    """What must be known of a card to tell its next news."""

    state: str
    rank: int
    reopened: str


def known(card: Card) -> str:
    """What is remembered of a card: a few characters, since there may be a hundred thousand."""
    severity = _LETTERS.get(severity_rank(card.current.severity), _UNKNOWN_SEVERITY)
    reopened = card.text("reopenedAt") if parse_time(card.text("reopenedAt")) else ""
    return f"{_state(card)}{severity}{reopened}"


def is_known(text: object) -> bool:
    """Whether this may have been remembered of a card."""
    return (
        isinstance(text, str)
        and text[:1] in {_OPEN, _FIXED, _CLOSED, _OTHER}
        and (text[1:2] in _RANKS or text[1:2] == _UNKNOWN_SEVERITY)
    )


def is_closed(card: Card) -> bool:
    """Whether people have closed the card, and it is not known to be fixed."""
    return _state(card) == _CLOSED


def between(before: str | None, card: Card) -> tuple[News, str] | None:
    """What is news about a card of which ``before`` was remembered, and the severity that it had if
    it is worse. What people decide is no news to people."""
    now = _read(known(card))
    if before is None:
        return {_OPEN: (News.NEW, ""), _FIXED: (News.FIXED, "")}.get(now.state)
    then = _read(before)
    if now.state == _FIXED:
        return None if then.state == _FIXED else (News.FIXED, "")
    if now.state != _OPEN:
        return None
    if then.state in {_FIXED, _CLOSED} or (now.reopened != then.reopened and _by_a_run(card)):
        return News.BACK, ""
    if now.rank > then.rank >= 0:
        return News.WORSE, _NAMES[then.rank]
    return None


def merged(first: News, second: News) -> News:
    """What two pieces of news are together, of which nobody was told the first."""
    is_still_new = first is News.NEW and second is News.BACK
    return first if second is News.WORSE or is_still_new else second


def reopened_because(card: Card) -> str:
    """The ledger's reason, if it was a run that opened the card again."""
    reopened = card.mapping("metadata").get("reopened")
    reason = reopened.get("reason") if isinstance(reopened, Mapping) else None
    return reason if isinstance(reason, str) and _by_a_run(card) else ""


def _state(card: Card) -> str:
    by_tgt = card.status == Status.COMPLETED and card.text("completedBy") == GENERATED_BY
    if by_tgt or (card.status != Status.DISMISSED and _holds(card)):
        return _FIXED
    if card.is_open:
        return _OPEN
    return _CLOSED if card.status in _CLOSED_STATUSES else _OTHER


def _holds(card: Card) -> bool:
    """Whether the card was verified, and has not been opened again since."""
    verification = card.mapping("verification")
    at, reopened = parse_time(verification.get("at")), card.time("reopenedAt")
    is_outdated = at is not None and reopened is not None and at < reopened
    return verification.get("state") == HOLDS and not is_outdated


def _by_a_run(card: Card) -> bool:
    reopened = card.mapping("metadata").get("reopened")
    at = parse_time(reopened.get("at")) if isinstance(reopened, Mapping) else None
    return at is not None and at == card.time("reopenedAt")


def _read(text: str) -> Known:
    return Known(text[:1], _RANKS.get(text[1:2], -1), text[2:])
