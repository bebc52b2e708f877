"""``tgt config`` for people: every setting with its value, and where that comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt import config as settings_of
from tgt.output import text
from tgt.output.agent import COMMANDS
from tgt.output.safe import safe
from tgt.sources.registry import usual

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tgt.config import Settings

_WIDE = 90


def config(
    on: text.Screen, settings: Settings, origins: Mapping[str, str], file: Path | None
) -> str:
    """``origins`` says of each setting where its value comes from, ``file`` which file counts."""
    explained = on.width >= _WIDE
    rows = text.grid("", "", *(["dim"] if explained else []))
    for variable, value in settings_of.effective(settings).items():
        origin = origins.get(variable, "default")
        is_set = origin != "default"
        shown = text.styled(value, "bold" if is_set else "", limit=500)
        if variable == "TASKGEN_SOURCE" and not settings.source:
            shown = _resolved(settings)
        elif is_set:
            shown.append(f"  ({'file' if origin == str(file) else origin})", style="yellow")
        cells: list[Text] = [Text(variable, no_wrap=True), shown]
        if explained:
            cells.append(Text(settings_of.description(variable, settings.analyzers)))
        rows.add_row(*cells)
    commands = Text("An agent may call: " + ", ".join(COMMANDS.values()), style="dim")
    where = Text(f"Settings file: {safe(str(file)) if file else 'none'}", style="dim")
    return text.render(on, text.heading("Settings"), text.indented(rows), Text(), where, commands)


def _resolved(settings: Settings) -> Text:
    """The sources that there are, where none is set."""
    there = ",".join(str(spec) for spec in usual(settings.contextlog_dir))
    shown = text.styled(there or "nothing", "bold" if there else "yellow", limit=500)
    return shown.append("  (what there is)", style="yellow")
