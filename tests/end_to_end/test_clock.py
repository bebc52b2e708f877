"""A clock that jumps between runs makes nothing wait longer than it was meant to."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from conftest import END, World, call

from tgt.outcome import RunReport, SkipReason
from tgt.tasks.card import format_time, parse_time
from tgt.tasks.state import Health, Pause

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TOOLS = 6


def _telemetry(world: World, now: datetime, tools: range = range(TOOLS)) -> None:
    """Undocumented tools around this time: one card each."""
    shift = (END - now) / MINUTE
    for tool in tools:
        calls = (
            call(shift + 5 + n, f"{now}{n % 5}", f"tool{tool}", id=f"{now}/{tool}/{n}")
            for n in range(25)
        )
        path = world.write(*calls, name=f"at-{now:%Y%m%dT%H%M}.jsonl")
        os.utime(path, (now.timestamp(), now.timestamp()))


def _run(world: World, now: datetime, **changes: Any) -> RunReport:
    return world.run(now, **{"baseline_days": 1, "analyzers": "docs_gap", **changes})


def test_the_quota_frees_itself_within_an_hour_of_any_clock(world: World) -> None:
    """Saves of the future (the clock was ahead) do not count; those of the past end by themselves.

    The clock runs ahead by a year, is set back, and goes on.
    """
    times = (END + 365 * DAY, END, END + 30 * MINUTE, END + 61 * MINUTE)
    tools = iter((range(2), range(2, 4), range(4, 6), range(4, 6)))
    saved = []
    for now in times:
        _telemetry(world, now, next(tools))
        report = _run(world, now, max_per_hour=2)
        saved.append((report.saved, report.deferred))
    assert saved == [(2, 0), (2, 0), (0, 2), (2, 0)]


@pytest.mark.parametrize("jump", [-365 * DAY, -2 * HOUR, -MINUTE, HOUR, 365 * DAY])
def test_a_pause_never_lasts_longer_than_it_was_meant_to(world: World, jump: timedelta) -> None:
    length = 2 * HOUR
    world.sidecar.update(lambda state: replace(state, pause=Pause(END + length, "deploy", END)))
    paused = 0
    for minutes in range(0, 360, 15):
        now = END + jump + minutes * MINUTE
        if _run_in_an_empty_world(world, now).skipped is SkipReason.PAUSED:
            paused += 15
    assert paused <= length / MINUTE
    assert _run_in_an_empty_world(world, END + jump + 360 * MINUTE).skipped is SkipReason.NO_EVENTS


def _run_in_an_empty_world(world: World, now: datetime) -> RunReport:
    world.logs.mkdir(exist_ok=True)
    return _run(world, now)


def test_a_pause_whose_clock_was_set_back_again_and_again_moves_each_time(world: World) -> None:
    world.sidecar.update(lambda state: replace(state, pause=Pause(END + HOUR, "", END)))
    for days in range(1, 4):
        now = END - days * DAY
        assert _run_in_an_empty_world(world, now).skipped is SkipReason.PAUSED
        assert world.sidecar.read(())[0].pause == Pause(now + HOUR, "", now)
        assert _run_in_an_empty_world(world, now + HOUR).skipped is SkipReason.NO_EVENTS
        world.sidecar.update(lambda state: replace(state, pause=Pause(END + HOUR, "", END)))


def test_a_dry_run_moves_no_pause(world: World) -> None:
    world.sidecar.update(lambda state: replace(state, pause=Pause(END + HOUR, "", END)))
    before = world.tree()
    assert world.run(END - DAY, dry_run=True).skipped is SkipReason.PAUSED
    assert world.tree() == before


def test_a_pause_that_is_over_is_forgotten(world: World) -> None:
    """Or a clock that is set back later would begin it again."""
    world.sidecar.update(lambda state: replace(state, pause=Pause(END - HOUR, "", END - DAY)))
    assert _run_in_an_empty_world(world, END).skipped is SkipReason.NO_EVENTS
    assert world.sidecar.read(())[0].pause is None
    assert _run_in_an_empty_world(world, END - 2 * DAY).skipped is SkipReason.NO_EVENTS


def test_an_endless_pause_stays_whatever_the_clock_says(world: World) -> None:
    world.sidecar.update(lambda state: replace(state, pause=Pause(None, "", END)))
    for jump in (-365 * DAY, 0 * DAY, 365 * DAY):
        assert _run_in_an_empty_world(world, END + jump).skipped is SkipReason.PAUSED


@pytest.mark.parametrize(
    ("jump", "is_tried"), [(-30 * DAY, True), (30 * DAY, True), (MINUTE, False)]
)
def test_an_analyzer_that_failed_is_tried_again_when_its_wait_makes_no_sense(
    world: World, jump: timedelta, is_tried: bool
) -> None:
    failed = Health(3, END + HOUR, "boom")
    world.sidecar.update(lambda state: replace(state, analyzers={"docs_gap": failed}))
    now = END + jump
    _telemetry(world, now)
    report = _run(world, now)
    assert (report.saved == TOOLS) is is_tried
    assert ("docs_gap" in world.sidecar.read(())[0].analyzers) is not is_tried


def test_a_dismissal_with_an_end_and_a_clock_set_back_stays_quiet_and_loses_nothing(
    world: World,
) -> None:
    _telemetry(world, END, range(1))
    assert _run(world, END).saved == 1
    _telemetry(world, END - 3 * HOUR, range(1))
    report = _run(world, END - 3 * HOUR)
    assert (report.saved, report.covered) == (0, 1)
    assert len(world.cards) == 1


def test_whatever_order_the_clocks_come_in_one_problem_is_one_card(world: World) -> None:
    jumps = (0, 5, -600, 1, 10_000, -10_000, 2)
    for minutes in jumps:
        now = END + minutes * MINUTE
        _telemetry(world, now, range(1))
        assert _run(world, now).warnings == ()
    assert len(world.cards) == 1
    state, problems = world.sidecar.read(())
    assert problems == ()
    assert state.total_runs == len(jumps)
    assert state.last_run_at == END + jumps[-1] * MINUTE


@pytest.mark.parametrize(
    "now",
    [
        datetime(2000, 1, 1, tzinfo=timezone.utc),
        datetime(2199, 12, 31, 23, 59, tzinfo=timezone.utc),
        datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=14))),
        datetime(2025, 3, 30, 2, 30, tzinfo=timezone(-timedelta(hours=11, minutes=30))),
    ],
)
def test_any_year_and_any_zone_will_do(world: World, now: datetime) -> None:
    _telemetry(world, now)
    assert _run(world, now).saved == TOOLS


def test_stamps_do_not_depend_on_the_zone_of_the_machine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = []
    for zone in ("UTC", "America/New_York", "Asia/Kathmandu"):
        monkeypatch.setenv("TZ", zone)
        inside = World(world.path / zone.replace("/", "-"))
        (inside.path / "docs").mkdir(parents=True)
        _telemetry(inside, END, range(1))
        assert _run(inside, END).saved == 1
        stamps.append((inside.card().text("savedAt"), inside.card().text("evidence")))
    assert all(one == two for one, two in pairwise(stamps))


@pytest.mark.parametrize("year", [1, 476, 1970, 2025, 9999])
def test_a_time_of_any_year_is_read_as_it_was_written(year: int) -> None:
    moment = datetime(year, 11, 3, 4, 5, 6, 789_000, tzinfo=timezone.utc)
    assert format_time(moment) == f"{year:04}-11-03T04:05:06.789Z"
    assert parse_time(format_time(moment)) == moment
