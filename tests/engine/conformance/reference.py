"""What the questions of the protocol mean, once more, in plain Python over the same events.

Slow, and with conditions that are functions: it has nothing in common with an engine but the
words of ``tgt.engine.protocol``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median_low
from typing import TypeVar

from engine.conformance.worlds import Event

from tgt.engine.protocol import Counts, Signal, Spread, TimeSpent
from tgt.events import HOUR_US, Interval, to_us
from tgt.stats import distributions
from tgt.stats.confidence import Clusters

K = TypeVar("K", bound=Hashable)

IDLE_US = 15 * 60_000_000


@dataclass(frozen=True)
class Question:
    """A signal, and the same as functions of an event (or of a conversation)."""

    signal: Signal
    where: Callable[[Event], bool | None]
    counted: Callable[[Event], bool | None] = lambda _: True
    by: Callable[[Event], str | None] = lambda event: event["subject"]
    value: Callable[[Event], float | None] = lambda _: None


@dataclass(frozen=True)
class Reference:
    """The answers about events as of a window with the baseline before it."""

    events: Sequence[Event]
    window: Interval
    baseline: Interval

    def seen(self) -> list[Event]:
        """What is not later than the end of the window, nor older than the baseline's hours."""
        first = to_us(self.baseline.start) // HOUR_US * HOUR_US
        return [e for e in self.events if first <= e["us"] <= to_us(self.window.end)]

    def inside(self, window: Interval) -> list[Event]:
        """A longer window begins with the clock hour in which it starts."""
        start = to_us(window.start)
        if window == self.window:
            return [e for e in self.seen() if e["us"] > start]
        return [e for e in self.seen() if e["us"] >= start // HOUR_US * HOUR_US]

    def hour(self, window: Interval, event: Event) -> int:
        us: int = event["us"]
        return (to_us(self.window.end) - us if window == self.window else us) // HOUR_US

    def hours_before(self, window: Interval) -> range:
        return range(-(-to_us(self.baseline.start) // HOUR_US), to_us(window.start) // HOUR_US)

    def name(self, question: Question, event: Event) -> str:
        services = {e.get("service") for e in self.seen()} - {None}
        subject, service = str(question.by(event)), event.get("service")
        is_named = question.signal.is_by_service and len(services) > 1 and service
        return f"{subject}@{service}" if is_named else subject

    # --- shares ----------------------------------------------------------------------------------

    def counts(self, question: Question, window: Interval) -> dict[str, Counts]:
        of = self._by_subject(question, self.inside(window))
        hour = partial(self.hour, window)
        return {name: _counted(question, of[name], hour) for name in sorted(of)}

    def history(self, question: Question, subject: str, window: Interval) -> dict[int, Counts]:
        of = self._by_subject(question, self.seen()).get(subject, [])
        by_hour = _grouped(of, lambda e: e["us"] // HOUR_US)
        return {
            hour: _counted(question, by_hour[hour], lambda _: 0, is_past=True)
            for hour in self.hours_before(window)
            if hour in by_hour
        }

    def _by_subject(self, question: Question, events: Iterable[Event]) -> dict[str, list[Event]]:
        population = [e for e in events if question.where(e) and question.by(e) is not None]
        return _grouped(population, lambda e: self.name(question, e))

    # --- distributions ---------------------------------------------------------------------------

    def values(self, question: Question, window: Interval) -> dict[str, dict[int, int]]:
        of = self._by_subject(question, _with_value(question, self.inside(window)))
        return {name: _buckets(question, of[name]) for name in sorted(of)}

    def value_history(
        self, question: Question, subject: str, window: Interval
    ) -> dict[int, dict[int, int]]:
        of = self._by_subject(question, _with_value(question, self.seen())).get(subject, [])
        by_hour = _grouped(of, lambda e: e["us"] // HOUR_US)
        return {
            hour: _buckets(question, by_hour[hour])
            for hour in self.hours_before(window)
            if hour in by_hour
        }

    def beyond(
        self, question: Question, subject: str, line: float, *, without: Collection[str] = ()
    ) -> Counts:
        events = _with_value(question, self.inside(self.window))
        of = self._by_subject(question, events).get(subject, [])
        of = [e for e in of if e.get("conv_id") not in without]
        slower = Question(
            question.signal, question.where, lambda e: (question.value(e) or 0) > line
        )
        return _counted(slower, of, lambda _: 0, is_past=True)

    def largest(
        self, question: Question, subject: str, window: Interval, line: float
    ) -> tuple[Spread, dict[str, int], dict[int, int]]:
        """The spread but for the largest, which are told by their names, and their values."""
        events = [e for e in self.inside(window) if e.get("conv_id")]
        of = self._by_subject(question, _with_value(question, events)).get(subject, [])
        by_conversation = _grouped(of, lambda e: str(e["conv_id"]))
        sizes = [len(values) for values in by_conversation.values()]
        usual = median_low(sizes) if sizes else 0
        beyond = {
            conv: sum((question.value(e) or 0) > line for e in values)
            for conv, values in by_conversation.items()
        }
        largest = {conv: k for conv, k in beyond.items() if k}
        theirs = [e for conv in largest for e in by_conversation[conv]]
        return Spread(len(sizes), sum(sizes), usual), largest, _buckets(question, theirs)

    def time_spent(self, question: Question, subject: str) -> TimeSpent:
        events = [e for e in self.inside(self.window) if e.get("conv_id")]
        of = self._by_subject(question, _with_value(question, events)).get(subject, [])
        inside, start = _grouped(events, lambda e: e["conv_id"]), to_us(self.window.start)
        times = [
            max(e["us"] for e in inside[c])
            - min(max(start, e["us"] - 1000 * (e.get("elapsed_ms") or 0)) for e in inside[c])
            for c in {e["conv_id"] for e in of}
        ]
        return TimeSpent(len(of), len(times), sum(times) / 1000)

    # --- conversations ---------------------------------------------------------------------------

    def conversations(self) -> list[Event]:
        """All that are known at the end of the window, with their columns."""
        seen = self.seen()
        tellers = {
            e.get("service")
            for e in seen
            if e.get("finish_reason") is not None or e.get("continuation") is not None
        }
        by_conversation = _grouped((e for e in seen if e.get("conv_id")), lambda e: e["conv_id"])
        return [_conversation(of, tellers) for of in by_conversation.values()]

    def ended(self, question: Question, window: Interval) -> dict[str, tuple[int, int]]:
        """Of those that ended in a window, by subject: how many, and how many of them count."""
        start, over = to_us(window.start), to_us(window.end) - IDLE_US
        inside = [c for c in self.conversations() if start < c["last_us"] <= over]
        by_subject = _grouped((c for c in inside if question.where(c)), question.by)
        return {
            str(name): (len(of), sum(bool(question.counted(c)) for c in of))
            for name, of in by_subject.items()
        }

    def ended_history(self, question: Question, window: Interval) -> dict[int, tuple[int, int]]:
        of = [c for c in self.conversations() if question.where(c)]
        by_hour = _grouped(of, lambda c: c["last_us"] // HOUR_US)
        return {
            hour: (len(by_hour[hour]), sum(bool(question.counted(c)) for c in by_hour[hour]))
            for hour in self.hours_before(window)
            if hour in by_hour
        }


def _grouped(events: Iterable[Event], by: Callable[[Event], K]) -> dict[K, list[Event]]:
    groups: dict[K, list[Event]] = defaultdict(list)
    for event in events:
        groups[by(event)].append(event)
    return dict(groups)


def _counted(
    question: Question,
    events: Sequence[Event],
    hour: Callable[[Event], int],
    *,
    is_past: bool = False,
) -> Counts:
    units: Mapping[tuple[str, int], list[Event]] = _grouped(
        (e for e in events if e.get("conv_id")), lambda e: (e["conv_id"], hour(e))
    )
    sizes = [(len(of), sum(bool(question.counted(e)) for e in of)) for of in units.values()]
    bad = {e["conv_id"] for e in events if e.get("conv_id") and question.counted(e)}
    return Counts(
        n=len(events),
        k=sum(bool(question.counted(e)) for e in events),
        units=len(units),
        bad_units=sum(k > 0 for _, k in sizes),
        bad_conversations=0 if is_past else len(bad),
        loose_n=sum(not e.get("conv_id") for e in events),
        clusters=Clusters(
            len(units),
            *(float(sum(part)) for part in zip(*sizes, strict=True)),
            *(float(sum(a * b for a, b in pairs)) for pairs in _products(sizes)),
        )
        if sizes
        else Clusters(),
    )


def _products(sizes: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    return [
        [(n, n) for n, _ in sizes],
        [(n, k) for n, k in sizes],
        [(k, k) for _, k in sizes],
    ]


def _with_value(question: Question, events: Iterable[Event]) -> list[Event]:
    return [e for e in events if (question.value(e) or 0) > 0]


def _buckets(question: Question, events: Iterable[Event]) -> dict[int, int]:
    found: dict[int, int] = defaultdict(int)
    for event in events:
        found[distributions.bucket(question.value(event) or 0)] += 1
    return dict(sorted(found.items()))


def _conversation(events: Sequence[Event], tellers: set[str | None]) -> Event:
    service = min((e["service"] for e in events if e.get("service")), default=None)
    ends = [e["us"] for e in events if _ended(e, benefit=service not in tellers)]
    aborts = [e["us"] for e in events if e.get("cancelled")]
    answered = max(ends, default=None)
    is_aborted = (
        (len(events) > 2 or bool(aborts))
        if answered is None
        else (bool(aborts) and max(aborts) >= answered)
    )
    return {
        "service": service,
        "events": len(events),
        "errors": sum(bool(e.get("failed")) for e in events),
        "is_aborted": is_aborted,
        "longest_wait_ms": _longest_wait(events),
        "last_us": max(e["us"] for e in events),
    }


def _ended(event: Event, *, benefit: bool) -> bool:
    if event["act"] != "assistant_response" or event.get("failed") or event.get("continuation"):
        return False
    if event.get("finish_reason") is None:
        return event.get("continuation") is None and benefit
    return bool(event["finish_reason"] == "stop")


def _longest_wait(events: Sequence[Event]) -> int:
    asked = [e for e in events if e["actor"] == "user" and e["act"] in {"message", "prompt"}]
    if not asked:
        return max((e.get("elapsed_ms") or 0 for e in events), default=0)
    answers = [
        e["us"]
        for e in events
        if e["act"] == "assistant_response" and e.get("finish_reason") != "tool_calls"
    ]
    waits = [0]
    for message in asked:
        later = [us for us in answers if us >= message["us"]]
        if message["act"] == "message" and later and min(later) - message["us"] <= HOUR_US:
            waits.append((min(later) - message["us"]) // 1000)
    return max(waits)
