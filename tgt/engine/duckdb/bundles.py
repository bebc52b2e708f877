"""Many small files as one: the engine's reader takes far longer to open a file than to read it.

Every line is given the number of its file as its first key, and what is no object becomes one that
says nothing but that, so that it is counted as malformed where it belongs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tgt.sources.base import Projection
from tgt.sources.files import LogFile, hashed
from tgt.sources.streams import opened

SMALL_BYTES = 64 * 1024
_HASHED_BYTES = 1024
_KEY = "tgt:file"
_BOM = b"\xef\xbb\xbf"
_PATH = "SELECT filename AS path"


def bundled(projection: Projection) -> Projection:
    """The projection of lines that begin with the number of their file, which is their path."""
    columns: Mapping[str, str] = projection.parameters["columns"]
    return replace(
        projection,
        statement=projection.statement.replace(_PATH, f'SELECT "{_KEY}" AS path', 1),
        parameters={**projection.parameters, "columns": {**columns, _KEY: "VARCHAR"}},
    )


@dataclass(frozen=True)
class SmallFile:
    """The content of a small file as lines of a bundle; ``end`` is how far it was read."""

    lines: bytes
    count: int
    end: int
    is_torn: bool
    head: tuple[int, str]
    tail: str


def small_file(file: LogFile, number: int) -> SmallFile | None:
    """A whole small file for a bundle; None for one that is larger, packed or no text."""
    if file.compression != "uncompressed" or file.size > SMALL_BYTES:
        return None
    with opened(file.path) as stream:
        data = os.pread(stream.fileno(), SMALL_BYTES + 1, 0)
    if len(data) > SMALL_BYTES or not _is_text(data):
        return None
    mark = b'{"%s":"%d"' % (_KEY.encode(), number)
    *lines, last = data.removeprefix(_BOM).split(b"\n")
    is_torn = bool(last.strip()) and not _is_object(last)
    end = len(data) - (len(last) if is_torn else 0)
    if not is_torn:
        lines.append(last)
    marked = [_marked(mark, line.strip()) for line in lines if line.strip()]
    _, tail = hashed(data[:end][-_HASHED_BYTES:])
    head_hash = hashed(data[:_HASHED_BYTES])
    return SmallFile(b"".join(marked), len(marked), end, is_torn, head_hash, tail)


def _marked(mark: bytes, line: bytes) -> bytes:
    inside = line[1:].lstrip()
    if line[:1] != b"{" or inside[:1] == b"}":
        return mark + b"}\n"
    return mark + b"," + inside + b"\n"


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
