"""Lengths of time as people type them (``7d``, ``2h``, ``1d12h``); no months or years, whose
length depends on the calendar."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from tgt.errors import SettingsError

ACCEPTED = "a length of time such as 90s, 30m, 2h, 7d, 1w or 1d12h, at most 3650d"
LONGEST = timedelta(days=3650)
_MINUTES_IN_HOURS, _HOURS_IN_DAYS = 60, 48
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SHAPE = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,9}}){unit})?" for unit in _UNITS))


def spelt(length: timedelta) -> str:
    """A length in its largest fitting unit, rounded up: ``5m``, ``3h``, ``7d``."""
    minutes = max(1, math.ceil(length / timedelta(minutes=1)))
    if minutes <= _MINUTES_IN_HOURS:
        return f"{minutes}m"
    hours = math.ceil(minutes / 60)
    return f"{hours}h" if hours <= _HOURS_IN_DAYS else f"{math.ceil(hours / 24)}d"


def parse_duration(text: str, option: str = "--for") -> timedelta:
    """A positive length of time, largest unit first. Raises SettingsError naming ``option``."""
    match = _SHAPE.fullmatch("".join(text.split()).lower())
    parts = (
        {unit: int(number) for unit, number in match.groupdict().items() if number} if match else {}
    )
    try:
        length = timedelta(**{_UNITS[unit]: number for unit, number in parts.items()})
    except OverflowError:
        length = timedelta(0)
    if not timedelta(0) < length <= LONGEST:
        raise SettingsError(f"{option}={text!r} is not usable: accepted is {ACCEPTED}")
    return length
