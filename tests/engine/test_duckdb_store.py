"""Promises of the cache: whatever becomes of the files, the counts are those of a fresh reading."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from conftest import END, World

from tgt.engine.duckdb import ingest
from tgt.engine.duckdb.queries import DuckDBEngine, Workspace
from tgt.engine.duckdb.store import TABLES
from tgt.events import HOUR_US, Interval
from tgt.sources import files
from tgt.sources.contextlog import ContextLog

if TYPE_CHECKING:
    from pathlib import Path

Line = dict[str, Any]
HOUR = timedelta(hours=1)


def talk(chance: random.Random, hour: datetime) -> list[Line]:
    """A few conversations that begin in the hour and may reach into the next."""
    lines = []
    for _ in range(chance.randint(1, 6)):
        at = hour + timedelta(seconds=chance.uniform(0, 3599))
        name = f"c{chance.randrange(10**9)}"
        steps = [("message", "user"), *[("tool", "tool")] * chance.randint(0, 4)]
        for number, (act, actor) in enumerate([*steps, ("assistant_response", "assistant")]):
            keys = {"conv_id": name, "trace_id": name, "actor": actor, "name": f"t{number % 3}"}
            at += timedelta(seconds=chance.uniform(1, 60))
            if act != "tool":
                ended = {"finish_reason": chance.choice(("stop", "length"))}
                lines.append({"id": f"{name}{number}", "ts": at.isoformat(), "act": act, **keys})
                lines[-1] |= ended if actor == "assistant" else {}
                continue
            keys["call_id"] = f"{name}-{number}"
            lines.append({"ts": at.isoformat(), "act": "tool_execution_start", **keys})
            at += timedelta(seconds=chance.uniform(0.1, 600))
            outcome = chance.choice(("finish", "finish", "error"))
            lines.append({"ts": at.isoformat(), "act": f"tool_execution_{outcome}", **keys})
            if chance.random() < 0.1:
                lines.append(lines[-1] | {"id": f"again{number}{name}"})
                lines.append(lines[-1])
    return lines


def counts(world: World, cache: Path | None, end: datetime, *, writable: bool = True) -> list[Any]:
    """All counts that an engine has after reading as of a time, and the events of the window."""
    window = Interval(end - HOUR, end)
    with DuckDBEngine(Workspace(cache, writable=writable)) as engine:
        engine.read([ContextLog(world.logs)], window, window, timedelta(days=2))
        telemetry = engine.at(window, timedelta(days=2))
        found: list[Any] = [telemetry.events, telemetry.malformed_lines]
        for table, kinds in TABLES.items():
            columns = [part.split()[0] for part in kinds.split(", ")]
            sums = [c for c in columns if c in _ADDED]
            keys = [c for c in columns if c not in _ADDED]
            told = ", ".join([*keys, *(f"sum({name})::BIGINT" for name in sums)])
            # Which number a subject has depends on what was read first.
            named = (
                f"(SELECT c.* REPLACE (name AS subject) FROM {table} c JOIN named USING (subject))"
            )
            rows = named if "subject" in keys else table
            found.append(
                engine._run(f"SELECT {told} FROM {rows} GROUP BY {', '.join(keys)} ORDER BY ALL")
            )
        return found


_ADDED = frozenset(
    ("events", "errors", "ends", "cuts", "untold", "told", "n", "ended", "cancelled", "messages")
)


def path_of(world: World, hour: datetime) -> Path:
    return world.logs / f"ctx-{hour:%Y%m%d-%H}.jsonl"


def hour_files(world: World) -> list[Path]:
    return sorted(world.logs.glob("*.jsonl"))


def write(world: World, lines: list[Line], hour: datetime) -> None:
    world.write(*lines, name=path_of(world, hour).name)


def _grow(world: World, chance: random.Random, hour: datetime) -> None:
    """The last line may be only half there, as it is while somebody writes."""
    write(world, talk(chance, hour), hour)
    with path_of(world, hour).open("ab") as stream:
        stream.write(b'{"ts": "torn\n')


def _rotate(world: World, chance: random.Random, hour: datetime) -> None:
    old = chance.choice(hour_files(world))
    old.rename(old.with_name(f"rotated-{chance.randrange(10**6)}.jsonl"))


def _replace(world: World, chance: random.Random, hour: datetime) -> None:
    old = chance.choice(hour_files(world))
    old.unlink()
    world.write(*talk(chance, hour - HOUR * chance.randint(1, 20)), name=old.name)


def _compress(world: World, chance: random.Random, hour: datetime) -> None:
    old = chance.choice(hour_files(world))
    old.with_name(f"{old.name}.gz").write_bytes(gzip.compress(old.read_bytes()))
    old.unlink()


def _delete(world: World, chance: random.Random, hour: datetime) -> None:
    chance.choice(hour_files(world)).unlink()


def _late(world: World, chance: random.Random, hour: datetime) -> None:
    """Lines of hours that were counted long ago."""
    write(world, talk(chance, hour - HOUR * chance.randint(2, 30)), hour)


CHANGES = (_grow, _grow, _late, _rotate, _replace, _compress, _delete)


@pytest.mark.parametrize("batch_bytes", [ingest._BATCH_BYTES, 4_000])
@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_a_fresh_reading_whatever_becomes_of_the_files(
    world: World, tmp_path: Path, seed: int, batch_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it takes many batches."""
    chance = random.Random(seed)
    cache = tmp_path / "cache"
    start = END - timedelta(hours=40)
    for number in range(26):
        write(world, talk(chance, start + HOUR * number), start + HOUR * number)
    for step in range(8):
        now = start + timedelta(hours=26, minutes=20 * step)
        write(world, talk(chance, now - timedelta(minutes=20)), now)
        chance.choice(CHANGES)(world, chance, now)
        fresh = counts(world, None, now)
        with monkeypatch.context() as patch:
            patch.setattr(ingest, "_BATCH_BYTES", batch_bytes)
            assert counts(world, cache, now) == fresh, f"step {step}"


