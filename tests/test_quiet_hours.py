"""Quiet hours: on which clock, over midnight, and when they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest

from tgt.config import effective, load
from tgt.errors import SettingsError
from tgt.quiet_hours import QuietHours, parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the time zone of the machine."""

    def local(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield local
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("hours", "now", "end"),
    [
        ("22:00-07:00 UTC", "2025-11-03T21:59:59", None),
        ("22:00-07:00 UTC", "2025-11-03T22:00:00", "2025-11-04T07:00"),
        ("22:00-07:00 UTC", "2025-11-04T00:00:00", "2025-11-04T07:00"),
        ("22:00-07:00 UTC", "2025-11-04T06:59:59", "2025-11-04T07:00"),
        ("22:00-07:00 UTC", "2025-11-04T07:00:00", None),
        ("12:00-13:00 UTC", "2025-11-04T12:30:00", "2025-11-04T13:00"),
        ("12:00-13:00 UTC", "2025-11-04T13:00:00", None),
        ("22:00-24:00,00:00-07:00 UTC", "2025-11-03T23:00:00", "2025-11-04T07:00"),
        ("12:00-13:00, 22:00-7:00 UTC", "2025-11-03T23:00:00", "2025-11-04T07:00"),
        ("22:00-07:00 Europe/Berlin", "2025-11-03T21:00:00", "2025-11-04T06:00"),
        ("22:00-07:00 Europe/Berlin", "2025-07-03T20:00:00", "2025-07-04T05:00"),
        ("22:00-07:00 America/New_York", "2025-11-04T02:59:00", None),
        ("22:00-07:00 America/New_York", "2025-11-04T03:00:00", "2025-11-04T12:00"),
        # The night in which clocks were put back, and the one in which they were put forward.
        ("22:00-07:00 Europe/Berlin", "2025-10-25T21:00:00", "2025-10-26T06:00"),
        ("22:00-07:00 Europe/Berlin", "2025-03-29T22:00:00", "2025-03-30T05:00"),
        ("02:00-02:45 Europe/Berlin", "2025-10-26T00:30:00", "2025-10-26T00:45"),
        ("02:00-02:45 Europe/Berlin", "2025-10-26T01:30:00", "2025-10-26T01:45"),
    ],
)
def test_when_it_is_quiet_and_until_when(hours: str, now: str, end: str | None) -> None:
    told = parse(hours).end(at(now))
    assert told == (None if end is None else at(end))


def test_the_machine_s_own_zone_is_meant_where_none_is_named(
    local: Callable[[str], None],
) -> None:
    local("Asia/Tokyo")
    assert parse("22:00-07:00").end(at("2025-11-03T13:00")) == at("2025-11-03T22:00")
    local("UTC")
    assert parse("22:00-07:00").end(at("2025-11-03T13:00")) is None


def test_without_hours_it_is_never_quiet() -> None:
    assert QuietHours().end(at("2025-11-03T00:00")) is None
    assert load(environ={}).notify_quiet_hours == QuietHours()


@pytest.mark.parametrize(
    "text",
    [
        *("22:00", "22-07", "25:00-07:00", "24:30-07:00", "22:60-07:00", "22:00-22:00"),
        *("00:00-24:00", "00:00-12:00,12:00-00:00", "22:00-07:00 Mars/Base", "22:00-07:00 ../x"),
        *("22:00-07:00 Europe", "night", "22:00-07:00,", "22:00-07:00 UTC,12:00-13:00"),
    ],
)
def test_what_is_no_hours_is_refused(text: str) -> None:
    """The whole day too: nobody would ever be told."""
    with pytest.raises(SettingsError, match=r"TASKGEN_NOTIFY_QUIET_HOURS=.*accepted is hours"):
        load({"TASKGEN_NOTIFY_QUIET_HOURS": text}, environ={})


@pytest.mark.parametrize("text", ["22:00-07:00", "12:00-13:00,22:00-07:00 Europe/Berlin"])
def test_it_is_written_as_it_is_read(text: str) -> None:
    settings = load({"TASKGEN_NOTIFY_QUIET_HOURS": text}, environ={})
    assert effective(settings)["TASKGEN_NOTIFY_QUIET_HOURS"] == text
