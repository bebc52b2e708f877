"""The JSON documents of the commands: a stable interface for scripts and agents.

Keys are camelCase, times are UTC with milliseconds, lengths of time are milliseconds. Documents
are pure ASCII, so no character of a log line reaches a terminal as itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tgt.output import words
from tgt.tasks.card import Card, format_time
from tgt.tasks.json_form import json_form

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from tgt.backtest import Incident, Moved, Replay
    from tgt.evidence import Lines
    from tgt.outcome import RunReport
    from tgt.tasks.card import Finding
    from tgt.tasks.changes import Change
    from tgt.verify import Verification

_DEEPEST = 100
_ENCODE = json.JSONEncoder(allow_nan=False).encode


def dumps(document: Mapping[str, Any]) -> str:
    """One document and a line feed; a number that JSON does not know, or what is nested too deep
    to be written, becomes null."""
    try:
        return _ENCODE(document) + "\n"
    except (ValueError, RecursionError):
        return _ENCODE(_writable(document)) + "\n"


def _writable(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, Mapping):
        return {key: _writable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(item, depth + 1) for item in value]
    return value


def card(task: Card) -> dict[str, Any]:
    return dict(task.data)


def shown(tasks: Sequence[Card]) -> dict[str, Any]:
    """One task as ``task``, any other number as ``tasks``."""
    forms = [card(task) for task in tasks]
    return {"task": forms[0]} if len(forms) == 1 else {"tasks": forms}


def task_list(
    shown: Iterable[Card],
    total: int,
    muted: int = 0,
    since: datetime | None = None,
    news: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The document in pieces, so that one card at a time is in memory. ``news`` says of each why it
    is listed, if only what is news ``since`` a time was asked for; ``muted`` tasks are left out."""
    yield '{"tasks": ['
    changes: dict[str, str] = {}
    count = 0
    for task in shown:
        yield (", " if count else "") + dumps(card(task)).rstrip("\n")
        count += 1
        if news is not None:
            changes[task.id] = news[task.id]
    news_keys = {"since": json_form(since), "changes": changes} if since is not None else {}
    yield f"], {dumps({'count': count, 'total': total, 'muted': muted, **news_keys})[1:]}"


def log(changes: Sequence[Change]) -> Iterator[str]:
    """The document in pieces; of a reopening by a run the reason is told in words."""
    yield '{"log": ['
    for index, change in enumerate(changes):
        form = {
            "at": format_time(change.at),
            "kind": str(change.kind),
            "task": change.task or None,
            "subject": change.subject,
            "severity": change.severity,
            "title": change.title,
            "by": change.by or None,
            "text": words.change_in_words(change),
        }
        yield (", " if index else "") + dumps(form).rstrip("\n")
    yield f'], "count": {len(changes)}}}\n'


def watched(change: Change, task: Card) -> str:
    """One line of ``tgt watch``."""
    form = {"at": format_time(change.at), "change": str(change.kind), "task": card(task)}
    return dumps(form)


def events(lines: Lines) -> dict[str, Any]:
    """``message`` says why there are fewer than one may expect, if there are."""
    return {
        "events": json_form(lines.lines),
        "count": len(lines.lines),
        "message": lines.message,
    }


def verified(verification: Verification) -> dict[str, Any]:
    """``measured`` is the value of a criterion as of now, ``met`` whether it is what it must be;
    both are null where nothing can be counted."""
    return {
        "tasks": [
            {
                "id": task.card.id,
                "subject": task.card.subject,
                "title": task.card.title,
                "status": task.card.status,
                "criteria": [
                    {
                        **criterion.document,
                        "measured": None if verdict is None else verdict.tally.value,
                        "met": None if verdict is None else verdict.is_met,
                    }
                    for criterion, verdict in task.criteria
                ],
                "verification": task.verification and dict(task.verification),
            }
            for task in verification.tasks
        ],
        "message": verification.message,
    }


