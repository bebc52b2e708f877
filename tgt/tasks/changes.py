"""What happened to a card, told from its versions: each line of the journal that has its id is one.

Of a card whose earlier versions are gone, because the journal was written anew or another program
wrote it, its first version that is left tells what its time stamps still say. A run that only saw a
problem again changed nothing, and is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from tgt.tasks.card import GENERATED_BY, Card, Status, parse_time, severity_rank
from tgt.tasks.verification import State


class Kind(StrEnum):
    """What can happen to a card. OTHER is a status of another program's; what is MARKED is no card,
    but a change that somebody remembers, and what is MUTED or UNMUTED a family of subjects."""

    FOUND = "found"
    WORSE = "worse"
    BETTER = "better"
    QUIET = "quiet"
    VERIFIED = "verified"
    REOPENED = "reopened"
    APPROVED = "approved"
    DISMISSED = "dismissed"
    COMPLETED = "completed"
    ANNOTATED = "annotated"
    UNDONE = "undone"
    MARKED = "marked"
    MUTED = "muted"
    UNMUTED = "unmuted"
    OTHER = "other"


class Change(NamedTuple):
    """``task`` is the id of a card, which then had this severity. ``by`` is tgt, or the name of who
    decided, where it is known; ``reason`` the ledger's, ``text`` what changed or was said, and
    ``until`` the end of a dismissal."""

    at: datetime
    kind: Kind
    task: str
    subject: str
    severity: str
    title: str
    by: str = ""
    text: str = ""
    reason: str = ""
    until: datetime | None = None


class Version(NamedTuple):
    """What must be known of a version to tell what the next one changed: little of a card, since
    there may be a hundred thousand."""

    status: str
    severity: str
    stamps: tuple[str, ...]
    owner: str
    links: tuple[str, ...]
    notes: int
    quiet: str
    verified: tuple[str, str]
    undone: str = ""


_DECISIONS = {
    Kind.APPROVED: ("approvedAt", "approvedBy", "approvalNote"),
    Kind.DISMISSED: ("dismissedAt", "dismissedBy", "dismissalReason"),
    Kind.COMPLETED: ("completedAt", "completedBy", "completionNote"),
    Kind.REOPENED: ("reopenedAt", "reopenedBy", "reopenNote"),
}
"""Of each decision the keys of a card that say when, by whom and why."""

_STATUSES = {
    str(Status.GENERATED): Kind.REOPENED,
    str(Status.APPROVED): Kind.APPROVED,
    str(Status.DISMISSED): Kind.DISMISSED,
    str(Status.COMPLETED): Kind.COMPLETED,
}
UNDONE = "undone"
"""The key of a card that tells what was taken back last: when, and what that had been."""

_PROVEN = {State.HOLDS, State.NOT_HOLDING}
_UNDECIDED, _UNVERIFIED = ("",) * len(_DECISIONS), ("", "")
_UNKNOWN = Version("", "", _UNDECIDED, "", (), 0, "", _UNVERIFIED)


def version(card: Card) -> Version:
    stamps = tuple(card.text(keys[0]) for keys in _DECISIONS.values())
    verification = card.mapping("verification")
    verified = (_text(verification, "at"), _text(verification, "state"))
    return Version(
        card.status,
        card.current.severity,
        stamps if any(stamps) else _UNDECIDED,
        card.owner,
        tuple(link for link in card.items("links") if isinstance(link, str)),
        len(card.items("notes")),
        card.text("quietSince"),
        verified if any(verified) else _UNVERIFIED,
        _text(card.mapping(UNDONE), "at"),
    )


def between(before: Version | None, new: Version, card: Card) -> Iterator[Change]:
    """What the new version of a card, which is ``card``, changed; before the first is None."""
    old = before or _UNKNOWN
    about = (card.id, card.subject, new.severity, card.title)
    written = _written(card)
    if before is None and (found_at := _found_at(card)) is not None:
        yield Change(found_at, Kind.FOUND, *about, by=card.text("generatedBy"))
    if new.undone != old.undone and (at := parse_time(new.undone)) is not None:
        yield Change(at, Kind.UNDONE, *about, text=_text(card.mapping(UNDONE), "text"))
        if before is not None:
            return  # that the card is as it was is no decision of its own
    decided = list(_decided(old, new, card, about))
    yield from decided
    if written is None:
        return
    if before is not None or card.text("updatedAt"):
        yield from _status_alone(old, new, decided, written, about)
    if before is not None:
        if not any(change.kind is Kind.REOPENED for change in decided):
            yield from _severity(old, new, written, about)
        yield from _annotated(old, new, card, written, about)
    else:
        yield from (
            Change(at, Kind.ANNOTATED, *about, by=by, text=text) for at, by, text in _notes(card, 0)
        )
    if new.quiet != old.quiet and (since := parse_time(new.quiet)) is not None:
        yield Change(since, Kind.QUIET, *about, by=GENERATED_BY)
    by_tgt = any(each.kind is Kind.COMPLETED and each.by == GENERATED_BY for each in decided)
    if new.verified[1] != old.verified[1] and new.verified[1] in _PROVEN and not by_tgt:
        verification = card.mapping("verification")
        at = parse_time(new.verified[0]) or written
        what = ": ".join(filter(None, (new.verified[1], _text(verification, "text"))))
        yield Change(at, Kind.VERIFIED, *about, by=GENERATED_BY, text=what)


_About = tuple[str, str, str, str]


def _found_at(card: Card) -> datetime | None:
    """When the card was saved, as far as it says so."""
    times = (card.time(key) for key in ("savedAt", "generatedAt", "firstSeenAt"))
    return next((time for time in times if time is not None), None)


def _written(card: Card) -> datetime | None:
    """When this version was written."""
    return card.time("updatedAt") or card.time("lastSeenAt") or _found_at(card)


def _decided(old: Version, new: Version, card: Card, about: _About) -> Iterator[Change]:
    """What people decided, or tgt; each leaves its time."""
    for (kind, keys), before, stamp in zip(_DECISIONS.items(), old.stamps, new.stamps, strict=True):
        at = parse_time(stamp)
        if stamp == before or at is None:
            continue
        by, text, reason = card.text(keys[1]), card.text(keys[2]), ""
        if kind is Kind.REOPENED and (own := _reopened_by_itself(card, at)):
            by, text, reason = GENERATED_BY, "", own
        elif kind is Kind.COMPLETED and by == GENERATED_BY and not text:
            text = _text(card.mapping("verification"), "text")
        until = card.time("dismissedUntil") if kind is Kind.DISMISSED else None
        yield Change(at, kind, *about, by, text, reason, until)


def _reopened_by_itself(card: Card, at: datetime) -> str:
    """The ledger's reason, if it was a run that opened the card again."""
    reopened = card.mapping("metadata").get("reopened")
    if not isinstance(reopened, Mapping) or parse_time(reopened.get("at")) != at:
        return ""
    return _text(reopened, "reason")


