"""``tgt run`` from outside: its outcomes, their statuses, and what is written where."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Workplace

END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)


@pytest.fixture
def telemetry(workplace: Workplace) -> Path:
    """An hour in which a model is cut off in every second of its 60 answers."""
    directory = workplace.path / ".forgekeeper" / "context_log"
    directory.mkdir(parents=True)
    lines = []
    for number in range(60):
        at = END - timedelta(minutes=50) + timedelta(seconds=30 * number)
        common = {"conv_id": f"c{number}", "trace_id": f"t{number}", "iter": 1}
        lines += [
            {"ts": at.isoformat(), "id": f"u{number}", "actor": "user", "act": "message", **common},
            {
                "ts": (at + timedelta(seconds=2)).isoformat(),
                "id": f"a{number}",
                "actor": "assistant",
                "act": "assistant_response",
                "status": "ok",
                "model": "m\u202e1",
                "finish_reason": ["stop", "length"][number % 2],
                "elapsed_ms": 900,
                **common,
            },
        ]
    path = directory / "ctx-20251103-15.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "torn", encoding="utf-8")
    return directory


def _tree(path: Path) -> dict[str, tuple[float, int]]:
    return {
        str(file.relative_to(path)): (file.stat().st_mtime_ns, file.stat().st_size)
        for file in path.rglob("*")
    }


def test_a_dry_run_tells_and_writes_nothing(workplace: Workplace, telemetry: Path) -> None:
    before = _tree(workplace.path)
    result = workplace.tgt("run", "--dry-run", "--now", NOW)
    assert (result.status, result.err) == (0, "")
    assert "would be saved" in result.out
    told = workplace.tgt("run", "--dry-run", "--json", "--now", NOW).json["result"]
    assert told["dryRun"] is True
    assert told["tasksSaved"] == len(told["tasks"]) >= 1
    assert _tree(workplace.path) == before


def test_a_run_saves_and_a_second_one_does_not(workplace: Workplace, telemetry: Path) -> None:
    before = _tree(telemetry)
    first = workplace.tgt("run", "--json", "--now", NOW)
    assert (first.status, first.err) == (0, "")
    told = first.json["result"]
    assert told["success"] is True
    assert told["eventsAnalyzed"] == 120
    assert told["malformedLines"] == 1
    (cut,) = (task for task in told["tasks"] if task["type"] == "continuation_issue")
    shown = workplace.tgt("show", cut["id"], "--json").json["task"]
    assert shown["generatedAt"] == shown["savedAt"] == NOW
    assert {key: shown[key] for key in cut} == cut
    again = workplace.tgt("run", "--json", "--now", "2025-11-03T16:01:00Z").json["result"]
    assert (again["tasksSaved"], again["tasks"]) == (0, [])
    assert again["tasksSkipped"] >= 1
    assert _tree(telemetry) == before
    modes = {stat.S_IMODE(path.stat().st_mode) for path in workplace.tasks.glob("*.json*")}
    assert modes == {0o600}


@pytest.mark.parametrize("muted", [False, True])
def test_what_a_card_covers_is_told_by_its_title(
    workplace: Workplace, telemetry: Path, muted: bool
) -> None:
    workplace.tgt("run", "--now", NOW)
    if muted:
        workplace.tgt("mute", "*", "--now", NOW)
    for arguments in (["run", "--dry-run"], ["run", "--dry-run", "--window", "120"]):
        result = workplace.tgt(*arguments, "--now", "2025-11-03T16:01:00Z")
        assert (result.status, result.err) == (0, "")
        assert f"would be {'quiet' if muted else 'covered'}" in result.out
        for card in workplace.tgt("list", "--json").json["tasks"]:
            assert card["title"].replace("\u202e", "\\u202e") in result.out


def test_under_a_timer_it_says_one_line(workplace: Workplace, telemetry: Path) -> None:
    result = workplace.tgt("run", "--now", NOW, JOURNAL_STREAM="8:1")
    assert result.status == 0
    assert result.out.startswith("Analysis complete: ")
    assert result.out.count("\n") == 1
    assert result.err == ""
    listed = workplace.tgt("list", "--json").json["tasks"]
    named = result.out.partition("); ")[2].strip().split(", ")
    assert len(named) == len(listed) >= 1
    for card, name in zip(listed, named, strict=True):
        short, severity, _subject = name.split(" ", 2)
        assert card["id"].endswith(short)
        assert severity == card["severity"]
    assert "assistant_response/m\\u202e1" in result.out, "and nothing of it acts on a terminal"


@pytest.mark.parametrize(("closed", "status"), [("2>&-", 0), (">&-", 1), ("<&-", 0)])
def test_a_run_does_its_work_although_nobody_can_be_told(
    workplace: Workplace, telemetry: Path, closed: str, status: int
) -> None:
    command = f"{sys.executable} -m tgt run --now {NOW} {closed}"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=workplace.path,
        env=workplace.environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert workplace.tgt("list", "--json").json["count"] >= 1
    if status:
        assert done.stderr == b"tgt: cannot write to standard output: it is closed\n"


def test_what_the_options_say_reaches_the_cycle(workplace: Workplace, telemetry: Path) -> None:
    arguments = ["run", "--dry-run", "--json", "--now", NOW]
    assert workplace.tgt(*arguments, "--window", "1").json["result"]["reason"] == "no_events"
    none = workplace.tgt(*arguments, "--analyzers", "docs_gap").json["result"]
    assert none["tasksGenerated"] == 0
    limited = workplace.tgt(*arguments, "--min-confidence", "1").json["result"]
    assert limited["tasksFiltered"] <= limited["tasksGenerated"]


@pytest.mark.parametrize(
    ("prepare", "environment", "reason"),
    [
        (lambda place: None, {"TASKGEN_ENABLED": "0"}, "disabled"),
        (lambda place: place.tgt("pause", "--now", NOW), {}, "paused"),
    ],
)
def test_a_skipped_run_is_done(
    workplace: Workplace,
    telemetry: Path,
    prepare: Callable[[Workplace], Any],
    environment: dict[str, str],
    reason: str,
) -> None:
    prepare(workplace)
    result = workplace.tgt("run", "--json", "--now", NOW, **environment)
    assert (result.status, result.err) == (0, "")
    assert result.json["result"]["skipped"] is True
    assert result.json["result"]["reason"] == reason
    assert workplace.tgt("run", "--now", NOW, **environment).out == result.json["message"] + "\n"


def test_no_telemetry_directory_is_a_failure_that_names_it(workplace: Workplace) -> None:
    result = workplace.tgt("run", "--json", "--now", NOW, FGK_CONTEXTLOG_DIR="gone")
    assert result.status == 1
    told = result.json["result"]
    assert told["success"] is False
    assert "gone" in told["error"]
    assert "FGK_CONTEXTLOG_DIR" in told["error"]
    assert result.err == f"tgt: {told['error']}\n"
    assert workplace.tgt("run", "--now", NOW).out == ""


def test_a_damaged_file_degrades_the_run(workplace: Workplace, telemetry: Path) -> None:
    (telemetry / "ctx-20251103-14.jsonl.gz").write_bytes(b"not compressed")
    result = workplace.tgt("run", "--json", "--now", NOW)
    assert result.status == 4
    assert result.json["result"]["tasksSaved"] >= 1
    (warning,) = result.json["result"]["warnings"]
    assert "ctx-20251103-14.jsonl.gz" in warning
    assert result.err == f"tgt: warning: {warning}\n"


def test_the_hourly_quota_is_told(workplace: Workplace, telemetry: Path) -> None:
    result = workplace.tgt("run", "--json", "--now", NOW, TASKGEN_MAX_PER_HOUR="0")
    assert result.status == 0
    told = result.json["result"]
    assert told["rateLimited"] is True
    assert told["tasksDeferred"] >= 1
    assert told["tasksSaved"] == 0
