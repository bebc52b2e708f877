"""An analyzer: conversations call a tool again and again with the same arguments."""

from __future__ import annotations

from dataclasses import replace

from tgt import options, subjects
from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.builder import Builder
from tgt.analyzers.figures import Measure, Unit, duration
from tgt.analyzers.judgements import Judgement, severity_of
from tgt.config import Settings
from tgt.engine.protocol import Reading, Signal
from tgt.tasks.card import Finding, Fix

CALLS = options.whole(
    "TASKGEN_REPEATED_CALLS", 6, "identical calls in a conversation that are too many", 2, 1000
)
IDENTICAL = Signal(
    "identical calls",
    where="act = 'tool_call' AND conv_id IS NOT NULL AND args_hash IS NOT NULL",
    by="concat(subject, '#', args_hash)",
)


class RepeatedCalls:
    name = "repeated_calls"
    task_type = "retry_loop"
    summary = "conversations make TASKGEN_REPEATED_CALLS identical calls each"
    options = (CALLS,)
    needs = (Need(IDENTICAL.where, "no record tells what a call was asked"),)

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:
        return ()  # it asks for no history

    def analyze(self, context: Context) -> Analysis:
        worst: dict[str, Reading] = {}
        for reading in context.snapshot.counts(IDENTICAL, context.window):
            tool = _tool(reading.subject)
            if _each(reading) >= max(context.option(CALLS), _each(worst.get(tool, reading))):
                worst[tool] = reading
        return Analysis(tuple(_finding(self, context, *item) for item in worst.items()))


def _tool(subject: str) -> str:
    """The subject without the arguments."""
    whole = subjects.parse(subject)
    return str(replace(whole, name=(whole.name or "").rpartition("#")[0]))


def _each(reading: Reading) -> float:
    """Identical calls a conversation."""
    return reading.now.n / reading.now.bad_conversations


def _finding(analyzer: RepeatedCalls, context: Context, tool: str, reading: Reading) -> Finding:
    builder = Builder(analyzer, context, reading.subject, reading.window)
    name, now, each = subjects.label(tool), reading.now, _each(reading)
    finding = builder.finding(
        Judgement(
            Measure("identical_calls", Unit.COUNT, each, threshold=context.option(CALLS)), 0.9
        ),
        builder.examples(IDENTICAL),
        severity=severity_of(each, high=10, critical=20),
        touched=builder.touched_by(now, 0.5),
        title=f"{name} is called again and again",
        description=(
            f"{name} was called {now.n} times with the same arguments in {now.bad_conversations}"
            f" conversations in the last {duration(reading.window)}."
        ),
        fix=Fix(
            approach="end_the_loop",
            changes=(
                f"Make {name} say that asking again changes nothing",
                "Stop the agent after a few identical calls",
            ),
            effort="1 hour",
        ),
        acceptance=(f"No conversation calls {name} {context.option(CALLS)} times alike",),
        details={"n": now.n, "conversations": now.bad_conversations},
    )
    return replace(finding, subject=tool)
