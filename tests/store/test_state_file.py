"""Promises of the sidecar: it is never trusted, never fatal, and no clock makes it jam."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgt.errors import StoreError
from tgt.store.journal import Journal
from tgt.store.state_file import FILE_NAME, Sidecar
from tgt.tasks.card import Card, format_time
from tgt.tasks.quota import Save
from tgt.tasks.state import Health, Pause, SchedulerState, Sighting
from tgt.tasks.verification import Watch

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CARDS = [
    Card({"id": "B", "generatedAt": format_time(NOW)}),
    Card({"id": "A", "savedAt": format_time(NOW - HOUR)}),
    Card({"id": "C", "generatedAt": "some day"}),
]
REBUILT = SchedulerState(saves=(Save("A", NOW - HOUR), Save("B", NOW)))
RELATED = ({"id": "B", "relation": "first", "overlap": 0.5},)
FULL = SchedulerState(
    total_runs=42,
    total_generated=210,
    total_saved=85,
    errors=2,
    last_run_duration_ms=1247,
    last_run_at=NOW,
    last_error="cannot read the logs",
    last_event_at=NOW - HOUR,
    runs_without_events=3,
    deferred=18,
    muted=4,
    saves=(Save("A", NOW - MINUTE, "docs_gap"), Save("B", NOW)),
    analyzers={"error_spike": Health(2, NOW + HOUR, "boom"), "ux_issue": Health()},
    pause=Pause(NOW + HOUR, "deploy", NOW),
    sightings={"A": Sighting(7, NOW, {"value": 0.4, "history": [None, 0.4]}, RELATED)},
    watches={"A": Watch(NOW - HOUR, NOW, {"state": "too_early"}), "B": Watch()},
    abstentions={"performance": 3},
    extra={"custom": {"x": [1]}},
)


def stored(tasks_dir: Path, **changes: Any) -> Sidecar:
    """The sidecar of FULL with these keys of its JSON changed."""
    sidecar = Sidecar(tasks_dir)
    sidecar.update(lambda _state: FULL)
    if changes:
        data = json.loads(sidecar.path.read_text())
        sidecar.path.write_text(json.dumps({**data, **changes}))
    return sidecar


def test_what_is_stored_is_read_again_also_the_keys_of_others(tmp_path: Path) -> None:
    sidecar = stored(tmp_path)
    assert sidecar.read([]) == (FULL, ())
    assert json.loads(sidecar.path.read_text()) == {
        "version": 1,
        "totalRuns": 42,
        "totalTasksGenerated": 210,
        "totalTasksSaved": 85,
        "lastRunDuration": 1247,
        "errors": 2,
        "lastRunAt": "2025-11-03T12:00:00.000Z",
        "lastError": "cannot read the logs",
        "lastEventAt": "2025-11-03T11:00:00.000Z",
        "runsWithoutEvents": 3,
        "deferred": 18,
        "muted": 4,
        "recentSaves": [
            {"id": "A", "at": "2025-11-03T11:59:00.000Z", "analyzer": "docs_gap"},
            {"id": "B", "at": "2025-11-03T12:00:00.000Z", "analyzer": ""},
        ],
        "analyzers": {
            "error_spike": {
                "consecutiveFailures": 2,
                "retryAt": "2025-11-03T13:00:00.000Z",
                "lastError": "boom",
            },
            "ux_issue": {"consecutiveFailures": 0, "retryAt": None, "lastError": ""},
        },
        "pause": {
            "until": "2025-11-03T13:00:00.000Z",
            "reason": "deploy",
            "since": "2025-11-03T12:00:00.000Z",
        },
        "sightings": {
            "A": {
                "occurrences": 7,
                "lastSeenAt": "2025-11-03T12:00:00.000Z",
                "now": {"value": 0.4, "history": [None, 0.4]},
                "related": [{"id": "B", "relation": "first", "overlap": 0.5}],
            }
        },
        "watches": {
            "A": {
                "quietSince": "2025-11-03T11:00:00.000Z",
                "since": "2025-11-03T12:00:00.000Z",
                "verification": {"state": "too_early"},
            },
            "B": {"quietSince": None, "since": None, "verification": None},
        },
        "abstentions": {"performance": 3},
        "custom": {"x": [1]},
    }


def test_an_absent_sidecar_is_rebuilt_from_the_cards_without_writing(tmp_path: Path) -> None:
    assert Sidecar(tmp_path / "tasks").read(CARDS) == (REBUILT, ())
    assert list(tmp_path.iterdir()) == []


def test_an_update_sees_the_state_as_of_the_lock_and_writes_only_a_change(tmp_path: Path) -> None:
    sidecar = stored(tmp_path)
    new = sidecar.update(lambda state: replace(state, total_runs=state.total_runs + 1))
    assert new.total_runs == 43
    assert sidecar.read([])[0] == new
    before = sidecar.path.stat()
    sidecar.update(lambda state: state)
    assert sidecar.path.stat().st_ino == before.st_ino
    assert sorted(path.name for path in tmp_path.iterdir()) == [".write.lock", FILE_NAME]


def put(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


DAMAGED: dict[str, Callable[[Path], object]] = {
    "empty": put(b""),
    "torn": put(b'{"version":1,"totalRuns":4'),
    "binary": put(b"\xff\xfe\0\0"),
    "a list": put(b"[]"),
    "deep": put(b'{"a":' + b"[" * 200_000),
    "NaN": put(b'{"version":1,"totalRuns":NaN}'),
    "a newer version": put(b'{"version":2,"totalRuns":4}'),
    "a version that is none": put(b'{"version":{"a":1},"totalRuns":4}'),
    "17 MB": put(b'{"a":"' + b"x" * (17 << 20) + b'"}'),
    "a directory": Path.mkdir,
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to("elsewhere"),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_sidecar_is_described_rebuilt_and_set_aside(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    with Journal(tmp_path).writing() as writer:
        writer.append(CARDS)
    sidecar = Sidecar(tmp_path)
    damage(sidecar.path)
    state, warnings = sidecar.read(CARDS)
    assert state == REBUILT
    assert len(warnings) == 1
    assert FILE_NAME in warnings[0]
    assert not list(tmp_path.glob("*.damaged-*")), "reading changes nothing"

    assert sidecar.update(lambda old: replace(old, total_runs=1)) == replace(REBUILT, total_runs=1)
    assert sidecar.read([]) == (replace(REBUILT, total_runs=1), ())
    assert [path.name for path in tmp_path.glob("*.damaged-*")] == [f"{FILE_NAME}.damaged-1"]


BAD_FIELDS: list[tuple[str, Any, dict[str, Any]]] = [
    ("totalRuns", -1, {"total_runs": 0}),
    ("totalRuns", "42", {"total_runs": 0}),
    ("totalRuns", True, {"total_runs": 0}),
    ("totalTasksSaved", 1e300, {"total_saved": 0}),
    ("errors", [], {"errors": 0}),
    ("lastRunAt", "9999-12-31T23:59:59.999Z", {"last_run_at": None}),
    ("lastRunAt", "0001-01-01T00:00:00.000+23:00", {"last_run_at": None}),
    ("lastRunAt", 1762171200, {"last_run_at": None}),
    ("recentSaves", {"A": 1}, {"saves": ()}),
    ("recentSaves", [{"id": 7, "at": "2025-11-03T12:00:00.000Z"}], {"saves": ()}),
    ("recentSaves", [None, "A"], {"saves": ()}),
    ("analyzers", "fine", {"analyzers": {}}),
    ("analyzers", {"ux_issue": None, "a": {"consecutiveFailures": -3}}, {"analyzers": {}}),
    ("pause", True, {"pause": None}),
    ("pause", {"until": "soon", "since": "2025-11-03T12:00:00.000Z"}, {"pause": None}),
    ("sightings", {"A": {"occurrences": "7"}}, {"sightings": {}}),
    ("abstentions", {"performance": "3"}, {"abstentions": {}}),
    ("lastError", {"text": "x"}, {"last_error": ""}),
    ("lastEventAt", "1970-01-01T00:00:00.000Z", {"last_event_at": None}),
    ("runsWithoutEvents", -1, {"runs_without_events": 0}),
]


@pytest.mark.parametrize(("key", "value", "expected"), BAD_FIELDS)
def test_the_good_fields_survive_a_bad_one(
    tmp_path: Path, key: str, value: Any, expected: dict[str, Any]
) -> None:
    sidecar = stored(tmp_path, **{key: value})
    state, warnings = sidecar.read([])
    assert state == replace(FULL, **expected)
    assert len(warnings) == 1
    assert key in warnings[0]
    sidecar.update(lambda old: old)
    assert sidecar.read([]) == (state, ())
    assert list(tmp_path.glob("*.damaged-1")), "what was left out can still be looked at"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["version", "totalRuns", "lastRunAt", "recentSaves", "analyzers", "pause", "sightings", "x"]
)


@settings(max_examples=60)
@given(data=st.dictionaries(KEYS, JSON))
def test_no_json_object_breaks_reading_or_the_next_update(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    sidecar = Sidecar(tmp_path_factory.mktemp("tasks"))
    sidecar.path.write_text(json.dumps(data))
    sidecar.read(CARDS)
    new = sidecar.update(lambda state: replace(state, errors=5))
    assert sidecar.read([]) == (new, ())


def test_a_sidecar_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot create the directory"):
        Sidecar(tmp_path / "file" / "tasks").update(lambda state: state)
    state, warnings = Sidecar(tmp_path / "file" / "tasks").read([])
    assert state == SchedulerState()
    assert len(warnings) == 1


@pytest.mark.parametrize("analyzer", [{}, {"analyzer": None}, {"analyzer": 7}, {"analyzer": ""}])
def test_a_save_without_its_analyzer_counts_as_before(
    tmp_path: Path, analyzer: dict[str, Any]
) -> None:
    row = {"id": "A", "at": "2025-11-03T12:00:00.000Z", **analyzer}
    state, warnings = stored(tmp_path, recentSaves=[row]).read([])
    assert (state.saves, warnings) == ((Save("A", NOW),), ())
