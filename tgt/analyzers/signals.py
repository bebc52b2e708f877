"""The questions that analyzers and reports share. What a user does counts for nobody's share."""

from __future__ import annotations

from tgt import options
from tgt.engine.protocol import Coverage, Of, Signal
from tgt.engine.services import IS_AGENT

FAILURE = Signal("failure", where="actor <> 'user'", counted="failed")
TRAFFIC = Signal("traffic", where=FAILURE.where, counted=FAILURE.counted, by="'traffic'")
"""Failures of everything together: whatever a conversation used, it is one of the population."""

SOFT_FAILURE = Signal(
    "soft failure",
    where="actor <> 'user' AND act = 'tool_call' AND failed IS NOT NULL AND NOT failed",
    counted="coalesce(soft_failed, false)",
)
"""Calls that succeeded as such, and say that what was asked for did not."""

_ENDS_TURN = (
    "actor <> 'user' AND (truncated OR finish_reason IS DISTINCT FROM 'tool_calls'"
    f" OR NOT coalesce({IS_AGENT}, false))"
)
"""Of a turn of a coding agent most answers are calls of tools, which say nothing of whether its
answer is cut off: where all turns are, one in ten answers may be."""
TRUNCATION = Signal(
    "truncation", where=f"{_ENDS_TURN} AND truncated IS NOT NULL", counted="truncated"
)
CONTINUATION = Signal(
    "continuation",
    where=f"{_ENDS_TURN} AND (truncated IS NOT NULL OR is_untold)",
    counted="truncated",
)
"""The same where no telemetry tells how answers end: only that one was continued."""

UNTOLD = Signal("untold", where="actor <> 'user' AND is_untold", counted="false")
CALL = "act = 'tool_call' AND actor <> 'user'"
USED = Signal("used", where=CALL, by="concat(act, '/', name)")
"""In how many conversations a tool was used, over all services."""
FAILED = Signal(
    "failed",
    where=CALL,
    counted="(coalesce(failed, false) OR coalesce(soft_failed, false))"
    " AND NOT coalesce(cancelled, false)",
    by=USED.by,
)
"""Failures of a tool of either kind, over all services."""
USAGE = Signal("usage", where="act = 'tool_call' AND actor = 'tool' AND name IS NOT NULL")
LATENCY = Signal("latency", where="NOT coalesce(failed, false)", value="elapsed_ms")

FINISHED = Signal("finished", of=Of.CONVERSATIONS, counted="tells_answers", by="'conversations'")
"""Conversations that are over; those count whose service tells answers of a model. The log of a
server of tools knows nothing of how a conversation went for who had it."""
ABORTS = Signal(
    "aborts",
    where=FINISHED.counted,
    of=Of.CONVERSATIONS,
    counted="is_aborted",
    by="'conversations/aborted'",
)
ERROR_HEAVY = Signal(
    "error-heavy",
    where=FINISHED.counted,
    of=Of.CONVERSATIONS,
    counted="errors > 0.3 * events",
    by="'conversations/error_heavy'",
)


LONG_WAIT = options.seconds("TASKGEN_LONG_WAIT_S", 8, "seconds that make an answer a long wait")


def long_waits(seconds: float) -> Signal:
    """Conversations with a wait of more than so many seconds."""
    return Signal(
        "long waits",
        where=FINISHED.counted,
        of=Of.CONVERSATIONS,
        counted=f"coalesce(longest_wait_ms, 0) > {round(1000 * seconds)}",
        by="'conversations/long_wait'",
    )


def truncation(coverage: Coverage) -> Signal:
    """The question for answers that were cut off, as far as telemetry tells it."""
    return TRUNCATION if coverage.tells_finish else CONTINUATION
