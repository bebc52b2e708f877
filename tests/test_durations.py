"""Lengths of time as people type them, and when a run is overdue."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tgt.durations import parse_duration
from tgt.errors import SettingsError
from tgt.schedule import due

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(weeks=1)),
        ("1d12h", timedelta(days=1, hours=12)),
        (" 1D 12H ", timedelta(days=1, hours=12)),
        ("3650d", timedelta(days=3650)),
    ],
)
def test_lengths(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text",
    ["", " ", "7", "0d", "-1d", "1.5h", "12h1d", "1d1d", "7 days", "3651d", "999999999w", "٣d"],
)
def test_what_is_no_length_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^--for=.* accepted is a length of time such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("minutes_ago", "active", "overdue"),
    [(0, True, False), (15, True, False), (30, True, False), (31, True, True), (31, False, False)],
)
def test_a_run_is_overdue_a_whole_interval_after_it_was_due(
    minutes_ago: int, active: bool, overdue: bool
) -> None:
    last = NOW - timedelta(minutes=minutes_ago)
    told = due(last, 15, NOW, active=active)
    assert told.at == last + timedelta(minutes=15)
    assert told.overdue is overdue


def test_nothing_is_due_before_the_first_run() -> None:
    assert due(None, 15, NOW, active=True).at is None
