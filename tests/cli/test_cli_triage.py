"""approve, dismiss, complete, reopen, cleanup, pause and resume, as people and scripts see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace

Card = Callable[..., dict[str, Any]]
A, B = "01K94XYZ00A7T4M8R2VXCDGHJK", "01K94XYZ00B7T4M8R2VXCDGHJK"


@pytest.fixture
def two(workplace: Workplace, card_data: Card) -> Workplace:
    workplace.write_journal(card_data(A, title="one"), card_data(B, title="two"))
    return workplace


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["approve", A, "--note", "on it"],
            {"status": "approved", "approvedAt": NOW, "approvalNote": "on it", "updatedAt": NOW},
        ),
        (
            ["dismiss", A, "--reason", "noise", "--for", "1d12h"],
            {
                "status": "dismissed",
                "dismissedAt": NOW,
                "dismissalReason": "noise",
                "dismissedUntil": "2025-11-05T04:00:00.000Z",
            },
        ),
        (
            ["complete", A, "--note", "fixed\x1b in v2"],
            {"status": "completed", "completedAt": NOW, "completionNote": "fixed\\x1b in v2"},
        ),
    ],
)
def test_a_change_is_stamped_stored_and_answered(
    two: Workplace, card_data: Card, arguments: list[str], expected: dict[str, Any]
) -> None:
    result = two.tgt(*arguments, "--json", "--now", NOW)
    (task,) = result.json["tasks"]
    assert {key: task[key] for key in expected} == expected
    assert result.json["message"] == f"1 task {expected['status']}"
    assert two.tgt("show", A, "--json").json["task"] == task
    assert task["savedAt"] == card_data()["savedAt"]


def test_text_names_each_task(two: Workplace) -> None:
    assert two.tgt("approve", A).out == f"approved  {A}  one\n"
    assert two.tgt("approve", A, B).out == f"already approved  {A}  one\napproved  {B}  two\n"
    assert two.tgt("dismiss", B).out == f"dismissed  {B}  two\n"
    assert two.tgt("reopen", B).out == f"reopened  {B}  two\n"
    assert two.tgt("reopen", B).out == f"already open  {B}  two\n"


def test_a_task_is_named_by_the_end_of_its_id_or_its_subject(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(
        card_data("01K94XYZAAAA", subject="tool_call/ls"), card_data("01K94XYZBBBB", subject="x/y")
    )
    changed = workplace.tgt("approve", "aaaa", "x/y", "--json").json["tasks"]
    assert [task["id"] for task in changed] == ["01K94XYZAAAA", "01K94XYZBBBB"]


def test_annotating(two: Workplace) -> None:
    given = ["--owner", " ada ", "--link", "https://a.example/7", "--note", "see\x1b[2J\nbelow"]
    result = two.tgt("annotate", A, *given, "--json", "--now", NOW)
    assert result.json["message"] == "1 task annotated"
    (task,) = result.json["tasks"]
    assert (task["owner"], task["links"]) == ("ada", ["https://a.example/7"])
    (note,) = task["notes"]
    assert (note["at"], note["text"]) == (NOW, "see\\x1b[2J\nbelow")
    assert note["by"]
    assert (task["status"], task["updatedAt"]) == ("generated", NOW)
    assert two.tgt("annotate", A, *given[:4]).out == f"already so  {A}  one\n"
    assert two.tgt("annotate", B, "--owner", "ada").out == f"annotated  {B}  two\n"
    assert two.tgt("list", "--owner", "ADA", "--json").json["count"] == 2
    assert "ada" in two.tgt("list").out
    assert two.tgt("annotate", A, "--owner", "", "--json").json["tasks"][0]["owner"] is None


def test_reopening_says_why(two: Workplace) -> None:
    two.tgt("dismiss", A, "--for", "7d")
    (task,) = two.tgt("reopen", A, "--note", "again", "--json").json["tasks"]
    assert (task["reopenNote"], task["dismissedUntil"]) == ("again", None)
    assert "reopened   again\n" in two.tgt("show", A).out


def test_several_tasks_change_all_or_none(two: Workplace) -> None:
    before = (two.tasks / "generated_tasks.jsonl").read_bytes()
    result = two.tgt("approve", A, "nope", B)
    assert (result.status, result.out) == (3, "")
    assert "'nope'" in result.err
    assert (two.tasks / "generated_tasks.jsonl").read_bytes() == before


def test_ids_from_standard_input(two: Workplace) -> None:
    listed = two.tgt("list", "--json").json["tasks"]
    stdin = "".join(f"{task['id']}\n" for task in listed)
    result = two.tgt("dismiss", "-", "--json", stdin=f"\n{stdin}\r\n  \n")
    assert sorted(task["id"] for task in result.json["tasks"]) == [A, B]


def test_no_id_on_standard_input_is_nothing_to_do(two: Workplace) -> None:
    result = two.tgt("approve", "-", "--json", stdin="\n")
    assert result.status == 0
    assert result.json == {"tasks": [], "message": "Nothing to do: no task was named"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["approve"],
        ["approve", ""],
        ["annotate", A],
        ["annotate", A, "--link", "javascript:alert(1)"],
        ["annotate", A, "--link", "https://a.example/\x1b[31m"],
        ["annotate", A, "--link", "https://a.example/b c"],
        ["dismiss", A, "--for", "7"],
        ["dismiss", A, "--for", "-7d"],
        ["dismiss", A, "--for", "0d"],
        ["dismiss", A, "--for", "9999999w"],
        ["cleanup", "--days", "-1"],
        ["cleanup", "--days", "soon"],
        ["pause", "--for", "later"],
        ["complete", A, "--now", "yesterday"],
        ["complete", A, "--now", "0001-01-01"],
    ],
)
def test_unusable_arguments_change_nothing(two: Workplace, arguments: list[str]) -> None:
    before = sorted(path.name for path in two.tasks.iterdir())
    result = two.tgt(*arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("tgt: ")
    assert sorted(path.name for path in two.tasks.iterdir()) == before


def test_cleanup(workplace: Workplace, card_data: Card) -> None:
    old = card_data(A, status="dismissed", dismissedAt="2025-09-01T00:00:00.000Z")
    path = workplace.write_journal(old, old, card_data(B))
    dry = workplace.tgt("cleanup", "--dry-run", "--json", "--now", NOW).json
    assert dry["removed"] == 1
    assert len(path.read_text().splitlines()) == 3
    assert workplace.tgt("cleanup", "--days", "100", "--now", NOW).out == (
        "Dropped 0 dismissed tasks older than 100 days\n"
    )
    result = workplace.tgt("cleanup", "--json", "--now", NOW)
    assert result.json["removed"] == 1
    assert result.json["message"] == "Dropped 1 dismissed task older than 30 days"
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [B]


def test_pause_and_resume(workplace: Workplace) -> None:
    paused = workplace.tgt("pause", "--for", "2h", "--reason", "deploy", "--json", "--now", NOW)
    assert paused.json == {
        "paused": True,
        "until": "2025-11-03T18:00:00.000Z",
        "reason": "deploy",
        "message": "Paused until 2025-11-03 18:00 UTC",
    }
    stats = workplace.tgt("stats", "--json", "--now", NOW).json["stats"]
    assert stats["pause"]["reason"] == "deploy"
    assert workplace.tgt("resume", "--json", "--now", NOW).json == {
        "paused": False,
        "until": None,
        "reason": "",
        "message": "Resumed: the next run generates tasks",
    }
    assert workplace.tgt("stats", "--json", "--now", NOW).json["stats"]["pause"] is None
    assert workplace.tgt("resume").out == "Was not paused\n"
    assert workplace.tgt("pause").out == "Paused until tgt resume\n"


def test_a_directory_that_cannot_be_written_is_one_line(workplace: Workplace) -> None:
    (workplace.path / "file").write_text("")
    result = workplace.tgt("pause", "--json", FGK_TASKS_DIR="file/tasks")
    assert result.status == 1
    assert result.err == f"tgt: {result.json['error']}\n"
    assert "file/tasks" in result.err
