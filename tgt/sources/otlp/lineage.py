"""Which spans stand in which, as far as they are known: one call may be told by several.

A framework's span around a provider's is one answer, which the innermost tells; a tool's span
around the approval and the one of its execution are one call, and so are an agent's and a tool
server's. Spans come in any order, spread over documents and readings, so of each that is known, and
of each that only its children name, a little is remembered: ids, words and numbers, and of no more
than the newest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from tgt.sources.otlp.items import Item
from tgt.sources.otlp.spans import Role

MOST = 20_000
MOST_KEPT = 1_000
"""How many spans are known at once, and of how many of them the next reading knows."""

_DEEPEST = 100
_CALLS_INSIDE = 8
_BARRIERS = frozenset((Role.TOOL, Role.EXECUTION, Role.AGENT))
ALIKE = frozenset((Role.ANSWER, Role.EMBEDDING))
"""The roles of which the innermost of several spans that stand in each other is the call."""


@dataclass(slots=True)
class Span:
    """What is known of a span; without a ``role`` only its children are.

    ``us`` is its end, ``is_given``: there is a record of it. ``inside``: of the roles in ALIKE the
    end and the start of descendants, and by ``tool:NAME`` calls of tools, as far as no barrier
    stands in between. ``call`` is what others must know of a tool's call: ``name``, ``id``, how it
    ``failed``, and the ``execution`` and ``parts`` inside of it.
    """

    role: str = ""
    parent: str | None = None
    us: int = 0
    is_given: bool = False
    inside: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)

    def is_around(self, role: str) -> bool:
        """Whether a call of the same kind stands inside. One that began only when the span had
        ended does not, whatever it says of its parent."""
        end, start = self.inside.get(role, (self.us + 1, self.us))
        return bool(start < self.us or end <= self.us)


class Lineage:
    """The spans of one file, by ``TRACE:SPAN``.

    ``no_events`` are the keys of records that were given and are none after all, with a time near
    theirs; who takes them out tells the engine.
    """

    def __init__(self, state: Any = None) -> None:
        # Whose oldest entry can be found at once, however many were forgotten before.
        self._spans: OrderedDict[str, Span] = OrderedDict()
        self.no_events: dict[str, int] = {}
        for key, values in state.items() if isinstance(state, Mapping) else ():
            self._spans[key] = Span(*values)

    def state(self) -> dict[str, Any]:
        newest = list(self._spans.items())[-MOST_KEPT:]
        for _, span in newest:
            # A text is not kept for longer than a reading.
            for part in (span.call.get("execution", {}), *span.call.get("parts", ())):
                part.pop("error", None)
        return {key: list(astuple(span)) for key, span in newest}

    def __iter__(self) -> Iterator[tuple[str, Span]]:
        return iter(list(self._spans.items()))

    def known(self, key: str) -> Span:
        """What is known of a span, which may be nothing yet."""
        span = self._spans.get(key)
        if span is None:
            span = self._spans[key] = Span()
            if len(self._spans) > MOST:
                self._spans.popitem(last=False)
        return span

    def meet(self, item: Item, role: Role) -> Span | None:
        """A span that has ended, of which the children may be known already; None without ids."""
        if item.trace is None or item.span is None or item.us is None:
            return None
        key = key_of(item, item.span)
        span = self.known(key)
        span.role, span.us = role, item.us
        span.parent = key_of(item, item.parent) if item.parent else None
        if role in ALIKE:
            self._rise(key, role, (item.us, item.us if item.start_us is None else item.start_us))
        if role not in _BARRIERS:
            for what, inside in list(span.inside.items()):
                if what in ALIKE:
                    self._rise(key, what, inside)
                elif role not in ALIKE:
                    self._nest_all(key, what, inside)
        return span

    # --- answers ---------------------------------------------------------------------------------

    def _rise(self, key: str, role: str, times: tuple[int, int]) -> None:
        """Tell the spans around that there is such a call inside of them."""
        for around, span in self._around(key):
            before = span.inside.get(role)
            if span.role in _BARRIERS or (before is not None and before[1] <= times[1]):
                return
            span.inside[role] = times
            if span.role == role and span.is_given and span.is_around(role):
                self.no_events[f"{role}:{around}"] = times[0]

    # --- tools -----------------------------------------------------------------------------------

    def nest(self, key: str, what: str, call: Mapping[str, Any]) -> tuple[str, Span] | None:
        """The tool's call of the same name that a tool's call is a part of. Where the spans around
        are not all known yet, they are told of the call."""
        for around, span in self._around(key):
            if span.role == Role.TOOL:
                return (around, span) if what == f"tool:{span.call.get('name')}" else None
            if span.role in _BARRIERS or span.role in ALIKE:
                return None
            calls = span.inside.setdefault(what, [])
            if len(calls) < _CALLS_INSIDE and call not in calls:
                calls.append(dict(call))
        return None

    def _nest_all(self, key: str, what: str, calls: list[Mapping[str, Any]]) -> None:
        for call in calls:
            if self.nest(key, what, call) is not None and not call["failed"]:
                self.no_events[call["key"]] = call["us"]

    def _around(self, key: str) -> Iterator[tuple[str, Span]]:
        """The spans around one, the nearest first, up to one of which no parent is known."""
        for _ in range(_DEEPEST):
            span = self._spans.get(key)
            parent = span.parent if span else None
            if parent is None or parent == key:
                return
            yield parent, self.known(parent)
            key = parent


def key_of(item: Item, span: str) -> str:
    """What a span of the item's trace is known by."""
    return f"{item.trace}:{span}"
