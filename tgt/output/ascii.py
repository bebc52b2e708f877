"""Charts and signs of tgt's own for whoever reads no more than ASCII, one character for one.

Text of cards is not touched by this; what a stream cannot write of it becomes a question mark.
"""

from __future__ import annotations

import os
import sys

_SIGNS = str.maketrans("▁▂▃▄▅▆▇█░→…×·–≥≤─│", "_.-~=+*#.>~x.-><-|")


def is_wanted() -> bool:
    """Whether the locale is C, or standard output cannot write the signs."""
    locale = next((os.environ[n] for n in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(n)), "")
    if locale in {"C", "POSIX"}:
        return True
    try:
        "▁→".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def plain(text: str) -> str:
    return text if text.isascii() else text.translate(_SIGNS)
