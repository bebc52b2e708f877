"""Where the JSON objects of a stream begin and end, however they are laid out, in linear time.

Most objects are a line each, and those are parsed as they stand. Of all others the end is told
from their brackets, so that nothing is parsed in vain and nothing is kept but the object at hand.
What is broken is passed over up to the next line that begins an object and is indented no further
than the broken one was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from tgt.sources import nesting
from tgt.sources.bounds import BLOCK_BYTES, LINE_BYTES
from tgt.sources.brackets import (
    NOT_JSON,
    STRING,
    TOO_LONG,
    BrokenError,
    may_go_on,
    object_end,
)
from tgt.sources.window import MOST_INDENTED, Window


class Document(NamedTuple):
    """One JSON object of a file: the offset at which it begins, and the one behind it.

    ``value`` is None where there is no usable object; ``reason`` then says why, and ``lines`` how
    many lines were passed over.
    """

    place: int
    end: int
    value: dict[str, Any] | None
    reason: str = ""
    lines: int = 1


NOT_UTF8 = "not UTF-8"
NO_OBJECT = "no object"

_BOM = b"\xef\xbb\xbf"
_DECODER = json.JSONDecoder()
_scan_once = _DECODER.scan_once  # type: ignore[attr-defined] # what decodes, without looking behind it

# Between objects: blanks, and what makes an array of them.
_BETWEEN = re.compile(rb"[ \t\r\n\0,\[\]]*+")
# Lines that begin an object as none can begin: with no key, with a key that does not end, or with
# nothing where the next line begins an object, too.
_HOPELESS_LINES = re.compile(
    rb'(?:\{[ \t\r]*+(?:\n(?=\{)|[^"}\s\0][^\n\0}]*+\n|"[^"\\\n\0]*+\n))++'
)
# Where every line that seems to begin an object does: lines that end none, before another.
_UNENDED_LINES = re.compile(rb"(?:\{[^\n}\0]*+\n(?=\{))++")
# A value in an array that is no object.
_SCALAR = re.compile(rb"(?:" + STRING + rb'"|[^\s,\[\]{}"]++)(?=[ \t\r]*+[,\]])')
_HOPELESS = (nesting.TOO_DEEP, TOO_LONG)
_AHEAD = 16
"""What follows on something hopeless is not believed to go on over lines for so many times more."""
_OBJECT, _END = b"{}"
_LAST = b"} \r"


@cache
def _start(end: bytes, column: int) -> re.Pattern[bytes]:
    """What begins a line with an object or array, indented by so much at most."""
    return re.compile(re.escape(end) + rb"[ \t]{0,%d}+[{\[]" % column)


class Scanner:
    """The objects of a stream that begins at ``offset``, once.

    Afterwards ``is_torn`` says whether something half written is left, and ``end`` is the offset
    up to which all is dealt with. Positions count from the beginning of the window; what is kept
    from one object to the next are offsets in the stream.
    """

    def __init__(
        self, blocks: Iterable[bytes], offset: int = 0, *, has_prefixes: bool = False
    ) -> None:
        self.end = offset
        self.is_torn = False
        self._has_prefixes = has_prefixes
        self._window = Window(blocks, offset)
        self._at = 0
        self._newline = -1
        """The offset of the first line end behind the last object that was looked at."""
        self._searched_to = offset
        """Up to here there is no line end."""
        self._opening = -1
        """The offset of the first brace behind the last value that was no object, or of the end of
        its line."""
        self._several_to = offset
        """The end of a line that holds several objects."""
        self._distrust_to = offset
        """Before this, each line that seems to begin an object does, whatever is open."""

    def documents(self) -> Iterator[Document]:
        """The objects, and what is none, in their order."""
        self._skip_mark()
        while self._reach_next():
            if self._window.base + self._at >= self._several_to:
                yield from self._plain_lines()
                if not self._reach_next():
                    break
            place = self._window.base + self._at
            is_object = self._window.data[self._at] == _OBJECT
            document = self._document(place) if is_object else self._no_object(place)
            if document is None:
                self.is_torn, self.end = True, place
                return
            self.end = document.end
            yield document
        self.end = self._window.base + self._at

    # --- the window ------------------------------------------------------------------------------

    def _skip_mark(self) -> None:
        if self._window.base == 0:
            while len(self._window.data) < len(_BOM) and self._window.more():
                pass
            if self._window.data.startswith(_BOM):
                self._at = len(_BOM)

    def _reach_next(self) -> bool:
        """Go to where the next object may begin, if there is anything left."""
        while True:
            between = _BETWEEN.match(self._window.data, self._at)
            self._at = between.end() if between else self._at
            if self._at >= BLOCK_BYTES:
                self._at -= self._window.drop(self._at)
            if self._at < len(self._window.data):
                return True
            if not self._window.more():
                return False

    def _line_end(self, start: int) -> int:
        """The position of the line end, or that of the end of the file; -1 if it is too far."""
        if self._newline >= self._window.base + start:
            return self._newline - self._window.base
        searched = max(start, self._searched_to - self._window.base)
        while True:
            newline = self._window.data.find(b"\n", searched)
            if newline >= 0:
                self._newline = self._window.base + newline
                return newline
            searched = len(self._window.data)
            self._searched_to = self._window.base + searched
            if searched - start > LINE_BYTES:
                self._several_to = self._searched_to
                return -1
            if not self._window.more():
                return searched

    # --- objects ---------------------------------------------------------------------------------

    def _plain_lines(self) -> Iterator[Document]:
        """The objects from here on as long as each is just a line, as nearly all are."""
        window, base, start = self._window.data, self._window.base, self._at
        while True:
            stop = window.find(b"\n", start)
            if stop < 0 or window[start] != _OBJECT or window[stop - 1] not in _LAST:
                return
            line = window[start:stop]
            if nesting.refusal(line):
                return
            try:
                text = line.decode()
                value, length = _scan_once(text, 0)
            except (ValueError, StopIteration, RecursionError):
                return
            if text[length:].strip(" \t\r"):
                return
            self._at = stop
            self.end = base + stop + length - len(text)
            yield Document(base + start, self.end, value)
            start = stop + 1

    def _document(self, place: int) -> Document | None:
        """The object that begins here, or what is wrong with it; None if its end is not there."""
        start = self._at
        line_end = self._line_end(start)
        hopeless = _HOPELESS_LINES.match(self._window.data, start)
        if hopeless is None and place < self._distrust_to and self._window.begins_line(start, 0):
            limit = self._distrust_to - self._window.base + 1
            hopeless = _UNENDED_LINES.match(self._window.data, start, limit)
        if hopeless:
            self._at = hopeless.end()
            lines = self._window.lines(start, self._at)
            return Document(place, self._window.base + self._at, None, NOT_JSON, lines)
        if place >= self._several_to and start < line_end <= start + LINE_BYTES:
            document = self._line(place, start, line_end)
            if document is not None:
                return document
        try:
            end = object_end(self._window, start, self._distrust_to)
        except BrokenError as broken:
            return self._pass_over(place, start, broken)
        if end < 0:
            if may_go_on(self._window, start):
                return None
            return self._pass_over(place, start, BrokenError(NOT_JSON, len(self._window.data)))
        self._at = end
        value, reason = _parsed(self._window.data[start:end])
        return Document(place, self._window.base + end, value, reason)

    def _line(self, place: int, start: int, line_end: int) -> Document | None:
        """The object that begins a line, if it ends in it, too, and is as it should be."""
        window = self._window.data
        # It is looked at as a whole only once, whatever follows in it.
        self._several_to = self._window.base + line_end
        if window[line_end - 1] != _END and not _ends_object(window[line_end - 64 : line_end]):
            return None
        line = window[start:line_end]
        if nesting.refusal(line):
            return None
        try:
            text = line.decode()
            value, stop = _DECODER.raw_decode(text)
        except UnicodeDecodeError:
            self._at = line_end
            return Document(place, self._window.base + line_end, None, NOT_UTF8)
        except (ValueError, RecursionError):
            return None
        if stop < len(text):
            if not text.isascii():
                stop = len(text[:stop].encode())
        else:
            stop = len(line)
        self._at = start + stop
        return Document(place, place + stop, value)

    # --- what is no object -----------------------------------------------------------------------

    def _no_object(self, place: int) -> Document | None:
        """What stands here instead of an object: a value in an array, or lines of anything."""
        start = self._at
        line_end = self._line_end(start)
        if not start <= line_end <= start + LINE_BYTES:
            return self._pass_over(place, start, BrokenError(TOO_LONG, start))
        opening = self._brace(start, line_end)
        if opening >= 0 and self._has_prefixes:
            self._at = opening
            return self._document(self._window.base + opening)
        scalar = _SCALAR.match(self._window.data, start) if opening >= 0 else None
        if scalar:
            self._at = scalar.end()
            return Document(place, self._window.base + self._at, None, NO_OBJECT)
        lines = self._next_start(start)
        return (
            Document(place, self._window.base + self._at, None, NO_OBJECT, lines) if lines else None
        )

    def _brace(self, start: int, line_end: int) -> int:
        """Where the next object may begin in the line, else -1."""
        if self._opening < self._window.base + start:
            offset = self._window.data.find(b"{", start, line_end)
            self._opening = self._window.base + (offset if offset >= 0 else line_end)
        brace = self._opening - self._window.base
        return brace if brace < line_end else -1

    def _pass_over(self, place: int, start: int, broken: BrokenError) -> Document | None:
        """Go on behind something broken; None if its line is not at its end yet."""
        ahead = _AHEAD * (broken.seen - start) if broken.reason in _HOPELESS else 0
        self._distrust_to = max(self._distrust_to, self._window.base + broken.seen + ahead)
        if not self._next_start(start):
            return None
        return Document(place, self._window.base + self._at, None, broken.reason)

    def _next_start(self, start: int) -> int:
        """Go to the next line that may begin an object, or to the last one; how many lines that
        are not blank were passed."""
        column = min(self._window.column(start), MOST_INDENTED)
        lines, has_ended = 0, False
        while True:
            match = _start(b"\n", column).search(self._window.data, start)
            limit = match.end() if match else len(self._window.data)
            if self._window.data.find(b"\0", start, limit) >= 0:
                match = _start(b"\0", column).search(self._window.data, start, limit) or match
            if match:
                self._at = match.start() + 1
                return max(lines + self._window.lines(start, self._at), 1)
            # What follows the last line end may be the beginning of what is looked for.
            last = self._window.data.rfind(b"\n", start)
            has_ended = has_ended or last >= 0
            is_near = last >= 0 and len(self._window.data) - last < BLOCK_BYTES
            self._at = last if is_near else max(start, len(self._window.data) - 1)
            lines += self._window.lines(start, self._at + 1)
            self._at -= self._window.drop(self._at)
            start = self._at
            if not self._window.more():
                self._at += 1
                return max(lines, 1) if has_ended else 0


def _ends_object(tail: bytearray) -> bool:
    return tail.rstrip(b" \t\r\0,]").endswith(b"}")


def _parsed(raw: bytearray) -> tuple[dict[str, Any] | None, str]:
    reason = nesting.refusal(raw)
    if reason:
        return None, reason
    try:
        value = json.loads(raw.decode())
    except UnicodeDecodeError:
        return None, NOT_UTF8
    except (ValueError, RecursionError):
        return None, NOT_JSON
    return (value, "") if isinstance(value, dict) else (None, NO_OBJECT)
