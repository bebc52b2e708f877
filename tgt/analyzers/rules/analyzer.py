"""A rule as an analyzer: it is asked, reported and backed off by its name like any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.rules.absence import Absence
from tgt.analyzers.rules.count import Count
from tgt.analyzers.rules.p95 import P95
from tgt.analyzers.rules.question import Question, signals_of
from tgt.analyzers.rules.rate import Rate
from tgt.analyzers.rules.share import Share
from tgt.config import Settings
from tgt.engine.protocol import Signal
from tgt.events import Interval
from tgt.options import Option
from tgt.rules.rule import Measure, Rule
from tgt.tasks.card import TaskType
from tgt.tasks.criterion import Criterion, Tally

_QUESTIONS: dict[Measure, type[Question]] = {
    Measure.SHARE: Share,
    Measure.RATE: Rate,
    Measure.P95: P95,
    Measure.COUNT: Count,
    Measure.ABSENCE: Absence,
}


@dataclass(frozen=True)
class RuleAnalyzer:
    """Asks one rule."""

    rule: Rule
    task_type = TaskType.CUSTOM
    options: tuple[Option[Any], ...] = ()

    @property
    def name(self) -> str:
        return self.rule.analyzer

    @property
    def summary(self) -> str:
        return f"the {self.rule.measure} that the rule {self.rule.name} asks for is not tolerable"

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(self.rule.where, "no event that it is about"),)

    @property
    def works_without_events(self) -> bool:
        """Whether a run asks it also where its window has no event at all."""
        return self.rule.measure is Measure.ABSENCE

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return signals_of(self.rule)

    def analyze(self, context: Context) -> Analysis:
        return self._question(context).analysis()

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally | None:
        return self._question(context).tally(criterion, since)

    def _question(self, context: Context) -> Question:
        return _QUESTIONS[self.rule.measure](self, self.rule, context)
