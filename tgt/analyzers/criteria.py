"""What later telemetry says of a problem: how many of those that could meet it still do.

Each analyzer measures its own criterion (``tally``); here is what they share. What was counted
while the problem was there is measured in the same way, so that both can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tgt.analyzers.base import Analyzer, Context
from tgt.analyzers.builder import Question
from tgt.analyzers.pooling import base, together
from tgt.engine.protocol import Reading, Signal
from tgt.events import Interval
from tgt.stats import distributions
from tgt.stats.confidence import Clusters, shrunk_design_effect
from tgt.stats.recovery import Before
from tgt.tasks.card import Finding
from tgt.tasks.criterion import CONVERSATIONS, Criterion, Tally

ANSWERS, CALLS, EVENTS, HOURS = "answers", "calls", "events", "hours"
TAIL = 0.05
"""Of a distribution whose p95 is tolerated so many values may lie beyond it."""
GONE = 0.2
"""Of what should not happen at all a fifth of the old share may remain unseen."""
SURE = 1000
"""What was a fact was so each time: as if it had been seen so often."""


def tally_of(
    analyzers: Iterable[Analyzer],
    context: Context,
    name: str,
    criterion: Criterion,
    since: Interval,
) -> Tally | None:
    """What the analyzer of that name counts of its criterion; None where it cannot.

    Raises ValueError where what it counts makes no sense.
    """
    for analyzer in analyzers:
        if analyzer.name == name and hasattr(analyzer, "tally"):
            counted = analyzer.tally(context, criterion, since)
            if counted is None:
                return None
            if not isinstance(counted, Tally) or not counted.makes_sense:
                raise ValueError(f"its tally makes no sense: {counted!r:.200}")
            return counted
    return None


def with_before(analyzers: Iterable[Analyzer], context: Context, finding: Finding) -> Finding:
    """The finding whose criteria know what was counted while the problem was there; without those
    that cannot be counted."""
    question = finding.question
    window = question.window if isinstance(question, Question) else context.window
    criteria = []
    for criterion in finding.criteria:
        tally = tally_of(analyzers, context, finding.analyzer, criterion, window)
        if tally is not None and tally.units and tally.bad and 0 <= tally.line <= 1:
            before = Before(round(tally.bad, 2), round(tally.units, 2))
            if tally.is_fact:
                before = Before(SURE, SURE)
            criteria.append(
                replace(criterion, before=before, line=round(tally.line, 6), unit=tally.unit)
            )
    return replace(finding, criteria=tuple(criteria))


def reading_of(readings: Iterable[Reading], subject: str) -> Reading | None:
    """The reading of a subject; of one without a service that nothing has, that of all services."""
    all_readings = list(readings)
    own = next((each for each in all_readings if each.subject == subject), None)
    if own is not None:
        return own
    parts = [each for each in all_readings if base(each.subject) == subject]
    return together(subject, parts) if parts else None


def share_of_units(reading: Reading | None, line: float) -> Tally:
    """Of the conversations that had any, those in which any counts; of events without one, events.

    Where events have no conversation the event is the unit.
    """
    if reading is None:
        return Tally(0, 0, line)
    now = reading.now
    bad, units = (now.k, now.n) if now.by_event else (now.bad_units, now.units)
    unit = EVENTS if now.by_event else CONVERSATIONS
    return Tally(bad, units, line, bad / units if units else None, unit)


def share_of_events(reading: Reading | None, line: float, unit: str) -> Tally:
    """Of events, those that count; events of one conversation are alike, and count for less."""
    if reading is None or not reading.now.n:
        return Tally(0, 0, line, None, unit)
    now = reading.now
    effect = shrunk_design_effect(now.clusters, Clusters())
    return Tally(now.k / effect, now.n / effect, line, now.k / now.n, unit)


def beyond(
    context: Context,
    signal: Signal,
    criterion: Criterion,
    since: Interval,
    limit: float,
    line: float,
    unit: str,
) -> Tally:
    """Of the values of a distribution, those beyond a limit; a share of ``line`` may be.

    Values of one conversation are alike, as far as the last hours tell.
    """
    snapshot, subject = context.snapshot, criterion.subject
    readings = snapshot.distribution(signal, since, least=1 << 62)
    now = next((each.now for each in readings if each.subject == subject), {})
    if not now:
        return Tally(0, 0, line, None, unit)
    counts = snapshot.beyond(signal, subject, since, limit)
    effect = shrunk_design_effect(counts.clusters, Clusters())
    bad, units = distributions.count_above(now, limit), distributions.size(now)
    value = distributions.quantile(now, 1 - line)
    return Tally(bad / effect, units / effect, line, value, unit)


def fact(units: float, *, is_bad: bool, value: float | None = None, unit: str) -> Tally:
    """What is so or not so, as often as there was an occasion to see it."""
    return Tally(units if is_bad else 0.0, units, GONE, value, unit, is_fact=True)


def gone(criterion: Criterion, bad: float, units: float) -> Tally:
    """What should not happen at all: in no more than a fifth of so many units as before."""
    units = max(units, bad)
    before = criterion.before or Before(bad, units)
    share = before.bad / before.units if before.units else 1.0
    return Tally(bad, units, share * GONE, bad)
