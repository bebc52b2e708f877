"""What the engine can read of a file by itself: whole lines of text, none of them beyond a bound.

The engine gives up a file for one line that is too long, nested too deeply or no text, and a
compressed one for a missing end. Here a file is streamed, such lines are blanked and counted, and
the rest is handed over in pieces that lie in memory only. Every line keeps its place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from tgt.sources import nesting
from tgt.sources.bounds import LINE_BYTES
from tgt.sources.files import LogFile, stream_of

PIECE_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"


class CleanPieces:
    """The good lines of a file from ``start`` to ``end`` (offsets of its unpacked bytes; None: the
    end of the file), once, as descriptors of files in memory.

    Each descriptor is closed when the next one is asked for; ``place`` is the offset in the file
    of its first byte, and the lines in it follow each other as they do in the file. Afterwards
    ``end`` is the offset behind the last line, ``left_out`` counts the lines that are not good,
    ``is_torn`` says whether half a line follows, and ``damage`` why reading ended early, if it
    did. The first that is asked for raises OSError if the file cannot be opened.
    """

    def __init__(self, file: LogFile, start: int = 0, end: int | None = None) -> None:
        self.place = self.end = start
        self.left_out = 0
        self.is_torn = False
        self.damage = ""
        self._limit = end
        self._stream = stream_of(file, start)

    def __iter__(self) -> Iterator[int]:
        descriptor = os.memfd_create("tgt-lines", os.MFD_CLOEXEC)
        size = 0
        try:
            for place, lines in self._lines():
                if size and (size + len(lines) > PIECE_BYTES or place != self.place + size):
                    yield descriptor
                    os.ftruncate(descriptor, 0)
                    os.lseek(descriptor, 0, os.SEEK_SET)
                    size = 0
                if not size:
                    self.place = place
                _write(descriptor, lines)
                size += len(lines)
            if size:
                yield descriptor
        finally:
            os.close(descriptor)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Stretches of whole lines with their offsets; what is not good in them is blank."""
        place = self.end
        kept = bytearray()
        skips = False
        for whole in self._bounded():
            # Nulls are what a crash leaves of a block: what was being written ends there.
            block = whole.replace(b"\0", b"\n")
            last = block.rfind(b"\n") + 1
            if skips and last:
                first = block.find(b"\n") + 1
                place, skips = place + first, False
                self.left_out += 1
                block, last = block[first:], last - first
            if skips:
                place += len(block)
            elif last:
                kept += block[:last]
                yield place, self._cleaned(kept, place)
                place += len(kept)
                kept = bytearray(block[last:])
            else:
                kept += block
            if not skips:
                self.end = place
            if len(kept) > LINE_BYTES:
                place, skips = place + len(kept), True
                kept.clear()
        self.damage = self._stream.damage
        if kept and _is_object(kept):
            yield place, self._cleaned(kept, place)
            self.end = place + len(kept)
        elif kept or skips:
            self.is_torn = True

    def _bounded(self) -> Iterator[bytes]:
        if self._limit is None:
            yield from self._stream
            return
        left = self._limit - self.end
        for block in self._stream:
            yield block[:left]
            left -= len(block)
            if left <= 0:
                return

    def _cleaned(self, lines: bytearray, place: int) -> bytes:
        if place == 0 and lines.startswith(_BOM):
            lines[:3] = b"   "
        if self._are_good(lines):
            return bytes(lines)
        start = 0
        while start < len(lines):
            end = lines.find(b"\n", start) + 1 or len(lines)
            if not _is_good(lines[start:end]):
                self.left_out += 1
                lines[start:end] = b" " * (end - start - 1) + b"\n"
            start = end
        return bytes(lines)

    def _are_good(self, lines: bytearray) -> bool:
        """Whether all lines are good, told of them together."""
        if len(lines) > LINE_BYTES:
            return False
        if not lines.isascii():
            try:
                lines.decode()
            except UnicodeDecodeError:
                return False
        first_end = lines.find(b"\n")
        first = lines[: first_end if first_end >= 0 else len(lines)]
        return not nesting.refusal(first) and not nesting.may_be_too_deep(lines)[0]


def _is_good(line: bytearray) -> bool:
    if len(line) > LINE_BYTES or nesting.refusal(line):
        return False
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_object(line: bytearray) -> bool:
    if not _is_good(line):
        return False
    try:
        return isinstance(json.loads(line.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _write(descriptor: int, data: bytes) -> None:
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(descriptor, view[written:])
