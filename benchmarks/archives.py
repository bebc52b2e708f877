"""Archives of coding agents' sessions with known truth: which recurring errors and loops are found.

An archive is a week of sessions, written as the agent writes its files. Planted in it are

- errors that recur: the same family of error texts in three to five sessions, each time with other
  paths, numbers and names, and often after other output of the command;
- as many errors that do not: in one or two sessions only;
- what is no error, in five sessions each: tests that fail, calls that a person refused, files that
  are not there, another one each time;
- loops: calls that fail in a row; the same call failing, in a row or with others in between;
- what is no loop: a poll, and tests or checks of code that fail again after each change.

tgt runs once over the whole of it. A recurring error is found if there is a card whose template is
that of one of its texts, and not of the output before. A card is false if its template is of none
planted, and no error that came up in three sessions by chance. The loops of a tool are found if
there is a card about the tool; loops that it tells of beyond those planted are false. The families
are data: whoever adds one adds a few lines to ``archive_errors.toml``.

    python -m benchmarks.archives --seeds 3 --as claude-code,codex
    python -m benchmarks.archives --sessions 60 --planted 40 --verbose
    python -m benchmarks.archives --only git-stash,docker-daemon --planted 2 --json
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from benchmarks.archive_errors import BASH, FAMILIES, Data, Family, Words, load
from benchmarks.archive_sessions import AGENTS, Line, Session
from tgt import cycle
from tgt.config import settings_of
from tgt.tasks.card import TaskType
from tgt.tasks.ledger import Action
from tgt.templates import template

BEGIN = datetime(2026, 1, 20, 9, tzinfo=timezone.utc)
DAYS = 7
_WEEK = timedelta(days=DAYS)
RECURS = 3  # conversations, as the analyzer has it
NOISE = 6
NOISE_SESSIONS = 5
FORMS = ("row", "same", "between", "row")
"""The loops of an archive: calls with other arguments in a row, the same call in a row, the same
call with calls that go well in between."""


@dataclass(frozen=True)
class Plan:
    """Which archive: ``only`` names the families that may be planted, or none for all."""

    agent: str
    seed: int
    sessions: int = 18
    planted: int = 14
    loops: int = len(FORMS)
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.agent} {self.seed}"


@dataclass
class Truth:
    """What was written: the templates of the families that were planted, the sessions in which a
    template was a problem, and how many loops there are of each tool."""

    planted: dict[str, set[str]] = field(default_factory=dict)
    sessions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    loops: Counter[str] = field(default_factory=Counter)


Act = Callable[[int, Session], None]
"""Something that happens in a session; the number is the session's."""


