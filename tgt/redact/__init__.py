"""What looks like a credential is masked before it reaches a card, a log or a terminal.

Telemetry quotes what agents typed, fetched and were told, and a card is read by more people than
the log it came from. A mask names the kind of secret, so that a reader still sees what was there:
``[redacted:aws-key]``. This is a net and no proof: a secret without a known form passes. What is
merely random (hashes, UUIDs, ULIDs, the base64 of an image) is evidence, and stays.

The rules are data (``rules.toml``, ``assigned.toml``), read when the first text is masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

STANDARD = "standard"
STRICT = "strict"
MODES = (STANDARD, STRICT)
"""``strict`` masks e-mail addresses too."""

_EMAIL = (
    r"(?<![A-Za-z0-9._%+-])(?:[A-Za-z0-9._%+-]{1,64}+@[A-Za-z0-9_-]{1,63}+"
    r"(?:\.[A-Za-z0-9_-]{1,63}+){1,8}+){1,64}+"  # one may begin where another ends
)
_SHORTEST = 4
_MOST_ROUNDS = 3
_MARGIN = 4096
_ESCAPED = re.compile(r"(\\{1,64})(?:u00(?!5[Cc]|7[Ff])([2-7][0-9A-Fa-f])|/)")
_MASK = re.compile(r"\[redacted:[a-z0-9-]{1,40}\]")
_LONGEST_MASK = 52


def redact(text: str, mode: str = STANDARD, patterns: Sequence[re.Pattern[str]] = ()) -> str:
    """The text with a mask in the place of every part that looks like a credential.

    ``patterns`` are one's own, as ``tgt.redact.own.compiled`` gives them. Signs that JSON may write
    as ``\\u003d`` or ``\\/`` are read, and stay as they are where they hide none.
    """
    if len(text) < _SHORTEST:
        return text
    if (plain := _unescaped(text)) != text:
        masked = _redacted(plain, mode, patterns)
        if masked != plain:
            return masked
    return _redacted(text, mode, patterns)


def _unescaped(text: str) -> str:
    """The text with the printable ASCII of JSON's escapes, at any depth of JSON within JSON."""
    return _ESCAPED.sub(_sign, text) if "\\u00" in text or "\\/" in text else text


def _sign(escaped: re.Match[str]) -> str:
    backslashes, number = escaped.groups()
    sign = chr(int(number, 16)) if number else "/"
    return "\\" * _before_quote(len(backslashes)) + sign if sign == '"' else sign


def _before_quote(backslashes: int) -> int:
    """How many backslashes a quotation mark has that so many and its number stand for. Of an even
    number each two are one of the JSON text within this one."""
    return backslashes if backslashes % 2 else 2 * _before_quote(backslashes // 2) + 1


def _redacted(text: str, mode: str, patterns: Sequence[re.Pattern[str]]) -> str:
    from tgt.redact import own  # most commands mask nothing

    masked = _masked(own.masked(text, patterns))
    for _ in range(_MOST_ROUNDS):  # a mask can be the beginning of a word for what follows it
        if masked == text:
            break
        text, masked = masked, _masked(masked)
    if mode == STRICT and "@" in masked:
        masked = re.sub(_EMAIL, "[redacted:email]", masked)
    return masked


def _masked(text: str) -> str:
    from tgt.redact import assigned, checks, rules  # most commands mask nothing

    for rule in rules.rules_for(text):
        text = rules.masked(rule, text, checks.is_no_secret)
    return assigned.masked(text)


def masked_cut(text: str, length: int, mask: Callable[[str], str]) -> str:
    """The first ``length`` characters of the masked text; no mask and no secret is cut through.

    Half a secret is not recognized and still gives half away, so masking comes first.
    """
    masked = mask(text[: length + _MARGIN])
    if len(masked) <= length:
        return masked
    for match in _MASK.finditer(masked, max(0, length - _LONGEST_MASK)):
        if match.start() < length < match.end():
            return masked[: match.start()] or "[redacted]"[:length]
    return masked[:length]


def everywhere(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with ``change`` applied to all texts in it, also to the keys of objects."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {everywhere(k, change): everywhere(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(everywhere(item, change) for item in value)
    return value
