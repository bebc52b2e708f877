"""The rules as data, read and compiled when a text asks for them.

A rule names literal keywords, and only where a text has one of them is its pattern compiled and
tried: most texts have none of any rule. Every pattern looks at a bounded number of characters
from any place, so that the work grows with the length of a text.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ALPHABETS = {
    "alnum": "A-Za-z0-9",
    "word": "A-Za-z0-9_",
    "url": "A-Za-z0-9_-",
    "dotted": "A-Za-z0-9_.-",
    "base64": "A-Za-z0-9+/=",
    "base64url": "A-Za-z0-9+/=_-",
    "path": "A-Za-z0-9_/@.-",
    "hex": "0-9a-fA-F",
    "upper": "A-Z0-9",
    "lower": "a-z0-9",
}
_WEAK = 5
# Also behind a line's end or a colour that is spelt out, and behind an encoded sign of an address.
_WORD_BEGINS = (
    r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\[[0-9]m)|(?<=\[[0-9]{2}m))"
)
# Somebody else cut the text here: what is left of a token begins like one.
_CUT_OFF = r"(?=\s{0,4}(?:\Z|…|\.\.\.))"
_FEWEST_LETTERS = 5
_LONGEST_WORD = 28
_RUN = "@run"
_LONG_RUN = re.compile(r"[A-Za-z0-9_=+-]{20}")
_GRAM = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one of ``keywords`` (lower case) is in a text, what ``pattern`` matches is masked.

    ``entropy`` is in bits a character; ``check`` names what else must hold of the match.
    """

    kind: str
    keywords: tuple[str, ...]
    pattern: str
    entropy: float = 0.0
    check: str = ""


@cache
def table(name: str) -> dict[str, Any]:
    """A table of this package."""
    # Not through importlib.resources, which loads a dozen modules for it.
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


@cache
def rules() -> tuple[Rule, ...]:
    """All rules in the order in which they are applied: what is surest of itself comes first."""
    data = table("rules.toml")
    shapes = [_shape(row) for row in data["shapes"]]
    blocks = [rule for rule in shapes if rule.kind == "private-key"]
    return (
        *blocks,
        *(_token(kind, row) for kind, row in data["tokens"].items()),
        *(rule for rule in shapes if rule.kind != "private-key"),
        *(_command(row) for row in data["commands"]),
        *_providers(table("assigned.toml")["providers"]),
    )


def rules_for(text: str) -> Iterator[Rule]:
    """The rules with a keyword in the text, in their order."""
    lowered = text.lower()
    grams = {lowered[start : start + _GRAM] for start in range(len(lowered) - _GRAM + 1)}
    index = _index()
    numbers = {
        number
        for gram in grams & index.keys()
        for keyword, number in index[gram]
        if keyword in lowered
    }
    if _LONG_RUN.search(text):
        numbers.update(number for _, number in index[_RUN[:_GRAM]])
    every = rules()
    return (every[number] for number in sorted(numbers))


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def entropy(text: str) -> float:
    """Shannon's, in bits a character."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values())


def masked(rule: Rule, text: str, is_none: Callable[[str, re.Match[str]], bool]) -> str:
    """The text with a mask for all that the rule matches, except what ``is_none`` of a secret."""

    def mask(match: re.Match[str]) -> str:
        group = match.lastgroup or 0
        secret = match[group]
        if not group and len(set(secret)) < _FEWEST_LETTERS:
            return match[0]
        if (rule.entropy and entropy(secret) < rule.entropy) or is_none(rule.check, match):
            return match[0]
        start, end = (edge - match.start() for edge in match.span(group))
        return f"{match[0][:start]}[redacted:{rule.kind}]{match[0][end:]}"

    return compiled(rule.pattern).sub(mask, text)


@cache
def _index() -> Mapping[str, list[tuple[str, int]]]:
    """Keywords with the number of their rule, by their first three characters."""
    index: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for number, rule in enumerate(rules()):
        for keyword in rule.keywords:
            index[keyword[:_GRAM]].append((keyword, number))
    return dict(index)


def _token(kind: str, row: Mapping[str, Any]) -> Rule:
    alphabet, (least, most) = ALPHABETS[row["alphabet"]], row["length"]
    letters = f"[{alphabet}]"
    digit = f"(?=[{alphabet.replace('0-9', '')}]{{0,60}}+[0-9])"
    cut_off = rf"{digit}{letters}{{6,{most}}}+{_CUT_OFF}"
    branches = []
    for weak in (True, False):
        prefixes = [re.escape(p) for p in row["prefixes"] if (len(p) < _WEAK) is weak]
        if prefixes:
            is_word_like = least < _LONGEST_WORD or "_" in alphabet or alphabet.endswith("-")
            whole = f"{digit if weak and is_word_like else ''}{letters}{{{least},{most}}}+"
            begins = _WORD_BEGINS if weak else ""
            branches.append(rf"{begins}(?:{'|'.join(prefixes)})(?:{whole}|{cut_off})")
    return Rule(kind, tuple(p.lower() for p in row["prefixes"]), "|".join(branches))


def _shape(row: Mapping[str, Any]) -> Rule:
    return Rule(
        row["kind"],
        tuple(row["keywords"]),
        row["pattern"],
        row.get("entropy", 0.0),
        row.get("check", ""),
    )


def _command(row: Mapping[str, Any]) -> Rule:
    programs, options = ("|".join(map(re.escape, row[key])) for key in ("programs", "options"))
    blanks = "[ =]{1,4}" if not row.get("joined") else "[ =]{0,4}" if row.get("apart") else ""
    return Rule(
        "password",
        tuple(program.lower().ljust(_GRAM) for program in row["programs"]),
        rf"(?<![\w-])(?:{programs})(?![\w.-])[^\n|;&]{{0,400}}?\s(?:{options}){blanks}"
        # In JSON a quotation mark has backslashes before it.
        r"(?:\\{0,7}\"(?P<quoted>(?!\[redacted)(?:[^\"\n\\]|\\(?!\\{0,6}\")){1,256}+)\\{0,7}\""
        r"|'(?P<single>(?!\[redacted)[^'\n]{1,256}+)'"
        r"|(?P<bare>(?!\[redacted|-|\$|<|\\{1,7}\")[^\s\"'|;&]{1,256}+))",
        check="not-ids",
    )


def _providers(row: Mapping[str, Any]) -> Iterator[Rule]:
    for name in row["names"]:
        keyword = re.split(r".\?|\(", name)[0]
        pattern = f"(?i:{name}){row['value']}"
        yield Rule("provider-key", (keyword,), pattern, row["entropy"], "provider")
