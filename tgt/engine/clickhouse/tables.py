"""What a table is to whoever reads it, and the SQL that all of them have in common.

Attributes lie in maps or in JSON, as the Collector's exporter has been told; which it is says
DESCRIBE TABLE. Each text is read only as far as anybody looks into it. Names in statements are
constants or were checked when they were set, and what is of telemetry never stands in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tgt.engine.clickhouse.connection import Connection
from tgt.sources.base import Outcome, Record
from tgt.sources.otlp.attributes import NAMES, PACKED

MINUTE_US, _SECOND_US = 60_000_000, 1_000_000

LONGEST_TEXT, LONGEST_WORD, _LONGEST_OTHER = 65_536, 4_096, 256
_TEXTS = frozenset((*NAMES["arguments"], *NAMES["result"], *PACKED, "mlflow.spanInputs"))
_WORDS = frozenset(name for names in NAMES.values() for name in names) - _TEXTS
RESOURCE = ("service.version", "process.runtime.version", "session.id", "service.name")
"""What is looked at of the attributes of a resource."""

Range = tuple[int, int]
"""Minutes since the epoch, from one to before another."""


class Batch(NamedTuple):
    """What some rows that belong together come to; ``keys`` are those that records of these rows
    may have been given before, where any were."""

    outcomes: Iterable[Outcome]
    keys: Sequence[str] = ()


class Table(Protocol):
    """A table, of which each row belongs to the minute in which what it tells began."""

    @property
    def name(self) -> str: ...

    @property
    def number(self) -> int:
        """What its records carry as their file."""
        ...

    def counts(self, start_us: int, end_us: int) -> str:
        """SQL for rows (minute, how many rows, what tells the newest) of a time; the last is 0
        where no row replaces another."""
        ...

    def context(self, ranges: Sequence[Range]) -> Sequence[Range]:
        """The minutes of which rows are read with those of some minutes."""
        ...

    def batches(
        self,
        connection: Connection,
        ranges: Sequence[Range],
        memory: dict[str, Any],
        *,
        is_again: bool,
    ) -> Iterator[Batch]:
        """What the rows of some minutes come to. ``is_again``: some of them, or of those around,
        were read before. ``memory`` is JSON that the next reading is given."""
        ...

    def records(
        self, connection: Connection, places: Sequence[int], start_us: int, end_us: int
    ) -> Mapping[int, Sequence[Record]]:
        """The records at some places, which began in a time."""
        ...


@dataclass(frozen=True)
class Columns:
    """The columns of a table by name, with their types."""

    types: Mapping[str, str]

    def has(self, name: str) -> bool:
        return name in self.types

    def is_json(self, name: str) -> bool:
        return "JSON" in self.types.get(name, "")

    def or_empty(self, name: str) -> str:
        """SQL for a column that not all versions have."""
        return name if self.has(name) else "''"

    def names_in(self, column: str) -> str:
        """SQL for the names of attributes."""
        return f"JSONAllPaths({column})" if self.is_json(column) else f"mapKeys({column})"

    def value(self, column: str, name: str) -> str:
        """SQL for the value of one attribute as text; empty if there is none."""
        if self.is_json(column):
            quoted = ".".join(f"`{part}`" for part in name.split("."))
            return f"ifNull(toString({column}.{quoted}), '')"
        return f"{column}[{quoted_text(name)}]"

    def attributes(self, column: str) -> str:
        """SQL for all attributes, each as far as it is looked into; of JSON the text."""
        return f"toString({column})" if self.is_json(column) else cut(column)

    def lengths(self, column: str) -> str:
        """SQL for how long results are that are read in part."""
        if self.is_json(column):
            return "map()::Map(String, UInt64)"  # their whole text is read
        among = f"k IN ({listed(NAMES['result'])}) AND length(v) > {LONGEST_TEXT}"
        kept = f"mapFilter((k, v) -> {among}, {column})"
        return f"mapApply((k, v) -> (toString(k), length(v)), {kept})"

    def resource(self) -> str:
        """SQL for the values of RESOURCE."""
        values = (self.value("ResourceAttributes", name) for name in RESOURCE)
        return f"[{', '.join(values)}]"


def cut(attributes: str) -> str:
    """SQL for a map of attributes, each as far as it is looked into."""
    length = (
        f"multiIf(k IN ({listed(_TEXTS)}), {LONGEST_TEXT},"
        f" k IN ({listed(_WORDS)}), {LONGEST_WORD}, {_LONGEST_OTHER})"
    )
    return f"mapApply((k, v) -> (k, {bounded('v', length)}), {attributes})"


def bounded(text: str, length: int | str) -> str:
    """SQL for a text of so many bytes at most. What begins alike and is longer does not become the
    same."""
    short = f"concat(leftUTF8({text}, {length}), '…', hex(sipHash64({text})))"
    return f"if(length({text}) > {length}, {short}, {text})"


def between(start_us: int, end_us: int, column: str = "Timestamp") -> str:
    """SQL for a time, in the column by which tables are sorted and parted."""
    return (
        f"{column} >= fromUnixTimestamp64Micro({start_us})"
        f" AND {column} < fromUnixTimestamp64Micro({end_us})"
    )


def to_the_second(start_us: int, end_us: int, column: str) -> str:
    """SQL for no less than a time, in a column that has its seconds."""
    start, end = start_us // _SECOND_US, -(-end_us // _SECOND_US)
    return f"{column} >= toDateTime({start}) AND {column} <= toDateTime({end})"


def during(ranges: Sequence[Range], column: str = "Timestamp") -> str:
    """SQL for some minutes."""
    inside = " OR ".join(f"({between(a * MINUTE_US, b * MINUTE_US, column)})" for a, b in ranges)
    return f"({inside or 'false'})"


def counts(
    table: str,
    start_us: int,
    end_us: int,
    column: str = "Timestamp",
    *,
    newest: str = "0",
    also: str = "true",
) -> str:
    """As ``Table.counts``, of rows of which something else is true, too."""
    return (
        f"SELECT intDiv(toUnixTimestamp(toDateTime({column})), 60) AS minute, count(), {newest}"
        f" FROM {table} WHERE {between(start_us, end_us, column)} AND {also}"
        " GROUP BY minute ORDER BY minute"
    )


def among(places: Iterable[int]) -> str:
    """SQL for the inside of ``IN (…)`` with places."""
    return ", ".join(f"{int(each)}" for each in places) or "NULL"


def place(*columns: str) -> str:
    """SQL for where a row stands, so that it is found again."""
    return f"toInt64(bitShiftRight(cityHash64({', '.join(columns)}), 1))"


def widened(ranges: Sequence[Range], around: int) -> list[Range]:
    """Ranges with so many minutes around, as few as possible."""
    joined: list[Range] = []
    for start, end in sorted((start - around, end + around) for start, end in ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def quoted_text(word: str) -> str:
    """A constant as SQL."""
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def listed(words: Iterable[str]) -> str:
    """Constants as the inside of ``IN (…)``."""
    return ", ".join(map(quoted_text, sorted(words)))
