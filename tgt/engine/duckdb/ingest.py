"""From files to events: only new bytes are read, and each only once.

What a reading comes to is *staged*, a batch at a time, so that memory is bounded by a batch; then
its wordings are learnt and its records absorbed by the correlator. What a file holds and how far
it was read is told to the manifest. Whatever is wrong with a file costs what is wrong, never what
is good beside it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Self

import duckdb

from tgt.engine.duckdb.bundles import SmallFile, bundled, small_file
from tgt.engine.duckdb.correlate import Correlator
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.manifest import COLUMNS, Known, Plan, Planner, Reading, known_of
from tgt.engine.duckdb.pieces import Piece, may_hold_bad_lines, narrowed, pieces, stretch
from tgt.engine.duckdb.store import RECORD_COLUMNS, TABLES, Store, quoted_numbers
from tgt.engine.duckdb.wordings import learn, shortened, wording
from tgt.engine.protocol import Progress
from tgt.errors import TelemetryError
from tgt.events import HOUR_US, MEANING, OWN
from tgt.sources import files as identity
from tgt.sources import nesting
from tgt.sources.base import (
    Listed,
    PassedOver,
    Projection,
    Reason,
    RecordSource,
    Source,
    SqlSource,
)
from tgt.sources.files import LogFile
from tgt.sources.macros import number_of
from tgt.sources.reading import FileReading
from tgt.sources.salvage import CleanPieces
from tgt.sources.sqlite_documents import DocumentSource, is_database
from tgt.templates import template

_BATCH_BYTES = 128 * 1024 * 1024
_BATCH_FILES = 256
_BUNDLE_FILES = 5000
_FEW_FILES = 16
"""So few small files are read as fast one by one, and their lines as they are."""
_RECORDS_BYTES = 8 * 1024 * 1024
_COMPRESSED_BYTES = 32 * 1024 * 1024
"""Where events lie in memory only, they are read and compressed by so many bytes."""
_LONGEST_ERROR = 8192
_UNREADABLE = (duckdb.Error, OSError, TelemetryError)
"""What reading lines as they are may raise; a line of brackets takes all memory that there is."""

KEY = (
    f"CASE WHEN key IS NOT NULL THEN {number_of('key')} WHEN id IS NOT NULL"
    f" THEN hash({', '.join(map(number_of, ('id', 'trace_id', 'conv_id')))}, wording) END"
)
"""SQL for what is the same of all records that tell the same thing."""
CONV = f"CASE WHEN conv_id IS NOT NULL THEN {number_of(shortened('conv_id'))} END"
"""SQL for the number of a record's conversation."""
_HASHES = {
    "key": KEY,
    "call": (
        f"CASE WHEN call_id IS NOT NULL THEN {number_of('call_id')}"
        f" WHEN trace_id IS NOT NULL THEN {number_of('trace_id')}"
        f" WHEN conv_id IS NOT NULL THEN {number_of(shortened('conv_id'))}"
        f" ELSE hash('hour', us // {HOUR_US}) END"
    ),
    "keyed": "call_id IS NOT NULL OR trace_id IS NOT NULL OR conv_id IS NOT NULL",
    "trace": f"CASE WHEN trace_id IS NOT NULL THEN {number_of('trace_id')} END",
    "conv": CONV,
    "error": f"left(error, {_LONGEST_ERROR})",
}
STAGED = ", ".join(
    f"{_HASHES[name]} AS {name}" if name in _HASHES else name for name in RECORD_COLUMNS
)

_WRITTEN = {**{name: kind for name, kind in OWN.items() if name != "path"}, **MEANING}
_RECORDS = Projection(
    f"SELECT filename AS path, {', '.join(_WRITTEN)}, file FROM read_ndjson($paths,"
    " columns = $columns, filename = true, hive_partitioning = false)",
    {"columns": {**_WRITTEN, "file": "INTEGER"}},
    tuple(MEANING),
    lambda records: f"FROM {records}",
)
_OFTEN = 4
"""Records that are told so many times each are looked through for such as say nothing more."""
_FILE_KINDS = TABLES["files"]
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass
class _Progress:
    """What was read of a file so far."""

    reading: Reading
    read_to: int = 0
    is_torn: bool = False
    records: int = 0
    malformed: int = 0
    first_us: int | None = None
    last_us: int | None = None
    damage: str = ""
    passed_over: Counter[str] = field(default_factory=Counter)
    state: Mapping[str, Any] | None = None
    identity: tuple[tuple[int, str], str] | None = None
    """The beginning and the tail of the file, where they were hashed already."""

    def add(self, records: int, malformed: int, first: int | None, last: int | None) -> None:
        self.records += records
        self.malformed += malformed
        self.first_us = min((us for us in (self.first_us, first) if us is not None), default=None)
        self.last_us = max((us for us in (self.last_us, last) if us is not None), default=None)

    def known(self, tail: str, head: tuple[int, str]) -> Known:
        """The file's row of the manifest after this reading."""
        known = self.reading.known.with_more(
            self.records, self.malformed, self.first_us, self.last_us, self.passed_over
        )
        return replace(
            known,
            read_to=self.read_to,
            is_torn=self.is_torn,
            damage=self.damage,
            state=None if self.state is None else json.dumps(self.state),
            head_bytes=head[0],
            head=head[1],
            tail=tail,
        )


