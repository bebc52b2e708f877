"""A week of believable telemetry with known faults, so that anyone can see tgt work in seconds.

The files have the shape that a ContextLog directory really has: one file an hour, busy hours
rotated, the oldest hours compressed, a call of some tools logged three times, answers of two
models, conversations of several turns. The faults are known, so what the cycle finds can be held
against what was planted. Everything is a function of the seed and the end of the week: this
module reads no clock, and it writes only below the directory that it is given.
"""

from __future__ import annotations

import gzip
import json
import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WEEK = timedelta(days=7)
_CONVERSATIONS_PER_HOUR = 30.0
_ROTATE_AFTER_LINES = 800
_COMPRESSED_FILES = 2
_MS = 1000
_HOUR_MS = 3_600_000

# Traffic by hour of the day, mean 1; the week ends in a working afternoon whatever the clock
# says, so that the demo shows the same at three in the morning.
_DAY = (
    *(0.30, 0.25, 0.22, 0.22, 0.25, 0.35, 0.55, 0.90, 1.35, 1.65, 1.75, 1.65),
    *(1.45, 1.60, 1.75, 1.75, 1.65, 1.45, 1.20, 1.00, 0.85, 0.70, 0.50, 0.38),
)
_WEEKEND = 0.45
_AFTERNOON = datetime(2024, 1, 4, 15, 40, tzinfo=timezone.utc)  # a Thursday


@dataclass(frozen=True)
class Tool:
    """``share`` is relative; ``failing`` is the share of conversations in which the tool fails.

    A traced tool is logged as start and finish (or error) besides its record in the batch.
    """

    name: str
    share: float
    median_ms: float
    failing: float
    traced: bool = False


@dataclass(frozen=True)
class Words:
    """What the records and the documentation say about a tool."""

    purpose: str
    args: str
    result: str
    error: str
    error_type: str


TOOLS = (
    Tool("read_file", 30, 35, 0.02, traced=True),
    Tool("search_code", 18, 210, 0.03),
    Tool("run_bash", 18, 480, 0.06, traced=True),
    Tool("write_file", 10, 55, 0.02, traced=True),
    Tool("git_diff", 16, 160, 0.01),
    Tool("list_files", 8, 22, 0.01),
    Tool("web_fetch", 6, 520, 0.05),
)
UNDOCUMENTED = Tool("query_metrics", 9, 130, 0.01)
# fmt: off
WORDS = {
    "read_file": Words("Reads a text file.", '{"path":"src/router.ts"}',
                       "import { Router } from './base'", "EACCES", "permission_denied"),
    "search_code": Words("Finds a pattern in the workspace.", '{"query":"parseConfig"}',
                         "12 matches in 5 files", "search timed out", "timeout"),
    "run_bash": Words("Runs a command in the sandbox.", '{"cmd":"npm test --silent"}',
                      "42 passing", "exit status 1", "exit_code"),
    "write_file": Words("Writes a text file.", '{"path":"src/router.ts"}',
                        "wrote 2,113 bytes", "Error", "disk_full"),
    "git_diff": Words("Shows what changed since a commit.", '{"base":"main"}',
                      "3 files changed", "bad revision", "git_error"),
    "list_files": Words("Lists a directory.", '{"path":"src"}',
                        "routes  server  tests", "no such directory", "not_found"),
    "web_fetch": Words("Fetches a page and returns its text.", '{"url":"https://example.org"}',
                       "200 OK", "connection reset", "network"),
    "query_metrics": Words("", '{"expr":"rate(errors[5m])"}', "5 series", "parse error", "query"),
}
# fmt: on
MODELS = (("gpt-oss-120b", 0.7, 850.0), ("qwen3-30b", 0.3, 520.0))
_REQUESTS = (
    "Why does the router drop the trailing slash?",
    "Add a test for the empty configuration.",
    "Rename parseConfig to readConfig everywhere.",
    "What changed on this branch since Monday?",
    "The build fails on the second step, please look.",
    "Summarise the open questions of the last review.",
)


