"""What all forms of ``tgt gate`` say alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgt.gate import Outcome
from tgt.output import words

if TYPE_CHECKING:
    from tgt.gate import Gate


def message(told: Gate) -> str:
    """The outcome in one line."""
    since = words.clock(told.period.start)
    bad = str(told.fail_on) if told.fail_on == "critical" else f"{told.fail_on} or worse"
    if told.outcome is Outcome.FAILED:
        return f"{words.plural(len(told.problems), 'new problem')} since {since} ({bad})"
    if told.outcome is Outcome.UNKNOWN:
        return f"Too little telemetry since {since} to tell: {told.missing}"
    return f"Nothing new since {since} ({bad})"


def places(samples: object) -> list[tuple[str, int]]:
    """Where samples stand: file and line, as far as they say so."""
    if not isinstance(samples, list | tuple):
        return []
    told = [(each.get("file"), each.get("line")) for each in samples if isinstance(each, dict)]
    return [
        (file, line)
        for file, line in told
        if isinstance(file, str) and type(line) is int and line > 0
    ]
