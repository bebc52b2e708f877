"""What was written to a journal since somebody looked: only that is read, as long as it is there.

A journal grows at its end. When it is not the same any more, because ``tgt cleanup`` wrote it anew
or somebody put another in its place, all of it is read: who asks compares the cards with what is
known of them, and so loses nothing and takes nothing twice.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tgt.store.journal import Journal, decode_card, scan
from tgt.tasks.card import Card

_CHECKED_BYTES = 4096
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Position:
    """Up to where which journal was read. ``check`` is of its beginning and of the bytes before."""

    device: int
    inode: int
    offset: int
    check: int


def newest(
    journal: Journal, position: Position | None, take: Callable[[Card], None]
) -> tuple[Position | None, bool]:
    """Hand on the newest line of each card since ``position``, one by one, or of all cards.

    Returns the new position, and whether it were all cards. No journal is nothing new. A line may
    be handed on again where it was being written at that moment. Raises StoreError.
    """
    with journal.opened() as descriptor:
        if descriptor is None:
            return position, False
        start = _start(descriptor, position)
        if start is not None and start == os.fstat(descriptor).st_size:
            return position, False
        end = _last_end(descriptor)
        scan(descriptor, start or 0, lambda card, _span: take(card))
        return _position(descriptor, end), start is None


def each(
    journal: Journal, position: Position, take: Callable[[Card], None]
) -> tuple[Position, bool]:
    """Hand on every line since ``position``, in their order; where the journal is not the same any
    more, the newest line of all cards, as ``newest`` does."""
    with journal.opened() as descriptor:
        if descriptor is None:
            return position, False
        start = _start(descriptor, position)
        if start is not None:
            end = start
            for line in _whole_lines(descriptor, start, _last_end(descriptor)):
                end += len(line)
                card = decode_card(line)
                if card is not None:
                    take(card)
            return (position if end == start else _position(descriptor, end)), False
    moved, is_all = newest(journal, None, take)
    return moved or position, is_all


def _start(descriptor: int, position: Position | None) -> int | None:
    """Where to read on; None where the journal is not the one that the position is of."""
    if position is None or position.offset > os.fstat(descriptor).st_size:
        return None
    return position.offset if _position(descriptor, position.offset) == position else None


def _position(descriptor: int, offset: int) -> Position:
    status = os.fstat(descriptor)
    ends = os.pread(descriptor, min(_CHECKED_BYTES, offset), 0)
    first = max(0, offset - _CHECKED_BYTES)
    check = zlib.crc32(ends + os.pread(descriptor, offset - first, first))
    return Position(status.st_dev, status.st_ino, offset, check)


def _last_end(descriptor: int) -> int:
    """Where the last line that is terminated ends: behind it something is being written."""
    position = os.fstat(descriptor).st_size
    while position > 0:
        length = min(_BLOCK_BYTES, position)
        newline = os.pread(descriptor, length, position - length).rfind(b"\n")
        if newline >= 0:
            return position - length + newline + 1
        position -= length
    return 0


def _whole_lines(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        stream.seek(start)
        while start < end and (line := stream.readline()).endswith(b"\n"):
            start += len(line)
            yield line
