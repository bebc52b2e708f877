"""``tgt events`` for people: each event begins with its place, as compilers write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import text, words
from tgt.output.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from tgt.evidence import Line, Lines

_GAP = "  "
_PLACE = 1000


def events(on: text.Screen, lines: Lines) -> str:
    """Two lines an event on a terminal; elsewhere one, whatever its length."""
    if on.terminal:
        shown = text.render(on, *(part for line in lines.lines for part in _two_lines(line)))
    else:
        shown = "".join(f"{_one_line(line)}\n" for line in lines.lines)
    note = safe(lines.message)
    if not note:
        return shown
    below = text.render(on, text.styled(note, "yellow")) if on.terminal else f"{note}\n"
    return shown + ("\n" if shown else "") + below


def _two_lines(line: Line) -> Iterator[RenderableType]:
    yield Text.assemble(
        text.styled(_place(line), "bold", limit=_PLACE),
        (_GAP + _head(line), "dim"),
        overflow="fold",
    )
    if line.text:
        yield text.indented(text.styled(line.text))


def _one_line(line: Line) -> str:
    return _GAP.join(filter(None, (_place(line) + ":", _head(line), safe(line.text or ""))))


def _place(line: Line) -> str:
    if line.file is None:
        return "(gone)"
    file = safe(line.file, limit=_PLACE)
    return file if line.line is None else f"{file}:{line.line}"


def _head(line: Line) -> str:
    """When, in which conversation, of what, and how long it took."""
    took = "" if line.elapsed_ms is None else words.milliseconds(line.elapsed_ms)
    return _GAP.join(
        filter(
            None,
            (
                words.second(line.at),
                safe(line.subject, limit=200),
                safe(line.conv_id or "", limit=100),
                took,
            ),
        )
    )
