"""What must be true for a problem to be over, in a form that later telemetry can answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tgt.stats.recovery import Before, units_needed

CONVERSATIONS = "conversations"
OPS = ("<=", "<", ">=")
_MOST = 1e12
WINDOW = "24h"
"""So long at least must it be true."""


@dataclass(frozen=True)
class Tally:
    """What was counted of a criterion in some time: ``bad`` of ``units`` (conversations, or what
    ``unit`` says, for as many independent ones as they are worth), more than a share of ``line`` of
    which is not tolerated. ``value`` is the measure itself, None where there is nothing to measure.
    What ``is_fact`` is no matter of chance."""

    bad: float
    units: float
    line: float
    value: float | None = None
    unit: str = CONVERSATIONS
    is_fact: bool = False

    @property
    def makes_sense(self) -> bool:
        """Whether these are numbers of things that can be counted."""
        numbers = [_number(each) for each in (self.bad, self.units, self.line)]
        if None in numbers or not (self.value is None or _number(self.value) is not None):
            return False
        return 0 <= self.bad <= self.units and isinstance(self.unit, str)

    @property
    def share(self) -> float:
        return self.bad / self.units if self.units else 0.0


@dataclass(frozen=True)
class Criterion:
    """That a measure of a subject compares with a value as ``op`` (``<=``, ``<`` or ``>=``) says.

    ``before`` is what was counted while the problem was there, ``line`` the share of units that is
    tolerated, and ``unit`` what these are.
    """

    metric: str
    subject: str
    op: str
    value: float
    before: Before | None = None
    line: float = 0.0
    unit: str = CONVERSATIONS

    @property
    def least(self) -> int | None:
        """How many units without a bad one show that it is true."""
        return None if self.before is None else units_needed(self.before, 0, 0, self.line)

    def is_met(self, value: float) -> bool:
        if self.op == ">=":
            return value >= self.value
        return value < self.value if self.op == "<" else value <= self.value

    @property
    def document(self) -> dict[str, Any]:
        """The criterion as a card has it."""
        before = self.before
        return {
            "metric": self.metric,
            "subject": self.subject,
            "op": self.op,
            "value": self.value,
            "minConversations": self.least,
            "window": WINDOW,
            "unit": self.unit,
            "tolerated": self.line,
            "before": None if before is None else {"bad": before.bad, "of": before.units},
        }

    @classmethod
    def of(cls, document: object) -> Self | None:
        """The criterion of a card; None where it is none that can be measured."""
        if not isinstance(document, Mapping):
            return None
        before = document.get("before")
        counted = before if isinstance(before, Mapping) else {}
        numbers = [
            _number(each)
            for each in (
                document.get("value"),
                document.get("tolerated"),
                counted.get("bad"),
                counted.get("of"),
            )
        ]
        unit = document.get("unit", CONVERSATIONS)
        words = [document.get(key) for key in ("metric", "subject", "op")]
        if any(each is None for each in numbers) or not all(
            isinstance(w, str) for w in (*words, unit)
        ):
            return None
        if words[-1] not in OPS:
            return None
        value, line, bad, units = (float(each or 0.0) for each in numbers)
        if not units > 0 or not 0 <= bad <= units or not 0 <= line <= 1:
            return None
        metric, subject, op = map(str, words)
        return cls(metric, subject, op, value, Before(bad, units), line, unit)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -_MOST < value < _MOST else None
