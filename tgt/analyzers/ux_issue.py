"""Conversations that go badly: given up, kept waiting, or full of errors.

Only conversations that are over are judged, each whole, in the window in which it ended. The
three questions are asked together, so the confidence allows for three looks, and every one that
is answered with yes is reported. Agents that work for minutes are no news: long waits are held
against what is usual as soon as that is known. The shortest window is judged in which enough end,
and where many of them are bad longer ones, and the end of the run's own, as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tgt import options, subjects
from tgt.analyzers.base import Analysis, Context, Need, end_of
from tgt.analyzers.baseline import baseline_of
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.criteria import reading_of, share_of_units
from tgt.analyzers.figures import duration, percent
from tgt.analyzers.judgements import (
    NEVER,
    Judgement,
    above,
    restated,
    severity_of,
    share_above,
    share_risen,
    steps,
)
from tgt.analyzers.signals import ABORTS, ERROR_HEAVY, FINISHED, LONG_WAIT, long_waits
from tgt.analyzers.touched import Harm
from tgt.config import Settings
from tgt.engine.protocol import Counts, Reading, Signal
from tgt.events import Interval
from tgt.stats.calibration import ABOVE, BOTH
from tgt.stats.confidence import END_WEIGHT, prior_of
from tgt.tasks.card import Finding, Fix, Severity, TaskType, Touched
from tgt.tasks.criterion import Criterion, Tally

MIN_CONVERSATIONS = 10
MIN_BAD = 3
A_HOUR = 0.006
"""Probability, before looking, that within an hour one of the three shares changes."""
WINDOWS_H = (2, 4, 24)
"""Longer windows beside the run's own, for small rises and where few conversations end."""
NEAR = 0.75
"""With less than so much of what is tolerated in one window no longer one is asked."""
END = 0.75
"""Such a later part of the run's window is looked at beside the whole, too: of an hour it has two
thirds of the conversations that can be over."""
_SUCH = "such conversations"
_NO_ANSWERS = "no responses of a model"

ABORTED = options.share(
    "TASKGEN_UX_ABORT_THRESHOLD", 0.20, "share of conversations that may be aborted"
)


