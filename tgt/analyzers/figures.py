"""The numbers of a finding and how they are written. They are numbers until a card is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from tgt.events import Interval

LONGEST_TEXT = 80
"""So much of an error stands in a title or a subject."""


class Unit(StrEnum):
    """What the value of a finding is."""

    SHARE = "share"
    RATIO = "ratio"  # a share as a multiple of what it usually is
    MS = "ms"
    COUNT = "count"


@dataclass(frozen=True)
class Measure:
    """What was measured, beside what is usual and what is tolerated.

    ``value`` and ``usual`` are shares, milliseconds or numbers of calls, and ``hours`` those that
    the usual value rests on. What is tolerated is ``times`` the usual value, or else ``threshold``;
    ``tolerated`` is how that is said, if not as usual, and ``noun`` what is counted.
    """

    metric: str
    unit: Unit
    value: float
    threshold: float = 0.0
    times: float = 0.0
    usual: float | None = None
    hours: int = 0
    tolerated: str = ""
    noun: str = "calls"
    op: str = "<="
    """How a value that is tolerated compares with the limit."""

    @property
    def tolerated_value(self) -> float:
        """What the value must be at most (or as ``op`` says) for the problem to be over. Of a share
        that is a multiple of the usual one less is asked for than what made it a problem: the
        square root of that multiple, beyond which the confidence says that it lies."""
        if self.unit is Unit.RATIO and self.usual:
            return math.sqrt(self.times) * self.usual
        return self.limit

    @property
    def limit(self) -> float:
        """The value that is tolerated."""
        return self.times * self.usual if self.times and self.usual else self.threshold

    @property
    def scale(self) -> float:
        """What one of the values that are shown is: a ratio is of the usual value."""
        return self.usual if self.unit is Unit.RATIO and self.usual else 1.0

    @property
    def current_text(self) -> str:
        return _text(self.unit, self.value, self.noun)

    @property
    def baseline_text(self) -> str | None:
        if self.usual is None:
            return None
        return f"{_text(self.unit, self.usual, self.noun)} over {self.hours} h"

    @property
    def threshold_text(self) -> str:
        if self.tolerated or not self.times:
            return self.tolerated or _text(self.unit, self.threshold, self.noun)
        times = f"{self.times:g} × usual"
        if self.unit is Unit.RATIO:
            return times
        return f"{times} ({_text(self.unit, self.limit, self.noun)})"


def _text(unit: Unit, value: float, noun: str = "calls") -> str:
    if unit is Unit.MS:
        return milliseconds(value)
    return f"{value:.0f} {noun}" if unit is Unit.COUNT else percent(value)


def number(value: float) -> float:
    """A number for a card: finite, and of four significant digits, which keep the card small."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    return round(value, 3 - math.floor(math.log10(abs(value))))


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def milliseconds(ms: float) -> str:
    ms = number(ms)
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"  # noqa: PLR2004 a second


def seconds(value: float) -> str:
    """A length of time as people say it: ``4.2 s``, ``12 minutes``."""
    if value < 60:  # noqa: PLR2004 a minute
        return f"{number(value):.3g} s"
    return f"{value / 60:.1f} minutes" if value < 600 else f"{value / 60:.0f} minutes"  # noqa: PLR2004


def duration(window: Interval) -> str:
    """A window's length as people say it: ``60 minutes``, ``6 hours``."""
    minutes = window.minutes
    if minutes > 120:  # noqa: PLR2004 two hours
        return f"{minutes / 60:.0f} hours"
    return f"{minutes:.0f} minutes"


def in_a_title(text: str) -> str:
    """A text of at most LONGEST_TEXT characters, to the end of a word."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[: LONGEST_TEXT - 1].rpartition(' ')[0] or text[: LONGEST_TEXT - 1]}…"
