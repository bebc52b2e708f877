"""What ``tgt notify`` remembers: what it knows of each card, and what it owes to each target.

One small JSON file beside the journal, written whole. It is its own: no run reads or writes it. A
file that makes no sense is set aside, and told about from now on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tgt.notify import news
from tgt.notify.news import News
from tgt.store import fsio, locks
from tgt.store.journal import decode, encode
from tgt.store.tail import Position
from tgt.tasks.card import format_time, parse_time

FILE_NAME = "notify_state.json"
LOCK = ".notify.lock"
VERSION = 1

_MAX_BYTES = 64 << 20
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Owed:
    """News that a target was not told yet. ``severity`` is that of the card at the time,
    ``before`` the one that it had before it was worse."""

    news: News
    severity: str
    before: str = ""


@dataclass(frozen=True)
class Account:
    """How one target stands: what it is owed, by the ids of cards, and what it refused."""

    owed: Mapping[str, Owed] = field(default_factory=dict)
    failures: int = 0
    retry_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class Memory:
    """``position`` is up to where the journal was read, ``cards`` what is known of each card, and
    ``accounts`` are by the keys of targets."""

    position: Position | None = None
    cards: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)

    def with_account(self, key: str, account: Account) -> Memory:
        return replace(self, accounts={**self.accounts, key: account})


class MemoryFile:
    """The file of a task directory, which need not exist yet."""

    def __init__(self, tasks_dir: Path) -> None:
        self.path = tasks_dir / FILE_NAME

    def read(self) -> tuple[Memory | None, str]:
        """What is remembered, None where that is nothing, and what is wrong with the file.

        Raises StoreError where it cannot be read.
        """
        raw = fsio.read(self.path, _MAX_BYTES)
        if raw is None:
            return None, ""
        data = decode(raw)
        if (
            data is None
            or data.get("version") != VERSION
            or not isinstance(data.get("cards"), dict)
        ):
            return None, f"{self.path} makes no sense: what happened before now is not told"
        return _memory(data), ""

    def write(self, memory: Memory) -> None:
        """Durable on return. It waits long for the lock of the directory: what cannot be written
        down would be told a second time. Raises StoreError."""
        with locks.write_lock(self.path.parent, _PATIENCE_S):
            fsio.replace(self.path, (encode(_document(memory)), b"\n"))

    def set_aside(self) -> None:
        with locks.write_lock(self.path.parent, _PATIENCE_S):
            fsio.set_aside(self.path)


def _document(memory: Memory) -> dict[str, Any]:
    place = memory.position
    return {
        "version": VERSION,
        "journal": None
        if place is None
        else [place.device, place.inode, place.offset, place.check],
        "cards": dict(memory.cards),
        "targets": {key: _account_form(account) for key, account in memory.accounts.items()},
    }


def _account_form(account: Account) -> dict[str, Any]:
    return {
        "failures": account.failures,
        "retryAt": None if account.retry_at is None else format_time(account.retry_at),
        "reason": account.reason,
        "owed": {
            card_id: [str(owed.news), owed.severity, owed.before]
            for card_id, owed in account.owed.items()
        },
    }


def _memory(data: Mapping[str, Any]) -> Memory:
    """What is sound of a document; what is not is as good as not known."""
    cards = _mapping(data.get("cards"))
    return Memory(
        _position(data.get("journal")),
        {card_id: text for card_id, text in cards.items() if news.is_known(text)},
        {key: _account(_mapping(form)) for key, form in _mapping(data.get("targets")).items()},
    )


def _position(form: object) -> Position | None:
    match form:
        case [int(device), int(inode), int(offset), int(check)] if offset >= 0:
            return Position(device, inode, offset, check)
    return None


def _account(form: Mapping[str, Any]) -> Account:
    failures, reason = form.get("failures"), form.get("reason")
    return Account(
        dict(_owed(_mapping(form.get("owed")))),
        failures if isinstance(failures, int) and 0 <= failures < 1 << 32 else 0,
        parse_time(form.get("retryAt")),
        reason if isinstance(reason, str) else "",
    )


def _owed(form: Mapping[str, Any]) -> Iterator[tuple[str, Owed]]:
    for card_id, row in form.items():
        match row:
            case [("new" | "worse" | "back" | "fixed") as word, str(severity), str(before)]:
                yield card_id, Owed(News(word), severity, before)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