def test_one_big_file_that_grows_is_read_where_it_is_new(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PART_BYTES", 20_000)
    chance = random.Random(7)
    cache = tmp_path / "cache"
    for number in range(30, 0, -1):
        now = END - HOUR * number
        world.write(*(line for _ in range(5) for line in talk(chance, now)), name="all.jsonl")
        if number % 7 == 0:
            assert counts(world, cache, now) == counts(world, None, now)
    assert len(files.parts(files.discover(world.logs, "X")[0])) > 5
    assert counts(world, cache, END) == counts(world, None, END)


def test_what_is_no_longer_in_the_baseline_leaves_the_cache(world: World, tmp_path: Path) -> None:
    chance = random.Random(1)
    for number in range(60, 0, -1):
        write(world, talk(chance, END - HOUR * number), END - HOUR * number)
    counts(world, tmp_path / "cache", END - timedelta(hours=20))
    counts(world, tmp_path / "cache", END)
    import duckdb  # noqa: PLC0415 to look into the file, which the engine has closed

    with duckdb.connect(str(tmp_path / "cache" / "partials.duckdb"), read_only=True) as kept:
        oldest = kept.execute("SELECT min(hour) FROM units").fetchall()[0][0]
    assert oldest >= (END - timedelta(days=2)).timestamp() * 1e6 // HOUR_US - 1


def test_a_cache_that_may_only_be_read_is_used_and_left_as_it_is(
    world: World, tmp_path: Path
) -> None:
    chance = random.Random(2)
    cache = tmp_path / "cache"
    for number in range(30, 0, -1):
        write(world, talk(chance, END - HOUR * number), END - HOUR * number)
    counts(world, cache, END - timedelta(hours=3))
    before = {path.name: path.read_bytes() for path in cache.iterdir()}
    assert counts(world, cache, END, writable=False) == counts(world, None, END)
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == before
    assert counts(world, tmp_path / "none", END, writable=False) == counts(world, None, END)
    assert not (tmp_path / "none").exists()


def test_killed_while_it_reads_and_writes_the_next_run_is_right(
    world: World, tmp_path: Path
) -> None:
    chance = random.Random(3)
    for number in range(30, 0, -1):
        lines = [line for _ in range(20) for line in talk(chance, END - HOUR * number)]
        write(world, lines, END - HOUR * number)
    cache = world.tasks / "cache"
    expected = counts(world, None, END)
    command = [sys.executable, "-m", "tgt", "run", "--now", END.isoformat()]
    directories = {"FGK_CONTEXTLOG_DIR": str(world.logs), "FGK_TASKS_DIR": str(world.tasks)}
    for delay in (0.3, 0.5, 0.7, 0.9):
        run = subprocess.Popen(
            command,
            env={**os.environ, **directories},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert counts(world, cache, END) == expected
        for path in cache.glob("partials*"):
            if delay != 0.7:  # once with what the killed run has left
                path.unlink()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET signature = 'of another version'",
        "UPDATE meta SET signature = 'older'; ALTER TABLE units DROP COLUMN told",
        "DROP TABLE meta; CREATE TABLE meta (something VARCHAR)",
        "DROP TABLE latency",
        "CREATE OR REPLACE TABLE catalog (identity INTEGER)",
    ],
)
def test_a_cache_of_another_version_is_begun_anew(
    world: World, tmp_path: Path, statement: str
) -> None:
    world.write(*talk(random.Random(4), END - 5 * HOUR), *talk(random.Random(5), END - HOUR))
    cache = tmp_path / "cache"
    fresh = counts(world, None, END)
    assert counts(world, cache, END) == fresh
    with duckdb.connect(cache / "partials.duckdb") as database:
        database.execute(statement)
    assert counts(world, cache, END, writable=False) == fresh
    assert counts(world, cache, END) == fresh
    assert counts(world, cache, END) == fresh
