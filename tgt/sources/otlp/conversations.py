"""Which conversation a record is of, where only another span or event of its trace names it.

Children are exported before their parents, and often only the outermost span names a session. What
was read with it is told when it is known which; what was read before, or stands in another file, is
told to whoever joins records by a record without an act that names the conversation of a trace.
Until then a record is of the conversation that is called like its trace. The session of a service
is named like that, too: it is what is known if nothing of the trace says more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from tgt.sources.agents import Recent
from tgt.sources.base import Record
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.records import conversation

_MOST = 5_000
_MOST_KEPT = 500
_LONGEST_KEPT = 200
_MOST_WAITING = 5_000
_OF_SERVICE, _OF_TRACE = 0, 1
"""Who names a conversation: the higher is right."""


class Conversations:
    """The conversations of the traces of one file, and the records that wait for theirs."""

    def __init__(self, state: Any = None) -> None:
        kept = state if isinstance(state, Mapping) else {}
        self._of_trace: dict[str, str] = Recent(_MOST, kept)
        self._waiting: OrderedDict[str, list[tuple[Record, str | None]]] = OrderedDict()
        self._number = 0

    def state(self) -> dict[str, str]:
        newest = list(self._of_trace.items())[-_MOST_KEPT:]
        return {trace: name for trace, name in newest if len(name) <= _LONGEST_KEPT}

    def meet(self, item: Item) -> Iterator[Record]:
        """Learn what an item tells; the records that waited for it."""
        name = conversation(item) if item.trace else None
        if name is None or item.trace is None or item.us is None or item.trace in self._of_trace:
            return
        self._of_trace[item.trace] = name
        yield _link(item.trace, name, item.us, _OF_TRACE)
        for record, _ in self._pop(item.trace):
            yield record | {"conv_id": name}

    def placed(self, record: Record, item: Item, place: int) -> Iterator[Record]:
        """The record with its conversation, once that is known, and others that waited too long."""
        if record["conv_id"] is None:
            record["conv_id"] = self._of_trace.get(item.trace) if item.trace else None
        if record["conv_id"] is not None:
            yield record
        elif item.trace is None:
            yield record | {"conv_id": item.around.session}
        else:
            held = record | {"place": place}
            self._waiting.setdefault(item.trace, []).append((held, item.around.session))
            self._number += 1
            while self._number > _MOST_WAITING:
                yield from self._alone(next(iter(self._waiting)))

    def finish(self) -> Iterator[Record]:
        """The records that still wait."""
        for trace in list(self._waiting):
            yield from self._alone(trace)

    def name(self, trace: str | None) -> str | None:
        """What is known of a trace, which is at least its own id."""
        return self._of_trace.get(trace, trace) if trace else None

    def _alone(self, trace: str) -> Iterator[Record]:
        waiting = self._pop(trace)
        sessions = ((session, record["us"]) for record, session in waiting if session)
        session, us = next(sessions, (None, 0))
        if session is not None:
            yield _link(trace, session, us, _OF_SERVICE)
        for record, _ in waiting:
            yield record | {"conv_id": trace}

    def _pop(self, trace: str) -> list[tuple[Record, str | None]]:
        waiting = self._waiting.pop(trace, [])
        self._number -= len(waiting)
        return waiting


def _link(trace: str, name: str, us: int, revision: int) -> Record:
    """What names the conversation of a trace."""
    link = {"trace_id": trace, "conv_id": name, "key": f"trace:{trace}"}
    return {"act": None, "us": us, "revision": revision, **link}
