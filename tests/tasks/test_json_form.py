"""Values of tgt become JSON in one way, whatever document they stand in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tgt.tasks.card import Severity
from tgt.tasks.json_form import camel_case, json_form


@dataclass(frozen=True)
class Inner:
    last_seen_at: datetime | None
    severity: Severity = Severity.HIGH


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    took: timedelta
    average_priority: float
    hidden: int = 1


def test_names_are_camel_case() -> None:
    assert [*map(camel_case, ("id", "last_run_at", "p95_ms"))] == ["id", "lastRunAt", "p95Ms"]


def test_a_value_in_a_value_keeps_nothing_of_python() -> None:
    now = datetime(2025, 11, 3, 17, tzinfo=timezone(timedelta(hours=1)))
    value = Outer((Inner(now), Inner(None)), timedelta(seconds=1.5), 0.5)
    assert json_form({"snake_case": value}) == {
        "snake_case": {
            "inner": [
                {"lastSeenAt": "2025-11-03T16:00:00.000Z", "severity": "high"},
                {"lastSeenAt": None, "severity": "high"},
            ],
            "took": 1500,
            "averagePriority": 0.5,
            "hidden": 1,
        }
    }, "the keys of a dictionary are somebody's own"


def test_a_key_can_be_another_or_left_out() -> None:
    value = Outer((), timedelta(0), 0.5)
    assert json_form(value, average_priority="avgPriority", hidden=None) == {
        "inner": [],
        "took": 0,
        "avgPriority": 0.5,
    }
