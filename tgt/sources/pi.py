"""Sessions of Pi, and of OpenClaw, which is built on it: a file of lines a session.

Only the first line names the session and its directory. An answer is noted when it is whole, with
the time at which it was asked for inside; it says how it ended, what it cost, and why it failed.
Tools run one after another, so one begins when the one before it has its result.
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
    is_of,
    mapping,
    objects,
    total,
    usual_place,
    word,
)
from tgt.sources.agents import Recent, full_text
from tgt.sources.base import SKIPPED, Listing, Outcome, malformed, unknown
from tgt.sources.coerce import finish, moment, number, preview, truth
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile

KIND = "pi"
DEFAULTS = (Path("~/.pi/agent/sessions"), Path("~/.openclaw/agents"))

_CLAWS = frozenset((".openclaw", ".clawdbot", ".moltbot", "openclaw"))
# An archived session of OpenClaw's is still one.
_ENDINGS = (".jsonl", ".jsonl.reset", ".jsonl.deleted")
_LINES = frozenset(
    (
        *("session", "message", "model_change", "thinking_level_change", "compaction", "label"),
        *("branch_summary", "custom", "custom_message", "session_info", "leaf", "header"),
    )
)
_REASONS = {"toolUse": "tool_calls", "aborted": "cancelled"}
# What OpenClaw writes itself in the place of an answer.
_NO_MODELS = frozenset(("delivery-mirror", "gateway-injected"))
# Pi's own tools; others are extensions. OpenClaw brings dozens along.
_OWN = frozenset(("read", "bash", "edit", "write", "grep", "find", "ls"))
_EXIT = re.compile(r"(?:command )?exited with code (-?\d{1,9})\.?\s*$", re.IGNORECASE)
_ABORTED = re.compile(
    r"(?:command|operation|tool execution|request)(?: was)? aborted", re.IGNORECASE
)
_BLOCKED = re.compile(
    r"(?:blocked by|(?:the )?user (?:denied|rejected|declined)|approval denied)", re.IGNORECASE
)


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where the two keep sessions, as their variables name it: PI_CODING_AGENT_SESSION_DIR,
    PI_CODING_AGENT_DIR, OPENCLAW_STATE_DIR."""
    if environ.get("PI_CODING_AGENT_SESSION_DIR", "").strip():
        pi = usual_place(environ, "PI_CODING_AGENT_SESSION_DIR", "")
    else:
        pi = usual_place(environ, "PI_CODING_AGENT_DIR", "~/.pi/agent", "sessions")
    return pi, usual_place(environ, "OPENCLAW_STATE_DIR", "~/.openclaw", "agents")


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object is the first line of a session, or one that other agents' do not have."""
    if document.get("type") == "session":
        return {"id", "timestamp", "cwd"} <= document.keys()
    message = mapping(document.get("message"))
    is_own = is_of(message.get("role"), ("toolResult", "bashExecution")) or "stopReason" in message
    return document.get("type") == "message" and "timestamp" in document and is_own


