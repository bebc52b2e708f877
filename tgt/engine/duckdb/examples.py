"""Examples of what a signal counts: which events they are is asked of the store, what they say is
read again from the files.

The store holds no texts of prompts, answers or tools, so a sample is completed only when a card is
written: the object at its place is translated once more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.conversations import IDLE
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.ingest import KEY
from tgt.engine.duckdb.pieces import line_number, pieces, whole_lines_at
from tgt.engine.duckdb.wordings import wording
from tgt.engine.protocol import Examples, Of, Signal
from tgt.events import Interval, Sample, from_us, to_us
from tgt.sources import excerpts
from tgt.sources.base import Record, RecordSource, Source, SqlSource
from tgt.sources.files import LogFile
from tgt.sources.sqlite_documents import is_database

_SHOWN = ("error_type", "elapsed_ms", "finish_reason", "act", "name")
_KEYS = ("errorType", "elapsedMs", "finishReason", "act", "name")
LOCATED = ("us", "key", "file", "place", "wording", "asked_file", "asked_place", *_SHOWN)
"""The columns of an event that make a sample."""
_NEWEST = "us DESC, key, row"


@dataclass(frozen=True)
class Locator:
    """Where a record stands: the number of its file, the offset of its object (of a source that the
    engine reads, of the piece with its line), and what tells it from others there."""

    file: int
    place: int
    us: int
    key: int | None
    wording: int
    asked_file: int | None = None
    asked_place: int | None = None


class Finder:
    """Examples in one window of a database with the tables ``recent`` and ``judged``."""

    def __init__(self, database: Database, window: Interval, recent_us: int) -> None:
        self._db = database
        self._start, self._end = to_us(window.start), to_us(window.end)
        self._over = to_us(window.end - IDLE)
        self._recent_us = recent_us

    def examples(
        self, signal: Signal, subject: str, called: str, most: int, beyond: float | None
    ) -> Examples:
        """As ``Snapshot.examples``; ``called`` is SQL for the name of an event's subject."""
        if signal.of is Of.CONVERSATIONS:
            bad = (
                f"SELECT conv FROM judged WHERE ({signal.where}) AND ({signal.counted})"
                f" AND ({signal.by}) = $subject AND last_us > {self._start}"
                f" AND last_us <= {self._over}"
            )
            return self._of("recent", f"conv_id IN ({bad})", "true", most, subject=subject)
        population = f"({signal.where}) AND {called} = $subject"
        if signal.value:
            limit = "" if beyond is None else f" AND ({signal.value}) > $line"
            counts, given = f"true{limit}", {} if beyond is None else {"line": beyond}
        else:
            counts, given = f"({signal.counted})", {}
        inside = f"us > {self._start} AND us <= {self._end}"
        events = "recent" if self._start >= self._recent_us else f"({canonical(inside)})"
        return self._of(
            events, f"{inside} AND {population}", counts, most, subject=subject, **given
        )

    def _of(
        self, events: str, population: str, counts: str, most: int, **parameters: Any
    ) -> Examples:
        rows = self._db.run(
            "WITH examined AS MATERIALIZED (SELECT us, row, key, conv_id, file, place, wording,"
            f" asked_file, asked_place, {', '.join(_SHOWN)}, service, ({counts}) AS counts"
            f" FROM {events}"
            f" WHERE {population}),"
            " sums AS (SELECT quantile_disc(us, 0.5) FILTER (counts) AS median,"
            " count(DISTINCT conv_id) AS conversations FROM examined),"
            " carrying AS (SELECT service, CASE WHEN count(conv_id) > 0"
            " THEN count(DISTINCT conv_id) ELSE count(*) END AS many FROM examined"
            " WHERE counts AND service IS NOT NULL GROUP BY service),"
            " carriers AS (SELECT list(service ORDER BY many DESC, service) AS services,"
            " list(many ORDER BY many DESC, service) AS manies FROM carrying),"
            f" newest AS (SELECT *, row_number() OVER (ORDER BY nth, {_NEWEST}) AS place_of FROM"
            f" (SELECT *, row_number() OVER (PARTITION BY conv_id ORDER BY {_NEWEST}) AS nth"
            f" FROM examined WHERE counts) ORDER BY nth, {_NEWEST} LIMIT {int(most)})"
            f" SELECT median, conversations, services, manies, {', '.join(LOCATED)}"
            " FROM sums CROSS JOIN carriers LEFT JOIN newest ON true ORDER BY place_of",
            **parameters,
        )
        median, conversations, services, manies = rows[0][:4]
        samples = tuple(sample_of(row[4:]) for row in rows if row[4] is not None)
        carriers = dict(zip(services or (), manies or (), strict=True))
        return Examples(samples, median, conversations, carriers)


