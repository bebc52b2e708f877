"""Worlds whose truth is known: weeks of healthy traffic, and traffic with one labelled fault.

A world is telemetry as a real service would log it, made from a seed, and the faults that are in
it. It shares no code with ``tgt`` (nor with its demo), because what measures a detector must not
inherit its mistakes. Times inside a world are hours since its evaluation begins; the history
before that is healthy.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HISTORY_HOURS = 7.5 * 24
WEEK_HOURS = 7 * 24.0
_MONDAY = datetime(2025, 11, 3, tzinfo=timezone.utc)
_MODEL = "gpt-oss-120b"
_RESPONSE_MS = 700.0
_P95 = 1.645  # standard deviations of a normal distribution
WAIT_MS = (9_000, 15_000)  # how long an answer takes that is waited for
TAIL_SHARE, TAIL_SIGMA = 0.1, 0.15  # of the calls that a slow tail makes slow
HEAP, HEAP_TIMES = 100, 3.0  # so many calls of a conversation now and then, and how slow they are

# Share of conversations that use the tool, median latency in ms, share of those that fail.
TOOLS = {
    "read_file": (0.60, 60.0, 0.04),
    "run_bash": (0.50, 480.0, 0.06),
    "search_code": (0.40, 220.0, 0.03),
    "write_file": (0.25, 90.0, 0.03),
    "git_diff": (0.25, 160.0, 0.03),
    "list_files": (0.20, 40.0, 0.03),
    "resize_image": (0.05, 300.0, 0.04),
}
DOCUMENTED = (*TOOLS, "send_mail")

# Hourly weights of a day with a lunch break and a quiet night; the mean is 1.
_DAY = (
    *(0.3, 0.2, 0.2, 0.2, 0.2, 0.3, 0.5, 0.9, 1.5, 1.9, 2.0, 1.9),
    *(1.4, 1.6, 1.9, 1.9, 1.7, 1.4, 1.1, 0.9, 0.8, 0.6, 0.4, 0.2),
)

ERROR, CUT, SLOW = "error_spike", "continuation_issue", "performance_degradation"
DOCS, UX = "documentation_gap", "ux_issue"
HEAVY = (UX, "conversations/error_heavy")


@dataclass(frozen=True)
class Conditions:
    """What the world is like at one moment. Shares are of conversations where not said else."""

    per_hour: float = 40.0
    uses: Mapping[str, float] = field(default_factory=lambda: {t: v[0] for t, v in TOOLS.items()})
    failing: Mapping[str, float] = field(
        default_factory=lambda: {t: v[2] for t, v in TOOLS.items()}
    )
    slower: Mapping[str, float] = field(default_factory=dict)  # all calls, by this factor
    slow_tail: Mapping[str, float] = field(default_factory=dict)  # p95 alone, by this factor
    sigma: float = 0.5  # of the logarithm of a latency
    alike: float = 0.0  # of what all calls of a conversation have in common of it
    heaps: float = 0.0  # many slow calls of a tool
    response_ms: float = _RESPONSE_MS
    truncated: float = 0.05  # of responses
    aborted: float = 0.08
    waiting: float = 0.0  # an answer takes 9 to 15 s
    error_heavy: float = 0.0  # most calls fail
    provider_down: float = 0.0
    retries: float = 1.0  # mean further attempts after a failed call

    def but(self, **changes: object) -> Conditions:
        return replace(self, **changes)  # type: ignore[arg-type]  # names are checked by replace

    def tool(self, **changes: Mapping[str, float]) -> Conditions:
        """Set values of some tools, for example ``failing={"read_file": 0.2}``."""
        merged = {name: {**getattr(self, name), **value} for name, value in changes.items()}
        return self.but(**merged)


@dataclass(frozen=True)
class Fault:
    """The card that should appear between ``start`` and ``end`` (hours).

    ``also`` are cards that are true consequences. ``target`` marks the faults that are large
    enough for the promise that 95% of them are found.
    """

    type: str
    subject: str
    start: float
    end: float
    also: tuple[tuple[str, str], ...] = ()
    target: bool = True


Change = Callable[[float, Conditions], Conditions]


@dataclass(frozen=True)
class World:
    name: str
    hours: float
    change: Change
    faults: tuple[Fault, ...] = ()
    base: Conditions = field(default_factory=Conditions)
    complete_at: float | None = None  # when a person completes all open cards
    diurnal: bool = False


def _always(_: float, base: Conditions) -> Conditions:
    return base


def healthy(per_hour: float, weeks: int) -> tuple[World, ...]:
    """Worlds in which nothing is wrong: every card is a false one."""
    base = Conditions(per_hour=per_hour)
    hours = weeks * WEEK_HOURS

    def mix(hour: float, now: Conditions) -> Conditions:
        # From quick tools to slow ones; each tool is as fast as ever.
        part = min(1.0, max(0.0, hour / hours))
        return now.tool(uses={"run_bash": 0.5 + 0.4 * part, "list_files": 0.2 * (1 - part)})

    def doubling(hour: float, now: Conditions) -> Conditions:
        return now.but(per_hour=per_hour * (1 + min(1.0, max(0.0, hour / hours))))

    def bursty(hour: float, now: Conditions) -> Conditions:
        # A slow and a fast wave without a common period, and a rush of 20 minutes every 7 hours.
        wave = math.exp(0.5 * math.sin(hour * 1.7) + 0.4 * math.sin(hour * 0.23))
        rush = 5.0 if hour % 7.0 < 1 / 3 else 1.0
        trouble = math.exp(0.35 * math.sin(hour * 0.9) + 0.25 * math.sin(hour * 2.3))
        failing = {tool: share * trouble for tool, share in now.failing.items()}
        return now.tool(failing=failing).but(per_hour=0.75 * per_hour * wave * rush)

    def nightly(hour: float, now: Conditions) -> Conditions:
        # The same hour of every day is bad: whoever lives with it knows.
        return now.tool(failing={"run_bash": 0.4}) if hour % 24 < 1 else now

    return (
        World("steady", hours, _always, base=base),
        World("diurnal", hours, _always, base=base, diurnal=True),
        World("bursty", hours, bursty, base=base),
        World("clustered_errors", hours, _always, base=base.but(retries=8.0)),
        World("heavy_tailed", hours, _always, base=base.but(sigma=1.2, response_ms=400.0)),
        World("sparse", hours, _always, base=base.but(per_hour=3.0)),
        World("shifting_mix", hours, mix, base=base),
        World("doubling_traffic", hours, doubling, base=base),
        World("flaky_tool", hours, _always, base=base.tool(failing={"run_bash": 0.35})),
        World("nightly_job", hours, nightly, base=base),
        World("alike_calls", hours, _always, base=base.but(alike=0.6, heaps=0.001)),
    )


def _within(fault: Fault, change: Change) -> Change:
    return lambda hour, now: change(hour, now) if fault.start <= hour < fault.end else now


def _hidden(base: Conditions, start: float, end: float) -> tuple[World, ...]:
    """Faults that their history hides, or how seldom the tool is used."""

    def after_an_outage(hour: float, now: Conditions) -> Conditions:
        # Ten hours of an outage in the history, of which nobody had a card.
        if -70 <= hour < -60:
            return now.tool(failing={"read_file": 0.9})
        return now.tool(failing={"read_file": 0.24}) if start <= hour < end else now

    def rising(hour: float, now: Conditions) -> Conditions:
        # One percent an hour: half as slow again at first, twice as slow a day later.
        risen = min(72.0, max(0.0, hour + math.log(1.5) / math.log(1.01)))
        return now.tool(slower={"search_code": 1.01**risen})

    again = Fault(ERROR, "tool_call/read_file", start, end, (HEAVY,))
    rise = Fault(SLOW, "tool_call/search_code", 0.0, 30.0)  # before that it has begun as well
    rare = Fault(SLOW, "tool_call/resize_image", start, start + 24, target=False)
    slow = _within(rare, lambda _, now: now.tool(slower={"resize_image": 3.0}))
    tail = _within(rare, lambda _, now: now.tool(slow_tail={"resize_image": 4.0}))
    return (
        World("after_an_outage", end + 1, after_an_outage, (again,), base),
        World("slow_rise", rise.end, rising, (rise,), base),
        World("rare_tool_slow", rare.end + 1, slow, (rare,), base),
        World("rare_tool_tail", rare.end + 1, tail, (rare,), base),
    )


def faulty(per_hour: float, start: float = 1.0, hours: float = 6.0) -> tuple[World, ...]:
    """Worlds with a fault from ``start`` on, for ``hours`` where the fault says nothing else."""
    base = Conditions(per_hour=per_hour)
    end = start + hours

    def world(name: str, fault: Fault, change: Change, **more: object) -> World:
        extra = {"base": base, **more}
        return World(name, fault.end + 1.0, _within(fault, change), (fault,), **extra)  # type: ignore[arg-type]

    def errors(tool: str, share: float) -> Change:
        return lambda _, now: now.tool(failing={tool: share})

    def spike(times: float) -> World:
        fault = Fault(ERROR, "tool_call/read_file", start, end, (HEAVY,))
        return world(f"errors_x{times:g}", fault, errors("read_file", 0.04 * times))

    def slow(times: float, *, tail: bool) -> World:
        fault = Fault(SLOW, "tool_call/search_code", start, end)
        name, key = ("tail", "slow_tail") if tail else ("p95", "slower")
        return world(
            f"{name}_x{times:g}",
            fault,
            lambda _, now: now.tool(**{key: {"search_code": times}}),
        )

    every_tool = tuple((ERROR, f"tool_call/{tool}") for tool in TOOLS)
    response = f"assistant_response/{_MODEL}"
    in_responses = Fault(CUT, response, start, end)
    in_reads = Fault(ERROR, "tool_call/read_file", start, end, (HEAVY,))
    aborts = Fault(UX, "conversations/aborted", start, end)
    waits = Fault(UX, "conversations/long_wait", start, end, ((SLOW, response),))
    heavy = Fault(*HEAVY, start, end, every_tool)
    rare = Fault(ERROR, "tool_call/resize_image", start, start + 24, (HEAVY,), target=False)
    new = Fault(ERROR, "tool_call/send_mail", start, end, (HEAVY,))
    unknown = Fault(DOCS, "tool_call/query_metrics", start, end)
    down = Fault(
        *(ERROR, "upstream/chat_stream", start, end),
        ((UX, "conversations/aborted"), HEAVY, (ERROR, response)),
    )
    ramp = Fault(ERROR, "tool_call/read_file", start, start + 9, (HEAVY,))
    again = replace(in_reads, start=start + 24, end=end + 24)

    def ramping(hour: float, now: Conditions) -> Conditions:
        # Reaches three times the usual share at ``start``, eight times it three hours later.
        times = min(8.0, max(1.0, 3.0 + (hour - start) * 5.0 / 3.0))
        return now.tool(failing={"read_file": 0.04 * times})

    def on_and_off(hour: float, now: Conditions) -> Conditions:
        return now.tool(failing={"read_file": 0.32 if (hour - start) % 1.0 < 1 / 3 else 0.04})

    def both_days(hour: float, now: Conditions) -> Conditions:
        active = start <= hour < end or start + 24 <= hour < end + 24
        return now.tool(failing={"read_file": 0.24}) if active else now

    def two(hour: float, now: Conditions) -> Conditions:
        if not start <= hour < end:
            return now
        return now.tool(failing={"read_file": 0.2}).but(truncated=0.3)

    return (
        world("truncation", in_responses, lambda _, now: now.but(truncated=0.225)),
        spike(3),
        spike(5),
        spike(8),
        world(
            *("masked_by_flaky_tool", in_reads, errors("read_file", 0.2)),
            base=base.tool(failing={"run_bash": 0.4}),
        ),
        world(
            *("new_tool_that_fails", new),
            lambda _, now: now.tool(uses={"send_mail": 0.3}, failing={"send_mail": 0.95}),
        ),
        world("tool_outage", in_reads, errors("read_file", 1.0)),
        world("provider_down", down, lambda _, now: now.but(provider_down=0.8)),
        *(slow(times, tail=tail) for tail in (False, True) for times in (1.5, 2.0, 3.0)),
        world("rare_tool_x8", rare, errors("resize_image", 0.32)),
        world("aborts", aborts, lambda _, now: now.but(aborted=0.32)),
        world("long_waits", waits, lambda _, now: now.but(waiting=0.25)),
        world("error_heavy", heavy, lambda _, now: now.but(error_heavy=0.52)),
        world(
            "undocumented_tool",
            unknown,
            lambda _, now: now.tool(uses={"query_metrics": 0.7}, failing={"query_metrics": 0.03}),
        ),
        World("two_at_once", end + 1, two, (replace(in_reads, also=()), in_responses), base),
        World("slow_ramp", ramp.end, ramping, (ramp,), base),
        *_hidden(base, start, end),
        world("intermittent", replace(in_reads, target=False), on_and_off),
        World("back_next_day", again.end + 1, both_days, (in_reads, again), base, end + 2),
        world(
            *("sparse_x5", replace(in_reads, end=start + 24, target=False)),
            errors("read_file", 0.2),
            base=base.but(per_hour=3.0),
        ),
    )


def p95(median: float, sigma: float) -> float:
    """That of latencies whose logarithms scatter so around that of the median."""
    return median * math.exp(_P95 * sigma)


def begin(seed: int) -> datetime:
    """When the evaluation of a seed begins: any day of the week, no round hour."""
    return _MONDAY + timedelta(minutes=random.Random(f"begin {seed}").randrange(7 * 24 * 60))


def write(world: World, seed: int, directory: Path) -> int:
    """Write the world's history and evaluation as ContextLog files; returns the events."""
    writer = _Writer(world, seed)
    for moment in writer.arrivals():
        writer.conversation(moment)
    return writer.save(directory)


