"""Attributes as plain values, from every way in which they are written.

The protocol's own rules hold: ids are hexadecimal, 64-bit numbers may be text, what is absent,
empty or ``{}`` is the same. Some write ids in base64 all the same.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from tgt.sources.coerce import parsed, text
from tgt.sources.otlp.attributes import PACKED

_MAX_DEPTH = 8
_NESTED = 4
_LONGEST_ID = 64
_LONGEST_PACKED = 65_536
_SCALARS = frozenset(
    (
        *("stringValue", "intValue", "boolValue", "doubleValue", "bytesValue"),
        *("string_value", "int_value", "bool_value", "double_value", "bytes_value"),
    )
)
_HEXADECIMAL = frozenset((16, 32))  # characters of an id
_BASE64_OF = {12: 8, 24: 16}  # characters of an id, and its bytes


def attributes(listed: Any) -> dict[str, Any]:
    """Attributes as a dictionary: of a list of keys and values, of pairs, or of an object."""
    values = _of_object(listed) if isinstance(listed, dict) else _of_pairs(listed)
    for name in PACKED:
        if name in values:
            values.update(_flat(name, _unpacked(values[name]), 1))
    if "mlflow.spanType" in values:
        _undo_mlflow(values)
    return values


def _of_object(document: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in document.items():
        values[name] = _undone(value)
        if isinstance(values[name], dict):
            values.update(_flat(name, values[name], _NESTED))
    return values


def _of_pairs(listed: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in listed if isinstance(listed, list) else ():
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


def _flat(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """The values of an object in an object by their names with dots."""
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        yield f"{name}.{key}", inner
        if depth > 1 and isinstance(inner, dict):
            yield from _flat(f"{name}.{key}", inner, depth - 1)


def _unpacked(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > _LONGEST_PACKED:
        return value
    return parsed(value)


def _undo_mlflow(values: dict[str, Any]) -> None:
    """MLflow writes every value as JSON, and a model's name among what it was given."""
    for name, value in values.items():
        if name.startswith("mlflow.") and isinstance(value, str) and value[:1] == '"':
            values[name] = value.strip('"')
    inputs = _unpacked(values.get("mlflow.spanInputs"))
    if "mlflow.llm.model" not in values and isinstance(inputs, dict):
        values["mlflow.llm.model"] = inputs.get("model")


def each(value: Any) -> list[Any]:
    """The elements of a list; one None for what is no list, nothing for what is absent."""
    if value is None:
        return []
    return value if isinstance(value, list) else [None]


def hexadecimal(value: Any) -> str | None:
    """An id in the one spelling; an id of zeros is none."""
    if type(value) is str and value.isalnum() and len(value) in _HEXADECIMAL:
        return value.lower() if value.strip("0") else None
    word = text(value)
    if word is None:
        return None
    if len(word) in _BASE64_OF and word[-1] == "=":
        try:
            data = base64.b64decode(word, validate=True)
        except (ValueError, binascii.Error):
            data = b""
        if len(data) == _BASE64_OF[len(word)]:
            word = data.hex()
    plain = word.removeprefix("0x").lower()[:_LONGEST_ID]
    return plain if plain.strip("0") else None
