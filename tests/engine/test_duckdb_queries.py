"""What the engine answers, against plain Python over the same lines; and when it may see what."""

from __future__ import annotations

import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import END, Line, Loaded, World, before, call, response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tgt.engine.duckdb import queries as duckdb_engine
from tgt.engine.duckdb.queries import DuckDBEngine, Workspace
from tgt.engine.protocol import Measure, Signal, Tally
from tgt.events import HOUR_US, Interval, to_us
from tgt.sources.contextlog import ContextLog
from tgt.stats import distributions as histogram

Load = Callable[..., Loaded]
FAILURES = Signal("failures", Measure.EVENTS, Measure.ERRORS)
CUTS = Signal("cuts", Measure.ENDS, Measure.CUTS)
ABORTS = Signal("aborts", Measure.FINISHED, Measure.ABORTED)


@dataclass(frozen=True)
class Happening:
    """One event of a random world: seconds before END, and what it is."""

    age: int
    conv: int
    tool: str
    failed: bool
    ms: int

    @property
    def line(self) -> Line:
        conv = f"c{self.conv}" if self.conv else None
        status = "error" if self.failed else "ok"
        return call(self.age / 60, conv, self.tool, status=status, elapsed_ms=self.ms)

    @property
    def us(self) -> int:
        return to_us(END - timedelta(seconds=self.age))


HAPPENINGS = st.lists(
    st.builds(
        Happening,
        age=st.one_of(st.integers(0, 3601), st.integers(0, 5 * 3600), st.sampled_from([0, 3600])),
        conv=st.integers(0, 4),
        tool=st.sampled_from(["a", "b"]),
        failed=st.booleans(),
        ms=st.integers(1, 100_000),
    ),
    min_size=1,
    max_size=40,
)
WINDOW = Interval(END - timedelta(hours=1), END)


def _tally(events: Sequence[Happening]) -> tuple[int, ...]:
    """n, k, units, bad units, bad conversations, loose."""
    units: dict[int, list[Happening]] = defaultdict(list)
    for event in events:
        if event.conv:
            units[event.conv].append(event)
    bad = sum(any(e.failed for e in unit) for unit in units.values())
    loose = sum(not e.conv for e in events)
    return (
        *(len(events), sum(e.failed for e in events), len(units), bad),
        *(bad, loose),
    )