class _Writer:
    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(f"{world.name} {seed}")
        self.begin = begin(seed)
        self.lines: dict[str, list[tuple[float, int, str]]] = {}
        self.count = 0
        self.slots: dict[int, Conditions] = {}
        self.pace = 1.0
        """How slow the calls of the conversation are that is written."""

    def at(self, hour: float) -> Conditions:
        """Conditions change in steps of a minute, which spares most of the work."""
        slot = math.floor(hour * 60)
        if slot not in self.slots:
            now = self.world.change(slot / 60, self.world.base)
            if self.world.diurnal:
                local = self.begin + timedelta(minutes=slot)
                weight = _DAY[local.hour] * (0.4 if local.weekday() >= 5 else 1.24)
                now = now.but(per_hour=now.per_hour * weight)
            self.slots[slot] = now
        return self.slots[slot]

    def arrivals(self) -> Iterator[float]:
        for slot in range(math.floor(-HISTORY_HOURS * 60), math.ceil(self.world.hours * 60)):
            rate = self.at(slot / 60).per_hour / 60
            gap = self.random.expovariate(rate)
            while gap < 1.0:
                yield (slot + gap) / 60
                gap += self.random.expovariate(rate)

    def put(self, hour: float, event: dict[str, object]) -> None:
        moment = self.begin + timedelta(hours=hour)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.count += 1
        line = json.dumps({"id": f"e{self.count}", "ts": stamp, **event}, separators=(",", ":"))
        key = f"{stamp[:4]}{stamp[5:7]}{stamp[8:10]}-{stamp[11:13]}"
        self.lines.setdefault(key, []).append((hour, self.count, line))

    def save(self, directory: Path) -> int:
        directory.mkdir(parents=True, exist_ok=True)
        for key, lines in self.lines.items():
            text = "".join(f"{line}\n" for _, _, line in sorted(lines))
            (directory / f"ctx-{key}.jsonl").write_text(text, encoding="utf-8")
        return self.count

    def _calls(self, now: Conditions) -> list[tuple[str, bool]]:
        """The calls of a conversation in order: tool, failed."""
        draw = self.random.random
        heavy = draw() < now.error_heavy
        calls: list[tuple[str, bool]] = []
        for tool, share in now.uses.items():
            if draw() >= share:
                continue
            bad = heavy or draw() < now.failing[tool]
            for number in range(1 + (draw() < 0.35) + (draw() < 0.1)):
                failed = bad and (number == 0 or draw() < 0.9)
                # A call that failed is tried again: errors come in clusters.
                attempts = int(self.random.expovariate(1 / now.retries)) if failed else 0
                calls += [(tool, failed)] * (1 + attempts)
        return calls

    def conversation(self, start: float) -> None:
        now = self.at(start)
        draw = self.random.random
        name = f"c{self.random.getrandbits(40):010x}"
        calls = self._calls(now)
        self.pace = math.exp(self.random.gauss(0, now.alike)) if now.alike else 1.0
        if now.heaps and draw() < now.heaps:
            calls += [("search_code", False)] * HEAP
            self.pace *= HEAP_TIMES
        aborted = draw() < now.aborted
        down = draw() < now.provider_down
        waiting = draw() < now.waiting
        if aborted and not calls:
            calls = [("read_file", False)]
        turns = 1 if aborted or down else self.random.choice((1, 2, 2, 3))
        for turn in range(turns):
            ids = {"conv_id": name, "trace_id": f"{name}-{turn}"}
            self.put(start, {"actor": "user", "act": "message", **ids})
            if down:
                for attempt in (1, 2, 3):
                    start += 2 / 3600
                    failure = {"where": "chat_stream", "status": 503, "message": "overloaded"}
                    self.put(start, {"act": "upstream_error", "iter": attempt, **failure, **ids})
                return
            part = calls[turn::turns]
            if part:
                start = self._answer(start, ids, now, "tool_calls", waiting=False)
            for tool, failed in part:
                start = self._call(start, ids, now, tool, failed=failed)
            if not aborted:
                start = self._answer(start, ids, now, "stop", waiting=waiting)
            start += self.random.uniform(20, 110) / 3600

    def _answer(
        self, start: float, ids: dict[str, str], now: Conditions, end: str, *, waiting: bool
    ) -> float:
        while True:
            cut = self.random.random() < now.truncated
            elapsed = now.response_ms * math.exp(self.random.gauss(0, now.sigma))
            if waiting and not cut:
                elapsed = self.random.uniform(*WAIT_MS)
            start += elapsed / 3_600_000
            event = {"actor": "assistant", "act": "assistant_response", "status": "ok", **ids}
            reason = "length" if cut else end
            self.put(
                start,
                {**event, "model": _MODEL, "finish_reason": reason, "elapsed_ms": round(elapsed)},
            )
            if not cut:
                return start

    def _call(
        self, start: float, ids: dict[str, str], now: Conditions, tool: str, *, failed: bool
    ) -> float:
        median = TOOLS[tool][1] if tool in TOOLS else 150.0
        elapsed = median * now.slower.get(tool, 1.0) * math.exp(self.random.gauss(0, now.sigma))
        tail = now.slow_tail.get(tool)
        if tail and self.random.random() < TAIL_SHARE:
            # Half of this tenth lies beyond the wanted p95, so that 5% of all calls do.
            elapsed = tail * p95(median, now.sigma)
            elapsed *= math.exp(self.random.gauss(0, TAIL_SIGMA))
        elapsed *= self.pace
        start += elapsed / 3_600_000
        event: dict[str, object] = {"actor": "assistant", "act": "tool_call", "name": tool, **ids}
        outcome: dict[str, object] = {"status": "error" if failed else "ok"}
        if failed:
            outcome |= {"error": f"{tool} failed", "error_type": "failed"}
        self.put(start, {**event, **outcome, "elapsed_ms": max(1, round(elapsed))})
        return start
