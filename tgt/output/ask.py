"""A question to whoever sits at the terminal, on standard error: standard output is the answer."""

from __future__ import annotations

import sys
from typing import TextIO, cast

from tgt.output.safe import safe

_YES = {"", "y", "yes"}


def is_possible() -> bool:
    """Whether there is somebody who can be asked."""
    streams = (cast("TextIO | None", sys.stdin), cast("TextIO | None", sys.stderr))
    return all(stream is not None and stream.isatty() for stream in streams)


def show(text: str) -> None:
    """Put lines before the one who is asked."""
    for line in text.splitlines():
        sys.stderr.write(f"{safe(line)}\n")
    sys.stderr.flush()


def confirm(question: str) -> bool:
    """Yes unless the answer is another; no where standard input ends."""
    sys.stderr.write(f"{safe(question)} [Y/n] ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        sys.stderr.write("\n")
        return False
    return line.strip().lower() in _YES
