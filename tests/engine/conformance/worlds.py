"""Worlds of a few canonical events, and the engines that are asked about them.

A world says what happened; how an engine comes to read it is the business of its *opener*: a
context manager like ``duckdb_timeline``. A further engine is one more opener in ENGINES, and every
module of this suite then holds it to the same promises.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest
from engine.clickhouse.databases import PASSWORD, Database

from tgt.engine.clickhouse.connection import Connection
from tgt.engine.clickhouse.tables import Batch, Range, Table, among, between, counts, during
from tgt.engine.clickhouse.timeline import ClickHouseTimeline
from tgt.engine.duckdb.store import Workspace
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.engine.protocol import (
    Counts,
    DistributionReading,
    Examples,
    Of,
    Reading,
    Signal,
    Snapshot,
    Timeline,
)
from tgt.events import Interval, to_us
from tgt.sources.base import Listing, Outcome, Record
from tgt.sources.discover import listed
from tgt.sources.files import LogFile

END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
WEEK = timedelta(days=7)

Event: TypeAlias = dict[str, Any]
"""Columns of RECORD by name: those that are canonical, ids as text, and ``continuation``; and, of
records, ``key``, ``phase`` and in which ``file`` they stand, if that is not the usual one."""

USE = Signal("use", where="actor <> 'user'", counted="failed")
TOGETHER = Signal("together", where="actor <> 'user'", counted="failed", by="'together'")
CUT = Signal("cut", where="truncated IS NOT NULL", counted="truncated")
LATENCY = Signal("latency", where="NOT coalesce(failed, false)", value="elapsed_ms")
ABORTED = Signal("aborted", of=Of.CONVERSATIONS, counted="is_aborted", by="'aborted'")
WAITED = Signal("waited", of=Of.CONVERSATIONS, counted="longest_wait_ms > 8000", by="'waited'")
SIGNALS = (USE, TOGETHER, CUT, LATENCY, ABORTED, WAITED)


# --- what happens --------------------------------------------------------------------------------


def event(minutes: float, conv: str | None = None, **columns: Any) -> Event:
    """Something that happened so many minutes before END."""
    us = to_us(END) - round(minutes * 60_000_000)
    made: Event = {"us": us, "actor": "system", "act": "event", "subject": "event", **columns}
    return made if conv is None else {**made, "conv_id": conv}


def call(minutes: float, conv: str | None = None, name: str = "grep", **columns: Any) -> Event:
    """One call of a tool, which went well if nothing else is said."""
    made = {"actor": "tool", "act": "tool_call", "phase": "call", "name": name, "failed": False}
    return event(minutes, conv, **{**made, "subject": f"tool_call/{name}", **columns})


def answer(
    minutes: float, conv: str | None = None, finish: str | None = "stop", **columns: Any
) -> Event:
    """One answer of a model, which ended by itself if nothing else is said."""
    made = {"actor": "assistant", "act": "assistant_response", "subject": "assistant_response"}
    return event(minutes, conv, **{**made, "finish_reason": finish, **columns})


def message(minutes: float, conv: str | None = None, act: str = "message") -> Event:
    """A user's message, or a prompt."""
    return event(minutes, conv, actor="user", act=act, subject=act)


def cancel(minutes: float, conv: str | None = None) -> Event:
    """An explicit abort by the user."""
    return event(minutes, conv, actor="user", act="abort", subject="abort", cancelled=True)


# --- who is asked --------------------------------------------------------------------------------


class Opener(Protocol):
    """Makes what an engine reads of some events, and opens a timeline of it.

    ``kept`` is a directory in which the engine may keep what it has worked out from one opening
    to the next; the world is then the same one, or a larger one.
    """

    def __call__(
        self,
        events: Sequence[Event],
        signals: Sequence[Signal],
        first: Interval,
        last: Interval,
        baseline: timedelta,
        kept: Path | None,
    ) -> AbstractContextManager[Timeline]: ...


