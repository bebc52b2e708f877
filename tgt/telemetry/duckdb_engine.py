"""The engine on one machine: DuckDB, embedded, over the files as they are.

What was read (see ``ingest``) is counted by the hour; the hours before the window come from those
counts, the window itself from its events. All questions are answered from these small tables.
Statements are built from constants; whatever comes from telemetry or from a user is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb

from tgt.confidence import Clusters
from tgt.errors import TelemetryError
from tgt.telemetry import histogram, resources
from tgt.telemetry.counting import CONTEXT_US, count_statement, events_sql
from tgt.telemetry.events import HOUR_US, Interval, Sample, from_us, to_us
from tgt.telemetry.ingest import Ingest, Progress, Span, signature
from tgt.telemetry.partials import TABLES, Partials
from tgt.telemetry.records import VIEW
from tgt.telemetry.signals import (
    FAILURE,
    TRAFFIC,
    TRUNCATION,
    UNTOLD,
    LatencyReading,
    Measure,
    Reading,
    Signal,
    Tally,
    Telemetry,
    Usage,
)
from tgt.telemetry.source import Source

T = TypeVar("T")

IDLE = timedelta(minutes=15)
"""A conversation without an event for this long is over."""
LONG_WAIT_MS = 8000
ERROR_HEAVY_SHARE = 0.3
DEFAULT_MEMORY_MB = 256

# A conversation is judged whole, in the hour of its last event.
_JUDGED = f"""
SELECT conv, last_us, last_us // {HOUR_US} AS hour, 1 AS finished,
    ((events > 2 AND ended + CASE WHEN coalesce(service, '') IN (SELECT unnest($tellers)) THEN 0
        ELSE untold END = 0) OR cancelled > 0)::INTEGER AS aborted,
    (coalesce(CASE WHEN messages > 0 THEN wait_ms ELSE slowest_ms END, 0) > {LONG_WAIT_MS})
        ::INTEGER AS waited,
    (errors > {ERROR_HEAVY_SHARE} * events)::INTEGER AS error_heavy,
FROM (
    SELECT conv, any_value(service) AS service,
        sum(events) AS events, sum(errors) AS errors, sum(ended) AS ended,
        sum(untold) AS untold, sum(cancelled) AS cancelled, sum(messages) AS messages,
        max(wait_ms) AS wait_ms, max(slowest_ms) AS slowest_ms, max(last_us) AS last_us,
    FROM {{conversations}} GROUP BY conv)
"""
_OF_CONVERSATIONS = (Measure.ABORTED, Measure.WAITED, Measure.ERROR_HEAVY)
_SUBJECTS_OF_CONVERSATIONS = {
    Measure.ABORTED: "conversations/aborted",
    Measure.WAITED: "conversations/long_wait",
    Measure.ERROR_HEAVY: "conversations/error_heavy",
}

_COUNT = {
    Measure.EVENTS: "events",
    Measure.ERRORS: "errors",
    Measure.ENDS: "ends + CASE WHEN $tells THEN 0 ELSE untold END",
    Measure.CUTS: "cuts",
    Measure.UNTOLD: "untold",
}
_IS_COUNTED = {
    Measure.EVENTS: "true",
    Measure.ERRORS: "failed",
    Measure.CUTS: "truncated",
}

# Asking is what costs, so what analyzers are known to ask is asked together.
_USUAL = (FAILURE, TRAFFIC, TRUNCATION, UNTOLD)
_USUAL_HOURS = 24
_MANY_EVENTS = 1_000_000  # the conversations of so many are as much as is counted at once
_ALL_SUBJECTS = "traffic"
_ALL_NUMBER = 0  # subjects are numbered from 1

# Sums over rows (conv, n, k) of one subject; rows without a conversation are loose events.
_SUMS = """
    sum(n)::BIGINT, sum(k)::BIGINT,
    count(conv), count(conv) FILTER (k > 0),
    coalesce(sum(n) FILTER (conv IS NULL), 0)::BIGINT,
    coalesce(sum(n) FILTER (conv IS NOT NULL), 0)::DOUBLE,
    coalesce(sum(k) FILTER (conv IS NOT NULL), 0)::DOUBLE,
    coalesce(sum(n::DOUBLE * n) FILTER (conv IS NOT NULL), 0)::DOUBLE,
    coalesce(sum(n::DOUBLE * k) FILTER (conv IS NOT NULL), 0)::DOUBLE,
    coalesce(sum(k::DOUBLE * k) FILTER (conv IS NOT NULL), 0)::DOUBLE
