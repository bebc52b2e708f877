"""Loops: calls of one conversation that repeat and get nowhere.

One conversation is enough, since a loop is a fact. What separates it from polling is that the
outcome does not change and that nothing else happens in between, or nothing that helps. Several
loops of one tool are one finding, told by the worst of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from tgt import subjects
from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.builder import Builder, Question
from tgt.analyzers.criteria import gone
from tgt.analyzers.figures import Measure, Unit, in_a_title, seconds
from tgt.analyzers.judgements import Judgement, severity_of, steps
from tgt.analyzers.loops import MIN_CALLS, loops, minutes
from tgt.analyzers.signals import USED
from tgt.analyzers.touched import harm_of, times_a_day
from tgt.config import Settings
from tgt.engine.protocol import Examples, Signal
from tgt.engine.sequences import LOOK_BACK, Repetition, Run
from tgt.events import Interval, from_us
from tgt.tasks.card import Finding, Fix, TaskType, format_time
from tgt.tasks.criterion import Criterion, Tally
from tgt.templates import family

MOST_LOOPS = 5
HIGH, CRITICAL = 10, 20
"""From so many calls of the worst loop on it is so severe."""
_FAILURES = frozenset({Repetition.FAILING, Repetition.MIXED, Repetition.AGAIN})

_WORDS = {
    Repetition.IDENTICAL: "is called again and again with the same arguments",
    Repetition.FAILING: "fails many times in a row",
    Repetition.ALTERNATING: "calls take turns and get nowhere",
    Repetition.MIXED: "and other tools fail many times in a row",
    Repetition.AGAIN: "fails again and again in one conversation",
}
_HOW = {
    Repetition.IDENTICAL: "with the same arguments and the same outcome each time",
    Repetition.FAILING: "all of which failed, and nothing in between went well",
    Repetition.ALTERNATING: "in turns, each with the same arguments and the same outcome",
    Repetition.MIXED: "all of which failed, and nothing in between went well",
    Repetition.AGAIN: "with the same error each time; other calls in between did not help",
}


class RetryLoopAnalyzer:
    name = "retry_loop"
    task_type = TaskType.LOOP
    summary = (
        "there are TASKGEN_LOOP_MIN_CALLS calls in a row of one conversation that are identical, or"
        " fail, or take turns; or that fail in the same way again and again"
    )
    options = (MIN_CALLS,)
    needs = (
        Need("act = 'tool_call' AND conv_id IS NOT NULL", "tool calls have no conversation"),
        Need(
            "act = 'tool_call' AND (args_hash IS NOT NULL OR failed IS NOT NULL)",
            "no tool call tells its arguments or whether it failed",
        ),
    )

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return ()

    def analyze(self, context: Context) -> Analysis:
        by_tool: dict[str, list[Run]] = {}
        for run in loops(context.snapshot.runs(context.window, context.option(MIN_CALLS))):
            by_tool.setdefault(run.subject, []).append(run)
        return Analysis(
            tuple(self._finding(context, tool, runs) for tool, runs in sorted(by_tool.items()))
        )

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally:
        """Of the conversations that used the tool, those with a loop; while it was there, in a day,
        since one loop in a short time would seem to be all that there is."""
        if criterion.before is None:
            since = Interval(since.end - LOOK_BACK, since.end)
        runs = context.snapshot.runs(since, context.option(MIN_CALLS))
        looping = {run.conversation for run in loops(runs) if run.subject == criterion.subject}
        used = context.snapshot.conversations_of(USED, since, (criterion.subject,))
        return gone(criterion, len(looping), used.get(criterion.subject, 0))

    def _finding(self, context: Context, subject: str, runs: Sequence[Run]) -> Finding:
        """``runs`` are the loops of a tool, the worst first."""
        worst, least = runs[0], context.option(MIN_CALLS)
        tool = subjects.label(subject)
        calls = sum(run.calls for run in runs)
        partner = subjects.label(worst.partner) if worst.partner else ""
        both = f"{tool} and {partner}" if partner else tool
        builder = Builder(self, context, subject, context.window)
        conversations = len({run.conversation for run in runs})
        return builder.finding(
            Judgement(
                Measure("calls_in_vain", Unit.COUNT, worst.calls, threshold=least, op="<"),
                confidence(calls, least),
            ),
            Examples((worst.last, worst.first), (worst.first_us + worst.last_us) // 2, len(runs)),
            severity=severity_of(worst.calls, high=HIGH, critical=CRITICAL),
            touched=builder.touched(
                conversations,
                harm_of(60 * minutes(worst)),
                per_day=times_a_day(conversations, context.window),
            ),
            title=f"{both} {_WORDS[worst.kind]}{_which(worst)}",
            description=(
                f"In one conversation{_where(worst)} there were {worst.calls} calls of {both}"
                f"{_together(worst)}, {_HOW[worst.kind]}:"
                f" {_price(worst)}.{_others(runs)}{_error(worst)}"
            ),
            fix=Fix(
                approach="end_the_loop",
                files=("CLAUDE.md", "AGENTS.md"),
                changes=_changes(worst, tool),
                effort="30 minutes",
            ),
            acceptance=(
                f"No conversation of 7 days in which {tool} is used has {least} such calls in a"
                " row",
            ),
            details={
                "rule": "calls of one conversation in a row whose outcome does not change",
                "severityRule": steps(lambda n: f"{n} calls", high=HIGH, critical=CRITICAL),
                "kind": str(worst.kind),
                "partner": worst.partner,
                "loops": len(runs),
                "calls": calls,
                "minutes": sum(minutes(run) for run in runs),
                "tokens": sum(run.tokens for run in runs),
                "conversations": conversations,
                "services": sorted({run.service for run in runs if run.service}),
                "template": worst.error,
                "others": [
                    f"{run.kind}, {run.calls} calls, {format_time(from_us(run.first_us))}"
                    for run in runs[1 : MOST_LOOPS + 1]
                ],
            },
            shows_both=True,
            question=Question(USED, subject, context.window, met=_met(runs)),
        )


def confidence(calls: int, least: int) -> float:
    """0.8 at the fewest calls of one loop, 0.9 at twice as many, never 1."""
    return min(0.99, 1.0 - 0.2 * least / calls)


def _met(runs: Sequence[Run]) -> dict[int, int]:
    """The conversations with a loop, and when their first began."""
    met: dict[int, int] = {}
    for run in runs:
        met[run.conversation] = min(run.first_us, met.get(run.conversation, run.first_us))
    return met


def _together(run: Run) -> str:
    if run.kind is Repetition.AGAIN:
        return ""
    return " and other tools in a row" if run.kind is Repetition.MIXED else " in a row"


def _which(run: Run) -> str:
    """The error, where all calls of a run had the same."""
    return f": {in_a_title(run.error)}" if run.error and run.kind is Repetition.AGAIN else ""


def _where(run: Run) -> str:
    return f" of {run.service}" if run.service else ""


def _price(run: Run) -> str:
    tokens = f" and {run.tokens:,.0f} tokens" if run.tokens else ""
    return f"{run.calls} calls, {seconds(60 * minutes(run))}{tokens}"


def _others(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        return ""
    conversations = len({run.conversation for run in runs})
    return f" There were {len(runs)} such loops in {conversations} conversations."


def _error(run: Run) -> str:
    return f" The last error was: {run.error}." if run.error else ""


def _changes(run: Run, tool: str) -> tuple[str, ...]:
    error_family = family(run.error) if run.error else None
    first = [error_family.advice[0].upper() + error_family.advice[1:]] if error_family else []
    if run.kind in _FAILURES:
        rule = f"after two failures of {tool} look for the cause or ask, and do not try on"
    else:
        rule = (
            f"a call of {tool} that changed nothing is not to be repeated; try another way or ask"
        )
    return (
        *first,
        f"Add to CLAUDE.md or AGENTS.md: {rule}",
        f"Make {tool} say that nothing changed, or what is wrong and what to do instead",
        "Where the agent can be limited (a hook after each call, a maximum of equal calls), stop"
        " it after a few",
    )
