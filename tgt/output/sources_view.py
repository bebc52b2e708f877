"""``tgt sources`` for people: what lies where, and what it is good for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import text, words
from tgt.output.safe import safe

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.survey import Found

_FEW = 6


def sources(on: text.Screen, found: Sequence[Found], now: datetime) -> str:
    parts: list[RenderableType] = []
    for one in found:
        grid = text.grid("dim", "")
        for label, told in _rows(one, now):
            grid.add_row(label, told)
        parts += [*([Text()] if parts else []), text.heading(safe(one.kind, limit=40))]
        parts.append(text.indented(grid))
    return text.render(on, *parts, width=on.readable)


def _rows(one: Found, now: datetime) -> Iterator[tuple[str, Text]]:
    yield "source", text.styled(one.place, limit=300)
    for problem in one.problems[:_FEW]:
        yield "problem", text.styled(problem, "red", limit=300)
    read = "" if one.files_read == one.files else f", the newest {words.count(one.files_read)} read"
    size = f"{one.size / 1e6:,.1f} MB"
    yield "files", Text(f"{words.plural(one.files, 'file')}, {size}{read}")
    if not one.records:
        if one.files and not one.problems:
            yield "records", Text("of no known format; ndjson with a mapping reads any JSON lines")
        elif not one.problems:
            yield "records", Text("none: nothing has been written there yet")
        return
    yield "records", _records(one)
    if one.first and one.last:
        span = (
            f"{words.clock(one.first)} to {words.clock(one.last)}, last {words.age(one.last, now)}"
        )
        yield "time", Text(span)
    for label, counted in (("in the words of", one.dialects), ("services", one.services)):
        if counted:
            yield label, _names(counted)
    yield "events", _counted(one.acts)
    yield "columns", _columns(one)
    for name, reason in one.abilities().items():
        yield (
            name,
            Text("can work on it", "green") if not reason else Text(f"cannot: {reason}", "yellow"),
        )


def _records(one: Found) -> Text:
    told = Text(f"{words.plural(one.records, 'record')}, {words.count(one.unknown)} not understood")
    share = one.understood / (one.records - one.metrics) if one.records > one.metrics else 1
    told.append(f" ({words.percent(share)} understood)", style="dim")
    if one.metrics:
        told.append(f", {words.plural(one.metrics, 'metric')} passed over")
    if one.malformed:
        told.append(f", {words.count(one.malformed)} malformed", style="yellow")
    return told


def _names(counted: Counter[str]) -> Text:
    names = [safe(name, limit=60) for name, _ in counted.most_common(_FEW)]
    more = len(counted) - len(names)
    return Text(", ".join(names) + (f" and {more} more" if more else ""), overflow="fold")


def _counted(counted: Counter[str]) -> Text:
    told = [f"{words.count(n)} {safe(name, limit=40)}" for name, n in counted.most_common(_FEW)]
    more = len(counted) - len(told)
    return Text(", ".join(told) + (f" and {more} other kinds" if more else ""), overflow="fold")


def _columns(one: Found) -> Text:
    total = sum(one.acts.values()) or 1
    told = [
        f"{name} {words.percent(min(1.0, n / total))}" for name, n in one.columns.most_common() if n
    ]
    return Text(", ".join(told), overflow="fold")
