"""``tgt demo`` for people: what was planted, what was found, and how to look further."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import card_view, list_view, run_view, text, words
from tgt.output.safe import safe
from tgt.tasks.card import format_time
from tgt.tasks.reference import Ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.demo import Demo, Planted
    from tgt.outcome import RunReport
    from tgt.tasks.card import Card


def demo(
    on: text.Screen,
    week: Demo,
    report: RunReport,
    *,
    cards_by_fault: Mapping[Planted, Card | None],
    tasks: Sequence[Card],
    kept: bool,
    overridden: bool,
) -> str:
    """``tasks`` are the open ones, best first; ``overridden`` tells whether the environment
    holds settings that would win over the demo's own."""
    tasks_by_id = {task.id: task for task in tasks}
    listing = list_view.Listing(tasks, len(tasks), tasks_by_id, str(week.directory))
    parts = [
        text.render(
            on,
            Text(
                f"{week.what} until {format_time(week.now)}: "
                f"{words.plural(week.lines, 'record')} in {words.plural(week.files, 'file')}",
                style="dim",
            ),
            Text(),
            text.heading("Planted"),
            text.indented(_planted(cards_by_fault, week.now)),
            Text(),
            text.heading("tgt run"),
            text.indented(text.styled(run_view.summary(report, Ids(tasks_by_id)).strip())),
            Text(),
            text.heading("tgt list"),
        ),
        list_view.task_list(on, listing, week.now),
    ]
    if tasks:
        short = Ids(tasks_by_id).short(tasks[0].id)
        parts += [
            text.render(on, Text(), text.heading(f"tgt show {short}")),
            card_view.card(on, tasks[0], week.now),
        ]
    if kept:
        parts.append(_further(on, week, overridden=overridden))
    return "".join(parts)


def _planted(cards_by_fault: Mapping[Planted, Card | None], now: datetime) -> RenderableType:
    rows = text.grid("", "", "dim")
    for fault, card in cards_by_fault.items():
        verdict = Text("found", style="green") if card else Text("not found", style="red")
        since = words.age(fault.since, now)
        rows.add_row(verdict, text.styled(fault.text), Text(f"started {since}"))
    return rows


def _further(on: text.Screen, week: Demo, *, overridden: bool) -> str:
    tgt = f"tgt --env-file {shlex.quote(str(week.env_file))}"
    commands = (
        (f"{tgt} list", "the tasks again; show, approve and dismiss work likewise"),
        (f"{tgt} stats", "the counters, the quota and how each analyzer fares"),
        (f"{tgt} run --now {format_time(week.now)}", "run again: nothing is saved twice"),
        (f"rm -r {shlex.quote(str(week.directory))}", "when you have seen enough"),
    )
    section = text.render(on, Text(), text.heading("Look further"))
    for command, purpose in commands:
        # A command is copied from here, so it is not broken into lines whatever the width.
        section += (
            f"  {safe(command)}\n{text.render(on, text.indented(Text(purpose, style='dim'), 4))}"
        )
    if overridden:
        note = "Variables of your environment win over this file: unset FGK_* and TASKGEN_* first."
        section += text.render(on, text.indented(Text(note, style="yellow")))
    return section
