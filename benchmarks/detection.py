"""How often tgt is right: false cards in healthy weeks, faults found and how soon.

Every world of ``worlds`` is written as ContextLog files, and tgt runs over its evaluation period
every 15 simulated minutes with a task directory of its own, as a timer would run it. The cards
that are there at the end are held against what was planted.

    python -m benchmarks.detection --quick
    python -m benchmarks.detection --worlds faults --seeds 20 --jobs 2 --mode call
    python -m benchmarks.detection --worlds healthy --weeks 4 --json > healthy.json
    python -m benchmarks.detection --worlds faults --seeds 5 --mode backtest --bound

``--mode run`` starts the command for each run and is the reference; ``call`` runs the same cycle
in this process and is several times faster; ``backtest`` lets ``tgt backtest`` replay the period,
which is the fastest (where somebody completes cards meanwhile it is ``call``). ``--bound`` shows
beside each fault how soon it could be known at all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.stats import chi2

from benchmarks import bound, worlds
from benchmarks.worlds import Fault, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EVERY = timedelta(minutes=15)
GRACE_HOURS = 1.0  # a fault that ends is still in the window of the last hour
MEMORY_HOURS = 24.0  # and in the longest window that an analyzer may look at
BINS = (*(tenth / 10 for tenth in range(10)), 1.0001)
_Z = 1.645  # of an interval that holds nine of ten times
KNOWN_WITHIN = (45, 90)
_NAME = 28
_COLUMNS = (
    ("faults", "faults", ".0f"),
    ("found", "found", ".0%"),
    ("delay min", "medianDelayMinutes", ".0f"),
    ("9 of 10", "delay90Minutes", ".0f"),
    ("cards", "cardsPerFault", ".2f"),
    ("side cards", "consequences", ".2f"),
    ("right", "subjectRight", ".0%"),
)
_BOUND_COLUMNS = (
    ("| known", "boundFound", ".0%"),
    ("delay min", "boundMedianDelayMinutes", ".0f"),
    ("9 of 10", "boundDelay90Minutes", ".0f"),
)


@dataclass(frozen=True)
class Seen:
    """A card that appeared (or reappeared) ``hour`` hours into the evaluation."""

    hour: float
    type: str
    subject: str
    confidence: float
    reopened: bool = False

    @property
    def what(self) -> tuple[str, str]:
        return (self.type, self.subject)


@dataclass(frozen=True)
class Verdict:
    """What became of one fault; ``delay`` in minutes, None when it was not found.

    ``right`` tells whether the first card that is no consequence names the fault. ``bound`` is the
    delay of who knows everything, None where that is never, or nobody asked.
    """

    fault: Fault
    delay: float | None
    cards: int
    consequences: int
    right: bool
    bound: float | None = None


@dataclass
class Result:
    """One world and seed. ``readings`` are (hour, type, subject, confidence, true)."""

    world: str
    seed: int
    hours: float
    runs: int = 0
    seconds: float = 0.0
    has_bounds: bool = False
    problems: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    false: list[Seen] = field(default_factory=list)
    readings: list[tuple[float, str, str, float, bool]] = field(default_factory=list)


def judge(faults: Sequence[Fault], seen: Sequence[Seen]) -> tuple[list[Verdict], list[Seen]]:
    """Hold the cards against the faults: a verdict for each fault, and the false cards."""
    verdicts: list[Verdict] = []
    explained: set[Seen] = set()
    for fault in faults:
        during = sorted(
            (card for card in seen if fault.start <= card.hour <= fault.end + GRACE_HOURS),
            key=lambda card: card.hour,
        )
        hits = [card for card in during if card.what == (fault.type, fault.subject)]
        also = [card for card in during if card.what in fault.also]
        explained.update(hits, also)
        others = {(other.type, other.subject) for other in faults} - {(fault.type, fault.subject)}
        first = next((card for card in during if card.what not in {*fault.also, *others}), None)
        verdicts.append(
            Verdict(
                fault,
                (hits[0].hour - fault.start) * 60 if hits else None,
                len(hits),
                len(also),
                bool(hits) and first is hits[0],
            )
        )
    return verdicts, [card for card in seen if card not in explained]


def is_true(faults: Sequence[Fault], hour: float, what: tuple[str, str]) -> bool:
    """Whether a finding at this hour is about a fault that its longest window can contain."""
    return any(
        what in {(fault.type, fault.subject), *fault.also}
        and fault.start <= hour <= fault.end + MEMORY_HOURS
        for fault in faults
    )


class Bench:
    """The directories of one world and the ways to run tgt over it."""

    def __init__(self, directory: Path, world: World, seed: int) -> None:
        self.directory = directory
        self.world = world
        self.begin = worlds.begin(seed)
        docs = directory / "docs"
        docs.mkdir()
        (docs / "tools.md").write_text("\n".join(worlds.DOCUMENTED), encoding="utf-8")
        worlds.write(world, seed, directory / "context_log")

    def environment(self, **more: str) -> dict[str, str]:
        """Only what is set here reaches tgt: settings of the caller would change the figures."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "FGK_CONTEXTLOG_DIR": str(self.directory / "context_log"),
            "FGK_TASKS_DIR": str(self.directory / "tasks"),
            "TASKGEN_DOCS_PATHS": str(self.directory / "docs"),
            # All failures of a tool say the same here: that they recur is true, and no news.
            "TASKGEN_ANALYZERS": "continuation,error_spike,docs_gap,performance,ux_issue",
            **more,
        }

    def times(self) -> list[datetime]:
        steps = int(self.world.hours * 60 * 60 / EVERY.total_seconds())
        return [self.begin + EVERY * (step + 1) for step in range(steps)]

    def tgt(self, *arguments: str, **more: str) -> tuple[int, dict[str, Any], str]:
        """Run the command with ``--json``: status, document and standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "tgt", *arguments, "--json"],
            cwd=self.directory,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr.strip()

    def run(self, now: datetime) -> str:
        """One run as a timer starts it; returns what went wrong."""
        status, _, complaint = self.tgt("run", "--now", now.isoformat())
        return f"{now.isoformat()}: status {status}: {complaint}" if status else ""

    def call(self, now: datetime) -> str:
        from tgt import config, cycle  # the other modes use the installed command

        report = cycle.run(config.load(environ=self.environment()), now)
        return f"{now.isoformat()}: {'; '.join(report.warnings)}" if report.warnings else ""

    def readings(self, now: datetime) -> list[tuple[float, str, str, float, bool]]:
        """All findings of a moment, whatever their confidence, by a dry run without cards.

        It borrows the cache of the run at the same moment, which a dry run does not write.
        """
        from tgt import config, cycle

        none = self.directory / "none"
        if not none.exists():
            none.mkdir()
            (none / "cache").symlink_to(self.directory / "tasks" / "cache")
        settings = config.load(
            environ=self.environment(
                FGK_TASKS_DIR=str(none),
                TASKGEN_MIN_CONFIDENCE="0",
                TASKGEN_MAX_TASKS="1000",
                TASKGEN_MAX_PER_HOUR="10000",
            )
        )
        hour = self.hour(now)
        found = [d.finding for d in cycle.run(settings, now, dry_run=True).decisions]
        return [
            (hour, f.type, f.subject, f.confidence, self.true(hour, (f.type, f.subject)))
            for f in found
        ]

    def true(self, hour: float, what: tuple[str, str]) -> bool:
        return is_true(self.world.faults, hour, what)

    def hour(self, moment: datetime) -> float:
        return (moment - self.begin).total_seconds() / 3600

    def seen(self, cards: Sequence[dict[str, Any]]) -> list[Seen]:
        found = []
        for card in cards:
            facts = (card["type"], card["subject"], float(card["confidence"]))
            found.append(Seen(self.hour(datetime.fromisoformat(card["generatedAt"])), *facts))
            if card.get("reopenedAt"):
                again = self.hour(datetime.fromisoformat(card["reopenedAt"]))
                found.append(Seen(again, *facts, reopened=True))
        return sorted(found, key=lambda card: card.hour)

    def complete_open_cards(self, now: datetime) -> None:
        _, document, _ = self.tgt("list")
        ids = [card["id"] for card in document.get("tasks", [])]
        if ids:
            self.tgt("complete", *ids, "--now", now.isoformat())


def measure(
    world: World, seed: int, mode: str, *, reliability: bool = False, bounds: bool = False
) -> Result:
    """Write one world, run tgt over it and judge the cards."""
    result = Result(world.name, seed, world.hours, has_bounds=bounds)
    with tempfile.TemporaryDirectory(prefix="tgt-world-") as name:
        bench = Bench(Path(name), world, seed)
        started = time.monotonic()
        if mode == "backtest" and world.complete_at is None:
            seen = _backtest(bench, result)
        else:
            step = bench.run if mode == "run" else bench.call
            _replay(bench, result, step, reliability=reliability)
            _, document, _ = bench.tgt("list", "--all")
            seen = bench.seen(document.get("tasks", []))
        result.seconds = time.monotonic() - started
        result.verdicts, result.false = judge(world.faults, seen)
        if bounds:
            logs = bench.directory / "context_log"
            result.verdicts = [
                replace(each, bound=bound.delay(world, seed, each.fault, logs))
                for each in result.verdicts
            ]
    return result


def _replay(
    bench: Bench, result: Result, run: Callable[[datetime], str], *, reliability: bool
) -> None:
    complete_at = bench.world.complete_at
    for now in bench.times():
        if complete_at is not None and bench.hour(now) >= complete_at:
            bench.complete_open_cards(now)
            complete_at = None
        problem = run(now)
        result.runs += 1
        if problem:
            result.problems.append(problem)
        if reliability:
            result.readings += bench.readings(now)


def _backtest(bench: Bench, result: Result) -> list[Seen]:
    """What ``tgt backtest`` says would have appeared. Nobody completes a card there: one whose
    problem was quiet for a day is over, and the next incident is the card coming back."""
    times = bench.times()
    status, document, complaint = bench.tgt(
        "backtest",
        *("--since", bench.begin.isoformat(), "--until", times[-1].isoformat(), "--every", "15m"),
    )
    if status:
        raise SystemExit(f"tgt backtest failed with status {status}: {complaint}")
    told = document["backtest"]
    result.runs = told["runs"]
    return [
        Seen(
            bench.hour(datetime.fromisoformat(step["at"])),
            *(step["type"], step["subject"], step["confidence"]),
            reopened=step["action"] == "reopen",
        )
        for step in told["steps"]
        if step["action"] in {"save", "reopen"}
    ]


def outcome(result: Result) -> str:
    """What one world showed, in a line."""
    told = [
        f"{v.fault.subject} not found"
        if v.delay is None
        else f"{v.fault.subject} after {v.delay:.0f} min in {v.cards} card(s)"
        for v in result.verdicts
    ]
    told.append(f"{len(result.false)} false card(s)")
    return f"{result.world} seed {result.seed}: {', '.join(told)}"


@dataclass(frozen=True)
class FalseCards:
    """False cards in so many weeks of healthy traffic; nine of ten times the weekly rate lies
    between ``least`` and ``most``."""

    cards: int
    weeks: float

    @property
    def rate(self) -> float:
        return self.cards / self.weeks

    @property
    def least(self) -> float:
        return float(chi2.ppf(0.05, 2 * self.cards)) / 2 / self.weeks if self.cards else 0.0

    @property
    def most(self) -> float:
        return float(chi2.ppf(0.95, 2 * self.cards + 2)) / 2 / self.weeks


def false_cards(results: Sequence[Result]) -> dict[str, FalseCards]:
    """Those of every healthy world."""
    found: dict[str, FalseCards] = {}
    for result in results:
        if not result.verdicts:
            before = found.get(result.world, FalseCards(0, 0.0))
            weeks = before.weeks + result.hours / worlds.WEEK_HOURS
            found[result.world] = FalseCards(before.cards + len(result.false), weeks)
    return found


def by_fault(results: Sequence[Result]) -> dict[str, dict[str, float | None]]:
    """Figures of every fault, over the seeds of its world."""
    groups: dict[str, list[Verdict]] = {}
    for result in results:
        is_one = len({(v.fault.type, v.fault.subject) for v in result.verdicts}) == 1
        for verdict in result.verdicts:
            name = verdict.fault.subject.partition("/")[2]
            groups.setdefault(result.world if is_one else f"{result.world}: {name}", []).append(
                verdict
            )
    has_bounds = any(result.has_bounds for result in results)
    return {fault: _figures(verdicts, has_bounds) for fault, verdicts in groups.items()}


def _figures(verdicts: Sequence[Verdict], has_bounds: bool) -> dict[str, float | None]:
    found = [verdict for verdict in verdicts if verdict.delay is not None]
    return {
        **_delays([verdict.delay for verdict in verdicts], ""),
        **(_delays([verdict.bound for verdict in verdicts], "bound") if has_bounds else {}),
        "faults": len(verdicts),
        "cardsPerFault": statistics.fmean(v.cards for v in found) if found else None,
        "consequences": statistics.fmean(v.consequences for v in verdicts),
        "subjectRight": statistics.fmean(v.right for v in found) if found else None,
    }


def _delays(delays: Sequence[float | None], whose: str) -> dict[str, float | None]:
    """What share is found, and the quantiles of the delay over all: None for one that is never."""
    ordered = sorted(math.inf if delay is None else delay for delay in delays)
    told = {
        "found": sum(map(math.isfinite, ordered)) / len(ordered),
        "medianDelayMinutes": quantile(ordered, 0.5),
        "delay90Minutes": quantile(ordered, 0.9),
    }
    return {
        f"{whose}{key[0].upper()}{key[1:]}" if whose else key: value
        if math.isfinite(value)
        else None
        for key, value in told.items()
    }


def quantile(values: Sequence[float], fraction: float) -> float:
    """The smallest value that so many of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(fraction * len(ordered)) - 1)]


