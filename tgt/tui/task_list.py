"""The list of the triage screen: where one stands in it, and what is marked.

It is given what to show again and again, while somebody reads: the place of the cursor on the
screen stays as it is, whatever comes or goes above.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from textual.message import Message

from tgt.board import Shown
from tgt.output import triage_view
from tgt.output.triage_view import Drawing
from tgt.tui.lines import Drawn

if TYPE_CHECKING:
    from textual import events

    from tgt.tasks.card import Card


class TaskList(Drawn, can_focus=True):
    """Keys come to the screen that it is on: it has none of its own."""

    DEFAULT_CSS = "TaskList { height: 1fr; }"

    class Moved(Message):
        """The cursor stands on another card, or the card is another."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = Shown()
        self.marks: set[str] = set()
        self.empty = ""
        self._now: datetime | None = None
        self._at = 0
        self._top = 0

    @property
    def card(self) -> Card | None:
        """The card under the cursor."""
        cards = self.shown.cards
        return cards[self._at] if cards else None

    @property
    def chosen(self) -> list[str]:
        """The ids of what is marked, in the order of the list, else of the card one stands on."""
        marked = [card.id for card in self.shown.cards if card.id in self.marks]
        return marked or ([self.card.id] if self.card else [])

    def show(self, shown: Shown, now: datetime, *, go_to: str = "") -> None:
        """Show what there is now; the cursor stays with its card, or goes to another."""
        here = self.card.id if self.card else ""
        on_screen = self._at - self._top
        index = {card.id: number for number, card in enumerate(shown.cards)}
        self.shown, self._now = shown, now
        self.marks &= index.keys()
        last = max(0, len(shown.cards) - 1)
        self._at = index.get(go_to, index.get(here, min(self._at, last)))
        self._top = max(0, self._at - on_screen)
        self._come_into_view()
        self.post_message(self.Moved())

    def move(self, by: int) -> None:
        self.move_to(self._at + by)

    def move_to(self, index: int) -> None:
        self._at = max(0, min(len(self.shown.cards) - 1, index))
        self._come_into_view()
        self.post_message(self.Moved())

    @property
    def page(self) -> int:
        """How many rows are seen at once."""
        return max(1, (self.size.height - 1) // self._columns.lines)

    def mark(self) -> None:
        """Mark the card under the cursor, or no longer, and go on to the next."""
        if self.card:
            self.marks ^= {self.card.id}
            self.move(1)

    def mark_all(self) -> None:
        """Mark all, or if all are marked, none."""
        every = {card.id for card in self.shown.cards}
        self.marks = set() if self.marks == every else every
        self.refresh()

    @property
    def _columns(self) -> triage_view.Columns:
        return triage_view.columns(self.size.width, self.shown)

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002 the signature is Textual's
        self._come_into_view()

    def _come_into_view(self) -> None:
        last_top = max(0, len(self.shown.cards) - self.page)
        self._top = min(max(self._top, self._at - self.page + 1), self._at, last_top)
        self.refresh()

    def line(self, row: int, width: int) -> Drawing | None:
        cards, has = self.shown.cards, self._columns
        if not cards or self._now is None:
            lines = triage_view.wrapped(self.empty, width)
            return lines[row] if row < len(lines) else None
        if row == 0:
            return has.head
        index, part = divmod(row - 1, has.lines)
        index += self._top
        if index >= len(cards):
            return None
        card = cards[index]
        return triage_view.row(
            has,
            card,
            self.shown.ids[card.id],
            self._now,
            marked=card.id in self.marks,
            here=index == self._at,
        )[part]
