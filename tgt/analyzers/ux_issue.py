"""Conversations that go badly: given up, kept waiting, or full of errors.

Only conversations that are over are judged, each whole, in the window in which it ended. The
three questions are asked together, so the confidence allows for three looks, and every one that
is answered with yes is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tgt import options, subjects
from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.baseline import baseline_of
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.figures import duration, percent
from tgt.analyzers.judgements import NEVER, above, severity_of, share_above
from tgt.analyzers.signals import ABORTS, ERROR_HEAVY, long_waits
from tgt.config import Settings
from tgt.engine.protocol import Counts, Reading, Signal
from tgt.events import Interval
from tgt.tasks.card import Finding, Fix, TaskType

MIN_CONVERSATIONS = 10
MIN_BAD = 3
PRIOR = 0.02 / 3
"""Probability, before looking, that one of the three shares has just changed."""

ABORTED = options.share(
    "TASKGEN_UX_ABORT_THRESHOLD", 0.20, "share of conversations that may be aborted"
)
LONG_WAIT = options.seconds("TASKGEN_LONG_WAIT_S", 8, "seconds that make an answer a long wait")


@dataclass(frozen=True)
class _Question:
    """One share of conversations: its limit, the limits of severities, and its words."""

    signal: Signal
    metric: str
    threshold: float
    high: float
    critical: float
    title: str
    what: str
    changes: tuple[str, ...]

    def fires(self, now: Counts) -> bool:
        return now.k >= MIN_BAD and now.k / now.n > self.threshold


def questions(settings: Settings) -> tuple[_Question, ...]:
    abort, wait = settings.option(ABORTED), settings.option(LONG_WAIT)
    return (
        _Question(
            ABORTS,
            "aborted_share",
            abort,
            abort * 3 / 2,
            abort * 7 / 4,
            "Conversations are given up",
            "ended without an answer that finished, or were cancelled",
            (
                "Read three of the conversations from the last event backwards: what was awaited?",
                "If a tool or the model failed, tell the user so and offer a next step",
                "If they waited, show progress or answer in parts",
            ),
        ),
        _Question(
            long_waits(wait),
            "long_wait_share",
            0.15,
            above(0.30),
            NEVER,
            "Users wait long for an answer",
            f"had a wait of more than {wait:g} seconds",
            (
                "See which step takes the time: the model, one tool, or many rounds of tools",
                "Stream the answer, or say what is being done",
                "Give slow tools a time-out and a cheaper alternative",
            ),
        ),
        _Question(
            ERROR_HEAVY,
            "error_heavy_share",
            0.25,
            above(0.40),
            NEVER,
            "Conversations are full of errors",
            "had errors in more than 30% of their events",
            (
                "Look at which errors are repeated within one conversation",
                "Stop retrying what cannot succeed; tell the agent why it failed",
                "See the cards of error spikes for the tools concerned",
            ),
        ),
    )


class UxIssueAnalyzer:
    name = "ux_issue"
    task_type = TaskType.UX
    summary = (
        "the share that was aborted is above TASKGEN_UX_ABORT_THRESHOLD, or too many waited long"
        " or were full of errors"
    )
    options = (ABORTED, LONG_WAIT)
    needs = (
        Need("conv_id IS NOT NULL", "no record names its conversation"),
        Need("act = 'assistant_response'", "no responses of a model"),
    )

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:
        return tuple(question.signal for question in questions(settings))

    def analyze(self, context: Context) -> Analysis:
        def judge(window: Interval) -> Iterator[Judged]:
            for question in questions(context.settings):
                readings = context.snapshot.counts(question.signal, window, history=question.fires)
                over = sum(reading.now.n for reading in readings)
                if over < MIN_CONVERSATIONS:
                    builder = Builder(self, context, subjects.CONVERSATIONS, window)
                    reason = f"{over} of {MIN_CONVERSATIONS} finished conversations"
                    yield builder.subject, builder.abstention(reason)
                    return
                for reading in readings:
                    if question.fires(reading.now):
                        yield reading.subject, self._finding(context, question, reading)

        return look([context.window], judge)

    def _finding(self, context: Context, question: _Question, reading: Reading) -> Finding:
        builder = Builder(self, context, reading.subject, reading.window)
        now, limit = reading.now, percent(question.threshold)
        share = now.k / now.n
        return builder.finding(
            share_above(
                reading,
                baseline_of(context, self.task_type, reading),
                question.threshold,
                metric=question.metric,
                counted="such conversations",
                prior=PRIOR,
                needed=MIN_CONVERSATIONS,
                least=MIN_BAD - 1,
            ),
            builder.examples(question.signal),
            severity=severity_of(share, high=question.high, critical=question.critical),
            impact=share,
            title=question.title,
            description=(
                f"{now.k} of {now.n} conversations ({percent(share)}) that ended in the last"
                f" {duration(reading.window)} {question.what}; {limit} is tolerated."
            ),
            fix=Fix(approach="improve_conversations", changes=question.changes, effort="2 hours"),
            acceptance=(f"At most {limit} of the conversations {question.what} over 24 hours",),
            details={
                "conversations": now.n,
                "rule": "share of the finished conversations, each judged whole",
            },
        )
