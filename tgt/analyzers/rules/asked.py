"""A rule about one subject in one window: what it is called, and what is said of it.

A subject of a rule is the event's with the rule's name (``tool_call/grep: slow-grep``), since two
rules about one tool are two problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tgt import subjects
from tgt.analyzers.base import Analyzer, Context
from tgt.analyzers.baseline import Baseline, outside_incidents
from tgt.analyzers.builder import Builder
from tgt.analyzers.deferred import then
from tgt.analyzers.figures import duration, in_a_title
from tgt.analyzers.judgements import Judgement
from tgt.engine.protocol import Examples, Reading, Signal
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.rules.rule import Rule
from tgt.rules.words import filled
from tgt.tasks.card import Finding, Fix, TaskType, Touched

_NOTHING = "not known"
_LOOK = "Open the samples, and see what they have in common"


@dataclass(frozen=True)
class Said:
    """A rule's measure in words: its value, what is usual and what is tolerated of it."""

    value: str
    usual: str | None
    limit: str
    happened: str
    """What was counted and came of it, as the description begins."""


@dataclass(frozen=True)
class Asked:
    """A rule's question about a subject, as the engine calls it, in a window."""

    analyzer: Analyzer
    rule: Rule
    context: Context
    signal: Signal
    subject: str
    window: Interval

    @cached_property
    def builder(self) -> Builder:
        return Builder(self.analyzer, self.context, self.subject, self.window)

    @property
    def problem(self) -> str:
        """The subject of its card."""
        return problem_of(self.rule, self.signal, self.subject)

    @property
    def label(self) -> str:
        return subjects.label(self.subject) if self.signal.is_by_service else self.subject

    def abstention(self, reason: str) -> Abstention:
        return replace(self.builder.abstention(reason), subject=self.problem)

    def quiet_hours(self) -> frozenset[int]:
        """The observed hours before the window in which this was no problem."""
        return outside_incidents(self.context, TaskType.CUSTOM, self.problem, self.window)

    def baseline(self, reading: Reading) -> Baseline:
        hours = self.quiet_hours()
        history = reading.history
        return Baseline({hour: history[hour] for hour in hours if hour in history}, hours)

    def finding(
        self,
        judgement: Judgement,
        wording: Said,
        *,
        touched: Touched,
        beyond: float | None = None,
        examples: Examples | None = None,
    ) -> Finding:
        """The finding. Samples are values ``beyond`` a line, where the measure is of values."""

        def make() -> Finding:
            samples = examples or self.builder.examples(self.signal, beyond=beyond)
            return self._worded(judgement, wording, touched, samples, beyond)

        finding = self.builder.deferred(
            make, judgement, severity=self.rule.severity, touched=touched
        )
        # Whoever wrote the rule said how severe it is.
        facts: dict[str, Any] = {"subject": self.problem, "severity": self.rule.severity}
        return then(finding, lambda whole: replace(whole, **facts), **facts)

    def _worded(
        self,
        judgement: Judgement,
        wording: Said,
        touched: Touched,
        examples: Examples,
        beyond: float | None,
    ) -> Finding:
        rule = self.rule
        label = in_a_title(self.label)
        words: Mapping[str, str] = {
            "subject": label,
            "value": wording.value,
            "usual": wording.usual or _NOTHING,
        }
        usual = f"; usual is {wording.usual}" if wording.usual else ""
        changes = tuple(filled(change, words) for change in rule.fix)
        return self.builder.finding(
            judgement,
            examples,
            severity=rule.severity,
            touched=touched,
            title=filled(rule.title, words),
            description=(
                f"{wording.happened} in the last {duration(self.window)}, says the rule"
                f" {rule.name}: {wording.limit} is tolerated{usual}."
            ),
            fix=Fix(approach=rule.name, changes=changes or (_LOOK,)),
            acceptance=(f"The rule {rule.name} has nothing to say of {label} over 24 hours",),
            details={
                "rule": f"{rule.name}: {_asks(rule)}",
                "severityRule": f"always {rule.severity}, says the rule",
            },
            signal=self.signal,
            beyond=beyond,
        )


def problem_of(rule: Rule, signal: Signal, subject: str) -> str:
    """What a rule's problem with a subject is called. Only a subject of events has a service."""
    if not signal.is_by_service:
        return f"{subject.replace('@', ' ')}: {rule.name}"
    parsed = subjects.parse(subject)
    name = None if parsed.name is None else f"{parsed.name}: {rule.name}"
    act = f"{parsed.act}: {rule.name}" if name is None else parsed.act
    return str(subjects.Subject(act, name, parsed.service))


def _asks(rule: Rule) -> str:
    """The question, as it was understood."""
    counted = "" if rule.counted == "true" else f" that count if {rule.counted}"
    of = f" of {rule.value}" if rule.measure == "p95" else ""
    where = "all events" if rule.where == "true" else f"events with {rule.where}"
    return f"for the {rule.measure}{of} of {where}{counted}, by {rule.by}"
