"""The one gate between text that tgt did not write and a terminal.

Telemetry is hostile: whatever a log line says, it may not move the cursor, change a colour,
reverse the reading direction or hide a character. What could is shown as a visible escape.
"""

from __future__ import annotations

import unicodedata

LIMIT = 4000
ELLIPSIS = "…"
_COMBINING_RUN = 4


def safe(text: object, *, limit: int = LIMIT, lines: bool = False) -> str:
    """``text`` on one line, every acting or invisible character escaped, as in ``\\x1b``.

    With ``lines`` line feeds stay. Cut at ``limit`` characters, and the cut is visible.
    """
    raw = text if isinstance(text, str) else str(text)
    cut = raw[:limit]
    if not cut.isprintable() or not cut.isascii():
        cut = _escaped(cut, lines=lines)
    return cut + ELLIPSIS if len(raw) > limit else cut


def _escaped(text: str, *, lines: bool) -> str:
    shown: list[str] = []
    combining = 0
    for character in text.replace("\r\n", "\n") if lines else text:
        category = unicodedata.category(character)
        combining = combining + 1 if category in {"Mn", "Me"} else 0
        if character == "\n" and lines:
            shown.append("\n")
        elif character == "\t" or category == "Zs":
            shown.append(" ")
        elif character.isprintable() and combining <= _COMBINING_RUN:
            shown.append(character)
        else:
            shown.append(_escape(character))
    return "".join(shown)


def _escape(character: str) -> str:
    """The escape that Python writes: one notation, whatever the character."""
    return character.encode("unicode_escape").decode("ascii")
