"""OpenTelemetry files: what collectors and agents write as JSON, taken apart into items.

Understood are the protocol's JSON (one export request a document, wherever it stands: several on
a line, or one over many lines), the object dumps of the JavaScript SDK and the console output of
the Python SDK. Metrics are counted, not read. The protocol's own rules hold: ids are hexadecimal,
64-bit numbers may be text, what is absent, empty or ``{}`` is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgt.sources.coerce import moment, number, text
from tgt.sources.discover import listed
from tgt.sources.envelopes import MALFORMED, documents
from tgt.sources.files import LogFile, Part
from tgt.sources.otlp import dialects as genai
from tgt.sources.otlp.attributes import Item, conversation
from tgt.sources.translated import MALFORMED_RECORD, METRIC, UNKNOWN, Translated

SUFFIXES = (".json", ".jsonl", ".ndjson", ".log", ".txt", ".otlp")

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
_STATUS = {"STATUS_CODE_ERROR": 2, "ERROR": 2, "STATUS_CODE_OK": 1, "OK": 1}
_MAX_DEPTH = 8


@dataclass(frozen=True)
class Otlp(Translated):
    """A file or a directory of OpenTelemetry JSON; ``setting`` is what names another."""

    location: Path
    setting: str = "TASKGEN_SOURCE"

    @property
    def kind(self) -> str:
        return "otlp"

    def files(self) -> tuple[LogFile, ...]:
        return listed(self.location, SUFFIXES, self.setting)

    def translate(self, part: Part) -> Iterator[Any]:
        return translate(documents(part.file, part.offset, part.length))


def translate(found: Iterator[Any]) -> Iterator[Any]:
    """The records of documents. What needs its neighbours is held until the last document."""
    pending: list[dict[str, Any]] = []
    sessions: dict[str, str] = {}
    for document in found:
        if document is MALFORMED:
            yield MALFORMED_RECORD
            continue
        for item in items(document):
            if not isinstance(item, Item):
                yield item
                continue
            named = conversation(item) if item.trace else None
            if named and item.trace:
                sessions.setdefault(item.trace, named)
            made = genai.record(item)
            if isinstance(made, dict) and made is not MALFORMED_RECORD:
                made["_session"] = item.session
                if "_outer" in made or "_inner" in made or made["conv_id"] is None:
                    pending.append(made)
                    continue
                _finished(made, sessions)
            yield made
    yield from _resolved(pending, sessions)


def _resolved(
    pending: list[dict[str, Any]], sessions: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Of a tool's span and the one of its execution inside, which does not include the time that
    a person took to allow it, one record."""
    outer = {made["_outer"]: made for made in pending if made.get("_outer")}
    run = {made["_inner"] for made in pending if made.get("_inner")}
    for made in pending:
        if made.get("_outer") in run and made.get("_outer") is not None:
            continue
        around = outer.get(made.get("_inner"))
        if around is not None:
            for name in ("name", "subject", "actor"):
                made[name] = around[name]
            for name in ("conv_id", "args_preview", "call_id", "result_preview"):
                made[name] = made[name] or around[name]
        elif "_inner" in made and made["name"] == "unknown":
            made["call_id"] = made["call_id"] or made["id"]
        _finished(made, sessions)
        yield made


def _finished(made: dict[str, Any], sessions: Mapping[str, str]) -> None:
    session = made.pop("_session")
    made.pop("_outer", None)
    made.pop("_inner", None)
    if made["conv_id"] is None:
        trace = made["trace_id"]
        made["conv_id"] = sessions.get(trace) or session or trace


# --- documents -----------------------------------------------------------------------------------


def items(document: Mapping[str, Any]) -> Iterator[Any]:
    """The items of one document, or METRIC, SKIPPED, UNKNOWN or MALFORMED_RECORD."""
    is_request = False
    for is_span, shapes in ((False, _LOGS), (True, _SPANS)):
        for resources, scopes, records in shapes:
            if resources in document:
                is_request = True
                yield from _request(document[resources], scopes, records, is_span=is_span)
    for resources, scopes, records in _METRICS:
        if resources in document:
            is_request = True
            for _, _, found in _records(document[resources], scopes, records):
                yield METRIC if isinstance(found, dict) else MALFORMED_RECORD
    if is_request:
        return
    if "scopeMetrics" in document or "dataPoints" in document:
        yield METRIC
    else:
        yield _plain(document)


def _request(
    resources: Any, scopes: tuple[str, ...], records: str, *, is_span: bool
) -> Iterator[Any]:
    make = _span if is_span else _log
    for around, scope, found in _records(resources, scopes, records):
        if not isinstance(found, dict):
            yield MALFORMED_RECORD
        else:
            yield make(found, around, scope)


