"""Whom a problem touches: how many conversations a day suffer from it, which share of all that is,
and how much one of them suffers.

How many there are at all is asked once a window, and only if something was found in it. Where
events have no conversation they stand in for conversations.
"""

from __future__ import annotations

from tgt.analyzers.base import Context
from tgt.engine.protocol import EVERYTHING
from tgt.events import Interval
from tgt.tasks.card import Touched


class Harm:
    """How much a conversation suffers to which something happened."""

    LOST = 1.0
    """It came to nothing: it was given up, or nobody answered."""
    HEAVY = 0.75
    """Much of it failed."""
    FAILED = 0.5
    """Something that was asked for failed, was cut off or was long in coming; mostly there was
    another way."""
    REPORTED = 0.25
    """A call said that it did not succeed, which may be what was to be found out."""
    COSTS = 0.1
    """Only who pays for it notices."""
    UNWRITTEN = 0.02
    """Nothing went wrong; it might have gone better."""


LOST_S = 10
"""Who lost so many seconds suffers half as much as one whose conversation came to nothing."""

_DAY_MIN = 24 * 60


def conversations_in(context: Context, window: Interval) -> int:
    """How many there are in a window."""
    counts = context.conversations
    if window not in counts:
        all_of_them = context.snapshot.conversations_of(EVERYTHING, window, (EVERYTHING.name,))
        counts[window] = all_of_them.get(EVERYTHING.name, 0)
    return counts[window]


def touched_conversations(
    window: Interval, many: float, every: float, harm: float, per_day: float | None = None
) -> Touched:
    """So many of the conversations of a window: as many a day as its length makes it, if nothing
    else is said."""
    a_day = many * _DAY_MIN / window.minutes if per_day is None else per_day
    every = max(every, many)
    return Touched(a_day, many / every if every else None, harm)


def touched_events(context: Context, window: Interval, many: float, harm: float) -> Touched:
    """So many events of a window."""
    every = max(sum(e.now.n for e in context.snapshot.counts(EVERYTHING, window)), many)
    share = many / every if every else None
    return Touched(many * _DAY_MIN / window.minutes, share, harm, by_event=True)


def times_a_day(many: int, window: Interval) -> float:
    """How often a day there is what is looked for until it is there: that there is one says nothing
    of how often it comes, as the others do."""
    return 1 + (many - 1) * _DAY_MIN / window.minutes


def harm_of(seconds: float) -> float:
    """How much a conversation suffers that lost so much time."""
    return max(0.0, seconds) / (max(0.0, seconds) + LOST_S)
