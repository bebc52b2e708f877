"""How soon a fault of a world can be known at all, from the very events that tgt reads.

The detector here knows everything but when the fault begins: what is usual, what the fault does to
each event of its subject, and that there is no other. At every run it adds up the evidence for each
quarter of an hour in which the fault may have begun (Shiryaev and Roberts), and it is sure when
chance would make it so as seldom as false cards are allowed. Nobody can be much faster with as few
false cards, whatever the rule, so what it does not find is not in the numbers.

What never happens where nothing is wrong (a tool that nobody knows, a provider that is down) it
knows from the first time; tgt asks for more of them before it makes a card.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks import worlds
from benchmarks.worlds import Conditions, Fault, World

STEP_H = 0.25
"""From one run to the next."""
WATCHED_BEFORE_H = 1.0
"""The detector looks for so long before the fault begins."""
IDLE_H = 0.25
"""A conversation is given up when nothing came for so long."""
SUBJECTS = 20
FALSE_A_WEEK = 0.25 / SUBJECTS
"""False alarms of one subject: a quarter of a card a week, of about so many subjects."""
_RUNS_A_WEEK = worlds.WEEK_HOURS / STEP_H
_NEVER = 1e-6
_OF_A_NEW_TOOL = 0.04
"""How often a healthy tool fails of which nothing is known."""

Event: TypeAlias = dict[str, Any]
Calls: TypeAlias = tuple[tuple[str, bool], ...]
"""The first calls of tools in a conversation: which, and whether it failed."""
Likelihood: TypeAlias = Callable[[Conditions], float]
"""The probability (or density) of what was seen, if the world is so."""


@dataclass(frozen=True)
class Clue:
    """What is known at ``hour`` of a conversation that began at ``start``."""

    hour: float
    start: float
    likelihood: Likelihood


@dataclass
class _Conversation:
    start: float
    events: list[tuple[float, Event]] = field(default_factory=list)

    def first_calls(self) -> Iterator[tuple[float, str, bool]]:
        """When each tool was called first, which, and whether that failed: the further calls of a
        tool tell nothing that the first did not."""
        known = set()
        for hour, event in self.events:
            if event["act"] == "tool_call" and event["name"] not in known:
                known.add(event["name"])
                yield hour, event["name"], event["status"] == "error"

    def answers(self) -> Iterator[tuple[float, Event]]:
        return ((hour, e) for hour, e in self.events if e["act"] == "assistant_response")

    @property
    def down(self) -> float | None:
        return next((hour for hour, e in self.events if e["act"] == "upstream_error"), None)


def delay(
    world: World, seed: int, fault: Fault, directory: Path, a_week: float = FALSE_A_WEEK
) -> float | None:
    """After how many minutes the fault could be known; None where not before it is over."""
    first = max(0.0, fault.start - WATCHED_BEFORE_H)
    runs = [first + STEP_H * (n + 1) for n in range(math.ceil((fault.end + 1 - first) / STEP_H))]
    clues = [
        clue
        for conversation in _conversations(directory, worlds.begin(seed), first)
        for clue in _clues(fault, conversation)
        if first <= clue.hour <= runs[-1]
    ]
    evidence = [_evidence(world, clues, run - STEP_H - fault.start, runs) for run in runs]
    totals = [
        _log_sum([each[place] for each in evidence[: place + 1]]) for place in range(len(runs))
    ]
    limit = math.log(_RUNS_A_WEEK / a_week * overshoot([totals]))
    return next(
        (
            (run - fault.start) * 60
            for run, total in zip(runs, totals, strict=True)
            if total >= limit and run >= fault.start
        ),
        None,
    )


def overshoot(courses: Iterable[Iterable[float]]) -> float:
    """By what factor the limit of such a detector may be lower than one over its false alarms a
    step, given logarithms of its statistic in faults by the step.

    A step carries it beyond the limit, not to it, and what lies beyond costs false alarms for
    nothing. On average over limits that is told by how far the record rises at once.
    """
    rises: list[float] = []
    for course in courses:
        record = 0.0
        for value in course:
            rises.append(max(0.0, value - record))
            record = max(record, value)
    total = sum(rises)
    return sum(1 - math.exp(-rise) for rise in rises) / total if total else 1.0


def _log_sum(logs: Sequence[float]) -> float:
    top = max(logs)
    return top + math.log(sum(math.exp(each - top) for each in logs))


def _evidence(world: World, clues: list[Clue], later: float, runs: list[float]) -> list[float]:
    """The log likelihood ratio at every run, if all came so many hours later than it did."""
    steps = [0.0] * len(runs)
    begin = runs[0] - STEP_H
    for clue in clues:
        now = world.change(math.floor((clue.start - later) * 60) / 60, world.base)
        if now is not world.base:
            place = max(0, math.ceil((clue.hour - begin) / STEP_H) - 1)
            steps[place] += math.log(clue.likelihood(now) / clue.likelihood(world.base))
    total, sums = 0.0, []
    for step in steps:
        total += step
        sums.append(total)
    return sums


def _conversations(directory: Path, begin: datetime, first: float) -> list[_Conversation]:
    """Those that began since the hour ``first``, with their events in order."""
    found: dict[str, _Conversation] = {}
    since = f"ctx-{begin + timedelta(hours=first):%Y%m%d-%H}"
    for path in sorted(directory.glob("ctx-*.jsonl")):
        if path.stem < since:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            hour = (datetime.fromisoformat(event["ts"]) - begin).total_seconds() / 3600
            if event["conv_id"] not in found:
                found[event["conv_id"]] = _Conversation(hour)
            found[event["conv_id"]].events.append((hour, event))
    return [each for each in found.values() if each.start >= first]


def _clues(fault: Fault, conversation: _Conversation) -> Iterator[Clue]:
    act, _, name = fault.subject.partition("/")
    if act == "upstream":
        told = _down(conversation)
    elif conversation.down is not None:
        return
    elif fault.type == worlds.ERROR:
        told = _failing(conversation, name)
    elif fault.type == worlds.SLOW:
        told = _latencies(conversation, name)
    elif fault.type == worlds.CUT:
        told = _truncated(conversation)
    elif fault.type == worlds.DOCS:
        told = _used(conversation, name)
    else:
        told = {"aborted": _aborted, "long_wait": _waiting, "error_heavy": _heavy}[name](
            conversation
        )
    for hour, likelihood in told:
        yield Clue(hour, conversation.start, likelihood)


_Told: TypeAlias = Iterator[tuple[float, Likelihood]]


def _either(happened: bool, share: Callable[[Conditions], float]) -> Likelihood:
    def likelihood(now: Conditions) -> float:
        chance = min(1 - _NEVER, max(_NEVER, share(now)))
        return chance if happened else 1 - chance

    return likelihood


def _down(conversation: _Conversation) -> _Told:
    hour = conversation.down
    yield (
        conversation.start if hour is None else hour,
        _either(hour is not None, lambda now: now.provider_down),
    )


def _failing(conversation: _Conversation, name: str) -> _Told:
    for hour, tool, failed in conversation.first_calls():
        if tool == name:
            yield hour, _either(failed, lambda now: now.failing.get(name, _OF_A_NEW_TOOL))


def _used(conversation: _Conversation, name: str) -> _Told:
    for hour, tool, _ in conversation.first_calls():
        if tool == name:
            yield hour, _either(True, lambda now: now.uses.get(name, 0.0))


def _truncated(conversation: _Conversation) -> _Told:
    for hour, answer in conversation.answers():
        yield hour, _either(answer["finish_reason"] == "length", lambda now: now.truncated)


def _aborted(conversation: _Conversation) -> _Told:
    stopped = next((h for h, a in conversation.answers() if a["finish_reason"] == "stop"), None)
    over = conversation.events[-1][0] + IDLE_H
    yield (
        over if stopped is None else stopped,
        _either(stopped is None, lambda now: now.aborted),
    )


def _waiting(conversation: _Conversation) -> _Told:
    """Of the answers that finish the first: the others wait as well, or do not."""
    stopped = ((hour, a) for hour, a in conversation.answers() if a["finish_reason"] == "stop")
    for hour, answer in itertools.islice(stopped, 1):
        yield hour, partial(_answer_density, answer["elapsed_ms"])


def _answer_density(ms: float, now: Conditions) -> float:
    low, high = worlds.WAIT_MS
    waits = 1 / (high - low) if low <= ms <= high + 1 else 0.0
    return now.waiting * waits + (1 - now.waiting) * _lognormal(ms, now.response_ms, now.sigma)


def _heavy(conversation: _Conversation) -> _Told:
    """How likely each first call fails, given those before it in the same conversation."""
    before: list[tuple[str, bool]] = []
    for hour, tool, failed in conversation.first_calls():
        yield hour, partial(_given, tuple(before), (tool, failed))
        before.append((tool, failed))


def _given(before: Calls, call: tuple[str, bool], now: Conditions) -> float:
    return _all_of((*before, call), now) / _all_of(before, now)


def _all_of(calls: Calls, now: Conditions) -> float:
    usual = math.prod(
        now.failing[tool] if failed else 1 - now.failing[tool] for tool, failed in calls
    )
    return now.error_heavy * all(failed for _, failed in calls) + (1 - now.error_heavy) * usual


def _latencies(conversation: _Conversation, name: str) -> _Told:
    for hour, event in conversation.events:
        if event["act"] == "tool_call" and event["name"] == name:
            yield hour, partial(_call_density, name, event["elapsed_ms"])


def _call_density(tool: str, ms: float, now: Conditions) -> float:
    median = worlds.TOOLS[tool][1]
    usual = _lognormal(ms, median * now.slower.get(tool, 1.0), now.sigma)
    tail = now.slow_tail.get(tool)
    if not tail:
        return usual
    slow = _lognormal(ms, tail * worlds.p95(median, now.sigma), worlds.TAIL_SIGMA)
    return (1 - worlds.TAIL_SHARE) * usual + worlds.TAIL_SHARE * slow


def _lognormal(ms: float, median: float, sigma: float) -> float:
    z = math.log(ms / median) / sigma
    return max(math.exp(-z * z / 2) / (ms * sigma * math.sqrt(2 * math.pi)), 1e-300)
