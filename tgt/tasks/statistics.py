"""What the journal tells about the cards as a whole, and how useful the analyzers' cards were.

Pure counting over cards that other writers may have filled oddly: a value that makes no sense is
counted as ``unknown`` and never as a number.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from tgt.tasks.auto_approval import KEY
from tgt.tasks.card import Card, Status
from tgt.tasks.verdict import is_persons

UNKNOWN = "unknown"
_OF_VERDICTS = (
    *("approvedAt", "approvedBy", "completedAt", "completedBy"),
    *("dismissedAt", "dismissedBy", "dismissedUntil", "dismissedSeverity", "updatedAt"),
    *("approvedSeverity", "autoApproved"),
)


@dataclass(frozen=True)
class TaskStatistics:
    """Counts, the most frequent first, and means over all cards (0 when there are none)."""

    total: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    by_severity: dict[str, int] = field(default_factory=dict)
    by_type: dict[str, int] = field(default_factory=dict)
    average_priority: float = 0.0
    average_confidence: float = 0.0


@dataclass(frozen=True)
class Funnel:
    """What became of the cards generated in the last ``days``.

    ``approved`` counts every card that ever was, also when it is completed by now;
    ``auto_approved`` those of them that tgt approved.
    """

    days: int
    generated: int = 0
    approved: int = 0
    completed: int = 0
    dismissed: int = 0
    auto_approved: int = 0


@dataclass(frozen=True)
class Verdicts:
    """How people have judged the cards of one analyzer; ``undecided`` ones wait for it, whatever
    tgt did with them."""

    approved: int = 0
    dismissed: int = 0
    undecided: int = 0


def counted(card: Card) -> Card:
    """What the statistics, and the quota, look at; little of a card, since there may be many."""
    generated = card.data.get("generatedAt")
    kept = {
        "id": card.id,
        "status": sys.intern(card.status),
        "severity": sys.intern(card.severity),
        "type": sys.intern(card.type),
        "subject": sys.intern(card.subject),
        "priority": card.priority,
        "confidence": card.confidence,
        "generatedAt": generated,
        "metadata": _metadata(sys.intern(card.analyzer)),
    }
    if card.time("generatedAt") is None:
        kept["savedAt"] = card.data.get("savedAt")
    kept |= {key: card.data[key] for key in _OF_VERDICTS if card.data.get(key) is not None}
    return Card(kept)


@cache
def _metadata(analyzer: str) -> dict[str, str]:
    return {"analyzer": analyzer}


def summarize(cards: Iterable[Card]) -> TaskStatistics:
    statuses: Counter[str] = Counter()
    severities: Counter[str] = Counter()
    types: Counter[str] = Counter()
    priorities: list[float] = []
    confidences: list[float] = []
    for card in cards:
        statuses[card.status or UNKNOWN] += 1
        severities[card.severity or UNKNOWN] += 1
        types[card.type or UNKNOWN] += 1
        priorities.append(_within(card.priority, 100.0))
        confidences.append(_within(card.confidence, 1.0))
    return TaskStatistics(
        total=len(priorities),
        by_status=dict(statuses.most_common()),
        by_severity=dict(severities.most_common()),
        by_type=dict(types.most_common()),
        average_priority=round(_mean(priorities), 1),
        average_confidence=round(_mean(confidences), 2),
    )


def funnel(cards: Iterable[Card], now: datetime, days: int) -> Funnel:
    """Cards generated at or before ``now`` and less than ``days`` days ago, by what they became."""
    generated = approved = completed = dismissed = by_tgt = 0
    for card in cards:
        at = card.time("generatedAt")
        if at is None or not timedelta(0) <= now - at < timedelta(days=days):
            continue
        generated += 1
        approved += _was_approved(card)
        completed += card.status == Status.COMPLETED
        dismissed += card.status == Status.DISMISSED
        by_tgt += bool(card.mapping(KEY))
    return Funnel(days, generated, approved, completed, dismissed, by_tgt)


def verdicts(cards: Iterable[Card]) -> dict[str, Verdicts]:
    """By analyzer, in alphabetical order; a dismissal outweighs an approval before it."""
    approved: Counter[str] = Counter()
    dismissed: Counter[str] = Counter()
    undecided: Counter[str] = Counter()
    for card in cards:
        name = card.analyzer or UNKNOWN
        if card.status == Status.DISMISSED:
            dismissed[name] += 1
        elif _was_upheld(card):
            approved[name] += 1
        else:
            undecided[name] += 1
    names = sorted({*approved, *dismissed, *undecided})
    return {name: Verdicts(approved[name], dismissed[name], undecided[name]) for name in names}


def _was_approved(card: Card) -> bool:
    return card.status in {Status.APPROVED, Status.COMPLETED} or card.time("approvedAt") is not None


def _was_upheld(card: Card) -> bool:
    """Whether a person approved or completed it."""
    is_completed = card.status == Status.COMPLETED and is_persons(card, "completedBy")
    is_approved = card.status == Status.APPROVED or card.time("approvedAt") is not None
    return is_completed or (is_approved and is_persons(card, "approvedBy"))


def _within(value: float, most: float) -> float:
    return min(max(value, 0.0), most) if math.isfinite(value) else 0.0


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
