"""A report in Markdown: tables that nothing of telemetry can end, and no markup of its own."""

from __future__ import annotations

import re

from invented_reports import empty, hostile, report, single

from tgt.output import report_markdown

_CELL = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"(?<![\\`])(`+)(?!`)[^\n]*?(?<!`)\1(?!`)")


def test_a_table_has_as_many_cells_as_columns_in_every_line() -> None:
    for told in (report(), single(), hostile()):
        tables = [
            lines
            for block in report_markdown.document(told).split("\n\n")
            if (lines := block.splitlines()) and lines[0].startswith("|")
        ]
        assert tables
        for lines in tables:
            assert len({len(_CELL.findall(_CODE.sub("", line))) for line in lines}) == 1
            assert set(lines[1]) <= set("|-: ")


def test_what_is_told() -> None:
    lines = report_markdown.document(report()).splitlines()
    for line in (
        "# What the telemetry says",
        "2025-10-27 16:00 UTC to 2025-11-03 16:00 UTC (7 d)",
        "- `claude-code:/logs`",
        "In parentheses: the 7 d before.",
        "- **Failures:** 93 (14), 7.5%",
        "## Commonest errors",
        "and 123 more",
        "| sudo: a terminal is required | Bash | 5 (4) | 3 | 3 d ago | just now |",
    ):
        assert line in lines, line
    (shell,) = (line for line in lines if line.startswith("| Bash | 412 (390) | **31** (12) |"))
    assert "▁" in shell


def test_nothing_of_telemetry_becomes_markup() -> None:
    text = report_markdown.document(hostile())
    plain = _CODE.sub("", text)
    for pattern, what in (
        (r"(?<!\\)<(?!br)", "HTML"),
        (r"(?<![\\!])\[[^\]\\]*\]\(", "a link"),
        (r"(?<!\\)!\[", "an image"),
        (r"@(?=\w)", "a mention"),
        (r"https?://\w", "a bare address"),
        (r"www\.\w", "a bare address"),
        (r"(?m)^# (?!What the telemetry says$)", "a heading"),
        (r"(?m)^```", "a block of code"),
    ):
        assert not re.search(pattern, plain), what
    assert not any(character in text for character in "\x1b\x07\x00\u202e\u200b")
    assert len(text) < 400_000


def test_nothing_happened() -> None:
    text = report_markdown.document(empty())
    assert "No calls of tools." in text
    assert "|" not in text
