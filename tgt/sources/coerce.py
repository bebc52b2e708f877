"""Values of foreign JSON as the columns of a record: what is of a wrong type is no value.

The same rules as the macros of ``tgt.sources.macros``, for formats that are translated before the
engine sees them; ``tests/sources/values.json`` holds both to the same answers. Nothing here
raises, whatever it is given.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta, timezone
from typing import Any

from tgt.events import to_us
from tgt.sources.words import ABORTS, FINISH_PREFIX, FINISHES, OUTCOMES, REFUSALS, TRUTHS
from tgt.templates.lines import ends

PREVIEW = 400
LONGEST_TEMPLATE = 100
EARLIEST_US = 631_152_000_000_000
LATEST_US = 253_402_300_799_999_999

_COMMANDS = frozenset(("command", "cmd"))
_RUNS = re.compile(r'"c(?:ommand|md)"')
_LONGEST_OBJECT = 1 << 16
_BESIDE_A_COMMAND = frozenset(
    (
        *("description", "explanation", "justification", "reason", "timeout", "timeout_ms"),
        *("yield_time_ms", "max_output_tokens", "initial_wait"),
    )
)
"""An agent words or chooses these anew each time that it runs the same."""

# What is longer is no word, whatever it is, and to look into it might take much memory.
_LONGEST_WORD = 4096
_BLANKS = " \t\r\n"
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_FINISH_PREFIX = re.compile(FINISH_PREFIX)
_SEVERAL_WORDS = re.compile(r"[a-z][a-z_.-]*")
_WRITTEN = re.compile(
    r"(?:(\d{4})([-/])(\d{1,2})\2(\d{1,2})|(\d{4})(\d\d)(\d\d))[T ]"
    r"(?:(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?|(\d\d)(\d\d)(\d\d))(?:\.(\d+))?"
    r" *(?:([+-])(\d\d)(?::?(\d\d))?)? ?(?:Z|UTC|GMT)?",
    re.ASCII,
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:|$)", re.ASCII)
_LEAST_DIGITS = 10_000_000_000_000
"""The least number that may be a date and a time of day without anything between."""
_WHOLE_TIME = re.compile(r"[1-9][0-9]{8,18}", re.ASCII)


def text(value: Any) -> str | None:
    """A scalar as trimmed text; objects, arrays (also as texts) and blanks are no value."""
    if value is None:
        return None
    if isinstance(value, str):
        trimmed = value.strip(_BLANKS)
        return None if trimmed[:1] in {"{", "["} and _is_json(trimmed) else trimmed or None
    if isinstance(value, dict | list):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def template(name: Any, version: Any = None, digest: Any = None) -> str | None:
    """What tells the template of a prompt from others: its name and version, else a hash. A name
    is short and on one line; what is not is the prompt itself, and only a hash of it is kept."""
    key = "@".join(filter(None, (text(name), text(version)))) or text(digest)
    if key is None or (len(key) <= LONGEST_TEMPLATE and not _CONTROL.search(key)):
        return key
    return hashlib.md5(key.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:12]


def _is_json(value: str) -> bool:
    return len(value) > _LONGEST_WORD or parsed(value) is not None


def parsed(value: str) -> Any:
    """What a text says as JSON; None where it is none."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def preview(value: Any) -> str | None:
    """The beginning of anything, as one would read it in a log."""
    written = _written(value)
    return None if written is None else written[:PREVIEW]


def error_text(value: Any) -> str | None:
    """What a failure said, as far as its template is made of it: beginning and end."""
    written = _written(value)
    return None if written is None else ends(written)


