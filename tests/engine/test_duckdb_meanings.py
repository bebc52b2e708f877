"""What records mean is worked out once for all that say the same, and that shows nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import END, Line, World, call, response

from tgt.engine.duckdb import meanings
from tgt.engine.duckdb.queries import DuckDBEngine, Workspace
from tgt.engine.protocol import FAILURE, Measure
from tgt.events import Interval
from tgt.sources.contextlog import ContextLog

WINDOW = Interval(END - timedelta(hours=1), END)
DAY = timedelta(days=1)


def answers(world: World, cache: Path | None) -> dict[str, Any]:
    """Uses and failures of every subject, now and before, and whether words had to be looked at."""
    with DuckDBEngine(Workspace(cache, writable=True)) as engine:
        engine.read([ContextLog(world.logs)], WINDOW, WINDOW, DAY)
        engine.at(WINDOW, DAY)
        found: dict[str, Any] = {
            reading.subject: (
                (reading.now.n, reading.now.k),
                [(tally.n, tally.k) for tally in reading.history.values()],
            )
            for reading in engine.shares(FAILURE, WINDOW, 0)
        }
        looked = engine._run("SELECT 1 FROM duckdb_tables() WHERE table_name = 'examples'")
        return {**found, "looked": bool(looked)}


def history(minutes: float = 300) -> Iterator[Line]:
    for number in range(5):
        yield call(minutes - number, f"h{number}", "grep", status="ok" if number else "error")
        yield response(minutes - number, f"h{number}", model="m")


def test_a_file_may_say_what_the_one_before_does_not(world: World) -> None:
    world.write(*history(), name="a.jsonl")
    world.write(*history(200), call(190, "x", "sed", status="failed"), name="b.jsonl")
    world.write(call(10, "y", "sed"), call(9, "y", "awk"), name="c.jsonl")
    found = answers(world, None)
    assert found["tool_call/sed"] == ((1, 0), [(1, 1)])
    assert found["tool_call/awk"] == ((1, 0), [])


def test_what_was_understood_once_is_understood_by_the_next_run(
    world: World, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    world.write(*history(), call(10, "y", "grep"), name="a.jsonl")
    assert answers(world, cache)["looked"]
    world.write(call(8, "z", "grep"), name="b.jsonl")
    again = answers(world, cache)
    assert not again.pop("looked")
    assert again == {k: v for k, v in answers(world, None).items() if k != "looked"}
    world.write(call(7, "z", "grep", status="error"), call(6, "z", "new"), name="c.jsonl")
    later = answers(world, cache)
    assert later["looked"]
    assert later == answers(world, None)


@pytest.mark.parametrize("most", [0, 1, 3, 4, 100])
def test_words_that_hardly_come_again_are_not_kept(
    world: World, tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of subjects go on to mean what they meant in the counts that were kept."""
    monkeypatch.setattr(meanings, "MOST_KEPT", most)
    cache = tmp_path / "cache"
    for step in range(4):
        world.write(*history(600 - 60 * step), name=f"{step}.jsonl")
        world.write(call(400 - step, "x", f"tool-{step}"), call(5, "y", f"tool-{step}"))
        kept, fresh = answers(world, cache), answers(world, None)
        assert kept | {"looked": True} == fresh, step


def test_a_file_that_was_last_written_before_its_records_is_read_with_their_texts(
    world: World,
) -> None:
    """As copies of logs may be; only what lies before the window is read without."""
    path = world.write(*history(), call(10, "y", "grep", id="e-1", status="error", error="ENOENT"))
    long_ago = (END - DAY / 2).timestamp()
    os.utime(path, (long_ago, long_ago))
    with DuckDBEngine() as engine:
        engine.read([ContextLog(world.logs)], WINDOW, WINDOW, DAY)
        assert engine.at(WINDOW, DAY).events == 1
        (sample,) = engine.samples("tool_call/grep", Measure.ERRORS, WINDOW, 3)
    assert (sample.id, sample.conv_id, sample.text) == ("e-1", "y", "ENOENT")


def test_the_same_subject_with_and_without_the_only_service_is_one(world: World) -> None:
    world.write(*history(), name="a.jsonl")
    world.write(call(200, "a", "grep", service="s"), call(5, "b", "grep", service="s"))
    world.write(call(4, "c", "grep"))
    assert answers(world, None)["tool_call/grep"] == ((2, 0), [(5, 1), (1, 0)])
    world.write(call(3, "d", "grep", service="t"))
    apart = answers(world, None)
    assert apart["tool_call/grep"] == ((1, 0), [(5, 1)])
    assert apart["tool_call/grep@s"] == ((1, 0), [(1, 0)])


def test_words_of_any_length_and_type_are_words_or_none(world: World) -> None:
    long = "x" * 100_000
    world.write(
        call(5, "a", long),
        call(4, "b", long + "y"),
        call(3, "c", "grep", status={"code": [1] * 1000}),
        call(2, "d", "grep", status=None, error_type=["E"]),
        call(1, "e", "grep", status=503),
    )
    found = answers(world, None)
    assert found.pop("tool_call/grep") == ((3, 1), [])
    assert len(found) == 3, "two long names, which differ in their end"
    assert all(len(subject) < 100 for subject in found)


def test_a_file_that_no_longer_holds_what_was_read_of_it_is_a_failure(world: World) -> None:
    """It is then read anew from a copy; to pass over it would lose the records in silence."""
    path = world.write(call(5, "a", "grep"))
    source = ContextLog(world.logs)
    with duckdb.connect() as connection:
        for macro in source.macros:
            connection.execute(macro)
        known = meanings.Meanings(connection, None)
        connection.execute(
            "CREATE TABLE r AS SELECT hash($p) AS path, 1::UBIGINT AS wording, 1 AS us", {"p": "x"}
        )
        ((key,),) = connection.execute("SELECT path FROM r").fetchall()
        with pytest.raises(OSError, match="changed while it was read"):
            known.learn(source.records(), "r", {key: str(path)})
        assert connection.execute("SELECT count(*) FROM meanings").fetchall() == [(0,)]
