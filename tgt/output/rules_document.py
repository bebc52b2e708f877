"""``tgt rules --json``: every rule as it is understood, or why it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgt.tasks.json_form import json_form
from tgt.tasks.ledger import Action

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tgt.backtest import Replay
    from tgt.rules.reading import Entry, Problem, RulesFile
    from tgt.rules.rule import Rule

FOUND = (Action.SAVE, Action.REOPEN)
"""What a rule finds: a new task, or one that is back."""


def document(file: RulesFile | None, replay: Replay | None = None) -> dict[str, Any]:
    """Of no file an empty one; ``replay`` is what a test showed."""
    entries = file.entries if file else ()
    return {
        "rules": {
            "file": str(file.path) if file else None,
            "usable": not (file and file.refusal),
            "rules": [_rule(each, replay) for each in entries if each.kind == "rule"],
            "limits": [_limits(each) for each in entries if each.kind != "rule"],
            "problems": [_problem(each) for each in (file.problems if file else ())],
        }
    }


def times_found(rule: Rule, replay: Replay) -> Sequence[datetime]:
    """When a test showed that a rule would have found something."""
    return [
        step.at
        for step in replay.steps
        if step.action in FOUND and step.finding.analyzer == rule.analyzer
    ]


def _rule(entry: Entry, replay: Replay | None) -> dict[str, Any]:
    rule = entry.rule
    shown: dict[str, Any] = {
        "name": entry.name,
        "line": entry.line,
        "understood": rule is not None,
        "problems": [_problem(each) for each in entry.problems],
    }
    if rule is None:
        return shown
    shown |= {
        "measure": str(rule.measure),
        "where": rule.where,
        "counted": rule.counted,
        "by": rule.by,
        "value": rule.value if rule.measure == "p95" else None,
        "moreThan": rule.more_than,
        "timesUsual": rule.times_usual,
        "minConversations": rule.min_conversations,
        "severity": str(rule.severity),
        "title": rule.title,
        "fix": list(rule.fix),
    }
    if replay is not None:
        times = times_found(rule, replay)
        shown["found"] = {
            "count": len(times),
            "firstAt": json_form(times[0] if times else None),
            "lastAt": json_form(times[-1] if times else None),
        }
    return shown


def _limits(entry: Entry) -> dict[str, Any]:
    return {
        "subject": entry.name,
        "line": entry.line,
        "understood": entry.limit is not None,
        "problems": [_problem(each) for each in entry.problems],
        "values": dict(entry.limit.values) if entry.limit else {},
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "reason": problem.reason}
