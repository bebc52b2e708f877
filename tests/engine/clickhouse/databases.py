"""Databases of an embedded ClickHouse (chDB), which is the real engine without a network, or of the
server that CLICKHOUSE_TEST_URL names, as in ``https://user@host:8443`` or, with an authority of its
own, ``https://user@host:8443?ca=FILE``; its password is in CLICKHOUSE_TEST_PASSWORD. What is made
there has names of its own, and is dropped at the end.

A process has one embedded engine, so all databases of a test process lie in one directory.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from engine.clickhouse.exporter import (
    LOG_COLUMNS,
    MAP,
    SPAN_COLUMNS,
    log_rows,
    logs_table,
    span_rows,
    traces_table,
)
from engine.clickhouse.server import configuration

from tgt.engine.clickhouse.connection import Connection
from tgt.engine.clickhouse.timeline import ClickHouseTimeline
from tgt.engine.duckdb.store import Workspace
from tgt.engine.protocol import Signal
from tgt.events import Interval
from tgt.sources.address import Address, address_of

SERVER = os.environ.get("CLICKHOUSE_TEST_URL", "").removeprefix("clickhouse:")
PASSWORD = os.environ.get("CLICKHOUSE_TEST_PASSWORD", "") if SERVER else ""
_HOUR = timedelta(hours=1)
_OWN = f"tgt_test_{secrets.token_hex(4)}_"


@cache
def directory() -> Path:
    """Of the embedded engine."""
    made = Path(tempfile.mkdtemp(prefix="tgt-chdb-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made / "engine"


@cache
def writer() -> Any:
    """A client that may write; while it is there the embedded engine does not start anew."""
    import clickhouse_connect

    if SERVER:
        address = _address(SERVER)
        return clickhouse_connect.get_client(
            interface=address.scheme,
            host=address.host,
            port=address.port,
            username=address.user,
            password=PASSWORD,
            ca_cert=address.ca or None,
            compress=False,
        )
    options = {"config-file": str(configuration(directory().parent))}
    return clickhouse_connect.get_client(
        interface="chdb", path=str(directory()), chdb_options=options
    )


def _address(written: str) -> Address:
    place, _, query = written.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return address_of(place, {name: value for name, _, value in pairs})


@cache
def _dropped_at_the_end(name: str) -> None:
    atexit.register(writer().command, f"DROP DATABASE IF EXISTS {name}")


class Database:
    """A database of its own, with empty tables of the exporter."""

    def __init__(self, name: str, attributes: str = MAP, *, events: bool = True) -> None:
        self.name = f"{_OWN}{name}" if SERVER else name
        self._attributes, self._events = attributes, events

    @property
    def source(self) -> str:
        """As TASKGEN_SOURCE names it."""
        place = SERVER or f"chdb://{directory()}"
        return f"clickhouse:{place}{'&' if '?' in place else '?'}database={self.name}"

    @property
    def address(self) -> Address:
        return _address(self.source.removeprefix("clickhouse:"))

    def connection(self, **how: Any) -> Connection:
        return Connection(self.address, PASSWORD, **how)

    def create(self, *tables: str) -> None:
        """Make it anew, with the exporter's tables or with others (``{}`` is its name)."""
        usual = (
            traces_table(f"{self.name}.otel_traces", self._attributes),
            logs_table(f"{self.name}.otel_logs", self._attributes, events=self._events),
        )
        if SERVER:
            _dropped_at_the_end(self.name)
        writer().command(f"DROP DATABASE IF EXISTS {self.name}")
        writer().command(f"CREATE DATABASE {self.name}")
        for statement in (table.format(self.name) for table in tables) if tables else usual:
            writer().command(statement)

    def insert(self, table: str, rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> int:
        some = list(rows)
        if some:
            writer().insert(f"{self.name}.{table}", some, column_names=columns)
        return len(some)

    def export(self, documents: Iterable[Mapping[str, Any]]) -> int:
        """Write requests of the protocol as the exporter does."""
        told = list(documents)
        columns = LOG_COLUMNS if self._events else LOG_COLUMNS[:-1]
        logs = (row[: len(columns)] for row in log_rows(told))
        spans = self.insert("otel_traces", span_rows(told), SPAN_COLUMNS)
        return spans + self.insert("otel_logs", logs, columns)

    @contextmanager
    def timeline(
        self,
        end: datetime,
        cache: Path | None = None,
        signals: Sequence[Signal] = (),
        baseline: timedelta = timedelta(days=7),
        **how: Any,
    ) -> Iterator[ClickHouseTimeline]:
        """A timeline for the hour before a time."""
        window = Interval(end - _HOUR, end)
        workspace = Workspace(cache, writable=cache is not None)
        with ClickHouseTimeline(
            self.connection(**how), signals, window, window, baseline, workspace
        ) as timeline:
            yield timeline


def protocol(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The requests of the protocol that lie in files, one a line; none if anything else does."""
    told: list[dict[str, Any]] = []
    for path in paths:
        for line in filter(str.strip, path.read_text("utf-8").splitlines()):
            try:
                document = json.loads(line)
            except ValueError:
                return []
            if not isinstance(document, dict) or not _REQUESTS & document.keys():
                return []
            told.append(document)
    return told


_REQUESTS = {"resourceSpans", "resourceLogs", "resourceMetrics"}
