"""What people do with cards: approve, dismiss, complete, reopen, annotate, take that back, and
clean up; and what agents may: claim, annotate, and propose that a task is done.

A change happens on the card as it is while the write lock is held, so two people never overwrite
each other's. Of several tasks all are changed or none. Any status may follow any other, because
the operator knows better; a change that would change nothing writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tgt.errors import Candidate, NotFoundError, TransitionError
from tgt.store import journal_index as heads
from tgt.store.journal import Journal
from tgt.store.journal_index import View
from tgt.tasks import auto_approval, ledger, proposal, undoing
from tgt.tasks.card import OPEN_STATUSES, Card, Status, format_time
from tgt.tasks.reference import Ids
from tgt.tasks.verdict import is_by_tgt

AGENT = "agent:"
"""What the name of an agent begins with, as an owner and as the author of a note."""
MOST_NOTES_BY_AGENTS = 100

_MOST_CANDIDATES = 10


@dataclass(frozen=True)
class Outcome:
    """The cards that were asked for, in that order, each as it is now.

    ``already`` are the ids of those that nothing had to be done about; of the others ``before``
    says what each was, by its id.
    """

    cards: tuple[Card, ...]
    already: frozenset[str] = frozenset()
    before: Mapping[str, Card] = field(default_factory=dict)

    @property
    def changed(self) -> tuple[Card, ...]:
        return tuple(card for card in self.cards if card.id not in self.already)


@dataclass(frozen=True)
class Cleanup:
    """The cards, in brief, that were dropped or, in a dry run, would have been."""

    removed: tuple[Card, ...]
    dry_run: bool = False


def find(journal: Journal, references: Sequence[str]) -> tuple[Card, ...]:
    """The cards that are meant, each once, in the order asked for; without taking the lock.

    A reference is an id, an end of one that fits no other, or a whole subject that only one open
    task has. Raises NotFoundError with the tasks that may have been meant, and StoreError.
    """
    names = dict.fromkeys(reference.strip() for reference in references)
    fits: dict[str, list[str]] = {}

    def choose(ids: Collection[str]) -> list[str]:
        all_ids = Ids(ids)
        fits.update((name, all_ids.match(name)) for name in names)
        return [card_id for matches in fits.values() for card_id in matches[:_MOST_CANDIDATES]]

    cards = heads.find(journal, choose)
    meant: dict[str, Card] = {}
    unknown = []
    for name in names:
        matches = fits.get(name, [])
        if len(matches) > 1:
            raise _ambiguous(
                name, [cards[card_id] for card_id in matches if card_id in cards], matches
            )
        if matches:
            meant[name] = cards[matches[0]]
        else:
            unknown.append(name)
    if unknown:
        meant |= heads.viewed(journal, lambda view: _with_subjects(view, unknown))
    return tuple({meant[name].id: meant[name] for name in names}.values())


def _with_subjects(view: View, names: Sequence[str]) -> dict[str, Card]:
    """The only open task of each subject. Raises NotFoundError."""
    is_open = [head for head in view.heads.values() if head.status in OPEN_STATUSES]
    is_open.sort(key=lambda head: head.sort_key)
    tasks: dict[str, Card] = {}
    missing = []
    for name in names:
        heads_of = [head for head in is_open if name and head.subject == name]
        if len(heads_of) > 1:
            cards = [view.card(head) for head in heads_of[:_MOST_CANDIDATES]]
            raise _ambiguous(name, cards, heads_of)
        if heads_of:
            tasks[name] = view.card(heads_of[0])
        else:
            missing.append(name)
    if missing:
        words = [name.casefold() for name in missing if name]
        like = [h for h in is_open if any(word in h.subject.casefold() for word in words)]
        near = like or is_open
        candidates = [view.card(head) for head in near[:_MOST_CANDIDATES]]
        raise NotFoundError(
            f"no such task: {', '.join(map(repr, missing))}",
            hint="see tgt list --all",
            candidates=_candidates(candidates),
            more=len(near) - len(candidates),
        )
    return tasks


def _ambiguous(name: str, cards: Sequence[Card], fitting: Collection[object]) -> NotFoundError:
    return NotFoundError(
        f"{name!r} fits {len(fitting)} tasks",
        hint="give more of the id",
        candidates=_candidates(cards),
        more=len(fitting) - len(cards),
    )


def _candidates(cards: Iterable[Card]) -> tuple[Candidate, ...]:
    return tuple(Candidate(card.id, card.title) for card in cards)


def approve(
    journal: Journal, references: Sequence[str], now: datetime, *, note: str | None = None
) -> Outcome:
    """The problem is real and will be worked on; ``note`` is kept as ``approvalNote``.

    The severity is remembered, since what is worse later was not approved as such. What tgt has
    approved is a person's approval from now on."""
    keys = {} if note is None else {"approvalNote": note}

    def keys_of(card: Card) -> dict[str, Any]:
        changed = _decided(card, Status.APPROVED, keys)
        if is_by_tgt(card) or (card.text("approvedBy") and card.status != Status.APPROVED):
            changed |= {"approvedBy": None, "approvalNote": note}  # what tgt said is no longer why
        if card.status != Status.APPROVED or is_by_tgt(card):
            changed["approvedSeverity"] = card.severity
        return changed

    return _change(
        journal, references, now, status=Status.APPROVED, stamp="approvedAt", keys_of=keys_of
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

    def keys_of(card: Card) -> dict[str, Any]:
        keys: dict[str, Any] = {} if reason is None else {"dismissalReason": reason}
        if until is not None or card.data.get("dismissedUntil") is not None:
            keys["dismissedUntil"] = None if until is None else format_time(until)
        if card.status != Status.DISMISSED or not card.text("dismissedSeverity"):
            keys["dismissedSeverity"] = card.severity
        return keys

    return _change(
        journal, references, now, status=Status.DISMISSED, stamp="dismissedAt", keys_of=keys_of
    )


def complete(
    journal: Journal, references: Sequence[str], now: datetime, *, note: str | None = None
) -> Outcome:
    """The problem is solved; should it come back, the same card is reopened."""
    keys = {} if note is None else {"completionNote": note}
    return _decide(journal, references, now, Status.COMPLETED, "completedAt", keys)


def reopen(
    journal: Journal, references: Sequence[str], now: datetime, *, note: str | None = None
) -> Outcome:
    """The card is open again; one that a person approved is open, and stays approved."""
    keys = {} if note is None else {"reopenNote": note}
    return _decide(journal, references, now, Status.GENERATED, "reopenedAt", keys)


def annotate(
    journal: Journal,
    references: Sequence[str],
    now: datetime,
    *,
    owner: str | None = None,
    links: Sequence[str] = (),
    note: str | None = None,
    by: str = "",
) -> Outcome:
    """Whose task it is, where it is tracked and what ``by`` somebody was said; the status stays.

    An empty ``owner`` means nobody's; a link that is there already is not added again.
    """

    def keys_of(card: Card) -> dict[str, Any]:
        keys: dict[str, Any] = {}
        if owner is not None and owner != card.text("owner"):
            keys["owner"] = owner or None
        if new := [link for link in dict.fromkeys(links) if link not in card.items("links")]:
            keys["links"] = [*card.items("links"), *new]
        if note is not None:
            keys["notes"] = _noted(card, now, by, note)
        return keys

    return _change(journal, references, now, keys_of=keys_of)


def undo(journal: Journal, done: Outcome, now: datetime) -> Outcome:
    """Each card that was changed says again what it said before, in one more line of the journal;
    what was decided stays in the line before, and in brief with the card.

    What runs have measured meanwhile stays. Raises TransitionError, and takes nothing back, where
    anybody has decided about one of the cards, or said something of it, since.
    """
    with journal.writing() as writer:
        after = {}
        cards = find(journal, [card.id for card in done.changed])
        for card, decided in zip(cards, done.changed, strict=True):
            if not undoing.is_untouched(card, decided):
                raise TransitionError(
                    f"cannot take that back: {card.id} was changed by somebody else since",
                    hint=f"see tgt log {card.id}",
                )
            after[card.id] = undoing.undone(card, done.before[card.id], decided, now)
        writer.append(tuple(after.values()))
    return Outcome(tuple(after.values()), before={card.id: card for card in cards})


def claim(journal: Journal, references: Sequence[str], now: datetime, *, agent: str) -> Outcome:
    """The open task is the agent's, if it is nobody's yet. Raises TransitionError if it is
    somebody else's."""

    def keys_of(card: Card) -> dict[str, Any]:
        _must_be_open(card, "claimed")
        if card.owner == agent:
            return {}
        if card.owner:
            raise TransitionError(
                f"{card.id} is already a task of {card.owner}",
                hint="whoever owns it, or a person with tgt annotate, may hand it over",
            )
        return {"owner": agent, "notes": _noted(card, now, agent, "claimed it")}

    return _change(journal, references, now, keys_of=keys_of)


def propose_complete(
    journal: Journal, references: Sequence[str], now: datetime, *, agent: str, reason: str
) -> Outcome:
    """The agent says that the open task is done, and why; its status stays. What it has proposed
    already, and nobody has answered, is not proposed again."""

    def keys_of(card: Card) -> dict[str, Any]:
        _must_be_open(card, "proposed for completion")
        standing = proposal.standing(card)
        if standing is not None and (standing.by, standing.text) == (agent, reason):
            return {}
        return {
            proposal.KEY: {"at": format_time(now), "by": agent, "text": reason},
            "notes": _noted(card, now, agent, f"proposes to complete it: {reason}"),
        }

    return _change(journal, references, now, keys_of=keys_of)


def _must_be_open(card: Card, done: str) -> None:
    if not card.is_open:
        raise TransitionError(f"{card.id} is {card.status}: only an open task can be {done}")


def _noted(card: Card, now: datetime, by: str, text: str) -> list[Any]:
    """The notes of the card with one more. An agent that goes round in circles would let them grow
    without end, so those by agents are limited; TransitionError."""
    notes = card.items("notes")
    if by.startswith(AGENT):
        authors = (note.get("by") for note in notes if isinstance(note, dict))
        if sum(str(author).startswith(AGENT) for author in authors) >= MOST_NOTES_BY_AGENTS:
            raise TransitionError(
                f"{card.id} has {MOST_NOTES_BY_AGENTS} notes by agents, and takes no more",
                hint="tell a person",
            )
    return [*notes, {"at": format_time(now), "by": by, "text": text}]


def cleanup(journal: Journal, now: datetime, *, days: int, dry_run: bool = False) -> Cleanup:
    """Drop what was dismissed ``days`` or more ago, and write the journal anew, one line a card.

    A card whose dismissal still has an end to come, or no known time, is kept, and so is one that
    tgt had approved: it is why tgt approves no more of its kind.
    """
    age = timedelta(days=days)

    def stale() -> tuple[Card, ...]:
        return tuple(card.brief() for card in journal.one_by_one() if _stale(card, now, age))

    if dry_run or not journal.exists():
        return Cleanup(stale(), dry_run)
    with journal.writing() as writer:
        removed = stale()
        writer.rewrite(card for card in journal.one_by_one() if not _stale(card, now, age))
    return Cleanup(removed)


def _decide(
    journal: Journal,
    references: Sequence[str],
    now: datetime,
    status: Status,
    stamp: str,
    keys: dict[str, Any],
) -> Outcome:
    def keys_of(card: Card) -> dict[str, Any]:
        return _decided(card, status, keys)

    return _change(journal, references, now, status=status, stamp=stamp, keys_of=keys_of)


def _decided(card: Card, status: Status, keys: dict[str, Any]) -> dict[str, Any]:
    """The keys of a change to a status that no dismissal outlasts; what was shown of an end before
    a card was completed, or opened again, says nothing of the next."""
    over = ["dismissedUntil"]
    if card.status != status and not (card.is_open and status in OPEN_STATUSES):
        over += ledger.PROOF
    elif keys and status is Status.COMPLETED:
        over.append("completedBy")  # somebody says why it is done
    return {**keys, **{key: None for key in over if card.data.get(key) is not None}}


def _change(
    journal: Journal,
    references: Sequence[str],
    now: datetime,
    *,
    keys_of: Callable[[Card], dict[str, Any]],
    status: Status | None = None,
    stamp: str = "",
) -> Outcome:
    """Write the ``keys_of`` each card, and its new status with the key that is its stamp."""
    find(journal, references)  # a task that does not exist is no reason to create a lock
    with journal.writing() as writer:
        before = find(journal, references)
        after = {}
        for card in before:
            keys = keys_of(card)
            is_open = card.is_open and not is_by_tgt(card)
            same_status = card.status == status or (status is Status.GENERATED and is_open)
            same = all(card.data.get(key) == value for key, value in keys.items())
            if same and (status is None or same_status):
                continue
            if status is not None:
                keys = {"status": str(status), stamp: format_time(now), **keys}
            after[card.id] = card.changed(updatedAt=format_time(now), **keys)
        writer.append(tuple(after.values()))
    return Outcome(
        tuple(after.get(card.id, card) for card in before),
        frozenset(card.id for card in before if card.id not in after),
        {card.id: card for card in before if card.id in after},
    )


def _stale(card: Card, now: datetime, age: timedelta) -> bool:
    if card.status != Status.DISMISSED:
        return False
    until = card.time("dismissedUntil")
    if (until is not None and until > now) or card.mapping(auto_approval.KEY):
        return False
    times = (card.time(key) for key in ("dismissedAt", "updatedAt", "generatedAt"))
    since = next((moment for moment in times if moment is not None), None)
    return since is not None and now - since >= age
