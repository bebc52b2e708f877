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
