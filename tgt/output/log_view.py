"""``tgt log`` for people: one line a change, wrapped on a terminal and never cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from tgt.output import text, words
from tgt.output.safe import safe
from tgt.tasks.changes import Kind
from tgt.tasks.reference import Ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tgt.log import Log
    from tgt.tasks.changes import Change

_STYLES = {
    Kind.FOUND: "yellow",
    Kind.WORSE: "red",
    Kind.REOPENED: "red",
    Kind.BETTER: "green",
    Kind.QUIET: "green",
    Kind.VERIFIED: "green",
    Kind.COMPLETED: "green",
    Kind.APPROVED: "green",
}
_WHEN, _KIND = len("2025-11-03 16:00 UTC"), max(len(kind) for kind in Kind)
_ID_LIMIT = 40
_GAP = "  "
_READABLE, _BELOW = 30, 2


def log(on: text.Screen, history: Log, place: str) -> Iterator[str]:
    """One line each; on a terminal what is too long goes on below, and on a narrow one all that was
    said stands there. Elsewhere nothing is wrapped."""
    if not history.changes:
        yield _nothing(history, place)
        return
    short_ids = Ids(history.known)
    names = dict.fromkeys(change.task for change in history.changes)
    ids = {
        card_id: safe(short_ids.short(card_id), limit=_ID_LIMIT) if card_id else ""
        for card_id in names
    }
    widest = max(map(len, ids.values()))
    paint = _painter(on)
    indent = _WHEN + _KIND + widest + 3 * len(_GAP)
    is_narrow = on.terminal and on.width - indent < _READABLE
    for change in history.changes:
        parts = (
            (words.clock(change.at).ljust(_WHEN), "dim"),
            (str(change.kind).ljust(_KIND), _STYLES.get(change.kind, "")),
            (ids[change.task].ljust(widest), "dim"),
        )
        if is_narrow:
            head = Text(_GAP, overflow="fold").join(Text(*part) for part in parts)
            yield text.render(on, head)
            yield " " * _BELOW + _wrapped(on, _change_text(change), _BELOW) + "\n"
        else:
            start = "".join(paint(*part) + _GAP for part in parts)
            yield start + _wrapped(on, _change_text(change), indent) + "\n"


def line(on: text.Screen, change: Change, *, is_muted: bool = False) -> str:
    """One change alone, with the whole id: what others may be called later nobody knows."""
    muted = f"{_GAP}(muted)" if is_muted else ""
    paint = _painter(on)
    parts = (
        (words.second(change.at), "dim"),
        (str(change.kind).ljust(_KIND), _STYLES.get(change.kind, "")),
        (safe(change.task, limit=_ID_LIMIT), "dim"),
    )
    return "".join(paint(*part) + _GAP for part in parts) + _change_text(change) + muted + "\n"


def _painter(on: text.Screen) -> Callable[[str, str], str]:
    if not on.colour:
        return lambda word, _style: word
    paint = text.painter(on)
    return lambda word, style: paint(Text(word), style)


def _wrapped(on: text.Screen, line: str, indent: int) -> str:
    width = on.width - indent
    if not on.terminal or cell_len(line) <= width:
        return line
    lines = text.render(on, Text(line, overflow="fold"), width=width).rstrip("\n").split("\n")
    return ("\n" + " " * indent).join(lines)


def _change_text(change: Change) -> str:
    """What it is about and what changed."""
    what = words.change_in_words(change) or (change.title if change.kind is Kind.FOUND else "")
    if change.by and change.by != "tgt":
        what = f"{what} ({change.by})" if what else f"({change.by})"
    grave = change.severity if change.kind in {Kind.FOUND, Kind.REOPENED} else ""
    parts = (grave, change.subject or change.title, what)
    return safe(_GAP.join(part for part in parts if part))


def _nothing(history: Log, place: str) -> str:
    if not history.known:
        return f"No tasks yet in {safe(place)}. Next: tgt run\n"
    return f"Nothing happened then to the {words.plural(len(history.known), 'task')}.\n"
