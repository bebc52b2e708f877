"""``tgt list``: what is shown, in which order, at which width, and what it says when nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace

Card = Callable[..., dict[str, Any]]


@pytest.fixture
def three(workplace: Workplace, card_data: Card) -> Workplace:
    """Three open tasks of one run, whose ids begin alike, and one closed."""
    workplace.write_journal(
        card_data(
            "01K94XYZ00B7T4M8R2VXCDGH1B",
            priority=41,
            severity="medium",
            title="git_diff",
            owner="ada",
            generatedAt="2025-11-03T14:00:00.000Z",
            lastSeenAt="2025-11-03T15:00:00.000Z",
        ),
        card_data("01K94XYZ00A7T4M8R2VXCDGH1A", lastSeenAt="2025-11-03T15:56:00.000Z"),
        card_data(
            "01K94XYZ00C7T4M8R2VXCDGH1C",
            severity="critical",
            priority=92,
            status="approved",
            type="continuation_issue",
            metadata={"analyzer": "continuation"},
            title="gpt-oss-120b is cut off in 32% of its answers",
        ),
        card_data("01K9400000C7T4M8R2VXCDQQQC", status="dismissed"),
    )
    return workplace


def test_elsewhere_than_on_a_terminal_a_task_is_one_line_whatever_its_length(
    three: Workplace, card_data: Card
) -> None:
    result = three.tgt("list", "--now", NOW, COLUMNS="40")
    assert result.err == ""
    assert result.out == (
        "ID    SEVERITY  PRIO  CONF  STATUS      SEEN  OWNER  TASK\n"
        "GH1C  critical    92   93%  approved   5 min         "
        "gpt-oss-120b is cut off in 32% of its answers\n"
        "GH1A  high        70   93%  generated  4 min         "
        "read_file fails in 25% of the conversations that use it\n"
        "GH1B  medium      41   93%  generated    1 h  ada    git_diff\n"
        "\n"
        "3 of 3 tasks shown: 1 critical, 1 high, 1 medium\n"
    )
    three.write_journal(card_data(title="many words " * 300))
    assert f"{'many words ' * 300}".strip() in three.tgt("list").out


def test_what_is_shown_names_the_task_again(three: Workplace) -> None:
    for line in three.tgt("list", "--all").out.splitlines()[1:5]:
        name = line.split()[0]
        assert len(name) >= 4
        shown = three.tgt("show", name, "--json").json["task"]
        assert shown["id"].endswith(name)


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
        (["--status", "open"], ["C", "A", "B"]),
        (["--status", "Open,dismissed"], ["C", "C", "A", "B"]),
        (["--type", "error_spike"], ["A", "B"]),
        (["--type", "continuation"], ["C"]),
        (["--subject", "tool_call/*"], ["C", "A", "B"]),
        (["--subject", "tool_call/read_fil?", "--limit", "1"], ["C"]),
        (["--subject", "TOOL_CALL/*"], []),
        (["--owner", "Ada"], ["B"]),
        (["--owner", "nobody"], []),
        (["--sort", "age"], ["B", "C", "A"]),
        (["--sort", "seen"], ["A", "C", "B"]),
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


def test_ids_alone_serve_a_command_that_reads_them(three: Workplace) -> None:
    out = three.tgt("list", "--severity", "critical,medium", "--ids").out
    assert out == "01K94XYZ00C7T4M8R2VXCDGH1C\n01K94XYZ00B7T4M8R2VXCDGH1B\n"
    assert three.tgt("approve", "-", stdin=out).out.startswith("already approved  01K94XYZ00C")
    assert three.tgt("list", "--severity", "low", "--ids").out == ""
    assert three.tgt("list", "--ids", "--json").json["count"] == 3


def test_the_order_of_sightings_is_that_of_the_last_run(three: Workplace) -> None:
    seen = {"occurrences": 13, "lastSeenAt": "2025-11-03T15:58:00.000Z"}
    three.write_sidecar(sightings={"01K94XYZ00B7T4M8R2VXCDGH1B": seen})
    listed = three.tgt("list", "--json", "--sort", "seen").json["tasks"]
    assert [task["id"][10] for task in listed] == ["B", "A", "C"]


def test_the_order_is_that_of_what_was_measured_last(three: Workplace) -> None:
    """What has got worse since its card was written stands first, also where its line says less."""
    before = three.tgt("list", "--json").json["tasks"]
    last = before[-1]
    now = {"value": 0.9, "confidence": 1.0, "priority": 99, "severity": "critical"}
    now |= {"history": [0.1, None, 0.9], "at": "2025-11-03T15:59:00.000Z"}
    seen = {"occurrences": 99, "lastSeenAt": "2025-11-03T15:59:00.000Z", "now": now}
    three.write_sidecar(sightings={last["id"]: seen})
    after = three.tgt("list", "--json").json["tasks"]
    assert [task["id"] for task in after] == [last["id"], *(task["id"] for task in before[:-1])]
    assert after[0] == {**last, "lastSeenAt": seen["lastSeenAt"], "now": now, "occurrences": 99}
    filters = ("--severity", "critical", "--min-priority", "99")
    assert three.tgt("list", "--json", *filters).json["count"] == 1
    (line,) = [line for line in three.tgt("list").out.splitlines() if "99" in line]
    assert "critical" in line
    assert "100%" in line or ">99%" in line


def test_a_problem_that_is_seen_in_the_future_is_not_old(three: Workplace) -> None:
    """A clock was set back, or somebody asks about the past."""
    out = three.tgt("list", "--now", "2024-11-03T16:00:00Z").out
    assert out.count("later") == 3
    assert " d " not in out


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"pause": {"since": NOW, "reason": "deploy"}}, "paused until tgt resume: deploy"),
        ({"lastRunAt": "2025-11-03T10:00:00.000Z"}, "The last run was 6 h ago: look at the timer"),
        ({"lastRunAt": NOW, "lastError": "no logs\x1b"}, "The last run failed: no logs\\x1b"),
        (
            {"lastRunAt": NOW, "runsWithoutEvents": 9, "lastEventAt": "2025-11-03T13:00:00.000Z"},
            "The last 9 runs found no events; the newest is of 3 h ago",
        ),
        ({"analyzers": {"docs_gap": {"consecutiveFailures": 2, "lastError": "boom"}}}, "docs_gap"),
        ({"deferred": 18}, "18 more findings held back by the last run"),
    ],
)
def test_what_keeps_tasks_from_coming_is_told_below(
    three: Workplace, state: dict[str, Any], told: str
) -> None:
    assert "run" not in three.tgt("list", "--now", NOW).out
    three.write_sidecar(**state)
    assert told in three.tgt("list", "--now", NOW).out.splitlines()[-1]
    assert told in three.tgt("list", "--now", NOW, "--severity", "low").out


def test_a_run_that_is_off_is_told_below(three: Workplace) -> None:
    assert "TASKGEN_ENABLED=0" in three.tgt("list", TASKGEN_ENABLED="0").out.splitlines()[-1]


def test_a_json_card_is_the_stored_one_with_its_newest_sighting(
    workplace: Workplace, card_data: Card
) -> None:
    stored = card_data(assignee={"name": "jo"}, title="\x1b[2J\u202e\ud800")
    workplace.write_journal(stored)
    seen = {"occurrences": 99, "lastSeenAt": "2025-11-03T15:58:00.000Z"}
    workplace.write_sidecar(sightings={stored["id"]: seen})
    result = workplace.tgt("list", "--json")
    assert result.json == {"tasks": [{**stored, **seen}], "count": 1, "total": 1, "muted": 0}
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


def test_what_is_new_worse_or_back(workplace: Workplace, card_data: Card) -> None:
    """Whether it is open is another question."""
    old = {"savedAt": "2025-10-01T00:00:00.000Z", "generatedAt": "2025-10-01T00:00:00.000Z"}
    fresh = {"savedAt": "2025-11-03T10:00:00.000Z"}
    today = {"updatedAt": "2025-11-03T11:00:00.000Z"}
    worse = card_data("01KW", **old, severity="medium")
    back = card_data("01KB", **old, status="completed", completedAt="2025-10-02T00:00:00.000Z")
    reopened = {"status": "generated", "reopenedAt": "2025-11-03T12:00:00.000Z"}
    dismissed = {"status": "dismissed", "dismissedAt": "2025-11-03T11:00:00.000Z", **today}
    workplace.write_journal(
        card_data("01KO", **old),
        worse,
        back,
        card_data("01KN", **fresh),
        card_data("01KD", **fresh),
        {**worse, "severity": "critical", **today},
        {**back, **reopened},
        card_data("01KD", **fresh, **dismissed),
        card_data("01KO", **old, occurrences=9, lastSeenAt=NOW, **today),
    )

    def changes(*arguments: str) -> Any:
        return workplace.tgt("list", "--json", "--now", NOW, *arguments).json.get("changes")

    expected = {"01KW": "worse", "01KB": "back", "01KN": "new"}
    assert changes("--new") == changes("--since", "1d") == expected
    assert changes("--new", "--all") == {**expected, "01KD": "new"}
    assert changes("--since", "2025-11-03T11:30:00Z") == {"01KB": "back"}
    assert changes("--new", "--since", "30m") == {}
    assert changes() is None
    assert workplace.tgt("list", "--now", NOW, "--new", "--ids", "--severity", "critical").out == (
        "01KW\n"
    )
    table = workplace.tgt("list", "--now", NOW, "--new", "--limit", "1").out
    assert table.splitlines()[0].startswith("ID    CHANGE  SEVERITY")
    assert workplace.tgt("list", "--now", NOW, "--since", "30m").out == (
        "Nothing that fits is new, worse or back since 2025-11-03 15:30 UTC, of 5 tasks in all."
        " Next: tgt list\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--since", "2d x"], "--since='2d x' is not usable"),
        (["--status", "opne"], "accepted is a comma-separated choice of open, generated, approv"),
        (["--sort", "severity"], "--sort='severity' is not usable: accepted is priority, age or s"),
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
    assert workplace.tgt("list").out == "No tasks yet in .forgekeeper/tasks. Next: tgt run\n"
    assert "in elsewhere." in workplace.tgt("list", FGK_TASKS_DIR="elsewhere").out
    assert not workplace.tasks.exists(), "looking creates nothing"
    workplace.write_journal(
        card_data("A" * 26, status="dismissed"), card_data("B" * 26, status="completed")
    )
    assert workplace.tgt("list").out == (
        "No open tasks in .forgekeeper/tasks; 1 completed, 1 dismissed. Next: tgt list --all\n"
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
