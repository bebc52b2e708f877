"""``tgt triage``: the tasks and one card side by side, with a key for every decision."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from tgt.cli import filters
from tgt.cli.filters import (
    ORDERS,
    AtLeast,
    InOrder,
    IsNew,
    OfAll,
    OfOwner,
    OfSeverity,
    OfStatus,
    OfSubject,
    OfType,
    Since,
)
from tgt.cli.request import parse_choice, parse_number
from tgt.cli.tasks import seen
from tgt.cli.telemetry import OPTIONS, Source
from tgt.errors import TgtError

if TYPE_CHECKING:
    from tgt.board import Board
    from tgt.cli.request import Request
    from tgt.config import Settings
    from tgt.tui.triage import Around


def triage(
    request: Request,
    *,
    status: OfStatus = None,
    type_: OfType = None,
    severity: OfSeverity = None,
    min_priority: AtLeast = None,
    subject: OfSubject = None,
    owner: OfOwner = None,
    new: IsNew = False,
    since: Since = None,
    sort: InOrder = "priority",
    every: OfAll = False,
    source: Source = None,
) -> None:
    """Go through the tasks on a screen, with a key for every decision.

    The list and one task side by side, live while runs and other people go on; ? shows all keys.
    At the end it says what was decided, with --json as one document.
    """
    from tgt.board import Board, Query
    from tgt.listing import Asked
    from tgt.store.journal_index import viewed

    order = parse_choice("--sort", sort, ORDERS)
    wanted = Asked(
        statuses=filters.words_of(status),
        types=filters.words_of(type_),
        severities=filters.words_of(severity),
        subjects=subject,
        owners=filters.words_of(owner),
        least=parse_number("--min-priority", min_priority or "0", 0, 100, whole=False),
        every=every,
        since=filters.since(request, since, new=new),
    )
    settings = request.settings({"TASKGEN_SOURCE": source}, OPTIONS)
    try:
        from tgt.tui.app import run
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] == "tgt":
            raise
        raise TgtError(
            "the package textual is not installed, or too old",
            hint=f"install it with pip install 'tgt[tui]', or with {sys.executable} -m pip install"
            " 'textual>=8'",
        ) from None
    viewed(request.journal(), lambda view: filters.check(wanted, list(view.heads.values())))
    board = Board(request.tasks_dir, weighs=settings.reputation)
    query = Query(wanted, order, muted=every)
    run(board, _around(request, settings), query, no_color=request.no_color)
    _tell(request, board)


def _around(request: Request, settings: Settings) -> Around:
    from datetime import datetime, timezone

    from tgt import evidence
    from tgt.cli.annotate import address, name
    from tgt.cli.tasks import me
    from tgt.tui.triage import Around

    return Around(
        clock=lambda: request.now_option or datetime.now(timezone.utc),
        me=me,
        owner=lambda answer: cast("str", name(answer)),
        address=lambda answer: address(answer, "link"),
        cadence=request.cadence,
        lines=lambda card, most, show: evidence.lines(settings, card, most, progress=show),
    )


def _tell(request: Request, board: Board) -> None:
    """What was decided, as the commands that decide tell it."""
    from tgt.output.safe import safe
    from tgt.output.words import plural

    decided = board.decided
    cards_by_id = request.journal().find(lambda ids: [each for each in ids if each in decided])
    cards = seen(request, {each: cards_by_id[each] for each in decided if each in cards_by_id})
    counts = {word: list(decided.values()).count(word) for word in decided.values()}
    parts = [f"{plural(count, 'task')} {word}" for word, count in counts.items()]
    message = ", ".join(parts) or "Nothing was decided"
    if request.json:
        from tgt.output import machine

        request.reply_json(machine.changed(cards.values(), message))
        return
    for card in cards.values():
        done = decided[card.id]
        request.reply(f"{done}  {safe(card.id, limit=60)}  {safe(card.title, limit=200)}\n")
    if not cards:
        request.reply(f"{message}\n")
