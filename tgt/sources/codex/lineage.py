"""Whose history a rollout tells: its own, or at its beginning a copy of its parent's.

A fork begins with its own ``session_meta``, then its parent's, then the parent's history, often
with new timestamps. Nothing says where the copy ends. But turns have ids, which are the same in
every copy and tell when they were made, and so does the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tgt.sources.agents import COPY, identity
from tgt.sources.coerce import moment, number, text
from tgt.sources.projects import project_name

_BURST_US = 2_000_000
"""A copy is written at once, long before a person could type."""

_STATE: Mapping[str, Any] = {
    "session": None,  # the id of the file's own session
    "service": "codex",
    "version": None,
    "started_us": None,
    "written_us": None,  # the time of its first line
    "parent": None,  # whose history is copied
    "is_spawned": False,  # by an agent, not by a person
    "is_copying": False,
    "late_us": 0,  # how much later than the parent began its copy was written
    "shift_us": 0,  # how much later than it happened a copied line was written
    "turn": None,
    "turns": 0,  # how many had no id
    "nth": {},  # by kind how many in the turn had no name
}


class Lineage:
    """The session, and the turn that its lines are of; ``name`` stands for the session until a line
    tells it."""

    def __init__(self, name: str, state: Mapping[str, Any]) -> None:
        self._name = name
        self._is = {**_STATE, **state}

    def state(self) -> dict[str, Any]:
        return dict(self._is)

    @property
    def conversation(self) -> str:
        copied_from = self._is["parent"] if self.is_copying else None
        return str(copied_from or self._is["session"] or self._name)

    @property
    def is_copying(self) -> bool:
        return bool(self._is["is_copying"])

    @property
    def turn(self) -> str | None:
        turn: str | None = self._is["turn"]
        return turn

    def key(self, kind: str, name: object) -> str:
        """Unique within the turn, which is the same in every copy."""
        scope = identity("turn", self.turn, self.conversation) if self.turn else self.conversation
        return f"{kind}:{scope}:{name}"

    def nth(self, kind: str) -> str:
        """A name for what has none: how many of its kind there were in the turn is the same in
        every copy, and where they stand is not."""
        number = self._is["nth"].get(kind, 0) + 1
        self._is["nth"] = {**self._is["nth"], kind: number}
        return f"#{number}"

    def revision(self, place: int) -> int:
        return place - COPY if self.is_copying else place

    def columns(self, us: int, place: int) -> dict[str, Any]:
        """What all records of a line share."""
        return {
            "us": us - self._is["shift_us"],
            "place": place,
            "revision": self.revision(place),
            "conv_id": self.conversation,
            "trace_id": self.turn,
            "service": self._is["service"],
            "version": self._is["version"],
        }

    def meta(self, payload: Mapping[str, Any], us: int) -> None:
        """A ``session_meta``: the first is the file's own."""
        state = self._is
        session = text(payload.get("id")) or text(payload.get("session_id"))
        began = moment(payload.get("timestamp")) or us
        if state["session"] is None:
            parent, is_spawned = _parent(payload)
            where = text(payload.get("cwd"))
            state.update(
                session=session or self._name,
                started_us=began,
                written_us=us,
                version=text(payload.get("cli_version")),
                parent=parent,
                is_spawned=is_spawned,
                is_copying=parent is not None,
            )
            if where:
                state["service"] = f"codex:{project_name(where) or where}"
        elif session and session != state["session"]:
            state.update(parent=session, is_copying=True, turn=None)
            state["late_us"] = state["shift_us"] = max(0, us - began)

    def begin(self, turn: str | None, began: Any, us: int, *, is_told: bool = True) -> bool:
        """A turn begins, ``began`` in seconds where that is told; whether a copy ended before.
        ``is_told``: it is one also if it has no id."""
        state = self._is
        was_copying = self.is_copying
        if was_copying:
            state["is_copying"] = self._is_parents(turn, began, us)
            late_us = _late_us(turn, began, us)
            if late_us is None:
                late_us = state["late_us"]  # as if it were the parent's first turn
            state["shift_us"] = late_us if self.is_copying else 0
        if turn is None and is_told:
            state["turns"] += 1
            turn = f"{self.conversation}#{state['turns']}"
        state["turn"] = turn
        if turn is not None:
            state["nth"] = {}
        return was_copying and not self.is_copying

    def _is_parents(self, turn: str | None, began: Any, us: int) -> bool:
        """Whether a turn is of the parent: it is older than the session, or was written together
        with the session's first line."""
        state = self._is
        turn_ms, own = _made_ms(turn), _made_ms(state["session"])
        if turn_ms is not None and own is not None:
            return turn_ms < own
        seconds = number(began)
        if seconds is not None:
            return seconds < int(state["started_us"]) // 1_000_000
        burst = 0 if state["is_spawned"] else _BURST_US
        return bool(us < state["started_us"] or us - state["written_us"] <= burst)


def _parent(payload: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The session that this one was forked from, and whether an agent did that."""
    source = payload.get("source")
    agent = source.get("subagent") if isinstance(source, dict) else None
    spawn = agent.get("thread_spawn") if isinstance(agent, dict) else None
    spawned_by = text(spawn.get("parent_thread_id")) if isinstance(spawn, dict) else None
    spawned_by = spawned_by or text(payload.get("parent_thread_id"))
    return text(payload.get("forked_from_id")) or spawned_by, spawned_by is not None


def _late_us(turn: str | None, began: Any, us: int) -> int | None:
    """How much later than a turn began its first line was written, if that is told."""
    turn_ms, seconds = _made_ms(turn), number(began)
    if turn_ms is not None:
        return max(0, us - turn_ms * 1000)
    if seconds is None:
        return None
    late_us = us - int(seconds * 1e6)
    return late_us if late_us >= 1e6 else 0  # noqa: PLR2004 the time is in whole seconds


def _made_ms(name: str | None) -> int | None:
    """When an id was made, which ids of version 7 tell."""
    digits = (name or "").replace("-", "")
    if len(digits) != 32 or digits[12] != "7":  # noqa: PLR2004 the length and version of a UUID
        return None
    try:
        return int(digits[:12], 16)
    except ValueError:
        return None
