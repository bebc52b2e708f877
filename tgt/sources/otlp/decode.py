"""OpenTelemetry as JSON, taken apart into items.

Understood are the protocol's export requests, the objects that the JavaScript SDK dumps, and the
console output of the Python SDK. Metrics are counted, not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tgt.sources.base import METRIC, PassedOver, malformed, unknown
from tgt.sources.otlp.items import Around, Item, around_of, is_log, is_span, log_of, span_of
from tgt.sources.otlp.values import attributes, each

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
_REQUESTS = frozenset(shape[0] for shape in (*_LOGS, *_SPANS, *_METRICS))
_NO_RECORD = malformed("no list of records")


def items(document: Mapping[str, Any]) -> Iterator[Item | PassedOver]:
    """The items of one document, and what of it is none."""
    if not is_batch(document):
        yield _alone(document)
        return
    for shapes, make in ((_LOGS, log_of), (_SPANS, span_of)):
        for resources, scopes, records in shapes:
            for around, record in _records(document.get(resources), scopes, records):
                yield make(record, around) if isinstance(record, dict) else _NO_RECORD
    for resources, scopes, records in _METRICS:
        for _, record in _records(document.get(resources), scopes, records):
            yield METRIC if isinstance(record, dict) else _NO_RECORD


def is_batch(document: Mapping[str, Any]) -> bool:
    """Whether a document is a batch of records, as an exporter sends it, and not a record."""
    return not _REQUESTS.isdisjoint(document)


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object of a file is OpenTelemetry, whatever it tells of."""
    return is_batch(document) or _alone(document) != unknown()


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
    """A span or a log record that is a document of its own, as an SDK prints its object."""
    around = around_of(
        _resource(document.get("resource")),
        document.get("instrumentationScope") or document.get("instrumentation_scope"),
    )
    if is_span(document):
        return span_of(document, around)
    if is_log(document):
        return log_of(document, around)
    if "scopeMetrics" in document or "dataPoints" in document:
        return METRIC
    return unknown()


def _resource(resource: Any) -> Mapping[str, Any]:
    if not isinstance(resource, dict):
        return {}
    told = attributes(resource.get("attributes"))
    return told or attributes(resource.get("_rawAttributes", resource.get("_attributes")))
