"""The pictures of the documentation: ``tgt list`` and ``tgt triage`` with the cards of the demo.

    python -m benchmarks.screenshot docs

They are drawn from the characters that the program itself makes, of the screen while keys are
pressed, so they cannot show what tgt does not. A picture refers to nothing outside itself.
"""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.segment import Segment, Segments
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from textual.pilot import Pilot

from tgt.board import Board, Query
from tgt.evidence import Lines
from tgt.output import list_view, text
from tgt.output.run_health import Cadence
from tgt.tasks.card import Card, sort_key
from tgt.tui.app import TriageApp
from tgt.tui.task_list import TaskList
from tgt.tui.triage import Around

WIDTH = 116
SCREEN = (108, 27)
NOW = "2025-11-06T15:40:00Z"
REASON = "one cause: the gateway's new time-out"
STEPS: tuple[Sequence[str], ...] = (
    (),
    ("space", "space", "space"),
    ("d", *REASON),
    ("enter", "wait", "u", "wait"),
)
"""The keys before each picture of the screen; at a ``wait`` it is written what was decided."""

# Dark enough for white pages, with severities that are told apart without reading.
_THEME = TerminalTheme(
    (24, 27, 33),
    (214, 218, 226),
    [
        (24, 27, 33),
        (240, 113, 120),
        (142, 200, 124),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 196, 207),
        (214, 218, 226),
    ],
)
_CELL = 12.2  # the width of a character in the picture
_SEGMENT = re.compile(
    r'(<text class="tgt-[\w-]+-r\d+") x="([\d.]+)" (y="[\d.]+") textLength="[\d.]+"'
    r"([^>]*)>([^<]*)</text>"
)
_FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def demo() -> dict[str, Any]:
    """Where the demo of a week lies."""
    return dict(_tgt("demo", "--now", NOW)["demo"])


def cards_of(demo: dict[str, Any]) -> list[Card]:
    """Its open cards, best first."""
    listed = _tgt("--env-file", demo["envFile"], "list")
    return sorted((Card(data) for data in listed["tasks"]), key=sort_key)


def _tgt(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tgt", *arguments, "--json"],
        env={"PATH": os.environ["PATH"]},  # settings of the caller would win over the demo's
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _placed(segment: re.Match[str]) -> str:
    """A run of text without the blanks around it: not every viewer shows those that lead."""
    before, left, height, rest, content = segment.groups()
    words = html.unescape(content)
    start = len(words) - len(words.lstrip())
    words = words.strip()
    if not words:
        return ""
    x, width = float(left) + start * _CELL, len(words) * _CELL
    inside = html.escape(words, quote=False).replace("\xa0", "&#160;")
    return f'{before} x="{x:.1f}" {height} textLength="{width:.1f}"{rest}>{inside}</text>'


def picture(cards: list[Card]) -> str:
    """The list as a terminal of WIDTH columns shows it."""
    now = max(moment for card in cards if (moment := card.time("generatedAt")))
    listing = list_view.Listing(cards, len(cards), {card.id: card for card in cards}, "tasks")
    screen = text.Screen(WIDTH, colour=True, terminal=True)
    shown = list_view.task_list(screen, listing, now)
    return _svg(Text.from_ansi(f"$ tgt list\n{shown}"), WIDTH, "list")


async def pictures(tasks_dir: Path) -> AsyncIterator[str]:
    """The triage screen after each of the steps."""
    around = Around(
        clock=lambda: datetime.fromisoformat(NOW),
        me=lambda: "ada",
        owner=str,
        address=str,
        cadence=Cadence(15, enabled=True),
        lines=lambda _card, _most, _progress: Lines(()),
    )
    app = TriageApp(Board(tasks_dir), around, Query(), plain=False)
    async with app.run_test(size=SCREEN) as pilot:
        await _settled(pilot)
        for number, keys in enumerate(STEPS, 1):
            for key in keys:
                if key == "wait":
                    await _settled(pilot)
                else:
                    await pilot.press(
                        {" ": "space", ":": "colon", "-": "minus", "'": "apostrophe"}.get(key, key)
                    )
            yield _svg(Segments(_drawn(app)), SCREEN[0], f"triage-{number}")


async def _settled(pilot: Pilot[None]) -> None:
    """Until everything is read and written, and drawn."""
    await pilot.pause(2)
    if not pilot.app.screen.query_one(TaskList).shown.cards:
        raise SystemExit("the tasks were not read in time")


def _drawn(app: TriageApp) -> list[Segment]:
    strips = app.screen._compositor.render_strips()  # noqa: SLF001 the characters of the screen
    lines = (Segment.simplify([*strip]) for strip in strips)
    return [part for line in lines for part in (*line, Segment.line())]


def _svg(what: Text | Segments, width: int, name: str) -> str:
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=width, file=nowhere, force_terminal=True)
        console.print(what, end="")
        svg = console.export_svg(title="tgt", theme=_THEME, unique_id=f"tgt-{name}")
    svg = _SEGMENT.sub(_placed, svg)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]*;", f"font-family: {_FONTS};", svg)
    return re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)


async def _all(tasks_dir: Path) -> list[str]:
    return [svg async for svg in pictures(tasks_dir)]


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    target.mkdir(parents=True, exist_ok=True)
    made = demo()
    try:
        drawn = {"list": picture(cards_of(made))}
        steps = asyncio.run(_all(Path(made["directory"]) / "tasks"))
        drawn |= {f"triage-{number}": svg for number, svg in enumerate(steps, 1)}
    finally:
        shutil.rmtree(made["directory"])
    for name, svg in drawn.items():
        path = target / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
