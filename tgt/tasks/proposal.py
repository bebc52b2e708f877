"""What an agent proposes of a card: that it is done. People decide if it is, or telemetry does.

The proposal is the key ``proposedComplete`` of a card, and stays there after it was answered, so
that nobody who changes a card has to know of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tgt.tasks.card import Card, parse_time

KEY = "proposedComplete"
_ANSWERS = ("approvedAt", "dismissedAt", "completedAt", "reopenedAt")


class Proposal(NamedTuple):
    """When which agent said that the task is done, and why."""

    at: datetime
    by: str
    text: str


def standing(card: Card) -> Proposal | None:
    """The proposal that nobody has answered yet; any later decision about the card is an answer."""
    proposal = Card(card.mapping(KEY))
    at = parse_time(proposal.data.get("at"))
    if at is None or not card.is_open:
        return None
    answers = (card.time(key) for key in _ANSWERS)
    if any(answer is not None and answer > at for answer in answers):
        return None
    return Proposal(at, proposal.text("by"), proposal.text("text"))
