"""``tgt verify``: whether problems are over, measured now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_task
from tgt.cli.tasks import named, seen, state_of
from tgt.cli.telemetry import OPTIONS, Source
from tgt.errors import ExitStatus

if TYPE_CHECKING:
    from tgt.cli.request import Request


def verify(
    request: Request,
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASK",
            help="Ids, ends of ids, or whole subjects of one open task each; - reads them from"
            " standard input. Without any: the open tasks and those completed in 30 days.",
            autocompletion=complete_task,
        ),
    ] = None,
    *,
    source: Source = None,
) -> ExitStatus:
    """Measure now whether problems are over.

    Of each task what must be true is counted since it went quiet or was completed, else in the
    window of a run (where that has nothing, in 24 hours). Nothing is written: runs measure the
    same, and complete what is shown to be over.
    """
    from tgt import diagnostics, triage
    from tgt import verify as core
    from tgt.output import progress

    settings = request.settings({"TASKGEN_SOURCE": source}, OPTIONS)
    journal = request.journal()
    named_cards = (
        triage.find(journal, named(tasks)) if tasks else core.candidates(journal, request.now)
    )
    cards = list(seen(request, {card.id: card for card in named_cards}).values())
    state = state_of(request, cards)
    with progress.display(no_color=request.no_color, quiet=request.json) as show:
        verification = core.verify(settings, cards, state, request.now, show)
    for warning in verification.warnings:
        diagnostics.warn(warning)
    if request.json:
        from tgt.output import machine

        request.reply_json(machine.verified(verification))
    else:
        from tgt.output import verify_view

        request.reply(verify_view.verification(request.screen, verification))
    return ExitStatus.DEGRADED if verification.warnings else ExitStatus.OK
