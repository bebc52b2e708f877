"""``tgt show``: whole cards with all their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_words
from tgt.cli.request import parse_choice
from tgt.cli.tasks import Tasks, named, seen

if TYPE_CHECKING:
    from tgt.cli.request import Request

FORMATS = ("text", "json", "markdown")


def show(
    request: Request,
    tasks: Tasks,
    *,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="Markdown fits an issue's body.",
            autocompletion=complete_words(FORMATS),
        ),
    ] = "text",
) -> None:
    """Show tasks with all their evidence."""
    from tgt import triage

    chosen = parse_choice("--format", format_, FORMATS)
    request.json = request.json or chosen == "json"
    found = triage.find(request.journal(), named(tasks))
    cards = list(seen(request, {card.id: card for card in found}).values())
    if request.json:
        from tgt.output import machine

        request.reply_json(machine.shown(cards))
    elif chosen == "markdown":
        from tgt.output import markdown

        request.reply("\n---\n\n".join(markdown.card(card, request.now) for card in cards))
    else:
        from tgt.output import card_view

        on = request.screen
        request.reply("\n\n".join(card_view.card(on, card, request.now) for card in cards))
