"""Claude Code's session transcripts, which exist on every machine where it runs.

A message of the model is a line per block, all with its id; a tool's result comes as a line of
the user's. Here a message becomes one response, a call and its result one call. A session is a
conversation, sub-agents included, and the project that it works in is its service. Bookkeeping
lines are skipped; the text of prompts and answers never leaves this module but for the beginnings
that samples show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tgt.sources.coerce import finish, http_class, moment, number, preview, text, upstream
from tgt.sources.discover import listed
from tgt.sources.envelopes import MALFORMED, documents
from tgt.sources.files import LogFile, Part
from tgt.sources.otlp.attributes import is_added_tool
from tgt.sources.translated import MALFORMED_RECORD, SKIPPED, UNKNOWN, Translated

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
_REFUSED = ("The user doesn't want to proceed", "The user doesn't want to take this action")
# What tools of these names wait for is a person.
_HUMAN = frozenset(("AskUserQuestion", "ExitPlanMode", "EnterPlanMode"))
_EXIT = re.compile(r"^(?:Error: )?Exit code (\d+)")

Record = dict[str, Any]


@dataclass(frozen=True)
class ClaudeCode(Translated):
    """A directory of projects with their sessions; ``setting`` is what names another."""

    location: Path
    setting: str = "TASKGEN_SOURCE"

    @property
    def kind(self) -> str:
        return "claude-code"

    def files(self) -> tuple[LogFile, ...]:
        return listed(self.location, (".jsonl",), self.setting)

    def translate(self, part: Part) -> Iterator[Any]:
        directory = PurePosixPath(part.file.path).parent.name
        return translate(documents(part.file, part.offset, part.length), directory)


def translate(found: Iterator[Any], directory: str) -> Iterator[Any]:
    """The records of a session's lines; ``directory`` names the project where no line does."""
    session = _Session(directory)
    for line in found:
        if line is MALFORMED:
            yield MALFORMED_RECORD
        else:
            made = session.take(line)
            if made is not None:
                yield made
    yield from session.finished()


