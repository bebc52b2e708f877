"""Qwen Code's sessions: lines like Claude Code's, around messages like Gemini's.

An answer and a tool's result stand in lines of the conversation; how long each took is told by
telemetry lines beside them, which name neither and are matched by what they have in common. How an
answer ended is never written down.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from tgt.sources.agent_records import (
    OPEN_CALLS,
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
    usual_place,
    without_ids,
    word,
)
from tgt.sources.agents import COPY, Recent, is_added_tool
from tgt.sources.base import SKIPPED, Listing, Outcome, malformed, unknown
from tgt.sources.coerce import moment, number, preview
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile

KIND = "qwen"
DEFAULTS = (Path("~/.qwen/projects"),)

_LINES = frozenset(("user", "assistant", "tool_result", "system"))
# What a user's line of these kinds says, a person said.
_PERSONAL = frozenset(("", "mid_turn_user_message", "realtime_message"))
# Nobody is asked whether these may run.
_UNASKED = frozenset(
    (
        *("read_file", "read_many_files", "list_directory", "glob", "grep_search", "lsp"),
        *("search_file_content", "todo_write", "agent", "task", "skill", "web_search"),
    )
)
_HUMAN = frozenset(("ask_user_question", "exit_plan_mode"))
_SHELL = "run_shell_command"
_DENIED = frozenset(("execution_denied", "policy_violation", "permission_denied"))


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where Qwen Code keeps sessions: QWEN_RUNTIME_DIR and QWEN_HOME name other directories."""
    variable = "QWEN_RUNTIME_DIR" if environ.get("QWEN_RUNTIME_DIR") else "QWEN_HOME"
    return (usual_place(environ, variable, "~/.qwen", "projects"),)


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object is a line of a session, and none of Claude Code's."""
    if not is_of(document.get("type"), _LINES) or not {"uuid", "sessionId"} <= document.keys():
        return False
    own = document.keys() & {"systemPayload", "toolCallResult", "usageMetadata"}
    return bool(own) or isinstance(mapping(document.get("message")).get("parts"), list)


