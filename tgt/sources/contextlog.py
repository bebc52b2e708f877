"""Forgekeeper's ContextLog: what its several writers call things, as records.

The log has no single layout. Besides the documented one (``act``, ``ts``) there are writers that
say ``type`` or ``action``, ``timestamp`` or ``t_utc_iso``, ``session_id`` or ``sessionId``, that
keep a finish reason under ``metadata``, write an HTTP number as ``status``, or numbers as text.
Every value is read as text and converted here, so that a wrong type makes one value NULL and
never a line invalid. The statements are built from constants of this module alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgt.sources.base import Listing, Projection
from tgt.sources.discover import listed
from tgt.sources.macros import MACROS, constant_map, number_of

_ENDINGS = (".jsonl", ".ndjson")
_TIMES = ("ts", "timestamp", "t_utc_iso", "wm_event_time_ms")
_NAMES = (
    *("id", "conv_id", "session_id", "sessionId", "trace_id", "call_id", "tool_call_id"),
    *("error", "error_message", "message"),
)
_NUMBERS = (
    *("iter", "iteration", "turn_id", "attempt", "elapsed_ms", "duration_ms"),
    *("total_elapsed_ms", "input_tokens", "output_tokens", "reasoning_tokens"),
    *("content_tokens", "cached_tokens", "cache_read_tokens", "cost_usd"),
)
_TEXTS = ("args_preview", "result_preview", "content_preview")
_WORDS = (
    *("actor", "role", "act", "type", "action", "name", "tool", "tool_name", "where"),
    *("failed_tool", "planned_tool", "status", "finish_reason", "continuation"),
    *("error_type", "error_code", "exit_code", "exitCode", "returncode", "return_code"),
    *("is_error", "isError", "ok", "success"),
    *("model", "service", "version", "prompt_name", "prompt_version", "prompt_hash"),
)
_NESTED = (
    *("metadata.call_id", "metadata.error", "metadata.elapsed_ms"),
    *("metadata.input_tokens", "metadata.output_tokens", "tokens.input", "tokens.output"),
)
_NESTED_WORDS = (
    *("meta.tool", "metadata.finish_reason", "metadata.continuation"),
    *("metadata.error_type", "metadata.model"),
)
COLUMNS = {
    **dict.fromkeys((*_TIMES, *_NAMES, *_NUMBERS, *_TEXTS, *_WORDS), "VARCHAR"),
    "metadata": "JSON",
    "meta": "JSON",
    "tokens": "JSON",
}
"""What the engine's JSON reader is asked for: everything as text, the objects as JSON."""

_READ = (
    "read_ndjson($paths, columns = $columns, ignore_errors = true, filename = true,"
    " hive_partitioning = false)"
)


def _word(name: str) -> str:
    """The column of a word; it holds the word as it stands in the line until it is looked at."""
    return "word_" + name.replace(".", "_")


# COALESCE looks at the second name of a thing only where the first has no value.
_TIME = f"coalesce({', '.join(f'moment({name})' for name in _TIMES)}) AS us"
_ITS_WORDS = ", ".join(f'"{name}" AS {_word(name)}' for name in (*_WORDS, *_NESTED_WORDS))
_TIMES_AND_WORDS = f"SELECT {_TIME}, {_ITS_WORDS} FROM {{objects}}"
_LINES = f"""
SELECT filename AS path,
    NULL::BIGINT AS place,
    NULL::VARCHAR AS key,
    NULL::BIGINT AS revision,
    {_TIME},
    word(id) AS id,
    coalesce(word(conv_id), word(session_id), word("sessionId")) AS conv_id,
    word(trace_id) AS trace_id,
    coalesce(word(call_id), word(tool_call_id), word("metadata.call_id")) AS call_id,
    TRY_CAST(coalesce(number(iter), number(iteration), number(turn_id), number(attempt))
        AS BIGINT) AS iter,
    coalesce(number(elapsed_ms), number(duration_ms), number(total_elapsed_ms),
        number("metadata.elapsed_ms")) AS elapsed_ms,
    coalesce(word(error), error, word(error_message), word("metadata.error"),
        CASE WHEN names_error(any_act) OR is_upstream(any_act) THEN word(message) END,
        CASE WHEN says_failure(coalesce(exit_code, "exitCode", returncode, return_code),
            coalesce(is_error, "isError"), ok, success) THEN result_preview END) AS error,
    args_preview,
    coalesce(result_preview, content_preview) AS result_preview,
    coalesce(number(input_tokens), number("tokens.input"), number("metadata.input_tokens"))
        AS input_tokens,
    coalesce(number(output_tokens), number("tokens.output"), number("metadata.output_tokens"),
        number(reasoning_tokens) + number(content_tokens)) AS output_tokens,
    coalesce(number(cached_tokens), number(cache_read_tokens)) AS cached_tokens,
    number(cost_usd) AS cost_usd,
    CASE WHEN args_preview IS NOT NULL THEN {number_of("args_preview")} END AS args_hash,
    strlen(result_preview) AS result_bytes,
    {_ITS_WORDS},
FROM (SELECT *, coalesce(word(act), word("type"), word(action)) AS any_act FROM {{objects}})
"""

