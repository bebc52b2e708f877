"""Patterns of one's own: for secrets that only one organisation has.

A pattern of a settings file runs over hostile text, and some of Python's patterns run for ever
on it. So a pattern is refused where it may try very many ways to match, and it is tried on pieces
of a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tgt.redact.steps import most_ways

PIECE = 1024
"""Characters that a pattern sees at once; what matches in half as many is found anywhere."""

_LONGEST_PATTERN = 500
_MOST_PATTERNS = 100
_LONGEST_SHOWN = 80
_MOST_WAYS = 4 * PIECE
_SHORTEST_MATCH = 4


def separated(setting: str) -> list[str]:
    """The patterns of a setting or of a file: one a line, else separated by commas.

    A comma within brackets belongs to its pattern; lines that begin with ``#`` are comments.
    """
    if "\n" in setting:
        lines = (line.strip() for line in setting.splitlines())
        return [line for line in lines if line and not line.startswith("#")]
    parts, depth, start, escaped = [], 0, 0, False
    for place, letter in enumerate(setting):
        if escaped or letter == "\\":
            escaped = not escaped
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth <= 0:
            parts.append(setting[start:place])
            start = place + 1
    return [part.strip() for part in (*parts, setting[start:]) if part.strip()]


def compiled(patterns: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    """The patterns, ready for ``redact``; ValueError names a bad one and what is wrong with it."""
    every = tuple(patterns)
    if len(every) > _MOST_PATTERNS:
        raise ValueError(f"{len(every)} patterns; at most {_MOST_PATTERNS} are taken")
    for pattern in every:
        problem = _problem(pattern)
        if problem:
            raise ValueError(f"{pattern[:_LONGEST_SHOWN]!r}: {problem}")
    return tuple(re.compile(pattern) for pattern in every)


def masked(text: str, patterns: Sequence[re.Pattern[str]]) -> str:
    """The text with ``[redacted:own]`` in the place of every match, or of its group ``secret``."""
    for pattern in patterns:
        for start, end in reversed(list(_joined(sorted(_spans(pattern, text))))):
            text = f"{text[:start]}[redacted:own]{text[end:]}"
    return text


def _problem(pattern: str) -> str | None:
    if len(pattern) > _LONGEST_PATTERN:
        return f"longer than {_LONGEST_PATTERN} characters"
    try:
        shortest, ways = most_ways(pattern, PIECE)
    except (re.error, RecursionError, OverflowError) as error:
        return f"no pattern: {error}"
    if shortest < _SHORTEST_MATCH:
        return f"matches fewer than {_SHORTEST_MATCH} characters"
    if ways > _MOST_WAYS:
        return (
            "may try too many ways to match; repeat fewer things, or end each with what it is not"
        )
    return None


def _spans(pattern: re.Pattern[str], text: str) -> set[tuple[int, int]]:
    group = "secret" if "secret" in pattern.groupindex else 0
    spans = set()
    for start in range(0, max(1, len(text) - PIECE // 2), PIECE // 2):
        end = start + PIECE
        for match in pattern.finditer(text, start, end):
            # A match up to the end of the piece may go on; the next piece sees all of it.
            goes_on = match.end() == end < len(text) and match.start() >= start + PIECE // 2
            if match[group] and not goes_on:
                spans.add(match.span(group))
    return spans


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans in order, those that overlap as one."""
    current: tuple[int, int] | None = None
    for start, end in spans:
        if current is not None and start < current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current
