"""What all forms of ``tgt gate`` say alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgt.gate import Outcome
from tgt.output import words

if TYPE_CHECKING:
    from tgt.gate import Gate


def message(result: Gate) -> str:
    """The outcome in one line."""
    since = words.clock(result.period.start)
    bad = str(result.fail_on) if result.fail_on == "critical" else f"{result.fail_on} or worse"
    if result.outcome is Outcome.FAILED:
        return f"{words.plural(len(result.problems), 'new problem')} since {since} ({bad})"
    if result.outcome is Outcome.UNKNOWN:
        return f"Too little telemetry since {since} to tell: {result.missing}"
    return f"Nothing new since {since} ({bad})"


def places(samples: object) -> list[tuple[str, int]]:
    """Where samples stand: file and line, as far as they say so."""
    if not isinstance(samples, list | tuple):
        return []
    positions = [(each.get("file"), each.get("line")) for each in samples if isinstance(each, dict)]
    return [
        (file, line)
        for file, line in positions
        if isinstance(file, str) and type(line) is int and line > 0
    ]