def interval(share: float, n: float) -> tuple[float, float]:
    """In which the share lies nine of ten times after n (Wilson)."""
    middle, spread = share + _Z * _Z / (2 * n), share * (1 - share) / n + _Z * _Z / (4 * n * n)
    scale, width = 1 + _Z * _Z / n, _Z * math.sqrt(spread)
    return max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale)


def reliability_table(results: Sequence[Result]) -> list[dict[str, float]]:
    """Per bin of confidence: findings and their true share; the same for the first of each.

    Findings of following runs rest on the same events; ``first`` are those not seen in the
    24 hours before, which is when a card would be written. For the same reason the interval of a
    share is that of as many findings as there are subjects of worlds among them.
    """
    rows: list[tuple[float, bool, bool, tuple[int, str, str]]] = []
    for place, result in enumerate(results):
        last: dict[tuple[str, str], float] = {}
        for hour, kind, subject, confidence, true in sorted(result.readings):
            fresh = hour - last.get((kind, subject), -1e9) > MEMORY_HOURS
            last[kind, subject] = hour
            rows.append((confidence, true, fresh, (place, kind, subject)))
    table = []
    for low, high in itertools.pairwise(BINS):
        inside = [row for row in rows if low <= row[0] < high]
        first = [true for _, true, fresh, _ in inside if fresh]
        if inside:
            share = sum(true for _, true, _, _ in inside) / len(inside)
            subjects = len({subject for _, _, _, subject in inside})
            lowest, highest = interval(share, subjects)
            table.append(
                {
                    "from": low,
                    "to": min(high, 1.0),
                    "stated": statistics.fmean(row[0] for row in inside),
                    "findings": len(inside),
                    "subjects": subjects,
                    "true": share,
                    "trueAtLeast": lowest,
                    "trueAtMost": highest,
                    "first": len(first),
                    "firstTrue": sum(first) / len(first) if first else 0.0,
                }
            )
    return table


