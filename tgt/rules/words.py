"""Words of a rules file: those of a title or fix, in which a few names stand for what was measured,
and those that nobody knows.

Names are put in by this module and by no formatting language, which would give more than that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

PLACEHOLDERS = ("subject", "value", "usual")
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


def strange_placeholder(text: str) -> str:
    """The first thing in braces that stands for nothing; empty if there is none."""
    for match in _BRACES.finditer(text):
        if match[1] not in PLACEHOLDERS:
            return match[0][:60]
    return ""


def meant(word: str, accepted: Iterable[str]) -> str:
    """Which accepted word was meant, or which there are."""
    import difflib  # mistakes are rare

    near = difflib.get_close_matches(word, (choices := [*accepted]), 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(choices)}"


def filled(text: str, words: Mapping[str, str]) -> str:
    """The text with what its names stand for. What is put in is not looked at again."""
    return _BRACES.sub(lambda match: words.get(match[1] or "", match[0]), text)
