"""Hours of the day in which nobody is told anything: ``22:00-07:00 Europe/Berlin``.

They are read on a clock on the wall: that of the machine, unless a time zone is named, so that
they stay where they are when clocks are put forward or back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

ACCEPTED = (
    "hours as in 22:00-07:00, several with commas, not the whole day, and a time zone behind them"
    " unless the machine's is meant, as in 22:00-07:00 Europe/Berlin"
)

_HOUR, _DAY = 60, 24 * 60
_SPAN = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-4]):([0-5]\d)")
_WHOLE = re.compile(
    rf"(?P<spans>{_SPAN.pattern}(?:\s*,\s*{_SPAN.pattern})*)(?:\s+(?P<zone>[A-Za-z][\w+/-]*))?"
)


@dataclass(frozen=True)
class QuietHours:
    """``spans`` are the minutes of the day from and up to which it is quiet; one that ends before
    it begins goes over midnight. ``zone`` is empty for the machine's own."""

    spans: tuple[tuple[int, int], ...] = ()
    zone: str = ""

    def __str__(self) -> str:
        spans = ",".join(f"{_clock(start)}-{_clock(end)}" for start, end in self.spans)
        return f"{spans} {self.zone}".rstrip()

    def end(self, now: datetime) -> datetime | None:
        """When it stops being quiet; None if it is not quiet now."""
        moment = now
        # Each step goes to the end of one span: adjoining ones are one night.
        for _ in range(2 * len(self.spans) + 1):
            end = next(self._ends(moment), None)
            if end is None:
                break
            moment = end if end > moment else moment + timedelta(minutes=1)
        return None if moment == now else moment.astimezone(timezone.utc)

    def _ends(self, moment: datetime) -> Iterator[datetime]:
        """The ends of the spans that a moment is in."""
        local = moment.astimezone(_zone(self.zone))
        minute = local.hour * _HOUR + local.minute
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for start, end in self.spans:
            if start < end and start <= minute < end:
                yield self._at(midnight + timedelta(minutes=end), local.fold)
            elif start > end and (minute >= start or minute < end):
                days = int(minute >= start)
                yield self._at(midnight + timedelta(minutes=end, days=days), local.fold)

    def _at(self, wall: datetime, fold: int) -> datetime:
        """``fold`` says which of two equal hours of an autumn night is meant."""
        wall, zone = wall.replace(fold=fold), _zone(self.zone)
        return wall.astimezone() if zone is None else wall.replace(tzinfo=zone)


def parse(text: str) -> QuietHours:
    """Raises ValueError with what is accepted."""
    match = _WHOLE.fullmatch(text.strip())
    if match is None:
        raise ValueError(ACCEPTED)
    spans = []
    for hours in _SPAN.findall(match["spans"]):
        start, end = (int(hours[i]) * _HOUR + int(hours[i + 1]) for i in (0, 2))
        if max(start, end) > _DAY or start % _DAY == end % _DAY:
            raise ValueError(ACCEPTED)
        spans.append((start % _DAY, end or _DAY))
    if _covered(spans) >= _DAY:
        raise ValueError(ACCEPTED)
    zone = match["zone"] or ""
    if zone:
        _known(zone)
    return QuietHours(tuple(spans), zone)


def _covered(spans: list[tuple[int, int]]) -> int:
    """How many minutes of a day are quiet."""
    quiet: set[int] = set()
    for start, end in spans:
        quiet.update(minute % _DAY for minute in range(start, end if end > start else end + _DAY))
    return len(quiet)


def _zone(name: str) -> tzinfo | None:
    if not name:
        return None
    from zoneinfo import ZoneInfo  # few name one

    return ZoneInfo(name)


def _known(zone: str) -> None:
    try:
        _zone(zone)
    except (ValueError, OSError, LookupError):
        raise ValueError(ACCEPTED) from None


def _clock(minutes: int) -> str:
    return f"{minutes // _HOUR:02}:{minutes % _HOUR:02}"
