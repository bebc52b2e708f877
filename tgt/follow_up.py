"""After a card: what runs measure of problems that they do not see, and what becomes of the cards.

Nothing here decides by silence: a card is completed, or what somebody completed is confirmed, only
by telemetry in which the problem would have shown itself (``tgt.tasks.verification``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from tgt.analyzers.asked_once import asked_once
from tgt.analyzers.base import Context
from tgt.analyzers.registry import chosen
from tgt.analyzers.watching import measured
from tgt.tasks import ledger
from tgt.tasks.card import Card
from tgt.tasks.state import SchedulerState
from tgt.tasks.verification import (
    Watch,
    completion_of,
    hour_of,
    is_about,
    is_over,
    is_watched,
    measurable,
)

Each: TypeAlias = Callable[[Callable[[Card], None]], None]
"""Hands on all cards one by one."""

_MOST = 200
"""So many cards are measured in a run."""


def remembering(each_card: Each, watched: dict[str, Card], now: datetime) -> Each:
    """Hands on the cards, and remembers those that runs measure: if many, the last seen."""

    def hand_on(take: Callable[[Card], None]) -> None:
        def remember(card: Card) -> None:
            take(card)
            watched.pop(card.id, None)
            if is_watched(card, now):
                watched[card.id] = measurable(card)
            if len(watched) > 2 * _MOST:
                _keep_newest(watched)

        each_card(remember)
        _keep_newest(watched)

    return hand_on


def _keep_newest(watched: dict[str, Card]) -> None:
    newest = sorted(watched.values(), key=lambda card: card.text("lastSeenAt"), reverse=True)
    for card in newest[_MOST:]:
        del watched[card.id]


@dataclass(frozen=True)
class Measured:
    """What a run measured by the ids of cards, what failed on the way, and the cards of which it
    could measure nothing."""

    watches: Mapping[str, Watch] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    unmeasured: frozenset[str] = frozenset()


def measure(context: Context, cards: Mapping[str, Card], state: SchedulerState) -> Measured:
    """What is measured of the cards."""
    analyzers = chosen(context.settings).analyzers
    names = {analyzer.name for analyzer in analyzers}
    context = replace(context, snapshot=asked_once(context.snapshot))
    last = state.last_run_at
    is_first = last is None or hour_of(last) != hour_of(context.window.end)
    watches: dict[str, Watch] = {}
    failed = []
    unmeasured = set()
    for card_id, card in cards.items():
        before = state.watches.get(card_id, Watch())
        if card.analyzer not in names:
            unmeasured.add(card_id)
            continue
        try:
            watch = measured(analyzers, context, card, before, is_first_of_hour=is_first)
        except Exception as failure:  # noqa: BLE001 whatever fails in one must not stop the others
            failed.append(f"analyzer {card.analyzer} failed: {context.reason(failure)}")
            unmeasured.add(card_id)
            continue
        if watch is not None and watch != Watch():
            watches[card_id] = watch
    return Measured(watches, tuple(failed), frozenset(unmeasured))


def remembered(before: Mapping[str, Watch], after: Measured, now: datetime) -> dict[str, Watch]:
    """What was measured, and for a day what earlier runs measured of those of which this one could
    not: one with other analyzers, or in which something failed, is no reason to forget."""
    kept = {
        card_id: watch
        for card_id, watch in before.items()
        if card_id in after.unmeasured and watch.is_fresh(now)
    }
    return {**kept, **after.watches}


def ended(
    watches: Mapping[str, Watch],
    cards: Mapping[str, Card],
    present: Collection[str],
    state: SchedulerState,
    now: datetime,
) -> Iterator[Card]:
    """The cards whose problem is over, with the proof: open ones are completed, unless their
    problem was ``present`` in this run, by its fingerprint."""
    for card_id, watch in watches.items():
        card = cards.get(card_id)
        if card is None or not watch.holds or not is_about(watch, card):
            continue
        if card.is_open and is_over(watch, now) and card.fingerprint not in present:
            seen = ledger.overlaid(card, state.sightings.get(card_id), watch)
            yield ledger.completed_by_itself(seen, watch, now)
        elif completion_of(card) is not None:
            yield ledger.verified(card, watch, now)
