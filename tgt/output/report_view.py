"""``tgt report`` for a terminal: tables that leave out columns where there is no room, and charts
of block characters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tgt.output import report_content, report_sections, text, words
from tgt.output.report_content import Cell, Row, Section, grouped
from tgt.output.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from tgt.report import Report

MOST = 12
"""Rows of a table."""

_CHART_ROWS = 5
_SMALLEST_CHART, _BESIDE_CHART = 8, 18
_BARS = " ▁▂▃▄▅▆▇█"
_YEARS = timedelta(days=300)
"""Beyond this a date needs its year."""
_GAP = 2
_NARROWEST, _COMFORTABLE, _WIDEST_NAME = 24, 40, 44
_WORTH_ROOM = 2
_STACKED_BELOW = 100
_TREND = 16
_LIMIT = 300


def report(on: text.Screen, whole: Report) -> str:
    return text.render(on, *_parts(on, whole))


def _parts(on: text.Screen, report: Report) -> Iterator[RenderableType]:
    yield text.heading(report_content.heading(report))
    for source in report.sources[:MOST]:
        yield text.styled(source, "dim", limit=_LIMIT)
    yield Text(report_content.comparison(report), style="dim")
    yield Text()
    yield _facts(report)
    if report.summary.total.events:
        yield Text()
        yield from _chart(on, report)
    for section in report_sections.sections(report, MOST):
        yield Text()
        yield text.heading(section.title)
        if section.key == "coverage" and on.width < _STACKED_BELOW:
            yield from _stacked(section)
        elif section.rows:
            yield text.indented(_table(section, on.width - 2))
        for line in (section.more, section.note):
            if line:
                yield text.indented(Text(line, style="dim"))


def _facts(report: Report) -> Table:
    grid = text.grid("dim", "", "dim")
    for fact in report_sections.facts(report):
        value = Text(fact.value, justify="right")
        if fact.before:
            value.append(f" ({fact.before})", style="dim")
        grid.add_row(fact.label, value, Text(fact.beside, overflow="fold"))
    return grid


# --- charts --------------------------------------------------------------------------------------


def _chart(on: text.Screen, report: Report) -> Iterator[Text]:
    """Events and failures in the course of time, each on a scale of its own."""
    series = report.summary.series
    room = max(_SMALLEST_CHART, on.width - _BESIDE_CHART)
    values = grouped(series, room)
    wide = max(1, min(4, room // len(values)))
    size = -(-len(series) // len(values))
    length = words.length(size * report.summary.step)
    events, failures = [n for n, _ in values], [k for _, k in values]
    peak = max(events)
    yield Text.assemble(("Events", "bold"), (f" by {length}, {words.count(peak)} at most", "dim"))
    for number, line in enumerate(_levels(events, peak, wide)):
        label = words.count(peak) if number == 0 else "0" if number == _CHART_ROWS - 1 else ""
        yield Text.assemble((f"{label:>8} |", "dim"), (line, "cyan"))
    if worst := max(failures):
        line = "".join(wide * bar for bar in words.sparkline(_gaps(failures), worst))
        yield Text.assemble(("  failed |", "dim"), (line, "red"), (f" {words.count(worst)}", "dim"))
    yield Text("         " + _axis(report, len(values) * wide), style="dim")


def _levels(values: Sequence[int], peak: int, wide: int) -> Iterator[str]:
    """The lines of a bar chart, the highest first; what is there at all is seen."""
    steps = len(_BARS) - 1
    heights = [
        max(1, round(value / peak * _CHART_ROWS * steps)) if value else 0 for value in values
    ]
    for row in range(_CHART_ROWS - 1, -1, -1):
        cells = (min(steps, max(0, height - row * steps)) for height in heights)
        yield "".join(wide * _BARS[cell] for cell in cells).rstrip()


def _axis(report: Report, width: int) -> str:
    period = report.period
    written = "%Y-%m-%d" if period.end - period.start > _YEARS else "%d %b %H:%M"
    first, last = period.start.strftime(written), period.end.strftime(written)
    gap = width + 1 - len(first) - len(last)
    return f"{first}{' ' * gap}{last}" if gap > 0 else first


def _gaps(values: Sequence[int]) -> list[int | None]:
    """Where nothing failed there is no bar."""
    return [value or None for value in values]


def _stacked(section: Section) -> Iterator[RenderableType]:
    """Words below each other, where there is no room for them side by side."""
    for row in section.rows:
        name, about, says, when = (_shown(cell) for cell in row.cells)
        if name.plain:
            yield text.indented(name)
        about.stylize("dim")
        says.append(f"; {when.plain}", style="dim")
        yield text.indented(about, 4)
        yield text.indented(says, 6)


# --- tables --------------------------------------------------------------------------------------


def _table(section: Section, room: int) -> Table:
    """A table of the columns for which there is room; words are folded, names are cut."""
    places, trend = _fitting(section, room)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    for place in places:
        column = section.columns[place]
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            no_wrap=column.is_number,
            overflow="fold",
        )
    if trend:
        table.add_column("in time", no_wrap=True)
    for row in section.rows:
        shown = [_shown(row.cells[place]) for place in places]
        table.add_row(*shown, *([_trend(row, trend)] if trend else []))
    return table


def _fitting(section: Section, room: int) -> tuple[list[int], int]:
    """The places of the columns that fit, and how wide the chart of each row may be."""
    widths = [
        max(
            cell_len(column.title),
            *(cell_len(_shown(row.cells[place]).plain) for row in section.rows),
        )
        for place, column in enumerate(section.columns)
    ]
    for place, column in enumerate(section.columns):
        if not column.is_number:  # words can be folded
            widths[place] = min(widths[place], _WIDEST_NAME if column.keep else room)
    places = list(range(len(section.columns)))

    def used(least: int) -> int:
        """The width that is needed where words are folded to so much."""
        shown = (
            widths[p] if section.columns[p].is_number else min(widths[p], least) for p in places
        )
        return sum(shown) + _GAP * len(places)

    # Some columns are left out for words to be read well, and others only where there is no room.
    for least, spared in ((_COMFORTABLE, _WORTH_ROOM), (_NARROWEST, 0)):
        while (
            used(least) > room
            and (worst := max((section.columns[p].keep for p in places), default=0)) > spared
        ):
            places.remove(next(p for p in places if section.columns[p].keep == worst))
    has_series = any(row.series for row in section.rows)
    left = room - sum(min(widths[p], _WIDEST_NAME) for p in places) - _GAP * len(places)
    trend = min(48, left) if has_series and left >= _TREND else 0
    return places, trend


def _shown(cell: Cell) -> Text:
    shown = Text(
        safe(cell.text, limit=_LIMIT) if cell.is_foreign else cell.text,
        style="red" if cell.is_bad else "",
    )
    if cell.before:
        shown.append(f" ({cell.before})", style="dim")
    return shown


def _trend(row: Row, width: int) -> Text:
    """How often in the course of time; red where something failed."""
    values = grouped(row.series, width)
    if not values:
        return Text()
    bars = words.sparkline(_gaps([n for n, _ in values]))
    shown = Text()
    for bar, (_, failures) in zip(bars, values, strict=True):
        shown.append(bar, style="red" if failures else "cyan")
    return shown
