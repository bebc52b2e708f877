"""An engine: answers about failures from sums that lie ready, and about nothing else.

``summary:FILE`` is JSON: ``{"tool_call/search": {"calls": 40, "failed": 39}}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from tgt.engine.affected import Asked
from tgt.engine.compared import Column, Part, Parts
from tgt.engine.protocol import (
    Counts,
    Coverage,
    DistributionReading,
    Examples,
    Inventory,
    Reading,
    Signal,
    Spread,
)
from tgt.events import Interval, Sample
from tgt.sources.spec import Spec
from tgt.stats.distributions import Histogram


@dataclass(frozen=True)
class SummarySnapshot:
    sums: Mapping[str, Mapping[str, int]]
    window: Interval

    @property
    def coverage(self) -> Coverage:
        events = sum(each["calls"] for each in self.sums.values())
        return Coverage(self.window, Interval(self.window.start, self.window.start), events)

    def counts(
        self, signal: Signal, window: Interval, *, history: Callable[[Counts], bool] | None = None
    ) -> tuple[Reading, ...]:
        if signal.counted != "failed":
            return ()
        return tuple(
            Reading(subject, window, Counts(n, k, units=n, bad_units=k, bad_conversations=k))
            for subject, n, k in (
                (s, each["calls"], each["failed"]) for s, each in self.sums.items()
            )
        )

    def conversations_of(
        self, signal: Signal, window: Interval, subjects: Collection[str]
    ) -> Mapping[str, int]:
        counted = (
            (each.subject, each.now.bad_conversations) for each in self.counts(signal, window)
        )
        return {subject: many for subject, many in counted if many and subject in subjects}

    def distribution(
        self, signal: Signal, window: Interval, *, least: int = 0
    ) -> tuple[DistributionReading, ...]:
        return ()

    def distribution_history(
        self, signal: Signal, subject: str, window: Interval
    ) -> Mapping[int, Histogram]:
        return {}

    def uses(self, period: Interval) -> tuple[()]:
        return ()

    def parts(
        self,
        asked: Asked,
        period: Interval,
        column: Column | None = None,
        *,
        among: str = "",
        met: Collection[int] | None = None,
    ) -> Parts:
        return {}

    def course(
        self, asked: Asked, period: Interval, step: timedelta, among: str = ""
    ) -> Mapping[int, Part]:
        return {}

    def runs(self, window: Interval, least: int) -> tuple[()]:
        return ()

    def recurrences(
        self, where: str, window: Interval, least: int, most: int, *, newest: datetime
    ) -> tuple[()]:
        return ()

    def beyond(
        self,
        signal: Signal,
        subject: str,
        window: Interval,
        line: float,
        *,
        without: frozenset[int] = frozenset(),
    ) -> Counts:
        return Counts()

    def spread(
        self, signal: Signal, subject: str, window: Interval, line: float, most: int
    ) -> Spread:
        return Spread()

    def values_of(
        self, signal: Signal, subject: str, window: Interval, conversations: frozenset[int]
    ) -> Histogram:
        return {}

    def examples(
        self,
        signal: Signal,
        subject: str,
        window: Interval,
        most: int,
        *,
        beyond: float | None = None,
    ) -> Examples:
        return Examples()


@dataclass(frozen=True)
class SummaryTimeline:
    sums: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def is_idle(self, window: Interval) -> bool:
        return not self.sums

    def at(self, window: Interval) -> SummarySnapshot:
        return SummarySnapshot(self.sums, window)

    def inventory(self, conditions: Sequence[str] = ()) -> Inventory:
        return Inventory()

    def complete(self, samples: Sequence[Sample]) -> tuple[Sample, ...]:
        return tuple(samples)


def open_summary(spec: Spec, *_: Any) -> SummaryTimeline:
    """The timeline of a place; what else it is given is of no use here."""
    if spec.place is None:
        raise ValueError("summary needs a place")
    return SummaryTimeline(json.loads(spec.place.read_text(encoding="utf-8")))
