"""``tgt list`` for people: best first, one calm line a task, wrapped rather than cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tgt.output import text, words
from tgt.output.safe import safe
from tgt.tasks.card import OPEN_STATUSES, Card, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.store.journal_index import Head

_SHORTEST = 8
_TABLE_FROM, _ALL_COLUMNS_FROM, _TREND_FROM = 64, 100, 110
_ID_LIMIT = 40
_ID, _TASK = "ID", "TASK"
_RIGHT = ("PRIO", "CONF", "SEEN", "BY HOUR")
_STYLES = {_ID: "dim", "SEEN": "dim", "BY HOUR": "cyan"}
_GAP = 2
_MANY = 200
_READABLE_TITLE = 16
_HOURS = 24


def short_ids(shown: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Each shown id cut to a length at which it is the prefix of no other known one.

    The length is the same for all, because a ragged column is hard to read.
    """
    folded = sorted({name.upper() for name in known} | {name.upper() for name in shown})
    place = {name: index for index, name in enumerate(folded)}
    needed = _SHORTEST
    for name in shown:
        index = place[name.upper()]
        for neighbour in folded[max(0, index - 1) : index] + folded[index + 1 : index + 2]:
            needed = max(needed, _common(name.upper(), neighbour) + 1)
    return {name: name[:needed] for name in shown}


def _common(one: str, other: str) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length


def task_list(
    on: text.Screen,
    shown: Sequence[Card],
    *,
    total: int,
    known: Mapping[str, Card] | Mapping[str, Head],
    filtered: bool,
    now: datetime,
) -> str:
    """``total`` tasks passed the filters, ``known`` is the whole journal."""
    if not shown:
        return text.render(on, _nothing(known.values(), filtered=filtered, total=total))
    ids = short_ids([task.id for task in shown], known)
    if on.width < _TABLE_FROM:
        parts = [part for task in shown for part in _entry(task, ids[task.id], now)]
        return text.render(on, *parts, Text(), _footer(shown, total))
    footer = text.render(on, Text(), _footer(shown, total))
    if len(shown) <= _MANY:
        return text.render(on, _table(on, shown, ids, now)) + footer
    # A table lays out all of its rows together, which takes long for thousands: the widest of each
    # column decide how wide they all are, and rows that fit are put together by hand.
    return _long_table(on, shown, ids, now) + footer


def compact(tasks: Iterable[Card]) -> list[Card]:
    """The tasks with what a list shows of them, which is little of a card."""
    keys = ("id", "severity", "status", "priority", "confidence", "title")
    times = ("lastSeenAt", "updatedAt", "generatedAt")
    return [
        Card(
            {key: task.data[key] for key in (*keys, *times) if key in task.data}
            | {"evidence": {"details": {"history": _history(task)}}}
        )
        for task in tasks
    ]


def _history(task: Card) -> object:
    details = task.mapping("evidence").get("details")
    return details.get("history") if isinstance(details, Mapping) else None


def _seen(task: Card) -> datetime | None:
    return task.time("lastSeenAt") or task.time("updatedAt") or task.time("generatedAt")


def _trend(task: Card) -> str:
    """The last day, hour by hour: whether a problem is new, lasting or on its way out."""
    return words.sparkline(_history(task))[-_HOURS:]


def _table(on: text.Screen, shown: Sequence[Card], ids: Mapping[str, str], now: datetime) -> Table:
    columns, rows = _cells(on, shown, ids, now)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        right = name in _RIGHT
        if name == _ID:
            table.add_column(name, style="dim", no_wrap=True, max_width=_ID_LIMIT)
        elif name == _TASK:
            table.add_column(name, overflow="fold", ratio=1)
        else:
            style = _STYLES.get(name, "")
            table.add_column(name, justify="right" if right else "left", no_wrap=True, style=style)
    for row in rows:
        table.add_row(*row)
    return table


