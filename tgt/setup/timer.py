"""What calls ``tgt run`` again and again: a systemd timer of the account, or a line of its crontab.

Neither is touched beyond what ``tgt init`` has made itself, and every answer says how to undo it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tgt.setup import crontab, systemd
from tgt.setup.job import Job


class Kind(StrEnum):
    """What there is to run a job."""

    SYSTEMD = "systemd"
    CRON = "cron"
    NOTHING = "none"


class State(StrEnum):
    """What came of it."""

    INSTALLED = "installed"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    NOT_POSSIBLE = "not_possible"


@dataclass(frozen=True)
class Timer:
    """The answer. ``files`` are the units, ``line`` is that of a crontab, ``undo`` are commands."""

    kind: Kind
    state: State
    text: str
    files: tuple[Path, ...] = ()
    line: str = ""
    undo: tuple[str, ...] = ()


def kind_here() -> Kind:
    """What this account has."""
    if systemd.is_there():
        return Kind.SYSTEMD
    return Kind.CRON if crontab.is_there() else Kind.NOTHING


def install(job: Job, elsewhere: str, *, dry_run: bool = False) -> Timer:
    """Have the job run from now on. ``elsewhere`` names another timer that does so already.

    Raises StoreError if a unit cannot be written.
    """
    kind = kind_here()
    line = crontab.line_of(job)
    is_own = systemd.is_own() if kind is Kind.SYSTEMD else crontab.is_own()
    if elsewhere and not is_own:
        return Timer(kind, State.UNCHANGED, elsewhere)
    if kind is Kind.NOTHING:
        text = "neither systemd nor cron serves this account: have something else run this line"
        return Timer(kind, State.NOT_POSSIBLE, text, line=line)
    if kind is Kind.SYSTEMD:
        files = systemd.paths()
        if dry_run:
            return Timer(kind, State.PLANNED, "a systemd timer of this account", files)
        outcome = systemd.install(job)
    else:
        files = ()
        if dry_run:
            return Timer(kind, State.PLANNED, "a line of this account's crontab", line=line)
        outcome = crontab.install(job)
    if outcome.problem:
        return Timer(kind, State.NOT_POSSIBLE, outcome.problem, files, line)
    state = State.INSTALLED if outcome.changed else State.UNCHANGED
    undo = systemd.undo() if kind is Kind.SYSTEMD else crontab.UNDO
    return Timer(kind, state, outcome.text, files, "" if files else line, undo)
