"""Evidence fetched again from the file: the records of an object, and the line it stands in.

However many objects of a file are asked for, its beginning is read once: what lies before a place
must be unpacked to come there, and its lines be counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
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


def records_at(
    source: RecordSource, file: LogFile, places: Collection[int]
) -> dict[int, tuple[Record, ...]]:
    """The same of several offsets."""
    by_place: dict[int, list[Record]] = {}
    if len(places) > 1 and file.compression != "uncompressed":
        last, readers = max(places), {place: source.reader(file, None) for place in places}
        for document in documents(file, min(places), wrappers_of(source)):
            place, value = document.place, document.value
            if place > last:
                break
            if place in readers and value is not None:
                outcomes = guarded(partial(readers[place].take, value, place), place)
                by_place.setdefault(place, []).extend(_of(outcomes))
        for place, records in by_place.items():
            records.extend(_of(guarded(readers[place].finish, place)))
    return {
        place: tuple(by_place[place]) if place in by_place else documents_at(source, file, place)
        for place in places
    }


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


def line_numbers(file: LogFile, places: Collection[int]) -> dict[int, int]:
    """The numbers, from 1, of the lines that offsets (of the unpacked bytes) lie in.

    Raises OSError if the file cannot be opened.
    """
    line, start, left = 1, 0, sorted(set(places), reverse=True)
    numbers: dict[int, int] = {}
    for block in stream_of(file) if left else ():
        counted = 0
        while left and left[-1] <= start + len(block):
            place = left.pop()
            line += block.count(b"\n", counted, place - start)
            counted, numbers[place] = place - start, line
        if not left:
            break
        line, start = line + block.count(b"\n", counted), start + len(block)
    return {**dict.fromkeys(left, line), **numbers}


def line_number(file: LogFile, place: int) -> int:
    """The same of one offset."""
    return line_numbers(file, (place,))[place]
