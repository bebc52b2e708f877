"""A database that an agent has open is read like a log: what is new, once, and if not, later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from writes_opencode import Agent, session_of

from tgt.engine.duckdb.store import Workspace
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.engine.protocol import Signal
from tgt.events import Interval
from tgt.sources.base import Source
from tgt.sources.opencode import OpenCode
from tgt.sources.registry import open_sources, recognised_files
from tgt.sources.spec import Spec
from tgt.store.journal import Journal

END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
WINDOW = Interval(END - timedelta(hours=1), END)
CALLS = Signal("calls", "act = 'tool_call'", "failed")


@dataclass(frozen=True)
class Told:
    """What a run reads: calls and failed ones, and warnings."""

    calls: int
    failed: int
    warnings: tuple[str, ...]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    (tmp_path / "opencode").mkdir()
    writer = Agent(tmp_path / "opencode")
    yield writer
    writer.quits()


@pytest.fixture
def run(agent: Agent, tmp_path: Path) -> Callable[..., Told]:
    """One run over the database, with what earlier ones kept."""

    def reads(source: Source | None = None) -> Told:
        opened = source or OpenCode(agent.path.parent)
        listed = [(opened, opened.listing())]
        space = Workspace(tmp_path / "cache", writable=True)
        with DuckDBTimeline(listed, (CALLS,), WINDOW, WINDOW, timedelta(days=7), space) as timeline:
            readings = timeline.at(WINDOW).counts(CALLS, WINDOW)
            counts = [reading.now for reading in readings]
            return Told(sum(c.n for c in counts), sum(c.k for c in counts), timeline.warnings)

    return reads


def test_one_that_grows_is_counted_once_and_completely(
    agent: Agent, run: Callable[..., Told]
) -> None:
    session_of(agent, 1, ["completed"] * 4, END - timedelta(minutes=50))
    assert run() == Told(4, 0, ())
    assert run() == Told(4, 0, ()), "nothing is new"
    session_of(agent, 2, ["completed", "error", "running"], END - timedelta(minutes=40))
    assert run() == Told(6, 1, ())
    session_of(agent, 2, ["completed", "error", "error"], END - timedelta(minutes=40))
    assert run() == Told(7, 2, ()), "the call that had not ended"
    agent.quits()
    assert run() == Told(7, 2, ()), "the log is gone, and everything in the database"


def test_one_that_is_locked_warns_and_loses_nothing(agent: Agent, run: Callable[..., Told]) -> None:
    session_of(agent, 1, ["completed"] * 4, END - timedelta(minutes=50))
    agent.open.execute("PRAGMA journal_mode = DELETE")
    assert run() == Told(4, 0, ())
    session_of(agent, 2, ["error"] * 2, END - timedelta(minutes=40))
    agent.open.execute("BEGIN EXCLUSIVE")
    agent.open.execute("DELETE FROM message")
    told = run()
    assert (told.calls, told.failed) == (4, 0)
    (warning,) = told.warnings
    assert warning.startswith(f"cannot read {agent.path} to its end: ")
    assert "locked" in warning
    agent.open.execute("ROLLBACK")
    assert run() == Told(6, 2, ()), "although nothing was written meanwhile"


def test_one_that_was_locked_at_first_is_read_later(agent: Agent, run: Callable[..., Told]) -> None:
    session_of(agent, 1, ["completed"] * 4, END - timedelta(minutes=50))
    agent.open.execute("PRAGMA journal_mode = DELETE")
    agent.open.execute("BEGIN EXCLUSIVE")
    agent.open.execute("DELETE FROM message")
    assert run().calls == 0
    agent.open.execute("ROLLBACK")
    assert run() == Told(4, 0, ())


def test_one_that_was_put_in_its_place_is_read_anew(
    agent: Agent, run: Callable[..., Told], tmp_path: Path
) -> None:
    session_of(agent, 1, ["completed"] * 4, END - timedelta(minutes=50))
    assert run().calls == 4
    agent.quits()
    other = Agent(tmp_path)
    session_of(other, 7, ["error"], END - timedelta(minutes=50))
    other.quits()
    other.path.replace(agent.path)
    assert run() == Told(1, 1, ())


def test_auto_recognises_one_whatever_its_name(
    agent: Agent, run: Callable[..., Told], tmp_path: Path
) -> None:
    session_of(agent, 1, ["completed"] * 4, END - timedelta(minutes=50))
    agent.quits()
    agent.path.rename(agent.path.with_name("history.db"))
    (agent.path.parent / "pictures.db").write_bytes(b"SQLite format 3\0 of somebody else")
    assert {kind: len(files) for kind, files in recognised_files(agent.path.parent).items()} == {
        "opencode": 1
    }
    (source,) = open_sources([Spec("auto", agent.path.parent)], tmp_path)
    assert run(source) == Told(4, 0, ())


def test_samples_of_a_card_are_fetched_from_their_rows(agent: Agent, world: Any) -> None:
    for number in range(30):
        at = END - timedelta(minutes=55 - number)
        session_of(agent, number, ["error", "completed"], at, tool="deploy")
    world.run(
        source=f"opencode:{agent.path.parent}", contextlog_dir="gone", docs_gap_min_usage=1000
    )
    cards = list(Journal(world.tasks).read().cards.values())
    told = [sample for card in cards for sample in card.data["evidence"]["samples"]]
    assert told
    for sample in told:
        assert sample["eventId"].startswith("toolu_")
        assert sample["text"].endswith(("done", "it said no"))
        assert "line" not in sample, "a row is in no line"
