"""``tgt stats`` and ``tgt config``: the state of things, for people and for scripts."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace

from tgt.config import default_text, variables
from tgt.settings import ANALYZERS

Card = Callable[..., dict[str, Any]]


@pytest.fixture
def busy(workplace: Workplace, card_data: Card) -> Workplace:
    workplace.write_journal(
        card_data("A" * 26, generatedAt="2025-11-03T15:30:00.000Z"),
        card_data("B" * 26, status="completed", severity="low", priority=20, confidence=0.73),
        card_data("C" * 26, status="dismissed", metadata={"analyzer": "docs_gap"}),
    )
    workplace.write_sidecar(
        totalRuns=42,
        totalTasksGenerated=210,
        totalTasksSaved=85,
        lastRunDuration=1247,
        errors=2,
        lastRunAt="2025-11-03T15:45:00.000Z",
        recentSaves=[
            {"id": "X", "at": "2025-11-03T15:45:00.000Z"},
            {"id": "old", "at": "2025-11-03T14:45:00.000Z"},
        ],
        analyzers={
            "performance": {
                "consecutiveFailures": 3,
                "retryAt": "2025-11-03T16:45:00.000Z",
                "lastError": "out of \x1b[31mmemory",
            }
        },
        abstentions={"docs_gap": 2},
    )
    return workplace


def test_json(busy: Workplace) -> None:
    document = busy.tgt("stats", "--json", "--now", NOW, TASKGEN_ANALYZERS="error_spike").json
    stats, tasks = document["stats"], document["tasks"]
    assert stats == {
        "totalRuns": 42,
        "totalTasksGenerated": 210,
        "totalTasksSaved": 85,
        "lastRunDuration": 1247,
        "errors": 2,
        "lastRunAt": "2025-11-03T15:45:00.000Z",
        "lastError": None,
        "lastEventAt": None,
        "runsWithoutEvents": 0,
        "tasksMuted": 0,
        "mutes": 0,
        "tasksDeferred": 0,
        "isRunning": False,
        "nextRunDueAt": "2025-11-03T16:00:00.000Z",
        "overdue": False,
        "pause": None,
        "config": {
            "enabled": True,
            "intervalMinutes": 15,
            "windowMinutes": 60,
            "minConfidence": 0.7,
            "maxTasks": 10,
            "maxTasksPerHour": 10,
            "reputation": True,
        },
        "rateLimit": {
            "tasksInLastHour": 2,
            "remainingQuota": 8,
            "nextFreeAt": None,
            "analyzers": {},
        },
        "autoApproval": {"maxTasksPerDay": 0, "tasksInLastDay": 0, "remaining": 0, "kinds": []},
        "analyzers": stats["analyzers"],
    }
    assert stats["analyzers"]["performance"] == {
        "enabled": False,
        "consecutiveFailures": 3,
        "retryAt": "2025-11-03T16:45:00.000Z",
        "lastError": "out of \x1b[31mmemory",
        "abstained": 0,
    }
    assert stats["analyzers"]["error_spike"]["enabled"] is True
    assert list(stats["analyzers"]) == list(ANALYZERS)
    assert tasks["total"] == 3
    assert tasks["byStatus"] == {"generated": 1, "completed": 1, "dismissed": 1}
    assert tasks["bySeverity"] == {"high": 2, "low": 1}
    assert tasks["byType"] == {"error_spike": 3}
    assert (tasks["avgPriority"], tasks["avgConfidence"]) == (53.3, 0.86)
    week = {
        "days": 7,
        "generated": 3,
        "approved": 1,
        "completed": 1,
        "dismissed": 1,
        "autoApproved": 0,
    }
    assert tasks["funnel"][0] == week
    assert tasks["byAnalyzer"]["docs_gap"]["dismissed"] == 1


def test_text(busy: Workplace) -> None:
    result = busy.tgt("stats", "--now", NOW)
    assert (result.status, result.err) == (0, "")
    before, _, rest = result.out.partition("Analyzers\n")
    analyzers, _, after = rest.partition("\n\n")
    assert [line.split()[0] for line in analyzers.splitlines() if line[2] != " "] == [*ANALYZERS]
    told = [" ".join(line.split()) for line in analyzers.splitlines()]
    for line in (
        "continuation ok",
        "docs_gap ok, 2 subjects without enough data",
        "performance failing: 3 failures in a row, tried again in 45 min: out of",
        "\\x1b[31mmemory",
    ):
        assert line in told
    assert before + after == (
        "Generation\n"
        "  state     on\n"
        "  last run  15 min ago, took 1.25 s\n"
        "  next run  now\n"
        "  window    60 min, every 15 min\n"
        "  quota     ████░░░░░░░░░░░░░░░░  2 of 10 this hour, 8 left\n"
        "  so far    42 runs, 210 findings, 85 tasks saved, 2 errors\n"
        "\n"
        "Tasks\n"
        "  total      3\n"
        "  status     1 generated, 1 completed, 1 dismissed\n"
        "  severity   2 high, 1 low\n"
        "  type       3 error_spike\n"
        "  average    priority 53, confidence 86%\n"
        "  last 7 d   3 generated → 1 approved → 1 completed; 1 dismissed\n"
        "  last 30 d  3 generated → 1 approved → 1 completed; 1 dismissed\n"
        "\n"
        "Verdicts\n"
        "  docs_gap     0 approved, 1 dismissed, 0 undecided\n"
        "  error_spike  1 approved, 0 dismissed, 1 undecided\n"
    )


def test_what_keeps_tasks_from_coming_is_told(busy: Workplace) -> None:
    busy.write_sidecar(
        totalRuns=7,
        lastRunAt="2025-11-03T15:45:00.000Z",
        lastError="cannot read \x1b",
        lastEventAt="2025-11-03T13:00:00.000Z",
        runsWithoutEvents=3,
        deferred=18,
    )
    out = busy.tgt("stats", "--now", NOW).out
    for line in (
        "  failed      cannot read \\x1b",
        "  last event  3 h ago",
        "  no events   in the last 3 runs",
        "  held back   18 findings in the last run",
    ):
        assert line in out
    stats = busy.tgt("stats", "--json", "--now", NOW).json["stats"]
    assert stats["lastError"] == "cannot read \x1b"
    assert stats["lastEventAt"] == "2025-11-03T13:00:00.000Z"
    assert (stats["runsWithoutEvents"], stats["tasksDeferred"]) == (3, 18)


@pytest.mark.parametrize(
    ("state", "word", "analyzer"),
    [
        ({}, "on", "ok"),
        ({"runsWithoutEvents": 3}, "on", "had no events to judge in the last run"),
        (
            {"runsWithoutEvents": 4},
            "on, but runs find no events",
            "had no events to judge in the last run",
        ),
        ({"lastError": "x"}, "on, but the last run failed", "not asked: the last run failed"),
        (
            {"lastError": "x", "analyzers": {"error_spike": {"consecutiveFailures": 1}}},
            "on, but the last run failed",
            "failing: 1 failure in a row",
        ),
    ],
)
def test_runs_that_fail_or_are_blind_do_not_look_healthy(
    busy: Workplace, state: dict[str, Any], word: str, analyzer: str
) -> None:
    busy.write_sidecar(totalRuns=7, lastRunAt="2025-11-03T15:45:00.000Z", **state)
    out = busy.tgt("stats", "--now", NOW).out
    assert re.search(rf"^  state +{word}$", out, re.MULTILINE)
    assert re.search(rf"^  error_spike +{analyzer}$", out, re.MULTILINE)
    assert ("took" in out) == ("lastError" not in state), "what it took is told of another run"


@pytest.mark.parametrize("off", ["pause", "kill switch"])
def test_no_run_is_announced_that_would_be_skipped(busy: Workplace, off: str) -> None:
    if off == "pause":
        busy.tgt("pause", "--now", NOW)
    environment = {} if off == "pause" else {"TASKGEN_ENABLED": "0"}
    out = busy.tgt("stats", "--now", NOW, **environment).out
    assert "next run  is skipped" in out
    assert "next run  now" not in out


def test_an_analyzer_that_never_ran_is_not_well(workplace: Workplace) -> None:
    assert re.search("  error_spike +has not run yet\n", workplace.tgt("stats").out)


def test_overdue_runs_are_noticed(busy: Workplace) -> None:
    late = "2025-11-03T17:00:00Z"
    assert busy.tgt("stats", "--json", "--now", late).json["stats"]["overdue"] is True
    assert "next run  overdue since 1 h; look at the timer" in busy.tgt("stats", "--now", late).out
    disabled = busy.tgt("stats", "--json", "--now", late, TASKGEN_ENABLED="0").json
    assert disabled["stats"]["overdue"] is False


def test_a_run_elsewhere_is_seen_by_its_lock(busy: Workplace) -> None:
    with (busy.tasks / ".run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert busy.tgt("stats", "--json").json["stats"]["isRunning"] is True
    assert busy.tgt("stats", "--json").json["stats"]["isRunning"] is False


def test_nothing_is_there_yet(workplace: Workplace) -> None:
    stats = workplace.tgt("stats", "--json").json["stats"]
    assert (stats["lastRunAt"], stats["nextRunDueAt"], stats["overdue"]) == (None, None, False)
    assert "none yet; next: tgt run" in workplace.tgt("stats").out
    assert list(workplace.path.iterdir()) == [], "looking creates nothing"


def test_config_json(workplace: Workplace) -> None:
    told = workplace.tgt("config", "--json", TASKGEN_ANALYZERS="ux_issue,continuation").json["tgt"]
    assert told["analyzers"] == ["continuation", "ux_issue"]
    assert told["commands"]["run"] == "tgt run"
    assert not {"approve", "dismiss", "complete", "cleanup", "pause"} & set(told["commands"])
    keys = ("enabled", "windowMinutes", "minConfidence", "maxTasks")
    assert [told[key] for key in keys] == [True, 60, 0.7, 10]
    assert isinstance(told["description"], str)


def test_config_shows_every_setting_and_where_it_comes_from(workplace: Workplace) -> None:
    (workplace.path / "my.env").write_text("TASKGEN_MAX_TASKS=3\n")
    words = ("config", "--env-file", "my.env")
    out = workplace.tgt(*words, COLUMNS="250").out
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert list(rows) == list(variables())
    assert rows["TASKGEN_MAX_TASKS"].split()[1:3] == ["3", "(file)"]
    assert [name for name, row in rows.items() if "(file)" in row] == ["TASKGEN_MAX_TASKS"]
    assert rows["TASKGEN_WINDOW_MIN"].split()[1] == default_text("TASKGEN_WINDOW_MIN")
    assert "Settings file: my.env" in out
    told = workplace.tgt(*words, "--json", TASKGEN_MAX_TASKS="4", TASKGEN_REDACT="strict").json
    origins = told["tgt"]["origins"]
    names = ("TASKGEN_MAX_TASKS", "TASKGEN_REDACT", "TASKGEN_WINDOW_MIN")
    assert [origins[name] for name in names] == ["environment", "environment", "default"]


def test_config_says_what_no_setting_of_sources_comes_to(workplace: Workplace) -> None:
    assert "nothing  (what there is)" in workplace.tgt("config").out
    assert workplace.tgt("config", "--json").json["tgt"]["sources"] == []
    for place in (".claude/projects", ".codex/sessions"):
        (workplace.path / "home" / place).mkdir(parents=True)
    assert "claude-code,codex  (what there is)" in workplace.tgt("config").out
    assert workplace.tgt("config", "--json").json["tgt"]["sources"] == ["claude-code", "codex"]


def test_a_misspelled_setting_is_a_warning(workplace: Workplace) -> None:
    (workplace.path / ".env").write_text("TASKGEN_MAX_TASK=3\n")
    result = workplace.tgt("config", "--json")
    assert result.status == 0
    assert result.err == (
        "tgt: warning: TASKGEN_MAX_TASK is not a setting of tgt; did you mean TASKGEN_MAX_TASKS?\n"
    )
