"""What a list asks of each card, without the cards: a journal of any size in little memory.

A head tells where the newest line of a card lies and what it is filtered and sorted by. Heads are
found by one pass over the journal and kept in an index below ``cache/``, which holds as long as
the journal only grows. The journal stays the truth: an index that is stale, damaged or foreign is
ignored, what it says of a card is compared with the card, and nothing fails for want of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tgt.errors import StoreError
from tgt.store import fsio
from tgt.store.journal import Choose, Journal, decode_card, scan
from tgt.tasks.card import Card, sort_key
from tgt.tasks.reputation import Decided, Reputation
from tgt.tasks.verdict import Verdict, verdict

T = TypeVar("T")

INDEX_NAME = "journal.index"
_VERSION = 4
_WORTH_BYTES = 256 * 1024
_CHECKED_BYTES = 4096
_MOST_BYTES = 1 << 28
_TYPES: tuple[Any, ...] = ({str},) * 8 + ({int, float},) * 5 + ({int},) * 2


class Head(NamedTuple):
    """``severity``, ``priority`` and ``confidence`` are those of the last run that saw the problem,
    as far as the line knows, ``seen`` is when that was, in seconds since the epoch. ``age`` is that
    of the sort key: seconds since the epoch when generated, negated. ``verdict`` is what a person
    made of it, empty if nothing that stands, and ``decided`` when."""

    id: str
    status: str
    type: str
    severity: str
    subject: str
    owner: str
    analyzer: str
    verdict: str
    priority: float
    confidence: float
    age: float
    seen: float
    decided: float
    offset: int
    length: int

    @property
    def sort_key(self) -> tuple[float, float, float, str]:
        """Best first, as the sort key of its card."""
        return (-self.priority, -self.confidence, self.age, self.id)


class _StaleError(Exception):
    """The index was not of this journal."""


@dataclass(frozen=True)
class View:
    """The journal as it was when it was opened. Cards are read when they are asked for."""

    heads: Mapping[str, Head]
    skipped_lines: int
    _descriptor: int

    def card(self, head: Head) -> Card:
        card = decode_card(os.pread(self._descriptor, head.length, head.offset))
        if card is None or _head(card, (head.offset, head.length)) != head:
            raise _StaleError
        return card


class Kept:
    """The heads of one journal, for whoever looks at it again and again: what was read of it is
    not read once more."""

    def __init__(self) -> None:
        self._index: _Index | None = None
        self._key: dict[str, Any] = {}

    def of(self, descriptor: int) -> _Index | None:
        """What is kept, if the journal is still the same and has at most grown."""
        if self._index is None or self._index.covered > os.fstat(descriptor).st_size:
            return None
        now = _key(descriptor, self._index.covered)
        if now["modified"] is None:
            now["modified"] = self._key["modified"]
        return self._index if now == self._key else None

    def keep(self, descriptor: int, index: _Index) -> None:
        self._index, self._key = index, _key(descriptor, index.covered)


def viewed(journal: Journal, look: Callable[[View], T], kept: Kept | None = None) -> T:
    """What ``look`` makes of the journal; asked a second time if the index turns out to be wrong.

    Raises StoreError.
    """
    index = journal.path.parent / "cache" / INDEX_NAME
    with journal.opened() as descriptor:
        if descriptor is None:
            return look(View({}, 0, -1))
        loaded = (kept.of(descriptor) if kept else None) or _load(index, descriptor)
        if loaded is not None:
            with contextlib.suppress(_StaleError):
                return look(_view(descriptor, loaded, index, kept))
        return look(_view(descriptor, _Index({}, 0, 0), index, kept))


def reputation(view: View, now: datetime) -> Reputation:
    """What people made of the cards, as of a time."""
    return Reputation(
        (
            Decided(
                head.analyzer or head.type,
                head.subject,
                Verdict(head.verdict),
                datetime.fromtimestamp(head.decided, timezone.utc),
            )
            for head in view.heads.values()
            if head.verdict
        ),
        now,
    )


def find(journal: Journal, choose: Choose) -> dict[str, Card]:
    """The cards that are chosen of all ids, as ``Journal.find`` tells them.

    An index spares reading the journal; where there is none, none is made for this.
    """
    index = journal.path.parent / "cache" / INDEX_NAME
    with journal.opened() as descriptor:
        loaded = None if descriptor is None else _load(index, descriptor)
        if loaded is not None and descriptor is not None:
            with contextlib.suppress(_StaleError):
                view = _view(descriptor, loaded, index)
                return {
                    card_id: view.card(view.heads[card_id]) for card_id in choose(view.heads.keys())
                }
    return journal.find(choose)


@dataclass(frozen=True)
class _Index:
    """The heads of the first ``covered`` bytes of a journal."""

    heads: dict[str, Head]
    skipped: int
    covered: int


def _view(descriptor: int, loaded: _Index, index: Path, kept: Kept | None = None) -> View:
    heads, skipped = dict(loaded.heads), loaded.skipped
    covered = loaded.covered
    # Before it is read: what is appended meanwhile may be read twice, and is never left out.
    size = os.fstat(descriptor).st_size

    def take(card: Card, span: tuple[int, int]) -> None:
        heads[card.id] = _head(card, span)

    skipped += scan(descriptor, covered, take)
    if size > 0 and os.pread(descriptor, 1, size - 1) == b"\n":
        if size - covered >= _WORTH_BYTES:
            _store(index, descriptor, _Index(heads, skipped, size))
        if kept is not None:
            kept.keep(descriptor, _Index(heads, skipped, size))
    return View(heads, skipped, descriptor)


def _head(card: Card, span: tuple[int, int]) -> Head:
    priority, confidence, age, card_id = sort_key(card)
    severity = card.current.severity
    kind, at = verdict(card) or ("", None)
    texts = (card.status, card.type, severity, card.subject, card.owner, card.analyzer, str(kind))
    seen = card.seen_at.timestamp() if card.seen_at else 0.0
    decided = at.timestamp() if at else 0.0
    return Head(card_id, *texts, -priority, -confidence, age, seen, decided, *span)


def _key(descriptor: int, covered: int) -> dict[str, Any]:
    """What tells that the first bytes of the journal are those of which the index was made."""
    status = os.fstat(descriptor)
    ends = os.pread(descriptor, _CHECKED_BYTES, 0)
    ends += os.pread(descriptor, _CHECKED_BYTES, max(0, covered - _CHECKED_BYTES))[:covered]
    return {
        "version": _VERSION,
        "device": status.st_dev,
        "inode": status.st_ino,
        "covered": covered,
        "ends": zlib.crc32(ends),
        # As long as nothing was appended, nothing else may have happened to the journal either.
        "modified": status.st_mtime_ns if status.st_size == covered else None,
    }


def _load(path: Path, descriptor: int) -> _Index | None:
    try:
        # A directory that is a link could lead anywhere.
        data = None if path.parent.is_symlink() else fsio.read(path, _MOST_BYTES)
        if data is None:
            return None
        first, _, rest = data.partition(b"\n")
        key = json.loads(first)
        covered = key["covered"]
        if not 0 < covered <= os.fstat(descriptor).st_size:
            return None
        now = _key(descriptor, covered)
        if now["modified"] is None:
            now["modified"] = key["modified"]
        if key != now | {"skipped": key["skipped"], "check": zlib.crc32(rest)}:
            return None
        rows = json.loads(rest)
        if not _are_sound(rows):
            return None
        heads = {row[0]: Head._make(row) for row in rows}
        return _Index(heads, int(key["skipped"]), covered)
    except (StoreError, OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None


def _are_sound(rows: list[Any]) -> bool:
    """Whether all rows are heads, asked by the column: there may be a hundred thousand."""
    if set(map(len, rows)) - {len(_TYPES)}:
        return False
    columns = list(zip(*rows, strict=True))
    typed = all(
        set(map(type, column)) <= kinds for column, kinds in zip(columns, _TYPES, strict=False)
    )
    return typed and (not rows or (min(columns[-2]) >= 0 and min(columns[-1]) > 0))


def _store(path: Path, descriptor: int, index: _Index) -> None:
    """Keep the index where that is possible; another user's task directory is left alone."""
    rows = json.dumps(list(index.heads.values()), separators=(",", ":")).encode()
    key = _key(descriptor, index.covered)
    head = json.dumps({**key, "skipped": index.skipped, "check": zlib.crc32(rows)}).encode()
    with contextlib.suppress(StoreError, OSError):
        if os.fstat(descriptor).st_uid == os.geteuid() and not path.parent.is_symlink():
            fsio.sweep(path.parent)
            fsio.ensure_directory(path.parent)
            fsio.replace(path, [head, b"\n", rows])
