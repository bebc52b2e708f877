"""Codex's rollouts: the record of a session that it writes on every machine.

The items of a response have no id in common: what stands between one input of the model and the
next is one response. Calls and outputs share a call id; token counts are repeated and cumulative,
so a response is given the last usage of the first count that follows it. How a turn ended is told
at its end, and a turn that another follows without an end was aborted. A fork begins with a copy
of its parent's history, which stays the parent's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tgt.sources.agents import COPY, Recent, identity, is_added_tool, owner, project_name
from tgt.sources.base import SKIPPED, Listing, Outcome, PassedOver, Record, malformed, unknown
from tgt.sources.codex_outputs import (
    RUNNERS,
    Ending,
    Finished,
    ending,
    error_class,
    finished,
    incomplete,
    said_in,
    tool_name,
)
from tgt.sources.coerce import args_hash, moment, number, preview, result_bytes, text, upstream
from tgt.sources.discover import listed
from tgt.sources.files import LogFile

DEFAULT = Path("~/.codex/sessions")
ARCHIVE = "archived_sessions"

_LINES = frozenset(
    (
        *("session_meta", "turn_context", "response_item", "event_msg", "token_usage_record"),
        *("world_state", "compacted", "ghost_snapshot", "session_state"),
    )
)
# The script of code mode is an envelope: its commands and tools are told as items of their own.
_CELL = "exec"
_NO_ABORTS = frozenset(("review_ended", "replaced"))
_HUMAN = frozenset(("request_user_input",))
_BURST_US = 2_000_000


@dataclass(frozen=True)
class Codex:
    """A directory of rollouts; ``setting`` is what names another. Archived ones lie beside it."""

    location: Path
    setting: str = "TASKGEN_SOURCE"

    @property
    def kind(self) -> str:
        return "codex"

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.location}"

    def listing(self) -> Listing:
        found = listed(self.location, (".jsonl",), self.setting)
        archive = self.location.parent / ARCHIVE
        if self.location.name != "sessions" or not archive.is_dir():
            return found
        more = listed(archive, (".jsonl",), self.setting)
        files = sorted((*found.files, *more.files), key=lambda file: (file.modified_ns, file.path))
        return replace(
            found, files=tuple(files), passed_over=(*found.passed_over, *more.passed_over)
        )

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> Rollout:
        return Rollout(PurePosixPath(file.path).name.split(".jsonl")[0], state)


_STATE: Mapping[str, Any] = {
    "session": None,  # the id of the file's own session
    "started": None,  # when it began, and when its first line was written
    "written": None,
    "parent": None,  # whose history is copied at the beginning
    "spawned": False,  # by an agent, not by a person
    "copying": False,
    "service": "codex",
    "version": None,
    "model": None,
    "policy": None,  # when a person is asked
    "turn": None,
    "is_open": False,
    "has_turns": False,
    "input_us": None,
    "last_us": 0,
    "answer": None,  # the one that may still grow
    "latest": None,  # the last of the turn, whose end the turn's tells
    "answers": 0,
    "prompts": 0,
    "aborts": 0,
    "total": None,  # a hash of the tokens that were counted last
}


class Rollout:
    """The reader of one rollout; ``name`` stands for the session until a line tells it."""

    def __init__(self, name: str, state: Mapping[str, Any] | None = None) -> None:
        known = dict(state or {})
        self._name = name
        self._calls = Recent(64, known.pop("calls", None))
        self._at: dict[str, Any] = {**_STATE, **known}
        self._place = 0
        self._out: list[Outcome] = []

    def state(self) -> Mapping[str, Any]:
        return {**self._at, "calls": dict(self._calls)}

    def finish(self) -> Iterator[Outcome]:
        """Where turns are not told, an answer that nothing follows has ended."""
        answer = self._at["answer"]
        if answer is not None and not self._at["has_turns"] and answer["reason"] is None:
            ended = {**answer, "reason": "stop", "revision": answer["revision"] + 1}
            yield self._of_answer(ended)

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        kind, payload = document.get("type"), document.get("payload")
        if not isinstance(kind, str) or kind not in _LINES:
            return (unknown(kind),)
        us = moment(document.get("timestamp"))
        if us is None or not isinstance(payload, dict):
            return (malformed("no time" if us is None else "no payload"),)
        self._place, self._out = place, []
        passed: PassedOver | None = SKIPPED
        if kind == "session_meta":
            self._meta(payload, us)
        elif kind == "turn_context":
            self._context(payload, us)
        elif kind == "response_item":
            passed = self._item(payload, us)
        elif kind == "event_msg":
            passed = self._event(payload, us)
        elif kind == "token_usage_record":
            self._tokens(payload.get("usage"), payload.get("thread_token_usage"))
        if self._out or passed is None:
            self._at["last_us"] = max(self._at["last_us"], us)
        return self._out or (passed or SKIPPED,)

    # --- whose history it is ---------------------------------------------------------------------

    def _meta(self, payload: Mapping[str, Any], us: int) -> None:
        at = self._at
        session = text(payload.get("id")) or text(payload.get("session_id"))
        if at["session"] is None:
            at["session"] = session or self._name
            at["written"], at["started"] = us, moment(payload.get("timestamp")) or us
            at["version"] = text(payload.get("cli_version"))
            at["parent"], at["spawned"] = _parent(payload)
            at["copying"] = at["parent"] is not None
            where = text(payload.get("cwd"))
            if where:
                at["service"] = f"codex:{project_name(where) or where}"
        elif session and session != at["session"]:
            at["parent"], at["copying"] = session, True
            self._begin(None, None, us)

    def _begin(self, turn: str | None, began: Any, us: int) -> None:
        """A turn begins, or what is known of the last one is over."""
        at = self._at
        was = at["copying"]
        at["copying"] = was and self._is_copied(turn, began, us)
        if was and not at["copying"]:
            at["is_open"] = False  # how the parent went on is told elsewhere
            at["answer"] = None
        at.update(turn=turn, answers=0, prompts=0, aborts=0, latest=None)

    def _is_copied(self, turn: str | None, began: Any, us: int) -> bool:
        """Whether what begins is of the parent: it is older than the session, or was written
        together with the session's first line."""
        at = self._at
        made, own = _made_ms(turn), _made_ms(at["session"])
        if made is not None and own is not None:
            return made < own
        if (seconds := number(began)) is not None:
            return seconds < int(at["started"]) // 1_000_000
        burst = 0 if at["spawned"] else _BURST_US
        return bool(us < at["started"] or us - at["written"] <= burst)

    def _context(self, payload: Mapping[str, Any], us: int) -> None:
        at = self._at
        at["model"] = text(payload.get("model")) or at["model"]
        at["policy"] = text(payload.get("approval_policy")) or at["policy"]
        turn = text(payload.get("turn_id"))
        if turn is not None and turn != at["turn"] and not at["is_open"]:
            self._begin(turn, None, us)

    # --- records ---------------------------------------------------------------------------------

    @property
    def _conversation(self) -> str:
        at = self._at
        return str((at["parent"] if at["copying"] else None) or at["session"] or self._name)

    def _key(self, kind: str, name: object) -> str:
        """Unique within the turn, which is the same in every copy."""
        turn = self._at["turn"]
        scope = identity("turn", turn, self._conversation) if turn else self._conversation
        return f"{kind}:{scope}:{name}"

    def _record(self, us: int, act: str, actor: str, key: str | None) -> Record:
        at = self._at
        return {
            "us": us,
            "place": self._place,
            "id": key,
            "key": key,
            "revision": self._place - COPY if at["copying"] else self._place,
            "actor": actor,
            "act": act,
            "cancelled": False,
            "conv_id": self._conversation,
            "trace_id": at["turn"],
            "service": at["service"],
            "version": at["version"],
            "subject": act,
        }

    def _emit(self, record: Record) -> None:
        self._out.append(record)

    # --- items -----------------------------------------------------------------------------------

    def _item(self, payload: Mapping[str, Any], us: int) -> PassedOver | None:
        kind = text(payload.get("type")) or ""
        if kind.endswith("_call_output") or kind == "tool_search_output":
            self._output(payload, us)
        elif kind.endswith("_call"):
            self._respond(us, reason="tool_calls")
            self._call(kind, payload, us)
        elif kind == "reasoning":
            self._respond(us)
        elif kind == "message" and payload.get("role") == "assistant":
            self._respond(us, said=preview(payload.get("content")) or "")
        elif kind == "message":
            return self._message(payload, us)
        elif kind in {"ghost_snapshot", "compaction", "context_compaction", "other"}:
            return SKIPPED
        else:
            return unknown(kind)
        return None

    def _message(self, payload: Mapping[str, Any], us: int) -> PassedOver | None:
        said = preview(payload.get("content")) or ""
        if payload.get("role") != "user" or said.startswith(("<", "# AGENTS.md")):
            return SKIPPED
        at = self._at
        if at["copying"] and at["turn"] is None:
            at["copying"] = self._is_copied(None, None, us)
        self._close()
        at["input_us"] = us
        at["prompts"] += 1
        record = self._record(us, "prompt", "user", self._key("prompt", at["prompts"]))
        self._emit(record | {"args_preview": said or None})
        return None

    def _respond(self, us: int, *, reason: str | None = None, said: str | None = None) -> None:
        at = self._at
        if at["answer"] is None:
            at["answers"] += 1
            at["answer"] = at["latest"] = {
                "key": self._key("answer", at["answers"]),
                "model": at["model"],
                "asked": None if at["copying"] else at["input_us"],
                "reason": None,
                "place": self._place,
            }
        answer = at["answer"]
        answer["us"] = us
        answer["reason"] = reason or answer["reason"]
        if said is not None:
            answer["place"] = self._place  # what it said stands there
        self._renew(answer)
        if said:
            self._out[-1]["result_preview"] = said  # type: ignore[index]

    def _renew(self, answer: dict[str, Any]) -> None:
        """The answer is given out again, as it is known now."""
        answer["revision"] = self._place - COPY if self._at["copying"] else self._place
        self._emit(self._of_answer(answer))

    def _of_answer(self, answer: Mapping[str, Any]) -> Record:
        us, asked, model = answer["us"], answer["asked"], answer["model"]
        record = self._record(us, "assistant_response", "assistant", answer["key"])
        return record | {
            "place": answer["place"],
            "revision": answer["revision"],
            "name": model,
            "model": model,
            "failed": False,
            "finish_reason": answer["reason"],
            "elapsed_ms": (us - asked) / 1000 if asked is not None and us >= asked else None,
            "input_tokens": answer.get("input"),
            "cached_tokens": answer.get("cached"),
            "output_tokens": answer.get("output"),
            "subject": f"assistant_response/{model}" if model else "assistant_response",
        }

    def _close(self) -> None:
        answer = self._at["answer"]
        if answer is not None and not self._at["has_turns"] and answer["reason"] is None:
            answer["reason"] = "stop"
            self._renew(answer)
        self._at["answer"] = None

    # --- calls -----------------------------------------------------------------------------------

    def _call(self, kind: str, payload: Mapping[str, Any], us: int) -> None:
        call = text(payload.get("call_id")) or text(payload.get("id"))
        name = tool_name(payload, kind)
        given = payload.get("arguments", payload.get("input", payload.get("action")))
        key = self._key("call", call or f"#{self._place}")
        known = {"key": key, "name": name, "us": us, "asks": self._asks(name)}
        if kind == "custom_tool_call" and name == _CELL:
            known |= {"cell": True, "hash": args_hash(given), "items": 0}
        else:
            phase = "call" if kind == "web_search_call" else "start"
            record = self._of_call(us, known, phase)
            record |= {"args_preview": preview(given), "args_hash": args_hash(given)}
            if phase == "call" and payload.get("status") == "completed":
                record["failed"] = False
            self._emit(record)
        if call is not None:
            self._calls[call] = known

    def _asks(self, name: str) -> bool:
        """Whether a person may be asked before a tool runs; where that is not told, nobody is."""
        policy = self._at["policy"]
        may_ask = name in RUNNERS or name == "apply_patch" or is_added_tool(name)
        return name in _HUMAN or (may_ask and policy not in {None, "never"})

    def _of_call(self, us: int, known: Mapping[str, Any], phase: str) -> Record:
        name, key = known["name"], known["key"]
        actor = "tool" if is_added_tool(name or "") else owner(name or "")
        return self._record(us, "tool_call", actor, f"{key}:{phase}") | {
            "id": key,
            "call_id": key,
            "phase": phase,
            "name": name,
            "subject": f"tool_call/{name or 'unknown'}",
        }

    def _output(self, payload: Mapping[str, Any], us: int) -> None:
        self._close()
        self._at["input_us"] = us
        call = text(payload.get("call_id"))
        output = payload.get("output", payload.get("tools"))
        known = self._calls.get(call or "")
        if known is None:
            # Its beginning was not read. What is known of it elsewhere is better.
            known = {"key": self._key("call", call), "name": None}
            record = self._of_call(us, known, "end") | {"revision": None}
            told = ending(output, None)
        else:
            told = _merged(ending(output, known["name"]), known.get("told"))
            if known.get("cell") and known["items"] and told.failed is not True:
                return  # what it did is told by its items
            record = self._of_call(us, known, "call" if known.get("cell") else "end")
            if known.get("cell"):
                record["args_hash"] = known["hash"]
            record["elapsed_ms"] = self._running_ms(told, known, us)
            known["ended"] = True
        record |= told.columns()
        record["result_preview"] = preview(said_in(output))
        record["result_bytes"] = result_bytes(output)
        self._emit(record)

    def _running_ms(self, told: Ending, known: Mapping[str, Any], us: int) -> float | None:
        """How long a tool ran, without the time that somebody took to allow it."""
        if known["name"] in _HUMAN or told.kind in {"user_rejected", "interrupted"}:
            return None
        if told.seconds is not None:
            return told.seconds * 1000
        start = known["us"]
        if known["asks"] or self._at["copying"] or us < start:
            return None
        return float(us - start) / 1000

    def _finished(self, done: Finished, payload: Mapping[str, Any], us: int) -> None:
        """An event tells the end of a call: of one that an item told, or of one in a script."""
        known = self._calls.get(done.call)
        if known is not None:
            known["told"] = [done.ending.failed, done.ending.kind, done.ending.seconds]
            if is_added_tool(done.name):
                known["name"] = done.name
            phase = "end"
        else:
            cells = [known for known in self._calls.values() if known.get("cell")]
            open_cells = [known for known in cells if not known.get("ended")]
            if not done.is_nested and not open_cells:
                return
            for cell in open_cells:
                cell["items"] += 1
            key = self._key("call", done.call)
            known = {"key": key, "name": done.name, "us": us, "asks": False}
            phase = "call"
        at = moment(payload.get("completed_at_ms")) or us
        record = self._of_call(at, known, phase) | done.ending.columns()
        if done.ending.seconds is not None:
            record["elapsed_ms"] = done.ending.seconds * 1000
        if phase == "call":
            record["args_preview"] = preview(done.given)
            record["args_hash"] = args_hash(done.given)
        record["result_preview"] = preview(done.result)
        record["result_bytes"] = result_bytes(done.result)
        self._emit(record)

    # --- events ----------------------------------------------------------------------------------

    def _event(self, payload: Mapping[str, Any], us: int) -> PassedOver | None:
        kind = text(payload.get("type")) or ""
        if kind in {"task_started", "turn_started"}:
            self._started(payload, us)
            return None
        if kind in {"task_complete", "turn_complete"}:
            self._completed(payload, us)
        elif kind == "turn_aborted":
            self._aborted(payload, us)
        elif kind in {"error", "stream_error"}:
            self._fail(kind, payload, us)
        elif kind == "token_count":
            info = payload.get("info")
            if isinstance(info, dict):
                self._tokens(info.get("last_token_usage"), info.get("total_token_usage"))
        elif (done := finished(payload)) is not None:
            self._finished(done, payload, us)
        return SKIPPED

    def _started(self, payload: Mapping[str, Any], us: int) -> None:
        self._close()
        at = self._at
        turn = text(payload.get("turn_id")) or f"{self._conversation}:{us}"
        was_open, aborted = at["is_open"], self._abort(at["last_us"])
        self._begin(turn, payload.get("started_at"), us)
        if was_open and at["is_open"] and at["last_us"]:
            self._emit(aborted)
        at["is_open"] = at["has_turns"] = True
        at["input_us"] = us

    def _abort(self, us: int) -> Record:
        key = self._key("aborted", self._at["aborts"])
        return self._record(us, "turn_aborted", "user", key) | {"cancelled": True}

    def _aborted(self, payload: Mapping[str, Any], us: int) -> None:
        at = self._at
        at["is_open"] = False
        self._close()
        reason = text(payload.get("reason"))
        if reason not in _NO_ABORTS:
            self._emit(self._abort(us))
            at["aborts"] += 1
        elif reason == "review_ended":
            self._end_latest("stop")

    def _completed(self, payload: Mapping[str, Any], us: int) -> None:
        self._at["is_open"] = False
        self._close()
        error = payload.get("error")
        said = preview(error.get("message")) if isinstance(error, dict) else preview(error)
        reason = incomplete(said)
        if said and reason is None:
            info = error.get("codex_error_info") if isinstance(error, dict) else None
            self._fail("error", {"message": said, "codex_error_info": info}, us)
        elif reason is not None and self._at["latest"] is None:
            self._respond(us, reason=reason)  # nothing of it was written
            self._at["answer"] = None
        else:
            self._end_latest(reason or "stop")
        self._at["latest"] = None

    def _end_latest(self, reason: str) -> None:
        answer = self._at["latest"]
        if answer is not None and answer["reason"] is None:
            answer["reason"] = reason
            self._renew(answer)

    def _fail(self, kind: str, payload: Mapping[str, Any], us: int) -> None:
        said = preview(payload.get("message"))
        error = error_class(payload.get("codex_error_info"), said)
        # What ends a turn is told as it happens and again at the turn's end.
        is_last = kind == "error" and self._at["turn"] is not None
        key = self._key("error", "last" if is_last else f"#{self._place}")
        model = self._at["model"]
        self._emit(
            self._record(us, "api_error", "assistant", key)
            | {
                "failed": True,
                "name": model,
                "model": model,
                "error": said,
                "error_type": error,
                "subject": upstream(error, None),
            }
        )

    def _tokens(self, usage: Any, total: Any) -> None:
        answer = self._at["latest"]
        counted = args_hash(total)
        if not isinstance(usage, dict) or answer is None or counted == self._at["total"]:
            return
        self._at["total"] = counted
        if answer.get("output") is None:
            answer["input"] = number(usage.get("input_tokens"))
            answer["cached"] = number(usage.get("cached_input_tokens"))
            answer["output"] = number(usage.get("output_tokens"))
            self._renew(answer)


def _merged(told: Ending, event: list[Any] | None) -> Ending:
    """What an output says of its call, where an event said it more exactly."""
    if event is None:
        return told
    failed, kind, seconds = event
    if failed is not None or kind is not None:
        told = told._replace(failed=failed, kind=kind)
    return told._replace(seconds=told.seconds if seconds is None else seconds)


def _parent(payload: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The session that this one was forked from, and whether an agent did that."""
    source = payload.get("source")
    agent = source.get("subagent") if isinstance(source, dict) else None
    spawn = agent.get("thread_spawn") if isinstance(agent, dict) else None
    spawned_by = text(spawn.get("parent_thread_id")) if isinstance(spawn, dict) else None
    spawned_by = spawned_by or text(payload.get("parent_thread_id"))
    return text(payload.get("forked_from_id")) or spawned_by, spawned_by is not None


def _made_ms(name: str | None) -> int | None:
    """When an id was made, which ids of version 7 tell."""
    digits = (name or "").replace("-", "")
    if len(digits) != 32 or digits[12] != "7":  # noqa: PLR2004 the length and version of a UUID
        return None
    try:
        return int(digits[:12], 16)
    except ValueError:
        return None
