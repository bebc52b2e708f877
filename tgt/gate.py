"""What a CI job asks: since a time, is something that bad new, and is there enough to tell?

It judges as a run does and writes nothing. A problem is new while no card covers it; that of a card
which a run has saved or reopened since then is new as well, unless somebody has dismissed or
completed it meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tgt import completing, judging, mutes
from tgt.analyzers.registry import chosen
from tgt.config import Settings
from tgt.durations import spelt
from tgt.engine.protocol import Progress
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.events import Interval
from tgt.judgeable import Verdict, nothing, too_little, verdicts
from tgt.outcome import Abstention
from tgt.store.journal import Journal
from tgt.store.state_file import Sidecar
from tgt.tasks import ledger
from tgt.tasks.card import (
    Card,
    Severity,
    finding_keys,
    format_time,
    parse_time,
    severity_rank,
)
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.mute import NOTHING, Mutes
from tgt.tasks.state import SchedulerState

_UNLIMITED = {"max_tasks": 1_000_000, "max_per_hour": 1_000_000, "analyzer_max_per_hour": ()}


class Outcome(StrEnum):
    """FAILED: something that bad is new, whatever else could not be judged. UNKNOWN: nothing is,
    and too little could be judged to say that all is well."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Change(StrEnum):
    """Why a problem is new: NEW has no card, BACK would reopen one, SAVED has one that a run has
    saved or reopened since."""

    NEW = "new"
    BACK = "back"
    SAVED = "saved"


@dataclass(frozen=True)
class Problem:
    """A problem that is new, as the card that it has or would have."""

    change: Change
    card: Card

    @property
    def rank(self) -> int:
        return severity_rank(self.card.severity)


@dataclass(frozen=True)
class Gate:
    """``problems`` are the new ones that are bad enough, best first; ``milder`` are new, too,
    ``covered`` have a card, and ``muted`` ones are to be quiet. ``missing`` says why too little
    could be judged, if so."""

    period: Interval
    fail_on: Severity
    events: int = 0
    malformed_lines: int = 0
    problems: tuple[Problem, ...] = ()
    milder: int = 0
    covered: int = 0
    muted: int = 0
    verdicts: tuple[Verdict, ...] = ()
    abstained: tuple[Abstention, ...] = ()
    missing: str = ""
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        if self.problems:
            return Outcome.FAILED
        return Outcome.UNKNOWN if self.missing else Outcome.PASSED


def gate(
    settings: Settings,
    now: datetime,
    fail_on: Severity,
    *,
    progress: Progress | None = None,
) -> Gate:
    """What is new in the settings' window that ends ``now``. Raises TelemetryError or StoreError
    if telemetry or cards cannot be read."""
    state, unusable = Sidecar(settings.tasks_dir).read(())
    # A gate stands alone: no quota holds anything back, and no analyzer is spared.
    alone = settings.model_copy(update=_UNLIMITED)
    memory = _Memory(alone, Journal(settings.tasks_dir), state, now)
    window, telemetry, analyzers = memory.window, telemetry_of(settings), chosen(settings)
    muted = mutes.if_readable(settings.tasks_dir, now)
    memory = replace(memory, mutes=muted.mutes)
    unusable = (*unusable, muted.warning) if muted.warning else unusable
    result = Gate(window, fail_on, warnings=telemetry.warnings, notices=unusable)
    if not telemetry.may_reach(window.start - timedelta(days=settings.baseline_days)):
        missing = _no_events(telemetry.last_written, now, "file was written")
        result = replace(result, verdicts=nothing(analyzers), missing=missing)
        return _with_problems(result, memory.problems((), memory.cards(frozenset())))
    incidents = judging.incidents_of(memory.journal.each, settings, state, now)
    with open_timeline(
        settings, telemetry, analyzers.signals, window, progress=progress
    ) as timeline:
        snapshot = timeline.at(window)
        judged = judging.judge(alone, snapshot, incidents, {}, progress)
        # Also what a card covers is told as it is now.
        judged = judging.worded(alone, judged, (), {}, now)
        judged = replace(judged, mutes=memory.mutes)
        cards = memory.cards(frozenset(finding.fingerprint for finding in judged.sure))
        judged = completing.completed(alone, timeline, judged, cards, state, now)
        decisions = completing.decide(alone, judged, cards, state, now)
        coverage = snapshot.coverage
        if coverage.events:
            every = tuple(verdicts(analyzers, timeline, snapshot, judged))
            missing = too_little(every)
        else:
            every = nothing(analyzers)
            missing = _no_events(coverage.newest, now, "was")
        warnings = (*result.warnings, *timeline.warnings, *judged.warnings)
        notices = (*result.notices, *coverage.notices, *judged.notices)
        result = replace(
            result,
            events=coverage.events,
            malformed_lines=coverage.malformed_lines,
            covered=sum(not memory.is_new(d) and not _is_muted(d) for d in decisions),
            muted=sum(map(_is_muted, decisions)),
            verdicts=every,
            missing=missing,
            abstained=judged.abstained,
            warnings=tuple(dict.fromkeys(map(settings.masked, warnings))),
            notices=tuple(dict.fromkeys(map(settings.masked, notices))),
        )
        return _with_problems(result, memory.problems(decisions, cards))


