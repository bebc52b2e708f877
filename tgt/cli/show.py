"""``tgt show``: one card with all its evidence."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.tasks import Task, seen

if TYPE_CHECKING:
    from tgt.cli.request import Request


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def show(
    request: Request,
    task: Task,
    *,
    format_: Annotated[
        Format,
        typer.Option("--format", case_sensitive=False, help="Markdown fits an issue's body."),
    ] = Format.TEXT,
) -> None:
    """Show one task with all its evidence."""
    from tgt import triage  # noqa: PLC0415 not needed by --help

    request.json = request.json or format_ is Format.JSON
    found = triage.find(request.journal(), [task])
    (card,) = seen(request, {card.id: card for card in found}).values()
    if request.json:
        from tgt.output import machine  # noqa: PLC0415 only what the answer needs

        request.reply_json({"task": machine.card(card)})
    elif format_ is Format.MARKDOWN:
        from tgt.output import markdown  # noqa: PLC0415

        request.reply(markdown.card(card, request.now))
    else:
        from tgt.output import card_view  # noqa: PLC0415 rich stays out of --json

        request.reply(card_view.card(request.screen, card, request.now))
