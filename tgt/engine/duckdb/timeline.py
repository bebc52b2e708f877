"""Telemetry brought up to date, in the event store of one machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Self

import duckdb

from tgt.engine.duckdb import conversations, inventory, limits, rollups, texts
from tgt.engine.duckdb.correlate import Correlator
from tgt.engine.duckdb.database import Database, tells_damage
from tgt.engine.duckdb.history import MINUTE_US, Past
from tgt.engine.duckdb.ingest import Ingest
from tgt.engine.duckdb.queries import CUT, OBSERVED, DuckDBSnapshot
from tgt.engine.duckdb.store import Store, Workspace, code_key
from tgt.engine.duckdb.summary import summarized
from tgt.engine.duckdb.walk import Walk, ahead
from tgt.engine.protocol import Inventory, Of, Progress, Signal, signals_by_key
from tgt.engine.summary import Summary
from tgt.events import HOUR_US, Interval, Sample, to_us
from tgt.sources.base import Listed

_DAY_HOURS = 24
_LITTLE_BYTES = 8 * 1024 * 1024


class DuckDBTimeline:
    """Telemetry brought up to date in the event store. Use as a context manager.

    ``first`` and ``last`` are the windows that will be asked for, each with a baseline of
    ``baseline`` before it: one run has one window, so both are the same. A file that cannot be read
    is left out, and named in ``warnings``. ``services`` are names, each for those that match a
    glob. Where windows will follow one another, ``every`` says how soon: what is asked of one is
    then answered for some of those after it.
    """

    def __init__(
        self,
        sources: Sequence[Listed],
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
        self._listed = sources
        self._services = services
        self._sources = {source.key: source for source, _ in sources}
        self._baseline = baseline
        of_events = [s for s in signals_by_key(signals).values() if s.of is Of.EVENTS]
        self.signals = list(signals_by_key([OBSERVED, CUT, *of_events]).values())
        self.warnings: tuple[str, ...] = ()
        self._last = last
        self._every = every
        self._walk: Walk | None = None
        self._steps = 0
        since = to_us(first.start - baseline) // HOUR_US * HOUR_US
        workspace = workspace or Workspace()
        spaces = [workspace]
        if workspace.writable:
            # A cache that cannot be written costs the next run time, and this one no card.
            spaces.append(replace(workspace, directory=None, writable=False))
        for space in spaces:
            try:
                self._open(space, since, last, progress)
            except duckdb.Error as failure:
                self._close()
                # What fails at the end of a transaction is of a kind of its own.
                yields = tells_damage(failure) or isinstance(failure, duckdb.TransactionException)
                if space is spaces[-1] or not yields:
                    raise
            else:
                return

    def _open(
        self, workspace: Workspace, since: int, last: Interval, progress: Progress | None
    ) -> None:
        writes = workspace.directory if workspace.writable else None
        self._spill = limits.spill_directory(writes) if writes or workspace.spills else None
        self.database = Database(workspace.memory_mb, self._spill)
        try:
            names = ("=".join(pair) for pair in self._services)
            key = "\0".join((code_key(), *sorted(self._sources), *names))
            self.store = Store(self.database, workspace, key)
            self.store.services = self._services
            self.database.is_damaged = False  # what was damaged has been replaced
            self.past = Past(self.database)
            self._update(since, last, progress)
        except BaseException:
            self._close()
            raise

    def _update(self, since: int, last: Interval, progress: Progress | None) -> None:
        kept_since = self._begin(since)
        correlator = Correlator(self.store)
        ingest = Ingest(self.store, correlator, since, progress)
        ingest.read(self._listed)
        self._is_usual = ingest.bytes < _LITTLE_BYTES and self._every is None
        self.warnings = tuple(ingest.warnings)
        self._settle(correlator, since, kept_since, last, has_folded=ingest.has_folded)

    def _begin(self, since: int) -> int:
        """Begin to change the store; from when on it keeps events."""
        kept_since = int(self.store.meta("since") or since)
        if self.store.is_kept:
            self.database.run("BEGIN")
        if kept_since > since:
            self.store.clear()  # what lies before is needed now, and was not kept
            return since
        return kept_since

    def _settle(
        self,
        correlator: Correlator,
        since: int,
        kept_since: int,
        last: Interval,
        *,
        has_folded: bool,
    ) -> None:
        """Work out what follows from the records that came, and make all of it last."""
        store = self.store
        conversations.renew(store, correlator.first_us)
        sealed = to_us(last.end) // HOUR_US
        touched = correlator.hours
        if has_folded:
            touched = touched | rollups.busy_hours(store, 0, sealed)
        rollups.roll_up(store, self.signals, touched, sealed)
        if since - kept_since > _DAY_HOURS * HOUR_US:
            for table in ("events", "aside"):
                store.delete(table, f"us < {since}")
            store.delete("rollups", f"hour < {since // HOUR_US}")
            store.delete("conversations", f"last_us < {since}")
            kept_since = since
        store.set_meta("since", str(kept_since))
        if store.is_kept:
            self.database.run("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if hasattr(self, "database"):
            with contextlib.suppress(duckdb.Error):
                self.database.close()
            if self.database.is_damaged and hasattr(self, "store"):
                self.store.discard()
        if self._spill:
            limits.release(self._spill)

    def is_idle(self, window: Interval) -> bool:
        """Whether there is no event in this window, so that there is no need to answer for it."""
        start, end = to_us(window.start), to_us(window.end)
        if self._every is not None and start // MINUTE_US < end // MINUTE_US:
            return self.past.is_quiet(start, end)
        inside = f"us > {start} AND us <= {end}"
        return not self.database.run(
            f"SELECT 1 FROM events JOIN wordings USING (wording) WHERE {inside}"
            " AND act IS NOT NULL LIMIT 1"
        )

    def at(self, window: Interval) -> DuckDBSnapshot:
        """Answer as of the end of this window; later events are invisible."""
        self.past.comes_again = self._steps > 0 or self._every is not None
        if self._steps == 1 or self._is_usual:
            # From now on all is small, and several threads cost more than they are faster.
            self.database.run("SET threads = 1")
        self._steps += 1
        baseline = Interval(window.start - self._baseline, window.start)
        number = None if self._walk is None else self._walk.number(window)
        if self._walk is None or number is None:
            events = {} if self._every is None else self.past.events_by_hour
            spans = ahead(window, self._every, self._last, events, self.past.longest)
            self._walk, number = Walk(self.database, spans), 0
        return DuckDBSnapshot(
            *(self._walk, number, self.signals, self.past, baseline, self.warnings, self.complete)
        )

    def inventory(self, conditions: Sequence[str] = ()) -> Inventory:
        """What there is, and which conditions over canonical columns are true of any of it."""
        return inventory.inventory_of(self.database, conditions)

    def summary(self, period: Interval, step: timedelta, most: int) -> Summary:
        """What happened in a period and in the same length of time before it."""
        return summarized(self.database, period, step, most)

    def complete(self, samples: Sequence[Sample]) -> tuple[Sample, ...]:
        """The samples with what their records say, as far as their files still say it."""
        return texts.complete(self.database, self._sources, samples)
