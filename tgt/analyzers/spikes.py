"""What an error spike tells already, so that one problem does not become two cards.

An error text is told by a spike of its tool where it is the whole of the spike, and where it was
not wide enough before the spike began to be a card of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tgt import plugins, subjects
from tgt.analyzers.base import Analyzer, Context
from tgt.config import Settings
from tgt.engine.protocol import Signal
from tgt.engine.sequences import Recurrence
from tgt.events import Interval
from tgt.tasks.card import Finding, TaskType, fingerprint

_NAME = "error_spike"
WHOLE = 0.9
"""Share of a tool's errors since the onset of a spike that is the whole of it."""
LOOK_BACK = timedelta(days=1)
"""How long a spike's card speaks for its errors, and how far back a new one may have begun."""


def signals(settings: Settings) -> tuple[Signal, ...]:
    """What must be known to see the spikes of a run."""
    seeker = _seeker(settings)
    return seeker.signals(settings) if seeker else ()


def untold(
    context: Context, texts: Sequence[Recurrence], where: str, least: int
) -> list[Recurrence]:
    """The texts that no spike tells. Before its spike a text is a card of its own if ``least``
    conversations met it; ``where`` says which events are failures of tools."""
    if not texts:
        return []
    onsets: dict[str, datetime] = {}
    for subject, onset in _onsets(context, texts):
        onsets[subject] = min(onset, onsets.get(subject, onset))
    return [
        each
        for each in texts
        if each.subject not in onsets
        or not _is_told(context, each, onsets[each.subject], where, least)
    ]


def _seeker(settings: Settings) -> Analyzer | None:
    """The analyzer that seeks spikes in this run, if it does."""
    if _NAME not in settings.analyzers:
        return None
    seeker: Analyzer = plugins.analyzer(_NAME)
    return seeker


def _onsets(context: Context, texts: Sequence[Recurrence]) -> Iterator[tuple[str, datetime]]:
    """When spikes of tools began: those that have a card, and those of this run."""
    for each in texts:
        for name in (each.subject, *(f"{each.subject}@{service}" for service in each.services)):
            for spike in context.incidents.get(fingerprint(TaskType.ERROR_SPIKE, name), ()):
                if spike.end > context.window.start - LOOK_BACK:
                    yield each.subject, spike.start
    for finding in _spikes(context):
        if finding.confidence >= context.settings.min_confidence:
            parsed = subjects.parse(finding.subject)
            subject = str(subjects.Subject(parsed.act, parsed.name))
            yield subject, context.window.end - LOOK_BACK


def _spikes(context: Context) -> Sequence[Finding]:
    seeker = _seeker(context.settings)
    try:
        return seeker.analyze(context).findings if seeker else ()
    except Exception:  # noqa: BLE001 that it fails is reported where it stands itself
        return ()


def _is_told(
    context: Context, recurrence: Recurrence, onset: datetime, where: str, least: int
) -> bool:
    during = Interval(onset, context.window.end)
    since = context.snapshot.recurrences(where, during, 1, 0, newest=onset)
    same = [other for other in since if other.subject == recurrence.subject]
    mine = next((other.counted for other in same if other.text == recurrence.text), None)
    if mine is None or mine.events < WHOLE * sum(other.counted.events for other in same):
        return False
    return recurrence.counted.conversations - mine.conversations < least
