"""What is remembered between runs: no failure and no clock makes it jam."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tgt.tasks.state import LONGEST_BACKOFF, Health, Pause

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
QUARTER = 15 * MINUTE


def test_an_analyzer_that_keeps_failing_waits_twice_as_long_each_time_up_to_a_day() -> None:
    health, waits = Health(), []
    for _ in range(200):
        health = health.failed("boom", NOW, QUARTER)
        assert health.retry_at is not None
        waits.append(health.retry_at - NOW)
    assert waits[:7] == [QUARTER * factor for factor in (1, 2, 4, 8, 16, 32, 64)]
    assert set(waits[7:]) == {LONGEST_BACKOFF}
    assert health.consecutive_failures == 200
    assert len(Health().failed("x" * 10_000, NOW, QUARTER).last_error) == 500


@pytest.mark.parametrize(
    ("retry_at", "failures", "waiting", "why"),
    [
        (None, 9, False, "nothing to wait for"),
        (NOW, 1, False, "the time has come"),
        (NOW + MINUTE, 1, True, "not yet"),
        (NOW + QUARTER, 1, True, "the whole wait is ahead"),
        (NOW + QUARTER + MINUTE, 1, False, "longer than one failure waits: a clock was wrong"),
        (NOW + DAY, 50, True, "a day is the longest wait"),
        (NOW + 365 * DAY, 50, False, "nobody waits a year"),
    ],
)
def test_waiting_never_takes_longer_than_the_wait(
    retry_at: datetime | None, failures: int, waiting: bool, why: str
) -> None:
    assert Health(failures, retry_at).waiting(NOW, QUARTER) is waiting, why


@pytest.mark.parametrize(
    ("pause", "left", "why"),
    [
        (Pause(None, "r", NOW - DAY), Pause(None, "r", NOW - DAY), "paused for good"),
        (Pause(None, "r", NOW + DAY), Pause(None, "r", NOW + DAY), "whatever the clock says"),
        (Pause(NOW + HOUR, "r", NOW), Pause(NOW + HOUR, "r", NOW), "it has just begun"),
        (Pause(NOW, "r", NOW - HOUR), None, "it has just ended"),
        (Pause(NOW - HOUR, "r", NOW - DAY), None, "it is over"),
        (
            Pause(NOW + 366 * DAY, "r", NOW + 365 * DAY),
            Pause(NOW + DAY, "r", NOW),
            "the clock was a year ahead: the pause lasts its own length from now",
        ),
        (Pause(NOW + HOUR, "r", NOW + DAY), None, "it ends before it begins"),
    ],
)
def test_a_pause_never_lasts_longer_than_it_was_meant_to(
    pause: Pause, left: Pause | None, why: str
) -> None:
    assert pause.as_of(NOW) == left, why