class Archive:
    """Writes the sessions of a plan, and knows what is in them."""

    def __init__(self, data: Data, plan: Plan) -> None:
        self.plan = plan
        self.rng = random.Random(f"{plan.agent} {plan.seed}")
        self.words = Words(self.rng, data)
        self.truth = Truth()
        self.agent = AGENTS[plan.agent]
        self.families = [f for f in data.families if f.is_command or not self.agent.only_commands]
        self.problems = [f for f in self.families if not f.noise]
        self._acts: list[list[Act]] = [[] for _ in range(plan.sessions)]

    def write(self, directory: Path) -> Truth:
        self._plan_errors()
        self._plan_loops()
        for number, acts in enumerate(self._acts):
            start = BEGIN + number * (_WEEK - timedelta(hours=12)) / self.plan.sessions
            session = self.agent(
                self.words,
                f"{self.plan.seed:08}-0000-4000-8000-{number:012}",
                start + timedelta(minutes=self.words.n(0, 50)),
            )
            self.rng.shuffle(acts)
            for act in acts:
                self._go_well(session, self.words.n(1, 6))
                act(number, session)
            self._go_well(session, self.words.n(2, 8))
            session.end()
            session.write(directory)
        return self.truth

    def _plan_errors(self) -> None:
        plan, rng = self.plan, self.rng
        named = [f for f in self.problems if not plan.only or f.name in plan.only]
        planted = rng.sample(named, min(plan.planted, len(named)))
        others = [f for f in self.problems if f not in planted]
        noise = [f for f in self.families if f.noise]
        for family in planted:
            self.truth.planted[family.name] = set()
            self._spread(family, rng.choice((RECURS, RECURS, 4, 5)))
        for family in rng.sample(others, min(plan.planted, len(others))):
            self._spread(family, rng.choice((1, 1, 2)))
        for family in rng.sample(noise, NOISE):
            self._spread(family, NOISE_SESSIONS)

    def _spread(self, family: Family, sessions: int) -> None:
        for number in self.rng.sample(range(len(self._acts)), min(sessions, len(self._acts))):
            for _ in range(self.rng.choice((1, 1, 1, 2))):
                self._acts[number].append(lambda n, session: self._err(n, session, family))

    def _plan_loops(self) -> None:
        numbers = self.rng.sample(range(len(self._acts)), min(self.plan.loops, len(self._acts)))
        for number, form in zip(numbers, FORMS, strict=False):
            family = self._looping(form)
            self.truth.loops[self.agent.named(family.tool)] += 1
            self._acts[number].append(self._loop(form, family))
        again = [f for f in self.families if f.is_checked_again]
        controls = [self._poll, *map(self._checked_again, self.rng.sample(again, 3))]
        for act in controls:
            self._acts[self.rng.randrange(len(self._acts))].append(act)

    def _looping(self, form: str) -> Family:
        """An error for a loop, of a tool that has none yet if there is one."""
        able = [f for f in self.problems if form != "between" or not f.is_work]
        fresh = [f for f in able if self.agent.named(f.tool) not in self.truth.loops]
        # Most calls are commands, and so are most loops.
        commands = [f for f in able if f.is_command]
        return self.rng.choice(commands if self.rng.random() < 0.5 else fresh or able)

    # --- what happens in a session ---

    def _go_well(self, session: Session, times: int = 1, tool: str = "") -> None:
        for _ in range(times):
            used = tool or self.words.one(session.tools)
            paths = "\n".join(self.words.path() for _ in range(self.words.n(1, 6)))
            answer = self.words.one(("done", f"{self.words.n()} lines", paths))
            session.call(used, self._arguments(used), answer, failed=False)

    def _fail(self, number: int, session: Session, family: Family, arguments: Line) -> None:
        text, before = self.words.error(family), self.words.before(family)
        answer = before + text
        for said in {template(text), template(answer)} - {template(before)}:
            if said is not None and not family.noise:
                self.truth.sessions[said].add(number)
                if family.name in self.truth.planted:
                    self.truth.planted[family.name].add(said)
        session.call(family.tool, arguments, answer, failed=True, status=family.status)

    def _err(self, number: int, session: Session, family: Family) -> None:
        """An error that the agent gets over, mostly."""
        self._fail(number, session, family, self._arguments(family.tool))
        self._go_well(session, tool=family.tool if self.rng.random() < 0.8 else "")

    def _loop(self, form: str, family: Family) -> Act:
        def act(number: int, session: Session) -> None:
            same = self._arguments(family.tool)
            for _ in range(self.words.one((6, 7, 9))):
                arguments = self._arguments(family.tool) if form == "row" else same
                self._fail(number, session, family, arguments)
                if form == "between":
                    self._go_well(session, tool="Read" if family.tool == "Edit" else "Edit")

        return act

    def _poll(self, _: int, session: Session) -> None:
        for step in range(9):
            asked = {"command": "sleep 5; show-build 12", "description": "Look at the build"}
            session.call(BASH, asked, f"in progress, step {step} of 9", failed=False)

    def _checked_again(self, family: Family) -> Act:
        def act(number: int, session: Session) -> None:
            check = {"command": "make check", "description": "Check"}
            for _ in range(8):
                self._fail(number, session, family, check)
                self._go_well(session, tool="Edit")

        return act

    def _arguments(self, tool: str) -> Line:
        words = self.words
        if self.agent.only_commands or tool == BASH:
            return {"command": f"{words.verb()} {words.path()} --{words.name()}"}
        if tool in {"Read", "Edit", "Write", "MultiEdit"}:
            return {"file_path": words.fill("{file}"), "text": words.function()}
        return {"query": words.name(), "number": words.n()}


# --- what is found --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What one archive showed: names of families, templates of cards, and tools."""

    archive: str
    planted: int
    missed: dict[str, list[str]]
    cards: int
    false: list[str]
    loops: int
    loops_found: int
    tools: int
    missed_tools: list[str]
    false_loops: dict[str, int]
    seconds: float

    @property
    def found(self) -> int:
        return self.planted - len(self.missed)


def measure(data: Data, plan: Plan) -> Result:
    """Write one archive, run tgt over it and judge the cards."""
    with tempfile.TemporaryDirectory(prefix="tgt-archive-") as made:
        directory = Path(made)
        truth = Archive(data, plan).write(directory / "sessions")
        started = time.monotonic()
        recurring, loops = _cards(directory, plan.agent)
        seconds = time.monotonic() - started
    return judge(plan.name, truth, recurring, loops, seconds)


def _cards(directory: Path, agent: str) -> tuple[list[str], dict[str, int]]:
    """The templates of the cards about recurring errors; the loops of each tool with a card."""
    given = {
        "TASKGEN_SOURCE": f"{agent}:{directory / 'sessions'}",
        "FGK_TASKS_DIR": str(directory / "tasks"),
        "TASKGEN_WINDOW_MIN": str(DAYS * 24 * 60),
        "TASKGEN_RECURRING_DAYS": str(DAYS),
        "TASKGEN_MAX_TASKS": "1000",
        "TASKGEN_MAX_PER_HOUR": "1000",
    }
    report = cycle.run(settings_of(given), BEGIN + _WEEK)
    if report.warnings or report.malformed_lines:
        raise SystemExit(f"{agent}: {report.malformed_lines} malformed lines; {report.warnings}")
    saved = [each.finding for each in report.decisions if each.action is Action.SAVE]
    recurring = [f.evidence.details["template"] for f in saved if f.type == TaskType.RECURRING]
    loops = {
        f.subject.removeprefix("tool_call/"): f.evidence.details["loops"]
        for f in saved
        if f.type == TaskType.LOOP
    }
    return recurring, loops


