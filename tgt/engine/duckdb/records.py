"""The raw records at hand, as few columns and as few copies of them as can be.

A record is kept as what is its own, in numbers: its time, hashes of its ids, how long it took, and
a hash of its words, its *wording*. Thousands of records share one, so what a wording means is
worked out once (see ``meanings``). What one statement has read is one table; ``records`` is a view
of all of them with their meanings, and with a ``row`` that tells records apart. They are copied
only when most of them are forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from tgt.engine.duckdb.meanings import Meanings, shortened, wording
from tgt.engine.duckdb.store import Extent
from tgt.sources.base import Projection

VIEW = "records"
ROWS = "record_rows"
"""The same without their meanings, and with lines that are no records: for what asks for times."""

_PREVIEW_LENGTH = 400
_PREVIEWS = ("error", "result_preview", "args_preview")  # a sample shows the first that there is

OWN: Mapping[str, tuple[str, str]] = {
    "path": ("UBIGINT", "hash(path)"),
    "us": ("BIGINT", "us"),
    "same": ("UBIGINT", "CASE WHEN id IS NOT NULL THEN hash(id, trace, conv) END"),
    "call": (
        "UBIGINT",
        "CASE WHEN call_id IS NOT NULL THEN hash(call_id) ELSE coalesce(trace, conv) END",
    ),
    "trace": ("UBIGINT", "trace"),
    "conv": ("UBIGINT", "conv"),
    "elapsed_ms": ("DOUBLE", "elapsed_ms"),
    "wording": ("UBIGINT", "wording"),
}
_HASHED = (
    "CASE WHEN trace_id IS NOT NULL THEN hash(trace_id) END AS trace,"
    f" CASE WHEN conv_id IS NOT NULL THEN hash({shortened('conv_id')}) END AS conv"
)
_TEXTS = ("id", "conv_id", *_PREVIEWS)
"""What is kept beside that of records of which samples may be shown."""

# What belongs together is equal here: in ``same`` what an exporter repeats after a time-out, in
# ``call`` the records of one call, ``keyed`` if there is more than the tool's name to tell it from
# others.
_SHOWN = """
SELECT row, us, done, conv,
    CASE WHEN same IS NOT NULL THEN hash(same, said) END AS same,
    CASE WHEN phase IS NOT NULL THEN hash(call, called) END AS call,
    call IS NOT NULL AS keyed,
    CASE WHEN act IN ('assistant_response', 'auto_continue') THEN trace END AS trace,
    CASE WHEN is_wait IS NOT true THEN elapsed_ms END AS elapsed_ms,
    actor, act, phase, name, failed, cancelled, finish_reason, continuation, error_type, service,
    subject, id, conv_id, error, result_preview, args_preview,
