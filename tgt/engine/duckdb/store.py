"""The event store: what was read, in one DuckDB file that may be deleted at any time.

Tables are attached as ``cache``. Where nothing may be written (a dry run, a back-test) ``cache``
lies in memory, over what an earlier run has stored: rows that are to go are hidden by their number
and rows that come are added, so that the same statements serve both. A file that is foreign,
damaged or of other code is not used; where it may be, it is begun anew.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from tgt.engine.duckdb.database import Database, columns
from tgt.errors import StoreError
from tgt.events import MEANING
from tgt.store import fsio

FILE_NAME = "events.duckdb"
DEFAULT_MEMORY_MB = 256

_ROW: Mapping[str, str] = {
    "us": "BIGINT",
    "file": "INTEGER",
    "place": "BIGINT",
    "wording": "UBIGINT",
    "key": "UBIGINT",
    "revision": "BIGINT",
    "call": "UBIGINT",
    "keyed": "BOOLEAN",  # there is more than the time to tell the call from others
    "trace": "UBIGINT",
    "conv": "UBIGINT",
    "elapsed_ms": "DOUBLE",
    "args_hash": "UBIGINT",
    "result_bytes": "BIGINT",
    "input_tokens": "DOUBLE",
    "cached_tokens": "DOUBLE",
    "output_tokens": "DOUBLE",
    "cost_usd": "DOUBLE",
    "error": "VARCHAR",  # reduced to its template
}
RECORD_COLUMNS = tuple(_ROW)
"""What is kept of a record."""
_LINK: Mapping[str, str] = {"is_linked": "BOOLEAN"}  # what was read names no ``conv``, a link does

TABLES: Mapping[str, Mapping[str, str]] = {
    "meta": {"name": "VARCHAR", "value": "VARCHAR"},
    "files": {
        "file": "INTEGER",
        "source": "VARCHAR",
        "path": "BLOB",
        "device": "UBIGINT",
        "inode": "UBIGINT",
        "size": "BIGINT",
        "modified_ns": "BIGINT",
        "head_bytes": "INTEGER",
        "head": "VARCHAR",
        "tail": "VARCHAR",
        "read_to": "BIGINT",  # bytes, after decompression
        "is_torn": "BOOLEAN",
        "records": "BIGINT",
        "malformed": "BIGINT",
        "first_us": "BIGINT",
        "last_us": "BIGINT",
        "copy_of": "BLOB",
        "damage": "VARCHAR",
        "passed_over": "VARCHAR",  # JSON: how many objects for which reason and kind
        "state": "VARCHAR",  # JSON: what a reader of the bytes to come must know
    },
    # ``family`` is the form of a subject that has numbers or ids in it; ``folds`` are those forms
    # that are the subject, since there are so many of them.
    "wordings": {"wording": "UBIGINT", **MEANING, "family": "VARCHAR"},
    "folds": {"family": "VARCHAR"},
    # An event is a record as it is, or what several records of one call come to: then the last
    # columns differ from what the wording says, and the records are set aside.
    "events": {
        **_ROW,
        "is_merged": "BOOLEAN",
        "continued": "BOOLEAN",
        "failed": "BOOLEAN",
        "cancelled": "BOOLEAN",
        "finish_reason": "VARCHAR",
        "error_type": "VARCHAR",
        "asked_file": "INTEGER",
        "asked_place": "BIGINT",
        **_LINK,
    },
    "aside": {**_ROW, **_LINK},
    "conversations": {
        "conv": "UBIGINT",
        "service": "VARCHAR",
        "events": "INTEGER",
        "errors": "INTEGER",
        "answers": "INTEGER",
        "ended": "INTEGER",
        "cancelled": "INTEGER",
        "messages": "INTEGER",
        "wait_ms": "BIGINT",
        "slowest_ms": "DOUBLE",
        # when the last answer ended by itself, did not tell how it ended, and the last abort was
        "ended_us": "BIGINT",
        "untold_us": "BIGINT",
        "cancelled_us": "BIGINT",
        "first_us": "BIGINT",
        "last_us": "BIGINT",
    },
    "rollups": {
        "signal": "UBIGINT",
        "hour": "INTEGER",
        "subject": "VARCHAR",
        "service": "VARCHAR",
        "bucket": "SMALLINT",  # of a distribution; NULL of counts
        "n": "BIGINT",
        "k": "BIGINT",
        "units": "BIGINT",
        "bad_units": "BIGINT",
        "loose_n": "BIGINT",
        "clustered_n": "DOUBLE",
        "clustered_k": "DOUBLE",
        "nn": "DOUBLE",
        "nk": "DOUBLE",
        "kk": "DOUBLE",
    },
}


_MORE_THAN_TABLES = """
SELECT 1 FROM duckdb_views() WHERE database_name = $name AND NOT internal
UNION ALL SELECT 1 FROM duckdb_columns()
WHERE database_name = $name AND (column_default IS NOT NULL OR NOT is_nullable)
UNION ALL SELECT 1 FROM duckdb_tables()
WHERE database_name = $name AND (index_count > 0 OR check_constraint_count > 0
    OR contains(upper(sql), 'GENERATED'))