class Pi(FileSource):
    """A directory of sessions."""

    kind: ClassVar = KIND

    def listing(self) -> Listing:
        return listed(self.location, _ENDINGS, self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> PiReader:
        path = PurePosixPath(file.path)
        agent = "openclaw" if _CLAWS & set(path.parts) else KIND
        return PiReader(agent, path.name.split(".jsonl")[0], state)


class PiReader:
    """``asked`` is when the model was last given something to answer, ``free`` when the last tool
    had its result. An open call is its tool and when it was asked for."""

    def __init__(self, agent: str, name: str, state: Mapping[str, Any] | None = None) -> None:
        kept = state or {}
        self._session = Session(agent, name)
        self._session.restore(kept)
        self._asked: Any = kept.get("asked")
        self._free: Any = kept.get("free")
        self._calls = Recent(OPEN_CALLS, mapping(kept.get("calls")))

    def state(self) -> Mapping[str, Any]:
        more = {"asked": self._asked, "free": self._free, "calls": dict(self._calls)}
        return self._session.state() | more

    def finish(self) -> Iterable[Outcome]:
        return ()

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:  # noqa: ARG002 nothing is told twice
        kind = document.get("type")
        if not isinstance(kind, str) or kind not in _LINES:
            return (unknown(kind),)
        if kind != "message":
            self._learn(kind, document)
            return (SKIPPED,)
        message = mapping(document.get("message"))
        sent = moment(message.get("timestamp"))
        us = moment(document.get("timestamp")) or sent
        if us is None or not message:
            return (malformed("no message" if us else "no time"),)
        return tuple(self._message(document, message, us, sent)) or (SKIPPED,)

    def _message(
        self, document: Columns, message: Columns, us: int, sent: int | None
    ) -> Iterator[Outcome]:
        # Ids of lines have eight digits: with the time they are as good as longer ones.
        name = f"{word(document.get('id')) or ''}@{us}"
        role = message.get("role")
        if role == "user":
            self._asked = us
            yield self._session.prompt(us, name, message.get("content"))
        elif role == "assistant":
            yield from self._answer(message, name, us, sent)
        elif role == "toolResult":
            yield from self._result(message, us)

    def _learn(self, kind: str, document: Columns) -> None:
        session = self._session
        if kind == "session":
            session.conversation = word(document.get("id")) or session.conversation
            session.works_in(document.get("cwd"))
        elif kind == "model_change":
            session.model = word(document.get("modelId")) or session.model

    def _answer(self, message: Columns, name: str, us: int, sent: int | None) -> Iterator[Outcome]:
        model = word(message.get("model"))
        if model in _NO_MODELS:
            return
        began = sent if sent is not None and sent < us else self._asked
        usage = mapping(message.get("usage"))
        reason = word(message.get("stopReason"))
        more = {
            "elapsed_ms": elapsed_ms(began, us),
            "input_tokens": total(usage, "input", "cacheRead", "cacheWrite"),
            "cached_tokens": number(usage.get("cacheRead")),
            "output_tokens": number(usage.get("output")),
            "cost_usd": number(mapping(usage.get("cost")).get("total")),
        }
        self._free = us
        if reason == "error":
            failure = message.get("errorMessage")
            session = self._session
            named = model or session.model
            yield session.api_error(us, name, failure, **more | {"name": named, "model": named})
            return
        stopped = {"failed": None, "cancelled": True} if reason == "aborted" else {}
        yield self._session.answer(
            us,
            name,
            model,
            finish_reason=_REASONS.get(reason or "", finish(reason)),
            result_preview=preview([part for part in _blocks(message) if "text" in part] or None),
            **more,
            **stopped,
        )
        for part in _blocks(message):
            if part.get("type") == "toolCall":
                yield from self._call(part, us)

    def _call(self, part: Columns, us: int) -> Iterator[Outcome]:
        call, tool = word(part.get("id")), word(part.get("name"))
        if call is None or tool is None:
            return
        self._calls[call] = [tool, us]
        arguments = part.get("arguments")
        yield self._session.started(us, call, tool, arguments, added=self._is_added(tool))

    def _result(self, message: Columns, us: int) -> Iterator[Outcome]:
        call = word(message.get("toolCallId"))
        self._asked = us
        if call is None:
            return
        tool, asked_us = self._calls.pop(call, None) or [None, None]
        tool = tool or word(message.get("toolName"))
        began = max(asked_us, self._free or asked_us) if asked_us is not None else None
        self._free = us
        content = message.get("content")
        yield self._session.ended(
            us,
            call,
            tool,
            content,
            **_outcome(message, content),
            added=self._is_added(tool or ""),
            elapsed_ms=elapsed_ms(began, us),
        )

    def _is_added(self, tool: str) -> bool:
        return self._session.agent == KIND and tool not in _OWN


def _blocks(message: Columns) -> list[Columns]:
    return objects(message.get("content"))


def _outcome(message: Columns, content: Any) -> Columns:
    is_error = truth(message.get("isError"))
    if is_error is None:
        return UNTOLD
    details = mapping(message.get("details"))
    if not is_error:
        return exited(number(str(details.get("exitCode", "")).lstrip("-")), content)
    text = full_text(content)
    if _ABORTED.search(text[-200:]):
        return INTERRUPTED
    if _BLOCKED.match(text):
        return REFUSED
    return ended_badly(text, "exit_code" if _EXIT.search(text[-200:]) else "tool_error")
