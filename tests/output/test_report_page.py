"""A report as a page: whole, well formed, bounded, and nothing of telemetry in it acts."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from invented_reports import END, empty, hostile, report, single

from tgt.events import Interval
from tgt.output.html import charts, report_page
from tgt.output.html.markup import Html, element, escaped, joined

_VOID = {"meta"}
_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section"),
    *("h1", "h2", "p", "dl", "div", "dt", "dd", "small", "span", "figure", "figcaption"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "path", "line", "text"),
}
_ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "class", "scope", "role", "tabindex"),
    *("aria-label", "viewbox", "width", "height", "x", "y", "x1", "x2", "y1", "y2", "d"),
    *("text-anchor",),
}


class Reader(HTMLParser):
    """Reads a page as a browser would, and keeps what it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.open: list[str] = []
        self.text = ""
        self.comments = 0
        self.feed(page)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        del data
        self.comments += 1


@pytest.mark.parametrize("make", [report, empty, single, hostile])
def test_a_page_is_made_of_a_few_elements_and_attributes(make: type) -> None:
    page = report_page.page(make())
    read = Reader(page)
    assert read.tags <= _TAGS
    assert read.attributes.keys() <= _ATTRIBUTES
    assert read.comments == 0
    assert page.isascii()
    assert page.startswith("<!DOCTYPE html>\n<html lang=")
    assert len(page) < 1_000_000


@pytest.mark.parametrize("make", [report, hostile])
def test_nothing_comes_from_outside_and_nothing_runs(make: type) -> None:
    page = report_page.page(make())
    read = Reader(page)
    assert not read.tags & {"script", "a", "img", "link", "iframe", "object", "form", "base"}
    assert not any(name.startswith("on") for name in read.attributes)
    assert not read.attributes.keys() & {"style", "href", "src", "action", "xlink:href"}
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = (each for each in read.attributes["content"] if "default-src" in each)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = page.index("Content-Security-Policy")
    assert head < page.index("<title"), "the policy comes before any text of telemetry"


def test_what_telemetry_says_is_text() -> None:
    read = Reader(report_page.page(hostile()))
    assert "<script>alert(1)</script>" in read.text
    assert "<img src=x onerror=alert(1)>" in read.text
    assert "\\x1b[2J" in read.text
    assert not any(character in read.text for character in "\x1b\x07\x00\u202e\u200b")


def test_everything_is_told() -> None:
    read = Reader(report_page.page(report()))
    text = " ".join(read.text.split())
    for each in (
        "2025-10-27 16:00 UTC to 2025-11-03 16:00 UTC (7 d)",
        "In parentheses: the 7 d before",
        "sudo: a terminal is required",
        "and 123 more",
        "Failing APIs",
        "taking turns",
        "nothing: 12 of 200 uses",
    ):
        assert each in text, each
    assert "210 ms (205 ms)" in text


def test_charts_have_titles_for_who_does_not_see_them() -> None:
    read = Reader(report_page.page(report()))
    assert "Bash in the course of time" in read.attributes["aria-label"]
    assert any(label.startswith("Events by 2 h, ") for label in read.attributes["aria-label"])
    assert "03 Nov 12:00 to 03 Nov 14:00: 48 events, 0 failures" not in read.text
    assert "03 Nov 14:00 to 03 Nov 16:00: 44 events, 0 failures" in read.text


@pytest.mark.parametrize(
    ("days", "ticks"),
    [
        (1 / 24, ["15:10", "15:20", "15:30", "15:40", "15:50"]),
        (1, ["18:00", "21:00", "03 Nov", "03:00", "06:00", "09:00", "12:00", "15:00"]),
        (7, ["28 Oct", "29 Oct", "30 Oct", "31 Oct", "01 Nov", "02 Nov", "03 Nov"]),
        (3650, ["Dec 2017", "Dec 2019", "Dec 2021", "Dec 2023"]),
    ],
)
def test_instants_below_a_chart_are_round(days: float, ticks: list[str]) -> None:
    period = Interval(END - timedelta(days=days), END)
    drawn = charts.by_time([(1, 0)], period, timedelta(days=days), "title", bad=False)
    below = re.findall(r'text-anchor="middle">([^<]*)<', drawn)
    assert below == ticks


def test_every_bar_lies_within_its_chart() -> None:
    for told in (report(), single(), hostile()):
        summary = told.summary
        for is_bad in (False, True):
            drawn = charts.by_time(
                summary.series, summary.period, summary.step, "title", bad=is_bad
            )
            height = 100 if is_bad else 200
            for place, size, most in (("x", "width", 960), ("y", "height", height)):
                for rect in re.findall(r"<rect .*?>", drawn):
                    start = float(re.search(rf' {place}="([\d.]+)"', rect)[1])  # type: ignore[index]
                    length = float(re.search(rf' {size}="([\d.]+)"', rect)[1])  # type: ignore[index]
                    assert start >= 0
                    assert length > 0
                    assert start + length <= most


@pytest.mark.parametrize("steps", [1, 2, 48, 96])
def test_small_charts_reach_from_one_end_to_the_other(steps: int) -> None:
    drawn = charts.sparkline([(9, 1)] * steps, "title")
    paths = re.findall(r' d="([^"]*)"', drawn)
    assert len(paths) == 2, "of events and of failures"
    for path in paths:
        starts = [float(each) for each in re.findall(r"M([\d.]+) ", path)]
        assert len(starts) == steps == path.count("z")
        assert starts[0] == 0
        assert starts[-1] == pytest.approx(168 - 168 / steps, abs=0.1)


def test_nothing_happened() -> None:
    read = Reader(report_page.page(empty()))
    assert "svg" not in read.tags
    assert "No calls of tools." in read.text


def test_markup_and_text_are_told_apart() -> None:
    assert element("p", "<b>", Html("<i></i>"), class_='a"b', id=None) == (
        '<p class="a&quot;b">&lt;b&gt;<i></i></p>'
    )
    assert joined(["a&b", element("br")]) == "a&amp;b<br>"
    assert escaped("ü\x1b") == "&#252;\\x1b"
