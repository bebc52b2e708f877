"""A long list of tasks looks as a short one does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tgt.output import list_view, text
from tgt.tasks.card import Card

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
TITLES = ("short", "many words " * 30, "x" * 250, "日本語 🚀 " * 30, "a\nb", "", "\x1b[31mred")


@pytest.mark.parametrize("width", [64, 80, 100, 140])
def test_rows_put_together_by_hand_are_those_of_the_table(
    card_data: Callable[..., dict[str, Any]], width: int
) -> None:
    tasks = [
        Card(
            card_data(
                f"01K94XYZ{number:03d}A7T4M8R2VXCDGHJK",
                title=TITLES[number % len(TITLES)],
                status=("generated", "approved", "strange")[number % 3],
                severity=("critical", "low", "?" * 30)[number % 3],
                priority=number,
            )
        )
        for number in range(30)
    ]
    on = text.Screen(width, colour=False, terminal=True)
    ids = {task.id: task.id[:11] for task in tasks}
    listing = list_view.Listing(tasks, len(tasks), {}, "tasks")
    table = text.render(on, list_view._table(on, listing, ids, NOW))
    assert list_view._long_table(on, listing, ids, NOW) == table
    coloured = list_view._long_table(
        text.Screen(width, colour=True, terminal=True), listing, ids, NOW
    )
    assert "\x1b[1;31mcritical" in coloured


@pytest.fixture
def three(card_data: Callable[..., dict[str, Any]]) -> list_view.Listing:
    tasks = [
        Card(
            card_data(
                "01K94XYZ00C7T4M8R2VXCDGH1C",
                severity="critical",
                priority=92,
                status="approved",
                title="gpt-oss-120b is cut off in 32% of its answers",
                owner="ada\x1b",
            )
        ),
        Card(card_data("01K94XYZ00A7T4M8R2VXCDGH1A")),
        Card(card_data("01K94XYZ00B7T4M8R2VXCDGH1B", priority=41, severity="low", title="diff")),
    ]
    return list_view.Listing(tasks, 3, {task.id: task for task in tasks}, "tasks")


def on_terminal(width: int) -> text.Screen:
    return text.Screen(width, colour=False, terminal=True)


def test_a_table_of_80_columns(three: list_view.Listing) -> None:
    assert list_view.task_list(on_terminal(80), three, NOW) == (
        "ID    SEVERITY  PRIO  STATUS      SEEN  TASK\n"
        "GH1C  critical    92  approved   5 min  gpt-oss-120b is cut off in 32% of its\n"
        "                                        answers\n"
        "GH1A  high        70  generated  5 min  read_file fails in 25% of the\n"
        "                                        conversations that use it\n"
        "GH1B  low         41  generated  5 min  diff\n"
        "\n"
        "3 of 3 tasks shown: 1 critical, 1 high, 1 low\n"
    )


def test_two_lines_a_task_at_50_columns(three: list_view.Listing) -> None:
    assert list_view.task_list(on_terminal(50), three, NOW) == (
        "GH1C  critical  92  approved  5 min ago\n"
        "  gpt-oss-120b is cut off in 32% of its answers\n"
        "GH1A  high  70  5 min ago\n"
        "  read_file fails in 25% of the conversations that\n"
        "  use it\n"
        "GH1B  low  41  5 min ago\n"
        "  diff\n"
        "\n"
        "3 of 3 tasks shown: 1 critical, 1 high, 1 low\n"
    )


def test_a_wide_table_shows_confidence_owners_and_the_last_day(three: list_view.Listing) -> None:
    shown = list_view.task_list(on_terminal(120), three, NOW).splitlines()
    assert shown[:2] == [
        "ID    SEVERITY  PRIO  CONF  STATUS      SEEN  OWNER    BY HOUR  TASK",
        "GH1C  critical    92   93%  approved   5 min  ada\\x1b    ▁▁ ▂█  "
        "gpt-oss-120b is cut off in 32% of its answers",
    ]


def test_of_what_is_news_it_is_told_why(three: list_view.Listing) -> None:
    ids = [task.id for task in three.shown]
    news = dict(zip(ids, ("back", "worse", "new"), strict=True))
    fresh = replace(three, since=NOW, news=news)
    table = list_view.task_list(on_terminal(80), fresh, NOW)
    assert table.splitlines()[0] == "ID    CHANGE  SEVERITY  PRIO  STATUS      SEEN  TASK"
    assert [line.split()[1] for line in table.splitlines() if line[:2] == "GH"] == [*news.values()]
    narrow = list_view.task_list(on_terminal(50), fresh, NOW)
    assert narrow.splitlines()[0] == "GH1C  back  critical  92  approved  5 min ago"
    assert "CHANGE" not in list_view.task_list(on_terminal(80), three, NOW)


@pytest.mark.parametrize("width", [20, 35, 63, 64, 80, 100, 250])
def test_no_line_is_wider_than_the_screen_and_nothing_is_cut(
    three: list_view.Listing, width: int
) -> None:
    out = list_view.task_list(on_terminal(width), three, NOW)
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    for word in ("gpt-oss-120b", "conversations", "critical", "GH1A"):
        assert word in out


def test_two_tasks_whose_ids_end_alike_are_told_apart(
    card_data: Callable[..., dict[str, Any]],
) -> None:
    tasks = [Card(card_data("01K94AAAAA1111")), Card(card_data("01K94BBBBB1111"))]
    listing = list_view.Listing(tasks, 2, {task.id: task for task in tasks}, "tasks")
    shown = list_view.task_list(on_terminal(120), listing, NOW).splitlines()
    assert [line.split()[0] for line in shown[1:3]] == ["A1111", "B1111"]
