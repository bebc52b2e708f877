"""Where OpenCode keeps messages and their parts, and what belongs to each: a database, and before
that a directory with a file for each.

A part says neither who said it nor where; its message and its session do. Here each document comes
with what it needs of those, under keys that the stored ones do not have: ``session`` (``id`` of the
outermost one, ``directory``, ``version``, ``is_child``), for a part its ``message`` (``role``,
``time``, ``modelID``), for a row ``row`` (table, number, id).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tgt.sources.bounds import LINE_BYTES
from tgt.sources.streams import opened

if TYPE_CHECKING:
    import sqlite3

Document = dict[str, Any]

TABLES = ("message", "part")
"""A place is the number of the row, twice, and one more for a part."""

_REMEMBERED = 1024
_ANCESTORS = 8

_SELECT = {
    # Tools run before the message is complete: its answer ended where the first of them began.
    "message": (
        "SELECT rowid, id, NULL, session_id, data, NULL, NULL, NULL, (SELECT min(CASE WHEN"
        " json_valid(part.data) THEN json_extract(part.data, '$.state.time.start') END)"
        " FROM part WHERE part.message_id = message.id) FROM message"
    ),
    "part": (
        "SELECT part.rowid, part.id, part.message_id, part.session_id, part.data,"
        " CASE WHEN json_valid(message.data) THEN json_extract(message.data, '$.role') END,"
        " CASE WHEN json_valid(message.data)"
        " THEN json_extract(message.data, '$.time.created') END,"
        " CASE WHEN json_valid(message.data)"
        " THEN json_extract(message.data, '$.modelID') END, NULL"
        " FROM part LEFT JOIN message ON message.id = part.message_id"
    ),
}


def has_tables(database: sqlite3.Connection) -> bool:
    """Whether there are the tables that rows come from."""
    names = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    return names >= {*TABLES, "session"}


def new_rows(
    database: sqlite3.Connection, state: Mapping[str, Any]
) -> Iterator[tuple[int, Document]]:
    """The rows behind those that the state names as the last ones, and those that were not whole
    then. ``state`` has ``message`` and ``part`` (number and id of the last row), and ``open``
    (table and id of each that may change)."""
    document = _documents(database)
    unfinished = state.get("open") or []
    for table in TABLES:
        last = _last(database, table, state.get(table))
        for name in [name for of, name in unfinished if of == table]:
            for row in database.execute(
                f"{_SELECT[table]} WHERE {table}.id = ? AND {table}.rowid <= ?", (name, last)
            ):
                yield document(table, row)
        rows = f"{_SELECT[table]} WHERE {table}.rowid > ? ORDER BY {table}.rowid"
        for row in database.execute(rows, (last,)):
            yield document(table, row)


def row_at(database: sqlite3.Connection, place: int) -> Document | None:
    """The document at a place, if there is still one."""
    table = TABLES[place % 2]
    for row in database.execute(f"{_SELECT[table]} WHERE {table}.rowid = ?", (place // 2,)):
        return _documents(database)(table, row)[1]
    return None


def _last(database: sqlite3.Connection, table: str, row: Any) -> int:
    """The number of the last row that was taken; 0 where that row is gone, since its number and
    those before it may have been given to others."""
    if not isinstance(row, list):
        return 0
    number, name = row
    there = database.execute(f"SELECT id FROM {table} WHERE rowid = ?", (number,)).fetchone()
    return number if there == (name,) else 0


def _documents(
    database: sqlite3.Connection,
) -> Callable[[str, tuple[Any, ...]], tuple[int, Document]]:
    """What makes a document of a selected row."""

    @lru_cache(_REMEMBERED)
    def session(name: str) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = database.execute(
            "SELECT parent_id, directory, version FROM session WHERE id = ?", (name,)
        ).fetchone()
        return row

    def document(table: str, row: tuple[Any, ...]) -> tuple[int, Document]:
        number, name, message, of, data, role, created, model, tool_us = row
        stored = _parsed(data) | {
            "id": name,
            "sessionID": of,
            "session": outermost(of, session),
            "row": [table, number, name],
        }
        if table == "part":
            time = {"created": created}
            stored["messageID"] = message
            stored["message"] = {"role": role, "time": time, "modelID": model}
        elif tool_us is not None:
            stored["tool_started"] = tool_us
        return number * 2 + TABLES.index(table), stored

    return document


def _parsed(data: Any) -> Document:
    if not isinstance(data, str) or len(data) > LINE_BYTES:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def outermost(name: Any, session: Callable[[str], tuple[Any, ...] | None]) -> Mapping[str, Any]:
    """What is known of a session; one that another one opened belongs to that."""
    row = session(name) if isinstance(name, str) else None
    if row is None:
        return {"id": name}
    parent, directory, version = row
    top, is_child = name, False
    for _ in range(_ANCESTORS):
        if not isinstance(parent, str):
            break
        top, is_child = parent, True
        row = session(parent)
        parent = row[0] if row else None
    return {"id": top, "directory": directory, "version": version, "is_child": is_child}


class Storage:
    """The directory of earlier versions: ``session/PROJECT/ID.json``, ``message/SESSION/ID.json``,
    ``part/MESSAGE/ID.json``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._session = lru_cache(_REMEMBERED)(self._read_session)
        self._message = lru_cache(_REMEMBERED)(self._read_message)

    def completed(self, document: Mapping[str, Any]) -> Document:
        """A stored document with what belongs to it."""
        of = document.get("sessionID")
        whole = {**document, "session": outermost(of, self._session)}
        if "messageID" in document:
            whole["message"] = self._message(of, document["messageID"])
        return whole

    def _read_session(self, name: str) -> tuple[Any, ...] | None:
        if not _is_name(name):
            return None
        for path in sorted(self._root.glob(f"session/*/{name}.json")):
            stored = _read(path)
            return stored.get("parentID"), stored.get("directory"), stored.get("version")
        return None

    def _read_message(self, session: Any, name: Any) -> Mapping[str, Any]:
        if not _is_name(session) or not _is_name(name):
            return {}
        return _read(self._root / "message" / session / f"{name}.json")


def _is_name(name: Any) -> bool:
    """Whether it can be a file's name and leads nowhere else."""
    return isinstance(name, str) and name.replace("_", "").replace("-", "").isalnum()


def _read(path: Path) -> Document:
    try:
        with opened(str(path)) as stream:
            return _parsed(stream.read(LINE_BYTES).decode("utf-8", "replace"))
    except OSError:
        return {}
