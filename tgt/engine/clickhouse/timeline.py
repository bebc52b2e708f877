"""Telemetry of a ClickHouse, brought up to date.

The server finds what is new, leaves out what no agent takes part in, and reduces the rest; what
comes of it is kept as narrow events in the event store of this machine, so that the server reads a
row once and not for each question. Whatever is asked of events is then asked there, in the same
way as of events from files. What samples say is read again from the server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tgt.engine.clickhouse.connection import Connection, QueryError
from tgt.engine.clickhouse.reading import AHEAD, LATE, Intake, State, planned
from tgt.engine.clickhouse.schemas import tables_of
from tgt.engine.clickhouse.tables import MINUTE_US, Table
from tgt.engine.duckdb.correlate import Correlator
from tgt.engine.duckdb.examples import Locator, locator_of
from tgt.engine.duckdb.store import Workspace
from tgt.engine.duckdb.texts import record_of, with_texts
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.engine.protocol import Progress, Signal
from tgt.events import HOUR_US, Interval, Sample, to_us
from tgt.sources.address import Address
from tgt.sources.base import Listing

_USUAL_ROWS = 20_000


@dataclass(frozen=True)
class Server:
    """In the place of a source: what the store is of."""

    address: Address
    kind: str = "clickhouse"

    @property
    def key(self) -> str:
        tables = f"{self.address.traces},{self.address.logs}"
        return f"{self.kind}:{self.address} ({tables})"

    def listing(self) -> Listing:
        """It has no files."""
        return Listing()


class ClickHouseTimeline(DuckDBTimeline):
    """As DuckDBTimeline, of the tables of a server. Raises TelemetryError where it cannot be read;
    what was read until then is kept."""

    def __init__(
        self,
        connection: Connection,
        signals: Iterable[Signal],
        first: Interval,
        last: Interval,
        baseline: timedelta,
        workspace: Workspace | None = None,
        progress: Progress | None = None,
        *,
        services: Sequence[tuple[str, str]] = (),
        every: timedelta | None = None,
    ) -> None:
        self._connection = connection
        self._server = Server(connection.address)
        self._tables: Sequence[Table] = ()
        super().__init__(
            [(self._server, self._server.listing())],
            signals,
            first,
            last,
            baseline,
            workspace,
            progress,
            services=services,
            every=every,
        )

    def tables(self, connection: Connection) -> Sequence[Table]:
        """What is read."""
        return tables_of(connection)

    def _update(self, since: int, last: Interval, progress: Progress | None) -> None:
        self._tables = self.tables(self._connection)
        if int(self.store.meta("since") or since) > since:
            State.forget(self.store)  # what lies before is needed now
        state = State.of(self.store, since // MINUTE_US)
        end = -(-to_us(last.end + AHEAD) // MINUTE_US)
        over = to_us(last.end - LATE) // MINUTE_US
        is_due = state.is_due(over)
        begin = since // MINUTE_US if is_due else state.sealed
        slices = planned(self._connection, self._tables, state, begin, end)
        rows = sum(piece.rows for piece in slices)
        self._is_usual = rows < _USUAL_ROWS and self._every is None
        read = 0
        for piece in slices or (None,):
            kept_since = self._begin(since)
            correlator = Correlator(self.store)
            has_folded = False
            if piece is not None:
                intake = Intake(self.store, correlator, since, self._connection, self._server.key)
                intake.read_slice(self._tables, piece, state)
                has_folded = intake.has_folded
                state.seal(min(over, piece.last + 1))
                read += piece.rows
                if progress:
                    progress("reading telemetry", read / rows)
            if piece is None or piece == slices[-1]:
                state.seal(over)
                state.counted = over if is_due else state.counted
            state.keep(self.store)
            self._settle(correlator, since, kept_since, last, has_folded=has_folded)

    def _close(self) -> None:
        super()._close()
        self._connection.close()

    # --- what samples say ------------------------------------------------------------------------

    def complete(self, samples: Sequence[Sample]) -> tuple[Sample, ...]:
        """The samples with what their rows say, as far as the server still has them."""
        completed = list(samples)
        by_hour: dict[tuple[int, int], list[int]] = {}
        for number, sample in enumerate(samples):
            if isinstance(sample.locator, Locator):
                hour = sample.locator.us // HOUR_US
                by_hour.setdefault((sample.locator.file, hour), []).append(number)
        for (file, hour), numbers in by_hour.items():
            some = [samples[number] for number in numbers]
            # The next run reads on; a card is written without the texts.
            with contextlib.suppress(QueryError):
                for number, sample in zip(numbers, self._completed(file, hour, some), strict=True):
                    completed[number] = sample
        return tuple(completed)

    def _completed(self, file: int, hour: int, samples: Sequence[Sample]) -> list[Sample]:
        table = next((table for table in self._tables if table.number == file), None)
        if table is None:
            return list(samples)
        places = list(dict.fromkeys(locator_of(sample).place for sample in samples))
        start, end = (hour - 1) * HOUR_US, (hour + 1) * HOUR_US
        records = table.records(self._connection, places, start, end)
        completed = []
        for sample in samples:
            record = record_of(records.get(locator_of(sample).place, ()), sample)
            completed.append(
                sample if record is None else with_texts(sample, table.name, record, None)
            )
        return completed
