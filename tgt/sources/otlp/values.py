"""Attributes as plain values, from every way in which they are written.

The protocol's own rules hold: ids are hexadecimal, 64-bit numbers may be text, what is absent,
empty or ``{}`` is the same.
"""

from __future__ import annotations

from typing import Any

from tgt.sources.coerce import text

_MAX_DEPTH = 8
_LONGEST_ID = 64
_SCALARS = frozenset(
    (
        *("stringValue", "intValue", "boolValue", "doubleValue", "bytesValue"),
        *("string_value", "int_value", "bool_value", "double_value", "bytes_value"),
    )
)


def attributes(listed: Any) -> dict[str, Any]:
    """Attributes as a dictionary: of a list of keys and values, of pairs, or of an object."""
    if isinstance(listed, dict):
        return {key: _undone(value) for key, value in listed.items()}
    values: dict[str, Any] = {}
    if not isinstance(listed, list):
        return values
    for pair in listed:
        if isinstance(pair, dict):
            key, value = pair.get("key"), pair.get("value")
            if isinstance(key, str):
                # Nearly all values are text; the general way takes four times as long.
                word = value.get("stringValue") if type(value) is dict else None
                values[key] = word if type(word) is str else any_value(value)
        elif isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str):  # noqa: PLR2004
            values[pair[0]] = _undone(pair[1])
    return values


def any_value(value: Any, depth: int = 0) -> Any:
    """What an AnyValue holds; None for an empty or foreign one."""
    if not isinstance(value, dict):
        return value if isinstance(value, str | int | float) else None
    for name, held in value.items():
        if name in _SCALARS:
            return held if not isinstance(held, dict | list) else None
    if depth > _MAX_DEPTH:
        return None
    held = value.get("arrayValue", value.get("array_value"))
    if isinstance(held, dict):
        return [any_value(inner, depth + 1) for inner in each(held.get("values"))]
    held = value.get("kvlistValue", value.get("kvlist_value"))
    if isinstance(held, dict):
        pairs = [pair for pair in each(held.get("values")) if isinstance(pair, dict)]
        return {str(p.get("key")): any_value(p.get("value"), depth + 1) for p in pairs}
    return None


def _undone(value: Any) -> Any:
    """A value of a plain object, in which an AnyValue may have been left half decoded."""
    if isinstance(value, dict) and isinstance(value.get("values"), list):
        return [any_value(inner) for inner in value["values"]]
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _SCALARS:
        return any_value(value)
    return value


def each(value: Any) -> list[Any]:
    """The elements of a list; one None for what is no list, nothing for what is absent."""
    if value is None:
        return []
    return value if isinstance(value, list) else [None]


def hexadecimal(value: Any) -> str | None:
    """An id in the one spelling; an id of zeros is none."""
    word = text(value)
    if word is None:
        return None
    plain = word.removeprefix("0x").lower()[:_LONGEST_ID]
    return plain if plain.strip("0") else None
