"""What the measures of rules have in common: the rule, what is asked, and how much of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from tgt.analyzers.base import Analysis, Analyzer, Context
from tgt.analyzers.builder import Judged, look
from tgt.analyzers.rules.asked import Asked
from tgt.engine.protocol import Counts, Signal
from tgt.events import Interval
from tgt.rules.rule import Rule
from tgt.tasks.criterion import Criterion, Tally


def signals_of(rule: Rule) -> tuple[Signal, ...]:
    """What an engine is asked for a rule, with a history."""
    name, both = f"rule {rule.name}", f"({rule.where} AND {rule.counted})"
    if rule.measure == "p95":
        return (Signal(name, where=both, by=rule.by, value=rule.value),)
    counts = Signal(name, where=rule.where, counted=rule.counted, by=rule.by)
    if rule.measure == "absence":
        return (Signal(name, where=both, by=rule.by), Signal(name, both, by=rule.by, value="1"))
    return (counts,)


@dataclass(frozen=True)
class Question(ABC):
    """One rule in one cycle."""

    analyzer: Analyzer
    rule: Rule
    context: Context

    @property
    def windows(self) -> tuple[int, ...]:
        """The hours of longer windows that it looks at, too."""
        return ()

    @abstractmethod
    def judge(self, window: Interval) -> Iterable[Judged]:
        """Every subject in a window."""

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        return signals_of(self.rule)

    @abstractmethod
    def tally(self, criterion: Criterion, since: Interval) -> Tally | None:
        """What is counted of a criterion later; None where that cannot be compared."""

    def analysis(self) -> Analysis:
        return look(self.context.longer_windows(*self.windows), self.judge)

    def asked(self, subject: str, window: Interval) -> Asked:
        return Asked(self.analyzer, self.rule, self.context, self.signals[0], subject, window)

    def too_few(self, now: Counts) -> str:
        """Why it is in too few conversations; empty if it is not."""
        least = self.rule.min_conversations
        if now.by_event or now.bad_conversations >= least:
            return ""
        return f"{now.k} that count in {now.bad_conversations} of {least} conversations"
