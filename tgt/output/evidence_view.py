"""The evidence of a card: what was measured, how it went on, why it was judged so, and samples.

Its keys are written by the analyzers, but a card may come from another writer: whatever is missing
or of another type is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tgt.output import chart_view, text, words
from tgt.tasks.card import Card, parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType
    from rich.table import Table

_SAMPLES, _SAMPLE_LIMIT, _LIST_LIMIT = 10, 300, 50
_BARS = 48
_MARKS = (("usual", "baselineValue"), ("limit", "thresholdValue"))


def evidence(task: Card, now: datetime, chart: int = 0) -> Iterator[RenderableType]:
    """What was measured, in rows of a label and a value; with a ``chart`` so many columns wide, if
    that is wanted."""
    stored = task.mapping("evidence")
    if not stored:
        return
    details = details_of(task)
    yield text.heading("Evidence")
    drawn = list(chart_view.chart(details, now, chart - 2)) if chart else []
    yield from map(text.indented, drawn)
    rows = text.grid("dim", "")
    row(rows, "measured", words.spoken(stored.get("metric")))
    row(rows, "window", stored.get("timeWindow"))
    for label, value in measured(task):
        row(rows, label.lower(), value)
    if not drawn and (bars := by_hour(details)):
        rows.add_row("by hour", _history(bars, details, now))
    for label, shown in _statistics(details):
        row(rows, label, shown)
    for index, value in enumerate(error_texts(details)):
        row(rows, "" if index else "errors", value)
    yield text.indented(rows)


def details_of(task: Card) -> Mapping[str, Any]:
    """The numbers of the evidence; the chart is that of the last run that saw the problem."""
    details, now = _mapping(task.mapping("evidence").get("details")), task.mapping("now")
    if not now.get("history"):
        return details
    return {**details, "history": now["history"], "historyEnd": now.get("at")}


def by_hour(details: Mapping[str, Any]) -> str:
    """The metric hour by hour, on one scale with the marks of what is usual and of the limit."""
    return words.sparkline(details.get("history"), _scale(details))


def marks(details: Mapping[str, Any]) -> str:
    """How high the usual value and the limit stand beside the bars of ``by_hour``."""
    history = details.get("history")
    values = [words.number(value) for value in history] if isinstance(history, list) else []
    scale = max(_scale(details), max((v for v in values if v is not None), default=0.0))
    parts = [
        f"{label} {bar}"
        for label, key in _MARKS
        if words.number(details.get(key)) is not None
        and (bar := words.sparkline([details[key]], scale))
    ]
    return ", ".join(parts)


def _scale(details: Mapping[str, Any]) -> float:
    """The charted metric is the value's own, so its marks belong on the same scale."""
    return max((words.number(details.get(key)) or 0.0 for _, key in _MARKS), default=0.0)


def _history(bars: str, details: Mapping[str, Any], now: datetime) -> Text:
    limit = words.number(details.get("thresholdValue"))
    shown = Text()
    for bar, value in list(zip(bars, details["history"], strict=True))[-_BARS:]:
        real = words.number(value)
        beyond = limit is not None and real is not None and real > limit
        shown.append(bar, style="red" if beyond else "cyan")
    beside = marks(details)
    end = parse_time(details.get("historyEnd"))
    until = f"{len(bars)} h, until {words.seen(end, now)}" if end else f"{len(bars)} h"
    return shown.append(f"  {until}{f'; {beside}' if beside else ''}", style="dim")


def measured(task: Card) -> Iterator[tuple[str, str]]:
    """Value, baseline and threshold: as the analyzer words them, else as it measured them; and what
    the value is now, if it is another than when the card was written."""
    evidence = task.mapping("evidence")
    details = _mapping(evidence.get("details"))
    unit, now = details.get("unit"), task.mapping("now").get("value")
    has_moved = now != details.get("value") and bool(words.quantity(now, unit))
    if has_moved:
        yield "Now", words.quantity(now, unit) + (" the usual" if unit == "ratio" else "")
    for label, told_key, number_key in (
        ("When found" if has_moved else "Now", "current", "value"),
        ("Usual", "baseline", "baselineValue"),
        ("Limit", "threshold", "thresholdValue"),
    ):
        exact = words.quantity(details.get(number_key), unit)
        value_text = evidence.get(told_key)
        if not isinstance(value_text, str) or not value_text:
            yield label, exact
        elif unit == "ratio" and number_key == "value" and exact:
            yield label, f"{value_text}, {exact} the usual"
        else:
            yield label, value_text
    if value_text := touched({**details, **task.mapping("now")}):
        yield "Touches", value_text


