"""``tgt pause`` and ``tgt resume``: stop and restart generation without touching the timer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from tgt.durations import parse_duration

if TYPE_CHECKING:
    from tgt.cli.request import Request
    from tgt.tasks.state import Pause, SchedulerState


def pause(
    request: Request,
    *,
    length: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="Such as 2h or 7d (default: until tgt resume)."),
    ] = None,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for those who look at tgt stats.")
    ] = "",
) -> None:
    """Stop generating tasks, for a while or until resumed.

    The timer goes on; its runs are skipped.
    """
    from tgt.tasks.state import Pause

    until = request.now + parse_duration(length) if length is not None else None
    chosen = Pause(until=until, reason=reason, since=request.now)
    _change(request, chosen)


def resume(request: Request) -> None:
    """Generate tasks again after tgt pause."""
    _change(request, None)


def _change(request: Request, chosen: Pause | None) -> None:
    was_paused = False

    def change(state: SchedulerState) -> SchedulerState:
        nonlocal was_paused
        was_paused = state.pause is not None and state.pause.as_of(request.now) is not None
        return replace(state, pause=chosen)

    request.sidecar().update(change)
    from tgt.output import words
    from tgt.output.safe import safe
    from tgt.tasks.json_form import json_form

    if chosen is None:
        message = "Resumed: the next run generates tasks" if was_paused else "Was not paused"
    elif chosen.until is None:
        message = "Paused until tgt resume"
    else:
        message = f"Paused until {words.clock(chosen.until)}"
    if request.json:
        request.reply_json(
            {
                "paused": chosen is not None,
                "until": json_form(chosen.until if chosen else None),
                "reason": chosen.reason if chosen else "",
                "message": message,
            }
        )
    else:
        because = f": {safe(chosen.reason)}" if chosen and chosen.reason else ""
        request.reply(f"{message}{because}\n")
