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
from typing import Any, NamedTuple

from tgt.sources import nesting
from tgt.sources.bounds import BLOCK_BYTES, LINE_BYTES, NESTING


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


TOO_LONG = "longer than 16 MiB"
NOT_JSON = "not JSON"
NOT_UTF8 = "not UTF-8"
NO_OBJECT = "no object"

_BOM = b"\xef\xbb\xbf"
_MOST_INDENTED = 64
_DEEPEST = 20 * NESTING
"""Brackets in brackets beyond which nobody looks for the end of an object."""
_DECODER = json.JSONDecoder()
_scan_once = _DECODER.scan_once  # type: ignore[attr-defined] # what decodes, without looking behind it

# Between objects: blanks, and what makes an array of them. Nulls are what a crash leaves behind.
_BETWEEN = re.compile(rb"[ \t\r\n\0,\[\]]*+")
_STRING = rb'"[^"\\\n\0]*+(?:\\[^\n\0][^"\\\n\0]*+)*+'
# Up to the next bracket that is in no string, past what holds no other brackets. A string ends
# before its line does; a brace that may begin a line is looked at.
_FLAT = rb'[^"{}\[\]]*+(?:' + _STRING + rb'"[^"{}\[\]]*+)*+'
_TO_BRACKET = re.compile(
    _FLAT + rb"(?:(?:\[" + _FLAT + rb"\]|(?<![\s])\{" + _FLAT + rb"\})" + _FLAT + rb")*+"
)
_OPEN_STRING = re.compile(_STRING)
# Lines that begin an object as none can begin: with no key, with a key that does not end, or with
# nothing where the next line begins an object, too.
_HOPELESS_LINES = re.compile(
    rb'(?:\{[ \t\r]*+(?:\n(?=\{)|[^"}\s\0][^\n\0}]*+\n|"[^"\\\n\0]*+\n))++'
)
# Where every line that seems to begin an object does: lines that end none, before another.
_UNENDED_LINES = re.compile(rb"(?:\{[^\n}\0]*+\n(?=\{))++")
_SCALAR = re.compile(rb"(?:" + _STRING + rb'"|[^\s,\[\]{}"]++)(?=[ \t\r]*+[,\]])')
_BLANK_LINE = re.compile(rb"\n[ \t\r\0]*+(?=\n)")
_STARTS, _STARTS_BEHIND_NULLS = (
    [re.compile(end + rb"[ \t]{0,%d}+[{\[]" % column) for column in range(_MOST_INDENTED + 1)]
    for end in (rb"\n", rb"\0")
)
_BLANKS = b" \t\r\n\0"
_QUOTE, _OBJECT, _ARRAY = b'"{['
_BACKSLASH, _END = b"\\}"
_LAST = b"} \r"
_OPENER = {ord("}"): _OBJECT, ord("]"): _ARRAY}