class Ingest:
    """One time of bringing the store up to date. ``since_us``: earlier records are not kept."""

    def __init__(
        self, store: Store, correlator: Correlator, since_us: int, progress: Progress | None = None
    ) -> None:
        self._store = store
        self._db = store.database
        self._stagings = 0
        self._correlator = correlator
        self._since = since_us
        self._progress = progress
        self.bytes = 0
        """How many there are to be read."""
        self._bytes_read = 0
        self._uncompressed_bytes = 0
        self._batch_bytes = _BATCH_BYTES if store.is_kept else _COMPRESSED_BYTES
        self.warnings: list[str] = []
        self.has_folded = False
        """Whether events that were known are about something else now: about all of their kin."""

    @cached_property
    def _reader(self) -> Database:
        """What cannot be read must not end the transaction in which the store is changed."""
        return self._db.beside()

    def read(self, sources: Sequence[Listed]) -> None:
        """Read what is new in the files of sources as they were listed."""
        rows = [known_of(row) for row in self._db.run(f"SELECT {', '.join(COLUMNS)} FROM files")]
        next_file = max((k.file for k in rows), default=0) + 1
        keys = {source.key for source, _ in sources}
        stray = [k.file for k in rows if k.source not in keys]
        plans: list[tuple[Source, Plan]] = []
        for source, listing in sources:
            own = (k for k in rows if k.source == source.key)
            planner = Planner(source.key, own, next_file, _databases_of(source))
            plan = planner.plan(
                listing.files,
                resumes=isinstance(source, SqlSource),
                since_us=self._since,
            )
            next_file = planner.next_file
            plans.append((source, plan))
        self._forget([*stray, *(number for _, plan in plans for number in plan.forgotten)])
        self._write_manifest([k for _, plan in plans for k in plan.kept])
        self.bytes = sum(r.length for _, plan in plans for r in plan.readings)
        for source, plan in plans:
            self.warnings += plan.warnings
            if isinstance(source, SqlSource):
                self._read_by_engine(source, plan.readings)
            elif isinstance(source, RecordSource):
                self._read_records(source, plan.readings)
        if "_reader" in self.__dict__:
            self._reader.close()

    def _forget(self, numbers: Sequence[int]) -> None:
        if numbers:
            self._correlator.forget(numbers)
            self._store.delete("files", f"file IN ({quoted_numbers(numbers)})")

    # --- sources whose lines the engine reads ----------------------------------------------------

    def _read_by_engine(self, source: SqlSource, readings: Sequence[Reading]) -> None:
        if not readings:
            return
        projection = source.projection()
        for batch in _batches(self._read_small(projection, readings), self._batch_bytes):
            progress = [_Progress(reading, reading.offset) for reading in batch]
            self._read_batch(projection, progress)
            self._finish(progress)

    def _read_small(self, projection: Projection, readings: Sequence[Reading]) -> list[Reading]:
        """Read small files many at a time; those that are left are to be read as they are."""
        left: list[Reading] = []
        bundle: list[tuple[_Progress, SmallFile]] = []
        for reading in readings:
            try:
                content = None if reading.offset else small_file(reading.file, reading.known.file)
            except OSError:
                content = None
            if content is None or nesting.may_be_too_deep(content.lines)[0]:
                left.append(reading)
                continue
            bundle.append((_Progress(reading), content))
            if len(bundle) >= _BUNDLE_FILES:
                left += self._read_bundle(projection, bundle)
                bundle = []
        if len(bundle) < _FEW_FILES:
            return [*left, *(file.reading for file, _ in bundle)]
        return [*left, *self._read_bundle(projection, bundle)]

    def _read_bundle(
        self, projection: Projection, bundle: Sequence[tuple[_Progress, SmallFile]]
    ) -> list[Reading]:
        """Read files together; where that fails all of them are left."""
        with Memory() as memory:
            for _, content in bundle:
                memory.write(content.lines)
            parts = [(file, memory.piece(file.reading.file.size)) for file, _ in bundle]
            names = [str(file.reading.known.file) for file, _ in bundle]
            try:
                self._stage(bundled(projection), parts, names)
            except _UNREADABLE:
                return [file.reading for file, _ in bundle]
        for file, content in bundle:
            file.read_to, file.is_torn = content.end, content.is_torn
            # Of a broken line not even the file that it stands in is known.
            file.malformed = content.count - file.records
            file.identity = (content.head, content.tail)
        self._finish([file for file, _ in bundle])
        return []

    def _read_batch(self, projection: Projection, batch: Sequence[_Progress]) -> None:
        """Read files together; where that fails, each by itself, and what is good of it."""
        waiting: list[tuple[_Progress, Piece]] = []
        size = 0
        try:
            for file in batch:
                if file.reading.file.compression != "uncompressed":
                    self._salvage(projection, file)
                    continue
                try:
                    lines = stretch(file.reading.file, file.reading.offset)
                    for piece in pieces(file.reading.file, lines):
                        if piece.is_endless:
                            self._read_pieces(projection, waiting)
                            size = 0
                            self._salvage(projection, file, piece)
                            piece.close()
                            continue
                        waiting.append((file, piece))
                        size += piece.length
                        if size >= self._batch_bytes:
                            self._read_pieces(projection, waiting)
                            size = 0
                    file.read_to, file.is_torn = lines.end, lines.is_torn
                except OSError as failure:
                    self._fail(file, failure)
            self._read_pieces(projection, waiting)
        finally:
            for _, piece in waiting:
                piece.close()

    def _read_pieces(self, projection: Projection, waiting: list[tuple[_Progress, Piece]]) -> None:
        """Read the pieces that wait, and close them."""
        if not self._reads(projection, waiting):
            for file, piece in waiting:
                if not self._reads(projection, [(file, piece)]):
                    self._salvage(projection, file, piece)
        while waiting:
            waiting.pop()[1].close()

    def _reads(self, projection: Projection, parts: Sequence[tuple[_Progress, Piece]]) -> bool:
        """Whether the engine can read pieces as they are; then what they hold is absorbed."""
        try:
            if any(may_hold_bad_lines(piece) for _, piece in parts):
                return False
            self._stage(projection, parts)
        except _UNREADABLE:
            return False
        return True

    def _salvage(self, projection: Projection, file: _Progress, piece: Piece | None = None) -> None:
        """Read of a piece, or of a compressed file, what is good, line by line."""
        start, end = (piece.start, piece.end) if piece else (0, None)
        clean = CleanPieces(file.reading.file, start, end)
        try:
            for descriptor in clean:
                part = Piece(descriptor, clean.place, clean.place)
                try:
                    self._stage(projection, [(file, part)])
                except duckdb.Error as failure:
                    file.damage = str(failure).splitlines()[0]
        except OSError as failure:
            self._fail(file, failure)
            return
        file.malformed += clean.left_out
        file.damage = file.damage or clean.damage
        if piece is None:
            file.read_to, file.is_torn = clean.end, clean.is_torn

    def _fail(self, file: _Progress, failure: OSError) -> None:
        if not isinstance(failure, FileNotFoundError):  # it was removed since it was listed
            file.damage = failure.strerror or type(failure).__name__

    def _stage(
        self,
        projection: Projection,
        parts: Sequence[tuple[_Progress, Piece]],
        names: Sequence[str] | None = None,
    ) -> None:
        """Read pieces and absorb what they hold; ``names`` are what the reader calls them, if it is
        not their paths."""
        if not parts:
            return
        if names is None and all(piece.start for _, piece in parts):
            # What is read as it lies there may be written meanwhile, with other names.
            projection = narrowed(projection, [piece for _, piece in parts])
        paths = {number: piece.path for number, (_, piece) in enumerate(parts)}
        self._reader.define(projection.macros, projection.statement)
        self._reader.table(
            "pieces",
            "SELECT unnest($paths) AS path, unnest($numbers) AS piece, unnest($files) AS file,"
            " unnest($places) AS place",
            paths=list(names or paths.values()),
            numbers=list(range(len(parts))),
            files=[file.reading.known.file for file, _ in parts],
            places=[piece.start for _, piece in parts],
        )
        columns = ", ".join(
            name for name in (*OWN, *projection.words) if name not in {"path", "place"}
        )
        with self._staged(
            f"SELECT piece, {STAGED} FROM (SELECT path, {columns}, {wording(projection)}"
            f" FROM ({projection.statement})) JOIN pieces USING (path)",
            **{**projection.parameters, "paths": list(dict.fromkeys(paths.values()))},
        ) as staged:
            extents = self._reader.run(
                "SELECT piece, count(us), count(*) - count(us), min(us), max(us)"
                f" FROM {staged} GROUP BY piece"
            )
            self._reduce(staged)
            self.has_folded |= learn(self._store, projection, staged, paths)
            for number, *extent in extents:
                parts[number][0].add(*extent)
            self._correlator.absorb(staged)
        self._advance(sum(piece.length for _, piece in parts))

    # --- sources that are translated -------------------------------------------------------------

    def _read_records(self, source: RecordSource, readings: Sequence[Reading]) -> None:
        batch: list[_Progress] = []
        with RecordFile() as records:
            for reading in readings:
                file = _Progress(reading, reading.offset)
                batch.append(file)
                self._translate(source, file, records)
                self._advance(reading.length)
            self._stage_records(records)
        self._finish(batch)

    def _translate(self, source: RecordSource, file: _Progress, records: RecordFile) -> None:
        known = file.reading.known
        state = json.loads(known.state) if known.state and file.reading.offset else None
        reading = FileReading(source, file.reading.file, file.reading.offset, state)
        try:
            for outcome in reading.outcomes():
                if isinstance(outcome, PassedOver):
                    if outcome.reason is Reason.MALFORMED:
                        file.malformed += 1
                    file.passed_over[f"{outcome.reason}:{outcome.kind}"] += 1
                    continue
                us = outcome["us"]
                file.add(1, 0, us, us)
                if us >= self._since:
                    records.add({**outcome, "file": known.file})
                if records.is_full:
                    self._stage_records(records)
        except OSError as failure:
            self._fail(file, failure)
            return
        file.read_to, file.is_torn = reading.end, bool(reading.torn)
        file.damage, file.state = reading.damage, reading.state

    def _stage_records(self, records: RecordFile) -> None:
        if not records.size:
            return
        with self._translated(records) as staged:
            self._correlator.absorb(staged)

    @contextmanager
    def _translated(self, records: RecordFile) -> Iterator[str]:
        """The name of a table of records with their wordings, which are known then, as long as the
        block."""
        records.flush()
        with self._staged(
            f"SELECT 0 AS piece, {STAGED} FROM (SELECT *, {wording(_RECORDS)}"
            f" FROM ({_RECORDS.statement}))",
            **{**_RECORDS.parameters, "paths": [records.path]},
        ) as staged:
            self._reduce(staged)
            self.has_folded |= learn(self._store, _RECORDS, staged, {0: records.path})
            yield staged
        records.clear()

    # --- both ------------------------------------------------------------------------------------

    @contextmanager
    def _staged(self, query: str, **parameters: Any) -> Iterator[str]:
        """The name of a table of what a query reads, as long as the block.

        Each has a database of its own, which nothing else has looked at yet: what was committed to
        one after a transaction first looked at it, that transaction does not see.
        """
        self._stagings += 1
        place = f"staging{self._stagings}"
        self._reader.run(f"ATTACH ':memory:' AS {place}")
        try:
            self._reader.run(f"CREATE TABLE {place}.staged AS {query}", **parameters)
            yield f"{place}.staged"
        finally:
            self._reader.run(f"DETACH {place}")

    def _reduce(self, staged: str) -> None:
        """Take out the records that are not of the store's time, those that are there already, and
        of the texts of errors all but their templates."""
        run = self._reader.run
        late = "us IS NULL OR us < $since"
        if run(f"SELECT 1 FROM {staged} WHERE {late} LIMIT 1", since=self._since):
            run(f"DELETE FROM {staged} WHERE {late}", since=self._since)
        texts = [
            text for (text,) in run(f"SELECT DISTINCT error FROM {staged} WHERE error IS NOT NULL")
        ]
        if texts:
            self._reader.table(
                "templates",
                "SELECT unnest($texts) AS error, unnest($templates::VARCHAR[]) AS template",
                texts=texts,
                templates=[template(text) for text in texts],
            )
            run(
                f"UPDATE {staged} SET error = template FROM templates"
                " WHERE staged.error = templates.error"
            )
            self._reader.drop("templates")
        many, different = run(f"SELECT count(key), approx_count_distinct(key) FROM {staged}")[0]
        if many > _OFTEN * max(1, different):
            # Of records that are the same in all but their place the first is what counts.
            run(
                f"CREATE OR REPLACE TABLE {staged} AS"
                f" SELECT * EXCLUDE (place), min(place) AS place FROM {staged}"
                " WHERE key IS NOT NULL GROUP BY ALL"
                f" UNION ALL BY NAME SELECT * FROM {staged} WHERE key IS NULL"
            )

    def _advance(self, length: int) -> None:
        self._bytes_read += length
        self._uncompressed_bytes += length
        if self._uncompressed_bytes >= _COMPRESSED_BYTES:
            self._store.compress()
            self._uncompressed_bytes = 0
        if self._progress:
            self._progress("reading telemetry", min(1.0, self._bytes_read / (self.bytes or 1)))

    def _finish(self, batch: Sequence[_Progress]) -> None:
        """Tell the manifest; one of which nothing could be read is tried again by the next run."""
        rows = []
        for file in batch:
            row = _identified(file)
            if row is not None:
                rows.append(row)
            if file.damage:
                how_far = " to its end" if file.records or file.reading.known.records else ""
                name = file.reading.file.path
                self.warnings.append(f"cannot read {name}{how_far}: {file.damage}")
        self._write_manifest(rows)

    def _write_manifest(self, rows: Sequence[Known]) -> None:
        if not rows:
            return
        self._store.delete("files", f"file IN ({quoted_numbers(k.file for k in rows)})")
        values = {name: [getattr(k, name) for k in rows] for name in _FILE_KINDS}
        selected = ", ".join(
            f"unnest(${name}::{kind}[]) AS {name}" for name, kind in _FILE_KINDS.items()
        )
        self._store.insert("files", f"SELECT {selected}", **values)