def _records(
    resources: Any, scopes: tuple[str, ...], records: str
) -> Iterator[tuple[Mapping[str, Any], str, Any]]:
    """Resource attributes, name of the scope, and a record; a None for each that is no list."""
    for resource in _each(resources):
        if not isinstance(resource, dict):
            yield {}, "", None
            continue
        described = resource.get("resource")
        around = attributes(described.get("attributes")) if isinstance(described, dict) else {}
        inside: Any = next((resource[name] for name in scopes if name in resource), [])
        for scope in _each(inside):
            if not isinstance(scope, dict):
                yield {}, "", None
                continue
            named = scope.get("scope") or scope.get("instrumentationLibrary")
            name = text(named.get("name")) if isinstance(named, dict) else None
            for found in _each(scope.get(records, [])):
                yield around, name or "", found


def _each(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [None]


def attributes(listed_pairs: Any) -> dict[str, Any]:
    """Attributes as a dictionary: of a list of keys and values, of pairs, or of an object."""
    if isinstance(listed_pairs, dict):
        return {key: _undone(value) for key, value in listed_pairs.items()}
    found: dict[str, Any] = {}
    if not isinstance(listed_pairs, list):
        return found
    for pair in listed_pairs:
        if isinstance(pair, dict):
            key, value = pair.get("key"), pair.get("value")
            if isinstance(key, str):
                # Nearly all values are text; the general way takes four times as long.
                word = value.get("stringValue") if type(value) is dict else None
                found[key] = word if type(word) is str else _value(value)
        elif isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str):  # noqa: PLR2004
            found[pair[0]] = _undone(pair[1])
    return found


_SCALARS = frozenset(
    (
        *("stringValue", "intValue", "boolValue", "doubleValue", "bytesValue"),
        *("string_value", "int_value", "bool_value", "double_value", "bytes_value"),
    )
)


def _value(value: Any, depth: int = 0) -> Any:
    """What an AnyValue holds; None for an empty or foreign one."""
    if not isinstance(value, dict):
        return value if isinstance(value, str | int | float) else None
    for name, held in value.items():
        if name in _SCALARS:
            return held if not isinstance(held, dict | list) else None
    if depth > _MAX_DEPTH:
        return None
    held = value.get("arrayValue", value.get("array_value"))
    if isinstance(held, dict):
        return [_value(inner, depth + 1) for inner in _each(held.get("values"))]
    held = value.get("kvlistValue", value.get("kvlist_value"))
    if isinstance(held, dict):
        pairs = [pair for pair in _each(held.get("values")) if isinstance(pair, dict)]
        return {str(p.get("key")): _value(p.get("value"), depth + 1) for p in pairs}
    return None


def _undone(value: Any) -> Any:
    """A value of a plain object, in which an AnyValue may have been left half decoded."""
    if isinstance(value, dict) and isinstance(value.get("values"), list):
        return [_value(inner) for inner in value["values"]]
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _SCALARS:
        return _value(value)
    return value


