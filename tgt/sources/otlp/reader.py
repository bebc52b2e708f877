"""OpenTelemetry documents in, records out: what needs its neighbours is put together here.

A conversation is often named by one span of a trace alone, and one call is often told by several
spans. What stands in one document is put together at once. What comes later is told in records of
its own, which whoever joins records knows by their keys: a record with a higher revision, one
without an act (it is no event after all), or one that names the conversation of a trace.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tgt.sources.agents import Recent
from tgt.sources.base import SKIPPED, Outcome, PassedOver, Record, malformed
from tgt.sources.coerce import text
from tgt.sources.otlp.attributes import told
from tgt.sources.otlp.decode import is_batch, items
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.lineage import ALIKE, Lineage, Span
from tgt.sources.otlp.log_events import of_log
from tgt.sources.otlp.records import conversation
from tgt.sources.otlp.spans import Role, is_own, of_span, role_of

_SESSIONS = 5_000
_SESSIONS_KEPT = 1_000
_NO_TIME = malformed("no time")
# What others must know of the execution of a tool, whose name stands in the span around it.
_OF_EXECUTION = ("us", "elapsed_ms", "failed", "cancelled", "error_type", "error")
_UNNAMED = {
    "act": "tool_call",
    "phase": "call",
    "name": "unknown",
    "subject": "tool_call/unknown",
}
_OF_UNNAMED = ("conv_id", "trace_id", "service", "version", "actor", "call_id", "place")


class OtlpReader:
    """The records of the documents of one file, in their order."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        before = state or {}
        self._lineage = Lineage(before.get("spans"))
        self._sessions: dict[str, str] = Recent(_SESSIONS, before.get("sessions"))

    def state(self) -> Mapping[str, Any]:
        newest = list(self._sessions.items())[-_SESSIONS_KEPT:]
        return {"spans": self._lineage.state(), "sessions": dict(newest)}

    def take(self, document: Mapping[str, Any], place: int) -> Iterator[Outcome]:
        batch = list(items(document))
        roles = {
            n: role_of(item)
            for n, item in enumerate(batch)
            if not isinstance(item, PassedOver) and item.is_span
        }
        links = list(self._meet(batch, roles))
        seen: Counter[str] | None = Counter() if is_batch(document) else None
        for n, item in enumerate(batch):
            if isinstance(item, PassedOver):
                yield item
            elif item.is_span:
                yield self._of_span(item, roles[n], place)
            else:
                yield self._of_log(item, seen)
        yield from links
        yield from self._no_events()

    def finish(self) -> Iterator[Outcome]:
        """Nothing is kept back, but for executions of tools whose names are not told yet. Spans of
        which only the children are known may stand in another file."""
        for key, span in self._lineage:
            if span.is_given or span.role:
                continue
            for role in ALIKE & span.inside.keys():
                span.is_given = True
                yield _no_event(f"{role}:{key}", span.inside[role])
            execution = span.call.get("execution")
            if execution:
                span.is_given = True
                yield _UNNAMED | {"key": f"tool:{key}", "id": key} | execution

    # --- what is around --------------------------------------------------------------------------

    def _meet(self, batch: list[Item | PassedOver], roles: Mapping[int, Role]) -> Iterator[Record]:
        """Learn what the items tell of each other; yields which conversations traces are of."""
        for n, item in enumerate(batch):
            if isinstance(item, PassedOver) or item.trace is None:
                continue
            if n in roles and item.span and item.us is not None:
                span = self._lineage.meet(_key(item, item.span), _parent(item), roles[n], item.us)
                if roles[n] is Role.TOOL:
                    names = (("name", "tool"), ("id", "call"))
                    span.call |= {k: text(told(item.attributes, what)) for k, what in names}
            named = conversation(item)
            if named and item.us is not None and item.trace not in self._sessions:
                self._sessions[item.trace] = named
                link = {"act": None, "us": item.us, "key": f"trace:{item.trace}"}
                yield link | {"trace_id": item.trace, "conv_id": named}

    def _no_events(self) -> Iterator[Record]:
        for (key, role), us in self._lineage.envelopes.items():
            yield _no_event(f"{role}:{key}", us)
        self._lineage.envelopes.clear()

    def _placed(self, record: Record, item: Item) -> Record:
        if record["conv_id"] is None:
            session = self._sessions.get(item.trace) if item.trace else None
            record["conv_id"] = session or item.around.session or item.trace
        return record

    # --- one record ------------------------------------------------------------------------------

    def _of_log(self, item: Item, seen: Counter[str] | None) -> Outcome:
        record = of_log(item)
        if isinstance(record, PassedOver):
            return record
        if item.us is None:
            return _NO_TIME
        if seen is not None:
            # An exporter may send a whole batch again; in one batch nothing is told twice.
            content = _content(item)
            record["key"] = f"log:{content}:{seen[content]}"
            seen[content] += 1
        return self._placed(record, item)

    def _of_span(self, item: Item, role: Role, place: int) -> Outcome:
        if item.is_running:
            return SKIPPED
        record = of_span(item, role)
        if isinstance(record, PassedOver):
            return record
        if item.us is None:
            return _NO_TIME
        self._placed(record, item)
        if item.trace is None or item.span is None:
            return record
        record["key"] = f"{role}:{item.trace}:{item.span}"
        if role is Role.EXECUTION:
            return self._of_execution(item, record, place)
        span = self._lineage.known(_key(item, item.span))
        return (
            self._of_tool(item, record, span)
            if role is Role.TOOL
            else _innermost(record, role, span)
        )

    def _of_execution(self, item: Item, record: Record, place: int) -> Outcome:
        """The execution inside of a tool's span: told together with that, whenever it comes."""
        around = _parent(item)
        if around is None:
            return record
        outer = self._lineage.known(around)
        kept = {name: record.get(name) for name in _OF_EXECUTION}
        if not outer.role or not outer.is_given:
            unnamed = {name: record.get(name) for name in _OF_UNNAMED} | {"place": place}
            outer.call["execution"] = kept | unnamed
            return SKIPPED
        name = outer.call.get("name") or record["name"]
        record |= {"name": name, "subject": f"tool_call/{name}"}
        record["call_id"] = record["call_id"] or outer.call.get("id") or around
        return record | {"key": f"tool:{around}", "revision": 1}

    def _of_tool(self, item: Item, record: Record, span: Span) -> Outcome:
        execution = span.call.get("execution")
        if is_own(item):
            record["call_id"] = record["call_id"] or f"{item.trace}:{item.span}"
        if execution:
            record |= {name: execution.get(name) for name in _OF_EXECUTION}
            record["revision"] = 1
        elif is_own(item) and not record["failed"]:
            # It has the time until a person allowed it, and nothing of how it ended.
            record |= {"elapsed_ms": None, "failed": None}
        span.is_given = True
        return record


def _innermost(record: Record, role: Role, span: Span) -> Outcome:
    """The record of an answer, if none stands inside of its span."""
    if role in span.inside:
        return SKIPPED
    span.is_given = True
    return record


def _key(item: Item, span: str) -> str:
    return f"{item.trace}:{span}"


def _parent(item: Item) -> str | None:
    return _key(item, item.parent) if item.parent else None


def _no_event(key: str, us: int) -> Record:
    return {"act": None, "us": us, "key": key, "revision": 1}


def _content(item: Item) -> str:
    words = text(item.attributes.get("event.sequence")) or repr(sorted(item.attributes.items()))
    parts = (item.trace, item.span, item.us, item.name, words, item.around.session)
    return hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()
