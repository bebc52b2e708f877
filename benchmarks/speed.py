"""How fast tgt is at any history, measured on the machine at hand.

    python -m benchmarks.speed --quick
    python -m benchmarks.speed --case cold --per-hour 20000 --hours 168

Telemetry and cards are made up here, of chosen sizes. What a run costs is told next to what one
bare DuckDB query over the same files, an empty directory or the mere imports cost, measured in
turn with it, because seconds of one machine say little. Each figure is the median of its repeats.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

END = datetime(2025, 11, 24, 12, tzinfo=timezone.utc)
"""The end of the telemetry, and the time of the measured runs."""

CASES = ("empty", "cold", "growth", "replay", "cards")
_TOOLS = ("read_file", "run_bash", "search_code", "write_file", "git_diff", "list_files")
_QUARTER = timedelta(minutes=15)
_NO_QUOTA = {"TASKGEN_MAX_TASKS": "100", "TASKGEN_MAX_PER_HOUR": "100"}
_STATUSES = ("generated", "approved", "dismissed", "completed")
_TYPES = ("error_spike", "performance_degradation", "documentation_gap", "ux_issue")
_SEVERITIES = ("critical", "high", "medium", "low")
_TEXT = "the quick brown fox jumps over the lazy dog " * 40

_NEEDED = (
    *("ts", "act", "name", "status", "conv_id", "trace_id", "actor", "elapsed_ms"),
    *("finish_reason", "continuation", "error_type", "model", "id"),
)
_BARE = """
import sys, duckdb
query = duckdb.connect()
query.execute("SET preserve_insertion_order = false")
names = {names!r}
columns = "{{" + ", ".join(f"'{{name}}': 'VARCHAR'" for name in names) + "}}"
kept = ", ".join(f"max({{name}})" for name in names if name not in {keys!r})
query.execute(
    f"SELECT {{', '.join({keys!r})}}, count(*){{', ' if kept else ''}}{{kept}}"
    f" FROM read_ndjson(?, columns = {{columns}}, ignore_errors = true) GROUP BY ALL",
    [sys.argv[1] + "/*.jsonl"],
).fetchall()
"""
BARE = _BARE.format(names=_NEEDED, keys=("act", "name", "status"))
BARE_TWO = _BARE.format(names=("act", "status"), keys=("act", "status"))
ENGINE_IMPORTS = "import typer, pydantic, duckdb"
IMPORTS = "import typer, pydantic"
LEAST = "a typer command with one option"
_LEAST = """
import typer
app = typer.Typer(add_completion=False)
@app.command()
def main(json: bool = typer.Option(False, "--json")):
    print("{}")
