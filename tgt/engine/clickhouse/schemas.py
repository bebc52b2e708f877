"""Which tables a database has, and in which of their layouts: the Collector's exporter has written
attributes as maps and as JSON, with and without the names of events.
"""

from __future__ import annotations

from collections.abc import Iterable

from tgt.engine.clickhouse import langfuse
from tgt.engine.clickhouse.connection import Connection, QueryError
from tgt.engine.clickhouse.logs import LogTable
from tgt.engine.clickhouse.spans import SpanTable
from tgt.engine.clickhouse.tables import Columns, Table
from tgt.errors import TelemetryError
from tgt.sources.address import Address

_OF_SPANS = ("Timestamp", "TraceId", "SpanAttributes", "Duration", "StatusCode")
_OF_LOGS = ("Timestamp", "Body", "LogAttributes", "ServiceName")


def tables_of(connection: Connection) -> tuple[Table, ...]:
    """The tables that there are. Raises TelemetryError if there is none that may be read."""
    address = connection.address
    failures: list[QueryError] = []
    if address.schema == "langfuse":
        return _langfuse(connection, failures)
    spans = _described(connection, address.traces, _OF_SPANS, failures)
    logs = _described(connection, address.logs, _OF_LOGS, failures)
    tables: list[Table] = []
    if spans:
        tables.append(SpanTable(address.traces, spans))
    if logs:
        tables.append(LogTable(address.logs, logs))
    if not tables and address.schema:
        raise failures[0]
    return tuple(tables) or _langfuse(connection, failures)


def _langfuse(connection: Connection, failures: list[QueryError]) -> tuple[Table, ...]:
    """Langfuse's table: of version 4 where there is one, else of version 3."""
    for name in (langfuse.EVENTS, langfuse.OBSERVATIONS):
        columns = _described(connection, name, langfuse.NEEDED, failures)
        if columns:
            return (langfuse.LangfuseTable(name, langfuse.LAYOUT, raw=columns),)
    raise failures[0]


def _described(
    connection: Connection, table: str, needed: Iterable[str], failures: list[QueryError]
) -> Columns | None:
    """The columns of a table; None where there is none, or not for this user."""
    try:
        columns = Columns({row[0]: row[1] for row in connection.run(f"DESCRIBE TABLE {table}")})
    except QueryError as failure:
        if not failure.is_about_the_table:
            raise
        failures.append(failure)
        return None
    missing = [name for name in needed if not columns.has(name)]
    if missing:
        raise _foreign(connection.address, table, missing[0])
    return columns


def _foreign(address: Address, table: str, missing: str) -> TelemetryError:
    return TelemetryError(
        f"{table} of {address} is no table that is understood: it has no {missing}",
        hint="name its tables by ?traces= and ?logs=, or what they are by ?schema=",
    )
