"""What an analyzer declares, what it is given and what it gives back.

An analyzer asks signals and judges the readings. It never prints, filters by confidence or ranks;
what it does not judge for lack of data it says, with what is missing. Everything else that is said
of it (settings, help, documentation, what ``tgt sources`` says it can work on) comes from what it
declares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from tgt.config import Settings
from tgt.engine.protocol import Signal, Snapshot
from tgt.events import Interval
from tgt.options import Option
from tgt.outcome import Abstention
from tgt.tasks.card import Finding

T = TypeVar("T")

HALF = 0.5


@dataclass(frozen=True)
class Need:
    """What telemetry must have: an event of which ``where`` is true, SQL over canonical columns.

    ``missing`` says what there is not if no event is so.
    """

    where: str
    missing: str


@dataclass(frozen=True)
class Context:
    """One cycle as an analyzer sees it.

    ``incidents`` are, by fingerprint, the times of problems that have a card which nobody
    dismissed: they are no part of a baseline.
    """

    settings: Settings
    snapshot: Snapshot
    window: Interval
    incidents: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    conversations: dict[Interval, int] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """How many there are in windows in which something was found."""
    _redacted: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def option(self, option: Option[T], subject: str = "") -> T:
        """The value of an option of the analyzer's, for a subject if it is one of those that may
        have another."""
        return self.settings.option(option, subject)

    def redacted(self, text: str) -> str:
        """The text without what looks like a credential."""
        if text not in self._redacted:
            self._redacted[text] = self.settings.masked(text)
        return self._redacted[text]

    def reason(self, failure: Exception) -> str:
        """What something failed for, in a line without what looks like a credential."""
        return reason_of(failure, self.redacted)

    def longer_windows(self, *hours: int) -> list[Interval]:
        """The run's window, then those that are longer, each from a full clock hour on."""
        windows = [self.window]
        for length in hours:
            if timedelta(hours=length) > self.window.end - self.window.start:
                start = (self.window.end - timedelta(hours=length)).replace(
                    minute=0, second=0, microsecond=0
                )
                windows.append(Interval(start, self.window.end))
        return windows

    def is_end(self, window: Interval) -> bool:
        """Whether it is the later part of the run's window."""
        return window.start > self.window.start


def reason_of(failure: Exception, mask: Callable[[str], str]) -> str:
    """What something failed for, in a masked line."""
    words = str(failure).splitlines()
    return mask(f"{type(failure).__name__}: {words[0] if words else ''}")


def end_of(window: Interval, part: float) -> Interval:
    """The later part of a window, as a share of it."""
    return Interval(window.end - (window.end - window.start) * part, window.end)


@dataclass(frozen=True)
class Analysis:
    """``notices`` say what the person who set tgt up should know although nothing failed."""

    findings: tuple[Finding, ...] = ()
    abstained: tuple[Abstention, ...] = ()
    notices: tuple[str, ...] = ()


class Analyzer(Protocol):
    """A file, a line in the table of plug-ins, a test file, a section in the README."""

    @property
    def name(self) -> str: ...

    @property
    def task_type(self) -> str:
        """The type of its cards: one of TaskType, or a word of its own."""
        ...

    @property
    def summary(self) -> str:
        """When it fires, in one line."""
        ...

    @property
    def options(self) -> tuple[Option[Any], ...]:
        """Its own settings."""
        ...

    @property
    def needs(self) -> tuple[Need, ...]:
        """What it cannot work without; the first that is missing is told."""
        ...

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:
        """Every question that it may ask with a history, so that an engine can keep its answers.

        What such a question asks depends on nothing but the settings.
        """
        ...

    def analyze(self, context: Context) -> Analysis: ...
