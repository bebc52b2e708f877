"""Windows that follow one another, answered together: one statement for all of them costs hardly
more than for one, since most of a small statement is its planning.

A run has one window. A back-test takes as many at a time as have few enough events, so that memory
is bounded whatever it is asked of.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database
from tgt.events import HOUR_US, Interval, to_us

Answer = TypeVar("Answer")

CONTEXT_US = HOUR_US
"""Records of one call mostly lie within an hour of each other."""
MOST_EVENTS = 200_000
"""So many events, each counted once for every window that has it, are held at a time."""
_MOST_LONG = 12 * MOST_EVENTS
"""Of longer windows only what counts is held."""
_MOST_WINDOWS = 192
_WIDE = 1 << 40
_MIDDLE = _WIDE >> 1


@dataclass(frozen=True)
class Span:
    """One window, in microseconds."""

    window: Interval
    start: int
    end: int

    @classmethod
    def of(cls, window: Interval) -> Span:
        return cls(window, to_us(window.start), to_us(window.end))

    @property
    def raw_hour(self) -> int:
        """From here on events are looked at and not rollups: the last full hour to which nothing
        can be added any more, neither by the window nor by the end of a call."""
        return min(self.start, self.end - CONTEXT_US) // HOUR_US

    @property
    def raw_us(self) -> int:
        return self.raw_hour * HOUR_US


class Walk:
    """Some windows, oldest first, and the table ``recent``: the recent events of each, with its
    number ``w`` and its end ``end_us``."""

    def __init__(self, database: Database, spans: Sequence[Span]) -> None:
        self.db = database
        self.spans = spans
        self.judged: int | None = None
        """Of which window the table ``judged`` is."""
        self._answers: dict[Hashable, Any] = {}
        self._tables = 0
        recent = self.events([span.raw_us for span in spans])
        database.table("recent", f"SELECT * FROM {recent}")

    def number(self, window: Interval) -> int | None:
        """The place of a window; None if it is none of them."""
        return next((w for w, span in enumerate(self.spans) if span.window == window), None)

    def events(self, since: Sequence[int], where: str = "true") -> str:
        """A FROM item: for each window the events from a time of its own on for which a condition
        holds, with ``w`` and ``end_us``."""
        end = self.spans[-1].end
        events = canonical(f"us >= {min(since)} AND us <= {end}")
        if len(self.spans) == 1:
            return f"(SELECT *, 0 AS w, {end} AS end_us FROM ({events}) WHERE {where})"
        listed = ", ".join(
            f"({w}, {first}, {span.end})"
            for w, (first, span) in enumerate(zip(since, self.spans, strict=True))
        )
        return (
            f"(SELECT events.*, w, end_us FROM (SELECT * FROM ({events}) WHERE {where}) events"
            f" JOIN (VALUES {listed}) walk(w, since_us, end_us)"
            " ON events.us >= since_us AND events.us <= end_us)"
        )

    def new_table(self, name: str) -> str:
        """A name for a further table of the walk; one of a walk before is replaced."""
        self._tables += 1
        return f"{name}{self._tables}"

    def answer(self, key: Hashable, ask: Callable[[], Answer]) -> Answer:
        """What was answered before for all windows, or is asked now."""
        if key not in self._answers:
            self._answers[key] = ask()
        answer: Answer = self._answers[key]
        return answer


def coded(hour: str) -> str:
    """SQL for a whole number that tells the window and an hour."""
    return f"(w::BIGINT * {_WIDE} + {_MIDDLE} + {hour})"


def by_window(rows: Iterable[Sequence[Any]], place: int) -> dict[int, list[Sequence[Any]]]:
    """Rows apart for each window, where the column at a place is coded; it becomes the hour."""
    apart: dict[int, list[Sequence[Any]]] = {}
    for row in rows:
        w, hour = divmod(row[place], _WIDE)
        apart.setdefault(w, []).append((*row[:place], hour - _MIDDLE, *row[place + 1 :]))
    return apart


def ahead(
    window: Interval,
    every: timedelta | None,
    last: Interval,
    events: Mapping[int, int],
    longest: int,
) -> list[Span]:
    """A window and those that come after it, as far as together they have few enough of the events
    that there are in each hour; ``longest`` is how many hours longer windows have."""
    spans = [Span.of(window)]
    if every is None:
        return spans
    recent = _events(spans[0].raw_hour, spans[0], events)
    long = _events(spans[0].end // HOUR_US - longest, spans[0], events)
    while len(spans) < _MOST_WINDOWS:
        window = Interval(window.start + every, window.end + every)
        span = Span.of(window)
        recent += _events(span.raw_hour, span, events)
        long += _events(span.end // HOUR_US - longest, span, events)
        if window.end > last.end or recent > MOST_EVENTS or long > _MOST_LONG:
            break
        spans.append(span)
    return spans


def _events(first: int, span: Span, events: Mapping[int, int]) -> int:
    return sum(events.get(hour, 0) for hour in range(first, span.end // HOUR_US + 1))
