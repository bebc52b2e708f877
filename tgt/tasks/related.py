"""Cards that name each other, because what they are about is one incident.

Which findings belong together is decided elsewhere (``tgt.analyzers.incidents``); here it becomes
the key ``related`` of cards. Nothing is merged and nothing hidden: every card stays as it is, and a
list may fold those that name each other. Who was said to be the first stays it, as long as nobody
looks at it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tgt.tasks.card import Card
from tgt.tasks.state import Sighting

FIRST = "first"
"""The card named is the one that most likely was there first."""
SAME_INCIDENT = "same_incident"
MOST_RELATED = 30
LONGEST = timedelta(days=1)
"""A card first seen so long ago is of no incident that a new card may join."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Incident:
    """Findings that are symptoms of one incident, by their fingerprints: the likely first, then
    who was first next most often. ``overlaps`` says of two which part of the conversations of the
    one with fewer the other has, too."""

    symptoms: tuple[str, ...]
    overlaps: Mapping[frozenset[str], float] = field(default_factory=dict)


def entries(card: Card) -> list[Entry]:
    """What a card says of the others; whatever is no such thing is left out."""
    return [
        each
        for each in card.items("related")
        if isinstance(each, Mapping) and isinstance(each.get("id"), str)
    ][:MOST_RELATED]


def named(cards: Iterable[Card]) -> set[str]:
    """The ids of the others that cards name."""
    return {each["id"] for card in cards for each in entries(card)}


def names_first(card: Card) -> str | None:
    """The id of the likely first card of the incident; None where the card is of none."""
    others = entries(card)
    first = next((each["id"] for each in others if each.get("relation") == FIRST), None)
    return first or (card.id if others else None)


def with_related(card: Card, others: Sequence[Entry]) -> Card:
    """The card with these others, under the original's key as well."""
    metadata = {**card.mapping("metadata"), "relatedTasks": [each["id"] for each in others]}
    return card.changed(related=[dict(each) for each in others], metadata=metadata)


def pairs(cards: Iterable[Card]) -> frozenset[frozenset[str]]:
    """The fingerprints of cards that name each other already, two by two."""
    by_id = {card.id: card for card in cards}
    return frozenset(
        frozenset((card.fingerprint, by_id[each["id"]].fingerprint))
        for card in by_id.values()
        for each in entries(card)
        if each["id"] in by_id
    )


def related(
    incidents: Iterable[Incident],
    cards: Mapping[str, Card],
    known: Mapping[str, Card],
    now: datetime,
) -> dict[str, tuple[Entry, ...]]:
    """By the id of a card all others of its incident, the first first; of cards of which this says
    anything new. ``cards`` are those of the findings of a run, by fingerprint, and ``known`` all
    there are, by id: what is related to one of an incident is so to all."""
    entries_by_id: dict[str, tuple[Entry, ...]] = {}
    for incident in incidents:
        present = [cards[key] for key in incident.symptoms if key in cards]
        if not present:
            continue
        earlier = _earlier(present, known, now)
        members = [*present, *earlier][: MOST_RELATED + 1]
        if len(members) < 2:  # noqa: PLR2004 one alone is related to nobody
            continue
        first = _first(present, earlier)
        for card in members:
            others = [each for each in members if each.id != card.id]
            new_entries = tuple(_entries(card, others, first, incident.overlaps))
            if list(new_entries) != entries(card):
                entries_by_id[card.id] = new_entries
    return entries_by_id


def _earlier(present: Sequence[Card], known: Mapping[str, Card], now: datetime) -> list[Card]:
    """Open cards that those of a run name and that are not among them."""
    mine = {card.id for card in present}
    named = dict.fromkeys(each["id"] for card in present for each in entries(card))
    others = (known[name] for name in named if name in known and name not in mine)
    return [card for card in others if card.is_open and is_young(card, now)]


def is_young(card: Card | None, now: datetime) -> bool:
    """Whether a card is of a problem that began so lately that others may be of its incident."""
    if card is None:
        return False
    since = card.time("firstSeenAt") or card.time("generatedAt")
    return since is not None and now - since <= LONGEST


def _first(present: Sequence[Card], earlier: Sequence[Card]) -> str:
    """Who was called the first in an earlier run, and is not to be seen now, stays it."""
    gone = {card.id for card in earlier}
    for card in (*present, *earlier):
        if (name := names_first(card)) in gone:
            return name
    return present[0].id


def _entries(
    card: Card, others: Sequence[Card], first: str, overlaps: Mapping[frozenset[str], float]
) -> Iterable[Entry]:
    before = {each["id"]: each.get("overlap") for each in entries(card)}
    result = []
    for other in others:
        back = {each["id"]: each.get("overlap") for each in entries(other)}
        overlap = overlaps.get(frozenset((card.fingerprint, other.fingerprint)))
        if overlap is None:
            overlap = before.get(other.id, back.get(card.id))
        relation = FIRST if other.id == first else SAME_INCIDENT
        share = None if overlap is None else round(overlap, 2)
        result.append({"id": other.id, "relation": relation, "overlap": share})
    return sorted(result, key=lambda entry: (entry["relation"] != FIRST, -(entry["overlap"] or 0)))


def remembered(
    sightings: Mapping[str, Sighting],
    entries_by_id: Mapping[str, Sequence[Entry]],
    known: Mapping[str, Card],
) -> dict[str, Sighting]:
    """The sightings, which say what is related to cards that are not written for that: the journal
    would grow with every symptom that joins."""
    after = dict(sightings)
    for card_id, new_entries in entries_by_id.items():
        card, seen = known[card_id], after.get(card_id)
        at = card.time("lastSeenAt") or card.time("generatedAt")
        if seen is None and at is not None:
            seen = Sighting(int(max(1, card.number("occurrences"))), at)
        if seen is not None:
            after[card_id] = replace(seen, related=tuple(new_entries))
    return after


def groups(cards: Iterable[Card]) -> dict[str, list[str]]:
    """The ids of cards of one incident, by that of the one that stands for them: the likely first
    or, where that is not among them, the one that comes first. A card that is of none stands for
    itself. The order is kept."""
    all_cards = list(cards)
    there: Collection[str] = {card.id for card in all_cards}
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    for card in all_cards:
        for each in entries(card):
            if each["id"] in there:
                root[find(each["id"])] = find(card.id)
    named: dict[str, Counter[str]] = {}
    for card in all_cards:
        first = names_first(card)
        votes = named.setdefault(find(card.id), Counter())
        votes[first if first is not None and first in there else card.id] += first in there
    ids_by_first: dict[str, list[str]] = {}
    for card in all_cards:
        ((first, _),) = named[find(card.id)].most_common(1)
        ids_by_first.setdefault(first, []).append(card.id)
    return ids_by_first
