"""Truncated answers: too large a share of responses is cut off before it ends.

Of a coding agent responses that only call tools are left out: it ends a turn with one of many.
"""

from __future__ import annotations

from collections.abc import Iterator

from tgt import options, subjects
from tgt.analyzers.base import HALF, Analysis, Context, Need, end_of
from tgt.analyzers.baseline import baseline_of
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.criteria import ANSWERS, reading_of, share_of_events
from tgt.analyzers.figures import duration, percent
from tgt.analyzers.judgements import Judgement, above, restated, severity_of, share_above, steps
from tgt.analyzers.signals import CONTINUATION, TRUNCATION, UNTOLD, truncation
from tgt.analyzers.touched import Harm
from tgt.config import Settings
from tgt.engine.protocol import Examples, Reading, Signal
from tgt.engine.services import is_agent
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.sources.spec import CLAUDE
from tgt.stats.calibration import ABOVE
from tgt.stats.confidence import END_WEIGHT
from tgt.tasks.card import Finding, Fix, Severity, TaskType, Touched
from tgt.tasks.criterion import Criterion, Tally

MIN_RESPONSES = 20
MIN_CONVERSATIONS = 3
WINDOWS_H = (6,)
PRIOR = 0.02
"""Probability, before looking, that a share has just changed."""
HIGH, CRITICAL = 0.20, 0.30
"""Above such a share of answers that are cut off it is so severe."""

THRESHOLD = options.share(
    "TASKGEN_CONTINUATION_THRESHOLD",
    0.15,
    "share of responses that may be truncated",
    by_subject=True,
)


class ContinuationAnalyzer:
    name = "continuation"
    task_type = TaskType.CONTINUATION
    summary = "the share that was cut off is above TASKGEN_CONTINUATION_THRESHOLD"
    options = (THRESHOLD,)
    needs = (
        Need("act = 'assistant_response'", "no responses of a model"),
        Need("truncated IS NOT NULL", "no response tells how it ended (finish reason)"),
    )

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return (TRUNCATION, CONTINUATION)

    def analyze(self, context: Context) -> Analysis:
        snapshot, coverage = context.snapshot, context.snapshot.coverage
        signal = truncation(coverage)

        def judge(window: Interval) -> Iterator[Judged]:
            for reading in snapshot.counts(signal, window, history=lambda now: now.k > 0):
                if subjects.parse(reading.subject).act == subjects.RESPONSE:
                    yield reading.subject, self._judge(context, signal, reading)

        def may_have_begun(reading: Reading) -> bool:
            """Whether all that was cut off would be too much in the later half."""
            line = HALF * context.option(THRESHOLD, reading.subject)
            return reading.now.k > line * reading.now.n

        if coverage.tells_finish or coverage.tells_continuation:
            readings = snapshot.counts(signal, context.window)
            analysis = look(
                context.longer_windows(*WINDOWS_H),
                judge,
                longer_settles=True,
                end=end_of(context.window, HALF) if any(map(may_have_begun, readings)) else None,
                minimum=context.settings.min_confidence,
            )
            return Analysis(analysis.findings, (*self._untold(context), *analysis.abstained))
        if not snapshot.counts(signal, context.window):
            return Analysis()
        reason = "the telemetry tells neither finish reasons nor continuations"
        return Analysis((), (Abstention(self.name, subjects.RESPONSE, reason),))

    def _untold(self, context: Context) -> Iterator[Abstention]:
        """Responses of sources that never tell an end, beside others that do."""
        if not context.snapshot.coverage.tells_finish:
            return
        with_endings = {
            each.subject for each in context.snapshot.counts(TRUNCATION, context.window)
        }
        for reading in context.snapshot.counts(UNTOLD, context.window):
            if reading.subject not in with_endings and reading.now.n >= MIN_RESPONSES:
                reason = "its telemetry does not tell finish reasons"
                yield Abstention(self.name, reading.subject, reason)

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally:
        readings = context.snapshot.counts(truncation(context.snapshot.coverage), since)
        return share_of_events(reading_of(readings, criterion.subject), criterion.value, ANSWERS)

    def _judge(
        self, context: Context, signal: Signal, reading: Reading
    ) -> Finding | Abstention | None:
        builder = Builder(self, context, reading.subject, reading.window)
        threshold, now = context.option(THRESHOLD, reading.subject), reading.now
        if now.n < MIN_RESPONSES:
            return builder.abstention(f"{now.n} of {MIN_RESPONSES} responses with a known end")
        share = now.k / now.n
        if share <= threshold:
            return None
        if now.bad_conversations < MIN_CONVERSATIONS and not now.by_event:
            reason = f"{now.bad_conversations} of {MIN_CONVERSATIONS} conversations"
            return builder.abstention(f"truncations in {reason}")
        history, prior = baseline_of(context, self.task_type, reading), PRIOR
        if context.is_end(reading.window):
            # It has no odds beforehand where nothing is usual, and one burst may be all of it.
            if now.by_event or history.usual(MIN_RESPONSES) is None:
                return None
            prior *= END_WEIGHT
        judgement = share_above(
            reading,
            history,
            threshold,
            metric="continuation_ratio",
            counted="responses cut off",
            prior=prior,
            needed=MIN_RESPONSES,
            clustered=True,
        )
        judgement = restated(judgement, ABOVE)
        severity = severity_of(share, high=above(HIGH), critical=above(CRITICAL))
        touched = builder.touched_by(now, Harm.FAILED)
        return builder.deferred(
            lambda: _finding(builder, signal, reading, judgement, severity, touched, threshold),
            judgement,
            severity=severity,
            touched=touched,
        )


