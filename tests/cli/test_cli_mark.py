"""``tgt mark``: a change is remembered, listed, and told beside what happened to the tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace


def test_a_mark_is_remembered_and_listed(workplace: Workplace) -> None:
    assert workplace.tgt("mark", "--list").out == (
        "Nothing is remembered yet. Next: tgt mark NAME\n"
    )
    made = workplace.tgt("mark", "release 2.1", "--service", "shop", "--now", NOW)
    assert (made.status, made.out) == (0, "Remembered release 2.1 of shop, 2025-11-03 16:00 UTC\n")
    again = workplace.tgt("mark", "release 2.1", "--service", "shop", "--now", NOW)
    assert again.out.endswith(", as it was already\n")
    earlier = workplace.tgt("mark", "new prompt", "--at", "2h", "--now", NOW, "--json").json
    assert earlier["mark"] == {
        "name": "new prompt",
        "at": "2025-11-03T14:00:00.000Z",
        "service": None,
    }
    workplace.tgt("mark", "later", "--at", "2025-11-03T17:00+00:00")
    assert workplace.tgt("mark", "--list").out == (
        "2025-11-03 14:00 UTC  new prompt\n"
        "2025-11-03 16:00 UTC  release 2.1 of shop\n"
        "2025-11-03 17:00 UTC  later\n"
    )
    listed = workplace.tgt("mark", "--list", "--json", "--now", NOW).json
    assert (listed["count"], [each["name"] for each in listed["marks"]]) == (
        2,
        ["new prompt", "release 2.1"],
    ), "as of then"


def test_the_log_tells_marks_where_no_tasks_are_named(
    workplace: Workplace, card_data: Callable[..., dict[str, Any]]
) -> None:
    card = card_data()
    workplace.write_journal(card)
    workplace.tgt("mark", "release 2.1", "--service", "shop", "--now", NOW)
    workplace.tgt("mark", "new prompt", "--at", "2025-11-01T00:00:00Z")
    told = workplace.tgt("log", "--since", "1d", "--now", NOW, "--json").json["log"]
    assert [each for each in told if each["kind"] == "marked"] == [
        {
            "at": NOW,
            "kind": "marked",
            "task": None,
            "subject": "shop",
            "severity": "",
            "title": "",
            "by": None,
            "text": "release 2.1",
        }
    ]
    lines = workplace.tgt("log").out.splitlines()
    marks = [line.split(None, 4)[3:] for line in lines if "marked" in line]
    assert marks == [["marked", "new prompt"], ["marked", "shop  release 2.1"]]
    assert "marked" not in workplace.tgt("log", card["id"]).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "NAME is missing"),
        (["  "], "NAME is missing"),
        (["a\x1b[31mb"], "NAME='a\\x1b[31mb' is not usable"),
        (["x" * 201], "at most 200 characters"),
        (["x", "--at", "2999-01-01T00:00:00Z"], "--at="),
        (["x", "--at", "yesterday"], "--at"),
        (["x", "--service", "a\nb"], "--service="),
        (["x", "--list"], "--list stands alone"),
    ],
)
def test_what_is_no_mark_is_refused(workplace: Workplace, arguments: list[str], said: str) -> None:
    result = workplace.tgt("mark", *arguments)
    assert (result.status, result.out) == (2, "")
    assert said in result.err
    assert not workplace.tasks.exists()


def test_lines_that_are_no_marks_are_told(workplace: Workplace) -> None:
    workplace.tgt("mark", "release 2.1", "--now", NOW)
    with (workplace.tasks / "marks.jsonl").open("ab") as stream:
        stream.write(b"garbage\n")
    listed = workplace.tgt("mark", "--list")
    assert listed.out == "2025-11-03 16:00 UTC  release 2.1\n"
    assert "1 line of marks.jsonl is no mark" in listed.err
