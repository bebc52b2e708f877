"""The engine takes what it is given of the machine, and leaves nothing behind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import END, World

from tgt.engine.duckdb import limits as resources
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.store import Workspace
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.errors import TelemetryError
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


@pytest.fixture
def opened(world: World) -> Iterator[Callable[[Workspace], DuckDBTimeline]]:
    """A timeline of 120,000 events of the last minutes, in a workspace."""
    line = {"act": "tool_call", "name": "x", "conv_id": "c", "result_preview": "y" * 400}
    at = (END - timedelta(minutes=5)).isoformat()
    world.write(*({**line, "ts": at, "id": str(number)} for number in range(120_000)))
    window = Interval(END - timedelta(hours=1), END)
    source = ContextLog(world.logs)
    with ExitStack() as stack:
        yield lambda workspace: stack.enter_context(
            DuckDBTimeline(
                [(source, source.listing())],
                (),
                window,
                window,
                timedelta(days=1),
                workspace,
            )
        )


def events(timeline: DuckDBTimeline) -> int:
    return timeline.at(Interval(END - timedelta(hours=1), END)).coverage.events


def test_what_a_killed_run_left_below_the_cache_is_removed(
    opened: Callable[[Workspace], DuckDBTimeline], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    (cache / "spill").mkdir(parents=True)
    (cache / "spill" / "of_a_killed_run.tmp").write_bytes(b"x")
    with opened(Workspace(cache, writable=True, memory_mb=64)) as timeline:
        assert events(timeline) == 120_000
    assert [path.name for path in cache.iterdir()] == ["events.duckdb"]


def test_where_nothing_may_be_written_nothing_is(
    opened: Callable[[Workspace], DuckDBTimeline],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert events(opened(Workspace(tmp_path / "cache", memory_mb=128))) == 120_000
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "cache").exists()


def test_what_does_not_fit_into_memory_is_said_however_the_engine_says_it() -> None:
    """What lies in memory alone is lost once it cannot be compressed, and the engine then tells of
    anything else rather than of memory."""
    database = Database(64, None)
    database.run("ATTACH ':memory:' AS cache (COMPRESS)")
    database.run("CREATE TABLE cache.numbers (number UBIGINT)")
    with pytest.raises(duckdb.CatalogException):
        database.run("SELECT 1 FROM absent")
    too_little = "does not fit into 64 MB"
    with pytest.raises(TelemetryError, match=too_little):
        _fill(database)
    for statement in ("CHECKPOINT cache", "SELECT count(*) FROM cache.numbers"):
        with pytest.raises(TelemetryError, match=too_little) as raised:
            database.run(statement)
        assert "let `tgt run` read it once" in raised.value.hint
    assert not database.is_damaged, "nothing is wrong with a file"


def _fill(database: Database) -> None:
    of_numbers = "INSERT INTO cache.numbers SELECT hash(range + $n) FROM range(300000)"
    for n in range(1000):
        database.run(of_numbers, n=n * 300_000)
