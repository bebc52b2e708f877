"""Claude Code's session transcripts, which exist on every machine where it runs.

A message of the model is a line per block, all with its id, and a tool's result comes as a line of
the user's. Here an answer is given out again as it grows, and a call is its start and its end. A
session is a conversation, sub-agents included, and the project that it works in is its service.
What a branch copied from another session stays that session's. Bookkeeping is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tgt.sources.agents import COPY, Recent, full_text, identity, owner, project_name
from tgt.sources.base import SKIPPED, Listing, Outcome, Record, malformed, unknown
from tgt.sources.claude_results import (
    ABORTED,
    LENGTH,
    message_error,
    outcome,
    request_error,
)
from tgt.sources.coerce import (
    args_hash,
    finish,
    moment,
    number,
    preview,
    result_bytes,
    text,
    upstream,
)
from tgt.sources.discover import listed
from tgt.sources.files import LogFile

DEFAULT = Path("~/.claude/projects")

_BOOKKEEPING = frozenset(
    (
        *("progress", "file-history-snapshot", "last-prompt", "queue-operation", "attachment"),
        *("api-request", "atis-latch", "tools-used", "cost-state", "summary", "pr-link"),
        *("custom-title", "ai-title", "agent-name", "agent-color", "agent-setting", "mode"),
        *("permission-mode", "tag", "worktree-state", "content-replacement", "marble-origami"),
        *("speculation-accept", "attribution-snapshot", "bridge-session", "task-summary"),
    )
)
_INTERRUPTED = "[Request interrupted by user"
_CUT_OFF = "Output token limit hit"
# What tools of these names wait for is a person.
_HUMAN = frozenset(("AskUserQuestion", "ExitPlanMode", "EnterPlanMode"))
# Nobody is asked whether these may run, and those that look around only outside of the project.
_UNASKED = frozenset(
    (
        *("TodoWrite", "TodoRead", "Task", "Agent", "TaskOutput", "BashOutput", "AgentOutputTool"),
        *("KillShell", "KillBash", "TaskStop", "TaskCreate", "TaskUpdate", "TaskList", "TaskGet"),
        *("ToolSearch", "SendMessage", "StructuredOutput"),
    )
)
_LOOKING = frozenset(("Read", "Grep", "Glob", "LS", "NotebookRead"))
_EDITING = frozenset(("Edit", "MultiEdit", "Write", "NotebookEdit"))
_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(frozen=True)
class ClaudeCode:
    """A directory of projects with their sessions; ``setting`` is what names another."""

    location: Path
    setting: str = "TASKGEN_SOURCE"

    @property
    def kind(self) -> str:
        return "claude-code"

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.location}"

    def listing(self) -> Listing:
        return listed(self.location, (".jsonl",), self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> Transcript:
        return Transcript(PurePosixPath(file.path).parent.name, state)


class Transcript:
    """The reader of one session's lines; ``directory`` names the project where no line does."""

    def __init__(self, directory: str, state: Mapping[str, Any] | None = None) -> None:
        known = state or {}
        self._directory = directory
        self._project: str | None = known.get("project")
        self._prompt: str | None = known.get("prompt")
        self._mode: str | None = known.get("mode")
        # Answers that may grow: when they were asked for, what of them is known.
        self._answers = Recent(16, known.get("answers"))
        # Calls without a result: name, time, answer, and whether a person may have been asked.
        self._calls = Recent(128, known.get("calls"))
        self._done = Recent(16, known.get("done"))
        self._times = Recent(64, known.get("times"))
        # Of each agent the answer that was last, and whether something was said to it since.
        self._latest = Recent(8, known.get("latest"))

    def state(self) -> Mapping[str, Any]:
        return {
            "project": self._project,
            "prompt": self._prompt,
            "mode": self._mode,
            "answers": dict(self._answers),
            "calls": dict(self._calls),
            "done": dict(self._done),
            "times": dict(self._times),
            "latest": dict(self._latest),
        }

    def finish(self) -> Iterable[Outcome]:
        return ()

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        kind = document.get("type")
        if not isinstance(kind, str) or kind in _BOOKKEEPING:
            self._remember(document)
            return (SKIPPED if isinstance(kind, str) else unknown(kind),)
        reading = {"assistant": self._assistant, "user": self._user, "system": self._system}
        if kind not in reading:
            return (unknown(kind),)
        us = moment(document.get("timestamp"))
        if us is None:
            return (malformed("no time"),)
        self._project = self._project or project_name(text(document.get("cwd")))
        self._prompt = text(document.get("promptId")) or self._prompt
        line = _Line(document, place, us)
        outcomes = tuple(reading[kind](line)) or (SKIPPED,)
        if kind != "assistant":
            self._remember(document)
        return outcomes

    def _remember(self, document: Mapping[str, Any]) -> None:
        """When a line was written, for the answer that follows it, and what need not be asked."""
        self._mode = text(document.get("permissionMode")) or self._mode
        uuid = text(document.get("uuid"))
        if uuid and document.get("type") != "progress":
            us = moment(document.get("timestamp"))
            if us is not None:
                self._times[uuid] = us

    def _record(self, line: _Line, act: str, actor: str, key: str | None) -> Record:
        service = self._project or self._directory
        return line.base | {
            "key": key,
            "trace_id": text(line.document.get("agentId")) or self._prompt,
            "actor": actor,
            "act": act,
            "subject": act,
            "service": f"claude-code:{service}",
        }

    # --- the model's lines -----------------------------------------------------------------------

    def _assistant(self, line: _Line) -> Iterator[Outcome]:
        message = line.message
        if message is None:
            yield malformed("no message")
            return
        if line.document.get("isApiErrorMessage"):
            yield from self._api_message(line, message)
            return
        model = text(message.get("model"))
        if model == "<synthetic>":
            return
        name = text(message.get("id")) or text(line.document.get("uuid")) or str(line.us)
        answer = self._answers.get(name)
        if answer is None:
            answer = {"model": model, "us": line.us, "asked": self._asked(line)}
        self._answers[name] = answer
        self._latest[line.agent] = [name, False]
        calls = [b for b in line.blocks if b.get("type") == "tool_use"]
        said = _said(line.blocks)
        answer["us"] = max(answer["us"], line.us)
        answer["uses"] = answer.get("uses", False) or bool(calls)
        if said is not None:
            answer["says"] = line.place
        answer["reason"] = finish(message.get("stop_reason")) or answer.get("reason")
        answer.update(_tokens(message.get("usage")))
        yield self._answer(line, name, answer) | {"result_preview": said}
        for block in calls:
            yield from self._call(line, name, block)

    def _asked(self, line: _Line) -> int | None:
        asked: int | None = self._times.get(text(line.document.get("parentUuid")) or "")
        return asked

    def _answer(self, line: _Line, name: str, answer: Mapping[str, Any]) -> Record:
        model, asked, us = answer.get("model"), answer.get("asked"), answer["us"]
        reason = answer.get("reason")
        if reason is None and (answer.get("uses") or answer.get("says") is not None):
            # Old versions leave the reason out, but say where an answer was cut off.
            reason = "tool_calls" if answer.get("uses") else "stop"
        key = identity("answer", name, line.conversation)
        return self._record(line, "assistant_response", "assistant", key) | {
            "us": us,
            "id": name,
            # What it said stands where its last words are.
            "place": answer.get("says", line.place),
            "name": model,
            "model": model,
            "failed": False,
            "finish_reason": reason,
            "elapsed_ms": (us - asked) / 1000 if asked is not None and us >= asked else None,
            "subject": f"assistant_response/{model}" if model else "assistant_response",
            **{name: answer.get(name) for name in _TOKENS},
        }

    def _call(self, line: _Line, answer: str, block: Mapping[str, Any]) -> Iterator[Record]:
        call, name = text(block.get("id")), text(block.get("name")) or "unknown"
        if call is None or call in self._calls or call in self._done:
            return
        asks = _asks(name, block.get("input"), text(line.document.get("cwd")), self._mode)
        self._calls[call] = {"name": name, "us": line.us, "answer": answer, "asks": asks}
        yield self._of_call(line, call, name, "start") | {
            "args_hash": args_hash(block.get("input")),
            "args_preview": preview(block.get("input")),
        }

    def _of_call(self, line: _Line, call: str, name: str | None, phase: str) -> Record:
        unique = identity("call", call, line.conversation)
        record = self._record(line, "tool_call", owner(name or ""), f"{unique}:{phase}")
        return record | {
            "id": call,
            "call_id": unique,
            "phase": phase,
            "name": name,
            "subject": f"tool_call/{name or 'unknown'}",
        }

    def _api_message(self, line: _Line, message: Mapping[str, Any]) -> Iterator[Outcome]:
        said = full_text(message.get("content"))
        kind = message_error(line.document, said)
        if kind == LENGTH:
            yield self._cut_off(line, preview(said), is_now=True)
        elif kind != ABORTED:
            yield self._failure(line, kind, preview(said))

    def _cut_off(self, line: _Line, said: str | None, *, is_now: bool) -> Outcome:
        """The last answer was not finished; ``is_now``: it may also be one that left no line."""
        name, is_answered = self._latest.get(line.agent, (None, False))
        answer = self._answers.get(name or "")
        if name is not None and answer is not None and not (is_now and is_answered):
            answer["reason"] = "length"
            return self._answer(line, name, answer)
        if not is_now:
            return SKIPPED
        name = text(line.document.get("uuid")) or str(line.us)
        answer = {"us": line.us, "asked": self._asked(line), "reason": "length"}
        return self._answer(line, name, answer) | {"result_preview": said}

    # --- the other lines -------------------------------------------------------------------------

    def _user(self, line: _Line) -> Iterator[Outcome]:
        message = line.message
        if message is None:
            yield malformed("no message")
            return
        if line.agent in self._latest:
            self._latest[line.agent] = [self._latest[line.agent][0], True]
        results = [b for b in line.blocks if "tool_use_id" in b]
        for block in results:
            yield from self._result(line, block)
        said = preview(message.get("content")) if not results else None
        if said is None:
            return
        if said.startswith(_INTERRUPTED):
            yield self._record(line, "interruption", "user", line.key) | {"cancelled": True}
        elif said.startswith(_CUT_OFF):
            yield self._cut_off(line, None, is_now=False)
        elif not _is_injected(line.document, said):
            yield self._record(line, "prompt", "user", line.key) | {"args_preview": said}

    def _result(self, line: _Line, block: Mapping[str, Any]) -> Iterator[Record]:
        call = text(block.get("tool_use_id"))
        if call is None or call in self._done:
            return
        known = self._calls.pop(call, None)
        if known is None:
            # Its beginning was not read. What is known of it elsewhere is better.
            record = self._of_call(line, call, None, "end") | {"revision": None}
        else:
            self._done[call] = True
            record = self._of_call(line, call, known["name"], "end")
            record["elapsed_ms"] = self._running_ms(known, line)
            if known["answer"] in self._answers:
                self._answers[known["answer"]]["result"] = line.us
        content = block.get("content")
        yield (
            record
            | outcome(line.document, block, record["name"])
            | {
                "result_preview": preview(content),
                "result_bytes": result_bytes(content),
            }
        )

    def _running_ms(self, call: Mapping[str, Any], line: _Line) -> float | None:
        """How long a tool ran: as it says itself, else from when it could begin to its result, if
        nobody may have been asked in between."""
        told = line.document.get("toolUseResult")
        if isinstance(told, dict):
            own = number(told.get("durationMs")) or number(told.get("totalDurationMs"))
            if own is not None:
                return own
        decision = line.document.get("permissionDecision")
        if isinstance(decision, dict):
            source = text(decision.get("source")) or ""
            asks = call["name"] in _HUMAN or source.startswith("user")
        else:
            asks = call["asks"]
        answer = self._answers.get(call["answer"], {})
        # It runs when its message is whole and the call before it has its result.
        begins = (call["us"], answer.get("us"), answer.get("result"))
        start = max((us for us in begins if us is not None and us <= line.us), default=None)
        # What has its result together with the call before it ran beside it, nobody knows how long.
        return None if asks or start in {None, line.us} else float(line.us - (start or 0)) / 1000

    def _system(self, line: _Line) -> Iterator[Outcome]:
        if line.document.get("subtype") == "api_error":
            yield self._failure(line, *request_error(line.document))

    def _failure(self, line: _Line, kind: str, said: str | None) -> Record:
        return self._record(line, "api_error", "assistant", line.key) | {
            "failed": True,
            "error": said,
            "error_type": kind,
            "subject": upstream(kind, None),
        }


