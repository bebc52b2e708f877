"""Undocumented tools: used a lot, and mentioned nowhere in the documentation.

A count is a fact, so there is no test of significance: what matters is in how many conversations
the tool was used.
"""

from __future__ import annotations

from tgt import options, subjects
from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.builder import Builder
from tgt.analyzers.criteria import CALLS, fact, reading_of
from tgt.analyzers.documentation import PATHS, absent, search
from tgt.analyzers.figures import Measure, Unit, duration
from tgt.analyzers.judgements import FACT, Judgement, of_conversations, severity_of, steps
from tgt.analyzers.signals import USAGE
from tgt.analyzers.touched import Harm
from tgt.config import Settings
from tgt.engine.protocol import Counts, Reading, Signal
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.tasks.card import Finding, Fix, Severity, TaskType, Touched
from tgt.tasks.criterion import Criterion, Tally

MIN_CONVERSATIONS = 3
HIGH, CRITICAL = 50, 100
"""From so many calls of a tool on it is so severe that it is not documented."""

MIN_USAGE = options.whole(
    "TASKGEN_DOCS_GAP_MIN_USAGE",
    20,
    "calls of one undocumented tool in the window",
    1,
    1_000_000,
    by_subject=True,
)


class DocsGapAnalyzer:
    name = "docs_gap"
    task_type = TaskType.DOCS_GAP
    summary = (
        "there are TASKGEN_DOCS_GAP_MIN_USAGE calls and the documentation does not name the tool"
    )
    options = (MIN_USAGE, PATHS)
    needs = (
        Need("act = 'tool_call' AND name IS NOT NULL", "no tool calls with a name"),
        Need(USAGE.where, "only the agent's own tools"),
    )

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return ()

    def analyze(self, context: Context) -> Analysis:
        readings = context.snapshot.counts(USAGE, context.window)
        used = [each for each in readings if each.now.n >= context.option(MIN_USAGE, each.subject)]
        reasons = {each.subject: self._unjudged(context, each) for each in used}
        wide = [each for each in used if not reasons[each.subject]]
        narrow = tuple(
            Builder(self, context, each.subject, each.window).abstention(reasons[each.subject])
            for each in used
            if reasons[each.subject]
        )
        if not wide:
            return Analysis((), narrow)
        paths = context.option(PATHS)
        if nowhere := absent(paths):
            return self._unknown(context, narrow, nowhere)
        searched = search({_tool(each) for each in wide}, paths)
        gaps = [each for each in wide if _tool(each) in searched.unmentioned]
        if gaps and searched.left_out:
            # What was not met may stand in what was not read.
            reason = (
                f"{len(gaps)} tools are mentioned in none of {searched.documents:,} documents, but"
                f" not all were read: {searched.left_out}"
            )
            return self._unknown(context, narrow, reason)
        return Analysis(tuple(self._finding(context, each) for each in gaps), narrow)

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally | None:
        """Whether its documentation mentions the tool, as often as it was used."""
        paths, tool = context.option(PATHS), subjects.parse(criterion.subject).name
        if not tool or absent(paths):
            return None
        reading = reading_of(context.snapshot.counts(USAGE, since), criterion.subject)
        searched = search({tool}, paths)
        if reading is None or (tool in searched.unmentioned and searched.left_out):
            return Tally(0, 0, 0)
        is_missing, calls = tool in searched.unmentioned, reading.now.n
        return fact(calls, is_bad=is_missing, value=calls if is_missing else 0, unit=CALLS)

    def _unjudged(self, context: Context, reading: Reading) -> str:
        """Why a tool is not judged; empty if it is."""
        now = reading.now
        if Builder(self, context, reading.subject, reading.window).like:
            return "no documentation can name each of them"
        if now.bad_conversations < MIN_CONVERSATIONS and not now.by_event:
            return f"{now.n} calls in {now.bad_conversations} of {MIN_CONVERSATIONS} conversations"
        return ""

    def _unknown(self, context: Context, narrow: tuple[Abstention, ...], reason: str) -> Analysis:
        """Nothing can be said of what is documented, and whoever set the paths should know."""
        builder = Builder(self, context, subjects.TOOL_CALL, context.window)
        notice = f"{self.name}: {reason} (TASKGEN_DOCS_PATHS)"
        return Analysis((), (builder.abstention(reason), *narrow), (notice,))

    def _finding(self, context: Context, reading: Reading) -> Finding:
        builder = Builder(self, context, reading.subject, reading.window)
        calls, minimum = reading.now.n, context.option(MIN_USAGE, reading.subject)
        measure = Measure("undocumented_calls", Unit.COUNT, calls, threshold=minimum, op="<")
        judgement = Judgement(measure, confidence(reading.now))
        severity = severity_of(calls, high=HIGH, critical=CRITICAL)
        touched = builder.touched_by(reading.now, Harm.UNWRITTEN)
        return builder.deferred(
            lambda: self._gap_finding(builder, reading, judgement, severity, touched),
            judgement,
            severity=severity,
            touched=touched,
        )

    def _gap_finding(
        self,
        builder: Builder,
        reading: Reading,
        judgement: Judgement,
        severity: Severity,
        touched: Touched,
    ) -> Finding:
        context = builder.context
        calls, conversations, tool = reading.now.n, reading.now.bad_conversations, _tool(reading)
        searched = [str(path) for path in context.option(PATHS)]
        places = ", ".join(searched)
        return builder.finding(
            judgement,
            builder.examples(USAGE),
            shows_asked=True,
            severity=severity,
            touched=touched,
            title=f"{tool} is used and not documented",
            description=(
                f"{tool} was called {calls} times in {conversations} conversations in the last"
                f" {duration(reading.window)}, and {places or 'no file'} mentions it nowhere."
            ),
            fix=Fix(
                approach="document_tool",
                files=tuple(searched[:1]),
                changes=(
                    f"Describe {tool}: what it is for, its arguments, one example, its errors",
                    "Take the examples from the samples: they are what agents really ask of it",
                ),
                effort="1 hour",
            ),
            signal=USAGE,
            acceptance=(f"{tool} is described, with an example, under {places}",),
            details={
                "n": calls,
                "conversations": conversations,
                "searched": searched,
                "rule": "calls of a tool whose name stands nowhere in the documentation",
                "severityRule": steps(lambda n: f"{n} calls", high=HIGH, critical=CRITICAL),
            },
        )


def _tool(reading: Reading) -> str:
    return subjects.parse(reading.subject).name or reading.subject


def confidence(now: Counts) -> float:
    """That of a fact; of calls without a conversation no more than at the minimum."""
    return FACT if now.by_event else of_conversations(now.bad_conversations)
