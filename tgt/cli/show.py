"""``tgt show``: one card with all its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.request import parse_choice
from tgt.cli.tasks import Task, seen

if TYPE_CHECKING:
    from tgt.cli.request import Request


FORMATS = ("text", "json", "markdown")


def show(
    request: Request,
    task: Task,
    *,
    format_: Annotated[
        str,
        typer.Option("--format", metavar="|".join(FORMATS), help="Markdown fits an issue's body."),
    ] = "text",
) -> None:
    """Show one task with all its evidence."""
    from tgt import triage  # noqa: PLC0415 not needed by --help

    chosen = parse_choice("--format", format_, FORMATS)
    request.json = request.json or chosen == "json"
    found = triage.find(request.journal(), [task])
    (card,) = seen(request, {card.id: card for card in found}).values()
    if request.json:
        from tgt.output import machine  # noqa: PLC0415 only what the answer needs

        request.reply_json({"task": machine.card(card)})
    elif chosen == "markdown":
        from tgt.output import markdown  # noqa: PLC0415

        request.reply(markdown.card(card, request.now))
    else:
        from tgt.output import card_view  # noqa: PLC0415 rich stays out of --json

        request.reply(card_view.card(request.screen, card, request.now))
