"""What a loop is where runs of calls are judged and where they are merely shown."""

from __future__ import annotations

from collections.abc import Iterable

from tgt import options
from tgt.engine.sequences import Repetition, Run
from tgt.templates import family

WAIT_MS = 10_000
"""Calls that go well and take so long each are waiting for something."""
GOES_ON = (
    *("wait", "sleep", "poll", "status", "monitor", "output", "stdin"),
    *("scroll", "press", "click", "next"),
)
"""In the names of tools whose calls do the same again on purpose, as long as they go well."""
WORK = frozenset(
    {
        "test_failed",
        "type_check_failed",
        "lint_failed",
        "build_failed",
        "syntax_error",
        "wrong_value",
    }
)
"""Families of what code says that is being worked on: it is changed in between, and run again."""

MIN_CALLS = options.whole(
    "TASKGEN_LOOP_MIN_CALLS", 6, "identical or failing calls in a row that make a loop", 3, 1000
)


def loops(runs: Iterable[Run]) -> list[Run]:
    """The runs that are in vain: neither a wait nor the same again on purpose, nor the work
    itself."""
    return [run for run in runs if not (_is_waiting(run) or _is_work(run))]


def minutes(run: Run) -> float:
    """From the first call to the last."""
    return (run.last_us - run.first_us) / 60e6


def _is_waiting(run: Run) -> bool:
    if run.failures:
        return False
    names = f"{run.subject} {run.partner or ''}".lower()
    return run.elapsed_ms >= WAIT_MS * run.calls or any(word in names for word in GOES_ON)


def _is_work(run: Run) -> bool:
    """Whether code was tested, checked or built again after each change."""
    if run.kind is not Repetition.AGAIN:
        return False
    error_family = family(run.error) if run.error else None
    return error_family is not None and error_family.name in WORK
