"""From files to tables: what has to be read is read once, the rest is known from earlier runs.

Leaves two kinds of tables on the connection: ``records``, the raw records from ``raw_start`` on,
and the views ``units``, ``latency`` and ``conversations``, the counts of all full hours before
``history_end``. Memory is bounded by a batch of files, not by the history: an hour is counted as
soon as nothing more of it can come, and its records are forgotten an hour later, so that a call
that lies across two batches is still seen whole.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from tgt import __version__
from tgt.telemetry import calls
from tgt.telemetry.events import HOUR_US, RECORD, from_us
from tgt.telemetry.files import Part, between, parts
from tgt.telemetry.histogram import BASE
from tgt.telemetry.partials import TABLES, Extent, Partials
from tgt.telemetry.salvage import InMemory, Salvage
from tgt.telemetry.source import Source

Progress = Callable[[str, float | None], None]

CONTEXT_US = HOUR_US
"""Records of one call lie within an hour of each other."""

_BATCH_BYTES = 64 * 1024 * 1024
_BATCH_FILES = 32
_PREVIEW_LENGTH = 400
_PREVIEWS = ("error", "result_preview", "args_preview")  # a sample shows the first that there is
_EXPANSION = 12  # of a compressed file, roughly

# What a table of records holds; most hashes and texts of RECORD are looked at while reading only.
_KEPT: Mapping[str, str] = {
    "us": "BIGINT",
    **dict.fromkeys(("same", "call", "trace", "conv"), "UBIGINT"),
    "keyed": "BOOLEAN",
    "actor": "VARCHAR",
    "act": "VARCHAR",
    "phase": "VARCHAR",
    **dict.fromkeys(("failed", "cancelled", "continuation", "done"), "BOOLEAN"),
    "elapsed_ms": "DOUBLE",
    **dict.fromkeys(("finish_reason", "service", "subject"), "VARCHAR"),
    **dict.fromkeys(("id", "name", "conv_id", "error_type", *_PREVIEWS), "VARCHAR"),
}
_NAMES = ("act", "subject", "id", "name", "conv_id", "error_type")
_NAMES_OF_SAMPLES = _NAMES[2:]
# Telemetry may call a tool a megabyte. A long name keeps its beginning, and what tells it from
# others that begin alike.
_SHORTENED = (
    "CASE WHEN strlen({0}) > 240 THEN left({0}, 60) || '…' || left(md5({0}), 10) ELSE {0} END"
)

UNITS = """
SELECT us // {hour} AS hour, subject, service, conv,
    count(*)::INTEGER AS events,
    (count(*) FILTER (failed))::INTEGER AS errors,
    (count(*) FILTER (truncated IS NOT NULL))::INTEGER AS ends,
    (count(*) FILTER (truncated))::INTEGER AS cuts,
    (count(*) FILTER (is_untold))::INTEGER AS untold,
    (count(*) FILTER (finish_reason IS NOT NULL OR continuation IS NOT NULL))::INTEGER AS told,
FROM {events} WHERE actor <> 'user'
GROUP BY ALL
"""

LATENCY = """
SELECT us // {hour} AS hour, subject, service,
    floor(ln(elapsed_ms) / ln({base}))::SMALLINT AS bucket,
    count(*)::INTEGER AS n,
