"""A look at telemetry without judgement: what happened, beside the same length of time before.

Useful from the first conversation on, when nothing can be judged yet; so it also says what could
be judged, what is missing for the rest, and when that will be there. It writes nothing anywhere.
Every text that came from telemetry is masked here, before any output sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from tgt.analyzers.base import Context
from tgt.analyzers.loops import MIN_CALLS, loops
from tgt.analyzers.outlook import EVERYTHING, Outlook, outlooks
from tgt.analyzers.registry import Chosen, chosen
from tgt.analyzers.signals import ABORTS, ERROR_HEAVY, LONG_WAIT, USAGE, long_waits
from tgt.config import Settings
from tgt.engine.protocol import Progress, Snapshot, Timeline
from tgt.engine.registry import Telemetry, open_timeline, telemetry_of
from tgt.engine.sequences import Run
from tgt.engine.summary import Summary
from tgt.events import Interval
from tgt.sources import registry
from tgt.sources.spec import CONTEXTLOG, Spec

MOST = 100
"""Of tools, models, error texts and so on at most so many are told, and how many are left."""
MOST_LOOKED_AT = 40
"""Of how many subjects an analyzer says how far it sees: those that are used most."""

_MOST_STEPS = 96
_STEPS = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 5, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1440, 2880, 10080, 40320)
)


@dataclass(frozen=True)
class Conversations:
    """How many had an event in the period; of those that were ``finished`` in it, how many were
    given up, kept their user waiting or were full of errors."""

    total: int = 0
    finished: int = 0
    aborted: int = 0
    long_wait: int = 0
    error_heavy: int = 0


@dataclass(frozen=True)
class Loop:
    """Calls in vain, one after another. ``kind`` is identical, failing or alternating (then
    ``partner`` is the other call)."""

    subject: str
    kind: str
    calls: int
    conv_id: str | None
    minutes: float
    tokens: float
    partner: str | None = None


@dataclass(frozen=True)
class Report:
    """``long_wait_s`` is how many seconds make a wait a long one. ``coverage`` is in the order of
    the analyzers. ``newest`` is when the last event was that there is, whatever its time."""

    sources: tuple[str, ...]
    summary: Summary
    conversations: Conversations
    conversations_before: Conversations
    long_wait_s: float
    loops: tuple[Loop, ...] = ()
    loops_left_out: int = 0
    loops_before: int = 0
    coverage: tuple[Outlook, ...] = ()
    warnings: tuple[str, ...] = ()
    newest: datetime | None = None

    @property
    def period(self) -> Interval:
        return self.summary.period

    @property
    def has_before(self) -> bool:
        """Whether there is anything to compare with."""
        return self.summary.total_before.events > 0


def report(
    settings: Settings, since: datetime, now: datetime, *, progress: Progress | None = None
) -> Report:
    """What happened in (since, now]. Raises TelemetryError if no telemetry can be read."""
    period = Interval(since, now)
    length = period.end - period.start
    baseline = max(length, timedelta(days=settings.baseline_days))
    # What runs have kept is enough unless the time before reaches further back than they do.
    usual = _window(settings, now).start - timedelta(days=settings.baseline_days)
    reach = min(since - length, usual) + baseline
    telemetry = telemetry_of(settings)
    analyzers = chosen(settings)
    with open_timeline(
        settings,
        telemetry,
        (*analyzers.signals, USAGE),
        Interval(reach, max(reach, now)),
        _window(settings, now),
        baseline=baseline,
        progress=progress,
        spills=True,
    ) as timeline:
        mask = cache(settings.masked)
        before = timeline.at(_window(settings, since))
        before_period, least = Interval(since - length, since), settings.option(MIN_CALLS)
        earlier = _conversations(settings, before, before_period)
        runs_before = loops(before.runs(before_period, least))
        snapshot = timeline.at(_window(settings, now))
        summary = timeline.summary(period, step_of(length), MOST)
        runs = loops(snapshot.runs(period, least))
        coverage, problems = _coverage(settings, analyzers, timeline, snapshot)
        return Report(
            sources=tuple(map(mask, _sources(settings, telemetry))),
            summary=_masked(summary, mask),
            conversations=replace(
                _conversations(settings, snapshot, period), total=summary.total.conversations
            ),
            conversations_before=replace(earlier, total=summary.total_before.conversations),
            long_wait_s=settings.option(LONG_WAIT),
            loops=tuple(_loops(timeline, runs[:MOST], mask)),
            loops_left_out=max(0, len(runs) - MOST),
            loops_before=len(runs_before),
            coverage=tuple(
                replace(each, subject=mask(each.subject), missing=mask(each.missing))
                for each in coverage
            ),
            warnings=tuple(
                dict.fromkeys(map(mask, (*telemetry.warnings, *timeline.warnings, *problems)))
            ),
            newest=snapshot.coverage.newest,
        )


def step_of(length: timedelta) -> timedelta:
    """The length of a step of charts: short, but there are not too many of them."""
    return next((step for step in _STEPS if length <= _MOST_STEPS * step), _STEPS[-1])


def _window(settings: Settings, end: datetime) -> Interval:
    return Interval(end - timedelta(minutes=settings.window_min), end)


def _sources(settings: Settings, telemetry: Telemetry) -> Iterator[str]:
    if telemetry.engine is not None:
        has_address = telemetry.engine.address is not None
        yield str(telemetry.engine) if has_address else telemetry.engine.kind
        return
    for spec in settings.source or registry.usual(settings.contextlog_dir):
        is_usual = spec == Spec(CONTEXTLOG)
        yield f"{spec}:{settings.contextlog_dir}" if is_usual else str(spec)


def _conversations(settings: Settings, snapshot: Snapshot, period: Interval) -> Conversations:
    """The conversations that were finished in a period, which ends with the snapshot's window."""
    signals = (ABORTS, long_waits(settings.option(LONG_WAIT)), ERROR_HEAVY)
    counts = [snapshot.counts(signal, period) for signal in signals]
    finished = [sum(reading.now.n for reading in readings) for readings in counts]
    bad = [sum(reading.now.k for reading in readings) for readings in counts]
    return Conversations(0, finished[0], *bad)