def _written(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        parts = [part.get("text") for part in value[:8] if isinstance(part, dict)]
        joined = "\n".join(part for part in parts if isinstance(part, str))
        if joined:
            return joined
    return str(value)


def number(value: Any) -> float | None:
    """A finite number that is not negative, also as text; a boolean is none."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and (len(value) > _LONGEST_WORD or not value.isascii()):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) and result >= 0 else None


def truth(value: Any) -> bool | None:
    """A boolean, also as a word or a 0 or 1."""
    return value if isinstance(value, bool) else TRUTHS.get(_plain(value))


def outcome(value: Any) -> bool | None:
    """Whether what has this status failed; None where the status does not tell.

    A word, or a number: of HTTP, or 0 or 1. Other small numbers mean something else everywhere.
    """
    word = _plain(value)
    if word in OUTCOMES:
        return OUTCOMES[word]
    code = number(value)
    if code is None or (code < 100 and code not in {0, 1}):  # noqa: PLR2004 the least HTTP status
        return None
    return code >= 400  # noqa: PLR2004 HTTP's errors


def is_abort(value: Any) -> bool:
    """Whether the word says that somebody stopped it."""
    return _plain(value) in ABORTS


def is_refusal(value: Any) -> bool:
    """Whether the word says that a person refused it."""
    return _plain(value) in REFUSALS


def _plain(value: Any) -> str:
    if not isinstance(value, str | int | float):
        return ""
    word = value[:_LONGEST_WORD] if isinstance(value, str) else str(value)
    return word.strip(_BLANKS).lower().replace("-", "_").replace(" ", "_")


# --- times ---------------------------------------------------------------------------------------


def moment(value: Any) -> int | None:
    """Microseconds since the epoch, UTC, from 1990 to 9999.

    Of an ISO 8601 time (also in its basic form, as 14 digits, with a comma, lower-case, or with UTC
    behind it; UTC where it has no offset), of a Unix time in s, ms, us or ns by its size, also as
    text, or of a pair [seconds, nanoseconds].
    """
    us: int | None
    if isinstance(value, str):
        us = _of_text(value.strip(_BLANKS)) if len(value) <= _LONGEST_WORD else None
    elif isinstance(value, bool):
        return None
    elif isinstance(value, int):
        us = _of_whole(value)
    elif isinstance(value, float):
        us = _of_real(value)
    else:
        us = _of_pair(value) if isinstance(value, list) else None
    return us if us is not None and EARLIEST_US <= us <= LATEST_US else None


def _of_text(value: str) -> int | None:
    if _ISO.match(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _of_written(value)
        return to_us(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))
    if _WHOLE_TIME.fullmatch(value):
        return _of_whole(int(value))
    if value[:1] == "[":
        return _of_pair(parsed(value))
    us = _of_written(value)
    amount = number(value) if us is None else None
    return us if amount is None else _of_real(amount)


def _of_written(value: str) -> int | None:
    written = _WRITTEN.fullmatch(value.upper().replace(",", "."))
    if written is None:
        return None
    date = [int(part) for part in written.group(1, 3, 4, 5, 6, 7) if part]
    hour, minute, second = ([int(p) for p in written.group(8, 9, 10, 11, 12, 13) if p] + [0])[:3]
    micros = int((written[14] or "")[:6].ljust(6, "0"))
    offset = int(written[16] or 0) * 60 + int(written[17] or 0)
    # The end of a day may be written as its 24th hour.
    is_end = (hour, minute, second, micros) == (24, 0, 0, 0)
    try:
        day = datetime(date[0], date[1], date[2], tzinfo=timezone.utc)
        clock = timedelta(days=1) if is_end else _time_of_day(hour, minute, second, micros)
    except ValueError:
        return None
    return (
        to_us(day)
        + clock // timedelta(microseconds=1)
        + offset * (60_000_000 if written[15] == "-" else -60_000_000)
    )


def _time_of_day(hour: int, minute: int, second: int, micros: int) -> timedelta:
    """Raises ValueError if there is no such time."""
    time(hour, minute, second, micros)
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros)


def _of_whole(amount: int) -> int | None:
    if _LEAST_DIGITS <= amount < 10 * _LEAST_DIGITS:
        # In milliseconds it would be a time in hundreds of years.
        digits = str(amount)
        written = _of_written(f"{digits[:8]}T{digits[8:]}")
        if written is not None and digits >= "1990":
            return written
    # The limits lie between the same day in one unit and in the next.
    if amount < 100_000_000_000:  # noqa: PLR2004
        return amount * 1_000_000
    if amount < 100_000_000_000_000:  # noqa: PLR2004
        return amount * 1_000
    if amount < 100_000_000_000_000_000:  # noqa: PLR2004
        return amount
    return amount // 1_000 if amount < 1 << 63 else None


def _of_real(amount: float) -> int | None:
    if not math.isfinite(amount) or amount >= 1e19:  # noqa: PLR2004 no time in any unit
        return None
    if amount < 1e11:  # noqa: PLR2004
        return round(amount * 1e6)
    if amount < 1e14:  # noqa: PLR2004
        return round(amount * 1e3)
    return round(amount) if amount < 1e17 else round(amount / 1e3)  # noqa: PLR2004


def _of_pair(value: Any) -> int | None:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004
        return None
    seconds, nanos = number(value[0]), number(value[1])
    if seconds is None or nanos is None or seconds > LATEST_US / 1e6 or seconds % 1:
        return None
    return int(seconds) * 1_000_000 + int(min(nanos, 1e9)) // 1000


# --- words ---------------------------------------------------------------------------------------


def finish(value: Any) -> str | None:
    """A finish reason in the one vocabulary; ``other`` for words that it lacks.

    Of several, in an array or a text that looks like one, the first that is no proper end.
    """
    if isinstance(value, list):
        return _finish_of_several(" ".join(word for word in value if isinstance(word, str)))
    if isinstance(value, str) and value[:1] == "[":
        return _finish_of_several(value)
    word = text(value)
    if word is None:
        return None
    return _finish(word.lower())


def _finish_of_several(words: str) -> str | None:
    reasons = [_finish(word) for word in _SEVERAL_WORDS.findall(words[:_LONGEST_WORD].lower())]
    return next((word for word in reasons if word != "stop"), reasons[0] if reasons else None)


def _finish(word: str) -> str:
    return FINISHES.get(_FINISH_PREFIX.sub("", word).replace("-", "_"), "other")


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


# --- sizes and identities ------------------------------------------------------------------------


def args_hash(value: Any) -> int | None:
    """64 bits, unsigned, of what a call was asked: the same for the same text, or for objects that
    differ in the order of their keys only; of a command also what was said about it, and how long
    it might run. None for nothing."""
    if value is None:
        return None
    value = _as_run(value)
    data = value if isinstance(value, str) else _canonical(value)
    digest = hashlib.blake2b(data.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


def _as_run(value: Any) -> Any:
    """Arguments, which may be the text of an object; a command's without what is beside it."""
    arguments = value
    if isinstance(value, str):
        is_object = value[:1] == "{" and len(value) <= _LONGEST_OBJECT
        arguments = parsed(value) if is_object and _RUNS.search(value) else None
    if not isinstance(arguments, dict) or not arguments.keys() & _COMMANDS:
        return value
    return {name: each for name, each in arguments.items() if name not in _BESIDE_A_COMMAND}


def result_bytes(value: Any) -> int | None:
    """The size of what a call answered, in UTF-8: of a text as it is, of texts in content blocks
    together, of anything else as JSON. None for nothing."""
    if value is None:
        return None
    if isinstance(value, list) and value and all(_is_text_block(block) for block in value):
        return sum(result_bytes(block["text"]) or 0 for block in value)
    data = value if isinstance(value, str) else _canonical(value)
    return len(data) if data.isascii() else len(data.encode("utf-8", "surrogatepass"))


def _is_text_block(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("text"), str)


def _canonical(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return ""
