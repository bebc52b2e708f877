"""Cards of one incident name each other, also when one joins later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tgt.tasks.card import Card, format_time
from tgt.tasks.related import (
    LONGEST,
    MOST_RELATED,
    Incident,
    entries,
    groups,
    named,
    names_first,
    pairs,
    related,
    remembered,
    with_related,
)
from tgt.tasks.state import Sighting

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)


def card(name: str, age: timedelta = timedelta(0), **keys: Any) -> Card:
    since = format_time(NOW - age)
    known = {"id": name, "fingerprint": f"fp-{name}", "status": "generated", "firstSeenAt": since}
    return Card({**known, **keys})


def incident(names: str, **overlaps: float) -> Incident:
    """``ab=0.5`` is the overlap of a and b."""
    told = {frozenset(f"fp-{n}" for n in pair): share for pair, share in overlaps.items()}
    return Incident(tuple(f"fp-{n}" for n in names), told)


def told(
    *incidents: Incident, cards: Iterable[Card], known: Iterable[Card] = (), now: datetime = NOW
) -> dict[str, list[tuple[str, str, float | None]]]:
    mine = {each.fingerprint: each for each in cards}
    every = {each.id: each for each in (*known, *mine.values())}
    return {
        name: [(e["id"], e["relation"], e["overlap"]) for e in some]
        for name, some in related(incidents, mine, every, now).items()
    }


def naming(base: Card, *others: str, first: str = "") -> Card:
    return with_related(
        base,
        [
            {"id": o, "relation": "first" if o == first else "same_incident", "overlap": 0.5}
            for o in others
        ],
    )


def test_cards_name_each_other_the_first_before_all() -> None:
    found = told(incident("bac", ab=0.987, ac=1, bc=0.5), cards=map(card, "abc"))
    assert found == {
        "a": [("b", "first", 0.99), ("c", "same_incident", 1)],
        "b": [("a", "same_incident", 0.99), ("c", "same_incident", 0.5)],
        "c": [("b", "first", 0.5), ("a", "same_incident", 1)],
    }


def test_what_has_no_card_is_not_named() -> None:
    assert told(incident("abc"), cards=map(card, "bc")) == {
        "b": [("c", "same_incident", None)],
        "c": [("b", "first", None)],
    }
    assert told(incident("abc"), cards=map(card, "b")) == {}


def test_nothing_is_told_twice() -> None:
    cards = [naming(card("a"), "b"), naming(card("b"), "a", first="a")]
    assert told(incident("ab", ab=0.5), cards=cards) == {}
    assert told(incident("ab", ab=0.7), cards=cards).keys() == {"a", "b"}


def test_who_joins_is_related_to_those_that_are_not_seen_any_more() -> None:
    gone = naming(card("g", timedelta(hours=3)), "a")
    seen = naming(card("a", timedelta(hours=3)), "g", first="g")
    found = told(incident("na", an=0.9), cards=[card("n"), seen], known=[gone])
    assert found == {
        "a": [("g", "first", 0.5), ("n", "same_incident", 0.9)],
        "g": [("a", "same_incident", 0.5), ("n", "same_incident", None)],
        "n": [("g", "first", None), ("a", "same_incident", 0.9)],
    }


def test_what_is_old_or_closed_gains_nothing() -> None:
    for gone in (
        card("g", LONGEST + timedelta(minutes=1)),
        card("g", status="completed"),
        card("g", status="dismissed"),
    ):
        seen = naming(card("a"), "g", first="g")
        found = told(incident("na"), cards=[card("n"), seen], known=[gone])
        assert found.keys() == {"a", "n"}
        assert found["n"] == [("a", "same_incident", None)]


def test_an_incident_is_bounded() -> None:
    names = [f"c{i}" for i in range(MOST_RELATED * 2)]
    many = Incident(tuple(f"fp-{name}" for name in names))
    found = told(many, cards=map(card, names))
    assert len(found) == MOST_RELATED + 1
    assert {len(some) for some in found.values()} == {MOST_RELATED}


def test_the_original_key_has_the_same_ids() -> None:
    before = card("a", metadata={"analyzer": "x", "relatedTasks": []})
    after = naming(before, "b", "c")
    assert after.data["metadata"] == {"analyzer": "x", "relatedTasks": ["b", "c"]}
    assert named([after, naming(card("d"), "e")]) == {"b", "c", "e"}


def test_whatever_is_no_relation_is_left_out() -> None:
    odd = card("a", related=[1, {"id": 5}, {"relation": "first"}, {"id": "b"}, None])
    assert entries(odd) == [{"id": "b"}]
    assert entries(card("a", related={"id": "b"})) == []
    assert names_first(card("a")) is None
    assert names_first(odd) == "a"


def test_pairs_are_those_that_are_both_there() -> None:
    cards = [naming(card("a"), "b", "z"), card("b"), naming(card("c"), "a")]
    assert pairs(cards) == {frozenset(("fp-a", "fp-b")), frozenset(("fp-a", "fp-c"))}


def test_what_joins_later_stands_in_the_sidecar() -> None:
    some = [{"id": "b", "relation": "first", "overlap": 1.0}]
    cards = {"a": card("a", lastSeenAt=format_time(NOW), occurrences=3), "b": card("b")}
    kept: Mapping[str, Sighting] = {"c": Sighting(2, NOW)}
    after = remembered(kept, {"a": some}, cards)
    assert after == {"c": Sighting(2, NOW), "a": Sighting(3, NOW, None, tuple(some))}
    again = remembered({"a": Sighting(7, NOW, {"value": 1})}, {"a": some}, cards)
    assert again == {"a": Sighting(7, NOW, {"value": 1}, tuple(some))}


# --- folding -------------------------------------------------------------------------------------


def test_a_list_folds_to_the_first() -> None:
    cards = [
        naming(card("x"), "f", "y", first="f"),
        card("alone"),
        naming(card("y"), "f", "x", first="f"),
        naming(card("f"), "x", "y"),
    ]
    assert groups(cards) == {"f": ["x", "y", "f"], "alone": ["alone"]}


def test_without_the_first_the_best_stands_for_them() -> None:
    cards = [naming(card("x"), "f", "y", first="f"), naming(card("y"), "f", "x", first="f")]
    assert groups(cards) == {"x": ["x", "y"]}


def test_one_that_does_not_know_yet_of_a_later_one_is_folded_with_it() -> None:
    assert groups([card("a"), naming(card("n"), "a", first="a")]) == {"a": ["a", "n"]}


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=3), max_size=8))
def test_folding_hides_nobody(links: list[set[str]]) -> None:
    cards = [
        naming(card(name), *sorted(others - {name}), first=min(others, default=""))
        for name, others in zip("abcdefgh", links, strict=False)
    ]
    found = groups(cards)
    assert sorted(name for members in found.values() for name in members) == [c.id for c in cards]
    assert all(first in members for first, members in found.items())