def _is_muted(decision: Decision) -> bool:
    return decision.reason == ledger.MUTED


def _with_problems(result: Gate, problems: Sequence[Problem]) -> Gate:
    """With the problems that are bad enough, best first."""
    bad = [problem for problem in problems if problem.rank >= result.fail_on.rank]
    bad.sort(key=lambda each: (-each.card.priority, -each.card.confidence, each.card.subject))
    return replace(result, problems=tuple(bad), milder=len(problems) - len(bad))


def _no_events(newest: datetime | None, now: datetime, was: str) -> str:
    message = "no events since then"
    if newest is None:
        return f"{message}, nor before: tgt doctor and tgt sources say why"
    return f"{message}; the newest {was} {spelt(now - newest)} before ({format_time(newest)})"


@dataclass(frozen=True)
class _Memory:
    """What is remembered as of ``now``, and what of it came in the window."""

    settings: Settings
    journal: Journal
    state: SchedulerState
    now: datetime
    mutes: Mutes = NOTHING

    @property
    def window(self) -> Interval:
        return judging.window_of(self.settings, self.now)

    def cards(self, fingerprints: frozenset[str]) -> Mapping[str, Card]:
        """The cards, whole as far as they may be told; what was written later is not there yet."""
        stored = self.journal.brief(lambda c: c.fingerprint in fingerprints or self._was_saved(c))
        cards = {
            name: card
            for name, card in stored.items()
            if (card.time("generatedAt") or self.now) <= self.now
        }
        return ledger.overlay(cards, self.state.sightings)

    def problems(
        self, decisions: Sequence[Decision], cards: Mapping[str, Card]
    ) -> tuple[Problem, ...]:
        """Those that are new, each once; of a card whose problem is not seen any more, as it was
        when it was seen last."""
        new: dict[str, Problem] = {}
        for decision in decisions:
            if self.is_new(decision) and decision.card is not None:
                problem = self._problem(decision, decision.card)
                new.setdefault(decision.finding.fingerprint, problem)
        seen = {decision.finding.fingerprint for decision in decisions}
        for card in cards.values():
            if self.mutes.covering(card.subject, card.type, card.analyzer):
                continue
            if card.is_open and card.fingerprint not in seen and self._was_saved(card):
                new.setdefault(card.fingerprint or card.id, Problem(Change.SAVED, card.current))
        return tuple(new.values())

    def is_new(self, decision: Decision) -> bool:
        if _is_muted(decision):
            return False
        if decision.action in {Action.SAVE, Action.REOPEN}:
            return True
        card = decision.card
        return card is not None and card.is_open and self._was_saved(card)

    def _problem(self, decision: Decision, card: Card) -> Problem:
        if decision.action is Action.SAVE:
            return Problem(Change.NEW, card)
        if decision.action is Action.REOPEN:
            return Problem(Change.BACK, ledger.apply(decision, self.now) or card)
        return Problem(Change.SAVED, card.changed(**finding_keys(decision.finding)))

    def _was_saved(self, card: Card) -> bool:
        """Whether a run has saved or reopened a card in the window."""
        again = Card({"reopened": card.mapping("metadata").get("reopened")}).mapping("reopened")
        moments = (card.time("savedAt") or card.time("generatedAt"), parse_time(again.get("at")))
        start = self.window.start
        return any(moment is not None and start < moment <= self.now for moment in moments)
