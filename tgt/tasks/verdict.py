"""What people made of a card, as far as it still stands.

What tgt or an agent did is no verdict, and neither is a dismissal for a while: that says when, and
not whether. Reasons are for people, and are not read.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tgt.tasks.card import GENERATED_BY, Card, Status

_AGENT = "agent:"


class Verdict(StrEnum):
    APPROVED = "approved"
    COMPLETED = "completed"
    DISMISSED = "dismissed"

    @property
    def upholds(self) -> bool:
        return self is not Verdict.DISMISSED


def verdict(card: Card) -> tuple[Verdict, datetime] | None:
    """What a person decided last and nobody has taken back, and when; None if there is no such.

    What a run has opened again since is undecided, unless it was approved before: that a problem
    is back says nothing against the card.
    """
    at: datetime | None
    if card.status == Status.DISMISSED:
        is_verdict = card.data.get("dismissedUntil") is None and is_persons(card, "dismissedBy")
        kind, at = Verdict.DISMISSED, card.time("dismissedAt") or card.time("updatedAt")
    elif card.status == Status.COMPLETED and is_persons(card, "completedBy"):
        is_verdict = True
        kind, at = Verdict.COMPLETED, card.time("completedAt") or card.time("updatedAt")
    else:
        is_verdict = is_persons(card, "approvedBy") and not _was_dismissed_since(card)
        kind, at = Verdict.APPROVED, card.time("approvedAt")
    return (kind, at) if is_verdict and at is not None else None


def is_persons(card: Card, key: str) -> bool:
    """Whether it was a person that the key names; nobody's name stands there as a rule."""
    by = card.text(key)
    return by != GENERATED_BY and not by.startswith(_AGENT)


def is_by_tgt(card: Card) -> bool:
    """Whether it is approved, and nobody but tgt has done so."""
    return card.status == Status.APPROVED and card.text("approvedBy") == GENERATED_BY


def _was_dismissed_since(card: Card) -> bool:
    approved, dismissed = card.time("approvedAt"), card.time("dismissedAt")
    return approved is not None and dismissed is not None and dismissed > approved
