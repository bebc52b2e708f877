"""Histories: rollups as far as they were asked for.

Those of hours that are over do not change while a timeline lives, so a back-test asks for them
once; a single run asks for sums.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from tgt.engine.duckdb import understanding
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.rollups import SUMS, added, counts_of
from tgt.engine.protocol import Counts, Signal
from tgt.engine.services import IS_AGENT, is_agent
from tgt.events import HOUR_US
from tgt.stats.distributions import Histogram

_USUAL_HOURS = 24
_MOST_HELD = 1000
_BAD_UNITS = SUMS.index("bad_units")
_LATE_HOURS = 4
"""Most windows begin no earlier than so many hours before what is over."""
MINUTE_US = 60_000_000


Values: TypeAlias = dict[int, dict[str, dict[int, int]]]
"""How many values are in which bucket, by the key of the signal and the name."""


@dataclass(frozen=True)
class _Baseline:
    """The values of the hours in [first, end), by the key of the signal: rows (subject, service,
    bucket, hour, n) in the order of buckets. Of the hours before ``late`` there is none: they are
    together."""

    first: int
    late: int
    end: int
    rows: Mapping[int, Sequence[tuple[str, str | None, int, int | None, int]]]


@dataclass(frozen=True)
class Names:
    """How subjects are called: ``subject@service`` where there are several services that are told
    apart (``tgt.engine.services``)."""

    several: bool

    @property
    def sql(self) -> str:
        return self.called("subject")

    @property
    def service(self) -> str:
        """SQL for the service that a subject carries, if any."""
        none = "NULL::VARCHAR"
        return f"CASE WHEN {IS_AGENT} THEN {none} ELSE service END" if self.several else none

    def called(self, subject: str) -> str:
        """SQL for the name of a subject, given SQL for the subject."""
        return f"concat_ws('@', {subject}, {self.service})" if self.several else f"({subject})"

    def of(self, subject: str, service: str | None) -> str:
        """The name of a subject."""
        is_named = self.several and service and not is_agent(service)
        return f"{subject}@{service}" if is_named else subject


class Past:
    """Rollups, by the name of the signal's subject, as far as they were asked for: those of hours
    that are over do not change while the timeline lives."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._counts: dict[tuple[int, str], dict[int, Counts]] = {}
        self._buckets: dict[tuple[int, str], dict[int, Histogram]] = {}
        self._hours: dict[int, list[tuple[str, int, int]]] = {}
        self._files: list[tuple[int | None, int, int]] | None = None
        self._totals: dict[tuple[int, str, int], Total] = {}
        self._sums: tuple[tuple[int, int, Names], Sealed] | None = None
        self._values: dict[tuple[int, int, Names], Values] = {}
        self._baseline = _Baseline(0, 0, 0, {})
        self._between: dict[tuple[int, str, int], tuple[int, dict[int, Counts]]] = {}
        self._asked: set[Hashable] = set()
        self.longest = _USUAL_HOURS
        """The longest window that was asked for so far, in hours."""
        self.comes_again = False
        """Whether the same will be asked for other windows."""

    def hours_of(self, signal: Signal) -> list[tuple[str, int, int]]:
        """Every hour of a signal that has few subjects: (subject, hour, how many count)."""
        if signal.key not in self._hours:
            self._hours[signal.key] = self._db.run(
                "SELECT subject, hour, sum(k)::BIGINT FROM rollups"
                f" WHERE signal = {signal.key} GROUP BY ALL"
            )
        return self._hours[signal.key]

    @cached_property
    def folded(self) -> dict[str, int]:
        """Subjects that stand for many names, and for how many."""
        return dict(
            self._db.run(
                "SELECT subject, count(DISTINCT name)::BIGINT FROM wordings"
                " WHERE subject IN (SELECT family FROM folds) GROUP BY subject"
            )
        )

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """What of the files was not understood."""
        return understanding.notices(self._db)

    def malformed_lines(self, start_us: int, end_us: int) -> int:
        """The malformed lines of the files that have events of the time, or none at all."""
        if self._files is None:
            self._files = self._db.run(
                "SELECT first_us, last_us, malformed + is_torn::INTEGER FROM files"
                " WHERE malformed > 0 OR is_torn"
            )
        return sum(
            lines
            for first, last, lines in self._files
            if first is None or (first <= end_us and last >= start_us)
        )

    @cached_property
    def events_by_hour(self) -> dict[int, int]:
        """How many events there are in each clock hour."""
        return dict(self._db.run(f"SELECT us // {HOUR_US}, count(*) FROM events GROUP BY ALL"))

    @cached_property
    def _minutes(self) -> list[tuple[int, int, int]]:
        """The minutes with events, in order, and the first and the last time in each."""
        return self._db.run(
            f"SELECT us // {MINUTE_US} AS minute, min(us), max(us)"
            " FROM events JOIN wordings USING (wording) WHERE act IS NOT NULL"
            " GROUP BY minute ORDER BY minute"
        )

    def is_quiet(self, start: int, end: int) -> bool:
        """Whether there is no event in (start, end], which do not lie in one minute."""
        place = bisect_left(self._minutes, (start // MINUTE_US,))
        for _, first, last in self._minutes[place : place + 2]:
            # Of two minutes with events, from the first one's on, the second begins after it.
            if last > start:
                return first > end
        return True

    def is_new(self, question: Hashable) -> bool:
        """Whether this is asked for the first time."""
        is_new = question not in self._asked
        self._asked.add(question)
        return is_new

    def sums(self, first: int, end: int, names: Names) -> Sealed:
        """The counts of the hours in [first, end). Windows ending in one hour ask for the same."""
        key = (first, end, names)
        if self._sums is None or self._sums[0] != key:
            rows = self._db.run(
                f"SELECT signal, hour, subject, service, {', '.join(SUMS)} FROM rollups"
                f" WHERE bucket IS NULL AND hour >= {first} AND hour < {end}"
            )
            self._sums = (key, Sealed(rows, names))
        return self._sums[1]

    def values(self, first: int, end: int, names: Names) -> Values:
        """The values of the hours in [first, end) together."""
        key = (first, end, names)
        if key not in self._values:
            # Those that end elsewhere are not asked for again.
            self._values = {each: held for each, held in self._values.items() if each[1] == end}
            held = self._baseline
            if held.late <= first and end <= held.end:
                rows: Iterable[Sequence[Any]] = (
                    (signal, subject, service, bucket, n)
                    for signal, some in held.rows.items()
                    for subject, service, bucket, hour, n in some
                    if hour is not None and first <= hour < end
                )
            else:
                rows = self._db.run(
                    "SELECT signal, subject, service, bucket, sum(n)::BIGINT FROM rollups"
                    f" WHERE bucket IS NOT NULL AND hour >= {first} AND hour < {end} GROUP BY ALL"
                    " ORDER BY bucket"
                )
            values: Values = {}
            for signal, subject, service, bucket, n in rows:
                name = names.of(subject, service)
                of = values.setdefault(signal, {}).setdefault(name, {})
                of[bucket] = of.get(bucket, 0) + n
            self._values[key] = values
        return self._values[key]

    def counts(
        self, signal: Signal, subjects: Sequence[str], names: Names
    ) -> dict[str, dict[int, Counts]]:
        """By subject and hour."""
        key = signal.key
        missing = [s for s in subjects if (key, s) not in self._counts]
        if missing:
            self._counts.update({(key, s): {} for s in missing})
            rows = self._db.run(
                f"SELECT {names.sql} AS name, hour, {', '.join(SUMS)} FROM rollups"
                f" WHERE signal = {key} AND {names.sql} IN (SELECT unnest($names)) ORDER BY hour",
                names=missing,
            )
            for (name, hour), same in grouped(rows, 2):
                self._counts[key, name][hour] = counts_of(added(same))
        return {s: self._counts[key, s] for s in subjects}

    def counts_between(
        self, signal: Signal, subjects: Sequence[str], names: Names, first: int, last: int
    ) -> dict[str, dict[int, Counts]]:
        """By subject and hour from ``first`` to ``last``. Windows that begin in one hour ask for
        the same."""
        every, held = self.counts(signal, subjects, names), {}
        for subject in subjects:
            key = (signal.key, subject, last)
            kept = self._between.get(key)
            if kept is None or kept[0] != first:
                if len(self._between) >= _MOST_HELD:
                    self._between.clear()
                inside = {h: c for h, c in every[subject].items() if first <= h <= last}
                kept = self._between[key] = (first, inside)
            held[subject] = kept[1]
        return held

    def histograms(
        self, signal: Signal, subjects: Sequence[str], names: Names
    ) -> dict[str, dict[int, Histogram]]:
        """By subject and hour."""
        key = signal.key
        missing = [s for s in subjects if (key, s) not in self._buckets]
        if missing:
            self._buckets.update({(key, s): {} for s in missing})
            rows = self._db.run(
                f"SELECT {names.sql} AS name, hour, bucket, sum(n)::BIGINT FROM rollups"
                f" WHERE signal = {key} AND {names.sql} IN (SELECT unnest($names))"
                " GROUP BY ALL ORDER BY hour, bucket",
                names=missing,
            )
            for (name, hour), same in grouped(rows, 2):
                self._buckets[key, name][hour] = dict(map(tuple, same))
        return {s: self._buckets[key, s] for s in subjects}

    def totals(
        self, signal: Signal, subjects: Sequence[str], names: Names, first: int, end: int
    ) -> dict[str, Histogram]:
        """The values of the hours in [first, end) together, by subject."""
        key = signal.key
        if not self.comes_again:
            sums: dict[str, dict[int, int]] = {subject: {} for subject in subjects}
            for subject, service, bucket, hour, n in self._values_before(first, end).get(key, ()):
                of = sums.get(names.of(subject, service))
                if of is not None and (hour is None or hour < end):
                    of[bucket] = of.get(bucket, 0) + n
            return dict(sums)
        for subject, hours in self.histograms(signal, subjects, names).items():
            self._totals.setdefault((key, subject, end - first), Total(hours))
        return {s: self._totals[key, s, end - first].between(first, end) for s in subjects}

    def _values_before(
        self, first: int, end: int
    ) -> Mapping[int, Sequence[tuple[str, str | None, int, int | None, int]]]:
        """The values of all signals in the hours from ``first`` on, those after ``end`` apart."""
        held = self._baseline
        if held.first != first or not held.late <= end <= held.end:
            late, last = end - _LATE_HOURS, max(end, held.end)
            rows = self._db.run(
                "SELECT signal, subject, service, bucket,"
                f" CASE WHEN hour >= {late} THEN hour END AS late, sum(n)::BIGINT FROM rollups"
                f" WHERE bucket IS NOT NULL AND hour >= {first} AND hour < {last}"
                " GROUP BY ALL ORDER BY bucket"
            )
            by_signal: dict[int, list[Any]] = {}
            for signal, *row in rows:
                by_signal.setdefault(signal, []).append(row)
            self._baseline = _Baseline(first, late, last, by_signal)
        return self._baseline.rows


class Sealed:
    """The counts of some hours that are over, by the key of the signal and the name."""

    def __init__(self, rows: Iterable[Sequence[Any]], names: Names) -> None:
        self._hours: dict[int, dict[str, list[tuple[int, Sequence[Any]]]]] = {}
        self._since: dict[tuple[int, int], dict[str, list[Any]]] = {}
        for signal, hour, subject, service, *sums in rows:
            named = self._hours.setdefault(signal, {})
            named.setdefault(names.of(subject, service), []).append((hour, sums))

    def any_bad(self, signal: int) -> bool:
        """Whether any conversation counts as bad."""
        named = self._hours.get(signal, {}).values()
        return any(sums[_BAD_UNITS] for hours in named for _, sums in hours)

    def since(self, signal: int, first: int) -> Mapping[str, Sequence[Any]]:
        """The sums of the hours from ``first`` on, by the name."""
        if (signal, first) not in self._since:
            inside = {
                name: [sums for hour, sums in hours if hour >= first]
                for name, hours in self._hours.get(signal, {}).items()
            }
            sums = {name: added(some) for name, some in inside.items() if some}
            self._since[signal, first] = sums
        return self._since[signal, first]


class Total:
    """The sum of histograms over any hours, from the sum that was asked for before: those of one
    length differ by few hours from step to step."""

    def __init__(self, hours: Mapping[int, Histogram]) -> None:
        self._hours = hours
        self._first = self._end = 0
        self._sum: dict[int, int] = {}
        self._told: dict[int, int] = {}

    def between(self, first: int, end: int) -> dict[int, int]:
        if (first, end) != (self._first, self._end):
            for hour in _differing(first, end, self._first, self._end):
                sign = 1 if first <= hour < end else -1
                for bucket, n in self._hours.get(hour, {}).items():
                    self._sum[bucket] = self._sum.get(bucket, 0) + sign * n
            self._first, self._end = first, end
            self._told = {bucket: n for bucket, n in sorted(self._sum.items()) if n}
        return dict(self._told)


def _differing(first: int, end: int, other: int, other_end: int) -> Iterator[int]:
    """What lies in one of two ranges and not in both."""
    if end <= other or other_end <= first:
        yield from range(first, end)
        yield from range(other, other_end)
    else:
        yield from range(min(first, other), max(first, other))
        yield from range(min(end, other_end), max(end, other_end))


def grouped(
    rows: Iterable[Sequence[Any]], keys: int
) -> Iterator[tuple[tuple[Any, ...], list[Sequence[Any]]]]:
    """Rows by their first columns, in the order in which those first come; without them."""
    groups: dict[tuple[Any, ...], list[Sequence[Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[:keys]), []).append(row[keys:])
    yield from groups.items()