app(["--json"])
"""


# --- telemetry and cards -------------------------------------------------------------------------


def hour_template(per_hour: int, seed: int, *, steps: bool) -> list[str]:
    """The lines of one hour in the order of time, with ``@`` for the hour they are of.

    A conversation is a user's message, calls of tools and the answers around them; with ``steps``
    a call is a start and a finish record, as tool executors write them.
    """
    chance = random.Random(seed)
    lines: list[tuple[float, str]] = []
    conversation = 0
    while len(lines) < per_hour:
        conversation += 1
        names = f'"conv_id":"c-@-{seed}-{conversation}","trace_id":"t-@-{seed}-{conversation}"'
        at = chance.uniform(0, 3550)
        events = ['"actor":"user","act":"message","content_preview":"' + _TEXT[:90] + '"']
        for _ in range(chance.randint(1, 7)):
            tool = chance.choice(_TOOLS)
            failed = chance.random() < 0.02
            status = "error" if failed else "ok"
            ms = round(chance.lognormvariate(5, 0.6))
            events.append(_answer(chance, "tool_calls"))
            call = f'"actor":"tool","name":"{tool}","iter":{len(events)},'
            path = f"src/{chance.randrange(10**6)}/{_TEXT[:43]}"
            args = '"args_preview":"{\\"path\\": \\"' + path + '\\"}"'
            end = f'"status":"{status}","elapsed_ms":{ms},"result_preview":"{_TEXT[:120]}"'
            if failed:
                end += f',"error":"ENOENT: no such file, open \'{path}\'"'
                end += ',"error_type":"ENOENT"'
            if steps:
                events.append(f'{call}"act":"tool_execution_start",{args}')
                word = "error" if failed else "finish"
                events.append(f'{call}"act":"tool_execution_{word}",{end}')
            else:
                events.append(f'{call}"act":"tool_call",{args},{end}')
        events.append(_answer(chance, "length" if chance.random() < 0.03 else "stop"))
        for event in events:
            at = min(at + chance.uniform(0.2, 4), 3599.9)
            stamp = f"@:{int(at) // 60:02d}:{at % 60:06.3f}Z"
            number = len(lines)
            line = f'{{"id":"e-@-{seed}-{number}","ts":"{stamp}",{names},{event}}}\n'
            lines.append((at, line))
    return [line for _, line in sorted(lines[:per_hour], key=lambda entry: entry[0])]


def _answer(chance: random.Random, finish: str) -> str:
    ms = round(chance.lognormvariate(6.5, 0.4))
    return (
        '"actor":"assistant","act":"assistant_response","model":"gpt-oss-120b","status":"ok",'
        f'"finish_reason":"{finish}","elapsed_ms":{ms},"input_tokens":1200,"output_tokens":210,'
        f'"result_preview":"{_TEXT[:100]}"'
    )


def write_telemetry(directory: Path, per_hour: int, hours: int, *, steps: bool = False) -> None:
    """Hourly ContextLog files up to END, each of one of a few templates."""
    directory.mkdir(parents=True)
    templates = ["".join(hour_template(per_hour, seed, steps=steps)) for seed in range(3)]
    for back in range(hours, 0, -1):
        hour = END - timedelta(hours=back)
        text = templates[back % len(templates)].replace("@", f"{hour:%Y-%m-%dT%H}")
        path = directory / f"ctx-{hour:%Y%m%d-%H}.jsonl"
        path.write_text(text, encoding="utf-8")
        os.utime(path, (hour.timestamp() + 3600,) * 2)


def card_line(number: int, version_number: int) -> bytes:
    """A line of about 2 KB, as a cycle writes it."""
    chance = random.Random(number)
    seen = f"2025-11-{1 + number % 23:02d}T{number % 24:02d}:15:00.000Z"
    card = {
        "id": card_id(number),
        "type": chance.choice(_TYPES),
        "severity": chance.choice(_SEVERITIES),
        "status": _STATUSES[chance.choices(range(4), (5, 5, 50, 40))[0]],
        "title": f"tool_{number} fails in {number % 50}% of the conversations that use it",
        "description": _TEXT[:300],
        "evidence": {
            "metric": "share of conversations",
            "current": "25%",
            "baseline": "3%",
            "threshold": "9%",
            "timeWindow": "1 h",
            "samples": [
                {"at": seen, "id": f"e-{number}-{n}", "error": _TEXT[:80]} for n in range(3)
            ],
            "details": {"value": 0.25, "history": [0.01 * (n % 7) for n in range(24)]},
        },
        "suggestedFix": {"approach": _TEXT[:120], "files": [], "changes": [_TEXT[:60]] * 3},
        "acceptanceCriteria": [_TEXT[:70]] * 3,
        "priority": chance.randint(10, 95),
        "confidence": round(chance.uniform(0.7, 1), 4),
        "generatedAt": seen,
        "generatedBy": "tgt",
        "savedAt": seen,
        "metadata": {"analyzer": "error_spike", "relatedEvents": []},
        "fingerprint": f"{number:016x}",
        "subject": f"tool_call/tool_{number}",
        "occurrences": version_number,
        "firstSeenAt": seen,
        "lastSeenAt": seen,
    }
    return json.dumps(card, separators=(",", ":")).encode() + b"\n"


def card_id(number: int) -> str:
    return f"01K{number:023d}"


def write_cards(tasks: Path, cards: int, lines_each: int) -> None:
    """A journal in which every card was rewritten, in rounds, ``lines_each`` - 1 times."""
    tasks.mkdir(parents=True)
    with (tasks / "generated_tasks.jsonl").open("wb") as stream:
        for version_number in range(1, lines_each + 1):
            for number in range(cards):
                stream.write(card_line(number, version_number))


def _apart(action: Callable[..., None], *arguments: object, **named: object) -> None:
    """Do it in a process of its own: a child's peak memory begins with its parent's size."""
    process = multiprocessing.get_context("spawn").Process(
        target=action, args=arguments, kwargs=named
    )
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{action.__name__} failed")


# --- measuring -----------------------------------------------------------------------------------


@dataclass
class Figure:
    """What one command cost: the median of its times in ms, of those of all processors together,
    and the largest peak of memory. The ratios are to what it is compared with."""

    case: str
    what: str
    size: str
    times_ms: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    compared_with: str = ""
    ratio: float | None = None
    processor_times_ms: list[float] = field(default_factory=list)
    processor_ratio: float | None = None

    @property
    def median_ms(self) -> float:
        return statistics.median(self.times_ms)

    @property
    def processor_ms(self) -> float:
        return statistics.median(self.processor_times_ms)


@dataclass(frozen=True)
class Probe:
    """A command to measure, in turn with others; ``prepare`` is not timed, and told the round."""

    what: str
    command: Callable[[int], Sequence[str]]
    against: str = ""
    prepare: Callable[[int], None] = lambda _round: None
    accepted: tuple[int, ...] = (0,)


def spent(
    command: Sequence[str], directory: Path, accepted: Sequence[int], **variables: str
) -> tuple[float, float, float]:
    """Milliseconds, those of its processors, and peak MB of a child. SystemExit if it fails."""
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            # Such as PYTHONDONTWRITEBYTECODE, with which each run would compile the program again.
            if not name.startswith(("TASKGEN_", "PYTHON"))
        },
        "FGK_CONTEXTLOG_DIR": str(directory / "log"),
        "FGK_TASKS_DIR": str(directory / "tasks"),
        **variables,
    }
    errors = directory / "stderr"
    with errors.open("wb") as stderr:
        started = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        _, status, usage = os.wait4(child.pid, 0)
        ended = time.perf_counter()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in accepted:
        raise SystemExit(f"{' '.join(command)[:200]}: {child.returncode}\n{errors.read_text()}")
    processors = usage.ru_utime + usage.ru_stime
    return (ended - started) * 1000, processors * 1000, usage.ru_maxrss / 1024


def measured(
    case: str, size: str, directory: Path, probes: Sequence[Probe], repeats: int
) -> list[Figure]:
    """All probes in turn, ``repeats`` times over."""
    figures = {probe.what: Figure(case, probe.what, size) for probe in probes}
    for number in range(repeats):
        for probe in probes:
            probe.prepare(number)
            ms, processor_ms, peak = spent(probe.command(number), directory, probe.accepted)
            figure = figures[probe.what]
            figure.times_ms.append(ms)
            figure.processor_times_ms.append(processor_ms)
            figure.peak_mb = max(figure.peak_mb, peak)
    for probe in probes:
        if probe.against:
            figure = figures[probe.what]
            figure.compared_with = probe.against
            floor = figures[probe.against]
            figure.ratio = figure.median_ms / floor.median_ms
            figure.processor_ratio = figure.processor_ms / floor.processor_ms
    return list(figures.values())


def tgt(*words: str) -> Sequence[str]:
    return (sys.executable, "-m", "tgt", *words, "--now", END.isoformat())


def python(script: str, *words: str) -> Callable[[int], Sequence[str]]:
    return always((sys.executable, "-c", script, *words))


def always(command: Sequence[str]) -> Callable[[int], Sequence[str]]:
    return lambda _round: command


# --- the cases -----------------------------------------------------------------------------------


def empty(root: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """What a run costs when there is nothing to read."""
    directory = root / "empty"
    (directory / "log").mkdir(parents=True)
    probes = (
        Probe(ENGINE_IMPORTS, python(ENGINE_IMPORTS)),
        Probe(LEAST, python(_LEAST), ENGINE_IMPORTS),
        Probe("tgt run, no telemetry", lambda _round: tgt("run", "--json"), ENGINE_IMPORTS),
    )
    yield from measured("empty", "-", directory, probes, options.repeats)


class Runs:
    """Telemetry with a task directory, from which the first and the next run can be repeated."""

    def __init__(self, directory: Path, per_hour: int, hours: int, *, steps: bool) -> None:
        self._directory = directory
        self._tasks = directory / "tasks"
        self._kept = directory / "kept"
        self._with_cards = directory / "with-cards"
        self._log = directory / "log"
        _apart(write_telemetry, self._log, per_hour, hours, steps=steps)
        self._newest = max(self._log.iterdir())
        self._whole = directory / "newest"
        shutil.copy(self._newest, self._whole)

    def first(self, _round: int) -> None:
        shutil.rmtree(self._tasks, ignore_errors=True)
        shutil.copy(self._whole, self._newest)

    def next(self, _round: int) -> None:
        """The state after the run before: a quarter of an hour of events is new."""
        self._put(self._before())

    def known(self, _round: int) -> None:
        """The same, where there are cards already of all that will be found, as is usual."""
        if not self._with_cards.exists():
            self.next(0)
            spent(tgt("run", "--json"), self._directory, (0,), **_NO_QUOTA)
            shutil.copytree(self._before(), self._with_cards)
            for file in self._tasks.glob("*.json*"):
                shutil.copy(file, self._with_cards)
        self._put(self._with_cards)

    def _before(self) -> Path:
        """The task directory after the run a quarter of an hour before."""
        if not self._kept.exists():
            _apart(_shorten, self._newest, (END - _QUARTER).isoformat()[:16])
            shutil.rmtree(self._tasks, ignore_errors=True)
            before = (END - _QUARTER).isoformat()
            command = (sys.executable, "-m", "tgt", "run", "--json", "--now", before)
            spent(command, self._directory, (0,), **_NO_QUOTA)
            self._tasks.rename(self._kept)
        return self._kept

    def _put(self, tasks: Path) -> None:
        """A task directory, and the events that are new to it."""
        shutil.rmtree(self._tasks, ignore_errors=True)
        shutil.copytree(tasks, self._tasks)
        # Append, as a writer does: the file stays the same file.
        with self._newest.open("r+b") as stream, self._whole.open("rb") as whole:
            size = stream.seek(0, os.SEEK_END)
            whole.seek(size)
            shutil.copyfileobj(whole, stream)

    def again(self, _round: int) -> None:
        """Nothing is new since the run before."""


def _shorten(path: Path, until: str) -> None:
    """Cut the file before the first line of a minute."""
    kept = 0
    with path.open("rb") as stream:
        for line in stream:
            if f'"ts":"{until}'.encode() in line:
                break
            kept += len(line)
    os.truncate(path, kept)


def cold(root: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """The first run over a history, and the usual one, against one bare query over the files."""
    nothing = root / "nothing"
    nothing.mkdir()
    for per_hour, hours in options.loads:
        directory = root / f"run-{per_hour}-{hours}"
        runs = Runs(directory, per_hour, hours, steps=options.steps)
        log = str(directory / "log")
        bare = f"bare query, {len(_NEEDED)} columns"
        none = "tgt run, no telemetry"
        run = tgt("run", "--json")
        (nothing / "settings").write_text("")
        elsewhere = (f"FGK_CONTEXTLOG_DIR={nothing}", f"FGK_TASKS_DIR={nothing}/tasks")
        empty_run = ("env", *elsewhere, *run, "--env-file", str(nothing / "settings"))
        probes = (
            Probe(bare, python(BARE, log)),
            Probe("bare query, 2 columns", python(BARE_TWO, log)),
            Probe("tgt run, first", always(run), bare, runs.first),
            Probe(none, always(empty_run)),
            Probe("tgt run, 15 minutes later", always(run), none, runs.known),
            Probe("the same, with new cards", always(run), none, runs.next),
            Probe("tgt run, nothing new", always(run), none, runs.again),
        )
        size = f"{per_hour:,}/h x {hours} h"
        yield from measured("cold", size, directory, probes, options.repeats)
        shutil.rmtree(directory)


def growth(root: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """The usual run over ever longer histories."""
    shortest: Figure | None = None
    for hours in options.histories:
        directory = root / f"growth-{hours}"
        runs = Runs(directory, options.growth_per_hour, hours, steps=options.steps)
        run = tgt("run", "--json")
        probe = Probe("tgt run, 15 minutes later", always(run), "", runs.known)
        size = f"{options.growth_per_hour:,}/h x {hours} h"
        (figure,) = measured("growth", size, directory, (probe,), options.repeats)
        if shortest is None:
            shortest = figure
        else:
            figure.compared_with = f"{options.histories[0]} h"
            figure.ratio = figure.median_ms / shortest.median_ms
            figure.processor_ratio = figure.processor_ms / shortest.processor_ms
        yield figure
        shutil.rmtree(directory)


def replay(root: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """A back-test of the demo, a run every quarter of an hour, against a first run over it."""
    directory = root / "replay"
    directory.mkdir()
    week = directory / "demo"
    _apart(_write_demo, week)
    (week / "context_log").rename(directory / "log")
    settings = ("--json", "--env-file", str(week / ".env"))
    again = tgt("backtest", *settings, "--since", options.replayed, "--every", "15m")
    first = tgt("run", *settings)

    def forget(_round: int) -> None:
        shutil.rmtree(directory / "tasks", ignore_errors=True)

    floor = "tgt run, first"
    probes = (
        Probe(floor, always(first), prepare=forget),
        Probe(f"tgt backtest --since {options.replayed}", always(again), floor, forget),
    )
    yield from measured("replay", "demo", directory, probes, options.repeats)
    shutil.rmtree(directory)


def _write_demo(directory: Path) -> None:
    from tgt import demo  # not in the process that measures, which is to stay small

    demo.write(directory, END)


def cards(root: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """The commands that people type, at journals of many sizes."""
    for count, lines_each in options.journals:
        directory = root / f"cards-{count}"
        (directory / "log").mkdir(parents=True)
        _apart(write_cards, directory / "tasks", count, lines_each)
        there = (0,) if count else (0, 3)

        def on(number: int, *words: str, count: int = count) -> Sequence[str]:
            return tgt(*words, card_id(number * 7919 % max(count, 1)), "--json")

        probes = [
            Probe(IMPORTS, python(IMPORTS)),
            Probe(LEAST, python(_LEAST), IMPORTS),
            Probe("tgt list --json", lambda _round: tgt("list", "--json"), IMPORTS),
            Probe("tgt list --limit 20", lambda _round: tgt("list", "--limit", "20"), IMPORTS),
            Probe("tgt list", lambda _round: tgt("list"), IMPORTS),
            Probe("tgt show --json", lambda n: on(n, "show"), IMPORTS, accepted=there),
            Probe("tgt approve --json", lambda n: on(n, "approve"), IMPORTS, accepted=there),
            Probe("tgt run, no telemetry", lambda _round: tgt("run", "--json"), IMPORTS),
        ]
        size = f"{count:,} cards, {count * lines_each:,} lines"
        yield from measured("cards", size, directory, probes, options.repeats)
        shutil.rmtree(directory)


# --- telling -------------------------------------------------------------------------------------


def machine() -> dict[str, object]:
    model = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": model or platform.machine(),
        "python": platform.python_version(),
        "duckdb": version("duckdb"),
        "tgt": version("tgt"),
        "loadAverage": [round(load, 2) for load in os.getloadavg()],
    }


def table(figures: Iterable[Figure]) -> str:
    rows = [
        (
            figure.size,
            figure.what,
            f"{figure.median_ms:,.0f} ms",
            f"{figure.processor_ms:,.0f} ms CPU",
            f"{figure.peak_mb:,.0f} MB",
            _compared(figure),
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    right = (2, 3, 4)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _compared(figure: Figure) -> str:
    if figure.ratio is None or figure.processor_ratio is None:
        return ""
    return f"{figure.ratio:.2f} x ({figure.processor_ratio:.2f} x CPU) {figure.compared_with}"


def _pairs(text: str) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, _, b in (part.partition("x") for part in text.split(","))]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.speed", description=__doc__.split("\n")[0])
    parser.add_argument("--case", action="append", choices=CASES, help="default: all")
    parser.add_argument("--repeats", type=int, help="of each command (default: 5, quick: 1)")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a first look")
    parser.add_argument("--loads", type=_pairs, metavar="PER_HOURxHOURS,…")
    parser.add_argument("--histories", type=lambda t: [int(h) for h in t.split(",")], metavar="H,…")
    parser.add_argument("--growth-per-hour", type=int, default=1250)
    parser.add_argument("--replayed", metavar="LENGTH", help="default: 7d, quick: 3h")
    parser.add_argument("--journals", type=_pairs, metavar="CARDSxLINES_EACH,…")
    parser.add_argument("--steps", action="store_true", help="calls as start and finish records")
    parser.add_argument("--directory", type=Path, help="where to put the data (default: temporary)")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args(arguments)
    options.case = options.case or list(CASES)
    small = options.quick
    options.repeats = options.repeats or (1 if small else 5)
    options.loads = options.loads or (
        [(1250, 24)] if small else [(1250, 168), (20000, 168), (200000, 24)]
    )
    options.histories = options.histories or ([1, 24] if small else [1, 24, 168, 672])
    options.replayed = options.replayed or ("3h" if small else "7d")
    options.journals = options.journals or (
        [(0, 1), (1000, 5)] if small else [(0, 1), (10000, 1), (100000, 5)]
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    about = machine()
    if not options.json:
        print(", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    actions = {"empty": empty, "cold": cold, "growth": growth, "replay": replay, "cards": cards}
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tgt-speed-", dir=options.directory) as root:
        for case in options.case:
            action = actions[case]
            some = []
            for figure in action(Path(root), options):
                some.append(figure)
                if not options.json:
                    print(f"{figure.case}: {figure.what} done", file=sys.stderr, flush=True)
            found += some
            if not options.json:
                print(f"\n{case}: {action.__doc__}\n{table(some)}", flush=True)
    if options.json:
        rows = [{**asdict(figure), "median_ms": figure.median_ms} for figure in found]
        print(json.dumps({"machine": about, "figures": rows}, indent=1))
    else:
        print(f"\nload average at the end: {' '.join(f'{x:.2f}' for x in os.getloadavg())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