class _Line:
    """One line and what all records of it share."""

    def __init__(self, document: Mapping[str, Any], place: int, us: int) -> None:
        self.document, self.place, self.us = document, place, us
        message = document.get("message")
        self.message: Mapping[str, Any] | None = message if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        blocks = content if isinstance(content, list) else []
        self.blocks = [block for block in blocks if isinstance(block, dict)]
        origin = document.get("forkedFrom")
        copied_from = text(origin.get("sessionId")) if isinstance(origin, dict) else None
        self.conversation = copied_from or text(document.get("sessionId"))
        self.agent = text(document.get("agentId")) or str(document.get("isSidechain"))
        uuid = text(document.get("uuid"))
        self.key = identity("line", uuid, self.conversation) if uuid else None
        self.base: Record = {
            "us": us,
            "place": place,
            "revision": place - COPY if copied_from else place,
            "id": uuid,
            "cancelled": False,
            "conv_id": self.conversation,
            "version": text(document.get("version")),
        }


_TOKENS = ("input_tokens", "cached_tokens", "output_tokens")


def _tokens(usage: Any) -> dict[str, float | None]:
    if not isinstance(usage, dict):
        return {}
    counts = [count for name in _INPUT if (count := number(usage.get(name))) is not None]
    return {
        "input_tokens": sum(counts) if counts else None,
        "cached_tokens": number(usage.get("cache_read_input_tokens")),
        "output_tokens": number(usage.get("output_tokens")),
    }


