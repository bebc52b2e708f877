"""``tgt log``: what happened to the tasks, newest last."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from conftest import NOW, Workplace

from tgt.log import Log
from tgt.output import log_view, text
from tgt.tasks.changes import Change, Kind

Card = Callable[..., dict[str, Any]]
A, B = "01K94XYZ00A7T4M8R2VXCDGH1A", "01K94XYZ00B7T4M8R2VXCDGH1B"


@pytest.fixture
def decided(workplace: Workplace, card_data: Card) -> Workplace:
    """Two tasks, of which one was reopened by a run, and what people said of them."""
    times = {"savedAt": "2025-11-01T10:00:00.000Z", "generatedAt": "2025-11-01T10:00:00.000Z"}
    workplace.write_journal(
        card_data(A, **times), card_data(B, **times, title="git_diff", subject="tool_call/git_diff")
    )
    for day, *words in (
        (1, "approve", A, "--note", "on it\x1b[2J"),
        (2, "complete", A),
        (2, "dismiss", B, "--for", "7d", "--reason", "known"),
        (3, "annotate", B, "--owner", "ada", "--link", "https://tracker.example/17"),
    ):
        done = workplace.tgt(*words, "--now", f"2025-11-0{day}T12:00:00Z")
        assert done.status == 0, done.err
    journal = workplace.tasks / "generated_tasks.jsonl"
    newest = [json.loads(line) for line in journal.read_text().splitlines() if A in line][-1]
    again = {"at": "2025-11-03T13:00:00.000Z", "reason": "came_back", "count": 1}
    newest |= {"status": "generated", "reopenedAt": again["at"], "metadata": {"reopened": again}}
    with journal.open("a") as appended:
        appended.write(json.dumps(newest) + "\n")
    return workplace


def test_one_line_a_change_whatever_its_length(decided: Workplace) -> None:
    result = decided.tgt("log", COLUMNS="40")
    assert result.err == ""
    assert result.out == (
        "2025-11-01 10:00 UTC  found      GH1A  high  tool_call/read_file  "
        "read_file fails in 25% of the conversations that use it\n"
        "2025-11-01 10:00 UTC  found      GH1B  high  tool_call/git_diff  git_diff\n"
        "2025-11-01 12:00 UTC  approved   GH1A  tool_call/read_file  on it\\x1b[2J\n"
        "2025-11-02 12:00 UTC  completed  GH1A  tool_call/read_file\n"
        "2025-11-02 12:00 UTC  dismissed  GH1B  tool_call/git_diff  "
        "until 2025-11-09 12:00 UTC: known\n"
        "2025-11-03 12:00 UTC  annotated  GH1B  tool_call/git_diff  "
        "owner ada; link https://tracker.example/17\n"
        "2025-11-03 13:00 UTC  reopened   GH1A  high  tool_call/read_file  "
        "came back after it was completed\n"
    )


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_on_a_terminal_nothing_is_wider_than_it_or_cut(width: int) -> None:
    at = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
    change = Change(at, Kind.FOUND, A, "tool_call/ls", "high", "word " * 40)
    said = change._replace(kind=Kind.APPROVED, text="\x1b[31mred")
    for colour in (False, True):
        on = text.Screen(width, colour=colour, terminal=True)
        shown = "".join(log_view.log(on, Log((change, said), {A, B}), "tasks"))
        plain = re.sub("\x1b\\[[0-9;]*m", "", shown)
        assert max(map(len, plain.splitlines())) <= width
        assert plain.count("word") == 40
        assert "\\x1b[31mred" in plain
        assert ("\x1b" in shown) == colour
    first = plain.splitlines()[0]
    assert first.startswith("2025-11-03 16:00 UTC  found")


def test_for_scripts(decided: Workplace) -> None:
    log = decided.tgt("log", "--json", "GH1A").json
    assert (log["count"], len(log["log"])) == (4, 4)
    assert log["log"][-1] == {
        "at": "2025-11-03T13:00:00.000Z",
        "kind": "reopened",
        "task": A,
        "subject": "tool_call/read_file",
        "severity": "high",
        "title": "read_file fails in 25% of the conversations that use it",
        "by": "tgt",
        "text": "came back after it was completed",
    }
    assert decided.tgt("log", "--json", "--since", "1m").json == {"log": [], "count": 0}


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (["--since", "1d", "--now", NOW], ["annotated", "reopened"]),
        (["--since", "2025-11-02T12:00:00Z", "GH1B"], ["dismissed", "annotated"]),
        (["--now", "2025-11-02T00:00:00Z"], ["found", "found", "approved"]),
        (["tool_call/read_file", "--since", "2025-11-03"], ["reopened"]),
        (["-"], []),
    ],
)
def test_since_a_time_and_of_some_tasks(
    decided: Workplace, arguments: list[str], kinds: list[str]
) -> None:
    log = decided.tgt("log", "--json", *arguments).json["log"]
    assert [change["kind"] for change in log] == kinds


def test_an_unknown_task_and_a_bad_time(decided: Workplace) -> None:
    unknown = decided.tgt("log", "nothing")
    assert (unknown.status, unknown.out) == (3, "")
    bad = decided.tgt("log", "--since", "yesterday")
    assert bad.status == 2
    assert "--since='yesterday' is not usable" in bad.err


def test_what_an_empty_log_says(workplace: Workplace, card_data: Card) -> None:
    assert workplace.tgt("log").out == "No tasks yet in .forgekeeper/tasks. Next: tgt run\n"
    assert not workplace.tasks.exists(), "looking creates nothing"
    workplace.write_journal(card_data())
    assert workplace.tgt("log", "--since", "1m").out == "Nothing happened then to the 1 task.\n"


def test_what_cleanup_leaves_is_told(decided: Workplace) -> None:
    decided.tgt("cleanup")
    log = decided.tgt("log", "--json", "GH1A").json["log"]
    kinds = ["found", "approved", "completed", "reopened"]
    assert [change["kind"] for change in log] == kinds
