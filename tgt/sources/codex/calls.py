"""The calls of a rollout: a start, its output, and events that tell its end more exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tgt.sources.agents import Recent, is_added_tool, owner
from tgt.sources.base import Record
from tgt.sources.codex.events import Finished
from tgt.sources.codex.lineage import Lineage
from tgt.sources.codex.outputs import RUNNERS, Ending, ending, qualified, said_in, written
from tgt.sources.coerce import args_hash, moment, preview, result_bytes, text

_CELL = "exec"
"""The script of code mode is an envelope: its commands and tools are told as items of their own."""

_HUMAN = frozenset(("request_user_input",))


class Calls:
    """What is known of the calls of one file: those that were last, by their ids."""

    def __init__(self, lineage: Lineage, state: Mapping[str, Any] | None) -> None:
        self._lineage = lineage
        self._known = Recent(64, state)

    def state(self) -> dict[str, Any]:
        return dict(self._known)

    def started(
        self, kind: str, payload: Mapping[str, Any], us: int, place: int, policy: str | None
    ) -> Iterator[Record]:
        """An item calls a tool. ``policy`` says when a person is asked."""
        call = text(payload.get("call_id")) or text(payload.get("id"))
        name = text(payload.get("name")) or kind.removesuffix("_call")
        name = qualified(text(payload.get("namespace")), name)
        arguments = payload.get("arguments", payload.get("input", payload.get("action")))
        begun = {
            "key": self._lineage.key("call", call or self._lineage.nth("call")),
            "name": name,
            "us": us,
            "place": place,
            "hash": args_hash(arguments),
            "asks": _asks(name, policy) or self._lineage.is_copying,
        }
        if call is not None:
            self._known[call] = begun
        if kind == "custom_tool_call" and name == _CELL:
            begun["items"] = 0
            return
        if kind == "web_search_call":
            record = self._of_call(begun, us, place, "call")
            record["failed"] = False if payload.get("status") == "completed" else None
        else:
            record = self._of_call(begun, us, place, "start")
        yield record | {"args_preview": preview(arguments)}

    def _of_call(self, begun: Mapping[str, Any], us: int, place: int, phase: str) -> Record:
        name, key = begun["name"], begun["key"]
        return {
            **self._lineage.columns(us, place),
            "id": key,
            "key": f"{key}:{phase}",
            "call_id": key,
            "phase": phase,
            "act": "tool_call",
            "actor": owner(name or ""),
            "cancelled": False,
            "name": name,
            "args_hash": begun.get("hash") if phase != "end" else None,
            "subject": f"tool_call/{name or 'unknown'}",
        }

    def answered(self, payload: Mapping[str, Any], us: int, place: int) -> Iterator[Record]:
        """An item is the output of a call."""
        call = text(payload.get("call_id"))
        output = payload.get("output", payload.get("tools"))
        begun = self._known.get(call or "")
        if begun is None:
            # Its beginning was not read. What is known of it elsewhere is better.
            begun = {"key": self._lineage.key("call", call), "name": None}
            outcome = ending(output, None)
            record = self._of_call(begun, us, place, "end") | {"revision": None, "is_wait": True}
        else:
            is_cell = "items" in begun
            begun["ended"] = True
            outcome = _merged(ending(output, begun["name"]), begun.get("told"), output)
            if is_cell and begun["items"] and outcome.failed is not True:
                return  # what it did is told by its items
            record = self._of_call(begun, us, place, "call" if is_cell else "end")
            elapsed_ms = self._running_ms(outcome, begun, us)
            record |= {"elapsed_ms": elapsed_ms, "is_wait": elapsed_ms is None}
        yield (
            record
            | outcome.columns()
            | {
                "result_preview": preview(written(output)),
                "result_bytes": result_bytes(written(output)),
            }
        )

    @staticmethod
    def _running_ms(outcome: Ending, begun: Mapping[str, Any], us: int) -> float | None:
        """How long a tool ran, without the time that somebody took to allow it."""
        if begun["name"] in _HUMAN or outcome.kind in {"user_rejected", "interrupted"}:
            return None
        if outcome.seconds is not None:
            return outcome.seconds * 1000
        return None if begun["asks"] or us < begun["us"] else float(us - begun["us"]) / 1000

    def finished(
        self, done: Finished, payload: Mapping[str, Any], us: int, place: int
    ) -> Iterator[Record]:
        """An event tells the end of a call: of one that an item told, or of one in a script."""
        begun = self._known.get(done.call)
        us = moment(payload.get("completed_at_ms")) or us
        if begun is not None:
            outcome = done.ending
            begun["told"] = [outcome.failed, outcome.kind, outcome.seconds, outcome.soft]
            if is_added_tool(done.name) and not is_added_tool(begun["name"]):
                begun["name"] = done.name  # only the event says which server it is of
                start = self._of_call(begun, begun["us"], begun["place"], "start")
                yield start | {"revision": self._lineage.revision(place)}
            record = self._of_call(begun, us, place, "end")
        else:
            scripts = [call for call in self._known.values() if "items" in call]
            running = [call for call in scripts if not call.get("ended")]
            if not done.is_nested and not running:
                return
            for call in running:
                call["items"] += 1
            begun = {
                "key": self._lineage.key("call", done.call),
                "name": done.name,
                "hash": args_hash(done.given),
            }
            record = self._of_call(begun, us, place, "call")
            record["args_preview"] = preview(done.given)
        seconds = done.ending.seconds
        yield (
            record
            | done.ending.columns()
            | {
                "elapsed_ms": None if seconds is None else seconds * 1000,
                "is_wait": seconds is None,
                "result_preview": preview(done.result),
                "result_bytes": result_bytes(done.result),
            }
        )


def _asks(name: str, policy: str | None) -> bool:
    """Whether a person may be asked before a tool runs; where that is not told, nobody is."""
    if name in _HUMAN:
        return True
    may_ask = name in RUNNERS or name == "apply_patch" or is_added_tool(name)
    return may_ask and policy not in {None, "never"}


def _merged(outcome: Ending, event: list[Any] | None, output: Any) -> Ending:
    """What an output says of its call, where an event said it more exactly."""
    if event is None:
        return outcome
    failed, kind, seconds, soft = event
    seconds = outcome.seconds if seconds is None else seconds
    if failed is None and kind is None:
        return outcome._replace(seconds=seconds)
    return Ending(failed, kind, outcome.error or said_in(output), seconds, soft)
