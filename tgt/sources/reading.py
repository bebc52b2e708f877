"""One file of a source that is translated, from where its last reading ended: records, and counts
of what is none.

A format's reader is never trusted: whatever one object makes it raise costs that object, and a
record is given on only with values of the types that its columns have.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from tgt.events import RECORD
from tgt.sources import coerce
from tgt.sources.base import (
    Outcome,
    PassedOver,
    Reader,
    Reason,
    Record,
    RecordSource,
    malformed,
)
from tgt.sources.bounds import (
    DISTINCT_KINDS,
    RECORDS_PER_DOCUMENT,
    STATE_BYTES,
    TEXT_CHARS,
    WORD_CHARS,
)
from tgt.sources.envelopes import Documents
from tgt.sources.files import LogFile
from tgt.sources.sqlite_documents import DocumentSource

NO_TIME = "no usable time"
OTHERS = "…"
"""Kinds beyond the bound on different ones."""

_MOST_TOLD = 10_000
"""Lines in a row that are malformed and told one by one; all of them are counted."""


class FileReading:
    """One reading of a file, from ``offset`` with the ``state`` that the last one left.

    After ``outcomes`` is exhausted: ``end`` is the offset behind what is dealt with, ``torn`` is 1
    if a half written object follows it, ``state`` is what the next reading has to be given (None:
    the file must be read from its beginning), ``damage`` says why reading ended early, if it did;
    ``malformed`` counts by reason, ``unknown`` by kind. Raises OSError if the file cannot be
    opened, and never anything else for what is in it. Of a database that cannot be read to its end
    ``end`` and ``state`` are those of the beginning: it has no order in which it could be read on.
    """

    def __init__(
        self,
        source: RecordSource,
        file: LogFile,
        offset: int = 0,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.malformed: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.skipped = self.metrics = self.records = 0
        self.end, self.torn, self.damage = offset, 0, ""
        self.state: Mapping[str, Any] | None = None
        self._size, self._before = file.size, state
        self._rows = source.documents(file, state) if isinstance(source, DocumentSource) else None
        self._documents = Documents(file, offset, wrappers_of(source))
        self._reader = _reader(source, file, state)

    def outcomes(self) -> Iterator[Outcome]:
        """What the objects of the file come to, in their order. Once."""
        if self._rows is not None:
            yield from self._of_rows(self._rows)
            return
        documents = self._documents
        for document in documents:
            if document.value is None:
                self._count(malformed(document.reason), document.lines)
                for _ in range(min(document.lines, _MOST_TOLD)):
                    yield malformed(document.reason)
            else:
                place, value = document.place, document.value
                yield from self._guarded(partial(self._reader.take, value, place), place)
        yield from self._guarded(self._reader.finish, documents.end)
        self.end, self.torn = documents.end, int(documents.is_torn)
        self.damage, self.state = documents.damage, self._state()

    def _of_rows(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Outcome]:
        try:
            for place, row in rows:
                yield from self._guarded(partial(self._reader.take, row, place), place)
        except Exception as failure:  # noqa: BLE001 whatever is wrong with it, others are read
            reason = failure.strerror if isinstance(failure, OSError) else None
            self.damage, self.state = reason or type(failure).__name__, self._before
            return
        yield from self._guarded(self._reader.finish, self._size)
        self.end, self.state = self._size, self._state()

    def _guarded(self, take: Callable[[], Iterable[Outcome]], place: int) -> Iterator[Outcome]:
        for outcome in guarded(take, place):
            self._count(outcome, 1)
            yield outcome

    def _count(self, outcome: Outcome, times: int) -> None:
        if not isinstance(outcome, PassedOver):
            self.records += times
        elif outcome.reason is Reason.SKIPPED:
            self.skipped += times
        elif outcome.reason is Reason.METRIC:
            self.metrics += times
        else:
            is_unknown = outcome.reason is Reason.UNKNOWN
            counts = self.unknown if is_unknown else self.malformed
            is_new = outcome.kind not in counts and len(counts) >= DISTINCT_KINDS
            counts[OTHERS if is_new else outcome.kind] += times

    def _state(self) -> Mapping[str, Any] | None:
        try:
            state = self._reader.state()
            if state is None or len(json.dumps(state)) > STATE_BYTES:
                return None
        except Exception:  # noqa: BLE001 without a state the file is read anew, which is right, too
            return None
        return state


def _reader(source: RecordSource, file: LogFile, state: Mapping[str, Any] | None) -> Reader:
    """A reader with the state, or without it where it is one that the reader cannot use."""
    try:
        return source.reader(file, state)
    except Exception:
        if state is None:
            raise
        return source.reader(file, None)


def wrappers_of(source: RecordSource) -> frozenset[str]:
    """The envelopes that a source wants taken off; most have none."""
    return frozenset(getattr(source, "wrappers", ()))


def guarded(take: Callable[[], Iterable[Outcome]], place: int) -> Iterator[Outcome]:
    """What a reader makes of one object, whatever it does; ``place`` is where the object begins."""
    try:
        for number, outcome in enumerate(take()):
            if number >= RECORDS_PER_DOCUMENT:
                yield malformed(f"more than {RECORDS_PER_DOCUMENT} records in one object")
                return
            yield outcome if isinstance(outcome, PassedOver) else harmless(outcome, place)
    except Exception as failure:  # noqa: BLE001 one object, whatever is in it, is no reason to stop
        yield malformed(type(failure).__name__)


# --- values --------------------------------------------------------------------------------------

_TEXTS = frozenset(("error", "args_preview", "result_preview"))


def harmless(record: Record, place: int) -> Outcome:
    """The record with the columns that there are, values of their types, and a place."""
    result: Record = {}
    for name, value in record.items():
        if value is not None and (convert := _CONVERT.get(name)) is not None:
            result[name] = convert(value)
    us = result.get("us")
    if us is None or not coerce.EARLIEST_US <= us <= coerce.LATEST_US:
        return malformed(NO_TIME)
    if result.get("place") is None:
        result["place"] = place
    return result


def _word(value: Any) -> str | None:
    text = _text(value)
    if text is None or len(text) <= WORD_CHARS:
        return text
    # Two words that begin alike must not become the same.
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{text[: WORD_CHARS - 17]}…{digest}"


def _long_text(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else text[:TEXT_CHARS]


def _text(value: Any) -> str | None:
    text = value if isinstance(value, str) else coerce.text(value)
    if text is None or (text.isascii() and "\0" not in text):
        return text
    # Halves of surrogate pairs are valid JSON, and no valid text anywhere else.
    return text.encode("utf-8", "replace").decode().replace("\0", "�")


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else coerce.truth(value)


def _real(value: Any) -> float | None:
    return coerce.number(value)


def _integer(value: Any, least: int, most: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        real = coerce.number(value)
        if real is None:
            return None
        value = int(real)
    return int(value) if least <= value <= most else None


def _signed(value: Any) -> int | None:
    return _integer(value, -(2**63), 2**63 - 1)


def _unsigned(value: Any) -> int | None:
    return _integer(value, 0, 2**64 - 1)


_BY_TYPE: Mapping[str, Callable[[Any], Any]] = {
    "VARCHAR": _word,
    "BOOLEAN": _boolean,
    "DOUBLE": _real,
    "BIGINT": _signed,
    "UBIGINT": _unsigned,
}
_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    name: _long_text if name in _TEXTS else _BY_TYPE[kind] for name, kind in RECORD.items()
}
