"""The cards of one incident, as one of them shows the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import text, words
from tgt.tasks.card import Card
from tgt.tasks.related import FIRST, Entry, entries

if TYPE_CHECKING:
    from rich.console import RenderableType

TITLE = "Same incident"
_TAIL, _ID, _NAME = 8, 40, 200
"""So many characters at the end of an id tell it from any other."""


def leading(task: Card) -> str:
    """What is said of the one that most likely was there first; empty of another."""
    others = entries(task)
    if not others or any(each.get("relation") == FIRST for each in others):
        return ""
    many = f"{len(others) + 1} symptoms"
    return f"This is likely the first of {many}; the others may end with it."


def beside(entry: Entry) -> str:
    """What makes another card one of the same incident."""
    overlap = entry.get("overlap")
    reasons = ["likely first"] if entry.get("relation") == FIRST else []
    if isinstance(overlap, int | float):
        reasons.append(f"{words.confidence(overlap)} shared")
    return ", ".join(reasons)


def name(entry: Entry, others: Mapping[str, Card]) -> str:
    """The title of another card; empty where only its id is known."""
    other = others.get(entry["id"], Card({}))
    return other.title or other.subject


def related(task: Card, others: Mapping[str, Card]) -> Iterator[RenderableType]:
    """The section of a card; ``others`` are those that it names, by id."""
    incident = entries(task)
    if not incident:
        return
    yield text.heading(TITLE)
    if first := leading(task):
        yield text.indented(Text(first))
    rows = text.grid("dim", "", "dim")
    for entry in incident:
        rows.add_row(
            text.styled(entry["id"][-_TAIL:], limit=_ID),
            text.styled(name(entry, others), limit=_NAME),
            Text(beside(entry)),
        )
    yield text.indented(rows)
