"""Families of error texts that agents meet, as ``archive_errors.toml`` has them.

One of them becomes a text with other paths, numbers and names each time.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

FAMILIES = Path(__file__).with_name("archive_errors.toml")
BASH = "Bash"
"""What a family calls the tool that runs commands, whatever an agent calls it."""


@dataclass(frozen=True)
class Family:
    """One error; ``archive_errors.toml`` says what the fields mean."""

    name: str
    texts: tuple[str, ...]
    tool: str = BASH
    status: int | None = None
    is_work: bool = False
    noise: str = ""

    @property
    def is_command(self) -> bool:
        """Whether every agent may meet it, since every agent runs commands."""
        return self.tool == BASH and self.status is not None

    @property
    def is_checked_again(self) -> bool:
        """Whether one runs it after each change until it goes well."""
        return self.is_command and (self.is_work or self.noise == "test")


@dataclass(frozen=True)
class Data:
    """What is in ``archive_errors.toml``."""

    families: tuple[Family, ...]
    names: tuple[str, ...]
    verbs: tuple[str, ...]
    before: tuple[str, ...]


def load(path: Path = FAMILIES) -> Data:
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    families = [Family(**{**each, "texts": tuple(each["texts"])}) for each in read["family"]]
    if doubled := [name for name, n in Counter(f.name for f in families).items() if n > 1]:
        raise SystemExit(f"{path.name}: two families are called {', '.join(doubled)}")
    words = (tuple(read[key]) for key in ("names", "verbs", "before"))
    return Data(tuple(families), *words)


_T = TypeVar("_T")
_PLACEHOLDER = re.compile(
    r"\{(?P<kind>[A-Za-z]+)(?::(?P<how>[a-z0-9.-]+))?(?P<same>#[0-9])?\}",
)
_FOLDERS = ("src", "app", "lib", "packages/core/src", "tests", "internal")
_HOMES = ("/home/ann/src", "/Users/bo/dev", "/workspace", "/srv/build")
_CLASSES = ("Service", "Error", "View", "Model", "Store")
_PORTS = (3000, 3001, 5173, 8000, 8080, 8888, 5432, 9229)


class Words:
    """Words and numbers of invented projects, and texts with these in place of placeholders."""

    def __init__(self, rng: random.Random, data: Data) -> None:
        self.rng = rng
        self.data = data
        self._makers: dict[str, Callable[[str], str]] = {
            "name": lambda _: self.name(),
            "verb": lambda _: self.verb(),
            "function": lambda _: self.function(),
            "symbol": lambda _: self.verb() + self.name().title() + self.one(("", "Id", "List")),
            "class": lambda _: self.name().title() + self.one(_CLASSES),
            "path": lambda how: self.path(how or "py"),
            "file": lambda how: f"{self._folder()}/{self.path(how or 'py')}",
            "folder": lambda _: self._folder(),
            "n": self._number,
            "sha": lambda how: self.sha(int(how or 7)),
            "uuid": lambda _: "-".join(self.sha(digits) for digits in (8, 4, 4, 4, 12)),
            "port": lambda _: str(self.one(_PORTS)),
            "seconds": lambda _: f"{self.n(0, 59)}.{self.n(10, 99)}s",
            "progress": lambda how: self._progress(how or "3-40"),
            "dots": lambda how: "." * int(self._number(how)),
        }

    def one(self, choices: Sequence[_T]) -> _T:
        return self.rng.choice(choices)

    def n(self, low: int = 1, high: int = 400) -> int:
        return self.rng.randint(low, high)

    def name(self) -> str:
        return self.one(self.data.names)

    def verb(self) -> str:
        return self.one(self.data.verbs)

    def function(self) -> str:
        return f"{self.verb()}_{self.name()}"

    def path(self, ending: str = "py") -> str:
        folder = self.one(("", f"{self.name()}/"))
        suffix = self.one(("", f"_{self.verb()}", f"-{self.name()}"))
        return f"{self.one(_FOLDERS)}/{folder}{self.name()}{suffix}.{ending}"

    def sha(self, digits: int) -> str:
        return f"{self.rng.getrandbits(4 * digits):0{digits}x}"

    def fill(self, text: str) -> str:
        """The text with something in place of each placeholder."""
        kept: dict[str, str] = {}

        def word(match: re.Match[str]) -> str:
            if match["same"] is None:
                return self._word(match)
            return kept.setdefault(match["kind"] + match["same"], self._word(match))

        return _PLACEHOLDER.sub(word, text)

    def error(self, family: Family) -> str:
        return self.fill(self.one(family.texts))

    def before(self, family: Family) -> str:
        """What a command wrote before it failed: half of them nothing."""
        if family.status is None or self.rng.random() < 0.5:
            return ""
        return self.fill(self.one(self.data.before))

    def _word(self, match: re.Match[str]) -> str:
        kind = match["kind"]
        maker = self._makers.get(kind.lower())
        if maker is None:
            raise SystemExit(f"{match[0]} is no placeholder: there are {', '.join(self._makers)}")
        made = maker(match["how"] or "")
        if kind.isupper():
            return made.upper()
        return made.title() if kind.istitle() else made

    def _folder(self) -> str:
        return f"{self.one(_HOMES)}/{self.name()}-{self.name()}"

    def _number(self, how: str) -> str:
        low, _, high = how.partition("-")
        return str(self.n(int(low), int(high)) if how else self.n())

    def _progress(self, how: str) -> str:
        """Lines of one kind that a command writes while it works."""
        line = self.one(
            (
                "[INFO] {verb} {name} {n}",
                "[{n}/400] {verb} {path}",
                "✓ {path:ts} ({n} ms)",
                "{n:10-23}:{n:10-59}:{n:10-59} {name} {verb} {n} rows",
            )
        )
        return "\n".join(self.fill(line) for _ in range(int(self._number(how))))
