"""OpenCode's sessions: rows of a database, before that a file for each message and each part of
one, and what ``opencode run --format json`` prints.

A message of the model is one request to it; it says how the answer ended, what it cost and why it
failed. Its parts are the tools that it used, each with its beginning and end, and attempts that
were tried again. Parts and messages change until they are whole, and count only then.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from tgt.sources.agent_records import Columns, is_of, mapping, total, usual_place, word
from tgt.sources.agents import Recent
from tgt.sources.base import SKIPPED, Listing, Outcome, malformed, unknown
from tgt.sources.coerce import moment
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile
from tgt.sources.opencode.records import Item, answer, failure, prompt, tool_call
from tgt.sources.opencode.rows import Storage, has_tables, new_rows, row_at
from tgt.sources.sqlite_documents import Document, database_file, reading

KIND = "opencode"
DEFAULTS = (Path("~/.local/share/opencode"),)

_DATABASE = ".db"
_NAMES = ("opencode", "kilo")
_OPEN_ROWS = 512
_PRINTED = frozenset(("step_start", "step_finish", "tool_use", "text", "reasoning", "error"))
_PARTS = frozenset(
    (
        *("text", "reasoning", "file", "tool", "step-start", "step-finish", "snapshot", "patch"),
        *("agent", "retry", "compaction", "subtask"),
    )
)


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where OpenCode keeps its data: below XDG_DATA_HOME; OPENCODE_DB names another database."""
    usual = usual_place(environ, "XDG_DATA_HOME", "~/.local/share", "opencode")
    named = environ.get("OPENCODE_DB", "").strip()
    if not named or named == ":memory:":
        return (usual,)
    return (usual / Path(named).expanduser(),)


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object is a stored message or part, or an event that a run printed."""
    if "sessionID" not in document:
        return False
    kind = document.get("type")
    if "timestamp" in document:
        return is_of(kind, _PRINTED) and bool(document.keys() & {"part", "error"})
    is_message = is_of(document.get("role"), ("user", "assistant"))
    return (is_message and "time" in document) or (is_of(kind, _PARTS) and "messageID" in document)


def recognises_database(file: LogFile) -> bool:
    """Whether a file is a database with the tables of OpenCode; of one that cannot be read now only
    its name can tell."""
    try:
        with reading(file.path) as database:
            return has_tables(database)
    except OSError:
        return PurePosixPath(file.path).name.startswith(_NAMES)


class OpenCode(FileSource):
    """A directory of OpenCode's data, or one database or file of it."""

    kind: ClassVar = KIND

    def listing(self) -> Listing:
        printed = listed(self.location, (".jsonl",), self.setting, recursive=False)
        if not self.location.is_dir():
            return Listing(tuple(_as_database(file) for file in printed.files))
        databases = [
            database_file(str(path))
            for path in sorted(self.location.glob(f"*{_DATABASE}"))
            if path.name.startswith(_NAMES) and path.is_file()
        ]
        storage, passed_over = self.location / "storage", printed.passed_over
        files = [*databases, *printed.files]
        if databases and storage.is_dir():
            passed_over = (*passed_over, (str(storage), "what it held was moved to the database"))
        elif storage.is_dir():
            stored = listed(storage, (".json",), self.setting)
            files += [f for f in stored.files if PurePosixPath(f.path).parts[-3] in _STORED]
            passed_over = (*passed_over, *stored.passed_over)
        return Listing(tuple(sorted(files, key=_age)), passed_over)

    def documents(
        self, file: LogFile, state: Mapping[str, Any] | None
    ) -> Iterator[tuple[int, Document]] | None:
        return _rows(file, state or {}) if file.path.endswith(_DATABASE) else None

    def document(self, file: LogFile, place: int) -> Document | None:
        with reading(file.path) as database:
            return row_at(database, place)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> OpenCodeReader:
        path = PurePosixPath(file.path)
        agent = "kilo" if path.name.startswith("kilo") else KIND
        if path.name.endswith(_DATABASE):
            return OpenCodeReader(agent, state)
        if path.name.endswith(".json") and len(path.parts) > 2:  # noqa: PLR2004 STORAGE/part/MESSAGE/x
            return OpenCodeReader(agent, state, Storage(Path(file.path).parents[2]))
        return OpenCodeReader(agent, state)


_STORED = frozenset(("message", "part"))


def _is_persons(message: Columns) -> bool:
    """Whether a message stands for a command that a person ran, which no model answered."""
    tokens = mapping(message.get("tokens"))
    return not message.get("finish") and not total(tokens, "input", "output")


def _age(file: LogFile) -> tuple[int, str]:
    return file.modified_ns, file.path


def _as_database(file: LogFile) -> LogFile:
    return database_file(file.path) if file.path.endswith(_DATABASE) else file


