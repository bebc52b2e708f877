"""A mapping file: where any JSON format keeps what the canonical columns need.

TOML. ``[columns]`` gives each column a path (``tgt.sources.paths``), several of which the first
with a value counts, a constant (``{constant = "aider"}``), the name of the file or its directory
(``{from = "file"}``), or what the first object of the file says (``{first = "session.id"}``).
Tables named like a column translate its words: the canonical word, then the source's. A path is
taken apart here and never becomes part of a statement. What cannot be used is refused with the key
and the reason.
"""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

from tgt.errors import SettingsError
from tgt.sources import paths
from tgt.sources.paths import Path_

COLUMNS = (
    *("ts", "start", "end", "id", "actor", "act", "phase", "name", "status", "conv_id"),
    *("trace_id", "call_id", "iter", "elapsed_ms", "elapsed_s", "elapsed_us", "elapsed_ns"),
    *("finish_reason", "continuation", "error", "error_type", "soft_failed", "args_preview"),
    *("result_preview", "model", "input_tokens", "cached_tokens", "output_tokens", "cost_usd"),
    *("service", "version", "prompt"),
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
NAMES = ("file", "directory")
"""What a column may be taken from beside the object."""
OPTIONS = ("records", "zone", "own_tools")
"""What a mapping says beside its tables."""

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")


@dataclass(frozen=True)
class Value:
    """One way to a value; one of the four is set."""

    path: Path_ | None = None
    constant: str | None = None
    name: str | None = None  # one of NAMES
    first: Path_ | None = None  # in the first object of the file


Column = tuple[Value, ...]
"""The ways to a value, of which the first that leads to one counts."""


@dataclass(frozen=True)
class Mapped:
    """A mapping as it was read.

    ``words`` translates, per column, the source's lower-case words. ``records`` leads to the list
    of records in an object, ``zone`` is that of times without one, ``own_tools`` are patterns of
    the names of tools that the agent brings along.
    """

    columns: tuple[tuple[str, Column], ...]
    words: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    records: Path_ | None = None
    zone: tzinfo | None = None
    own_tools: tuple[str, ...] = ()


def read(path: Path) -> Mapped:
    """Raises SettingsError with the file, the key or line, and the reason."""
    try:
        with path.open("rb") as stream:
            data = tomllib.load(stream)
    except OSError as failure:
        raise _refusal(path, "", failure.strerror or "cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as failure:
        raise _refusal(path, "", f"not TOML: {failure}") from None
    return _mapped(path, data)


def _mapped(path: Path, data: Mapping[str, Any]) -> Mapped:
    columns = data.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise _refusal(path, "columns", "a table of columns is needed")
    for key in data:
        if key not in {"columns", *OPTIONS, *WORDS}:
            accepted = ", ".join(("columns", *WORDS, *OPTIONS))
            raise _refusal(path, key, f"there is only {accepted}")
    pairs = tuple((name, _column(path, name, value)) for name, value in columns.items())
    if not columns.keys() & {"ts", "start", "end"}:
        raise _refusal(path, "columns.ts", "the time of a record is needed")
    words = tuple((name, _words(path, name, data[name])) for name in WORDS if name in data)
    for name, _ in words:
        if name not in columns:
            raise _refusal(path, name, f"translates columns.{name}, which is not there")
    return Mapped(
        pairs,
        words,
        None if "records" not in data else _path(path, "records", data["records"], into_lists=True),
        None if "zone" not in data else _zone(path, data["zone"]),
        _own_tools(path, data.get("own_tools", [])),
    )


def _column(path: Path, name: str, value: Any) -> Column:
    key = f"columns.{name}"
    if name not in COLUMNS:
        raise _refusal(path, key, f"no such column; there are {', '.join(COLUMNS)}")
    ways = value if isinstance(value, list) else [value]
    if not ways or not all(isinstance(one, str | dict) for one in ways):
        raise _refusal(path, key, "a path, a list of paths, or a constant is needed")
    return tuple(_way(path, key, one) for one in ways)


def _way(path: Path, key: str, way: Any) -> Value:
    if isinstance(way, str):
        return Value(path=_path(path, key, way))
    what, value = next(iter(way.items()), ("", None))
    if len(way) == 1 and what == "constant" and isinstance(value, str | int | float):
        return Value(constant=str(value))
    if len(way) == 1 and what == "from" and value in NAMES:
        return Value(name=str(value))
    if len(way) == 1 and what == "first":
        return Value(first=_path(path, key, value))
    raise _refusal(
        path,
        key,
        'a constant is written as {constant = "word"}, the name of the file as {from = "file"} or'
        ' {from = "directory"}, what its first object says as {first = "path"}',
    )


def _path(file: Path, key: str, text: Any, *, into_lists: bool = False) -> Path_:
    path = paths.parse(text, into_lists=into_lists) if isinstance(text, str) else None
    if path is None:
        raise _refusal(file, key, f"{text!r} is no path such as a.b or a[0].b")
    return path


def _zone(path: Path, name: Any) -> tzinfo:
    offset = _OFFSET.fullmatch(name) if isinstance(name, str) else None
    try:
        if offset is not None:
            length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
            return timezone(-length if offset[1] == "-" else length)
        return zoneinfo.ZoneInfo(name)
    except (ValueError, TypeError, OSError, zoneinfo.ZoneInfoNotFoundError):
        reason = f"{name!r} is no time zone such as Europe/Paris or +02:00"
        raise _refusal(path, "zone", reason) from None


def _own_tools(path: Path, names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _refusal(path, "own_tools", "a list of names of tools is needed")
    return tuple(names)


def _words(path: Path, name: str, table: Any) -> tuple[tuple[str, str], ...]:
    allowed = WORDS[name]
    if not isinstance(table, dict):
        raise _refusal(path, name, "a table of words is needed")
    words: dict[str, str] = {}
    for ours, theirs in table.items():
        if allowed is not None and ours not in allowed:
            raise _refusal(path, f"{name}.{ours}", f"no such word; there are {', '.join(allowed)}")
        for word in theirs if isinstance(theirs, list) else [theirs]:
            if not isinstance(word, str | int):
                raise _refusal(path, f"{name}.{ours}", "words are texts or numbers")
            spelled = str(word).lower()
            if words.get(spelled, ours) != ours:
                raise _refusal(path, f"{name}.{ours}", f"{word!r} is in two lists")
            words[spelled] = ours
    return tuple(words.items())


def _refusal(path: Path, key: str, reason: str) -> SettingsError:
    where = f"{path}, {key}" if key else str(path)
    return SettingsError(
        f"the mapping {where}: {reason}", hint="the source's documentation has an example"
    )
