"""What somebody wants to be quiet: problems of all subjects that a glob fits, for good or for a
while. What was decided is a history that only grows; what counts of it is asked as of a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import translate
from typing import Any, Self

from tgt.tasks.card import Card, format_time, parse_time

LONGEST_GLOB = 200
LONGEST_REASON = 500
_LONGEST_TYPE = 100
_LONGEST_NAME = 100
_NO_END = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Mute:
    """One decision: from ``at`` on what fits ``subject`` is quiet until ``until``, or until it is
    decided otherwise; or, if it ``ends`` that, is not. ``type`` is one of cards or the name of an
    analyzer, empty where all are meant, and ``by`` who decided it."""

    at: datetime
    subject: str
    type: str = ""
    until: datetime | None = None
    reason: str = ""
    ends: bool = False
    by: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What a later decision about the same takes the place of."""
        return self.subject, self.type

    @property
    def about(self) -> dict[str, Any]:
        """What there is to say of it while it counts."""
        return {
            "subject": self.subject,
            "type": self.type or None,
            "at": format_time(self.at),
            "until": None if self.until is None else format_time(self.until),
            "reason": self.reason,
            "by": self.by or None,
        }

    @property
    def document(self) -> dict[str, Any]:
        return {**self.about, "muted": not self.ends}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self | None:
        """The decision of a document; None where it is none."""
        at, subject, muted = (document.get(key) for key in ("at", "subject", "muted"))
        moment, until = parse_time(at), parse_time(document.get("until"))
        is_one = isinstance(subject, str) and subject.strip() and isinstance(muted, bool)
        if moment is None or not is_one or (until is None and document.get("until") is not None):
            return None
        type_, reason = _text(document.get("type")), _text(document.get("reason"))
        if len(str(subject)) > LONGEST_GLOB or len(type_) > _LONGEST_TYPE:
            return None  # half of a glob would fit something else
        by = _text(document.get("by"))[:_LONGEST_NAME]
        return cls(moment, str(subject), type_, until, reason[:LONGEST_REASON], not muted, by)


class Mutes:
    """The mutes that count at one time. Without any nothing is muted."""

    def __init__(self, mutes: Iterable[Mute] = ()) -> None:
        # What lasts longest is named first where several fit.
        self._known = sorted(mutes, key=lambda mute: (mute.until or _NO_END, mute.at), reverse=True)
        self._fits: list[re.Pattern[str]] | None = None
        self._found: dict[str, tuple[Mute, ...]] = {}

    def __iter__(self) -> Iterator[Mute]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def covering(self, subject: str, *types: str) -> Mute | None:
        """What mutes this subject for one of these types, or names of analyzers; None if nothing
        does."""
        if not self._known:
            return None
        words = {word.lower() for word in types}
        matching = self._about(subject)
        return next((m for m in matching if not m.type or m.type.lower() in words), None)

    def _about(self, subject: str) -> tuple[Mute, ...]:
        """Remembered, because few subjects have all the cards."""
        matching = self._found.get(subject)
        if matching is None:
            if self._fits is None:
                self._fits = [re.compile(translate(mute.subject)) for mute in self._known]
            pairs = zip(self._known, self._fits, strict=True)
            matching = tuple(mute for mute, fits in pairs if fits.match(subject))
            self._found[subject] = matching
        return matching


NOTHING = Mutes()

KEY = "mutedBy"
"""Of a card that is shown: what mutes it. It is never written."""


def marked(card: Card, mutes: Mutes) -> Card:
    """The card as it is shown: if it is open, with what mutes it."""
    mute = mutes.covering(card.subject, card.type, card.analyzer) if card.is_open else None
    if mute is None:
        return card.changed(**{KEY: None}) if card.data.get(KEY) else card
    return card.changed(**{KEY: mute.about})


def as_of(history: Iterable[Mute], now: datetime) -> Mutes:
    """What counts at a time: of what was decided about the same until then the latest, unless it
    is over. Of two decisions of one instant the later in the history is the latest."""
    latest: dict[tuple[str, str], Mute] = {}
    for mute in sorted(history, key=lambda mute: mute.at):
        if mute.at <= now:
            latest[mute.key] = mute
    return Mutes(m for m in latest.values() if not m.ends and (m.until is None or now < m.until))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
