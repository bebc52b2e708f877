"""Spans in two parts, so that what millions of them say is worked out once: what a span means, its
*shape*, of which there are few, and what differs from span to span: times, ids, counts.

A shape is the hash of all that decides a meaning, the texts of failures among it. The server makes
it, and of the columns that differ narrow ones; what shapes mean is worked out of one span of each,
by the same code that reads spans from files. A span that is told in an unusual way (``is_own``) is
a shape by itself. The names are those of ``tgt.sources.otlp.attributes`` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from tgt.engine.clickhouse.tables import (
    LONGEST_TEXT,
    LONGEST_WORD,
    Columns,
    bounded,
    listed,
    place,
    quoted_text,
)
from tgt.sources.agents import ENVELOPE_NAMES
from tgt.sources.bounds import WORD_CHARS
from tgt.sources.otlp.attributes import NAMES, PACKED
from tgt.sources.otlp.spans import AGENT_SPANS, NAMED_IN_TEXTS, WORDS

NUMBERS = ("input", "cached", "cache_creation", "output", "cost", "result_bytes")
_ODD = (*PACKED, "mlflow.spanType")
_REASONS = r'"(?:finish_reason|finishReason|stop_reason|stopReason|reason)"\s*:\s*("[^"]*"|[^,}]*)'
_EMPTY = "''"
_BRACKET = r"^[{\[]"
_TEXTS = r'"[^"\\]*(?:\\.[^"\\]*)*"\s*(?:[^:"\s]|$)'
_FAILURES = ("Error", "STATUS_CODE_ERROR", "ERROR", "2")


_TOLD = (
    *("conversation", "call", "request", "arguments", "result", "finish", "error"),
    *("success", "error_type", "tool_status", *NUMBERS),
)
"""What is looked at of the table of names, by its rows."""


def read(columns: Columns, table: str, where: str) -> str:
    """SQL for spans with what their attributes tell, in the columns that the statements of this
    module are about."""
    told = (
        f"{_first([columns.value('SpanAttributes', n) for n in NAMES[row]])} AS told_{row}"
        for row in _TOLD
    )
    return f"SELECT *, {', '.join(told)} FROM {table} WHERE {where}"


def narrow(columns: Columns, is_telling: str) -> str:
    """SQL for what differs from span to span, and the shape."""
    value = Values(columns)
    numbers = ", ".join(f"{value.number(row)} AS {row}" for row in NUMBERS)
    session = columns.value("ResourceAttributes", "session.id")
    arguments = value.told("arguments")
    result = value.told("result")
    return (
        "toValidUTF8(TraceId) AS trace, toValidUTF8(SpanId) AS span,"
        f" toValidUTF8(ParentSpanId) AS parent, {place('TraceId')} AS place,"
        " toUnixTimestamp64Micro(Timestamp) AS start_us,"
        " intDiv(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration), 1000) AS end_us,"
        f" {shape(columns, is_telling)} AS shape, {_is_own(columns, value)} AS is_own,"
        f" {value.word('conversation')} AS conversation, {value.word('call')} AS call,"
        f" {value.word('request')} AS request, {_word(session)} AS session, {numbers},"
        f" if({arguments} <> '', {_hash(bounded(arguments, LONGEST_TEXT))}, NULL) AS args,"
        f" length({result}) AS answered"
    )


def shape(columns: Columns, is_telling: str) -> str:
    """SQL for the shape of a span; 0 of one that can tell nothing."""
    value = Values(columns)
    result = value.told("result")
    envelope = (f"left(JSONExtractRaw({result}, {quoted_text(n)}), 20)" for n in ENVELOPE_NAMES)
    decisive = (
        *("SpanName", "ServiceName", columns.or_empty("ScopeName"), "StatusCode"),
        *("has(Events.Name, 'exception')", columns.resource(), value.words()),
        f"if({_is_failing(columns, value)}, {_failure(columns, value)}, [])",
        f"if(startsWith(trimLeft({result}), '{{'), [{', '.join(envelope)}], [])",
        f"if({value.told('finish')} = '', {_ends(result)}, [])",
        f"if({_is_own(columns, value)}, concat(TraceId, ':', SpanId), '')",
    )
    is_agent = f"match(SpanName, {quoted_text(AGENT_SPANS)})"
    return f"if({is_telling} OR {is_agent}, cityHash64({', '.join(decisive)}), 0)"


def _failure(columns: Columns, value: Values) -> str:
    """SQL for what is said of a failure."""
    raised = "arrayFirst((a, n) -> n = 'exception', Events.Attributes, Events.Name)"
    if columns.is_json("Events.Attributes"):
        told = [f"left(toString({raised}), {LONGEST_WORD})"]
    else:
        names = ("exception.type", "exception.message", "exception.escaped")
        told = [f"left({raised}[{quoted_text(name)}], {LONGEST_WORD})" for name in names]
    error = f"left({value.told('error')}, {LONGEST_WORD})"
    return f"[left(StatusMessage, {LONGEST_WORD}), {error}, {', '.join(told)}]"


def _ends(result: str) -> str:
    """SQL for how the provider's answer in a result says that it ended: the reasons, and where they
    stand."""
    text = f"left({result}, {LONGEST_TEXT})"
    form = (
        f"replaceRegexpAll(replaceRegexpAll({text}, {quoted_text(_TEXTS)}, '\"\"'), '[0-9]+', '0')"
    )
    told = f"arrayConcat(extractAll({text}, {quoted_text(_REASONS)}), [{form}])"
    return f"if(positionCaseInsensitive({text}, 'reason') > 0, {told}, [])"


def _hash(text: str) -> str:
    """SQL for what ``tgt.engine.clickhouse.rows.asked`` makes of a text."""
    return f"reinterpretAsUInt64(reverse(substring(MD5({text}), 1, 8)))"


def _is_failing(columns: Columns, value: Values) -> str:
    """SQL for whether a span may have failed."""
    level = columns.value("SpanAttributes", "langfuse.observation.level")
    error = columns.value("SpanAttributes", "error")
    return (
        f"(StatusCode IN ({listed(_FAILURES)}) OR has(Events.Name, 'exception')"
        f" OR {value.told('success')} <> '' OR upper({level}) = 'ERROR' OR {error} <> ''"
        f" OR {value.told('error_type')} <> '' OR {value.told('tool_status')} <> '')"
    )


def _is_own(columns: Columns, value: Values) -> str:
    """SQL for whether a span must be looked at by itself."""
    names = columns.names_in("SpanAttributes")
    long = " OR ".join(
        f"length({value.told(row)}) > {WORD_CHARS}" for row in ("conversation", "call", "request")
    )
    return (
        f"toUInt8(hasAny({names}, [{listed(_ODD)}])"
        f" OR SpanName IN ({listed(NAMED_IN_TEXTS)}) OR {long})"
    )


class Values:
    """SQL for what the attributes of a span tell."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def told(self, row: str) -> str:
        """As ``Item.told``, as text; empty if nothing."""
        return f"told_{row}"

    def word(self, row: str) -> str:
        """What is an id."""
        return _word(self.told(row))

    def number(self, row: str) -> str:
        """A number that is not negative, or NULL."""
        number = f"toFloat64OrNull({self.told(row)})"
        return f"if(isFinite({number}) AND {number} >= 0, {number}, NULL)"

    def words(self) -> str:
        """All attributes that decide a meaning."""
        if self._columns.is_json("SpanAttributes"):
            values = (self._columns.value("SpanAttributes", name) for name in sorted(WORDS))
            return f"[{', '.join(values)}]"
        kept = f"mapFilter((k, v) -> v <> '' AND k IN ({listed(WORDS)}), SpanAttributes)"
        return f"arraySort(arrayZip(mapKeys({kept}), mapValues({kept})))"


def _first(values: Sequence[str]) -> str:
    """SQL for the first text that is not empty."""
    if len(values) == 1:
        return values[0]
    return f"multiIf({', '.join(f'{v} <> {_EMPTY}, {v}' for v in values[:-1])}, {values[-1]})"


def _word(text: str) -> str:
    """SQL for a text as ``tgt.sources.coerce.text`` has it; empty if it is none."""
    trimmed = f"trim(BOTH ' \\t\\r\\n' FROM {text})"
    is_json = f"match({trimmed}, {quoted_text(_BRACKET)}) AND isValidJSON({trimmed})"
    return f"toValidUTF8(if({is_json}, '', {trimmed}))"