FROM record_rows JOIN meanings USING (wording)
WHERE act IS NOT NULL
"""


@dataclass
class _Table:
    name: str
    held: Extent
    has_texts: bool
    counted: int = 0
    """All its records before this time were counted."""


class Records:
    """Texts are kept from ``raw_start`` on, where samples may be taken."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        meanings: Meanings,
        raw_start: int,
        *,
        previews: bool,
    ) -> None:
        self._connection = connection
        self._meanings = meanings
        self._raw_start = raw_start
        self._previews = previews
        self._made = 0
        columns = ", ".join(f"{name} {kind}" for name, (kind, _) in OWN.items())
        self._run(f"CREATE TEMP TABLE {VIEW}_0 ({columns})")
        self._tables: list[_Table] = []
        self._show()

    def _run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters).fetchall()

    def _new_name(self) -> str:
        self._made += 1
        return f"{VIEW}_{self._made}"

    def _rows(self) -> str:
        """SQL for the rows of all tables."""
        tables = self._tables or [_Table(f"{VIEW}_0", Extent.none(), has_texts=False)]
        rows = (
            f"SELECT {place << 40} + rowid AS row, us < {table.counted} AS done,"
            f" {_columns(texts=True, there=table.has_texts)} FROM {table.name}"
            for place, table in enumerate(tables)
        )
        return " UNION ALL ".join(rows)

    def _show(self) -> None:
        self._run(f"CREATE OR REPLACE TEMP VIEW {ROWS} AS {self._rows()}")
        self._run(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {_SHOWN}")

    def read(
        self, projection: Projection, paths: Mapping[str, str], *, texts: bool
    ) -> dict[str, Extent]:
        """Add the records of files, given by how their names are told what to ask the reader for.

        Returns what each of the names holds. Raises duckdb.Error or OSError, and is then as before.
        """
        table = self._new_name()
        hashes = self._run("SELECT hash(name), name FROM unnest($names) t(name)", names=list(paths))
        names: dict[int, str] = dict(hashes)
        columns = [f"{made} AS {name}" for name, (_, made) in OWN.items()]
        columns += self._texts() if texts else ()
        try:
            self._run(
                f"CREATE TEMP TABLE {table} AS SELECT {', '.join(columns)}"
                f" FROM (SELECT *, {_HASHED}, {wording(projection)} FROM ({projection.statement}))",
                paths=list(paths.values()),
                **projection.parameters,
            )
            self._meanings.learn(projection, table, {key: paths[n] for key, n in names.items()})
            found = extents(self._connection, table, {})
        except BaseException:
            self._run(f"DROP TABLE IF EXISTS {table}")
            raise
        self._tables.append(_Table(table, Extent.together(found.values()), texts))
        self._show()
        return {names[key]: extent for key, extent in found.items()}

    def _texts(self) -> list[str]:
        """Of previews the one that is shown is kept, cut."""
        kept = f"us >= {self._raw_start}"
        made = [
            f"CASE WHEN {kept} THEN {shortened(name)} END AS {name}" for name in ("id", "conv_id")
        ]
        for number, name in enumerate(_PREVIEWS):
            shown = [kept, *(f"{other} IS NULL" for other in _PREVIEWS[:number])]
            when = " AND ".join(shown if self._previews else ["false"])
            made.append(f"CASE WHEN {when} THEN left({name}, {_PREVIEW_LENGTH}) END AS {name}")
        return made

    def forget_last(self) -> None:
        """Forget what was read last."""
        table = self._tables.pop()
        self._show()
        self._run(f"DROP TABLE {table.name}")

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
            stale = self._run(f"SELECT count(*) FROM {ROWS} WHERE us < $keep", keep=keep)
            if stale[0][0] > self._tables[-1].held.records:
                held = Extent.together(table.held for table in self._tables)
                self._replace(list(self._tables), f"us >= {keep}", held, cut)

    def _replace(self, old: Sequence[_Table], condition: str, held: Extent, counted: int) -> None:
        """Copy what the condition holds for into one table."""
        name = self._new_name()
        texts = any(table.has_texts for table in old)
        rows = " UNION ALL ".join(
            f"SELECT {_columns(texts=texts, there=t.has_texts)} FROM {t.name}" for t in old
        )
        self._run(f"CREATE TEMP TABLE {name} AS FROM ({rows}) WHERE {condition}")
        self._tables = [table for table in self._tables if table not in old]
        self._tables.append(_Table(name, held, texts, counted))
        self._show()
        for table in old:
            self._run(f"DROP TABLE {table.name}")


def _columns(*, texts: bool, there: bool) -> str:
    """The columns of a table, if wished with the texts, also where they are not ``there``."""
    absent = "" if there else "NULL::VARCHAR AS "
    return ", ".join([*OWN, *((f"{absent}{name}" for name in _TEXTS) if texts else ())])


def extents(
    connection: duckdb.DuckDBPyConnection, relation: str, parameters: Mapping[str, Any]
) -> dict[Any, Extent]:
    """What each path of a relation of records holds."""
    found = connection.execute(
        "SELECT path, min(us), max(us), count(us), count(*) - count(us)"
        f" FROM {relation} GROUP BY path",
        parameters,
    ).fetchall()
    return {path: Extent(*extent) for path, *extent in found}
