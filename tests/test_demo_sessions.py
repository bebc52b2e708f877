"""The demo's two weeks of sessions: transcripts of Claude Code, the same each time."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tgt import config, demo_sessions

NOW = datetime(2025, 11, 9, 3, 20, tzinfo=timezone.utc)


def _files(directory: Path) -> list[Path]:
    return sorted((directory / "claude" / "projects").rglob("*.jsonl"))


def test_there_are_eight_sessions_a_day_in_two_projects_and_none_in_the_future(
    tmp_path: Path,
) -> None:
    weeks = demo_sessions.write(tmp_path / "a", NOW)
    files = _files(tmp_path / "a")
    assert len(files) == weeks.files == 14 * 8
    assert {path.parent.name for path in files} == {"-home-you-shop", "-home-you-ledger"}
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert len(lines) == weeks.lines
    times = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    assert NOW - timedelta(days=14) < min(times) < NOW - timedelta(days=13)
    assert NOW - timedelta(hours=1) < max(times) <= NOW


def test_one_seed_gives_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        demo_sessions.write(tmp_path / name, NOW, seed)
    first, again, other = (
        [path.read_bytes() for path in _files(tmp_path / name)] for name in "abc"
    )
    assert first == again != other


def test_the_env_file_names_the_sessions_and_looks_at_a_day(tmp_path: Path) -> None:
    weeks = demo_sessions.write(tmp_path / "it's a place", NOW)
    settings = config.load(environ={}, env_file=weeks.env_file)
    (source,) = settings.source
    assert source.kind == "claude-code"
    assert settings.tasks_dir == weeks.directory / "tasks"
    assert settings.window_min == 24 * 60
