"""In how many ways a pattern may split what it matched before it gives up: what it costs at worst.

A repetition that is followed by what it cannot match itself has one way; one that is followed by
anything else may give back each of its rounds. Ways multiply, and a repeated repetition raises
them to a power: that is the pattern that runs for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from re import _parser  # type: ignore[attr-defined] # the only reader of patterns there is
from typing import Any

_OTHER = 256
"""Stands for every letter beyond Latin-1."""
_EVERY = frozenset(range(_OTHER + 1))
_TOO_MANY = 1 << 40
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_CLASSES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip


def most_ways(pattern: str, longest: int) -> tuple[int, int]:
    """The fewest characters that the pattern matches, and its ways in a text of ``longest``.

    Raises re.error for what is no pattern.
    """
    parsed = _parser.parse(pattern)
    return parsed.getwidth()[0], _ways(list(parsed), (), longest)


def _ways(items: Sequence[Any], following: Sequence[Any], longest: int) -> int:
    ways = 1
    for number, (operation, argument) in enumerate(items):
        rest = (*items[number + 1 :], *following)
        name = str(operation)
        if name in _REPEATS:
            ways *= _ways_of_repeat(name, argument, rest, longest)
        elif name == "BRANCH":
            ways *= sum(_ways(list(branch), rest, longest) for branch in argument[1])
        elif name == "SUBPATTERN":
            ways *= _ways(list(argument[-1]), rest, longest)
        elif name in {"ASSERT", "ASSERT_NOT"}:
            ways *= _ways(list(argument[1]), (), longest)
        elif name == "ATOMIC_GROUP":
            ways *= _ways(list(argument), (), longest)
        elif name.startswith("GROUPREF"):
            return _TOO_MANY
        ways = min(ways, _TOO_MANY)
    return ways


def _ways_of_repeat(name: str, argument: Any, rest: Sequence[Any], longest: int) -> int:
    low, high, inner = int(argument[0]), min(int(argument[1]), longest), list(argument[2])
    again = (*inner, *rest) if high > 1 else rest
    within = _ways(inner, again, longest)
    if within > 1 and name != "POSSESSIVE_REPEAT":
        within = min(within ** min(high, 64), _TOO_MANY)
    first, then = _first(inner), _first(rest)
    is_sure = not rest or (first is not None and then is not None and not first & then)
    rounds = 1 if is_sure or name == "POSSESSIVE_REPEAT" else max(1, high - min(low, high) + 1)
    return within * rounds


def _first(items: Sequence[Any]) -> frozenset[int] | None:
    """The letters with which a match of the items may begin; None where that is not plain."""
    if not items:
        return None
    (operation, argument), rest = items[0], items[1:]
    name = str(operation)
    if name in _LETTERS:
        return _LETTERS[name](argument)
    if name == "SUBPATTERN":
        return _first((*argument[-1], *rest))
    if name == "BRANCH":
        return _all_of([_first((*branch, *rest)) for branch in argument[1]])
    if name in _REPEATS:
        again = _first(argument[2])
        return again if int(argument[0]) > 0 else _all_of([again, _first(rest)])
    return None


def _all_of(sets: Sequence[frozenset[int] | None]) -> frozenset[int] | None:
    bounded = [letters for letters in sets if letters is not None]
    return frozenset().union(*bounded) if len(bounded) == len(sets) else None


def _letter(code: int) -> frozenset[int]:
    """With its other case, for a flag may say that case does not matter."""
    if code >= _OTHER:
        return frozenset({_OTHER})
    letter = chr(code)
    cases = {ord(c) for c in (letter, letter.lower(), letter.upper()) if len(c) == 1}
    return frozenset(min(c, _OTHER) for c in cases)


def _set(items: Sequence[Any]) -> frozenset[int]:
    letters: frozenset[int] = frozenset()
    negated = False
    for operation, argument in items:
        name = str(operation)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            letters |= _letter(argument)
        elif name == "RANGE":
            for code in range(argument[0], min(argument[1], _OTHER) + 1):
                letters |= _letter(code)
        elif name == "CATEGORY":
            sign = re.compile(_CLASSES.get(str(argument), r"[\s\S]"))
            letters |= {code for code in range(_OTHER) if sign.match(chr(code))} | {_OTHER}
    return _EVERY - letters if negated else letters


_LETTERS: Mapping[str, Callable[[Any], frozenset[int]]] = {
    "LITERAL": _letter,
    "NOT_LITERAL": lambda code: _EVERY - _letter(code),
    "ANY": lambda _: _EVERY,
    "IN": _set,
}
