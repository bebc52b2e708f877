"""The screen: how wide it is, whether it has colours, and how rich's objects become characters.

Text of a card enters only through ``styled``, which escapes it; it is never markup.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO, cast

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tgt.output.safe import safe

SEVERITY_STYLE = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
STATUS_STYLE = {"approved": "green", "completed": "green", "dismissed": "dim"}
_NARROWEST, _WIDEST = 20, 400
_READABLE = 100
_TRAILING = re.compile(r"[ ]+$", re.MULTILINE)


@dataclass(frozen=True)
class Screen:
    width: int
    colour: bool
    terminal: bool = False

    @property
    def readable(self) -> int:
        """The width for running text: long lines are hard to follow."""
        return min(self.width, _READABLE)


def screen(*, no_color: bool = False) -> Screen:
    """Standard output as it is: ``COLUMNS`` or the terminal's width, else 80; colours on a
    terminal that wants them."""
    stream = cast("TextIO | None", sys.stdout)
    terminal = stream is not None and stream.isatty()
    plain = no_color or os.environ.get("NO_COLOR", "") != "" or os.environ.get("TERM") == "dumb"
    width = shutil.get_terminal_size((80, 24)).columns
    return Screen(
        width=max(_NARROWEST, min(_WIDEST, width)),
        colour=terminal and not plain,
        terminal=terminal,
    )


def render(on: Screen, *parts: RenderableType, width: int | None = None) -> str:
    """The characters of ``parts``, one below the other, without trailing blanks."""
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width or on.width,
        color_system="standard" if on.colour else None,
        force_terminal=on.colour,
        force_interactive=False,
        no_color=False,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    for part in parts:
        console.print(part)
    return _TRAILING.sub("", buffer.getvalue())


def without_trailing_blanks(text: str) -> str:
    return _TRAILING.sub("", text)


def painter(on: Screen) -> Callable[[Text, str], str]:
    """What turns a text of one style, else of the second, into characters for this screen."""
    if not on.colour:
        return lambda text, _style: text.plain
    console = Console(color_system="standard", force_terminal=True, no_color=False)

    def paint(text: Text, style: str) -> str:
        chosen_style = console.get_style(text.style or style)
        return chosen_style.render(text.plain, color_system=ColorSystem.STANDARD)

    return paint


def styled(text: object, style: str = "", *, limit: int = 4000) -> Text:
    """Text from anywhere, made harmless, in a style of tgt's choice."""
    return Text(safe(text, limit=limit), style=style, overflow="fold")


def severity(word: str) -> Text:
    return styled(word or "?", SEVERITY_STYLE.get(word, ""), limit=20)


def status(word: str, wording: str = "") -> Text:
    """A status, or its ``wording``, in the style of it."""
    return styled(wording or word or "?", STATUS_STYLE.get(word, ""), limit=20)


def heading(word: str) -> Text:
    return Text(word, style="bold")


def indented(part: RenderableType, by: int = 2) -> Padding:
    return Padding(part, (0, 0, 0, by))


def grid(*columns: str, gap: int = 2) -> Table:
    """A table without lines; each column is named by its style."""
    table = Table.grid(padding=(0, gap, 0, 0), pad_edge=False)
    for style in columns:
        table.add_column(style=style, overflow="fold")
    return table