def _finding(
    builder: Builder,
    signal: Signal,
    reading: Reading,
    judgement: Judgement,
    severity: Severity,
    touched: Touched,
    threshold: float,
) -> Finding:
    now = reading.now
    share = now.k / now.n
    who = subjects.parse(reading.subject).label or "the assistant"
    examples = builder.examples(signal)
    return builder.finding(
        judgement,
        examples,
        severity=severity,
        touched=touched,
        title=f"Answers of {who} are cut off",
        description=(
            f"{now.k} of {now.n} responses of {who} ({percent(share)}) were cut off or had"
            f" to be continued in the last {duration(reading.window)}, in"
            f" {now.bad_conversations} conversations; {percent(threshold)} is tolerated."
        ),
        fix=Fix(
            approach="raise_output_limit",
            files=_files(examples),
            changes=(
                _limit(who, examples),
                "Ask for shorter answers, or split the tasks that produce the long ones",
                "Look at the samples: a fence or list left open points to the limit, a"
                " sentence broken off to a time-out or a filter",
            ),
            effort="30 minutes",
        ),
        acceptance=(
            f"At most {percent(threshold)} of the responses of {who} are cut off over 24 hours",
            "The p95 latency of the responses rises by less than half",
        ),
        signal=signal,
        details={
            "severityRule": steps(percent, high=HIGH, critical=CRITICAL, word="above"),
            "conversations": examples.conversations,
            "failingConversations": now.bad_conversations,
            "rule": "share of responses with a known end that were cut off, with the clustering"
            " in conversations taken into account",
        },
    )


def _agents(examples: Examples) -> set[str]:
    """The coding agents, if nothing else has it."""
    services = list(examples.services)
    return {s.partition(":")[0] for s in services} if all(map(is_agent, services)) else set()


def _files(examples: Examples) -> tuple[str, ...]:
    """Where the limit is set: of a service in its environment, of a coding agent in none of its
    files."""
    if CLAUDE in _agents(examples):
        return ("~/.claude/settings.json",)
    return () if _agents(examples) else (".env",)


def _limit(who: str, examples: Examples) -> str:
    if CLAUDE in _agents(examples):
        return (
            "Raise CLAUDE_CODE_MAX_OUTPUT_TOKENS (in the environment, or under env in"
            " settings.json) and watch the latency"
        )
    return f"Raise the output token limit of {who} (max_tokens) and watch its latency"
