"""The canonical event: the one shape that everything downstream of a source knows.

A source turns what it reads into *records* (columns of RECORD); an engine turns records into
*events* by joining what belongs to one call, and answers questions about their columns
(CANONICAL, and CONVERSATION for whole conversations). A missing value is NULL and never a guess.
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
    "place": "BIGINT",  # the offset in it at which the object begins that told it
    "us": "BIGINT",  # time in microseconds since the epoch, UTC
    "id": "VARCHAR",  # as the log names it, for people
    "key": "VARCHAR",  # the same for all records that tell the same thing, wherever they stand
    "revision": "BIGINT",  # of records with one key the highest is the truth; NULL is the lowest
    "conv_id": "VARCHAR",
    "trace_id": "VARCHAR",
    "call_id": "VARCHAR",
    "iter": "BIGINT",
    "elapsed_ms": "DOUBLE",
    "error": "VARCHAR",
    "args_preview": "VARCHAR",
    "result_preview": "VARCHAR",
    "args_hash": "UBIGINT",  # of what a call was asked, whole
    "result_bytes": "BIGINT",  # how much a call answered
    "input_tokens": "DOUBLE",  # all of the input, from a cache or not
    "cached_tokens": "DOUBLE",  # of it from a cache
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
    "soft_failed": "BOOLEAN",  # the call succeeded, and its envelope says that it did not
    "cancelled": "BOOLEAN",  # an explicit abort or cancel
    "finish_reason": "VARCHAR",  # stop, length, tool_calls, content_filter, cancelled, error, other
    "continuation": "BOOLEAN",  # the source says that the answer was (not) cut and continued
    "error_type": "VARCHAR",
    "model": "VARCHAR",
    "service": "VARCHAR",
    "version": "VARCHAR",  # of the agent or service
    "prompt": "VARCHAR",  # the name and version of the prompt's template, never its text
    "subject": "VARCHAR",  # what a finding about this event would be about
    "is_wait": "BOOLEAN",  # the time that it took is a person's
}
"""What follows from a record's words, of which there are few."""

RECORD: Mapping[str, str] = {**OWN, **MEANING}

CANONICAL: Mapping[str, str] = {
    "us": "time in microseconds since the epoch, UTC",
    "actor": "user, assistant (also for an agent's own tools), tool or system",
    "act": "what happened: message, prompt, assistant_response, tool_call, api_error, ...",
    "name": "the tool, model or endpoint",
    "subject": "what a finding about the event is about, such as tool_call/read_file",
    "service": "the agent, service or project",
    "model": "the model that answered",
    "version": "the version of the agent or service",
    "prompt": "the name, version or hash of the template of a prompt",
    "failed": "whether it failed; NULL where that is not told",
    "soft_failed": "the call succeeded, and its envelope says that what was asked for did not",
    "cancelled": "whether it is an explicit abort or cancel",
    "finish_reason": "how an answer ended: stop, length, tool_calls, content_filter, ...",
    "truncated": "whether an answer was cut off or continued; NULL where its end is not told",
    "ended": "whether an answer ended by itself; NULL where that is not told",
    "is_untold": "whether it is an answer that does not tell how it ended",
    "error_type": "the class of a failure",
    "error": "the text of a failure, reduced to what repeats",
    "elapsed_ms": "how long it took in milliseconds, without waiting for a person",
    "input_tokens": "tokens of the input, from a cache or not",
    "cached_tokens": "of them from a cache",
    "output_tokens": "tokens of the output",
    "cost_usd": "cost in US dollars, where the log tells it",
    "args_hash": "a hash of a call's arguments",
    "result_bytes": "the size of a call's result in bytes",
    "conv_id": "a number for the conversation, to compare; NULL without one",
    "trace_id": "a number for the trace, to compare",
    "call_id": "a number for the call, to compare",
}
"""The columns of events that conditions of signals may use."""

CONVERSATION: Mapping[str, str] = {
    "service": "the service of its events",
    "events": "how many events it has",
    "errors": "how many of them failed",
    "answers": "how many answers of a model it has",
    "tells_answers": "whether any conversation of its service has an answer of a model",
    "ended": "how many answers ended by themselves",
    "cancelled": "how many explicit aborts or cancels it has",
    "messages": "how many messages and prompts of users it has",
    "is_aborted": "whether no answer ended by itself, or none after the last abort",
    "longest_wait_ms": "the longest wait from a user's message to its answer, or the slowest event",
}
"""The columns of finished conversations that conditions of signals may use."""


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
    """One event as evidence: enough to find it again in the log and to see what happened.

    ``locator`` is the engine's own word for where it stands. Texts, ids, ``file`` and ``line``
    (from 1) are there only after a timeline was asked to complete the sample, if the file is still
    there.
    """

    at: datetime
    values: Mapping[str, Any]
    id: str | None = None
    conv_id: str | None = None
    text: str | None = None
    args: str | None = None
    file: str | None = None
    line: int | None = None
    locator: object = None
