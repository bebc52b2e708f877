"""``tgt show`` for people: the problem, its evidence, what to do, and what happened so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tgt.cards import Card, Status, parse_time
from tgt.output import text, words
from tgt.output.safe import safe

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType

_SAMPLES, _SAMPLE_LIMIT, _LIST_LIMIT = 10, 300, 50


def card(on: text.Screen, task: Card, now: datetime) -> str:
    """One card with all its evidence; whatever a card lacks is left out."""
    sections = (
        list(_head(task, now)),
        list(_description(task)),
        list(_evidence(task, now)),
        list(_samples(task)),
        list(_fix(task)),
        list(_acceptance(task)),
        list(_events(task, now)),
        list(_commands(task)),
    )
    parts: list[RenderableType] = []
    for section in sections:
        if section and parts:
            parts.append(Text())
        parts.extend(section)
    return text.render(on, *parts, width=on.readable)


def _head(task: Card, now: datetime) -> Iterator[RenderableType]:
    yield text.styled(task.title or "(no title)", "bold")
    yield Text.assemble(
        text.severity(task.severity),
        "  ",
        text.status(task.status),
        f"  priority {task.priority:.0f}  confidence {words.percent(task.confidence)}",
    )
    facts = text.grid("dim", "")
    facts.add_row("id", text.styled(task.id))
    if task.subject:
        facts.add_row("about", text.styled(task.subject))
    if task.type:
        facts.add_row("type", text.styled(task.type))
    if seen := _seen(task, now):
        facts.add_row("seen", seen)
    yield facts


def _seen(task: Card, now: datetime) -> str:
    first = task.time("firstSeenAt") or task.time("generatedAt")
    last = task.time("lastSeenAt")
    times = int(task.number("occurrences"))
    told = [f"first {words.age(first, now)}"] if first is not None else []
    if last is not None and last != first:
        told.append(f"last {words.age(last, now)}")
    if times > 0:
        told.append(f"in {words.plural(times, 'run')}")
    return ", ".join(told)


def _description(task: Card) -> Iterator[RenderableType]:
    if body := task.text("description"):
        yield Text(safe(body, lines=True).strip(), overflow="fold")


def _evidence(task: Card, now: datetime) -> Iterator[RenderableType]:
    evidence = task.mapping("evidence")
    if not evidence:
        return
    details = _mapping(evidence.get("details"))
    yield text.heading("Evidence")
    rows = text.grid("dim", "")
    _row(rows, "measured", evidence.get("metric"))
    _row(rows, "window", evidence.get("timeWindow"))
    for label, key, measured in (
        ("now", "current", "value"),
        ("usual", "baseline", "baselineValue"),
        ("limit", "threshold", "thresholdValue"),
    ):
        exact = words.quantity(details.get(measured), details.get("unit"))
        told = evidence.get(key)
        shown = told if isinstance(told, str) and told else exact
        if shown and exact and exact not in shown:
            shown = f"{exact}  ({shown})"
        _row(rows, label, shown)
    if bars := words.sparkline(details.get("history")):
        rows.add_row("by hour", _history(bars, details, now))
    for label, shown in _statistics(details):
        _row(rows, label, shown)
    yield text.indented(rows)


def _history(bars: str, details: Mapping[str, Any], now: datetime) -> Text:
    end = parse_time(details.get("historyEnd"))
    until = f"  {len(bars)} h, until {words.age(end, now)}" if end else f"  {len(bars)} h"
    return Text.assemble((bars[-48:], "cyan"), (until, "dim"))


def _statistics(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The numbers behind the judgement, in words, as far as the rule gives them."""
    k, n = words.number(details.get("k")), words.number(details.get("n"))
    if k is not None and n is not None:
        yield "counted", f"{words.count(k)} of {words.count(n)}"
    failing = words.number(details.get("failingConversations"))
    talks = words.number(details.get("conversations"))
    if talks is not None:
        of = f"{words.count(failing)} of " if failing is not None else ""
        yield "conversations", f"{of}{words.count(talks)}"
    unit = details.get("unit")
    if expected := words.quantity(details.get("expected"), unit):
        yield "expected", expected
    interval = details.get("interval")
    if isinstance(interval, list) and len(interval) == 2:  # noqa: PLR2004 its two ends
        low, high = (words.quantity(end, unit) for end in interval)
        if low and high:
            yield "likely", f"{low} to {high}"
    windows = details.get("windows")
    if isinstance(windows, list) and windows:
        yield "windows", ", ".join(_window(item, unit) for item in windows[:_LIST_LIMIT])
    for label, key in (("rule", "rule"), ("enough", "enough")):
        if isinstance(told := details.get(key), str):
            yield label, told


def _window(item: object, unit: object) -> str:
    if isinstance(item, Mapping):
        return " ".join(f"{key} {value}" for key, value in item.items())
    return words.quantity(item, unit) or str(item)


