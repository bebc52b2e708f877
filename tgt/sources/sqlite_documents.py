"""Telemetry in a SQLite database that an agent has open: read, and never written beside.

A database is no file of JSON: bytes at its end are not the new ones. A source that reads one gives
its rows as documents by itself (``DocumentSource``), from where the reader's state says. The
write-ahead log is respected, without making or touching any file: where another program has the
database open, its index of the log is read; where none has, the log is empty and the database is
read as it lies there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable
from urllib.parse import quote

from tgt.sources.base import RecordSource
from tgt.sources.files import LogFile

if TYPE_CHECKING:
    import sqlite3

Document: TypeAlias = Mapping[str, Any]

_WAIT_SECONDS = 2.0
_LOG, _INDEX, _JOURNAL = "-wal", "-shm", "-journal"


@runtime_checkable
class DocumentSource(RecordSource, Protocol):
    """A source some of whose files hold their documents in another way than as JSON.

    What is new in such a file its reader's state alone decides: hashes of bytes say nothing, since
    a database changes anywhere.
    """

    def documents(
        self, file: LogFile, state: Mapping[str, Any] | None
    ) -> Iterator[tuple[int, Document]] | None:
        """The documents of a file that a reader with this state has not taken, each with its place;
        None for a file of JSON. Raises OSError, also between two documents."""
        ...

    def document(self, file: LogFile, place: int) -> Document | None:
        """The one document at a place, if it is still there. Raises OSError."""
        ...


def is_database(source: object, file: LogFile) -> bool:
    """Whether a source reads a file by its rows."""
    return isinstance(source, DocumentSource) and source.documents(file, None) is not None


def database_file(path: str) -> LogFile:
    """The database with its log as it is now: a change of either is one. Raises OSError."""
    status = os.stat(path)  # noqa: PTH116 a path may be no text
    database = LogFile.of(path, status)
    try:
        log = os.stat(path + _LOG)  # noqa: PTH116
    except OSError:
        return database
    modified_ns = max(database.modified_ns, log.st_mtime_ns)
    return replace(database, size=database.size + log.st_size, modified_ns=modified_ns)


@contextmanager
def reading(path: str) -> Iterator[sqlite3.Connection]:
    """A connection with one unchanging view of the database. Raises OSError with the reason for
    whatever SQLite has to say, also for what is done with the connection."""
    import sqlite3  # only sources with a database need it

    before = database_file(path)
    is_open, how = True, "mode=ro"
    if _is_there(path + _LOG) and _is_there(path + _INDEX):
        how += "&readonly_shm=1"
    elif not _is_there(path + _JOURNAL):
        is_open, how = False, "mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(path))}?{how}",
            uri=True,
            timeout=_WAIT_SECONDS,
            isolation_level=None,
        )
        try:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as failure:
        raise OSError(0, str(failure) or "it is damaged", path) from None
    # Without a log to look into, nobody would have said that somebody wrote meanwhile.
    if not is_open and database_file(path) != before:
        raise OSError(0, "it was changed while it was read", path)


def _is_there(path: str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113
