"""What people want to be quiet: mutes are added, ended and looked up. What was decided stays
written down."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tgt.errors import StoreError
from tgt.store.mutes_file import MutesFile
from tgt.tasks.mute import NOTHING, Mute, Mutes, as_of


class Known(NamedTuple):
    """What counts at a time, and what there is to say of the file: lines that are no mutes."""

    mutes: Mutes = NOTHING
    warning: str = ""


def mute(tasks_dir: Path, wanted: Sequence[Mute], now: datetime) -> tuple[Mute, ...]:
    """Mute; what is muted exactly so already is not written again. The new ones are returned.

    Raises StoreError.
    """

    def decide(history: Sequence[Mute]) -> list[Mute]:
        in_force_terms = {_terms(each) for each in as_of(history, now)}
        return [each for each in wanted if _terms(each) not in in_force_terms]

    return MutesFile(tasks_dir).add(decide)


def _terms(entry: Mute) -> tuple[object, ...]:
    return entry.key, entry.until, entry.reason


def unmute(
    tasks_dir: Path, subject: str, types: Collection[str], now: datetime, by: str = ""
) -> tuple[Mute, ...]:
    """End the mutes of a glob as it was given, of these types or, without any, of all. Those that
    ended are returned. Raises StoreError."""
    ended: list[Mute] = []

    def decide(history: Sequence[Mute]) -> list[Mute]:
        ended[:] = [
            each
            for each in as_of(history, now)
            if each.subject == subject and (not types or each.type in types)
        ]
        return [Mute(now, each.subject, each.type, ends=True, by=by) for each in ended]

    file = MutesFile(tasks_dir)
    if not as_of(file.read().mutes, now):
        return ()  # no reason to create a directory with a lock
    file.add(decide)
    return tuple(ended)


def in_force(tasks_dir: Path, now: datetime) -> Known:
    """What counts at a time. Raises StoreError."""
    history = MutesFile(tasks_dir).read()
    count = history.skipped_lines
    line = "1 line of mutes.jsonl is no mute" if count == 1 else ""
    lines = line or f"{count} lines of mutes.jsonl are no mutes" if count else ""
    return Known(as_of(history.mutes, now), lines)


def if_readable(tasks_dir: Path, now: datetime) -> Known:
    """The same; where the file cannot be read nothing is muted, which is to be told."""
    try:
        return in_force(tasks_dir, now)
    except StoreError as failure:
        return Known(warning=f"nothing is muted: {failure.message}")
