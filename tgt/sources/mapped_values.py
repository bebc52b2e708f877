"""What mapped values mean together: outcomes, durations, times without a zone, subjects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from tgt.events import from_us, to_us
from tgt.sources.coerce import is_abort, is_refusal, moment, number, outcome, upstream

UPSTREAM = frozenset(("api_error", "upstream_error"))

_UNITS = {"elapsed_ms": 1.0, "elapsed_s": 1e3, "elapsed_us": 1e-3, "elapsed_ns": 1e-6}
_HAS_ZONE = re.compile(r"(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$", re.IGNORECASE)


def moment_in(zone: tzinfo | None, value: Any) -> int | None:
    """Microseconds since the epoch; a written time that has no zone is in this one, else UTC."""
    us = moment(value)
    if us is None or zone is None or not isinstance(value, str) or not _is_naive(value):
        return us
    return to_us(from_us(us).replace(tzinfo=zone))


def _is_naive(value: str) -> bool:
    """Whether a text is a written time without a zone."""
    written = value.strip()
    return not written.replace(".", "").isdigit() and not _HAS_ZONE.search(written[10:])


def failed(status: str | None, act: str, ended: str | None, kind: str | None) -> bool | None:
    if is_abort(status) or is_refusal(status) or is_refusal(kind):
        return None
    if ended == "error" or act == "error" or act.endswith("_error"):
        return True
    return outcome(status)


def elapsed_ms(values: Mapping[str, Any], start: int | None, end: int | None) -> float | None:
    for column, unit in _UNITS.items():
        value = number(values.get(column))
        if value is not None:
            return value * unit
    return (end - start) / 1000 if start is not None and end is not None and end >= start else None


def whole(value: Any) -> int | None:
    result = number(value)
    return None if result is None or result > 2**53 else int(result)


def subject(act: str, name: str | None, model: str | None, kind: str | None) -> str:
    if act == "tool_call":
        return f"tool_call/{name or 'unknown'}"
    if act in UPSTREAM:
        return upstream(kind, name)
    about = model if act == "assistant_response" else name
    return f"{act}/{about}" if about else act
