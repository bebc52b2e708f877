"""The engine on one machine: DuckDB, embedded, over the files as they are.

What was read (see ``ingest``) is counted by the hour; the hours before the window come from those
counts, the window itself from its events. All questions are answered from these small tables.
Statements are built from constants; whatever comes from telemetry or from a user is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import duckdb

from tgt.confidence import Clusters
from tgt.telemetry.events import HOUR_US, Interval, Sample, from_us, to_us
from tgt.telemetry.ingest import (
    CONTEXT_US,
    Ingest,
    Progress,
    Span,
    count_statement,
    events_sql,
    signature,
)
from tgt.telemetry.partials import TABLES, Partials
from tgt.telemetry.signals import (
    LatencyReading,
    Measure,
    Reading,
    Signal,
    Tally,
    Telemetry,
    Usage,
)
from tgt.telemetry.source import Source

IDLE = timedelta(minutes=15)
"""A conversation without an event for this long is over."""
LONG_WAIT_MS = 8000
ERROR_HEAVY_SHARE = 0.3
DEFAULT_MEMORY_MB = 256

# A conversation is judged whole, in the hour of its last event.
_JUDGED = f"""
SELECT conv, last_us, last_us // {HOUR_US} AS hour, 1 AS finished,
    ((events > 2 AND ended + CASE WHEN $tells THEN 0 ELSE untold END = 0) OR cancelled > 0)
        ::INTEGER AS aborted,
    (coalesce(CASE WHEN messages > 0 THEN wait_ms ELSE slowest_ms END, 0) > {LONG_WAIT_MS})
        ::INTEGER AS waited,
    (errors > {ERROR_HEAVY_SHARE} * events)::INTEGER AS error_heavy,
FROM (
    SELECT conv, sum(events) AS events, sum(errors) AS errors, sum(ended) AS ended,
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
}
_IS_COUNTED = {
    Measure.EVENTS: "true",
    Measure.ERRORS: "failed",
    Measure.CUTS: "truncated",
}

# Sums over rows of one subject, hour and conversation; those without a conversation are loose.
_TALLY = """
    sum(n)::BIGINT, sum(k)::BIGINT,
    count(conv), count(conv) FILTER (k > 0),
    count(DISTINCT conv), count(DISTINCT conv) FILTER (k > 0),
    coalesce(sum(n) FILTER (conv IS NULL), 0)::BIGINT,
    coalesce(sum(n) FILTER (conv IS NOT NULL), 0)::DOUBLE,
    coalesce(sum(k) FILTER (conv IS NOT NULL), 0)::DOUBLE,
    coalesce(sum(n::DOUBLE * n) FILTER (conv IS NOT NULL), 0)::DOUBLE,
    coalesce(sum(n::DOUBLE * k) FILTER (conv IS NOT NULL), 0)::DOUBLE,
    coalesce(sum(k::DOUBLE * k) FILTER (conv IS NOT NULL), 0)::DOUBLE
"""


def _tally(row: Sequence[Any]) -> Tally:
    n, k, units, bad_units, conversations, bad_conversations, loose = row[:7]
    sums = Clusters(units, *row[7:12])
    return Tally(n, k, units, bad_units, conversations, bad_conversations, loose, sums)


