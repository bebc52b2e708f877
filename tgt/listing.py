"""Which cards a list shows, and in which order, as of the last run that saw their problems.

Asked of heads, so that of a journal of any size only what is shown is read. The command line and
the triage screen ask here, and so mean the same by a filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from tgt.store.journal_index import Head
from tgt.tasks import ledger
from tgt.tasks.card import OPEN, OPEN_STATUSES, Card
from tgt.tasks.mute import Mutes
from tgt.tasks.reputation import Reputation
from tgt.tasks.state import SchedulerState, Sighting

PRIORITY, AGE, SEEN = "priority", "age", "seen"
"""Best first, newest first, or last seen first."""


@dataclass(frozen=True)
class Asked:
    """The filters, in lower case; None where one was not given. ``news`` says of the tasks that are
    news since ``since`` why they are."""

    statuses: frozenset[str] | None = None
    types: frozenset[str] | None = None
    severities: frozenset[str] | None = None
    subjects: Sequence[str] | None = None
    owners: frozenset[str] | None = None
    least: float = 0.0
    every: bool = False
    since: datetime | None = None
    news: Mapping[str, str] | None = None

    @property
    def any(self) -> bool:
        named = (self.statuses, self.types, self.severities, self.subjects, self.owners, self.news)
        return self.least > 0 or any(words is not None for words in named)

    def fits(self, head: Head) -> bool:
        return (
            self._status_fits(head.status)
            and (self.news is None or head.id in self.news)
            and (self.types is None or not self.types.isdisjoint(folded(head.type, head.analyzer)))
            and _fits(head.severity, self.severities)
            and _fits(head.owner, self.owners)
            and (self.subjects is None or any(fnmatchcase(head.subject, g) for g in self.subjects))
            and head.priority >= self.least
        )

    def _status_fits(self, status: str) -> bool:
        is_open = status in OPEN_STATUSES
        if self.statuses is None:
            return self.every or is_open
        return status.lower() in self.statuses or (is_open and OPEN in self.statuses)


def _fits(word: str, accepted: frozenset[str] | None) -> bool:
    return accepted is None or word.lower() in accepted


def folded(*words: str) -> set[str]:
    return {word.lower() for word in words}


def is_muted(head: Head, mutes: Mutes) -> bool:
    """Whether this is an open task that somebody wants to be quiet."""
    is_open = head.status in OPEN_STATUSES
    return is_open and mutes.covering(head.subject, head.type, head.analyzer) is not None


def order(
    name: str, sightings: Mapping[str, Sighting]
) -> Callable[[Head], tuple[float | str, ...]]:
    """What to sort heads by."""
    if name == AGE:
        return lambda head: (head.age, *head.sort_key)
    if name == PRIORITY:
        return lambda head: head.sort_key

    def last_seen_first(head: Head) -> tuple[float | str, ...]:
        seen = sightings.get(head.id)
        later = seen.last_seen_at.timestamp() if seen is not None else head.seen
        return (-max(head.seen, later), *head.sort_key)

    return last_seen_first


def current(head: Head, state: SchedulerState) -> Head:
    """The head with what the last run that saw the problem measured."""
    seen, watch = state.sightings.get(head.id), state.watches.get(head.id)
    is_newer = seen is not None and seen.last_seen_at.timestamp() >= head.seen
    if not watch and not (is_newer and seen and seen.now):
        return head
    values = {name: getattr(head, name) for name in ("severity", "priority", "confidence")}
    now = dict(seen.now) if is_newer and seen and seen.now else dict(values)
    card = ledger.overlaid(Card({**values, "status": head.status, "now": now}), None, watch).current
    return head._replace(severity=card.severity, priority=card.priority, confidence=card.confidence)


def lowered(head: Head, reputation: Reputation) -> Head:
    """The head with the priority that is left of it."""
    if head.status not in OPEN_STATUSES:
        return head
    about = (head.severity, head.analyzer or head.type, head.subject)
    left = reputation.lowered(head.priority, *about)
    return head if left == head.priority else head._replace(priority=left)


def as_seen(cards: Iterable[Card], state: SchedulerState) -> Iterator[Card]:
    """The cards as they are shown, of which only one at a time is in memory."""
    for card in cards:
        yield ledger.overlaid(card, state.sightings.get(card.id), state.watches.get(card.id))
