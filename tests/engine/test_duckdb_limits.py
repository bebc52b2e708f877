"""The engine takes what it is given of the machine, and leaves nothing behind."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import END, World

from tgt.engine.duckdb import limits as resources
from tgt.engine.duckdb.queries import DuckDBEngine, Workspace
from tgt.events import Interval
from tgt.sources.contextlog import ContextLog


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000", None),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("1000 100000", 1),
        ("99999999 100000", None),
        ("", None),
        ("garbage", None),
        ("1 0 3", None),
    ],
)
def test_a_control_group_bounds_the_processors(
    tmp_path: Path, text: str, expected: int | None
) -> None:
    (tmp_path / "cpu.max").write_text(text)
    unbounded = resources.processors(tmp_path / "absent")
    assert unbounded >= 1
    assert resources.processors(tmp_path) == (unbounded if expected is None else expected)


def test_little_memory_is_for_few_threads() -> None:
    assert resources.threads(64) == 1
    assert 1 <= resources.threads(65536) == resources.processors()


def _world(world: World, count: int) -> None:
    line = {"act": "tool_call", "name": "x", "conv_id": "c", "result_preview": "y" * 400}
    at = (END - timedelta(minutes=5)).isoformat()
    world.write(*({**line, "ts": at, "id": str(number)} for number in range(count)))


def test_what_does_not_fit_lies_below_the_cache_and_is_removed(
    world: World, tmp_path: Path
) -> None:
    _world(world, 120_000)
    cache = tmp_path / "cache"
    (cache / "spill").mkdir(parents=True)
    (cache / "spill" / "of_a_killed_run.tmp").write_bytes(b"x")
    window = Interval(END - timedelta(hours=1), END)
    with DuckDBEngine(Workspace(cache, writable=True, memory_mb=64)) as engine:
        engine.read([ContextLog(world.logs)], window, window, timedelta(days=1))
        assert engine.at(window, timedelta(days=1)).events == 120_000
    assert [path.name for path in cache.iterdir()] == ["partials.duckdb"]


def test_what_does_not_fit_where_nothing_may_be_written_lies_in_a_temporary_directory(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    _world(world, 120_000)
    window = Interval(END - timedelta(hours=1), END)
    with DuckDBEngine(Workspace(tmp_path / "cache", memory_mb=64)) as engine:
        engine.read([ContextLog(world.logs)], window, window, timedelta(days=1))
        assert engine.at(window, timedelta(days=1)).events == 120_000
        (directory,) = temporary.iterdir()
        assert directory.stat().st_mode & 0o077 == 0
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "cache").exists()


def test_what_does_not_fit_anywhere_is_named(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    _world(world, 120_000)
    window = Interval(END - timedelta(hours=1), END)
    with DuckDBEngine(Workspace(tmp_path / "cache", memory_mb=64)) as engine:
        engine.read([ContextLog(world.logs)], window, window, timedelta(days=1))
        (warning,) = engine.at(window, timedelta(days=1)).warnings
    assert "telemetry.jsonl" in warning
    assert "memory" in warning.lower()
    assert not (tmp_path / "cache").exists()
