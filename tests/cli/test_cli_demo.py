"""``tgt demo`` as a stranger runs it: the real command, on a real week, in a scrubbed place."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tgt import demo as week_of
from tgt import demo_sessions as sessions
from tgt.tasks.card import parse_time

NOW = "2025-11-09T03:20:00.000Z"  # a Sunday night: the hardest moment
_SMALL_FILES = 100_000


def _tgt(
    place: Path, *arguments: str, file_limit: int | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    return subprocess.run(
        [sys.executable, "-m", "tgt", *arguments],
        cwd=place,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(place), **environment},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def answer(place: Path) -> dict[str, Any]:
    done = _tgt(place, "demo", "--json", "--now", NOW)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)["demo"]
    return found


def test_every_planted_fault_is_found_and_nothing_else(answer: dict[str, Any]) -> None:
    assert [fault["subject"] for fault in answer["planted"] if not fault["task"]] == []
    assert answer["result"]["tasksSaved"] == len(answer["planted"])
    now = parse_time(NOW)
    assert now is not None
    described = {(fault.type, fault.subject) for fault in week_of.faults(now)}
    assert {(task["type"], task["subject"]) for task in answer["result"]["tasks"]} == described
    assert answer["result"]["warnings"] == []


def test_the_directory_stays_and_its_env_file_leads_to_the_tasks(
    place: Path, answer: dict[str, Any]
) -> None:
    assert Path(answer["directory"]).is_relative_to(place)
    listed = _tgt(place, "--env-file", answer["envFile"], "list", "--json")
    assert json.loads(listed.stdout)["count"] == len(answer["planted"])


def test_a_second_run_on_the_week_saves_nothing(place: Path, answer: dict[str, Any]) -> None:
    again = _tgt(place, "--env-file", answer["envFile"], "run", "--now", NOW, "--json")
    result = json.loads(again.stdout)["result"]
    assert (result["tasksSaved"], result["tasksSkipped"]) == (0, len(answer["planted"]))


def test_settings_of_the_caller_neither_change_the_demo_nor_are_touched_by_it(
    place: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    done = _tgt(
        place, "demo", "--now", NOW, FGK_TASKS_DIR=str(theirs), TASKGEN_ENABLED="0", COLUMNS="100"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not theirs.exists()
    lines = done.stdout.splitlines()
    assert sum(line.startswith("  found ") for line in lines) == 6
    for part in ("Planted", "tgt run", "tgt list", "Look further"):
        assert part in lines
    (command,) = (line for line in lines if line.endswith("/.env list"))
    directory = Path(command.split()[2]).parent
    assert (directory / "tasks" / "generated_tasks.jsonl").is_file()
    assert f"  rm -r {directory}" in lines
    assert "unset FGK_* and TASKGEN_* first" in done.stdout


def test_a_person_s_two_weeks_of_sessions_have_four_things_to_find(place: Path) -> None:
    done = _tgt(place, "demo", "--as", "claude-code", "--json", "--now", NOW)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)["demo"]
    now = parse_time(NOW)
    assert now is not None
    found = {(task["type"], task["subject"]) for task in answer["result"]["tasks"]}
    assert found == {(fault.type, fault.subject) for fault in sessions.faults(now)}
    assert all(fault["task"] for fault in answer["planted"])
    assert len(found) == 4
    directory = Path(answer["directory"])
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    assert size < 3_000_000
    again = _tgt(place, "--env-file", answer["envFile"], "run", "--now", NOW, "--json")
    assert json.loads(again.stdout)["result"]["tasksSaved"] == 0


def test_another_kind_of_demo_is_refused(place: Path) -> None:
    done = _tgt(place, "demo", "--as", "nobody")
    assert done.returncode == 2
    assert "accepted are contextlog and claude-code" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "file_limit", "status", "complaint"),
    [
        (("--as", "claude-code", "--remove"), None, 0, ""),
        ((), _SMALL_FILES, 1, "tgt: cannot write the demo below {}"),
    ],
    ids=["it was asked to remove it", "the disk is full"],
)
def test_no_directory_is_left_behind_when(
    tmp_path: Path,
    *,
    arguments: tuple[str, ...],
    file_limit: int | None,
    status: int,
    complaint: str,
) -> None:
    done = _tgt(tmp_path, "demo", "--json", *arguments, file_limit=file_limit)
    assert done.returncode == status
    assert done.stderr.startswith(complaint.format(tmp_path))
    assert done.stderr.count("\n") == (1 if complaint else 0)
    assert list(tmp_path.iterdir()) == []
