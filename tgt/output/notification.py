"""What targets are told, and what ``tgt notify`` says of that.

A notification leaves the machine: whatever in it comes from telemetry is masked, cut and made
harmless here, before anybody else sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tgt.notify.news import Item, News, reopened_because
from tgt.notify.telling import Result, Skip
from tgt.output import words
from tgt.output.safe import safe
from tgt.tasks.card import Card, Severity, format_time
from tgt.tasks.json_form import json_form
from tgt.tasks.verdict import is_by_tgt

if TYPE_CHECKING:
    from tgt.notify.telling import Outcome, Told

DIGEST, TEST = "digest", "test"
Mask = Callable[[str], str]

_TITLE, _TEXT, _SUBJECT, _WORD = 200, 400, 200, 40
_RAW = 4000
_SKIPPED = {
    Skip.NO_TARGETS: "Nobody to tell: TASKGEN_NOTIFY is not set",
    Skip.ALREADY_RUNNING: "Skipped: another tgt notify is at work",
}


def notification(at: datetime, items: Sequence[Item], mask: Mask) -> dict[str, Any]:
    """The document of a digest."""
    return _document(at, DIGEST, [_task(item, mask) for item in items])


def test_notification(at: datetime) -> dict[str, Any]:
    """The document of a test, about a task that does not exist."""
    task = {
        "id": "TEST",
        "change": str(News.NEW),
        "severity": str(Severity.HIGH),
        "subject": "tgt/test",
        "title": "This is a test of tgt notify",
        "text": "Who reads this is told what is new, worse, back or fixed.",
    }
    return _document(at, TEST, [task])


def _document(at: datetime, kind: str, tasks: list[dict[str, str]]) -> dict[str, Any]:
    return {"notification": {"at": format_time(at), "kind": kind, "tasks": tasks}}


def _task(item: Item, mask: Mask) -> dict[str, str]:
    card = item.card.current
    return {
        "id": safe(card.id, limit=_SUBJECT),
        "change": str(item.news),
        "severity": safe(card.severity, limit=_WORD),
        "subject": safe(mask(card.subject[:_RAW]), limit=_SUBJECT),
        "title": safe(mask(card.title[:_RAW]), limit=_TITLE),
        "text": safe(mask(_text(item, card)[:_RAW]), limit=_TEXT),
    }


def _text(item: Item, card: Card) -> str:
    """What there is to say beyond the title."""
    measured = _word(card, "evidence", "current")
    if item.news is News.NEW:
        description = card.text("description") or measured
        return f"approved by tgt; {description}" if is_by_tgt(card) else description
    if item.news is News.WORSE:
        return "; ".join(filter(None, (f"from {item.before} to {card.severity}", measured)))
    if item.news is News.BACK:
        reason = reopened_because(card)
        return words.REASONS.get(reason, reason)
    return _word(card, "verification", "text") or card.text("completionNote")


def _word(card: Card, key: str, inner: str) -> str:
    value = card.mapping(key).get(inner)
    return value if isinstance(value, str) else ""


def document(result: Told, kind: str, mask: Mask) -> dict[str, Any]:
    """What ``tgt notify --json`` says: what was told, and how each target stands."""
    sent = (
        test_notification(result.at)
        if kind == TEST and result.skipped is None
        else _document(result.at, kind, [_task(item, mask) for item in result.items])
    )
    return {
        **sent,
        "targets": [
            {
                "target": safe(outcome.target),
                "result": str(outcome.result),
                "tasks": outcome.count,
                "reason": safe(outcome.reason) or None,
                "nextAttemptAt": json_form(outcome.until),
            }
            for outcome in result.outcomes
        ],
        "message": message(result),
        "warnings": [safe(warning) for warning in (*result.warnings, *failures(result))],
    }


def message(result: Told) -> str:
    """What came of it, on one line."""
    if result.skipped is Skip.BEGINS:
        there = words.plural(result.open_before, "open task")
        return f"Telling begins now: of the {there} that there are nobody is told"
    if result.skipped is not None:
        return _SKIPPED[result.skipped]
    if all(outcome.result is Result.NOTHING for outcome in result.outcomes):
        return "Nothing to tell"
    counts = dict.fromkeys(Result, 0)
    for outcome in result.outcomes:
        counts[outcome.result] += 1
    parts = [f"{words.plural(n, 'target')} {_PHRASES[r]}" for r, n in counts.items() if n]
    return ", ".join(parts)


_PHRASES = {
    Result.TOLD: "told",
    Result.NOTHING: "with nothing to tell",
    Result.QUIET: "in quiet hours",
    Result.WAITING: "to be tried again later",
    Result.FAILED: "failed",
    Result.PLANNED: "would be told",
}


def failures(result: Told) -> list[str]:
    """One line for each target that did not take what it was given."""
    return [
        f"{outcome.target} was not told: {outcome.reason}{_next(outcome)}"
        for outcome in result.outcomes
        if outcome.result is Result.FAILED
    ]


def _next(outcome: Outcome) -> str:
    return f"; tried again from {words.clock(outcome.until)} on" if outcome.until else ""


def lines(result: Told, mask: Mask) -> str:
    """For people: how each target stands, and below it what was told."""
    shown = [f"{message(result)}\n"]
    shown += [f"  {_line(o)}\n" for o in result.outcomes if o.result is not Result.FAILED]
    for item in result.items:
        task = _task(item, mask)
        shown.append(
            f"  {task['change']:<5}  {task['severity']:<8}  {task['title']}  ({task['id']})\n"
        )
    return "".join(shown)


def _line(outcome: Outcome) -> str:
    what = words.plural(outcome.count, "task") if outcome.count else ""
    until = words.clock(outcome.until) if outcome.until else ""
    if outcome.result is Result.QUIET:
        what = f"{what}, told at the end of the quiet hours, {until}"
    elif outcome.result is Result.WAITING:
        what = f"{what}, tried again from {until} on: {outcome.reason}"
    return f"{outcome.result:<8} {safe(outcome.target)}  {safe(what)}".rstrip()
