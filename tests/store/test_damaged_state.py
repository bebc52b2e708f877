"""State that is damaged, foreign, unwritable or out of room: one clear line, no loss."""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import END, NOW, Workplace, World, call

from tgt.engine.duckdb.store import FILE_NAME as CACHE
from tgt.store.state_file import Sidecar
from tgt.tasks.state import SchedulerState

Card = Callable[..., dict[str, Any]]
LATER = "2025-11-03T16:05:00Z"


@pytest.fixture
def logs(workplace: Workplace) -> Path:
    """An hour with three tools that nobody documents: three cards."""
    (workplace.path / "docs").mkdir(exist_ok=True)
    (workplace.path / "docs" / "tools.md").write_text("Tools of other names.\n")
    directory = workplace.path / ".forgekeeper" / "context_log"
    directory.mkdir(parents=True)
    lines = [
        json.dumps(call(2 + n, f"c{n % 5}", f"tool{tool}", id=f"{tool}/{n}"))
        for tool in range(3)
        for n in range(25)
    ]
    (directory / "ctx-20251103-15.jsonl").write_text("\n".join(lines) + "\n")
    return directory


def _places(workplace: Workplace, logs: Path) -> dict[str, Any]:
    """The settings of runs that find the three cards, and of other kinds have none to find."""
    tasks = {"tasks_dir": workplace.tasks, "analyzers": ("docs_gap",)}
    return {"contextlog_dir": logs, **tasks}


def _journal(workplace: Workplace) -> Path:
    return workplace.tasks / "generated_tasks.jsonl"


def _cards(workplace: Workplace) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = workplace.tgt("list", "--all", "--json").json["tasks"]
    return listed


SIDECARS: dict[str, bytes] = {
    "of a newer version": b'{"version": 2, "totalRuns": 5, "pause": {"for": "ever"}}',
    "truncated": b'{"version": 1, "totalRuns": 5, "recentSa',
    "empty": b"",
    "not UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "of the wrong types": b'{"version":1,"totalRuns":"x","recentSaves":7,"pause":[],"analyzers":3}',
    "with hostile numbers": b'{"version":1,"totalRuns":1e999,"errors":-5,"lastRunDuration":NaN}',
    "with times out of this world": (
        b'{"version":1,"lastRunAt":"9999-12-31T23:59:59Z","recentSaves":'
        b'[{"id":"x","at":"0001-01-01T00:00:00Z"}],"pause":{"since":"9999-12-31T00:00:00Z"}}'
    ),
    "nested too deep": b'{"version":1,"extra":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "twenty megabytes of it": b'{"version":1,"x":"' + b"x" * (20 << 20) + b'"}',
}


@pytest.mark.parametrize("kind", SIDECARS)
def test_a_foreign_or_damaged_sidecar_is_told_and_replaced(
    world: World, workplace: Workplace, logs: Path, kind: str
) -> None:
    workplace.tasks.mkdir(0o700)
    sidecar = workplace.tasks / "scheduler_state.json"
    sidecar.write_bytes(SIDECARS[kind])
    assert workplace.tgt("stats", "--now", NOW).status == 0
    assert sidecar.read_bytes() == SIDECARS[kind], "who only looks changes nothing"
    places = _places(workplace, logs)
    first = world.run(END, **places)
    assert first.saved == 3
    assert all("scheduler_state.json" in warning for warning in first.warnings)
    assert first.warnings
    assert (workplace.tasks / "scheduler_state.json.damaged-1").read_bytes() == SIDECARS[kind]
    again = world.run(END + timedelta(minutes=5), **places)
    assert (again.saved, again.warnings) == (0, ())
    assert _state(workplace).total_runs == 2


def _state(workplace: Workplace) -> SchedulerState:
    return Sidecar(workplace.tasks).read(())[0]


def test_the_quota_survives_the_loss_of_the_sidecar(workplace: Workplace, logs: Path) -> None:
    limits = {"TASKGEN_MAX_PER_HOUR": "2"}
    assert workplace.tgt("run", "--json", "--now", NOW, **limits).json["result"]["tasksSaved"] == 2
    (workplace.tasks / "scheduler_state.json").write_text("{")
    told = workplace.tgt("run", "--json", "--now", LATER, **limits).json["result"]
    assert (told["tasksSaved"], told["tasksDeferred"], told["rateLimited"]) == (0, 1, True)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    path.unlink()
    outside = path.parents[3] / "outside"
    outside.write_text("precious")
    path.symlink_to(outside)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("a file")


