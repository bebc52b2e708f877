"""Every failure that tgt expects, with its exit status and what to do next.

An error is one line for a person: the object, the reason, the next step. The status belongs to
the error and not to the place that catches it, so every command exits the same way for one cause.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class ExitStatus(IntEnum):
    """The exit statuses that scripts rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DEGRADED = 4
    PROBLEM_FOUND = 10
    TOO_LITTLE = 11


class TgtError(Exception):
    """A failure with a cause that can be named; ``hint`` is the next thing to do."""

    status = ExitStatus.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class SettingsError(TgtError):
    """A setting or an argument that cannot be used."""

    status = ExitStatus.USAGE


class TelemetryError(TgtError):
    """The telemetry as a whole cannot be read (one bad file or line is a warning, not this)."""


class StoreError(TgtError):
    """The task directory, its journal or its sidecar cannot be read or written."""


class BusyError(StoreError):
    """Another process held the write lock for longer than we are willing to wait."""


class Candidate(NamedTuple):
    """A task that may have been meant."""

    id: str
    title: str


class NotFoundError(TgtError):
    """No such task, or a name that fits several.

    ``candidates`` are some that may have been meant, and there are ``more``.
    """

    status = ExitStatus.NOT_FOUND

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        candidates: tuple[Candidate, ...] = (),
        more: int = 0,
    ) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates
        self.more = more


class TransitionError(TgtError):
    """A change that makes no sense, such as a dismissal that ends in the past."""