def _rows(file: LogFile, state: Mapping[str, Any]) -> Iterator[tuple[int, Document]]:
    with reading(file.path) as database:
        yield from new_rows(database, state)


class OpenCodeReader:
    """``rows`` are the last ones that were taken, by table; ``open`` those that may change. Of a
    run's output, ``began`` is when each message was asked for, and when its first tool began."""

    def __init__(
        self, agent: str, state: Mapping[str, Any] | None = None, storage: Storage | None = None
    ) -> None:
        kept = state or {}
        self._agent = agent
        self._storage = storage
        self._rows: dict[str, Any] = {t: kept[t] for t in _STORED if kept.get(t)}
        self._open = Recent(_OPEN_ROWS, {name: of for of, name in kept.get("open") or []})
        self._began = Recent(8, mapping(kept.get("began")))

    def state(self) -> Mapping[str, Any] | None:
        """None for a file of one message or part, which is written anew as a whole."""
        if self._storage is not None:
            return None
        return {
            **self._rows,
            "open": [[of, name] for name, of in self._open.items()],
            "began": dict(self._began),
        }

    def finish(self) -> Iterable[Outcome]:
        return ()

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        row = document.get("row")
        if row is not None:
            self._advance(row)
        elif self._storage is not None:
            document = self._storage.completed(document)
        item = Item(document, self._agent, place)
        if "part" in document or "timestamp" in document:
            outcomes = self._printed(item)
        elif "role" in document:
            outcomes = self._message(item)
        elif "messageID" in document and "type" in document:
            outcomes = self._part(item)
        elif row is not None:
            return (malformed("no data"),)
        else:
            return (unknown(document.get("type")),)
        return tuple(outcomes) or (SKIPPED,)

    def _advance(self, row: list[Any]) -> None:
        table, number_, name = row
        self._open.pop(name, None)
        if number_ > self._rows.get(table, [0])[0]:
            self._rows[table] = [number_, name]

    def _keep(self, item: Item) -> None:
        """It is not whole yet: it will be looked at again."""
        row = item.document.get("row")
        if row is not None:
            self._open[row[2]] = row[0]

    # --- messages --------------------------------------------------------------------------------

    def _message(self, item: Item) -> Iterator[Outcome]:
        document = item.document
        if document.get("role") != "assistant" or document.get("summary") is True:
            return  # what a person said stands in the parts, and a summary answers nobody
        time = mapping(document.get("time"))
        created, completed = moment(time.get("created")), moment(time.get("completed"))
        if created is None:
            yield malformed("no time")
            return
        error = document.get("error")
        if completed is None and not isinstance(error, dict):
            self._keep(item)
            return
        item.session.works_in(mapping(document.get("path")).get("cwd"))
        if isinstance(error, dict):
            yield from failure(item, completed or created, error)
        elif not _is_persons(document):
            yield answer(item, completed or created, document.get("finish"), created)

    # --- parts -----------------------------------------------------------------------------------

    def _part(self, item: Item) -> Iterator[Outcome]:
        part = item.document
        kind = part.get("type")
        if not is_of(kind, _PARTS):
            yield unknown(kind)
        elif kind == "text":
            yield from prompt(item)
        elif kind == "tool":
            yield from self._tool(item, part)
        elif kind == "retry":
            us = moment(mapping(part.get("time")).get("created"))
            if us is None:
                yield malformed("no time")
            else:
                yield from failure(item, us, mapping(part.get("error")))

    def _tool(self, item: Item, part: Columns) -> Iterator[Outcome]:
        call = tool_call(item, part)
        if call is None:
            self._keep(item)
        else:
            yield call

    # --- what a run prints -----------------------------------------------------------------------

    def _printed(self, item: Item) -> Iterator[Outcome]:
        event = item.document
        kind, us = event.get("type"), moment(event.get("timestamp"))
        if not is_of(kind, _PRINTED) or us is None:
            yield malformed("no time") if is_of(kind, _PRINTED) else unknown(kind)
            return
        part = mapping(event.get("part"))
        message = word(part.get("messageID")) or ""
        if kind == "step_start":
            self._began[message] = [us, None]
        elif kind == "tool_use":
            started = moment(mapping(mapping(part.get("state")).get("time")).get("start"))
            if message in self._began and self._began[message][1] is None:
                self._began[message][1] = started
            yield from self._tool(item, part)
        elif kind == "error":
            yield from failure(item, us, mapping(event.get("error")))
        elif kind == "step_finish":
            asked_us, tool_us = self._began.pop(message, None) or [None, None]
            step = Item({**part, "tool_started": tool_us}, self._agent, item.place, item.session)
            yield answer(step, us, part.get("reason"), asked_us)