def _loops(timeline: Timeline, runs: Sequence[Run], mask: Callable[[str], str]) -> Iterator[Loop]:
    """The runs with the ids of their conversations, as far as their files still tell them."""
    completed = timeline.complete([run.last for run in runs])
    for run, last in zip(runs, completed, strict=True):
        yield Loop(
            mask(run.subject),
            str(run.kind),
            run.calls,
            mask(last.conv_id) if last.conv_id else None,
            (run.last_us - run.first_us) / 60_000_000,
            run.tokens,
            mask(run.partner) if run.partner else None,
        )


def _masked(summary: Summary, mask: Callable[[str], str]) -> Summary:
    return replace(
        summary,
        subjects=tuple(replace(s, subject=mask(s.subject)) for s in summary.subjects),
        errors=tuple(
            replace(e, subject=mask(e.subject), text=mask(e.text)) for e in summary.errors
        ),
    )


def _coverage(
    settings: Settings, analyzers: Chosen, timeline: Timeline, snapshot: Snapshot
) -> tuple[list[Outlook], list[str]]:
    """The outlooks of all analyzers, each in isolation, and what failed."""
    needs = [need.where for analyzer in analyzers.analyzers for need in analyzer.needs]
    holds = timeline.inventory(needs).holds
    context = Context(settings, snapshot, snapshot.coverage.window)
    shown: list[Outlook] = []
    problems: list[str] = []
    for analyzer in analyzers.analyzers:
        try:
            shown += outlooks(analyzer, context, holds, MOST_LOOKED_AT)
        except Exception as failure:  # noqa: BLE001 a plug-in may raise anything
            reason = f"{type(failure).__name__}: {next(iter(str(failure).splitlines()), '')}"
            shown.append(Outlook(analyzer.name, EVERYTHING, missing=f"it failed: {reason}"))
            problems.append(f"analyzer {analyzer.name} failed: {reason}")
    return shown, problems
