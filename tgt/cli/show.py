"""``tgt show``: whole cards with all their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgt.cli.completion import complete_words
from tgt.cli.request import parse_choice
from tgt.cli.tasks import Tasks, named, seen, with_reputation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgt.cli.request import Request
    from tgt.tasks.card import Card

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
    why: Annotated[
        bool,
        typer.Option("--why", help="Explain the figures in plain words instead."),
    ] = False,
) -> None:
    """Show tasks with all their evidence."""
    from tgt import diagnostics, mutes, triage
    from tgt.tasks.mute import marked

    chosen = parse_choice("--format", format_, FORMATS)
    request.json = request.json or chosen == "json"
    named_cards = triage.find(request.journal(), named(tasks))
    in_force = mutes.if_readable(request.tasks_dir, request.now)
    if in_force.warning:
        diagnostics.warn(in_force.warning)
    shown = seen(request, {card.id: card for card in named_cards}).values()
    cards = [marked(card, in_force.mutes) for card in with_reputation(request, shown)]
    if request.json:
        from tgt.output import machine

        request.reply_json({**machine.shown(cards), **(_explained(request, cards) if why else {})})
        return
    others = _others(request, cards)
    if why:
        from tgt.output import why_view

        if chosen == "markdown":
            request.reply("\n".join(why_view.as_markdown(card, request.now) for card in cards))
        else:
            request.reply(why_view.as_text(request.screen, cards, request.now))
    elif chosen == "markdown":
        from tgt.output import markdown

        texts = (markdown.card(card, request.now, others) for card in cards)
        request.reply("\n---\n\n".join(texts))
    else:
        from tgt.output import card_view

        on = request.screen
        texts = (card_view.card(on, card, request.now, others) for card in cards)
        request.reply("\n\n".join(texts))


def _explained(request: Request, cards: Sequence[Card]) -> dict[str, Any]:
    """What there is to explain of each, by its id."""
    from tgt.output.why import why

    return {"why": {card.id: why(card, request.now) for card in cards}}


def _others(request: Request, cards: Sequence[Card]) -> dict[str, Card]:
    """The cards that these name, because they are of the same incident."""
    from tgt.store.journal_index import find
    from tgt.tasks.related import named as named_by

    names = named_by(cards)
    if not names:
        return {}
    return find(request.journal(), lambda ids: [each for each in ids if each in names])
