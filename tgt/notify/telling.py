"""``tgt notify``: tells every target what is news, each once, whatever becomes of the others.

First what is news is written down as owed to each target, then one target after the other is told,
and what one took is written down before the next one is tried. So a target that fails, hangs or is
misspelt costs nobody else anything, and is tried again, less and less often. Killed between the
moment a target took a message and the moment that is on the disk, tgt tells that one again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from tgt import mutes
from tgt.notify import news
from tgt.notify.delivery import deliver
from tgt.notify.memory import LOCK, Account, Memory, MemoryFile, Owed
from tgt.notify.news import Item, News
from tgt.settings import Settings
from tgt.store import locks, tail
from tgt.store.journal import Journal
from tgt.store.journal_index import View, viewed
from tgt.targets import Target, labels
from tgt.tasks.card import Card, Severity, severity_rank, sort_key
from tgt.tasks.mute import Mutes

MOST = 1000
"""Tasks of one message; the others are told by the next."""

Compose = Callable[[datetime, Sequence[Item]], Mapping[str, Any]]
"""Makes the document that targets are given."""

_FIRST_RETRY = timedelta(minutes=5)
_LAST_RETRY = timedelta(hours=4)
_MOST_GONE = 1000
_ORDER = list(News)


class Skip(StrEnum):
    """Why nobody was to be told anything."""

    NO_TARGETS = "no_targets"
    ALREADY_RUNNING = "already_running"
    BEGINS = "begins"


class Result(StrEnum):
    """How one target stands."""

    TOLD = "told"
    NOTHING = "nothing"
    QUIET = "quiet"
    WAITING = "waiting"
    FAILED = "failed"
    PLANNED = "planned"


@dataclass(frozen=True)
class Outcome:
    """``target`` is what may be shown of it, ``count`` how many tasks it was told or is owed, and
    ``until`` when it is tried next."""

    target: str
    result: Result
    count: int = 0
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class Told:
    """What came of it. ``items`` are what any target has taken, or would be told."""

    at: datetime
    skipped: Skip | None = None
    items: tuple[Item, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    warnings: tuple[str, ...] = ()
    open_before: int = 0

    @property
    def failed(self) -> bool:
        return any(outcome.result is Result.FAILED for outcome in self.outcomes)


def tell(settings: Settings, now: datetime, compose: Compose, *, dry_run: bool = False) -> Told:
    """Tell every target what it was not told yet. Raises StoreError."""
    if not settings.notify:
        return Told(now, Skip.NO_TARGETS)
    if dry_run:
        return _tell(settings, now, compose, dry_run=True)
    with locks.try_lock(settings.tasks_dir / LOCK) as free:
        if not free:
            return Told(now, Skip.ALREADY_RUNNING)
        return _tell(settings, now, compose, dry_run=False)


def try_out(settings: Settings, now: datetime, document: Mapping[str, Any]) -> Told:
    """Give every target the same document, whatever it is owed and whatever the hour. One that took
    it is not waited for any longer. Raises StoreError."""
    if not settings.notify:
        return Told(now, Skip.NO_TARGETS)
    names = labels(settings.notify)
    outcomes = []
    for target in settings.notify:
        reason = settings.masked(deliver(target, document))
        result = Result.FAILED if reason else Result.TOLD
        outcomes.append(Outcome(names[target], result, reason=reason))
        if not reason:
            _forgive(settings, target)
    return Told(now, outcomes=tuple(outcomes))


def _forgive(settings: Settings, target: Target) -> None:
    file = MemoryFile(settings.tasks_dir)
    if not file.path.exists():
        return
    with locks.try_lock(settings.tasks_dir / LOCK) as free:
        memory, _problem = file.read() if free else (None, "")
        account = None if memory is None else memory.accounts.get(target.key)
        if memory is not None and account is not None and account.failures:
            file.write(memory.with_account(target.key, Account(account.owed)))


def _tell(settings: Settings, now: datetime, compose: Compose, *, dry_run: bool) -> Told:
    file = MemoryFile(settings.tasks_dir)
    journal = Journal(settings.tasks_dir)
    before, problem = file.read()
    warnings = (problem,) if problem else ()
    memory = _brought_up_to_date(before, journal, settings)
    if not dry_run:
        if problem:
            file.set_aside()
        if memory != before:
            file.write(memory)
    if before is None:
        opened = sum(text[0] == "o" for text in memory.cards.values())
        return Told(now, Skip.BEGINS, warnings=warnings, open_before=opened)
    muted = mutes.if_readable(settings.tasks_dir, now)
    warnings = (*warnings, muted.warning) if muted.warning else warnings
    round_ = _Round(settings, now, compose, file, journal, muted.mutes, dry_run)
    outcomes = round_.of_all(memory)
    return Told(now, None, _by_importance(round_.told.values()), outcomes, warnings)


def _brought_up_to_date(before: Memory | None, journal: Journal, settings: Settings) -> Memory:
    """What is to be remembered once all that is news is owed to every target.

    Where nothing was remembered everything begins now: of what there is already nobody is told.
    """
    old = before or Memory()
    cards, changed, seen = dict(old.cards), dict[str, _Changed](), set[str]()

    def take(card: Card) -> None:
        seen.add(card.id)
        if before is not None and cards.get(card.id) != news.known(card):
            what = news.between(cards.get(card.id), card)
            changed[card.id] = _Changed(what, card.current.severity, news.is_closed(card))
        cards[card.id] = news.known(card)

    position, is_all = tail.newest(journal, old.position, take)
    # Somebody may be writing the journal anew: only what has been gone for long is forgotten.
    if is_all and len(cards) - len(seen) > max(_MOST_GONE, len(seen)):
        cards = {card_id: text for card_id, text in cards.items() if card_id in seen}
    least = Severity(settings.notify_min_severity).rank
    accounts = {
        key: replace(account, owed=_owed(account.owed, changed, least))
        for key, account in _accounts(old, settings.notify).items()
    }
    return Memory(position, cards, accounts)


def _accounts(old: Memory, targets: Sequence[Target]) -> dict[str, Account]:
    """The account of every target. One that is new, because it was misspelt before or has another
    password now, takes over what those are owed that are named no more."""
    keys = [target.key for target in targets]
    left: dict[str, Owed] = {}
    for key, account in old.accounts.items():
        if key not in keys:
            left |= account.owed
    return {key: old.accounts.get(key, Account(left)) for key in keys}


class _Changed(NamedTuple):
    """What was found of a card that is not as it was."""

    told: tuple[News, str] | None
    severity: str
    is_closed: bool


def _owed(
    before: Mapping[str, Owed], changed: Mapping[str, _Changed], least: int
) -> dict[str, Owed]:
    """What a target is owed with what was found, oldest first: nothing of a card that people have
    closed, or that is not worse any more, or that is less severe than the ``least``."""
    owed = {card_id: each for card_id, each in before.items() if _rank(each.severity) >= least}
    for card_id, now in changed.items():
        first = owed.get(card_id)
        after = None if now.is_closed else _with(first, now)
        if after is not None and _rank(after.severity) >= least:
            owed[card_id] = after
        elif first is not None:
            del owed[card_id]
    return owed


def _with(first: Owed | None, now: _Changed) -> Owed | None:
    """What is owed of an open card of which ``first`` was owed before."""
    if now.told is None:
        is_over = first and first.news is News.WORSE and _rank(now.severity) <= _rank(first.before)
        return None if is_over else first
    fresh = Owed(now.told[0], now.severity, now.told[1])
    if first is None:
        return fresh
    severity = max(first.severity, fresh.severity, key=_rank)
    return Owed(news.merged(first.news, fresh.news), severity, first.before)


def _muted(muting: Mutes, journal: Journal, memory: Memory) -> frozenset[str]:
    """The cards that somebody wants to be quiet: what is news of them waits until that ends."""
    if not muting or not any(account.owed for account in memory.accounts.values()):
        return frozenset()

    def look(view: View) -> frozenset[str]:
        return frozenset(
            head.id
            for head in view.heads.values()
            if muting.covering(head.subject, head.type, head.analyzer)
        )

    return viewed(journal, look)


def _left(account: Account, delivered: Collection[str], cards: Collection[str]) -> Account:
    """The account without what was told. What is not in the journal was not: somebody may be
    writing it anew, so that waits behind all others."""
    left = {card_id: each for card_id, each in account.owed.items() if card_id not in delivered}
    absent = (card_id for card_id in delivered if card_id not in cards)
    return replace(account, owed=left | {card_id: account.owed[card_id] for card_id in absent})


def _rank(severity: str) -> int:
    """One that tgt does not know counts as the lowest that it knows."""
    return max(0, severity_rank(severity))


class _Round:
    """One attempt at every target."""

    def __init__(
        self,
        settings: Settings,
        now: datetime,
        compose: Compose,
        file: MemoryFile,
        journal: Journal,
        known_mutes: Mutes,
        dry_run: bool,
    ) -> None:
        self.told: dict[str, Item] = {}
        self._settings = settings
        self._now = now
        self._compose = compose
        self._file = file
        self._journal = journal
        self._dry_run = dry_run
        self._mutes = known_mutes
        self._muted: frozenset[str] = frozenset()
        self._quiet_until = settings.notify_quiet_hours.end(now)

    def of_all(self, memory: Memory) -> tuple[Outcome, ...]:
        """In the order of the settings; those that failed before are tried last."""
        targets = self._settings.notify
        names = labels(targets)
        self._muted = _muted(self._mutes, self._journal, memory)
        wanted = {id_ for each in memory.accounts.values() for id_ in self._oldest(each)}
        cards = self._journal.find(lambda _ids: wanted) if wanted else {}
        outcomes = {}
        for target in sorted(targets, key=lambda each: memory.accounts[each.key].failures):
            account, outcome = self._of_one(target, memory.accounts[target.key], cards)
            outcomes[target] = replace(outcome, target=names[target])
            if account is not None:
                memory = memory.with_account(target.key, account)
                self._file.write(memory)
        return tuple(outcomes[target] for target in targets)

    def _of_one(
        self, target: Target, account: Account, cards: Mapping[str, Card]
    ) -> tuple[Account | None, Outcome]:
        """The account as it is now, None if nothing was tried, and what came of it."""
        oldest = self._oldest(account)
        count = sum(card_id not in self._muted for card_id in account.owed)
        items = _by_importance(
            Item(cards[card_id], account.owed[card_id].news, account.owed[card_id].before)
            for card_id in oldest
            if card_id in cards
        )
        if not items:
            waits = None if count <= MOST or self._dry_run else _left(account, oldest, cards)
            return waits, Outcome("", Result.NOTHING)
        if self._quiet_until is not None:
            return None, Outcome("", Result.QUIET, count, until=self._quiet_until)
        if account.retry_at and self._now < account.retry_at <= self._now + _LAST_RETRY:
            return None, Outcome("", Result.WAITING, count, account.reason, account.retry_at)
        if self._dry_run:
            self._remember(items)
            return None, Outcome("", Result.PLANNED, count)
        failure = deliver(target, self._compose(self._now, items))
        if not failure:
            self._remember(items)
            left = _left(account, oldest, cards)
            return Account(left.owed), Outcome("", Result.TOLD, len(items))
        reason = self._settings.masked(failure)
        failures = account.failures + 1
        retry_at = self._now + min(_LAST_RETRY, _FIRST_RETRY * 2 ** min(failures - 1, 16))
        failed = Account(account.owed, failures, retry_at, reason)
        return failed, Outcome("", Result.FAILED, count, reason, retry_at)

    def _oldest(self, account: Account) -> dict[str, None]:
        """The cards of the next message."""
        owed = (card_id for card_id in account.owed if card_id not in self._muted)
        return dict.fromkeys(islice(owed, MOST))

    def _remember(self, items: Sequence[Item]) -> None:
        self.told.update((item.card.id, item) for item in items)


def _by_importance(items: Iterable[Item]) -> tuple[Item, ...]:
    """New ones first, and of these the best first."""
    return tuple(sorted(items, key=lambda item: (_ORDER.index(item.news), sort_key(item.card))))
