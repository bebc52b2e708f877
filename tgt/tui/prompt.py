"""The line at which one types: a search, a reason, a length of time.

What it is about is fixed when it opens: whatever changes in the list meanwhile, an answer is for
the cards that it was asked of. Nothing that happens elsewhere touches what is typed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from tgt.output import triage_view
from tgt.tui.lines import Line

_MOST = 500


class Prompt(Horizontal):
    """Closed until it is asked something; ``on_closed`` is called when it is again."""

    DEFAULT_CSS = """
    Prompt { height: 1; display: none; }
    Prompt.-open { display: block; }
    Prompt Line { width: auto; }
    Prompt Input { width: 1fr; height: 1; border: none; padding: 0; background: ansi_default; }
    Prompt Input:focus { border: none; }
    """

    def __init__(self, on_closed: Callable[[], None]) -> None:
        super().__init__()
        self._on_closed = on_closed
        self._question = ""
        self._on_answer: Callable[[str], None] = lambda _text: None
        self._on_typed: Callable[[str], None] | None = None
        self._before = ""

    def compose(self) -> ComposeResult:
        yield Line(lambda width: triage_view.message(self._question, width))
        yield Input(max_length=_MOST, select_on_focus=False, compact=True)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def is_live(self) -> bool:
        """Whether what is typed is acted on at once, so that one may move in the list meanwhile."""
        return self.is_open and self._on_typed is not None

    def ask(
        self,
        question: str,
        on_answer: Callable[[str], None],
        *,
        text: str = "",
        on_typed: Callable[[str], None] | None = None,
    ) -> None:
        """Open the line; ``on_typed`` is told every change, and ``text`` again if it is left."""
        self._question = f"{question}: "
        self._on_answer, self._on_typed, self._before = on_answer, on_typed, text
        label, field = self.query_one(Line), self.query_one(Input)
        label.styles.width = len(self._question) + 1
        label.refresh()
        with self.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)
        self.add_class("-open")
        self.screen.set_focus(field)  # at once: the next key is a letter

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_live and self._on_typed is not None:
            self._on_typed(event.value)

    async def answer(self) -> None:
        """What was typed is the answer, with every letter that is on its way."""
        field, arrived = self.query_one(Input), asyncio.Event()
        field.call_later(arrived.set)
        await arrived.wait()
        self._close()
        self._on_answer(field.value)

    def leave(self) -> None:
        on_typed, before = self._on_typed, self._before
        self._close()
        if on_typed is not None:
            on_typed(before)

    def _close(self) -> None:
        self._on_typed = None
        self.remove_class("-open")
        self._on_closed()
