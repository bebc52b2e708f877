"""What to say where a window has no events: that older ones exist, and what shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tgt.durations import spelt
from tgt.tasks.card import format_time

LONGEST_WINDOW = timedelta(minutes=10080)
_MINUTE = timedelta(minutes=1)
_DAY = 1440


@dataclass(frozen=True)
class Older:
    """What there is before a window: events, and when the newest of them was. ``events`` is 0 where
    they are too old to be counted; where whole ``files`` are, ``newest`` is when one was written.
    """

    events: int = 0
    newest: datetime | None = None
    files: int = 0

    def command(self, now: datetime) -> str:
        """The run that shows the newest of them; empty where there is none."""
        if self.newest is None:
            return ""
        needed = now - self.newest + timedelta(seconds=1)
        if needed <= LONGEST_WINDOW:
            return f"tgt run --window {spelt(needed)}"
        return f"tgt run --now {just_after(self.newest)}"


def just_after(event: datetime) -> str:
    """A ``--now`` at which an event is among the newest there are."""
    return f"{event + _MINUTE:%Y-%m-%dT%H:%MZ}"


def no_events(window_min: int, older: Older, now: datetime) -> str:
    """The one line about a window without events."""
    minutes = "minute" if window_min == 1 else f"{window_min} minutes"
    last = minutes if window_min < _DAY else spelt(window_min * _MINUTE)
    message = f"Skipped: no events in the last {last}"
    if older.newest is None:
        return f"{message}, nor before: tgt doctor and tgt sources say why"
    when = f"{spelt(now - older.newest)} ago ({format_time(older.newest)})"
    if older.events:
        what = "one older, of" if older.events == 1 else f"{older.events:,} older, the newest of"
    elif not older.files:
        what = "all are older, the newest of"
    else:
        of = "the only file" if older.files == 1 else f"the newest of {older.files:,} files"
        what = f"{of} was written"
    return f"{message}; {what} {when}: {older.command(now)} shows it"