class Qwen(FileSource):
    """A directory of projects with their sessions."""

    kind: ClassVar = KIND

    def listing(self) -> Listing:
        return listed(self.location, (".jsonl",), self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> QwenReader:  # noqa: ARG002 the lines say all that there is to know
        return QwenReader(state)


class QwenReader:
    """``latest`` is the last answer, as far as it may still be told how long it took; ``untold``
    the times of requests whose answer was not seen yet. An open call is its tool; ``ran`` is how
    long tools ran whose results are yet to come."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        kept = state or {}
        self._session = Session(KIND)
        self._session.restore(kept)
        self._asked: Any = kept.get("asked")
        self._latest: dict[str, Any] = dict(mapping(kept.get("latest")))
        self._untold = Recent(8, mapping(kept.get("untold")))
        self._calls = Recent(OPEN_CALLS, mapping(kept.get("calls")))
        self._ran = Recent(32, mapping(kept.get("ran")))

    def state(self) -> Mapping[str, Any]:
        return self._session.state() | {
            "asked": self._asked,
            "latest": self._latest,
            "untold": dict(self._untold),
            "calls": dict(self._calls),
            "ran": dict(self._ran),
        }

    def finish(self) -> Iterable[Outcome]:
        return ()

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        kind = document.get("type")
        if not isinstance(kind, str) or kind not in _LINES:
            return (unknown(kind),)
        us = moment(document.get("timestamp"))
        if us is None:
            return (malformed("no time"),)
        session = self._session
        line = _Line(document, us, place)
        session.conversation = line.conversation or session.conversation
        session.version = word(document.get("version")) or session.version
        if session.project is None:
            session.works_in(document.get("cwd"))
        take = {
            "user": self._prompt,
            "assistant": self._answer,
            "tool_result": self._results,
            "system": self._system,
        }[kind]
        return tuple(take(line)) or (SKIPPED,)

    # --- the conversation ------------------------------------------------------------------------

    def _prompt(self, line: _Line) -> Iterator[Outcome]:
        document = line.document
        self._asked = line.us
        provenance = document.get("provenance")
        if (
            not is_of(document.get("subtype", ""), _PERSONAL)
            or document.get("isSidechain")
            or (provenance is not None and provenance != "real_user")
        ):
            return
        shown = mapping(document.get("systemPayload")).get("displayText")
        prompt = preview(shown) or preview(line.parts)
        if prompt is not None and not prompt.startswith("<"):
            yield self._session.prompt(line.us, line.name, prompt, **line.more)

    def _answer(self, line: _Line) -> Iterator[Outcome]:
        usage = mapping(line.document.get("usageMetadata"))
        if self._latest.get("name") != line.name:
            self._latest = {"name": line.name, "asked": self._asked, "ms": None}
        answer = self._latest
        answer |= {
            "us": line.us,
            "model": word(line.document.get("model")) or answer.get("model"),
            "input_tokens": number(usage.get("promptTokenCount")),
            "cached_tokens": number(usage.get("cachedContentTokenCount")),
            "output_tokens": number(usage.get("candidatesTokenCount")),
            "more": {**line.more, "place": line.place},
        }
        if answer["ms"] is None:
            answer["ms"] = self._untold.pop(_fingerprint(usage, _USAGE), None)
        texts = [part for part in line.parts if "text" in part and not part.get("thought")]
        yield self._latest_answer() | {"result_preview": preview(texts or None)}
        for part in line.parts:
            yield from self._call(line, mapping(part.get("functionCall")))

    def _latest_answer(self) -> dict[str, Any]:
        answer = self._latest
        counts = ("input_tokens", "cached_tokens", "output_tokens")
        waited = elapsed_ms(answer.get("asked"), answer["us"])
        return self._session.answer(
            answer["us"],
            answer["name"],
            answer.get("model"),
            elapsed_ms=waited if answer["ms"] is None else answer["ms"],
            **{name: answer[name] for name in counts},
            **answer["more"],
        )

    def _call(self, line: _Line, call: Columns) -> Iterator[Outcome]:
        name, tool = word(call.get("id")), word(call.get("name"))
        if name is None or tool is None:
            return
        self._calls[name] = tool
        yield self._session.started(line.us, name, tool, call.get("args"), **line.more)

    def _results(self, line: _Line) -> Iterator[Outcome]:
        self._asked = line.us
        ended = mapping(line.document.get("toolCallResult"))
        for part in line.parts:
            answer = mapping(part.get("functionResponse"))
            name = word(answer.get("id")) or word(ended.get("callId"))
            if name is None:
                continue
            tool = self._calls.pop(name, None) or word(answer.get("name"))
            response = mapping(answer.get("response"))
            result = response.get("error") or response.get("output") or ended.get("resultDisplay")
            ran = self._ran.pop(tool or "", [])
            ms = ran.pop(0) if ran else None
            if ran and tool:
                self._ran[tool] = ran
            # The time up to the result may be a person's, who was asked.
            is_wait = tool in _HUMAN or (ms is None and tool not in _UNASKED)
            yield self._session.ended(
                line.us,
                name,
                tool,
                without_ids(result) if tool == _SHELL else result,
                **_outcome(ended, tool, response, result),
                elapsed_ms=ms,
                is_wait=is_wait,
                **line.more,
            )

    # --- telemetry beside it ---------------------------------------------------------------------

    def _system(self, line: _Line) -> Iterator[Outcome]:
        if line.document.get("subtype") != "ui_telemetry":
            return
        event = mapping(mapping(line.document.get("systemPayload")).get("uiEvent"))
        kind = (word(event.get("event.name")) or "").rpartition(".")[2]
        if kind == "api_response":
            yield from self._response(event, line)
        elif kind == "tool_call":
            tool, ms = word(event.get("function_name")), number(event.get("duration_ms"))
            if tool is not None and ms is not None:
                self._ran[tool] = [*self._ran.get(tool, []), ms][-OPEN_CALLS:]
        elif kind == "api_error":
            model = word(event.get("model"))
            yield self._session.api_error(
                line.us,
                line.name,
                event.get("error_message", event.get("error")),
                status=event.get("status_code"),
                kind=event.get("error_type"),
                elapsed_ms=number(event.get("duration_ms")),
                name=model,
                model=model,
                **line.more,
            )
        elif kind == "api_cancel":
            yield self._session.interruption(line.us, line.name, **line.more)

    def _response(self, event: Columns, line: _Line) -> Iterator[Outcome]:
        ms = number(event.get("duration_ms"))
        if ms is None:
            return
        fingerprint = _fingerprint(event, _TELEMETRY)
        answer = self._latest
        tokens = (answer.get("input_tokens"), answer.get("output_tokens"))
        if answer and answer.get("ms") is None and fingerprint == _print(*tokens):
            answer["ms"] = ms
            yield self._latest_answer() | {"revision": line.more["revision"]}
        else:
            self._untold[fingerprint] = ms


# Of the output, thoughts are a part.
_USAGE = ("promptTokenCount", "candidatesTokenCount")
_TELEMETRY = ("input_token_count", "output_token_count")


def _fingerprint(usage: Columns, names: tuple[str, str]) -> str:
    """What the line of an answer and the telemetry of its request have in common."""
    return _print(*(number(usage.get(name)) for name in names))


def _print(read: float | None, written: float | None) -> str:
    return f"{read or 0:.0f}/{written or 0:.0f}"


class _Line:
    """A line with what every kind of it has."""

    def __init__(self, document: Columns, us: int, place: int) -> None:
        self.document = document
        self.us = us
        self.place = place
        self.name = word(document.get("uuid")) or f"{us}"
        self.parts = objects(mapping(document.get("message")).get("parts"))
        origin = word(mapping(document.get("forkedFrom")).get("sessionId"))
        self.conversation = origin or word(document.get("sessionId"))
        self.more = {
            "trace_id": word(document.get("agentId")),
            "revision": place - COPY if origin else place,
        }


def _outcome(ended: Columns, tool: str | None, response: Columns, result: Any) -> Columns:
    status = ended.get("status")
    kind = word(ended.get("errorType"))
    if status == "cancelled":
        return stopped(result)
    if kind in _DENIED:
        return REFUSED
    if status == "error" or response.get("error"):
        return ended_badly(result, kind or "tool_error", is_added=is_added_tool(tool or ""))
    if status != "success" and "output" not in response:
        return UNTOLD
    return reported(result) if tool == _SHELL else SUCCEEDED
