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
        f"  priority {task.priority:.0f}  confidence {words.confidence(task.confidence)}",
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
    _row(rows, "measured", words.spoken(evidence.get("metric")))
    _row(rows, "window", evidence.get("timeWindow"))
    for label, told in measured(evidence, details):
        _row(rows, label.lower(), told)
    if bars := words.sparkline(details.get("history")):
        rows.add_row("by hour", _history(bars, details, now))
    for label, shown in _statistics(details):
        _row(rows, label, shown)
    yield text.indented(rows)


def _history(bars: str, details: Mapping[str, Any], now: datetime) -> Text:
    end = parse_time(details.get("historyEnd"))
    until = f"  {len(bars)} h, until {words.age(end, now)}" if end else f"  {len(bars)} h"
    return Text.assemble((bars[-48:], "cyan"), (until, "dim"))


def measured(evidence: Mapping[str, Any], details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Value, baseline and threshold: as the analyzer words them, else as it measured them."""
    unit = details.get("unit")
    for label, told_key, number_key in (
        ("Now", "current", "value"),
        ("Usual", "baseline", "baselineValue"),
        ("Limit", "threshold", "thresholdValue"),
    ):
        exact = words.quantity(details.get(number_key), unit)
        told = evidence.get(told_key)
        if not isinstance(told, str) or not told:
            yield label, exact
        elif unit == "ratio" and label == "Now" and exact:
            yield label, f"{told}, {exact} the usual"
        else:
            yield label, told


def _statistics(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The numbers behind the judgement, in words, as far as the rule gives them."""
    k, n = words.number(details.get("k")), words.number(details.get("n"))
    expected = words.number(details.get("expected"))
    if k is not None and n is not None:
        usual = f", {expected:.3g} expected" if expected is not None else ""
        yield "counted", f"{words.count(k)} of {words.count(n)}{usual}"
    failing = words.number(details.get("failingConversations"))
    talks = words.number(details.get("conversations"))
    if talks is not None:
        of = f"{words.count(failing)} of " if failing is not None else ""
        yield "conversations", f"{of}{words.count(talks)}"
    if likely := _interval(details):
        yield "likely", likely
    windows = details.get("windows")
    if isinstance(windows, list) and windows:
        unit = details.get("unit")
        yield "windows", ", ".join(_window(item, unit) for item in windows[:_LIST_LIMIT])
    for label in ("rule", "enough"):
        if isinstance(told := details.get(label), str):
            yield label, told


def _interval(details: Mapping[str, Any]) -> str:
    """Where the true value lies, most likely; what lies in [0, 1] is a share in every rule."""
    ends = details.get("interval")
    if not isinstance(ends, list) or len(ends) != 2:  # noqa: PLR2004 its two ends
        return ""
    numbers = [number for end in ends if (number := words.number(end)) is not None]
    unit = "share" if all(0 <= number <= 1 for number in numbers) else details.get("unit")
    told = [words.quantity(number, unit) for number in numbers]
    return " to ".join(told) if len(told) == len(ends) else ""


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
        head, told, event = sample_parts(sample, task.subject)
        yield text.indented(text.styled(head, "dim", limit=_SAMPLE_LIMIT))
        if told:
            yield text.indented(text.styled(told, limit=_SAMPLE_LIMIT), 4)
        if event:
            yield text.indented(text.styled(f"event {event}", "dim", limit=100), 4)
    if len(samples) > _SAMPLES:
        yield text.indented(Text(f"and {len(samples) - _SAMPLES} more, with --json", style="dim"))


def sample_parts(sample: object, subject: str) -> tuple[str, str, str]:
    """When, where and how; what it said; which event. Whatever else a sample has is in the first.

    What the subject of the card says already is left out.
    """
    if not isinstance(sample, Mapping):
        return "", str(sample), ""
    rest = dict(sample)
    told, event = (_first(rest, "text"), _first(rest, "eventId", "id"))
    act, _, name = subject.partition("/")
    if rest.get("act") == act:
        rest.pop("act")
        if rest.get("name") == name:
            rest.pop("name", None)
    head = [_first(rest, "timestamp", "ts"), _first(rest, "convId")]
    if (elapsed := words.number(rest.get("elapsedMs"))) is not None:
        rest.pop("elapsedMs")
        head.append(words.milliseconds(elapsed))
    head += [_first(rest, "errorType"), _first(rest, "finishReason")]
    head += [f"{key}={value}" for key, value in rest.items() if value not in (None, "", [])]
    return "  ".join(part for part in head if part), told, event


def _first(rest: dict[str, Any], *keys: str) -> str:
    """Takes the keys out and returns the text of the first that has one."""
    values = [rest.pop(key, None) for key in keys]
    return next((str(value) for value in values if value not in (None, "")), "")


def _fix(task: Card) -> Iterator[RenderableType]:
    fix = task.mapping("suggestedFix")
    if not fix:
        return
    yield text.heading("Suggested fix")
    if isinstance(approach := fix.get("approach"), str) and approach:
        yield text.indented(text.styled(words.spoken(approach)))
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
