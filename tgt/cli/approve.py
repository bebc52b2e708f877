"""``tgt approve``: these tasks are worth doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.tasks import Tasks, change

if TYPE_CHECKING:
    from tgt.cli.request import Request


def approve(
    request: Request,
    tasks: Tasks,
    *,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Kept with the task.")] = None,
) -> None:
    """Approve tasks: they are worth doing."""
    from tgt import triage  # noqa: PLC0415 not needed by --help

    change(request, "approved", tasks, lambda *what: triage.approve(*what, note=note))
