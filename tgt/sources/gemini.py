"""Gemini CLI's chats: a file of lines a session, or in versions before 2026 one JSON document.

A message is written again under its id whenever it grew, and the last writing is the truth; its
tools stand in it with their results. A tool's time is when the results of all tools of the message
were there, so how long one ran is known only where it was alone and nobody had to allow it. How an
answer ended is never written down.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from tgt.sources.agent_records import (
    REFUSED,
    SUCCEEDED,
    UNTOLD,
    Columns,
    Session,
    elapsed_ms,
    ended_badly,
    is_of,
    mapping,
    objects,
    reported,
    stopped,
    total,
    usual_place,
    without_ids,
    word,
)
from tgt.sources.agents import is_added_tool
from tgt.sources.base import SKIPPED, Listing, Outcome, malformed, unknown
from tgt.sources.coerce import moment, number, preview
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile
from tgt.sources.streams import opened

KIND = "gemini"
DEFAULTS = (Path("~/.gemini/tmp"),)

_MESSAGES = frozenset(("user", "gemini", "model", "info", "error", "warning"))
_STOPPED = ("Request cancelled", "User cancelled the request")
_API_ERROR = "[API Error"
# Nobody is asked whether these may run.
_UNASKED = frozenset(
    (
        *("read_file", "read_many_files", "list_directory", "glob", "search_file_content"),
        *("grep_search", "google_web_search", "write_todos", "codebase_investigator"),
    )
)
_SHELL = "run_shell_command"
_HASH = re.compile(r"[0-9a-f]{64}")
_ROOT_BYTES = 4096


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where Gemini CLI keeps chats; GEMINI_CLI_HOME names another home directory."""
    return (usual_place(environ, "GEMINI_CLI_HOME", "~", ".gemini/tmp"),)


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object is the beginning of a chat, a whole one, or a message of one."""
    if {"sessionId", "projectHash"} <= document.keys():
        return True
    is_message = {"id", "timestamp", "content"} <= document.keys()
    return is_message and is_of(document.get("type"), ("gemini", "user"))


class Gemini(FileSource):
    """A directory of projects with their chats."""

    kind: ClassVar = KIND

    def listing(self) -> Listing:
        """The chats: other files lie beside them, such as logs of prompts alone."""
        every = listed(self.location, (".jsonl", ".json"), self.setting)
        if self.location.is_file():
            return every
        chats = (file for file in every.files if "chats" in PurePosixPath(file.path).parts[-3:-1])
        return Listing(tuple(chats), every.passed_over)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> GeminiReader:
        path = PurePosixPath(file.path)
        parent = None if path.parent.name == "chats" else path.parent.name
        return GeminiReader(_project(path), parent, state)


def _project(path: PurePosixPath) -> str | None:
    """The project that a chat belongs to: the directory that is noted beside the chats, else what
    its own directory is called, which in old versions is a hash."""
    inside = path.parent if path.parent.name == "chats" else path.parent.parent
    if inside.name != "chats":
        return None
    home = inside.parent
    try:
        with opened(f"{home}/.project_root") as stream:
            root = stream.read(_ROOT_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        root = ""
    named = PurePosixPath(root.replace("\\", "/")).name
    return named or (home.name[:12] if _HASH.fullmatch(home.name) else home.name) or None


class GeminiReader:
    """``parent`` is the session to which that of a sub-agent belongs. ``asked`` is when the model
    was last given something to answer, ``latest`` the id of its last message, and when that was
    asked for: it may be written again."""

    def __init__(
        self, project: str | None, parent: str | None, state: Mapping[str, Any] | None = None
    ) -> None:
        kept = state or {}
        self._session = Session(KIND, project=project)
        self._session.restore(kept)
        self._parent = parent
        self._agent: str | None = word(kept.get("subagent"))
        self._asked: Any = kept.get("asked")
        self._latest: Any = kept.get("latest")
        self._is_whole = False

    def state(self) -> Mapping[str, Any] | None:
        """None for a chat in one document, which is written anew as a whole."""
        if self._is_whole:
            return None
        more = {"subagent": self._agent, "asked": self._asked, "latest": self._latest}
        return self._session.state() | more

    def finish(self) -> Iterable[Outcome]:
        return ()

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        if isinstance(document.get("messages"), list):
            self._is_whole = True
            self._learn(document)
            return self._whole(document, place)
        if "id" in document:
            return tuple(self._message(document, place)) or (SKIPPED,)
        if "sessionId" in document:
            self._learn(document)
            return (SKIPPED,)
        if document.keys() & {"$set", "$rewindTo"}:
            return (SKIPPED,)
        return (unknown(document.get("type")),)

    def _learn(self, document: Columns) -> None:
        session = self._session
        name = word(document.get("sessionId"))
        if document.get("kind") == "subagent":
            self._agent = name
            name = self._parent or name
            directories = document.get("directories")
            if session.project is None and isinstance(directories, list) and directories:
                session.works_in(directories[0])
        session.conversation = name or session.conversation
        session.project = session.project or (word(document.get("projectHash")) or "")[:12] or None

    def _whole(self, document: Columns, place: int) -> Iterator[Outcome]:
        for message in objects(document.get("messages")):
            yield from tuple(self._message(message, place)) or (SKIPPED,)

    def _message(self, message: Columns, place: int) -> Iterator[Outcome]:
        kind, name = message.get("type"), word(message.get("id"))
        if not is_of(kind, _MESSAGES) or name is None:
            yield unknown(kind)
            return
        us = moment(message.get("timestamp"))
        if us is None:
            yield malformed("no time")
            return
        content = message.get("content", message.get("parts"))
        more = {"revision": place, "trace_id": self._agent}
        shown = preview(content) or ""
        if kind == "user":
            self._asked = us
            if not self._is_injected(content, shown):
                yield self._session.prompt(us, name, content, **more)
        elif kind in {"gemini", "model"}:
            yield from self._answer(message, name, us, shown, more)
        elif kind == "info" and shown.startswith(_STOPPED):
            yield self._session.interruption(us, name, **more)
        elif kind == "error" and _API_ERROR in shown:
            yield self._session.api_error(us, name, shown, **more)

    def _is_injected(self, content: Any, message: str) -> bool:
        """Whether a user's message is none of a person: what tools gave back, what the agent adds,
        or the task that it gives to a sub-agent."""
        answers = any("functionResponse" in part for part in objects(content))
        return answers or self._agent is not None or message.startswith("<")

    def _answer(
        self, message: Columns, name: str, us: int, answer: str, more: Columns
    ) -> Iterator[Outcome]:
        if not isinstance(self._latest, list) or self._latest[0] != name:
            self._latest = [name, self._asked]
        self._session.model = word(message.get("model")) or self._session.model
        tokens = mapping(message.get("tokens"))
        yield self._session.answer(
            us,
            name,
            elapsed_ms=elapsed_ms(self._latest[1], us),
            input_tokens=number(tokens.get("input")),
            cached_tokens=number(tokens.get("cached")),
            output_tokens=total(tokens, "output", "thoughts"),
            result_preview=answer or None,
            **more,
        )
        calls = objects(message.get("toolCalls"))
        for call in calls:
            yield from self._call(call, us, len(calls) == 1, more)

    def _call(self, call: Columns, us: int, is_alone: bool, more: Columns) -> Iterator[Outcome]:
        name, tool = word(call.get("id")), word(call.get("name"))
        if name is None or tool is None:
            return
        end = moment(call.get("timestamp")) or us
        self._asked = max(self._asked or 0, end)
        result = _result(call)
        yield self._session.called(
            end,
            name,
            tool,
            call.get("args"),
            without_ids(result) if tool == _SHELL else result,
            **_outcome(call, tool, result),
            elapsed_ms=elapsed_ms(us, end) if is_alone and tool in _UNASKED else None,
            **more,
        )


def _result(call: Columns) -> Any:
    """What a call gave back to the model."""
    for part in objects(call.get("result")):
        response = mapping(mapping(part.get("functionResponse")).get("response"))
        for name in ("error", "output"):
            if response.get(name):
                return response[name]
    return call.get("resultDisplay") or None


def _outcome(call: Columns, tool: str, result: Any) -> Columns:
    status = call.get("status")
    if status == "error":
        is_denied = (preview(result) or "").startswith("Tool execution denied")
        return REFUSED if is_denied else ended_badly(result, is_added=is_added_tool(tool))
    if status == "cancelled":
        return stopped(result)
    if status != "success":
        return UNTOLD
    return reported(result) if tool == _SHELL else SUCCEEDED
