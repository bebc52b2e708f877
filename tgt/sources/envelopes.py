"""A telemetry file as JSON objects, however they are laid out.

One object a line, several on one, or one over many lines, one after another: formats mix them,
and the last may be half written. What cannot be parsed is told as such and passed over, up to the
next line that begins an object. Nothing is held but the object at hand.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final, cast

from tgt.sources.files import LogFile

MALFORMED: Final = object()
"""Stands for something that is no JSON object."""

_LONGEST = 64 * 1024 * 1024
_BLANKS = " \t\r\n"
_BOM = b"\xef\xbb\xbf"
_DECODER = json.JSONDecoder()


def documents(file: LogFile, offset: int = 0, length: int | None = None) -> Iterator[Any]:
    """The objects that begin in the stretch, in order, as dictionaries; or MALFORMED.

    Raises OSError if the file cannot be read.
    """
    end = file.size if length is None else offset + length
    is_part = end < file.size or offset > 0
    return _parse(_lines(file, offset), end if is_part else None, offset)


def _lines(file: LogFile, offset: int) -> Iterator[bytes]:
    if file.compression == "zstd":
        yield from _zstd_lines(file.path)
        return
    try:
        with _open(file) as stream:
            if offset:
                stream.seek(offset)
            while line := stream.readline(_LONGEST):
                yield line
    except (EOFError, zlib.error):
        # A compressed file that is still being written ends early; what there is, is good.
        yield b"{\n"


def _open(file: LogFile) -> IO[bytes]:
    if file.compression == "gzip":
        return cast("IO[bytes]", gzip.open(file.path, "rb"))
    return open(file.path, "rb")  # noqa: PTH123 the path is not a Path here


def _zstd_lines(path: str) -> Iterator[bytes]:
    import duckdb  # noqa: PLC0415 only the engine can decompress this format

    with duckdb.connect(":memory:", config={"memory_limit": "512MB"}) as connection:
        try:
            connection.execute(
                "SELECT line FROM read_csv($path, columns = {'line': 'VARCHAR'}, delim = '\x01',"
                " quote = '', escape = '', header = false, auto_detect = false,"
                " strict_mode = false,"
                " compression = 'zstd', max_line_size = 16777216, null_padding = true)",
                {"path": "".join(f"[{c}]" if c in "*?[" else c for c in path)},
            )
            while rows := connection.fetchmany(256):
                for (line,) in rows:
                    yield (line or "").encode() + b"\n"
        except duckdb.Error as failure:
            raise OSError(0, str(failure).splitlines()[0]) from None


def _parse(lines: Iterator[bytes], end: int | None, position: int) -> Iterator[Any]:
    parser = _Parser(is_inside=position > 0)
    for raw in lines:
        line = raw.removeprefix(_BOM) if position == 0 else raw
        if end is not None and position >= end and parser.is_between(line):
            return
        position += len(raw)
        yield from parser.take(line)
    yield from parser.rest()


class _Parser:
    """Lines in, objects out. An object that is not yet whole is kept until its last line."""

    def __init__(self, *, is_inside: bool) -> None:
        # A stretch may begin inside an object, which belongs to the stretch before.
        self._is_inside = is_inside
        self._kept: list[bytes] = []
        self._size = 0

    def is_between(self, line: bytes) -> bool:
        """Whether no object is open before this line."""
        return not self._kept or line[:1] == b"{"

    def take(self, line: bytes) -> Iterator[Any]:
        opens = line[:1] == b"{"
        if self._is_inside and not opens:
            return
        self._is_inside = False
        if self._kept and (opens or self._size > _LONGEST):
            yield MALFORMED
            self._keep(None)
        if self._kept:
            self._kept.append(line)
            self._size += len(line)
            if line[:1] != b"}":
                return
            line = b"".join(self._kept)
        elif not line.strip():
            return
        found, rest = _decode(line)
        self._keep(None)
        yield from found
        if rest is not None and rest[:1] == b"{":
            self._keep(rest)
        elif rest is not None:
            yield MALFORMED

    def rest(self) -> Iterator[Any]:
        """What the end of the file leaves open."""
        if self._kept:
            yield MALFORMED

    def _keep(self, line: bytes | None) -> None:
        self._kept = [line] if line else []
        self._size = len(line or b"")


def _decode(data: bytes) -> tuple[list[Any], bytes | None]:
    """The whole objects at the beginning, and what follows if that is not parsable (yet)."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        pass
    else:
        return [value if isinstance(value, dict) else MALFORMED], None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return [], data
    found: list[Any] = []
    position = 0
    while position < len(text):
        try:
            value, stop = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            return found, text[position:].encode("utf-8", "replace")
        found.append(value if isinstance(value, dict) else MALFORMED)
        position = stop
        while position < len(text) and text[position] in _BLANKS:
            position += 1
    return found, None
