"""What can be asked of telemetry, whatever engine holds it.

A *signal* is a question: which events (or finished conversations) are its population, which of
them count, and what they are grouped by. Its conditions are SQL expressions over the canonical
columns (``tgt.events``) in the subset that all engines share; they are constants of the analyzers
or rules that were checked, never text of telemetry. An engine brings telemetry up to date once
(``Timeline``) and then answers as of one window after another (``Snapshot``). What every question
means is held by one conformance suite that each engine passes (``tests/engine/conformance``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Protocol, Self

from tgt.engine.affected import Affected, Asked
from tgt.engine.compared import Column, Part, Parts, Use
from tgt.engine.sequences import Recurrence, Run
from tgt.engine.summary import Summary
from tgt.events import Interval, Sample
from tgt.stats.confidence import Clusters
from tgt.stats.distributions import Histogram

MOST_ERRORS = 5
"""So many error texts are told of examples."""

Progress = Callable[[str, float | None], None]
"""Called with what is being done and which share of it is done, if that is known."""


class Of(StrEnum):
    """What a signal counts."""

    EVENTS = "events"
    CONVERSATIONS = "conversations"


@dataclass(frozen=True)
class Signal:
    """One question.

    ``where`` is the population, ``counted`` which of it counts, ``by`` what it is grouped by: SQL
    over the columns of CANONICAL, or of CONVERSATION for conversations. Where ``value`` is given
    the signal is a distribution of that positive number instead of a share.
    """

    name: str
    where: str = "true"
    counted: str = "true"
    by: str = "subject"
    of: Of = Of.EVENTS
    value: str = ""

    @property
    def is_by_service(self) -> bool:
        """Whether what it is grouped by is another thing in another service, as subjects are."""
        return "subject" in self.by

    @cached_property
    def key(self) -> int:
        """What tells the rollups of this question from those of others: 63 bits of a hash."""
        asked = repr((self.where, self.counted, self.by, str(self.of), self.value))
        return int.from_bytes(hashlib.sha256(asked.encode()).digest()[:8]) >> 1


EVERYTHING = Signal("everything", by="'everything'")
"""All events as one subject, which is called as the signal."""


@dataclass(frozen=True)
class Counts:
    """Counts of one subject: of events, and of units.

    A unit is a conversation in one hour; it is bad if at least one of its events counts.
    ``bad_conversations`` are distinct ones over the whole period (0 in the points of a history).
    ``loose_n`` of the events have no conversation. Of conversations each is one event and one
    unit.
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


History = Mapping[int, Counts]
"""Counts by the clock hour (microseconds since the epoch // 3,600,000,000)."""


@dataclass(frozen=True)
class Reading:
    """One subject in one window, and, if it was asked for, its history."""

    subject: str
    window: Interval
    now: Counts
    history: History = field(default_factory=dict)


@dataclass(frozen=True)
class DistributionReading:
    """The values of one subject: the window's, and those of its whole baseline together."""

    subject: str
    window: Interval
    now: Histogram
    before: Histogram = field(default_factory=dict)


@dataclass(frozen=True)
class Spread:
    """How the values of one subject are spread over conversations: how many of those have any, and
    how many there are in them together and ``usual``ly in each (the lower median). ``largest`` are
    the conversations with the most values beyond a line, with how many those are, most first; an
    engine calls a conversation by a number of its own."""

    conversations: int = 0
    n: int = 0
    usual: int = 0
    largest: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TimeSpent:
    """The time of some conversations together, and how many ``events`` of a population are in
    them."""

    events: int = 0
    conversations: int = 0
    ms: float = 0.0


@dataclass(frozen=True)
class Examples:
    """Counted events of a subject: some to show, their median time in microseconds, and in how
    many conversations of the window the subject's population was. ``services`` says in how many
    conversations of which service there were any (how many events, where those have none), most
    first; ``errors`` how often they said which error text, the MOST_ERRORS commonest first."""

    samples: tuple[Sample, ...] = ()
    median_us: int | None = None
    conversations: int = 0
    services: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Coverage:
    """What telemetry there is as of a window.

    ``events`` are those of the window; ``malformed_lines`` those of all files that were read for
    it. ``hours_observed`` are the whole clock hours of the baseline with any event. ``columns``
    are the canonical ones that any event of baseline or window fills. ``newest`` is when the last
    event was, in the window or, if that has none, before it; then ``older`` says how many those
    before it are (0 where they are too old to be kept). ``services`` are those of baseline and
    window. ``warnings`` are failures, ``notices`` what people should know although nothing failed.
    ``folded`` are subjects that stand for names that differ in ids only, and how many those are.
    """

    window: Interval
    baseline: Interval
    events: int = 0
    malformed_lines: int = 0
    warnings: tuple[str, ...] = ()
    hours_observed: frozenset[int] = frozenset()
    tells_finish: bool = False
    tells_continuation: bool = False
    newest: datetime | None = None
    older: int = 0
    services: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()
    folded: Mapping[str, int] = field(default_factory=dict)


