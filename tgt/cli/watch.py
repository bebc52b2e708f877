"""``tgt watch``: one line for every change of a task as it happens."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgt.cli.request import Request
    from tgt.tasks.card import Card
    from tgt.tasks.changes import Change

_PAUSE_S = 0.5


def watch(request: Request) -> None:
    """Show every change of a task as it happens.

    One line each, as tgt log tells them, from now on; with --json one document a line. It ends with
    Ctrl-C, or when nobody reads it any more.
    """
    from tgt import diagnostics, mutes
    from tgt import watch as core
    from tgt.tasks.mute import marked

    def tell(change: Change, card: Card) -> None:
        at = request.now_option or datetime.now(timezone.utc)
        in_force = mutes.if_readable(request.tasks_dir, at)
        diagnostics.write_output([_line(request, change, marked(card, in_force.mutes))])

    try:
        watched = core.Watch(request.journal())
        diagnostics.info(f"watching {request.tasks_dir}; Ctrl-C ends it")
        while diagnostics.is_read(_PAUSE_S):
            watched.look(tell)
    except KeyboardInterrupt:
        return


def _line(request: Request, change: Change, card: Card) -> str:
    if request.json:
        from tgt.output import machine

        return machine.watched(change, card)
    from tgt.output import log_view
    from tgt.tasks.mute import KEY

    return log_view.line(request.screen, change, is_muted=bool(card.data.get(KEY)))
