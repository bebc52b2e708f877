"""Every outcome of ``tgt run``, as a script sees it: the status, the JSON, and what is kept."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Line, Result, Workplace, World, call, calls_of, hours_of

TOOLS = ("alpha", "beta", "gamma")


class Spiked(World):
    """Two days of history and an hour in which three tools fail, where the command looks for it."""

    @property
    def logs(self) -> Path:
        return self.path / ".forgekeeper" / "context_log"


@pytest.fixture
def spiked(workplace: Workplace) -> Workplace:
    world = Spiked(workplace.path)
    world.logs.mkdir(parents=True)
    for name in TOOLS:
        failing = [call(m, f"n{m}", name, status=["error", "ok"][m % 2]) for m in range(1, 55)]
        world.write(*hours_of(calls_of(name)), *failing)
    return workplace


def _run(place: Workplace, *arguments: str, now: str = NOW, **settings: str) -> Result:
    """Error spikes alone: the conversations of these worlds are single calls."""
    environment = {"TASKGEN_ANALYZERS": "error_spike", **settings}
    return place.tgt("run", "--json", "--now", now, *arguments, **environment)


def _result(result: Result) -> dict[str, Any]:
    assert set(result.json) == {"result", "message"}
    told: dict[str, Any] = result.json["result"]
    return told


def test_done(spiked: Workplace) -> None:
    result = _run(spiked)
    told = _result(result)
    assert (result.status, result.err) == (0, "")
    counts = ("tasksGenerated", "tasksFiltered", "tasksSaved", "tasksSkipped", "tasksDeferred")
    assert [told[key] for key in counts] == [3, 3, 3, 0, 0]
    assert told["success"] is True
    assert "rateLimited" not in told
    assert sorted(task["subject"] for task in told["tasks"]) == [f"tool_call/{t}" for t in TOOLS]
    assert result.json["message"] == "Analysis complete: 3 tasks saved, one incident"


@pytest.mark.parametrize(
    ("prepare", "settings", "reason"),
    [
        ([], {"TASKGEN_ENABLED": "0"}, "disabled"),
        (["pause", "--reason", "release"], {}, "paused"),
        ([], {"TASKGEN_WINDOW_MIN": "1"}, "no_events"),
    ],
)
def test_skipped(
    spiked: Workplace, prepare: list[str], settings: dict[str, str], reason: str
) -> None:
    if prepare:
        assert spiked.tgt(*prepare, "--now", NOW).status == 0
    now = "2025-11-03T16:30:00Z" if reason == "no_events" else NOW
    result = _run(spiked, now=now, **settings)
    told = _result(result)
    assert (result.status, result.err) == (0, "")
    assert (told["skipped"], told["reason"]) == (True, reason)
    assert "success" not in told
    assert result.json["message"].startswith("Skipped: ")


@pytest.fixture
def other_cycle(spiked: Workplace) -> Iterator[None]:
    """Another process that holds the lock of the run, as a cycle does."""
    script = (
        "import sys; from pathlib import Path; from tgt.store import locks\n"
        "tasks = Path(sys.argv[1]); tasks.mkdir(parents=True, exist_ok=True)\n"
        "with locks.try_lock(tasks / locks.RUN_LOCK) as alone:\n"
        "    print(alone, flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(spiked.tasks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"True\n"
    yield
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_already_running(spiked: Workplace, other_cycle: None, arguments: list[str]) -> None:
    result = _run(spiked, *arguments)
    assert result.status == 0
    assert _result(result)["reason"] == "already_running"
    assert not (spiked.tasks / "generated_tasks.jsonl").exists()


def test_another_cycle_that_was_killed_leaves_no_lock(spiked: Workplace) -> None:
    script = (
        "import sys, os; from pathlib import Path; from tgt.store import locks\n"
        "tasks = Path(sys.argv[1]); tasks.mkdir(parents=True, exist_ok=True)\n"
        "with locks.try_lock(tasks / locks.RUN_LOCK): os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(spiked.tasks)], check=False)
    assert killed.returncode == -9
    assert _result(_run(spiked))["tasksSaved"] == 3


def test_rate_limited_across_processes_and_a_lost_sidecar(spiked: Workplace) -> None:
    told = _result(_run(spiked, TASKGEN_MAX_PER_HOUR="2"))
    assert (told["tasksSaved"], told["tasksDeferred"], told["rateLimited"]) == (2, 1, True)
    (spiked.tasks / "scheduler_state.json").unlink()
    later = {"now": "2025-11-03T16:01:00Z", "TASKGEN_MAX_PER_HOUR": "2"}
    told = _result(_run(spiked, **later))
    assert (told["tasksSaved"], told["tasksSkipped"], told["rateLimited"]) == (0, 2, True)
    assert _result(_run(spiked, now="2025-11-03T16:02:00Z"))["tasksSaved"] == 1


def test_what_is_muted_is_counted_and_makes_no_task(spiked: Workplace) -> None:
    spiked.tgt("mute", "tool_call/[ab]*", "--for", "2h", "--now", NOW)
    dry = _result(_run(spiked, "--dry-run"))
    result = _run(spiked, TASKGEN_MAX_PER_HOUR="1")
    told = _result(result)
    assert (result.status, result.err) == (0, "")
    counts = ("tasksFiltered", "tasksSaved", "tasksSkipped", "tasksMuted", "tasksDeferred")
    assert [told[key] for key in counts] == [dry[key] for key in counts] == [3, 1, 2, 2, 0]
    assert result.json["message"] == "Analysis complete: 1 task saved, 2 muted"
    muted = [each for each in told["decisions"] if each["reason"] == "muted"]
    assert [(each["action"], each["id"]) for each in muted] == [("suppress", None)] * 2
    assert [task["subject"] for task in told["tasks"]] == ["tool_call/gamma"]
    assert "2 findings in the last run" in spiked.tgt("stats", "--now", NOW).out

    # What has a task already stays as it is, whatever becomes of the problem.
    spiked.tgt("mute", "tool_call/gamma", "--type", "error_spike", "--now", NOW)
    spiked.tgt("complete", told["tasks"][0]["id"], "--now", "2025-11-03T15:10:00Z")
    journal = (spiked.tasks / "generated_tasks.jsonl").read_bytes()
    told = _result(_run(spiked, now="2025-11-03T16:01:00Z"))
    assert [told[key] for key in counts] == [3, 0, 3, 3, 0]
    assert (spiked.tasks / "generated_tasks.jsonl").read_bytes() == journal
    line = spiked.tgt("run", "--now", "2025-11-03T16:01:30Z", TASKGEN_ANALYZERS="error_spike").out
    assert line.startswith("Analysis complete: 0 tasks saved, 3 muted (")
    assert line.endswith(", 3 of 3 findings certain enough, 3 muted)\n")

    spiked.tgt("unmute", "tool_call/gamma", "--now", "2025-11-03T16:02:00Z")
    told = _result(_run(spiked, now="2025-11-03T16:02:00Z"))
    assert (told["tasksReopened"], told["tasksMuted"]) == (1, 2)
    spiked.tgt("unmute", "tool_call/[ab]*", "--now", "2025-11-03T16:03:00Z")
    told = _result(_run(spiked, now="2025-11-03T16:03:00Z"))
    assert (told["tasksSaved"], told["tasksMuted"]) == (2, 0)


def test_an_open_task_that_is_muted_is_followed_and_not_written(spiked: Workplace) -> None:
    ids = [task["id"] for task in _result(_run(spiked))["tasks"]]
    spiked.tgt("mute", "*", "--now", NOW)
    journal = (spiked.tasks / "generated_tasks.jsonl").read_bytes()
    told = _result(_run(spiked, now="2025-11-03T16:05:00Z"))
    assert (told["tasksMuted"], told["tasksSkipped"]) == (3, 3)
    assert (spiked.tasks / "generated_tasks.jsonl").read_bytes() == journal
    card = spiked.tgt("show", ids[0], "--json", "--now", "2025-11-03T16:06:00Z").json["task"]
    assert (card["occurrences"], card["lastSeenAt"]) == (2, "2025-11-03T16:05:00.000Z")
    assert card["mutedBy"]["subject"] == "*"


def test_mutes_that_cannot_be_read_stop_no_run_and_are_a_warning(spiked: Workplace) -> None:
    spiked.tasks.mkdir(parents=True)
    (spiked.tasks / "mutes.jsonl").mkdir()
    result = _run(spiked)
    told = _result(result)
    assert (result.status, told["tasksSaved"], told["tasksMuted"]) == (4, 3, 0)
    assert "nothing is muted: " in told["warnings"][0]
    assert "mutes.jsonl" in told["warnings"][0]


def test_the_quota_of_an_analyzer_across_processes_and_a_lost_sidecar(spiked: Workplace) -> None:
    limits = {"TASKGEN_ANALYZER_MAX_PER_HOUR": "error_spike=2,docs_gap=0"}
    result = _run(spiked, **limits)
    told = _result(result)
    assert (told["tasksSaved"], told["tasksDeferred"], told["rateLimited"]) == (2, 1, True)
    assert told["decisions"][-1]["reason"] == "analyzer_quota"
    by = ", 1 held back by the hourly quota of their analyzers"
    assert result.json["message"].endswith(by)
    sidecar = spiked.tasks / "scheduler_state.json"
    state = json.loads(sidecar.read_text())
    assert {save["analyzer"] for save in state["recentSaves"]} == {"error_spike"}
    for save in state["recentSaves"]:
        del save["analyzer"]  # as an earlier version wrote it
    sidecar.write_text(json.dumps(state))
    for minute in (1, 2):
        told = _result(_run(spiked, now=f"2025-11-03T16:0{minute}:00Z", **limits))
        assert (told["tasksSaved"], told["tasksDeferred"]) == (0, 1), minute
        sidecar.unlink()
    more = {"TASKGEN_ANALYZER_MAX_PER_HOUR": "error_spike=3"}
    told = _result(_run(spiked, now="2025-11-03T16:03:00Z", **more))
    assert (told["tasksSaved"], told["tasksDeferred"]) == (1, 0)


def test_the_quota_of_one_analyzer_holds_nothing_else_back(spiked: Workplace) -> None:
    told = _result(_run(spiked, TASKGEN_ANALYZER_MAX_PER_HOUR="docs_gap=0,performance=1"))
    assert (told["tasksSaved"], told["tasksDeferred"]) == (3, 0)
    assert "rateLimited" not in told
    shown = spiked.tgt("stats", "--now", NOW, TASKGEN_ANALYZER_MAX_PER_HOUR="error_spike=2")
    assert "            error_spike: 3 of 2, 0 left, more in 1 h\n" in shown.out
    told = spiked.tgt(
        "stats", "--json", "--now", NOW, TASKGEN_ANALYZER_MAX_PER_HOUR="error_spike=4,docs_gap=1"
    ).json["stats"]["rateLimit"]
    assert told["remainingQuota"] == 7
    assert told["analyzers"] == {
        "error_spike": {
            "maxTasksPerHour": 4,
            "tasksInLastHour": 3,
            "remainingQuota": 1,
            "nextFreeAt": None,
        },
        "docs_gap": {
            "maxTasksPerHour": 1,
            "tasksInLastHour": 0,
            "remainingQuota": 1,
            "nextFreeAt": None,
        },
    }


def test_what_is_dropped_from_the_journal_used_up_the_quota_of_its_analyzer(
    spiked: Workplace,
) -> None:
    limits = {"TASKGEN_ANALYZER_MAX_PER_HOUR": "error_spike=3"}
    tasks = [task["id"] for task in _result(_run(spiked, **limits))["tasks"]]
    spiked.tgt("dismiss", *tasks, "--now", NOW)
    assert spiked.tgt("cleanup", "--days", "0", "--now", NOW, "--json").json["removed"] == 3
    told = _result(_run(spiked, now="2025-11-03T16:01:00Z", **limits))
    assert (told["tasksSaved"], told["tasksDeferred"]) == (0, 3)


def test_a_bad_quota_of_an_analyzer_stops_the_run(spiked: Workplace) -> None:
    result = _run(spiked, TASKGEN_ANALYZER_MAX_PER_HOUR="error_spik=2")
    assert result.status == 2
    told = result.json["error"]
    assert told.startswith(
        "TASKGEN_ANALYZER_MAX_PER_HOUR='error_spik=2' is not usable: accepted is"
    )
    assert "error_spike" in told
    assert not spiked.tasks.exists()


def test_failed(workplace: Workplace) -> None:
    result = _run(workplace)
    told = _result(result)
    assert result.status == 1
    assert told["success"] is False
    for text in (told["error"], result.err):
        assert ".forgekeeper/context_log" in text
        assert "FGK_CONTEXTLOG_DIR" in text
    assert "Traceback" not in result.err


def test_degraded(spiked: Workplace) -> None:
    broken = spiked.path / ".forgekeeper" / "context_log" / "broken.jsonl.gz"
    broken.write_bytes(b"not compressed")
    result = _run(spiked)
    told = _result(result)
    assert result.status == 4
    assert (told["success"], told["tasksSaved"]) == (True, 3)
    assert "broken.jsonl.gz" in told["warnings"][0]
    assert "broken.jsonl.gz" in result.err


def test_a_dry_run_writes_nothing_at_all(spiked: Workplace) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in spiked.path.rglob("*"))
    told = _result(_run(spiked, "--dry-run"))
    assert (told["dryRun"], told["tasksSaved"], len(told["tasks"])) == (True, 3, 3)
    assert sorted((p, p.stat().st_mtime_ns) for p in spiked.path.rglob("*")) == before


def test_two_machines_with_the_same_telemetry_write_the_same_cards(
    spiked: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cards: list[list[Line]] = []
    for zone in ("UTC", "Asia/Kolkata"):
        tasks = tmp_path_factory.mktemp("tasks")
        assert _run(spiked, TZ=zone, FGK_TASKS_DIR=str(tasks)).status == 0
        lines = (tasks / "generated_tasks.jsonl").read_text().splitlines()
        # Of an id the end is drawn by lot, also where a card names others.
        cards.append([json.loads(re.sub(r"\b(01K9574Q00)[0-9A-Z]{16}\b", r"\1", x)) for x in lines])
    assert cards[0] == cards[1]
    assert len(cards[0]) == 3
