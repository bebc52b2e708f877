"""Questions over events, and their answers: what analyzers own instead of statements in SQL.

A *signal* names a population of events, those of them that count, and the statistic. A *reading*
is the engine's answer for one subject and window: counts with the sums over conversations that
the statistics need, and the same by the hour for the baseline. Every sum is additive over hours,
files and machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tgt.events import Interval, Sample
from tgt.stats.confidence import Clusters
from tgt.stats.distributions import Histogram


class Measure(StrEnum):
    """What can be counted, per subject, hour and conversation."""

    EVENTS = "events"  # uses of the subject
    ERRORS = "errors"  # of them failed
    ENDS = "ends"  # responses whose end is known
    CUTS = "cuts"  # of them cut off
    UNTOLD = "untold"  # responses that do not tell their end
    FINISHED = "finished"  # conversations that are over
    ABORTED = "aborted"  # of them aborted
    WAITED = "waited"  # of them with a long wait
    ERROR_HEAVY = "error_heavy"  # of them with many failed events


@dataclass(frozen=True)
class Signal:
    """Which share is asked for, ``counted`` of ``population``, grouped by subject.

    Of calls and responses it is one of PAIRS in ``tallies``, of which hours are kept.
    """

    name: str
    population: Measure
    counted: Measure


FAILURE = Signal("failure", Measure.EVENTS, Measure.ERRORS)
TRUNCATION = Signal("truncation", Measure.ENDS, Measure.CUTS)
UNTOLD = Signal("untold", Measure.UNTOLD, Measure.CUTS)


@dataclass(frozen=True)
class Tally:
    """Counts of one subject: of events, and of units.

    A unit is a conversation in one hour; it is bad if at least one of its events counts.
    ``bad_conversations`` are distinct ones over the whole period (0 in the points of a history).
    ``loose_n`` of the events have no conversation.
    """

    n: int = 0
    k: int = 0
    units: int = 0
    bad_units: int = 0
    bad_conversations: int = 0
    loose_n: int = 0
    clusters: Clusters = field(default_factory=Clusters)

    @property
    def by_event(self) -> bool:
        """Most events have no conversation, so the event is the unit."""
        return self.loose_n * 2 > self.n


@dataclass(frozen=True)
class Reading:
    """One subject in one window, and its history by the clock hour (microseconds // hour)."""

    subject: str
    window: Interval
    now: Tally
    history: Mapping[int, Tally]


@dataclass(frozen=True)
class LatencyReading:
    """Latencies of one subject: the window's, and those of its whole history together."""

    subject: str
    window: Interval
    now: Histogram
    past: Histogram


@dataclass(frozen=True)
class Usage:
    """How much one tool was called in the window."""

    subject: str
    name: str
    calls: int
    conversations: int
    by_event: bool


@dataclass(frozen=True)
class Telemetry:
    """What was read: counts of the window's events and of malformed lines in all files read."""

    window: Interval
    baseline: Interval
    events: int
    malformed_lines: int
    warnings: tuple[str, ...]
    hours_observed: frozenset[int]
    tells_finish: bool
    tells_continuation: bool


class Engine(Protocol):
    """What evaluates signals over events. Implementations know no analyzer."""

    @property
    def telemetry(self) -> Telemetry: ...

    def shares(self, signal: Signal, window: Interval, min_counted: int) -> tuple[Reading, ...]:
        """Readings of all subjects with at least ``min_counted`` counted events in the window;
        those with fewer have no history."""
        ...

    def traffic(self, window: Interval) -> Reading:
        """All conversations, whatever they used."""
        ...

    def breadth(self, signal: Signal, subject: str, window: Interval) -> int:
        """In how many conversations of the window the subject was."""
        ...

    def latencies(self, window: Interval, min_calls: int) -> tuple[LatencyReading, ...]:
        """Of all subjects; those with fewer calls in the window have no history."""
        ...

    def latency_history(self, subject: str, window: Interval) -> Mapping[int, Histogram]:
        """The latencies before the window by the clock hour."""
        ...

    def slower_than(self, subject: str, window: Interval, ms: float) -> Tally:
        """Calls that took longer than ``ms``, of all that did not fail; each conversation is one
        unit. Of a longer window only its end may be looked at."""
        ...

    def conversations(self, signal: Signal, window: Interval) -> Reading: ...

    def usage(self, window: Interval) -> tuple[Usage, ...]: ...

    def samples(
        self, subject: str, measure: Measure, window: Interval, limit: int, *, above_ms: float = 0.0
    ) -> tuple[Sample, ...]: ...

    def centre(
        self, subject: str, measure: Measure, window: Interval, *, above_ms: float = 0.0
    ) -> int | None:
        """Median time of the counted events, in microseconds."""
        ...
