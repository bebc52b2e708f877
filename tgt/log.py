"""What happened to the cards: every change that the journal tells, or what is news since a time.

The journal is read once, line by line. Of each card only what tells its next change is kept, so
that it may be of any size; nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tgt.store.journal import Journal
from tgt.store.marks_file import MarksFile
from tgt.store.mutes_file import MutesFile
from tgt.tasks import changes, ledger
from tgt.tasks.card import Card
from tgt.tasks.changes import Change, Kind, Version
from tgt.tasks.verification import Watch


@dataclass(frozen=True)
class Log:
    """Changes, newest last. ``known`` are the ids of all cards."""

    changes: tuple[Change, ...]
    known: Collection[str]
    skipped_lines: int = 0


class News(StrEnum):
    """Why a card is worth a look."""

    NEW = "new"
    WORSE = "worse"
    BACK = "back"


_NEWS = {Kind.FOUND: News.NEW, Kind.REOPENED: News.BACK, Kind.WORSE: News.WORSE}
"""Of what happened to one card the first in this order counts."""
_FIRST = list(_NEWS.values())


def log(
    journal: Journal,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tasks: Collection[str] | None = None,
    watches: Mapping[str, Watch] | None = None,
) -> Log:
    """What happened to all cards, and what was marked and muted, or to those ``tasks``, between two
    times; with what runs measured since the journal was written, ``watches``. Raises StoreError."""
    ids: dict[str, None] = {}
    all_changes: list[Change] = []

    def wanted(card_id: str) -> bool:
        ids[card_id] = None
        return tasks is None or card_id in tasks

    skipped = _each_change(journal, all_changes.append, wanted, since, until, watches or {})
    if tasks is None:
        all_changes.extend(
            Change(mark.at, Kind.MARKED, "", mark.service, "", "", text=mark.name)
            for mark in MarksFile(journal.path.parent).read().marks
            if (since is None or mark.at >= since) and (until is None or mark.at <= until)
        )
        history = MutesFile(journal.path.parent).read().mutes
        all_changes.extend(
            Change(
                mute.at,
                Kind.UNMUTED if mute.ends else Kind.MUTED,
                *("", mute.subject, "", ""),
                by=mute.by,
                text=": ".join(filter(None, (mute.type and f"only {mute.type}", mute.reason))),
                until=mute.until,
            )
            for mute in history
            if (since is None or mute.at >= since) and (until is None or mute.at <= until)
        )
    all_changes.sort(key=lambda change: change.at)
    return Log(tuple(all_changes), ids, skipped)


def news(journal: Journal, since: datetime, until: datetime | None = None) -> dict[str, News]:
    """By the ids of cards: which are new, worse or back since a time. Raises StoreError."""
    words_by_task: dict[str, News] = {}

    def take(change: Change) -> None:
        word = _NEWS.get(change.kind)
        if word is not None:
            words_by_task[change.task] = min(
                words_by_task.get(change.task, word), word, key=_FIRST.index
            )

    _each_change(journal, take, lambda _id: True, since, until, {})
    return words_by_task


def _each_change(
    journal: Journal,
    take: Callable[[Change], None],
    wanted: Callable[[str], bool],
    since: datetime | None,
    until: datetime | None,
    watches: Mapping[str, Watch],
) -> int:
    before: dict[str, Version] = {}
    watched: dict[str, Card] = {}

    def compare(card: Card) -> None:
        version = changes.version(card)
        for change in changes.between(before.get(card.id), version, card):
            if (since is None or change.at >= since) and (until is None or change.at <= until):
                take(change)
        before[card.id] = version
        if card.id in watches:
            watched[card.id] = card

    skipped = journal.each_version(compare, wanted)
    for card in tuple(watched.values()):
        compare(ledger.overlaid(card, None, watches[card.id]))
    return skipped
