"""What changed near the onset of a problem, in words: the same for ``tgt show`` and for Markdown.

A card may come from another writer: whatever is missing or of another type is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tgt.output import text, words
from tgt.tasks.card import Card, parse_time

if TYPE_CHECKING:
    from rich.console import RenderableType

TITLE = "What changed"
_MOST = 20


def lines_of(task: Card) -> list[str]:
    """One line a change: ``release 2.1 of shop, 2025-11-03 14:05 UTC: before …, after …``."""
    changes = [each for each in task.items("changes")[:_MOST] if isinstance(each, Mapping)]
    return [line for change in changes if (line := _line(change))]


def changes(task: Card) -> Iterator[RenderableType]:
    lines = lines_of(task)
    if lines:
        yield text.heading(TITLE)
    for line in lines:
        yield text.indented(text.styled(line))


def _line(change: Mapping[str, object]) -> str:
    kind, name, service = (_text(change.get(key)) for key in ("kind", "name", "service"))
    if not name:
        return ""
    of = f" of {service}" if service else ""
    moment = parse_time(change.get("at"))
    when = f", {words.clock(moment)}" if moment is not None else ""
    sides = _sides(change)
    return f"{kind} {name}{of}{when}".strip() + (f": {sides}" if sides else "")


def _sides(change: Mapping[str, object]) -> str:
    """What was measured of the old and of the new."""
    old, new = _figure(change.get("before")), _figure(change.get("after"))
    if change.get("sideBySide") is True and old and new:
        return f"in the same time the old {old}, the new {new}"
    sides = (("before", old), ("after", new))
    return ", ".join(f"{side} {figure}" for side, figure in sides if figure)


def _figure(value: object) -> str:
    return _text(value.get("text")) if isinstance(value, Mapping) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