def sample_of(row: Sequence[Any]) -> Sample:
    """A sample without its texts, of the values of LOCATED."""
    us, key, file, place, words, asked_file, asked_place, *shown = row
    return Sample(
        at=from_us(us),
        values={k: v for k, v in zip(_KEYS, shown, strict=True) if v is not None},
        locator=Locator(file, place, us, key, words, asked_file, asked_place),
    )


def complete(
    database: Database, sources: Mapping[str, Source], samples: Iterable[Sample]
) -> tuple[Sample, ...]:
    """The samples with what their records say, as far as their files still say it."""
    return tuple(_completed(database, sources, sample) for sample in samples)


def _completed(database: Database, sources: Mapping[str, Source], sample: Sample) -> Sample:
    locator = sample.locator
    if not isinstance(locator, Locator):
        return sample
    located = _file(database, sources, locator.file)
    if located is None:
        return sample
    source, file = located
    try:
        if isinstance(source, SqlSource):
            record, line = _read_by_engine(database, source, file, locator)
        elif isinstance(source, RecordSource):
            record, line = _translated(source, file, locator, sample)
        else:
            return sample
    except (OSError, duckdb.Error):
        return sample
    if record is None:
        return sample
    args = record.get("args_preview")
    if args is None and locator.asked_place is not None and locator.asked_file is not None:
        args = _asked(database, sources, locator)
    text = next(
        (t for name in ("error", "result_preview") if (t := record.get(name)) is not None), args
    )
    return replace(
        sample,
        id=record.get("id"),
        conv_id=record.get("conv_id"),
        text=text,
        args=args,
        file=file.path,
        line=line,
    )


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


def _translated(
    source: RecordSource, file: LogFile, locator: Locator, sample: Sample
) -> tuple[Record | None, int | None]:
    """The record of the object at its place that is of its time, act and name."""
    records = list(excerpts.documents_at(source, file, locator.place))
    wanted = [r for r in records if r.get("us") == locator.us] or records
    for names in (("act", "name"), ("act",), ()):
        for record in wanted:
            if all(record.get(name) == sample.values.get(name) for name in names):
                has_lines = not is_database(source, file)
                return record, excerpts.line_number(file, locator.place) if has_lines else None
    return None, None


def _asked(database: Database, sources: Mapping[str, Source], locator: Locator) -> str | None:
    """What a call was asked, where its start stands elsewhere."""
    located = _file(database, sources, locator.asked_file or 0)
    if located is None or not isinstance(located[0], RecordSource):
        return None
    try:
        records = list(excerpts.documents_at(located[0], located[1], locator.asked_place or 0))
    except OSError:
        return None
    return next((r["args_preview"] for r in records if r.get("args_preview") is not None), None)


def _read_by_engine(
    database: Database, source: SqlSource, file: LogFile, locator: Locator
) -> tuple[Record | None, int | None]:
    """The record of the piece at its place that has its time, words and key, and its line."""
    for macro in source.macros:
        database.run(macro)
    projection = source.projection()
    given = projection.parameters
    database.run("SET preserve_insertion_order = true")
    try:
        for piece in pieces(file, whole_lines_at(file, locator.place)):
            try:
                rows = database.run(
                    "SELECT id, conv_id, error, result_preview, args_preview, number FROM"
                    f" (SELECT *, {KEY} AS identity FROM (SELECT *, {wording(projection)},"
                    f" row_number() OVER () AS number FROM ({projection.statement})))"
                    " WHERE us = $us AND wording = $wording AND identity IS NOT DISTINCT FROM $key",
                    **{**given, "paths": [piece.path]},
                    us=locator.us,
                    wording=locator.wording,
                    key=locator.key,
                )
                if rows:
                    names = ("id", "conv_id", "error", "result_preview", "args_preview")
                    record = dict(zip(names, rows[0], strict=False))
                    return record, line_number(file, piece, rows[0][5])
            finally:
                piece.close()
    finally:
        database.run("SET preserve_insertion_order = false")
    return None, None