"""


@dataclass(frozen=True)
class Workspace:
    """Where the engine may keep derived data, and what it may use.

    Without a ``directory`` nothing is kept; without ``writable`` what is there is only read, and
    nothing is written anywhere; but if it ``spills``, what does not fit into memory lies among the
    system's temporary files for as long as it is needed.
    """

    directory: Path | None = None
    writable: bool = False
    memory_mb: int = DEFAULT_MEMORY_MB
    spills: bool = False


@cache
def code_key() -> str:
    """A hash of all code that decides what is stored: this package's and that of the sources."""
    import tgt  # its place is needed, nothing of it

    package = Path(tgt.__file__).parent
    digest = hashlib.sha256(f"{tgt.__version__} {duckdb.__version__}".encode())
    modules = [package / "events.py", package / "subjects.py"]
    for part in ("engine", "sources", "redact", "templates"):
        modules += (package / part).rglob("*.py")
        modules += (package / part).rglob("*.toml")
    for module in sorted(modules):
        if module.is_file():
            digest.update(module.read_bytes())
    return digest.hexdigest()


class Store:
    """The tables as they are to be read (views named like them) and changed.

    ``key`` says how the rows were made; those made otherwise are not used.
    """

    def __init__(self, database: Database, workspace: Workspace, key: str) -> None:
        self.database = database
        self.services: Sequence[tuple[str, str]] = ()
        """What services are called that match a glob: names and globs."""
        self._key = key
        self._path = workspace.directory / FILE_NAME if workspace.directory else None
        self.is_kept = False
        """Whether what is written outlives the process."""
        self._over: str | None = None
        self._hides: set[str] = set()
        if self._path is not None and workspace.writable:
            self._open_to_write(self._path)
        if not self.is_kept:
            self._begin_in_memory()
            if self._path is not None and not workspace.writable:
                self._open_to_read(self._path)
        self._show()

    # --- opening ---------------------------------------------------------------------------------

    def _open_to_write(self, path: Path) -> None:
        try:
            fsio.ensure_directory(path.parent)
        except StoreError:
            return
        if path.parent.is_symlink():
            return  # it could lead anywhere
        for is_last in (False, True):
            try:
                self._attach(path, "cache", "")
                if not self._fits("cache"):
                    self._create("cache", anew=True)
                self.is_kept = True
            except (duckdb.Error, OSError):
                self._detach("cache")
                if is_last or not _remove(path):
                    return
            else:
                return

    def _open_to_read(self, path: Path) -> None:
        if path.parent.is_symlink() or not path.is_file():
            return
        try:
            self._attach(path, "stored", " (READ_ONLY)")
            if self._fits("stored"):
                self._over = "stored"
                return
        except (duckdb.Error, OSError):
            pass
        self._detach("stored")

    def _attach(self, path: Path, name: str, options: str) -> None:
        for each in (path, _wal(path)):
            if os.path.lexists(each) and not stat.S_ISREG(each.lstat().st_mode):
                # A pipe would hang, and a link lead out of the task directory.
                raise OSError(errno.EINVAL, "not a regular file")
        quoted = str(path).replace("'", "''")
        self.database.run(f"ATTACH '{quoted}' AS {name}{options}")

    def _detach(self, name: str) -> None:
        with contextlib.suppress(duckdb.Error):
            self.database.run(f"DETACH {name}")

    def _begin_in_memory(self) -> None:
        self.database.run("ATTACH ':memory:' AS cache (COMPRESS)")
        self._create("cache", anew=False)

    def _fits(self, name: str) -> bool:
        """Whether the file has our tables, nothing else that could be run, and rows of our key."""
        run = self.database.run
        there = run(
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
            " WHERE database_name = $name AND NOT internal ORDER BY table_name, column_index",
            name=name,
        )
        wanted = [
            (table, column, kind)
            for table in sorted(TABLES)
            for column, kind in TABLES[table].items()
        ]
        if there != wanted or run(_MORE_THAN_TABLES, name=name):
            return False
        return run(f"SELECT value FROM {name}.meta WHERE name = 'key'") == [(self._key,)]

    def _create(self, name: str, *, anew: bool) -> None:
        run = self.database.run
        if anew:
            for table, kind in run(
                "SELECT table_name, 'TABLE' FROM duckdb_tables() WHERE database_name = $name"
                " UNION ALL SELECT view_name, 'VIEW' FROM duckdb_views()"
                " WHERE database_name = $name AND NOT internal",
                name=name,
            ):
                quoted = table.replace('"', '""')
                run(f'DROP {kind} {name}."{quoted}"')
        for table, kinds in TABLES.items():
            run(f"CREATE TABLE {name}.{table} ({columns(kinds.items())})")
        run(f"INSERT INTO {name}.meta VALUES ('key', $key)", key=self._key)

    # --- what is read and changed ----------------------------------------------------------------

    def _show(self, *tables: str) -> None:
        for table in tables or TABLES:
            rows = f"SELECT *, rowid AS row FROM cache.{table}"
            if self._over:
                stored = f"SELECT *, -1 - rowid AS row FROM {self._over}.{table}"
                if table in self._hides:
                    stored += f" WHERE rowid NOT IN (SELECT row FROM hidden_{table})"
                rows += f" UNION ALL {stored}"
            self.database.run(f"CREATE OR REPLACE TEMP VIEW {table} AS {rows}")

    def delete(self, table: str, condition: str) -> None:
        """Take rows out. The condition knows nothing of other tables' ``row``."""
        run = self.database.run
        run(f"DELETE FROM cache.{table} WHERE {condition}")
        if not self._over:
            return
        if table not in self._hides:
            run(f"CREATE TEMP TABLE hidden_{table} (row BIGINT)")
            self._hides.add(table)
            self._show(table)
        run(
            f"INSERT INTO hidden_{table} SELECT rowid FROM {self._over}.{table}"
            f" WHERE ({condition}) AND rowid NOT IN (SELECT row FROM hidden_{table})"
        )

    def insert(self, table: str, query: str, **parameters: object) -> None:
        """Add the rows of a query, by the names of its columns."""
        self.database.run(f"INSERT INTO cache.{table} BY NAME {query}", **parameters)

    def compress(self) -> None:
        """Compress what lies in memory only; in a file the engine does it as it writes."""
        if not self.is_kept:
            self.database.run("CHECKPOINT cache")

    def meta(self, name: str) -> str | None:
        rows = self.database.run("SELECT value FROM meta WHERE name = $name", name=name)
        return str(rows[0][0]) if rows else None

    def set_meta(self, name: str, value: str) -> None:
        if self.meta(name) != value:
            self.delete("meta", f"name = '{name}'")
            self.insert("meta", "SELECT $name AS name, $value AS value", name=name, value=value)

    def discard(self) -> None:
        """Remove the file, if it is kept, so that the next run begins it anew. Close it first."""
        if self.is_kept and self._path is not None:
            _remove(self._path)

    def clear(self) -> None:
        """Forget everything, as if nothing had ever been read."""
        for table in TABLES:
            if table != "meta":
                self.delete(table, "true")


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _remove(path: Path) -> bool:
    """Remove a database that cannot be used; whether that was possible."""
    try:
        for each in (path, _wal(path)):
            if os.path.lexists(each) and not stat.S_ISDIR(each.lstat().st_mode):
                each.unlink()
    except OSError:
        return False
    return True


def quoted_numbers(numbers: Iterable[int]) -> str:
    """Whole numbers as the inside of ``IN (…)``; of none, what nothing is in."""
    return ", ".join(map(str, numbers)) or "NULL"
