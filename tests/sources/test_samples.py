"""Real ContextLog files, where they are at hand: they are not part of this repository."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import World

SAMPLES = Path(__file__).parents[3] / "shared" / "telemetry-samples" / "contextlog"

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not at hand")

FILES = {
    "ctx-20251216-02.jsonl": "the first layout: act and ts, no status on any line",
    "pyv2-events.jsonl": "the layout in Python: t_utc_iso, role and stream",
    "v2-context-log-all.jsonl": "the second layout: action, timestamp in ms, sessionId",
}


def _times(lines: list[str]) -> list[datetime]:
    found = []
    for line in lines:
        event = json.loads(line)
        at = event.get("ts") or event.get("t_utc_iso") or event["timestamp"]
        if isinstance(at, str):
            found.append(datetime.fromisoformat(at))
        else:
            found.append(datetime.fromtimestamp(at / 1000, timezone.utc))
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_line_of_a_real_file_is_an_event(world: World, name: str) -> None:
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
    world.write(*lines, name=name)
    times = _times(lines)
    end = max(times) + timedelta(seconds=1)
    minutes = int((end - min(times)).total_seconds() / 60) + 2
    report = world.run(end, window_min=min(minutes, 10_080))
    assert (report.malformed_lines, report.warnings) == (0, ())
    inside = sum(at > end - timedelta(minutes=min(minutes, 10_080)) for at in times)
    assert report.events_analyzed == inside > 0


def test_all_layouts_may_lie_in_one_directory(world: World) -> None:
    total = 0
    for name in FILES:
        lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
        total += len(lines)
        world.write(*lines, name="all.jsonl")
    report = world.run(datetime(2026, 2, 1, 8, tzinfo=timezone.utc), baseline_days=90)
    assert (report.malformed_lines, report.warnings) == (0, ())
    assert total > 1000
