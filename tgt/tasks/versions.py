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
class VersionUse:
    """One version of a service; events without one have an empty version.

    ``first_seen`` and ``last_seen`` are of any event, ``first_failed`` is of those that count
    against the problem. Since the card was completed (in the window, if it was not) ``k`` of ``n``
    events count, and so many conversations are bad.
    """

    service: str
    version: str
    first_seen: datetime
    last_seen: datetime
    first_failed: datetime | None = None
    n: int = 0
    k: int = 0
    conversations: int = 0
    bad_conversations: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.service, self.version

    def counted(self, unit: str) -> tuple[int, int]:
        """How many are bad of how many: conversations or, where there are none, events."""
        if unit == CONVERSATIONS and self.conversations:
            return self.bad_conversations, self.conversations
        return self.k, self.n


def kept(card: Card | None, uses: Iterable[VersionUse]) -> list[dict[str, Any]]:
    """What a card keeps of versions: since when there are which, and which of them failed; those
    that failed before all others, then the newest."""
    known = {each.key: each for each in _known(card)} if card is not None else {}
    for use in uses:
        if use.version:
            before = known.get(use.key)
            first = min(use.first_seen, before.first_seen) if before else use.first_seen
            failed = use.first_failed is not None or (before is not None and before.failed)
            known[use.key] = _Kept(use.service, use.version, first, failed)
    best = sorted(known.values(), key=lambda each: (each.failed, each.first_seen), reverse=True)
    return [each.document for each in best[:MOST_KEPT]]


def only_older_fail(
    card: Card, uses: Sequence[VersionUse], completed: datetime, now: datetime
) -> bool:
    """Whether what counts since a card was completed is the old versions' alone: a newer one than
    all that failed before is in use, and does not fail."""
    known = _known(card)
    seen = {each.key: each.first_seen for each in known}
    for use in uses:
        seen[use.key] = min(use.first_seen, seen.get(use.key, use.first_seen))
    failed = {each.key for each in known if each.failed}
    failed |= {
        use.key
        for use in uses
        if use.version and use.first_failed is not None and use.first_failed <= completed
    }
    failing = [use for use in uses if use.k]
    return bool(failing) and all(
        use.version != "" and _is_past(use.service, uses, seen, failed, card, now)
        for use in failing
    )


def _is_past(
    service: str,
    uses: Sequence[VersionUse],
    seen: Mapping[tuple[str, str], datetime],
    failed: Iterable[tuple[str, str]],
    card: Card,
    now: datetime,
) -> bool:
    """Whether the problem is one of the old versions of a service."""
    old = [seen[key] for key in failed if key[0] == service]
    if not old:
        return False
    newer = [
        use for use in uses if use.service == service and use.version and seen[use.key] > max(old)
    ]
    is_used = any(use.last_seen >= now - IN_USE for use in newer)
    return is_used and not _fail(newer, card)


def _fail(newer: Sequence[VersionUse], card: Card) -> bool:
    """Whether more fail than is tolerated, and chance alone would hardly have it so; where nobody
    knows what is tolerated, whether any does."""
    criterion = next(filter(None, map(Criterion.of, card.items("criteria"))), None)
    unit, line = (criterion.unit, criterion.line) if criterion else (CONVERSATIONS, 0.0)
    bad, units = (sum(parts) for parts in zip(*(u.counted(unit) for u in newer), strict=True))
    if not bad or not line:
        return bool(bad)
    return bool(bad > line * units and betainc(bad, units - bad + 1, line) < _CHANCE)


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


def _known(card: Card) -> list[_Kept]:
    """What a card knows; whatever makes no sense is left out."""
    known = []
    for each in card.items("versions")[: 2 * MOST_KEPT]:
        if not isinstance(each, Mapping):
            continue
        service, version = each.get("service") or "", each.get("version")
        first = parse_time(each.get("firstSeenAt"))
        if isinstance(service, str) and isinstance(version, str) and version and first is not None:
            known.append(_Kept(service, version, first, each.get("failed") is True))
    return known
