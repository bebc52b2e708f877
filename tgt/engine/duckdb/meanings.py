"""What records mean by their words, worked out once for all that say the same.

A *wording* is the hash of all words of a record: who did what with which tool, and how it ended.
Of millions of records there are some hundred, so judging them costs nothing; what it costs is to
read the words of those that were not met before once more. They are kept beside the counts, so
that the next run knows them.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

import duckdb

from tgt.events import MEANING
from tgt.sources.base import Projection

_KEPT = {name: kind for name, kind in MEANING.items() if name not in {"model", "subject"}}
TABLES: Mapping[str, Mapping[str, str]] = {
    "meanings": {
        "wording": "UBIGINT",
        **_KEPT,
        "subject": "INTEGER",
        # What tells, with ids, whether records belong together.
        "said": "UBIGINT",
        "called": "UBIGINT",
    },
    # Everything else knows a subject, which is one of a service, by its number.
    "subjects": {"subject": "INTEGER", "name": "VARCHAR", "service": "VARCHAR"},
}
MOST_KEPT = 20_000
"""Where there are more, words are no words but numbers or texts, and do not come again."""

_LONGEST = 240


def shortened(name: str) -> str:
    """SQL for a name of bounded length. Telemetry may call a tool a megabyte; a long name keeps
    its beginning, and what tells it from others that begin alike."""
    cut = f"left({name}, 60) || '…' || left(md5({name}), 10)"
    return f"CASE WHEN strlen({name}) > {_LONGEST} THEN {cut} ELSE {name} END"


MADE: Mapping[str, str] = {
    **{name: name for name in _KEPT},
    **{name: shortened(name) for name in ("act", "name", "error_type", "service")},
    "about": shortened("subject"),
    "said": "hash(act, phase, failed, name)",
    "called": "hash(name)",
}

_NUMBERED = """
INSERT INTO subjects
SELECT (SELECT coalesce(max(subject), 0) FROM subjects)
    + row_number() OVER (ORDER BY about, service), about, service
FROM (SELECT DISTINCT about, service FROM learned WHERE act IS NOT NULL
    EXCEPT SELECT name, service FROM subjects)
"""
_KNOWN = """
INSERT INTO meanings BY NAME
SELECT learned.* EXCLUDE (about), subjects.subject FROM learned LEFT JOIN subjects
    ON subjects.name = learned.about AND subjects.service IS NOT DISTINCT FROM learned.service
"""


def wording(projection: Projection) -> str:
    """SQL for the wording of the projection's rows."""
    return f"hash({', '.join(projection.words)}) AS wording"


class Meanings:
    """The tables of a connection, beginning with what is known of earlier runs.

    ``act`` is NULL where a record is no event.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, known: str | None) -> None:
        """``known`` is the database that has the tables of earlier runs, if one has."""
        self._connection = connection
        for table, columns in TABLES.items():
            kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            self._run(f"CREATE TEMP TABLE {table} ({kinds})")
            if known:
                self._run(f"INSERT INTO {table} BY NAME FROM {known}.{table}")

    def _run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters).fetchall()

    def learn(self, projection: Projection, records: str, paths: Mapping[int, str]) -> None:
        """Add the wordings in a table of records that are not known.

        ``paths`` are for the reader, by what stands in the table. Raises duckdb.Error, and OSError
        where a file no longer holds what was read of it.
        """
        self._run(
            "CREATE OR REPLACE TEMP TABLE unknown AS SELECT path, wording, min(us) AS us"
            f" FROM {records} ANTI JOIN meanings USING (wording) WHERE us IS NOT NULL GROUP BY ALL"
        )
        many = self._run("SELECT count(*) FROM unknown")[0][0]
        if not many:
            return
        chosen = list(paths)
        if many <= MOST_KEPT:
            found = self._run("SELECT path, list(wording) FROM unknown GROUP BY path")
            chosen = _few({path: set(wordings) for path, wordings in found})
        # In one statement with what follows, the engine would plan for longer than it reads.
        self._run(
            "CREATE OR REPLACE TEMP TABLE examples AS"
            f" SELECT wording, {', '.join(projection.words)}"
            f" FROM (SELECT *, {wording(projection)} FROM ({projection.statement}))"
            " SEMI JOIN unknown USING (wording, us)",
            paths=[paths[path] for path in chosen],
            **projection.parameters,
        )
        made = ", ".join(f"any_value({made}) AS {name}" for name, made in MADE.items())
        self._run(
            f"CREATE OR REPLACE TEMP TABLE learned AS SELECT wording, {made}"
            f" FROM ({projection.meaning('examples')}) GROUP BY wording"
        )
        missed = "SELECT 1 FROM unknown ANTI JOIN learned USING (wording) LIMIT 1"
        if self._run(missed):
            raise OSError(errno.ESTALE, "it was changed while it was read")
        self._run(_NUMBERED)
        self._run(_KNOWN)

    def name_subjects(self, *, several: bool) -> bool:
        """Make the table ``named``: a subject is one of a service, ``subject@service``, where there
        are ``several``.

        Otherwise those of the one service and of none have the same name, and all are ``shown`` as
        the first of them. Returns whether there are any.
        """
        name = "concat_ws('@', name, service)" if several else "name"
        self._run(
            "CREATE OR REPLACE TEMP TABLE named AS SELECT subject, name,"
            " min(subject) OVER (PARTITION BY name) AS shown"
            f" FROM (SELECT subject, {name} AS name FROM subjects)"
        )
        if not self._run("SELECT 1 FROM named WHERE shown <> subject LIMIT 1"):
            return False
        self._run(
            "UPDATE meanings SET subject = shown FROM named WHERE named.subject = meanings.subject"
        )
        return True


def _few(wordings: Mapping[int, set[int]]) -> list[int]:
    """As few of the paths as have all wordings.

    Files of one writer seldom have a wording that the first of them lacks.
    """
    left, chosen = dict(wordings), []
    while left:
        path = max(left, key=lambda each: (len(left[each]), each))
        chosen.append(path)
        had = left.pop(path)
        left = {other: rest for other, some in left.items() if (rest := some - had)}
    return chosen
