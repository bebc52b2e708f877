"""Codex's rollouts: the record of a session that it writes on every machine.

The items of a response have no id in common: what stands between one input of the model and the
next is one response. Calls and outputs share a call id; token counts are repeated and cumulative,
so a response is given the last usage of the first count that follows it. How a turn ended is told
at its end, and a turn that another follows without an end was aborted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tgt.sources.coerce import http_class, moment, number, preview, text, upstream
from tgt.sources.discover import listed
from tgt.sources.envelopes import MALFORMED, documents
from tgt.sources.files import LogFile, Part
from tgt.sources.otlp.attributes import is_added_tool
from tgt.sources.otlp.log_events import exit_code
from tgt.sources.translated import MALFORMED_RECORD, SKIPPED, UNKNOWN, Translated

DEFAULT = Path("~/.codex/sessions")

_LINES = frozenset(
    (
        *("session_meta", "turn_context", "response_item", "event_msg", "token_usage_record"),
        *("world_state", "compacted", "ghost_snapshot", "session_state"),
    )
)
_WALL_TIME = re.compile(r"^Wall time: ([0-9.]+) seconds", re.MULTILINE)
_STATUS = re.compile(r"\b(?:status|code)\D{0,12}([45]\d\d)\b", re.IGNORECASE)
_FAILED = ("unsupported call", "failed to ", "apply_patch verification failed", "error:")
_REFUSED = ("aborted by user", "rejected by user", "exec command rejected")
_CUT_OFF = "max_output_tokens"

Record = dict[str, Any]


@dataclass(frozen=True)
class Codex(Translated):
    """A directory of rollouts; ``setting`` is what names another."""

    location: Path
    setting: str = "TASKGEN_SOURCE"

    @property
    def kind(self) -> str:
        return "codex"

    def files(self) -> tuple[LogFile, ...]:
        return listed(self.location, (".jsonl",), self.setting)

    def translate(self, part: Part) -> Iterator[Any]:
        name = PurePosixPath(part.file.path).name.split(".jsonl")[0]
        return translate(documents(part.file, part.offset, part.length), name)


def translate(found: Iterator[Any], name: str) -> Iterator[Any]:
    """The records of a rollout's lines; ``name`` stands for the session until one tells it."""
    rollout = _Rollout(name)
    for line in found:
        if line is MALFORMED:
            yield MALFORMED_RECORD
        else:
            made = rollout.take(line)
            if made is not None:
                yield made
    yield from rollout.finished()


