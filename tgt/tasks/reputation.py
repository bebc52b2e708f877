"""How much less urgent the cards are of which people dismiss nearly all: of an analyzer, and of an
analyzer about one family of subjects.

It lowers a priority and nothing else: no card is hidden, none is less severe or less sure, and what
is critical stays where it is. It is worked out anew from the verdicts that stand whenever somebody
looks, and never written, so whatever takes a verdict back takes this back as well.

A share of dismissals is judged by its posterior (uniform prior): only what is dismissed with 95%
certainty, beyond one half, counts. A family counts once among those of its analyzer, since one odd
tool can have forty cards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from tgt.stats.confidence import at_least, betainc
from tgt.subjects import kin
from tgt.tasks.card import Card, Severity
from tgt.tasks.verdict import Verdict, verdict

HALF_LIFE = timedelta(days=30)
"""After so long a verdict counts half."""
OLDEST = timedelta(days=180)
"""Older ones count no more."""
CERTAINTY = 0.95
FLOOR = 0.5
"""The least that is left of a priority: as of a problem that has gone quiet."""

_FEWEST = math.log(1 - CERTAINTY, 0.5) - 1
"""So many dismissals, and nothing else, are certain to be more than half."""

KEY = "reputation"
"""Of a card that is shown: why its priority is lower than measured. It is never written."""

_kin = lru_cache(maxsize=1 << 14)(kin)


class Decided(NamedTuple):
    """A verdict about a card, and what the card is about."""

    analyzer: str
    subject: str
    verdict: Verdict
    at: datetime


@dataclass(frozen=True)
class Record:
    """What people made of an analyzer's cards, or of those about one ``family`` of subjects:
    how many they dismissed, approved and completed, and the weights of these by their age."""

    analyzer: str
    family: str = ""
    dismissed: int = 0
    approved: int = 0
    completed: int = 0
    against: float = 0.0
    upheld: float = 0.0

    @property
    def of(self) -> int:
        return self.dismissed + self.approved + self.completed

    @cached_property
    def at_least(self) -> float:
        """The share that is dismissed, with the certainty that is asked for at least."""
        return at_least(self.against, self.against + self.upheld, CERTAINTY)

    @cached_property
    def factor(self) -> float:
        """What is left of a priority: twice the share that people uphold at best."""
        if self.against < _FEWEST or betainc(self.against + 1, self.upheld + 1, 0.5) > (
            1 - CERTAINTY
        ):
            return 1.0  # as it nearly always is, and there may be thousands
        return max(FLOOR, min(1.0, round(2 * (1 - self.at_least), 2)))

    def lowered(self, priority: float) -> float:
        return max(1, round(priority * self.factor)) if priority >= 1 else priority

    @property
    def document(self) -> dict[str, Any]:
        return {
            "analyzer": self.analyzer,
            "family": self.family or None,
            "dismissed": self.dismissed,
            "approved": self.approved,
            "completed": self.completed,
            "of": self.of,
            "dismissedAtLeast": round(self.at_least, 2),
            "factor": self.factor,
        }


class Reputation:
    """The records as of a time. Without any verdict nothing is lowered."""

    def __init__(self, decided: Iterable[Decided] = (), now: datetime | None = None) -> None:
        self._families: dict[tuple[str, str], Record] = {}
        self._analyzers: dict[str, Record] = {}
        sums: dict[tuple[str, str], dict[Verdict, list[float]]] = {}
        for each in decided:
            if now is None or not timedelta(0) <= now - each.at <= OLDEST:
                continue
            of_family = sums.setdefault((each.analyzer, _kin(each.subject)), {})
            count = of_family.setdefault(each.verdict, [0, 0.0])
            count[0] += 1
            count[1] += 0.5 ** ((now - each.at) / HALF_LIFE)
        for (analyzer, family), counts in sorted(sums.items()):
            record = _record(analyzer, family, counts)
            self._families[analyzer, family] = record
            before = self._analyzers.get(analyzer, Record(analyzer))
            self._analyzers[analyzer] = _with(before, record)

    @property
    def records(self) -> tuple[Record, ...]:
        """Those of the analyzers, each before those of its families of which there is more than one
        verdict."""
        several = (r for r in self._families.values() if r.of > 1)
        every = (*self._analyzers.values(), *several)
        return tuple(sorted(every, key=lambda each: (each.analyzer, each.family)))

    def lowering(self, severity: str, analyzer: str, subject: str) -> Record | None:
        """What lowers the priority of such a card: what lowers it most. None if nothing does, as of
        a family that people uphold as often as they dismiss it."""
        overall = self._analyzers.get(analyzer)
        if overall is None or severity == Severity.CRITICAL:
            return None
        own = self._families.get((analyzer, _kin(subject)))
        if own is not None and 0 < own.upheld >= own.against:
            return None
        worst = min((own or overall, overall), key=lambda record: record.factor)
        return worst if worst.factor < 1 else None

    def lowered(self, priority: float, severity: str, analyzer: str, subject: str) -> float:
        """A priority as it is shown."""
        record = self.lowering(severity, analyzer, subject)
        return priority if record is None else record.lowered(priority)


NOTHING = Reputation()


def decided(card: Card) -> Decided | None:
    """What counts of a card."""
    counted = verdict(card)
    return None if counted is None else Decided(analyzer_of(card), card.subject, *counted)


def analyzer_of(card: Card) -> str:
    """Other writers do not always say which it was."""
    return card.analyzer or card.type


def of(cards: Iterable[Card], now: datetime) -> Reputation:
    return Reputation(filter(None, map(decided, cards)), now)


def marked(card: Card, reputation: Reputation) -> Card:
    """The card as it is shown: if it is open, with the priority that it is left, and why."""
    now = card.current
    record = (
        reputation.lowering(now.severity, analyzer_of(card), card.subject) if card.is_open else None
    )
    if record is None or record.lowered(now.priority) == now.priority:
        return card.changed(**{KEY: None}) if card.data.get(KEY) else card
    left = record.lowered(now.priority)
    change = {KEY: {"priority": now.data["priority"], **record.document}}
    if card.mapping("now"):
        return card.changed(**change, now={**card.mapping("now"), "priority": left})
    return card.changed(**change, priority=left)


def _record(analyzer: str, family: str, counts: dict[Verdict, list[float]]) -> Record:
    numbers = {str(kind): int(count) for kind, (count, _) in counts.items()}
    upheld = sum(weight for kind, (_, weight) in counts.items() if kind.upholds)
    against = counts.get(Verdict.DISMISSED, [0, 0.0])[1]
    return Record(analyzer, family, against=against, upheld=upheld, **numbers)


def _with(record: Record, family: Record) -> Record:
    """The record of an analyzer with one more family, which weighs one verdict at most."""
    share = 1 / max(1.0, family.against + family.upheld)
    return Record(
        record.analyzer,
        dismissed=record.dismissed + family.dismissed,
        approved=record.approved + family.approved,
        completed=record.completed + family.completed,
        against=record.against + share * family.against,
        upheld=record.upheld + share * family.upheld,
    )
