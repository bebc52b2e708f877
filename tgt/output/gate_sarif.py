"""``tgt gate`` as SARIF 2.1.0, for what shows the results of analyses beside a change.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/ says what the keys mean. A message there may have
placeholders and links: what came from telemetry is neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tgt import __version__
from tgt.output.gate_words import message, places
from tgt.output.safe import safe
from tgt.tasks.card import Severity, format_time

if TYPE_CHECKING:
    from tgt.gate import Gate, Problem

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
VERSION = "2.1.0"
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.LOW: "note"}
_TEXT = 1000


def gate(result: Gate, status: int, root: Path) -> dict[str, Any]:
    """The document; files below ``root`` are named from there on, as those of a checkout are."""
    summaries: dict[str, str] = {}
    for verdict in result.verdicts:
        summaries.setdefault(verdict.type or verdict.analyzer, verdict.summary)
    for problem in result.problems:
        summaries.setdefault(problem.card.type, "")
    rules = [_rule(name, summary) for name, summary in summaries.items()]
    places_of = {name: index for index, name in enumerate(summaries)}
    return {
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [
            {
                "tool": {"driver": {"name": "tgt", "version": __version__, "rules": rules}},
                "automationDetails": {"id": "tgt/gate/"},
                "invocations": [_invocation(result, status)],
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(each, places_of[each.card.type], root) for each in result.problems
                ],
            }
        ],
    }


def _rule(name: str, summary: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": safe(name, limit=100), "name": safe(name, limit=100)}
    if summary:
        rule["shortDescription"] = _message(summary)
    return rule


def _invocation(result: Gate, status: int) -> dict[str, Any]:
    failed = [each for each in result.verdicts if each.failure]
    notes = [*result.warnings, *result.notices, *([result.missing] if result.missing else [])]
    return {
        "executionSuccessful": not failed,
        "exitCode": int(status),
        "exitCodeDescription": safe(message(result), limit=_TEXT),
        "endTimeUtc": format_time(result.period.end),
        "toolExecutionNotifications": [
            {"level": "warning", "message": _message(note)} for note in dict.fromkeys(notes)
        ],
    }


def _result(problem: Problem, rule: int, root: Path) -> dict[str, Any]:
    card = problem.card
    description = card.text("description")
    logical = [{"fullyQualifiedName": safe(card.subject, limit=300)}]
    stands = places(card.mapping("evidence").get("samples"))
    locations = [
        {"physicalLocation": _place(file, line, root), "logicalLocations": logical}
        for file, line in stands
    ]
    return {
        "ruleId": safe(card.type, limit=100),
        "ruleIndex": rule,
        "level": _LEVELS.get(card.severity, "warning"),  # type: ignore[call-overload]
        "kind": "fail",
        "message": _message(f"{card.title}: {description}" if description else card.title),
        "locations": locations or [{"logicalLocations": logical}],
        "partialFingerprints": {"tgt/v1": safe(card.fingerprint, limit=100)},
        "rank": min(100.0, max(0.0, card.priority)),
        "properties": {
            "severity": safe(card.severity, limit=20),
            "confidence": card.confidence,
            "change": str(problem.change),
        },
    }


def _place(file: str, line: int, root: Path) -> dict[str, Any]:
    path = Path(file)
    if path.is_relative_to(root):
        uri = quote(str(path.relative_to(root)), errors="replace")
    elif path.is_absolute():
        uri = "file://" + quote(file, errors="replace")
    else:
        uri = quote(file, errors="replace")
    return {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}


def _message(message: str) -> dict[str, str]:
    """A message that is what it says: braces are doubled, and no brackets make a link."""
    line = safe(message, limit=_TEXT)
    return {"text": line.replace("{", "{{").replace("}", "}}").replace("](", "] (")}
