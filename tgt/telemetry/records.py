"""The raw records at hand, as few columns and as few copies of them as can be.

What one statement has read is one table; ``records`` is a view of all of them, with a ``row`` that
tells records apart. They are copied only when most of them are forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from tgt.telemetry import calls
from tgt.telemetry.partials import Extent

VIEW = "records"
_PREVIEW_LENGTH = 400
_PREVIEWS = ("error", "result_preview", "args_preview")  # a sample shows the first that there is

# What is kept of RECORD; most hashes and texts are looked at while reading only.
_KEPT: Mapping[str, str] = {
    "us": "BIGINT",
    **dict.fromkeys(("same", "call", "trace", "conv"), "UBIGINT"),
    "keyed": "BOOLEAN",
    "actor": "VARCHAR",
    "act": "VARCHAR",
    "phase": "VARCHAR",
    **dict.fromkeys(("failed", "cancelled", "continuation", "done"), "BOOLEAN"),
    "elapsed_ms": "DOUBLE",
    **dict.fromkeys(("finish_reason", "service", "subject"), "VARCHAR"),
    **dict.fromkeys(("id", "name", "conv_id", "error_type", *_PREVIEWS), "VARCHAR"),
}
_NAMES = ("act", "subject", "id", "name", "conv_id", "error_type")
_NAMES_OF_SAMPLES = _NAMES[2:]
# Telemetry may call a tool a megabyte. A long name keeps its beginning, and what tells it from
# others that begin alike.
_SHORTENED = (
    "CASE WHEN strlen({0}) > 240 THEN left({0}, 60) || '…' || left(md5({0}), 10) ELSE {0} END"
)


class Records:
    """Names and previews are kept from ``raw_start`` on, where samples may be taken."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, raw_start: int, *, previews: bool
    ) -> None:
        self._connection = connection
        self._columns = _columns(raw_start, previews=previews)
        self._tables: list[str] = []
        self._made = 0
        self._subject = "subject"
        columns = ", ".join(f"{name} {kind}" for name, kind in _KEPT.items())
        self._run(f"CREATE TEMP TABLE {self._add()} ({columns})")
        self._show()

    def _run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters).fetchall()

    def _add(self) -> str:
        self._made += 1
        self._tables.append(f"{VIEW}_{self._made}")
        return self._tables[-1]

    def _show(self) -> None:
        names = ", ".join(name for name in _KEPT if name != "subject")
        rows = (
            f"SELECT {place << 40} + rowid AS row, {names}, {self._subject} AS subject FROM {table}"
            for place, table in enumerate(self._tables)
        )
        self._run(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {' UNION ALL '.join(rows)}")

    def read(self, statement: str, parameters: Mapping[str, Any]) -> dict[str, Extent]:
        """Add what a source's statement yields. Returns what each ``path`` holds.

        Raises duckdb.Error, and is then as before.
        """
        table = self._add()
        try:
            self._run(
                f"CREATE TEMP TABLE {table} AS SELECT path, {self._columns} FROM ({statement})",
                **parameters,
            )
            found = extents(self._connection, table, {})
        except BaseException:
            self._tables.remove(table)
            self._run(f"DROP TABLE IF EXISTS {table}")
            raise
        self._show()
        return found

    def narrow(self, condition: str) -> None:
        """Keep of what was read last only what the condition holds for."""
        old = self._tables.pop()
        self._run(f"CREATE TEMP TABLE {self._add()} AS FROM {old} WHERE {condition}")
        self._show()
        self._run(f"DROP TABLE {old}")

    def settle(self, cut: int, keep: int) -> None:
        """All before ``cut`` was counted; what lies before ``keep`` is forgotten."""
        old = list(self._tables)
        names = ", ".join(name for name in _KEPT if name != "done")
        self._run(
            f"CREATE TEMP TABLE {self._add()} AS SELECT {names}, done OR us < $cut AS done"
            f" FROM {VIEW} WHERE us >= $keep",
            cut=cut,
            keep=keep,
        )
        self._tables = self._tables[-1:]
        self._show()
        for table in old:
            self._run(f"DROP TABLE {table}")

    def tell_services_apart(self) -> None:
        """A subject is from now on one of a service: ``subject@service``."""
        self._subject = "concat_ws('@', subject, service)"
        self._show()


def extents(
    connection: duckdb.DuckDBPyConnection, relation: str, parameters: Mapping[str, Any]
) -> dict[str, Extent]:
    """What each path of a relation of records holds."""
    found = connection.execute(
        "SELECT path, min(us), max(us), count(us), count(*) - count(us)"
        f" FROM {relation} GROUP BY path",
        parameters,
    ).fetchall()
    return {path: Extent(*extent) for path, *extent in found}


def _columns(raw_start: int, *, previews: bool) -> str:
    """The columns of _KEPT: names of bounded length, and of previews the one that is shown, cut."""
    kept = f"us >= {raw_start}"
    made: dict[str, str] = {name: name for name in _KEPT} | calls.KEYS
    made |= {name: _SHORTENED.format(name) for name in _NAMES}
    made["conv"] = f"CASE WHEN conv_id IS NOT NULL THEN hash({made['conv_id']}) END"
    made["done"] = "false"
    made |= {name: f"CASE WHEN {kept} THEN {made[name]} END" for name in _NAMES_OF_SAMPLES}
    for number, name in enumerate(_PREVIEWS):
        shown = [kept, *(f"{other} IS NULL" for other in _PREVIEWS[:number])]
        when = " AND ".join(shown if previews else ["false"])
        made[name] = f"CASE WHEN {when} THEN left({name}, {_PREVIEW_LENGTH}) END"
    return ", ".join(f"{made[name]} AS {name}" for name in _KEPT)
