"""Whom ``tgt notify`` tells: how targets are written, and what may be shown of one.

A target holds credentials as often as not, so it shows itself as little more than its kind. It is
never refused here: one that is misspelt is a matter of whoever uses it, and of no other command.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

APPRISE, COMMAND = "apprise", "exec"
MASKED = "…"

_NAME = r"[A-Za-z][A-Za-z0-9+.-]*"
_FIRST = re.compile(rf"({_NAME}):(.*)", re.DOTALL)
_SEPARATOR = rf"(?P<next>\s*,\s[\s,]*|\s*,[\s,]*(?={_NAME}:)|\s+(?=exec:|{_NAME}://))"
_OUTSIDE = re.compile(_SEPARATOR, re.IGNORECASE)
# What is quoted in a command is part of it, whatever it looks like.
_IN_COMMAND = re.compile(
    rf"\\.|\"(?:\\.|[^\"\\])*\"|'[^']*'|{_SEPARATOR}", re.IGNORECASE | re.DOTALL
)
_AROUND = " \t\r\n,"
_PLAIN_PROGRAM = re.compile(r"[\w./+-]+")
_PLAIN_WORD = re.compile(r"-*[a-z]+(-[a-z]+)*")
_BETWEEN_PARTS = re.compile(r"[/:@?&=,;+\s]+")
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Target:
    """One target as it was written. ``str`` is what may be shown of it."""

    text: str = field(repr=False)

    @property
    def notifier(self) -> str:
        """The name of the notifier that reaches it; empty where none is named."""
        match = _FIRST.fullmatch(self.text)
        if match is None:
            return ""
        return APPRISE if match[2].startswith("//") else match[1].lower()

    @property
    def place(self) -> str:
        """What the notifier is given."""
        match = _FIRST.fullmatch(self.text)
        if match is None or match[2].startswith("//"):
            return self.text
        return match[2].strip()

    @property
    def key(self) -> str:
        """What it is known by where it is remembered, without what it says."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:20]

    def __str__(self) -> str:
        match = _FIRST.fullmatch(self.text)
        if match is None:
            return MASKED
        if self.notifier == COMMAND:
            return f"{COMMAND}:{_program(self.place)}"
        return f"{match[1]}:{'//' if match[2].startswith('//') else ''}{MASKED}"

    def redacted(self, text: str) -> str:
        """The text without anything that only this target says."""
        for secret in sorted(set(self._secrets()), key=len, reverse=True):
            text = text.replace(secret, MASKED)
        return text

    def _secrets(self) -> Iterator[str]:
        if self.notifier == COMMAND:
            parts = [part for word in _words(self.place)[1:] for part in _parts(word)]
            parts = [part for part in parts if not _PLAIN_WORD.fullmatch(part)]
        else:
            parts = list(_parts(self.place.partition("://")[2] or self.place))
        for part in parts:
            yield from (each for each in (part, unquote(part)) if len(each) >= _SHORTEST_SECRET)


def parse(text: str) -> tuple[Target, ...]:
    """The targets of a setting, each once.

    A target ends at a comma that white space or a ``name:`` follows, and at white space that
    ``name://`` or ``exec:`` follows; other commas and spaces are part of it, and so is all that is
    quoted in a command.
    """
    targets: dict[Target, None] = {}
    rest = text.strip(_AROUND)
    while rest:
        is_command = rest[: len(COMMAND) + 1].lower() == f"{COMMAND}:"
        pattern = _IN_COMMAND if is_command else _OUTSIDE
        cut = next((match for match in pattern.finditer(rest) if match["next"]), None)
        end, after = cut.span() if cut is not None else (len(rest), len(rest))
        if alone := rest[:end].strip(_AROUND):
            targets[Target(alone)] = None
        rest = rest[after:]
    return tuple(targets)


def labels(targets: Iterable[Target]) -> dict[Target, str]:
    """What each is called in messages: those that look alike are numbered."""
    named: dict[Target, str] = {}
    counts: dict[str, int] = {}
    for target in targets:
        label = str(target)
        counts[label] = counts.get(label, 0) + 1
        named[target] = label if counts[label] == 1 else f"{label} ({counts[label]})"
    return named


def _program(command: str) -> str:
    """The program of a command, if nothing else can be in that word."""
    words = _words(command)
    if not words or not _PLAIN_PROGRAM.fullmatch(words[0]):
        return MASKED
    return words[0] if len(words) == 1 else f"{words[0]} {MASKED}"


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _parts(text: str) -> Iterator[str]:
    yield text
    yield from _BETWEEN_PARTS.split(text)
