"""What events say: read again from the files, since the store holds no text of theirs.

The object at an event's place is translated once more. What lies in one piece of a file is read
together.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.examples import Locator, locator_of
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
from tgt.templates import at_the_error

_TEXTS = ("id", "conv_id", "error", "result_preview", "args_preview")


def complete(
    database: Database, sources: Mapping[str, Source], samples: Sequence[Sample]
) -> tuple[Sample, ...]:
    """The samples with what their records say, as far as their files still say it."""
    completed = list(samples)
    by_file: dict[int, dict[int, list[int]]] = {}
    for number, sample in enumerate(samples):
        if isinstance(sample.locator, Locator):
            places = by_file.setdefault(sample.locator.file, {})
            places.setdefault(sample.locator.place, []).append(number)
    for file_number, places in by_file.items():
        located = _file(database, sources, file_number)
        if located is None:
            continue
        source, file = located
        samples_by_place = {
            place: [samples[n] for n in numbers] for place, numbers in places.items()
        }
        answers: dict[int, list[Sample]] = {}
        # What cannot be read again stays without texts.
        if isinstance(source, SqlSource):
            for place, those in samples_by_place.items():
                with suppress(OSError, duckdb.Error, TelemetryError):
                    answers[place] = _by_engine(database, source, file, place, those)
        elif isinstance(source, RecordSource):
            with suppress(OSError):
                answers = _translated(database, sources, source, file, samples_by_place)
        for place, completed_ones in answers.items():
            for number, answer in zip(places[place], completed_ones, strict=True):
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


def with_texts(sample: Sample, place: str, record: Record, line: int | None) -> Sample:
    """A sample with what a record says that stands at a place."""
    args = record.get("args_preview")
    error = record.get("error")
    error = at_the_error(error) if isinstance(error, str) else error
    texts = (error, record.get("result_preview"), args)
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
    samples: Mapping[int, Sequence[Sample]],
) -> dict[int, list[Sample]]:
    """Samples by the place of their object: of its records the one of the time, act and name of
    each. Raises OSError."""
    records = excerpts.records_at(source, file, samples)
    there = [] if is_database(source, file) else [place for place in samples if records[place]]
    lines = excerpts.line_numbers(file, there)
    chosen = {
        place: [(sample, record_of(records[place], sample)) for sample in some]
        for place, some in samples.items()
    }
    args_by_start = _args_by_start(
        database,
        sources,
        [
            locator_of(sample)
            for some in chosen.values()
            for sample, record in some
            if record is not None and record.get("args_preview") is None
        ],
    )

    def whole(sample: Sample, record: Record | None, line: int | None) -> Sample:
        if record is None:
            return sample
        if record.get("args_preview") is None:
            record = {**record, "args_preview": args_by_start.get(_start(locator_of(sample)))}
        return with_texts(sample, file.path, record, line)

    return {
        place: [whole(sample, record, lines.get(place)) for sample, record in some]
        for place, some in chosen.items()
    }


def record_of(records: Sequence[Record], sample: Sample) -> Record | None:
    """Of the records of one place the one of the time, act and name of a sample."""
    us = locator_of(sample).us
    wanted = [record for record in records if record.get("us") == us] or records
    for names in (("act", "name"), ("act",), ()):
        for record in wanted:
            if all(record.get(name) == sample.values.get(name) for name in names):
                return record
    return None


def _start(locator: Locator) -> tuple[int | None, int | None]:
    """Where the start of a call stands."""
    return locator.asked_file, locator.asked_place


def _args_by_start(
    database: Database, sources: Mapping[str, Source], locators: Sequence[Locator]
) -> dict[tuple[int | None, int | None], str | None]:
    """What calls were asked, where their start stands elsewhere: by its file and place."""
    by_file: dict[int, set[int]] = {}
    for locator in locators:
        if locator.asked_file is not None and locator.asked_place is not None:
            by_file.setdefault(locator.asked_file, set()).add(locator.asked_place)
    args_by_start: dict[tuple[int | None, int | None], str | None] = {}
    for number, places in by_file.items():
        source, file = _file(database, sources, number) or (None, None)
        if file is None or not isinstance(source, RecordSource):
            continue
        with suppress(OSError):
            for place, records in excerpts.records_at(source, file, places).items():
                texts = (record.get("args_preview") for record in records)
                args_by_start[number, place] = next(
                    (text for text in texts if text is not None), None
                )
    return args_by_start


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
            times=[locator_of(sample).us for sample in samples],
        )
        by_identity = {tuple(row[:4]): row[4:] for row in rows}
        for number, sample in enumerate(samples):
            locator = locator_of(sample)
            row = by_identity.get((locator.us, locator.wording, locator.key, locator.conv))
            if row is not None:
                line = line_number(file, piece, row[0])
                record = dict(zip(_TEXTS, row[1:], strict=True))
                completed[number] = with_texts(sample, file.path, record, line)
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
