"""``tgt approve``: these tasks are worth doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgt.cli.tasks import Note, Tasks, change, harmless

if TYPE_CHECKING:
    from tgt.cli.request import Request


def approve(request: Request, tasks: Tasks, *, note: Note = None) -> None:
    """Approve tasks: they are worth doing."""
    from tgt import triage

    words = harmless(note)
    change(request, "approved", tasks, lambda *what: triage.approve(*what, note=words))
