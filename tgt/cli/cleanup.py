"""``tgt cleanup``: drops old dismissed tasks and rewrites the journal compactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.request import parse_number

if TYPE_CHECKING:
    from tgt.cli.request import Request

_MOST_DAYS = 36500


def cleanup(
    request: Request,
    *,
    days: Annotated[
        str,
        typer.Option(
            metavar="N", help="Drop what was dismissed N or more days ago.", show_default=True
        ),
    ] = "30",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; say what would be dropped.")
    ] = False,
) -> None:
    """Drop old dismissed tasks and compact the journal."""
    from tgt import triage
    from tgt.output.words import plural

    age = int(parse_number("--days", days, 0, _MOST_DAYS))
    outcome = triage.cleanup(request.journal(), request.now, days=age, dry_run=dry_run)
    removed = len(outcome.removed)
    what = f"{plural(removed, 'dismissed task')} older than {plural(age, 'day')}"
    message = f"Would drop {what}" if dry_run else f"Dropped {what}"
    if request.json:
        request.reply_json({"removed": removed, "message": message, "dryRun": dry_run})
    else:
        request.reply(f"{message}\n")