def _status_alone(
    old: Version, new: Version, decided: list[Change], at: datetime, about: _About
) -> Iterator[Change]:
    """A status that another program changed without saying when."""
    if new.status in {old.status, ""} or any(
        _STATUSES.get(new.status) is each.kind for each in decided
    ):
        return
    if not old.status and new.status == Status.GENERATED:
        return  # as every card begins
    kind = _STATUSES.get(new.status, Kind.OTHER)
    yield Change(at, kind, *about, text=new.status if kind is Kind.OTHER else "")


def _severity(old: Version, new: Version, at: datetime, about: _About) -> Iterator[Change]:
    """A severity that tgt does not know is no step up or down."""
    before, after = severity_rank(old.severity), severity_rank(new.severity)
    if before != after and min(before, after) >= 0:
        kind = Kind.WORSE if after > before else Kind.BETTER
        text = f"from {old.severity} to {new.severity}"
        yield Change(at, kind, *about, by=GENERATED_BY, text=text)


def _annotated(
    old: Version, new: Version, card: Card, at: datetime, about: _About
) -> Iterator[Change]:
    """What one command said is one change."""
    parts = []
    if new.owner != old.owner:
        parts.append(f"owner {new.owner}" if new.owner else "no owner")
    parts += [f"link {link}" for link in new.links if link not in old.links]
    by = ""
    for noted, name, text in _notes(card, old.notes):
        at, by = noted, name
        parts.append(text)
    if parts:
        yield Change(at, Kind.ANNOTATED, *about, by=by, text="; ".join(parts))


def _notes(card: Card, count: int) -> Iterator[tuple[datetime, str, str]]:
    for note in card.items("notes")[count:]:
        if isinstance(note, Mapping) and (at := parse_time(note.get("at"))) is not None:
            yield at, _text(note, "by"), _text(note, "text")


def _text(mapping: Mapping[str, object], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""
