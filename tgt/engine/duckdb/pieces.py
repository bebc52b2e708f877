"""How the engine is given the lines of a file to read: as they are, or in pieces in memory.

Whole lines only. A file that is read for the first time is read as it lies there; what was
appended, a large file, and what is compressed come as pieces of bounded size in files that exist
in memory only. All go by descriptors, so that no name of a file is ever a pattern or a link.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tgt.sources import excerpts, nesting
from tgt.sources.base import Projection
from tgt.sources.files import LogFile
from tgt.sources.streams import NOT_UTF_8, is_utf_16, opened

PIECE_BYTES = 32 * 1024 * 1024
LONGEST_LINE = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 16
_LITTLE_BYTES = 1 << 20
_SCANNED = 1 << 20


@dataclass(frozen=True)
class Piece:
    """Whole lines of a file, readable through ``path`` until the descriptor is closed."""

    descriptor: int
    start: int
    end: int
    is_endless: bool = False
    """It has a line beyond all bounds; so it is no copy, and its good lines have to be picked."""

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.descriptor}"

    @property
    def length(self) -> int:
        return self.end - self.start

    def close(self) -> None:
        os.close(self.descriptor)


@dataclass(frozen=True)
class Stretch:
    """The whole lines of a file from an offset on. What follows them is ``torn``: the beginning of
    a line that is still being written."""

    start: int
    end: int
    is_torn: bool


def stretch(file: LogFile, offset: int) -> Stretch:
    """What of an uncompressed file there is to read. Raises OSError."""
    with opened(file.path) as stream:
        descriptor = stream.fileno()
        size = os.fstat(descriptor).st_size
        start = offset
        mark = os.pread(descriptor, len(_BOM), 0) if start == 0 else b""
        if is_utf_16(mark):
            raise OSError(0, NOT_UTF_8, file.path)
        if mark == _BOM:
            # The JSON reader would take the mark for a part of the first line, and lose that.
            start = len(_BOM)
        if size <= start or os.pread(descriptor, 1, size - 1) == b"\n":
            return Stretch(start, max(size, start), is_torn=False)
        begin = _last_line(descriptor, start, size)
        if size - begin <= LONGEST_LINE and _is_object(os.pread(descriptor, size - begin, begin)):
            return Stretch(start, size, is_torn=False)
        return Stretch(start, begin, is_torn=True)


def pieces(file: LogFile, lines: Stretch) -> Iterator[Piece]:
    """The stretch in pieces; each is to be closed by who takes it. Raises OSError."""
    with opened(file.path) as stream:
        source = stream.fileno()
        if lines.start == 0 and lines.end == os.fstat(source).st_size <= PIECE_BYTES:
            yield Piece(os.dup(source), 0, lines.end)
            return
        start = lines.start
        while start < lines.end:
            end = _line_end(source, start + PIECE_BYTES, lines.end)
            if end - start > PIECE_BYTES + LONGEST_LINE:
                yield Piece(os.dup(source), start, end, is_endless=True)
            else:
                yield Piece(_copy(source, start, end), start, end)
            start = end


def may_hold_bad_lines(piece: Piece) -> bool:
    """Whether a line has so many brackets, or nulls before an object, that it has to be looked at
    by itself.

    The engine reads deeper nests than what is translated, or than what it is given by itself, so
    that the same line would count here and not there. Nulls are what a crash leaves of a block, and
    the engine takes them for a part of the good line behind them.
    """
    position, opening, last = 0, b"", b""
    while block := os.pread(piece.descriptor, _SCANNED, position):
        position += len(block)
        is_deep, opening = nesting.may_be_too_deep(block, opening)
        if is_deep or b"\0{" in block or last + block[:1] == b"\0{":
            return True
        last = block[-1:]
    return False


def whole_lines_at(file: LogFile, place: int) -> Stretch:
    """The lines of one piece that was read from a place on. Raises OSError."""
    with opened(file.path) as stream:
        size = os.fstat(stream.fileno()).st_size
        return Stretch(place, _line_end(stream.fileno(), place + PIECE_BYTES, size), is_torn=False)


def narrowed(projection: Projection, parts: Sequence[Piece]) -> Projection:
    """A projection that yields the same of what pieces hold now; of little, all is planning."""
    sizes = [os.fstat(part.descriptor).st_size for part in parts]
    if projection.narrowed is None or sum(sizes) > _LITTLE_BYTES:
        return projection
    lines = (os.pread(p.descriptor, size, 0) for p, size in zip(parts, sizes, strict=True))
    return projection.narrowed(b"\n".join(lines))


def line_number(file: LogFile, piece: Piece, nth: int) -> int | None:
    """The line in its file, from 1, of the nth line of a piece that is not blank."""
    line = excerpts.line_number(file, piece.start)
    for text in _lines(piece.descriptor):
        nth -= bool(text.strip())
        if nth == 0:
            return line
        line += 1
    return None


def _lines(descriptor: int) -> Iterator[bytes]:
    """The lines of a file without their ends, a block at a time."""
    rest, position = b"", 0
    while block := os.pread(descriptor, _BLOCK, position):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        position += len(block)
    yield rest


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _last_line(descriptor: int, start: int, size: int) -> int:
    """Where the last line begins, at or after ``start``."""
    end = size
    while end > start:
        begin = max(start, end - _BLOCK)
        newline = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return start


def _line_end(descriptor: int, position: int, size: int) -> int:
    """The offset behind the first line end at or after the position, at most ``size``."""
    while position < size:
        block = os.pread(descriptor, _BLOCK, position)
        newline = block.find(b"\n")
        if newline >= 0:
            return min(position + newline + 1, size)
        if not block:
            break
        position += len(block)
    return size


def _copy(source: int, start: int, end: int) -> int:
    """A descriptor of a file in memory with these bytes of another."""
    copy = os.memfd_create("tgt-lines", os.MFD_CLOEXEC)
    try:
        while start < end:
            sent = os.sendfile(copy, source, start, end - start)
            if sent == 0:
                break
            start += sent
    except OSError:
        os.close(copy)
        raise
    return copy
