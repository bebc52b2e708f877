"""``tgt report --format html``: one file that is read without a script and loads nothing.

A policy in the page itself forbids scripts, images, frames and everything from outside; the one
style sheet is named by its hash. Nothing of telemetry becomes a link, an attribute's name or a
style.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from tgt import __version__
from tgt.output import report_content, report_sections
from tgt.output.html import charts
from tgt.output.html.markup import NOTHING, Html, element
from tgt.output.report_content import Cell, Column, Fact, Row, Section, grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgt.report import Report

MOST = 25
"""Rows of a table."""

_NAME_LIMIT, _WORDS_LIMIT = 120, 220
_TREND = 48


def page(report: Report) -> str:
    """The whole document, in ASCII."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"Telemetry, {report_content.heading(report)}"),
        Html(f"<style>{style}</style>"),
    )
    body = element("body", _header(report), _main(report), _footer())
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n{body}</html>\n'


@cache
def _style() -> str:
    return resources.files(__package__).joinpath("style.css").read_text(encoding="ascii")


def _header(report: Report) -> Html:
    sources = [_line(source, "dim source") for source in report.sources[:MOST]]
    return element(
        "header",
        element("h1", "What the telemetry says"),
        element("p", report_content.heading(report)),
        *sources,
        _line(report_content.comparison(report), "dim"),
        *(_line(f"Warning: {warning}", "worse") for warning in report.warnings[:MOST]),
    )


def _footer() -> Html:
    note = f"Written by tgt {__version__}. What is in angle brackets stands for what varies."
    return element("footer", element("p", note))


def _line(text: str, kind: str) -> Html:
    return element("p", text, class_=kind)


def _main(report: Report) -> Html:
    parts = [element("section", element("dl", *map(_fact, report_sections.facts(report))))]
    if report.summary.total.events:
        parts.append(element("section", *_charts(report)))
    parts += map(_section, report_sections.sections(report, MOST))
    return element("main", *parts)


def _fact(fact: Fact) -> Html:
    before = element("span", f" ({fact.before})", class_="before") if fact.before else NOTHING
    beside = element("small", fact.beside) if fact.beside else NOTHING
    return element("div", element("dt", fact.label), element("dd", fact.value, before, beside))


def _charts(report: Report) -> Iterator[Html]:
    summary, length = report.summary, report_content.step(report)
    yield element("h2", "In the course of time")
    for name, is_bad in (("Events", False), ("Failures", True)):
        if is_bad and not summary.total.failures:
            continue
        title = f"{name} by {length}, {report_content.heading(report)}"
        drawn = charts.by_time(summary.series, report.period, summary.step, title, bad=is_bad)
        yield element("figure", drawn, element("figcaption", f"{name} by {length}"))


def _section(section: Section) -> Html:
    notes = [_line(each, "dim") for each in (section.more, section.note) if each]
    if not section.rows:
        return element("section", element("h2", section.title), *notes)
    has_series = any(row.series for row in section.rows)
    titles = [*section.columns, *([Column("in time", is_number=False)] if has_series else [])]
    table = element(
        "table",
        element("thead", element("tr", *map(_title, titles))),
        element("tbody", *(_row(section, row, has_series=has_series) for row in section.rows)),
    )
    scroll = element(
        "div", table, class_="scroll", role="region", aria_label=section.title, tabindex="0"
    )
    return element("section", element("h2", section.title), scroll, *notes)


def _title(column: Column) -> Html:
    return element("th", column.title, scope="col", class_="n" if column.is_number else None)


def _row(section: Section, row: Row, *, has_series: bool) -> Html:
    cells = [
        _cell(cell, column, is_head=place == 0)
        for place, (cell, column) in enumerate(zip(row.cells, section.columns, strict=True))
    ]
    if has_series:
        name = _cut(row.cells[0], _NAME_LIMIT)
        drawn = charts.sparkline(grouped(row.series, _TREND), f"{name} in the course of time")
        cells.append(element("td", drawn))
    return element("tr", *cells)


def _cell(cell: Cell, column: Column, *, is_head: bool) -> Html:
    kinds = [*(["n"] if column.is_number else []), *(["worse"] if cell.is_bad else [])]
    before = element("span", f" ({cell.before})", class_="before") if cell.before else NOTHING
    return element(
        "th" if is_head else "td",
        _cut(cell, _WORDS_LIMIT if is_head else _NAME_LIMIT),
        before,
        class_=" ".join(kinds) or None,
        scope="row" if is_head else None,
    )


def _cut(cell: Cell, limit: int) -> str:
    text = cell.text
    return text if len(text) <= limit else text[: limit - 1] + "…"
