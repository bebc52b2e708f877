"""What versions, models and prompts there are and since when, and how a problem is spread over them
and over time: what tells a change that may have brought it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tgt.stats.distributions import Histogram


class Column(StrEnum):
    """What may change while a service stays the same: columns of CANONICAL."""

    VERSION = "version"
    MODEL = "model"
    PROMPT = "prompt"


@dataclass(frozen=True)
class Use:
    """A value of a column in the events of a service: when it was first and last met, in
    microseconds. A service that is not told is the empty one."""

    service: str
    column: Column
    value: str
    first_us: int
    last_us: int


@dataclass(frozen=True)
class Part:
    """Of a population ``n`` events of which ``k`` count, in so many conversations of which some are
    bad; when the first and the last event was that counts; of a distribution all values."""

    n: int = 0
    k: int = 0
    conversations: int = 0
    bad_conversations: int = 0
    first_us: int | None = None
    last_us: int | None = None
    values: Histogram = field(default_factory=dict)


Parts = Mapping[tuple[str, str | None], Part]
"""By service and value of a column; None for events without a value."""
