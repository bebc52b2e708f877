"""What the tests of several parts share: a workplace of their own, the real command, real cards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from command_server import USUAL, Server, interpreter_is_as_usual

from tgt import cycle
from tgt.config import Settings, settings_of
from tgt.events import Interval
from tgt.store.journal import Journal
from tgt.store.state_file import Sidecar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from demos import Demo

    from tgt.analyzers.base import Analysis, Analyzer
    from tgt.engine.duckdb.queries import DuckDBSnapshot
    from tgt.engine.duckdb.timeline import DuckDBTimeline
    from tgt.engine.protocol import Signal
    from tgt.outcome import RunReport
    from tgt.tasks.card import Card

# A shell lets what it starts in the background ignore interrupts; every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast the machine is at the moment is no matter of what is tested.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

NOW = "2025-11-03T16:00:00.000Z"
END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
"""NOW as a time: the end of the worlds that the tests of the analysis make."""


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        assert self.out.endswith("\n")
        return json.loads(self.out)


@dataclass(frozen=True)
class Workplace:
    """A directory with nothing around it: no settings, no home, no terminal. ``server`` starts its
    commands, where it does not matter how their interpreter begins."""

    path: Path
    server: Server | None = None

    @property
    def tasks(self) -> Path:
        return self.path / ".forgekeeper" / "tasks"

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "HOME": str(self.path / "home"),
            **USUAL,
            **more,
        }

    def tgt(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        """Run the real command as of NOW and wait for it; never raises for its status."""
        around = self.environment(**environment)
        given = stdin.encode("utf-8", "surrogateescape")
        if self.server is not None and interpreter_is_as_usual(around):
            told = self.server.run(arguments, self.path, around, given, 60)
            if told is not None:
                return Result(told[0], told[1].decode(), told[2].decode())
        done = subprocess.run(
            [sys.executable, "-m", "tgt", *arguments],
            cwd=self.path,
            env=around,
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def write_journal(self, *cards: Mapping[str, Any]) -> Path:
        self.tasks.mkdir(parents=True, exist_ok=True)
        path = self.tasks / "generated_tasks.jsonl"
        path.write_text("".join(json.dumps(card) + "\n" for card in cards), encoding="utf-8")
        return path

    def write_sidecar(self, **state: Any) -> Path:
        self.tasks.mkdir(parents=True, exist_ok=True)
        path = self.tasks / "scheduler_state.json"
        path.write_text(json.dumps({"version": 1, **state}), encoding="utf-8")
        return path


@pytest.fixture(scope="session")
def no_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an account that uses no agent."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _nobody_at_home(monkeypatch: pytest.MonkeyPatch, no_home: Path) -> None:
    """Whoever runs the tests may have agents: what they keep at home is not read."""
    monkeypatch.setenv("HOME", str(no_home))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


@pytest.fixture
def workplace(tmp_path: Path, server: Server) -> Workplace:
    return Workplace(tmp_path, server)


@pytest.fixture(scope="session")
def demos(tmp_path_factory: pytest.TempPathFactory, server: Server) -> tuple[Demo, Demo]:
    """Both demos: that of a service, and that of a person's sessions with Claude Code."""
    from demos import Demo

    service, sessions = (
        Demo.of(kind, Workplace(tmp_path_factory.mktemp(kind), server))
        for kind in ("contextlog", "claude-code")
    )
    return service, sessions


@pytest.fixture(scope="session")
def card_data() -> Callable[..., dict[str, Any]]:
    """Makes the JSON object of a whole card; keyword arguments replace its keys."""
    return _card_data


