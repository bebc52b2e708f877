"""``tgt mute`` and ``tgt unmute`` for people, and what a card says of being muted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tgt.output import words
from tgt.output.safe import safe

if TYPE_CHECKING:
    from tgt.tasks.mute import Mute


def mutes(counted: Sequence[tuple[Mute, int]]) -> Iterator[str]:
    """One line each, the first to end last, with how many open tasks it covers."""
    if not counted:
        yield "Nothing is muted. Next: tgt mute SUBJECT-GLOB\n"
    for mute, count in counted:
        line = f"{named(mute)}  {end(mute)}  {words.plural(count, 'open task')}{_reason(mute)}"
        yield f"{safe(line)}\n"


def muted(new: Sequence[Mute], wanted: Sequence[Mute], count: int) -> str:
    """What came of muting; ``count`` open tasks are muted by it."""
    names = ", ".join(f"{named(mute)} {end(mute)}" for mute in wanted)
    already = "" if new else ", as it was already"
    return safe(f"Muted {names}{already}; {words.plural(count, 'open task')} muted by that")


def unmuted(ended: Sequence[Mute], subject: str, left: Sequence[Mute]) -> str:
    if ended:
        return safe(f"Unmuted {', '.join(map(named, ended))}")
    names = ", ".join(dict.fromkeys(named(mute) for mute in left[:10])) or "nothing"
    return safe(f"Nothing to do: {subject} was not muted; what is: {names}")


def of_card(mute: Mute) -> str:
    """On one line, why a card is muted."""
    return safe(f"{end(mute)}, by {named(mute)}{_reason(mute)}")


def _reason(mute: Mute) -> str:
    """Why, and who says so."""
    reason = f": {mute.reason}" if mute.reason else ""
    return f"{reason} ({mute.by})" if mute.by else reason


def named(mute: Mute) -> str:
    return f"{mute.subject} ({mute.type} only)" if mute.type else mute.subject


def end(mute: Mute) -> str:
    return f"until {words.clock(mute.until)}" if mute.until else "until tgt unmute"