@dataclass(frozen=True)
class Planted:
    """A fault: the card that it should lead to, since when it is there, and what it is."""

    type: str
    subject: str
    since: datetime
    text: str

    @property
    def what(self) -> tuple[str, str]:
        return (self.type, self.subject)


@dataclass(frozen=True)
class Demo:
    """Where the week was written and what is in it; ``lines`` counts telemetry records."""

    directory: Path
    now: datetime
    lines: int
    files: int
    planted: tuple[Planted, ...]
    what: str = "A week of synthetic telemetry"

    @property
    def env_file(self) -> Path:
        return self.directory / ".env"


_READ_FAILS, _TRUNCATED, _SLOW_DIFF, _ABORTED, _NEW_TOOL = 110, 58, 100, 75, 180  # minutes ago


def faults(now: datetime) -> tuple[Planted, ...]:
    """The faults that a week ending at ``now`` contains."""

    def ago(minutes: int) -> datetime:
        return now - timedelta(minutes=minutes)

    return (
        Planted(
            "error_spike",
            "tool_call/read_file",
            ago(_READ_FAILS),
            "read_file fails in 35% of the conversations that use it (2% before)",
        ),
        Planted(
            "continuation_issue",
            "assistant_response/gpt-oss-120b",
            ago(_TRUNCATED),
            "32% of the answers of gpt-oss-120b are cut off (4% before)",
        ),
        Planted(
            "performance_degradation",
            "tool_call/git_diff",
            ago(_SLOW_DIFF),
            "git_diff takes 2.4 times as long",
        ),
        Planted(
            "ux_issue",
            "conversations/aborted",
            ago(_ABORTED),
            "55% of the conversations are given up before an answer (7% before)",
        ),
        Planted(
            "documentation_gap",
            "tool_call/query_metrics",
            ago(_NEW_TOOL),
            "a new tool, query_metrics, is in use and documented nowhere",
        ),
        Planted(
            "recurring_error",
            "tool_call/read_file: EACCES",
            now - WEEK,
            "read_file meets the same error, EACCES, in 2% of its conversations all week",
        ),
    )


def write(directory: Path, now: datetime, seed: int = 1) -> Demo:
    """Write the week before ``now`` below ``directory``, with documentation and a ``.env`` file.

    Raises OSError where the directory cannot be written.
    """
    week = _Week(now, seed)
    week.generate()
    logs, docs = directory / "context_log", directory / "docs"
    for part in (logs, docs, directory / "tasks"):
        part.mkdir(mode=0o700, parents=True)
    files = week.save(logs)
    chapters = (f"## {tool.name}\n\n{WORDS[tool.name].purpose}\n" for tool in TOOLS)
    (docs / "tools.md").write_text("# Tools\n\n" + "\n".join(chapters), encoding="utf-8")
    paths = {
        "FGK_CONTEXTLOG_DIR": str(logs),
        "FGK_TASKS_DIR": str(directory / "tasks"),
        "TASKGEN_DOCS_PATHS": str(docs),
    }
    write_env(directory, paths)
    return Demo(directory, now, week.lines, files, faults(now))


def write_env(directory: Path, values: Mapping[str, str]) -> None:
    """The ``.env`` file with these settings."""
    lines = (f"{name}='{_escaped(value)}'\n" for name, value in values.items())
    (directory / ".env").write_text("".join(lines), encoding="utf-8")


def _escaped(value: str) -> str:
    """A value inside the single quotes of a ``.env`` file."""
    return value.replace("\\", "\\\\").replace("'", "\\'")


