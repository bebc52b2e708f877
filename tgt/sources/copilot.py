"""GitHub Copilot CLI's session logs, one file of events a session.

An event has an envelope (``type``, ``id``, ``timestamp``) and its ``data``. A request for a tool
stands in the answer and again where the tool begins to run, which is the truer time; its end says
neither name nor arguments. How an answer ended, and what the model read, is never written down.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from tgt.sources.agent_records import (
    INTERRUPTED,
    OPEN_CALLS,
    REFUSED,
    UNTOLD,
    Columns,
    Session,
    elapsed_ms,
    ended_badly,
    exited,
    mapping,
    objects,
    usual_place,
    word,
)
from tgt.sources.agents import Recent
from tgt.sources.base import METRIC, SKIPPED, Listing, Outcome, malformed, unknown
from tgt.sources.coerce import moment, number, preview, truth
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile
from tgt.sources.words import ABORTS, REFUSALS

KIND = "copilot"
DEFAULTS = (Path("~/.copilot/session-state"),)

_AGENTS = 32
_FAMILIES = (
    *("session.", "assistant.", "tool.", "user.", "system.", "hook.", "subagent.", "skill."),
    *("permission.", "external_tool.", "command.", "commands.", "elicitation.", "user_input."),
    *("mcp.", "model.", "sampling.", "exit_plan_mode.", "auto_mode_switch.", "capabilities."),
)
_METRICS = frozenset(("session.shutdown", "session.usage_checkpoint", "session.usage_info"))
_DENIED = ("permission_denied", "denied_", "denied-")
# What these wait for is a person.
_HUMAN = frozenset(("ask_user", "exit_plan_mode"))
_SHELLS = frozenset(("bash", "shell", "powershell", "read_bash", "read_powershell"))
_EXIT = re.compile(r"(?:exited|completed) with exit code (-?\d{1,9})>?\s*$")


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where Copilot CLI keeps sessions; COPILOT_HOME names another place than ``~/.copilot``."""
    return (usual_place(environ, "COPILOT_HOME", "~/.copilot", "session-state"),)


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object is an event of a session."""
    kind = document.get("type")
    return (
        isinstance(kind, str)
        and (kind.startswith(_FAMILIES) or kind == "abort")
        and isinstance(document.get("data"), dict)
        and {"id", "timestamp"} <= document.keys()
    )


class Copilot(FileSource):
    """A directory of sessions."""

    kind: ClassVar = KIND

    def listing(self) -> Listing:
        return listed(self.location, (".jsonl",), self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> CopilotReader:
        return CopilotReader(_name(file), state)


def _name(file: LogFile) -> str:
    """The session that a file is named after: its directory, or itself in old versions."""
    path = PurePosixPath(file.path)
    stem = path.name.split(".jsonl")[0]
    return path.parent.name if stem == "events" else stem


class CopilotReader:
    """``asked`` is when an agent was last given something to answer, by agent; an open call is its
    tool, when it began, how long a person was asked about it, and whether it was added."""

    def __init__(self, name: str, state: Mapping[str, Any] | None = None) -> None:
        kept = state or {}
        self._session = Session(KIND, name)
        self._session.restore(kept)
        self._asked = Recent(_AGENTS, mapping(kept.get("asked")))
        self._calls = Recent(OPEN_CALLS, mapping(kept.get("calls")))
        self._permissions = Recent(OPEN_CALLS, mapping(kept.get("permissions")))

    def state(self) -> Mapping[str, Any]:
        return self._session.state() | {
            "asked": dict(self._asked),
            "calls": dict(self._calls),
            "permissions": dict(self._permissions),
        }

    def finish(self) -> Iterable[Outcome]:
        return ()

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        kind, data = document.get("type"), document.get("data")
        if not isinstance(kind, str) or not (kind.startswith(_FAMILIES) or kind == "abort"):
            return (unknown(kind),)
        us = moment(document.get("timestamp"))
        if us is None or not isinstance(data, dict):
            return (malformed("no time" if us is None else "no data"),)
        if kind in _METRICS:
            return (METRIC,)
        take = {
            "session.error": self._failure,
            "user.message": self._prompt,
            "assistant.turn_start": self._turn,
            "assistant.message": self._message,
            "tool.execution_start": self._start,
            "tool.execution_complete": self._end,
            "permission.requested": self._ask,
            "permission.completed": self._permit,
            "abort": self._abort,
        }.get(kind)
        if take is None:
            self._learn(kind, data)
            return (SKIPPED,)
        return tuple(take(_Event(document, data, us, place))) or (SKIPPED,)

    def _learn(self, kind: str, data: Columns) -> None:
        session = self._session
        if kind in {"session.start", "session.resume", "session.context_changed"}:
            session.conversation = word(data.get("sessionId")) or session.conversation
            session.version = word(data.get("copilotVersion")) or session.version
            context = mapping(data.get("context")) or data
            session.works_in(context.get("cwd"))
        chosen = data.get("newModel", data.get("selectedModel"))
        session.model = word(chosen) or session.model

    # --- people and models -----------------------------------------------------------------------

    def _prompt(self, event: _Event) -> Iterator[Outcome]:
        self._asked[event.agent] = event.us
        source = word(event.data.get("source"))
        # Skills, reminders and agents write messages in a person's place.
        if event.agent or event.data.get("parentAgentTaskId") or source not in {None, "user"}:
            return
        yield self._session.prompt(event.us, event.name, event.data.get("content"))

    def _turn(self, event: _Event) -> Iterator[Outcome]:
        self._asked[event.agent] = event.us
        return iter(())

    def _message(self, event: _Event) -> Iterator[Outcome]:
        data = event.data
        # An answer may be written as several messages, with one id of the request.
        name = word(data.get("apiCallId")) or word(data.get("messageId")) or event.name
        yield self._session.answer(
            event.us,
            name,
            data.get("model"),
            elapsed_ms=elapsed_ms(self._asked.get(event.agent), event.us),
            output_tokens=number(data.get("outputTokens")),
            result_preview=preview(data.get("content")),
            trace_id=event.agent or word(data.get("interactionId")),
            revision=event.place,
        )
        for request in objects(data.get("toolRequests")):
            yield from self._started(event, request.get("name"), request)

    def _failure(self, event: _Event) -> Iterator[Outcome]:
        data = event.data
        yield self._session.api_error(
            event.us,
            event.name,
            data.get("message"),
            status=data.get("statusCode"),
            kind=data.get("errorType"),
        )

    def _abort(self, event: _Event) -> Iterator[Outcome]:
        yield self._session.interruption(event.us, event.name)

    # --- tools -----------------------------------------------------------------------------------

    def _start(self, event: _Event) -> Iterator[Outcome]:
        return self._started(event, event.data.get("toolName"), event.data)

    def _started(self, event: _Event, name: Any, request: Columns) -> Iterator[Outcome]:
        call, tool = word(request.get("toolCallId")), word(name)
        if call is None or tool is None:
            return
        added = word(request.get("mcpServerName")) is not None
        before = self._calls.get(call)
        waited = before[2] if before else 0
        self._calls[call] = [tool, event.us, waited, added]
        yield self._session.started(
            event.us,
            call,
            tool,
            request.get("arguments"),
            added=added,
            trace_id=event.agent or None,
            revision=event.place,
        )

    def _end(self, event: _Event) -> Iterator[Outcome]:
        data = event.data
        self._asked[event.agent] = event.us
        call = word(data.get("toolCallId"))
        if call is None:
            return
        tool, began, waited, added = self._calls.pop(call, None) or [None, None, 0, False]
        tool = tool or word(data.get("toolName"))
        result = mapping(data.get("result"))
        answer = result.get("content", data.get("result"))
        outcome = _outcome(data, tool, added=added)
        own = number(mapping(mapping(data.get("toolTelemetry")).get("metrics")).get("durationMs"))
        ran = elapsed_ms(began, event.us - waited)
        yield self._session.ended(
            event.us,
            call,
            tool,
            outcome.get("error") if answer is None else answer,
            **outcome,
            added=added,
            elapsed_ms=None if tool in _HUMAN else ran if own is None else own,
            is_wait=tool in _HUMAN,
            trace_id=event.agent or None,
            model=word(data.get("model")),
        )

    def _ask(self, event: _Event) -> Iterator[Outcome]:
        request = word(event.data.get("requestId"))
        call = word(mapping(event.data.get("permissionRequest")).get("toolCallId"))
        if request and call:
            self._permissions[request] = [call, event.us]
        return iter(())

    def _permit(self, event: _Event) -> Iterator[Outcome]:
        call, since = self._permissions.pop(word(event.data.get("requestId")) or "", (None, 0))
        if call in self._calls:
            self._calls[call][2] += max(0, event.us - since)
        return iter(())


class _Event:
    """An event with what every kind of it has."""

    def __init__(self, document: Columns, data: Columns, us: int, place: int) -> None:
        self.data = data
        self.us = us
        self.place = place
        self.name = word(document.get("id")) or f"{us}"
        self.agent = word(document.get("agentId")) or word(data.get("parentToolCallId")) or ""


def _outcome(data: Columns, tool: str | None, *, added: bool = False) -> Columns:
    success = truth(data.get("success"))
    if success is None:
        return UNTOLD
    error = mapping(data.get("error"))
    code = (word(error.get("code")) or "").lower()
    if success:
        return exited(_exit_code(mapping(data.get("result")), tool))
    if code in REFUSALS or code.startswith(_DENIED):
        return REFUSED
    if code in ABORTS:
        return INTERRUPTED
    message = error.get("message") or mapping(data.get("result")).get("content")
    kind = "tool_error" if code in {"", "failure"} else code
    return ended_badly(message, kind, is_added=added)


def _exit_code(result: Columns, tool: str | None) -> float | None:
    """How a command ended: as a block of the result says, else by the last line of the text."""
    for block in objects(result.get("contents")):
        if block.get("type") == "terminal" and block.get("exitCode") is not None:
            return abs(number(str(block["exitCode"]).lstrip("-")) or 0)
    content = result.get("content")
    # Where the beginning of a call was not read, nothing tells its tool.
    if tool not in {None, *_SHELLS} or not isinstance(content, str):
        return None
    code = _EXIT.search(content[-200:])
    return abs(int(code[1])) if code else None