def _databases_of(source: Source) -> Callable[[LogFile], bool]:
    """What tells which files of a source are databases; of most none is."""
    return partial(is_database, source) if isinstance(source, DocumentSource) else lambda _: False


def _identified(file: _Progress) -> Known | None:
    """The file's row of the manifest; None where nothing could be read of it."""
    log, known = file.reading.file, file.reading.known
    if file.reading.is_database and file.damage:
        # It is read again by the next run, also if nothing changes, and counts only then.
        return replace(known, size=0, modified_ns=0, damage=file.damage)
    if file.reading.is_database:
        return file.known("", (0, ""))
    if not file.read_to and not file.malformed and file.damage:
        return None
    if file.identity is not None:
        return file.known(file.identity[1], file.identity[0])
    try:
        length, head = identity.beginning(log)
        is_plain = log.compression == "uncompressed"
        return file.known(identity.tail(log, file.read_to) if is_plain else "", (length, head))
    except OSError:
        return None


def _batches(readings: Sequence[Reading], most_bytes: int) -> Iterator[list[Reading]]:
    """Readings in order, together up to a size and a number of open files."""
    batch: list[Reading] = []
    room = most_bytes
    for reading in readings:
        length = reading.length
        if batch and (length > room or len(batch) >= _BATCH_FILES):
            yield batch
            batch, room = [], most_bytes
        batch.append(reading)
        room -= length
    if batch:
        yield batch


class Memory:
    """A file that exists in memory only, as long as the block that it is opened for."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("tgt-lines", os.MFD_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def piece(self, length: int) -> Piece:
        """The file as a piece to be read, of which so many bytes count."""
        return Piece(self._descriptor, 0, length)

    def write(self, data: bytes) -> None:
        with memoryview(data) as view:
            written = 0
            while written < len(view):
                written += os.write(self._descriptor, view[written:])

    def clear(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)


class RecordFile(Memory):
    """Records as lines of JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self.size = 0

    @property
    def path(self) -> str:
        return self.piece(0).path

    @property
    def is_full(self) -> bool:
        return self.size >= _RECORDS_BYTES

    def add(self, record: Mapping[str, Any]) -> None:
        line = _write(record)
        self._lines.append(line)
        self.size += len(line)

    def flush(self) -> None:
        # Half of a surrogate pair is valid JSON but no valid UTF-8.
        self.write("".join(f"{line}\n" for line in self._lines).encode("utf-8", "replace"))
        self._lines.clear()

    def clear(self) -> None:
        super().clear()
        self.size = 0
