"""``tgt list``: what is shown, in which order, at which width, and what it says when nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace

Card = Callable[..., dict[str, Any]]


@pytest.fixture
def three(workplace: Workplace, card_data: Card) -> Workplace:
    """Three open tasks of one run, whose ids differ from the 11th character on, and one closed."""
    workplace.write_journal(
        card_data("01K94XYZ00B7T4M8R2VXCDGHJK", priority=41, severity="medium", title="git_diff"),
        card_data("01K94XYZ00A7T4M8R2VXCDGHJK"),
        card_data(
            "01K94XYZ00C7T4M8R2VXCDGHJK",
            severity="critical",
            priority=92,
            status="approved",
            type="continuation_issue",
            title="gpt-oss-120b is cut off in 32% of its answers",
        ),
        card_data("01K9400000C7T4M8R2VXCDGHJK", status="dismissed"),
    )
    return workplace


def test_a_table_of_80_columns(three: Workplace) -> None:
    result = three.tgt("list", "--now", NOW)
    assert result.err == ""
    assert result.out == (
        "ID           SEVERITY  PRIO  STATUS      SEEN  TASK\n"
        "01K94XYZ00C  critical    92  approved   5 min  gpt-oss-120b is cut off in 32% of\n"
        "                                               its answers\n"
        "01K94XYZ00A  high        70  generated  5 min  read_file fails in 25% of the\n"
        "                                               conversations that use it\n"
        "01K94XYZ00B  medium      41  generated  5 min  git_diff\n"
        "\n"
        "3 of 3 tasks shown: 1 critical, 1 high, 1 medium\n"
    )


def test_two_lines_a_task_at_50_columns(three: Workplace) -> None:
    assert three.tgt("list", "--now", NOW, COLUMNS="50").out == (
        "01K94XYZ00C  critical  92  approved  5 min ago\n"
        "  gpt-oss-120b is cut off in 32% of its answers\n"
        "01K94XYZ00A  high  70  5 min ago\n"
        "  read_file fails in 25% of the conversations that\n"
        "  use it\n"
        "01K94XYZ00B  medium  41  5 min ago\n"
        "  git_diff\n"
        "\n"
        "3 of 3 tasks shown: 1 critical, 1 high, 1 medium\n"
    )


def test_a_wide_table_shows_confidence_and_the_last_day(three: Workplace) -> None:
    assert three.tgt("list", "--limit", "1", "--now", NOW, COLUMNS="120").out == (
        "ID           SEVERITY  PRIO  CONF  STATUS     SEEN  BY HOUR  TASK\n"
        "01K94XYZ00C  critical    92   93%  approved  5 min    ▁▁ ▂█  "
        "gpt-oss-120b is cut off in 32% of its answers\n"
        "\n"
        "1 of 3 tasks shown: 1 critical\n"
    )


@pytest.mark.parametrize("columns", ["20", "35", "63", "64", "80", "100", "250"])
def test_no_line_is_wider_than_the_screen_and_nothing_is_cut(
    three: Workplace, columns: str
) -> None:
    out = three.tgt("list", "--now", NOW, COLUMNS=columns).out
    assert max(len(line) for line in out.splitlines()) <= int(columns)
    assert "…" not in out
    for word in ("gpt-oss-120b", "conversations", "critical", "01K94XYZ00A"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ([], ["C", "A", "B"]),
        (["--status", "approved"], ["C"]),
        (["--status", "approved,GENERATED"], ["C", "A", "B"]),
        (["--status", "approved", "--status", "dismissed"], ["C", "C"]),
        (["--all"], ["C", "C", "A", "B"]),
        (["--severity", "High, medium"], ["A", "B"]),
        (["--type", "continuation_issue"], ["C"]),
        (["--min-priority", "70"], ["C", "A"]),
        (["--min-priority", "70.5"], ["C"]),
        (["--limit", "1"], ["C"]),
        (["--limit", "0"], []),
        (["--all", "--status", "dismissed"], ["C"]),
    ],
)
def test_filters(three: Workplace, arguments: list[str], ids: list[str]) -> None:
    listed = three.tgt("list", "--json", "--now", NOW, *arguments).json
    assert [task["id"][10] for task in listed["tasks"]] == ids
    assert listed["count"] == len(ids)


def test_total_is_before_the_limit(three: Workplace) -> None:
    listed = three.tgt("list", "--json", "--limit", "1").json
    assert (listed["count"], listed["total"]) == (1, 3)
    assert three.tgt("list", "--limit", "1").out.endswith("1 of 3 tasks shown: 1 critical\n")


def test_a_json_card_is_the_stored_one_with_its_newest_sighting(
    workplace: Workplace, card_data: Card
) -> None:
    stored = card_data(assignee={"name": "jo"}, title="\x1b[2J\u202e\ud800")
    workplace.write_journal(stored)
    seen = {"occurrences": 99, "lastSeenAt": "2025-11-03T15:58:00.000Z"}
    workplace.write_sidecar(sightings={stored["id"]: seen})
    result = workplace.tgt("list", "--json")
    assert result.json == {"tasks": [{**stored, **seen}], "count": 1, "total": 1}
    assert result.out.isascii()
    assert "\x1b" not in result.out


def test_ties_are_broken_by_confidence_then_age(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(
        card_data("A" * 26, confidence=0.8),
        card_data("B" * 26, confidence=0.9, generatedAt="2025-11-01T00:00:00Z"),
        card_data("C" * 26, confidence=0.9, generatedAt="2025-11-02T00:00:00Z"),
    )
    assert [task["id"][0] for task in workplace.tgt("list", "--json").json["tasks"]] == [*"CBA"]


def test_statuses_and_types_of_another_writer_can_be_asked_for(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(card_data(status="in_progress", type="Other", severity="urgent"))
    for option, word in (("status", "In_Progress"), ("type", "other"), ("severity", "urgent")):
        listed = workplace.tgt("list", "--all", "--json", f"--{option}", word)
        assert listed.json["count"] == 1, option


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--status", "open"], "accepted is a comma-separated choice of generated, approved, dism"),
        (["--severity", "high,hgih"], "--severity='hgih' is not usable"),
        (["--type", "x"], "continuation_issue, error_spike"),
        (["--status", ","], "--status="),
        (["--min-priority", "101"], "accepted is a number from 0 to 100"),
        (["--min-priority", "nan"], "accepted is a number from 0 to 100"),
        (["--limit", "-1"], "--limit='-1' is not usable: accepted is a whole number from 0 to"),
        (["--limit", "x"], "--limit='x' is not usable: accepted is a whole number from 0 to"),
        (["--min-priority", "high"], "accepted is a number from 0 to 100"),
    ],
)
def test_a_bad_filter_is_refused(three: Workplace, arguments: list[str], told: str) -> None:
    result = three.tgt("list", *arguments)
    assert (result.status, result.out) == (2, "")
    assert told in result.err
    assert result.err.count("\n") == 1


def test_what_an_empty_list_says(workplace: Workplace, card_data: Card) -> None:
    assert workplace.tgt("list").out == "No tasks yet. Next: tgt run\n"
    assert not workplace.tasks.exists(), "looking creates nothing"
    workplace.write_journal(
        card_data("A" * 26, status="dismissed"), card_data("B" * 26, status="completed")
    )
    assert workplace.tgt("list").out == (
        "No open tasks; 1 completed, 1 dismissed. Next: tgt list --all\n"
    )
    assert workplace.tgt("list", "--severity", "low").out.startswith("No task fits, of 2 tasks")
    assert workplace.tgt("list", "--all", "--limit", "0").out.startswith("None shown of 2 tasks")


def test_lines_that_are_no_cards_are_counted_in_a_warning(
    workplace: Workplace, card_data: Card
) -> None:
    path = workplace.write_journal(card_data())
    path.write_bytes(path.read_bytes() + b"not json\n\xff\xfe\n")
    result = workplace.tgt("list", "--json")
    assert result.json["count"] == 1
    assert result.err.startswith("tgt: warning: skipped 2 lines of ")


def test_a_damaged_sidecar_is_a_warning(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(card_data())
    workplace.write_sidecar().write_text("{")
    result = workplace.tgt("list", "--json")
    assert (result.status, result.json["count"]) == (0, 1)
    assert "scheduler_state.json is damaged" in result.err
