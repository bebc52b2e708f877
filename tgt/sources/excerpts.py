"""Evidence fetched again from the file: the records of one object, and the line it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tgt.sources.base import Record, RecordSource
from tgt.sources.envelopes import documents
from tgt.sources.files import LogFile, stream_of
from tgt.sources.reading import guarded, wrappers_of
from tgt.sources.sqlite_documents import DocumentSource, is_database


def documents_at(source: RecordSource, file: LogFile, place: int) -> tuple[Record, ...]:
    """The records of the object that begins at an offset, as a reader without a past gives them;
    none if no object begins there (any more). Raises OSError if the file cannot be opened."""
    return tuple(_records(source, file, place))


def _records(source: RecordSource, file: LogFile, place: int) -> Iterator[Record]:
    reader = source.reader(file, None)
    if isinstance(source, DocumentSource) and is_database(source, file):
        row = source.document(file, place)
        if row is not None:
            yield from _of(guarded(partial(reader.take, row, place), place))
        return
    for document in documents(file, place, wrappers_of(source)):
        if document.place != place or document.value is None:
            break
        yield from _of(guarded(partial(reader.take, document.value, place), place))
    yield from _of(guarded(reader.finish, place))


def _of(outcomes: Iterator[object]) -> Iterator[Record]:
    return (outcome for outcome in outcomes if isinstance(outcome, dict))


def line_number(file: LogFile, place: int) -> int:
    """The number, from 1, of the line that an offset (of the unpacked bytes) lies in.

    Raises OSError if the file cannot be opened.
    """
    line, left = 1, place
    for block in stream_of(file):
        line += block.count(b"\n", 0, left)
        left -= len(block)
        if left <= 0:
            break
    return line
