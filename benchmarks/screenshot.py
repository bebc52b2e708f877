"""The picture of ``tgt list`` for the README: what the command prints for the demo's week.

    python -m benchmarks.screenshot docs/list.svg

It is drawn from the characters of the real command on a real terminal's terms, so it cannot show
what tgt does not print. The picture refers to nothing outside itself.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tgt.output import list_view, text
from tgt.tasks.card import Card, sort_key

WIDTH = 100
NOW = "2025-11-06T15:40:00Z"

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
    r'(<text class="tgt-list-r\d+") x="([\d.]+)" (y="[\d.]+") textLength="[\d.]+"'
    r"([^>]*)>([^<]*)</text>"
)
_FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def demo_cards() -> list[Card]:
    """The open cards of ``tgt demo``, best first."""
    demo = _tgt("demo", "--now", NOW)["demo"]
    listed = _tgt("--env-file", demo["envFile"], "list")
    shutil.rmtree(demo["directory"])
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
    """An SVG of the list as a terminal of WIDTH columns shows it."""
    now = max(moment for card in cards if (moment := card.time("generatedAt")))
    listing = list_view.Listing(cards, len(cards), {card.id: card for card in cards}, "tasks")
    screen = text.Screen(WIDTH, colour=True, terminal=True)
    shown = list_view.task_list(screen, listing, now)
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(f"$ tgt list\n{shown}"), end="")
        svg = console.export_svg(title="tgt", theme=_THEME, unique_id="tgt-list")
    svg = _SEGMENT.sub(_placed, svg)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]*;", f"font-family: {_FONTS};", svg)
    return re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/list.svg")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture(demo_cards()), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
