"""The triage screen as tests see it: a real task directory, keys, and the characters there are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from conftest import END, Workplace
from textual.events import Paste
from textual.pilot import Pilot

from tgt.board import Board, Query
from tgt.cli.annotate import address, name
from tgt.evidence import Lines
from tgt.output.run_health import Cadence
from tgt.tui.app import TriageApp
from tgt.tui.prompt import Prompt
from tgt.tui.task_list import TaskList
from tgt.tui.triage import Around

T = TypeVar("T")
_PATIENCE_S = 60.0
_FEW = 3


def ids(many: int) -> list[str]:
    """Ids of one run, which differ at their ends; ``A000`` is the first."""
    return [f"01K94XYZ00B7T4M8R2VXCD{chr(65 + n // 1000)}{n % 1000:03}" for n in range(many)]


def cards(make: Callable[..., dict[str, Any]], many: int, **keys: Any) -> list[dict[str, Any]]:
    """So many cards, the best first, each about a subject of its own."""
    return [
        make(each, title=f"problem {n}", subject=f"tool_call/t{n}", priority=90 - n / 20, **keys)
        for n, each in enumerate(ids(many))
    ]


@dataclass
class Seen:
    """The screen of one workplace."""

    place: Workplace
    app: TriageApp
    pilot: Pilot[None]
    board: Board

    @property
    def lines(self) -> list[str]:
        """What the terminal shows, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(part.text for part in strip) for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def styles(self) -> set[str]:
        """All that is said in colours."""
        strips = self.app.screen._compositor.render_strips()
        found = {part.style for strip in strips for part in strip if part.style}
        colours = {each for style in found for each in (style.color, style.bgcolor) if each}
        return {each.name for each in colours}

    @property
    def tasks(self) -> TaskList:
        return self.app.screen_stack[1].query_one(TaskList)

    @property
    def typed(self) -> str:
        from textual.widgets import Input

        return self.app.screen.query_one(Prompt).query_one(Input).value

    @property
    def here(self) -> str:
        """The title of the card under the cursor."""
        assert self.tasks.card is not None
        return self.tasks.card.title

    @property
    def titles(self) -> list[str]:
        return [card.title for card in self.tasks.shown.cards]

    def row(self, title: str) -> int:
        """In which line of the screen a title stands in the list."""
        (row,) = (n for n, line in enumerate(self.lines) if title in line.partition("│")[0])
        return row

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """A few letters by their keys, and more at once, as a terminal hands on what is pasted."""
        if len(text) <= _FEW:
            await self.pilot.press(*text)
        else:
            self.app.post_message(Paste(text))
            await self.pilot.pause()

    async def until(self, is_so: Callable[[], object], why: str = "") -> None:
        """Wait for what is to happen; what does not in half a minute never will."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE_S
        while not is_so():
            assert loop.time() < end, f"{why}\n{self.text}"
            await self.pilot.pause(0.02)

    async def until_said(self, words: str) -> None:
        await self.until(lambda: words in self.text, words)

    @property
    def journal(self) -> dict[str, dict[str, Any]]:
        """Of every card what its newest line says."""
        path = self.place.tasks / "generated_tasks.jsonl"
        told = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        return {card["id"]: card for card in told}


@asynccontextmanager
async def shown(
    place: Workplace,
    size: tuple[int, int] = (80, 24),
    *,
    query: Query | None = None,
    plain: bool = False,
    only_ascii: bool = False,
    waits: bool = True,
) -> AsyncIterator[Seen]:
    """The screen as of END; it ``waits`` for the list to be read."""
    board = Board(place.tasks)
    around = Around(
        clock=lambda: END,
        me=lambda: "ada",
        owner=lambda given: name(given) or "",
        address=address,
        cadence=Cadence(15, enabled=False),
        lines=lambda _card, _most, _progress: Lines((), "nothing is left"),
    )
    app = TriageApp(board, around, query or Query(), plain=plain, only_ascii=only_ascii)
    async with app.run_test(size=size) as pilot:
        seen = Seen(place, app, pilot, board)
        await seen.until(lambda: len(app.screen_stack) > 1)
        if waits:
            await seen.until(lambda: seen.tasks.shown.known, "the list")
        await pilot.pause()
        yield seen


def run(test: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(test)
