"""Any format of JSON objects, through a mapping file: see ``mapping``.

Values that the mapping does not translate are understood as ContextLog's are: the usual words of
outcomes and finish reasons, times and numbers also as text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tgt.sources.coerce import (
    finish,
    http_class,
    moment,
    number,
    preview,
    text,
    truth,
    upstream,
)
from tgt.sources.discover import listed
from tgt.sources.envelopes import MALFORMED, documents
from tgt.sources.files import LogFile, Part
from tgt.sources.macros import ABORTS, OUTCOME_WORDS, REFUSALS
from tgt.sources.mapping import SKIP, Mapped
from tgt.sources.translated import MALFORMED_RECORD, SKIPPED, Translated

SUFFIXES = (".jsonl", ".ndjson", ".json", ".log")

_ACTORS = {"tool_call": "tool", "assistant_response": "assistant", "message": "user"}
_UPSTREAM = frozenset(("api_error", "upstream_error"))


@dataclass(frozen=True)
class Ndjson(Translated):
    """A directory or a file, and what its keys mean."""

    location: Path
    mapped: Mapped
    setting: str = "TASKGEN_SOURCE"

    @property
    def kind(self) -> str:
        return "ndjson"

    def files(self) -> tuple[LogFile, ...]:
        return listed(self.location, SUFFIXES, self.setting)

    def translate(self, part: Part) -> Iterator[Any]:
        translator = Translator(self.mapped)
        for document in documents(part.file, part.offset, part.length):
            yield MALFORMED_RECORD if document is MALFORMED else translator.record(document)


@dataclass(frozen=True)
class Translator:
    mapped: Mapped

    @cached_property
    def _words(self) -> dict[str, dict[str, str]]:
        return {name: dict(words) for name, words in self.mapped.words}

    def record(self, document: Mapping[str, Any]) -> Any:
        """The record of one object, SKIPPED, or a malformed one."""
        given = {name: column.of(document) for name, column in self.mapped.columns}
        us = moment(given.get("ts"))
        if us is None:
            return MALFORMED_RECORD
        act = self._word("act", given) or "event"
        if act == SKIP:
            return SKIPPED
        name, model = text(given.get("name")), text(given.get("model"))
        phase = self._word("phase", given)
        status = self._word("status", given)
        ended = self._finish(given)
        kind = text(given.get("error_type")) or http_class(status)
        made = {
            "us": us,
            "id": text(given.get("id")) or _identity(document),
            "actor": self._word("actor", given) or _ACTORS.get(act, "system"),
            "act": act,
            "phase": phase if phase in {"start", "end", "call"} and act == "tool_call" else None,
            "name": name or (model if act == "assistant_response" else None),
            "failed": _failed(status, act, ended, kind),
            "cancelled": ended == "cancelled" or (status or "").lower() in ABORTS,
            "finish_reason": ended,
            "continuation": truth(given.get("continuation")),
            "elapsed_ms": _elapsed(given),
            "iter": _whole(given.get("iter")),
            "model": model,
            "error_type": kind,
        }
        for column in ("conv_id", "trace_id", "call_id", "service"):
            made[column] = text(given.get(column))
        for column in ("error", "args_preview", "result_preview"):
            made[column] = preview(given.get(column))
        for column in ("input_tokens", "output_tokens", "cost_usd"):
            made[column] = number(given.get(column))
        made["subject"] = _subject(act, name, model, kind)
        return made

    def _word(self, column: str, given: Mapping[str, Any]) -> str | None:
        word = text(given.get(column))
        return None if word is None else self._words.get(column, {}).get(word.lower(), word)

    def _finish(self, given: Mapping[str, Any]) -> str | None:
        told = given.get("finish_reason")
        ours = self._words.get("finish_reason", {}).get(str(told).lower())
        return ours or finish(told)


def _failed(status: str | None, act: str, ended: str | None, kind: str | None) -> bool | None:
    word = (status or "").lower()
    if word in ABORTS or word in REFUSALS or (kind or "").lower() in REFUSALS:
        return None
    if ended == "error" or act == "error" or act.endswith("_error"):
        return True
    if word in OUTCOME_WORDS:
        return OUTCOME_WORDS[word]
    code = number(word)
    if code is not None and code >= 100:  # noqa: PLR2004 the least HTTP status
        return code >= 400  # noqa: PLR2004 HTTP's errors
    told = truth(word)
    return None if told is None else not told


def _elapsed(given: Mapping[str, Any]) -> float | None:
    ms = number(given.get("elapsed_ms"))
    seconds = number(given.get("elapsed_s"))
    return seconds * 1000 if ms is None and seconds is not None else ms


def _whole(value: Any) -> int | None:
    found = number(value)
    return None if found is None or found > 2**53 else int(found)


def _subject(act: str, name: str | None, model: str | None, kind: str | None) -> str:
    if act == "tool_call":
        return f"tool_call/{name or 'unknown'}"
    if act in _UPSTREAM:
        return upstream(kind, name)
    about = model if act == "assistant_response" else name
    return f"{act}/{about}" if about else act


def _identity(document: Mapping[str, Any]) -> str:
    # The same line twice is the same record sent twice.
    written = json.dumps(document, sort_keys=True).encode("utf-8", "replace")
    return hashlib.blake2b(written, digest_size=12).hexdigest()
