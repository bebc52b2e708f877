"""``tgt complete``: these tasks are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgt.cli.tasks import Note, Tasks, change, harmless

if TYPE_CHECKING:
    from tgt.cli.request import Request


def complete(request: Request, tasks: Tasks, *, note: Note = None) -> None:
    """Complete tasks: they are done.

    Should the problem come back, the same task is reopened.
    """
    from tgt import triage

    words = harmless(note)
    change(request, "completed", tasks, lambda *what: triage.complete(*what, note=words))
