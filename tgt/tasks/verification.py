"""What later telemetry says of a problem: whether it went quiet, and whether its end holds.

A criterion is counted for a time that began before anybody could know what it would show; so the
rule of ``tgt.stats.recovery`` holds however often a run looks. That nothing was seen of a problem
proves something only as far as it could have been seen: silence of the telemetry proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tgt.stats.recovery import SURE, likelier_beyond, likelier_over, units_needed, would_have_shown
from tgt.tasks.card import Card, format_time, parse_time
from tgt.tasks.criterion import Criterion, Tally

QUIET = 10.0
"""So many times likelier must it be that a problem is over to say that it is quiet, which is no
proof yet; and so many times likelier that more are bad than are tolerated, to say that its end does
not hold."""
LEAST = timedelta(hours=24)
"""So long must it hold, by telemetry that tells of it, before tgt completes a card itself."""
LONGEST = timedelta(days=30)
"""So long is a completed card measured."""
_MOST_CRITERIA = 20
_MOST_HOURS = 1e5
_MOST_SHOWN = 0.9999


class State(StrEnum):
    """What is said of the end of a problem."""

    TOO_EARLY = "too_early"
    HOLDS = "holds"
    NOT_HOLDING = "not_holding"
    NO_TRAFFIC = "no_traffic"


@dataclass(frozen=True)
class Verdict:
    """What was counted of a criterion since a time, and what that says; ``observed`` is, where it
    matters, of how long there is telemetry that tells of it."""

    criterion: Criterion
    tally: Tally
    since: datetime
    at: datetime
    observed: timedelta | None = None

    @property
    def ratio(self) -> float:
        """How many times likelier it is that the problem is over than that it is as it was."""
        before = self.criterion.before
        if before is None:
            return 1.0
        return likelier_over(before, self.tally.bad, self.tally.units, self.criterion.line)

    @property
    def is_within(self) -> bool:
        """Whether no more than is tolerated was bad."""
        return self.tally.share <= self.criterion.line

    @property
    def is_met(self) -> bool | None:
        """Whether the measure is what it must be; None where there is nothing to measure."""
        value = self.tally.value
        return None if value is None else self.criterion.is_met(value)

    @property
    def has_begun(self) -> bool:
        """Whether there was a time in which anything could be counted."""
        return self.since < self.at

    @property
    def is_quiet(self) -> bool:
        return self.is_within and self.ratio >= QUIET

    @property
    def is_back(self) -> bool:
        """Whether it is sure, however many such short times are looked at, that more are bad than
        are tolerated."""
        return self._beyond >= SURE

    @property
    def _beyond(self) -> float:
        return likelier_beyond(self.tally.bad, self.tally.units, self.criterion.line)

    @property
    def state(self) -> State:
        if not self.has_begun:
            return State.TOO_EARLY
        if self.tally.units <= 0:
            return State.NO_TRAFFIC
        if self.is_within and self.ratio >= SURE:
            return State.HOLDS
        if self._beyond >= QUIET:
            return State.NOT_HOLDING
        return State.TOO_EARLY

    @property
    def needed(self) -> int | None:
        """How many more units without a bad one make it sure; None where that is beyond reach."""
        before, tally = self.criterion.before, self.tally
        if before is None:
            return None
        return units_needed(before, tally.bad, tally.units, self.criterion.line)

    @property
    def shown(self) -> float:
        """The probability that the old rate would have shown itself by now."""
        before, tally = self.criterion.before, self.tally
        if before is None or tally.units <= 0:
            return 0.0
        return min(_MOST_SHOWN, would_have_shown(before, tally.bad, tally.units))

    @property
    def text(self) -> str:
        """The verdict in a sentence."""
        unit, before = self.criterion.unit, self.criterion.before
        if not self.has_begun:
            return f"counted from {self._since} on; {self._needed}"
        if before is None or self.state is State.NO_TRAFFIC:
            return f"no {unit} that could show it since {self._since}"
        counted = f"{_number(self.tally.bad)} of {_number(self.tally.units)} {unit} since"
        counted += f" {self._since}"
        expected = _number(before.bad / before.units * self.tally.units)
        match self.state:
            case State.HOLDS:
                return (
                    f"{counted}; at the old rate about {expected}, and more than now with a"
                    f" probability of {_percent(self.shown)}{self._so_far}"
                )
            case State.NOT_HOLDING:
                return f"{counted}; {_percent(self.criterion.line)} is tolerated"
            case _:
                return f"{counted}, at the old rate about {expected}; {self._needed}"

    @property
    def _so_far(self) -> str:
        if self.observed is None or self.observed >= LEAST:
            return ""
        return f"; so far over {_hours(self.observed):.0f} of {_hours(LEAST):.0f} hours"

    @property
    def _since(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M}"

    @property
    def _needed(self) -> str:
        needed = self.needed
        if needed is None:
            return "the old rate is not known well enough to tell"
        if not needed:
            return f"{_percent(self.criterion.line)} is tolerated"
        return f"{needed:,} more without one are needed"

    @property
    def document(self) -> dict[str, Any]:
        """The key ``verification`` of a card."""
        tally, before = self.tally, self.criterion.before
        return {
            "state": str(self.state),
            "text": self.text,
            "at": format_time(self.at),
            "figures": {
                "metric": self.criterion.metric,
                "since": format_time(self.since),
                "bad": round(tally.bad, 2),
                "of": round(tally.units, 2),
                "unit": self.criterion.unit,
                "value": tally.value,
                "tolerated": self.criterion.line,
                "expected": round(before.bad / before.units * tally.units, 2) if before else None,
                "probability": round(self.shown, 4),
                "likelihoodRatio": round(min(self.ratio, 1e9), 2),
                "needed": self.needed,
                **({} if self.observed is None else {"observedHours": _hours(self.observed)}),
            },
        }


@dataclass(frozen=True)
class Watch:
    """What runs measure of a problem after its card: since when it is quiet (None if it is not),
    from when on is counted whether its end holds (of one that is not quiet, when it was last back),
    and what that says."""

    quiet_since: datetime | None = None
    since: datetime | None = None
    verification: Mapping[str, Any] | None = None

    @property
    def holds(self) -> bool:
        return (self.verification or {}).get("state") == State.HOLDS

    @property
    def observed(self) -> timedelta:
        """Of how long there is telemetry that tells of it."""
        figures = (self.verification or {}).get("figures")
        hours = figures.get("observedHours") if isinstance(figures, Mapping) else None
        if isinstance(hours, int | float) and 0 <= hours < _MOST_HOURS:
            return timedelta(hours=hours)
        return timedelta(0)

    def is_fresh(self, now: datetime) -> bool:
        """Whether what it says was measured within a day."""
        at = parse_time((self.verification or {}).get("at"))
        return at is not None and timedelta(0) <= now - at <= LEAST


def criteria_of(card: Card) -> list[Criterion]:
    """What of a card can be measured; nothing of one that has more criteria than anybody reads."""
    items = card.items("criteria")
    criteria = (Criterion.of(each) for each in items if len(items) <= _MOST_CRITERIA)
    return [each for each in criteria if each is not None and each.before is not None]


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Of several criteria the one that is furthest from being met."""
    order = (State.NOT_HOLDING, State.NO_TRAFFIC, State.TOO_EARLY, State.HOLDS)
    return min(verdicts, key=lambda each: (order.index(each.state), each.ratio))


