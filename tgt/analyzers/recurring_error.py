"""The same error again: one text of one tool in several conversations.

That an error came up in three conversations is a fact that needs no history; the work is in what
*the same* means (``tgt.templates``). Conversations count and not errors, over all services. What a
person did not allow, and calls that fell with another of their message, are no errors of their
own; that a test fails is the work itself, and that a file is not there, another one each time, is
how one looks around.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache

from tgt import options, subjects
from tgt.analyzers import spikes
from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.builder import MAX_SAMPLES, Builder, Question
from tgt.analyzers.criteria import gone
from tgt.analyzers.figures import LONGEST_TEXT, Measure, Unit, in_a_title, seconds
from tgt.analyzers.judgements import Judgement, of_conversations, severity_of, steps
from tgt.analyzers.signals import CALL, FAILED, USED
from tgt.analyzers.touched import Harm, harm_of
from tgt.config import Settings
from tgt.engine.protocol import Examples, Signal
from tgt.engine.sequences import Recurrence
from tgt.events import HOUR_US, Interval, from_us, to_us
from tgt.outcome import Abstention
from tgt.tasks.card import Finding, Fix, Severity, TaskType, Touched, format_time
from tgt.tasks.criterion import Criterion, Tally
from tgt.templates import family

MIN_CONVERSATIONS = 3
ANSWER_S = 2
CHEAP_CALLS, CHEAP_S = 2, 60
"""An error that cost less than both each time is a small one, however often it comes."""
LOOKING_AROUND = "file_not_there"
NO_PROGRAM = "<path>: No such file"
"""What a shell says of a script that it was to run or to read: nobody looked for it."""
MANY_CONVERSATIONS = 10
"""Looking for files that are not there is no problem in fewer."""
NO_ERRORS = frozenset({"sibling_call_failed", "rejected_by_person", "test_failed"})
"""Families that say nothing about what is wrong with the agent's surroundings."""
HIGH, CRITICAL = 10, 30
"""From so many conversations on it is so severe."""
_STEPS = steps(lambda n: f"{n} conversations", high=HIGH, critical=CRITICAL)
_CHEAP = (
    f"low where the agent got over it with fewer than {CHEAP_CALLS} further calls in less than"
    f" {CHEAP_S} s (medians)"
)
_LOOKED_AROUND = "another file in each conversation, and soon another way: looking around"
_DAY_US = 24 * HOUR_US
_DAY = "%Y-%m-%d at %H:%M"

DAYS = options.whole(
    "TASKGEN_RECURRING_DAYS", 7, "days in which the same error of other conversations counts", 1, 90
)


class RecurringErrorAnalyzer:
    name = "recurring_error"
    task_type = TaskType.RECURRING
    summary = (
        "the same error text of a tool came up in 3 conversations within TASKGEN_RECURRING_DAYS"
    )
    options = (DAYS,)
    needs = (
        Need(f"{CALL} AND failed IS NOT NULL", "no record tells whether a tool call failed"),
        Need(f"{CALL} AND conv_id IS NOT NULL", "tool calls have no conversation"),
    )

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:
        # Those of the spikes that it leaves to another analyzer; its own have no history.
        return spikes.signals(settings)

    def analyze(self, context: Context) -> Analysis:
        end = context.window.end
        window = Interval(end - timedelta(days=context.option(DAYS)), end)
        texts = [
            each
            for each in context.snapshot.recurrences(
                CALL, window, MIN_CONVERSATIONS, MAX_SAMPLES, newest=context.window.start
            )
            if _family(each.text) not in NO_ERRORS
        ]
        around = [each for each in texts if is_looking_around(each)]
        texts = [each for each in texts if each not in around]
        left = spikes.untold(context, texts, CALL, MIN_CONVERSATIONS)

        @cache
        def used() -> Mapping[str, int]:
            return context.snapshot.conversations_of(USED, window, {e.subject for e in left})

        return Analysis(
            tuple(self._finding(context, window, each, used) for each in left),
            tuple(Abstention(self.name, subject_of(each), _LOOKED_AROUND) for each in around),
        )

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally:
        """Of the conversations that used the tool, those that met the error; while it was there, in
        all the days in which it is looked for."""
        if criterion.before is None:
            since = Interval(since.end - timedelta(days=context.option(DAYS)), since.end)
        tool = criterion.subject.partition(": ")[0]
        used = context.snapshot.conversations_of(USED, since, (tool,)).get(tool, 0)
        same = [
            each.counted.conversations
            for each in context.snapshot.recurrences(CALL, since, 1, 0, newest=since.start)
            if subject_of(each) == criterion.subject
        ]
        return gone(criterion, sum(same), used)

    def _finding(
        self,
        context: Context,
        window: Interval,
        recurrence: Recurrence,
        used: Callable[[], Mapping[str, int]],
    ) -> Finding:
        many = recurrence.counted.conversations
        builder = Builder(self, context, subject_of(recurrence), window)
        judgement = Judgement(
            Measure(
                *("conversations_with_the_same_error", Unit.COUNT, many, MIN_CONVERSATIONS),
                noun="conversations",
                op="<",
            ),
            of_conversations(many),
        )
        touched = builder.touched(many, _harm(recurrence), per_day=many / _days(recurrence, window))
        return builder.deferred(
            lambda: self._worded(
                builder,
                judgement,
                touched,
                recurrence,
                max(used().get(recurrence.subject, 0), many),
            ),
            judgement,
            severity=severity(recurrence),
            touched=touched,
        )

    def _worded(
        self,
        builder: Builder,
        judgement: Judgement,
        touched: Touched,
        recurrence: Recurrence,
        used: int,
    ) -> Finding:
        """``used`` are the conversations with the tool."""
        counted, tool, context = (
            recurrence.counted,
            subjects.label(recurrence.subject),
            builder.context,
        )
        days, many = context.option(DAYS), counted.conversations
        error_family = family(recurrence.text)
        return builder.finding(
            judgement,
            Examples(recurrence.samples, counted.median_us, used),
            severity=severity(recurrence),
            touched=touched,
            title=f"{tool} fails again and again: {in_a_title(recurrence.text)}",
            description=(
                f"{tool} failed with the same error in {many} of {used} conversations that used it"
                f" in the last {days} days ({counted.events} times,"
                f" first on {from_us(counted.first_us):{_DAY}}, last on"
                f" {from_us(counted.last_us):{_DAY}}):"
                f" {_sentence(recurrence.text)}{_same(recurrence)} {_cost(recurrence)}"
            ),
            fix=Fix(
                approach=error_family.name if error_family else "tell_or_supply_what_is_missing",
                files=("CLAUDE.md", "AGENTS.md"),
                changes=(*_advice(recurrence.text, tool), _samples_say(recurrence)),
                effort="15 minutes",
            ),
            acceptance=(
                f"No conversation of 7 days in which {tool} is used meets this error",
                f"Fewer than {MIN_CONVERSATIONS} conversations meet it in {days} days",
            ),
            details={
                "rule": "the same error text but for numbers and names, in several conversations",
                "severityRule": _CHEAP if is_got_over(recurrence) else _STEPS,
                "tool": recurrence.subject,
                "template": recurrence.text,
                "family": error_family.name if error_family else None,
                "n": used,
                "k": many,
                "errors": counted.events,
                "firstErrorAt": format_time(from_us(counted.first_us)),
                "lastErrorAt": format_time(from_us(counted.last_us)),
                "services": recurrence.services,
                "furtherCalls": recurrence.cost.calls,
                "furtherSeconds": recurrence.cost.seconds,
                "givenUp": recurrence.cost.given_up,
            },
            shows_both=True,
            question=Question(FAILED, recurrence.subject, context.window, error=recurrence.text),
        )


