"""What only the order of events tells: calls in vain one after another, and what an error cost.

Other than shares these are facts of single conversations, so nothing here needs a history. All
calls of tools but those of users have their place in the order of their conversation; where one
trace has many calls (a sub-agent's, beside which others work) it has an order of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from tgt.events import Sample

LOOK_BACK = timedelta(hours=24)
"""How long before a window a run may have begun to be seen whole."""


class Repetition(StrEnum):
    """How calls repeat.

    IDENTICAL: one tool with the same arguments and the same outcome each time, and no other call in
    between. FAILING: failures of one tool, and no call in between that went well. ALTERNATING: two
    calls taking turns, each with the same arguments and the same outcome. MIXED: failures of
    several tools, and no call in between that went well. AGAIN: failures of one tool with the same
    error text, with other calls in between: of the same arguments, with no success of that call, or
    half at least of what the tool did meanwhile. A call that once has another outcome than before
    was a poll, and is none of them. What a user does ends a run of calls that went well; calls that
    a person refused or stopped are no part of any.
    """

    IDENTICAL = "identical"
    FAILING = "failing"
    ALTERNATING = "alternating"
    MIXED = "mixed"
    AGAIN = "again"


@dataclass(frozen=True)
class Run:
    """Calls of one conversation in a row, as many as there are.

    Of two tools taking turns ``subject`` is the first by name and ``partner`` the other, of several
    that fail the one that fails most. ``steps``
    are the answers of the model that asked for the calls, where these are told; else each call is
    one. ``elapsed_ms`` is the time of the calls themselves and ``tokens`` the input and output of
    the answers after the first call up to the last. ``error`` is the text of the last failure.
    ``first`` and ``last`` are the calls at both ends.
    """

    kind: Repetition
    subject: str
    conversation: int
    calls: int
    steps: int
    first_us: int
    last_us: int
    failures: int
    elapsed_ms: float
    partner: str | None
    service: str | None
    error: str | None
    first: Sample
    last: Sample
    tokens: float = 0.0


@dataclass(frozen=True)
class Counted:
    """How often and when something was: events, distinct conversations, the first and the last time
    and the median one."""

    events: int
    conversations: int
    first_us: int
    last_us: int
    median_us: int


@dataclass(frozen=True)
class Cost:
    """What a failure cost: medians of how many further calls of its conversation there were, but
    for those that fell with another of their message, and how many seconds passed, until the same
    tool went well again; None where it never did. ``given_up`` counts the failures after which it
    did not."""

    calls: float | None = None
    seconds: float | None = None
    given_up: int = 0


@dataclass(frozen=True)
class Recurrence:
    """One error text of one subject, over all services. ``services`` are those with the most
    conversations first, and ``samples`` the newest of different conversations. ``same_call`` is in
    how many conversations at most it was the very same call that failed so, None where nobody tells
    what was asked."""

    subject: str
    text: str
    counted: Counted
    cost: Cost = Cost()
    services: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    same_call: int | None = None
