"""``tgt cleanup``: drops old dismissed tasks and rewrites the journal compactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tgt.cli.request import Request


def cleanup(
    request: Request,
    *,
    days: Annotated[
        int,
        typer.Option(
            min=0, max=36500, metavar="N", help="Drop what was dismissed N or more days ago."
        ),
    ] = 30,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; say what would be dropped.")
    ] = False,
) -> None:
    """Drop old dismissed tasks and compact the journal."""
    from tgt import triage  # noqa: PLC0415 not needed by --help
    from tgt.output.words import plural  # noqa: PLC0415

    outcome = triage.cleanup(request.journal(), request.now, days=days, dry_run=dry_run)
    removed = len(outcome.removed)
    told = f"{plural(removed, 'dismissed task')} older than {plural(days, 'day')}"
    message = f"Would drop {told}" if dry_run else f"Dropped {told}"
    if request.json:
        request.reply_json({"removed": removed, "message": message, "dryRun": dry_run})
    else:
        request.reply(f"{message}\n")
