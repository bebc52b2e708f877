"""``tgt dismiss``: these tasks are not worth doing, for ever or for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.tasks import Tasks, change, harmless
from tgt.durations import parse_duration

if TYPE_CHECKING:
    from tgt.cli.request import Request


def dismiss(
    request: Request,
    tasks: Tasks,
    *,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Kept with the task.")] = None,
    length: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="TIME", help="Such as 7d (default: until it is worse than now)."
        ),
    ] = None,
) -> None:
    """Dismiss tasks, for good or for a while.

    A dismissed problem stays quiet until its severity rises, or until --for has passed.
    """
    from tgt import triage

    until = request.now + parse_duration(length) if length is not None else None
    words = harmless(reason)
    change(
        request, "dismissed", tasks, lambda *what: triage.dismiss(*what, reason=words, until=until)
    )
