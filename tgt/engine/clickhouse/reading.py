"""What is new in the tables of a ClickHouse, as records for the event store.

A table has no order in which rows come, so it is asked how many began in each minute of the last
hours, and minutes of which the number is another one than before are read, with the traces that
they are of. What was read of those earlier is forgotten first, so that a row counts once, however
often it is read. Minutes that are longer ago than LATE are counted again once in as long, and read
where there is more in them: what a server no longer keeps stays known here. How many rows there
were, and nothing of them, is remembered.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from tgt.engine.clickhouse import shaped
from tgt.engine.clickhouse.connection import Connection
from tgt.engine.clickhouse.spans import SpanTable, outcomes_of
from tgt.engine.clickhouse.tables import MINUTE_US, Batch, Range, Table, widened
from tgt.engine.duckdb.correlate import Correlator
from tgt.engine.duckdb.ingest import STAGED, Ingest, Memory, RecordFile
from tgt.engine.duckdb.manifest import COLUMNS, Known, known_of
from tgt.engine.duckdb.store import Store
from tgt.sources.base import PassedOver, Reason
from tgt.sources.macros import number_of

LATE = timedelta(hours=6)
"""Rows that come later than this after what they tell began are met within as long."""
AHEAD = timedelta(days=1)
"""Clocks of those who write may be ahead of ours by this."""

Met = tuple[int, int]
"""Of a minute how many rows there were, and what tells the newest where rows replace others."""

_STATE = "clickhouse"
_DAY_MINUTES, _LATE_MINUTES = 24 * 60, LATE // timedelta(minutes=1)
_MOST_MINUTES = 60
_FEW_ROWS, _MOST_ROWS = 50_000, 1_000_000
"""Of rows that are read together."""


@dataclass
class State:
    """What earlier runs have read: so many rows of each table in each minute. All minutes before
    ``sealed`` are over but for what comes late, for which they were counted when ``counted`` was
    the first that was not over. ``memory`` is what the reader of each table must know."""

    sealed: int
    counted: int = 0
    counts: dict[str, dict[int, Met]] = field(default_factory=dict)
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store, since: int) -> State:
        told = json.loads(store.meta(_STATE) or "null")
        if told is None:
            return cls(since)
        counts = {
            table: {
                int(m): (rows, newest) for m, (rows, newest) in minutes.items() if int(m) >= since
            }
            for table, minutes in told["counts"].items()
        }
        return cls(max(since, told["sealed"]), told["counted"], counts, told["memory"])

    def keep(self, store: Store) -> None:
        store.set_meta(_STATE, json.dumps(asdict(self)))

    @staticmethod
    def forget(store: Store) -> None:
        """As if nothing had ever been read."""
        store.set_meta(_STATE, "null")

    def is_due(self, over: int) -> bool:
        """Whether what is over is to be counted again."""
        return over - self.counted >= _LATE_MINUTES

    def seal(self, minute: int) -> None:
        """What began before a minute is over, but for what comes late."""
        self.sealed = max(self.sealed, minute)

    def is_new(self, table: str, minute: int, met: Met) -> bool:
        """Whether there is in a minute what has not been read."""
        known = self.counts.get(table, {}).get(minute, (0, 0))
        if minute >= self.sealed:
            return known != met
        return met[0] > known[0] or met[1] > known[1]

    def has_met(self, table: str, ranges: Sequence[Range]) -> bool:
        """Whether anything of some minutes may have been read before."""
        return any(start < self.sealed for start, _ in ranges) or any(
            start <= minute < end for minute in self.counts.get(table, {}) for start, end in ranges
        )


@dataclass(frozen=True)
class Slice:
    """Minutes that are read together, in order, with how many rows each table has in them."""

    counts: Mapping[str, Mapping[int, Met]]

    @property
    def rows(self) -> int:
        return sum(rows for counts in self.counts.values() for rows, _ in counts.values())

    @property
    def last(self) -> int:
        return max(minute for counts in self.counts.values() for minute in counts)

    def ranges(self, table: str) -> Sequence[Range]:
        """The minutes of a table."""
        return widened([(minute, minute + 1) for minute in self.counts.get(table, {})], 0)


def planned(
    connection: Connection, tables: Sequence[Table], state: State, since: int, end: int
) -> list[Slice]:
    """What has to be read of the minutes from ``since`` to before ``end``; oldest first."""
    new: dict[int, dict[str, Met]] = {}
    for table in tables:
        # A day at a time, so that no query takes long however many days there are.
        for start in range(since, end, _DAY_MINUTES):
            stop = min(start + _DAY_MINUTES, end)
            for minute, *told in connection.run(table.counts(start * MINUTE_US, stop * MINUTE_US)):
                met = (told[0], told[1])
                if state.is_new(table.name, minute, met):
                    new.setdefault(minute, {})[table.name] = met
    slices: list[dict[int, dict[str, Met]]] = []
    rows, first = 0, 0
    for minute, counts in sorted(new.items()):
        many = sum(met[0] for met in counts.values())
        # Much that is read for the first time is read an hour at a time.
        is_long = rows >= _FEW_ROWS and minute - first >= _MOST_MINUTES
        if not slices or is_long or rows + many > _MOST_ROWS:
            slices.append({})
            rows, first = 0, minute
        slices[-1][minute] = counts
        rows += many
    return [Slice(_by_table(each)) for each in slices]


def _by_table(minutes: Mapping[int, Mapping[str, Met]]) -> dict[str, dict[int, Met]]:
    by_table: dict[str, dict[int, Met]] = {}
    for minute, counts in minutes.items():
        for table, met in counts.items():
            by_table.setdefault(table, {})[minute] = met
    return by_table


class Intake(Ingest):
    """Brings the records of a slice into the store."""

    def __init__(
        self,
        store: Store,
        correlator: Correlator,
        since_us: int,
        connection: Connection,
        source: str,
    ) -> None:
        super().__init__(store, correlator, since_us)
        self._connection = connection
        self._source = source

    def read_slice(self, tables: Sequence[Table], piece: Slice, state: State) -> None:
        """Read the rows of some minutes, in place of what was read of them before."""
        for table in tables:
            ranges = piece.ranges(table.name)
            if isinstance(table, SpanTable) and ranges:
                self._read_spans(table, ranges, state)
            elif ranges:
                self._read_table(table, ranges, state)
        for name, counts in piece.counts.items():
            state.counts.setdefault(name, {}).update(counts)
        if "_reader" in self.__dict__:
            self._reader.close()
            del self.__dict__["_reader"]

    # --- spans, many at a time -------------------------------------------------------------------

    def _read_spans(self, table: SpanTable, ranges: Sequence[Range], state: State) -> None:
        context = table.context(ranges)
        first_us = context[0][0] * MINUTE_US
        told = _Told(table.number)
        with Memory() as memory:
            memory.write(self._connection.parquet(table.narrow(ranges)))
            # What is learnt after that are the shapes of these spans, and maybe others.
            learnt = shaped.Shapes.of(self._connection.rows(table.examples(ranges)))
            shaped.prepare(self._reader, memory.piece(0).path, learnt)
        try:
            told.passed_over, told.records, told.first_us, told.last_us = shaped.told(
                self._reader, learnt
            )
            left = shaped.left(self._reader)
            if state.has_met(table.name, context):
                with self._staged(shaped.KEYS) as keys:
                    self._correlator.forget_keys(keys, first_us)
            self._bring_shaped(table, learnt)
        finally:
            shaped.drop(self._reader)
        if left:
            with RecordFile() as records:
                for items, at in table.traces(self._connection, ranges, left):
                    self._add(Batch(outcomes_of(items, at)), told, records)
                    if records.is_full:
                        self._stage_records(records)
                self._stage_records(records)
        self._tell(table.name, told)

    def _bring_shaped(self, table: SpanTable, learnt: shaped.Shapes) -> None:
        """Bring in the records of the spans of shapes."""
        link = len(learnt.rows)
        with RecordFile() as records:
            us = max(self._since, *(record["us"] for record in learnt.records), 1)
            for record in learnt.records:
                records.add({**record, "us": max(us, record["us"])})
            records.add({"us": us, "place": link, "act": None})
            with self._translated(records) as templates:
                statement = f"{shaped.RECORDS} UNION ALL BY NAME {shaped.LINKS}"
                with self._staged(
                    f"SELECT 0 AS piece, {STAGED} FROM ({statement.format(templates=templates)})"
                    " WHERE us >= $since",
                    file=table.number,
                    link=link,
                    since=self._since,
                ) as staged:
                    self._correlator.absorb(staged)

    # --- rows one by one -------------------------------------------------------------------------

    def _read_table(self, table: Table, ranges: Sequence[Range], state: State) -> None:
        context = table.context(ranges)
        memory = state.memory.setdefault(table.name, {})
        told, keys = _Told(table.number), list[str]()
        batches = table.batches(
            self._connection, ranges, memory, is_again=state.has_met(table.name, context)
        )
        with RecordFile() as records:
            for batch in batches:
                self._add(batch, told, records)
                keys += batch.keys
                if records.is_full:
                    self._bring(records, keys, context[0][0] * MINUTE_US)
            self._bring(records, keys, context[0][0] * MINUTE_US)
        self._tell(table.name, told)

    def _add(self, batch: Batch, told: _Told, records: RecordFile) -> None:
        for outcome in batch.outcomes:
            if isinstance(outcome, PassedOver):
                told.passed_over[f"{outcome.reason}:{outcome.kind}"] += 1
                told.malformed += outcome.reason is Reason.MALFORMED
                continue
            us = outcome["us"]
            told.add(us)
            if us >= self._since:
                records.add({**outcome, "file": told.number})

    def _bring(self, records: RecordFile, keys: list[str], first_us: int) -> None:
        """Bring records in, in place of those with the keys, which are none of before a time."""
        if keys:
            self._db.table(
                "rereading",
                f"SELECT DISTINCT {number_of('key')} AS key"
                " FROM (SELECT unnest($keys::VARCHAR[]) AS key)",
                keys=keys,
            )
            self._correlator.forget_keys("rereading", first_us)
            self._db.drop("rereading")
            keys.clear()
        self._stage_records(records)

    def _tell(self, table: str, told: _Told) -> None:
        """Tell the manifest what was read of a table."""
        rows = self._db.run(
            f"SELECT {', '.join(COLUMNS)} FROM files WHERE file = $number", number=told.number
        )
        before = known_of(rows[0]) if rows else Known(told.number, self._source, table.encode())
        after = before.with_more(
            told.records, told.malformed, told.first_us, told.last_us, told.passed_over
        )
        self._write_manifest([replace(after, source=self._source, path=table.encode())])


@dataclass
class _Told:
    """What the rows of a table came to."""

    number: int
    records: int = 0
    malformed: int = 0
    first_us: int | None = None
    last_us: int | None = None
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(self, us: int) -> None:
        self.records += 1
        self.first_us = min(_there(self.first_us, us))
        self.last_us = max(_there(self.last_us, us))


def _there(*times: int | None) -> list[int]:
    return [us for us in times if us is not None]
