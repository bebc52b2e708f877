"""``tgt mute`` and ``tgt unmute``, and what other commands say of what is muted."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace

Make = Callable[..., dict[str, Any]]
READ, WRITE, SLOW, DONE = ("01K94XYZ00A7T4M8R2VXCDGH" + tail for tail in ("RD", "WR", "SL", "DN"))
ME = pwd.getpwuid(os.geteuid()).pw_name
LATER = "2025-11-05T16:00:00.000Z"


@pytest.fixture
def place(workplace: Workplace, card_data: Make) -> Workplace:
    """Three open tasks, and one that is completed."""
    slow = {"type": "performance_degradation", "metadata": {"analyzer": "performance"}}
    workplace.write_journal(
        card_data(READ, subject="tool_call/read_file", title="read fails"),
        card_data(WRITE, subject="tool_call/write_file", title="write fails", priority=60),
        card_data(SLOW, subject="assistant_response/m", title="slow", priority=50, **slow),
        card_data(DONE, subject="tool_call/done", title="was done", status="completed"),
    )
    return workplace


def mute(place: Workplace, *arguments: str) -> str:
    result = place.tgt("mute", *arguments, "--now", NOW)
    assert (result.status, result.err) == (0, "")
    return result.out


def listed(place: Workplace, *arguments: str, now: str = NOW) -> list[str]:
    document = place.tgt("list", *arguments, "--json", "--now", now).json
    assert document["count"] == document["total"] == len(document["tasks"])
    return [task["title"] for task in document["tasks"]]


def test_what_is_muted_stands_in_no_list_until_that_ends(place: Workplace) -> None:
    assert listed(place) == ["read fails", "write fails", "slow"]
    assert mute(place, "tool_call/*", "--for", "1d", "--reason", "known") == (
        "Muted tool_call/* until 2025-11-04 16:00 UTC; 2 open tasks muted by that\n"
    )
    assert listed(place) == ["slow"]
    assert listed(place, now=LATER) == ["read fails", "write fails", "slow"], "it has ended"
    assert listed(place, "--subject", "tool_call/*") == []
    assert listed(place, "--status", "completed") == ["was done"], "only open ones are muted"
    every = place.tgt("list", "--all", "--json", "--now", NOW).json
    assert (every["count"], every["muted"]) == (4, 0)
    by = {task["title"]: task.get("mutedBy") for task in every["tasks"]}
    assert by == {
        "read fails": by["write fails"],
        "write fails": {
            "subject": "tool_call/*",
            "type": None,
            "at": NOW,
            "until": "2025-11-04T16:00:00.000Z",
            "reason": "known",
            "by": ME,
        },
        "slow": None,
        "was done": None,
    }
    assert place.tgt("unmute", "tool_call/*", "--now", NOW).out == "Unmuted tool_call/*\n"
    assert listed(place) == ["read fails", "write fails", "slow"]


def test_how_many_are_hidden_is_told(place: Workplace) -> None:
    mute(place, "tool_call/*")
    out = place.tgt("list", "--now", NOW).out.splitlines()
    assert out[-1] == "2 muted tasks not shown. Next: tgt list --all, tgt mute --list"
    assert "1 of 1 task shown" in out[-2]
    assert place.tgt("list", "--json", "--now", NOW).json["muted"] == 2
    assert place.tgt("list", "--ids", "--now", NOW).out == f"{SLOW}\n"
    every = place.tgt("list", "--all", "--now", NOW).out
    assert "not shown" not in every
    states = {line.split("  ")[-1]: "muted" in line for line in every.splitlines()[1:5]}
    assert states == {"read fails": True, "write fails": True, "slow": False, "was done": False}
    mute(place, "*")
    nothing = place.tgt("list", "--now", NOW)
    assert (nothing.status, nothing.out) == (
        0,
        "No task fits that is not muted\n"
        "3 muted tasks not shown. Next: tgt list --all, tgt mute --list\n",
    )


def test_a_type_narrows_a_mute(place: Workplace) -> None:
    mute(place, "*", "--type", "performance")
    assert listed(place) == ["read fails", "write fails"]
    mute(place, "*write*", "--type", "Error_Spike,documentation_gap")
    assert listed(place) == ["read fails"]
    assert place.tgt("unmute", "*", "--type", "error_spike", "--now", NOW).out == (
        "Nothing to do: * was not muted; what is: * (performance only), "
        "*write* (error_spike only), *write* (documentation_gap only)\n"
    )
    ended = place.tgt("unmute", "*write*", "--json", "--now", NOW).json
    assert [(each["subject"], each["type"]) for each in ended["mutes"]] == [
        ("*write*", "error_spike"),
        ("*write*", "documentation_gap"),
    ]
    assert listed(place) == ["read fails", "write fails"]


def test_what_is_muted_is_listed(place: Workplace) -> None:
    assert place.tgt("mute", "--list").out == "Nothing is muted. Next: tgt mute SUBJECT-GLOB\n"
    made = place.tgt("mute", "tool_call/*", "--for", "30d", "--json", "--now", NOW).json
    form = {
        "subject": "tool_call/*",
        "type": None,
        "at": NOW,
        "until": "2025-12-03T16:00:00.000Z",
        "reason": "",
        "by": ME,
    }
    assert made == {
        "mutes": [form],
        "count": 1,
        "message": "Muted tool_call/* until 2025-12-03 16:00 UTC; 2 open tasks muted by that",
    }
    mute(place, "*", "--type", "performance", "--reason", "we know")
    assert place.tgt("mute", "--list", "--now", NOW).out == (
        f"* (performance only)  until tgt unmute  1 open task: we know ({ME})\n"
        f"tool_call/*  until 2025-12-03 16:00 UTC  2 open tasks ({ME})\n"
    )
    told = place.tgt("mute", "--list", "--json", "--now", NOW).json
    assert (told["count"], told["mutes"][1]) == (2, {**form, "openTasks": 2})
    earlier = place.tgt("mute", "--list", "--json", "--now", "2025-11-03T15:59:59Z").json
    assert earlier == {"mutes": [], "count": 0}
    assert (
        len(place.tgt("mute", "--list", "--json", "--now", "2026-01-01T00:00Z").json["mutes"]) == 1
    )


def test_the_same_again_changes_nothing(place: Workplace) -> None:
    mute(place, "tool_call/*")
    file = place.tasks / "mutes.jsonl"
    before = file.read_bytes()
    assert mute(place, "tool_call/*").startswith("Muted tool_call/* until tgt unmute, as it was")
    assert file.read_bytes() == before
    assert "until 2025-11-03 18:00" in mute(place, "tool_call/*", "--for", "2h")
    assert listed(place, now="2025-11-03T18:00:00Z") == ["read fails", "write fails", "slow"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_card_says_what_mutes_it(place: Workplace) -> None:
    assert "muted" not in place.tgt("show", READ, "--now", NOW).out
    mute(place, "tool_call/*", "--type", "error_spike", "--for", "1d", "--reason", "[red]known[/]")
    shown = place.tgt("show", READ, "--now", NOW)
    told = "until 2025-11-04 16:00 UTC, by tool_call/* (error_spike only): [red]known[/]"
    assert f"{told} ({ME})" in " ".join(shown.out.split())
    markdown = place.tgt("show", READ, "--format", "markdown", "--now", NOW).out
    assert "- **Muted:** until 2025-11-04" in markdown
    assert "by tool\\_call/\\* (error\\_spike only): \\[red\\]known" in markdown
    assert "Muted" not in place.tgt("show", READ, "--format", "markdown", "--now", LATER).out
    assert place.tgt("show", READ, "--json", "--now", NOW).json["task"]["mutedBy"]["type"] == (
        "error_spike"
    )
    assert "mutedBy" not in place.tgt("show", READ, "--json", "--now", LATER).json["task"]
    assert "mutedBy" not in place.tgt("approve", READ, "--json", "--now", NOW).json["tasks"][0]
    assert "mutedBy" not in (place.tasks / "generated_tasks.jsonl").read_text()


def test_the_log_tells_mutes(place: Workplace) -> None:
    mute(place, "tool_call/*", "--for", "1d", "--reason", "known")
    mute(place, "*", "--type", "performance")
    place.tgt("unmute", "*", "--now", "2025-11-03T17:00:00Z")
    lines = [line.split(None, 3)[3] for line in place.tgt("log").out.splitlines()]
    told = [" ".join(line.split()) for line in lines if "muted " in line]
    assert told == [
        f"muted tool_call/* until 2025-11-04 16:00 UTC: known ({ME})",
        f"muted * only performance ({ME})",
        f"unmuted * only performance ({ME})",
    ]
    document = place.tgt("log", "--since", "1h", "--json", "--now", NOW).json["log"]
    assert [each for each in document if "muted" in each["kind"]] == [
        {
            "at": NOW,
            "kind": "muted",
            "task": None,
            "subject": subject,
            "severity": "",
            "title": "",
            "by": ME,
            "text": text,
        }
        for subject, text in (
            ("tool_call/*", "until 2025-11-04 16:00 UTC: known"),
            ("*", "only performance"),
        )
    ], "as of then"
    assert "muted" not in place.tgt("log", READ).out


def test_the_statistics_count_what_is_muted(place: Workplace) -> None:
    assert "muted" not in place.tgt("stats", "--now", NOW).out
    mute(place, "tool_call/*")
    place.write_sidecar(totalRuns=1, muted=3)
    out = place.tgt("stats", "--now", NOW).out
    assert "  muted     3 findings in the last run, 2 open tasks, by 1 mute\n" in out
    document = place.tgt("stats", "--json", "--now", NOW).json
    assert (document["stats"]["tasksMuted"], document["stats"]["mutes"]) == (3, 1)
    assert document["tasks"]["muted"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mute"], "SUBJECT-GLOB is missing"),
        (["mute", "  "], "SUBJECT-GLOB is missing"),
        (["unmute"], "SUBJECT-GLOB is missing"),
        (["mute", "a\x1b[31mb"], "SUBJECT-GLOB='a\\x1b[31mb' is not usable"),
        (["mute", "x" * 201], "at most 200 characters"),
        (["mute", "x", "--for", "soon"], "--for='soon' is not usable"),
        (["mute", "x", "--for", "0d"], "--for='0d' is not usable"),
        (["mute", "x", "--reason", "a\nb"], "--reason="),
        (["mute", "x", "--type", "error_spik"], "--type='error_spik' is not usable: accepted is"),
        (["mute", "x", "--type", ","], "--type='' is not usable: accepted is"),
        (["unmute", "x", "--type", "nothing"], "--type='nothing' is not usable: accepted is"),
        (["mute", "x", "--list"], "--list stands alone"),
        (["mute", "--list", "--for", "2d"], "--list stands alone"),
    ],
)
def test_what_is_no_mute_is_refused(workplace: Workplace, arguments: list[str], said: str) -> None:
    result = workplace.tgt(*arguments)
    assert (result.status, result.out) == (2, "")
    assert said in result.err
    assert not workplace.tasks.exists()


def test_a_type_of_a_task_or_of_a_rule_is_known(workplace: Workplace, card_data: Make) -> None:
    workplace.write_journal(card_data(type="house_type", metadata={"analyzer": "Our-Plugin"}))
    for word in ("house_type", "our-plugin"):
        assert workplace.tgt("mute", "*", "--type", word, "--now", NOW).status == 0
        assert workplace.tgt("list", "--json", "--now", NOW).json["muted"] == 1
        assert workplace.tgt("unmute", "*", "--now", NOW).out.startswith("Unmuted")


def test_a_file_that_makes_no_sense_hides_nothing_and_is_told(place: Workplace) -> None:
    file = place.tasks / "mutes.jsonl"
    file.write_bytes(b'garbage\n{"subject": "*", "at": "x", "muted": true}\n')
    result = place.tgt("list", "--json", "--now", NOW)
    assert (result.json["count"], result.json["muted"]) == (3, 0)
    assert "2 lines of mutes.jsonl are no mutes" in result.err
    file.unlink()
    file.symlink_to("/etc/hostname")
    for words in (["list"], ["show", READ], ["stats"]):
        result = place.tgt(*words, "--json", "--now", NOW)
        assert result.status == 0
        assert "nothing is muted: " in result.err
    refused = place.tgt("mute", "*", "--json", "--now", NOW)
    assert (refused.status, list(json.loads(refused.out))) == (1, ["error"])
