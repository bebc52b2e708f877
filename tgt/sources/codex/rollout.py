"""The reader of a rollout's lines.

The items of a response have no id in common: what stands between one input of the model and the
next is one response. Token counts are repeated and cumulative, so a response is given the last
usage of the first count that follows it. How a turn ended is told at its end, and a turn that
another follows without an end was aborted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tgt.sources.base import SKIPPED, Outcome, Record, malformed, unknown
from tgt.sources.codex.answers import Answers
from tgt.sources.codex.calls import Calls
from tgt.sources.codex.events import error_class, finished, incomplete
from tgt.sources.codex.lineage import Lineage
from tgt.sources.coerce import moment, preview, text, upstream

LINES = frozenset(
    (
        *("session_meta", "turn_context", "response_item", "event_msg", "token_usage_record"),
        *("world_state", "compacted", "ghost_snapshot", "session_state"),
    )
)
_NO_EVENTS = frozenset(("ghost_snapshot", "compaction", "context_compaction", "other"))
_OF_PROVIDER = frozenset(("web_search_call", "image_generation_call"))
# How a turn is broken off that nobody gave up: a review is over, or the person said more.
_NO_ABORTS = frozenset(("review_ended", "replaced"))

_STATE: Mapping[str, Any] = {
    "model": None,
    "policy": None,  # when a person is asked
    "is_open": False,  # a turn is
    "has_turns": False,
    "asked_us": None,  # the last input of the model
    "last_us": 0,
    "prompts": 0,
    "aborts": 0,
}


class Rollout:
    """The reader of one rollout; ``name`` stands for the session until a line tells it."""

    def __init__(self, name: str, state: Mapping[str, Any] | None = None) -> None:
        kept = state or {}
        self._lineage = Lineage(name, kept.get("lineage", {}))
        self._answers = Answers(self._lineage, kept.get("answers", {}))
        self._calls = Calls(self._lineage, kept.get("calls"))
        self._is: dict[str, Any] = {**_STATE, **kept.get("is", {})}

    def state(self) -> Mapping[str, Any]:
        return {
            "lineage": self._lineage.state(),
            "answers": self._answers.state(),
            "calls": self._calls.state(),
            "is": dict(self._is),
        }

    def finish(self) -> Iterable[Outcome]:
        """Where turns are not told, an answer that nothing follows has ended."""
        return () if self._is["has_turns"] else self._answers.unfinished("stop")

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        kind, payload = document.get("type"), document.get("payload")
        if not isinstance(kind, str) or kind not in LINES:
            return (unknown(kind),)
        us = moment(document.get("timestamp"))
        if us is None or not isinstance(payload, dict):
            return (malformed("no time" if us is None else "no payload"),)
        outcomes: tuple[Outcome, ...] = ()
        if kind == "session_meta":
            self._lineage.meta(payload, us)
        elif kind == "turn_context":
            self._context(payload, us)
        elif kind == "response_item":
            outcomes = tuple(self._item(payload, us, place))
        elif kind == "event_msg":
            outcomes = tuple(self._event(payload, us, place))
        elif kind == "token_usage_record":
            total = payload.get("thread_token_usage")
            outcomes = tuple(self._answers.tokens(payload.get("usage"), total, place))
        if any(isinstance(outcome, dict) for outcome in outcomes):
            self._is["last_us"] = max(self._is["last_us"], us)
        return outcomes or (SKIPPED,)

    def _context(self, payload: Mapping[str, Any], us: int) -> None:
        state = self._is
        state["model"] = text(payload.get("model")) or state["model"]
        state["policy"] = text(payload.get("approval_policy")) or state["policy"]
        turn = text(payload.get("turn_id"))
        if turn is not None and turn != self._lineage.turn and not state["is_open"]:
            self._begin(turn, None, us)

    def _begin(self, turn: str | None, began: Any, us: int) -> None:
        if self._lineage.begin(turn, began, us):
            self._is["is_open"] = False  # how the parent went on is told elsewhere
        self._answers.begin_turn()
        self._is.update(prompts=0, aborts=0)

    def _record(self, us: int, place: int, act: str, actor: str, key: str) -> Record:
        return {
            **self._lineage.columns(us, place),
            "id": key,
            "key": key,
            "actor": actor,
            "act": act,
            "cancelled": False,
            "subject": act,
        }

    # --- items -----------------------------------------------------------------------------------

    def _item(self, payload: Mapping[str, Any], us: int, place: int) -> Iterator[Outcome]:
        kind = text(payload.get("type")) or ""
        if kind.endswith("_call_output") or kind == "tool_search_output":
            yield from self._close(place)
            self._is["asked_us"] = us
            yield from self._calls.answered(payload, us, place)
        elif kind.endswith("_call"):
            # What a provider does by itself while it answers is not the end of the answer.
            reason = None if kind in _OF_PROVIDER else "tool_calls"
            yield self._answer(us, place, reason=reason)
            yield from self._calls.started(kind, payload, us, place, self._is["policy"])
        elif kind == "reasoning":
            yield self._answer(us, place)
        elif kind == "message" and payload.get("role") == "assistant":
            yield self._answer(us, place, words=preview(payload.get("content")) or "")
        elif kind == "message":
            yield from self._message(payload, us, place)
        else:
            yield SKIPPED if kind in _NO_EVENTS else unknown(kind)

    def _answer(self, us: int, place: int, **more: str | None) -> Record:
        state = self._is
        return self._answers.item(
            us, place, model=state["model"], asked_us=state["asked_us"], **more
        )

    def _close(self, place: int) -> Iterator[Record]:
        return self._answers.close(place, reason=None if self._is["has_turns"] else "stop")

    def _message(self, payload: Mapping[str, Any], us: int, place: int) -> Iterator[Record]:
        message = preview(payload.get("content")) or ""
        if payload.get("role") != "user" or message.startswith(("<", "# AGENTS.md")):
            return
        yield from self._close(place)
        if self._lineage.is_copying and self._lineage.turn is None:
            self._lineage.begin(None, None, us, is_told=False)
        self._is["asked_us"] = us
        self._is["prompts"] += 1
        key = self._lineage.key("prompt", self._is["prompts"])
        yield self._record(us, place, "prompt", "user", key) | {"args_preview": message or None}

    # --- events ----------------------------------------------------------------------------------

    def _event(self, payload: Mapping[str, Any], us: int, place: int) -> Iterator[Outcome]:
        kind = text(payload.get("type")) or ""
        if kind in {"task_started", "turn_started"}:
            yield from self._started(payload, us, place)
        elif kind in {"task_complete", "turn_complete"}:
            yield from self._completed(payload, us, place)
        elif kind == "turn_aborted":
            yield from self._aborted(payload, us, place)
        elif kind in {"error", "stream_error"}:
            yield self._failure(kind, payload, us, place)
        elif kind == "token_count":
            info = payload.get("info")
            if isinstance(info, dict):
                last, total = info.get("last_token_usage"), info.get("total_token_usage")
                yield from self._answers.tokens(last, total, place)
        elif (done := finished(payload)) is not None:
            yield from self._calls.finished(done, payload, us, place)

    def _started(self, payload: Mapping[str, Any], us: int, place: int) -> Iterator[Record]:
        yield from self._close(place)
        state = self._is
        was_open, aborted = state["is_open"], self._abort(state["last_us"], place)
        self._begin(text(payload.get("turn_id")), payload.get("started_at"), us)
        if was_open and state["is_open"] and state["last_us"]:
            yield aborted
        state.update(is_open=True, has_turns=True, asked_us=us)

    def _abort(self, us: int, place: int) -> Record:
        key = self._lineage.key("aborted", self._is["aborts"])
        return self._record(us, place, "turn_aborted", "user", key) | {"cancelled": True}

    def _aborted(self, payload: Mapping[str, Any], us: int, place: int) -> Iterator[Record]:
        self._is["is_open"] = False
        yield from self._close(place)
        reason = text(payload.get("reason"))
        if reason not in _NO_ABORTS:
            yield self._abort(us, place)
            self._is["aborts"] += 1
        elif reason == "review_ended":
            yield from self._answers.end(place, "stop")

    def _completed(self, payload: Mapping[str, Any], us: int, place: int) -> Iterator[Record]:
        self._is["is_open"] = False
        yield from self._close(place)
        error = payload.get("error")
        failure = error if isinstance(error, dict) else {"message": error}
        message = preview(failure.get("message"))
        reason = incomplete(message)
        if message and reason is None:
            yield self._failure("error", failure, us, place)
        elif reason is not None and not self._answers.has_any:
            yield self._answer(us, place, reason=reason)  # nothing of it was written
        else:
            yield from self._answers.end(place, reason or "stop")
        self._answers.forget()

    def _failure(self, kind: str, payload: Mapping[str, Any], us: int, place: int) -> Record:
        message = preview(payload.get("message"))
        error = error_class(payload.get("codex_error_info"), message)
        # What ends a turn is told as it happens and again at the turn's end.
        is_last = kind == "error" and self._lineage.turn is not None
        key = self._lineage.key("error", "last" if is_last else self._lineage.nth("error"))
        model = self._is["model"]
        return self._record(us, place, "api_error", "assistant", key) | {
            "failed": True,
            "name": model,
            "model": model,
            "error": message,
            "error_type": error,
            "subject": upstream(error, None),
        }