_CONVERTED = re.compile(r'\b(moment|number|word)\("?([\w.]+)"?\)')
_KINDS = {"moment": "BIGINT", "number": "DOUBLE", "word": "VARCHAR"}


def _statement(lines: str, present: Collection[str]) -> str:
    """SQL that makes records of lines with no other names of COLUMNS than these. It takes longer to
    plan what is done with all of them than to read a few lines."""
    objects = ", ".join(
        f"{of}->>'$.{key}' AS \"{name}\"" if of in present else f'NULL::VARCHAR AS "{name}"'
        for name in (*_NESTED, *_NESTED_WORDS)
        for of, _, key in [name.partition(".")]
    )
    missing = "".join(
        f', NULL::{kind} AS "{name}"' for name, kind in COLUMNS.items() if name not in present
    )

    def converted(call: re.Match[str]) -> str:
        is_there = call[2].partition(".")[0] in present
        return call[0] if is_there else f"NULL::{_KINDS[call[1]]}"

    read = f"(SELECT *, {objects}{missing} FROM {_READ})"
    return _CONVERTED.sub(converted, lines).format(objects=read)


def _names_in(lines: bytes) -> Collection[str]:
    """The names of COLUMNS that stand in lines: any may where a letter is written as its number."""
    if any(b"\\u00%d" % tens in lines for tens in (4, 5, 6, 7)):
        return COLUMNS
    return {name for name in COLUMNS if b'"%s"' % name.encode() in lines} or COLUMNS


_PHASES: Mapping[str, object] = {
    **dict.fromkeys(("tool_execution_start", "tool_call_begin"), "start"),
    **dict.fromkeys(("tool_execution_finish", "tool_execution_error", "tool_result"), "end"),
    **dict.fromkeys(("tool_call_end", "tool_call_error"), "end"),
    "tool_call": "call",
}
_OWN_MACROS = (
    "CREATE OR REPLACE TEMP MACRO names_error(w) AS"
    " coalesce(w = 'error' OR suffix(w, '_error'), false)",
    "CREATE OR REPLACE TEMP MACRO is_upstream(w) AS"
    " coalesce(w IN ('upstream_error', 'api_error', 'circuit'), false)",
    "CREATE OR REPLACE TEMP MACRO says_failure(code, is_error, ok, success) AS"
    " coalesce(number(ltrim(code, '-')) > 0, false) OR coalesce(truth(is_error), false)"
    " OR coalesce(NOT truth(ok) AND ok <> '0', false)"
    " OR coalesce(NOT truth(success) AND success <> '0', false)",
)

# One step of the meaning at a time: a macro writes its argument several times over, so what it is
# given had better be a mere column.
_CLEANED = (
    "SELECT * REPLACE ("
    + ", ".join(f"word({_word(name)}) AS {_word(name)}" for name in (*_WORDS, *_NESTED_WORDS))
    + ") FROM "
)

_NAMED = """
SELECT *,
    lower(coalesce(word_actor, word_role)) AS raw_actor,
    coalesce(word_act, word_type, word_action) AS raw_act,
    coalesce(word_name, word_tool_name, word_tool, word_where, word_failed_tool,
        word_planned_tool, word_meta_tool) AS name,
    word_status AS raw_status,
    coalesce(word_finish_reason, word_metadata_finish_reason) AS raw_finish_reason,
    lower(coalesce(word_continuation, word_metadata_continuation)) AS raw_continuation,
    coalesce(word_error_type, word_error_code, word_metadata_error_type) AS raw_error_type,
    coalesce(word_model, word_metadata_model) AS model,
    word_service AS service,
    word_version AS version,
    template(coalesce(nullif(concat_ws('@', word_prompt_name, word_prompt_version), ''),
        word_prompt_hash)) AS prompt,
    says_failure(coalesce(word_exit_code, "word_exitCode", word_returncode, word_return_code),
        coalesce(word_is_error, "word_isError"), word_ok, word_success) AS says_failure,
FROM cleaned
"""