def subject_of(recurrence: Recurrence) -> str:
    """The tool with the text, as the identity of a card needs it: bounded, and without the sign
    that sets a service apart."""
    return f"{recurrence.subject}: {shortened(recurrence.text).replace('@', ' ')}"


def shortened(text: str) -> str:
    """A text of at most LONGEST_TEXT characters; one that was cut ends with a hash of the whole."""
    if len(text) <= LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text[: LONGEST_TEXT - 12].rstrip()}… ({digest})"


def _days(recurrence: Recurrence, window: Interval) -> float:
    """How many days of the window it has been there: one at least."""
    return max(1.0, (to_us(window.end) - recurrence.counted.first_us) / _DAY_US)


def _harm(recurrence: Recurrence) -> float:
    """As long as it took to get over it, and as if it failed for good where that never happened. A
    further call is an answer of the model more, whatever the call takes itself."""
    cost = recurrence.cost
    if cost.seconds is None:
        return Harm.FAILED
    lost = harm_of(max(cost.seconds, ANSWER_S * (cost.calls or 0)))
    given_up = cost.given_up / recurrence.counted.events
    return min(Harm.FAILED, given_up * Harm.FAILED + (1 - given_up) * lost)


def severity(recurrence: Recurrence) -> Severity:
    """By conversations; low where the agent soon got over it each time."""
    if is_got_over(recurrence):
        return Severity.LOW
    return severity_of(recurrence.counted.conversations, high=HIGH, critical=CRITICAL)


def is_got_over(recurrence: Recurrence) -> bool:
    """Whether the agent mostly lost little until the tool went well again."""
    cost = recurrence.cost
    if cost.calls is None or cost.seconds is None or 2 * cost.given_up > recurrence.counted.events:
        return False
    return cost.calls < CHEAP_CALLS and cost.seconds < CHEAP_S


def is_looking_around(recurrence: Recurrence) -> bool:
    """Whether files were asked for that are not there, never the same in two conversations, and the
    agent soon went on."""
    cost = recurrence.cost
    return (
        _family(recurrence.text) == LOOKING_AROUND
        and not recurrence.text.startswith(NO_PROGRAM)
        and recurrence.same_call == 1
        and recurrence.counted.conversations < MANY_CONVERSATIONS
        and 2 * cost.given_up <= recurrence.counted.events
        and (cost.seconds or 0) < CHEAP_S
    )


def _family(text: str) -> str:
    error_family = family(text)
    return error_family.name if error_family else ""


def _advice(text: str, tool: str) -> tuple[str, ...]:
    error_family = family(text)
    if error_family:
        return (error_family.advice[0].upper() + error_family.advice[1:],)
    return (
        f"Supply what {tool} misses, if it is a program, a file, a permission or a setting",
        f"Otherwise add to CLAUDE.md or AGENTS.md what to do before {tool} is called so, or what to"
        " use in its place",
    )


def _samples_say(recurrence: Recurrence) -> str:
    where = f" in {', '.join(recurrence.services[:3])}" if recurrence.services else ""
    return f"The samples show what was tried{where}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _same(recurrence: Recurrence) -> str:
    if (recurrence.same_call or 0) < MIN_CONVERSATIONS:
        return ""
    return f" In {recurrence.same_call} of them it was the very same call."


def _cost(recurrence: Recurrence) -> str:
    cost, events = recurrence.cost, recurrence.counted.events
    if cost.calls is None or cost.seconds is None:
        return "It did not go well again in any of these conversations."
    calls = "call" if cost.calls == 1 else "calls"
    words = f"It took {cost.calls:g} further {calls} and {seconds(cost.seconds)} (median) until it"
    words += " went well again"
    return (
        f"{words}; after {cost.given_up} of {events} it never did."
        if cost.given_up
        else f"{words}."
    )
