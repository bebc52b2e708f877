"""How many new cards may still be saved this hour: arithmetic on the times of past saves.

A save counts for one hour after it. One that is stamped in the future, because a clock was set
back, never blocks. Nothing here knows where the saves are kept.

Beside the quota of all there may be one for the cards of a single analyzer: the same arithmetic on
the saves that are ``of`` it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from tgt.tasks.card import Card

HOUR = timedelta(hours=1)


class Save(NamedTuple):
    """The id of a card, when it was saved, and the analyzer that found its problem; empty where
    the writer of the save did not say."""

    id: str
    at: datetime
    analyzer: str = ""


def recent(saves: Iterable[Save], now: datetime) -> tuple[Save, ...]:
    """The saves that count, oldest first, each card once: now - 1 h < saved at <= now."""
    latest: dict[str, Save] = {}
    for save in saves:
        if timedelta(0) <= now - save.at < HOUR:
            before = latest.get(save.id, save)
            analyzer = before.analyzer or save.analyzer
            latest[save.id] = Save(save.id, max(save.at, before.at), analyzer)
    return tuple(sorted(latest.values(), key=lambda save: (save.at, save.id)))


def reconcile(saves: Iterable[Save], cards: Iterable[Card], now: datetime) -> tuple[Save, ...]:
    """The saves that count, with those of the journal that a crash kept from being recorded."""
    return recent((*saves, *saves_of(cards)), now)


def saves_of(cards: Iterable[Card]) -> Iterator[Save]:
    """When each card was saved first: ``savedAt`` moves on with every change in some journals."""
    for card in cards:
        at = card.time("generatedAt") or card.time("savedAt")
        if at is not None:
            yield Save(card.id, at, card.analyzer)


def of(saves: Iterable[Save], analyzer: str) -> tuple[Save, ...]:
    """Those of one analyzer."""
    return tuple(save for save in saves if save.analyzer == analyzer)


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
    return counted[len(counted) - per_hour].at + HOUR
