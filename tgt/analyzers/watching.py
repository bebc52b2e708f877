"""What runs measure of problems after their cards were written: have they gone quiet, is it over?

An open card goes quiet when in some recent time, the shorter the better, its problem would have
shown itself and did not. Only what comes after that is proof: it is counted from the next full
hour on, so that the choice of the time cannot flatter. A card that somebody completed is counted
from its completion on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tgt.analyzers.base import Analyzer, Context
from tgt.analyzers.criteria import tally_of
from tgt.events import Interval
from tgt.tasks.card import Card
from tgt.tasks.criterion import Criterion, Tally
from tgt.tasks.verification import (
    LEAST,
    State,
    Verdict,
    Watch,
    completion_of,
    criteria_of,
    full_hour,
    hour_of,
    is_about,
    opened_at,
    worst,
)

NOTHING = Tally(0, 0, 0)
TELLS = timedelta(hours=6)
"""Of so long something tells that could have shown a problem, however little it is."""
WINDOWS_H = (2, 4, 8, 24)
"""The times, beside the run's own window, in which a problem may show that it is quiet."""


@dataclass(frozen=True)
class Counting:
    """The criteria of a card, and what counts them in a run."""

    analyzers: Sequence[Analyzer]
    context: Context
    card: Card
    criteria: Sequence[Criterion]

    def verdicts(self, period: Interval) -> Iterator[Verdict]:
        """What is counted of each criterion in a period; nothing of one that cannot be."""
        for criterion in self.criteria:
            if period.start >= period.end:
                yield Verdict(criterion, NOTHING, period.start, period.end)
                continue
            tally = tally_of(self.analyzers, self.context, self.card.analyzer, criterion, period)
            if tally is not None:
                yield Verdict(criterion, tally, period.start, period.end)

    def verdict(self, period: Interval) -> Verdict | None:
        """The worst of them; None where one cannot be counted."""
        verdicts = list(self.verdicts(period))
        return worst(verdicts) if len(verdicts) == len(self.criteria) else None

    def since(self, since: datetime) -> Verdict | None:
        """The same of what is counted since a time."""
        return self.verdict(measured_since(self.context, since))


def measured(
    analyzers: Sequence[Analyzer],
    context: Context,
    card: Card,
    before: Watch,
    *,
    is_first_of_hour: bool = True,
) -> Watch | None:
    """What a run measures of a card; None where it has nothing that this run could measure.

    Long times begin at full hours, so only the first run of an hour looks at them anew.
    """
    counting = Counting(analyzers, context, card, criteria_of(card))
    if not counting.criteria:
        return None
    completed = completion_of(card)
    if not is_about(before, card):
        before = Watch()
    if completed is not None:
        if before.verification and not is_first_of_hour:
            return before
        verdict = counting.since(completed)
        return None if verdict is None else Watch(None, completed, verdict.document)
    now = context.window.end
    if before.quiet_since is not None and before.since is not None and before.quiet_since <= now:
        hurried = before.verification is not None and not is_first_of_hour
        return _still_quiet(counting, before, is_hurried=hurried)
    hours = WINDOWS_H if is_first_of_hour else WINDOWS_H[:1]
    return _going_quiet(counting, hours, before.since)


def _still_quiet(counting: Counting, before: Watch, *, is_hurried: bool) -> Watch | None:
    """What a card that went quiet shows since; if its problem is back it is quiet no more."""
    recent = counting.verdict(counting.context.window)
    since = before.since or counting.context.window.start
    if recent is None:
        return None
    if recent.is_back:
        return Watch(None, counting.context.window.end, recent.document)
    if is_hurried:
        return before
    verdict = counting.since(since)
    if verdict is None:
        return None
    if verdict.state is State.NOT_HOLDING:
        return Watch(None, counting.context.window.end, verdict.document)
    if verdict.state is State.HOLDS and before.quiet_since is not None:
        observed = _observed(counting, before.quiet_since)
        verdict = replace(verdict, observed=observed)
    return Watch(before.quiet_since, since, verdict.document)


def _observed(counting: Counting, since: datetime) -> timedelta:
    """Of how long since a time there is telemetry that could have shown the problem, up to a day.

    Looked for from now on back: where a longer time has no more of it than a shorter one, there
    was none in between.
    """
    whole = measured_since(counting.context, since)
    start, later, end = whole.start, whole.end, whole.end
    observed, latest = timedelta(0), [0.0] * len(counting.criteria)
    while later > start and observed < LEAST:
        earlier = max(hour_of(later - TELLS), start)
        period = Interval(earlier, end)
        counted = list(counting.verdicts(period))
        units = [verdict.tally.units for verdict in counted]
        if len(units) == len(latest) and all(a > b for a, b in zip(units, latest, strict=True)):
            observed += later - earlier
        later, latest = earlier, units
    return observed


def _going_quiet(counting: Counting, hours: Sequence[int], back: datetime | None) -> Watch:
    """Whether a problem went quiet since it was found, and since it was last ``back``.

    In a longer time it would be thinned out by the time before it was there.
    """
    times = (counting.card.time("firstSeenAt"), opened_at(counting.card), back)
    last_known = max(
        (time for time in times if time is not None), default=counting.context.window.start
    )
    for window in counting.context.longer_windows(*hours):
        if last_known >= window.end:
            break
        if last_known > window.start:
            window = Interval(last_known, window.end)  # noqa: PLW2901 clipped
        verdict = counting.verdict(window)
        if verdict is None or (not verdict.is_within and verdict.tally.units):
            break  # what is bad in a short time is no better in a longer one
        if verdict.is_quiet:
            since = full_hour(counting.context.window.end)
            counted = counting.since(since)
            return Watch(window.start, since, None if counted is None else counted.document)
    return Watch(None, back)


def measured_since(context: Context, since: datetime) -> Interval:
    """From the full hour after a time on, as far back as there is telemetry."""
    start = max(full_hour(since), context.snapshot.coverage.baseline.start)
    return Interval(start, context.window.end)
