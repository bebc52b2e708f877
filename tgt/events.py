"""The canonical event: the one shape that everything downstream of a source knows.

A source projects its own lines to *records* (columns of RECORD); ``calls`` turns records into
*events* by joining what belongs to one call. A missing value is NULL and never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
HOUR_US = 3_600_000_000

OWN: Mapping[str, str] = {
    "path": "VARCHAR",  # the file that it was read from
    "us": "BIGINT",  # time in microseconds since the epoch, UTC
    "id": "VARCHAR",
    "conv_id": "VARCHAR",
    "trace_id": "VARCHAR",
    "call_id": "VARCHAR",
    "iter": "BIGINT",
    "elapsed_ms": "DOUBLE",
    "error": "VARCHAR",
    "args_preview": "VARCHAR",
    "result_preview": "VARCHAR",
    "input_tokens": "DOUBLE",
    "output_tokens": "DOUBLE",
    "cost_usd": "DOUBLE",
}
"""What differs from record to record."""

MEANING: Mapping[str, str] = {
    "actor": "VARCHAR",  # user, assistant (also for an agent's own tools), tool, system
    "act": "VARCHAR",  # message, assistant_response, tool_call, ...
    "phase": "VARCHAR",  # of a call: start, end, call (a record of the whole); else NULL
    "name": "VARCHAR",  # tool, model or endpoint
    "failed": "BOOLEAN",  # NULL where the outcome is not told
    "cancelled": "BOOLEAN",  # an explicit abort or cancel
    "finish_reason": "VARCHAR",  # stop, length, tool_calls, content_filter, cancelled, error, other
    "continuation": "BOOLEAN",  # the source says that the answer was (not) cut and continued
    "error_type": "VARCHAR",
    "model": "VARCHAR",
    "service": "VARCHAR",
    "subject": "VARCHAR",  # what a finding about this event would be about
    "is_wait": "BOOLEAN",  # the time that it took is a person's
}
"""What follows from a record's words, of which there are few."""

RECORD: Mapping[str, str] = {**OWN, **MEANING}


def to_us(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True)
class Interval:
    """The time (start, end], as the window of a run is."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> float:
        return (self.end - self.start).total_seconds() / 60.0


@dataclass(frozen=True)
class Sample:
    """One event as evidence: enough to find it again in the log and to see what happened."""

    at: datetime
    id: str | None
    conv_id: str | None
    text: str | None
    values: Mapping[str, Any]
