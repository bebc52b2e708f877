"""Spans as records, many at a time: what a shape means is worked out of one span of it, and all
spans of it become records in one statement.

Which spans stand in which, and of which conversation a trace is, follows from columns as well. The
traces of which that is not all (an execution inside of a tool's span, a tool inside of the same
tool, spans of agents in words of their own) are left to be read span by span.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tgt.engine.clickhouse.rows import span_item
from tgt.engine.duckdb.database import Database
from tgt.sources.base import Outcome, PassedOver, Record
from tgt.sources.macros import number_of
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.lineage import ALIKE
from tgt.sources.otlp.spans import Role, is_own, of_span, role_of
from tgt.sources.reading import guarded

_TELLING = (Role.ANSWER, Role.EMBEDDING, Role.TOOL, Role.EXECUTION)
_AROUND = (Role.ENVELOPE, Role.UNKNOWN)
_DEEPEST = 100

KINDS: Mapping[str, str] = {
    "number": "INTEGER",
    "shape": "UBIGINT",
    "role": "VARCHAR",
    "apart": "BOOLEAN",  # its trace is to be read span by span
    "kept": "BOOLEAN",  # there is a record of each span
    "timed": "BOOLEAN",
    "counted": "BOOLEAN",  # its tokens are told
    "asked": "BOOLEAN",  # it is a call with arguments and a result
    "call_of": "VARCHAR",  # which column is the id of the call
    "own_call": "VARCHAR",
    "own_conversation": "VARCHAR",
}


@dataclass
class Shapes:
    """What shapes mean: rows of KINDS, a record of each that has some, and why the others have
    none."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    passed_over: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Iterable[Sequence[Any]]) -> Shapes:
        """The shapes of which there are examples: rows (shape, columns of ``span_item`` behind a
        place)."""
        shapes = cls()
        for number, row in enumerate(examples):
            shapes._learn(number, row[0], span_item(row[2:]))
        return shapes

    def _learn(self, number: int, shape: int, item: Item) -> None:
        role = role_of(item)
        outcome = _outcome(number, item, role)
        is_apart = role is Role.EXECUTION or (role is Role.TOOL and is_own(item))
        if isinstance(outcome, PassedOver):
            self.passed_over[number] = f"{outcome.reason}:{outcome.kind}"
            kept: tuple[Any, ...] = (False, False, False, False, None, None, None)
        else:
            is_call = outcome.get("act") == "tool_call"
            is_named = is_call and not (item.service or "").startswith("copilot")
            # Claude Code counts the tokens of a cache apart, and the time of an answer itself.
            is_apart = is_apart or is_own(item)
            kept = (
                True,
                outcome.get("elapsed_ms") is not None,
                "input_tokens" in _columns(item, role),
                is_call,
                "call" if is_named else ("request" if role is Role.ANSWER else None),
                outcome.get("call_id"),
                outcome.get("conv_id"),
            )
            self.records.append({**outcome, "place": number})
        self.rows.append((number, shape, str(role), is_apart, *kept))

    def known(self, number: int) -> str:
        return self.passed_over[number]


def _outcome(number: int, item: Item, role: Role) -> Outcome:
    if item.us is None:
        return next(iter(guarded(lambda: [{}], number)))
    return next(iter(guarded(lambda: [of_span(item, role)], number)))


def _columns(item: Item, role: Role) -> Mapping[str, Any]:
    told = of_span(item, role)
    return told if isinstance(told, dict) else {}


# --- statements -----------------------------------------------------------------------------------


def _listed(roles: Iterable[str]) -> str:
    return ", ".join(f"'{role}'" for role in roles)


