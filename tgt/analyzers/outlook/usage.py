"""Undocumented tools: whether a tool is used enough to be looked for in the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from tgt.analyzers.docs_gap import MIN_CONVERSATIONS, MIN_USAGE
from tgt.analyzers.figures import duration
from tgt.analyzers.outlook.base import Look, Outlook, typical_peak
from tgt.analyzers.signals import USAGE
from tgt.engine.protocol import Reading


def outlooks(look: Look) -> Iterator[Outlook]:
    window = look.context.window
    length = max(1, round(window.minutes / 60))
    for reading in look.readings(USAGE, look.day):
        least = look.context.option(MIN_USAGE, reading.subject)
        calls = _calls(look, reading, length)
        if calls < least:
            missing = f"{calls} of {least} calls in {duration(window)} of a typical day"
        elif reading.now.bad_conversations < MIN_CONVERSATIONS and not reading.now.by_event:
            missing = f"{reading.now.bad_conversations} of {MIN_CONVERSATIONS} conversations a day"
        else:
            missing = ""
        yield Outlook(
            look.analyzer.name,
            reading.subject,
            judgeable=not missing,
            missing=missing,
            expected=calls,
            of=f"calls in {duration(window)}",
        )


def _calls(look: Look, reading: Reading, length: int) -> int:
    history = look.baseline(reading).hours
    peak = typical_peak({hour: float(each.n) for hour, each in history.items()}, length)
    hours = max(1.0, reading.window.minutes / 60)
    return round(peak) if peak else round(reading.now.n * min(1.0, length / hours))
