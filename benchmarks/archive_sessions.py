"""Sessions of coding agents in the files that they keep: calls of tools and what came of them."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.archive_errors import BASH, Words

HOME = "/home/ann/shop"
Line = dict[str, Any]


class Session(ABC):
    """A session of an agent; each call of a tool is written with its answer."""

    tools: tuple[str, ...] = (BASH, BASH, "Read", "Read", "Edit", "Grep")
    """Those of the calls that go well."""
    only_commands = False
    """Whether all that the agent does is run commands."""

    @classmethod
    def named(cls, tool: str) -> str:
        """What the agent calls the tool."""
        return tool

    def __init__(self, words: Words, name: str, start: datetime) -> None:
        self.words = words
        self.name = name
        self.start = self.at = start
        self.lines: list[Line] = []
        self.begin(f"Please {words.verb()} the {words.name()}")

    @abstractmethod
    def begin(self, prompt: str) -> None: ...

    @abstractmethod
    def call(
        self, tool: str, arguments: Line, answer: str, *, failed: bool, status: int | None = None
    ) -> None: ...

    @abstractmethod
    def end(self) -> None: ...

    @abstractmethod
    def path(self) -> Path:
        """Where the agent keeps it, in its own directory."""

    def write(self, directory: Path) -> None:
        path = directory / self.path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")
        os.utime(path, (self.at.timestamp(), self.at.timestamp()))

    def stamp(self) -> str:
        """The time, after which some seconds go by."""
        stamp = _iso(self.at)
        self.at += timedelta(seconds=self.words.n(2, 9))
        return stamp

    def key(self, prefix: str) -> str:
        return f"{prefix}{self.name[-12:]}{len(self.lines):08}"


class ClaudeCode(Session):
    def begin(self, prompt: str) -> None:
        self._line("user", {"role": "user", "content": prompt})

    def call(
        self, tool: str, arguments: Line, answer: str, *, failed: bool, status: int | None = None
    ) -> None:
        if status is not None and self.words.rng.random() < 0.5:
            answer = f"Exit code {status}\n{answer}"
        key = self.key("toolu_")
        self._answer("tool_use", {"type": "tool_use", "id": key, "name": tool, "input": arguments})
        result = {"type": "tool_result", "tool_use_id": key, "is_error": failed, "content": answer}
        told = f"Error: {answer}" if failed else {"stdout": answer}
        self._line("user", {"role": "user", "content": [result]}, toolUseResult=told)

    def end(self) -> None:
        self._answer("end_turn", {"type": "text", "text": "Done."})

    def path(self) -> Path:
        return Path(HOME.replace("/", "-"), f"{self.name}.jsonl")

    def _answer(self, reason: str, block: Line) -> None:
        usage = {"input_tokens": self.words.n(500, 3000), "output_tokens": self.words.n(20, 300)}
        message: Line = {"id": self.key("msg_"), "role": "assistant", "model": "claude-sonnet-4-6"}
        message |= {"stop_reason": reason, "usage": usage, "content": [block]}
        self._line("assistant", message)

    def _line(self, kind: str, message: Line, **more: Any) -> None:
        place = {"sessionId": self.name, "cwd": HOME, "version": "2.1.340", "uuid": self.key("")}
        told = {"timestamp": self.stamp(), "message": message, **more}
        self.lines.append({"type": kind, **place, **told})


class Codex(Session):
    tools = (BASH,)
    only_commands = True

    @classmethod
    def named(cls, tool: str) -> str:  # noqa: ARG003 all is a command here
        return "exec_command"

    def begin(self, prompt: str) -> None:
        meta = {"id": self.name, "timestamp": _iso(self.at), "cwd": HOME, "source": "cli"}
        meta |= {"originator": "codex_cli_rs", "cli_version": "0.104.0", "model_provider": "openai"}
        self._line("session_meta", meta)
        context = {"cwd": HOME, "model": "gpt-5.3-codex", "approval_policy": "never"}
        self._line("turn_context", context)
        self._event("task_started", turn_id="t1")
        self._event("user_message", message=prompt)

    def call(
        self,
        tool: str,
        arguments: Line,
        answer: str,
        *,
        failed: bool,
        status: int | None = None,
    ) -> None:
        key = self.key("call_")
        asked = json.dumps({"cmd": arguments["command"], "workdir": HOME})
        call = {"type": "function_call", "name": self.named(tool), "arguments": asked}
        self._line("response_item", {**call, "call_id": key})
        words = self.words
        output = (
            f"Chunk ID: {words.sha(6)}\nWall time: 0.{words.n(1000, 9999)} seconds\n"
            f"Process exited with code {(status or 1) if failed else 0}\n"
            f"Original token count: {words.n(1, 90)}\nOutput:\n{answer}\n"
        )
        told = {"type": "function_call_output", "call_id": key, "output": output}
        self._line("response_item", told)

    def end(self) -> None:
        self._event("agent_message", message="Done.")
        self._event("task_complete", last_agent_message="Done.")

    def path(self) -> Path:
        day = f"{self.start:%Y/%m/%d}"
        return Path(day, f"rollout-{self.start:%Y-%m-%dT%H-%M-%S}-{self.name}.jsonl")

    def _event(self, kind: str, **told: str) -> None:
        self._line("event_msg", {"type": kind, **told})

    def _line(self, kind: str, payload: Line) -> None:
        self.lines.append({"timestamp": self.stamp(), "type": kind, "payload": payload})


AGENTS: dict[str, type[Session]] = {"claude-code": ClaudeCode, "codex": Codex}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
