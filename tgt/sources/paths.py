"""Paths into JSON, as mappings write them: ``properties.tool``, ``choices[0].end``, ``"a.b".c``.

A step into a text that is JSON itself leads into what it says. A path that begins with ``$`` leads
from the whole object of the file, where another one leads from the record that is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tgt.sources.coerce import parsed

Path_ = tuple[str | int, ...]

ROOT = "$"
EACH = -1
"""The step ``[]``: into every element. Only a path to records may have it."""

_SEGMENT = re.compile(r'"([^"]+)"|([^."\[\]]+)|\[(\d{0,6})\]')
_LONGEST_TEXT = 4 * 1024 * 1024


def parse(text: str, *, into_lists: bool = False) -> Path_ | None:
    """The steps of a path; None if it is none. ``into_lists``: it may lead into every element."""
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        if steps and text[position] == ".":
            position += 1
        elif steps and text[position] != "[":
            return None
        match = _SEGMENT.match(text, position)
        if match is None or (match[0] == "[]" and not into_lists):
            return None
        if match[3] is not None:
            steps.append(int(match[3]) if match[3] else EACH)
        else:
            steps.append(match[1] or match[2])
        position = match.end()
    is_usable = steps and (into_lists or isinstance(steps[0], str)) and steps != [ROOT]
    return tuple(steps) if is_usable else None


def follow(value: Any, path: Path_) -> Any:
    """What a path leads to; None if it leads nowhere."""
    for step in path:
        value = _opened(value)
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and 0 <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return None
    return value


def spread(value: Any, path: Path_) -> Iterator[Any]:
    """All elements of the lists that a path leads to; an object in place of a list is one."""
    if EACH in path:
        here = path.index(EACH)
        for element in _elements(follow(value, path[:here])):
            yield from spread(element, path[here + 1 :])
    else:
        yield from _elements(follow(value, path))


def _elements(value: Any) -> Iterator[Any]:
    value = _opened(value)
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield value


def _opened(value: Any) -> Any:
    """What a text says that is JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["} and len(value) < _LONGEST_TEXT:
        return parsed(value)
    return value