def _cells(
    on: text.Screen, shown: Sequence[Card], ids: Mapping[str, str], now: datetime
) -> tuple[list[str], list[list[Text]]]:
    """The names of the columns, and their texts for every task."""
    wide = on.width >= _ALL_COLUMNS_FROM
    trends = {task.id: _trend(task) for task in shown} if on.width >= _TREND_FROM else {}
    with_trend = any(trends.values())
    with_status = wide or any(task.status != Status.GENERATED for task in shown)
    present = {
        "CONF": wide,
        "STATUS": with_status,
        "BY HOUR": with_trend,
    }
    columns = [
        name
        for name in (_ID, "SEVERITY", "PRIO", "CONF", "STATUS", "SEEN", "BY HOUR", _TASK)
        if present.get(name, True)
    ]
    cells: dict[str, Callable[[Card], Text]] = {
        _ID: lambda task: text.styled(ids[task.id], limit=_ID_LIMIT),
        "SEVERITY": lambda task: text.severity(task.severity),
        "PRIO": lambda task: Text(f"{task.priority:.0f}"),
        "CONF": lambda task: Text(words.confidence(task.confidence)),
        "STATUS": lambda task: text.status(task.status),
        "SEEN": lambda task: Text(words.age_short(_seen(task), now)),
        "BY HOUR": lambda task: Text(trends[task.id]),
        _TASK: lambda task: text.styled(task.title or "(no title)"),
    }
    return columns, [[cells[name](task) for name in columns] for task in shown]


def _long_table(
    on: text.Screen, shown: Sequence[Card], ids: Mapping[str, str], now: datetime
) -> str:
    """The same characters as of ``_table``."""
    columns, rows = _cells(on, shown, ids, now)
    widths = [
        max(len(name), *(cell.cell_len for cell in column))
        for name, column in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    titles = on.width - sum(width + _GAP for width in widths[:-1])
    if titles < _READABLE_TITLE or widths[0] > _ID_LIMIT:
        return text.render(on, _table(on, shown, ids, now))
    paint = text.painter(on)
    header = [Text(name, style="dim") for name in columns]
    lines = []
    for row in (header, *rows):
        *cells, title = row
        line = "".join(
            _aligned(paint(cell, _STYLES.get(name, "")), cell.cell_len, width, name) + " " * _GAP
            for name, cell, width in zip(columns, cells, widths, strict=False)
        )
        if title.cell_len <= titles and "\n" not in title.plain:
            lines.append(line + paint(title, ""))
        else:
            indent = " " * (sum(widths[:-1]) + _GAP * len(cells))
            wrapped = text.render(on, title, width=titles).splitlines()
            lines.append(line + wrapped[0])
            lines += [indent + more for more in wrapped[1:]]
    return text.without_trailing_blanks("\n".join(lines) + "\n")


def _aligned(painted: str, length: int, width: int, name: str) -> str:
    blanks = " " * (width - length)
    return blanks + painted if name in _RIGHT else painted + blanks


def _entry(task: Card, short: str, now: datetime) -> tuple[RenderableType, ...]:
    """Two lines a task, for a narrow screen."""
    line = Text.assemble(
        text.styled(short, "dim", limit=_ID_LIMIT),
        "  ",
        text.severity(task.severity),
        f"  {task.priority:.0f}  ",
        *((text.status(task.status), "  ") if task.status != Status.GENERATED else ()),
        (words.age(_seen(task), now), "dim"),
        overflow="fold",
    )
    return line, Padding(text.styled(task.title or "(no title)"), (0, 0, 0, 2))


def _footer(shown: Sequence[Card], total: int) -> Text:
    counts = Counter(safe(task.severity or "?", limit=20) for task in shown)
    many = ", ".join(f"{n} {word}" for word, n in counts.items())
    more = f"{len(shown)} of {words.plural(total, 'task')} shown"
    return Text(more if len(counts) > 6 else f"{more}: {many}", style="dim")  # noqa: PLR2004 a line's worth


def _nothing(known: Iterable[Card | Head], *, filtered: bool, total: int) -> Text:
    counts = Counter(task.status for task in known)
    rest = sum(counts.values())
    if not rest:
        return Text("No tasks yet. Next: tgt run")
    if total:
        return Text(f"None shown of {words.plural(total, 'task')}. Next: a higher --limit")
    if filtered:
        return Text(
            f"No task fits, of {words.plural(rest, 'task')} in all. Next: fewer filters, or --all"
        )
    closed = ", ".join(
        f"{n} {safe(status or '?', limit=20)}"
        for status, n in sorted(counts.items())
        if status not in OPEN_STATUSES
    )
    return Text(f"No open tasks; {closed}. Next: tgt list --all")
