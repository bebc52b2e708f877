"""What events say: read again from the files, since the store holds no text of theirs.

The object at an event's place is translated once more. What lies in one piece of a file is read
together.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.examples import Locator
from tgt.engine.duckdb.ingest import CONV, KEY
from tgt.engine.duckdb.pieces import Piece, line_number, narrowed, pieces, whole_lines_at
from tgt.engine.duckdb.wordings import wording
from tgt.errors import TelemetryError
from tgt.events import Sample
from tgt.sources import excerpts
from tgt.sources.base import Record, RecordSource, Source, SqlSource
from tgt.sources.files import LogFile
from tgt.sources.salvage import CleanPieces
from tgt.sources.sqlite_documents import is_database

_TEXTS = ("id", "conv_id", "error", "result_preview", "args_preview")


def complete(
    database: Database, sources: Mapping[str, Source], samples: Sequence[Sample]
) -> tuple[Sample, ...]:
    """The samples with what their records say, as far as their files still say it."""
    completed = list(samples)
    by_piece: dict[tuple[int, int], list[int]] = {}
    for number, sample in enumerate(samples):
        if isinstance(sample.locator, Locator):
            by_piece.setdefault((sample.locator.file, sample.locator.place), []).append(number)
    for (file_number, place), numbers in by_piece.items():
        located = _file(database, sources, file_number)
        if located is None:
            continue
        source, file = located
        some = [samples[number] for number in numbers]
        try:
            if isinstance(source, SqlSource):
                answers = _by_engine(database, source, file, place, some)
            elif isinstance(source, RecordSource):
                answers = list(_translated(database, sources, source, file, some))
            else:
                continue
        except (OSError, duckdb.Error, TelemetryError):
            continue
        for number, answer in zip(numbers, answers, strict=True):
            completed[number] = answer
    return tuple(completed)


def _file(
    database: Database, sources: Mapping[str, Source], number: int
) -> tuple[Source, LogFile] | None:
    """A file of the manifest as it is now; None where it is gone."""
    rows = database.run("SELECT source, path FROM files WHERE file = $number", number=number)
    if not rows or rows[0][0] not in sources:
        return None
    path = os.fsdecode(rows[0][1])
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return sources[rows[0][0]], LogFile.of(path, status)


def told(sample: Sample, place: str, record: Record, line: int | None) -> Sample:
    """A sample with what a record says that stands at a place."""
    args = record.get("args_preview")
    texts = (record.get("error"), record.get("result_preview"), args)
    return replace(
        sample,
        id=record.get("id"),
        conv_id=record.get("conv_id"),
        text=next((text for text in texts if text is not None), None),
        args=args,
        file=place,
        line=line,
    )


# --- sources that are translated -----------------------------------------------------------------


def _translated(
    database: Database,
    sources: Mapping[str, Source],
    source: RecordSource,
    file: LogFile,
    samples: Sequence[Sample],
) -> Iterator[Sample]:
    """Samples of one object: of its records the one of the time, act and name of each."""
    locator = _locator(samples[0])
    records = list(excerpts.documents_at(source, file, locator.place))
    has_lines = bool(records) and not is_database(source, file)
    line = excerpts.line_number(file, locator.place) if has_lines else None
    for sample in samples:
        record = record_of(records, sample)
        if record is None:
            yield sample
            continue
        if record.get("args_preview") is None:
            record = {**record, "args_preview": _asked(database, sources, _locator(sample))}
        yield told(sample, file.path, record, line)


def _locator(sample: Sample) -> Locator:
    if not isinstance(sample.locator, Locator):
        raise TypeError("a sample of another engine")
    return sample.locator


def record_of(records: Sequence[Record], sample: Sample) -> Record | None:
    """Of the records of one place the one of the time, act and name of a sample."""
    us = _locator(sample).us
    wanted = [record for record in records if record.get("us") == us] or records
    for names in (("act", "name"), ("act",), ()):
        for record in wanted:
            if all(record.get(name) == sample.values.get(name) for name in names):
                return record
    return None


def _asked(database: Database, sources: Mapping[str, Source], locator: Locator) -> str | None:
    """What a call was asked, where its start stands elsewhere."""
    if locator.asked_file is None or locator.asked_place is None:
        return None
    located = _file(database, sources, locator.asked_file)
    if located is None or not isinstance(located[0], RecordSource):
        return None
    try:
        records = excerpts.documents_at(located[0], located[1], locator.asked_place)
    except OSError:
        return None
    return next((r["args_preview"] for r in records if r.get("args_preview") is not None), None)


# --- sources that the engine reads ---------------------------------------------------------------


def _by_engine(
    database: Database, source: SqlSource, file: LogFile, place: int, samples: Sequence[Sample]
) -> list[Sample]:
    """Samples of one piece, as it lies there or, where the engine cannot read that, of what is
    good of it."""
    try:
        with _piece_at(file, place) as piece:
            return _in_piece(database, source, file, piece, samples)
    except (duckdb.Error, TelemetryError):  # a line of brackets takes all memory that there is
        with _clean_piece_at(file, place) as piece:
            return _in_piece(database, source, file, piece, samples)


def _in_piece(
    database: Database, source: SqlSource, file: LogFile, piece: Piece, samples: Sequence[Sample]
) -> list[Sample]:
    """Of the lines of a piece those of the time, words, key and conversation of each sample."""
    completed = list(samples)
    with _in_order(database):
        projection = narrowed(source.projection(), [piece])
        database.define(projection.macros, projection.statement)
        rows = database.run(
            f"SELECT us, wording, identity, conv, number, {', '.join(_TEXTS)} FROM"
            f" (SELECT *, {KEY} AS identity, {CONV} AS conv FROM (SELECT *, {wording(projection)},"
            f" row_number() OVER () AS number FROM ({projection.statement})))"
            " WHERE us IN (SELECT unnest($times))",
            **{**projection.parameters, "paths": [piece.path]},
            times=[_locator(sample).us for sample in samples],
        )
        by_identity = {tuple(row[:4]): row[4:] for row in rows}
        for number, sample in enumerate(samples):
            locator = _locator(sample)
            row = by_identity.get((locator.us, locator.wording, locator.key, locator.conv))
            if row is not None:
                line = line_number(file, piece, row[0])
                record = dict(zip(_TEXTS, row[1:], strict=True))
                completed[number] = told(sample, file.path, record, line)
    return completed


@contextmanager
def _in_order(database: Database) -> Iterator[None]:
    """Rows come in the order of their lines within the block."""
    database.run("SET preserve_insertion_order = true")
    try:
        yield
    finally:
        database.run("SET preserve_insertion_order = false")


@contextmanager
def _piece_at(file: LogFile, place: int) -> Iterator[Piece]:
    """The piece that was read from a place on, until the block ends. Raises OSError."""
    if file.compression == "uncompressed":
        piece = next(pieces(file, whole_lines_at(file, place)))
        try:
            if not piece.is_endless:
                yield piece
                return
        finally:
            piece.close()
    with _clean_piece_at(file, place) as piece:
        yield piece


@contextmanager
def _clean_piece_at(file: LogFile, place: int) -> Iterator[Piece]:
    """The good lines from a place on, as many as a piece has. Raises OSError."""
    clean = CleanPieces(file, place)
    descriptors = iter(clean)
    try:
        yield Piece(next(descriptors), clean.place, clean.place)
    finally:
        descriptors.close()  # type: ignore[attr-defined] # a generator