@dataclass(frozen=True)
class Lines:
    """A source whose lines are records, as they are."""

    directory: Path
    kind: str = "records"

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.directory}"

    def listing(self) -> Listing:
        return listed(self.directory, (".jsonl",), "RECORDS")

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> LinesReader:
        del file, state
        return LinesReader()


class LinesReader:
    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        del place
        return [dict(document)]

    def finish(self) -> Iterable[Outcome]:
        return ()

    def state(self) -> Mapping[str, Any]:
        return {}


@contextmanager
def duckdb_timeline(
    events: Sequence[Event],
    signals: Sequence[Signal],
    first: Interval,
    last: Interval,
    baseline: timedelta,
    kept: Path | None,
) -> Iterator[Timeline]:
    """A file of the records of each name, which grows as a kept world does."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = (kept or Path(temporary)) / "logs"
        directory.mkdir(exist_ok=True)
        lines: dict[str, list[str]] = {"usual": []}
        for each in events:
            record = dict(each)
            lines.setdefault(record.pop("file", "usual"), []).append(json.dumps(record) + "\n")
        for name, some in lines.items():
            (directory / f"{name}.jsonl").write_text("".join(some), encoding="utf-8")
        source = Lines(directory)
        workspace = Workspace(kept and kept / "cache", writable=kept is not None)
        with DuckDBTimeline(
            [(source, source.listing())], signals, first, last, baseline, workspace
        ) as timeline:
            yield timeline


# --- how it is asked -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """A timeline, and its answers as of the window that ends at ``end``."""

    timeline: Timeline
    snapshot: Snapshot
    window: Interval

    def longer(self, hours: float | None) -> Interval:
        if hours is None:
            return self.window
        return Interval(self.window.end - timedelta(hours=hours), self.window.end)

    def readings(
        self, signal: Signal, hours: float | None = None, *, history: bool = True
    ) -> dict[str, Reading]:
        readings = self.snapshot.counts(
            signal, self.longer(hours), history=(lambda _: True) if history else None
        )
        return {reading.subject: reading for reading in readings}

    def counts(self, signal: Signal, hours: float | None = None) -> dict[str, Counts]:
        readings = self.readings(signal, hours, history=False)
        return {subject: reading.now for subject, reading in readings.items()}

    def shares(self, signal: Signal, hours: float | None = None) -> dict[str, tuple[int, int]]:
        """How many are the population and how many of it count, by subject."""
        return {name: (now.n, now.k) for name, now in self.counts(signal, hours).items()}

    def values(
        self, signal: Signal, hours: float | None = None, *, least: int = 0
    ) -> dict[str, DistributionReading]:
        readings = self.snapshot.distribution(signal, self.longer(hours), least=least)
        return {reading.subject: reading for reading in readings}

    def examples(
        self, signal: Signal, subject: str, most: int = 9, *, beyond: float | None = None
    ) -> Examples:
        return self.snapshot.examples(signal, subject, self.window, most, beyond=beyond)


@dataclass(frozen=True)
class Engine:
    """``joins``: it is given records, and makes events of them, instead of whole events."""

    name: str
    open: Opener
    joins: bool

    @contextmanager
    def timeline(
        self,
        *events: Event,
        signals: Sequence[Signal] = SIGNALS,
        first: datetime = END,
        end: datetime = END,
        minutes: float = 60,
        baseline: timedelta = WEEK,
        kept: Path | None = None,
    ) -> Iterator[Timeline]:
        """A timeline of a world, for windows that end from ``first`` to ``end``."""
        length = timedelta(minutes=minutes)
        windows = Interval(first - length, first), Interval(end - length, end)
        with self.open(events, signals, *windows, baseline, kept) as timeline:
            yield timeline

    @contextmanager
    def asked(
        self, *events: Event, end: datetime = END, minutes: float = 60, **how: Any
    ) -> Iterator[Answers]:
        """The answers as of one window of a world."""
        window = Interval(end - timedelta(minutes=minutes), end)
        with self.timeline(*events, first=end, end=end, minutes=minutes, **how) as timeline:
            yield Answers(timeline, timeline.at(window), window)

    @contextmanager
    def each_asked(
        self, *worlds: Sequence[Event], apart: timedelta = timedelta(days=1), **how: Any
    ) -> Iterator[Iterator[Answers]]:
        """The answers about each of some worlds, one after the other. They lie in one timeline, so
        far apart that no question reaches from one to the next, and no conversation or trace is of
        two of them. To open a timeline takes most of the time of a small question."""
        minutes = how.setdefault("minutes", 60)
        told, windows = [], []
        for number, world in enumerate(worlds):
            back = number * apart
            windows.append(Interval(END - back - timedelta(minutes=minutes), END - back))
            told += [_moved(each, back, f"@{number}") for each in world]
        with self.timeline(*told, first=windows[-1].end, **how) as timeline:
            yield (Answers(timeline, timeline.at(window), window) for window in windows)


def _moved(told: Event, back: timedelta, suffix: str) -> Event:
    names = {
        key: f"{told[key]}{suffix}"
        for key in ("conv_id", "trace_id", "call_id")
        if told.get(key) is not None
    }
    return {**told, **names, "us": told["us"] - back // timedelta(microseconds=1)}


@dataclass(frozen=True)
class Rows:
    """A table of a ClickHouse whose rows are records, as they are."""

    name: str = "records"
    number: int = 1

    def counts(self, start_us: int, end_us: int) -> str:
        return counts(self.name, start_us, end_us)

    def context(self, ranges: Sequence[Range]) -> Sequence[Range]:
        return ranges

    def batches(
        self,
        connection: Connection,
        ranges: Sequence[Range],
        memory: dict[str, Any],
        *,
        is_again: bool,
    ) -> Iterator[Batch]:
        del memory
        rows = connection.rows(
            f"SELECT place, record FROM {self.name} WHERE {during(ranges)} ORDER BY place"
        )
        for place, told in rows:
            record = json.loads(told)
            keys = [record["key"]] if is_again and record.get("key") else []
            yield Batch([{**record, "place": place}], keys)

    def records(
        self, connection: Connection, places: Sequence[int], start_us: int, end_us: int
    ) -> Mapping[int, Sequence[Record]]:
        rows = connection.rows(
            f"SELECT place, record FROM {self.name} WHERE {between(start_us, end_us)}"
            f" AND place IN ({among(places)})"
        )
        return {place: [json.loads(told)] for place, told in rows}


class RowsTimeline(ClickHouseTimeline):
    def tables(self, connection: Connection) -> Sequence[Table]:
        del connection
        return [Rows()]


_numbers = itertools.count()


@contextmanager
def clickhouse_timeline(
    events: Sequence[Event],
    signals: Sequence[Signal],
    first: Interval,
    last: Interval,
    baseline: timedelta,
    kept: Path | None,
) -> Iterator[Timeline]:
    """A row for each record, whatever file it stands in. One that nothing names has a key, since a
    row may be read again."""
    database = Database("world" if kept is None else f"kept{next(_numbers)}")
    database.create(
        "CREATE TABLE {}.records (Timestamp DateTime64(6), place Int64, record String)"
        " ENGINE = MergeTree ORDER BY Timestamp"
    )
    rows = []
    for place, each in enumerate(events):
        record = {name: told for name, told in each.items() if name != "file"}
        named = {} if "id" in record else {"key": f"row:{place}"}
        rows.append((each["us"], place, json.dumps({**named, **record})))
    database.insert("records", rows, ("Timestamp", "place", "record"))
    workspace = Workspace(kept and kept / "cache", writable=kept is not None)
    connection = Connection(replace(database.address, database=database.name), PASSWORD)
    with RowsTimeline(connection, signals, first, last, baseline, workspace) as timeline:
        yield timeline


ENGINES = (
    Engine("duckdb", duckdb_timeline, joins=True),
    Engine("clickhouse", clickhouse_timeline, joins=True),
)

every_engine = pytest.mark.parametrize("engine", ENGINES, ids=[e.name for e in ENGINES])
_JOINING = [e for e in ENGINES if e.joins]
every_joining_engine = pytest.mark.parametrize("engine", _JOINING, ids=[e.name for e in _JOINING])
