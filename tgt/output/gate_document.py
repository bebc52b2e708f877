"""``tgt gate`` as a JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgt.gate import Change
from tgt.output.gate_words import message
from tgt.tasks.json_form import json_form

if TYPE_CHECKING:
    from tgt.gate import Gate, Problem


def gate(result: Gate, status: int) -> dict[str, Any]:
    """The document; a problem that no run has saved has no id."""
    return {
        "gate": {
            "outcome": str(result.outcome),
            "exitStatus": int(status),
            "since": json_form(result.period.start),
            "until": json_form(result.period.end),
            "failOn": str(result.fail_on),
            "eventsAnalyzed": result.events,
            "malformedLines": result.malformed_lines,
            "problems": [_problem(each) for each in result.problems],
            "milder": result.milder,
            "covered": result.covered,
            "muted": result.muted,
            "missing": result.missing or None,
            "analyzers": [
                {
                    "analyzer": each.analyzer,
                    "type": each.type,
                    "judged": each.is_judged,
                    "missing": each.missing or None,
                    "error": each.failure or None,
                }
                for each in result.verdicts
            ],
            "abstained": json_form(result.abstained),
            "warnings": list(result.warnings),
        },
        "message": message(result),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    card = problem.card
    return {
        "change": str(problem.change),
        "id": None if problem.change is Change.NEW else card.id,
        "analyzer": card.analyzer,
        "type": card.type,
        "severity": card.severity,
        "subject": card.subject,
        "title": card.title,
        "description": card.text("description"),
        "confidence": card.confidence,
        "priority": card.priority,
        "fingerprint": card.fingerprint,
        "samples": card.mapping("evidence").get("samples") or [],
    }
