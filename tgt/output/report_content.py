"""The forms of what a report says: tables as data, which each output writes in its own way.

A cell holds text of tgt's own and, where ``is_foreign``, text of telemetry as it was masked; who
writes it makes it harmless for where it goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tgt.engine.summary import Series
from tgt.lookback import just_after
from tgt.output import words

if TYPE_CHECKING:
    from tgt.report import Report

_THOUSAND = 999.5


@dataclass(frozen=True)
class Column:
    """``keep``: where there is no room, columns with the highest number are left out first."""

    title: str
    keep: int = 0
    is_number: bool = True


@dataclass(frozen=True)
class Cell:
    """``before`` is the same of the time before. ``is_bad``: worth a look."""

    text: str
    before: str = ""
    is_bad: bool = False
    is_foreign: bool = False


@dataclass(frozen=True)
class Row:
    cells: tuple[Cell, ...]
    series: Series = ()


@dataclass(frozen=True)
class Section:
    """A table under a heading. ``more`` says how many rows are not shown, ``note`` what else there
    is to know; a section without rows says its note instead."""

    key: str
    title: str
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    more: str = ""
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """One number of the whole, with what is said beside it and the same of the time before."""

    label: str
    value: str
    beside: str = ""
    before: str = ""


def heading(report: Report) -> str:
    period = report.period
    length = words.length(period.end - period.start)
    return f"{words.clock(period.start)} to {words.clock(period.end)} ({length})"


def comparison(report: Report) -> str:
    """What the numbers stand beside."""
    if report.has_before:
        length = words.length(report.period.end - report.period.start)
        return f"In parentheses: the {length} before"
    if not report.summary.total.events and report.newest is not None:
        last = f"the last event is of {words.clock(report.newest)}"
        return (
            f"Nothing happened in this time; {last}: tgt report --now {just_after(report.newest)}"
        )
    return "There is nothing from before to compare with"


def step(report: Report) -> str:
    return words.length(report.summary.step)


def amount(value: float) -> str:
    """A large number to three digits: ``950``, ``12.3k``, ``45.9M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:  # what rounds to a thousand is one of the next unit
            scaled = value / size
            return f"{scaled:.3g}{unit}" if scaled < _THOUSAND else f"{scaled:,.0f}{unit}"
    return f"{value:.0f}"


def grouped(series: Iterable[tuple[int, int]], columns: int) -> list[tuple[int, int]]:
    """A series in at most so many columns, each the sum of as many steps; the last is full."""
    values = list(series)
    size = -(-len(values) // max(1, columns)) or 1
    values = [(0, 0)] * (-len(values) % size) + values
    return [
        (sum(n for n, _ in values[i : i + size]), sum(k for _, k in values[i : i + size]))
        for i in range(0, len(values), size)
    ]