def _said(blocks: list[dict[str, Any]]) -> str | None:
    """What the model said in a line; None where it said nothing."""
    texts = [block for block in blocks if block.get("type") == "text"]
    return (preview(texts) or "") if texts else None


def _is_injected(document: Mapping[str, Any], said: str) -> bool:
    """Whether a line of the user's is the agent's own."""
    if document.get("isMeta") or document.get("isCompactSummary") or document.get("isSidechain"):
        return True
    return said.startswith(("<", "Caveat:"))


def _asks(name: str, given: Any, directory: str | None, mode: str | None) -> bool:
    """Whether a person may be asked before a tool runs."""
    if name in _HUMAN:
        return True
    if name in _UNASKED or mode in {"bypassPermissions", "dontAsk"}:
        return False
    if name in _LOOKING or (name in _EDITING and mode == "acceptEdits"):
        return not _is_inside(given, directory)
    return True


def _is_inside(given: Any, directory: str | None) -> bool:
    """Whether the file that a tool is given lies in the project."""
    named = (
        (given.get(key) for key in ("file_path", "notebook_path", "path"))
        if isinstance(given, dict)
        else ()
    )
    path = next((path for path in named if isinstance(path, str) and path), None)
    if path is None or not (path.startswith(("/", "~")) or path[1:2] == ":"):
        return True
    return directory is None or path.replace("\\", "/").startswith(
        directory.replace("\\", "/").rstrip("/") + "/"
    )
