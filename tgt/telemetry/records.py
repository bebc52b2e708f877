"""The raw records at hand, as few columns and as few copies of them as can be.

What one statement has read is one table; ``records`` is a view of all of them, with a ``row`` that
tells records apart. They are copied only when most of them are forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    **dict.fromkeys(("failed", "cancelled", "continuation"), "BOOLEAN"),
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


@dataclass
class _Table:
    name: str
    held: Extent
    counted: int = 0
    """All its records before this time were counted."""


class Records:
    """Names and previews are kept from ``raw_start`` on, where samples may be taken."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, raw_start: int, *, previews: bool
    ) -> None:
        self._connection = connection
        self._columns = _columns(raw_start, previews=previews)
        self._tables: list[_Table] = []
        self._made = 0
        self._subject = "subject"
        columns = ", ".join(f"{name} {kind}" for name, kind in _KEPT.items())
        self._run(f"CREATE TEMP TABLE {VIEW}_0 ({columns})")
        self._show()

    def _run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters).fetchall()

    def _new_name(self) -> str:
        self._made += 1
        return f"{VIEW}_{self._made}"

    def _show(self) -> None:
        names = ", ".join(name for name in _KEPT if name != "subject")
        rows = (
            f"SELECT {place << 40} + rowid AS row, {names}, {self._subject} AS subject,"
            f" us < {table.counted} AS done FROM {table.name}"
            for place, table in enumerate(self._tables or [_Table(f"{VIEW}_0", Extent.none())])
        )
        self._run(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {' UNION ALL '.join(rows)}")

    def read(self, statement: str, parameters: Mapping[str, Any]) -> dict[str, Extent]:
        """Add what a source's statement yields. Returns what each ``path`` holds.

        Raises duckdb.Error, and is then as before.
        """
        name = self._new_name()
        try:
            self._run(
                f"CREATE TEMP TABLE {name} AS SELECT path, {self._columns} FROM ({statement})",
                **parameters,
            )
            found = extents(self._connection, name, {})
        except BaseException:
            self._run(f"DROP TABLE IF EXISTS {name}")
            raise
        self._tables.append(_Table(name, Extent.together(found.values())))
        self._show()
        return found

    def narrow(self, condition: str) -> None:
        """Keep of what was read last only what the condition holds for."""
        table = self._tables[-1]
        self._replace([table], condition, table.held, table.counted)

    def settle(self, cut: int, keep: int) -> None:
        """All before ``cut`` was counted; what lies before ``keep`` is not needed any more.

        It is forgotten when that needs no copy, or when it is more than what was read last.
        """
        for table in self._tables:
            table.counted = cut
        over = [t for t in self._tables if t.held.last_us is None or t.held.last_us < keep]
        self._tables = [table for table in self._tables if table not in over]
        self._show()
        for table in over:
            self._run(f"DROP TABLE {table.name}")
        if self._tables:
            stale = self._run(f"SELECT count(*) FROM {VIEW} WHERE us < $keep", keep=keep)[0][0]
            if stale > self._tables[-1].held.records:
                held = Extent.together(table.held for table in self._tables)
                self._replace(list(self._tables), f"us >= {keep}", held, cut)

    def _replace(self, old: Sequence[_Table], condition: str, held: Extent, counted: int) -> None:
        """Copy what the condition holds for into one table."""
        name = self._new_name()
        rows = " UNION ALL ".join(f"SELECT {', '.join(_KEPT)} FROM {t.name}" for t in old)
        self._run(f"CREATE TEMP TABLE {name} AS FROM ({rows}) WHERE {condition}")
        self._tables = [table for table in self._tables if table not in old]
        self._tables.append(_Table(name, held, counted))
        self._show()
        for table in old:
            self._run(f"DROP TABLE {table.name}")

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
    made |= {name: f"CASE WHEN {kept} THEN {made[name]} END" for name in _NAMES_OF_SAMPLES}
    for number, name in enumerate(_PREVIEWS):
        shown = [kept, *(f"{other} IS NULL" for other in _PREVIEWS[:number])]
        when = " AND ".join(shown if previews else ["false"])
        made[name] = f"CASE WHEN {when} THEN left({name}, {_PREVIEW_LENGTH}) END"
    return ", ".join(f"{made[name]} AS {name}" for name in _KEPT)
