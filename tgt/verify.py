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
from tgt.analyzers.watching import Counting, measured_since
from tgt.config import Settings
from tgt.engine.protocol import Progress
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.judging import window_of
from tgt.store.journal import Journal
from tgt.tasks.card import GENERATED_BY, Card, parse_time
from tgt.tasks.criterion import Criterion
from tgt.tasks.state import SchedulerState
from tgt.tasks.verification import (
    LEAST,
    LONGEST,
    State,
    Verdict,
    Watch,
    completion_of,
    criteria_of,
    is_about,
    worst,
)

_MOST = 200
_NOT_YET = "a proof is counted from when a run has found it quiet"


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

    def is_recent(card: Card) -> bool:
        completed = completion_of(card)
        return card.is_open or (completed is not None and now - completed <= LONGEST)

    brief = [card for card in journal.brief().values() if is_recent(card)]
    brief.sort(key=lambda card: card.text("lastSeenAt"), reverse=True)
    ids = [card.id for card in brief[:_MOST]]
    whole = journal.find(lambda _known: ids)  # of many cards only these are held whole
    return [whole[card_id] for card_id in ids if card_id in whole]


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
        failed: dict[str, None] = {}
        tasks = tuple(
            _measured_alone(context, card, state.watches.get(card.id), failed) for card in cards
        )
        every_warning = (*telemetry.warnings, *timeline.warnings, *failed)
        warnings = tuple(map(settings.masked, every_warning))
    return Verification(tasks, _message(tasks), warnings)


def _measured_alone(
    context: Context, card: Card, watch: Watch | None, failed: dict[str, None]
) -> Measured:
    """What was measured of a card; whatever fails in one must not stop the others."""
    try:
        return _measured(context, card, watch)
    except Exception as failure:  # noqa: BLE001 as in a run
        failed[f"analyzer {card.analyzer} failed: {context.reason(failure)}"] = None
        return Measured(card, tuple((criterion, None) for criterion in criteria_of(card)))


def _begin(card: Card, watch: Watch | None) -> datetime | None:
    """From when on is counted: of a card that tgt completed where its proof began."""
    completed = completion_of(card)
    if completed is None:
        is_quiet = watch is not None and watch.quiet_since is not None and is_about(watch, card)
        return watch.since if watch and is_quiet else None
    if card.text("completedBy") == GENERATED_BY:
        figures = card.mapping("verification").get("figures")
        proven = parse_time(figures.get("since")) if isinstance(figures, Mapping) else None
        return min(completed, proven or completed)
    return completed


def _measured(context: Context, card: Card, watch: Watch | None) -> Measured:
    criteria = criteria_of(card)
    counting = Counting(chosen(context.settings).analyzers, context, card, criteria)
    since = _begin(card, watch)
    periods = (context.window, measured_since(context, context.window.end - LEAST))
    counted: dict[Criterion, Verdict] = {}
    for period in periods if since is None else (measured_since(context, since),):
        counted = {verdict.criterion: verdict for verdict in counting.verdicts(period)}
        if any(verdict.tally.units for verdict in counted.values()):
            break
    measures = tuple((criterion, counted.get(criterion)) for criterion in criteria)
    if not criteria or len(counted) < len(criteria):
        return Measured(card, measures)
    verification = worst(tuple(counted.values())).document
    if since is None and verification["state"] == State.HOLDS:
        # The time was not chosen before anybody knew what it would show.
        text = f"{verification['text']}; {_NOT_YET}"
        verification = {**verification, "state": str(State.TOO_EARLY), "text": text}
    return Measured(card, measures, verification)


def _message(tasks: Iterable[Measured]) -> str:
    states: dict[str, int] = {}
    for task in tasks:
        word = (task.verification or {}).get("state", "not_measurable").replace("_", " ")
        states[word] = states.get(word, 0) + 1
    return ", ".join(f"{many} {word}" for word, many in states.items())