_JUDGED = f"""
SELECT *, {constant_map(_PHASES)}[raw_act] AS phase,
    CASE
        WHEN raw_act = 'tool_call_output_delta' THEN NULL
        WHEN phase IS NOT NULL THEN 'tool_call'
        WHEN raw_act IN ('message', 'response') AND raw_actor IN ('assistant', 'model')
            THEN 'assistant_response'
        WHEN raw_act = 'TOOL_OUT' THEN 'tool_output'
        WHEN raw_act = 'INPUT' AND raw_actor = 'user' THEN 'message'
        ELSE coalesce(raw_act, 'event') END AS act,
    coalesce(starts_with(raw_act, 'approval_') OR starts_with(raw_act, 'checkpoint_'), false)
        AS is_wait,
    finish(raw_finish_reason) AS finish_reason,
    CASE raw_continuation WHEN 'true' THEN true WHEN '1' THEN true
        WHEN 'false' THEN false WHEN '0' THEN false END AS continuation,
FROM named
"""

_OUTCOMES = """
SELECT *,
    CASE
        WHEN is_wait OR is_refusal(raw_status) OR is_refusal(raw_error_type)
            OR is_abort(raw_status) OR act = 'stuck_detection' THEN NULL
        WHEN names_error(raw_act) THEN true
        ELSE coalesce(outcome(raw_status), CASE
            WHEN finish_reason = 'error' THEN true
            WHEN raw_act IN ('tool_execution_finish', 'tool_call_end') THEN false END)
        END AS failed,
    NOT is_wait AND (is_abort(raw_status) OR is_abort(raw_act)
        OR coalesce(finish_reason = 'cancelled', false)) AS cancelled,
    coalesce(raw_error_type, CASE WHEN number(raw_status) BETWEEN 400 AND 599
        THEN 'http_' || CAST(number(raw_status) AS INTEGER) END) AS error_type,
FROM judged
"""

_MEANINGS = """
SELECT *,
    act = 'tool_call' AND says_failure AND failed IS NOT TRUE AND NOT cancelled
        AND NOT is_refusal(raw_status) AS soft_failed,
    CASE
        WHEN act = 'tool_call' THEN 'tool'
        WHEN act = 'assistant_response' THEN 'assistant'
        ELSE coalesce(raw_actor, 'system') END AS actor,
    CASE
        WHEN act = 'tool_call' OR (act = 'error' AND raw_actor = 'tool')
            THEN 'tool_call/' || coalesce(name, 'unknown')
        WHEN act = 'assistant_response' THEN concat_ws('/', act, model)
        WHEN is_upstream(raw_act) THEN 'upstream/' || coalesce(word_where, CASE
            WHEN error_type IN ('http_429', 'http_529') THEN error_type
            WHEN error_type LIKE 'http%' THEN error_type[:6] || 'xx' END, name, error_type,
            'unknown')
        WHEN names_error(raw_act) THEN concat_ws('/', act, coalesce(name, error_type))
        ELSE concat_ws('/', act, name) END AS subject,
FROM outcomes
"""


def meaning(relation: str) -> str:
    """SQL that adds to a relation with the words what they mean."""
    return (
        f"WITH cleaned AS ({_CLEANED}{relation}), named AS ({_NAMED}), judged AS ({_JUDGED}),"
        f" outcomes AS ({_OUTCOMES}) {_MEANINGS}"
    )


def _projection(names: Collection[str]) -> Projection:
    words = tuple(_word(name) for name in (*_WORDS, *_NESTED_WORDS))
    columns = {name: kind for name, kind in COLUMNS.items() if name in names}
    return Projection(
        _statement(_LINES, columns),
        {"columns": columns},
        words,
        meaning,
        (*MACROS, *_OWN_MACROS),
        _narrowed,
        _statement(_TIMES_AND_WORDS, columns),
    )


def _narrowed(lines: bytes) -> Projection:
    return _projection(_names_in(lines))


@dataclass(frozen=True)
class ContextLog:
    """A directory of ContextLog files; ``setting`` is what a user changes to name another."""

    directory: Path
    setting: str = "FGK_CONTEXTLOG_DIR"
    kind: str = "contextlog"

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.directory}"

    def listing(self) -> Listing:
        return listed(self.directory, _ENDINGS, self.setting, recursive=False)

    def projection(self) -> Projection:
        return _projection(COLUMNS)
