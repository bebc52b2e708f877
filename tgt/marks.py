"""What people remember of changes: marks are added and listed, and never dropped."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tgt.store.marks_file import Marks, MarksFile
from tgt.tasks.mark import Mark


def add(tasks_dir: Path, mark: Mark) -> bool:
    """Remember a change; False where it was remembered already. Raises StoreError."""
    return MarksFile(tasks_dir).add(mark)


def listed(tasks_dir: Path, until: datetime | None = None) -> Marks:
    """What is remembered, up to a time, newest last. Raises StoreError."""
    stored = MarksFile(tasks_dir).read()
    return stored._replace(
        marks=tuple(mark for mark in stored.marks if until is None or mark.at <= until)
    )
