"""From the settings to the engine that answers: DuckDB over files, or what a plug-in brings.

A source that is an engine of its own (``clickhouse:…``) is asked where it lies; all others are
files that the event store reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from tgt import plugins
from tgt.config import Settings
from tgt.engine.protocol import Progress, Signal, Timeline
from tgt.errors import SettingsError
from tgt.events import Interval
from tgt.sources.address import Address
from tgt.sources.base import Listed
from tgt.sources.registry import listed_sources, open_sources
from tgt.sources.spec import CLICKHOUSE, KINDS, Spec


@dataclass(frozen=True)
class Telemetry:
    """What the settings name: files that were listed, or a place that is an engine of its own."""

    listed: tuple[Listed, ...] = ()
    engine: Spec | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def files(self) -> int:
        """How many there are."""
        return sum(len(listing.files) for _, listing in self.listed)

    @property
    def last_written(self) -> datetime | None:
        """When the newest file was written."""
        files = (file.modified_ns for _, listing in self.listed for file in listing.files)
        newest = max(files, default=None)
        return None if newest is None else datetime.fromtimestamp(newest / 1e9, timezone.utc)

    def may_reach(self, start: datetime) -> bool:
        """Whether there may be an event after a time."""
        files = (file for _, listing in self.listed for file in listing.files)
        return self.engine is not None or any(file.may_reach(start) for file in files)


def telemetry_of(settings: Settings) -> Telemetry:
    """Where the settings say that telemetry lies. Raises SettingsError for a bad mapping file and
    TelemetryError if no place can be read or recognised."""
    engine = engine_among(settings.source)
    if engine is None:
        listed, warnings = listed_sources(open_sources(settings.source, settings.contextlog_dir))
        return Telemetry(listed, warnings=warnings)
    return Telemetry(engine=engine)


def engine_among(specs: Sequence[Spec]) -> Spec | None:
    """What answers for itself, if anything does. Raises SettingsError where it is not alone."""
    engine = next(filter(is_engine, specs), None)
    if engine is not None and len(specs) > 1:
        raise SettingsError(
            f"TASKGEN_SOURCE={','.join(map(str, specs))!r} is not usable:"
            f" {engine.kind} stands alone, since it answers for itself"
        )
    return engine


def tables(settings: Settings, address: Address) -> tuple[str, ...]:
    """What would be read of a server. Raises TelemetryError if it cannot be."""
    from tgt.engine.clickhouse.connection import Connection
    from tgt.engine.clickhouse.schemas import tables_of

    with Connection(address, settings.clickhouse_password.text) as connection:
        return tuple(table.name for table in tables_of(connection))


def is_engine(spec: Spec) -> bool:
    """Whether what is named answers for itself."""
    is_known = spec.kind in KINDS
    return spec.kind == CLICKHOUSE or (not is_known and spec.kind in plugins.names(plugins.ENGINES))


def open_timeline(
    settings: Settings,
    telemetry: Telemetry,
    signals: Sequence[Signal],
    first: Interval,
    last: Interval | None = None,
    *,
    writable: bool = False,
    memory_mb: int | None = None,
    baseline: timedelta | None = None,
    progress: Progress | None = None,
    spills: bool = False,
    every: timedelta | None = None,
) -> Timeline:
    """Telemetry brought up to date for the windows from ``first`` to ``last``, of which ``every``
    so often one will be asked for.

    Without ``writable`` nothing is written anywhere; but with ``spills`` what does not fit into
    memory lies among the system's temporary files for as long as it is needed. Raises
    TelemetryError.
    """
    days = timedelta(days=settings.baseline_days) if baseline is None else baseline
    # Importing the engine costs as much as the rest of a small command.
    from tgt.engine.duckdb.store import Workspace

    memory = settings.memory_mb if memory_mb is None else memory_mb
    cache = settings.tasks_dir / "cache"
    workspace = Workspace(cache, writable=writable, memory_mb=memory, spills=spills)
    asked = (signals, first, last or first, days, workspace, progress)
    if telemetry.engine is None:
        from tgt.engine.duckdb.timeline import DuckDBTimeline

        listed = telemetry.listed
        return DuckDBTimeline(listed, *asked, services=settings.services, every=every)
    if telemetry.engine.address is not None:
        from tgt.engine.clickhouse.connection import Connection
        from tgt.engine.clickhouse.timeline import ClickHouseTimeline

        connection = Connection(telemetry.engine.address, settings.clickhouse_password.text)
        return ClickHouseTimeline(connection, *asked, services=settings.services, every=every)
    opened: Timeline = plugins.call(
        plugins.ENGINES, telemetry.engine.kind, telemetry.engine, *asked
    )
    return opened
