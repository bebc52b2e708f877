"""How tgt writes numbers, lengths of time and counts for people; the same words everywhere.

Cards may come from another writer, so every function takes what a JSON document can hold and
answers an empty string, or a question mark, for what it cannot show.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tgt.tasks.verdict import is_by_tgt

if TYPE_CHECKING:
    from tgt.tasks.card import Card
    from tgt.tasks.changes import Change

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
LATER = "later"
_BARS = "▁▂▃▄▅▆▇█"
_GAP = " "
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")

# The ledger's reasons in words; one that is new to this table is shown as it is.
REASONS = {
    "new": "",
    "covered": "already a task",
    "severity_rose": "worse than before",
    "muted": "muted",
    "dismissed": "dismissed before",
    "snoozed": "dismissed for now",
    "severity_above_dismissal": "worse than when it was dismissed",
    "snooze_over": "the time it was dismissed for is over",
    "came_back": "came back after it was completed",
    "completed_before": "seen mostly before it was completed",
    "older_versions_only": "only versions that are older than the fix",
    "quota": "the hourly quota is used up",
    "analyzer_quota": "the hourly quota of its analyzer is used up",
    "max_tasks": "enough tasks for one run",
}


def change_in_words(change: Change) -> str:
    """What changed, or was said; of a run that opened a task again, why it did."""
    until = f"until {clock(change.until)}" if change.until else ""
    detail = REASONS.get(change.reason, change.reason) or change.text
    return ": ".join(part for part in (until, detail) if part)


def status(task: Card) -> str:
    """The status of a card, and that it was tgt that approved it."""
    return f"{task.status} by tgt" if is_by_tgt(task) else task.status


def number(value: object) -> float | None:
    """A finite number of a JSON document; None for everything else, also for true and false."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) else None


def count(value: float) -> str:
    return f"{value:,.0f}"


def plural(value: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def percent(share: float) -> str:
    """A share in [0, 1]; one decimal below ten percent, where it matters."""
    value = share * 100
    text = f"{value:.1f}" if 0 < abs(value) < 9.95 else f"{value:.0f}"  # noqa: PLR2004 ten percent, rounded
    return f"{text.removesuffix('.0')}%"


def small_percent(share: float) -> str:
    """A share of which it is enough to know that it is small."""
    return "under 0.1%" if 0 < share < 0.001 else percent(share)  # noqa: PLR2004 a tenth of a percent


def about(per_day: float, what: str) -> str:
    """A rate that nobody knows exactly: ``about 40 conversations a day``; what is rarer is told by
    the week."""
    many, per = (per_day, "day") if per_day >= 1 else (7 * per_day, "week")
    if many < 1:
        return f"fewer than one of the {what} a week"
    rounded = round(many, 1 - math.floor(math.log10(many)))
    noun = what.removesuffix("s") if round(rounded) == 1 else what
    return f"about {count(rounded)} {noun} a {per}"


def confidence(probability: float) -> str:
    """A probability in [0, 1]; never rounded up to a certainty that nobody has."""
    return ">99%" if probability >= 0.995 else percent(probability)  # noqa: PLR2004 half a percent


def spoken(value: object) -> str:
    """An identifier such as ``find_common_cause`` as words; any other text as it is."""
    text = value if isinstance(value, str) else ""
    return text.replace("_", " ").capitalize() if _IDENTIFIER.fullmatch(text) else text


def milliseconds(value: float) -> str:
    if abs(value) < 999.5:  # noqa: PLR2004 what would round to a second is written as one
        return f"{value:.0f} ms"
    seconds = value / 1000
    if abs(seconds) < _MINUTE:
        return f"{seconds:.3g} s"
    return length(timedelta(seconds=min(seconds, 10.0**9)))


def quantity(value: object, unit: object) -> str:
    """A measured value of ``evidence.details`` in its unit; empty where there is none."""
    real = number(value)
    if real is None:
        return ""
    if unit == "share":
        return percent(real)
    if unit == "ms":
        return milliseconds(real)
    if unit == "ratio":
        return f"{real:.3g}×"
    return count(real) if real == int(real) else f"{real:.3g}"


def length(span: timedelta) -> str:
    """A length of time in its two largest units: ``45 s``, ``5 min``, ``2 h 30 min``, ``3 d``."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    for unit, name, below, below_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if seconds >= unit:
            whole, rest = divmod(seconds, unit)
            return f"{whole} {name}" + (f" {rest // below} {below_name}" if rest // below else "")
    return f"{seconds} s"


def age(moment: datetime | None, now: datetime) -> str:
    """``just now``, ``5 min ago``, ``3 h ago``, ``in 2 d``; a question mark where unknown."""
    if moment is None:
        return "?"
    short = _distance(moment, now)
    if short == "now":
        return "just now"
    return f"in {short}" if moment > now else f"{short} ago"


def seen(moment: datetime | None, now: datetime) -> str:
    """When something was seen: ``5 min ago``, and ``later`` where it is yet to come, because a
    clock was set back or the question is about the past."""
    return LATER if age_short(moment, now) == LATER else age(moment, now)


def age_short(moment: datetime | None, now: datetime) -> str:
    """How long ago in one unit, for a column: ``now``, ``5 min``, ``3 h``; ``later`` as above."""
    if moment is None:
        return "?"
    if moment - now >= timedelta(seconds=_MINUTE):
        return LATER
    return _distance(moment, now)


def _distance(moment: datetime, now: datetime) -> str:
    seconds = abs((now - moment).total_seconds())
    if seconds < _MINUTE:
        return "now"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{count(seconds // unit)} {name}"
    return "now"


def clock(moment: datetime | None) -> str:
    """An instant for people, in UTC and to the minute."""
    if moment is None:
        return "?"
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def second(moment: datetime) -> str:
    """An instant for people who look for it in a log, in UTC and to the second."""
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def sparkline(history: object, scale: float = 0.0) -> str:
    """One bar a value from zero to the highest, or to ``scale`` if that is higher; a gap where
    nothing was measured."""
    if not isinstance(history, Sequence) or isinstance(history, str):
        return ""
    values = [number(value) for value in history]
    highest = max((value for value in values if value is not None), default=None)
    if highest is None:
        return ""
    return "".join(_bar(value, max(highest, scale)) for value in values)


def _bar(value: float | None, highest: float) -> str:
    if value is None:
        return _GAP
    if highest <= 0 or value <= 0:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, int(value / highest * len(_BARS)))]
