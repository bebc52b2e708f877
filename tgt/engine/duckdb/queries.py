"""Answers as of one window: what is asked of the event store.

The hours before a window come from rollups, the window itself from its events. What one step asks
is asked once for all signals together, since a small statement costs more to plan than to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from tgt.engine.duckdb import conversations, recurrences, rollups, sequences
from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.examples import Finder
from tgt.engine.duckdb.history import Names, Past, grouped
from tgt.engine.duckdb.rollups import SUMS, added, counts_of
from tgt.engine.protocol import (
    Counts,
    Coverage,
    DistributionReading,
    Examples,
    Of,
    Reading,
    Signal,
)
from tgt.engine.sequences import Recurrence, Run
from tgt.engine.services import are_told_apart
from tgt.events import HOUR_US, Interval, from_us, to_us
from tgt.stats import distributions
from tgt.stats.confidence import Clusters
from tgt.stats.distributions import Histogram

T = TypeVar("T")

CONTEXT_US = HOUR_US
"""Records of one call mostly lie within an hour of each other."""
_USUAL_HOURS = 24

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
    _since: dict[int, dict[str, Counts]] = field(default_factory=dict)

    def since(self, first: int) -> dict[str, Counts]:
        """The counts of the hours from ``first`` on, by subject."""
        if first not in self._since:
            self._since[first] = dict(self._counts(first))
        return self._since[first]

    def _counts(self, first: int) -> Iterator[tuple[str, Counts]]:
        for subject, hours in self.sums.items():
            inside = [sums for hour, sums in hours if hour >= first]
            if inside:
                bad = sum(n for hour, n in self.bad.get(subject, ()) if hour >= first)
                yield subject, counts_of(added(inside), bad)


class DuckDBSnapshot:
    """Answers as of the end of one window."""

    def __init__(
        self,
        database: Database,
        signals: Sequence[Signal],
        past: Past,
        window: Interval,
        baseline: Interval,
        warnings: tuple[str, ...],
        complete: sequences.Complete,
    ) -> None:
        self._db = database
        self._complete = complete
        self._past = past
        self._warnings = warnings
        self._window = window
        self._baseline = baseline
        self._end = to_us(window.end)
        # From here on events are looked at and not rollups: the last full hour to which nothing
        # can be added any more, neither by the window nor by the end of a call.
        raw = min(to_us(window.start), self._end - CONTEXT_US)
        self._raw_hour = raw // HOUR_US
        self._shares = rollups.of_kind(signals, is_distribution=False)
        self._distributions = rollups.of_kind(signals, is_distribution=True)
        self._own: dict[Interval, dict[int, _Hours]] = {}
        self._longer: dict[int, dict[int, _Hours]] = {}
        self._buckets: dict[Interval, dict[int, dict[str, dict[int, int]]]] = {}
        self._judged = False
        self._conversations: dict[tuple[int, Interval], dict[str, dict[int | None, Counts]]] = {}
        self._db.table(
            "recent",
            canonical(f"us >= {self._raw_hour * HOUR_US} AND us <= {self._end}"),
        )
        self._recent = self._rolled_recent()
        self._names = Names(several=False)
        self.coverage = self._cover()

    # --- what there is ---------------------------------------------------------------------------

    def _rolled_recent(self) -> dict[int, list[tuple[Any, ...]]]:
        """The counts of recent events by the clock hour: rows (hour, subject, service, SUMS) by
        the place of the signal."""
        rows = self._db.run(
            f"SELECT signal, hour, subject, service, {', '.join(SUMS)}"
            f" FROM ({rollups.counted(self._shares, 'recent')}) ORDER BY hour"
        )
        by_signal: dict[int, list[tuple[Any, ...]]] = {}
        for signal, *row in rows:
            by_signal.setdefault(signal, []).append(tuple(row))
        return by_signal

    def _cover(self) -> Coverage:
        first, last = _clock_hours(self._baseline)
        since = to_us(self._baseline.start) // HOUR_US
        observed, cut = self._shares.index(OBSERVED), self._shares.index(CUT)
        past = self._past.hours_of(OBSERVED)
        rows = [row for row in past if since <= row[1] < self._raw_hour]
        rows += [(row[1], row[0], row[4]) for row in self._recent.get(observed, ())]
        services = {service for service, _, _ in rows}
        self._tellers = sorted({service for service, _, k in rows if k})
        self._names = Names(several=are_told_apart(services))
        cuts = (hour for _, hour, _ in self._past.hours_of(CUT))
        is_cut = bool(self._recent.get(cut)) or any(since <= h < self._raw_hour for h in cuts)
        start, older = to_us(self._window.start), 0
        counted = "SELECT count(*), max(us) FROM"
        events, newest = self._db.run(f"{counted} recent WHERE us > {start}")[0]
        if not events:
            older, newest = self._db.run(f"{counted} ({canonical(f'us <= {start}')})")[0]
        malformed = self._past.malformed_lines(since * HOUR_US, self._end)
        return Coverage(
            window=self._window,
            baseline=self._baseline,
            events=events,
            malformed_lines=malformed,
            warnings=self._warnings,
            hours_observed=frozenset(h for _, h, _ in rows if first <= h <= last),
            tells_finish=bool(self._tellers),
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
            return self._conversation_counts(signal, window)
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

    def _place(self, signal: Signal) -> int | None:
        """Which of the declared signals it is; None for one of which no history is kept."""
        keys = (known.key for known in self._shares)
        return next((place for place, key in enumerate(keys) if key == signal.key), None)

    def _undeclared(self, signal: Signal, window: Interval) -> dict[str, Counts]:
        """The counts of a window, of events alone."""
        start = to_us(window.start)
        if self._is_own(window):
            events = f"(SELECT * FROM recent WHERE us > {start})"
            hour = f"(({self._end} - us) // {HOUR_US})::INTEGER"
        else:
            events = f"({canonical(f'us >= {start} AND us <= {self._end}')})"
            hour = rollups.CLOCK_HOUR
        rows = self._db.run(
            f"SELECT signal, hour, subject, service, {', '.join(SUMS)}"
            f" FROM ({rollups.counted([signal], events, hour)})"
        )
        bad = self._latest_bad([signal], events, "true", hour)
        return self._by_hour(rows, bad)[0].since(0)

    def _history(
        self, signal: Signal, place: int | None, subjects: Sequence[str], first: int, last: int
    ) -> dict[str, dict[int, Counts]]:
        if place is None:
            raise ValueError(f"the signal {signal.name} was not declared: it has no history")
        past = self._past.counts(signal, subjects, self._names)
        recent: dict[str, dict[int, Counts]] = {subject: {} for subject in subjects}
        for (name, hour), same in grouped(self._named(self._recent.get(place, ())), 2):
            if name in recent:
                recent[name][hour] = counts_of(added(same))
        before = self._raw_hour - 1
        return {
            s: {**_within(past[s], first, min(last, before)), **_within(recent[s], first, last)}
            for s in subjects
        }

    def _named(self, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Rows (hour, subject, service, …) as (name, hour, …), in the order of name and hour."""
        named = [
            (self._names.of(subject, service), hour, *sums)
            for hour, subject, service, *sums in rows
        ]
        return sorted(named, key=lambda row: row[:2])

    def _own_hours(self, window: Interval) -> dict[int, _Hours]:
        if window not in self._own:
            start = to_us(window.start)
            inside = f"(SELECT * FROM recent WHERE us > {start})"
            back = f"(({self._end} - us) // {HOUR_US})::INTEGER"
            rows = self._db.run(
                f"SELECT signal, hour, subject, service, {', '.join(SUMS)}"
                f" FROM ({rollups.counted(self._shares, inside, back)})"
            )
            bad = self._latest_bad(self._shares, "recent", f"us > {start}", "0")
            self._own[window] = self._by_hour(rows, bad)
        return self._own[window]

    def _longer_hours(self, window: Interval) -> dict[int, _Hours]:
        """The longer windows are sums of hours: as many as the longest so far has."""
        end = self._end // HOUR_US
        self._past.longest = max(self._past.longest, end - to_us(window.start) // HOUR_US)
        longest = self._past.longest
        if longest not in self._longer:
            first = end - longest
            keys = {s.key: place for place, s in enumerate(self._shares)}
            rows = [
                (keys[key], *row)
                for key, *row in self._db.run(
                    f"SELECT signal, hour, subject, service, {', '.join(SUMS)} FROM rollups"
                    f" WHERE bucket IS NULL AND hour >= {first} AND hour < {self._raw_hour}"
                )
                if key in keys
            ]
            rows += [(place, *row) for place, some in self._recent.items() for row in some]
            failing = canonical(f"us >= {first * HOUR_US} AND us <= {self._end}")
            bad = self._latest_bad(self._shares, f"({failing})", "true", rollups.CLOCK_HOUR)
            self._longer[longest] = self._by_hour(rows, bad)
        return self._longer[longest]

    def _latest_bad(
        self, signals: Sequence[Signal], events: str, condition: str, hour: str
    ) -> list[tuple[Any, ...]]:
        """For each signal and subject how many conversations were bad at last in which hour: rows
        (signal, subject, service, hour, conversations)."""
        asked = [(n, s) for n, s in enumerate(signals) if s.key not in (OBSERVED.key, CUT.key)]
        if not asked:
            return []
        parts = [
            f"SELECT {place} AS signal, {s.by} AS subject, {rollups.service(s)} AS service,"
            f" conv_id, {hour} AS hour"
            f" FROM counting WHERE ({s.where}) AND ({s.counted})"
            for place, s in asked
        ]
        any_of = " OR ".join(f"(({s.where}) AND ({s.counted}))" for _, s in asked)
        return self._db.run(
            f"WITH counting AS MATERIALIZED (SELECT * FROM {events} WHERE {condition}"
            f" AND conv_id IS NOT NULL AND ({any_of})),"
            f" latest AS (SELECT signal, subject, {self._names.service} AS service, conv_id,"
            " max(hour) AS hour"
            f" FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL)"
            " SELECT signal, subject, service, hour, count(*) FROM latest GROUP BY ALL"
        )

    def _by_hour(
        self, rows: Iterable[Sequence[Any]], bad: Iterable[Sequence[Any]]
    ) -> dict[int, _Hours]:
        by_signal = {place: _Hours() for place in range(max(1, len(self._shares)))}
        for place, hour, subject, service, *sums in rows:
            name = self._name(subject, service)
            by_signal[place].sums.setdefault(name, []).append((hour, sums))
        for place, subject, service, hour, many in bad:
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
        for place, known in enumerate(self._distributions):
            if known.key == signal.key:
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
            rows = (
                self._db.run(
                    f"SELECT signal, subject, service, hour, bucket, n"
                    f" FROM ({rollups.distributed(self._distributions, 'recent')})"
                )
                if self._distributions
                else []
            )
            self._recent_buckets: dict[tuple[int, str], dict[int, dict[int, int]]] = {}
            for number, name, service, hour, bucket, n in rows:
                of = self._recent_buckets.setdefault((number, self._name(name, service)), {})
                values = of.setdefault(hour, {})
                values[bucket] = values.get(bucket, 0) + n
        hours = self._recent_buckets.get((place, subject), {})
        return {hour: dict(sorted(values.items())) for hour, values in sorted(hours.items())}

    def _values(self, window: Interval) -> dict[int, dict[str, dict[int, int]]]:
        """The values of a window by signal, subject and bucket."""
        if window in self._buckets or not self._distributions:
            return self._buckets.get(window, {})
        if self._is_own(window):
            inside = f"(SELECT * FROM recent WHERE us > {to_us(window.start)})"
            rows = self._db.run(
                "SELECT signal, subject, service, bucket, sum(n)::BIGINT FROM"
                f" ({rollups.distributed(self._distributions, inside, '0')}) GROUP BY ALL"
            )
        else:
            keys = {s.key: place for place, s in enumerate(self._distributions)}
            rows = [
                (keys[key], *row)
                for key, *row in self._db.run(
                    "SELECT signal, subject, service, bucket, sum(n)::BIGINT FROM rollups"
                    f" WHERE bucket IS NOT NULL AND hour >= {to_us(window.start) // HOUR_US}"
                    f" AND hour < {self._raw_hour} GROUP BY ALL"
                )
                if key in keys
            ]
            rows += self._db.run(
                "SELECT signal, subject, service, bucket, sum(n)::BIGINT FROM"
                f" ({rollups.distributed(self._distributions, 'recent')}) GROUP BY ALL"
            )
        values: dict[int, dict[str, dict[int, int]]] = {}
        for place, subject, service, bucket, n in sorted(rows, key=lambda row: row[3]):
            of = values.setdefault(place, {}).setdefault(self._name(subject, service), {})
            of[bucket] = of.get(bucket, 0) + n
        self._buckets[window] = values
        return values

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

    def beyond(self, signal: Signal, subject: str, window: Interval, line: float) -> Counts:
        row = self._db.run(
            f"SELECT {rollups.SUMMED} FROM (SELECT conv_id, count(*) AS n,"
            f" count_if(({signal.value}) > $line) AS k FROM recent WHERE ({signal.where})"
            f" AND ({signal.value}) > 0 AND us > {to_us(window.start)}"
            f" AND {self._called(signal)} = $subject GROUP BY conv_id)",
            line=line,
            subject=subject,
        )[0]
        return counts_of(row) if row[0] is not None else Counts()

    def _called(self, signal: Signal) -> str:
        """SQL for the name of an event's subject."""
        return self._names.called(signal.by) if signal.is_by_service else f"({signal.by})"

    # --- conversations ---------------------------------------------------------------------------

    def _conversation_counts(self, signal: Signal, window: Interval) -> tuple[Reading, ...]:
        self._judge()
        first, last = self._hours_before(window)
        over = to_us(window.end - conversations.IDLE)
        now = f"last_us > {to_us(window.start)} AND last_us <= {over}"
        rows = self._db.run(
            f"SELECT {signal.by} AS subject, NULL AS hour, count(*),"
            f" count(*) FILTER ({signal.counted}) FROM judged WHERE ({signal.where}) AND {now}"
            f" GROUP BY subject UNION ALL SELECT {signal.by} AS subject, hour, count(*),"
            f" count(*) FILTER ({signal.counted}) FROM judged WHERE ({signal.where})"
            f" AND hour BETWEEN {first} AND {last} GROUP BY subject, hour"
        )
        by_subject: dict[str, dict[int | None, Counts]] = {}
        for subject, hour, n, k in rows:
            by_subject.setdefault(subject, {})[hour] = _single(n, k)
        return tuple(
            Reading(subject, window, hours.pop(None), _sorted(hours))
            for subject, hours in sorted(by_subject.items())
            if None in hours
        )

    def _judge(self) -> None:
        if not self._judged:
            since = to_us(self._baseline.start) // HOUR_US * HOUR_US
            conversations.judged_at(self._db, self._end, since, self._tellers)
            self._judged = True

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
        finder = Finder(self._db, window, self._raw_hour * HOUR_US)
        examples = finder.examples(signal, subject, self._called(signal), most, beyond)
        if examples.samples or not (self._names.several and signal.is_by_service):
            return examples
        return finder.examples(signal, subject, f"({signal.by})", most, beyond)  # of all services

    # --- the order of events ---------------------------------------------------------------------

    def runs(self, window: Interval, least: int) -> tuple[Run, ...]:
        inside = f"us > {to_us(window.start)} AND us <= {self._end}"
        events = "recent" if self._is_own(window) else f"({canonical(inside)})"
        return sequences.runs(self._db, events, window, least, self._complete)

    def recurrences(
        self, where: str, window: Interval, least: int, most: int, *, newest: datetime
    ) -> tuple[Recurrence, ...]:
        return recurrences.recurrences(self._db, where, window, least, most, to_us(newest))


def _single(n: int, k: int) -> Counts:
    """Counts of conversations, each of which is one event and one unit."""
    return Counts(n, k, n, k, k, 0, Clusters(n, n, k, n, k, k))


def _sorted(hours: Mapping[int | None, Counts]) -> dict[int, Counts]:
    return {hour: hours[hour] for hour in sorted(h for h in hours if h is not None)}


def _within(by_hour: Mapping[int, T], first: int, last: int) -> dict[int, T]:
    return {hour: value for hour, value in by_hour.items() if first <= hour <= last}


def _clock_hours(interval: Interval) -> tuple[int, int]:
    """The first and the last clock hour that lie wholly inside."""
    return -(-to_us(interval.start) // HOUR_US), to_us(interval.end) // HOUR_US - 1