class _Week:
    """Lines by hour. Times are milliseconds since the epoch; a record's time is its end."""

    def __init__(self, now: datetime, seed: int) -> None:
        self.now = now
        self.end = int(now.timestamp() * _MS)
        self.begin = self.end - int(WEEK.total_seconds() * _MS)
        # A generator per seed, not the global one: the same seed writes the same bytes anywhere.
        self.random = random.Random(seed)  # noqa: S311 synthetic data, nothing secret
        self.hours: dict[int, list[tuple[int, str]]] = {}
        self.lines = 0
        self.shares = [tool.share for tool in TOOLS]

    def generate(self) -> None:
        moment = float(self.begin)
        peak = _CONVERSATIONS_PER_HOUR * max(_DAY)
        while moment < self.end:
            moment += self.random.expovariate(peak / _HOUR_MS)
            # Thinning keeps the arrivals a Poisson process while the rate follows the day.
            if self.random.random() * max(_DAY) < self._rhythm(moment):
                self._conversation(int(moment))

    def save(self, directory: Path) -> int:
        """Write the hours; returns how many files there are."""
        count = 0
        for index, hour in enumerate(sorted(self.hours)):
            lines = [line for _, line in sorted(self.hours[hour])]
            start = datetime.fromtimestamp(hour * 3600, timezone.utc)
            name = f"ctx-{start:%Y%m%d-%H}"
            cut = len(lines) * 3 // 5 if len(lines) > _ROTATE_AFTER_LINES else len(lines)
            for part, suffix in ((lines[:cut], ""), (lines[cut:], "-1")):
                if not part:
                    continue
                data = ("\n".join(part) + "\n").encode()
                path = directory / f"{name}{suffix}.jsonl"
                if index < _COMPRESSED_FILES:
                    path = path.with_name(path.name + ".gz")
                    data = gzip.compress(data, mtime=0)
                path.write_bytes(data)
                count += 1
        return count

    def _rhythm(self, moment: float) -> float:
        local = _AFTERNOON - timedelta(milliseconds=self.end - moment)
        place = local.hour + local.minute / 60
        here, there = _DAY[int(place)], _DAY[(int(place) + 1) % 24]
        level = here + (there - here) * (place % 1)
        return level * (_WEEKEND if local.weekday() >= 5 else 1.0)  # noqa: PLR2004 Saturday

    def _since(self, moment: int, minutes: int) -> bool:
        return moment >= self.end - minutes * 60_000

    def _hex(self, digits: int) -> str:
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"

    def _put(self, moment: int, body: str) -> None:
        """Add a record (the inside of a JSON object), unless it lies in the future."""
        if moment > self.end:
            return
        hour, rest = divmod(moment, _HOUR_MS)
        seconds, milliseconds = divmod(rest, _MS)
        clock = f"{seconds // 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"
        line = f'{{{body},"ts":"{_day_and_hour(hour)}:{clock}Z"}}'
        self.hours.setdefault(hour, []).append((moment, line))
        self.lines += 1

    def _lasted(self, median: float, spread: float = 0.45) -> int:
        return max(1, int(math.exp(self.random.gauss(0.0, spread)) * median))

    def _conversation(self, start: int) -> None:
        draw = self.random.random
        conversation = f"conv-{self._hex(12)}"
        model = MODELS[0] if draw() < MODELS[0][1] else MODELS[1]
        given_up = draw() < (0.55 if self._since(start, _ABORTED) else 0.07)
        # Errors come in clusters: a tool that fails in a conversation fails there repeatedly.
        failing = {
            tool.name
            for tool in TOOLS
            if draw() < (0.35 if self._read_fails(tool, start) else tool.failing)
        }
        moment = start
        turns = 1 if given_up else self.random.choice((1, 1, 2, 2, 3))
        for _ in range(turns):
            moment = self._turn(conversation, moment, model, failing, given_up)
            moment += int(self.random.uniform(15, 110) * _MS)

    def _read_fails(self, tool: Tool, moment: int) -> bool:
        return tool.name == "read_file" and self._since(moment, _READ_FAILS)

    def _turn(
        self,
        conversation: str,
        start: int,
        model: tuple[str, float, float],
        failing: set[str],
        given_up: bool,
    ) -> int:
        trace = self._hex(16)
        ids = f'"conv_id":"{conversation}","trace_id":"{trace}"'
        request = self.random.choice(_REQUESTS)
        self._put(
            start,
            f'"id":"{self._uuid()}","actor":"user","act":"message",{ids},"iter":0,'
            f'"content_preview":{json.dumps(request)}',
        )
        moment = self._answer(ids, 0, start, model, "tool_calls")
        batch: list[str] = []
        for tool in self._choose(start):
            attempts = 1 + (self.random.random() < 0.6) if tool.name in failing else 0  # noqa: PLR2004
            for _ in range(attempts):
                moment = self._call(ids, moment, tool, batch, failed=True)
            if not attempts or self.random.random() < 0.5:  # noqa: PLR2004 a retry that works
                moment = self._call(ids, moment, tool, batch, failed=False)
        if given_up:
            end = moment
        else:
            if self.random.random() < 0.004:  # noqa: PLR2004 the provider fails now and then
                moment += 900
                self._put(
                    moment,
                    f'"actor":"system","act":"upstream_error","where":"chat_stream","status":502,'
                    f'"message":"bad gateway",{ids},"iter":1',
                )
            end = moment = self._answer(ids, 1, moment, model, "stop")
        # The server logs the calls of a request in one batch, after the request.
        for record in batch:
            end += 1
            self._put(end, record)
        return end

    def _choose(self, moment: int) -> list[Tool]:
        tools = self.random.choices(TOOLS, self.shares, k=self.random.choice((1, 2, 2, 3, 4)))
        if self._since(moment, _NEW_TOOL) and self.random.random() < 0.6:  # noqa: PLR2004
            tools[-1] = UNDOCUMENTED
        return tools

    def _answer(
        self, ids: str, step: int, start: int, model: tuple[str, float, float], end: str
    ) -> int:
        name, _, median = model
        cut_off = 0.04
        if name == MODELS[0][0] and self._since(start, _TRUNCATED):
            cut_off = 0.32
        moment = start
        while True:
            lasted = self._lasted(median)
            moment += lasted
            reason = "length" if self.random.random() < cut_off else end
            tokens = 4096 if reason == "length" else int(lasted * 0.35)
            self._put(
                moment,
                f'"id":"{self._uuid()}","actor":"assistant","act":"assistant_response",{ids},'
                f'"iter":{step},"status":"ok","model":"{name}","elapsed_ms":{lasted},'
                f'"finish_reason":"{reason}","input_tokens":{900 + 400 * step},'
                f'"output_tokens":{tokens}',
            )
            if reason == end:
                return moment

    def _call(self, ids: str, start: int, tool: Tool, batch: list[str], *, failed: bool) -> int:
        slow = 2.4 if tool.name == "git_diff" and self._since(start, _SLOW_DIFF) else 1.0
        lasted = self._lasted(tool.median_ms * slow)
        end = start + lasted
        words = WORDS[tool.name]
        args = json.dumps(words.args)
        shared = f'{ids},"iter":0,"name":"{tool.name}"'
        if tool.traced:
            self._put(
                start,
                f'"id":"{self._uuid()}","actor":"tool","act":"tool_execution_start",{shared},'
                f'"status":"ok","args_preview":{args}',
            )
            outcome = (
                f'"act":"tool_execution_error",{shared},"status":"error",'
                f'"error":"{words.error}","error_type":"{words.error_type}"'
                if failed
                else f'"act":"tool_execution_finish",{shared},"status":"ok",'
                f'"result_preview":{json.dumps(words.result)},"bytes":{len(words.result)}'
            )
            self._put(end, f'"id":"{self._uuid()}","actor":"tool",{outcome},"elapsed_ms":{lasted}')
        status, result = ("error", words.error) if failed else ("ok", words.result)
        batch.append(
            f'"actor":"assistant","act":"tool_call",{shared},"status":"{status}",'
            f'"elapsed_ms":{lasted},"args_preview":{args},"result_preview":{json.dumps(result)}'
        )
        return end

    def _uuid(self) -> str:
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


_STAMPS: dict[int, str] = {}


def _day_and_hour(hour: int) -> str:
    """``2025-11-03T15`` for hours since the epoch; remembered, as formatting a time is slow."""
    if hour not in _STAMPS:
        moment = datetime.fromtimestamp(hour * 3600, timezone.utc)
        _STAMPS[hour] = f"{moment:%Y-%m-%dT%H}"
    return _STAMPS[hour]
