"""What a finding means, given the cards there are: every decision has a named reason.

Identity is the fingerprint, never a text or a number. A person's word outlives the telemetry: what
was dismissed stays quiet, what was completed comes back as the same card. The cards are those
that ``overlay`` shows, so that a renewed card carries on counting where the sightings left off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

from tgt.tasks.card import (
    GENERATED_BY,
    Card,
    Finding,
    Status,
    finding_keys,
    format_time,
    measured,
    new_card,
    severity_rank,
)
from tgt.tasks.mute import NOTHING, Mutes
from tgt.tasks.related import entries, with_related
from tgt.tasks.state import Sighting
from tgt.tasks.verdict import is_by_tgt
from tgt.tasks.verification import Watch, is_about
from tgt.tasks.versions import criterion_of, kept, only_older_fail


class Action(StrEnum):
    """What the ledger decided about a finding."""

    SAVE = "save"
    TOUCH = "touch"
    RENEW = "renew"
    SUPPRESS = "suppress"
    REOPEN = "reopen"
    DEFER = "defer"


WRITES = frozenset({Action.SAVE, Action.RENEW, Action.REOPEN})
"""What writes what was found into a card."""


@dataclass(frozen=True)
class Decision:
    """One finding, what became of it, and why.

    ``card`` is the card that covers, suppresses, is reopened or was created; None when deferred.
    """

    finding: Finding
    action: Action
    reason: str
    card: Card | None = None


NEW = "new"
COVERED = "covered"
SEVERITY_ROSE = "severity_rose"
MUTED = "muted"
DISMISSED = "dismissed"
SNOOZED = "snoozed"
SEVERITY_ABOVE_DISMISSAL = "severity_above_dismissal"
SNOOZE_OVER = "snooze_over"
CAME_BACK = "came_back"
COMPLETED_BEFORE = "completed_before"
OLDER_VERSIONS_ONLY = "older_versions_only"
QUOTA = "quota"
ANALYZER_QUOTA = "analyzer_quota"
MAX_TASKS = "max_tasks"

PROOF = ("quietSince", "verification", "completedBy")
"""The keys of a card that tell of its end."""

WRITE_AGAIN_AFTER = timedelta(days=1)
"""How long sightings of a covered problem stay out of the journal: ten such problems, seen at
every run of a day, then add ten lines to it instead of a thousand."""

_MOST_OCCURRENCES = 1 << 53
_NEVER = datetime.min.replace(tzinfo=timezone.utc)


def room(max_tasks: int, remaining_quota: int) -> tuple[int, str]:
    """How many new cards a run may save, and the reason why not one more.

    Where both limits are the same it is the quota: it would hold the next run back as well.
    """
    if remaining_quota <= max_tasks:
        return max(0, remaining_quota), QUOTA
    return max(0, max_tasks), MAX_TASKS


def decide(
    findings: Iterable[Finding],
    cards: Mapping[str, Card],
    now: datetime,
    room: int,
    limit: str = QUOTA,
    rooms: Mapping[str, int] | None = None,
    mutes: Mutes = NOTHING,
) -> tuple[Decision, ...]:
    """One decision a finding, in their order, which is best first.

    At most ``room`` findings become new cards, the others are deferred because of ``limit``; and at
    most so many of an analyzer as ``rooms`` says, if it names it. No other decision depends on the
    order. Of findings with one fingerprint the first decides. What the ``mutes`` cover changes no
    card, whatever card there is.
    """
    cards_by_key = _deciding_cards(cards.values())
    rooms = dict(rooms or {})
    first: dict[str, Decision] = {}
    decisions = []
    for finding in findings:
        key = finding.fingerprint
        if key in first:
            decisions.append(_duplicate(finding, first[key], now))
            continue
        card = cards_by_key.get(key)
        if mutes.covering(finding.subject, finding.type, finding.analyzer):
            decision = Decision(finding, Action.SUPPRESS, MUTED, card)
        elif card is not None:
            decision = _judge(finding, card, now)
        elif room > 0 and rooms.get(finding.analyzer, room) > 0:
            room -= 1
            if finding.analyzer in rooms:
                rooms[finding.analyzer] -= 1
            new = new_card(finding, now)
            new = new.changed(**_versions(finding, new))
            decision = Decision(finding, Action.SAVE, NEW, new)
        else:
            decision = Decision(finding, Action.DEFER, limit if room <= 0 else ANALYZER_QUOTA)
        first[key] = decision
        decisions.append(decision)
    return tuple(decisions)


def apply(decision: Decision, now: datetime) -> Card | None:
    """The card to append to the journal for a decision; None when nothing is to be written."""
    card = decision.card
    if card is None:
        return None
    match decision.action:
        case Action.SAVE:
            return card
        case Action.RENEW:
            keys = {**finding_keys(decision.finding), **_seen(decision, card, now)}
            if not decision.finding.changes:
                keys["changes"] = list(card.items("changes"))  # of when it began
            if not decision.finding.criteria:
                keys["criteria"] = list(card.items("criteria"))  # they could not be counted now
            if is_by_tgt(card):  # people have not approved what is worse
                keys |= _opened_again(decision, card, now)
            return card.changed(**keys, **_unproven(card), **_versions(decision.finding, card))
        case Action.REOPEN:
            return _reopened(decision, card, now)
        case Action.TOUCH if now - _last_written(card) >= WRITE_AGAIN_AFTER:
            return card.changed(**_seen(decision, card, now))
        case _:
            return None


def sightings(
    before: Mapping[str, Sighting],
    decisions: Sequence[Decision],
    cards: Mapping[str, Card],
    now: datetime,
    *,
    measures: bool = True,
) -> dict[str, Sighting]:
    """The sightings after a run; those of cards that are gone, or were written anew, are dropped.

    They say what was measured of each problem, if it ``measures``: where nobody will look at it, a
    finding need not be made whole for that.

    Without this the journal would grow by a line for every problem that is simply still there.
    """
    after = {card_id: seen for card_id, seen in before.items() if card_id in cards}
    counted: set[str] = set()
    for decision in decisions:
        card, key = decision.card, decision.finding.fingerprint
        if card is None or key in counted:
            continue
        counted.add(key)
        if decision.action is Action.TOUCH or (decision.reason == MUTED and _covers(card)):
            measurement = measured(decision.finding, now) if measures else None
            after[card.id] = Sighting(
                _occurrences(card) + 1, now, measurement, tuple(entries(card))
            )
        elif decision.action in {Action.RENEW, Action.REOPEN}:
            after.pop(card.id, None)
    return after


def overlay(
    cards: Mapping[str, Card],
    sightings: Mapping[str, Sighting],
    watches: Mapping[str, Watch] | None = None,
) -> dict[str, Card]:
    """The cards as they should be shown: with what was seen and measured since their line was
    written."""
    watches = watches or {}
    return {
        card_id: overlaid(card, sightings.get(card_id), watches.get(card_id))
        for card_id, card in cards.items()
    }


def overlaid(card: Card, seen: Sighting | None, watch: Watch | None = None) -> Card:
    """One card as it should be shown."""
    if seen is not None and seen.related and list(seen.related) != entries(card):
        card = with_related(card, seen.related)
    if seen is not None and seen.last_seen_at > (card.time("lastSeenAt") or _NEVER):
        card = card.changed(
            occurrences=max(seen.occurrences, _occurrences(card)),
            lastSeenAt=format_time(seen.last_seen_at),
            **({} if seen.now is None else {"now": dict(seen.now)}),
        )
    return card if watch is None or not is_about(watch, card) else _watched(card, watch)


def _watched(card: Card, watch: Watch) -> Card:
    """The card with what is measured of its end; a problem that is quiet is half as urgent."""
    values = {
        "quietSince": format_time(watch.quiet_since) if watch.quiet_since else None,
        "verification": dict(watch.verification) if watch.verification else None,
    }
    changed = {key: value for key, value in values.items() if value or card.data.get(key)}
    now = card.mapping("now")
    if card.is_open and watch.quiet_since and now:
        changed["now"] = {
            **now,
            **_measured_since(card, watch),
            "priority": round(Card(now).priority / 2),
        }
    return card.changed(**changed) if changed else card


def _measured_since(card: Card, watch: Watch) -> dict[str, Any]:
    """What the measure is since the problem is quiet, in the unit of the card: what runs that still
    see it in a long window measure is of before."""
    figures = (watch.verification or {}).get("figures")
    details = card.mapping("evidence").get("details")
    if not isinstance(figures, Mapping) or not isinstance(details, Mapping):
        return {}
    value, usual = figures.get("value"), Card(details).number("baselineShare")
    if not isinstance(value, int | float):
        return {}
    if details.get("unit") == "ratio":
        if not usual:
            return {}
        value /= usual
    value = float(f"{value:.4g}")
    at = (watch.verification or {}).get("at")
    seen = card.mapping("now").get("at")
    newest = max(each for each in (at, seen, "") if isinstance(each, str))
    history = card.mapping("now").get("history")
    charted = [*history[:-1], value] if isinstance(history, list) and history else []
    return {"value": value, "at": newest, **({"history": charted} if charted else {})}


def completed_by_itself(card: Card, watch: Watch, now: datetime) -> Card:
    """An open card whose problem is over, as later telemetry shows."""
    stamp = format_time(now)
    return card.changed(
        status=str(Status.COMPLETED),
        completedAt=stamp,
        completedBy=GENERATED_BY,
        updatedAt=stamp,
        quietSince=format_time(watch.quiet_since) if watch.quiet_since else None,
        verification=dict(watch.verification or {}),
    )


def verified(card: Card, watch: Watch, now: datetime) -> Card:
    """A card that somebody completed, whose problem is over, as later telemetry shows."""
    return card.changed(updatedAt=format_time(now), verification=dict(watch.verification or {}))


def _deciding_cards(cards: Iterable[Card]) -> dict[str, Card]:
    """For each fingerprint the card that decides: one that covers, else the newest of the others.

    A card without a fingerprint covers nothing; a status of another tool's covers, as the card is
    neither dismissed nor completed.
    """
    chosen: dict[str, Card] = {}
    for card in cards:
        key = card.fingerprint
        if key and (key not in chosen or _precedence(card) > _precedence(chosen[key])):
            chosen[key] = card
    return chosen


def _precedence(card: Card) -> tuple[bool, datetime, str]:
    keys = ("generatedAt", "savedAt", "updatedAt", "dismissedAt", "completedAt")
    newest = max((card.time(key) or _NEVER for key in keys), default=_NEVER)
    return _covers(card), newest, card.id


def _covers(card: Card) -> bool:
    return card.status not in {Status.DISMISSED, Status.COMPLETED}


def _judge(finding: Finding, card: Card, now: datetime) -> Decision:
    if card.status == Status.DISMISSED:
        action, reason = _judge_dismissed(finding, card, now)
    elif card.status == Status.COMPLETED:
        completed = card.time("completedAt") or card.time("updatedAt")
        before = (
            completed is not None and finding.centre is not None and finding.centre <= completed
        )
        if before:
            action, reason = Action.SUPPRESS, COMPLETED_BEFORE
        elif only_older_fail(card, finding.versions, now):
            action, reason = Action.SUPPRESS, OLDER_VERSIONS_ONLY
        else:
            action, reason = Action.REOPEN, CAME_BACK
    elif _rose(finding, card.severity):
        action, reason = Action.RENEW, SEVERITY_ROSE
    else:
        action, reason = Action.TOUCH, COVERED
    return Decision(finding, action, reason, card)


def _judge_dismissed(finding: Finding, card: Card, now: datetime) -> tuple[Action, str]:
    if _rose(finding, card.text("dismissedSeverity") or card.severity):
        return Action.REOPEN, SEVERITY_ABOVE_DISMISSAL
    until = card.time("dismissedUntil")
    if until is None:
        return Action.SUPPRESS, DISMISSED
    return (Action.SUPPRESS, SNOOZED) if now < until else (Action.REOPEN, SNOOZE_OVER)


def _rose(finding: Finding, severity: str) -> bool:
    """Whether the severity is higher; one that tgt does not know is left as somebody set it."""
    rank = severity_rank(severity)
    return finding.severity.rank > rank >= 0


def _duplicate(finding: Finding, first: Decision, now: datetime) -> Decision:
    if first.action is Action.SUPPRESS:
        return replace(first, finding=finding)
    return Decision(finding, Action.TOUCH, COVERED, apply(first, now) or first.card)


def _reopened(decision: Decision, card: Card, now: datetime) -> Card:
    return card.changed(
        **finding_keys(decision.finding),
        **_seen(decision, card, now),
        **_unproven(card),
        **_versions(decision.finding, card),
        **_opened_again(decision, card, now),
        **({"dismissedUntil": None} if card.data.get("dismissedUntil") is not None else {}),
    )


def _opened_again(decision: Decision, card: Card, now: datetime) -> dict[str, Any]:
    """What says that a run has opened the card again, and why."""
    metadata = card.mapping("metadata")
    earlier = metadata.get("reopened")
    count = earlier.get("count") if isinstance(earlier, dict) else 0
    stamp = format_time(now)
    reopened = {
        "at": stamp,
        "reason": decision.reason,
        "count": (count if isinstance(count, int) else 0) + 1,
    }
    return {
        "status": str(Status.GENERATED),
        "reopenedAt": stamp,
        "metadata": {**metadata, "reopened": reopened},
    }


def _versions(finding: Finding, card: Card) -> dict[str, Any]:
    """What the card keeps of versions, if there are any."""
    versions = kept(card, finding.versions, next(iter(finding.criteria), criterion_of(card)))
    return {"versions": versions} if versions else {}


def _unproven(card: Card) -> dict[str, None]:
    """What was said of the end of a problem that is back."""
    return {key: None for key in PROOF if card.data.get(key) is not None}


def _seen(decision: Decision, card: Card, now: datetime) -> dict[str, Any]:
    stamp = format_time(now)
    return {
        "occurrences": _occurrences(card) + 1,
        "lastSeenAt": stamp,
        "updatedAt": stamp,
        "now": measured(decision.finding, now),
    }


def _occurrences(card: Card) -> int:
    """How often the problem was seen; a card was generated because it was seen once."""
    return int(max(1.0, min(card.number("occurrences"), _MOST_OCCURRENCES)))


def _last_written(card: Card) -> datetime:
    """When the card's line was written: unlike ``lastSeenAt`` this knows nothing of sightings."""
    return max(card.time(key) or _NEVER for key in ("generatedAt", "savedAt", "updatedAt"))
