"""How many new cards may still be saved this hour: arithmetic on the times of past saves.

A save counts for one hour after it. One that is stamped in the future, because a clock was set
back, never blocks. Nothing here knows where the saves are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from tgt.tasks.card import Card

HOUR = timedelta(hours=1)

Save = tuple[str, datetime]
"""The id of a card, and when it was saved."""


def recent(saves: Iterable[Save], now: datetime) -> tuple[Save, ...]:
    """The saves that count, oldest first, each card once: now - 1 h < saved at <= now."""
    latest: dict[str, datetime] = {}
    for card_id, at in saves:
        if timedelta(0) <= now - at < HOUR:
            latest[card_id] = max(at, latest.get(card_id, at))
    return tuple(sorted(latest.items(), key=lambda save: (save[1], save[0])))


def reconcile(saves: Iterable[Save], cards: Iterable[Card], now: datetime) -> tuple[Save, ...]:
    """The saves that count, with those of the journal that a crash kept from being recorded."""
    return recent((*saves, *saves_of(cards)), now)


def saves_of(cards: Iterable[Card]) -> Iterator[Save]:
    """When each card was saved first: ``savedAt`` moves on with every change in some journals."""
    for card in cards:
        at = card.time("generatedAt") or card.time("savedAt")
        if at is not None:
            yield card.id, at


def used(saves: Iterable[Save], now: datetime) -> int:
    return len(recent(saves, now))


def remaining(saves: Iterable[Save], now: datetime, per_hour: int) -> int:
    """How many cards may be saved now; never negative."""
    return max(0, per_hour - used(saves, now))


def next_free(saves: Iterable[Save], now: datetime, per_hour: int) -> datetime | None:
    """When the next card may be saved; None when one may be saved now, or never (a quota of 0)."""
    counted = recent(saves, now)
    if len(counted) < per_hour or per_hour <= 0:
        return None
    return counted[len(counted) - per_hour][1] + HOUR