FROM {events} WHERE elapsed_ms BETWEEN 1e-6 AND 1e15 AND failed IS DISTINCT FROM true
GROUP BY ALL
"""

# The wait of a user's message ends with the first answer within an hour after it that is not a mere
# tool call, also where that lies beyond the hours that are counted. A prompt gives an agent a task
# to work on by itself, and nobody sits waiting for that.
CONVERSATIONS = """
WITH talk AS (
    SELECT conv, us, actor = 'user' AS asked,
        min(CASE WHEN actor <> 'user' THEN us END) OVER (
            PARTITION BY conv ORDER BY us
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS answer_us,
    FROM {around} WHERE conv IS NOT NULL AND ((actor = 'user' AND act = 'message')
        OR (actor <> 'user' AND act = 'assistant_response'
            AND finish_reason IS DISTINCT FROM 'tool_calls'))),
waits AS (
    SELECT us // {hour} AS hour, conv, max(answer_us - us) // 1000 AS wait_ms,
    FROM talk WHERE asked AND answer_us - us <= {longest} GROUP BY ALL),
states AS (
    SELECT us // {hour} AS hour, conv, any_value(service) AS service,
        count(*)::INTEGER AS events,
        (count(*) FILTER (failed))::INTEGER AS errors,
        (count(*) FILTER (ended))::INTEGER AS ended,
        (count(*) FILTER (is_untold))::INTEGER AS untold,
        (count(*) FILTER (cancelled))::INTEGER AS cancelled,
        (count(*) FILTER (actor = 'user' AND act IN ('message', 'prompt')))::INTEGER AS messages,
        max(elapsed_ms) AS slowest_ms,
        min(us) AS first_us,
        max(us) AS last_us,
    FROM {events} WHERE conv IS NOT NULL GROUP BY ALL)
SELECT states.*, wait_ms FROM states LEFT JOIN waits USING (hour, conv)
"""
COUNTS = {"units": UNITS, "latency": LATENCY, "conversations": CONVERSATIONS}


@dataclass(frozen=True)
class Span:
    """What is needed, in microseconds: counts of the full hours in [history_start, history_end),
    raw records in [raw_start, end]; nothing after ``end`` is looked at."""

    history_start: int
    history_end: int
    raw_start: int
    end: int

    @property
    def hours(self) -> range:
        return range(self.history_start // HOUR_US, self.history_end // HOUR_US)


@dataclass(frozen=True)
class Reading:
    """What reading came to: malformed lines of all files in question, and files that failed."""

    malformed: int
    warnings: tuple[str, ...]


def count_statement(table: str, events: str, around: str | None = None) -> str:
    """SQL that counts events into rows of one of the tables; ``around`` has later answers too."""
    return COUNTS[table].format(
        events=events, around=around or events, hour=HOUR_US, longest=CONTEXT_US, base=BASE
    )


def signature(sources: Sequence[Source]) -> str:
    """A hash of all that decides what the counts are: they are not comparable across it."""
    joined = calls.events("records", paired=True, continued=True, repeated=True, previews=False)
    text = [
        __version__,
        duckdb.__version__,
        repr(COUNTS),
        repr(TABLES),
        repr(sorted(RECORD)),
        repr(calls.KEYS),
        joined,
    ]
    for source in sources:
        text.extend((source.kind, repr(source), *source.macros, *map(repr, source.records())))
    return hashlib.sha256("\0".join(text).encode()).hexdigest()


def events_sql(connection: duckdb.DuckDBPyConnection, records: str, *, previews: bool) -> str:
    """A FROM item with the events of a table of records."""
    return _events(connection, f"(SELECT rowid AS row, * FROM {records})", previews=previews)


def _events(connection: duckdb.DuckDBPyConnection, records: str, *, previews: bool) -> str:
    row = connection.execute(calls.probe(records)).fetchone()
    paired, continued, repeated = row or (True, True, True)
    statement = calls.events(
        records, paired=paired, continued=continued, repeated=repeated, previews=previews
    )
    return f"({statement})"


class Ingest:
    """One reading of all sources for one span."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        partials: Partials,
        span: Span,
        *,
        previews: bool,
        progress: Progress | None = None,
    ) -> None:
        self._connection = connection
        self._partials = partials
        self._span = span
        self._previews = previews
        self._progress = progress
        self._warnings: list[str] = []
        self._catalog: dict[str, Extent] = {}
        self._failed: set[str] = set()
        columns = ", ".join(f"{name} {kind}" for name, kind in _KEPT.items())
        self._run(f"CREATE OR REPLACE TEMP TABLE records ({columns})")
        for name, kinds in TABLES.items():
            self._run(f"CREATE OR REPLACE TEMP TABLE fresh_{name} ({kinds})")

    def _run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters).fetchall()

    def read(self, sources: Sequence[Source]) -> Reading:
        """Bring the tables about. Raises TelemetryError if a source cannot be listed."""
        found = [(source, self._parts(source)) for source in sources]
        for source, _ in found:
            for macro in source.macros:
                self._run(macro)
        every = [part for _, some in found for part in some]
        hours = self._hours_to_count(found, every)
        self._run("CREATE OR REPLACE TEMP TABLE wanted (hour BIGINT)")
        self._run("INSERT INTO wanted SELECT unnest($hours::BIGINT[])", hours=sorted(hours))
        self._run(
            "CREATE OR REPLACE TEMP TABLE around_wanted AS"
            " SELECT DISTINCT hour + unnest([-1, 0, 1]) AS hour FROM wanted"
        )
        total = sum(part.length for part in every) or 1
        done = 0
        for source, some in found:
            needed = [part for part in some if self._is_needed(part, hours)]
            done += sum(part.length for part in some) - sum(part.length for part in needed)
            for batch in _batches(needed):
                self._read(source, batch)
                self._digest()
                done += sum(part.length for part in batch)
                if self._progress:
                    self._progress("reading telemetry", done / total)
        self._finish(hours, every)
        self._tell_services_apart()
        malformed = sum(
            extent.malformed
            for extent in (self._known(part) for part in every)
            if extent
            and (not extent.records or extent.touches(self._span.history_start, self._span.end + 1))
        )
        return Reading(malformed, tuple(self._warnings))

    # --- what has to be read ---------------------------------------------------------------------

    def _parts(self, source: Source) -> list[Part]:
        start, end = from_us(self._span.history_start), from_us(self._span.end)
        found: list[Part] = []
        for file in between(source.files(), start, end):
            try:
                found.extend(parts(file))
            except OSError as failure:
                self._warnings.append(f"cannot read {file.path}: {failure.strerror}")
        return found

    def _known(self, part: Part) -> Extent | None:
        return self._catalog.get(part.identity) or self._partials.catalog.get(part.identity)

    def _hours_to_count(
        self, found: Sequence[tuple[Source, Sequence[Part]]], every: Sequence[Part]
    ) -> set[int]:
        """The hours whose counts are not known, or no longer true because files have changed."""
        wanted = set(self._span.hours)
        covered = self._partials.covered
        if covered is None:
            return wanted
        unknown = {hour for hour in wanted if not covered[0] <= hour < covered[1]}
        for source, some in found:
            new = [part for part in some if part.identity not in self._partials.catalog]
            for batch in _batches(new):
                self._read(source, batch, only_extent=True)
        present = {part.identity for part in every}
        changed = [extent for key, extent in self._partials.catalog.items() if key not in present]
        changed += self._catalog.values()
        for extent in changed:
            if extent.first_us is not None and extent.last_us is not None:
                touched = range(
                    (extent.first_us - CONTEXT_US) // HOUR_US,
                    (extent.last_us + CONTEXT_US) // HOUR_US + 1,
                )
                unknown.update(wanted.intersection(touched))
        return unknown

    def _is_needed(self, part: Part, hours: set[int]) -> bool:
        """Whether the part may hold records of hours to be counted, or raw ones."""
        extent = self._known(part)
        if extent is None:
            return part.identity not in self._failed
        if extent.touches(self._span.raw_start - CONTEXT_US, self._span.end + 1):
            return True
        if extent.first_us is None or extent.last_us is None:
            return False
        first, last = extent.first_us // HOUR_US, extent.last_us // HOUR_US
        around = range(max(first - 1, 0), min(last + 2, first + 20_000))
        return any(hour in hours for hour in around)

    # --- reading ---------------------------------------------------------------------------------

    def _read(self, source: Source, batch: Sequence[Part], *, only_extent: bool = False) -> None:
        """Add the records of these parts to the table, or only learn what they hold."""
        try:
            self._read_together(source, batch, only_extent=only_extent)
        except (duckdb.Error, OSError) as failure:
            if len(batch) > 1:
                for part in batch:
                    self._read(source, [part], only_extent=only_extent)
                return
            self._read_damaged(source, batch[0], failure, only_extent=only_extent)

    def _read_damaged(
        self, source: Source, part: Part, failure: Exception, *, only_extent: bool
    ) -> None:
        """Read of a part that failed what can be read, and say what cannot."""
        reason = str(failure).splitlines()[0]
        salvage = Salvage(part)
        held = Extent(None, None, 0, 0)
        if _is_salvageable(source, part, failure):
            try:
                for descriptor in salvage.pieces():
                    piece = InMemory(source, descriptor)
                    self._read_together(piece, [part], only_extent=only_extent)
                    held = held.plus(self._catalog[part.identity])
                reason = salvage.damage
            except FileNotFoundError:
                reason = ""  # it was removed since it was listed
            except OSError as unreadable:
                reason = unreadable.strerror or reason
            except duckdb.Error as refused:
                reason = str(refused).splitlines()[0]
            self._catalog[part.identity] = held.plus(Extent(None, None, 0, salvage.too_long))
        if reason and part.identity not in self._failed:
            some = " to its end" if held.records else ""
            self._warnings.append(f"cannot read {part.file.path}{some}: {reason}")
            self._failed.add(part.identity)

    def _read_together(self, source: Source, batch: Sequence[Part], *, only_extent: bool) -> None:
        statement, parameters = source.records()
        with _readable(source, batch) as paths:
            if only_extent:
                self._note(f"({statement})", paths, {"paths": list(paths), **parameters})
                return
            self._run(
                f"CREATE OR REPLACE TEMP TABLE batch AS SELECT path, {self._columns()}"
                f" FROM ({statement})",
                paths=list(paths),
                **parameters,
            )
            self._note("batch", paths)
        self._run(
            "INSERT INTO records BY NAME SELECT * EXCLUDE (path) FROM batch"
            " WHERE us BETWEEN $start AND $finish"
            " AND (us >= $raw OR us // $hour IN (FROM around_wanted))",
            start=self._span.history_start - CONTEXT_US,
            finish=self._span.end,
            raw=self._span.raw_start - CONTEXT_US,
            hour=HOUR_US,
        )
        self._run("DROP TABLE batch")

    def _columns(self) -> str:
        """The columns of _KEPT: names of bounded length, and what only samples show, cut, from
        where on samples may be taken."""
        kept = f"us >= {self._span.raw_start}"
        made: dict[str, str] = {name: name for name in _KEPT} | calls.KEYS
        made |= {name: _SHORTENED.format(name) for name in _NAMES}
        made["conv"] = f"CASE WHEN conv_id IS NOT NULL THEN hash({made['conv_id']}) END"
        made["done"] = "false"
        made |= {name: f"CASE WHEN {kept} THEN {made[name]} END" for name in _NAMES_OF_SAMPLES}
        for number, name in enumerate(_PREVIEWS):
            shown = [kept, *(f"{other} IS NULL" for other in _PREVIEWS[:number])]
            when = " AND ".join(shown if self._previews else ["false"])
            made[name] = f"CASE WHEN {when} THEN left({name}, {_PREVIEW_LENGTH}) END"
        return ", ".join(f"{made[name]} AS {name}" for name in _KEPT)

    def _note(
        self, relation: str, paths: Mapping[str, Part], parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Enter what each part of the relation holds into the catalog."""
        found = self._run(
            f"SELECT path, min(us), max(us), count(us), count(*) - count(us) FROM {relation}"
            " GROUP BY path",
            **(parameters or {}),
        )
        extents = {part.identity: Extent(None, None, 0, 0) for part in paths.values()}
        by_path = {
            (p.file.path if path == _literal(p.file.path) else path): p for path, p in paths.items()
        }
        for path, *extent in found:
            extents[by_path[path].identity] = Extent(*extent)
        self._catalog.update(extents)

    # --- counting --------------------------------------------------------------------------------

    def _digest(self) -> None:
        """Count what is complete: all before the last hour read, up to the end of the history.

        What is at hand is looked at as a whole, so it is worth it when half of it is complete.
        """
        latest, every = self._run("SELECT max(us), count(*) FROM records")[0]
        if latest is not None:
            cut = min(latest - CONTEXT_US, self._span.history_end) // HOUR_US * HOUR_US
            complete = self._run(
                "SELECT count(*) FROM records WHERE NOT done AND us < $cut", cut=cut
            )[0][0]
            if 2 * complete >= every:
                self._count(cut)
                self._forget(cut)

    def _finish(self, hours: set[int], every: Sequence[Part]) -> None:
        self._count(self._span.history_end)
        for name in TABLES:
            cached = (
                f"SELECT * FROM cache.{name} WHERE hour NOT IN (FROM wanted) UNION ALL "
                if self._partials.attached
                else ""
            )
            self._run(
                f"CREATE OR REPLACE TEMP VIEW all_{name} AS {cached}SELECT * FROM fresh_{name}"
            )
        # A part that failed is in no catalog, so it is tried again by the next run.
        catalog = {part.identity: extent for part in every if (extent := self._known(part))}
        span = self._span.hours
        if not hours and catalog == self._partials.catalog:
            return
        if self._partials.store((span.start, span.stop), sorted(hours), catalog):
            for name in TABLES:
                self._run(f"CREATE OR REPLACE TEMP VIEW all_{name} AS SELECT * FROM cache.{name}")

    def _tell_services_apart(self) -> None:
        """Where there are several services, a subject is one of a service: ``subject@service``."""
        found = self._run(
            "SELECT count(DISTINCT service) FROM (SELECT service FROM all_units UNION ALL"
            " SELECT service FROM all_conversations UNION ALL SELECT service FROM records)"
        )
        several = found[0][0] > 1
        subject = " REPLACE (concat_ws('@', subject, service) AS subject)" if several else ""
        for name, kinds in TABLES.items():
            named = subject if "subject" in kinds else ""
            self._run(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT *{named} FROM all_{name}")
        if several:
            self._run("UPDATE records SET subject = concat_ws('@', subject, service)")

    def _count(self, cut: int) -> None:
        """Count what is not yet counted, up to a time."""
        first = self._run("SELECT min(us) FROM records WHERE NOT done AND us < $cut", cut=cut)[0][0]
        if first is not None:
            events = _events(
                self._connection,
                "(SELECT rowid AS row, * FROM records WHERE us BETWEEN"
                f" {first - CONTEXT_US} AND {cut + CONTEXT_US})",
                previews=False,
            )
            self._run(
                "CREATE OR REPLACE TEMP TABLE fresh AS SELECT *,"
                " NOT done AND us < $cut AND us // $hour IN (FROM wanted) AS counts"
                f" FROM {events} WHERE us >= $first AND (us < $cut OR act = 'assistant_response')",
                first=first,
                cut=cut,
                hour=HOUR_US,
            )
            for name in TABLES:
                counted = count_statement(name, "(SELECT * FROM fresh WHERE counts)", "fresh")
                self._run(f"INSERT INTO fresh_{name} BY NAME {counted}")
            self._run("DROP TABLE fresh")

    def _forget(self, cut: int) -> None:
        """Keep of what was counted only what later records may belong to."""
        self._run(
            "CREATE OR REPLACE TEMP TABLE records AS"
            " SELECT * REPLACE (done OR us < $cut AS done) FROM records"
            " WHERE us >= least($keep, $raw)",
            cut=cut,
            keep=cut - CONTEXT_US,
            raw=self._span.raw_start - CONTEXT_US,
        )


@contextmanager
def _readable(source: Source, batch: Sequence[Part]) -> Iterator[dict[str, Part]]:
    """The parts under the paths by which the engine can read them, for as long as it does."""
    descriptors: list[int] = []
    paths: dict[str, Part] = {}
    try:
        for part in batch:
            descriptor = source.descriptor(part)
            if descriptor is None:
                paths[_literal(part.file.path)] = part
            else:
                descriptors.append(descriptor)
                paths[f"/proc/self/fd/{descriptor}"] = part
        yield paths
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _literal(path: str) -> str:
    """The path as DuckDB must be given it, since it would take it for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _batches(some: Iterable[Part]) -> list[list[Part]]:
    """Parts in order, together up to a size, so that memory is bounded by a batch."""
    batches: list[list[Part]] = []
    room = 0
    for part in some:
        weight = part.length * (1 if part.file.compression == "uncompressed" else _EXPANSION)
        if weight > room or len(batches[-1]) >= _BATCH_FILES:
            batches.append([])
            room = _BATCH_BYTES
        batches[-1].append(part)
        room -= weight
    return batches


def _is_salvageable(source: Source, part: Part, failure: Exception) -> bool:
    """Whether reading line by line helps: not where memory is short, or only the engine unpacks."""
    if isinstance(failure, duckdb.OutOfMemoryException):
        return False
    return source.in_lines and part.file.compression != "zstd"