class Snapshot(Protocol):
    """Answers as of the end of one window; later events are invisible.

    A question may be asked of that window or of a longer or shorter one with the same end. A
    history is that of the whole clock hours of the baseline before the window that was asked for.
    """

    @property
    def coverage(self) -> Coverage: ...

    def counts(
        self, signal: Signal, window: Interval, *, history: Callable[[Counts], bool] | None = None
    ) -> tuple[Reading, ...]:
        """The subjects of the window in their order; those for which ``history`` holds come with
        theirs."""
        ...

    def conversations_of(
        self, signal: Signal, window: Interval, subjects: Collection[str]
    ) -> Mapping[str, int]:
        """In how many conversations of a window any event counts, of those of some subjects that
        have any: the ``bad_conversations`` of ``counts``, for less where nothing else is asked."""
        ...

    def distribution(
        self, signal: Signal, window: Interval, *, least: int = 0
    ) -> tuple[DistributionReading, ...]:
        """The subjects of the window in their order; those with at least ``least`` values come
        with the values of the baseline."""
        ...

    def distribution_history(
        self, signal: Signal, subject: str, window: Interval
    ) -> Mapping[int, Histogram]:
        """The values of one subject by the clock hour."""
        ...

    def beyond(
        self,
        signal: Signal,
        subject: str,
        window: Interval,
        line: float,
        *,
        without: frozenset[int] = frozenset(),
    ) -> Counts:
        """Of the values of one subject, how many exceed a line; each conversation is one unit, and
        some are left out. Of a longer window only its last hours may be looked at."""
        ...

    def spread(
        self, signal: Signal, subject: str, window: Interval, line: float, most: int
    ) -> Spread:
        """How the values of one subject in a window, all of it, are spread over conversations; of
        so many at most it is told that they are the largest."""
        ...

    def values_of(
        self, signal: Signal, subject: str, window: Interval, conversations: frozenset[int]
    ) -> Histogram:
        """The values of one subject in a window, all of it, that some conversations have."""
        ...

    def time_spent(self, signal: Signal, subject: str, window: Interval) -> TimeSpent:
        """The time of the conversations with a value of one subject, each from the beginning of its
        first event to the end of its last, as far as these lie in the window. Of a longer window
        only its last hours may be looked at."""
        ...

    def examples(
        self,
        signal: Signal,
        subject: str,
        window: Interval,
        most: int,
        *,
        beyond: float | None = None,
    ) -> Examples:
        """Counted events; of a distribution those whose value exceeds ``beyond``. They differ as
        far as possible in what they say, the commonest error first, or else in what was asked, then
        in their conversations, and are the newest of their like; of a signal about conversations
        they are the newest of as many as possible. A subject without a service that no event has is
        that subject of all services."""
        ...

    def affected(self, asked: Sequence[Asked], window: Interval, most: int) -> tuple[Affected, ...]:
        """The conversations that each of what is asked affects, in a window as it is, however
        long; of so many conversations at most, the same for all questions about events. A subject
        without a service that no event has is that subject of all services."""
        ...

    def uses(self, period: Interval) -> tuple[Use, ...]:
        """The versions, models and prompts of each service, those first that are the oldest."""
        ...

    def parts(
        self,
        asked: Asked,
        period: Interval,
        column: Column | None = None,
        *,
        among: str = "",
        met: Collection[int] | None = None,
    ) -> Parts:
        """The population of what is asked in a period as it is, by service and, if one is given,
        by the value of a column. Where a condition is given, the population is what is ``among``
        those events; where there are conversations that ``met`` it, only in them events count. Of a
        signal about conversations each is one, at its end, with the value that it had last. A
        subject without a service that no event has is that subject of all services."""
        ...

    def course(
        self, asked: Asked, period: Interval, step: timedelta, among: str = ""
    ) -> Mapping[int, Part]:
        """The same in steps of equal length, by their number from 0; those without any are left
        out."""
        ...

    def runs(self, window: Interval, least: int) -> tuple[Run, ...]:
        """Runs of at least so many calls that ended in a window, seen whole as far as they began
        within LOOK_BACK before it; the longest first, and no call in two of them."""
        ...

    def recurrences(
        self, where: str, window: Interval, least: int, most: int, *, newest: datetime
    ) -> tuple[Recurrence, ...]:
        """The error texts of the failures of a condition that at least so many conversations of a
        window met, the newest of them after a time; the widest first, with at most so many
        samples. Where none are wanted, only how often each came up."""
        ...


@dataclass(frozen=True)
class Inventory:
    """Everything that is held, whatever its time. ``holds`` says of each condition that was asked
    whether it is true of any event; ``columns`` of how many events each canonical column has a
    value. ``passed_over`` counts objects that are no events, by (reason, kind)."""

    events: int = 0
    malformed: int = 0
    first: datetime | None = None
    last: datetime | None = None
    columns: Mapping[str, int] = field(default_factory=dict)
    acts: Mapping[str, int] = field(default_factory=dict)
    services: Mapping[str, int] = field(default_factory=dict)
    holds: Mapping[str, bool] = field(default_factory=dict)
    passed_over: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Timeline(Protocol):
    """Telemetry, brought up to date. A context manager: leaving it lets go of what it held."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be read."""
        ...

    def is_idle(self, window: Interval) -> bool:
        """Whether there is no event in a window, so that there is no need to answer for it."""
        ...

    def at(self, window: Interval) -> Snapshot:
        """The answers as of a window, whose baseline lies before it."""
        ...

    def inventory(self, conditions: Sequence[str] = ()) -> Inventory:
        """What there is, and which conditions over canonical columns are true of any of it."""
        ...

    def summary(self, period: Interval, step: timedelta, most: int) -> Summary:
        """What happened in a period and in the same length of time before it, in steps of equal
        length, the last of which ends with the period; at most so many subjects of each kind, and
        error texts."""
        ...

    def complete(self, samples: Sequence[Sample]) -> tuple[Sample, ...]:
        """The samples with their texts and ids, read again from the files where they stand; as they
        are where that is not possible any more."""
        ...


def signals_by_key(signals: Iterable[Signal]) -> dict[int, Signal]:
    """The signals that differ in what they ask, by their keys."""
    return {signal.key: signal for signal in signals}
