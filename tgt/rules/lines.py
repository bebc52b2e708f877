"""In which line of a TOML file something stands, which the parser of TOML does not tell."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_QUOTED = re.compile(
    r'"""(?:\\.|[^\\])*?"""|' + r"'''.*?'''" + r'|"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'|#[^\n]*",
    re.DOTALL,
)
_HEAD = re.compile(r"\s*\[\[\s*(\w+)\s*\]\]\s*$", re.ASCII)
_KEY = re.compile(r"\s*([\w-]+)\s*=", re.ASCII)


@dataclass(frozen=True)
class Table:
    """The line of a table's head, and of the keys in it."""

    line: int
    keys: dict[str, int] = field(default_factory=dict)

    def of(self, key: str) -> int:
        """The line of a key; that of the head for one that is written in another way."""
        return self.keys.get(key, self.line)


def tables(text: str) -> dict[str, list[Table]]:
    """The tables of arrays (``[[name]]``) by name, in their order; keys before any under ``""``.

    What stands in texts and comments is neither.
    """
    bare = _QUOTED.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    current = Table(1)
    by_name = {"": [current]}
    for number, line in enumerate(bare.split("\n"), 1):
        if head := _HEAD.match(line):
            current = Table(number)
            by_name.setdefault(head[1], []).append(current)
        elif key := _KEY.match(line):
            current.keys.setdefault(key[1], number)
    return by_name


def of_value(text: str, line: int, value: str, at: int) -> int:
    """The line of a place in a text, the value of the key in a line: it may span several."""
    rest = text.split("\n")[line - 1].partition("=")[2].strip()
    begins_below = rest in {"'''", '"""'}
    return line + begins_below + value.count("\n", 0, at)