def document(results: Sequence[Result]) -> dict[str, Any]:
    """All figures as one JSON value."""
    return {
        "seeds": sorted({result.seed for result in results}),
        "falseCards": {
            world: {"perWeek": each.rate, "atLeast": each.least, "atMost": each.most}
            for world, each in false_cards(results).items()
        },
        "faults": by_fault(results),
        "together": together(results),
        "reliability": reliability_table(results),
        "worlds": [asdict(result) for result in results],
    }


def together(results: Sequence[Result]) -> dict[str, dict[str, float | None]]:
    """Figures of faults of several worlds: those that are large, and those that can be known within
    so many minutes."""
    every = [verdict for result in results for verdict in result.verdicts]
    has_bounds = any(result.has_bounds for result in results)
    groups = {"all": every, "large": [each for each in every if each.fault.target]}
    if has_bounds:
        groups |= {
            f"known within {minutes} min": [
                each for each in every if each.bound is not None and each.bound <= minutes
            ]
            for minutes in KNOWN_WITHIN
        }
    return {name: _figures(some, has_bounds) for name, some in groups.items() if some}


def text(results: Sequence[Result]) -> str:
    """The figures as plain tables."""
    lines = [f"seeds {', '.join(str(seed) for seed in sorted({r.seed for r in results}))}"]
    healthy = false_cards(results)
    if healthy:
        mean = FalseCards(
            sum(w.cards for w in healthy.values()), sum(w.weeks for w in healthy.values())
        )
        head = _head("weeks", "false cards", "a week", "9 of 10 in")
        lines += ["", f"{'healthy world':<{_NAME}}{head}"]
        lines += [
            f"{world:<{_NAME}}{each.weeks:>12.1f}{each.cards:>12}{each.rate:>12.2f}"
            f"{each.least:>7.2f}-{each.most:.2f}"
            for world, each in {**healthy, "all": mean}.items()
        ]
    figures = by_fault(results)
    if figures:
        columns = [*_COLUMNS, *(_BOUND_COLUMNS if any(r.has_bounds for r in results) else ())]
        lines += ["", f"{'fault':<{_NAME}}{_head(*(column[0] for column in columns))}"]
        lines += [
            f"{name:<{_NAME}}{''.join(_cell(row[key], form) for _, key, form in columns)}"
            for name, row in (*figures.items(), *together(results).items())
        ]
    table = reliability_table(results)
    if table:
        head = _head("stated", "findings", "subjects", "true", "9 of 10 in", "first true")
        lines += ["", f"{'confidence':<{_NAME}}{head}"]
        for row in table:
            span = f"{row['from']:.2f} to {row['to']:.2f}"
            lines.append(
                f"{span:<{_NAME}}{row['stated']:>12.2f}{row['findings']:>12.0f}"
                f"{row['subjects']:>12.0f}{row['true']:>12.2f}"
                f"{row['trueAtLeast']:>7.2f}-{row['trueAtMost']:.2f}{row['firstTrue']:>12.2f}"
            )
    false = [(result, card) for result in results for card in result.false]
    if false:
        lines += ["", "false cards"]
        lines += [
            f"  {result.world} seed {result.seed}, hour {card.hour:.2f}: {card.type} "
            f"{card.subject} ({card.confidence:.2f}{', reopened' if card.reopened else ''})"
            for result, card in false
        ]
    missed = [(r, v) for r in results for v in r.verdicts if v.delay is None]
    if missed:
        lines += ["", "not found"]
        lines += [f"  {r.world} seed {r.seed}: {v.fault.type} {v.fault.subject}" for r, v in missed]
    problems = [f"  {r.world} seed {r.seed}: {p}" for r in results for p in r.problems]
    if problems:
        lines += ["", f"runs that did not go well: {len(problems)}", *problems[:20]]
    runs, seconds = sum(r.runs for r in results), sum(r.seconds for r in results)
    lines += ["", f"{runs} runs, {seconds / max(runs, 1):.2f} s each"]
    return "\n".join(lines)


