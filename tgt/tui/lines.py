"""Widgets that draw lines: a text to scroll through, a line alone, and the keys that work now.

They are given lines that ``tgt.output`` has made harmless. There is no scroll bar, because not
every terminal can draw one; where a text goes on it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.strip import Strip
from textual.widget import Widget

from tgt.output import triage_view
from tgt.output.triage_view import Drawing

if TYPE_CHECKING:
    from textual import events

Render = Callable[[int], str]
"""Makes the characters of a text of so many columns."""


class Drawn(Widget):
    """A widget that is made of lines."""

    DEFAULT_CSS = "Drawn { height: 1; }"
    only_ascii: ClassVar[bool] = False
    """Whether signs of tgt's own are written with the letters that every terminal has."""

    def line(self, row: int, width: int) -> Drawing | None:
        """What stands in a row; None for nothing."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line = self.line(y, width)
        if line is None:
            return Strip.blank(width, self.rich_style)
        parts = triage_view.segments(line, only_ascii=self.only_ascii)
        return Strip(parts).adjust_cell_length(width, self.rich_style)


class Line(Drawn):
    """One line, made for the width there is."""

    def __init__(self, make: Callable[[int], Drawing], **kwargs: str) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type] # names and classes are texts
        self._make = make

    def line(self, row: int, width: int) -> Drawing | None:
        return self._make(width) if row == 0 else None


class Rule(Drawn):
    """What stands between two parts, beside or above each other."""

    def line(self, row: int, width: int) -> Drawing | None:  # noqa: ARG002 every row is the same
        return triage_view.rule(width)


class Pages(Drawn):
    """A text to scroll through, made anew for every width."""

    DEFAULT_CSS = "Pages { height: 1fr; }"

    def __init__(self, **kwargs: str) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type] # as above
        self._make: Render = lambda _width: ""
        self._lines: Sequence[Drawing] = ()
        self._width = 0
        self.top = 0

    def show(self, make: Render, *, stay: bool = False) -> None:
        """Show another text, from its beginning, or the same renewed, from where it was."""
        self._make = make
        self._lay_out()
        self.top = min(self.top, self._last_top) if stay else 0
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002 the signature is Textual's
        self._lay_out()
        self.scroll_lines(0)

    def _lay_out(self) -> None:
        self._width = self.size.width
        self._lines = triage_view.lines_of(self._make(self._width)) if self._width else ()

    @property
    def _last_top(self) -> int:
        return max(0, len(self._lines) - self.size.height + (1 if self._is_long else 0))

    @property
    def _is_long(self) -> bool:
        return len(self._lines) > self.size.height

    def scroll_lines(self, by: int) -> None:
        self.top = max(0, min(self._last_top, self.top + by))
        self.refresh()

    def scroll_page(self, by: int) -> None:
        self.scroll_lines(by * max(1, self.size.height - 2))

    def line(self, row: int, width: int) -> Drawing | None:
        rest = len(self._lines) - self.top - self.size.height
        if self._is_long and rest > 0 and row == self.size.height - 1:
            return triage_view.below(rest + 1, width)
        index = self.top + row
        return self._lines[index] if index < len(self._lines) else None


class Keys(Drawn):
    """The keys that work now, best first, as many as fit."""

    DEFAULT_CSS = "Keys { dock: bottom; height: 1; }"

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.refresh())

    def line(self, row: int, width: int) -> Drawing | None:
        if row:
            return None
        # In the order in which the screen names them; of several keys for one thing the first.
        own = [each.description for each in self.screen.BINDINGS if isinstance(each, Binding)]
        pairs = {
            active.binding.description: self.app.get_key_display(active.binding)
            for active in reversed(self.screen.active_bindings.values())
            if active.binding.show and active.enabled and active.binding.description in own
        }
        shown = sorted(pairs, key=own.index)
        return triage_view.keys([(pairs[does], does) for does in shown], width)