def _card_data(card_id: str = "01K94XYZ00A7T4M8R2VXCDGHJK", **changes: Any) -> dict[str, Any]:
    return {
        "id": card_id,
        "type": "error_spike",
        "severity": "high",
        "status": "generated",
        "title": "read_file fails in 25% of the conversations that use it",
        "description": "14 of 56 conversations saw read_file fail; 3.1% did in the week before.",
        "evidence": {
            "metric": "share of conversations in which tool_call/read_file failed",
            "current": "25% (14 of 56)",
            "baseline": "3.1%",
            "threshold": "9.3%",
            "timeWindow": "2025-11-03 15:00 to 16:00 UTC",
            "samples": [
                {
                    "timestamp": "2025-11-03T15:41:07.120Z",
                    "id": "ev-91",
                    "text": "ENOENT: no such file, open 'config.yml'",
                }
            ],
            "details": {
                "value": 0.25,
                "baselineValue": 0.031,
                "thresholdValue": 0.093,
                "unit": "share",
                "history": [0.03, 0.02, None, 0.06, 0.25],
                "historyEnd": NOW,
                "k": 14,
                "n": 56,
                "interval": [0.16, 0.37],
                "rule": "fires beyond 3 times the subject's own baseline",
                "enough": "5 errors in 3 conversations",
            },
        },
        "suggestedFix": {
            "approach": "Look at what changed in how read_file is called.",
            "files": ["tools/read_file.py"],
            "changes": ["Reproduce one of the sample calls", "Validate the path first"],
            "estimatedEffort": "1-2 hours",
        },
        "acceptanceCriteria": ["The failing share stays below 9.3% for 24 hours"],
        "priority": 70,
        "confidence": 0.93,
        "generatedAt": "2025-11-03T13:00:00.000Z",
        "generatedBy": "tgt",
        "savedAt": "2025-11-03T13:00:00.000Z",
        "metadata": {"analyzer": "error_spike", "relatedEvents": ["ev-91"]},
        "fingerprint": "d3adb33fd3adb33f",
        "subject": "tool_call/read_file",
        "occurrences": 12,
        "firstSeenAt": "2025-11-03T13:00:00.000Z",
        "lastSeenAt": "2025-11-03T15:55:00.000Z",
        **changes,
    }


Line = dict[str, Any]


def before(minutes: float, end: datetime = END) -> str:
    """The time so many minutes before the end, as telemetry writes it."""
    return (end - timedelta(minutes=minutes)).isoformat(timespec="milliseconds")


def call(minutes: float, conv: str | None = None, name: str = "read_file", **keys: Any) -> Line:
    """One call of a tool, so many minutes before END."""
    line = {"ts": before(minutes), "act": "tool_call", "name": name, "status": "ok", **keys}
    return line if conv is None else {**line, "conv_id": conv}


def response(minutes: float, conv: str | None = None, finish: str = "stop", **keys: Any) -> Line:
    """One answer of a model, so many minutes before END."""
    line = {"ts": before(minutes), "act": "assistant_response", "actor": "assistant"}
    line |= {"status": "ok", "finish_reason": finish, **keys}
    return line if conv is None else {**line, "conv_id": conv}


def hours_of(
    make: Callable[[float, str, bool], Iterable[Line]],
    *,
    hours: int = 48,
    per_hour: int = 10,
    bad_of: int = 25,
    after: int = 1,
) -> Iterator[Line]:
    """Conversations spread evenly over full hours, the youngest ``after`` hours before END.

    ``make`` is given the minutes before END, a name for the conversation, and whether it is the
    one in ``bad_of`` that goes badly (0: none does).
    """
    for number in range(hours * per_hour):
        minutes = 60.0 * after + (number + 0.5) * 60.0 / per_hour
        yield from make(minutes, f"old{number}", bool(bad_of) and number % bad_of == 0)


def calls_of(name: str = "read_file", **keys: Any) -> Callable[[float, str, bool], list[Line]]:
    """For hours_of: one call a conversation, which fails in the bad ones."""

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [call(minutes, conv, name, **{"status": "error" if bad else "ok", **keys})]

    return make


