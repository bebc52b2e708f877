"""A report on a terminal: everything is there, at any width, and nothing of telemetry acts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from invented_reports import HOSTILE, empty, hostile, report, single
from rich.cells import cell_len

from tgt.output import ascii as ascii_of
from tgt.output import report_sections, report_view
from tgt.output.report_content import amount, grouped
from tgt.output.text import Screen

WIDTHS = (20, 40, 60, 80, 120, 200)


def shown(width: int, *, colour: bool = False) -> str:
    return report_view.report(Screen(width, colour), report())


def test_a_wide_screen_shows_everything() -> None:
    lines = [" ".join(line.split()) for line in shown(160).splitlines()]
    for line in (
        "2025-10-27 16:00 UTC to 2025-11-03 16:00 UTC (7 d)",
        "claude-code:/logs",
        "In parentheses: the 7 d before",
        "conversations 41 (39) of 40 finished ones: 2 given up, 5 waited over 8 s, 1 full of"
        " errors",
        "failures 93 (14) 7.5%",
        "input tokens 9.1M (8M) 93% from a cache",
        "and 123 more",
        "sudo: a terminal is required Bash 5 (4) 3 3 d ago just now",
        "and 7 more",
        "Bash the same call again and again 7 4 min 12 s 81k c-1",
        "Edit and Read taking turns 8 1 min 30 s",
        "continuation everything nothing: no responses of a model not foreseeable",
        "error_spike t0 3× the usual 2% or more, of 120 conversations a day now",
        "t4 and 1 other 3.4× to 3.5× the usual or more now",
        "rare and 1 other nothing: 12 of 200 uses in 1 d at the earliest",
        "never nothing: no record tells whether it failed not foreseeable",
        "performance Bash 1.6× the usual 9.1 s or more, of 80 calls in 4 hours now",
        "ux_issue conversations/aborted 40% or more, of 20 finished conversations in 60 minutes"
        " now",
        "recurring_error everything any that there is now",
    ):
        assert line in lines, line
    (shell,) = (line for line in lines if line.startswith("Bash 412"))
    told = "Bash 412 (390) 31 (12) 7.5% (3.1%) 4 (0) 3 (0) 1 (0) 210 ms (205 ms) 9.1 s (8.8 s) "
    assert shell.startswith(told)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_longer_than_the_screen(width: int) -> None:
    for told in (report(), empty(), single(), hostile()):
        lines = report_view.report(Screen(width, colour=False), told).splitlines()
        assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_what_matters_most_is_there_at_any_width(width: int) -> None:
    words = " ".join(shown(width).split())
    for each in ("412 (390)", "31 (12)", "9.1 s (8.8 s)", "611 (611)", "Failing APIs", "60 (0)"):
        assert each in words, each


def test_without_a_time_before_nothing_stands_in_parentheses() -> None:
    told = report()
    alone = replace(told, summary=replace(told.summary, total_before=empty().summary.total))
    text = report_view.report(Screen(120, colour=False), alone)
    assert "There is nothing from before to compare with" in text
    assert "(390)" not in text
    assert "(0)" not in text


def test_nothing_happened() -> None:
    text = report_view.report(Screen(80, colour=False), empty())
    for said in ("No calls of tools.", "No answers of models.", "No failure has a text."):
        assert said in text
    assert "█" not in text


def test_columns_that_say_nothing_are_left_out() -> None:
    text = report_view.report(Screen(160, colour=False), single())
    head = next(line for line in text.splitlines() if "calls" in line)
    assert head.split() == ["calls", "in", "time"]


def test_the_chart_is_as_high_as_what_happened() -> None:
    lines = shown(110).splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("Events by 2 h"))
    chart = [line.partition("|")[2] for line in lines[first + 1 : first + 6]]
    columns = ["".join(column) for column in zip(*(line.ljust(84) for line in chart), strict=True)]
    assert len(columns) == 84
    assert columns[23] == "█████", "the most"
    assert columns[24].strip() == "", "nothing"
    assert columns[1].strip() == "▂", "some is seen, however little"
    heights = [column.count("█") for column in columns[:24]]
    assert heights == sorted(heights)
    failed = lines[first + 6].partition("|")[2]
    assert [n for n, bar in enumerate(failed[:84]) if bar == "█"] == [20, 44, 68]


def test_charts_in_ascii() -> None:
    plain = ascii_of.plain(shown(100))
    assert plain.isascii()


def test_colours_are_for_screens_that_have_them() -> None:
    assert "\x1b[" not in shown(100)
    assert "\x1b[31m" in shown(100, colour=True)


@pytest.mark.parametrize("width", [60, 120])
def test_nothing_of_telemetry_acts(width: int) -> None:
    text = report_view.report(Screen(width, colour=False), hostile())
    assert not any(character in text for character in "\x1b\x07\x00\u202e\u200b")
    assert len(text) < 200_000
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert HOSTILE[0][:10] in text, "what is harmless on a terminal is told as it is"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (950, "950"),
        (1000, "1k"),
        (12_345, "12.3k"),
        (45_924_000, "45.9M"),
        (2e9, "2G"),
        (999_999, "1M"),
        (4.2e15, "4,200,000G"),
    ],
)
def test_amounts(value: float, text: str) -> None:
    assert amount(value) == text


@pytest.mark.parametrize(
    ("columns", "sums"),
    [
        (9, [1, 2, 3, 4, 5]),
        (5, [1, 2, 3, 4, 5]),
        (4, [1, 5, 9]),
        (2, [3, 12]),
        (1, [15]),
        (0, [15]),
    ],
)
def test_a_series_is_grouped_so_that_the_last_group_is_full(columns: int, sums: list[int]) -> None:
    series = [(n, 0) for n in range(1, 6)]
    assert [n for n, _ in grouped(series, columns)] == sums


def test_sections_come_in_one_order() -> None:
    keys = [section.key for section in report_sections.sections(report(), 9)]
    assert keys == ["tools", "models", "upstream", "others", "errors", "loops", "coverage"]
    keys = [section.key for section in report_sections.sections(empty(), 9)]
    assert keys == ["tools", "models", "errors", "loops", "coverage"]
