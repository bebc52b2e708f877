"""The engine on one machine: DuckDB, embedded, over the files as they are.

One pass over the telemetry makes small tables: the window's events, and for every hour of the
history the counts by subject and conversation. All questions are answered from those. Memory is
bounded by a batch of files, not by the history. Statements are built from constants; whatever
comes from telemetry or from a user is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Self

import duckdb

from tgt.confidence import Clusters
from tgt.telemetry import calls
from tgt.telemetry.events import HOUR_US, RECORD, Interval, Sample, from_us, to_us
from tgt.telemetry.files import LogFile, between
from tgt.telemetry.histogram import BASE
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

_CONTEXT_US = HOUR_US  # records of one call lie within an hour of each other
_BATCH_BYTES = 16 * 1024 * 1024
_BATCH_FILES = 32
_PREVIEW_LENGTH = 400

Progress = Callable[[str, float | None], None]

_UNITS = """
SELECT us // {hour} AS hour, subject, hash(conv_id) AS conv,
    count(*)::INTEGER AS events,
    count_if(failed)::INTEGER AS errors,
    count_if(truncated IS NOT NULL)::INTEGER AS ends,
    count_if(truncated)::INTEGER AS cuts,
    count_if(is_untold)::INTEGER AS untold,
    count_if(finish_reason IS NOT NULL OR continuation IS NOT NULL)::INTEGER AS told,
FROM {events} WHERE actor <> 'user'
GROUP BY ALL
"""
_UNIT_COLUMNS = (
    "hour BIGINT, subject VARCHAR, conv UBIGINT, events INTEGER, errors INTEGER, ends INTEGER,"
    " cuts INTEGER, untold INTEGER, told INTEGER"
)

_LATENCY = """
SELECT us // {hour} AS hour, subject, floor(ln(elapsed_ms) / ln({base}))::SMALLINT AS bucket,
    count(*)::INTEGER AS n,
FROM {events} WHERE elapsed_ms BETWEEN 1e-6 AND 1e15 AND failed IS DISTINCT FROM true
GROUP BY ALL
"""

# The wait of a user's message ends with the first answer after it that is not a mere tool call.
_CONVERSATIONS = """
SELECT us // {hour} AS hour, hash(conv_id) AS conv,
    count(*)::INTEGER AS events,
    count_if(failed)::INTEGER AS errors,
    count_if(ended)::INTEGER AS ended,
    count_if(is_untold)::INTEGER AS untold,
    count_if(cancelled)::INTEGER AS cancelled,
    count_if(asked)::INTEGER AS messages,
    max(answer_us - us) // 1000 AS wait_ms,
    max(elapsed_ms) AS slowest_ms,
    min(us) AS first_us,
    max(us) AS last_us,
FROM (
    SELECT *,
        actor = 'user' AND act = 'message' AS asked,
        CASE WHEN actor = 'user' AND act = 'message' THEN min(CASE
            WHEN act = 'assistant_response' AND finish_reason IS DISTINCT FROM 'tool_calls'
            THEN us END) OVER (PARTITION BY conv_id ORDER BY us
                               ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) END AS answer_us,
    FROM {events} WHERE conv_id IS NOT NULL)
