"""Which conversations something went badly in, and since when: what tells whether two problems are
those of the same conversations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgt.engine.protocol import Signal


@dataclass(frozen=True)
class Asked:
    """The population of ``signal`` about ``subject``; what counts of it, of a distribution which
    values lie ``beyond`` a line, and of failures those that say ``error``, if that is given."""

    signal: Signal
    subject: str
    beyond: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Affected:
    """The conversations of a population by their number, with times in microseconds: of the ``bad``
    when the first event was that counts, of the ``fine`` when the last event of the population was.
    Of a signal about conversations it is the end of each. ``events`` says how many events of the
    population each has."""

    bad: Mapping[int, int] = field(default_factory=dict)
    fine: Mapping[int, int] = field(default_factory=dict)
    events: Mapping[int, int] = field(default_factory=dict)