def _head(*words: str) -> str:
    return "".join(f"{word:>12}" for word in words)


def _cell(value: float | None, form: str) -> str:
    return f"{'-':>12}" if value is None else f"{value:>12{form}}"


def choose(names: str, per_hour: float, weeks: int, *, quick: bool) -> list[World]:
    """The worlds named: ``all``, ``healthy``, ``faults`` or single ones."""
    sound, ill = list(worlds.healthy(per_hour, weeks)), list(worlds.faulty(per_hour))
    if quick:
        sound = [World(w.name, 24.0, w.change, (), w.base, None, w.diurnal) for w in sound]
    groups = {"all": [*sound, *ill], "healthy": sound, "faults": ill}
    single = {world.name: [world] for world in groups["all"]}
    chosen: list[World] = []
    for name in names.split(","):
        if name not in groups and name not in single:
            raise SystemExit(f"no world {name!r}: there are {', '.join((*groups, *single))}")
        chosen += groups.get(name) or single[name]
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--worlds", default="all", help="all, healthy, faults, or names")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds a world")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=1, help="length of the healthy worlds")
    parser.add_argument("--per-hour", type=float, default=40.0, help="conversations an hour")
    parser.add_argument("--mode", choices=("run", "call", "backtest"), default="run")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--reliability", action="store_true", help="also look below the gate (not in a backtest)"
    )
    parser.add_argument(
        "--bound", action="store_true", help="also when each fault could be known at all"
    )
    parser.add_argument("--quick", action="store_true", help="a day of each healthy world")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = choose(options.worlds, options.per_hour, options.weeks, quick=options.quick)
    names = ",".join(world.name for world in chosen)
    work = [
        (name, seed)
        for name in dict.fromkeys(names.split(","))
        for seed in range(options.first_seed, options.first_seed + options.seeds)
    ]
    order = {pair: index for index, pair in enumerate(work)}
    results: list[Result] = []
    failed: list[str] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(_job, name, seed, options): (name, seed) for name, seed in work}
        for number, future in enumerate(as_completed(futures), start=1):
            try:
                result = future.result()
            except Exception as problem:  # noqa: BLE001 hours of other worlds are not thrown away
                name, seed = futures[future]
                told = f"{name} seed {seed}: not measured, {type(problem).__name__}: {problem}"
                failed.append(told)
            else:
                results.append(result)
                told = f"in {result.seconds:.0f} s: {outcome(result)}"
            print(f"{number}/{len(work)} {told}", file=sys.stderr, flush=True)
    results.sort(key=lambda result: order[result.world, result.seed])
    print(json.dumps(document(results), indent=1) if options.json else text(results))
    if failed:
        raise SystemExit("\n".join(failed))


def _job(name: str, seed: int, options: argparse.Namespace) -> Result:
    # By name: what a world does over time is a function and cannot be sent to a process.
    (world,) = choose(name, options.per_hour, options.weeks, quick=options.quick)
    return measure(world, seed, options.mode, reliability=options.reliability, bounds=options.bound)


if __name__ == "__main__":
    main()