@dataclass(frozen=True)
class _Question:
    """One share of conversations: its limit, the limits of severities, and its words."""

    signal: Signal
    metric: str
    threshold: float
    high: float
    critical: float
    title: str
    harm: float
    what: str
    changes: tuple[str, ...]
    is_relative: bool = False
    """Whether so many may be usual: then they must be more than usual, too."""

    def is_near(self, now: Counts) -> bool:
        """Whether so many are bad that another window may be surer."""
        return now.k > NEAR * self.threshold * now.n

    def fires(self, now: Counts) -> bool:
        is_enough = now.n >= MIN_CONVERSATIONS and now.k >= MIN_BAD
        return is_enough and now.k / now.n > self.threshold


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
            Harm.LOST,
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
            Harm.FAILED,
            f"had a wait of more than {wait:g} seconds",
            (
                "See which step takes the time: the model, one tool, or many rounds of tools",
                "Stream the answer, or say what is being done",
                "Give slow tools a time-out and a cheaper alternative",
            ),
            is_relative=True,
        ),
        _Question(
            ERROR_HEAVY,
            "error_heavy_share",
            0.25,
            above(0.40),
            NEVER,
            "Conversations are full of errors",
            Harm.HEAVY,
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
        Need("act = 'assistant_response'", _NO_ANSWERS),
    )

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:
        return tuple(question.signal for question in questions(settings))

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally | None:
        for question in questions(context.settings):
            if question.metric == criterion.metric:
                readings = context.snapshot.counts(question.signal, since)
                return share_of_units(reading_of(readings, criterion.subject), criterion.value)
        return None

    def analyze(self, context: Context) -> Analysis:
        windows = context.longer_windows(*WINDOWS_H)
        enough = next((n for n, each in enumerate(windows) if not _missing(context, each)), None)
        if enough is None:
            builder = Builder(self, context, subjects.CONVERSATIONS, context.window)
            return Analysis((), (builder.abstention(_missing(context, context.window)),))
        conversation_questions, first = questions(context.settings), windows[enough]

        def judge(window: Interval) -> Iterator[Judged]:
            for question in conversation_questions:
                readings = context.snapshot.counts(question.signal, window, history=question.fires)
                for reading in readings:
                    if question.fires(reading.now):
                        yield reading.subject, self._judge(context, question, reading)

        many = any(
            question.is_near(reading.now)
            for question in conversation_questions
            for reading in context.snapshot.counts(question.signal, first)
        )
        return look(
            windows[enough:] if many else [first],
            judge,
            end=end_of(first, END) if many and first == context.window else None,
            minimum=context.settings.min_confidence,
        )

    def _judge(self, context: Context, question: _Question, reading: Reading) -> Finding | None:
        history = baseline_of(context, self.task_type, reading)
        usual = history.usual(MIN_CONVERSATIONS)
        prior = prior_of(reading.window.minutes / 60, A_HOUR)
        if context.is_end(reading.window):
            if usual is None:
                return None  # it has no odds beforehand where nothing is usual
            prior *= END_WEIGHT
        judgement: Judgement | None
        if usual is None or not question.is_relative:
            shift = ABOVE
            judgement = share_above(
                reading,
                history,
                question.threshold,
                metric=question.metric,
                counted=_SUCH,
                prior=prior,
                needed=MIN_CONVERSATIONS,
                least=MIN_BAD - 1,
            )
        else:
            shift = BOTH
            judgement = share_risen(
                reading,
                history,
                question.threshold,
                usual,
                metric=question.metric,
                counted=_SUCH,
                prior=prior,
                least=MIN_BAD - 1,
            )
        if judgement is None:
            return None
        judged = restated(judgement, shift)
        share = reading.now.k / reading.now.n
        severity = severity_of(share, high=question.high, critical=question.critical)
        builder = Builder(self, context, reading.subject, reading.window)
        touched = builder.touched(reading.now.k, question.harm, every=reading.now.n)
        return builder.deferred(
            lambda: _finding(builder, question, reading, judged, severity, touched),
            judged,
            severity=severity,
            touched=touched,
        )


def _finding(
    builder: Builder,
    question: _Question,
    reading: Reading,
    judgement: Judgement,
    severity: Severity,
    touched: Touched,
) -> Finding:
    now, limit = reading.now, percent(judgement.measure.threshold)
    share = now.k / now.n
    normal = "usual" if judgement.measure.threshold > question.threshold else "tolerated"
    return builder.finding(
        judgement,
        builder.examples(question.signal),
        severity=severity,
        touched=touched,
        title=question.title,
        description=(
            f"{now.k} of {now.n} conversations ({percent(share)}) that ended in the last"
            f" {duration(reading.window)} {question.what}; {limit} is {normal}."
        ),
        fix=Fix(approach="improve_conversations", changes=question.changes, effort="2 hours"),
        signal=question.signal,
        acceptance=(f"At most {limit} of the conversations {question.what} over 24 hours",),
        details={
            "conversations": now.n,
            "rule": "share of the finished conversations, each judged whole",
            "severityRule": steps(percent, high=question.high, critical=question.critical),
        },
    )


def _missing(context: Context, window: Interval) -> str:
    """What there is too little of to ask anything; empty if there is enough."""
    readings = context.snapshot.counts(FINISHED, window)
    over, telling = (sum(getattr(each.now, name) for each in readings) for name in ("n", "k"))
    if over >= MIN_CONVERSATIONS and not telling:
        return _NO_ANSWERS
    many = min(over, telling or over)
    if many < MIN_CONVERSATIONS:
        return f"{many} of {MIN_CONVERSATIONS} finished conversations"
    return ""
