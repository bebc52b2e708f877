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
        starts = list(_beginning_with(wanted, self._by_start))
        whole = [card_id for card_id in starts if card_id.upper() == wanted]
        return whole or sorted({*starts, *_beginning_with(wanted[::-1], self._by_end)})

    def short(self, card_id: str) -> str:
        """The shortest end of an id that means no other one; an unusual id stays as it is."""
        if card_id.isascii() and card_id.isalnum():
            for length in range(SHORTEST, len(card_id)):
                if self.match(card_id[-length:]) == [card_id]:
                    return card_id[-length:]
        return card_id

    @cached_property
    def _by_start(self) -> list[tuple[str, str]]:
        return sorted((card_id.upper(), card_id) for card_id in self._ids)

    @cached_property
    def _by_end(self) -> list[tuple[str, str]]:
        return sorted((card_id.upper()[::-1], card_id) for card_id in self._ids)


def _beginning_with(start: str, entries: list[tuple[str, str]]) -> Iterator[str]:
    for index in range(bisect_left(entries, (start, "")), len(entries)):
        key, card_id = entries[index]
        if not key.startswith(start):
            return
        yield card_id
