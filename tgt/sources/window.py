"""The part of a stream that is looked at, and where the lines in it begin and end.

It grows at its end as more is wanted, and forgets its beginning. Positions count from the
beginning of the window, ``base`` is the offset in the stream at which that lies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_INDENTED = 64
"""How far a line may be indented so that anybody asks whether it is further than another."""

# Nulls are what a crash leaves of the last block: whatever was being written ends there.
BLANKS = b" \t\r\n\0"
_BLANK_LINE = re.compile(rb"\n[ \t\r\0]*+(?=\n)")


class Window:
    """What of the blocks of a stream, which begin at ``offset``, is at hand."""

    def __init__(self, blocks: Iterable[bytes], offset: int = 0) -> None:
        self.data = bytearray()
        self.base = offset
        self._blocks = iter(blocks)

    def more(self) -> bool:
        """Make the window longer, if there is more."""
        block = next(self._blocks, None)
        if block is None:
            return False
        self.data += block
        return True

    def grow(self, start: int) -> bool:
        """Make what there is from ``start`` on twice as long, so that looking at it anew each time
        takes no more than twice as long in all."""
        wanted = 2 * len(self.data) - start
        is_longer = False
        while len(self.data) < wanted and self.more():
            is_longer = True
        return is_longer

    def drop(self, before: int) -> int:
        """Forget what is before a position, but for what tells how far its line is indented; how
        much that is, which all positions now are less."""
        dropped = max(0, before - MOST_INDENTED - 2)
        del self.data[:dropped]
        self.base += dropped
        return dropped

    def column(self, start: int) -> int:
        """How far the line is indented that begins with this position, else 0."""
        first = max(0, start - MOST_INDENTED - 1)
        line_start = self._line_start(first, start)
        if line_start < 0 and self.base + first > 0:
            return 0
        before = self.data[max(line_start, 0) : start]
        return 0 if before.strip(b" \t") else len(before)

    def _line_start(self, first: int, position: int) -> int:
        """Behind the last line end before a position, or behind what a crash left; else -1."""
        newline = self.data.rfind(b"\n", first, position)
        null = self.data.rfind(b"\0", first, position)
        last = max(newline, null)
        return last + 1 if last >= 0 else -1

    def begins_line(self, position: int, column: int) -> bool:
        """Whether the line begins with this position, indented no further than ``column``."""
        start = self._line_start(max(0, position - column - 1), position)
        return start >= 0 and not self.data[start:position].strip(b" \t")

    def lines(self, start: int, end: int) -> int:
        """How many lines that are not blank end in a stretch; a line end that it begins with is
        that of the line before."""
        begins = self.data[start : start + 1] == b"\n"
        blank = sum(1 for _ in _BLANK_LINE.finditer(self.data, start, end))
        return self.data.count(b"\n", start + begins, end) - blank
