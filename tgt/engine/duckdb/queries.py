"""Answers as of one window: what is asked of the event store.

The hours before a window come from rollups, the window itself from its events. What one step asks
is asked once for all signals and for all windows of a walk together, since a small statement costs
more to plan than to run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, TypeVar

from tgt.engine.affected import Affected, Asked
from tgt.engine.compared import Column, Part, Parts, Use
from tgt.engine.duckdb import affected, compared, conversations, recurrences, rollups, sequences
from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.examples import Finder
from tgt.engine.duckdb.history import Names, Past, grouped
from tgt.engine.duckdb.rollups import SUMS, added, counts_of
from tgt.engine.duckdb.store import quoted_numbers
from tgt.engine.duckdb.walk import Span, Walk, by_window, coded
from tgt.engine.protocol import (
    EVERYTHING,
    Counts,
    Coverage,
    DistributionReading,
    Examples,
    Of,
    Reading,
    Signal,
    Spread,
    TimeSpent,
)
from tgt.engine.sequences import Recurrence, Run
from tgt.engine.services import are_told_apart
from tgt.events import HOUR_US, Interval, from_us, to_us
from tgt.stats import distributions
from tgt.stats.confidence import Clusters
from tgt.stats.distributions import Histogram

T = TypeVar("T")
K = TypeVar("K")

_HOUR, _BUCKET = itemgetter(1), itemgetter(4)
_BAD_UNITS = 4 + SUMS.index("bad_units")

OBSERVED = Signal(
    "observed",
    counted="finish_reason IS NOT NULL OR continuation IS NOT NULL",
    by="coalesce(service, '')",
)
"""Which hours have events of which service, and whether its answers tell how they ended."""
CUT = Signal("cut", where="truncated", by="'cut'")
"""Whether any answer was cut off or continued."""


@dataclass
class _Hours:
    """The counts of one signal by the hour up to the end of a window."""

    sums: dict[str, list[tuple[int, Sequence[Any]]]] = field(default_factory=dict)
    bad: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """How many conversations were bad at last in which hour."""
    before: Callable[[int], Mapping[str, Sequence[Any]]] = lambda _: {}
    """The sums of the hours before those, from one on."""
    _since: dict[int, dict[str, Counts]] = field(default_factory=dict)

    def since(self, first: int) -> dict[str, Counts]:
        """The counts of the hours from ``first`` on, by subject."""
        if first not in self._since:
            self._since[first] = dict(self._counts(first))
        return self._since[first]

    def _counts(self, first: int) -> Iterator[tuple[str, Counts]]:
        before = self.before(first)
        for subject in dict.fromkeys((*before, *self.sums)):
            inside = [sums for hour, sums in self.sums.get(subject, ()) if hour >= first]
            if subject in before:
                inside.append(before[subject])
            if inside:
                bad = sum(n for hour, n in self.bad.get(subject, ()) if hour >= first)
                yield subject, counts_of(added(inside), bad)


class DuckDBSnapshot:
    """Answers as of the end of one window."""

    def __init__(
        self,
        walk: Walk,
        number: int,
        signals: Sequence[Signal],
        past: Past,
        baseline: Interval,
        warnings: tuple[str, ...],
        complete: sequences.Complete,
    ) -> None:
        self._db = walk.db
        self._walk = walk
        self._number = number
        self._complete = complete
        self._past = past
        self._warnings = warnings
        span = walk.spans[number]
        self._window = span.window
        self._baseline = baseline
        self._end = span.end
        self._raw_hour = span.raw_hour
        self._shares = rollups.of_kind(signals, is_distribution=False)
        self._distributions = rollups.of_kind(signals, is_distribution=True)
        self._places = {signal.key: place for place, signal in enumerate(self._shares)}
        self._own: dict[tuple[Interval, Signal | None], dict[int, _Hours]] = {}
        self._longer: dict[int, dict[int, _Hours]] = {}
        self._buckets: dict[Interval, dict[int, dict[str, dict[int, int]]]] = {}
        self._recent = self._rolled_recent()
        self._names = Names(several=False)
        self.coverage = self._cover()

    # --- what there is ---------------------------------------------------------------------------

    def _rolled_recent(self) -> dict[int, list[Sequence[Any]]]:
        """The counts of recent events by the clock hour: rows (hour, subject, service, SUMS) by
        the place of the signal."""
        rows = self._walk.answer("recent", lambda: self._counted(self._shares, "recent"))
        by_signal: dict[int, list[Sequence[Any]]] = {}
        for signal, *row in sorted(rows.get(self._number, ()), key=_HOUR):
            by_signal.setdefault(signal, []).append(row)
        return by_signal

    def _counted(
        self, signals: Sequence[Signal], events: str, hour: str = rollups.CLOCK_HOUR
    ) -> dict[int, list[Sequence[Any]]]:
        """For each window of the walk rows (signal, hour, subject, service, SUMS)."""
        rows = self._db.run(
            f"SELECT signal, hour, subject, service, {', '.join(SUMS)}"
            f" FROM ({rollups.counted(signals, events, coded(hour))})"
        )
        return by_window(rows, 1)

    def _cover(self) -> Coverage:
        first, last = _clock_hours(self._baseline)
        since = to_us(self._baseline.start) // HOUR_US
        observed, cut = self._shares.index(OBSERVED), self._shares.index(CUT)
        past = self._past.hours_of(OBSERVED)
        rows = [row for row in past if since <= row[1] < self._raw_hour]
        rows += [(row[1], row[0], row[4]) for row in self._recent.get(observed, ())]
        services = {service for service, _, _ in rows}
        tellers = self._walk.answer("tellers", self._tellers_by_window)[self._number]
        self._names = Names(several=are_told_apart(services))
        cuts = (hour for _, hour, _ in self._past.hours_of(CUT))
        is_cut = bool(self._recent.get(cut)) or any(since <= h < self._raw_hour for h in cuts)
        start, older = to_us(self._window.start), 0
        counted = "count(*), max(us) FROM"
        inside = f"recent WHERE {self._since(self._window)}"
        held = self._walk.answer(
            "events", lambda: _apart(self._db.run(f"SELECT w, {counted} {inside} GROUP BY w"))
        )
        ((events, newest),) = held.get(self._number, [(0, None)])
        if not events:
            before = canonical(f"us <= {start}")
            older, newest = self._db.run(f"SELECT {counted} ({before})")[0]
            if not older:  # none that is kept; the manifest knows of those that are not
                newest = self._db.value(f"SELECT max(last_us) FROM files WHERE last_us <= {start}")
        malformed = self._past.malformed_lines(since * HOUR_US, self._end)
        return Coverage(
            window=self._window,
            baseline=self._baseline,
            events=events,
            malformed_lines=malformed,
            warnings=self._warnings,
            hours_observed=frozenset(h for _, h, _ in rows if first <= h <= last),
            tells_finish=bool(tellers),
            tells_continuation=is_cut,
            newest=None if newest is None else from_us(newest),
            older=older,
            services=frozenset(service for service in services if service),
            notices=self._past.notices,
            folded=self._past.folded,
        )

    def _hours_before(self, window: Interval) -> tuple[int, int]:
        """The first and the last full clock hour of the baseline before a window."""
        return _clock_hours(Interval(self._baseline.start, window.start))

    def _is_own(self, window: Interval) -> bool:
        """Whether a window is made of events, cut into hours back from its end; a longer one is
        made of the clock hours that it touches."""
        return to_us(window.start) >= self._raw_hour * HOUR_US

    # --- shares ----------------------------------------------------------------------------------

    def counts(
        self, signal: Signal, window: Interval, *, history: Callable[[Counts], bool] | None = None
    ) -> tuple[Reading, ...]:
        if signal.of is Of.CONVERSATIONS:
            return self._conversation_counts(signal, window, history)
        place = self._place(signal)
        if place is None:
            now = self._undeclared(signal, window)
        elif self._is_own(window):
            now = self._own_hours(window)[place].since(0)
        else:
            first = to_us(window.start) // HOUR_US
            now = self._longer_hours(window)[place].since(first)
        worth = [name for name, counts in now.items() if history and history(counts)]
        past = self._history(signal, place, worth, *self._hours_before(window)) if worth else {}
        return tuple(
            Reading(subject, window, now[subject], past.get(subject, {})) for subject in sorted(now)
        )

    def conversations_of(
        self, signal: Signal, window: Interval, subjects: Collection[str]
    ) -> Mapping[str, int]:
        is_everything, is_walk = signal.key == EVERYTHING.key, len(self._walk.spans) > 1
        start = to_us(window.start) // HOUR_US * HOUR_US
        if is_everything and is_walk and not self._is_own(window):
            _, table = self._narrowed(signal, start)
            inside = f"us BETWEEN {start} AND {self._end}"
            many = self._db.value(f"SELECT count(DISTINCT conv_id) FROM {table} WHERE {inside}")
            return {EVERYTHING.name: many} if many and EVERYTHING.name in subjects else {}
        if is_walk or self._is_own(window):
            counted = {each.subject: each.now for each in self.counts(signal, window)}
            bad = {name: counted[name].bad_conversations for name in subjects if name in counted}
            return {name: many for name, many in bad.items() if many}
        if is_everything:
            many = self._conversations_since(start) if EVERYTHING.name in subjects else 0
            return {EVERYTHING.name: many} if many else {}
        events = canonical(f"us >= {start} AND us <= {self._end} AND conv IS NOT NULL")
        rows = self._db.run(
            f"SELECT {self._called(signal)} AS called, count(DISTINCT conv_id) FROM ({events})"
            f" WHERE ({signal.where}) AND ({signal.counted}) AND called IN $subjects"
            " GROUP BY called",
            subjects=list(subjects),
        )
        return dict(rows)

    def _conversations_since(self, start: int) -> int:
        """How many have an event from a time to the end of the window."""
        goes_on = f"first_us <= {self._end} AND last_us > {self._end}"
        (ended, later), *_ = self._db.run(
            f"SELECT count(*) FILTER (last_us BETWEEN {start} AND {self._end}),"
            f" count(*) FILTER ({goes_on}) FROM conversations"
        )
        if not later:
            return int(ended)
        going_on = f"conv IN (SELECT conv FROM conversations WHERE {goes_on})"
        events = canonical(f"us >= {start} AND us <= {self._end} AND {going_on}")
        return int(ended + self._db.value(f"SELECT count(DISTINCT conv_id) FROM ({events})"))

    def _place(self, signal: Signal) -> int | None:
        """Which of the declared signals it is; None for one of which no history is kept."""
        return self._places.get(signal.key)

    def _undeclared(self, signal: Signal, window: Interval) -> dict[str, Counts]:
        """The counts of a window, of events alone."""
        if self._is_own(window):
            return self._own_hours(window, signal)[0].since(0)
        start = to_us(window.start) // HOUR_US * HOUR_US  # as of those that were declared
        inside = f"us >= {start} AND us <= {self._end}"
        events = f"(SELECT *, {self._number} AS w FROM ({canonical(inside)}))"
        if len(self._walk.spans) > 1:
            signal, table = self._narrowed(signal, start)
            events = f"(SELECT *, {self._number} AS w FROM {table} WHERE {inside})"
        rows = self._counted([signal], events)
        bad = self._latest_bad([signal], events, "true", rollups.CLOCK_HOUR, _bad_in(rows))
        return self._by_hour(rows, bad)[0].since(0)

    def _narrowed(self, signal: Signal, start: int) -> tuple[Signal, str]:
        """As ``_narrow``, for windows of the walk as long as from a time to the end of this one."""
        hours = (self._end - start) // HOUR_US + 1
        return self._walk.answer(("narrow", signal, hours), lambda: self._narrow(signal, hours))

    def _narrow(self, signal: Signal, hours: int) -> tuple[Signal, str]:
        """A table of what the windows of the walk that have so many hours at most have in common:
        the population of a signal with what is asked of it, and what to ask of that."""
        name, by = self._walk.new_table("narrow"), "subject" if signal.is_by_service else "thing"
        first, end = self._walk.spans[0].end - hours * HOUR_US, self._walk.spans[-1].end
        self._db.table(
            name,
            f"SELECT us, conv_id, service, {signal.by} AS {by}, ({signal.counted}) AS counts,"
            f" ({signal.value or 'NULL'})::DOUBLE AS value"
            f" FROM ({canonical(f'us >= {first} AND us <= {end}')}) WHERE ({signal.where})",
        )
        narrow = replace(signal, where="true", counted="counts", by=by)
        return replace(narrow, value="value") if signal.value else narrow, name

    def _history(
        self, signal: Signal, place: int | None, subjects: Sequence[str], first: int, last: int
    ) -> dict[str, dict[int, Counts]]:
        if place is None:
            raise ValueError(f"the signal {signal.name} was not declared: it has no history")
        before = min(last, self._raw_hour - 1)
        past = self._past.counts_between(signal, subjects, self._names, first, before)
        recent: dict[str, dict[int, Counts]] = {subject: {} for subject in subjects}
        for (name, hour), same in grouped(self._named(self._recent.get(place, ())), 2):
            if name in recent:
                recent[name][hour] = counts_of(added(same))
        return {s: {**past[s], **_within(recent[s], first, last)} for s in subjects}

    def _named(self, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Rows (hour, subject, service, …) as (name, hour, …), in the order of name and hour."""
        named = [
            (self._names.of(subject, service), hour, *sums)
            for hour, subject, service, *sums in rows
        ]
        return sorted(named, key=lambda row: row[:2])

    def _since(self, window: Interval) -> str:
        """Whether an event of ``recent`` lies in a window, which ends where that of its snapshot
        does: SQL for all windows of the walk that are as long."""
        return f"us > end_us - {self._end - to_us(window.start)}"

    def _own_hours(self, window: Interval, signal: Signal | None = None) -> dict[int, _Hours]:
        """The counts of an own window by the hour back from its end: of one signal, or of those
        that are declared."""
        key = (window, signal)
        if key not in self._own:
            signals = self._shares if signal is None else [signal]
            inside, back = self._since(window), f"((end_us - us) // {HOUR_US})::INTEGER"
            events = f"(SELECT * FROM recent WHERE {inside})"
            rows = self._walk.answer(
                ("own", inside, signal), lambda: self._counted(signals, events, back)
            )
            bad = self._walk.answer(
                ("own bad", inside, signal, self._names),
                lambda: self._latest_bad(signals, "recent", inside, "0", _bad_in(rows)),
            )
            self._own[key] = self._by_hour(rows, bad)
        return self._own[key]

    def _longer_hours(self, window: Interval) -> dict[int, _Hours]:
        """The longer windows are sums of hours: as many as the longest so far has."""
        end = self._end // HOUR_US
        self._past.longest = max(self._past.longest, end - to_us(window.start) // HOUR_US)
        longest = self._past.longest
        if longest not in self._longer:
            first = end - longest
            sealed = self._past.sums(first, self._raw_hour, self._names)
            rows = [(place, *row) for place, some in self._recent.items() for row in some]
            counting: Collection[int] = range(len(self._shares))
            if len(self._walk.spans) == 1:  # of others it is not known
                counting = _bad_in({self._number: rows})
                counting |= {p for key, p in self._places.items() if sealed.any_bad(key)}
            bad = self._walk.answer(
                ("longer bad", longest, self._names), lambda: self._longer_bad(longest, counting)
            )
            hours = self._by_hour({self._number: rows}, bad)
            for key, place in self._places.items():
                hours[place].before = partial(sealed.since, key)
            self._longer[longest] = hours
        return self._longer[longest]

    def _longer_bad(self, hours: int, counting: Collection[int]) -> dict[int, list[Sequence[Any]]]:
        since = [(span.end // HOUR_US - hours) * HOUR_US for span in self._walk.spans]
        any_of = _any_of(_about_subjects(self._shares, counting))
        events = self._walk.events(since, f"conv_id IS NOT NULL AND ({any_of})")
        return self._latest_bad(self._shares, events, "true", rollups.CLOCK_HOUR, counting)

    def _latest_bad(
        self,
        signals: Sequence[Signal],
        events: str,
        condition: str,
        hour: str,
        counting: Collection[int],
    ) -> dict[int, list[Sequence[Any]]]:
        """For each signal and subject how many conversations were bad at last in which hour: for
        each window of the walk rows (signal, subject, service, hour, conversations). ``counting``
        are the places of the signals that count any conversation as bad."""
        chosen = _about_subjects(signals, counting)
        if not chosen:
            return {}
        parts = [
            f"SELECT w, {place} AS signal, {s.by} AS subject, {rollups.service(s)} AS service,"
            f" conv_id, {hour} AS hour"
            f" FROM counting WHERE ({s.where}) AND ({s.counted})"
            for place, s in chosen
        ]
        rows = self._db.run(
            f"WITH counting AS MATERIALIZED (SELECT * FROM {events} WHERE {condition}"
            f" AND conv_id IS NOT NULL AND ({_any_of(chosen)})),"
            f" latest AS (SELECT w, signal, subject, {self._names.service} AS service, conv_id,"
            " max(hour) AS hour"
            f" FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL)"
            " SELECT w, signal, subject, service, hour, count(*) FROM latest GROUP BY ALL"
        )
        return _apart(rows)

    def _by_hour(
        self, rows: Mapping[int, Iterable[Sequence[Any]]], bad: Mapping[int, Sequence[Any]]
    ) -> dict[int, _Hours]:
        """The rows of this window by signal and name."""
        by_signal = {place: _Hours() for place in range(max(1, len(self._shares)))}
        for place, hour, subject, service, *sums in rows.get(self._number, ()):
            name = self._name(subject, service)
            by_signal[place].sums.setdefault(name, []).append((hour, sums))
        for place, subject, service, hour, many in bad.get(self._number, ()):
            name = self._name(subject, service)
            by_signal[place].bad.setdefault(name, []).append((hour, many))
        return by_signal

    def _name(self, subject: str, service: str | None) -> str:
        return self._names.of(subject, service)

    # --- distributions ---------------------------------------------------------------------------

    def distribution(
        self, signal: Signal, window: Interval, *, least: int = 0
    ) -> tuple[DistributionReading, ...]:
        now = self._values(window).get(self._distribution_place(signal), {})
        worth = [subject for subject, values in now.items() if sum(values.values()) >= least]
        before = self._before(signal, worth, *self._hours_before(window)) if worth else {}
        return tuple(
            DistributionReading(subject, window, now[subject], before.get(subject, {}))
            for subject in sorted(now)
        )

    def _distribution_place(self, signal: Signal) -> int:
        for place, distribution in enumerate(self._distributions):
            if distribution.key == signal.key:
                return place
        raise KeyError(f"the signal {signal.name} was not declared")

    def _before(
        self, signal: Signal, subjects: Sequence[str], first: int, last: int
    ) -> dict[str, Histogram]:
        """The values of the baseline's hours together, by subject."""
        end = min(last + 1, self._raw_hour)
        totals = self._past.totals(signal, subjects, self._names, first, end)
        for subject in subjects if last >= end else ():
            recent = self._recent_values(signal, subject)
            later = [values for hour, values in recent.items() if end <= hour <= last]
            merged = distributions.merge((totals[subject], *later))
            totals[subject] = dict(sorted(merged.items()))
        return totals

    def _recent_values(self, signal: Signal, subject: str) -> dict[int, Histogram]:
        """The recent values of a subject by the clock hour."""
        place = self._distribution_place(signal)
        if not hasattr(self, "_recent_buckets"):
            rows = self._walk.answer("recent values", lambda: self._distributed("recent"))
            self._recent_buckets: dict[tuple[int, str], dict[int, dict[int, int]]] = {}
            for number, name, service, hour, bucket, n in rows.get(self._number, ()):
                of = self._recent_buckets.setdefault((number, self._name(name, service)), {})
                values = of.setdefault(hour, {})
                values[bucket] = values.get(bucket, 0) + n
        hours = self._recent_buckets.get((place, subject), {})
        return {hour: dict(sorted(values.items())) for hour, values in sorted(hours.items())}

    def _distributed(
        self, events: str, hour: str = rollups.CLOCK_HOUR
    ) -> dict[int, list[Sequence[Any]]]:
        """For each window of the walk rows (signal, subject, service, hour, bucket, n)."""
        if not self._distributions:
            return {}
        values = rollups.distributed(self._distributions, events, coded(hour))
        rows = self._db.run(f"SELECT signal, subject, service, hour, bucket, n FROM ({values})")
        return by_window(rows, 3)

    def _values(self, window: Interval) -> dict[int, dict[str, dict[int, int]]]:
        """The values of a window by signal, subject and bucket."""
        if window in self._buckets or not self._distributions:
            return self._buckets.get(window, {})
        values: dict[int, dict[str, dict[int, int]]] = {}
        if self._is_own(window):
            inside = self._since(window)
            events = f"(SELECT * FROM recent WHERE {inside})"
            held = self._walk.answer(("own values", inside), lambda: self._distributed(events, "0"))
            rows = self._by_bucket(held.get(self._number, ()))
        else:
            first = to_us(window.start) // HOUR_US
            sealed = self._past.values(first, self._raw_hour, self._names)
            for place, signal in enumerate(self._distributions):
                by_subject = sealed.get(signal.key, {})
                values[place] = {name: dict(buckets) for name, buckets in by_subject.items()}
            rows = self._recent_by_bucket
        for place, name, bucket, n in rows:
            of = values.setdefault(place, {}).setdefault(name, {})
            of[bucket] = of.get(bucket, 0) + n
        self._buckets[window] = values
        return values

    @cached_property
    def _recent_by_bucket(self) -> list[tuple[int, str, int, int]]:
        """The recent values, which all longer windows have in common."""
        held = self._walk.answer("recent values", lambda: self._distributed("recent"))
        return self._by_bucket(held.get(self._number, ()))

    def _by_bucket(self, rows: Iterable[Sequence[Any]]) -> list[tuple[int, str, int, int]]:
        """Rows (place, name, bucket, n) in the order of buckets, of what ``_distributed`` gives."""
        return [
            (place, self._name(subject, service), bucket, n)
            for place, subject, service, _, bucket, n in sorted(rows, key=_BUCKET)
        ]

    def distribution_history(
        self, signal: Signal, subject: str, window: Interval
    ) -> Mapping[int, Histogram]:
        first, last = self._hours_before(window)
        past = self._past.histograms(signal, [subject], self._names)[subject]
        recent = self._recent_values(signal, subject)
        return {
            **_within(past, first, min(last, self._raw_hour - 1)),
            **_within(recent, first, last),
        }

    def beyond(
        self,
        signal: Signal,
        subject: str,
        window: Interval,
        line: float,
        *,
        without: frozenset[int] = frozenset(),
    ) -> Counts:
        is_left_out = f"coalesce(conv_id IN ({quoted_numbers(without)}), false)"
        others = f" AND NOT {is_left_out}" if without else ""
        row = self._db.run(
            f"SELECT {rollups.SUMMED} FROM (SELECT conv_id, count(*) AS n,"
            f" count_if(({signal.value}) > $line) AS k FROM recent WHERE w = {self._number}"
            f" AND ({signal.where}) AND ({signal.value}) > 0 AND us > {to_us(window.start)}"
            f" AND {self._called(signal)} = $subject{others} GROUP BY conv_id)",
            line=line,
            subject=subject,
        )[0]
        return counts_of(row) if row[0] is not None else Counts()

    def spread(
        self, signal: Signal, subject: str, window: Interval, line: float, most: int
    ) -> Spread:
        conversations, n, usual, largest = self._db.run(
            "SELECT count(*), coalesce(sum(n), 0)::BIGINT, coalesce(quantile_disc(n, 0.5), 0),"
            f" max((k, conv_id), {most}) FILTER (k > 0) FROM (SELECT conv_id, count(*) AS n,"
            f" count_if(value > $line) AS k FROM {self._in_conversations(signal, window)}"
            " GROUP BY conv_id)",
            line=line,
            subject=subject,
        )[0]
        return Spread(conversations, n, usual, {conv: k for k, conv in largest or ()})

    def values_of(
        self, signal: Signal, subject: str, window: Interval, conversations: frozenset[int]
    ) -> Histogram:
        rows = self._db.run(
            f"SELECT {rollups.bucket('value')} AS bucket, count(*)"
            f" FROM {self._in_conversations(signal, window)}"
            f" WHERE conv_id IN ({quoted_numbers(conversations)}) GROUP BY ALL ORDER BY bucket",
            subject=subject,
        )
        return dict(rows)

    def _in_conversations(self, signal: Signal, window: Interval) -> str:
        """A FROM item: the values of $subject in a window, all of it, that have a conversation."""
        start = to_us(window.start)
        if self._is_own(window):
            events, inside = "recent", f"w = {self._number} AND us > {start}"
        else:
            start = start // HOUR_US * HOUR_US
            events, inside = f"({canonical(f'us >= {start} AND us <= {self._end}')})", "true"
            if len(self._walk.spans) > 1:
                # One table for the windows of all lengths.
                longest = (self._end // HOUR_US - self._past.longest) * HOUR_US
                signal, events = self._narrowed(signal, min(start, longest))
                inside = f"us BETWEEN {start} AND {self._end}"
        return (
            f"(SELECT conv_id, ({signal.value})::DOUBLE AS value FROM {events}"
            f" WHERE {inside} AND conv_id IS NOT NULL AND ({signal.where})"
            f" AND ({signal.value}) BETWEEN {rollups.LEAST} AND {rollups.MOST}"
            f" AND {self._called(signal)} = $subject)"
        )

    def time_spent(self, signal: Signal, subject: str, window: Interval) -> TimeSpent:
        start = to_us(window.start)
        inside = f"FROM recent WHERE w = {self._number} AND us > {start} AND conv_id IS NOT NULL"
        begun = f"greatest(us - 1000 * coalesce(elapsed_ms, 0), {start})"
        row = self._db.run(
            f"WITH mine AS MATERIALIZED (SELECT conv_id, count(*) AS n {inside}"
            f" AND ({signal.where}) AND ({signal.value}) > 0"
            f" AND {self._called(signal)} = $subject GROUP BY conv_id)"
            " SELECT coalesce(sum(n), 0)::BIGINT, count(*), coalesce(sum(ms), 0)::DOUBLE FROM mine"
            f" JOIN (SELECT conv_id, (max(us) - min({begun})) / 1000 AS ms {inside}"
            " AND conv_id IN (SELECT conv_id FROM mine) GROUP BY conv_id) USING (conv_id)",
            subject=subject,
        )[0]
        return TimeSpent(*row)

    def _called(self, signal: Signal) -> str:
        """SQL for the name of an event's subject."""
        return self._names.called(signal.by) if signal.is_by_service else f"({signal.by})"

    # --- conversations ---------------------------------------------------------------------------

    def _conversation_counts(
        self, signal: Signal, window: Interval, history: Callable[[Counts], bool] | None
    ) -> tuple[Reading, ...]:
        begin = self._begin(window)
        rows = self._walk.answer(
            ("conversations", begin, signal), lambda: self._finished(begin, signal)
        )
        now = {subject: _single(n, k) for subject, n, k in rows.get(self._number, ())}
        is_worth = any(history(counts) for counts in now.values()) if history else False
        past = self._conversations_before(signal, window) if is_worth else {}
        return tuple(
            Reading(subject, window, counts, past.get(subject, {}))
            for subject, counts in sorted(now.items())
        )

    def _begin(self, window: Interval) -> str:
        """SQL for the beginning of a window, and of those of the walk that are like it."""
        start = to_us(window.start)
        if self._is_own(window) or start % HOUR_US:
            return f"end_us - {self._end - start}"
        return f"(end_us // {HOUR_US} - {self._end // HOUR_US - start // HOUR_US}) * {HOUR_US}"

    def _finished(self, begin: str, signal: Signal) -> dict[int, list[Sequence[Any]]]:
        """For each window of the walk rows (subject, conversations, those that count)."""
        over = conversations.IDLE // timedelta(microseconds=1)
        rows = self._db.run(
            f"SELECT w, {signal.by} AS subject, count(*), count(*) FILTER ({signal.counted})"
            f" FROM {self._ended(begin)} WHERE ({signal.where}) AND last_us > {begin}"
            f" AND last_us <= end_us - {over} GROUP BY ALL"
        )
        return _apart(rows)

    def _conversations_before(
        self, signal: Signal, window: Interval
    ) -> dict[str, dict[int, Counts]]:
        self._judge()
        first, last = self._hours_before(window)
        rows = self._db.run(
            f"SELECT {signal.by} AS subject, hour, count(*), count(*) FILTER ({signal.counted})"
            f" FROM judged WHERE ({signal.where}) AND hour BETWEEN {first} AND {last}"
            " GROUP BY ALL ORDER BY hour"
        )
        by_subject: dict[str, dict[int, Counts]] = {}
        for subject, hour, n, k in rows:
            by_subject.setdefault(subject, {})[hour] = _single(n, k)
        return by_subject

    def _judge(self) -> None:
        """Make the table ``judged`` of the conversations of window and baseline."""
        if self._walk.judged != self._number:
            spans = {self._number: self._walk.spans[self._number]}
            conversations.judged_at(self._db, "judged", self._states(spans, "since_us"))
            self._walk.judged = self._number

    def _ended(self, begin: str) -> str:
        """A table with the conversations that ended after the beginnings of windows at least."""
        if len(self._walk.spans) == 1:
            self._judge()
            return "judged"
        return self._walk.answer(("ended", begin), lambda: self._ended_table(begin))

    def _ended_table(self, begin: str) -> str:
        spans = dict(enumerate(self._walk.spans))
        name = self._walk.new_table("ended")
        conversations.judged_at(self._db, name, self._states(spans, begin))
        return name

    def _states(self, spans: Mapping[int, Span], begin: str) -> conversations.States:
        length = self._window.start - self._baseline.start
        since = {
            w: to_us(span.window.start - length) // HOUR_US * HOUR_US for w, span in spans.items()
        }
        tellers = self._walk.answer("tellers", self._tellers_by_window)
        return conversations.States(
            tuple((w, since[w], span.end) for w, span in spans.items()),
            tuple((w, service) for w in spans for service in tellers[w]),
            begin,
        )

    def _tellers_by_window(self) -> list[list[str]]:
        """For each window of the walk the services whose answers tell how they ended."""
        length = self._window.start - self._baseline.start
        recent = self._walk.answer("recent", lambda: self._counted(self._shares, "recent"))
        observed = self._shares.index(OBSERVED)
        tellers = []
        for w, span in enumerate(self._walk.spans):
            since = to_us(span.window.start - length) // HOUR_US
            rows = [
                (subject, k)
                for subject, hour, k in self._past.hours_of(OBSERVED)
                if since <= hour < span.raw_hour
            ]
            rows += [(row[2], row[5]) for row in recent.get(w, ()) if row[0] == observed]
            tellers.append(sorted({service for service, k in rows if k}))
        return tellers

    # --- examples --------------------------------------------------------------------------------

    def examples(
        self,
        signal: Signal,
        subject: str,
        window: Interval,
        most: int,
        *,
        beyond: float | None = None,
    ) -> Examples:
        if signal.of is Of.CONVERSATIONS:
            self._judge()
        recent = f"(SELECT * FROM recent WHERE w = {self._number})"
        finder = Finder(self._db, window, recent, self._raw_hour * HOUR_US)
        examples = finder.examples(signal, subject, self._called(signal), most, beyond)
        if examples.samples or not (self._names.several and signal.is_by_service):
            return examples
        return finder.examples(signal, subject, f"({signal.by})", most, beyond)  # of all services

    def affected(self, asked: Sequence[Asked], window: Interval, most: int) -> tuple[Affected, ...]:
        whole = [each for each in asked if each.signal.of is Of.CONVERSATIONS]
        answers: dict[Asked, Affected] = {}
        if whole:
            self._judge()
            ended = affected.of_conversations(self._db, whole, window, most)
            answers = dict(zip(whole, ended, strict=True))
        for bare in (False, True):  # what nothing is called so is asked of all services
            left = [
                (each, f"({each.signal.by})" if bare else self._called(each.signal))
                for each in asked
                if each not in answers or (bare and self._is_of_all(each, answers[each]))
            ]
            if left:
                affected_now = affected.of_events(self._db, left, window, most)
                answers |= dict(zip((each for each, _ in left), affected_now, strict=True))
        return tuple(answers[each] for each in asked)

    def _is_of_all(self, question: Asked, answer: Affected) -> bool:
        is_named = self._names.several and question.signal.is_by_service
        return is_named and not (answer.bad or answer.fine)

    # --- what changed ----------------------------------------------------------------------------

    def uses(self, period: Interval) -> tuple[Use, ...]:
        return compared.uses(self._db, self._seen(period))

    def parts(
        self,
        asked: Asked,
        period: Interval,
        column: Column | None = None,
        *,
        among: str = "",
        met: Collection[int] | None = None,
    ) -> Parts:
        period = self._seen(period)
        return self._compared(
            asked,
            lambda called: compared.parts(self._db, asked, called, period, column, among, met),
            among,
        )

    def course(
        self, asked: Asked, period: Interval, step: timedelta, among: str = ""
    ) -> Mapping[int, Part]:
        period, step_us = self._seen(period), step // timedelta(microseconds=1)
        return self._compared(
            asked,
            lambda called: compared.course(self._db, asked, called, period, step_us, among),
            among,
        )

    def _seen(self, period: Interval) -> Interval:
        """What lies after the window is invisible."""
        return Interval(period.start, min(period.end, self._window.end))

    def _compared(
        self, question: Asked, ask: Callable[[str], Mapping[K, Part]], among: str = ""
    ) -> Mapping[K, Part]:
        if question.signal.of is Of.CONVERSATIONS:
            self._judge()
            return ask("")
        parts = ask(self._called(question.signal))
        is_any = any(part.k for part in parts.values()) or (parts and not among)
        if is_any or not (self._names.several and question.signal.is_by_service):
            return parts
        return ask(f"({question.signal.by})") or parts  # of all services

    # --- the order of events ---------------------------------------------------------------------

    def runs(self, window: Interval, least: int) -> tuple[Run, ...]:
        length = self._end - to_us(window.start)
        runs_by_window = self._walk.answer(
            ("runs", length, least),
            lambda: sequences.runs(self._walk, length, least, self._complete),
        )
        return runs_by_window[self._number]

    def recurrences(
        self, where: str, window: Interval, least: int, most: int, *, newest: datetime
    ) -> tuple[Recurrence, ...]:
        start, again = self._end - to_us(window.start), self._end - to_us(newest)
        key = ("recurrences", where, start, again, least, most)

        def ask(numbers: Iterable[int]) -> dict[int, tuple[Recurrence, ...]]:
            spans = [(w, self._walk.spans[w].end) for w in numbers]
            questions = [recurrences.Asked(w, e - start, e, e - again) for w, e in spans]
            return recurrences.recurrences(self._db, where, questions, least, most)

        # What was asked of one window only is hardly asked of others.
        if self._past.is_new(key):
            return ask([self._number])[self._number]
        every = range(len(self._walk.spans))
        return self._walk.answer(key, lambda: ask(every))[self._number]


def _about_subjects(signals: Sequence[Signal], places: Collection[int]) -> list[tuple[int, Signal]]:
    """Those of some places that are about subjects, with their places."""
    own = (OBSERVED.key, CUT.key)
    return [(n, s) for n, s in enumerate(signals) if n in places and s.key not in own]


def _any_of(signals: Sequence[tuple[int, Signal]]) -> str:
    """SQL for whether an event counts for any of these signals."""
    return " OR ".join(f"(({s.where}) AND ({s.counted}))" for _, s in signals) or "false"


def _bad_in(rows: Mapping[int, Iterable[Sequence[Any]]]) -> set[int]:
    """Which signals count any conversation as bad, by rows (signal, hour, subject, service, SUMS)
    for each window of the walk."""
    return {row[0] for some in rows.values() for row in some if row[_BAD_UNITS]}


def _apart(rows: Iterable[Sequence[Any]]) -> dict[int, list[Sequence[Any]]]:
    """Rows by their first column, the number of a window."""
    apart: dict[int, list[Sequence[Any]]] = {}
    for w, *row in rows:
        apart.setdefault(w, []).append(row)
    return apart


def _single(n: int, k: int) -> Counts:
    """Counts of conversations, each of which is one event and one unit."""
    return Counts(n, k, n, k, k, 0, Clusters(n, n, k, n, k, k))


def _within(by_hour: Mapping[int, T], first: int, last: int) -> dict[int, T]:
    return {hour: value for hour, value in by_hour.items() if first <= hour <= last}


def _clock_hours(interval: Interval) -> tuple[int, int]:
    """The first and the last clock hour that lie wholly inside."""
    return -(-to_us(interval.start) // HOUR_US), to_us(interval.end) // HOUR_US - 1
