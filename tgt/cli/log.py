"""``tgt log``: what happened to the tasks, newest last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_task
from tgt.cli.tasks import named, state_of, warn_of_skipped
from tgt.cli.telemetry import instant

if TYPE_CHECKING:
    from tgt.cli.request import Request


def log(
    request: Request,
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASK",
            help="Only these (default: all); - reads them from standard input, one a line.",
            autocompletion=complete_task,
        ),
    ] = None,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only since then: 2d, or an instant (default: from the beginning)."
        ),
    ] = None,
) -> None:
    """Show what happened, and what people decided, newest last.

    One line each: found, worse, better, quiet, verified, reopened, approved, dismissed, completed,
    annotated; and what was marked, muted and unmuted. It is told from the journal: of tasks whose
    earlier lines tgt cleanup has dropped, what they still say of themselves.
    """
    from tgt import log as core
    from tgt import triage

    journal = request.journal()
    first = None if since is None else instant(since, request.now)
    names = named(tasks or ())
    chosen = None
    if tasks:
        chosen = {card.id for card in triage.find(journal, names)} if names else set()
    history = core.log(
        journal,
        since=first,
        until=request.now_option,
        tasks=chosen,
        watches=state_of(request).watches,
    )
    warn_of_skipped(request, history.skipped_lines)
    if request.json:
        from tgt.output import machine

        request.reply(*machine.log(history.changes))
    else:
        from tgt.output import log_view

        request.reply(*log_view.log(request.screen, history, str(request.tasks_dir)))