def changed(tasks: Iterable[Card], message: str) -> dict[str, Any]:
    return {"tasks": [card(task) for task in tasks], "message": message}


def run_failure(message: str) -> dict[str, Any]:
    return {
        "result": {"success": False, "error": message},
        "message": f"Analysis failed: {message}",
    }


def run(report: RunReport) -> dict[str, Any]:
    """The outcome of a cycle; ``decisions`` adds what became of each finding, and why."""
    result: dict[str, Any]
    if report.skipped is not None:
        result = {"skipped": True, "reason": str(report.skipped)}
        if report.instead:
            result |= {"olderEvents": report.older_events, "tryCommand": report.instead}
    else:
        result = {"success": True}
        if report.rate_limited:
            result["rateLimited"] = True
    if report.dry_run:
        result["dryRun"] = True
    result |= {
        "tasksGenerated": report.generated,
        "tasksFiltered": report.filtered,
        "tasksSaved": report.saved,
        "tasksSkipped": report.covered,
        "tasksMuted": report.muted,
        "tasksDeferred": report.deferred,
        "tasksReopened": report.reopened,
        "tasksCompleted": report.completed,
        "tasksApproved": report.approved,
        "eventsAnalyzed": report.events_analyzed,
        "malformedLines": report.malformed_lines,
        "lastEventAt": json_form(report.newest_event),
        "duration": report.duration_ms,
        "warnings": [*report.warnings, *report.notices],
        "abstained": json_form(report.abstained),
        "tasks": [_summary(task) for task in report.tasks],
        "decisions": [
            {
                "action": str(decision.action),
                "reason": decision.reason,
                **_problem(decision.finding),
                "id": decision.card.id if decision.card is not None else None,
            }
            for decision in report.decisions
        ],
    }
    return {"result": result, "message": report.message}


def _summary(task: Card) -> dict[str, Any]:
    keys = ("id", "type", "severity", "status", "subject", "title")
    numbers = {"confidence": task.confidence, "priority": int(task.current.priority)}
    return {key: task.text(key) for key in keys} | numbers


def _problem(finding: Finding | Incident) -> dict[str, Any]:
    return {
        "type": str(finding.type),
        "subject": finding.subject,
        "severity": str(finding.severity),
        "confidence": round(finding.confidence, 4),
    }


def backtest(
    replay: Replay, every: timedelta, chosen: Mapping[str, str], moved: Sequence[Moved] | None
) -> dict[str, Any]:
    """What a back-test showed; ``moved``, if asked for, is how the chosen settings differ."""
    document: dict[str, Any] = {
        "backtest": {
            "since": json_form(replay.since),
            "until": json_form(replay.until),
            "everyMinutes": every.total_seconds() / 60,
            "settings": dict(chosen),
            "runs": replay.runs,
            "idleRuns": replay.idle_runs,
            "findings": replay.findings,
            "filtered": replay.filtered,
            "repeated": replay.repeated,
            "cardsPerWeek": round(replay.cards_a_week, 2),
            "warnings": list(replay.warnings),
            "steps": [
                {
                    "at": json_form(step.at),
                    "action": str(step.action),
                    "reason": step.reason,
                    "id": step.card.id if step.card is not None else None,
                    **_problem(step.finding),
                    "priority": step.finding.priority,
                }
                for step in replay.steps
            ],
            "tasks": [card(task) for task in replay.cards],
        }
    }
    if moved is not None:
        document["diff"] = {
            "settings": dict(chosen),
            "gained": [_incident(m.after) for m in moved if m.after and not m.before],
            "lost": [_incident(m.before) for m in moved if m.before and not m.after],
            "moved": [
                {
                    **_incident(m.after),
                    "before": json_form(m.before.start),
                    "after": json_form(m.after.start),
                }
                for m in moved
                if m.before and m.after
            ],
        }
    return {**document, "message": replay.message}


def _incident(incident: Incident) -> dict[str, Any]:
    times = {"at": incident.start, "lastSeenAt": incident.last}
    return {**json_form(times), **_problem(incident)}
