"""What PowerShell says of an error, without the frame that it draws around it.

Windows PowerShell breaks a message at the width of a screen and puts the place, the command and its
own classes below it; PowerShell 7 draws a box with the message behind its bars. Both become one
line, as other programs write it: ``rg: The term 'rg' is not recognized as the name of a ...``.
"""

from __future__ import annotations

import re

_MARKS = (" char:", "Line |", "CategoryInfo ")
# A message, unless it stands below (as that of a parser does); its place; the command.
_PLACED = re.compile(
    r"(?:^(?P<who>\S[^\n:]{0,99}?) : (?P<said>[^\n]{1,2000}"
    r"(?:\n(?!\S[^\n:]{0,99} : )[^\n]{1,400}){0,7}?)\n)?"
    r"^(?:At [^\n]{1,300}:\d{1,7} char:\d{1,7} *(?:\n {0,8}\+[^\n]*){0,8}"
    # In other languages: two numbers above the command and what is underlined of it.
    r"|[^\n+]{0,300}?\d{1,7} ?[^\d\n+]{1,20}\d{1,7} *\n {0,8}\+ [^\n]*\n {0,8}\+ {0,400}~[^\n]*)",
    re.MULTILINE,
)
_CLASSES = re.compile(
    r"^ {1,8}\+ (?:CategoryInfo|FullyQualifiedErrorId) {1,12}:[^\n]*(?:\n {3}\S[^\n]*)?",
    re.MULTILINE,
)
_BOXED = re.compile(
    r"^(?:(?P<who>\S[^\n:]{0,200}): *\n)?Line \| *\n *\d{1,7} \|[^\n]*"
    r"(?P<said>(?:\n *\|[^\n]*){1,20})",
    re.MULTILINE,
)


def without_frames(text: str) -> str:
    """The text with each message of PowerShell on a line of its own; any other as it is."""
    if not any(mark in text for mark in _MARKS):
        return text
    text = _PLACED.sub(_message, text.replace("\r\n", "\n"))
    return _BOXED.sub(_message, _CLASSES.sub("", text))


def _message(match: re.Match[str]) -> str:
    message = " ".join(line.strip(" |~") for line in (match["said"] or "").splitlines()).strip()
    return f"{match['who']}: {message}" if match["who"] and message else message
