"""Spans of traces in which an agent takes part, whole traces at a time: one call may be told by
several spans, and which conversation they are of by one of them alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tgt.engine.clickhouse import shapes
from tgt.engine.clickhouse.connection import Connection
from tgt.engine.clickhouse.rows import span_item, with_asked
from tgt.engine.clickhouse.tables import (
    LONGEST_WORD,
    MINUTE_US,
    Batch,
    Columns,
    Range,
    among,
    between,
    counts,
    cut,
    during,
    listed,
    place,
    quoted_text,
    widened,
)
from tgt.sources.base import Outcome, Record
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.reader import OtlpReader
from tgt.sources.otlp.spans import SIGNS, Role, named_signs
from tgt.sources.reading import guarded

_AROUND_MINUTES = 15
"""Spans of one call begin within so many minutes of each other."""
_MOST_SPANS = 5_000
_MOST_PLACES = 1_000
"""Of more traces all are read, and those that are not wanted passed over."""
_TOLD = (Role.ANSWER, Role.EMBEDDING, Role.TOOL, Role.EXECUTION)
_IDENTIFIED = "TraceId <> '' AND SpanId <> ''"
_ONCE = "LIMIT 1 BY TraceId, SpanId"
_ORDER = f"ORDER BY TraceId, Timestamp, SpanId {_ONCE}"


@dataclass(frozen=True)
class SpanTable:
    """The exporter's table of spans."""

    name: str
    columns: Columns
    number: int = 1

    def counts(self, start_us: int, end_us: int) -> str:
        return counts(self.name, start_us, end_us)

    def context(self, ranges: Sequence[Range]) -> Sequence[Range]:
        return widened(ranges, _AROUND_MINUTES)

    def batches(
        self,
        connection: Connection,
        ranges: Sequence[Range],
        memory: dict[str, Any],
        *,
        is_again: bool,
    ) -> Iterator[Batch]:
        del memory  # a trace is read whole
        for at, items in _by_trace(connection.rows(self.rows(ranges))):
            yield Batch(outcomes_of(items, at), keys_of(items) if is_again else ())

    def records(
        self, connection: Connection, places: Sequence[int], start_us: int, end_us: int
    ) -> Mapping[int, Sequence[Record]]:
        rows = connection.rows(self.rows_of(places, start_us, end_us))
        found: dict[int, list[Record]] = {}
        for at, items in _by_trace(rows):
            told = (one for one in outcomes_of(items, at) if isinstance(one, dict))
            found.setdefault(at, []).extend(told)
        return found

    def traces(
        self, connection: Connection, ranges: Sequence[Range], wanted: Mapping[str, int]
    ) -> Iterator[tuple[list[Item], int]]:
        """The spans of some traces, by their ids with their places, that have one in some minutes,
        each with its place."""
        if len(wanted) > _MOST_PLACES:
            places = frozenset(wanted.values())
            rows = connection.rows(self.rows(ranges))
            yield from ((items, at) for at, items in _by_trace(rows) if at in places)
            return
        around = self.context(ranges)
        start, end = around[0][0] * MINUTE_US, around[-1][1] * MINUTE_US
        rows = connection.rows(self.rows_of(wanted.values(), start, end))
        yield from ((items, at) for at, items in _by_trace(rows))

    # --- statements ------------------------------------------------------------------------------

    def spans(self, start_us: int, end_us: int) -> str:
        """A FROM item with the spans that began in a time, and maybe others."""
        del start_us, end_us
        return self.name

    def _near(self, ranges: Sequence[Range]) -> str:
        around = self.context(ranges)
        return self.spans(around[0][0] * MINUTE_US, around[-1][1] * MINUTE_US)

    def rows(self, ranges: Sequence[Range]) -> str:
        """SQL for the spans of the traces that have one in some minutes; those of one trace follow
        each other in their order."""
        spans = self._near(ranges)
        return f"SELECT {self._selected()} FROM {spans} WHERE {self._among(ranges)} {_ORDER}"

    def rows_of(self, places: Iterable[int], start_us: int, end_us: int) -> str:
        """SQL for the spans of the traces with some places, which began in a time."""
        return (
            f"SELECT {self._selected()} FROM {self.spans(start_us, end_us)}"
            f" WHERE {between(start_us, end_us)} AND {_IDENTIFIED}"
            f" AND {place('TraceId')} IN ({among(places)}) {_ORDER}"
        )

    def narrow(self, ranges: Sequence[Range]) -> str:
        """SQL for what differs from span to span (``tgt.engine.clickhouse.shapes``)."""
        spans = shapes.read(self.columns, self._near(ranges), self._among(ranges))
        told = shapes.narrow(self.columns, self._is_telling())
        return f"SELECT {told} FROM ({spans}) {_ONCE}"

    def examples(self, ranges: Sequence[Range]) -> str:
        """SQL for a span of each shape: the shape, and the columns of ``span_item``."""
        spans = shapes.read(self.columns, self._near(ranges), self._among(ranges))
        shape = shapes.shape(self.columns, self._is_telling())
        return (
            f"SELECT {shape} AS shape, {self._selected()} FROM ({spans})"
            " WHERE shape <> 0 LIMIT 1 BY shape"
        )

    def _among(self, ranges: Sequence[Range]) -> str:
        """SQL for the spans of the traces that have one in some minutes, as far as they began near
        them."""
        return (
            f"{during(self.context(ranges))} AND {_IDENTIFIED} AND TraceId IN"
            f" (SELECT DISTINCT TraceId FROM {self._near(ranges)}"
            f" WHERE {during(ranges)} AND {_IDENTIFIED} AND {self._is_telling()})"
        )

    def _is_telling(self) -> str:
        """SQL for whether a span may tell a call or an answer."""
        names, beginnings = named_signs()
        begins = " OR ".join(f"startsWith(SpanName, {quoted_text(b)})" for b in beginnings)
        return (
            f"(hasAny({self.columns.names_in('SpanAttributes')}, [{listed(SIGNS)}])"
            f" OR SpanName IN ({listed(names)}) OR {begins})"
        )

    def _selected(self) -> str:
        """SQL for the columns of ``span_item`` behind the place."""
        columns = self.columns
        raised = "arrayFirst((a, n) -> n = 'exception', Events.Attributes, Events.Name)"
        is_json = columns.is_json("Events.Attributes")
        raised = f"toString({raised})" if is_json else cut(raised)
        return (
            f"{place('TraceId')}, toUnixTimestamp64Micro(Timestamp),"
            " intDiv(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration), 1000),"
            f" TraceId, SpanId, ParentSpanId, SpanName, ServiceName,"
            f" {columns.or_empty('ScopeName')}, StatusCode,"
            f" leftUTF8(StatusMessage, {LONGEST_WORD}), {columns.resource()},"
            f" {columns.attributes('SpanAttributes')}, {columns.lengths('SpanAttributes')},"
            f" has(Events.Name, 'exception'), {raised}"
        )


def outcomes_of(items: Sequence[Item], at: int) -> list[Outcome]:
    """What the spans of one trace come to."""
    reader = OtlpReader()
    taken = guarded(partial(reader.take_items, list(items), at), at)
    return with_asked((*taken, *guarded(reader.finish, at)), items)


def keys_of(items: Sequence[Item]) -> list[str]:
    """The keys that records of the spans of one trace may have had."""
    keys = [f"{role}:{item.trace}:{item.span}" for item in items for role in _TOLD]
    return [*keys, f"trace:{items[0].trace}"]


def _by_trace(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, list[Item]]]:
    """The items of rows that follow each other and are of one trace, by their place; of very large
    ones a part at a time."""
    at, items = 0, list[Item]()
    for row in rows:
        if items and (row[0] != at or len(items) >= _MOST_SPANS):
            yield at, items
            items = []
        at = row[0]
        items.append(span_item(row[1:]))
    if items:
        yield at, items
