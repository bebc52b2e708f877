"""Charts as SVG: bars in the course of time, with a title for those who do not see them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone

from tgt.events import EPOCH, Interval
from tgt.output import words
from tgt.output.html.markup import Html, element, joined
from tgt.output.report_content import amount

Pairs = Sequence[tuple[int, int]]

_WIDTH, _HEIGHT = 960, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 10, 24
_SPARK_WIDTH, _SPARK_HEIGHT = 168, 22
_MOST_TICKS = 8
_DAY = timedelta(days=1)
_YEARS = timedelta(days=300)
"""Beyond this a date needs its year."""
_TICKS = (
    *(timedelta(minutes=minutes) for minutes in (1, 5, 10, 30, 60, 120, 180, 360, 720)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 91, 182, 365, 730)),
)


def by_time(values: Pairs, period: Interval, step: timedelta, title: str, *, bad: bool) -> Html:
    """Bars of the first numbers, or if ``bad`` of the second ones; each tells both."""
    numbers = [pair[bad] for pair in values]
    top = _nice(max(numbers, default=0))
    height = _HEIGHT // 2 if bad else _HEIGHT
    room = height - _TOP - _BOTTOM
    length = period.end - period.start

    def x(moment: datetime) -> float:
        inside = (max(moment, period.start) - period.start) / length
        return _LEFT + inside * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + room * (1 - value / top)

    parts: list[Html] = [element("title", title)]
    for level in (0, top / 2, top):
        parts.append(_line(_LEFT, y(level), _WIDTH - _RIGHT, y(level)))
        parts.append(_label(_LEFT - 6, y(level) + 4, _level(level), "end"))
    for place, (events, failures) in enumerate(values):
        if not numbers[place]:
            continue
        last = period.end - (len(values) - 1 - place) * step
        first = last - step
        tooltip = (
            f"{_clock(first)} to {_clock(last)}: {words.plural(events, 'event')},"
            f" {words.plural(failures, 'failure')}"
        )
        # What is there at all is seen.
        tall = max(1.5, y(0) - y(numbers[place]))
        parts.append(
            element(
                "rect",
                element("title", tooltip),
                x=_short(x(first) + 0.5),
                y=_short(y(0) - tall),
                width=_short(max(1.0, x(last) - x(first) - 1)),
                height=_short(tall),
                class_="bad" if bad else "bar",
            )
        )
    parts += [
        _label(x(moment), height - 6, _tick(moment, length), "middle") for moment in _ticks(period)
    ]
    return _svg(_WIDTH, height, title, "chart", parts)


def sparkline(values: Pairs, title: str) -> Html:
    """Small bars; what failed is at their feet."""
    top = max((events for events, _ in values), default=0)
    if not top:
        return Html("")
    wide = _SPARK_WIDTH / len(values)
    bars: list[str] = []
    failed: list[str] = []
    for place, (events, failures) in enumerate(values):
        for count, paths in ((events, bars), (failures, failed)):
            if count:
                tall = max(2.0, count / top * _SPARK_HEIGHT)
                paths.append(_box(place * wide, _SPARK_HEIGHT - tall, max(1.0, wide - 0.5), tall))
    parts = [
        element("title", title),
        element("path", d=Html("".join(bars)), class_="bar"),
        *([element("path", d=Html("".join(failed)), class_="bad")] if failed else []),
    ]
    return _svg(_SPARK_WIDTH, _SPARK_HEIGHT, title, "spark", parts)


def _svg(width: int, height: int, title: str, kind: str, parts: Sequence[Html]) -> Html:
    return element(
        "svg",
        joined(parts),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=title,
        class_=kind,
    )


def _box(left: float, top: float, width: float, height: float) -> str:
    return f"M{_short(left)} {_short(top)}h{_short(width)}v{_short(height)}h-{_short(width)}z"


def _line(x1: float, y1: float, x2: float, y2: float) -> Html:
    return element(
        "line", x1=_short(x1), y1=_short(y1), x2=_short(x2), y2=_short(y2), class_="grid"
    )


def _label(x: float, y: float, text: str, anchor: str) -> Html:
    return element("text", text, x=_short(x), y=_short(y), text_anchor=anchor)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _level(value: float) -> str:
    return amount(value) if value == int(value) else f"{value:.1f}"


def _nice(highest: float) -> float:
    """The lowest of 1, 2, 4, 5, 10, 20, … that is not below."""
    if highest <= 1:
        return 1.0
    size = 10.0 ** math.floor(math.log10(highest))
    return next(times * size for times in (1, 2, 4, 5, 10) if times * size >= highest)


def _ticks(period: Interval) -> Iterator[datetime]:
    """Round instants within a period, not too many; none too close to its ends."""
    length = period.end - period.start
    step = next((step for step in _TICKS if length <= _MOST_TICKS * step), _TICKS[-1])
    margin = length / 40
    moment = EPOCH + -(-(period.start + margin - EPOCH) // step) * step
    for _ in range(_MOST_TICKS + 1):
        if moment > period.end - margin:
            return
        yield moment
        moment += step


def _tick(moment: datetime, length: timedelta) -> str:
    at = moment.astimezone(timezone.utc)
    if length > _YEARS:
        return f"{at:%b %Y}"
    return f"{at:%d %b}" if (moment - EPOCH) % _DAY == timedelta(0) else f"{at:%H:%M}"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%d %b %H:%M}"
