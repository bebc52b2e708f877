"""Rows of the exporter's tables as items: what the exporter has made of spans and log records is
undone, so that nothing behind this knows that they were in a database.

Maps have only texts: what was true or false is so again, and numbers are understood as texts
everywhere. Of JSON columns the objects become names with dots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tgt.engine.clickhouse.tables import LONGEST_TEXT
from tgt.events import HOUR_US
from tgt.sources.base import Outcome
from tgt.sources.coerce import moment, parsed
from tgt.sources.otlp.attributes import NAMES
from tgt.sources.otlp.items import Around, Item, around_of, log_of, span_of

_TRUTHS: Mapping[str, bool] = {"true": True, "false": False}
_MOST_NESTED = 20
_MILLISECOND_US = 1000
_SIZE = "tool_result_size_bytes"


def span_item(row: Sequence[Any]) -> Item:
    """The item of a row of ``Spans``, behind its place."""
    start_us, end_us, trace, span, parent, name, service, scope, code, message, *more = row
    resource, told, lengths, has_raised, raised = more
    record: dict[str, Any] = {
        "name": name,
        "attributes": _attributes(told, lengths),
        "startTime": start_us,
        "endTime": max(start_us, end_us),
        "traceId": trace,
        "spanId": span,
        "parentSpanId": parent,
        "status": {"code": code, "message": message},
    }
    if has_raised:
        record["events"] = [{"name": "exception", "attributes": _attributes(raised, {})}]
    return span_of(record, _around(resource, service, scope))


def log_item(row: Sequence[Any]) -> Item:
    """The item of a row of ``Logs``, behind its place."""
    us, trace, span, service, scope, event, severity, body, resource, told, lengths = row
    record: dict[str, Any] = {
        "timeUnixNano": us,
        "traceId": trace,
        "spanId": span,
        "severityNumber": severity,
        "eventName": event,
        "body": body,
        "attributes": _attributes(told, lengths),
    }
    item = log_of(record, _around(resource, service, scope))
    # Who writes no time of its own is given that at which it was observed.
    spoken = moment(item.attributes.get("event.timestamp"))
    is_near = spoken is not None and abs(spoken - us) < HOUR_US
    return item._replace(us=spoken) if is_near and abs(spoken - us) >= _MILLISECOND_US else item


def asked(item: Item) -> int | None:
    """What tells what a call was asked from what others were, as the server works it out, too."""
    given = item.told("arguments")
    if given is None:
        return None
    data = str(given).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.md5(data, usedforsecurity=False).digest()[:8])


def with_asked(outcomes: Iterable[Outcome], items: Iterable[Item]) -> list[Outcome]:
    """Outcomes of items of which the arguments are told as the server tells them."""
    by_id = {f"{item.trace}:{item.span}": item for item in items}
    told: list[Outcome] = []
    for outcome in outcomes:
        item = by_id.get(str(outcome.get("id"))) if isinstance(outcome, dict) else None
        if isinstance(outcome, dict) and item and outcome.get("args_hash") is not None:
            told.append({**outcome, "args_hash": asked(item)})
        else:
            told.append(outcome)
    return told


def _around(resource: Sequence[str], service: str, scope: str) -> Around:
    version, runtime, session, named = resource
    described = {
        "service.name": service or named,
        "service.version": version,
        "process.runtime.version": runtime,
        "session.id": session,
    }
    return around_of(described, {"name": scope})


def _attributes(told: Any, lengths: Mapping[str, int]) -> dict[str, Any]:
    if isinstance(told, str):  # of a JSON column
        found = parsed(told)
        return _cut(dict(_flat("", found, 0))) if isinstance(found, dict) else {}
    values = {name: _TRUTHS.get(value, value) for name, value in told.items()}
    return _with_size(values, lengths)


def _flat(name: str, value: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        whole = f"{name}.{key}" if name else key
        if isinstance(inner, dict) and depth < _MOST_NESTED:
            yield from _flat(whole, inner, depth + 1)
        else:
            yield whole, inner


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    lengths: dict[str, int] = {}
    for name, value in values.items():
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            lengths[name] = len(value.encode("utf-8", "replace"))
    return _with_size(values, lengths)


def _with_size(values: dict[str, Any], lengths: Mapping[str, int]) -> dict[str, Any]:
    """The size of a result that was read in part."""
    size = next((lengths[name] for name in NAMES["result"] if name in lengths), None)
    if size is not None:
        values.setdefault(_SIZE, size)
    return values
