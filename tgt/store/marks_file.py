"""The file of marks, which people and release scripts make."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tgt.store.decisions_file import DecisionsFile
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

    @property
    def _file(self) -> DecisionsFile[Mark]:
        return DecisionsFile(
            self.path, Mark.of, _MAX_BYTES, "move it away, or remove old lines from it"
        )

    def read(self) -> Marks:
        """Takes no lock. Raises StoreError."""
        marks, skipped = self._file.read()
        return Marks(tuple(sorted(set(marks))), skipped)

    def add(self, mark: Mark) -> bool:
        """Append a mark, durably; False where it is there already. Raises StoreError."""
        return bool(self._file.add(lambda marks: [] if mark in marks else [mark]))