"""
_DISTINCT = "count(DISTINCT conv), count(DISTINCT conv) FILTER (k > 0)"


def _tally(row: Sequence[Any], conversations: int = 0, bad_conversations: int = 0) -> Tally:
    """A tally of the columns of _SUMS; of a history the distinct conversations are not asked."""
    n, k, units, bad_units, loose = row[:5]
    sums = Clusters(units, *row[5:10])
    return Tally(n, k, units, bad_units, conversations, bad_conversations, loose, sums)


def _single(n: int, k: int) -> Tally:
    """A tally of conversations that count once each."""
    return Tally(n, k, n, k, n, k, 0, Clusters(n, n, k, n, k, k))


class _Hours:
    """The hours up to the end of a window, and from them the tallies of every length of window.

    Sums add up over hours. A conversation that goes on for several hours is counted once: it is in
    every window that reaches back to its latest hour.
    """

    def __init__(
        self, first: int, sums: Iterable[Sequence[Any]], latest: Iterable[Sequence[Any]]
    ) -> None:
        """``sums`` are rows (subject, hour, columns of _SUMS), the latest hour of each first."""
        self.first = first
        self._sums: dict[str, list[tuple[int, list[Any]]]] = {}
        self._latest: dict[str, list[tuple[int, int | None, int]]] = {}
        for subject, hour, *row in sums:
            past = self._sums.setdefault(subject, [])
            before = past[-1][1] if past else [0] * len(row)
            past.append((hour, [a + b for a, b in zip(before, row, strict=True)]))
        for subject, hour, bad, count in latest:
            self._latest.setdefault(subject, []).append((hour, bad, count))

    def since(self, first: int) -> dict[str, Tally]:
        """The tallies of the hours from ``first`` on, by subject."""
        found: dict[str, Tally] = {}
        for subject, hours in self._sums.items():
            inside = [sums for hour, sums in hours if hour >= first]
            if inside:
                latest = self._latest.get(subject, ())
                found[subject] = _tally(
                    inside[-1],
                    sum(count for hour, _, count in latest if hour >= first),
                    sum(count for _, bad, count in latest if bad is not None and bad >= first),
                )
        return found


class _Latencies:
    """The latencies of one subject in the hours that are over, and their sum over any of them."""

    def __init__(self) -> None:
        self.hours: dict[int, dict[int, int]] = {}
        self._first = self._end = 0
        self._total: dict[int, int] = {}

    def total(self, first: int, end: int) -> dict[int, int]:
        """The sum of the hours in [first, end), from the sum that was asked for before: windows
        and steps differ by few hours."""
        before, after = (self._first, self._end), (first, end)
        for hour in self.hours:
            sign = (after[0] <= hour < after[1]) - (before[0] <= hour < before[1])
            if sign:
                for bucket, n in self.hours[hour].items():
                    self._total[bucket] = self._total.get(bucket, 0) + sign * n
        self._first, self._end = after
        return {bucket: n for bucket, n in self._total.items() if n}


@dataclass
class _Step:
    """What was asked since the last ``at``: questions that come again cost nothing."""

    own: Interval | None = None
    tallies: dict[tuple[Signal, Interval], dict[str, Tally]] = field(default_factory=dict)
    hours: dict[tuple[Signal, datetime], _Hours] = field(default_factory=dict)
    recent: dict[Signal, dict[str, dict[int, Tally]]] = field(default_factory=dict)
    latencies: dict[str, dict[int, dict[int, int]]] | None = None
    conversations: dict[Interval, list[tuple[Any, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Workspace:
    """Where the engine may keep derived data, and what it may use.

    Without a ``directory`` nothing is kept; without ``writable`` what is there is only read. What
    does not fit into memory then lies in a temporary directory of the system's.
    """

    directory: Path | None = None
    writable: bool = False
    memory_mb: int = DEFAULT_MEMORY_MB


class DuckDBEngine:
    """Reads once with :meth:`read`, then answers for one window after another, set by :meth:`at`.

    Use as a context manager.
    """

    def __init__(self, workspace: Workspace | None = None) -> None:
        self._workspace = workspace or Workspace()
        self._connection = duckdb.connect(":memory:")
        self._spill = resources.spill_directory(
            self._workspace.directory if self._workspace.writable else None
        )
        settings: Mapping[str, Any] = {
            "TimeZone": "UTC",
            "memory_limit": f"{resources.engine_mb(self._workspace.memory_mb)}MB",
            "threads": resources.threads(self._workspace.memory_mb),
            "preserve_insertion_order": False,
            # Looking for what statements say twice takes longer than small ones run, and the
            # large ones say nothing twice.
            "disabled_optimizers": "common_subexpressions",
            "enable_progress_bar": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": str(self._spill or ""),
        }
        for name, value in settings.items():
            self._run(f"SET {name} = $value", value=value)
        self._telemetry: Telemetry | None = None
        self._malformed = 0
        self._warnings: tuple[str, ...] = ()
        self._raw_start = 0
        self._names = {_ALL_NUMBER: _ALL_SUBJECTS}
        self._numbers = {_ALL_SUBJECTS: _ALL_NUMBER}
        self._tellers: list[str] = []
        """The services whose responses tell how they ended."""
        self._longest = _USUAL_HOURS
        self._asked: dict[Signal, None] = dict.fromkeys(_USUAL)
        self._step = _Step()
        self._known_past: dict[tuple[Signal, bool], dict[str, dict[int, Tally]]] = {}
        self._known_latencies: dict[str, _Latencies] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        if self._spill:
            resources.release(self._spill)

    @property
    def telemetry(self) -> Telemetry:
        if self._telemetry is None:
            raise RuntimeError("read() and at() come first")
        return self._telemetry

    def _run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        used = {name: value for name, value in parameters.items() if f"${name}" in statement}
        try:
            return self._connection.execute(statement, used).fetchall()
        except RuntimeError as failure:
            if "interrupted" in str(failure).lower():
                raise KeyboardInterrupt from None  # how DuckDB tells that it was asked to stop
            raise
        except duckdb.OutOfMemoryException:
            raise TelemetryError(
                f"the telemetry of this window does not fit into {self._workspace.memory_mb} MB",
                hint="raise TASKGEN_MEMORY_MB",
            ) from None

    def _named(
        self, rows: Sequence[Sequence[Any]], place: int
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        """Each row with the name of the subject whose number is at a place, by the names."""
        unknown = {row[place] for row in rows}.difference(self._names)
        if unknown:
            for number, name in self._run(
                "SELECT subject, name FROM named WHERE subject IN (SELECT unnest($numbers))",
                numbers=list(unknown),
            ):
                self._names[number] = name
                self._numbers[name] = number
        return iter(sorted(((self._names[row[place]], row) for row in rows), key=itemgetter(0)))

    def _number(self, subject: str) -> int | None:
        """The number of a subject, if there is such a one."""
        if subject not in self._numbers:
            found = self._run("SELECT min(shown) FROM named WHERE name = $name", name=subject)
            if found[0][0] is None:
                return None
            self._numbers[subject] = found[0][0]
        return self._numbers[subject]

    # --- reading ---------------------------------------------------------------------------------

    def read(
        self,
        sources: Sequence[Source],
        first: Interval,
        last: Interval,
        baseline: timedelta,
        *,
        previews: bool = True,
        progress: Progress | None = None,
    ) -> tuple[str, ...]:
        """Read what windows from ``first`` to ``last`` need, each with its baseline before it.

        One run has one window, so both are the same. Raises TelemetryError if the directory of a
        source cannot be read; one file that cannot be read is left out, and named in the warnings
        that are returned.
        """
        span = Span(
            history_start=to_us(first.start - baseline) // HOUR_US * HOUR_US,
            history_end=_raw_start(last),
            raw_start=_raw_start(first),
            end=to_us(last.end),
        )
        partials = Partials(
            self._connection,
            self._workspace.directory,
            signature(sources),
            writable=self._workspace.writable,
        )
        ingest = Ingest(self._connection, partials, span, previews=previews, progress=progress)
        reading = ingest.read(sources)
        self._malformed, self._warnings = reading.malformed, reading.warnings
        return self._warnings

    def is_idle(self, window: Interval) -> bool:
        """Whether nothing was read of this window, so that there is no need to answer for it."""
        return not self._run(
            f"SELECT 1 FROM {VIEW} WHERE us > $start AND us <= $finish LIMIT 1", **_bounds(window)
        )

    def at(self, window: Interval, baseline: timedelta) -> Telemetry:
        """Answer as of the end of this window from now on; later events are invisible."""
        if self._telemetry is not None:
            self._run("SET threads = 1")  # a second step: from now on all is small
        self._raw_start, self._step = _raw_start(window), _Step()
        since = self._raw_start - CONTEXT_US
        visible = f"(FROM {VIEW} WHERE us BETWEEN {since} AND {to_us(window.end)})"
        events, _ = events_sql(self._connection, visible, previews=True)
        self._run(
            f"CREATE OR REPLACE TEMP TABLE events AS SELECT * FROM {events} WHERE us >= $start",
            start=self._raw_start,
        )
        for name in TABLES:
            counted = count_statement(name, "events")
            self._run(f"CREATE OR REPLACE TEMP TABLE recent_{name} AS {counted}")
        self._telemetry = self._summary(window, Interval(window.start - baseline, window.start))
        conversations = self._counts("conversations", self._telemetry.baseline.start)
        self._run(
            "CREATE OR REPLACE TEMP TABLE judged AS " + _JUDGED.format(conversations=conversations),
            tellers=self._tellers,
        )
        return self._telemetry

    def _counts(self, table: str, since: datetime) -> str:
        """A FROM item with the counts of the hours since a time: past ones and recent ones."""
        columns = ", ".join(part.split()[0] for part in TABLES[table].split(", "))
        first, end = to_us(since) // HOUR_US, self._raw_start // HOUR_US
        return (
            f"(SELECT {columns} FROM {table} WHERE hour >= {first} AND hour < {end}"
            f" UNION ALL SELECT {columns} FROM recent_{table})"
        )

    def _summary(self, window: Interval, baseline: Interval) -> Telemetry:
        events = self._run(
            "SELECT count(*) FROM events WHERE us > $start AND us <= $finish", **_bounds(window)
        )[0][0]
        first, last = _clock_hours(baseline)
        units = self._counts("units", baseline.start)
        conversations = self._counts("conversations", baseline.start)
        found = self._run(
            "SELECT coalesce(service, ''), hour, sum(told), sum(cuts) FROM (SELECT subject, hour,"
            f" sum(told) AS told, sum(cuts) AS cuts FROM {units} GROUP BY ALL)"
            " JOIN subjects USING (subject) GROUP BY ALL UNION ALL"
            f" SELECT DISTINCT '', hour, 0, 0 FROM {conversations}"
        )
        self._tellers = sorted({service for service, _, told, _ in found if told})
        return Telemetry(
            window=window,
            baseline=baseline,
            events=events,
            malformed_lines=self._malformed,
            warnings=self._warnings,
            hours_observed=frozenset(hour for _, hour, _, _ in found if first <= hour <= last),
            tells_finish=bool(self._tellers),
            tells_continuation=any(cuts for *_, cuts in found),
        )

    # --- answering -------------------------------------------------------------------------------

    def _hours_before(self, window: Interval) -> tuple[int, int]:
        """The first and the last full clock hour of the baseline before a window."""
        return _clock_hours(Interval(self.telemetry.baseline.start, window.start))

    def _rows(self, signal: Signal, window: Interval) -> tuple[str, dict[str, Any]]:
        """One row (subject, hour, conv, n, k) a unit of the window, and the parameters.

        The run's own window is cut into hours back from its end; a longer one is made of the
        clock hours that it touches.
        """
        shares = f"{_COUNT[signal.population]} AS n, {_COUNT[signal.counted]} AS k"
        parameters = {"tells": self.telemetry.tells_finish, **_bounds(window)}
        if to_us(window.start) >= self._raw_start:
            inside = (
                "(SELECT * REPLACE ($finish - us AS us) FROM events"
                " WHERE us > $start AND us <= $finish)"
            )
            if self._step.own != window:
                counted = count_statement("units", inside)
                self._run(f"CREATE OR REPLACE TEMP TABLE own AS {counted}", **parameters)
                self._step.own = window
            return f"SELECT subject, hour, conv, {shares} FROM own", parameters
        statement = (
            f"SELECT subject, hour, conv, {shares} FROM {self._counts('units', window.start)}"
            f" WHERE hour <= $finish // {HOUR_US}"
        )
        return statement, parameters

    def shares(self, signal: Signal, window: Interval, min_counted: int) -> tuple[Reading, ...]:
        tallies = self._now(signal, window)
        worth = _worth(tallies, min_counted)

        def likely() -> Sequence[str]:
            hours = self._step.hours.get((signal, window.end))
            return _worth(hours.since(hours.first), min_counted) if hours else ()

        past = self._past(signal, worth, likely)
        first, last = self._hours_before(window)
        return tuple(
            Reading(subject, window, tally, _within(past.get(subject, {}), first, last))
            for subject, tally in tallies.items()
        )

    def traffic(self, window: Interval) -> Reading:
        """All conversations, whatever they used: the exposure of failures outside any tool."""
        now = self._now(TRAFFIC, window).get(_ALL_SUBJECTS, Tally())
        past = self._past(TRAFFIC, [_ALL_SUBJECTS])
        history = _within(past.get(_ALL_SUBJECTS, {}), *self._hours_before(window))
        return Reading(_ALL_SUBJECTS, window, now, history)

    def _now(self, signal: Signal, window: Interval) -> dict[str, Tally]:
        """The tallies of a window by subject, in the order of the subjects.

        The longer windows are sums of hours: as many as the longest window so far has.
        """
        known = self._step.tallies.get((signal, window))
        if known is not None:
            return known
        self._asked[signal] = None
        if to_us(window.start) >= self._raw_start:
            signals = [each for each in self._asked if (each, window) not in self._step.tallies]
            self._step.tallies.update({(each, window): {} for each in signals})
            rows, parameters = self._grouped(signals, window)
            found = self._run(
                f"SELECT signal, subject, {_DISTINCT}, {_SUMS} FROM ({rows})"
                " GROUP BY signal, subject",
                **parameters,
            )
            for subject, (number, _, *row) in self._named(found, 1):
                tally = _tally(row[2:], row[0], row[1])
                self._step.tallies[signals[number], window][subject] = tally
            return self._step.tallies[signal, window]
        first = to_us(window.start) // HOUR_US
        hours = self._step.hours.get((signal, window.end))
        if hours is None or hours.first > first:
            hours = self._hours(signal, window)
        tallies = hours.since(first)
        self._step.tallies[signal, window] = tallies
        return tallies

    def _grouped(self, signals: Sequence[Signal], window: Interval) -> tuple[str, dict[str, Any]]:
        """The rows that count, each with the number of its signal; of all traffic one row for each
        hour and conversation."""
        parts = []
        parameters: dict[str, Any] = {}
        for number, signal in enumerate(signals):
            rows, parameters = self._rows(signal, window)
            if signal == TRAFFIC:
                rows = (
                    f"SELECT {_ALL_NUMBER} AS subject, hour, conv, sum(n) AS n, sum(k) AS k"
                    f" FROM ({rows}) GROUP BY ALL"
                )
            parts.append(
                f"SELECT {number} AS signal, subject, hour, conv, n, k FROM ({rows})"
                " WHERE n > 0 OR k > 0"
            )
        return " UNION ALL ".join(parts), parameters

    def _hours(self, signal: Signal, window: Interval) -> _Hours:
        length = to_us(window.end) // HOUR_US - to_us(window.start) // HOUR_US
        self._longest = max(self._longest, length)
        first = to_us(window.end) // HOUR_US - self._longest
        longest = Interval(from_us(first * HOUR_US), window.end)
        known = {each for each, end in self._step.hours if end == window.end}
        signals, parts = [signal], 1 + self.telemetry.events * self._longest // _MANY_EVENTS
        if parts == 1:
            signals += [each for each in self._asked if each not in {*known, signal}]
        rows, parameters = self._grouped(signals, longest)
        sums = self._run(
            f"SELECT signal, subject, hour, {_SUMS} FROM ({rows}) GROUP BY signal, subject, hour"
            " ORDER BY hour DESC",
            **parameters,
        )
        latest = [
            row
            for part in range(parts)
            for row in self._run(
                "SELECT signal, subject, latest, latest_bad, count(*) FROM (SELECT signal,"
                " subject, max(hour) AS latest, max(hour) FILTER (k > 0) AS latest_bad"
                f" FROM ({rows}) WHERE conv % {parts} = {part}"
                " GROUP BY signal, subject, conv) GROUP BY ALL",
                **parameters,
            )
        ]
        for number, each in enumerate(signals):
            self._step.hours[each, window.end] = _Hours(
                first,
                [(name, *row[2:]) for name, row in self._named(sums, 1) if row[0] == number],
                [(name, *row[2:]) for name, row in self._named(latest, 1) if row[0] == number],
            )
        return self._step.hours[signal, window.end]

    def _past(
        self, signal: Signal, subjects: Sequence[str], likely: Callable[[], Sequence[str]] = tuple
    ) -> dict[str, dict[int, Tally]]:
        """The counts by the hour of these subjects, as far as hours are over.

        Hours that are over do not change while the engine lives, so they are asked for once,
        together with those of subjects that a longer window is likely to ask for.
        """
        if not subjects:
            return {}
        known = self._known_past.setdefault((signal, self.telemetry.tells_finish), {})
        missing = [subject for subject in subjects if subject not in known]
        if missing:
            missing = [*missing, *(each for each in likely() if each not in {*known, *missing})]
            known.update({subject: {} for subject in missing})
            known.update(self._tallies([signal], "units", missing)[signal])
        if signal not in self._step.recent:
            signals = [each for each in self._asked if each not in self._step.recent]
            self._step.recent.update(self._tallies(signals, "recent_units", None))
        recent = self._step.recent[signal]
        return {
            subject: {
                **{h: t for h, t in known[subject].items() if h * HOUR_US < self._raw_start},
                **recent.get(subject, {}),
            }
            for subject in subjects
        }

    def _tallies(
        self, signals: Sequence[Signal], table: str, subjects: Sequence[str] | None
    ) -> dict[Signal, dict[str, dict[int, Tally]]]:
        """The tallies by signal, subject and hour, of some subjects or of all."""
        parts = []
        for number, signal in enumerate(signals):
            everything = signal == TRAFFIC
            subject = f"{_ALL_NUMBER} AS subject" if everything else "subject"
            some = not everything and subjects is not None
            where = "WHERE subject IN (SELECT unnest($subjects))" if some else ""
            parts.append(
                f"SELECT {number} AS signal, {subject}, hour, conv,"
                f" sum({_COUNT[signal.population]}) AS n, sum({_COUNT[signal.counted]}) AS k"
                f" FROM {table} {where} GROUP BY ALL"
            )
        found: dict[Signal, dict[str, dict[int, Tally]]] = {signal: {} for signal in signals}
        rows = self._run(
            f"SELECT signal, subject, hour, {_SUMS} FROM ({' UNION ALL '.join(parts)})"
            " WHERE n > 0 OR k > 0 GROUP BY signal, subject, hour ORDER BY hour",
            subjects=list(map(self._number, subjects or ())),
            tells=self.telemetry.tells_finish,
        )
        for subject, (number, _, hour, *sums) in self._named(rows, 1):
            found[signals[number]].setdefault(subject, {})[hour] = _tally(sums)
        return found

    def latencies(self, window: Interval, min_calls: int) -> tuple[LatencyReading, ...]:
        if to_us(window.start) >= self._raw_start:
            inside = "(SELECT * FROM events WHERE us > $start AND us <= $finish)"
            source = f"({count_statement('latency', inside)})"
        else:
            counts = self._counts("latency", window.start)
            source = f"(SELECT * FROM {counts} WHERE hour <= $finish // {HOUR_US})"
        now: dict[str, dict[int, int]] = {}
        rows = self._run(
            f"SELECT subject, bucket, sum(n)::BIGINT FROM {source} GROUP BY ALL ORDER BY bucket",
            **_bounds(window),
        )
        for subject, (_, bucket, n) in self._named(rows, 0):
            now.setdefault(subject, {})[bucket] = n
        worth = sorted(s for s, counts in now.items() if sum(counts.values()) >= min_calls)
        self._know_latencies(worth)
        first, last = self._hours_before(window)
        chosen = frozenset(worth)
        return tuple(
            LatencyReading(
                subject,
                window,
                now[subject],
                *(self._past_latencies(subject, first, last) if subject in chosen else ({}, {})),
            )
            for subject in sorted(now)
        )

    def _know_latencies(self, subjects: Sequence[str]) -> None:
        missing = [subject for subject in subjects if subject not in self._known_latencies]
        if missing:
            self._known_latencies.update({subject: _Latencies() for subject in missing})
            for subject, hour, counts in self._histograms("latency", missing):
                self._known_latencies[subject].hours[hour] = counts
        if self._step.latencies is None:
            recent: dict[str, dict[int, dict[int, int]]] = {}
            for subject, hour, counts in self._histograms("recent_latency", None):
                recent.setdefault(subject, {})[hour] = counts
            self._step.latencies = recent

    def _past_latencies(
        self, subject: str, first: int, last: int
    ) -> tuple[dict[int, dict[int, int]], dict[int, int]]:
        """The latencies of the hours from the first to the last, and their sum."""
        over = self._raw_start // HOUR_US
        known = self._known_latencies[subject]
        recent = _within((self._step.latencies or {}).get(subject, {}), first, last)
        past = {**_within(known.hours, first, min(last, over - 1)), **recent}
        total = histogram.merge((known.total(first, min(last + 1, over)), *recent.values()))
        return past, dict(sorted(total.items()))  # sums of fractions depend on their order

    def _histograms(
        self, table: str, subjects: Sequence[str] | None
    ) -> Iterator[tuple[str, int, dict[int, int]]]:
        where = "" if subjects is None else " WHERE subject IN (SELECT unnest($subjects))"
        rows = self._run(
            "SELECT subject, hour, list(bucket), list(n) FROM (SELECT subject, hour, bucket,"
            f" sum(n)::BIGINT AS n FROM {table}{where} GROUP BY ALL) GROUP BY ALL ORDER BY hour",
            subjects=list(map(self._number, subjects or ())),
        )
        for subject, (_, hour, buckets, counts) in self._named(rows, 0):
            yield subject, hour, dict(sorted(zip(buckets, counts, strict=True)))

    def slower_than(self, subject: str, window: Interval, ms: float) -> Tally:
        """Counts from the events at hand (of a longer window its end)."""
        row = self._run(
            f"SELECT {_SUMS} FROM (SELECT CASE WHEN conv_id IS NOT NULL THEN hash(conv_id) END"
            " AS conv, count(*) AS n, count_if(elapsed_ms > $ms) AS k FROM events"
            " WHERE subject = $subject AND us > $start AND us <= $finish AND elapsed_ms > 0"
            " AND failed IS DISTINCT FROM true GROUP BY ALL)",
            subject=self._number(subject),
            ms=ms,
            **_bounds(window),
        )[0]
        return _tally(row) if row[0] is not None else Tally()

    def conversations(self, signal: Signal, window: Interval) -> Reading:
        over = to_us(window.end - IDLE)
        first, last = self._hours_before(window)
        if window not in self._step.conversations:
            counted = ", ".join(
                f"coalesce(sum({measure}), 0)::BIGINT" for measure in _OF_CONVERSATIONS
            )
            self._step.conversations[window] = self._run(
                f"SELECT NULL AS hour, count(*), {counted} FROM judged"
                " WHERE last_us > $start AND last_us <= $over UNION ALL"
                f" SELECT hour, count(*), {counted} FROM judged"
                " WHERE hour BETWEEN $first AND $last GROUP BY hour",
                start=to_us(window.start),
                over=over,
                first=first,
                last=last,
            )
        place = 2 + _OF_CONVERSATIONS.index(signal.counted)
        found = {row[0]: _single(row[1], row[place]) for row in self._step.conversations[window]}
        now = found.pop(None)
        return Reading(_SUBJECTS_OF_CONVERSATIONS[signal.counted], window, now, found)

    def usage(self, window: Interval) -> tuple[Usage, ...]:
        found = self._run(
            "SELECT subject, name, count(*), count(DISTINCT conv_id),"
            " count_if(conv_id IS NULL) * 2 > count(*) FROM events"
            " WHERE act = 'tool_call' AND actor = 'tool' AND name IS NOT NULL"
            " AND us > $start AND us <= $finish GROUP BY ALL ORDER BY name",
            **_bounds(window),
        )
        return tuple(Usage(subject, *row[1:]) for subject, row in self._named(found, 0))

    def _counted(
        self, subject: str, measure: Measure, window: Interval, above_ms: float
    ) -> tuple[str, dict[str, Any]]:
        parameters: dict[str, Any] = {**_bounds(window), "above": above_ms}
        parameters["subject"] = self._number(subject)
        parameters["tells"] = self.telemetry.tells_finish
        if measure in _OF_CONVERSATIONS:
            statement = (
                "SELECT events.*, row_number() OVER (PARTITION BY conv_id ORDER BY us DESC) AS nth"
                " FROM events JOIN judged ON judged.conv = hash(conv_id)"
                f" WHERE judged.{measure} > 0 AND judged.last_us > $start"
                " AND judged.last_us <= $finish - $idle"
            )
            parameters["idle"] = to_us(from_us(0) + IDLE)
        else:
            slow = " AND elapsed_ms > $above" if above_ms > 0 else ""
            statement = (
                "SELECT *, row_number() OVER (PARTITION BY conv_id ORDER BY us DESC) AS nth"
                f" FROM events WHERE subject = $subject AND {_IS_COUNTED[measure]}{slow}"
                " AND us > $start AND us <= $finish"
            )
        return statement, parameters

    def samples(
        self, subject: str, measure: Measure, window: Interval, limit: int, *, above_ms: float = 0.0
    ) -> tuple[Sample, ...]:
        """The newest counted events, from as many conversations as possible."""
        statement, parameters = self._counted(subject, measure, window, above_ms)
        found = self._run(
            "SELECT us, id, conv_id, coalesce(error, result_preview, args_preview), error_type,"
            f" elapsed_ms, finish_reason, act, name FROM ({statement})"
            " ORDER BY nth, us DESC, id LIMIT $limit",
            limit=limit,
            **parameters,
        )
        keys = ("errorType", "elapsedMs", "finishReason", "act", "name")
        return tuple(
            Sample(
                at=from_us(row[0]),
                id=row[1],
                conv_id=row[2],
                text=row[3],
                values={
                    key: value
                    for key, value in zip(keys, row[4:], strict=True)
                    if value is not None
                },
            )
            for row in found
        )

    def centre(
        self, subject: str, measure: Measure, window: Interval, *, above_ms: float = 0.0
    ) -> int | None:
        """The median time of the counted events; of a longer window to the hour."""
        if to_us(window.start) < self._raw_start and measure in _COUNT:
            return self._centre_hour(subject, measure, window, above_ms)
        statement, parameters = self._counted(subject, measure, window, above_ms)
        row = self._run(f"SELECT quantile_disc(us, 0.5) FROM ({statement})", **parameters)[0]
        return None if row[0] is None else int(row[0])

    def _centre_hour(
        self, subject: str, measure: Measure, window: Interval, above_ms: float
    ) -> int | None:
        table, count, slow = "units", _COUNT[measure], "true"
        if above_ms > 0:
            table, count, slow = "latency", "n", f"bucket >= {histogram.bucket(above_ms)}"
        found = self._run(
            f"SELECT hour, sum({count})::BIGINT FROM {self._counts(table, window.start)}"
            f" WHERE subject = $subject AND {slow} GROUP BY hour HAVING sum({count}) > 0"
            " ORDER BY hour",
            subject=self._number(subject),
            tellers=self._tellers,
        )
        left = sum(n for _, n in found) / 2
        for hour, n in found:
            left -= n
            if left <= 0:
                return min(int(hour) * HOUR_US + HOUR_US // 2, to_us(window.end))
        return None


def _worth(tallies: Mapping[str, Tally], min_counted: int) -> list[str]:
    return [subject for subject, tally in tallies.items() if tally.k >= min_counted]


def _within(by_hour: Mapping[int, T], first: int, last: int) -> dict[int, T]:
    return {hour: value for hour, value in by_hour.items() if first <= hour <= last}


def _raw_start(window: Interval) -> int:
    """From where on a window needs events and not counts: the last full hour to which nothing can
    be added any more, neither by the window nor by the end of a call."""
    return min(to_us(window.start), to_us(window.end) - CONTEXT_US) // HOUR_US * HOUR_US


def _bounds(window: Interval) -> dict[str, Any]:
    return {"start": to_us(window.start), "finish": to_us(window.end)}


def _clock_hours(interval: Interval) -> tuple[int, int]:
    """The first and the last clock hour that lie wholly inside."""
    return -(-to_us(interval.start) // HOUR_US), to_us(interval.end) // HOUR_US - 1
