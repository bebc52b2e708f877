"""The words of tgt, each with what it means: one place for the documentation and for cards that
explain themselves. docs/glossary.md has the same sentences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "abstain": (
        "An analyzer abstains where it has too little data to judge. It says what is missing, and"
        " makes no card."
    ),
    "analyzer": "Looks for one kind of problem, such as `error_spike`.",
    "baseline": (
        "The days before the window (`TASKGEN_BASELINE_DAYS`). They say what is usual, but for the"
        " hours in which the same problem had a card already."
    ),
    "card": (
        "A problem that is remembered: what it is about, evidence, a suggested fix, a status. The"
        " same thing as a task, seen as a document."
    ),
    "confidence": (
        "How sure a finding is, from 0 to 100%: the probability that the problem is real, given"
        " what was seen. Below `TASKGEN_MIN_CONFIDENCE` there is no card."
    ),
    "conversation": (
        "All events with one id: a session of a coding agent with its sub-agents, a chat, a trace."
        " It is the unit in which most problems are counted."
    ),
    "covered": "A problem is covered while it has an open card: it is counted, and gets no second.",
    "criterion": (
        "What must be measured for a problem to be over, such as a failing share of at most 3%."
    ),
    "design effect": (
        "How much less the events of one conversation weigh than as many independent ones, because"
        " they are alike."
    ),
    "event": "One call, answer, message or error that telemetry records.",
    "finding": "A problem that a run sees in its window. It becomes a card, or adds to one.",
    "fingerprint": (
        "A hash of a problem's type and subject. Two findings with the same one are one problem."
    ),
    "incident": (
        "Several problems that began together and share their conversations. Their cards name each"
        " other, and the likely first of them."
    ),
    "journal": "The file of all cards, one a line, which is only ever appended to.",
    "large conversation": (
        "One with so many calls of a tool that it could pass for all of them. It is left out where"
        " a p95 has risen."
    ),
    "limit": "The value beyond which a measure is a problem.",
    "mark": "A change that somebody told tgt of: a release, a prompt, a model.",
    "mute": "A decision that a whole family of subjects is quiet, for good or for a while.",
    "onset": "When a problem began, as far as the hours before its card show it.",
    "p95": "The value that 95 of 100 do not exceed: how long the slow ones take.",
    "priority": (
        "From 0 to 100: how severe a problem is and how many conversations it touches, times the"
        " confidence. Lists begin with the highest."
    ),
    "quiet": (
        "A problem is quiet since it would have shown itself and did not. That is no proof yet that"
        " it is over."
    ),
    "quota": (
        "How many new cards there may be an hour (`TASKGEN_MAX_PER_HOUR`). What it holds back, the"
        " next run decides anew."
    ),
    "reputation": (
        "What people's verdicts say of the cards of an analyzer. Where nearly all were dismissed,"
        " the priority of the others is lower, by at most half."
    ),
    "rule": "A question of your own to the telemetry, written as data.",
    "run": "One look at the last window of telemetry: what `tgt run` does, and a timer repeats.",
    "sample": "One event that counted, quoted on the card, shortened and masked.",
    "service": "The agent, project or program that wrote an event.",
    "severity": (
        "How bad a problem is for whom it touches: critical, high, medium or low. Each analyzer has"
        " its steps."
    ),
    "source": "A format of telemetry and the place where it lies, such as `claude-code`.",
    "subject": "What a problem is about, such as `tool_call/read_file`.",
    "task": "A problem that people decide about: the same thing as a card.",
    "touched": "The conversations that a problem reaches, counted a day.",
    "usual": "What the baseline says of a measure.",
    "verification": (
        "What later telemetry says of the end of a problem: that it holds, does not hold, or that"
        " it is too early to tell."
    ),
    "window": (
        "The time that a run judges, up to its own moment: `TASKGEN_WINDOW_MIN`, or longer where"
        " there is little traffic."
    ),
}
"""In the order of the alphabet."""


def words_in(text: str) -> list[str]:
    """Which of the words a text uses, in the order of the alphabet."""
    lowered = text.lower()
    return [word for word in WORDS if re.search(rf"\b{word}s?\b", lowered)]
