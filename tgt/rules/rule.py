"""What a rules file says, once it is understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tgt import subjects
from tgt.tasks.card import Severity

WORD = "rules"
"""What they are called together, where analyzers are named."""


class Measure(StrEnum):
    """What of its events a rule looks at."""

    SHARE = "share"
    RATE = "rate"
    P95 = "p95"
    COUNT = "count"
    ABSENCE = "absence"


@dataclass(frozen=True)
class Rule:
    """One question. ``where``, ``counted``, ``by`` and ``value`` are SQL that was made anew of what
    was accepted; ``more_than`` or ``times_usual`` is tolerated, of an absence neither."""

    name: str
    measure: Measure
    title: str
    line: int = 0
    where: str = "true"
    counted: str = "true"
    by: str = "subject"
    value: str = "elapsed_ms"
    more_than: float | None = None
    times_usual: float | None = None
    min_conversations: int = 3
    severity: Severity = Severity.MEDIUM
    fix: tuple[str, ...] = ()

    @property
    def analyzer(self) -> str:
        """The name of the analyzer that asks it."""
        return f"{WORD}/{self.name}"


@dataclass(frozen=True)
class Limit:
    """Values that options of analyzers have for the subjects of a glob, by the variable."""

    subject: str
    values: Mapping[str, Any]
    line: int = 0

    def is_of(self, subject: str) -> bool:
        """Whether it is about a subject, with or without its service."""
        parsed = subjects.parse(subject)
        bare = str(subjects.Subject(parsed.act, parsed.name))
        return any(fnmatchcase(each, self.subject) for each in (subject, bare))


@dataclass(frozen=True)
class Rules:
    """All of a file; none if there is no file."""

    path: Path | None = None
    rules: tuple[Rule, ...] = ()
    limits: tuple[Limit, ...] = field(default=())

    def limit(self, variable: str, subject: str) -> Any:
        """The value of an option for a subject, that of the last limit about it; None without."""
        for limit in reversed(self.limits):
            if variable in limit.values and limit.is_of(subject):
                return limit.values[variable]
        return None

    def __str__(self) -> str:
        return str(self.path) if self.path else ""
