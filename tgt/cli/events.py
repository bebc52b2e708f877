"""``tgt events``: the telemetry lines behind a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_task
from tgt.cli.request import parse_number
from tgt.cli.tasks import named, seen
from tgt.cli.telemetry import OPTIONS, Source
from tgt.errors import ExitStatus, SettingsError

if TYPE_CHECKING:
    from tgt.cli.request import Request

_MOST = 1000


def events(
    request: Request,
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="An id, its beginning or end, or a whole subject that one open task has.",
            autocompletion=complete_task,
        ),
    ],
    *,
    limit: Annotated[
        str, typer.Option(metavar="N", help=f"Show at most N lines, up to {_MOST}.")
    ] = "20",
    source: Source = None,
) -> ExitStatus:
    """Show the telemetry lines behind a task.

    They are the events that counted when its problem was last seen, each with file and line. Where
    telemetry does not show it any more, the samples of the task are what is left.
    """
    most = int(parse_number("--limit", limit, 1, _MOST))
    from tgt import diagnostics, triage
    from tgt import evidence as core
    from tgt.output import progress

    named_cards = triage.find(request.journal(), named([task]))
    if len(named_cards) != 1:
        raise SettingsError(f"TASK={task!r} is not usable: accepted is one task")
    (card,) = seen(request, {card.id: card for card in named_cards}).values()
    settings = request.settings({"TASKGEN_SOURCE": source}, OPTIONS)
    with progress.display(no_color=request.no_color, quiet=request.json) as show:
        lines = core.lines(settings, card, most, progress=show)
    for warning in lines.warnings:
        diagnostics.warn(warning)
    if request.json:
        from tgt.output import machine

        request.reply_json(machine.events(lines))
    else:
        from tgt.output import events_view

        request.reply(events_view.events(request.screen, lines))
    return ExitStatus.DEGRADED if lines.warnings else ExitStatus.OK