def _get(record: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        found = record.get(name)
        if found is not None and found != "":
            return found
    return None


def _hex(value: Any) -> str | None:
    """An id in the one spelling; an id of zeros is none."""
    word = text(value)
    if word is None:
        return None
    plain = word.removeprefix("0x").lower()
    return plain if plain.strip("0") else None


def _session(around: Mapping[str, Any]) -> str | None:
    return text(around.get("session.id"))


def _log(record: Mapping[str, Any], around: Mapping[str, Any], scope: str) -> Item:
    own = attributes(record.get("attributes"))
    body = record.get("body", record.get("_body"))
    spoken = text(_value(body)) if isinstance(body, dict) else text(body)
    us = moment(_get(record, "timeUnixNano", "time_unix_nano"))
    if us is None:
        us = moment(own.get("event.timestamp")) or moment(
            _get(record, "observedTimeUnixNano", "observed_time_unix_nano")
        )
    return Item(
        is_span=False,
        name=_event_name(record, own, spoken),
        attributes=own,
        us=us,
        trace=_hex(_get(record, "traceId", "trace_id")),
        span=_hex(_get(record, "spanId", "span_id")),
        severity=number(_get(record, "severityNumber", "severity_number")) or 0,
        scope=scope,
        service=text(around.get("service.name")),
        session=_session(around),
    )


def _event_name(record: Mapping[str, Any], own: Mapping[str, Any], spoken: str | None) -> str:
    """The name of an event; where a body repeats it with the product's name, that one."""
    if spoken and spoken.startswith("claude_code."):
        return spoken
    name = text(own.get("event.name"))
    if name is None:
        # Of some SDKs the field is a place in their source.
        told = text(_get(record, "eventName", "event_name"))
        name = told if told and not told.startswith("event ") else None
    return name or (spoken or "")[:80]


def _span(record: Mapping[str, Any], around: Mapping[str, Any], scope: str) -> Item:
    status = record.get("status")
    code, message = (
        (status.get("code"), text(status.get("message"))) if isinstance(status, dict) else (0, None)
    )
    return Item(
        is_span=True,
        name=text(record.get("name")) or "",
        attributes=attributes(record.get("attributes")),
        us=moment(_get(record, "endTimeUnixNano", "end_time_unix_nano")),
        start_us=moment(_get(record, "startTimeUnixNano", "start_time_unix_nano")),
        trace=_hex(_get(record, "traceId", "trace_id")),
        span=_hex(_get(record, "spanId", "span_id")),
        parent=_hex(_get(record, "parentSpanId", "parent_span_id")),
        status=_code(code),
        status_message=message,
        exception=_exception(record.get("events")),
        scope=scope,
        service=text(around.get("service.name")),
        session=_session(around),
    )


def _code(code: Any) -> int:
    if isinstance(code, str) and not code.isdigit():
        return _STATUS.get(code.upper(), 0)
    return int(number(code) or 0)


def _exception(events: Any) -> dict[str, Any]:
    """The attributes of the first exception among the events of a span."""
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("name") == "exception":
            return attributes(event.get("attributes")) or {"exception.type": "exception"}
    return {}


# --- the SDKs' own dumps -------------------------------------------------------------------------


def _plain(document: Mapping[str, Any]) -> Any:
    """A span or a log record as an SDK prints its object."""
    context = _context(document)
    resource = document.get("resource")
    around = _resource(resource) if isinstance(resource, dict) else {}
    named = document.get("instrumentationScope") or document.get("instrumentation_scope")
    scope = (text(named.get("name")) if isinstance(named, dict) else None) or ""
    own = attributes(document.get("attributes"))
    trace = _hex(_get(context, "traceId", "trace_id"))
    span = _hex(_get(context, "spanId", "span_id"))
    ends = _get(document, "endTime", "end_time")
    starts = _get(document, "startTime", "start_time")
    if ends is not None or (starts is not None and "name" in document):
        return _plain_span(document, own, around, scope, (trace, span), (starts, ends))
    logged = _get(document, "hrTime", "_hrTime", "timestamp", "hrTimeObserved")
    if logged is None or not ({"attributes", "_body", "body"} & document.keys()):
        return UNKNOWN
    spoken = text(document.get("_body", document.get("body")))
    return Item(
        is_span=False,
        name=_event_name(document, own, spoken),
        attributes=own,
        us=moment(logged) or moment(own.get("event.timestamp")),
        trace=trace,
        span=span,
        severity=number(_get(document, "severityNumber", "_severityNumber")) or 0,
        scope=scope,
        service=text(around.get("service.name")),
        session=_session(around),
    )


def _plain_span(
    document: Mapping[str, Any],
    own: Mapping[str, Any],
    around: Mapping[str, Any],
    scope: str,
    ids: tuple[str | None, str | None],
    times: tuple[Any, Any],
) -> Item:
    parent = document.get("parentSpanContext")
    status = document.get("status")
    told = status if isinstance(status, dict) else {"code": document.get("status_code")}
    kind = document.get("span_kind")
    if isinstance(kind, str) and "openinference.span.kind" not in own:
        own = {**own, "openinference.span.kind": kind}
    return Item(
        is_span=True,
        name=text(document.get("name")) or "",
        attributes=own,
        us=moment(times[1]),
        start_us=moment(times[0]),
        trace=ids[0],
        span=ids[1],
        parent=_hex(
            parent.get("spanId")
            if isinstance(parent, dict)
            else _get(document, "parentSpanId", "parent_id")
        ),
        status=_code(_get(told, "code", "status_code")),
        status_message=text(_get(told, "message", "description")),
        exception=_exception(document.get("events")),
        scope=scope,
        service=text(around.get("service.name")),
        session=_session(around),
    )


def _context(document: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("spanContext", "_spanContext", "context"):
        found = document.get(name)
        if isinstance(found, dict):
            return found
    return document


def _resource(resource: Mapping[str, Any]) -> dict[str, Any]:
    found = attributes(resource.get("attributes"))
    return found or attributes(resource.get("_rawAttributes", resource.get("_attributes")))