@dataclass(frozen=True)
class Workspace:
    """Where the engine may keep derived data, and what it may use.

    Without a ``directory`` nothing is kept; without ``writable`` what is there is only read.
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
        settings: Mapping[str, Any] = {
            "TimeZone": "UTC",
            "memory_limit": f"{self._workspace.memory_mb}MB",
            "preserve_insertion_order": False,
            "enable_progress_bar": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": "",
        }
        for name, value in settings.items():
            self._run(f"SET {name} = $value", value=value)
        self._telemetry: Telemetry | None = None
        self._malformed = 0
        self._warnings: tuple[str, ...] = ()
        self._raw_start = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

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
    ) -> None:
        """Read what windows from ``first`` to ``last`` need, each with its baseline before it.

        One run has one window, so both are the same. Raises TelemetryError if the directory of a
        source cannot be read; one file that cannot be read is a warning, and left out.
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

    def at(self, window: Interval, baseline: timedelta) -> Telemetry:
        """Answer as of the end of this window from now on; later events are invisible."""
        self._raw_start = _raw_start(window)
        self._run(
            "CREATE OR REPLACE TEMP TABLE visible AS SELECT * FROM records"
            f" WHERE us BETWEEN {self._raw_start - CONTEXT_US} AND {to_us(window.end)}"
        )
        events = events_sql(self._connection, "visible", previews=True)
        self._run(
            f"CREATE OR REPLACE TEMP TABLE events AS SELECT * FROM {events} WHERE us >= $start",
            start=self._raw_start,
        )
        for name in TABLES:
            counted = count_statement(name, "events")
            self._run(f"CREATE OR REPLACE TEMP TABLE recent_{name} AS {counted}")
        self._telemetry = self._summary(window, Interval(window.start - baseline, window.start))
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
        hours = self._run(
            f"SELECT hour FROM (SELECT hour FROM {units} UNION SELECT hour FROM {conversations})"
            " WHERE hour BETWEEN $first AND $last",
            first=first,
            last=last,
        )
        told, cuts = self._run(
            f"SELECT coalesce(sum(told), 0), coalesce(sum(cuts), 0) FROM {units}"
        )[0]
        return Telemetry(
            window=window,
            baseline=baseline,
            events=events,
            malformed_lines=self._malformed,
            warnings=self._warnings,
            hours_observed=frozenset(hour for (hour,) in hours),
            tells_finish=told > 0,
            tells_continuation=cuts > 0,
        )

    def _judged(self) -> str:
        conversations = self._counts("conversations", self.telemetry.baseline.start)
        return _JUDGED.format(conversations=conversations)

    # --- answering -------------------------------------------------------------------------------

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
            source = f"({count_statement('units', inside)})"
            return f"SELECT subject, hour, conv, {shares} FROM {source}", parameters
        statement = (
            f"SELECT subject, hour, conv, {shares} FROM {self._counts('units', window.start)}"
            f" WHERE hour BETWEEN $start // {HOUR_US} AND $finish // {HOUR_US}"
        )
        return statement, parameters

    def shares(self, signal: Signal, window: Interval, min_counted: int) -> tuple[Reading, ...]:
        rows, parameters = self._rows(signal, window)
        found = self._run(
            f"SELECT subject, {_TALLY} FROM ({rows}) WHERE n > 0 OR k > 0 GROUP BY subject"
            " ORDER BY subject",
            **parameters,
        )
        tallies = {row[0]: _tally(row[1:]) for row in found}
        worth = [subject for subject, tally in tallies.items() if tally.k >= min_counted]
        histories = self._histories(signal, window, worth)
        return tuple(
            Reading(subject, window, tally, histories.get(subject, {}))
            for subject, tally in tallies.items()
        )

    def _histories(
        self, signal: Signal, window: Interval, subjects: Sequence[str]
    ) -> dict[str, dict[int, Tally]]:
        if not subjects:
            return {}
        first, last = _clock_hours(Interval(self.telemetry.baseline.start, window.start))
        found = self._run(
            f"SELECT subject, hour, {_TALLY} FROM (SELECT subject, hour, conv,"
            f" sum({_COUNT[signal.population]}) AS n, sum({_COUNT[signal.counted]}) AS k"
            f" FROM {self._counts('units', self.telemetry.baseline.start)} WHERE"
            " hour BETWEEN $first AND $last AND subject IN (SELECT unnest($subjects))"
            " GROUP BY ALL) WHERE n > 0 OR k > 0 GROUP BY subject, hour ORDER BY hour",
            first=first,
            last=last,
            subjects=list(subjects),
            tells=self.telemetry.tells_finish,
        )
        histories: dict[str, dict[int, Tally]] = {}
        for row in found:
            histories.setdefault(row[0], {})[row[1]] = _tally(row[2:])
        return histories

    def traffic(self, window: Interval) -> Reading:
        """All conversations, whatever they used: the exposure of failures outside any tool."""
        everything = Signal("traffic", Measure.EVENTS, Measure.ERRORS)
        rows, parameters = self._rows(everything, window)
        now = self._run(
            f"SELECT {_TALLY} FROM (SELECT hour, conv, sum(n) AS n, sum(k) AS k FROM ({rows})"
            " GROUP BY ALL)",
            **parameters,
        )[0]
        first, last = _clock_hours(Interval(self.telemetry.baseline.start, window.start))
        history = self._run(
            f"SELECT hour, {_TALLY} FROM (SELECT hour, conv, sum(events) AS n, sum(errors) AS k"
            f" FROM {self._counts('units', self.telemetry.baseline.start)}"
            " WHERE hour BETWEEN $first AND $last GROUP BY ALL) GROUP BY hour",
            first=first,
            last=last,
        )
        tally = _tally(now) if now[0] is not None else Tally()
        return Reading("traffic", window, tally, {row[0]: _tally(row[1:]) for row in history})

    def latencies(self, window: Interval, min_calls: int) -> tuple[LatencyReading, ...]:
        parameters = {**_bounds(window), "minimum": min_calls}
        if to_us(window.start) >= self._raw_start:
            inside = "(SELECT * FROM events WHERE us > $start AND us <= $finish)"
            source = f"({count_statement('latency', inside)})"
        else:
            source = (
                f"(SELECT * FROM {self._counts('latency', window.start)}"
                f" WHERE hour BETWEEN $start // {HOUR_US} AND $finish // {HOUR_US})"
            )
        now: dict[str, dict[int, int]] = {}
        for subject, bucket, n in self._run(
            f"SELECT subject, bucket, sum(n)::BIGINT FROM {source} GROUP BY ALL", **parameters
        ):
            now.setdefault(subject, {})[bucket] = n
        worth = sorted(
            subject for subject, counts in now.items() if sum(counts.values()) >= min_calls
        )
        first, last = _clock_hours(Interval(self.telemetry.baseline.start, window.start))
        history: dict[str, dict[int, dict[int, int]]] = {}
        for subject, hour, bucket, n in self._run(
            "SELECT subject, hour, bucket, sum(n)::BIGINT"
            f" FROM {self._counts('latency', self.telemetry.baseline.start)}"
            " WHERE hour BETWEEN $first AND $last AND subject IN (SELECT unnest($subjects))"
            " GROUP BY ALL",
            first=first,
            last=last,
            subjects=worth,
        ):
            history.setdefault(subject, {}).setdefault(hour, {})[bucket] = n
        return tuple(
            LatencyReading(subject, window, now[subject], history.get(subject, {}))
            for subject in sorted(now)
        )

    def clusters_above(self, subject: str, window: Interval, ms: float) -> Clusters:
        """Sums over conversations, from the events at hand (of a longer window its end)."""
        row = self._run(
            f"SELECT {_TALLY} FROM (SELECT hash(conv_id) AS conv, count(*) AS n,"
            " count_if(elapsed_ms > $ms) AS k FROM events WHERE subject = $subject"
            " AND us > $start AND us <= $finish AND elapsed_ms > 0"
            " AND failed IS DISTINCT FROM true GROUP BY ALL)",
            subject=subject,
            ms=ms,
            **_bounds(window),
        )[0]
        return _tally(row).clusters if row[0] is not None else Clusters()

    def conversations(self, signal: Signal, window: Interval) -> Reading:
        judged = (
            f"SELECT hour, conv, finished AS n, {signal.counted} AS k, last_us"
            f" FROM ({self._judged()})"
        )
        parameters = {"tells": self.telemetry.tells_finish, **_bounds(window)}
        parameters["finish"] -= to_us(from_us(0) + IDLE)
        row = self._run(
            f"SELECT {_TALLY} FROM ({judged}) WHERE last_us > $start AND last_us <= $finish",
            **parameters,
        )[0]
        first, last = _clock_hours(Interval(self.telemetry.baseline.start, window.start))
        history = self._run(
            f"SELECT hour, {_TALLY} FROM ({judged})"
            " WHERE hour BETWEEN $first AND $last GROUP BY hour",
            first=first,
            last=last,
            **parameters,
        )
        now = _tally(row) if row[0] is not None else Tally()
        subject = _SUBJECTS_OF_CONVERSATIONS[signal.counted]
        return Reading(subject, window, now, {row[0]: _tally(row[1:]) for row in history})

    def usage(self, window: Interval) -> tuple[Usage, ...]:
        found = self._run(
            "SELECT subject, name, count(*), count(DISTINCT conv_id),"
            " count_if(conv_id IS NULL) * 2 > count(*) FROM events WHERE act = 'tool_call'"
            " AND name IS NOT NULL AND us > $start AND us <= $finish GROUP BY ALL ORDER BY subject",
            **_bounds(window),
        )
        return tuple(Usage(*row) for row in found)

    def _counted(
        self, subject: str, measure: Measure, window: Interval, above_ms: float
    ) -> tuple[str, dict[str, Any]]:
        parameters: dict[str, Any] = {**_bounds(window), "subject": subject, "above": above_ms}
        parameters["tells"] = self.telemetry.tells_finish
        if measure in _OF_CONVERSATIONS:
            statement = (
                "SELECT events.*, row_number() OVER (PARTITION BY conv_id ORDER BY us DESC) AS nth"
                f" FROM events JOIN ({self._judged()}) judged ON judged.conv = hash(conv_id)"
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
        statement, parameters = self._counted(subject, measure, window, above_ms)
        row = self._run(f"SELECT quantile_disc(us, 0.5) FROM ({statement})", **parameters)[0]
        return None if row[0] is None else int(row[0])


def _raw_start(window: Interval) -> int:
    """From where on a window needs events and not counts: two full hours of context before it."""
    return (to_us(window.start) - 2 * CONTEXT_US) // HOUR_US * HOUR_US


def _bounds(window: Interval) -> dict[str, Any]:
    return {"start": to_us(window.start), "finish": to_us(window.end)}


def _clock_hours(interval: Interval) -> tuple[int, int]:
    """The first and the last clock hour that lie wholly inside."""
    return -(-to_us(interval.start) // HOUR_US), to_us(interval.end) // HOUR_US - 1
