"""The file of marks: one JSON object a line, only ever appended to.

A line that is no mark is skipped and counted, never repaired.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tgt.errors import StoreError
from tgt.store import fsio
from tgt.store.journal import decode, encode
from tgt.tasks.mark import Mark

FILE_NAME = "marks.jsonl"

_MAX_BYTES = 4 << 20
"""Marks are made by releases: some ten thousand are more than anybody makes."""


class Marks(NamedTuple):
    """The marks in the order of their times, each once, and how many lines were none."""

    marks: tuple[Mark, ...] = ()
    skipped_lines: int = 0


class MarksFile:
    """The marks of a task directory, which need not exist yet."""

    def __init__(self, tasks_dir: Path) -> None:
        self.path = tasks_dir / FILE_NAME

    def read(self) -> Marks:
        """Takes no lock. Raises StoreError."""
        lines = [line for line in (self._bytes() or b"").split(b"\n") if line.strip()]
        found = [mark for line in lines if (mark := _mark(line)) is not None]
        return Marks(tuple(sorted(set(found))), len(lines) - len(found))

    def add(self, mark: Mark) -> bool:
        """Append a mark, durably; False where it is there already. Raises StoreError."""
        line = encode(mark.document) + b"\n"
        with fsio.write_lock(self.path.parent):
            data = self._bytes() or b""
            if mark in {_mark(known) for known in data.split(b"\n")}:
                return False
            if len(data) + len(line) + 1 > _MAX_BYTES:
                raise StoreError(
                    f"cannot write {self.path}: it would be larger than {_MAX_BYTES} bytes",
                    hint="move it away, or remove old lines from it",
                )
            fsio.append(self.path, line, is_whole=lambda part: _mark(part) is not None)
        return True

    def _bytes(self) -> bytes | None:
        return fsio.read(self.path, _MAX_BYTES)


def _mark(line: bytes) -> Mark | None:
    data = decode(line)
    return None if data is None else Mark.of(data)
