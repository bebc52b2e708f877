"""``tgt report --format markdown``: for an issue, a wiki or an agent to read.

Text of telemetry may not become markup, a mention, a reference or a link where it is rendered, nor
end the cell of a table (see ``tgt.output.markdown``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tgt.output import report_content, report_sections, words
from tgt.output.markdown import code, inline
from tgt.output.report_content import Cell, Section, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgt.report import Report

MOST = 20
"""Rows of a table."""

_LIMIT = 220
_TREND, _CHART = 24, 60
_NOTHING = "·"


def document(report: Report) -> str:
    return "\n\n".join(filter(None, _blocks(report))) + "\n"


def _blocks(report: Report) -> Iterator[str]:
    yield "# What the telemetry says"
    yield report_content.heading(report)
    yield "\n".join(f"- {code(source, limit=_LIMIT)}" for source in report.sources[:MOST])
    yield report_content.comparison(report) + "."
    yield "\n".join(f"- **Warning:** {inline(each)}" for each in report.warnings[:MOST])
    yield "\n".join(
        f"- **{fact.label.capitalize()}:** {fact.value}"
        + (f" ({fact.before})" if fact.before else "")
        + (f", {fact.beside}" if fact.beside else "")
        for fact in report_sections.facts(report)
    )
    if report.summary.total.events:
        yield "\n".join(_charts(report))
    for section in report_sections.sections(report, MOST):
        yield f"## {section.title}"
        yield "\n".join(_table(section)) if section.rows else ""
        yield " ".join(filter(None, (section.more, section.note)))


def _charts(report: Report) -> Iterator[str]:
    values = grouped(report.summary.series, _CHART)
    size = -(-len(report.summary.series) // len(values))
    length = words.length(size * report.summary.step)
    for name, numbers in (
        ("Events", [events for events, _ in values]),
        ("Failures", [failures for _, failures in values]),
    ):
        if most := max(numbers):
            yield f"- **{name} by {length}:** {_bars(numbers)} ({words.count(most)} at most)"


def _bars(values: Sequence[int]) -> str:
    """Block characters; a dot where there was nothing."""
    bars = words.sparkline([value or None for value in values])
    return f"`{bars.replace(' ', _NOTHING)}`" if bars else ""


def _table(section: Section) -> Iterator[str]:
    has_series = any(row.series for row in section.rows)
    titles = [column.title or " " for column in section.columns]
    rules = ["---:" if column.is_number else "---" for column in section.columns]
    yield _line([*titles, *(["in time"] if has_series else [])])
    yield _line([*rules, *(["---"] if has_series else [])])
    for row in section.rows:
        cells = [_cell(cell) for cell in row.cells]
        trend = _bars([events for events, _ in grouped(row.series, _TREND)])
        yield _line([*cells, *([trend] if has_series else [])])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    shown = inline(cell.text, limit=_LIMIT) if cell.is_foreign else cell.text
    if cell.is_bad and shown:
        shown = f"**{shown}**"
    return f"{shown} ({cell.before})" if cell.before else shown