def judge(
    archive: str, truth: Truth, recurring: Sequence[str], loops: dict[str, int], seconds: float
) -> Result:
    """Hold the cards against what was written."""
    told, right = set(recurring), set[str]().union(*truth.planted.values())
    false_loops = {tool: n - truth.loops[tool] for tool, n in loops.items()}
    return Result(
        archive,
        planted=len(truth.planted),
        missed={name: sorted(texts) for name, texts in truth.planted.items() if not texts & told},
        cards=len(recurring),
        false=[
            text
            for text in recurring
            if text not in right and len(truth.sessions.get(text, ())) < RECURS
        ],
        loops=truth.loops.total(),
        loops_found=sum(min(loops.get(tool, 0), n) for tool, n in truth.loops.items()),
        tools=len(truth.loops),
        missed_tools=[tool for tool in truth.loops if tool not in loops],
        false_loops={tool: n for tool, n in false_loops.items() if n > 0},
        seconds=seconds,
    )


def totals(results: Sequence[Result]) -> dict[str, int | float]:
    """The figures of all archives together."""
    planted, cards = sum(r.planted for r in results), sum(r.cards for r in results)
    found, false = sum(r.found for r in results), sum(len(r.false) for r in results)
    tools = sum(r.tools for r in results)
    return {
        "archives": len(results),
        "planted": planted,
        "found": found,
        "recall": found / planted if planted else 1.0,
        "cards": cards,
        "false": false,
        "precision": 1 - false / cards if cards else 1.0,
        "loops": sum(r.loops for r in results),
        "loopsFound": sum(r.loops_found for r in results),
        "falseLoops": sum(n for r in results for n in r.false_loops.values()),
        "tools": tools,
        "toolsFound": tools - sum(len(r.missed_tools) for r in results),
        "seconds": sum(r.seconds for r in results),
    }


_COLUMNS = {
    "planted": "planted",
    "found": "found",
    "cards": "cards",
    "false": "false",
    "loops": "loops",
    "loopsFound": "found",
    "falseLoops": "false",
    "tools": "tools",
    "toolsFound": "found",
}


def table(results: Sequence[Result], *, verbose: bool = False) -> str:
    """A row for each archive and one for all; what was missed and what was false if ``verbose``."""
    rows = [f"{'archive':<16}" + "".join(f"{each:>9}" for each in (*_COLUMNS.values(), "seconds"))]
    rows += [_row(result.archive, totals([result])) for result in results]
    figures = totals(results)
    rows += [_row("all of them", figures), ""]
    rows.append(f"recall {figures['recall']:.1%}, precision {figures['precision']:.1%}")
    return "\n".join([*rows, *(_details(results) if verbose else ())])


def _row(name: str, figures: dict[str, int | float]) -> str:
    cells = "".join(f"{figures[key]:>9}" for key in _COLUMNS)
    return f"{name:<16}{cells}{figures['seconds']:>9.1f}"


def _details(results: Iterable[Result]) -> list[str]:
    rows: list[str] = []
    for each in results:
        missed = [f"missed {name}: {' | '.join(t)}" for name, t in each.missed.items()]
        false = [f"false: {text}" for text in each.false]
        tools = [f"no loop of {tool}" for tool in each.missed_tools]
        loops = [f"{n} false loops of {tool}" for tool, n in each.false_loops.items()]
        rows += [f"{each.archive}: {told}" for told in (*missed, *false, *tools, *loops)]
    return ["", *rows] if rows else []


def document(results: Sequence[Result]) -> dict[str, Any]:
    """All figures as one JSON value."""
    return {"totals": totals(results), "archives": [asdict(result) for result in results]}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(each for each in text.split(",") if each)


def _plans(options: argparse.Namespace, data: Data) -> list[Plan]:
    agents, only = _listed(options.agents), _listed(options.only)
    if unknown := set(agents) - set(AGENTS):
        raise SystemExit(f"no agent {', '.join(unknown)}: there are {', '.join(AGENTS)}")
    if unknown := set(only) - {family.name for family in data.families}:
        raise SystemExit(f"{FAMILIES.name} has no family {', '.join(unknown)}")
    return [
        Plan(agent, seed, options.sessions, options.planted, only=only)
        for agent in agents
        for seed in range(options.first_seed, options.first_seed + options.seeds)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--as", dest="agents", default=",".join(AGENTS), help=", ".join(AGENTS))
    parser.add_argument("--seeds", type=int, default=1, help="how many archives of each agent")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=Plan.sessions)
    parser.add_argument("--planted", type=int, default=Plan.planted, help="errors that recur")
    parser.add_argument("--only", default="", help="the families that may be planted")
    parser.add_argument("--verbose", action="store_true", help="also what was missed or is false")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = load()
    results = [measure(data, plan) for plan in _plans(options, data)]
    told = document(results)
    print(json.dumps(told, indent=1) if options.json else table(results, verbose=options.verbose))


if __name__ == "__main__":
    main()
