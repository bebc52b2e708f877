"""The engine on one machine: DuckDB, embedded, over the files as they are.

What was read (see ``ingest``) is counted by the hour; the hours before the window come from those
counts, the window itself from its events. All questions are answered from these small tables.
Statements are built from constants; whatever comes from telemetry or from a user is a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb

from tgt.engine.duckdb import limits as resources
from tgt.engine.duckdb import rollups as tallies
from tgt.engine.duckdb.counting import CONTEXT_US, COUNTS, count_statement, events_sql
from tgt.engine.duckdb.ingest import Ingest, Progress, Span, signature
from tgt.engine.duckdb.records import VIEW
from tgt.engine.duckdb.rollups import Hours
from tgt.engine.duckdb.store import TABLES, Partials
from tgt.engine.protocol import (
    FAILURE,
    TRUNCATION,
    LatencyReading,
    Measure,
    Reading,
    Signal,
    Tally,
    Telemetry,
    Usage,
)
from tgt.errors import TelemetryError
from tgt.events import HOUR_US, Interval, Sample, from_us, to_us
from tgt.sources.base import Source
from tgt.stats import distributions as histogram
from tgt.stats.confidence import Clusters

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

_IS_COUNTED = {
    Measure.EVENTS: "true",
    Measure.ERRORS: "failed",
    Measure.CUTS: "truncated",
}

_NTH = """
    events.rowid AS row, events.us AS us, events.id AS id,
    row_number() OVER (PARTITION BY events.conv ORDER BY events.us DESC, events.id) AS nth
