"""``tgt list`` for people: one calm line a task, wrapped on a terminal and never cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tgt.output import text, words
from tgt.output.safe import safe
from tgt.tasks import proposal
from tgt.tasks.card import OPEN_STATUSES, Card, Status
from tgt.tasks.mute import KEY
from tgt.tasks.reference import Ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.store.journal_index import Head

_TABLE_FROM, _ALL_COLUMNS_FROM, _TREND_FROM = 64, 100, 110
_ID_LIMIT, _OWNER_LIMIT = 40, 24
_ID, _TASK = "ID", "TASK"
_COLUMNS = (_ID, "CHANGE", "SEVERITY", "PRIO", "CONF", "STATUS", "SEEN", "OWNER", "BY HOUR", _TASK)
_RIGHT = ("PRIO", "CONF", "SEEN", "BY HOUR")
_STYLES = {_ID: "dim", "SEEN": "dim", "BY HOUR": "cyan"}
_GAP = 2
_MANY = 200
_READABLE_TITLE = 16
_HOURS = 24
_NOTE_LIMIT = 300
_ONE_LINE = 10_000


@dataclass(frozen=True)
class Listing:
    """``total`` tasks passed the filters; ``known`` is the whole journal, which lies in ``place``.

    ``notes`` are lines about the runs that bring tasks. Where only what is news ``since`` a time
    was asked for, ``news`` says of each task why it is.
    """

    shown: Sequence[Card]
    total: int
    known: Mapping[str, Card] | Mapping[str, Head]
    place: str
    filtered: bool = False
    notes: Sequence[str] = ()
    since: datetime | None = None
    news: Mapping[str, str] | None = None
    hidden: int = 0
    """So many more would be shown if they were not muted."""
    more: Mapping[str, int] = field(default_factory=dict)
    """For how many others of its incident a task stands, where they are folded."""

    def title(self, task: Card) -> Text:
        title = text.styled(task.title or "(no title)")
        if many := self.more.get(task.id):
            title.append(f"  (+{words.plural(many, 'symptom')})", style="dim")
        return title


def task_list(on: text.Screen, listing: Listing, now: datetime) -> str:
    """A table as wide as the terminal; elsewhere a line a task, whatever its length."""
    on = on if on.terminal else replace(on, width=_ONE_LINE)
    notes = [text.styled(note, "yellow", limit=_NOTE_LIMIT) for note in listing.notes]
    if listing.hidden:
        hidden = words.plural(listing.hidden, "muted task")
        notes.insert(0, Text(f"{hidden} not shown. Next: tgt list --all, tgt mute --list", "dim"))
    if not listing.shown:
        return text.render(on, _nothing(listing), *notes)
    short_ids = Ids({*listing.known, *(task.id for task in listing.shown)})
    ids = {task.id: short_ids.short(task.id) for task in listing.shown}
    footer = text.render(on, Text(), _footer(listing), *notes)
    if on.terminal and on.width < _TABLE_FROM:
        return text.render(on, *_entries(listing, ids, now)) + footer
    if on.terminal and len(listing.shown) <= _MANY:
        return text.render(on, _table(on, listing, ids, now)) + footer
    # A table lays out all of its rows together, which takes long for thousands: the widest of each
    # column decide how wide they all are, and rows that fit are put together by hand.
    return _long_table(on, listing, ids, now) + footer


def compact(tasks: Iterable[Card]) -> list[Card]:
    """The tasks with what a list shows of them, which is little of a card."""
    keys = (
        "id",
        "severity",
        "status",
        "priority",
        "confidence",
        "title",
        "owner",
        "approvedBy",
        proposal.KEY,
        KEY,
    )
    times = ("lastSeenAt", "updatedAt", "generatedAt", "quietSince", "approvedAt", "reopenedAt")
    return [
        Card(
            {key: task.data[key] for key in (*keys, *times) if key in task.data}
            | {"evidence": {"details": {"history": _history(task)}}}
        )
        for task in (each.current for each in tasks)
    ]


def _history(task: Card) -> object:
    if task.mapping("now").get("history"):
        return task.mapping("now")["history"]
    details = task.mapping("evidence").get("details")
    return details.get("history") if isinstance(details, Mapping) else None


def trend(task: Card) -> str:
    """The last day, hour by hour: whether a problem is new, lasting or on its way out."""
    return words.sparkline(_history(task))[-_HOURS:]


def _table(on: text.Screen, listing: Listing, ids: Mapping[str, str], now: datetime) -> Table:
    columns, rows = _cells(on, listing, ids, now)
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
    on: text.Screen, listing: Listing, ids: Mapping[str, str], now: datetime
) -> tuple[list[str], list[list[Text]]]:
    """The names of the columns, and their texts for every task."""
    shown, news = listing.shown, listing.news or {}
    wide = not on.terminal or on.width >= _ALL_COLUMNS_FROM
    with_trend = on.terminal and on.width >= _TREND_FROM
    trends = {task.id: trend(task) for task in shown} if with_trend else {}
    present = {
        "CHANGE": listing.news is not None,
        "CONF": wide,
        "STATUS": wide or any(map(says_more, shown)),
        "OWNER": wide and any(task.owner for task in shown),
        "BY HOUR": any(trends.values()),
    }
    columns = [name for name in _COLUMNS if present.get(name, True)]
    cells: dict[str, Callable[[Card], Text]] = {
        _ID: lambda task: text.styled(ids[task.id], limit=_ID_LIMIT),
        "CHANGE": lambda task: Text(news.get(task.id, "")),
        "SEVERITY": lambda task: text.severity(task.severity),
        "PRIO": lambda task: Text(f"{task.priority:.0f}"),
        "CONF": lambda task: Text(words.confidence(task.confidence)),
        "STATUS": status,
        "SEEN": lambda task: Text(words.age_short(task.seen_at, now)),
        "OWNER": lambda task: text.styled(task.owner, limit=_OWNER_LIMIT),
        "BY HOUR": lambda task: Text(trends[task.id]),
        _TASK: listing.title,
    }
    return columns, [[cells[name](task) for name in columns] for task in shown]


def _long_table(on: text.Screen, listing: Listing, ids: Mapping[str, str], now: datetime) -> str:
    """The same characters as of ``_table``, on lines of any length where there is no terminal."""
    columns, rows = _cells(on, listing, ids, now)
    widths = [
        max(len(name), *(cell.cell_len for cell in column))
        for name, column in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    titles = widths[-1]
    if on.terminal:
        titles = on.width - sum(width + _GAP for width in widths[:-1])
        if titles < _READABLE_TITLE or widths[0] > _ID_LIMIT:
            return text.render(on, _table(on, listing, ids, now))
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


def _is_quiet(task: Card) -> bool:
    return task.is_open and bool(task.text("quietSince"))


def says_more(task: Card) -> bool:
    """Whether its status says more than that it is there."""
    is_proposed = proposal.standing(task) is not None
    is_muted = bool(task.data.get(KEY))
    return task.status != Status.GENERATED or is_muted or _is_quiet(task) or is_proposed


def status(task: Card) -> Text:
    """The status; of an open task also that it is muted, that its problem has gone quiet, and that
    an agent proposes to complete it."""
    more = [Text("muted", style="dim")] if task.data.get(KEY) else []
    more += [Text("quiet", style="green")] if _is_quiet(task) else []
    if proposal.standing(task) is not None:
        more.append(Text("proposed done", style="yellow"))
    if more and task.status == Status.GENERATED:
        return Text(", ").join(more)
    return Text(", ").join([text.status(task.status, words.status(task)), *more])


def _entries(listing: Listing, ids: Mapping[str, str], now: datetime) -> Iterator[RenderableType]:
    """Two lines a task, for a narrow screen."""
    for task in listing.shown:
        yield Text.assemble(
            text.styled(ids[task.id], "dim", limit=_ID_LIMIT),
            "  ",
            *((listing.news.get(task.id, ""), "  ") if listing.news else ()),
            text.severity(task.severity),
            f"  {task.priority:.0f}  ",
            *((status(task), "  ") if says_more(task) else ()),
            (words.seen(task.seen_at, now), "dim"),
            overflow="fold",
        )
        yield Padding(listing.title(task), (0, 0, 0, 2))


def _footer(listing: Listing) -> Text:
    shown = listing.shown
    counts = Counter(safe(task.severity or "?", limit=20) for task in shown)
    many = ", ".join(f"{n} {word}" for word, n in counts.items())
    folded = sum(listing.more.get(task.id, 0) for task in shown)
    more = f"{len(shown)} of {words.plural(listing.total, 'task')} shown"
    more += f", and {folded} folded into them" if folded else ""
    return Text(more if len(counts) > 6 else f"{more}: {many}", style="dim")  # noqa: PLR2004 a line's worth


def _nothing(listing: Listing) -> Text:
    counts = Counter(task.status for task in listing.known.values())
    rest = sum(counts.values())
    if not rest:
        return Text(f"No tasks yet in {safe(listing.place)}. Next: tgt run", overflow="fold")
    if listing.total:
        return Text(f"None shown of {words.plural(listing.total, 'task')}. Next: a higher --limit")
    if listing.hidden:
        return Text("No task fits that is not muted")
    if listing.since is not None:
        return Text(
            f"Nothing that fits is new, worse or back since {words.clock(listing.since)}, of"
            f" {words.plural(rest, 'task')} in all. Next: tgt list",
            overflow="fold",
        )
    if listing.filtered:
        return Text(
            f"No task fits, of {words.plural(rest, 'task')} in all. Next: fewer filters, or --all"
        )
    closed = ", ".join(
        f"{n} {safe(status or '?', limit=20)}"
        for status, n in sorted(counts.items())
        if status not in OPEN_STATUSES
    )
    place = safe(listing.place)
    return Text(f"No open tasks in {place}; {closed}. Next: tgt list --all", overflow="fold")
