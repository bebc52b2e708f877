"""Where a JSON object ends, told from its brackets alone, and whether it is broken before.

Nothing is parsed for that, nothing is kept but the open brackets, and each byte is looked at twice
at most, however the stream comes in blocks.
"""

from __future__ import annotations

import json
import re

from tgt.sources import nesting
from tgt.sources.bounds import LINE_BYTES, NESTING
from tgt.sources.window import BLANKS, Window

TOO_LONG = "longer than 16 MiB"
NOT_JSON = "not JSON"

_DEEPEST = 20 * NESTING
"""Brackets in brackets beyond which nobody looks for the end of an object."""
_DECODER = json.JSONDecoder()

STRING = rb'"[^"\\\n\0]*+(?:\\[^\n\0][^"\\\n\0]*+)*+'
"""A string without the mark at its end. It ends before its line does."""
_OPEN_STRING = re.compile(STRING)
# Up to the next bracket that is in no string, past what holds no other brackets. A brace that may
# begin a line is looked at.
_FLAT = rb'[^"{}\[\]]*+(?:' + STRING + rb'"[^"{}\[\]]*+)*+'
_TO_BRACKET = re.compile(
    _FLAT + rb"(?:(?:\[" + _FLAT + rb"\]|(?<![\s\0])\{" + _FLAT + rb"\})" + _FLAT + rb")*+"
)
_QUOTE, _OBJECT, _ARRAY = b'"{['
_BACKSLASH = ord("\\")
_OPENER = {ord("}"): _OBJECT, ord("]"): _ARRAY}


class BrokenError(Exception):
    """No object begins here; ``seen`` is the position in the window where that was seen."""

    def __init__(self, reason: str, seen: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seen = seen


def object_end(window: Window, start: int, distrust_to: int) -> int:
    """The position behind the object that begins at one, or -1 if the stream ends before.

    Before the offset ``distrust_to`` each line that seems to begin an object does, whatever is
    open. Raises BrokenError.
    """
    data = window.data
    opened = bytearray(b"{")
    position = start + 1
    while opened:
        bracket = _TO_BRACKET.match(data, position)
        position = bracket.end() if bracket else position
        if position - start > LINE_BYTES:
            raise BrokenError(TOO_LONG, position)
        if position == len(data) or data[position] == _QUOTE:
            if not _string_goes_on(window, start, position):
                return -1
            continue
        byte = data[position]
        if byte in _OPENER:
            if opened.pop() != _OPENER[byte]:
                raise BrokenError(NOT_JSON, position)
        else:
            if byte == _OBJECT and data[position - 1] in BLANKS:
                _check_inside(window, start, position, opened[-1], distrust_to)
            opened.append(byte)
            if len(opened) > _DEEPEST:
                raise BrokenError(nesting.TOO_DEEP, position)
        position += 1
    return position


def may_go_on(window: Window, start: int) -> bool:
    """Whether what there is of an object, to the end of the stream, is right so far."""
    if window.data.find(b"\n", start) < 0:
        return True
    raw = window.data[start:]
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


def _string_goes_on(window: Window, start: int, position: int) -> bool:
    """Whether there is more of the file where the window ends, maybe inside of a string."""
    data = window.data
    string = _OPEN_STRING.match(data, position)
    stop = string.end() if string else position
    is_cut = stop == len(data) - 1 and data[stop] == _BACKSLASH
    if stop < len(data) and not is_cut:
        raise BrokenError(NOT_JSON, stop)
    if len(data) - start > LINE_BYTES:
        raise BrokenError(TOO_LONG, len(data))
    return window.grow(start)


def _check_inside(window: Window, start: int, position: int, opened: int, distrust_to: int) -> None:
    """A line that could begin an object is inside of another only where JSON wants a value
    there; most often the other was never written to its end."""
    if not window.begins_line(position, window.column(start)):
        return
    before = window.data[max(start, position - 4096) : position].rstrip(BLANKS)
    wants_value = before.endswith((b"[", b":")) or (before.endswith(b",") and opened == _ARRAY)
    if not wants_value or window.base + position < distrust_to:
        raise BrokenError(NOT_JSON, position)