class _BrokenError(Exception):
    """No object begins here; ``seen`` is the position in the window where that was seen."""

    def __init__(self, reason: str, seen: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seen = seen


class Scanner:
    """A window on a stream, and the objects in it. The stream begins at ``offset``.

    Positions count from the beginning of the window; what is kept from one object to the next are
    offsets in the file. Afterwards ``is_torn`` says whether something half written is left, and
    ``end`` is the offset up to which all is dealt with.
    """

    def __init__(
        self, blocks: Iterable[bytes], offset: int = 0, *, has_prefixes: bool = False
    ) -> None:
        self.end = offset
        self.is_torn = False
        self._has_prefixes = has_prefixes
        self._blocks = iter(blocks)
        self._base = offset
        self._window = bytearray()
        self._at = 0
        self._newline = -1
        """The offset of the first line end behind the last object that was looked at."""
        self._opening = -1
        """The offset of the first brace behind the last value that was no object, or of the end of
        its line."""
        self._searched_to = offset
        """Up to here there is no line end."""
        self._several_to = offset
        """The end of a line that holds several objects."""
        self._distrust_to = offset
        """Before this, each line that seems to begin an object does, whatever is open."""

    def documents(self) -> Iterator[Document]:
        """The objects, and what is none, in their order."""
        self._skip_mark()
        while self._reach_next():
            if self._base + self._at >= self._several_to:
                yield from self._plain_lines()
                if not self._reach_next():
                    break
            place = self._base + self._at
            is_object = self._window[self._at] == _OBJECT
            document = self._document(place) if is_object else self._no_object(place)
            if document is None:
                self.is_torn, self.end = True, place
                return
            self.end = document.end
            yield document
        self.end = self._base + self._at

    # --- the window ------------------------------------------------------------------------------

    def _more(self) -> bool:
        """Make the window longer, if there is more."""
        block = next(self._blocks, None)
        if block is None:
            return False
        self._window += block
        return True

    def _grow(self, start: int) -> bool:
        """Make what there is from ``start`` on twice as long, so that looking at it anew each time
        takes no more than twice as long in all."""
        wanted = 2 * len(self._window) - start
        is_longer = False
        while len(self._window) < wanted and self._more():
            is_longer = True
        return is_longer

    def _drop(self, before: int) -> None:
        """Forget what is before a position, but for what tells how far its line is indented."""
        kept = before - _MOST_INDENTED - 2
        if kept > 0:
            del self._window[:kept]
            self._base += kept
            self._at -= kept

    def _skip_mark(self) -> None:
        if self._base == 0:
            while len(self._window) < len(_BOM) and self._more():
                pass
            if self._window.startswith(_BOM):
                self._at = len(_BOM)

    def _reach_next(self) -> bool:
        """Go to where the next object may begin, if there is anything left."""
        while True:
            between = _BETWEEN.match(self._window, self._at)
            self._at = between.end() if between else self._at
            if self._at >= BLOCK_BYTES:
                self._drop(self._at)
            if self._at < len(self._window):
                return True
            if not self._more():
                return False

    def _line_end(self, start: int) -> int:
        """The position of the line end, or that of the end of the file; -1 if it is too far."""
        if self._newline >= self._base + start:
            return self._newline - self._base
        searched = max(start, self._searched_to - self._base)
        while True:
            newline = self._window.find(b"\n", searched)
            if newline >= 0:
                self._newline = self._base + newline
                return newline
            searched = len(self._window)
            self._searched_to = self._base + searched
            if searched - start > LINE_BYTES:
                self._several_to = self._searched_to
                return -1
            if not self._more():
                return searched

    def _column(self, start: int) -> int:
        """How far the line is indented that begins with this position, else 0."""
        first = max(0, start - _MOST_INDENTED - 1)
        line_start = self._line_start(first, start)
        if line_start < 0 and self._base + first > 0:
            return 0
        before = self._window[max(line_start, 0) : start]
        return 0 if before.strip(b" \t") else len(before)

    def _line_start(self, first: int, position: int) -> int:
        """Behind the last line end before a position, or behind what a crash left; else -1."""
        newline = self._window.rfind(b"\n", first, position)
        null = self._window.rfind(b"\0", first, position)
        last = max(newline, null)
        return last + 1 if last >= 0 else -1

    # --- objects ---------------------------------------------------------------------------------

    def _plain_lines(self) -> Iterator[Document]:
        """The objects from here on as long as each is just a line, as nearly all are."""
        window, base, start = self._window, self._base, self._at
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
        hopeless = _HOPELESS_LINES.match(self._window, start)
        if hopeless is None and place < self._distrust_to and self._begins_line(start, 0):
            limit = self._distrust_to - self._base + 1
            hopeless = _UNENDED_LINES.match(self._window, start, limit)
        if hopeless:
            self._at = hopeless.end()
            lines = _lines(self._window, start, self._at)
            return Document(place, self._base + self._at, None, NOT_JSON, lines)
        if place >= self._several_to and start < line_end <= start + LINE_BYTES:
            document = self._line(place, start, line_end)
            if document is not None:
                return document
        try:
            end = self._object_end(start)
        except _BrokenError as broken:
            return self._pass_over(place, start, broken)
        if end < 0:
            if self._may_go_on(start):
                return None
            return self._pass_over(place, start, _BrokenError(NOT_JSON, len(self._window)))
        self._at = end
        value, reason = _parsed(self._window[start:end])
        return Document(place, self._base + end, value, reason)

    def _line(self, place: int, start: int, line_end: int) -> Document | None:
        """The object that begins a line, if it ends in it, too, and is as it should be."""
        window = self._window
        # It is looked at as a whole only once, whatever follows in it.
        self._several_to = self._base + line_end
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
            return Document(place, self._base + line_end, None, NOT_UTF8)
        except (ValueError, RecursionError):
            return None
        if stop < len(text):
            if not text.isascii():
                stop = len(text[:stop].encode())
        else:
            stop = len(line)
        self._at = start + stop
        return Document(place, place + stop, value)

    def _object_end(self, start: int) -> int:
        """The position behind the object, or -1 if the file ends before; told from brackets."""
        window = self._window
        opened = bytearray(b"{")
        position = start + 1
        while opened:
            bracket = _TO_BRACKET.match(window, position)
            position = bracket.end() if bracket else position
            if position - start > LINE_BYTES:
                raise _BrokenError(TOO_LONG, position)
            if position == len(window) or window[position] == _QUOTE:
                if not self._string_goes_on(start, position):
                    return -1
                continue
            byte = window[position]
            if byte in _OPENER:
                if opened.pop() != _OPENER[byte]:
                    raise _BrokenError(NOT_JSON, position)
            else:
                if byte == _OBJECT and window[position - 1] in _BLANKS:
                    self._check_inside(start, position, opened[-1])
                opened.append(byte)
                if len(opened) > _DEEPEST:
                    raise _BrokenError(nesting.TOO_DEEP, position)
            position += 1
        return position

    def _string_goes_on(self, start: int, position: int) -> bool:
        """Whether there is more of the file where the window ends, maybe inside of a string."""
        window = self._window
        string = _OPEN_STRING.match(window, position)
        stop = string.end() if string else position
        is_cut = stop == len(window) - 1 and window[stop] == _BACKSLASH
        if stop < len(window) and not is_cut:
            raise _BrokenError(NOT_JSON, stop)
        if len(window) - start > LINE_BYTES:
            raise _BrokenError(TOO_LONG, len(window))
        return self._grow(start)

    def _begins_line(self, position: int, column: int) -> bool:
        """Whether the line begins with this position, indented no further than ``column``."""
        start = self._line_start(max(0, position - column - 1), position)
        return start >= 0 and not self._window[start:position].strip(b" \t")

    def _check_inside(self, start: int, position: int, opened: int) -> None:
        """A line that could begin an object is inside of another only where JSON wants a value
        there; most often the other was never written to its end."""
        if not self._begins_line(position, self._column(start)):
            return
        before = self._window[max(start, position - 4096) : position].rstrip(_BLANKS)
        wants_value = before.endswith((b"[", b":")) or (before.endswith(b",") and opened == _ARRAY)
        if not wants_value or self._base + position < self._distrust_to:
            raise _BrokenError(NOT_JSON, position)

    def _may_go_on(self, start: int) -> bool:
        """Whether what there is of an object is right so far."""
        if self._window.find(b"\n", start) < 0:
            return True
        raw = self._window[start:]
        if nesting.refusal(raw):
            return False
        text = raw.decode(errors="replace").rstrip(" \t\r\n\0")
        try:
            _DECODER.raw_decode(text)
        except json.JSONDecodeError as failure:
            is_at_end = failure.pos >= len(text) - len("false,")
            return is_at_end or failure.msg.startswith("Unterminated string")
        except (ValueError, RecursionError):
            return False
        return False

    # --- what is no object -----------------------------------------------------------------------

    def _no_object(self, place: int) -> Document | None:
        """What stands here instead of an object: a value in an array, or lines of anything."""
        start = self._at
        line_end = self._line_end(start)
        if not start <= line_end <= start + LINE_BYTES:
            return self._pass_over(place, start, _BrokenError(TOO_LONG, start))
        opening = self._brace(start, line_end)
        if opening >= 0 and self._has_prefixes:
            self._at = opening
            return self._document(self._base + opening)
        scalar = _SCALAR.match(self._window, start) if opening >= 0 else None
        if scalar:
            self._at = scalar.end()
            return Document(place, self._base + self._at, None, NO_OBJECT)
        lines = self._next_start(start)
        return Document(place, self._base + self._at, None, NO_OBJECT, lines) if lines else None

    def _brace(self, start: int, line_end: int) -> int:
        """Where the next object may begin in the line, else -1."""
        if self._opening < self._base + start:
            found = self._window.find(b"{", start, line_end)
            self._opening = self._base + (found if found >= 0 else line_end)
        brace = self._opening - self._base
        return brace if brace < line_end else -1

    def _pass_over(self, place: int, start: int, broken: _BrokenError) -> Document | None:
        """Go on behind something broken; None if its line is not at its end yet."""
        self._distrust_to = max(self._distrust_to, self._base + broken.seen)
        if not self._next_start(start):
            return None
        return Document(place, self._base + self._at, None, broken.reason)

    def _next_start(self, start: int) -> int:
        """Go to the next line that may begin an object, or to the last one; how many lines that
        are not blank were passed."""
        column = min(self._column(start), _MOST_INDENTED)
        lines, has_ended = 0, False
        while True:
            found = _STARTS[column].search(self._window, start)
            limit = found.end() if found else len(self._window)
            if self._window.find(b"\0", start, limit) >= 0:
                found = _STARTS_BEHIND_NULLS[column].search(self._window, start, limit) or found
            if found:
                self._at = found.start() + 1
                return max(lines + _lines(self._window, start, self._at), 1)
            # What follows the last line end may be the beginning of what is looked for.
            last = self._window.rfind(b"\n", start)
            has_ended = has_ended or last >= 0
            is_near = last >= 0 and len(self._window) - last < BLOCK_BYTES
            self._at = last if is_near else max(start, len(self._window) - 1)
            lines += _lines(self._window, start, self._at + 1)
            self._drop(self._at)
            start = self._at
            if not self._more():
                self._at += 1
                return max(lines, 1) if has_ended else 0


def _lines(window: bytearray, start: int, end: int) -> int:
    """How many lines that are not blank end in a stretch; a line end that it begins with is that
    of the line before."""
    begins = window[start : start + 1] == b"\n"
    blank = sum(1 for _ in _BLANK_LINE.finditer(window, start, end))
    return window.count(b"\n", start + begins, end) - blank


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
