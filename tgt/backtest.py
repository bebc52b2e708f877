"""What tgt would have done: the cycle replayed over history, with a ledger of its own in memory.

Every step is the cycle's own judgement and decision; only the reading is shared between the steps,
and nothing is written. Nobody triages in a back-test: a card stays open, and what it covers counts
as one problem, until the problem has been quiet for a day. Then the card is taken as completed
when the problem was last seen, so that the next incident shows as the same card coming back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tgt import completing, cycle, judging
from tgt.analyzers.registry import chosen
from tgt.config import Settings, varying
from tgt.engine.protocol import Progress, Snapshot, Timeline
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.errors import SettingsError
from tgt.events import Interval
from tgt.tasks import ledger
from tgt.tasks.card import Card, Finding, Status, format_time
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.state import SchedulerState

QUIET = timedelta(days=1)
"""How long a problem must not have been seen for its card to be taken as completed."""
MOST_RUNS = 100_000
_MEMORY_MB = 1024
_COMPARED = (timedelta(0), timedelta(days=1), timedelta(weeks=1))


@dataclass(frozen=True)
class Step:
    """One thing that would have happened to one problem."""

    at: datetime
    action: Action
    reason: str
    card: Card | None
    finding: Finding


@dataclass(frozen=True)
class Incident:
    """One problem from when its card would have been written, or come back, until it was last
    seen."""

    type: str
    subject: str
    start: datetime
    last: datetime
    severity: str
    confidence: float


@dataclass(frozen=True)
class Replay:
    """All steps but mere repetitions, the cards at the end, and counts over all runs.

    ``repeated`` counts findings of which there was nothing new to say: covered by an open card,
    or suppressed or deferred for the same reason as at the run before. A card that its problem
    has left for a day is ``completed`` among ``cards``.
    """

    settings: Settings
    since: datetime
    until: datetime
    runs: int = 0
    idle_runs: int = 0
    findings: int = 0
    filtered: int = 0
    repeated: int = 0
    steps: tuple[Step, ...] = ()
    cards: tuple[Card, ...] = ()
    incidents: tuple[Incident, ...] = ()
    warnings: tuple[str, ...] = ()

    def count(self, action: Action) -> int:
        return sum(1 for step in self.steps if step.action is action)

    @property
    def cards_a_week(self) -> float:
        """New cards and cards that came back, per seven days of the time replayed."""
        weeks = (self.until - self.since) / timedelta(weeks=1)
        return (self.count(Action.SAVE) + self.count(Action.REOPEN)) / weeks if weeks else 0.0

    @property
    def message(self) -> str:
        """The outcome in one line."""
        saved, back = self.count(Action.SAVE), self.count(Action.REOPEN)
        outcome = f"Back-test: {saved} task{'' if saved == 1 else 's'}"
        outcome += f", {back} reopened" if back else ""
        return f"{outcome}, in {self.runs} run{'' if self.runs == 1 else 's'}; nothing was written"


@dataclass(frozen=True)
class Moved:
    """One incident under two settings; None where those settings would not have shown it."""

    before: Incident | None
    after: Incident | None


def varied(settings: Mapping[str, str]) -> Mapping[str, str]:
    """The settings, if a back-test can vary all of them. Raises SettingsError."""
    accepted = varying()
    for name, value in settings.items():
        if name not in accepted:
            raise SettingsError(
                f"--set {name}={value} is not usable: accepted are {', '.join(accepted)}"
            )
    return settings


def instants(since: datetime, until: datetime, every: timedelta) -> tuple[datetime, ...]:
    """The times of the runs: ``since`` + every, + twice every, ... up to ``until``.

    Raises SettingsError if they are more than anybody can wait for.
    """
    if (until - since) / every > MOST_RUNS:
        raise SettingsError(
            f"a back-test of more than {MOST_RUNS:,} runs is refused",
            hint="choose a later --since or a longer --every",
        )
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
    """Replay all runs in (since, until] under each of the settings, which agree in where telemetry
    lies.

    Those with the same window and length of baseline share one reading. Raises TelemetryError.
    """
    times = instants(since, until, every)
    runs = [_Run(settings, since, until) for settings in variants]
    together: dict[tuple[int, int], list[_Run]] = {}
    for run in runs:
        key = (run.settings.window_min, run.settings.baseline_days)
        together.setdefault(key, []).append(run)
    for index, group in enumerate(together.values()):
        _replay(group, times, every, _part(progress, index, len(together)))
    return tuple(run.result() for run in runs)


def _part(progress: Progress | None, index: int, parts: int) -> Progress | None:
    """The progress of one of several equal parts, as progress of the whole."""
    if progress is None:
        return None

    def show(name: str, share: float | None) -> None:
        progress(name, None if share is None else (index + share) / parts)

    return show


def _replay(
    runs: Sequence[_Run],
    times: Sequence[datetime],
    every: timedelta,
    progress: Progress | None,
) -> None:
    if not times:
        return
    settings = runs[0].settings
    telemetry = telemetry_of(settings)
    signals = {signal: None for run in runs for signal in chosen(run.settings).signals}
    with open_timeline(
        settings,
        telemetry,
        tuple(signals),
        judging.window_of(settings, times[0]),
        judging.window_of(settings, times[-1]),
        memory_mb=_MEMORY_MB,
        every=every,
        progress=progress,
    ) as timeline:
        for run in runs:
            run.warn((*telemetry.warnings, *timeline.warnings))
        for index, now in enumerate(times):
            if progress:
                progress("replaying", index / len(times))
            window = judging.window_of(settings, now)
            snapshot = None if _is_quiet(timeline, window) else timeline.at(window)
            for run in runs:
                run.step(timeline, snapshot, now)


def _is_quiet(timeline: Timeline, window: Interval) -> bool:
    """Whether nothing can be found as of a window: it has no event, and had none at the same time
    of the day and of the week before, so that this is no silence."""
    return all(
        timeline.is_idle(Interval(window.start - back, window.end - back)) for back in _COMPARED
    )


class _Run:
    """The memory of one replay: its cards, its scheduler state, and what happened."""

    def __init__(self, settings: Settings, since: datetime, until: datetime) -> None:
        # Nobody has decided anything there, neither for nor against the cards of an analyzer.
        self.settings = settings.model_copy(update={"reputation": False, "auto_approve": 0})
        self._cards: dict[str, Card] = {}
        self._state = SchedulerState()
        self._steps: list[Step] = []
        self._incidents: list[Incident] = []
        self._current: dict[str, Incident] = {}
        self._said: dict[str, tuple[Action, str]] = {}
        self._warnings: dict[str, None] = {}
        self._totals = Replay(settings, since, until)

    def warn(self, warnings: Iterable[str]) -> None:
        self._warnings.update(dict.fromkeys(warnings))

    def step(self, timeline: Timeline, snapshot: Snapshot | None, now: datetime) -> None:
        """One run; without a snapshot there was nothing to be seen."""
        self._complete_what_is_quiet(now)
        totals = replace(self._totals, runs=self._totals.runs + 1)
        if snapshot is None:
            self._totals = replace(totals, idle_runs=totals.idle_runs + 1)
            self._said = {}
            return
        incidents = judging.incidents_of(self._each_card, self.settings, self._state, now)
        judged = judging.judge(self.settings, snapshot, incidents, self._state.analyzers)
        if not snapshot.coverage.events and not judged.sure:
            self._totals = replace(totals, idle_runs=totals.idle_runs + 1)
            self._said = {}
            return
        judged = completing.completed(
            self.settings, timeline, judged, self._cards, self._state, now
        )
        decisions = completing.decide(self.settings, judged, self._cards, self._state, now)
        before, self._said = self._said, {}
        repeated = sum(1 for decision in decisions if self._take(decision, now, before))
        self._state = cycle.seen(self._state, judged, decisions, self._cards, now, measures=False)
        self._warnings.update(dict.fromkeys(judged.warnings))
        self._totals = replace(
            totals,
            findings=totals.findings + len(judged.findings),
            filtered=totals.filtered + len(judged.sure),
            repeated=totals.repeated + repeated,
        )

    def _each_card(self, take: Callable[[Card], None]) -> None:
        for card in self._cards.values():
            take(card)

    def _take(
        self, decision: Decision, now: datetime, before: Mapping[str, tuple[Action, str]]
    ) -> bool:
        """Do what was decided; returns whether it was a mere repetition."""
        card = ledger.apply(decision, now)
        if card is not None:
            self._cards[card.id] = card
        finding, action = decision.finding, decision.action
        key, decided = finding.fingerprint, (action, decision.reason)
        if action in {Action.SAVE, Action.REOPEN}:
            facts = (str(finding.type), finding.subject, now, now, str(finding.severity))
            self._current[key] = Incident(*facts, finding.confidence)
        elif action in {Action.TOUCH, Action.RENEW} and key in self._current:
            self._current[key] = replace(self._current[key], last=now)
        self._said[key] = decided
        held_back = action in {Action.SUPPRESS, Action.DEFER}
        if action is Action.TOUCH or (held_back and before.get(key) == decided):
            return True
        self._steps.append(Step(now, action, decision.reason, card or decision.card, finding))
        return False

    def _complete_what_is_quiet(self, now: datetime) -> None:
        shown = ledger.overlay(self._cards, self._state.sightings)
        for card in shown.values():
            last = card.time("lastSeenAt")
            if card.is_open and last is not None and now - last >= QUIET:
                stamp = format_time(last)
                self._cards[card.id] = card.changed(
                    status=str(Status.COMPLETED), completedAt=stamp, updatedAt=stamp
                )
                if (over := self._current.pop(card.fingerprint, None)) is not None:
                    self._incidents.append(over)

    def result(self) -> Replay:
        shown = ledger.overlay(self._cards, self._state.sightings)
        incidents = sorted(
            [*self._incidents, *self._current.values()],
            key=lambda i: (i.start, i.type, i.subject),
        )
        return replace(
            self._totals,
            steps=tuple(self._steps),
            cards=tuple(shown.values()),
            incidents=tuple(incidents),
            warnings=tuple(self._warnings),
        )


def compare(before: Replay, after: Replay) -> tuple[Moved, ...]:
    """The incidents that differ: gained, lost, or beginning at another time.

    Two incidents of one problem are the same if less than a day lies between them, since that
    is how a problem stays one. Several of one side may be one of the other.
    """
    moved: list[Moved] = []
    matched: set[int] = set()
    for old in before.incidents:
        same = [new for new in after.incidents if _is_same(old, new)]
        free = [new for new in same if id(new) not in matched]
        if free:
            matched.add(id(free[0]))
            if free[0].start != old.start:
                moved.append(Moved(old, free[0]))
        elif not same:
            moved.append(Moved(old, None))
    moved += [
        Moved(None, new)
        for new in after.incidents
        if not any(_is_same(old, new) for old in before.incidents)
    ]
    return tuple(sorted(moved, key=_order))


def _is_same(one: Incident, other: Incident) -> bool:
    return (
        (one.type, one.subject) == (other.type, other.subject)
        and one.start - other.last < QUIET
        and other.start - one.last < QUIET
    )


def _order(moved: Moved) -> tuple[datetime, str, str]:
    card = moved.after or moved.before
    if card is None:
        raise ValueError("an incident of neither side")
    return card.start, card.type, card.subject
