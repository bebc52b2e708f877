"""One connection to DuckDB: its settings, and what its failures mean.

Statements are composed of constants of this package and of conditions of signals; values, whether
from telemetry or from a user, are always parameters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tgt.engine.duckdb import limits
from tgt.errors import TelemetryError

_NAME_OF_MACRO = re.compile(r"\bMACRO (\w+)\(")

_NO_ROOM = re.compile(r"allocate (?:block|data) of size")
_DAMAGES = (
    *(duckdb.IOException, duckdb.FatalException, duckdb.InternalException),
    duckdb.SerializationException,
)


def tells_damage(failure: duckdb.Error) -> bool:
    """Whether a file of the engine's can be read, or written, no further. Of a checksum that is
    wrong it says no more than that there is an error."""
    return isinstance(failure, _DAMAGES) or type(failure) is duckdb.Error


def _is_short_of_memory(failure: duckdb.Error) -> bool:
    """Of what lies in memory only the engine tells with another kind of failure, too, that there is
    no room to compress it."""
    return isinstance(failure, duckdb.OutOfMemoryException) or bool(_NO_ROOM.search(str(failure)))


class Database:
    """An in-memory database to which the event store is attached. ``spill`` is where the engine
    puts what does not fit into memory; None where it must not write anywhere."""

    def __init__(
        self,
        memory_mb: int,
        spill: Path | None,
        connection: duckdb.DuckDBPyConnection | None = None,
    ) -> None:
        self._memory_mb = memory_mb
        self._spill = spill
        self.connection = connection or duckdb.connect(":memory:")
        self.is_damaged = False
        """Whether what is stored could not be read."""
        self._defined: set[str] = set()
        self._set({"TimeZone": "UTC", "enable_progress_bar": False})
        if connection is None:
            self._configure()

    def _configure(self) -> None:
        """What is set once, for all connections."""
        settings: dict[str, Any] = {
            "memory_limit": f"{limits.engine_mb(self._memory_mb)}MB",
            "threads": limits.threads(self._memory_mb),
            "preserve_insertion_order": False,
            # To open a store costs as much again with so much of it beside it.
            "checkpoint_threshold": "4MB",
            # Looking for what statements say twice takes longer than small ones run, and the
            # large ones say nothing twice.
            "disabled_optimizers": "common_subexpressions",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": str(self._spill or ""),
        }
        self._set(settings)
        # To write the little that is new into the store takes longer than to read it again from
        # its log; that is done when the log has become large.
        self.run("PRAGMA disable_checkpoint_on_shutdown")

    def _set(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            self.run(f"SET {name} = $value", value=value)

    def beside(self) -> Database:
        """The same database through a connection of its own: a statement that fails there does not
        end a transaction that was begun here."""
        return Database(self._memory_mb, self._spill, self.connection.cursor())

    def run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement. Raises duckdb.Error, or TelemetryError where memory is short."""
        used = {name: value for name, value in parameters.items() if f"${name}" in statement}
        before = os.umask(0o077)  # DuckDB has no setting for the mode of its files
        try:
            return self.connection.execute(statement, used).fetchall()
        except RuntimeError as failure:
            if "interrupted" in str(failure).lower():
                raise KeyboardInterrupt from None  # how DuckDB tells that it was asked to stop
            raise
        except duckdb.Error as failure:
            if _is_short_of_memory(failure):
                raise self._does_not_fit() from None
            self.is_damaged |= tells_damage(failure)
            raise
        finally:
            os.umask(before)

    def _does_not_fit(self) -> TelemetryError:
        hint = "raise TASKGEN_MEMORY_MB"
        if self._spill is None:
            hint += ", or let `tgt run` read it once, which puts on disk what does not fit"
        message = f"the telemetry of this window does not fit into {self._memory_mb} MB"
        return TelemetryError(message, hint=hint)

    def value(self, statement: str, **parameters: Any) -> Any:
        """The first column of the first row."""
        return self.run(statement, **parameters)[0][0]

    def table(self, name: str, query: str, **parameters: Any) -> None:
        """Make a temporary table of a query, in place of one of that name."""
        self.run(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}", **parameters)

    def drop(self, *names: str) -> None:
        for name in names:
            self.run(f"DROP TABLE IF EXISTS temp.{name}")

    def define(self, macros: Sequence[str], statement: str) -> None:
        """Define what a statement uses of macros, each of which uses none but earlier ones."""
        needed: list[str] = []
        for macro in reversed(macros):
            if f"{_NAME_OF_MACRO.findall(macro)[0]}(" in "".join((statement, *needed)):
                needed.append(macro)
        for macro in reversed(needed):
            if macro not in self._defined:
                self.run(macro)
                self._defined.add(macro)

    def close(self) -> None:
        before = os.umask(0o077)  # what is stored is written to its end now
        try:
            self.connection.close()
        finally:
            os.umask(before)


def columns(kinds: Iterable[tuple[str, str]]) -> str:
    """The columns of a table as CREATE TABLE has them."""
    return ", ".join(f"{name} {kind}" for name, kind in kinds)