def _told(tally: Tally) -> tuple[int, ...]:
    return (
        *(tally.n, tally.k, tally.units, tally.bad_units),
        *(tally.bad_conversations, tally.loose_n),
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HAPPENINGS)
def test_counts_are_exact_and_quantiles_within_two_percent(happenings: list[Happening]) -> None:
    with tempfile.TemporaryDirectory() as directory, DuckDBEngine(Workspace()) as engine:
        world = World(Path(directory))
        world.write(*(happening.line for happening in happenings))
        engine.read([ContextLog(world.logs)], WINDOW, WINDOW, timedelta(days=7))
        telemetry = engine.at(WINDOW, timedelta(days=7))
        inside = [h for h in happenings if 0 <= h.age < 3600]
        assert telemetry.events == len(inside)
        assert telemetry.malformed_lines == 0

        readings = {r.subject: r for r in engine.shares(FAILURES, WINDOW, 0)}
        for tool in ("a", "b"):
            used = [h for h in inside if h.tool == tool]
            reading = readings.get(f"tool_call/{tool}")
            assert (reading is not None) == bool(used)
            if reading is None:
                continue
            assert _told(reading.now) == _tally(used)
            breadth = engine.breadth(FAILURES, reading.subject, WINDOW)
            assert breadth == len({h.conv for h in used if h.conv})
            old = [h for h in happenings if h.age >= 3600 and h.tool == tool]
            by_hour = defaultdict(list)
            for event in old:
                by_hour[event.us // HOUR_US].append(event)
            last = to_us(WINDOW.start) // HOUR_US
            history = {hour: tally.n for hour, tally in reading.history.items()}
            assert history == {h: len(es) for h, es in by_hour.items() if h < last}

        for latency in engine.latencies(WINDOW, 1):
            fine = sorted(
                h.ms for h in inside if not h.failed and f"tool_call/{h.tool}" == latency.subject
            )
            assert histogram.size(latency.now) == len(fine)
            exact = fine[math.ceil(0.95 * len(fine) - 1e-9) - 1]
            told = histogram.quantile(latency.now, 0.95)
            assert told == pytest.approx(exact, rel=0.02)
            slow = sum(ms > exact for ms in fine)
            assert engine.slower_than(latency.subject, WINDOW, exact).k <= slow

        usage = {use.name: (use.calls, use.conversations) for use in engine.usage(WINDOW)}
        assert usage == {
            tool: (len(of_tool), len({h.conv for h in of_tool if h.conv}))
            for tool in ("a", "b")
            if (of_tool := [h for h in inside if h.tool == tool])
        }


@pytest.mark.parametrize(
    ("minutes", "is_inside", "why"),
    [
        (0, True, "the end belongs to the window"),
        (59.999, True, "just inside"),
        (60, False, "the start does not"),
        (-0.001, False, "the future"),
        (-60 * 24 * 365, False, "the far future"),
    ],
)
def test_the_bounds_of_the_window(
    world: World, load: Load, minutes: float, is_inside: bool, why: str
) -> None:
    world.write(call(minutes))
    assert load().engine.telemetry.events == int(is_inside)


def test_the_window_is_no_part_of_its_own_history(world: World, load: Load) -> None:
    world.write(*(call(m, f"c{m}") for m in range(0, 300, 5)))
    read = load(END - timedelta(minutes=20))
    (reading,) = read.engine.shares(FAILURES, read.window, 0)
    hours = {us // HOUR_US for us in (to_us(read.window.start), to_us(read.window.end))}
    assert not hours & set(reading.history)
    assert sum(tally.n for tally in reading.history.values()) == 35
    assert reading.now.n == 12


def test_only_hours_with_telemetry_are_observed(world: World, load: Load) -> None:
    world.write(call(90), call(60 * 30 + 20), call(60 * 30 + 30), call(60 * 24 * 8))
    assert len(load().engine.telemetry.hours_observed) == 2


@pytest.mark.parametrize("many", [duckdb_engine._MANY_BAD, 20])
@pytest.mark.parametrize("hours", [2, 6, 24])
def test_a_longer_window_counts_what_a_whole_reading_counts(
    world: World, load: Load, hours: int, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows longer than the run's are made of the counts by the hour; of many conversations a
    part at a time."""
    monkeypatch.setattr(duckdb_engine, "_MANY_BAD", many)
    world.write(*(call(m + 0.5, f"c{m // 7}", status=["ok", "error"][m % 2]) for m in range(1500)))
    read = load()
    longer = Interval(END - timedelta(hours=hours), END)
    (reading,) = read.engine.shares(FAILURES, longer, 1)
    assert (reading.now.n, reading.now.k) == (60 * hours, 30 * hours)
    used = {m // 7 for m in range(60 * hours)}
    assert read.engine.breadth(FAILURES, reading.subject, longer) == len(used)
    failed = {m // 7 for m in range(60 * hours) if m % 2}
    assert reading.now.bad_conversations == len(failed)


def _answers(read: Loaded) -> Any:
    """All that the engine says, in a form that can be compared."""
    engine, window = read.engine, read.window
    longer = Interval(window.end - timedelta(hours=6), window.end)
    telemetry = engine.telemetry
    return (
        (telemetry.events, telemetry.malformed_lines, sorted(telemetry.hours_observed)),
        [engine.shares(signal, w, 0) for signal in (FAILURES, CUTS) for w in (window, longer)],
        [engine.latencies(w, 1) for w in (window, longer)],
        [engine.latency_history(f"tool_call/{tool}", window) for tool in "ab"],
        [engine.conversations(ABORTS, window), engine.traffic(longer), engine.usage(window)],
        [
            engine.samples(subject, Measure.EVENTS, window, 5)
            for subject in ("tool_call/a", "tool_call/b", "assistant_response")
        ],
    )


def _traffic(world: World, start: int, end: int, seed: int = 1) -> None:
    """Minutes [start, end) before END of a busy service, in files by the hour, in any order."""
    chance = random.Random(seed)
    for minute in range(start, end):
        at = END - timedelta(minutes=minute)
        name = f"ctx-{at:%Y%m%d-%H}.jsonl"
        conv = f"c{minute // 9}"
        status = "error" if chance.random() < 0.1 else "ok"
        trace = {"trace_id": f"t{minute}", "conv_id": conv, "name": chance.choice("ab")}
        lines = [
            {"ts": before(minute - 0.1), "act": "tool_execution_start", **trace},
            {"ts": before(minute - 0.3), "act": "tool_execution_finish", **trace},
            {"ts": before(minute - 0.4), "act": "tool_call", "status": status, **trace},
            response(minute - 0.5, conv, chance.choice(["stop", "stop", "length"])),
        ]
        chance.shuffle(lines)
        world.write(*lines, name=name)


def test_the_same_files_give_the_same_answers(world: World, load: Load) -> None:
    """Threads take the files in any order; nothing may depend on it."""
    _traffic(world, 0, 300)
    world.write(*(call(5, "same", "a") for _ in range(50)), "torn", name="more.jsonl")
    first = _answers(load())
    for _ in range(3):
        assert _answers(load()) == first


def test_what_was_kept_from_earlier_runs_changes_no_answer(
    world: World, load: Load, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    _traffic(world, 300, 600)
    for end in (END - timedelta(hours=5), END - timedelta(hours=4, minutes=45)):
        assert _answers(load(end, cache=cache)) == _answers(load(end)), "nothing new"
    _traffic(world, 200, 300, seed=2)
    for minutes in (195, 120):
        end = END - timedelta(minutes=minutes)
        assert _answers(load(end, cache=cache)) == _answers(load(end)), "as time goes by"
    _traffic(world, 0, 200, seed=3)
    world.write(call(450, "late", "a", status="error"), name="late.jsonl")
    assert _answers(load(cache=cache)) == _answers(load()), "an event that came late"
    next(world.logs.glob("ctx-*-08.jsonl")).unlink()
    assert _answers(load(cache=cache)) == _answers(load()), "a file that is gone"
    earlier = END - timedelta(hours=3)
    assert _answers(load(earlier, cache=cache)) == _answers(load(earlier)), "a look back"
    assert _answers(load(days=1, cache=cache)) == _answers(load(days=1)), "another baseline"
    assert _answers(load(cache=cache)) == _answers(load())


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "directory", "gone"])
def test_a_damaged_cache_is_rebuilt(world: World, load: Load, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    _traffic(world, 0, 200)
    expected = _answers(load(cache=cache))
    load(END, cache=None)
    (file,) = [path for path in cache.iterdir() if path.suffix == ".duckdb"]
    data = file.read_bytes()
    file.unlink()
    for other in cache.iterdir():
        other.unlink()
    if damage == "directory":
        file.mkdir()
    elif damage != "gone":
        file.write_bytes(
            {"empty": b"", "garbage": b"x" * 60, "truncated": data[: len(data) // 2]}[damage]
        )
    assert _answers(load(cache=cache)) == expected


def test_samples_are_the_newest_of_as_many_conversations_as_possible(
    world: World, load: Load
) -> None:
    world.write(*(call(m, "chatty", id=f"a{m}") for m in range(1, 10)))
    world.write(call(20, "quiet", id="b"), call(30, "old", id="c"), call(40, "older", id="d"))
    read = load()
    samples = read.engine.samples("tool_call/read_file", Measure.EVENTS, read.window, 3)
    assert [sample.id for sample in samples] == ["a1", "b", "c"]
    assert samples[0].at == END - timedelta(minutes=1)
    assert samples[0].conv_id == "chatty"


def test_the_centre_of_a_problem_is_the_median_time_of_what_counts(
    world: World, load: Load
) -> None:
    world.write(*(call(m, f"c{m}", status="error") for m in (10, 20, 50)), call(1, "c"))
    read = load()
    assert read.engine.centre("tool_call/read_file", Measure.ERRORS, read.window) == to_us(
        END - timedelta(minutes=20)
    )
    assert read.engine.centre("tool_call/other", Measure.ERRORS, read.window) is None


HOSTILE = [
    "'; DROP TABLE events; --",
    "$start",
    "%s {}",
    "a/b/../c",
    "\x1b[2J",
    "漢🧨\u202e",
    "x" * 60,
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_from_telemetry_are_values_and_nothing_else(
    world: World, load: Load, name: str
) -> None:
    world.write(*(call(m, name, name, id=f"{m}{name}", status="error") for m in range(1, 9)))
    read = load()
    subject = f"tool_call/{name}"
    (reading,) = read.engine.shares(FAILURES, read.window, 1)
    assert (reading.subject, reading.now.n) == (subject, 8)
    (sample, *_) = read.engine.samples(subject, Measure.ERRORS, read.window, 3)
    assert (sample.id, sample.conv_id) == (f"1{name}", name)
    assert [use.name for use in read.engine.usage(read.window)] == [name]


def test_an_empty_directory_has_no_answers_but_no_failure(world: World, load: Load) -> None:
    world.logs.mkdir()
    read = load()
    assert read.engine.telemetry.events == 0
    assert read.engine.shares(FAILURES, read.window, 0) == ()
    assert read.engine.conversations(ABORTS, read.window).now == Tally()
    assert read.engine.traffic(read.window).now == Tally()
    assert read.engine.latencies(read.window, 1) == ()
    assert read.engine.usage(read.window) == ()


def test_telemetry_that_tells_no_outcome_at_all_can_still_be_asked(
    world: World, load: Load
) -> None:
    """The only ContextLog that is public has a status on none of its lines."""
    lines = [{"ts": before(m), "act": "recommendation_generated", "conv_id": "c"} for m in (40, 30)]
    world.write(*lines, {"ts": before(25), "act": "tool_call", "name": "x", "conv_id": "c"})
    read = load()
    for signal in (FAILURES, CUTS):
        for reading in read.engine.shares(signal, read.window, 0):
            assert reading.now.k == 0
    for counted in (Measure.ABORTED, Measure.WAITED, Measure.ERROR_HEAVY):
        now = read.engine.conversations(Signal("s", Measure.FINISHED, counted), read.window).now
        assert (now.n, now.k) == (1, int(counted is Measure.ABORTED))


def test_the_time_zone_of_the_machine_means_nothing(
    world: World, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    naive: datetime = (END - timedelta(minutes=5)).replace(tzinfo=None)
    world.write(call(5, ts=naive.isoformat()))
    assert load().engine.telemetry.events == 1
