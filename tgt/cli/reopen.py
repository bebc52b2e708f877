"""``tgt reopen``: these tasks are open again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgt.cli.tasks import Note, Tasks, change, harmless

if TYPE_CHECKING:
    from tgt.cli.request import Request


def reopen(request: Request, tasks: Tasks, *, note: Note = None) -> None:
    """Reopen dismissed, completed or approved tasks."""
    from tgt import triage

    words = harmless(note)
    change(request, "reopened", tasks, lambda *what: triage.reopen(*what, note=words))
