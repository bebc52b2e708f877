"""When the next run is due, and whether runs have stopped coming. The timer owns the cadence; this
only compares it with the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

BLIND_AFTER = 4
"""Runs in a row without events that are no coincidence."""


@dataclass(frozen=True)
class Due:
    """``at`` is None where no run is known that a next one could follow."""

    at: datetime | None
    overdue: bool


def due(last_run_at: datetime | None, interval_min: int, now: datetime, *, active: bool) -> Due:
    """The run after ``last_run_at``; overdue a whole interval after it was due.

    One interval of grace, because a timer may be randomized and a run may take a while. Nothing
    is overdue while runs are not meant to happen (``active`` is false: disabled or paused).
    """
    if last_run_at is None:
        return Due(None, overdue=False)
    interval = timedelta(minutes=interval_min)
    at = last_run_at + interval
    return Due(at, overdue=active and now > at + interval)
