"""What somebody who goes through the tasks has before them: the list, what others change in it
meanwhile, and what they decided themselves, to be taken back.

It keeps nothing that the files do not tell, but for what was known at the last look and the own
decisions, in their order. Every look reads what there is now; every decision is one of ``triage``,
under its locks.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Lock

from tgt import listing, log, mutes, triage
from tgt.errors import NotFoundError, TransitionError
from tgt.listing import Asked
from tgt.store import journal_index
from tgt.store.journal import Journal
from tgt.store.journal_index import Head, View
from tgt.store.mutes_file import MutesFile
from tgt.store.state_file import Sidecar
from tgt.tasks import changes
from tgt.tasks.card import Card
from tgt.tasks.changes import Change, Kind, Version
from tgt.tasks.mute import Mutes, marked
from tgt.tasks.reference import Ids
from tgt.tasks.related import named as named_by
from tgt.tasks.reputation import NOTHING
from tgt.tasks.reputation import marked as with_reputation
from tgt.tasks.state import SchedulerState
from tgt.triage import Outcome

MOST_SHOWN = 1000
"""So many cards are held at once; of more the best are shown, and how many there are."""

UNDONE = "undone"

Act = Callable[[Journal, Sequence[str], datetime], Outcome]
Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Query:
    """What is asked of the list. All ``words`` must stand in a card, in either case; ``kept`` are
    ids that stay in the list whatever else is asked, as long as there are such cards."""

    asked: Asked = field(default_factory=Asked)
    order: str = listing.PRIORITY
    words: str = ""
    muted: bool = False
    kept: frozenset[str] = frozenset()

    @property
    def is_narrow(self) -> bool:
        return self.asked.any or bool(self.words.split())


@dataclass(frozen=True)
class Shown:
    """``total`` cards fit, of which the first are here as they are shown, with those ``kept`` that
    are none of them; ``ids`` are the short ones. ``hidden`` more would fit if they were not muted,
    and ``known`` are all there are. ``news`` is what others have changed since the last look."""

    cards: tuple[Card, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    total: int = 0
    hidden: int = 0
    known: int = 0
    news: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    state: SchedulerState = field(default_factory=SchedulerState)


@dataclass(frozen=True)
class Choices:
    """What the filters may ask for, and how many cards have it; owners are those of open cards."""

    statuses: Mapping[str, int]
    severities: Mapping[str, int]
    types: Mapping[str, int]
    owners: Mapping[str, int]
    muted: int


class Board:
    """One task directory, which need not exist yet. Threads that ask take turns. If it ``weighs``,
    what people keep dismissing stands lower."""

    def __init__(self, tasks_dir: Path, *, weighs: bool = True) -> None:
        self.tasks_dir, self._weighs = tasks_dir, weighs
        self._journal, self._sidecar = Journal(tasks_dir), Sidecar(tasks_dir)
        self._turn = Lock()
        self._kept = journal_index.Kept()
        self._ids: frozenset[str] | None = None
        self._short: dict[str, str] = {}
        self._read: dict[str, tuple[int, Version]] = {}
        self._texts: dict[str, tuple[int, str]] = {}
        self._done: list[tuple[str, Outcome]] = []
        self._touched: dict[str, str] = {}

    # --- the list ----------------------------------------------------------------------------

    def stamp(self) -> Stamp:
        """What is other as soon as anything that is shown may be."""
        return tuple(
            _stamp(path)
            for path in (self._journal.path, self._sidecar.path, MutesFile(self.tasks_dir).path)
        )

    def look(
        self,
        query: Query,
        now: datetime,
        is_over: Callable[[], bool] = lambda: False,
    ) -> Shown:
        """The cards that are asked for, as they are now. Raises StoreError, and Overtaken as soon
        as nobody wants to know any more."""
        muting = mutes.if_readable(self.tasks_dir, now)
        wanted = query.asked
        if wanted.since is not None:
            wanted = replace(wanted, news=log.news(self._journal, wanted.since))

        def look(view: View) -> Shown:
            state, warnings = self._sidecar.read(())
            reputation = journal_index.reputation(view, now) if self._weighs else NOTHING
            heads = [
                listing.lowered(listing.current(head, state), reputation)
                for head in view.heads.values()
            ]
            fitting = [head for head in heads if wanted.fits(head)]
            shown = [h for h in fitting if query.muted or not listing.is_muted(h, muting.mutes)]
            hidden = len(fitting) - len(shown)
            shown.sort(key=listing.order(query.order, state.sightings))
            if words := query.words.casefold().split():
                texts = self._searched(view, shown, is_over)
                shown = [head for head in shown if all(word in texts[head.id] for word in words)]
            chosen = self._with_kept(shown, heads, query, state)
            stored = [view.card(view.heads[head.id]) for head in chosen]
            read = {card.id: (view.heads[card.id].offset, changes.version(card)) for card in stored}
            news, changed = self._news(view)
            self._read = {**changed, **read}
            messages = (*((muting.warning,) if muting.warning else ()), *warnings)
            cards = tuple(
                marked(with_reputation(card, reputation), muting.mutes)
                for card in listing.as_seen(stored, state)
            )
            named = [*(card.id for card in cards), *(change.task for change in news)]
            ids = self._shortened(view.heads, named)
            kept = frozenset(head.id for head in chosen) - {head.id for head in shown[:MOST_SHOWN]}
            return Shown(cards, ids, kept, len(shown), hidden, len(heads), news, messages, state)

        with self._turn:
            return journal_index.viewed(self._journal, look, self._kept)

    def choices(self, now: datetime, *, muted: bool) -> Choices:
        """What there is to filter by. Raises StoreError."""
        muting: Mutes = mutes.if_readable(self.tasks_dir, now).mutes

        def look(view: View) -> Choices:
            state, _ = self._sidecar.read(())
            heads = [listing.current(head, state) for head in view.heads.values()]
            quiet = [head for head in heads if listing.is_muted(head, muting)]
            if not muted:
                heads = [head for head in heads if not listing.is_muted(head, muting)]
            is_open = [head for head in heads if Asked().fits(head)]
            return Choices(
                Counter(head.status for head in heads),
                Counter(head.severity for head in is_open),
                Counter(head.type for head in is_open),
                Counter(head.owner for head in is_open if head.owner),
                len(quiet),
            )

        with self._turn:
            return journal_index.viewed(self._journal, look, self._kept)

    def others(self, card: Card) -> dict[str, Card]:
        """The cards that this one names, because they are of the same incident. StoreError."""
        names = named_by([card])
        if not names:
            return {}
        return journal_index.find(
            self._journal, lambda ids: [each for each in ids if each in names]
        )

    def _with_kept(
        self, shown: Sequence[Head], heads: Iterable[Head], query: Query, state: SchedulerState
    ) -> list[Head]:
        chosen = list(shown[:MOST_SHOWN])
        missing = query.kept - {head.id for head in chosen}
        if missing:
            chosen += [head for head in heads if head.id in missing]
            chosen.sort(key=listing.order(query.order, state.sightings))
        return chosen

    def _searched(
        self, view: View, heads: Sequence[Head], is_over: Callable[[], bool]
    ) -> Mapping[str, str]:
        """What is searched of these cards; read once for each line of the journal."""
        for head in heads:
            if self._texts.get(head.id, (-1, ""))[0] == view.heads[head.id].offset:
                continue
            if is_over():
                raise Overtaken
            card = view.card(view.heads[head.id])
            self._texts[head.id] = (view.heads[head.id].offset, _text_of(card))
        return {head.id: self._texts[head.id][1] for head in heads}

    def _shortened(self, heads: Mapping[str, Head], wanted: Sequence[str]) -> dict[str, str]:
        """The short ids; they are worked out anew when there are other cards than before."""
        if (
            self._ids is None
            or heads.keys() != self._ids
            or any(w not in self._short for w in wanted)
        ):
            ids = Ids(heads)
            if self._ids is None or heads.keys() != self._ids:
                self._ids, self._short = frozenset(heads), {}
            self._short |= {each: ids.short(each) for each in wanted if each not in self._short}
        return {each: self._short[each] for each in wanted}

    def _news(self, view: View) -> tuple[tuple[Change, ...], dict[str, tuple[int, Version]]]:
        """What was changed by others since the last look, and what is known by it: of cards that
        were shown all that was, of others that they are new."""
        news: list[Change] = []
        read: dict[str, tuple[int, Version]] = {}
        for card_id, (offset, before) in self._read.items():
            head = view.heads.get(card_id)
            if head is None:
                continue
            after = before
            if head.offset != offset:
                card = view.card(head)
                after = changes.version(card)
                news += changes.between(before, after, card)
            read[card_id] = (head.offset, after)
        for card_id in () if self._ids is None else view.heads.keys() - self._ids:
            card = view.card(view.heads[card_id])
            changes_of_card = changes.between(None, changes.version(card), card)
            news += (change for change in changes_of_card if change.kind is Kind.FOUND)
        return tuple(sorted(news, key=lambda change: change.at)), read

    # --- decisions ---------------------------------------------------------------------------

    def decide(self, done: str, act: Act, tasks: Sequence[str], now: datetime) -> Outcome:
        """Decide, and remember what is ``done`` by that. Raises TgtError, and then nothing is."""
        with self._turn:
            outcome = act(self._journal, tasks, now)
            if outcome.changed:
                self._done.append((done, outcome))
            self._own(done, outcome)
        return outcome

    def undo(self, now: datetime) -> tuple[str, Outcome] | None:
        """Take back the last decision that was not yet, and say what it was; None without any.

        TransitionError where somebody else changed a card since: then the decision stands, and the
        next to be taken back is the one before.
        """
        with self._turn:
            if not self._done:
                return None
            done, outcome = self._done[-1]
            try:
                undone = triage.undo(self._journal, outcome, now)
            except (TransitionError, NotFoundError):
                self._done.pop()
                raise
            self._done.pop()
            self._own(UNDONE, undone)
        return done, undone

    @property
    def decided(self) -> Mapping[str, str]:
        """Of every card that was changed from here what was done with it last."""
        return dict(self._touched)

    def _own(self, done: str, outcome: Outcome) -> None:
        """What one has done oneself is no news."""
        for card in outcome.changed:
            self._touched.pop(card.id, None)
            self._touched[card.id] = done
            self._read[card.id] = (-1, changes.version(card))


class Overtaken(Exception):  # noqa: N818 no error: somebody asks for something else already
    """Nobody waits for the answer any more."""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 asked twice a second
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _text_of(card: Card) -> str:
    """What of a card is searched: what people read of it."""
    keys = ("id", "title", "description", "subject", "type", "severity", "status", "owner")
    texts = [card.text(key) for key in keys]
    texts += [*_texts(card.mapping("evidence").get("samples")), *_texts(card.items("notes"))]
    texts += [link for link in card.items("links") if isinstance(link, str)]
    return "\n".join(texts).casefold()


def _texts(entries: object) -> Collection[str]:
    if not isinstance(entries, list):
        return ()
    return [e["text"] for e in entries if isinstance(e, dict) and isinstance(e.get("text"), str)]
