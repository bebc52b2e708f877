"""The one way from tgt's own values to JSON: camelCase keys, UTC times, lengths in milliseconds.

Values keep their types until they are written, into a document, a card or the sidecar. What is a
dictionary already is somebody's JSON, and its keys stay as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from tgt.tasks.card import format_time


@functools.cache
def camel_case(name: str) -> str:
    """``last_run_at`` is ``lastRunAt``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def json_form(value: object, **keys: str | None) -> Any:
    """What ``json`` can write. ``keys`` renames fields of a dataclass; None leaves them out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            key: json_form(getattr(value, field.name))
            for field in fields(value)
            if (key := keys.get(field.name, camel_case(field.name))) is not None
        }
    if isinstance(value, Mapping):
        return {name: json_form(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_form(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, timedelta):
        return round(value / timedelta(milliseconds=1))
    return value.value if isinstance(value, Enum) else value
