"""``tgt doctor``: it sees what is wrong, says what to do, and mends only what is safe to mend."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Result, Workplace, call

Card = Callable[..., dict[str, Any]]
EARLIER = "2025-11-03T15:50:00.000Z"


@pytest.fixture
def logs(workplace: Workplace) -> Path:
    directory = workplace.path / ".forgekeeper" / "context_log"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def programs(workplace: Workplace) -> Callable[..., str]:
    """Puts programs of these names into a directory of their own; a PATH with nothing else."""
    directory = workplace.path / "programs"

    def make(**scripts: str) -> str:
        directory.mkdir(exist_ok=True)
        for name, script in scripts.items():
            (directory / name).write_text(f"#!/bin/sh\n{script}\n")
            (directory / name).chmod(0o700)
        return str(directory)

    return make


@pytest.fixture
def well(
    workplace: Workplace, logs: Path, card_data: Card, programs: Callable[..., str]
) -> Callable[..., Result]:
    """An installation with nothing wrong; runs the doctor on what became of it."""
    workplace.write_journal(card_data())
    workplace.write_sidecar(lastRunAt=EARLIER, totalRuns=7)
    workplace.tasks.chmod(0o700)
    for file in workplace.tasks.iterdir():
        file.chmod(0o600)
    events = [json.dumps(call(1 + n, f"c{n}", id=f"e{n}")) for n in range(30)]
    (logs / "ctx-20251103-15.jsonl").write_text("\n".join(events) + "\n")
    path = programs(systemctl="echo Mon 2025-11-03 16:00 5min left tgt.timer tgt.service")

    def doctor(*arguments: str, **environment: str) -> Result:
        chosen = {"PATH": path, **environment}
        return workplace.tgt("doctor", "--now", NOW, "--json", *arguments, **chosen)

    return doctor


def _named(result: Result, status: str) -> dict[str, str]:
    """Name and message of the checks with this status."""
    return {c["name"]: c["message"] for c in result.json["checks"] if c["status"] == status}


def _remedy(result: Result, name: str) -> str:
    return next(str(c["remedy"]) for c in result.json["checks"] if c["name"] == name)


def _tree(path: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(file): (file.lstat().st_mtime_ns, file.lstat().st_size, file.lstat().st_mode)
        for file in sorted(path.rglob("*"))
    }


def test_all_is_well_and_looking_changes_nothing(
    workplace: Workplace, well: Callable[..., Result]
) -> None:
    before = _tree(workplace.path)
    result = well()
    assert (result.status, result.err) == (0, "")
    assert result.json["ok"] is True
    assert {c["status"] for c in result.json["checks"]} == {"ok"}
    assert all(c["remedy"] is None for c in result.json["checks"])
    assert well("--repair").json["repaired"] == []
    human = workplace.tgt("doctor", "--now", NOW, PATH=str(workplace.path / "programs"))
    assert human.out.endswith("All is well\n")
    assert human.out.count("\nok ") == len(result.json["checks"]) - 1
    after = _tree(workplace.path)
    assert {k: v for k, v in after.items() if not k.endswith(".write.lock")} == before or (
        set(after) - set(before) == {str(workplace.tasks / ".write.lock")}
    )


def test_a_new_place_has_warnings_and_one_failure(
    workplace: Workplace, programs: Callable[..., str]
) -> None:
    result = workplace.tgt("doctor", "--json", "--now", NOW, PATH=programs())
    assert result.status == 1
    assert result.json["ok"] is False
    assert set(_named(result, "warn")) == {"task directory", "runs", "timer"}
    (failed,) = _named(result, "fail").values()
    assert ".forgekeeper/context_log" in failed
    assert "FGK_CONTEXTLOG_DIR" in _remedy(result, "telemetry")
    repaired = workplace.tgt("doctor", "--repair", "--json", "--now", NOW, PATH=programs())
    assert repaired.json["repaired"] == []
    assert not workplace.tasks.exists()


Spoil = Callable[[Workplace, Path], Any]
FAULTS: dict[str, tuple[Spoil, dict[str, str], str, str, str]] = {
    "a misspelt setting": (
        lambda place, logs: None,
        {"TASKGEN_MAX_TASK": "3"},
        "warn",
        "settings",
        "TASKGEN_MAX_TASK",
    ),
    "rules that are not understood": (
        lambda place, logs: (place.path / "rules.toml").write_text("[[rules]\nname = 7\n"),
        {"TASKGEN_RULES": "rules.toml", "TASKGEN_ANALYZER_MAX_PER_HOUR": "rules/mine=1"},
        "fail",
        "rules",
        "rules.toml: line 1: this is no TOML",
    ),
    "documentation that is not there": (
        lambda place, logs: None,
        {"TASKGEN_DOCS_PATHS": "/nowhere,manual.md"},
        "fail",
        "documentation",
        "/nowhere, manual.md is not there",
    ),
    "a directory that others may enter": (
        lambda place, logs: place.tasks.chmod(0o755),
        {},
        "warn",
        "permissions",
        "others may look into",
    ),
    "a journal that others may read": (
        lambda place, logs: (place.tasks / "generated_tasks.jsonl").chmod(0o640),
        {},
        "warn",
        "permissions",
        "generated_tasks.jsonl",
    ),
    "lines that are no cards": (
        lambda place, logs: _append(place, b"hello\n{}\n"),
        {},
        "warn",
        "journal",
        "2 lines that are none",
    ),
    "a torn last line": (
        lambda place, logs: _append(place, b'{"id":"01B","sta'),
        {},
        "warn",
        "journal",
        "a last line that is not whole",
    ),
    "a damaged sidecar": (
        lambda place, logs: (place.tasks / "scheduler_state.json").write_text("{"),
        {},
        "warn",
        "scheduler state",
        "is damaged",
    ),
    "a left-over temporary file": (
        lambda place, logs: (place.tasks / ".x.abc.tgt-tmp").touch(),
        {},
        "warn",
        "left-overs",
        "1 temporary file of",
    ),
    "a file set aside": (
        lambda place, logs: (place.tasks / "scheduler_state.json.damaged-1").touch(),
        {},
        "warn",
        "set aside",
        "damaged-1",
    ),
    "a journal that is a directory": (
        lambda place, logs: _directory_instead(place.tasks / "generated_tasks.jsonl"),
        {},
        "fail",
        "journal",
        "no regular file",
    ),
    "a task directory that is a file": (
        lambda place, logs: None,
        {"FGK_TASKS_DIR": ".forgekeeper/tasks/generated_tasks.jsonl"},
        "fail",
        "task directory",
        "is no directory",
    ),
    "runs that stopped coming": (
        lambda place, logs: _state(place, lastRunAt="2025-11-03T12:00:00.000Z"),
        {},
        "fail",
        "runs",
        "overdue: last 2025-11-03T12:00:00.000Z",
    ),
    "the kill switch": (
        lambda place, logs: None,
        {"TASKGEN_ENABLED": "0"},
        "warn",
        "runs",
        "TASKGEN_ENABLED=0",
    ),
    "a pause": (
        lambda place, logs: place.tgt("pause", "--for", "2h", "--now", NOW),
        {},
        "warn",
        "runs",
        "paused until 2025-11-03T18:00:00.000Z",
    ),
    "an analyzer that fails": (
        lambda place, logs: _state(
            place, analyzers={"ux_issue": {"consecutiveFailures": 3, "lastError": "boom"}}
        ),
        {},
        "warn",
        "analyzer",
        "ux_issue failed 3 times in a row: boom",
    ),
    "a run that failed": (
        lambda place, _: _state(place, lastError="no telemetry"),
        {},
        "warn",
        "runs",
        "which failed: no telemetry",
    ),
    "runs that find no events": (
        lambda place, _: _state(place, runsWithoutEvents=9),
        {},
        "warn",
        "runs",
        "the last 9 runs found no events",
    ),
    "a clock that was set back": (
        lambda place, logs: _state(place, lastRunAt="2025-11-04T16:00:00.000Z"),
        {},
        "warn",
        "clock",
        "tgt was at work at 2025-11-04T16:00:00.000Z",
    ),
    "a telemetry directory that is empty": (
        lambda place, logs: (logs / "ctx-20251103-15.jsonl").unlink(),
        {},
        "warn",
        "telemetry",
        "no telemetry files",
    ),
    "telemetry that is stale": (
        lambda place, logs: (logs / "ctx-20251103-15.jsonl").write_text(
            json.dumps(call(600, id="old")) + "\n"
        ),
        {},
        "warn",
        "telemetry",
        "no events in the last 60 minutes",
    ),
    "telemetry of the future": (
        lambda place, logs: (logs / "b.jsonl").write_text(json.dumps(call(-120)) + "\n"),
        {},
        "warn",
        "telemetry's clock",
        "1 event of the next days, up to 2h ahead",
    ),
    "a writer whose clock is behind": (
        lambda place, logs: _written_now(
            logs / "ctx-20251103-15.jsonl", call(27 * 60 + 10.2, id="old")
        ),
        {},
        "warn",
        "telemetry's clock",
        "a file was written 2025-11-03T15:50:00.000Z, its newest event is 27h behind",
    ),
    "telemetry that is half nonsense": (
        lambda place, logs: (logs / "b.jsonl").write_text("nonsense\n" * 30),
        {},
        "warn",
        "telemetry lines",
        "50% of the lines of the last day are malformed (30)",
    ),
    "a torn archive": (
        lambda place, logs: (logs / "b.jsonl.gz").write_bytes(b"\x1f\x8b"),
        {},
        "fail",
        "telemetry file",
        "b.jsonl.gz",
    ),
}


def _written_now(path: Path, line: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(line) + "\n")
    at = datetime(2025, 11, 3, 15, 50, tzinfo=timezone.utc).timestamp()
    os.utime(path, (at, at))


def _append(place: Workplace, data: bytes) -> None:
    with (place.tasks / "generated_tasks.jsonl").open("ab") as stream:
        stream.write(data)


def _state(place: Workplace, **state: Any) -> None:
    place.write_sidecar(**{"lastRunAt": EARLIER, **state})


def _directory_instead(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_remedy(
    workplace: Workplace, logs: Path, well: Callable[..., Result], fault: str
) -> None:
    spoil, environment, status, name, message = FAULTS[fault]
    spoil(workplace, logs)
    result = well(**environment)
    assert message in _named(result, status)[name]
    assert len(_remedy(result, name)) > 10
    assert result.status == (1 if status == "fail" else 0)
    assert result.json["ok"] is (status != "fail")


@pytest.mark.parametrize(
    ("scripts", "status", "message"),
    [
        ({"systemctl": "exit 1"}, "warn", "neither"),
        ({"systemctl": "exec /bin/sleep 60"}, "warn", "neither"),
        ({"systemctl": "echo; echo; exit 0"}, "warn", "neither"),
        ({"systemctl": '[ "$1" = --user ] && echo x tgt.timer'}, "ok", "of the account"),
        ({"systemctl": '[ "$1" = --system ] && echo x tgt.timer'}, "ok", "of the machine"),
        ({"crontab": "echo '*/15 * * * * cd /x && /opt/tgt run'"}, "ok", "a crontab"),
        ({"crontab": "echo '* * * * * tgt run'; exit 1"}, "warn", "neither"),
        ({"crontab": "echo '# */15 * * * * tgt run'"}, "warn", "neither"),
        ({"crontab": "echo '*/15 * * * * tgt stats'"}, "warn", "neither"),
        ({}, "warn", "neither"),
    ],
)
def test_what_starts_the_runs_is_looked_for(
    workplace: Workplace,
    well: Callable[..., Result],
    programs: Callable[..., str],
    scripts: dict[str, str],
    status: str,
    message: str,
) -> None:
    (workplace.path / "programs" / "systemctl").unlink()
    result = well(PATH=programs(**scripts))
    assert message in _named(result, status)["timer"]
    assert result.status == 0


def test_a_repair_mends_and_says_so_and_loses_nothing(
    workplace: Workplace, well: Callable[..., Result]
) -> None:
    journal = workplace.tasks / "generated_tasks.jsonl"
    card = journal.read_bytes()
    _append(workplace, b"a note of somebody\n" + b'{"id":"01B","sta')
    (workplace.tasks / "scheduler_state.json").write_text("{")
    (workplace.tasks / ".x.abc.tgt-tmp").touch()
    (workplace.tasks / "cache").mkdir(0o755)
    workplace.tasks.chmod(0o755)
    journal.chmod(0o644)
    done = well("--repair")
    assert (done.status, done.err) == (0, "")
    told = "\n".join(done.json["repaired"])
    for words in ("private now (700)", "(600)", "1 temporary file removed", "cut off", "set aside"):
        assert words in told
    assert journal.read_bytes() == card + b"a note of somebody\n"
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert stat.S_IMODE(workplace.tasks.stat().st_mode) == 0o700
    assert (workplace.tasks / "scheduler_state.json.damaged-1").read_text() == "{"
    assert set(_named(done, "warn")) == {"journal", "set aside", "runs"}
    assert well("--repair").json["repaired"] == []


def test_a_repair_keeps_a_last_line_that_is_whole_or_was_never_a_card(
    workplace: Workplace, well: Callable[..., Result]
) -> None:
    journal = workplace.tasks / "generated_tasks.jsonl"
    for line in (b'{"id":"01B","status":"generated"}', b"a note without an end"):
        before = journal.read_bytes()
        _append(workplace, line)
        assert "repaired" in well("--repair").json
        assert journal.read_bytes().rstrip(b"\n") == before + line
        journal.write_bytes(before)


def test_a_repair_that_cannot_be_done_is_one_clear_line(
    workplace: Workplace, well: Callable[..., Result]
) -> None:
    _directory_instead(workplace.tasks / "generated_tasks.jsonl")
    result = well("--repair")
    assert result.status == 1
    assert "generated_tasks.jsonl: it is no regular file" in result.json["error"]
    assert result.err.count("\n") == 1


def test_names_and_messages_from_outside_are_only_shown(
    workplace: Workplace, well: Callable[..., Result]
) -> None:
    _state(workplace, analyzers={"\x1b[2J": {"consecutiveFailures": 1, "lastError": "\x07[red]"}})
    well()
    shown = workplace.tgt("doctor", "--now", NOW, PATH="")
    assert "\x1b" not in shown.out
    assert "\x07" not in shown.out
    assert "[red]" in shown.out
