"""Where a window has no events, the run says which older ones there are and what shows them."""

from __future__ import annotations

import os
import shlex
from datetime import datetime, timedelta, timezone

import pytest
from conftest import END, NOW, Workplace, World, before, call

from tgt.durations import spelt
from tgt.lookback import Older, no_events
from tgt.outcome import SkipReason

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (timedelta(seconds=20), "1m"),
        (59 * MINUTE, "59m"),
        (61 * MINUTE, "2h"),
        (47 * HOUR, "47h"),
        (49 * HOUR, "3d"),
        (7 * DAY, "7d"),
    ],
)
def test_a_length_is_spelt_as_options_take_it(length: timedelta, told: str) -> None:
    assert spelt(length) == told


@pytest.mark.parametrize(
    ("older", "told"),
    [
        (
            Older(),
            "no events in the last 60 minutes, nor before: tgt doctor and tgt sources say why",
        ),
        (
            Older(1, END - 2 * HOUR),
            "one older, of 2h ago (2025-11-03T14:00:00.000Z): tgt run --window 3h shows it",
        ),
        (Older(1246, END - 20 * DAY), "1,246 older, the newest of 20d ago"),
        (Older(1246, END - 20 * DAY), "tgt run --now 2025-10-14T16:01Z shows it"),
        (Older(0, END - 40 * DAY), "all are older, the newest of 40d ago"),
        (Older(0, END - 40 * DAY, files=3), "the newest of 3 files was written 40d ago"),
    ],
)
def test_the_line_says_how_many_when_and_how(older: Older, told: str) -> None:
    assert told in no_events(60, older, END)


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(1, "minute,"), (2, "2 minutes,"), (1439, "1439 minutes,"), (1440, "24h,")],
)
def test_the_line_names_the_length_of_the_window(minutes: int, told: str) -> None:
    assert no_events(minutes, Older(), END).startswith(f"Skipped: no events in the last {told}")


@pytest.mark.parametrize("hours", [1.5, 5, 30, 100, 165])
def test_the_command_that_is_named_shows_events(workplace: Workplace, hours: float) -> None:
    logs = workplace.path / ".forgekeeper/context_log"
    logs.mkdir(parents=True)
    world = World(workplace.path / ".forgekeeper")
    world.write(*(call(60 * hours + n, f"c{n}") for n in range(30)))
    at = END.timestamp() - 3600 * hours
    os.utime(logs / "telemetry.jsonl", (at, at))
    told = workplace.tgt("run", "--json", "--now", NOW).json
    assert told["result"]["reason"] == "no_events"
    assert told["result"]["olderEvents"] == 30
    assert told["result"]["lastEventAt"] == before(60 * hours).replace("+00:00", "Z")
    tried = shlex.split(told["result"]["tryCommand"])[1:]
    assert told["message"].endswith(f"{shlex.join(['tgt', *tried])} shows it")
    again = workplace.tgt(*tried, "--json", *([] if "--now" in tried else ["--now", NOW])).json
    assert again["result"]["eventsAnalyzed"] > 0


def test_files_that_are_too_old_to_be_read_are_told_too(world: World) -> None:
    path = world.write(call(60 * 24 * 40, "c"))
    at = (END - 40 * DAY).timestamp()
    os.utime(path, (at, at))
    report = world.run()
    assert report.skipped is SkipReason.NO_EVENTS
    assert "the only file was written 40d ago" in report.message
    assert report.instead == "tgt run --now 2025-09-24T16:01Z"
    assert world.run(datetime(2025, 9, 24, 16, 1, tzinfo=timezone.utc)).events_analyzed == 1


def test_runs_without_events_leave_a_trace(world: World) -> None:
    world.write(call(30, "c1"))
    assert world.run().events_analyzed == 1
    state = world.sidecar.read(())[0]
    assert (state.runs_without_events, state.last_event_at) == (0, END - 30 * MINUTE)
    for number in range(2):
        world.run(END + 2 * HOUR)
        state = world.sidecar.read(())[0]
        assert (state.runs_without_events, state.last_event_at) == (number + 1, END - 30 * MINUTE)
    world.write(call(-150, "c2"))
    world.run(END + 3 * HOUR)
    state = world.sidecar.read(())[0]
    assert (state.runs_without_events, state.last_event_at) == (0, END + 150 * MINUTE)


def test_a_failed_run_leaves_its_reason_until_one_succeeds(workplace: Workplace) -> None:
    assert workplace.tgt("run", "--now", NOW).status == 1
    told = workplace.tgt("stats", "--json", "--now", NOW).json["stats"]
    assert told["lastError"].startswith("cannot read the telemetry directory .forgekeeper")
    (workplace.path / ".forgekeeper/context_log").mkdir()
    assert workplace.tgt("run", "--now", NOW).status == 0
    told = workplace.tgt("stats", "--json", "--now", NOW).json["stats"]
    assert (told["lastError"], told["runsWithoutEvents"]) == (None, 1)


def test_events_that_are_too_old_to_be_kept_are_told_too(workplace: Workplace) -> None:
    """In files that were copied today, as an archive is."""
    (workplace.path / ".forgekeeper/context_log").mkdir(parents=True)
    World(workplace.path / ".forgekeeper").write(
        *(call(60 * 24 * 40 + n, f"c{n}") for n in range(9))
    )
    for _ in range(2):
        told = workplace.tgt("run", "--json", "--now", NOW).json
        assert "all are older, the newest of 40d ago" in told["message"]
        tried = shlex.split(told["result"]["tryCommand"])[1:]
    assert workplace.tgt(*tried, "--json").json["result"]["eventsAnalyzed"] > 0
    report = workplace.tgt("report", "--now", NOW)
    assert "tgt report --now 2025-09-24T16:01Z" in " ".join(report.out.split())
    again = workplace.tgt("report", "--json", "--now", "2025-09-24T16:01Z").json["report"]
    assert again["events"] == 9
