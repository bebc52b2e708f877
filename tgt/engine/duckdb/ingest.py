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
from tgt.engine.duckdb import correlate as calls
from tgt.engine.duckdb import meanings
from tgt.engine.duckdb import rollups as tallies
from tgt.engine.duckdb.counting import CONTEXT_US, COUNTS, count_statement, events_sql
from tgt.engine.duckdb.meanings import Meanings
from tgt.engine.duckdb.records import OWN, ROWS, VIEW, Records, extents
from tgt.engine.duckdb.store import TABLES, Extent, Partials
from tgt.events import HOUR_US, from_us
from tgt.sources.base import Projection, Source
from tgt.sources.files import Part, between, parts
from tgt.sources.salvage import InMemory, Salvage

Progress = Callable[[str, float | None], None]

_BATCH_BYTES = 128 * 1024 * 1024
_BATCH_FILES = 256
_UNITS_AT_ONCE = 300_000
_EXPANSION = 12  # of a compressed file, roughly


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


def signature(sources: Sequence[Source]) -> str:
    """A hash of all that decides what the counts are: they are not comparable across it."""
    joined = calls.events("records", paired=True, continued=True, repeated=True, previews=False)
    text = [
        __version__,
        duckdb.__version__,
        repr(COUNTS),
        repr(TABLES),
        repr(meanings.TABLES),
        repr(meanings.MADE),
        repr(OWN),
        tallies.statement("units"),
        joined,
    ]
    for source in sources:
        projection = source.records()
        text += [source.kind, repr(source), *source.macros, repr(projection.parameters)]
        text += [projection.statement, repr(projection.words), projection.meaning("records")]
    return hashlib.sha256("\0".join(text).encode()).hexdigest()


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
        self._counted_to = 0
        self._in_pieces = False
        """Whether an hour was counted in more than one go."""
        self._meanings = Meanings(connection, "cache" if partials.covered is not None else None)
        self._records = Records(connection, self._meanings, span.raw_start, previews=previews)
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
        ahead = self._read_ahead(found)
        hours = self._hours_to_count(found, every)
        total = sum(part.length for part in every) or 1
        done = sum(part.length for part in ahead)
        for source, some in found:
            left = [part for part in some if part not in ahead]
            needed = [part for part in left if self._is_needed(part, hours)]
            done += sum(part.length for part in left) - sum(part.length for part in needed)
            for batch in _batches(needed):
                self._read(source, batch)
                self._narrow(batch, hours)
                self._digest(batch, hours)
                done += sum(part.length for part in batch)
                if self._progress:
                    self._progress("reading telemetry", done / total)
        self._finish(hours, every)
        self._name_subjects()
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

    def _read_ahead(self, found: Sequence[tuple[Source, Sequence[Part]]]) -> set[Part]:
        """Read what is new at once if it is little, together with what will be needed beside it.

        Which hours it touches is known only when it was read, and what is not little would then
        be in the way of counting hours as they become complete.
        """
        if self._partials.covered is None:
            return set()
        new = {part for _, some in found for part in some if self._is_new(part)}
        room = _BATCH_BYTES - sum(_weight(part) for part in new)
        if not new or room < 0:
            return set()
        ahead = set(new)
        start = self._span.raw_start - 2 * CONTEXT_US
        for part in (part for _, some in found for part in some if part not in new):
            extent = self._known(part)
            if extent and extent.touches(start, self._span.end + 1) and _weight(part) <= room:
                room -= _weight(part)
                ahead.add(part)
        for source, some in found:
            for batch in _batches(part for part in some if part in ahead):
                self._read(source, batch)
                self._narrow(batch, None)
        return ahead

    def _is_new(self, part: Part) -> bool:
        return self._known(part) is None and part.identity not in self._failed

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
            for batch in _batches(part for part in some if self._is_new(part)):
                self._read(source, batch, only_extent=True)
        present, before = {part.identity for part in every}, self._partials.catalog
        changed = [extent for key, extent in before.items() if key not in present]
        changed += [extent for key, extent in self._catalog.items() if key not in before]
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
        held = Extent.none()
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
        projection = source.records()
        with _readable(source, batch) as readable:
            paths = {name: path for name, (path, _) in readable.items()}
            if only_extent:
                given = {"paths": list(paths.values()), **projection.parameters}
                found = extents(self._connection, f"({projection.statement})", given)
            else:
                found = self._read_records(projection, batch, paths)
        held = {part.identity: Extent.none() for _, part in readable.values()}
        held.update({readable[name][1].identity: extent for name, extent in found.items()})
        self._catalog.update(held)

    def _read_records(
        self, projection: Projection, batch: Sequence[Part], paths: Mapping[str, str]
    ) -> dict[str, Extent]:
        """Most of a history needs no texts, and to read them takes long; which has none is a
        guess, and if it was wrong, they are read after all."""
        texts = any(self._may_be_shown(part) for part in batch)
        found = self._records.read(projection, paths, texts=texts)
        last = Extent.together(found.values()).last_us
        if texts or last is None or last < self._span.raw_start:
            return found
        self._records.forget_last()
        return self._records.read(projection, paths, texts=True)

    def _may_be_shown(self, part: Part) -> bool:
        """Whether records of the part may be new enough for samples, as far as one can tell
        without reading it."""
        extent = self._known(part)
        if extent is not None:
            return extent.touches(self._span.raw_start, self._span.end + 1)
        if part.offset + part.length < part.file.size:
            return False  # more was written after it
        return part.file.modified_ns // 1000 >= self._span.raw_start

    def _span_of(self, batch: Sequence[Part]) -> tuple[int, int] | None:
        """The times of the first and the last record of a batch."""
        held = Extent.together(filter(None, map(self._known, batch)))
        if held.first_us is None or held.last_us is None:
            return None
        return held.first_us, held.last_us

    def _narrow(self, batch: Sequence[Part], hours: set[int] | None) -> None:
        """Leave out of what was read last what nobody will look at, if there is any."""
        held = self._span_of(batch)
        if held is None:
            return
        first, last = self._span.history_start - CONTEXT_US, self._span.end
        raw = self._span.raw_start - CONTEXT_US
        around = {hour + n for hour in hours or () for n in (-1, 0, 1)}
        past = range(held[0] // HOUR_US, min(held[1], raw) // HOUR_US + 1)
        outside = held[0] < first or held[1] > last
        if not outside and (hours is None or held[0] >= raw or around.issuperset(past)):
            return
        kept = f"us BETWEEN {first} AND {last}"
        if hours is not None:
            kept += f" AND (us >= {raw} OR {_within(around)})"
        self._records.narrow(kept)

    # --- counting --------------------------------------------------------------------------------

    def _digest(self, batch: Sequence[Part], hours: set[int]) -> None:
        """Count what is complete: all before the last hour read, up to the end of the history.

        What is at hand is looked at as a whole, so it is worth it when half of it is complete.
        """
        held = self._span_of(batch)
        if held is None:
            return
        cut = min(held[1] - CONTEXT_US, self._span.history_end) // HOUR_US * HOUR_US
        complete, pending = self._run(
            f"SELECT count(*) FILTER (us < $cut), count(*) FROM {ROWS} WHERE NOT done", cut=cut
        )[0]
        if complete and 2 * complete >= pending:
            self._count(cut, hours)
            self._records.settle(cut, min(cut, self._span.raw_start) - CONTEXT_US)

    def _finish(self, hours: set[int], every: Sequence[Part]) -> None:
        self._count(self._span.history_end, hours)
        self._tally(hours)
        # A part that failed is in no catalog, so it is tried again by the next run.
        catalog = {part.identity: extent for part in every if (extent := self._known(part))}
        span = self._span.hours
        is_changed = bool(hours) or catalog != self._partials.catalog
        stored = is_changed and self._partials.store(
            (span.start, span.stop), sorted(hours), catalog
        )
        for name in TABLES:
            counts = f"SELECT * FROM fresh_{name}"
            if stored:
                counts = f"SELECT * FROM cache.{name}"
            elif self._partials.attached:
                counts += f" UNION ALL SELECT * FROM cache.{name}"
                if hours:
                    counts += f" WHERE NOT ({_within(hours, 'hour', 1)})"
            self._run(f"CREATE OR REPLACE TEMP VIEW all_{name} AS {counts}")

    def _tally(self, hours: set[int]) -> None:
        """What the hours come to, as many at a time as fit into memory."""
        units = self._run("SELECT count(*) FROM fresh_units")[0][0]
        ordered = sorted(hours)
        some = max(1, len(ordered) * _UNITS_AT_ONCE // max(units, 1))
        for first in range(0, len(ordered), some):
            within = _within(ordered[first : first + some], "hour", 1)
            made = tallies.statement(
                f"(FROM fresh_units WHERE {within})", in_pieces=self._in_pieces
            )
            self._run(f"INSERT INTO fresh_tallies BY NAME {made}")

    def _name_subjects(self) -> None:
        found = self._run(
            "SELECT count(DISTINCT service) FROM ("
            "SELECT service FROM subjects SEMI JOIN all_tallies USING (subject)"
            " UNION ALL SELECT service FROM all_conversations"
            f" UNION ALL SELECT service FROM {VIEW})"
        )
        some_are_one = self._meanings.name_subjects(several=found[0][0] > 1)
        for name, kinds in TABLES.items():
            counts = f"FROM all_{name}"
            if some_are_one and "subject" in kinds:
                counts = (
                    f"SELECT c.* REPLACE (shown AS subject) {counts} c JOIN named USING (subject)"
                )
            if some_are_one and name == "tallies":
                counts = tallies.statement("units")
            self._run(f"CREATE OR REPLACE TEMP VIEW {name} AS {counts}")

    def _count(self, cut: int, hours: set[int]) -> None:
        """Count what is not yet counted, up to a time."""
        if not hours:
            return
        first = self._run(f"SELECT min(us) FROM {ROWS} WHERE NOT done AND us < $cut", cut=cut)[0][0]
        if first is None:
            return
        self._in_pieces |= first < self._counted_to
        self._counted_to = max(self._counted_to, cut)
        first = max(first, self._span.history_start - CONTEXT_US)
        events, is_dear = events_sql(
            self._connection, first - CONTEXT_US, cut + CONTEXT_US, previews=False
        )
        around = (
            f"(SELECT *, NOT done AND us < {cut} AND {_within(hours)} AS counts FROM {events}"
            f" WHERE us >= {first} AND (us < {cut} OR act = 'assistant_response'))"
        )
        if is_dear:
            self._run(f"CREATE OR REPLACE TEMP TABLE fresh AS FROM {around}")
            around = "fresh"
        for name in COUNTS:
            counted = count_statement(name, f"(SELECT * FROM {around} WHERE counts)", around)
            self._run(f"INSERT INTO fresh_{name} BY NAME {counted}")
        if is_dear:
            self._run("DROP TABLE fresh")


@contextmanager
def _readable(source: Source, batch: Sequence[Part]) -> Iterator[dict[str, tuple[str, Part]]]:
    """The parts, and the paths by which the engine can read them for as long as it does, under
    the names that it gives them."""
    descriptors: list[int] = []
    found: dict[str, tuple[str, Part]] = {}
    try:
        for part in batch:
            descriptor = source.descriptor(part)
            if descriptor is None:
                found[part.file.path] = (_literal(part.file.path), part)
            else:
                descriptors.append(descriptor)
                path = f"/proc/self/fd/{descriptor}"
                found[path] = (path, part)
        yield found
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _literal(path: str) -> str:
    """The path as DuckDB must be given it, since it would take it for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _within(hours: Iterable[int], of: str = "us", unit: int = HOUR_US) -> str:
    """SQL that tells whether a time, in microseconds or hours, lies in one of the hours."""
    runs: list[list[int]] = []
    for hour in sorted(hours):
        if runs and runs[-1][1] == hour - 1:
            runs[-1][1] = hour
        else:
            runs.append([hour, hour])
    ranges = (f"{of} BETWEEN {a * unit} AND {(b + 1) * unit - 1}" for a, b in runs)
    return f"({' OR '.join(ranges) or 'false'})"


def _weight(part: Part) -> int:
    """About how much there is to read."""
    return part.length * (1 if part.file.compression == "uncompressed" else _EXPANSION)


def _batches(some: Iterable[Part]) -> list[list[Part]]:
    """Parts in order, together up to a size, so that memory is bounded by a batch."""
    batches: list[list[Part]] = []
    room = 0
    for part in some:
        weight = _weight(part)
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
