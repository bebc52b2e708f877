"""OpenTelemetry as JSON, taken apart into items.

Understood are the protocol's export requests, and spans and log records by themselves: the objects
that the JavaScript SDK dumps, the console output of the Python SDK, lines of CloudWatch, rows of
Phoenix' data frames, spans of Jaeger and Zipkin, traces of MLflow. Metrics are counted, not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from tgt.sources.base import METRIC, PassedOver, malformed, unknown
from tgt.sources.otlp.items import (
    Around,
    Item,
    around_of,
    compact_span_of,
    is_compact,
    is_jaeger,
    is_log,
    is_span,
    jaeger_span_of,
    log_of,
    span_of,
)
from tgt.sources.otlp.values import attributes, each
from tgt.sources.wrappers import EVERY, unwrapped

_LOGS = (
    ("resourceLogs", ("scopeLogs", "instrumentationLibraryLogs"), "logRecords"),
    ("resource_logs", ("scope_logs", "instrumentation_library_logs"), "log_records"),
)
_SPANS = (
    ("resourceSpans", ("scopeSpans", "instrumentationLibrarySpans"), "spans"),
    ("resource_spans", ("scope_spans", "instrumentation_library_spans"), "spans"),
)
_METRICS = (
    ("resourceMetrics", ("scopeMetrics", "instrumentationLibraryMetrics"), "metrics"),
    ("resource_metrics", ("scope_metrics", "instrumentation_library_metrics"), "metrics"),
)
WRAPPERS = EVERY
"""The envelopes that stores and programs put around telemetry."""

_LOOKED_AT = 20
_REQUESTS = frozenset(shape[0] for shape in (*_LOGS, *_SPANS, *_METRICS))
_SCOPES = frozenset(name for _, scopes, _ in (*_LOGS, *_SPANS) for name in scopes) | {
    "logRecords",
    "log_records",
}
_NO_RECORD = malformed("no list of records")


def items(document: Mapping[str, Any]) -> Iterator[Item | PassedOver]:
    """The items of one document, and what of it is none."""
    if is_batch(document):
        yield from _batch(_whole(document))
    elif _is_mlflow(document):
        yield from _mlflow(document)
    else:
        yield _alone(document)


def _batch(document: Mapping[str, Any]) -> Iterator[Item | PassedOver]:
    for shapes, make in ((_LOGS, log_of), (_SPANS, span_of)):
        for resources, scopes, records in shapes:
            for around, record in _records(document.get(resources), scopes, records):
                yield make(record, around) if isinstance(record, dict) else _NO_RECORD
    for resources, scopes, records in _METRICS:
        for _, record in _records(document.get(resources), scopes, records):
            yield METRIC if isinstance(record, dict) else _NO_RECORD


def is_batch(document: Mapping[str, Any]) -> bool:
    """Whether a document is a batch of records, as an exporter sends it, and not a record."""
    is_part = not _SCOPES.isdisjoint(document) or ("scope" in document and "spans" in document)
    return is_part or not _REQUESTS.isdisjoint(document)


def _whole(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The batch that a part of one is: what a single resource or scope wrote."""
    if not _REQUESTS.isdisjoint(document):
        return document
    for resources, scopes, records in (*_LOGS, *_SPANS):
        if not set(scopes).isdisjoint(document):
            return {resources: [document]}
        if records in document:
            return {resources: [{scopes[0]: [document]}]}
    return document


def recognises(document: dict[str, Any]) -> bool:
    """Whether an object of a file is OpenTelemetry, whatever it tells of and whatever is around."""
    inside = islice(unwrapped(document, WRAPPERS), _LOOKED_AT)
    return any(_is_telemetry(inner) for inner in inside)


def _is_telemetry(document: Mapping[str, Any]) -> bool:
    if is_batch(document) or _is_mlflow(document) or is_jaeger(document):
        return True
    # A time and attributes alone may be anybody's.
    has_ids = not {"spanContext", "_spanContext", "resource"}.isdisjoint(document) or any(
        _IDS.fullmatch(name) for name in (*document, *_inner(document.get("context")))
    )
    if is_compact(document):
        return "attributes" in document or "localEndpoint" in document
    if is_span(document):
        return has_ids or any(name.startswith("attributes.") for name in document)
    is_record = "attributes" in document and is_log(document)
    return "scopeMetrics" in document or (is_record and ("hrTime" in document or has_ids))


_IDS = re.compile(r"(?:context\.)?(?:trace|span)_?[iI][dD]")


def _inner(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _records(
    resources: Any, scopes: tuple[str, ...], records: str
) -> Iterator[tuple[Around, Mapping[str, Any] | None]]:
    """What is around a record, and the record; a None for each that is no list."""
    for resource in each(resources):
        if not isinstance(resource, dict):
            yield Around(), None
            continue
        described = _resource(resource.get("resource"))
        for scope in each(next((resource[name] for name in scopes if name in resource), [])):
            if not isinstance(scope, dict):
                yield Around(), None
                continue
            around = around_of(described, scope.get("scope") or scope.get("instrumentationLibrary"))
            for record in each(scope.get(records, [])):
                yield around, record


def _alone(document: Mapping[str, Any]) -> Item | PassedOver:
    """A span or a log record that is a document of its own."""
    if is_jaeger(document):
        return jaeger_span_of(document)
    named = ("instrumentationScope", "instrumentation_scope", "scope")
    around = around_of(
        _resource(document.get("resource")),
        next((document[name] for name in named if name in document), None),
    )
    if is_compact(document):
        return compact_span_of(document, around)
    if is_span(document):
        return span_of(document, around)
    if is_log(document):
        return log_of(document, around)
    if "scopeMetrics" in document or "dataPoints" in document:
        return METRIC
    return unknown(document.get("name") or document.get("type") or "")


def _is_mlflow(document: Mapping[str, Any]) -> bool:
    data = document.get("data")
    return isinstance(document.get("info"), dict) and isinstance(data, dict) and "spans" in data


def _mlflow(document: Mapping[str, Any]) -> Iterator[Item | PassedOver]:
    """The spans of a trace as MLflow hands it out; the session stands beside them."""
    info = _inner(document["info"])
    metadata = {**_inner(info.get("request_metadata")), **_inner(info.get("trace_metadata"))}
    around = around_of({"session.id": metadata.get("mlflow.trace.session")})
    for record in each(document["data"]["spans"]):
        yield span_of(record, around) if isinstance(record, dict) else _NO_RECORD


def _resource(resource: Any) -> Mapping[str, Any]:
    if not isinstance(resource, dict):
        return {}
    own = attributes(resource.get("attributes"))
    return own or attributes(resource.get("_rawAttributes", resource.get("_attributes")))
