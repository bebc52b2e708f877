"""The Collector's ClickHouse exporter, as far as its tables tell: what it makes of requests of the
protocol, in the layouts that its versions have had.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MAP = "Map(LowCardinality(String), String)"


def traces_table(name: str = "otel_traces", attributes: str = MAP) -> str:
    index = (
        ", INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1"
    )
    return f"""
CREATE TABLE {name} (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)), TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)), ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)), SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)), ServiceName LowCardinality(String),
    ResourceAttributes {attributes}, ScopeName String, ScopeVersion String,
    SpanAttributes {attributes}, Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String), StatusMessage String CODEC(ZSTD(1)),
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes {attributes}),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
    {index if attributes == MAP else ""}
) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
"""


def logs_table(name: str = "otel_logs", attributes: str = MAP, *, events: bool = True) -> str:
    """``events``: as versions write it that know the names of events, or as older ones did."""
    event = ", EventName String CODEC(ZSTD(1))" if events else ""
    seconds = ", TimestampTime DateTime DEFAULT toDateTime(Timestamp)" if events else ""
    sorted_by = "TimestampTime" if events else "toDateTime(Timestamp)"
    return f"""
CREATE TABLE {name} (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)), TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)), TraceFlags UInt8, SeverityText LowCardinality(String),
    SeverityNumber UInt8, ServiceName LowCardinality(String), Body String CODEC(ZSTD(1)),
    ResourceAttributes {attributes}, ScopeName String, LogAttributes {attributes}{event}{seconds}
) ENGINE = MergeTree PARTITION BY toDate({"TimestampTime" if events else "Timestamp"})
ORDER BY (ServiceName, {sorted_by})
"""


SPAN_COLUMNS = (
    *("Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "ServiceName"),
    *("ResourceAttributes", "ScopeName", "SpanAttributes", "Duration", "StatusCode"),
    *("StatusMessage", "Events.Timestamp", "Events.Name", "Events.Attributes"),
)
LOG_COLUMNS = (
    *("Timestamp", "TraceId", "SpanId", "SeverityNumber", "ServiceName", "Body"),
    *("ResourceAttributes", "ScopeName", "LogAttributes", "EventName"),
)
_STATUS = ("Unset", "Ok", "Error")


def span_rows(documents: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
    """The rows of the spans of requests, with SPAN_COLUMNS."""
    for resource, scope, span in _records(documents, "Spans", "spans"):
        start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        events = span.get("events") or []
        status = span.get("status") or {}
        yield (
            *(start, span.get("traceId", ""), span.get("spanId", "")),
            *(span.get("parentSpanId") or "", span.get("name", "")),
            *(resource.get("service.name", ""), resource, scope, texts(span.get("attributes"))),
            *(max(0, end - start), _STATUS[int(status.get("code") or 0)]),
            status.get("message") or "",
            [int(event.get("timeUnixNano") or 0) for event in events],
            [event.get("name", "") for event in events],
            [texts(event.get("attributes")) for event in events],
        )


def log_rows(documents: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
    """The rows of the log records of requests, with LOG_COLUMNS."""
    for resource, scope, log in _records(documents, "Logs", "logRecords"):
        time = int(log.get("timeUnixNano") or 0) or int(log.get("observedTimeUnixNano") or 0)
        yield (
            *(time, log.get("traceId") or "", log.get("spanId") or ""),
            *(int(log.get("severityNumber") or 0), resource.get("service.name", "")),
            *(text(log.get("body")), resource, scope, texts(log.get("attributes"))),
            log.get("eventName") or "",
        )


def _records(
    documents: Iterable[Mapping[str, Any]], kind: str, records: str
) -> Iterator[tuple[dict[str, str], str, Mapping[str, Any]]]:
    for document in documents:
        for resource in document.get(f"resource{kind}") or ():
            described = texts((resource.get("resource") or {}).get("attributes"))
            for scope in resource.get(f"scope{kind}") or ():
                name = (scope.get("scope") or {}).get("name") or ""
                for record in scope.get(records) or ():
                    yield described, name, record


def texts(attributes: Any) -> dict[str, str]:
    """Attributes as the exporter's maps hold them."""
    return {pair["key"]: text(pair.get("value")) for pair in attributes or ()}


def text(value: Any) -> str:
    """A value as the Collector writes it as text."""
    plain = _plain(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, dict | list):
        return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    return "" if plain is None else str(plain)


def _plain(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if "arrayValue" in value:
        return [_plain(each) for each in value["arrayValue"].get("values") or ()]
    if "kvlistValue" in value:
        return {p["key"]: _plain(p["value"]) for p in value["kvlistValue"].get("values") or ()}
    if "intValue" in value:
        return int(value["intValue"])
    if "bytesValue" in value:
        return base64.b64encode(base64.b64decode(value["bytesValue"])).decode()
    return next(iter(value.values()), None)
