"""One span or log record of an agent, whatever encoded it.

The protocol's JSON, the objects that SDKs print, rows of a data frame and the spans of stores
differ in how they spell the same fields. Here an item is made of any of them, in one place each for
spans and for log records, so that nothing behind it knows how it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tgt.sources.coerce import moment, number, parsed, text, truth
from tgt.sources.otlp.attributes import meanings
from tgt.sources.otlp.values import any_value, attributes, each, hexadecimal

NOTHING: Mapping[str, Any] = MappingProxyType({})
OK, ERROR = 1, 2
_STATUS = {"STATUS_CODE_ERROR": ERROR, "ERROR": ERROR, "STATUS_CODE_OK": OK, "OK": OK}


class Around(NamedTuple):
    """What a batch tells of all its records: by what they were written, and where."""

    scope: str = ""
    service: str | None = None
    version: str | None = None
    session: str | None = None


class Item(NamedTuple):
    """A span or a log record; times in microseconds.

    ``us`` is when a span ended or a log record was written, ``status`` 0 where it is not set,
    ``meanings`` what the attributes tell by the rows of the table of names.
    """

    is_span: bool
    name: str
    attributes: Mapping[str, Any]
    meanings: Mapping[str, Any]
    us: int | None
    start_us: int | None = None
    trace: str | None = None
    span: str | None = None
    parent: str | None = None
    severity: float = 0
    status: int = 0
    status_message: str | None = None
    exception: Mapping[str, Any] = NOTHING
    around: Around = Around()

    def told(self, what: str) -> Any:
        """What the attributes tell of one row of the table of names; None if nothing."""
        return self.meanings.get(what)

    @property
    def scope(self) -> str:
        return self.around.scope

    @property
    def service(self) -> str | None:
        return self.around.service

    @property
    def is_running(self) -> bool:
        """A span that was begun and has not ended."""
        return self.is_span and self.us is None and self.start_us is not None


def around_of(resource: Mapping[str, Any], scope: Any = None) -> Around:
    """Of the attributes of a resource and of the object that names what wrote the records."""
    version = text(resource.get("service.version"))
    runtime = text(resource.get("process.runtime.version"))
    if version and runtime and version.removeprefix("v") == runtime.removeprefix("v"):
        version = None  # some tell that of their interpreter
    return Around(
        (text(scope.get("name")) if isinstance(scope, dict) else None) or "",
        text(resource.get("service.name")),
        version,
        text(resource.get("session.id")),
    )


_CONTEXTS = ("spanContext", "_spanContext", "context")
_TRACE = ("traceId", "trace_id", "traceID", "context.trace_id")
_SPAN = ("spanId", "span_id", "spanID", "context.span_id")
_PARENT = ("parentSpanId", "parent_span_id", "parent_id", "parentSpanID")
_COLUMN = "attributes."  # of a data frame, whose rows have a column for each attribute
_START = ("startTimeUnixNano", "start_time_unix_nano", "startTime", "start_time")
_END = ("endTimeUnixNano", "end_time_unix_nano", "endTime", "end_time")
_LOGGED = ("timeUnixNano", "time_unix_nano", "hrTime", "_hrTime", "timestamp")
_OBSERVED = ("observedTimeUnixNano", "observed_time_unix_nano", "hrTimeObserved")
_SEVERITY = ("severityNumber", "severity_number", "_severityNumber")


def span_of(record: Mapping[str, Any], around: Around) -> Item:
    """The item of a span."""
    context = _context(record)
    own = _own(record)
    value = record.get("status")
    status = value if isinstance(value, dict) else {"code": value or record.get("status_code")}
    message = get(status, "message", "description") or record.get("status_message")
    parent = record.get("parentSpanContext")
    return Item(
        is_span=True,
        name=text(record.get("name")) or "",
        attributes=own,
        meanings=meanings(own),
        us=moment(get(record, *_END)),
        start_us=moment(get(record, *_START)),
        trace=hexadecimal(get(context, *_TRACE)),
        span=hexadecimal(get(context, *_SPAN)),
        parent=hexadecimal(
            get(parent, *_SPAN) if isinstance(parent, dict) else get(record, *_PARENT)
        ),
        status=_code(get(status, "code", "status_code")),
        # An error may be told as JSON.
        status_message=message if isinstance(message, str) and message.strip() else text(message),
        exception=_exception(record.get("events")),
        around=around,
    )


def log_of(record: Mapping[str, Any], around: Around) -> Item:
    """The item of a log record."""
    context = _context(record)
    own = _own(record)
    body = record.get("body", record.get("_body"))
    spoken = text(any_value(body)) if isinstance(body, dict) else text(body)
    us = moment(get(record, *_LOGGED))
    if us is None:
        us = moment(own.get("event.timestamp")) or moment(get(record, *_OBSERVED))
    return Item(
        is_span=False,
        name=_event_name(record, own, spoken),
        attributes=own,
        meanings=meanings(own),
        us=us,
        trace=hexadecimal(get(context, *_TRACE)),
        span=hexadecimal(get(context, *_SPAN)),
        severity=number(get(record, *_SEVERITY)) or 0,
        around=around,
    )


def is_span(record: Mapping[str, Any]) -> bool:
    """Whether an object that stands by itself is a span: it has an end, or begins with a name."""
    return get(record, *_END) is not None or ("name" in record and get(record, *_START) is not None)


def is_log(record: Mapping[str, Any]) -> bool:
    """Whether an object that stands by itself is a log record."""
    has_time = get(record, *_LOGGED, *_OBSERVED) is not None
    return has_time and bool({"attributes", "_body", "body"} & record.keys())


def get(record: Mapping[str, Any], *names: str) -> Any:
    """The first of the named fields that is there and not empty."""
    for name in names:
        value = record.get(name)
        if value is not None and value != "":
            return value
    return None


def _context(record: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in () if "traceId" in record else _CONTEXTS:
        context = record.get(name)
        if isinstance(context, dict):
            return context
    return record


def _own(record: Mapping[str, Any]) -> Mapping[str, Any]:
    value = record.get("attributes")
    if value is None:
        columns = (name for name in record if name.startswith(_COLUMN))
        value = {name.removeprefix(_COLUMN): record[name] for name in columns}
    own = attributes(value)
    kind = record.get("span_kind")
    if isinstance(kind, str) and "openinference.span.kind" not in own:
        own["openinference.span.kind"] = kind
    return own


def _code(code: Any) -> int:
    if isinstance(code, str) and not code.isdigit():
        return _STATUS.get(code.upper(), 0)
    return int(number(code) or 0)


def _exception(events: Any) -> Mapping[str, Any]:
    """The attributes of the first exception among the events of a span."""
    if isinstance(events, str) and "exception" in events:
        events = parsed(events)
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("name") == "exception":
            return attributes(event.get("attributes")) or {"exception.type": "exception"}
    return NOTHING


_COMPACT = frozenset(("id", "traceId", "name", "timestamp", "duration"))


def is_compact(record: Mapping[str, Any]) -> bool:
    """Whether an object is a span as Zipkin has it, or as the JavaScript SDK prints it."""
    return record.keys() >= _COMPACT


def compact_span_of(record: Mapping[str, Any], around: Around) -> Item:
    """The item of a span with its start and length in microseconds."""
    start, length = number(record.get("timestamp")), number(record.get("duration"))
    tags = attributes(record.get("tags"))
    error = tags.pop("error", None)
    endpoint = record.get("localEndpoint")
    if isinstance(endpoint, dict):
        around = around._replace(service=around.service or text(endpoint.get("serviceName")))
    plain = {
        **record,
        "spanId": record["id"],
        "parentSpanId": record.get("parentId") or record.get("parentSpanId"),
        "attributes": tags | attributes(record.get("attributes")),
        "startTime": None if start is None else int(start),
        "endTime": None if start is None or length is None else int(start + length),
    }
    if "status" not in record:
        code = tags.get("otel.status_code") or ("ERROR" if error is not None else None)
        plain["status"] = {"code": code, "message": text(error)}
    return span_of(plain, around)


def is_jaeger(record: Mapping[str, Any]) -> bool:
    """Whether an object is a span as Jaeger stores it."""
    return "operationName" in record and bool({"spanID", "traceID"} & record.keys())


def jaeger_span_of(record: Mapping[str, Any]) -> Item:
    """The item of a span with its tags as lists; ``process`` is what wrote it."""
    process = record.get("process")
    process = process if isinstance(process, dict) else {}
    tags, of_process = _tags(record), _tags(process)
    start, length = moment(record.get("startTime")), number(record.get("duration"))
    parents = (
        reference.get("spanID")
        for reference in each(record.get("references"))
        if isinstance(reference, dict) and reference.get("refType") != "FOLLOWS_FROM"
    )
    # The mark of an error is no text of it.
    marked = truth(tags.pop("error")) if isinstance(tags.get("error"), bool | str) else None
    resource = {**of_process, "service.name": process.get("serviceName")}
    scope = tags.get("otel.scope.name") or tags.get("otel.library.name")
    plain = {
        "name": record.get("operationName"),
        "attributes": tags,
        "startTime": start,
        "endTime": None if start is None or length is None else start + int(length),
        "traceId": record.get("traceID"),
        "spanId": record.get("spanID"),
        "parentSpanId": record.get("parentSpanID") or next(parents, None),
        "status": {
            "code": tags.get("otel.status_code") or ("ERROR" if marked else None),
            "message": tags.get("otel.status_description"),
        },
        "events": [_jaeger_event(log) for log in each(record.get("logs"))],
    }
    return span_of(plain, around_of(resource, {"name": scope}))


def _tags(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Tags as a list, and those that a store has as fields, whose names have no dots there."""
    fields = holder.get("tag")
    named = fields.items() if isinstance(fields, dict) else ()
    return {name.replace("@", "."): value for name, value in named} | attributes(holder.get("tags"))


def _jaeger_event(log: Any) -> dict[str, Any]:
    fields = attributes(log.get("fields")) if isinstance(log, dict) else {}
    return {"name": fields.get("event") or fields.get("name"), "attributes": fields}


def _event_name(record: Mapping[str, Any], own: Mapping[str, Any], spoken: str | None) -> str:
    """The name of an event; where a body repeats it with the product's name, that one."""
    if spoken and spoken.startswith("claude_code."):
        return spoken
    name = text(own.get("event.name"))
    if name is None:
        # Of some SDKs the field is a place in their source.
        own_name = text(get(record, "eventName", "event_name"))
        name = own_name if own_name and not own_name.startswith("event ") else None
    return name or (spoken or "")[:80]
