"""Which task somebody means who does not type a whole id.

Ids of one run begin alike and end at random, so a task is best named by the end of its id; its
beginning will do as well, in either case. Nothing here reads a card.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property

SHORTEST = 4
"""Characters of an id that lists show at least, so that tomorrow's tasks rarely make it unclear."""


class Ids:
    """All ids of a journal, for looking up parts of them."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = set(ids)

    def match(self, part: str) -> list[str]:
        """The ids that are ``part``, else those that begin or end with it, in either case."""
        if part in self._ids or not part:
            return [part] if part else []
        wanted = part.upper()
        if whole := self._spellings(wanted):
            return whole
        starts = set(_beginning_with(wanted, self._by_start))
        ends = {key[::-1] for key in _beginning_with(wanted[::-1], self._by_end)}
        return sorted(card_id for key in starts | ends for card_id in self._spellings(key))

    def short(self, card_id: str) -> str:
        """The shortest end of an id that means no other one; an unusual id stays as it is."""
        if card_id.isascii() and card_id.isalnum():
            for length in range(SHORTEST, len(card_id)):
                if self.match(card_id[-length:]) == [card_id]:
                    return card_id[-length:]
        return card_id

    def _spellings(self, key: str) -> list[str]:
        """The ids that are ``key`` in capitals."""
        return ([key] if key in self._ids else []) + self._not_in_capitals.get(key, [])

    @cached_property
    def _not_in_capitals(self) -> dict[str, list[str]]:
        ids: dict[str, list[str]] = {}
        for card_id in self._ids:
            if (key := card_id.upper()) != card_id:
                ids.setdefault(key, []).append(card_id)
        return ids

    @cached_property
    def _by_start(self) -> list[str]:
        return sorted({card_id.upper() for card_id in self._ids})

    @cached_property
    def _by_end(self) -> list[str]:
        return sorted(key[::-1] for key in self._by_start)


def _beginning_with(start: str, keys: list[str]) -> Iterator[str]:
    for index in range(bisect_left(keys, start), len(keys)):
        if not keys[index].startswith(start):
            return
        yield keys[index]
