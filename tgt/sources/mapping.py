"""A mapping file: where any JSON format keeps what the canonical columns need.

TOML. ``[columns]`` gives each column a path (``properties.tool``, ``choices[0].finish_reason``,
``"a.b".c`` where a key has dots), several paths of which the first with a value counts, or a
constant (``{constant = "aider"}``). Tables named like a column translate its words: the canonical
word, then the source's. A path is taken apart here and never becomes part of a statement. What
cannot be used is refused with the key and the reason.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgt.errors import SettingsError

COLUMNS = (
    *("ts", "id", "actor", "act", "phase", "name", "status", "conv_id", "trace_id", "call_id"),
    *("iter", "elapsed_ms", "elapsed_s", "finish_reason", "continuation", "error", "error_type"),
    *("args_preview", "result_preview", "model", "input_tokens", "output_tokens", "cost_usd"),
    "service",
)
WORDS: Mapping[str, tuple[str, ...] | None] = {
    "act": None,  # any word, since acts are the source's own
    "actor": ("user", "assistant", "tool", "system"),
    "phase": ("start", "end", "call"),
    "status": ("ok", "error", "cancelled", "rejected"),
    "finish_reason": (
        *("stop", "length", "tool_calls", "content_filter", "cancelled", "error"),
        "other",
    ),
}
SKIP = "skip"
"""The act of records that are no events."""

_SEGMENT = re.compile(r'"([^"]+)"|([^."\[\]]+)|\[(\d{1,6})\]')

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Column:
    """Where a value comes from: a constant, else the first of the paths that leads to one."""

    paths: tuple[Path_, ...] = ()
    constant: str | None = None

    def of(self, document: Mapping[str, Any]) -> Any:
        if self.constant is not None:
            return self.constant
        for path in self.paths:
            found = _follow(document, path)
            if found is not None and found != "":
                return found
        return None


@dataclass(frozen=True)
class Mapped:
    """A mapping as it was read; ``words`` translates, per column, the source's lower-case words."""

    columns: tuple[tuple[str, Column], ...]
    words: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()


def read(path: Path) -> Mapped:
    """Raises SettingsError with the file, the key or line, and the reason."""
    try:
        with path.open("rb") as stream:
            data = tomllib.load(stream)
    except OSError as failure:
        raise _refusal(path, "", failure.strerror or "cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as failure:
        raise _refusal(path, "", f"not TOML: {failure}") from None
    return _mapped(path, data)


def _mapped(path: Path, data: Mapping[str, Any]) -> Mapped:
    columns = data.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise _refusal(path, "columns", "a table of columns is needed")
    for key in data:
        if key != "columns" and key not in WORDS:
            accepted = ", ".join(("columns", *WORDS))
            raise _refusal(path, key, f"no such table; there are {accepted}")
    found = tuple((name, _column(path, name, value)) for name, value in columns.items())
    if "ts" not in columns:
        raise _refusal(path, "columns.ts", "the time of a record is needed")
    words = tuple((name, _words(path, name, data[name])) for name in WORDS if name in data)
    for name, _ in words:
        if name not in columns:
            raise _refusal(path, name, f"translates columns.{name}, which is not there")
    return Mapped(found, words)


def _column(path: Path, name: str, value: Any) -> Column:
    key = f"columns.{name}"
    if name not in COLUMNS:
        raise _refusal(path, key, f"no such column; there are {', '.join(COLUMNS)}")
    if isinstance(value, dict):
        constant = value.get("constant")
        if set(value) != {"constant"} or not isinstance(constant, str | int | float):
            raise _refusal(path, key, 'a constant is written as {constant = "word"}')
        return Column(constant=str(constant))
    paths = value if isinstance(value, list) else [value]
    if not paths or not all(isinstance(one, str) for one in paths):
        raise _refusal(path, key, "a path, a list of paths, or a constant is needed")
    return Column(paths=tuple(_path(path, key, one) for one in paths))


def _path(file: Path, key: str, text: str) -> Path_:
    segments: list[str | int] = []
    position = 0
    while position < len(text):
        if segments and text[position] == ".":
            position += 1
        elif segments and text[position] != "[":
            break
        found = _SEGMENT.match(text, position)
        if found is None:
            break
        segments.append(int(found[3]) if found[3] else found[1] or found[2])
        position = found.end()
    if position < len(text) or not segments or isinstance(segments[0], int):
        raise _refusal(file, key, f"{text!r} is no path such as a.b or a[0].b")
    return tuple(segments)


def _words(path: Path, name: str, table: Any) -> tuple[tuple[str, str], ...]:
    allowed = WORDS[name]
    if not isinstance(table, dict):
        raise _refusal(path, name, "a table of words is needed")
    found: dict[str, str] = {}
    for ours, theirs in table.items():
        if allowed is not None and ours not in allowed:
            raise _refusal(path, f"{name}.{ours}", f"no such word; there are {', '.join(allowed)}")
        for word in theirs if isinstance(theirs, list) else [theirs]:
            if not isinstance(word, str | int):
                raise _refusal(path, f"{name}.{ours}", "words are texts or numbers")
            spelled = str(word).lower()
            if found.get(spelled, ours) != ours:
                raise _refusal(path, f"{name}.{ours}", f"{word!r} is in two lists")
            found[spelled] = ours
    return tuple(found.items())


def _follow(document: Any, path: Path_) -> Any:
    for step in path:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return None
            document = document[step]
        elif isinstance(document, dict):
            document = document.get(step)
        else:
            return None
    return document


def _refusal(path: Path, key: str, reason: str) -> SettingsError:
    where = f"{path}, {key}" if key else str(path)
    return SettingsError(
        f"the mapping {where}: {reason}", hint="the source's documentation has an example"
    )
