"""How deep and how large a JSON text is, told from its brackets before anybody parses it.

A parser builds what a text asks for: brackets in brackets until the stack ends, or 16 MB of empty
lists that take 450 MB. Both are told here without building anything, in time that grows with the
text alone.
"""

from __future__ import annotations

import re

from tgt.sources.bounds import NESTING, VALUES

TOO_DEEP = "nested too deeply"
TOO_MANY = "too many values"

_STRINGS = re.compile(rb'"[^"]*+"?')
_ALL = bytes(range(256))
_BRACKETS_AND_QUOTES = _ALL.translate(None, b'"[]{}')
_ALIKE = bytes.maketrans(b"{}", b"[]")
_OPENING = bytes.maketrans(b"{", b"[")
_NO_OPENING = _ALL.translate(None, b"[{\n")
_TOO_MANY_OPENING = b"[" * (NESTING + 1)
_SEPARATORS_AND_QUOTES = _ALL.translate(None, b'"[{,')


def refusal(text: bytes | bytearray) -> str:
    """Why a JSON text is not to be parsed, or nothing."""
    if len(text) <= 2 * NESTING:
        return ""
    opening = text.count(b"{") + text.count(b"[")
    if opening > NESTING and is_deeper(text, NESTING):
        return TOO_DEEP
    if len(text) > VALUES and opening + text.count(b",") > VALUES and _values(text) > VALUES:
        return TOO_MANY
    return ""


def may_be_too_deep(lines: bytes | bytearray, before: bytes = b"") -> tuple[bool, bytes]:
    """Whether one of many lines has so many brackets, told of all together and in little time.

    ``before`` is what this gave, besides, for the lines that came before these.
    """
    opening = before + lines.translate(_OPENING, _NO_OPENING)
    return _TOO_MANY_OPENING in opening, opening[opening.rfind(b"\n") + 1 :]


def is_deeper(text: bytes | bytearray, limit: int) -> bool:
    """Whether brackets are nested deeper than the limit."""
    brackets = _STRINGS.sub(b"", _kept(text, _BRACKETS_AND_QUOTES)).translate(_ALIKE)
    for _ in range(limit):
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            # What is left has no pair: a parser stops there, but may go as deep before.
            return len(brackets) > limit
        brackets = inner
    return bool(brackets)


def _values(text: bytes | bytearray) -> int:
    return len(_STRINGS.sub(b"", _kept(text, _SEPARATORS_AND_QUOTES)))


def _kept(text: bytes | bytearray, others: bytes) -> bytes | bytearray:
    """The text without these characters, and without quotation marks that stand in strings."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two marks that meet are an empty string, or the end of one and the beginning of the next:
    # without them the rest stays inside or outside of strings as it was.
    return text.translate(None, others).replace(b'""', b"")
