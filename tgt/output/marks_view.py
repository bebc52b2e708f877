"""``tgt mark`` for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tgt.output import words
from tgt.output.safe import safe

if TYPE_CHECKING:
    from tgt.tasks.mark import Mark


def marks(listed: Sequence[Mark]) -> Iterator[str]:
    """One line each, newest last."""
    if not listed:
        yield "Nothing is remembered yet. Next: tgt mark NAME\n"
    for mark in listed:
        yield f"{words.clock(mark.at)}  {_named(mark)}\n"


def message(mark: Mark, *, is_new: bool) -> str:
    already = "" if is_new else ", as it was already"
    return f"Remembered {_named(mark)}, {words.clock(mark.at)}{already}"


def _named(mark: Mark) -> str:
    return safe(f"{mark.name} of {mark.service}" if mark.service else mark.name)
