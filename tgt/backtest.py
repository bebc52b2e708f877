"""What tgt would have done: the cycle replayed over history, with a ledger of its own in memory.

Every step is the cycle's own judgement and decision; only the reading is shared between the steps,
and nothing is written. Nobody triages in a back-test: a card stays open, and what it covers counts
as one problem until it has been quiet for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tgt import cycle, ledger
from tgt.cards import Card, Finding
from tgt.config import Settings
from tgt.report import Action
from tgt.sidecar import SchedulerState
from tgt.telemetry.signals import Engine

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Step:
    """One thing that would have happened to one card."""

    at: datetime
    action: Action
    reason: str
    card: Card | None
    finding: Finding


@dataclass(frozen=True)
class Replay:
    """All steps but mere repetitions, the cards at the end, and counts over all runs."""

    settings: Settings
    since: datetime
    until: datetime
    runs: int
    idle_runs: int
    findings: int
    filtered: int
    repeated: int
    steps: tuple[Step, ...]
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Moved:
    """One problem under both settings: when its card would have been written, None if never."""

    type: str
    subject: str
    before: datetime | None
    after: datetime | None


def instants(since: datetime, until: datetime, every: timedelta) -> tuple[datetime, ...]:
    """The times of the runs: ``since`` + every, + 2 × every, ... up to ``until``."""
    return tuple(_instants(since, until, every))


def _instants(since: datetime, until: datetime, every: timedelta) -> Iterator[datetime]:
    moment = since + every
    while moment <= until:
        yield moment
        moment += every


def replay(
    variants: Sequence[Settings],
    since: datetime,
    until: datetime,
    every: timedelta,
    progress: Progress | None = None,
) -> tuple[Replay, ...]:
    """Replay all runs in (since, until] under each of the settings.

    The settings must agree in where telemetry lies, in the window and in the baseline's length.
    Raises TelemetryError.
    """
    from tgt.telemetry.duckdb_engine import DuckDBEngine, Workspace  # noqa: PLC0415

    first = variants[0]
    times = instants(since, until, every)
    baseline = timedelta(days=first.baseline_days)
    runs = [_Run(settings, since, until) for settings in variants]
    if not times:
        return tuple(run.result() for run in runs)
    workspace = Workspace(first.tasks_dir / "cache", writable=False, memory_mb=1024)
    with DuckDBEngine(workspace) as engine:
        engine.read(
            cycle.sources_of(first),
            cycle.window_of(first, times[0]),
            cycle.window_of(first, times[-1]),
            baseline,
            previews=False,
            progress=progress,
        )
        for index, now in enumerate(times):
            if progress:
                progress("replaying", index / len(times))
            telemetry = engine.at(cycle.window_of(first, now), baseline)
            for run in runs:
                run.step(engine, now, idle=telemetry.events == 0)
    return tuple(run.result() for run in runs)


class _Run:
    """The memory of one replay: its cards, its scheduler state, and what happened."""

    def __init__(self, settings: Settings, since: datetime, until: datetime) -> None:
        self._settings = settings
        self._cards: dict[str, Card] = {}
        self._state = SchedulerState()
        self._steps: list[Step] = []
        self._totals = Replay(settings, since, until, 0, 0, 0, 0, 0, (), ())

    def step(self, engine: Engine, now: datetime, *, idle: bool) -> None:
        totals = replace(self._totals, runs=self._totals.runs + 1)
        if idle:
            self._totals = replace(totals, idle_runs=totals.idle_runs + 1)
            return
        shown = ledger.overlay(self._cards, self._state.sightings)
        judged = cycle.judge(self._settings, engine, shown, self._state.analyzers)
        decisions = cycle.decide(self._settings, judged, self._cards, self._state, now)
        for decision in decisions:
            card = ledger.apply(decision, now)
            if card is not None:
                self._cards[card.id] = card
            if decision.action is not Action.TOUCH:
                self._steps.append(
                    Step(
                        now,
                        decision.action,
                        decision.reason,
                        card or decision.card,
                        decision.finding,
                    )
                )
        self._state = cycle.seen(self._state, judged, decisions, self._cards, now)
        self._totals = replace(
            totals,
            findings=totals.findings + len(judged.findings),
            filtered=totals.filtered + len(judged.sure),
            repeated=totals.repeated + sum(1 for d in decisions if d.action is Action.TOUCH),
        )

    def result(self) -> Replay:
        shown = ledger.overlay(self._cards, self._state.sightings)
        return replace(self._totals, steps=tuple(self._steps), cards=tuple(shown.values()))


def compare(before: Replay, after: Replay) -> tuple[Moved, ...]:
    """Problems whose first card differs: gained, lost or moved in time."""
    first, second = _first_saved(before), _first_saved(after)
    moved = [
        Moved(*key, first.get(key), second.get(key))
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]
    return tuple(moved)


def _first_saved(run: Replay) -> dict[tuple[str, str], datetime]:
    saved: dict[tuple[str, str], datetime] = {}
    for step in run.steps:
        if step.action is Action.SAVE:
            saved.setdefault((str(step.finding.type), step.finding.subject), step.at)
    return saved