@dataclass(frozen=True)
class World:
    """A ContextLog directory, a task directory, and the real engine and cycle over them."""

    path: Path

    @property
    def logs(self) -> Path:
        return self.path / "context_log"

    @property
    def tasks(self) -> Path:
        return self.path / "tasks"

    def write(self, *lines: Line | str | bytes, name: str = "telemetry.jsonl") -> Path:
        """Append lines to a telemetry file; bytes as they are, text and objects as a line each."""
        self.logs.mkdir(exist_ok=True)
        path = self.logs / name
        with path.open("ab") as stream:
            for line in lines:
                if isinstance(line, bytes):
                    stream.write(line)
                else:
                    text = line if isinstance(line, str) else json.dumps(line)
                    stream.write(text.encode() + b"\n")
        return path

    def settings(self, **changes: Any) -> Settings:
        """Settings of this world; keywords are variables without their ``FGK_`` or ``TASKGEN_``."""
        documentation = self.path / "docs"
        places = {"contextlog_dir": self.logs, "tasks_dir": self.tasks}
        chosen = {**places, "docs_paths": (documentation,), **changes}
        return settings_of(
            {
                f"{'FGK' if name in places else 'TASKGEN'}_{name.upper()}": value
                for name, value in chosen.items()
            }
        )

    def run(self, now: datetime = END, *, dry_run: bool = False, **changes: Any) -> RunReport:
        return cycle.run(self.settings(**changes), now, dry_run=dry_run)

    @property
    def cards(self) -> dict[str, Card]:
        return dict(Journal(self.tasks).read().cards)

    def card(self) -> Card:
        """The only card there is."""
        (card,) = self.cards.values()
        return card

    @property
    def sidecar(self) -> Sidecar:
        return Sidecar(self.tasks)

    def tree(self) -> dict[str, tuple[int, int]]:
        """All files with their times and sizes, to see that nothing was written."""
        return {
            str(file.relative_to(self.path)): (file.stat().st_mtime_ns, file.stat().st_size)
            for file in sorted(self.path.rglob("*"))
        }


@dataclass(frozen=True)
class Loaded:
    """A timeline of a world, and its answers as of the window that it was read for."""

    timeline: DuckDBTimeline
    snapshot: DuckDBSnapshot
    window: Interval


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world with a place for documentation: where there is none nothing is undocumented."""
    (tmp_path / "docs").mkdir()
    return World(tmp_path)


@pytest.fixture
def load(world: World) -> Iterator[Callable[..., Loaded]]:
    """Reads the world into a real engine, which is closed after the test."""
    from tgt.analyzers.registry import chosen  # duckdb is not for every test
    from tgt.engine.duckdb.store import Workspace
    from tgt.engine.duckdb.timeline import DuckDBTimeline
    from tgt.sources.contextlog import ContextLog

    opened: list[DuckDBTimeline] = []

    def loaded(
        end: datetime = END,
        *,
        minutes: float = 60,
        days: float = 7,
        cache: Path | None = None,
        signals: Iterable[Signal] | None = None,
    ) -> Loaded:
        window = Interval(end - timedelta(minutes=minutes), end)
        source = ContextLog(world.logs)
        timeline = DuckDBTimeline(
            [(source, source.listing())],
            chosen(world.settings()).signals if signals is None else tuple(signals),
            window,
            window,
            timedelta(days=days),
            Workspace(cache, writable=cache is not None),
        )
        opened.append(timeline)
        return Loaded(timeline, timeline.at(window), window)

    yield loaded
    for timeline in opened:
        timeline.__exit__()


@pytest.fixture
def judge(world: World, load: Callable[..., Loaded]) -> Callable[..., Analysis]:
    """What one analyzer says about the world as of END, with the texts of its samples. Telemetry
    that is as it was is not read again."""
    from tgt.analyzers.base import Context
    from tgt.analyzers.builder import with_samples

    read_before: dict[object, Loaded] = {}

    def reading(minutes: int, signals: Sequence[Signal]) -> Loaded:
        key = (minutes, tuple(signals), tuple(World(world.logs).tree().items()))
        if key not in read_before:
            read_before[key] = load(minutes=minutes, signals=signals)
        return read_before[key]

    def judged(analyzer: Analyzer, **changes: Any) -> Analysis:
        settings = world.settings(**changes)
        read = reading(settings.window_min, analyzer.signals(settings))
        analysis = analyzer.analyze(Context(settings, read.snapshot, read.window))
        findings = tuple(
            with_samples(finding, read.timeline.complete(finding.examples))
            for finding in analysis.findings
        )
        return replace(analysis, findings=findings)

    return judged