def touched(numbers: Mapping[str, Any]) -> str:
    """How many suffer, as far as the last run could tell."""
    many, share = (words.number(numbers.get(key)) for key in ("touchedPerDay", "touchedShare"))
    if many is None or many < 0:
        return ""
    of_all = "" if share is None else f", {words.small_percent(share)} of all"
    what = "events" if numbers.get("touchedUnit") == "events" else "conversations"
    return f"{words.about(many, what)}{of_all}"


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
    if (hours := words.number(details.get("baselineHours"))) is not None:
        yield "compared", f"with {words.count(hours)} h of baseline"
    if fired := windows(details):
        yield "windows", fired
    for label in ("rule", "enough"):
        if isinstance(number_text := details.get(label), str):
            yield label, number_text


def error_texts(details: Mapping[str, Any]) -> list[str]:
    """What failures said, and how many of them, as far as the rule gives them."""
    stored = details.get("errorTexts")
    counted = (
        [each for each in stored if isinstance(each, Mapping)] if isinstance(stored, list) else []
    )
    return [
        f"{words.count(times)} × {each['text']}"
        for each in counted[:_LIST_LIMIT]
        if isinstance(each.get("text"), str) and (times := words.number(each.get("count")))
    ]


def _interval(details: Mapping[str, Any]) -> str:
    """Where the true value lies, most likely; what lies in [0, 1] is a share in every rule."""
    ends = details.get("interval")
    if not isinstance(ends, list) or len(ends) != 2:  # noqa: PLR2004 its two ends
        return ""
    numbers = [number for end in ends if (number := words.number(end)) is not None]
    unit = "share" if all(0 <= number <= 1 for number in numbers) else details.get("unit")
    ends_in_words = [words.quantity(number, unit) for number in numbers]
    return " to ".join(ends_in_words) if len(ends_in_words) == len(ends) else ""


def windows(details: Mapping[str, Any]) -> str:
    """In which windows the rule fired, and how sure it was in each."""
    fired = details.get("windows")
    if not isinstance(fired, list):
        return ""
    return ", ".join(_window(item, details.get("unit")) for item in fired[:_LIST_LIMIT])


def _window(item: object, unit: object) -> str:
    if isinstance(item, Mapping) and item.keys() == {"hours", "confidence"}:
        hours, sure = words.number(item["hours"]), words.number(item["confidence"])
        if hours is not None and sure is not None:
            return f"{words.length(timedelta(hours=min(hours, 10**6)))} {words.confidence(sure)}"
    if isinstance(item, Mapping):
        return " ".join(f"{key} {value}" for key, value in item.items())
    return words.quantity(item, unit) or str(item)


def samples(task: Card) -> Iterator[RenderableType]:
    """What single events said, each below when, where and how."""
    stored = task.mapping("evidence").get("samples")
    if not isinstance(stored, list) or not stored:
        return
    yield text.heading("Samples")
    for sample in stored[:_SAMPLES]:
        head, message, event = sample_parts(sample, task.subject)
        yield text.indented(text.styled(head, "dim", limit=_SAMPLE_LIMIT))
        if message:
            yield text.indented(text.styled(message, limit=_SAMPLE_LIMIT), 4)
        if event:
            yield text.indented(text.styled(f"event {event}", "dim", limit=100), 4)
    if len(stored) > _SAMPLES:
        yield text.indented(Text(f"and {len(stored) - _SAMPLES} more, with --json", style="dim"))


def sample_parts(sample: object, subject: str) -> tuple[str, str, str]:
    """When, where and how; what it said; which event. Whatever else a sample has is in the first.

    What the subject of the card says already is left out.
    """
    if not isinstance(sample, Mapping):
        return "", str(sample), ""
    rest = dict(sample)
    message, event = (_first(rest, "text"), _first(rest, "eventId", "id"))
    act, _, name = subject.partition("/")
    if rest.get("act") == act:
        rest.pop("act")
        if rest.get("name") == name:
            rest.pop("name", None)
    head = [_first(rest, "timestamp", "ts"), _first(rest, "convId")]
    place = ":".join(filter(None, (_first(rest, "file"), _first(rest, "line"))))
    if (elapsed := words.number(rest.get("elapsedMs"))) is not None:
        rest.pop("elapsedMs")
        head.append(words.milliseconds(elapsed))
    head += [_first(rest, "errorType"), _first(rest, "finishReason")]
    head += [f"{key}={value}" for key, value in rest.items() if value not in (None, "", [])]
    return "  ".join(part for part in (*head, place) if part), message, event


def _first(rest: dict[str, Any], *keys: str) -> str:
    """Takes the keys out and returns the text of the first that has one."""
    values = [rest.pop(key, None) for key in keys]
    return next((str(value) for value in values if value not in (None, "")), "")


def row(rows: Table, label: str, value: object) -> None:
    """A row, if there is anything to tell."""
    if isinstance(value, str) and value:
        rows.add_row(label, text.styled(value))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
