"""Values of foreign JSON as the columns of a record: what is of a wrong type is no value.

The same rules as the macros of the statements, for formats that are translated before the engine
sees them. Nothing here raises, whatever it is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timezone
from typing import Any

from tgt.events import to_us
from tgt.sources.macros import FINISH_WORDS
from tgt.tasks.card import parse_time

PREVIEW = 400
_LATEST_US = 253_402_300_799_000_000
_FINISH_PREFIX = re.compile(r"^finish_?reason[_.]")
_TRUE = frozenset(("true", "1", "yes", "success", "ok"))
_FALSE = frozenset(("false", "0", "no", "error", "failed", "failure"))


def text(value: Any) -> str | None:
    """A scalar as trimmed text; objects, arrays and blanks are no value."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def preview(value: Any) -> str | None:
    """The beginning of anything, as one would read it in a log."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value[:PREVIEW]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        parts = [part.get("text") for part in value[:8] if isinstance(part, dict)]
        joined = "\n".join(part for part in parts if isinstance(part, str))
        if joined:
            return joined[:PREVIEW]
    return str(value)[:PREVIEW]


def number(value: Any) -> float | None:
    """A finite number that is not negative, also as text; a boolean is none."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def truth(value: Any) -> bool | None:
    """A boolean, also as a word or a 0 or 1."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def moment(value: Any) -> int | None:
    """Microseconds since the epoch, of an ISO 8601 time (UTC where it has no offset), a Unix
    time in s, ms, us or ns by its size, or a pair [seconds, nanoseconds]; 0 is no time."""
    if isinstance(value, list):
        return _pair(value)
    if isinstance(value, str) and "-" in value[1:]:
        found = parse_time(value.strip())
        return None if found is None else to_us(found.astimezone(timezone.utc))
    amount: float | None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 25:  # noqa: PLR2004
        amount = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        amount = value
    else:
        amount = number(value)
    if not amount or amount < 0:
        return None
    # The limits lie between the same day in one unit and in the next.
    if amount >= 1e17:  # noqa: PLR2004
        us = amount / 1e3 if isinstance(amount, float) else amount // 1000
    elif amount >= 1e14:  # noqa: PLR2004
        us = amount
    else:
        us = amount * (1e3 if amount >= 1e11 else 1e6)  # noqa: PLR2004
    return int(us) if us <= _LATEST_US else None


def _pair(value: list[Any]) -> int | None:
    if len(value) != 2:  # noqa: PLR2004
        return None
    seconds, nanos = number(value[0]), number(value[1])
    if not seconds or nanos is None or seconds > _LATEST_US / 1e6:
        return None
    return int(seconds) * 1_000_000 + int(nanos) // 1000


def finish(value: Any) -> str | None:
    """A finish reason in the one vocabulary; ``other`` for words that it lacks.

    Of several the first one that is no proper end.
    """
    if isinstance(value, list):
        found = [word for word in map(finish, value) if word]
        return next((word for word in found if word != "stop"), found[0] if found else None)
    word = text(value)
    if word is None:
        return None
    if word[0] == "[":
        inner = [part.strip(" \"'") for part in word.strip("[]").split(",")]
        return finish([part for part in inner if part])
    plain = _FINISH_PREFIX.sub("", word.lower()).replace("-", "_")
    return str(FINISH_WORDS.get(plain, "other"))


def first(attributes: Mapping[str, Any], *names: str) -> Any:
    """The first of the named values that is there and not empty."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def http_class(status: Any) -> str | None:
    """``http_503`` of an HTTP error status, else nothing."""
    code = number(status)
    if code is None or not 400 <= code < 1000:  # noqa: PLR2004
        return None
    return f"http_{code:.0f}"


def upstream(error_type: str | None, where: str | None) -> str:
    """The subject of a failing API, by the class of the failure."""
    if error_type in {"http_429", "http_529"}:
        return f"upstream/{error_type}"
    if error_type and re.fullmatch(r"http_\d{3}", error_type):
        return f"upstream/{error_type[:6]}xx"
    return f"upstream/{where or error_type or 'unknown'}"
