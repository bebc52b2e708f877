"""Options: the settings that an analyzer declares for itself.

The declaration is all there is to write. The settings take their defaults and bounds from it, and
so do their messages, ``.env.example``, the table in the README and what a back-test may vary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Kind(StrEnum):
    """What the value of an option is."""

    INT = "int"
    SHARE = "share"  # from 0 to 1
    REAL = "real"
    SECONDS = "seconds"
    PATHS = "paths"  # comma-separated files and directories


@dataclass(frozen=True)
class Option(Generic[T_co]):
    """One setting of an analyzer.

    ``variable`` begins with ``TASKGEN_``; ``help`` is one line. A number lies between ``low`` and
    ``high``, which are accepted themselves unless ``above`` leaves ``low`` out. One that is
    ``by_subject`` may have other values for some subjects.
    """

    variable: str
    kind: Kind
    default: T_co
    help: str
    low: float = 0.0
    high: float = math.inf
    above: bool = False
    by_subject: bool = False

    def __post_init__(self) -> None:
        if not self.variable.startswith("TASKGEN_"):
            raise ValueError(f"{self.variable} does not begin with TASKGEN_")

    @property
    def short(self) -> str:
        """Its name in a rules file."""
        return self.variable.removeprefix("TASKGEN_").lower()


def whole(
    variable: str, default: int, text: str, low: int, high: int, *, by_subject: bool = False
) -> Option[int]:
    """A whole number from ``low`` to ``high``."""
    return Option(variable, Kind.INT, default, text, low, high, by_subject=by_subject)


def share(variable: str, default: float, text: str, *, by_subject: bool = False) -> Option[float]:
    """A number from 0 to 1."""
    return Option(variable, Kind.SHARE, default, text, 0, 1, by_subject=by_subject)


def real(
    variable: str,
    default: float,
    text: str,
    low: float,
    high: float,
    *,
    above: bool = False,
    by_subject: bool = False,
) -> Option[float]:
    """A number from ``low``, or above it, to ``high``."""
    return Option(variable, Kind.REAL, default, text, low, high, above, by_subject)


def seconds(variable: str, default: float, text: str, high: float = 86_400) -> Option[float]:
    """A length of time above 0 and up to ``high`` seconds."""
    return Option(variable, Kind.SECONDS, default, text, 0, high, above=True)


def paths(variable: str, default: tuple[Path, ...], text: str) -> Option[tuple[Path, ...]]:
    """Files and directories; relative ones are taken from the working directory."""
    return Option(variable, Kind.PATHS, default, text)
