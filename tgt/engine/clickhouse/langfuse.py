"""Langfuse's tables as tables of spans: observations of version 3, events of version 4.

Each column becomes the attribute by which Langfuse's own OpenTelemetry tells the same, so what an
observation means is decided where that of spans is. A row that was written again replaces the one
before, one that was deleted is none, and an observation that has not ended is not told yet. How
answers ended Langfuse does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tgt.engine.clickhouse.spans import SpanTable
from tgt.engine.clickhouse.tables import Columns, between, counts, quoted_text

OBSERVATIONS, TRACES, EVENTS = "observations", "traces", "events_core"
NEEDED = (
    *("trace_id", "type", "start_time", "end_time", "level", "usage_details"),
    *("event_ts", "is_deleted"),
)

_MAP = "Map(String, String)"
LAYOUT = Columns(
    {
        "SpanAttributes": _MAP,
        "ResourceAttributes": _MAP,
        "ScopeName": "String",
        "Events.Attributes": f"Array({_MAP})",
    }
)
"""What the columns are that are made of Langfuse's."""
_EARLIER = timedelta(days=1) // timedelta(microseconds=1)
"""A trace is written down when it begins; its observations may come so much later."""
_LONGEST_CORE = 200
"""Characters of texts in the table of events; longer ones are cut there, and alike then."""


@dataclass(frozen=True)
class LangfuseTable(SpanTable):
    """``raw`` are Langfuse's own columns."""

    raw: Columns = LAYOUT

    @property
    def _is_core(self) -> bool:
        return self.raw.has("span_id")

    def counts(self, start_us: int, end_us: int) -> str:
        # A row that replaces another may be merged with it before it is counted.
        newest = "toUnixTimestamp64Milli(toDateTime64(max(event_ts), 3))"
        return counts(self.name, start_us, end_us, "start_time", newest=newest)

    def spans(self, start_us: int, end_us: int) -> str:
        own, parent = (
            ("span_id", "parent_span_id") if self._is_core else ("id", "parent_observation_id")
        )
        length = "dateDiff('microsecond', start_time, ifNull(end_time, start_time))"
        attributes = ", ".join(
            f"{quoted_text(name)}, toString(ifNull({told}, ''))"
            for name, told in self._attributes().items()
        )
        version = ", ".join(
            f"nullIf(ifNull({name}, ''), '')"
            for name in ("service_version", "release", "version")
            if self.raw.has(name)
        )
        service = f"ifNull({self._service()}, '')"
        return (
            "(SELECT toDateTime64(start_time, 9, 'UTC') AS Timestamp, trace_id AS TraceId,"
            f" {own} AS SpanId, ifNull({parent}, '') AS ParentSpanId, name AS SpanName,"
            f" {service} AS ServiceName, {self.raw.or_empty('scope_name')} AS ScopeName,"
            f" map('service.version', ifNull(coalesce({version}), '')) AS ResourceAttributes,"
            f" mapFilter((k, v) -> v <> '', map({attributes})) AS SpanAttributes,"
            f" toUInt64(greatest(0, {length}) * 1000) AS Duration,"
            " if(level = 'ERROR', 'Error', 'Unset') AS StatusCode,"
            " ifNull(status_message, '') AS StatusMessage,"
            " emptyArrayString() AS `Events.Name`,"
            f" CAST([], 'Array({_MAP})') AS `Events.Attributes`"
            f" FROM {self.name} AS o FINAL {self._sessions(start_us, end_us)}"
            f" WHERE {between(start_us, end_us, 'start_time')} AND is_deleted = 0"
            " AND (end_time IS NOT NULL OR type = 'EVENT'))"
        )

    def _attributes(self) -> Mapping[str, str]:
        """SQL for what attributes of Langfuse's OpenTelemetry tell."""
        usage, one = "langfuse.observation.usage_details", "langfuse.observation"
        counted = {
            f"{usage}.{name}": f"if(mapContains(usage_details, {quoted_text(name)}),"
            f" toString(usage_details[{quoted_text(name)}]), '')"
            for name in ("input", "output", "input_cached_tokens", "cache_read_input_tokens")
        }
        return {
            f"{one}.type": "lower(type)",
            f"{one}.level": "level",
            f"{one}.model.name": "provided_model_name",
            f"{one}.cost_details.total": "nullIf(cost_details['total'], 0)",
            f"{one}.input": self._text("input"),
            f"{one}.output": self._text("output"),
            f"{one}.prompt.name": "prompt_name",
            f"{one}.prompt.version": "toString(prompt_version)",
            "langfuse.session.id": "session_id" if self._is_core else "t.session",
            **counted,
        }

    def _text(self, column: str) -> str:
        if not self._is_core:
            return column
        return f"if(lengthUTF8({column}) >= {_LONGEST_CORE}, '', {column})"

    def _service(self) -> str:
        if self.raw.has("service_name"):
            return "nullIf(service_name, '')"
        return "nullIf(environment, 'default')" if self.raw.has("environment") else "''"

    def _sessions(self, start_us: int, end_us: int) -> str:
        """SQL that joins the sessions, which stand with the traces."""
        if self._is_core:
            return ""
        return (
            f"LEFT ANY JOIN (SELECT id AS trace, session_id AS session FROM {TRACES} FINAL"
            f" WHERE {between(start_us - _EARLIER, end_us, 'timestamp')} AND is_deleted = 0) AS t"
            " ON t.trace = o.trace_id"
        )
