"""``tgt sources`` for people: what lies where, and what it is good for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import text, words
from tgt.output.safe import safe
from tgt.sources.base import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.survey import Surveyed

_FEW = 6


def sources(on: text.Screen, surveyed: Sequence[Surveyed], now: datetime) -> str:
    parts: list[RenderableType] = []
    for one in surveyed:
        grid = text.grid("dim", "")
        for label, value in _rows(one, now):
            grid.add_row(label, value)
        parts += [*([Text()] if parts else []), text.heading(safe(one.kind, limit=40))]
        parts.append(text.indented(grid))
    return text.render(on, *parts, width=on.readable)


def _rows(one: Surveyed, now: datetime) -> Iterator[tuple[str, Text]]:
    yield "source", text.styled(one.place, limit=300)
    for problem in one.problems[:_FEW]:
        yield "problem", text.styled(problem, "red", limit=500)
    read = "" if one.files_read == one.files else f", the newest {words.count(one.files_read)} read"
    size = f"{one.size / 1e6:,.1f} MB"
    if one.files or not one.records:
        yield "files", Text(f"{words.plural(one.files, 'file')}, {size}{read}")
    if not one.records:
        if not one.problems:
            yield "records", Text(_why_none(one))
        yield from _passed_over(one)
        return
    yield "records", _records(one)
    first, last = one.inventory.first, one.inventory.last
    if first and last:
        span = f"{words.clock(first)} to {words.clock(last)}, last {words.age(last, now)}"
        yield "time", Text(span)
    for label, counted in (("in the words of", one.dialects), ("services", one.inventory.services)):
        if counted:
            yield label, _names(counted)
    yield from _passed_over(one)
    yield "events", _counted(one.inventory.acts)
    yield "columns", _columns(one)
    for name, reason in one.abilities.items():
        yield (
            name,
            Text("can work on it", "green") if not reason else Text(f"cannot: {reason}", "yellow"),
        )


def _why_none(one: Surveyed) -> str:
    if one.files:
        return "of no known format; ndjson with a mapping reads any JSON lines"
    if one.not_read:
        return "none: of what lies there nothing is read"
    return "none: nothing has been written there yet"


def _passed_over(one: Surveyed) -> Iterator[tuple[str, Text]]:
    """What is no event, by its kind, and the files of which nothing was read."""
    for label, kinds in (
        ("not understood", one.passed_over(Reason.UNKNOWN)),
        ("malformed", one.passed_over(Reason.MALFORMED)),
    ):
        if any(kinds):
            yield label, _counted(kinds)
    for name, reason in one.not_read[:_FEW]:
        yield "not read", text.styled(f"{name}: {reason}", limit=300)
    if len(one.not_read) > _FEW:
        yield "", Text(f"and {len(one.not_read) - _FEW} more, with --json")


def _records(one: Surveyed) -> Text:
    unknown = one.passed_over(Reason.UNKNOWN)
    metrics = sum(one.passed_over(Reason.METRIC).values())
    many = sum(unknown.values())
    line = Text(f"{words.plural(one.records, 'record')}, {words.count(many)} not understood")
    share = (one.understood - metrics) / (one.records - metrics) if one.records > metrics else 1
    line.append(f" ({words.percent(share)} understood)", style="dim")
    if metrics:
        line.append(f", {words.plural(metrics, 'metric')} passed over")
    if one.inventory.malformed:
        line.append(f", {words.count(one.inventory.malformed)} malformed", style="yellow")
    return line


def _names(counted: Mapping[str, int]) -> Text:
    names = [safe(name, limit=60) for name, _ in _most(counted)[:_FEW]]
    more = len(counted) - len(names)
    return Text(", ".join(names) + (f" and {more} more" if more else ""), overflow="fold")


def _counted(counted: Mapping[str, int]) -> Text:
    parts = [f"{words.count(n)} {safe(name, limit=40)}" for name, n in _most(counted)[:_FEW]]
    more = len(counted) - len(parts)
    return Text(", ".join(parts) + (f" and {more} other kinds" if more else ""), overflow="fold")


def _most(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))


def _columns(one: Surveyed) -> Text:
    total = one.inventory.events or 1
    parts = [
        f"{name} {words.percent(min(1.0, n / total))}"
        for name, n in _most(one.inventory.columns)
        if n
    ]
    return Text(", ".join(parts), overflow="fold")
