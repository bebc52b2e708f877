"""What was counted in earlier runs, so that a run costs what is new and not what is old.

For every hour that is over: the counts by subject and conversation, the latency histograms and the
state of each conversation, which are mergeable by addition. They lie in one DuckDB file under
``cache/`` together with what is known of each telemetry file. The file is derived data: it may be
deleted at any time, and one that is damaged, foreign or of another version is ignored and rebuilt.
Changes are DuckDB transactions, so a killed run leaves the old or the new state.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from tgt.engine.duckdb import meanings
from tgt.engine.duckdb import rollups as tallies
from tgt.errors import StoreError
from tgt.store import fsio

FILE_NAME = "partials.duckdb"
TABLES: Mapping[str, str] = {
    "units": (
        "hour INTEGER, subject INTEGER, conv UBIGINT, events INTEGER,"
        " errors INTEGER, ends INTEGER, cuts INTEGER, untold INTEGER, told INTEGER"
    ),
    "latency": "hour INTEGER, subject INTEGER, bucket SMALLINT, n INTEGER",
    "conversations": (
        "hour INTEGER, conv UBIGINT, service VARCHAR, events INTEGER, errors INTEGER,"
        " ended INTEGER, untold INTEGER, cancelled INTEGER, messages INTEGER, wait_ms BIGINT,"
        " slowest_ms DOUBLE, first_us BIGINT, last_us BIGINT"
    ),
    "tallies": tallies.COLUMNS,
}
_CATALOG = "identity VARCHAR, first_us BIGINT, last_us BIGINT, records BIGINT, malformed BIGINT"
_META = "signature VARCHAR, first_hour BIGINT, end_hour BIGINT"
_ALL = {
    **TABLES,
    "catalog": _CATALOG,
    "meta": _META,
    **{
        table: ", ".join(f"{name} {kind}" for name, kind in columns.items())
        for table, columns in meanings.TABLES.items()
    },
}


@dataclass(frozen=True)
class Extent:
    """What a stretch of telemetry holds: the times of its records (None if it has none)."""

    first_us: int | None
    last_us: int | None
    records: int
    malformed: int

    @classmethod
    def none(cls) -> Extent:
        return cls(None, None, 0, 0)

    def plus(self, other: Extent) -> Extent:
        """What both together hold."""
        firsts = [us for us in (self.first_us, other.first_us) if us is not None]
        lasts = [us for us in (self.last_us, other.last_us) if us is not None]
        return Extent(
            min(firsts, default=None),
            max(lasts, default=None),
            self.records + other.records,
            self.malformed + other.malformed,
        )

    @classmethod
    def together(cls, some: Iterable[Extent]) -> Extent:
        """What all of them hold."""
        return functools.reduce(cls.plus, some, cls.none())

    def touches(self, start_us: int, end_us: int) -> bool:
        return (
            self.first_us is not None
            and self.last_us is not None
            and self.first_us < end_us
            and self.last_us >= start_us
        )


class Partials:
    """The cache of one task directory, attached to a connection as ``cache`` if it is usable.

    ``signature`` says how the counts were made; those made otherwise are not used.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        directory: Path | None,
        signature: str,
        *,
        writable: bool,
    ) -> None:
        self._connection = connection
        self._signature = signature
        self._path = None if directory is None else directory / FILE_NAME
        self.writable = writable and self._path is not None
        self.attached = False
        self.covered: tuple[int, int] | None = None
        self.catalog: dict[str, Extent] = {}
        if self._path is not None:
            self._attach(self._path)

    def _attach(self, path: Path) -> None:
        try:
            if self.writable:
                fsio.ensure_directory(path.parent)
            self._open(path)
        except (duckdb.Error, StoreError, OSError):
            self._forget()
            if self.writable:
                with contextlib.suppress(duckdb.Error, StoreError, OSError):
                    _remove(path)
                    self._open(path)
        self.writable = self.writable and self.attached

    def _open(self, path: Path) -> None:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            # A pipe would hang, and a link lead out of the task directory.
            raise OSError(errno.EINVAL, "not a regular file")
        if not self.writable and not path.is_file():
            return
        mode = "" if self.writable else " (READ_ONLY)"
        quoted = str(path).replace("'", "''")
        before = os.umask(0o077)  # DuckDB has no setting for the mode of its file
        try:
            self._connection.execute(f"ATTACH '{quoted}' AS cache{mode}")
        finally:
            os.umask(before)
        self.attached = True
        if self.writable:
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS cache.meta ({_META})")
        self._load()

    def _load(self) -> None:
        meta = self._connection.execute("SELECT * FROM cache.meta").fetchall()
        if len(meta) != 1 or meta[0][0] != self._signature:
            if self.writable:
                self._clear()
            else:
                self._forget()
            return
        for name in (*TABLES, *meanings.TABLES):
            self._connection.execute(f"SELECT * FROM cache.{name} LIMIT 0")
        self.covered = (int(meta[0][1]), int(meta[0][2]))
        rows = self._connection.execute("SELECT * FROM cache.catalog").fetchall()
        self.catalog = {row[0]: Extent(*row[1:]) for row in rows}

    def _clear(self) -> None:
        """Begin anew, also where another version has left tables of other columns."""
        for name, columns in _ALL.items():
            self._connection.execute(f"DROP TABLE IF EXISTS cache.{name}")
            self._connection.execute(f"CREATE TABLE cache.{name} ({columns})")

    def _forget(self) -> None:
        with contextlib.suppress(duckdb.Error):
            self._connection.execute("DETACH cache")
        self.attached = False
        self.covered = None
        self.catalog = {}

    def store(
        self,
        covered: tuple[int, int],
        counted: Sequence[int],
        catalog: Mapping[str, Extent],
    ) -> bool:
        """Replace the counted hours by the tables ``fresh_*`` and drop what is not covered.

        A cache that cannot be written costs the next run time, so that is no failure: the answer
        is then False, and the cache is as it was.
        """
        if not self.writable:
            return False
        run = self._connection.execute
        try:
            run("BEGIN")
            for name in TABLES:
                run(
                    f"DELETE FROM cache.{name} WHERE hour < ? OR hour >= ?"
                    " OR hour IN (SELECT unnest(?::BIGINT[]))",
                    [*covered, list(counted)],
                )
                run(
                    f"INSERT INTO cache.{name} SELECT * FROM fresh_{name}"
                    " WHERE hour >= ? AND hour < ? AND hour IN (SELECT unnest(?::BIGINT[]))",
                    [*covered, list(counted)],
                )
            self._store_meanings()
            run("DELETE FROM cache.catalog")
            run(
                "INSERT INTO cache.catalog SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[]),"
                " unnest(?::BIGINT[]), unnest(?::BIGINT[]), unnest(?::BIGINT[])",
                _columns(catalog),
            )
            run("DELETE FROM cache.meta")
            run("INSERT INTO cache.meta VALUES (?, ?, ?)", [self._signature, *covered])
            run("COMMIT")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                run("ROLLBACK")
            return False
        return True

    def _store_meanings(self) -> None:
        """Keep what wordings mean, unless there are so many that they hardly come again."""
        run = self._connection.execute

        def keep(table: str, key: str) -> None:
            known = f"cache.{table}"
            run(f"INSERT INTO {known} BY NAME FROM {table} ANTI JOIN {known} USING ({key})")

        keep("subjects", "subject")
        if not run(f"SELECT 1 FROM meanings HAVING count(*) > {meanings.MOST_KEPT}").fetchall():
            keep("meanings", "wording")
            return
        run("DELETE FROM cache.meanings")
        run(
            "DELETE FROM cache.subjects WHERE subject NOT IN"
            " (SELECT subject FROM cache.units UNION SELECT subject FROM cache.latency)"
        )


def _columns(catalog: Mapping[str, Extent]) -> list[list[Any]]:
    entries: Iterable[tuple[Any, ...]] = (
        (identity, e.first_us, e.last_us, e.records, e.malformed) for identity, e in catalog.items()
    )
    columns = [list(column) for column in zip(*entries, strict=True)]
    return columns or [[], [], [], [], []]


def _remove(path: Path) -> None:
    for name in (path, path.with_name(path.name + ".wal")):
        name.unlink(missing_ok=True)