@dataclass
class _Rollout:
    session: str
    service: str = "codex"
    model: str | None = None
    turn: str | None = None
    is_open: bool = False
    has_turns: bool = False
    input_us: int | None = None
    last_us: int = 0
    answer: Record | None = None
    last_answer: Record | None = None
    calls: dict[str, Record] = field(default_factory=dict)
    made: list[Record] = field(default_factory=list)
    count: int = 0
    total: Any = None

    def take(self, line: Mapping[str, Any]) -> Any:
        """SKIPPED, UNKNOWN or a malformed record; None for a line that is kept for later."""
        kind, payload = line.get("type"), line.get("payload")
        if not isinstance(kind, str) or kind not in _LINES:
            return UNKNOWN
        us = moment(line.get("timestamp"))
        if us is None or not isinstance(payload, dict):
            return MALFORMED_RECORD
        done: Any = SKIPPED
        if kind == "session_meta":
            self._meta(payload)
        elif kind == "turn_context":
            self.model = text(payload.get("model")) or self.model
        elif kind == "response_item":
            done = self._item(payload, us)
        elif kind == "event_msg":
            done = self._event(payload, us)
        elif kind == "token_usage_record":
            self._tokens(payload.get("usage"), payload.get("thread_token_usage"))
        if done is None:
            self.last_us = max(self.last_us, us)
        return done

    def _meta(self, payload: Mapping[str, Any]) -> None:
        self.session = text(payload.get("id")) or self.session
        where = text(payload.get("cwd"))
        if where:
            self.service = f"codex:{PurePosixPath(where.replace(chr(92), '/')).name or where}"

    def _base(self, us: int, act: str, actor: str) -> Record:
        self.count += 1
        return {
            "us": us,
            "id": f"{self.session}:{self.count}",
            "actor": actor,
            "act": act,
            "cancelled": False,
            "trace_id": self.turn,
            "subject": act,
        }

    # --- items -----------------------------------------------------------------------------------

    def _item(self, payload: Mapping[str, Any], us: int) -> Any:
        kind = text(payload.get("type")) or ""
        if kind.endswith("_call_output") or kind == "tool_search_output":
            self._output(payload, us)
        elif kind.endswith("_call"):
            self._respond(us)["finish_reason"] = "tool_calls"
            self._call(kind, payload, us)
        elif kind == "reasoning" or (kind == "message" and payload.get("role") == "assistant"):
            self._respond(us)
        elif kind == "message":
            return self._message(payload, us)
        else:
            return SKIPPED if kind in {"ghost_snapshot", "compaction", "other"} else UNKNOWN
        return None

    def _message(self, payload: Mapping[str, Any], us: int) -> Any:
        said = preview(payload.get("content")) or ""
        if payload.get("role") != "user" or said.startswith(("<", "# AGENTS.md")):
            return SKIPPED
        self._close()
        self.input_us = us
        self.made.append(self._base(us, "prompt", "user") | {"args_preview": said or None})
        return None

    def _respond(self, us: int) -> Record:
        if self.answer is None:
            self.answer = self._base(us, "assistant_response", "assistant") | {
                "name": self.model,
                "model": self.model,
                "failed": False,
                "subject": f"assistant_response/{self.model}"
                if self.model
                else "assistant_response",
            }
            self.made.append(self.answer)
            self.last_answer = self.answer
        self.answer["us"] = us
        if self.input_us is not None and us >= self.input_us:
            self.answer["elapsed_ms"] = (us - self.input_us) / 1000
        return self.answer

    def _close(self) -> None:
        if self.answer is not None and not self.has_turns:
            self.answer.setdefault("finish_reason", "stop")
        self.answer = None

    def _call(self, kind: str, payload: Mapping[str, Any], us: int) -> None:
        call = text(payload.get("call_id")) or text(payload.get("id"))
        name = text(payload.get("name")) or kind.removesuffix("_call")
        given = payload.get("arguments", payload.get("input", payload.get("action")))
        owner = "tool" if is_added_tool(name) else "assistant"
        made = self._base(us, "tool_call", owner) | {
            "name": name,
            "call_id": call,
            "args_preview": preview(given),
            "subject": f"tool_call/{name}",
        }
        if kind == "web_search_call" and payload.get("status") == "completed":
            made["failed"] = False
        self.made.append(made)
        if call is not None:
            self.calls[call] = made

    def _output(self, payload: Mapping[str, Any], us: int) -> None:
        self._close()
        self.input_us = us
        made = self.calls.pop(text(payload.get("call_id")) or "", None)
        if made is None:
            return
        said, told = _told(payload.get("output"))
        made["elapsed_ms"] = _running_ms(said, told, made["us"], us)
        made["us"] = us
        made["result_preview"] = preview(said)
        code = exit_code(said)
        metadata = told.get("metadata")
        if code is None and isinstance(metadata, dict) and number(metadata.get("exit_code")):
            code = int(number(metadata["exit_code"]) or 0)
        if any(words in said[:200] for words in _REFUSED):
            made |= {"failed": None, "error_type": "user_rejected", "elapsed_ms": None}
            return
        is_error = said.lower().startswith(_FAILED) or told.get("success") is False
        made["failed"] = bool(code) or is_error
        if made["failed"]:
            made["error"] = preview(said)
            made["error_type"] = "exit_code" if code else "tool_error"

    # --- events ----------------------------------------------------------------------------------

    def _event(self, payload: Mapping[str, Any], us: int) -> Any:
        kind = text(payload.get("type")) or ""
        if kind in {"task_started", "turn_started"}:
            self._started(payload, us)
        elif kind in {"task_complete", "turn_complete"}:
            return self._completed(payload, us)
        elif kind == "turn_aborted":
            self.is_open = False
            self._close()
            self.made.append(self._base(us, "turn_aborted", "user") | {"cancelled": True})
        elif kind in {"error", "stream_error"}:
            self.made.append(self._failure(payload, us))
        elif kind == "token_count":
            info = payload.get("info")
            if isinstance(info, dict):
                self._tokens(info.get("last_token_usage"), info.get("total_token_usage"))
            return SKIPPED
        else:
            return SKIPPED
        return None

    def _started(self, payload: Mapping[str, Any], us: int) -> None:
        self._close()
        if self.is_open and self.last_us:
            self.made.append(self._base(self.last_us, "turn_aborted", "user") | {"cancelled": True})
        self.turn = text(payload.get("turn_id")) or f"{self.session}:{us}"
        self.is_open = self.has_turns = True
        self.last_answer = None
        self.input_us = us

    def _completed(self, payload: Mapping[str, Any], us: int) -> Any:
        self.is_open = False
        self._close()
        error = payload.get("error")
        said = preview(error.get("message")) if isinstance(error, dict) else preview(error)
        answer, self.last_answer = self.last_answer, None
        if said and _CUT_OFF not in said:
            self.made.append(self._failure({"message": said}, us))
        elif answer is not None and answer.get("finish_reason") is None:
            answer["finish_reason"] = "length" if said else "stop"
        return None if said else SKIPPED

    def _failure(self, payload: Mapping[str, Any], us: int) -> Record:
        said = preview(payload.get("message"))
        found = _STATUS.search(f"{said} {payload.get('codex_error_info')}"[:2000])
        kind = http_class(found[1]) if found else None
        return self._base(us, "api_error", "assistant") | {
            "failed": True,
            "name": self.model,
            "model": self.model,
            "error": said,
            "error_type": kind or "api_error",
            "subject": upstream(kind or "api_error", None),
        }

    def _tokens(self, usage: Any, total: Any) -> None:
        answer = self.last_answer
        if not isinstance(usage, dict) or answer is None or total == self.total:
            return
        self.total = total
        if answer.get("output_tokens") is None:
            answer["input_tokens"] = number(usage.get("input_tokens"))
            answer["output_tokens"] = number(usage.get("output_tokens"))

    def finished(self) -> Iterator[Record]:
        self._close()
        for made in self.made:
            yield made | {"conv_id": self.session, "service": self.service}


def _told(output: Any) -> tuple[str, Mapping[str, Any]]:
    """An output's text and what is told beside it: of a text, an object, or an object as text."""
    if isinstance(output, str) and output.startswith("{"):
        try:
            output = json.loads(output)
        except (ValueError, RecursionError):
            return output, {}
    if isinstance(output, dict):
        said = output.get("output", output.get("content"))
        return said if isinstance(said, str) else str(said or ""), output
    if isinstance(output, list):
        return preview(output) or "", {}
    return output if isinstance(output, str) else "", {}


def _running_ms(said: str, told: Mapping[str, Any], start: int, end: int) -> float | None:
    """How long a tool ran, without the time that somebody took to allow it where that is told."""
    metadata = told.get("metadata")
    seconds = number(metadata.get("duration_seconds")) if isinstance(metadata, dict) else None
    found = _WALL_TIME.search(said[:400])
    if seconds is None and found:
        seconds = number(found[1])
    if seconds:
        return seconds * 1000
    return (end - start) / 1000 if end >= start else None