# What a span stands in, without the envelopes in between.
_SPANS = """
SELECT fresh.*, number, coalesce(role, 'envelope') AS role, coalesce(apart, false) AS apart,
    coalesce(kept, false) AS kept, timed, counted, asked, call_of, own_call, own_conversation
FROM fresh LEFT JOIN shaped USING (shape)
"""
_INSIDE = f"""
WITH RECURSIVE up AS (
    SELECT trace, span, role, start_us, end_us, parent AS around, 1 AS depth FROM spans
    WHERE role IN ({_listed(_TELLING)}) AND parent <> '' AND parent <> span
    UNION ALL
    SELECT up.trace, up.span, up.role, up.start_us, up.end_us, p.parent, depth + 1
    FROM up JOIN spans p ON p.trace = up.trace AND p.span = up.around
    WHERE p.role IN ({_listed(_AROUND)}) AND p.parent <> '' AND depth < {_DEEPEST})
SELECT up.*, p.role AS around_role, p.end_us AS around_end_us
FROM up JOIN spans p ON p.trace = up.trace AND p.span = up.around
WHERE p.role NOT IN ({_listed(_AROUND)})
"""
_APART = f"""
SELECT DISTINCT trace, place FROM spans WHERE apart OR trace IN (
    SELECT trace FROM inside WHERE role = 'tool' AND around_role = 'tool'
        OR (role <> around_role AND role IN ({_listed(ALIKE)})
            AND around_role IN ({_listed(ALIKE)})))
"""
_ROUND = f"""
SELECT DISTINCT trace, around AS span FROM inside
WHERE role = around_role AND role IN ({_listed(ALIKE)})
    AND (start_us < around_end_us OR end_us <= around_end_us)
"""
_PLAIN = """
SELECT * FROM spans ANTI JOIN apart USING (trace) ANTI JOIN outer_spans USING (trace, span)
WHERE kept
"""
# The first of a trace that names a conversation names it for all.
_NAMED = """
SELECT trace, arg_min(coalesce(own_conversation, nullif(conversation, '')), (start_us, span)) AS
    name, arg_min(end_us, (start_us, span)) AS us, any_value(place) AS place, 1 AS revision
FROM spans ANTI JOIN apart USING (trace)
WHERE conversation <> '' OR own_conversation IS NOT NULL GROUP BY trace
UNION ALL
SELECT trace, arg_min(session, (start_us, span)), arg_min(end_us, (start_us, span)),
    any_value(place), 0
FROM plain WHERE session <> '' AND trace NOT IN (
    SELECT trace FROM spans WHERE conversation <> '' OR own_conversation IS NOT NULL)
GROUP BY trace
"""
_DISJOINT = "input + cached + coalesce(cache_creation, 0)"
RECORDS = f"""
SELECT end_us AS us, $file AS file, p.place, t.wording,
    concat(role, ':', p.trace, ':', span) AS key, NULL AS id, t.revision,
    CASE WHEN is_own = 1 THEN own_call ELSE nullif(
        CASE call_of WHEN 'call' THEN p.call WHEN 'request' THEN request END, '') END AS call_id,
    p.trace AS trace_id,
    coalesce(own_conversation_of_row, nullif(conversation, ''), name, p.trace) AS conv_id,
    CASE WHEN is_own = 1 THEN t.elapsed_ms WHEN timed THEN (end_us - start_us) / 1000 END
        AS elapsed_ms,
    CASE WHEN is_own = 1 THEN t.args_hash WHEN asked THEN args END AS args_hash,
    CASE WHEN is_own = 1 THEN t.result_bytes
        WHEN asked THEN coalesce(nullif(result_bytes_told, 0), nullif(answered, 0)) END
        AS result_bytes,
    CASE WHEN is_own = 1 THEN t.input_tokens
        WHEN counted THEN CASE WHEN cached > input THEN {_DISJOINT} ELSE input END END
        AS input_tokens,
    CASE WHEN is_own = 1 THEN t.cached_tokens WHEN counted THEN cached END AS cached_tokens,
    CASE WHEN is_own = 1 THEN t.output_tokens WHEN counted THEN output END AS output_tokens,
    CASE WHEN is_own = 1 THEN t.cost_usd WHEN counted THEN cost END AS cost_usd,
    t.error
FROM (
    SELECT * EXCLUDE (result_bytes), result_bytes AS result_bytes_told,
        CASE WHEN is_own = 1 THEN own_conversation END AS own_conversation_of_row
    FROM plain) p
JOIN {{templates}} t ON t.place = number
LEFT JOIN (SELECT trace, name FROM named WHERE revision = 1) n ON n.trace = p.trace
"""
LINKS = """
SELECT named.us, $file AS file, named.place, t.wording, concat('trace:', named.trace) AS key,
    NULL AS id, named.revision, NULL AS call_id, named.trace AS trace_id, name AS conv_id,
    NULL AS elapsed_ms, NULL AS args_hash, NULL AS result_bytes, NULL AS input_tokens,
    NULL AS cached_tokens, NULL AS output_tokens, NULL AS cost_usd, NULL AS error
FROM named JOIN {templates} t ON t.place = $link
"""
KEYS = f"""
SELECT {number_of("concat(role, ':', trace, ':', span)")} AS key
FROM fresh CROSS JOIN (SELECT unnest([{_listed(_TELLING)}]) AS role)
UNION ALL SELECT DISTINCT {number_of("concat('trace:', trace)")} FROM fresh
"""
_TABLES = ("fresh", "shaped", "spans", "inside", "apart", "outer_spans", "plain", "named")


def prepare(db: Database, path: str, shapes: Shapes) -> None:
    """Make the tables that RECORDS, LINKS and KEYS are asked of, of a Parquet file."""
    db.table("fresh", "SELECT * FROM read_parquet($path)", path=path)
    columns = ", ".join(f"unnest(${name}::{kind}[]) AS {name}" for name, kind in KINDS.items())
    values = dict(zip(KINDS, zip(*shapes.rows, strict=True), strict=True)) if shapes.rows else {}
    db.table("shaped", f"SELECT {columns}", **{name: list(values.get(name, ())) for name in KINDS})
    db.table("spans", _SPANS)
    db.table("inside", _INSIDE)
    db.table("apart", _APART)
    db.table("outer_spans", _ROUND)
    db.table("plain", _PLAIN)
    db.table("named", _NAMED)


def told(db: Database, shapes: Shapes) -> tuple[Counter[str], int, int | None, int | None]:
    """Of the spans that are not left: how many are no records and why, and of the records how many
    there are and when the first and the last was."""
    passed: Counter[str] = Counter()
    for number, many in db.run(
        "SELECT number, count(*) FROM spans ANTI JOIN apart USING (trace)"
        " WHERE NOT kept AND number IS NOT NULL GROUP BY number"
    ):
        passed[shapes.known(number)] += many
    others = "SELECT count(*) FROM outer_spans ANTI JOIN apart USING (trace)"
    passed["skipped:"] += db.value(others)
    many, first, last = db.run("SELECT count(*), min(end_us), max(end_us) FROM plain")[0]
    return +passed, many, first, last


def left(db: Database) -> dict[str, int]:
    """The traces that are to be read span by span, with their places."""
    return dict(db.run("SELECT trace, place FROM apart"))


def drop(db: Database) -> None:
    db.drop(*_TABLES)
