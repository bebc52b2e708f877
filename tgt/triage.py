"""What people do with cards: approve, dismiss, complete, reopen, and clean up.

A change happens on the card as it is while the write lock is held, so two people never overwrite
each other's. Of several tasks all are changed or none. Any status may follow any other, because
the operator knows better; a change that would change nothing writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tgt.errors import NotFoundError, TransitionError
from tgt.store import journal_index as heads
from tgt.store.journal import Journal
from tgt.tasks.card import Card, Status, format_time

_MOST_CANDIDATES = 20


@dataclass(frozen=True)
class Outcome:
    """The cards that were asked for, in that order, each as it is now.

    ``already`` are the ids of those that nothing had to be done about.
    """

    cards: tuple[Card, ...]
    already: frozenset[str] = frozenset()

    @property
    def changed(self) -> tuple[Card, ...]:
        return tuple(card for card in self.cards if card.id not in self.already)


@dataclass(frozen=True)
class Cleanup:
    """The cards that were dropped or, in a dry run, would have been."""

    removed: tuple[Card, ...]
    dry_run: bool = False


def find(journal: Journal, references: Sequence[str]) -> tuple[Card, ...]:
    """The cards that are meant, without taking the lock. Raises NotFoundError, StoreError."""
    return resolve(heads.find(journal, _cleaned(references)), references)


def resolve(cards: Mapping[str, Card], references: Sequence[str]) -> tuple[Card, ...]:
    """The card of each id or unambiguous prefix of one, in either case; each card once.

    Raises NotFoundError, with the candidates where a prefix fits several.
    """
    found: dict[str, Card] = {}
    missing = []
    for reference in _cleaned(references):
        matches = _matches(cards, reference)
        if len(matches) > 1:
            raise NotFoundError(
                f"{reference!r} fits {len(matches)} tasks",
                hint="give more of the id",
                candidates=tuple(matches[:_MOST_CANDIDATES]),
            )
        if matches:
            found.setdefault(matches[0], cards[matches[0]])
        else:
            missing.append(repr(reference))
    if missing:
        raise NotFoundError(f"no such task: {', '.join(missing)}", hint="see tgt list --all")
    return tuple(found.values())


def approve(
    journal: Journal, references: Sequence[str], now: datetime, *, note: str | None = None
) -> Outcome:
    """The problem is real and will be worked on; ``note`` is kept as ``approvalNote``."""
    return _change(
        journal,
        references,
        now,
        status=Status.APPROVED,
        stamp="approvedAt",
        told=lambda _card: {} if note is None else {"approvalNote": note},
    )


def dismiss(
    journal: Journal,
    references: Sequence[str],
    now: datetime,
    *,
    reason: str | None = None,
    until: datetime | None = None,
) -> Outcome:
    """Nobody will work on it: quiet until ``until``, or for good, or until its severity rises.

    The severity is remembered, so that a later rise is known as one. TransitionError where
    ``until`` is not in the future.
    """
    if until is not None and until <= now:
        raise TransitionError(
            f"cannot dismiss until {format_time(until)}: that is not in the future",
            hint="give a positive duration",
        )

    def told(card: Card) -> dict[str, Any]:
        keys: dict[str, Any] = {} if reason is None else {"dismissalReason": reason}
        if until is not None or card.data.get("dismissedUntil") is not None:
            keys["dismissedUntil"] = None if until is None else format_time(until)
        if card.status != Status.DISMISSED or not card.text("dismissedSeverity"):
            keys["dismissedSeverity"] = card.severity
        return keys

    return _change(
        journal, references, now, status=Status.DISMISSED, stamp="dismissedAt", told=told
    )


def complete(journal: Journal, references: Sequence[str], now: datetime) -> Outcome:
    """The problem is solved; should it come back, the same card is reopened."""
    return _change(journal, references, now, status=Status.COMPLETED, stamp="completedAt")


def reopen(journal: Journal, references: Sequence[str], now: datetime) -> Outcome:
    """The card is open again; one that is approved is open, and stays approved."""
    return _change(journal, references, now, status=Status.GENERATED, stamp="reopenedAt")


def cleanup(journal: Journal, now: datetime, *, days: int, dry_run: bool = False) -> Cleanup:
    """Drop what was dismissed ``days`` or more ago, and write the journal anew, one line a card.

    A card whose dismissal still has an end to come, or no known time, is kept.
    """
    age = timedelta(days=days)
    if dry_run or not journal.exists():
        cards = journal.read().cards.values()
        return Cleanup(tuple(card for card in cards if _stale(card, now, age)), dry_run)
    with journal.writing() as writer:
        cards = writer.cards.values()
        removed = tuple(card for card in cards if _stale(card, now, age))
        writer.rewrite(card for card in cards if not _stale(card, now, age))
    return Cleanup(removed)


def _change(
    journal: Journal,
    references: Sequence[str],
    now: datetime,
    *,
    status: Status,
    stamp: str,
    told: Callable[[Card], dict[str, Any]] = lambda _card: {},
) -> Outcome:
    find(journal, references)  # a task that does not exist is no reason to create a lock
    with journal.writing() as writer:
        before = find(journal, references)
        after = {}
        for card in before:
            keys = told(card)
            same_status = card.status == status or (status is Status.GENERATED and card.is_open)
            if same_status and all(card.data.get(key) == value for key, value in keys.items()):
                continue
            times = {stamp: format_time(now), "updatedAt": format_time(now)}
            after[card.id] = card.changed(status=str(status), **keys, **times)
        writer.append(tuple(after.values()))
    cards = tuple(after.get(card.id, card) for card in before)
    return Outcome(cards, frozenset(card.id for card in before if card.id not in after))


def _cleaned(references: Sequence[str]) -> tuple[str, ...]:
    return tuple(reference.strip() for reference in references)


def _matches(cards: Mapping[str, Card], reference: str) -> list[str]:
    if not reference:
        return []
    if reference in cards:
        return [reference]
    wanted = reference.upper()
    exact = [card_id for card_id in cards if card_id.upper() == wanted]
    return exact or sorted(card_id for card_id in cards if card_id.upper().startswith(wanted))


def _stale(card: Card, now: datetime, age: timedelta) -> bool:
    if card.status != Status.DISMISSED:
        return False
    until = card.time("dismissedUntil")
    if until is not None and until > now:
        return False
    times = (card.time(key) for key in ("dismissedAt", "updatedAt", "generatedAt"))
    since = next((moment for moment in times if moment is not None), None)
    return since is not None and now - since >= age
