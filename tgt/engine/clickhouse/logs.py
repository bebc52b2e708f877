"""Log events of agents. In a table nobody knows which of them came in one batch, so what is told
twice, at the same time and in the same words, is one event that was exported again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tgt.engine.clickhouse.connection import Connection
from tgt.engine.clickhouse.rows import log_item
from tgt.engine.clickhouse.tables import (
    LONGEST_WORD,
    MINUTE_US,
    Batch,
    Columns,
    Range,
    among,
    between,
    counts,
    during,
    listed,
    place,
    to_the_second,
)
from tgt.sources.base import Outcome, Record
from tgt.sources.otlp.log_events import told_names
from tgt.sources.otlp.reader import OtlpReader
from tgt.sources.reading import guarded

_SORTED_BY = "TimestampTime"
"""What many versions of the exporter have part and sort the table, instead of ``Timestamp``."""


@dataclass(frozen=True)
class LogTable:
    """The exporter's table of log records."""

    name: str
    columns: Columns
    number: int = 2

    def counts(self, start_us: int, end_us: int) -> str:
        return counts(self.name, start_us, end_us, also=self._near(start_us, end_us))

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
        reader = OtlpReader(memory)
        for row in connection.rows(self.rows(ranges)):
            yield _batch(_outcomes(reader, row), is_again=is_again)
        yield _batch(guarded(reader.finish, 0), is_again=is_again)
        # Which calls people were asked about is told before what came of them.
        memory["asked"] = dict(reader.state()["asked"])

    def records(
        self, connection: Connection, places: Sequence[int], start_us: int, end_us: int
    ) -> Mapping[int, Sequence[Record]]:
        found: dict[int, list[Record]] = {}
        for row in connection.rows(self.rows_of(places, start_us, end_us)):
            reader = OtlpReader()
            told = (*_outcomes(reader, row), *guarded(reader.finish, row[0]))
            found[row[0]] = [one for one in told if isinstance(one, dict)]
        return found

    # --- statements ------------------------------------------------------------------------------

    def rows(self, ranges: Sequence[Range]) -> str:
        """SQL for the events of some minutes, in their order."""
        near = self._near(ranges[0][0] * MINUTE_US, ranges[-1][1] * MINUTE_US)
        return (
            f"SELECT {self._selected()} FROM {self.name} WHERE {during(ranges)} AND {near}"
            f" AND {self._is_telling()} ORDER BY Timestamp, place"
        )

    def rows_of(self, places: Iterable[int], start_us: int, end_us: int) -> str:
        """SQL for the events with some places in a time."""
        return (
            f"SELECT {self._selected()} FROM {self.name}"
            f" WHERE {between(start_us, end_us)} AND {self._near(start_us, end_us)}"
            f" AND {self._is_telling()} AND place IN ({among(places)}) LIMIT 1 BY place"
        )

    def _near(self, start_us: int, end_us: int) -> str:
        """SQL by which the server finds a time where it has parted and sorted the table by it."""
        if not self.columns.has(_SORTED_BY):
            return "true"
        return to_the_second(start_us, end_us, _SORTED_BY)

    def _is_telling(self) -> str:
        """SQL for whether a log record is an event of an agent."""
        names, bare = told_names()
        is_claude = (
            f"startsWith({self.columns.or_empty('ScopeName')}, 'com.anthropic.claude_code')"
            " OR ServiceName = 'claude-code'"
        )
        return (
            f"({self._name()} IN ({listed(names)})"
            f" OR ({self._name()} IN ({listed(bare)}) AND ({is_claude})))"
        )

    def _name(self) -> str:
        """SQL for the name of an event, as ``tgt.sources.otlp.items`` has it."""
        told, event = self.columns.value("LogAttributes", "event.name"), self._event()
        return (
            f"multiIf(startsWith(Body, 'claude_code.'), Body, {told} <> '', {told},"
            f" {event} <> '' AND NOT startsWith({event}, 'event '), {event}, Body)"
        )

    def _event(self) -> str:
        return self.columns.or_empty("EventName")

    def _selected(self) -> str:
        """SQL for the columns of ``log_item`` behind the place."""
        columns = self.columns
        at = place("Timestamp", "TraceId", "SpanId", "Body", "toString(LogAttributes)")
        return (
            f"{at} AS place, toUnixTimestamp64Micro(toDateTime64(Timestamp, 9)), TraceId, SpanId,"
            f" ServiceName, {columns.or_empty('ScopeName')}, {self._event()}, SeverityNumber,"
            f" leftUTF8(Body, {LONGEST_WORD}), {columns.resource()},"
            f" {columns.attributes('LogAttributes')}, {columns.lengths('LogAttributes')}"
        )


def _outcomes(reader: OtlpReader, row: Sequence[Any]) -> Iterator[Outcome]:
    return guarded(partial(reader.take_items, [log_item(row[1:])], row[0], Counter()), row[0])


def _batch(outcomes: Iterable[Outcome], *, is_again: bool) -> Batch:
    some = list(outcomes)
    told = (one for one in some if isinstance(one, dict)) if is_again else ()
    return Batch(some, [one["key"] for one in told if one.get("key")])
