"""``tgt reopen``: these tasks are open again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgt.cli.tasks import Tasks, change

if TYPE_CHECKING:
    from tgt.cli.request import Request


def reopen(request: Request, tasks: Tasks) -> None:
    """Reopen dismissed, completed or approved tasks."""
    from tgt import triage  # noqa: PLC0415 not needed by --help

    change(request, "reopened", tasks, triage.reopen)