def is_watched(card: Card, now: datetime) -> bool:
    """Whether runs measure a card: an open one, and one that was completed not long ago and of
    which nothing is known for sure."""
    if not card.items("criteria"):
        return False
    if card.is_open:
        return True
    completed = completion_of(card)
    if completed is None or not timedelta(0) <= now - completed <= LONGEST:
        return False
    return card.mapping("verification").get("state") != State.HOLDS


def measurable(card: Card) -> Card:
    """The card with no more than its measuring needs."""
    keys = ("criteria", "metadata", "verification", "reopenedAt")
    data = {key: card.data[key] for key in keys if key in card.data}
    return Card({**card.brief().data, **data})


def completion_of(card: Card) -> datetime | None:
    """When a card was completed; None if it is not."""
    if card.status != "completed":
        return None
    return card.time("completedAt") or card.time("updatedAt")


def opened_at(card: Card) -> datetime | None:
    """When an open card was last closed or opened again: what was seen before, whoever decided
    that knew already. None if it was open all the time."""
    times = (card.time(key) for key in ("completedAt", "dismissedAt", "reopenedAt"))
    return max((time for time in times if time is not None), default=None)


def is_about(watch: Watch, card: Card) -> bool:
    """Whether what was measured is of the card as it is: nobody closed or opened it since."""
    completed, opened = completion_of(card), opened_at(card)
    if completed is not None:
        return watch.since is not None and format_time(watch.since) == format_time(completed)
    if not card.is_open:
        return False
    return watch.quiet_since is None or opened is None or watch.quiet_since >= opened


def full_hour(moment: datetime) -> datetime:
    """The next full hour: what is counted by the clock hour is counted from then on."""
    begun = hour_of(moment)
    return begun if begun == moment else begun + timedelta(hours=1)


def hour_of(moment: datetime) -> datetime:
    """The full hour in which a time lies."""
    return moment.replace(minute=0, second=0, microsecond=0)


def is_over(watch: Watch, now: datetime) -> bool:
    """Whether a card may be completed: its end holds, and has for a day that telemetry tells of."""
    quiet = watch.quiet_since
    is_long = quiet is not None and now - quiet >= LEAST
    return watch.holds and is_long and watch.observed >= LEAST


def _hours(length: timedelta) -> float:
    return round(length / timedelta(hours=1), 2)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"  # noqa: PLR2004


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%" if 0.99 < share < 1 else f"{100 * share:.1f}%"  # noqa: PLR2004
