"""The file of mutes: the decisions of people to mute something, and to end that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tgt.store.decisions_file import DecisionsFile
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

    @property
    def _file(self) -> DecisionsFile[Mute]:
        return DecisionsFile(
            self.path, Mute.of, _MAX_BYTES, "remove lines of mutes that are over from it"
        )

    def read(self) -> History:
        """Takes no lock. Raises StoreError."""
        return History(*self._file.read())

    def add(self, decide: Callable[[Sequence[Mute]], Sequence[Mute]]) -> tuple[Mute, ...]:
        """Append, durably, what ``decide`` makes of what was decided so far: all of it or nothing.

        Raises StoreError.
        """
        return self._file.add(decide)