CACHES: dict[str, Callable[[Path], Any]] = {
    "garbage": lambda cache: (cache / CACHE).write_bytes(b"garbage" * 5000),
    "truncated": lambda cache: os.truncate(cache / CACHE, 5000),
    "empty": lambda cache: os.truncate(cache / CACHE, 0),
    "a directory in its place": lambda cache: _directory(cache / CACHE),
    "a link out of the directory": lambda cache: _link(cache / CACHE),
    "a pipe in its place": lambda cache: _pipe(cache / CACHE),
    "a file in the place of its directory": _file,
    "a log of its own left over": lambda cache: (cache / f"{CACHE}.wal").write_bytes(b"x"),
    "gone": shutil.rmtree,
}


@pytest.mark.parametrize("kind", CACHES)
def test_a_cache_that_is_no_use_costs_time_and_nothing_else(
    world: World, workplace: Workplace, logs: Path, kind: str
) -> None:
    places = _places(workplace, logs)
    assert world.run(END, **places).saved == 3
    CACHES[kind](workplace.tasks / "cache")
    for minutes, is_dry in ((1, True), (2, False), (3, False)):
        report = world.run(END + timedelta(minutes=minutes), dry_run=is_dry, **places)
        assert (report.events_analyzed, report.saved, report.covered) == (75, 0, 3)
        assert report.warnings == ()
    outside = workplace.path / "outside"
    assert not outside.exists() or outside.read_text() == "precious"


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o177])
def test_what_is_written_is_private_whatever_the_umask(
    workplace: Workplace, logs: Path, mask: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tgt", "run", "--json", "--now", NOW],
        cwd=workplace.path,
        env=workplace.environment(),
        capture_output=True,
        check=False,
        umask=mask,
    )
    assert done.returncode == 0, done.stderr
    for path in [workplace.tasks, *workplace.tasks.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted & ~mask, path


CHANGES: dict[str, list[str]] = {
    "run": ["run"],
    "approve": ["approve", "A"],
    "dismiss": ["dismiss", "A", "--for", "7d"],
    "complete": ["complete", "A"],
    "reopen": ["reopen", "C"],
    "cleanup": ["cleanup", "--days", "0"],
    "pause": ["pause", "--for", "1h"],
    "resume": ["resume"],
}


def _filled(workplace: Workplace, card_data: Card) -> bytes:
    """A journal with an open, a dismissed and a completed card; its bytes."""
    since = {"dismissedAt": "2025-10-01T00:00:00Z", "fingerprint": "b"}
    cards = [
        card_data("A"),
        card_data("B", status="dismissed", **since),
        card_data("C", status="completed", fingerprint="c", pad=""),
    ]
    # The last block of the file is full, so that one more line needs a new one.
    cards[-1]["pad"] = "x" * (-workplace.write_journal(*cards).stat().st_size % 4096)
    path = workplace.write_journal(*cards)
    workplace.write_sidecar(totalRuns=7, pause={"since": NOW, "until": None, "reason": "x"})
    if workplace.tasks.stat().st_mode & 0o077:
        workplace.tasks.chmod(0o700)
    return path.read_bytes()


@pytest.mark.parametrize("command", CHANGES)
def test_a_directory_in_the_place_of_the_journal_is_one_clear_line(
    workplace: Workplace, logs: Path, command: str
) -> None:
    _journal(workplace).mkdir(parents=True)
    result = workplace.tgt(*CHANGES[command], "--json", "--now", NOW)
    if command in {"pause", "resume"}:
        assert result.status in {0, 1}
        return
    assert result.status == 1
    assert "generated_tasks.jsonl: it is no regular file" in result.err
    assert result.err.count("\n") == 1
    assert "generated_tasks.jsonl" in json.dumps(result.json)
    assert list(_journal(workplace).iterdir()) == []


@pytest.mark.parametrize("command", CHANGES)
def test_a_task_directory_that_is_a_file_is_one_clear_line(
    workplace: Workplace, logs: Path, command: str
) -> None:
    workplace.tasks.write_text("precious")
    result = workplace.tgt(*CHANGES[command], "--json", "--now", NOW)
    assert result.status == 1
    assert str(Path(".forgekeeper/tasks")) in result.err
    assert "; " in result.err, "it says what to do"
    assert result.err.count("\n") == 1
    assert workplace.tasks.read_text() == "precious"


def _limited(workplace: Workplace, size: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tgt", *arguments, "--json", "--now", NOW],
        cwd=workplace.path,
        env=workplace.environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


@pytest.mark.parametrize("command", [c for c in CHANGES if c not in {"pause", "resume"}])
def test_a_limit_on_the_size_of_files_is_one_clear_line_and_loses_nothing(
    workplace: Workplace, logs: Path, card_data: Card, command: str
) -> None:
    before = _filled(workplace, card_data)
    (workplace.tasks / "scheduler_state.json").unlink()
    done = _limited(
        workplace, 100 if command == "cleanup" else len(before) + 100, *CHANGES[command]
    )
    assert done.returncode == 1
    assert "File too large; raise the limit" in done.stderr
    assert done.stderr.count("\n") == 1
    assert _journal(workplace).read_bytes() == before
    assert not [p for p in workplace.tasks.iterdir() if p.name.endswith(".tgt-tmp")]
    assert workplace.tgt(*CHANGES[command], "--now", NOW).status == 0


@contextmanager
def _mounted(path: Path, *options: str) -> Iterator[None]:
    """Something mounted there for a while; the test is skipped where that is not permitted."""
    done = subprocess.run(["mount", *options, str(path)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("mounting is not permitted")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


needs_mount = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("mount") is None, reason="only root may mount"
)


@needs_mount
@pytest.mark.parametrize("command", CHANGES)
def test_a_full_disk_is_one_clear_line_and_loses_nothing(
    workplace: Workplace, logs: Path, card_data: Card, command: str
) -> None:
    workplace.tasks.mkdir(0o700)
    with _mounted(workplace.tasks, "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"):
        before = _filled(workplace, card_data)
        state = (workplace.tasks / "scheduler_state.json").read_bytes()
        if command == "run":  # which does not get far enough while it is paused
            workplace.write_sidecar(totalRuns=7)
            state = (workplace.tasks / "scheduler_state.json").read_bytes()
        with (workplace.tasks / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(workplace.tasks).free)
        result = workplace.tgt(*CHANGES[command], "--json", "--now", NOW)
        assert result.status == 1
        assert "No space left on device; free some space" in result.err
        assert result.err.count("\n") == 1
        assert _journal(workplace).read_bytes() == before
        assert (workplace.tasks / "scheduler_state.json").read_bytes() == state
        (workplace.tasks / "filler").unlink()
        assert workplace.tgt(*CHANGES[command], "--now", NOW).status == 0


@needs_mount
@pytest.mark.parametrize("command", CHANGES)
def test_a_read_only_disk_is_one_clear_line_and_can_be_read(
    workplace: Workplace, logs: Path, card_data: Card, command: str
) -> None:
    before = _filled(workplace, card_data)
    with _mounted(workplace.tasks, "--bind", str(workplace.tasks)):
        remount = ["mount", "-o", "remount,bind,ro", str(workplace.tasks)]
        if subprocess.run(remount, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting is not permitted")
        result = workplace.tgt(*CHANGES[command], "--json", "--now", NOW)
        assert result.status == 1
        assert "Read-only file system; set FGK_TASKS_DIR to a directory that can be" in result.err
        assert result.err.count("\n") == 1
        assert len(_cards(workplace)) == 3
        if command == "run":
            assert workplace.tgt("run", "--dry-run", "--now", NOW).status == 0
    assert _journal(workplace).read_bytes() == before


def test_lines_of_others_survive_every_command(
    workplace: Workplace, logs: Path, card_data: Card
) -> None:
    _filled(workplace, card_data)
    foreign = b'# a note\n{"version": 9}\n[1,2]\n\xff\xfe\n{"id": 7}\n'
    with _journal(workplace).open("ab") as stream:
        stream.write(foreign)
    for command in ("approve", "dismiss", "complete", "reopen", "cleanup", "resume", "run"):
        assert workplace.tgt(*CHANGES[command], "--now", NOW).status == 0, command
        kept = _journal(workplace).read_bytes()
        assert all(line in kept for line in foreign.splitlines()), command