@dataclass
class _Session:
    """What has been seen of one file. Answers and calls are whole only at its end."""

    directory: str
    project: str | None = None
    answers: dict[str, Record] = field(default_factory=dict)
    calls: dict[str, Record] = field(default_factory=dict)
    others: list[Record] = field(default_factory=list)
    latest: dict[str | None, str] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)

    def take(self, line: Mapping[str, Any]) -> Any:
        """SKIPPED, UNKNOWN or a malformed record; None for a line that is kept for later."""
        kind = line.get("type")
        if not isinstance(kind, str) or kind in _BOOKKEEPING:
            self._remember(line)
            return SKIPPED if isinstance(kind, str) else UNKNOWN
        take = {"assistant": self._assistant, "user": self._user, "system": self._system}.get(kind)
        if take is None:
            return UNKNOWN
        us = moment(line.get("timestamp"))
        if us is None:
            return MALFORMED_RECORD
        if self.project is None and (where := text(line.get("cwd"))):
            self.project = PurePosixPath(where.replace("\\", "/")).name or None
        made = take(line, us)
        if kind != "assistant":
            self._remember(line)
        return made

    def _remember(self, line: Mapping[str, Any]) -> None:
        """When a line was written, for the answer that follows it."""
        if isinstance(line.get("uuid"), str) and line.get("type") != "progress":
            us = moment(line.get("timestamp"))
            if us is not None:
                self.times[line["uuid"]] = us

    def _base(self, line: Mapping[str, Any], us: int, act: str, actor: str) -> Record:
        return {
            "us": us,
            "id": text(line.get("uuid")),
            "actor": actor,
            "act": act,
            "cancelled": False,
            "conv_id": text(line.get("sessionId")),
            "trace_id": text(line.get("agentId")) or text(line.get("promptId")),
            "subject": act,
        }

    # --- the model's lines -----------------------------------------------------------------------

    def _assistant(self, line: Mapping[str, Any], us: int) -> Any:
        message = line.get("message")
        if not isinstance(message, dict):
            return MALFORMED_RECORD
        blocks = [b for b in _blocks(message.get("content")) if isinstance(b, dict)]
        if line.get("isApiErrorMessage"):
            said = preview(message.get("content"))
            status = re.search(r"\b([45]\d\d)\b", said or "")
            self.others.append(self._failure(line, us, status and status[1], said))
            return None
        model = text(message.get("model"))
        if model == "<synthetic>":
            return SKIPPED
        key = text(message.get("id")) or text(line.get("uuid")) or str(us)
        answer = self.answers.get(key)
        if answer is None:
            answer = self._base(line, us, "assistant_response", "assistant") | {
                "id": key,
                "name": model,
                "model": model,
                "failed": False,
                "subject": f"assistant_response/{model}" if model else "assistant_response",
                "_asked": self.times.get(text(line.get("parentUuid")) or ""),
            }
            self.answers[key] = answer
        self.latest[text(line.get("agentId"))] = key
        self._extend(answer, message, blocks, us)
        for block in blocks:
            if block.get("type") == "tool_use":
                self._call(line, us, block)
        return None

    def _extend(
        self, answer: Record, message: Mapping[str, Any], blocks: list[Any], us: int
    ) -> None:
        answer["us"] = max(answer["us"], us)
        asked = answer["_asked"]
        if asked is not None and answer["us"] >= asked:
            answer["elapsed_ms"] = (answer["us"] - asked) / 1000
        reason = finish(message.get("stop_reason"))
        if reason:
            answer["finish_reason"] = reason
        kinds = {block.get("type") for block in blocks}
        answer["_uses"] = answer.get("_uses", False) or "tool_use" in kinds
        answer["_says"] = answer.get("_says", False) or "text" in kinds
        usage = message.get("usage")
        if isinstance(usage, dict):
            names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
            counts = [count for name in names if (count := number(usage.get(name))) is not None]
            answer["input_tokens"] = sum(counts) if counts else None
            answer["output_tokens"] = number(usage.get("output_tokens"))

    def _call(self, line: Mapping[str, Any], us: int, block: Mapping[str, Any]) -> None:
        call, name = text(block.get("id")), text(block.get("name")) or "unknown"
        if call is None or call in self.calls:
            return
        self.calls[call] = self._base(line, us, "tool_call", _owner(name)) | {
            "id": call,
            "call_id": call,
            "name": name,
            "args_preview": preview(block.get("input")),
            "subject": f"tool_call/{name}",
        }

    # --- the other lines -------------------------------------------------------------------------

    def _user(self, line: Mapping[str, Any], us: int) -> Any:
        message = line.get("message")
        if not isinstance(message, dict):
            return MALFORMED_RECORD
        content = message.get("content")
        results = [b for b in _blocks(content) if isinstance(b, dict) and "tool_use_id" in b]
        for block in results:
            self._result(line, us, block)
        said = preview(content) if not results else None
        if said is None:
            return None if results else SKIPPED
        if said.startswith(_INTERRUPTED):
            made = self._base(line, us, "interruption", "user")
            self.others.append(made | {"cancelled": True})
            return None
        if said.startswith(_CUT_OFF):
            key = self.latest.get(text(line.get("agentId")))
            if key is not None:
                self.answers[key]["finish_reason"] = "length"
            return SKIPPED
        is_given = not (line.get("isMeta") or line.get("isCompactSummary"))
        if not is_given or line.get("isSidechain") or said.startswith(("<", "Caveat:")):
            return SKIPPED
        self.others.append(self._base(line, us, "prompt", "user") | {"args_preview": said})
        return None

    def _result(self, line: Mapping[str, Any], us: int, block: Mapping[str, Any]) -> None:
        call = self.calls.get(text(block.get("tool_use_id")) or "")
        if call is None:
            return
        told = line.get("toolUseResult")
        said = preview(block.get("content"))
        call["elapsed_ms"] = _running_ms(call, line, us)
        call["us"] = us
        call["result_preview"] = said
        call["failed"] = bool(block.get("is_error"))
        was_refused = (said or "").startswith((*_REFUSED, _INTERRUPTED)) or (
            isinstance(told, str) and told.startswith("User rejected")
        )
        if was_refused or (isinstance(told, dict) and told.get("interrupted") is True):
            call["failed"] = None
            call["error_type"] = "user_rejected" if was_refused else "interrupted"
        elif call["failed"]:
            call["error"] = said
            code = _EXIT.match(said or "")
            is_misuse = (said or "").startswith("<tool_use_error>")
            call["error_type"] = "exit_code" if code else "misuse" if is_misuse else "tool_error"

    def _system(self, line: Mapping[str, Any], us: int) -> Any:
        if line.get("subtype") != "api_error":
            return SKIPPED
        told = line.get("error")
        error = told if isinstance(told, dict) else {}
        said = preview(error.get("formatted") or error.get("message") or told)
        self.others.append(self._failure(line, us, error.get("status"), said))
        return None

    def _failure(self, line: Mapping[str, Any], us: int, status: Any, said: str | None) -> Record:
        kind = http_class(status) or "network"
        return self._base(line, us, "api_error", "assistant") | {
            "failed": True,
            "error": said,
            "error_type": kind,
            "subject": upstream(kind, None),
        }

    # --- the end ---------------------------------------------------------------------------------

    def finished(self) -> Iterator[Record]:
        service = f"claude-code:{self.project or self.directory}"
        for answer in self.answers.values():
            uses, says = answer.pop("_uses"), answer.pop("_says")
            del answer["_asked"]
            if answer.get("finish_reason") is None and (uses or says):
                # Old versions leave the reason out, but say where an answer was cut off.
                answer["finish_reason"] = "tool_calls" if uses else "stop"
        for made in (*self.answers.values(), *self.calls.values(), *self.others):
            made["service"] = service
            yield made


def _owner(name: str) -> str:
    return "tool" if is_added_tool(name) else "assistant"


def _blocks(content: Any) -> list[Any]:
    return content if isinstance(content, list) else []


def _running_ms(call: Record, line: Mapping[str, Any], us: int) -> float | None:
    """How long a tool ran: as it says itself, else from call to result, if nobody had to be
    asked in between."""
    told = line.get("toolUseResult")
    if isinstance(told, dict):
        own = number(told.get("durationMs")) or number(told.get("totalDurationMs"))
        if own is not None:
            return own
    decision = line.get("permissionDecision")
    source = text(decision.get("source")) if isinstance(decision, dict) else None
    if call["name"] in _HUMAN or (source or "").startswith("user") or us < call["us"]:
        return None
    return float(us - call["us"]) / 1000
