"""``tgt config`` for people: every setting with its value, changed ones marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt import config as settings_of
from tgt.output import text
from tgt.output.agent import COMMANDS

if TYPE_CHECKING:
    from tgt.config import Settings

_WIDE = 90


def config(on: text.Screen, settings: Settings) -> str:
    explained = on.width >= _WIDE
    rows = text.grid("", "", *(["dim"] if explained else []))
    standard = settings_of.effective(type(settings)())
    for variable, value in settings_of.effective(settings).items():
        default = standard.get(variable) or settings_of.default_text(variable, settings.analyzers)
        changed = value != default
        shown = text.styled(value, "bold" if changed else "", limit=500)
        if changed:
            shown.append("  (changed)", style="yellow")
        cells: list[Text] = [Text(variable, no_wrap=True), shown]
        if explained:
            cells.append(Text(settings_of.description(variable, settings.analyzers)))
        rows.add_row(*cells)
    commands = Text("An agent may call: " + ", ".join(COMMANDS.values()), style="dim")
    return text.render(on, text.heading("Settings"), text.indented(rows), Text(), commands)