"""
"""Which of the newest events of its conversation an event is."""

_USUAL_HOURS = 24
_MANY_BAD = 250_000  # rows of bad conversations: as much as is counted at once
_ALL_TRAFFIC = "traffic"


def _single(n: int, k: int) -> Tally:
    """A tally of conversations that count once each."""
    return Tally(n, k, n, k, k, 0, Clusters(n, n, k, n, k, k))


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
    hours: dict[Interval, dict[int, Hours]] = field(default_factory=dict)
    """By window (of the longer ones the longest so far) and pair."""
    recent: dict[str, dict[int, dict[int, Tally]]] | None = None
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
        self._names = {tallies.ALL_SUBJECTS: _ALL_TRAFFIC}
        self._numbers = {_ALL_TRAFFIC: tallies.ALL_SUBJECTS}
        self._tellers: list[str] = []
        """The services whose responses tell how they ended."""
        self._longest = _USUAL_HOURS
        self._is_first_step = True
        self._step = _Step()
        self._known_past: dict[str, dict[int, dict[int, Tally]]] = {}
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
        self._is_first_step = self._telemetry is None
        if not self._is_first_step:
            self._run("SET threads = 1")  # from now on all is small
        self._raw_start, self._step = _raw_start(window), _Step()
        since = self._raw_start - CONTEXT_US
        events, _ = events_sql(self._connection, since, to_us(window.end), previews=True)
        self._run(
            f"CREATE OR REPLACE TEMP TABLE events AS SELECT * FROM {events} WHERE us >= $start",
            start=self._raw_start,
        )
        for name in COUNTS:
            counted = count_statement(name, "events")
            self._run(f"CREATE OR REPLACE TEMP TABLE recent_{name} AS {counted}")
        summed = tallies.statement("recent_units", in_pieces=False)
        self._run(f"CREATE OR REPLACE TEMP TABLE recent_tallies AS {summed}")
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
        conversations = self._counts("conversations", baseline.start)
        found = self._run(
            "SELECT coalesce(service, ''), hour, sum(told) FILTER (pair = $failures),"
            f" sum(k) FILTER (pair = $cuts) FROM {self._counts('tallies', baseline.start)}"
            " JOIN subjects USING (subject) GROUP BY ALL UNION ALL"
            f" SELECT DISTINCT '', hour, 0, 0 FROM {conversations}",
            failures=tallies.pair(FAILURE, tells_finish=True),
            cuts=tallies.pair(TRUNCATION, tells_finish=True),
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

    def shares(self, signal: Signal, window: Interval, min_counted: int) -> tuple[Reading, ...]:
        pair = self._pair(signal)
        now = self._now(pair, window)
        past = self._past(pair, [name for name, tally in now.items() if tally.k >= min_counted])
        first, last = self._hours_before(window)
        return tuple(
            Reading(subject, window, tally, _within(past.get(subject, {}), first, last))
            for subject, tally in now.items()
            if subject != _ALL_TRAFFIC
        )

    def traffic(self, window: Interval) -> Reading:
        """All conversations, whatever they used: the exposure of failures outside any tool."""
        pair = self._pair(FAILURE)
        now = self._now(pair, window).get(_ALL_TRAFFIC, Tally())
        past = self._past(pair, [_ALL_TRAFFIC])[_ALL_TRAFFIC]
        return Reading(_ALL_TRAFFIC, window, now, _within(past, *self._hours_before(window)))

    def breadth(self, signal: Signal, subject: str, window: Interval) -> int:
        population, counted = tallies.PAIRS[self._pair(signal)]
        units = self._own(window) or (
            f"(FROM {self._counts('units', window.start)} WHERE hour <= $finish // {HOUR_US})"
        )
        found = self._run(
            f"SELECT count(DISTINCT conv) FROM {units} WHERE subject = $subject"
            f" AND ({population} > 0 OR {counted} > 0)",
            subject=self._number(subject),
            **_bounds(window),
        )
        return int(found[0][0])

    def _pair(self, signal: Signal) -> int:
        return tallies.pair(signal, tells_finish=self.telemetry.tells_finish)

    def _own(self, window: Interval) -> str | None:
        """The table with the counts of a window that has events, cut into hours back from its
        end; None for a longer window, which is made of the clock hours that it touches."""
        if to_us(window.start) < self._raw_start:
            return None
        if self._step.own != window:
            inside = (
                "(SELECT * REPLACE ($finish - us AS us) FROM events"
                " WHERE us > $start AND us <= $finish)"
            )
            counted = count_statement("units", inside)
            self._run(f"CREATE OR REPLACE TEMP TABLE own AS {counted}", **_bounds(window))
            self._step.own = window
        return "own"

    def _now(self, pair: int, window: Interval) -> dict[str, Tally]:
        """The tallies of a window by subject, in the order of the subjects; also of all traffic.

        The longer windows are sums of hours: as many as the longest window so far has.
        """
        own = self._own(window)
        if own:
            if window not in self._step.hours:
                summed = tallies.statement(own, in_pieces=False)
                rows = self._run(f"SELECT {tallies.ROW} FROM ({summed})")
                self._step.hours[window] = self._hours(0, rows, own)
            return self._step.hours[window][pair].since(0)
        first = to_us(window.start) // HOUR_US
        end = to_us(window.end) // HOUR_US
        self._longest = max(self._longest, end - first)
        longest = Interval(from_us((end - self._longest) * HOUR_US), window.end)
        if longest not in self._step.hours:
            rows = self._run(
                f"SELECT {tallies.ROW} FROM tallies WHERE hour >= $since AND hour < $over"
                f" UNION ALL SELECT {tallies.ROW} FROM recent_tallies",
                since=end - self._longest,
                over=self._raw_start // HOUR_US,
            )
            units = self._counts("units", longest.start)
            self._step.hours[longest] = self._hours(end - self._longest, rows, units)
        return self._step.hours[longest][pair].since(first)

    def _hours(self, first: int, rows: Sequence[tuple[Any, ...]], units: str) -> dict[int, Hours]:
        """The tallies of some hours, by pair, of rows with the columns of ROW."""
        many = self._run(
            f"SELECT count(*) FROM {units} WHERE hour >= {first} AND (errors > 0 OR cuts > 0)"
        )[0][0]
        parts = 1 + many // _MANY_BAD
        bad = [
            row
            for part in range(parts)
            for row in self._run(
                tallies.latest_bad(
                    f"(FROM {units} WHERE hour >= {first} AND conv % {parts} = {part})"
                )
            )
        ]
        sums = list(self._named(rows, 0))
        worse = list(self._named(bad, 1))
        return {
            pair: Hours(
                [(name, row[2], row[3:]) for name, row in sums if row[1] == pair],
                [(name, *row[2:]) for name, row in worse if row[0] == counted],
            )
            for pair, (_, counted) in enumerate(tallies.PAIRS)
        }

    def _past(self, pair: int, subjects: Sequence[str]) -> dict[str, dict[int, Tally]]:
        """The tallies by the hour of these subjects, as far as hours are over.

        Those before the events at hand do not change while the engine lives, so they are asked
        for once.
        """
        missing = [subject for subject in subjects if subject not in self._known_past]
        if missing:
            self._known_past.update({subject: {} for subject in missing})
            rows = self._run(
                f"SELECT {tallies.ROW} FROM tallies"
                " WHERE subject IN (SELECT unnest($subjects)) ORDER BY hour",
                subjects=list(map(self._number, missing)),
            )
            self._known_past.update(tallies.by_hour(self._named(rows, 0)))
        if self._step.recent is None:
            rows = self._run(f"SELECT {tallies.ROW} FROM recent_tallies ORDER BY hour")
            self._step.recent = tallies.by_hour(self._named(rows, 0))
        recent, over = self._step.recent, self._raw_start // HOUR_US
        return {
            subject: {
                **_within(self._known_past[subject].get(pair, {}), 0, over - 1),
                **recent.get(subject, {}).get(pair, {}),
            }
            for subject in subjects
        }

    def latencies(self, window: Interval, min_calls: int) -> tuple[LatencyReading, ...]:
        if to_us(window.start) >= self._raw_start:
            inside = "(SELECT * FROM events WHERE us > $start AND us <= $finish)"
            source = f"({count_statement('latency', inside)})"
        else:
            counts = self._counts("latency", window.start)
            source = f"(SELECT * FROM {counts} WHERE hour <= $finish // {HOUR_US})"
        now = self._by_bucket(source, **_bounds(window))
        worth = [s for s, counts in now.items() if sum(counts.values()) >= min_calls]
        past = self._past_latencies(worth, *self._hours_before(window)) if worth else {}
        return tuple(
            LatencyReading(subject, window, counts, past.get(subject, {}))
            for subject, counts in now.items()
        )

    def latency_history(self, subject: str, window: Interval) -> Mapping[int, histogram.Histogram]:
        self._know_latencies([subject])
        (first, last), over = self._hours_before(window), self._raw_start // HOUR_US
        recent = (self._step.latencies or {}).get(subject, {})
        known = self._known_latencies[subject].hours
        return {**_within(known, first, min(last, over - 1)), **_within(recent, first, last)}

    def _past_latencies(
        self, subjects: Sequence[str], first: int, last: int
    ) -> dict[str, dict[int, int]]:
        """The latencies of the hours from the first to the last together."""
        if self._is_first_step:
            counts = self._counts("latency", from_us(first * HOUR_US))
            return self._by_bucket(
                f"(FROM {counts} WHERE hour <= $last AND subject IN (SELECT unnest($subjects)))",
                last=last,
                subjects=list(map(self._number, subjects)),
            )
        # Further steps differ by few hours.
        found: dict[str, dict[int, int]] = {}
        over = self._raw_start // HOUR_US
        self._know_latencies(subjects)
        for subject in subjects:
            recent = _within((self._step.latencies or {}).get(subject, {}), first, last)
            total = self._known_latencies[subject].total(first, min(last + 1, over))
            merged = histogram.merge((total, *recent.values()))
            found[subject] = dict(sorted(merged.items()))  # sums of fractions depend on the order
        return found

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

    def _by_bucket(self, counts: str, **parameters: Any) -> dict[str, dict[int, int]]:
        """What counts of latencies come to, by subject and bucket, both in their order."""
        rows = self._run(
            f"SELECT subject, bucket, sum(n)::BIGINT FROM {counts} GROUP BY ALL ORDER BY bucket",
            **parameters,
        )
        found: dict[str, dict[int, int]] = {}
        for subject, (_, bucket, n) in self._named(rows, 0):
            found.setdefault(subject, {})[bucket] = n
        return found

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
            f"SELECT {tallies.MADE} FROM (SELECT conv, count(*) AS n,"
            " count_if(elapsed_ms > $ms) AS k FROM events"
            " WHERE subject = $subject AND us > $start AND us <= $finish AND elapsed_ms > 0"
            " AND failed IS DISTINCT FROM true GROUP BY ALL)",
            subject=self._number(subject),
            ms=ms,
            **_bounds(window),
        )[0]
        return tallies.tally(row) if row[0] is not None else Tally()

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
                f"SELECT {_NTH} FROM events JOIN judged ON judged.conv = events.conv WHERE"
                f" judged.{measure} > 0 AND judged.last_us > $start"
                " AND judged.last_us <= $finish - $idle"
            )
            parameters["idle"] = to_us(from_us(0) + IDLE)
        else:
            slow = " AND elapsed_ms > $above" if above_ms > 0 else ""
            statement = (
                f"SELECT {_NTH} FROM events WHERE subject = $subject"
                f" AND {_IS_COUNTED[measure]}{slow} AND us > $start AND us <= $finish"
            )
        return statement, parameters

    def samples(
        self, subject: str, measure: Measure, window: Interval, limit: int, *, above_ms: float = 0.0
    ) -> tuple[Sample, ...]:
        """The newest counted events, from as many conversations as possible."""
        statement, parameters = self._counted(subject, measure, window, above_ms)
        # First which, of few columns, and then what they say.
        chosen = [
            row[0]
            for row in self._run(
                f"SELECT row FROM ({statement}) ORDER BY nth, us DESC, id LIMIT $limit",
                limit=limit,
                **parameters,
            )
        ]
        if not chosen:
            return ()
        told = {
            row[0]: row[1:]
            for row in self._run(
                "SELECT rowid, us, id, conv_id, coalesce(error, result_preview, args_preview),"
                " error_type, elapsed_ms, finish_reason, act, name FROM events"
                " WHERE rowid IN (SELECT unnest($chosen))",
                chosen=chosen,
            )
        }
        found = [told[row] for row in chosen]
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
        if to_us(window.start) < self._raw_start and measure in _IS_COUNTED:
            return self._centre_hour(subject, measure, window, above_ms)
        statement, parameters = self._counted(subject, measure, window, above_ms)
        row = self._run(f"SELECT quantile_disc(us, 0.5) FROM ({statement})", **parameters)[0]
        return None if row[0] is None else int(row[0])

    def _centre_hour(
        self, subject: str, measure: Measure, window: Interval, above_ms: float
    ) -> int | None:
        table, count, slow = "units", str(measure), "true"
        if above_ms > 0:
            table, count, slow = "latency", "n", f"bucket >= {histogram.bucket(above_ms)}"
        found = self._run(
            f"SELECT hour, sum({count})::BIGINT FROM {self._counts(table, window.start)}"
            f" WHERE subject = $subject AND {slow} GROUP BY hour HAVING sum({count}) > 0"
            " ORDER BY hour",
            subject=self._number(subject),
        )
        left = sum(n for _, n in found) / 2
        for hour, n in found:
            left -= n
            if left <= 0:
                return min(int(hour) * HOUR_US + HOUR_US // 2, to_us(window.end))
        return None


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
