"""The file of mutes: one decision of a person a line, only ever appended to.

A line that is none is skipped and counted, never repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tgt.errors import StoreError
from tgt.store import fsio
from tgt.store.journal import decode, encode
from tgt.tasks.mute import Mute

FILE_NAME = "mutes.jsonl"

_MAX_BYTES = 4 << 20
"""People decide: some ten thousand times are more than anybody does."""


class History(NamedTuple):
    """What was decided, in the order in which it was, and how many lines are no decision."""

    mutes: tuple[Mute, ...] = ()
    skipped_lines: int = 0


class MutesFile:
    """The mutes of a task directory, which need not exist yet."""

    def __init__(self, tasks_dir: Path) -> None:
        self.path = tasks_dir / FILE_NAME

    def read(self) -> History:
        """Takes no lock. Raises StoreError."""
        return _history(self._bytes())

    def add(self, decide: Callable[[Sequence[Mute]], Sequence[Mute]]) -> tuple[Mute, ...]:
        """Append, durably, what ``decide`` makes of what was decided so far: all of it or nothing.

        Raises StoreError.
        """
        with fsio.write_lock(self.path.parent):
            data = self._bytes()
            new = tuple(decide(_history(data).mutes))
            lines = b"".join(encode(mute.document) + b"\n" for mute in new)
            if not lines:
                return ()
            if len(data) + len(lines) + 1 > _MAX_BYTES:
                raise StoreError(
                    f"cannot write {self.path}: it would be larger than {_MAX_BYTES} bytes",
                    hint="remove lines of mutes that are over from it",
                )
            fsio.append(self.path, lines, is_whole=lambda part: _mute(part) is not None)
        return new

    def _bytes(self) -> bytes:
        return fsio.read(self.path, _MAX_BYTES) or b""


def _history(data: bytes) -> History:
    lines = [line for line in data.split(b"\n") if line.strip()]
    found = tuple(mute for line in lines if (mute := _mute(line)) is not None)
    return History(found, len(lines) - len(found))


def _mute(line: bytes) -> Mute | None:
    data = decode(line)
    return None if data is None else Mute.of(data)
