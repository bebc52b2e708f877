"""How far each analyzer sees, in words: what it would find within a day, and what is missing.

Subjects that lack the same share a line; of those that can be judged the most used come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from tgt import subjects
from tgt.analyzers.figures import Unit
from tgt.output import words
from tgt.output.report_content import Cell, Column, Row, Section

if TYPE_CHECKING:
    from datetime import datetime

    from tgt.analyzers.outlook import Outlook
    from tgt.report import Report

_EVERYTHING = "all"
_FEW = 4
"""Subjects of one analyzer that have a line of their own, and reasons of which each has one."""
_HARDLY_EVER = 0.0005
"""A usual share of which a multiple says nothing."""
_COLUMNS = (
    Column("", is_number=False),
    Column("about", is_number=False),
    Column("would see within a day", is_number=False),
    Column("can judge", is_number=False),
)
_NAMED = {subjects.TOOL_CALL, subjects.RESPONSE}


def section(report: Report) -> Section:
    now = report.period.end
    rows = [
        row
        for name, some in groupby(report.coverage, attrgetter("analyzer"))
        for row in _rows(name, list(some), now)
    ]
    note = "" if rows else "No analyzer is chosen."
    return Section("coverage", "What could be judged", _COLUMNS, tuple(rows), note=note)


def _rows(name: str, every: Sequence[Outlook], now: datetime) -> Iterator[Row]:
    """The lines of one analyzer; only the first has its name."""
    able = [each for each in every if each.judgeable]
    lacking: dict[str, list[Outlook]] = {}
    for each in every:
        if not each.judgeable:
            lacking.setdefault(each.missing, []).append(each)
    lines = [([each], _sees(each), "now") for each in able[:_FEW]]
    if more := able[_FEW:]:
        lines.append((more, _range(more), "now"))
    commonest = sorted(lacking.items(), key=lambda entry: -len(entry[1]))
    lines += [
        (outlooks, f"nothing: {missing}", _when(outlooks, now))
        for missing, outlooks in commonest[:_FEW]
    ]
    if rest := [each for _, outlooks in commonest[_FEW:] for each in outlooks]:
        lines.append((rest, "nothing, for other reasons", _when(rest, now)))
    for number, (outlooks, says, when) in enumerate(lines):
        yield Row(
            (
                Cell("" if number else name, is_foreign=True),
                Cell(_about(outlooks), is_foreign=True),
                Cell(says, is_foreign=True),
                Cell(when),
            )
        )


def _about(outlooks: Sequence[Outlook]) -> str:
    first, *others = outlooks
    if first.subject == _EVERYTHING:
        return "everything"
    named = subjects.parse(first.subject).act in _NAMED
    about = subjects.label(first.subject) if named else first.subject
    return f"{about} and {words.plural(len(others), 'other')}" if others else about


def _sees(each: Outlook) -> str:
    """The smallest change, and what it rests on."""
    basis = f", of {each.expected:,.0f} {each.of}" if each.expected else ""
    if each.smallest_change is None:
        return f"any that there is{basis}"
    usual = words.quantity(each.usual, each.usual_unit)
    if each.unit is Unit.SHARE:
        beside = f" (usually {usual})" if usual else ""
        return f"{words.percent(each.smallest_change)} or more{beside}{basis}"
    if each.usual_unit is Unit.SHARE and each.usual is not None and each.usual < _HARDLY_EVER:
        return f"{words.percent(each.smallest_change * each.usual)} or more (usually none){basis}"
    return f"{each.smallest_change:.3g}× the usual {usual} or more{basis}"


def _range(outlooks: Sequence[Outlook]) -> str:
    """The smallest changes of several subjects."""
    changes = sorted(each.smallest_change for each in outlooks if each.smallest_change is not None)
    if not changes:
        return "any that there is"
    unit = outlooks[0].unit
    least, most = (words.quantity(change, unit) for change in (changes[0], changes[-1]))
    of = " the usual" if unit is Unit.RATIO else ""
    return f"{least} to {most}{of} or more" if least != most else f"{least}{of} or more"


def _when(outlooks: Sequence[Outlook], now: datetime) -> str:
    moments = [each.judgeable_at for each in outlooks if each.judgeable_at is not None]
    if not moments:
        return "not foreseeable"
    first = words.age(min(moments), now)
    return first if len(outlooks) == 1 else f"{first} at the earliest"
