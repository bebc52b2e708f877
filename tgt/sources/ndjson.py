"""Any format of JSON objects, through a mapping file: see ``mapping``.

Values that the mapping does not translate are understood as ContextLog's are: the usual words of
outcomes and finish reasons, times and numbers also as text. Equal lines are as many events; only
records that have an id are one where they have the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from tgt.sources.agents import Recent, identity
from tgt.sources.base import SKIPPED, Listing, Outcome, Record, malformed
from tgt.sources.coerce import (
    args_hash,
    finish,
    first,
    http_class,
    is_abort,
    number,
    preview,
    result_bytes,
    template,
    text,
    truth,
)
from tgt.sources.discover import listed
from tgt.sources.files import LogFile
from tgt.sources.mapped_values import UPSTREAM, elapsed_ms, failed, moment_in, subject, whole
from tgt.sources.mapping import SKIP, Column, Mapped, Value
from tgt.sources.paths import ROOT, follow, spread

ENDINGS = (".jsonl", ".ndjson", ".json", ".log")

_TIMES = ("ts", "end", "start")
_ACTORS = {"tool_call": "tool", "assistant_response": "assistant", "message": "user"}
# What a start and an end may be of; of an answer either may be what fails.
_ANSWERS = frozenset(("assistant_response", *UPSTREAM))
_IN_PHASES = frozenset(("tool_call", *_ANSWERS))
_ENDING = re.compile(r"\.(?:jsonl|ndjson|json|log)(?:[.-].*)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Ndjson:
    """A directory or a file, and what its keys mean."""

    location: Path
    mapped: Mapped
    setting: str = "TASKGEN_SOURCE"

    @property
    def kind(self) -> str:
        return "ndjson"

    @property
    def key(self) -> str:
        meaning = hashlib.sha256(repr(self.mapped).encode()).hexdigest()[:16]
        return f"{self.kind}:{self.location}?map={meaning}"

    def listing(self) -> Listing:
        return listed(self.location, ENDINGS, self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> MappedReader:
        return MappedReader(self.mapped, file.path, state)


class MappedReader:
    """The reader of one file."""

    def __init__(self, mapped: Mapped, path: str, state: Mapping[str, Any] | None = None) -> None:
        kept = state or {}
        self._mapped = mapped
        self._words = {name: dict(words) for name, words in mapped.words}
        self._path = path
        where = PurePosixPath(path)
        self._names = {"file": _ENDING.sub("", where.name), "directory": where.parent.name}
        # What the first object says, by column.
        self._first: dict[str, str | None] | None = kept.get("first")
        # Names and models of what has begun, by call, since ends often leave them out.
        self._begun = Recent(64, kept.get("begun"))

    def state(self) -> Mapping[str, Any]:
        return {"first": self._first, "begun": dict(self._begun)}

    def finish(self) -> Iterable[Outcome]:
        return ()

    def take(
        self,
        document: Mapping[str, Any],
        place: int,  # noqa: ARG002 the driver notes it in the records
    ) -> Iterator[Outcome]:
        if self._first is None:
            self._first = self._told_first(document)
        if self._mapped.records is None:
            yield self._outcome(document, document)
            return
        is_any = False
        for record in spread(document, self._mapped.records):
            is_any = True
            yield (
                self._outcome(record, document)
                if isinstance(record, dict)
                else malformed("no object")
            )
        if not is_any:
            yield SKIPPED

    def _told_first(self, document: Mapping[str, Any]) -> dict[str, str | None]:
        ways = ((name, way) for name, column in self._mapped.columns for way in column)
        return {name: text(follow(document, way.first)) for name, way in ways if way.first}

    # --- one record ------------------------------------------------------------------------------

    def _outcome(self, record: Mapping[str, Any], document: Mapping[str, Any]) -> Outcome:
        values = {
            name: self._value(name, column, record, document)
            for name, column in self._mapped.columns
        }
        times = {name: moment_in(self._mapped.zone, values.get(name)) for name in _TIMES}
        us = first(times, *_TIMES)
        if us is None:
            return malformed("no time")
        act = self._word("act", values) or "event"
        if act == SKIP:
            return SKIPPED
        return self._record(values, act, us, elapsed_ms(values, times["start"], times["end"]))

    def _record(
        self, values: Mapping[str, Any], act: str, us: int, took_ms: float | None
    ) -> Record:
        phase = self._word("phase", values)
        phase = phase if phase in {"start", "end", "call"} and act in _IN_PHASES else None
        told_name = text(values.get("name"))
        name, model = self._named(values, act, phase)
        status = self._word("status", values)
        ended = self._finish(values.get("finish_reason"))
        kind = text(values.get("error_type")) or http_class(status)
        conversation, id_ = text(values.get("conv_id")), text(values.get("id"))
        record: Record = {
            "us": us,
            "id": id_,
            "key": id_ and identity(f"{act}:{phase}", id_, conversation or self._path),
            "act": act,
            "actor": self._actor(values, act, name),
            "phase": phase,
            "name": name,
            "failed": failed(status, act, ended, kind),
            "soft_failed": truth(values.get("soft_failed")),
            "cancelled": ended == "cancelled" or is_abort(status),
            "finish_reason": ended,
            "continuation": truth(values.get("continuation")),
            "elapsed_ms": took_ms,
            "iter": whole(values.get("iter")),
            "conv_id": conversation,
            "call_id": text(values.get("call_id")),
            "model": model,
            "error_type": kind,
            "args_hash": args_hash(values.get("args_preview")),
            "result_bytes": result_bytes(values.get("result_preview")),
            "subject": subject(act, name if act == "tool_call" else told_name, model, kind),
        }
        for column in ("trace_id", "service", "version"):
            record[column] = text(values.get(column))
        record["prompt"] = template(values.get("prompt"))
        for column in ("error", "args_preview", "result_preview"):
            record[column] = preview(values.get(column))
        for column in ("input_tokens", "cached_tokens", "output_tokens", "cost_usd"):
            record[column] = number(values.get(column))
        return record

    # --- values ----------------------------------------------------------------------------------

    def _value(
        self,
        name: str,
        column: Column,
        record: Mapping[str, Any],
        document: Mapping[str, Any],
    ) -> Any:
        ways = (self._by(name, way, record, document) for way in column)
        return next((value for value in ways if value is not None and value != ""), None)

    def _by(
        self, name: str, way: Value, record: Mapping[str, Any], document: Mapping[str, Any]
    ) -> Any:
        if way.path is not None:
            is_rooted = way.path[0] == ROOT
            return follow(document, way.path[1:]) if is_rooted else follow(record, way.path)
        if way.first is not None:
            return (self._first or {}).get(name)
        return way.constant if way.name is None else self._names[way.name]

    def _word(self, column: str, values: Mapping[str, Any]) -> str | None:
        word = text(values.get(column))
        return None if word is None else self._words.get(column, {}).get(word.lower(), word)

    def _finish(self, reason: Any) -> str | None:
        ours = self._words.get("finish_reason", {}).get(str(reason).lower())
        return ours or finish(reason)

    def _actor(self, values: Mapping[str, Any], act: str, name: str | None) -> str:
        actor = self._word("actor", values)
        is_own = act == "tool_call" and any(
            fnmatchcase(name or "", pattern) for pattern in self._mapped.own_tools
        )
        return "assistant" if is_own else actor or _ACTORS.get(act, "system")

    def _named(
        self, values: Mapping[str, Any], act: str, phase: str | None
    ) -> tuple[str | None, str | None]:
        """Name and model. What the beginning of a call told holds for its end, which may leave it
        out; both have one name, by which they are known to belong together."""
        name, model = text(values.get("name")), text(values.get("model"))
        is_tool = act not in _ANSWERS
        if phase not in {"start", "end"}:
            return name or (model if act == "assistant_response" else None), model
        about = text(values.get("call_id"))
        if about is None and not is_tool:
            about = text(values.get("trace_id")) or text(values.get("conv_id"))
        begun_name, begun_model = self._begun.get(about or "", (None, None))
        if phase == "start":
            name = name or (None if is_tool else model)
            if about is not None:
                self._begun[about] = [name, model]
        elif about in self._begun and not (is_tool and name):
            name = begun_name
        return name, model or begun_model
