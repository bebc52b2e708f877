"""Two weeks of one person's sessions with Claude Code, invented, with known faults.

Eight sessions a day in two projects, written as the transcripts that Claude Code keeps: a prompt,
answers that call tools, their results, a last answer. As in ``tgt.demo`` everything is a function
of the seed and the end; nobody's words are in it.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tgt.demo import Demo, Planted, write_env

DAYS, A_DAY = 14, 8
_EVERY = timedelta(minutes=62)
_DAY_MIN = 24 * 60
_MODEL = "claude-sonnet-4-6"
_PROJECTS = ("shop", "ledger")
_MISSING_EVERY = 7
"""In every so manieth session a program is missing that the agent would use."""
_LOOPING = DAYS * A_DAY - 4
_LOOP_CALLS = 9
_PROMPTS = (
    "The invoice export drops the last line, please mend it",
    "Add a test for an empty basket",
    "Rename the price column everywhere",
    "Why is the nightly import slow?",
)
_MISSING = "Exit code 127\n/bin/bash: line 1: tree: command not found"
_NOT_FOUND = "<tool_use_error>String to replace not found in file.</tool_use_error>"


def faults(now: datetime) -> tuple[Planted, ...]:
    """The faults that two weeks ending at ``now`` contain."""
    day, begin = now - timedelta(days=1), now - timedelta(days=DAYS)
    return (
        Planted(
            "recurring_error",
            "tool_call/Bash: tree: command not found",
            begin,
            f"tree is not installed, and one session in {_MISSING_EVERY} tries it",
        ),
        Planted(
            "retry_loop",
            "tool_call/Edit",
            _began(now, _LOOPING),
            f"one session tries the same edit {_LOOP_CALLS} times in vain",
        ),
        Planted(
            "performance_degradation",
            "tool_call/WebFetch",
            day,
            "WebFetch takes four times as long for a day",
        ),
        Planted(
            "token_waste",
            f"assistant_response/{_MODEL}",
            day,
            "for a day hardly any input comes from the cache (about 90% before)",
        ),
    )


def write(directory: Path, now: datetime, seed: int = 1) -> Demo:
    """Write the sessions before ``now`` below ``directory``, with a ``.env`` file.

    Raises OSError where the directory cannot be written.
    """
    projects, lines = directory / "claude" / "projects", 0
    for number in range(DAYS * A_DAY):
        session = _Session(number, now, seed)
        path = projects / f"-home-you-{session.project}" / f"{session.id}.jsonl"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = [line for line in session.lines() if line["timestamp"] <= _stamp(now)]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in written), encoding="utf-8")
        last = datetime.fromisoformat(written[-1]["timestamp"]).timestamp()
        os.utime(path, (last, last))
        lines += len(written)
    (directory / "tasks").mkdir(mode=0o700)
    (directory / "docs").mkdir(mode=0o700)
    (directory / "docs" / "tools.md").write_text("Read, Grep, Edit, Bash and WebFetch\n")
    values = {
        "TASKGEN_SOURCE": f"claude-code:{projects}",
        "FGK_TASKS_DIR": str(directory / "tasks"),
        "TASKGEN_DOCS_PATHS": str(directory / "docs"),
        # Of one person an hour has a session or two: a day is looked at, against all before it.
        "TASKGEN_WINDOW_MIN": str(_DAY_MIN),
        "TASKGEN_BASELINE_DAYS": str(DAYS - 1),
        "TASKGEN_RECURRING_DAYS": str(DAYS - 1),
    }
    write_env(directory, values)
    what = "Two weeks of invented sessions with Claude Code"
    return Demo(directory, now, lines, DAYS * A_DAY, faults(now), what)


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _began(now: datetime, number: int) -> datetime:
    """When a session began; the last of a day ends shortly before the time of ``now``."""
    day, place = divmod(DAYS * A_DAY - 1 - number, A_DAY)
    return now - timedelta(days=day, minutes=25) - place * _EVERY


@dataclass
class _Step:
    """A call that the model makes, and what comes of it."""

    tool: str
    asked: Mapping[str, Any]
    answer: str
    ms: float
    failed: bool = False


class _Session:
    """The lines of one session, a step after the other."""

    def __init__(self, number: int, now: datetime, seed: int) -> None:
        # The same seed gives the same bytes anywhere.
        self.random = random.Random(f"{seed}-{number}")  # noqa: S311 synthetic data
        digits = f"{self.random.getrandbits(128):032x}"
        self.id = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
        self.number = number
        self.project = _PROJECTS[number % 3 == 0]
        self.is_bad = number >= (DAYS - 1) * A_DAY
        self.at = _began(now, number)
        self.context = self.random.uniform(14_000, 22_000)
        self.parent: str | None = None
        self.count = 0

    def lines(self) -> Iterator[dict[str, Any]]:
        prompt = self.random.choice(_PROMPTS)
        yield self._line("user", {"role": "user", "content": prompt}, 1)
        for place, step in enumerate(self._steps()):
            call = f"toolu_{self.id[:8]}{place:04d}"
            used = {"type": "tool_use", "id": call, "name": step.tool, "input": step.asked}
            yield self._answer([used], "tool_use", first=place == 0)
            result = {"type": "tool_result", "tool_use_id": call, "content": step.answer}
            message = {"role": "user", "content": [{**result, "is_error": step.failed}]}
            line = self._line("user", message, step.ms / 1000)
            yield {**line, "toolUseResult": {"durationMs": round(step.ms)}}
        yield self._answer([{"type": "text", "text": "Done; all tests pass."}], "end_turn")

    def _steps(self) -> Iterator[_Step]:
        slow = 4.0 if self.is_bad else 1.0
        name = f"/home/you/{self.project}/src/part{self.random.randrange(40)}.py"
        for query in range(2):
            answer = f"Found {self.random.randrange(2, 30)} files"
            yield self._step("Grep", {"pattern": f"price_{query}_{self.number}"}, answer, 40)
        if self.number % _MISSING_EVERY == 0:
            arguments = {"command": "tree src -L 2"}
            yield self._step("Bash", arguments, _MISSING, 30, failed=True)
            yield self._step("Bash", {"command": "find src -maxdepth 2"}, "src/api src/web", 50)
        for page in range(3):
            arguments = {"url": f"https://example.org/{self.number}/{page}", "prompt": "Sum it up"}
            yield self._step("WebFetch", arguments, f"Page {page} of {self.number}", 900 * slow)
        yield self._step("Read", {"file_path": name}, f"1\timport part_{self.number}", 12)
        edit = {"file_path": name, "old_string": "total =", "new_string": "total: int ="}
        if self.number == _LOOPING:
            for _ in range(_LOOP_CALLS):
                yield self._step("Edit", edit, _NOT_FOUND, 15, failed=True)
            yield self._step("Read", {"file_path": name, "offset": 80}, "81\ttotal=0", 12)
        yield self._step("Edit", edit | {"old_string": "total=0"}, f"{name} is updated", 20)
        passed = f"{self.random.randrange(90, 400)} passed in {self.random.random():.2f}s"
        yield self._step("Bash", {"command": "pytest -q"}, passed, 4_000)

    def _step(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        answer: str,
        ms: float,
        *,
        failed: bool = False,
    ) -> _Step:
        return _Step(tool, arguments, answer, ms * self.random.lognormvariate(0, 0.3), failed)

    def _answer(
        self, content: list[dict[str, Any]], reason: str, *, first: bool = False
    ) -> dict[str, Any]:
        self.context += self.random.uniform(300, 1500)
        share = 0.0 if first else 0.04 if self.is_bad else self.random.uniform(0.85, 0.97)
        cached = round(self.context * share)
        usage = {
            "input_tokens": 4,
            "cache_creation_input_tokens": round(self.context) - cached,
            "cache_read_input_tokens": cached,
            "output_tokens": round(180 * self.random.lognormvariate(0, 0.5)),
        }
        message = {
            "id": f"msg_{self.id[:8]}{self.count:06d}",
            "role": "assistant",
            "model": _MODEL,
            "stop_reason": reason,
            "usage": usage,
            "content": content,
        }
        return self._line("assistant", message, self.random.uniform(3, 9))

    def _line(self, kind: str, message: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        self.at += timedelta(seconds=seconds)
        self.count += 1
        line = {
            "parentUuid": self.parent,
            "sessionId": self.id,
            "cwd": f"/home/you/{self.project}",
            "version": "2.1.40",
            "type": kind,
            "uuid": f"{self.id}-{self.count}",
            "timestamp": _stamp(self.at),
            "message": message,
        }
        self.parent = f"{self.id}-{self.count}"
        return line
