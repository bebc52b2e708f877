"""Envelopes that programs put around telemetry, and what is inside of each.

A source names those that it wants taken off (``wrappers``); all that is inside of one object has
that object's place. A wrapper is a function from an object to what is inside, or None where the
object is not of its kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from tgt.sources import nesting

PREFIX = "prefix"
"""Lines with a time or a name before the object (``aws logs tail``)."""

_MOST_INSIDE = 4


def unwrapped(document: dict[str, Any], wrappers: Collection[str]) -> Iterator[dict[str, Any]]:
    """The objects inside of a document; the document itself if none of the wrappers is around."""
    yield from _inside(document, wrappers, _MOST_INSIDE)


def _inside(
    document: dict[str, Any], wrappers: Collection[str], depth: int
) -> Iterator[dict[str, Any]]:
    for name, open_wrapper in WRAPPERS.items():
        inner = open_wrapper(document) if depth and name in wrappers else None
        if inner is not None:
            for value in inner:
                yield from _inside(value, wrappers, depth - 1)
            return
    yield document


def _objects(value: Any) -> list[dict[str, Any]] | None:
    """The elements of a list of objects; None for anything else, and for an empty list."""
    if not isinstance(value, list) or not value:
        return None
    objects = [element for element in value if isinstance(element, dict)]
    return objects or None


def _batches(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Tempo: the resources of an export request under another name."""
    batches = _objects(document.get("batches"))
    return None if batches is None else [{"resourceSpans": batches}]


def _trace(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Tempo's second version: an export request inside of ``trace``."""
    trace = document.get("trace")
    return [trace] if isinstance(trace, dict) and "traceId" not in document else None


def _jaeger(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Jaeger: the spans of a trace, each with the process that it names."""
    spans, processes = _objects(document.get("spans")), document.get("processes")
    if spans is None or not isinstance(processes, dict):
        return None
    return [
        {**span, "process": processes.get(str(span.get("processID")))}
        if "process" not in span
        else span
        for span in spans
    ]


def _spans(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Spans in a list of their own, not those of a scope of an export request."""
    return None if "scope" in document else _objects(document.get("spans"))


def _data(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The answer of a server, which holds little else."""
    return _objects(document.get("data"))


def _traces(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Traces in a list of their own."""
    return _objects(document.get("traces"))


def _hits(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Elasticsearch and OpenSearch: what a search found."""
    hits = document.get("hits")
    return _objects(hits.get("hits")) if isinstance(hits, dict) else None


def _streams(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Loki: streams of pairs of a time and a line."""
    pairs = (
        pair
        for stream in _objects(document.get("streams")) or ()
        for pair in (stream["values"] if isinstance(stream.get("values"), list) else ())
    )
    return [{"line": pair[1]} for pair in pairs if isinstance(pair, list) and len(pair) > 1] or None


def _fields(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """CloudWatch Insights: rows that are lists of fields and values."""
    rows = document.get("results")
    rows_read = [
        {str(cell.get("field")): cell.get("value") for cell in row if isinstance(cell, dict)}
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, list)
    ]
    return rows_read or None


def _cloudwatch(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """CloudWatch: events in a list, each with the line that was logged."""
    events = _objects(document.get("events")) or _objects(document.get("logEvents"))
    if events is not None and any("message" in event for event in events):
        return events
    return None


# Where shippers and stores put the line, or the object, that somebody else wrote.
_HOLDERS = (
    *("message", "@message", "MESSAGE", "log", "line", "_raw", "_source", "event", "record"),
    *("result", "value", "data", "payload"),
)
_MARKS = frozenset(
    (
        *("resourceSpans", "resourceLogs", "resource_spans", "resource_logs", "scopeSpans"),
        *(
            "scopeLogs",
            "batches",
            "spans",
            "traceId",
            "trace_id",
            "traceID",
            "spanContext",
            *_HOLDERS,
        ),
    )
)


_OWN = frozenset(("attributes", "info"))


def _held(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """One line as a text, or one object, that another program passed on."""
    if not _OWN.isdisjoint(document):
        return None  # it is a record or a trace itself
    for name in _HOLDERS:
        value = document.get(name)
        if isinstance(value, str):
            value = _parsed(value)
            if value is not None:
                return [value]
        elif isinstance(value, dict) and not _MARKS.isdisjoint(value):
            return [value]
    return None


def _parsed(line: str) -> dict[str, Any] | None:
    """The object that a text is; None for any other text."""
    if not line.lstrip().startswith("{") or nesting.refusal(line.encode("utf-8", "replace")):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


WRAPPERS: Mapping[str, Callable[[Mapping[str, Any]], list[dict[str, Any]] | None]] = {
    "batches": _batches,
    "trace": _trace,
    "jaeger": _jaeger,
    "spans": _spans,
    "data": _data,
    "traces": _traces,
    "hits": _hits,
    "streams": _streams,
    "fields": _fields,
    "cloudwatch": _cloudwatch,
    "held": _held,
}

EVERY = frozenset((*WRAPPERS, PREFIX))