def _samples(task: Card) -> Iterator[RenderableType]:
    samples = task.mapping("evidence").get("samples")
    if not isinstance(samples, list) or not samples:
        return
    yield text.heading("Samples")
    for sample in samples[:_SAMPLES]:
        when, name, told = sample_parts(sample)
        line = Text.assemble((safe(when, limit=40), "dim"), overflow="fold")
        if name:
            line.append("  " if when else "").append(safe(name, limit=60), style="dim")
        yield text.indented(line)
        if told:
            yield text.indented(text.styled(told, limit=_SAMPLE_LIMIT), 4)
    if len(samples) > _SAMPLES:
        yield text.indented(Text(f"and {len(samples) - _SAMPLES} more, with --json", style="dim"))


def sample_parts(sample: object) -> tuple[str, str, str]:
    """When, which event, and what it said; whatever keys a sample has end up in the last."""
    if not isinstance(sample, Mapping):
        return "", "", str(sample)
    rest = dict(sample)
    when = str(rest.pop("timestamp", None) or rest.pop("ts", None) or "")
    name = str(rest.pop("id", None) or rest.pop("eventId", None) or "")
    told = rest.pop("text", None)
    words_ = [str(told)] if told else []
    words_ += [f"{key}={value}" for key, value in rest.items() if value not in (None, "", [])]
    return when, name, "  ".join(words_)


def _fix(task: Card) -> Iterator[RenderableType]:
    fix = task.mapping("suggestedFix")
    if not fix:
        return
    yield text.heading("Suggested fix")
    if isinstance(approach := fix.get("approach"), str) and approach:
        yield text.indented(text.styled(approach))
    for change in text_list(fix.get("changes")):
        yield _bullet("-", change)
    rows = text.grid("dim", "")
    if files := text_list(fix.get("files")):
        _row(rows, "files", ", ".join(files))
    _row(rows, "effort", fix.get("estimatedEffort"))
    if rows.row_count:
        yield text.indented(rows)


def _acceptance(task: Card) -> Iterator[RenderableType]:
    if criteria := text_list(task.data.get("acceptanceCriteria")):
        yield text.heading("Done when")
        mark = "[x]" if task.status == Status.COMPLETED else "[ ]"
        for criterion in criteria:
            yield _bullet(mark, criterion)


def _bullet(mark: str, told: str) -> RenderableType:
    rows = text.grid("dim", "", gap=1)
    rows.add_row(Text(mark), text.styled(told))
    return text.indented(rows)


_HISTORY = (
    ("generated", "generatedAt", "generatedBy"),
    ("approved", "approvedAt", "approvalNote"),
    ("dismissed", "dismissedAt", "dismissalReason"),
    ("completed", "completedAt", ""),
    ("reopened", "reopenedAt", ""),
)


def history(task: Card) -> list[tuple[datetime, str, str]]:
    """What happened to a task, oldest first: when, what, and the words given with it."""
    told = {what: task.text(key) for what, _, key in _HISTORY}
    reopened = task.mapping("metadata").get("reopened")
    if isinstance(reopened, Mapping) and parse_time(reopened.get("at")) == task.time("reopenedAt"):
        reason = str(reopened.get("reason"))
        told["reopened"] = words.REASONS.get(reason, reason)
    known = [
        (moment, what, told[what])
        for what, key, _ in _HISTORY
        if (moment := task.time(key)) is not None
    ]
    return sorted(known, key=lambda entry: entry[0])


def _events(task: Card, now: datetime) -> Iterator[RenderableType]:
    happened = history(task)
    if not happened:
        return
    yield text.heading("So far")
    rows = text.grid("dim", "", "")
    for moment, what, told in happened:
        rows.add_row(words.clock(moment), what, text.styled(told, limit=500))
    if task.status == Status.DISMISSED and (until := task.time("dismissedUntil")):
        over = "quiet until then" if until > now else "no longer quiet"
        rows.add_row(words.clock(until), over, Text())
    yield text.indented(rows)


_OFFERED = {
    str(Status.APPROVED): ("complete", "dismiss"),
    str(Status.DISMISSED): ("reopen",),
    str(Status.COMPLETED): ("reopen",),
}


def _commands(task: Card) -> Iterator[RenderableType]:
    name = safe(task.id, limit=60)
    yield text.heading("Next")
    for word in _OFFERED.get(task.status, ("approve", "dismiss")):
        yield text.indented(Text(f"tgt {word} {name}", style="dim", overflow="fold"))


def _row(rows: Any, label: str, told: object) -> None:
    if isinstance(told, str) and told:
        rows.add_row(label, text.styled(told))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def text_list(value: object) -> list[str]:
    """The texts of a JSON list, or of a lone text."""
    if isinstance(value, str):
        return [value] if value else []
    return [str(item) for item in value[:_LIST_LIMIT]] if isinstance(value, list) else []
