"""``tgt verify``: what telemetry says now of whether problems are over. Nothing is written.

A run measures the same and remembers it; this shows it of any card at any time, with the value of
each criterion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tgt.analyzers.asked_once import asked_once
from tgt.analyzers.base import Context
from tgt.analyzers.registry import chosen
from tgt.analyzers.watching import measured_since, verdicts_of
from tgt.config import Settings
from tgt.cycle import window_of
from tgt.engine.protocol import Progress
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.store.journal import Journal
from tgt.tasks.card import Card
from tgt.tasks.criterion import Criterion
from tgt.tasks.state import SchedulerState
from tgt.tasks.verification import LEAST, State, Verdict, Watch, completion_of, criteria_of, worst

_MOST = 200


@dataclass(frozen=True)
class Measured:
    """A card, its criteria with what was counted of each (None where nothing can be), and what all
    of that says; None where nothing can be said."""

    card: Card
    criteria: tuple[tuple[Criterion, Verdict | None], ...] = ()
    verification: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Verification:
    """What was measured; ``message`` says so in a sentence, ``warnings`` what failed."""

    tasks: tuple[Measured, ...]
    message: str
    warnings: tuple[str, ...] = ()


def candidates(journal: Journal, now: datetime) -> list[Card]:
    """The open cards and those that were completed in the last 30 days, the last seen first."""
    cards: dict[str, Card] = {}

    def take(card: Card) -> None:
        cards.pop(card.id, None)
        completed = completion_of(card)
        recently = completed is not None and now - completed <= timedelta(days=30)
        if card.is_open or recently:
            cards[card.id] = card

    journal.each(take)
    return sorted(cards.values(), key=lambda card: card.text("lastSeenAt"), reverse=True)[:_MOST]


def verify(
    settings: Settings,
    cards: Sequence[Card],
    state: SchedulerState,
    now: datetime,
    progress: Progress | None = None,
) -> Verification:
    """Measures the criteria of the cards as of ``now``. Raises TgtError."""
    if not cards:
        return Verification((), "No tasks to verify")
    window, telemetry = window_of(settings, now), telemetry_of(settings)
    analyzers = chosen(settings)
    if not telemetry.may_reach(window.start - timedelta(days=settings.baseline_days)):
        measured = [Measured(card, tuple((c, None) for c in criteria_of(card))) for card in cards]
        return Verification(tuple(measured), "There is no telemetry", telemetry.warnings)
    with open_timeline(
        settings, telemetry, analyzers.signals, window, writable=False, progress=progress
    ) as timeline:
        context = Context(settings, asked_once(timeline.at(window)), window)
        tasks = tuple(_measured(context, card, state.watches.get(card.id)) for card in cards)
        warnings = tuple(map(settings.masked, (*telemetry.warnings, *timeline.warnings)))
    return Verification(tasks, _message(tasks), warnings)


def _measured(context: Context, card: Card, watch: Watch | None) -> Measured:
    criteria = criteria_of(card)
    since = completion_of(card) or (watch.since if watch else None)
    periods = (context.window, measured_since(context, context.window.end - LEAST))
    counted: dict[Criterion, Verdict] = {}
    for period in periods if since is None else (measured_since(context, since),):
        verdicts = verdicts_of(chosen(context.settings).analyzers, context, card, criteria, period)
        counted = {verdict.criterion: verdict for verdict in verdicts}
        if any(verdict.tally.units for verdict in counted.values()):
            break
    told = tuple((criterion, counted.get(criterion)) for criterion in criteria)
    if not criteria or len(counted) < len(criteria):
        return Measured(card, told)
    verification = worst(tuple(counted.values())).document
    if since is None and verification["state"] == State.HOLDS:
        # The time was not chosen before anybody knew what it would show.
        verification = {**verification, "state": str(State.TOO_EARLY)}
    return Measured(card, told, verification)


def _message(tasks: Iterable[Measured]) -> str:
    states: dict[str, int] = {}
    for task in tasks:
        word = (task.verification or {}).get("state", "not_measurable").replace("_", " ")
        states[word] = states.get(word, 0) + 1
    return ", ".join(f"{many} {word}" for word, many in states.items())
