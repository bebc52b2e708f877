"""Which versions of a service met a problem, and whether it is only the old ones that still do.

Versions are ordered by when they were first seen, never by their text: 1.10 came after 1.9, and a
commit's hash after another's. What a card knows of versions is kept on it, since telemetry forgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tgt.stats.confidence import betainc
from tgt.tasks.card import Card, format_time, parse_time
from tgt.tasks.criterion import CONVERSATIONS, Criterion

MOST_KEPT = 20
IN_USE = timedelta(days=1)
"""A version of which there was nothing for so long is not in use: somebody went back."""
_CHANCE = 0.05
"""What is less likely than this by chance alone says that a version fails, too."""


@dataclass(frozen=True)
class Tried:
    """How often something was tried and failed: ``k`` of ``n`` events, and so many bad of so many
    conversations."""

    n: int = 0
    k: int = 0
    conversations: int = 0
    bad_conversations: int = 0

    def __add__(self, other: Tried) -> Tried:
        return Tried(
            self.n + other.n,
            self.k + other.k,
            self.conversations + other.conversations,
            self.bad_conversations + other.bad_conversations,
        )

    def fails(self, criterion: Criterion | None) -> bool:
        """Whether more fail than is tolerated, and chance alone would hardly have it so; where
        nobody knows what is tolerated, whether any does."""
        bad, units = self.k, self.n
        if self.conversations and (criterion is None or criterion.unit == CONVERSATIONS):
            bad, units = self.bad_conversations, self.conversations
        line = 0.0 if criterion is None else criterion.line
        if not bad or not line:
            return bad > 0
        return bool(bad > line * units and betainc(bad, units - bad + 1, line) < _CHANCE)


@dataclass(frozen=True)
class VersionUse:
    """One version of a service; events without one have an empty version.

    ``first_seen`` and ``last_seen`` are of any event. What was tried is told of the time ``before``
    the card was completed, while the problem was there, and of the time ``since`` then.
    """

    service: str
    version: str
    first_seen: datetime
    last_seen: datetime
    before: Tried = Tried()
    since: Tried = Tried()

    @property
    def key(self) -> tuple[str, str]:
        return self.service, self.version


def kept(
    card: Card, uses: Iterable[VersionUse], criterion: Criterion | None
) -> list[dict[str, Any]]:
    """What a card keeps of versions: since when there are which, and which of them failed; those
    that failed before all others, then the newest."""
    by_key = {each.key: each for each in _versions_of(card)}
    for use in uses:
        if use.version:
            before = by_key.get(use.key)
            first = min(use.first_seen, before.first_seen) if before else use.first_seen
            failed = use.before.fails(criterion) or use.since.fails(criterion)
            failed = failed or (before is not None and before.failed)
            by_key[use.key] = _Kept(use.service, use.version, first, failed)
    best = sorted(by_key.values(), key=lambda each: (each.failed, each.first_seen), reverse=True)
    return [each.document for each in best[:MOST_KEPT]]


def only_older_fail(card: Card, uses: Sequence[VersionUse], now: datetime) -> bool:
    """Whether what counts since a card was completed is the old versions' alone: a newer one than
    all that failed before is in use, and does not fail."""
    criterion = criterion_of(card)
    versions = _versions_of(card)
    seen = {each.key: each.first_seen for each in versions}
    for use in uses:
        seen[use.key] = min(use.first_seen, seen.get(use.key, use.first_seen))
    failed = {each.key for each in versions if each.failed}
    failed |= {use.key for use in uses if use.version and use.before.fails(criterion)}
    failing = [use for use in uses if use.since.fails(criterion)]
    failing = failing or [use for use in uses if use.since.k]

    def is_past(service: str) -> bool:
        old = [seen[key] for key in failed if key[0] == service]
        newer = [u for u in uses if u.service == service and u.version and old]
        newer = [use for use in newer if seen[use.key] > max(old)]
        is_used = any(use.last_seen >= now - IN_USE for use in newer)
        return is_used and not sum((use.since for use in newer), Tried()).fails(criterion)

    return bool(failing) and all(use.version and is_past(use.service) for use in failing)


def criterion_of(card: Card) -> Criterion | None:
    """The first criterion of a card that can be measured."""
    return next(filter(None, map(Criterion.of, card.items("criteria"))), None)


@dataclass(frozen=True)
class _Kept:
    service: str
    version: str
    first_seen: datetime
    failed: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.service, self.version

    @property
    def document(self) -> dict[str, Any]:
        return {
            "service": self.service or None,
            "version": self.version,
            "firstSeenAt": format_time(self.first_seen),
            "failed": self.failed,
        }


def _versions_of(card: Card) -> list[_Kept]:
    """What a card knows; whatever makes no sense is left out."""
    versions = []
    for each in card.items("versions")[: 2 * MOST_KEPT]:
        if not isinstance(each, Mapping):
            continue
        service, version = each.get("service") or "", each.get("version")
        first = parse_time(each.get("firstSeenAt"))
        if isinstance(service, str) and isinstance(version, str) and version and first is not None:
            versions.append(_Kept(service, version, first, each.get("failed") is True))
    return versions
