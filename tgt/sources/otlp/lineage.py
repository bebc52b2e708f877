"""Which spans stand in which, as far as they are known: one call may be told by several.

A framework's span around a provider's is one answer, which the innermost tells; a tool's span
around the approval and the one of its execution are one call, and so are an agent's and a tool
server's. Spans come in any order, spread over documents and readings, so of each that is known, and
of each that only its children name, a little is remembered: ids, words and numbers, and of no more
than the newest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from tgt.sources.agents import Recent
from tgt.sources.otlp.spans import Role

MOST = 20_000
MOST_KEPT = 2_000
"""How many spans are known at once, and of how many of them the next reading knows."""

_DEEPEST = 100
_CALLS_INSIDE = 8
_BARRIERS = frozenset((Role.TOOL, Role.EXECUTION, Role.AGENT))
ALIKE = frozenset((Role.ANSWER, Role.EMBEDDING))
"""The roles of which the innermost of several spans that stand in each other is the call."""


@dataclass(slots=True)
class Span:
    """What is known of a span; without a ``role`` only its children are.

    ``is_given``: there is a record of it. ``inside``: the roles in ALIKE of its descendants, and
    calls of tools by ``tool:NAME``, as far as no barrier stands in between. ``call`` is what others
    must know of it: ``name`` and ``id`` of a tool's call, ``execution`` inside of it.
    """

    role: str = ""
    parent: str | None = None
    is_given: bool = False
    inside: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)


class Lineage:
    """The spans of one file, by ``TRACE:SPAN``.

    ``envelopes`` are those of which a record was given that is none after all, by key and role,
    with the time of the answer inside; who takes them out tells the engine.
    """

    def __init__(self, state: Any = None) -> None:
        self._spans: dict[str, Span] = Recent(MOST)
        self.envelopes: dict[tuple[str, str], int] = {}
        for key, values in state.items() if isinstance(state, Mapping) else ():
            self._spans[key] = Span(*values)

    def state(self) -> dict[str, Any]:
        newest = list(self._spans.items())[-MOST_KEPT:]
        for _, span in newest:
            # A text is not kept for longer than a reading.
            span.call.get("execution", {}).pop("error", None)
        return {key: list(astuple(span)) for key, span in newest}

    def __iter__(self) -> Iterator[tuple[str, Span]]:
        return iter(list(self._spans.items()))

    def meet(self, key: str, parent: str | None, role: Role, us: int) -> Span:
        """A span, of which its children may be known already."""
        span = self.known(key)
        span.role, span.parent = role, parent
        if role not in _BARRIERS:
            for what, inside in list(span.inside.items()):
                if what in ALIKE:
                    self._rise(key, what, inside)
                elif role not in ALIKE:
                    for call in inside:
                        self.nest(key, what, call)
        if role in ALIKE:
            self._rise(key, role, us)
        return span

    def known(self, key: str) -> Span:
        """What is known of a span, which may be nothing yet."""
        span = self._spans.get(key)
        if span is None:
            span = self._spans[key] = Span()
        return span

    def _rise(self, key: str, role: str, us: int) -> None:
        """Tell the spans around that there is such a call inside of them."""
        for around, span in self._around(key):
            if span.role in _BARRIERS or role in span.inside:
                return
            span.inside[role] = us
            if span.role == role and span.is_given:
                self.envelopes[around, role] = us

    def nest(self, key: str, what: str, call: Mapping[str, Any]) -> Span | None:
        """The tool's call of the same name that a tool's call is a part of. Where the spans around
        are not all known yet, they are told of the call."""
        for _, span in self._around(key):
            if span.role == Role.TOOL:
                return span if what == f"tool:{span.call.get('name')}" else None
            if span.role in _BARRIERS or span.role in ALIKE:
                return None
            calls = span.inside.setdefault(what, [])
            if len(calls) < _CALLS_INSIDE and call not in calls:
                calls.append(dict(call))
        return None

    def _around(self, key: str) -> Iterator[tuple[str, Span]]:
        """The spans around one, the nearest first, up to one of which no parent is known."""
        for _ in range(_DEEPEST):
            span = self._spans.get(key)
            parent = span.parent if span else None
            if parent is None or parent == key:
                return
            yield parent, self.known(parent)
            key = parent
