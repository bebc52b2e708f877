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
from tgt.sources.otlp.conversations import Conversations
from tgt.sources.otlp.decode import is_batch, items
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.lineage import ALIKE, Lineage, Span, key_of
from tgt.sources.otlp.log_events import asks_a_person, of_log
from tgt.sources.otlp.records import conversation
from tgt.sources.otlp.spans import Role, is_own, of_span, role_of, tool_name

_ASKED = 200
_NO_TIME = malformed("no time")
# What others must know of the execution of a tool, whose name stands in the span around it.
_OF_EXECUTION = ("us", "elapsed_ms", "failed", "cancelled", "error_type", "soft_failed", "error")
_OF_UNNAMED = ("conv_id", "trace_id", "service", "version", "prompt", "actor", "call_id", "place")
_UNNAMED = {
    "act": "tool_call",
    "phase": "call",
    "name": "unknown",
    "subject": "tool_call/unknown",
}


class OtlpReader:
    """The records of the documents of one file, in their order."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        before = state or {}
        self._lineage = Lineage(before.get("spans"))
        self._conversations = Conversations(before.get("conversations"))
        self._asked: dict[str, int] = Recent(_ASKED, before.get("asked"))

    def state(self) -> Mapping[str, Any]:
        return {
            "spans": self._lineage.state(),
            "conversations": self._conversations.state(),
            "asked": dict(self._asked),
        }

    def take(self, document: Mapping[str, Any], place: int) -> Iterator[Outcome]:
        seen: Counter[str] | None = Counter() if is_batch(document) else None
        return self.take_items(list(items(document)), place, seen)

    def take_items(
        self, batch: list[Item | PassedOver], place: int, seen: Counter[str] | None = None
    ) -> Iterator[Outcome]:
        """What the items come to that stand at one place. ``seen`` counts the log records that say
        the same, where one that is told again is another one."""
        roles = {
            n: role_of(item)
            for n, item in enumerate(batch)
            if not isinstance(item, PassedOver) and item.is_span
        }
        yield from list(self._meet(batch, roles))
        for n, item in enumerate(batch):
            if isinstance(item, PassedOver):
                yield item
                continue
            outcome = self._outcome(item, roles.get(n), place, seen)
            if isinstance(outcome, PassedOver):
                yield outcome
            else:
                yield from self._conversations.placed(outcome, item, place)
        yield from self._no_events()

    def finish(self) -> Iterator[Outcome]:
        """What waits for something that is not told yet. Spans of which only the children are
        known may stand in another file."""
        yield from self._conversations.finish()
        for key, span in self._lineage:
            if span.is_given or span.role:
                continue
            for role in ALIKE & span.inside.keys():
                span.is_given = True
                yield _no_event(f"{role}:{key}", span.inside[role][0])
            execution = span.call.get("execution")
            if execution:
                span.is_given = True
                named = execution["conv_id"] or self._conversations.name(execution["trace_id"])
                of_span = {"key": f"tool:{key}", "id": key, "conv_id": named}
                yield _UNNAMED | execution | of_span

    # --- what is around --------------------------------------------------------------------------

    def _meet(self, batch: list[Item | PassedOver], roles: Mapping[int, Role]) -> Iterator[Record]:
        """Learn what the items tell of each other; yields what waited for that."""
        for n, item in enumerate(batch):
            if isinstance(item, PassedOver):
                continue
            if n in roles:
                span = self._lineage.meet(item, roles[n])
                if span is not None and roles[n] is Role.TOOL:
                    span.call |= {"name": tool_name(item), "id": _call_id(item)}
            else:
                call = asks_a_person(item)
                if call:
                    self._asked[call] = item.us or 0
            yield from self._conversations.meet(item)

    def _no_events(self) -> Iterator[Record]:
        for key, us in self._lineage.no_events.items():
            yield _no_event(key, us)
        self._lineage.no_events.clear()

    # --- one record ------------------------------------------------------------------------------

    def _outcome(
        self, item: Item, role: Role | None, place: int, seen: Counter[str] | None
    ) -> Outcome:
        try:
            return self._of_log(item, seen) if role is None else self._of_span(item, role, place)
        except Exception as failure:  # noqa: BLE001 whatever is in it costs itself, not its batch
            return malformed(type(failure).__name__)

    def _of_log(self, item: Item, seen: Counter[str] | None) -> Outcome:
        record = of_log(item)
        if isinstance(record, PassedOver):
            return record
        if item.us is None:
            return _NO_TIME
        if record.get("call_id") in self._asked:
            record["elapsed_ms"] = None
        if seen is not None:
            # An exporter may send a whole batch again; in one batch nothing is told twice.
            content = _content(item)
            record["key"] = f"log:{content}:{seen[content]}"
            seen[content] += 1
        return record

    def _of_span(self, item: Item, role: Role, place: int) -> Outcome:
        if item.is_running:
            return SKIPPED
        record = of_span(item, role)
        if isinstance(record, PassedOver):
            return record
        if item.us is None:
            return _NO_TIME
        if item.trace is None or item.span is None:
            return record
        key = key_of(item, item.span)
        record["key"] = f"{role}:{key}"
        if role is Role.EXECUTION:
            return self._of_execution(item, record, place)
        span = self._lineage.known(key)
        return self._of_tool(key, record, item) if role is Role.TOOL else _innermost(record, span)

    def _of_execution(self, item: Item, record: Record, place: int) -> Outcome:
        """The execution inside of a tool's span: told together with that, whenever it comes."""
        if item.parent is None:
            return record
        around = key_of(item, item.parent)
        outer = self._lineage.known(around)
        if not outer.is_given or not outer.role:
            kept = {name: record.get(name) for name in (*_OF_EXECUTION, *_OF_UNNAMED)}
            outer.call["execution"] = kept | {"place": place}
            return SKIPPED
        name = outer.call.get("name") or record["name"]
        record["call_id"] = record["call_id"] or outer.call.get("id") or around
        named = {"name": name, "subject": f"tool_call/{name}"}
        return record | named | {"key": f"tool:{around}", "revision": 1}

    def _of_tool(self, key: str, record: Record, item: Item) -> Outcome:
        """A tool's call, with what is known of the spans inside of it that tell the same call."""
        span = self._lineage.known(key)
        if is_own(item):
            record["call_id"] = record["call_id"] or key
            execution = span.call.get("execution")
            if execution:
                record |= {name: execution.get(name) for name in _OF_EXECUTION} | {"revision": 1}
            elif not record["failed"]:
                # It has the time until a person allowed it, and nothing of how it ended.
                record |= {"elapsed_ms": None, "failed": None, "soft_failed": None, "revision": 0}
        what = f"tool:{record['name']}"
        call = {name: record[name] for name in ("key", "us", "failed", "error_type")}
        outer = self._lineage.nest(key, what, call)
        if outer is not None:
            return self._part_of(*outer, record)
        for inner in (*span.inside.get(what, ()), *span.call.get("parts", ())):
            self._lineage.no_events[inner["key"]] = inner["us"]
            _fail(record, inner)
        span.is_given = True
        span.call |= {name: record[name] for name in ("failed", "us", "elapsed_ms")}
        return record

    def _part_of(self, around: str, outer: Span, record: Record) -> Outcome:
        """A tool's call that is a part of another one of the same name: it tells no call of its
        own, but that the call failed."""
        if not record["failed"] or outer.call.get("failed"):
            return SKIPPED
        outer.call["failed"] = True
        if not outer.is_given:
            told_of = ("key", "us", "failed", "error_type", "error")
            outer.call.setdefault("parts", []).append({name: record[name] for name in told_of})
            return SKIPPED
        record |= {name: outer.call[name] for name in ("us", "elapsed_ms")}
        record["call_id"] = outer.call.get("id") or record["call_id"]
        return record | {"key": f"tool:{around}", "revision": 1}


def _innermost(record: Record, span: Span) -> Outcome:
    """The record of an answer, if none stands inside of its span."""
    if span.is_around(span.role):
        return SKIPPED
    span.is_given = True
    return record


def _fail(record: Record, inner: Mapping[str, Any]) -> None:
    if inner["failed"] and not record["failed"]:
        told_of = ("failed", "error_type", "error")
        record |= {name: inner.get(name) for name in told_of} | {"soft_failed": None}


def _call_id(item: Item) -> str | None:
    return text(item.told("call"))


def _no_event(key: str, us: int) -> Record:
    return {"act": None, "us": us, "key": key, "revision": 1}


def _content(item: Item) -> str:
    words = text(item.attributes.get("event.sequence")) or repr(sorted(item.attributes.items()))
    session = conversation(item) or item.around.session
    parts = (item.trace, item.span, item.us, item.name, words, session)
    return hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()
