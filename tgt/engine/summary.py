"""What happened in a period, added up by subject: a look without judgement.

Other than a reading it pools all services, and is of any length. Numbers are bounded by the caller:
of more subjects or error texts than wanted those that fail most are told, and how many are left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tgt.events import Interval


class Kind(StrEnum):
    """What a subject is: a tool, a model, a failing API, or anything else."""

    TOOL = "tool_call"
    MODEL = "assistant_response"
    UPSTREAM = "upstream"
    OTHER = "other"


@dataclass(frozen=True)
class Sums:
    """Counts of events, none of them a user's; ``conversations`` are distinct ones.

    ``refused``: a person did not allow it. ``told`` of the events tell whether they failed, and
    ``ends`` of the answers how they ended. Quantiles are those of the latencies, in milliseconds,
    of what did not fail; None where none is told.
    """

    events: int = 0
    failures: int = 0
    soft_failures: int = 0
    refused: int = 0
    cancelled: int = 0
    truncated: int = 0
    conversations: int = 0
    told: int = 0
    ends: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    input_tokens: float = 0.0
    cached_tokens: float = 0.0
    output_tokens: float = 0.0


Series = tuple[tuple[int, int], ...]
"""Events and failures, by the step of the period, oldest first."""


@dataclass(frozen=True)
class SubjectSummary:
    """One subject, and the same of the period before."""

    subject: str
    kind: Kind
    now: Sums
    before: Sums = field(default_factory=Sums)
    series: Series = ()


@dataclass(frozen=True)
class ErrorSummary:
    """One error text, reduced to what repeats: how often, in how many conversations, since when;
    and how often in the period before."""

    subject: str
    text: str
    count: int
    conversations: int
    first: datetime
    last: datetime
    before: int = 0


@dataclass(frozen=True)
class Summary:
    """``left_out`` says of each kind how many subjects are not among ``subjects``. A step of the
    series is ``step`` long; the last one ends with the period."""

    period: Interval
    before: Interval
    step: timedelta
    total: Sums = field(default_factory=Sums)
    total_before: Sums = field(default_factory=Sums)
    series: Series = ()
    subjects: tuple[SubjectSummary, ...] = ()
    left_out: dict[Kind, int] = field(default_factory=dict)
    errors: tuple[ErrorSummary, ...] = ()
    errors_left_out: int = 0
