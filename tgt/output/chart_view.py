"""The chart of a card where there is room for one: its metric hour by hour, with what is usual and
where the limit lies.

Its keys are written by the analyzers, but a card may come from another writer: where there is too
little to draw, nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tgt.output import words
from tgt.tasks.card import parse_time

if TYPE_CHECKING:
    from datetime import datetime

_HEIGHT = 5
_EIGHTHS = "▁▂▃▄▅▆▇█"
_LEAST_HOURS, _LEAST_WIDTH, _WIDEST_BAR = 4, 12, 3
_LINE = "─"
_LONGEST_LABEL = 26


def chart(details: Mapping[str, Any], now: datetime, width: int) -> Iterator[Text]:
    """Lines of at most so many columns; no lines where a chart would say nothing."""
    history = details.get("history")
    values = [words.number(value) for value in history] if isinstance(history, list) else []
    numbers = [value for value in values if value is not None]
    marks = {
        name: mark
        for name, key in (("limit", "thresholdValue"), ("usual", "baselineValue"))
        if (mark := words.number(details.get(key))) is not None and mark >= 0
    }
    top = max((*numbers, *marks.values()), default=0.0)
    if len(numbers) < _LEAST_HOURS or not 0 < top < math.inf:
        return
    labels = _labels(marks, top, details.get("unit"))
    room = width - 1 - max(len(label) for label in labels)
    if room < _LEAST_WIDTH:
        return
    shown = values[-room:]
    bar = max(1, min(_WIDEST_BAR, room // len(shown)))
    limit = marks.get("limit")
    lines = {_row(mark, top) for mark in marks.values()}
    for row in reversed(range(_HEIGHT)):
        drawn = Text(no_wrap=True)
        for value in shown:
            sign = _sign(value, top, row)
            beyond = limit is not None and value is not None and value > limit
            if sign == " " and row in lines:
                drawn.append(_LINE * bar, style="dim")
            else:
                drawn.append(sign * bar, style="red" if beyond else "cyan")
        yield drawn.append(f" {labels[row]}".rstrip(), style="dim")
    yield Text(_caption(len(shown), details, now), style="dim", overflow="fold")


def _row(value: float, top: float) -> int:
    """In which row, from the bottom, a value ends."""
    return min(_HEIGHT - 1, max(0, math.ceil(value / top * _HEIGHT) - 1))


def _sign(value: float | None, top: float, row: int) -> str:
    """What of a bar is seen in a row; whatever was measured is seen in the lowest."""
    if value is None:
        return " "
    eighths = round(max(value, 0.0) / top * _HEIGHT * len(_EIGHTHS)) - row * len(_EIGHTHS)
    if row == 0:
        eighths = max(eighths, 1)
    return " " if eighths <= 0 else _EIGHTHS[min(eighths, len(_EIGHTHS)) - 1]


def _labels(marks: Mapping[str, float], top: float, unit: object) -> list[str]:
    """What stands beside each row, from the bottom."""
    named: list[list[str]] = [[] for _ in range(_HEIGHT)]
    for name, mark in marks.items():
        named[_row(mark, top)].append(f"{name} {words.quantity(mark, unit)}")
    if not named[-1]:
        named[-1].append(words.quantity(top, unit))
    return [", ".join(names)[:_LONGEST_LABEL] for names in named]


def _caption(hours: int, details: Mapping[str, Any], now: datetime) -> str:
    end = parse_time(details.get("historyEnd"))
    return f"{hours} h, until {words.seen(end, now)}" if end else f"{hours} h"