GROUP BY ALL
"""
_CONVERSATION_COLUMNS = (
    "hour BIGINT, conv UBIGINT, events INTEGER, errors INTEGER, ended INTEGER, untold INTEGER,"
    " cancelled INTEGER, messages INTEGER, wait_ms BIGINT, slowest_ms DOUBLE, first_us BIGINT,"
    " last_us BIGINT"
)

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
    FROM conversations GROUP BY conv)
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


class DuckDBEngine:
    """Reads once with :meth:`load`, then answers questions. Use as a context manager."""

    def __init__(self, *, memory_mb: int = 256) -> None:
        self._connection = duckdb.connect(":memory:")
        settings: Mapping[str, Any] = {
            "TimeZone": "UTC",
            "memory_limit": f"{memory_mb}MB",
            "preserve_insertion_order": False,
            "enable_progress_bar": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": "",
        }
        for name, value in settings.items():
            self._run(f"SET {name} = $value", value=value)
        columns = ", ".join(f"{name} {kind}" for name, kind in RECORD.items())
        self._run(f"CREATE TEMP TABLE records ({columns}, done BOOLEAN)")
        self._run(f"CREATE TEMP TABLE units ({_UNIT_COLUMNS})")
        self._run(
            "CREATE TEMP TABLE latency (hour BIGINT, subject VARCHAR, bucket SMALLINT, n INTEGER)"
        )
        self._run(f"CREATE TEMP TABLE conversations ({_CONVERSATION_COLUMNS})")
        self._telemetry: Telemetry | None = None
        self._raw_start_us = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def telemetry(self) -> Telemetry:
        if self._telemetry is None:
            raise RuntimeError("load() comes first")
        return self._telemetry

    def _run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        used = {name: value for name, value in parameters.items() if f"${name}" in statement}
        return self._connection.execute(statement, used).fetchall()

    # --- reading ---------------------------------------------------------------------------------

    def load(
        self,
        sources: Sequence[Source],
        window: Interval,
        baseline: Interval,
        progress: Progress | None = None,
    ) -> Telemetry:
        """Read the events of the baseline and the window; later ones are invisible.

        Raises TelemetryError if the directory of a source cannot be read. One file that cannot be
        read is named in the warnings of the result and left out.
        """
        raw_start = (to_us(window.start) - 2 * _CONTEXT_US) // HOUR_US * HOUR_US
        self._raw_start_us = raw_start
        start, end = min(to_us(baseline.start), raw_start), to_us(window.end)
        warnings: list[str] = []
        malformed = 0
        found = [(s, between(s.files(), from_us(start), window.end)) for s in sources]
        total = sum(file.size for _, files in found for file in files) or 1
        read = 0
        for source, files in found:
            for macro in source.macros:
                self._run(macro)
            for batch in _batches(files):
                malformed += self._read(source, batch, start, end, raw_start, warnings)
                self._digest(raw_start)
                read += sum(file.size for file in batch)
                if progress:
                    progress("reading telemetry", read / total)
        self._run(f"CREATE TEMP TABLE events AS {self._events_sql(previews=True)} WHERE NOT done")
        self._count("events")
        self._telemetry = self._summary(window, baseline, malformed, warnings)
        return self._telemetry

    def _read(
        self,
        source: Source,
        batch: Sequence[LogFile],
        start: int,
        end: int,
        raw_start: int,
        warnings: list[str],
    ) -> int:
        """Add the records of these files to the table; the number of malformed lines."""
        try:
            return self._read_together(source, batch, start, end, raw_start)
        except duckdb.Error as failure:
            if len(batch) == 1:
                reason = str(failure).splitlines()[0]
                warnings.append(f"cannot read {batch[0].path}: {reason}")
                return 0
        return sum(self._read(source, [file], start, end, raw_start, warnings) for file in batch)

    def _read_together(
        self, source: Source, batch: Sequence[LogFile], start: int, end: int, raw_start: int
    ) -> int:
        records, parameters = source.records()
        preview = "CASE WHEN us >= $raw_start THEN left({0}, $length) END AS {0}"
        cut = ", ".join(
            preview.format(name) for name in ("args_preview", "result_preview", "error")
        )
        names = ", ".join(RECORD)
        self._run(
            f"INSERT INTO records BY NAME SELECT * REPLACE ({cut}), false AS done"
            f" FROM (SELECT {names} FROM ({records}))"
            " WHERE us IS NULL OR us BETWEEN $start AND $finish",
            paths=[_literal(file.path) for file in batch],
            start=start,
            finish=end,
            raw_start=raw_start,
            length=_PREVIEW_LENGTH,
            **parameters,
        )
        malformed = self._run("SELECT count(*) FROM records WHERE us IS NULL")[0][0]
        if malformed:
            self._run("DELETE FROM records WHERE us IS NULL")
        return int(malformed)

    def _digest(self, raw_start: int) -> None:
        """Count what is complete: all before the last hour read, and before the window's events.

        What was counted stays for one more hour as context, so that a call which lies across two
        batches is still seen whole.
        """
        latest = self._run("SELECT max(us) FROM records")[0][0]
        if latest is None:
            return
        cut = min(latest - _CONTEXT_US, raw_start)
        if not self._run("SELECT count(*) FROM records WHERE NOT done AND us < $cut", cut=cut)[0][
            0
        ]:
            return
        self._run(
            f"CREATE OR REPLACE TEMP TABLE fresh AS {self._events_sql(previews=False)}"
            " WHERE NOT done AND us < $cut",
            cut=cut,
        )
        self._count("fresh")
        self._run("DROP TABLE fresh")
        self._run(
            "CREATE OR REPLACE TEMP TABLE records AS"
            " SELECT * REPLACE (done OR us < $cut AS done) FROM records WHERE us >= $kept",
            cut=cut,
            kept=cut - _CONTEXT_US,
        )

    def _events_sql(self, *, previews: bool) -> str:
        paired, continued = self._run(
            "SELECT coalesce(bool_or(phase IN ('start', 'end')), false),"
            " coalesce(bool_or(act = 'auto_continue'), false) FROM records"
        )[0]
        return (
            "FROM ("
            + calls.events("records", paired=paired, continued=continued, previews=previews)
            + ")"
        )

    def _count(self, events: str) -> None:
        for table, statement in (
            ("units", _UNITS),
            ("latency", _LATENCY),
            ("conversations", _CONVERSATIONS),
        ):
            rows = statement.format(events=events, hour=HOUR_US, base=BASE)
            self._run(f"INSERT INTO {table} BY NAME {rows}")

    def _summary(
        self, window: Interval, baseline: Interval, malformed: int, warnings: Sequence[str]
    ) -> Telemetry:
        events = self._run(
            "SELECT count(*) FROM events WHERE us > $start AND us <= $finish", **_bounds(window)
        )[0][0]
        first, last = _clock_hours(baseline)
        hours = self._run(
            "SELECT hour FROM (SELECT hour FROM units UNION SELECT hour FROM conversations)"
            " WHERE hour BETWEEN $first AND $last",
            first=first,
            last=last,
        )
        told, cuts = self._run("SELECT coalesce(sum(told), 0), coalesce(sum(cuts), 0) FROM units")[
            0
        ]
        return Telemetry(
            window=window,
            baseline=baseline,
            events=events,
            malformed_lines=malformed,
            warnings=tuple(warnings),
            hours_observed=frozenset(hour for (hour,) in hours),
            tells_finish=told > 0,
            tells_continuation=cuts > 0,
        )

    # --- answering -------------------------------------------------------------------------------

    def _rows(self, signal: Signal, window: Interval) -> tuple[str, dict[str, Any]]:
        """One row (subject, hour, conv, n, k) a unit of the window, and the parameters.

        The run's own window is cut into hours back from its end; a longer one is made of the
        clock hours that it touches.
        """
        shares = f"{_COUNT[signal.population]} AS n, {_COUNT[signal.counted]} AS k"
        parameters = {"tells": self.telemetry.tells_finish, **_bounds(window)}
        if to_us(window.start) >= self._raw_start_us:
            inside = (
                "(SELECT * REPLACE ($finish - us AS us), us AS real_us FROM events"
                " WHERE us > $start AND us <= $finish)"
            )
            source = f"({_UNITS.format(events=inside, hour=HOUR_US)})"
            return f"SELECT subject, hour, conv, {shares} FROM {source}", parameters
        statement = (
            f"SELECT subject, hour, conv, {shares} FROM units"
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
            f" sum({_COUNT[signal.population]}) AS n, sum({_COUNT[signal.counted]}) AS k FROM units"
            " WHERE hour BETWEEN $first AND $last AND subject IN (SELECT unnest($subjects))"
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
            " FROM units WHERE hour BETWEEN $first AND $last GROUP BY ALL) GROUP BY hour",
            first=first,
            last=last,
        )
        tally = _tally(now) if now[0] is not None else Tally()
        return Reading("traffic", window, tally, {row[0]: _tally(row[1:]) for row in history})

    def latencies(self, window: Interval, min_calls: int) -> tuple[LatencyReading, ...]:
        parameters = {**_bounds(window), "minimum": min_calls}
        if to_us(window.start) >= self._raw_start_us:
            inside = "(SELECT * FROM events WHERE us > $start AND us <= $finish)"
            source = f"({_LATENCY.format(events=inside, hour=HOUR_US, base=BASE)})"
        else:
            source = (
                f"(SELECT * FROM latency WHERE hour BETWEEN $start // {HOUR_US}"
                f" AND $finish // {HOUR_US})"
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
            "SELECT subject, hour, bucket, sum(n)::BIGINT FROM latency WHERE hour BETWEEN $first"
            " AND $last AND subject IN (SELECT unnest($subjects)) GROUP BY ALL",
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
            f"SELECT hour, conv, finished AS n, {signal.counted} AS k, last_us FROM ({_JUDGED})"
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
                f" FROM events JOIN ({_JUDGED}) judged ON judged.conv = hash(conv_id)"
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


def _bounds(window: Interval) -> dict[str, Any]:
    return {"start": to_us(window.start), "finish": to_us(window.end)}


def _clock_hours(interval: Interval) -> tuple[int, int]:
    """The first and the last clock hour that lie wholly inside."""
    return -(-to_us(interval.start) // HOUR_US), to_us(interval.end) // HOUR_US - 1


def _literal(path: str) -> str:
    """The path as DuckDB must be given it, since it would take it for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _batches(files: Sequence[LogFile]) -> list[list[LogFile]]:
    """Files in order, together up to a size, so that memory is bounded by a batch."""
    batches: list[list[LogFile]] = []
    room = 0
    for file in files:
        weight = file.size * (1 if file.compression == "uncompressed" else 12)
        if weight > room or not batches or len(batches[-1]) >= _BATCH_FILES:
            batches.append([])
            room = _BATCH_BYTES
        batches[-1].append(file)
        room -= weight
    return batches
