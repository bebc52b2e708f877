"""Runs of calls in vain, asked of the events of windows and of the day before each.

Runs are gaps and islands: calls are numbered in their order, and once more among their equals;
where the difference stays the same nothing else stood in between. A conversation is another one
in each window, since it may go on: ``conv_id`` is the number of such a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.examples import LOCATED, sample_of
from tgt.engine.duckdb.walk import MOST_EVENTS, Walk
from tgt.engine.sequences import LOOK_BACK, Repetition, Run
from tgt.events import Sample

CALL = "act = 'tool_call' AND actor IS DISTINCT FROM 'user'"
BAD = "(coalesce(failed, false) OR coalesce(soft_failed, false)) AND NOT coalesce(cancelled, false)"
# A call that a person refused or stopped tells nothing of what was tried.
_WELL = f"""NOT ({BAD}) AND NOT coalesce(cancelled, false)
    AND coalesce(error_type, '') <> 'user_rejected'"""
# What checks several things names in brackets which of them went wrong.
_TEXT = r"regexp_replace(error, '(\w+ \w+ (?:failed|rejected)): \[.*', '\1')"
ORDER = "us, file, place, row"
_LOCATED = ", ".join(LOCATED)
_MOST_RUNS = 200
_LOOK_BACK_US = LOOK_BACK // timedelta(microseconds=1)
_AT_ONCE_US = 1_000_000
"""A model takes longer than this to answer."""
_MOST_BETWEEN = 4
"""So many calls after a failure of a tool its next is one of the same spell."""
_MOST_COMPARED = 8
"""Of how many calls of a run the answers are read again."""

# Most conversations have too few calls that fail or that are the same, in whatever order. What is
# true of them in one window is true in all windows together.
_BUSY = f"""
SELECT DISTINCT conv_id AS conv FROM (
    SELECT conv_id, subject, args_hash, count(*) AS calls,
        count(CASE WHEN {BAD} THEN 1 END) AS failures
    FROM {{events}} WHERE {CALL} GROUP BY conv_id, subject, args_hash)
GROUP BY conv_id
HAVING sum(failures) >= $least
    OR 2 * max(CASE WHEN args_hash IS NOT NULL THEN calls END) >= $least - 1
"""

_PAIRED = f"""(
SELECT events.* EXCLUDE (conv_id), conv_id AS conversation, pairs.number AS conv_id, w, start_us
FROM ({{events}}) events JOIN pairs ON conv_id = pairs.conv
    AND us > start_us - {_LOOK_BACK_US} AND us <= end_us)
"""

# An order of its own (``lane``) has a trace with enough calls of its conversation. A ``part``
# begins with what a person said or did.
_PLACED = f"""
SELECT *, CASE WHEN count(CASE WHEN is_call THEN 1 END) OVER (PARTITION BY conv_id, trace_id)
    >= $least THEN trace_id END AS lane,
    count(CASE WHEN actor = 'user' THEN 1 END) OVER (
        PARTITION BY conv_id ORDER BY {ORDER}) AS part,
    act = 'assistant_response' AS is_answer
FROM (SELECT w, start_us, conversation, conv_id, trace_id, row, actor, subject, service, args_hash,
    result_bytes, error, input_tokens, output_tokens, {CALL} AS is_call, {BAD} AS is_bad,
    {_WELL} AS has_ended_well, {_LOCATED} FROM {{events}})
WHERE (is_call OR actor = 'user' OR act = 'assistant_response')
    AND coalesce(error_type, '') <> 'sibling_error'
"""
# That answers ask for calls they say themselves; or it shows, since one stands between whatever a
# person said and the first call.
_MOMENTS = f"""
SELECT * EXCLUDE (has_answer), max(is_answer AND finish_reason = 'tool_calls') OVER whole
    OR (max(part) OVER whole > 0 AND min(CASE WHEN is_call THEN has_answer END) OVER whole)
    AS tells_steps
FROM (SELECT *, max(is_answer) OVER (PARTITION BY conv_id, part ORDER BY {ORDER}) AS has_answer
    FROM ({_PLACED}))
WINDOW whole AS (PARTITION BY conv_id)
"""

# Where answers that ask for calls are told, calls with none between them and hardly any time were
# asked for at once.
_CALLS = f"""
SELECT *, count(CASE WHEN is_step THEN 1 END) OVER (
        PARTITION BY conv_id, lane ORDER BY nth) AS step,
    count(CASE WHEN has_ended_well THEN 1 END) OVER (
        PARTITION BY conv_id, lane ORDER BY nth) AS successes,
    count(CASE WHEN has_ended_well THEN 1 END) OVER (
        PARTITION BY conv_id, lane, subject, args_hash ORDER BY nth) AS same_successes,
    row_number() OVER (PARTITION BY conv_id, lane, subject ORDER BY nth) AS nth_of_subject,
    CASE WHEN is_bad THEN {_TEXT} END AS text,
    nth - row_number() OVER (
        PARTITION BY conv_id, lane, part, subject, args_hash ORDER BY nth) AS same,
    concat(CASE WHEN is_bad THEN '-' ELSE '+' END, coalesce(error, ''), ' ',
        coalesce(CAST(result_bytes AS VARCHAR), '')) AS outcome
FROM (
    SELECT *, tells_steps IS NOT TRUE OR max(us) OVER before IS NULL
        OR answers > max(answers) OVER before
        OR us - 1000 * coalesce(elapsed_ms, 0) - max(us) OVER before >= {_AT_ONCE_US} AS is_step
    FROM (
        SELECT *, row_number() OVER (PARTITION BY conv_id, lane ORDER BY {ORDER}) AS nth
        FROM (SELECT *, count(CASE WHEN act = 'assistant_response' THEN 1 END) OVER (
            PARTITION BY conv_id, lane ORDER BY {ORDER}) AS answers FROM moments)
        WHERE is_call)
    WINDOW before AS (PARTITION BY conv_id, lane, part ORDER BY nth
        ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING))
"""

_WHERE_AND_WHEN = """
    conv_id, lane, min(nth) AS first_nth, max(nth) AS last_nth, count(*) AS calls,
    count(DISTINCT step) AS steps, min(subject) AS subject, CAST(NULL AS VARCHAR) AS partner"""
_ANY = ", CAST(NULL AS UBIGINT) AS args, CAST(NULL AS VARCHAR) AS text"

_IDENTICAL = f"""
SELECT 'identical' AS kind, {_WHERE_AND_WHEN}{_ANY} FROM in_order WHERE args_hash IS NOT NULL
GROUP BY conv_id, lane, part, subject, args_hash, same
HAVING count(DISTINCT step) >= $least AND count(DISTINCT outcome) = 1
"""

# Of failures that were asked for at once, each two count as one try.
_OFTEN = "count(*) >= $least AND 2 * count(DISTINCT step) >= $least"
_FAILING = f"""
SELECT 'failing' AS kind, {_WHERE_AND_WHEN}{_ANY} FROM in_order WHERE is_bad
GROUP BY conv_id, lane, successes, subject HAVING {_OFTEN}
"""
# Of several tools, none of which fails so often by itself; told of the one that fails most.
_MIXED = f"""
SELECT 'mixed' AS kind, {_WHERE_AND_WHEN.replace("min(subject)", "max(most)")}{_ANY}
FROM (
    SELECT *, first_value(subject) OVER (
        PARTITION BY conv_id, lane, successes ORDER BY failures DESC, subject) AS most
    FROM (
        SELECT *, count(*) OVER (PARTITION BY conv_id, lane, successes, subject) AS failures
        FROM in_order WHERE is_bad))
GROUP BY conv_id, lane, successes HAVING {_OFTEN} AND max(failures) < $least
"""
# The same call that fails in the same way each time, with other calls in between.
_AGAIN = f"""
SELECT 'again' AS kind, {_WHERE_AND_WHEN}, args_hash AS args, text
FROM in_order WHERE is_bad AND args_hash IS NOT NULL AND text IS NOT NULL
GROUP BY conv_id, lane, subject, args_hash, text, same_successes
HAVING count(DISTINCT step) >= $least
"""
# The same failure of one tool, whatever it was asked, that is most of what it did meanwhile.
_OVER_AND_OVER = f"""
SELECT 'again' AS kind, {_WHERE_AND_WHEN}, CAST(NULL AS UBIGINT) AS args, text
FROM (
    SELECT *, count(CASE WHEN nth_of_subject - before > {_MOST_BETWEEN} THEN 1 END) OVER (
        PARTITION BY conv_id, lane, subject, text ORDER BY nth) AS spell
    FROM (
        SELECT *, lag(nth_of_subject) OVER (
            PARTITION BY conv_id, lane, subject, text ORDER BY nth) AS before
        FROM in_order WHERE text IS NOT NULL AND (args_hash IS NULL OR same_successes = 0)))
GROUP BY conv_id, lane, subject, text, spell
HAVING count(DISTINCT step) >= $least
    AND 2 * count(*) > max(nth_of_subject) - min(nth_of_subject)
"""

# Of a run of calls that each equal the one before the last, the first two are not among them.
_ALTERNATING = f"""
SELECT 'alternating' AS kind, conv_id, lane, min(nth) - 2 AS first_nth, max(nth) AS last_nth,
    count(*) + 2 AS calls, count(DISTINCT step) + 2 AS steps, min(subject) AS subject,
    CASE WHEN min(subject) < max(subject) THEN max(subject) END AS partner{_ANY}
FROM (
    SELECT *, nth - row_number() OVER (PARTITION BY conv_id, lane, part ORDER BY nth) AS island
    FROM (
        SELECT a.*, a.outcome = c.outcome AS is_unchanged
        FROM in_order a
        JOIN in_order b ON a.conv_id = b.conv_id AND a.lane IS NOT DISTINCT FROM b.lane
            AND a.part = b.part AND a.nth = b.nth + 1
        JOIN in_order c ON a.conv_id = c.conv_id AND a.lane IS NOT DISTINCT FROM c.lane
            AND a.part = c.part AND a.nth = c.nth + 2
        WHERE a.subject = c.subject AND a.args_hash = c.args_hash AND b.args_hash IS NOT NULL
            AND (a.subject <> b.subject OR a.args_hash <> b.args_hash)))
GROUP BY conv_id, lane, part, island
HAVING count(*) + 2 >= $least AND 2 * count(DISTINCT step) >= $least - 2 AND min(is_unchanged)
"""

# Of each window the longest.
_LOOPS = f"""
SELECT row_number() OVER () AS number, * FROM (
    SELECT found.*, w FROM ({_IDENTICAL} UNION ALL {_FAILING} UNION ALL {_MIXED}
        UNION ALL {_ALTERNATING} UNION ALL {_AGAIN} UNION ALL {_OVER_AND_OVER}) found
    JOIN pairs ON found.conv_id = pairs.number
    QUALIFY row_number() OVER (PARTITION BY w ORDER BY calls DESC) <= {_MOST_RUNS})
"""

_INSIDE = """l.conv_id = c.conv_id AND l.lane IS NOT DISTINCT FROM c.lane
    AND c.nth BETWEEN l.first_nth AND l.last_nth AND (c.subject = l.subject
        OR c.subject = l.partner OR l.kind = 'mixed')
    AND (c.is_bad OR l.kind IN ('identical', 'alternating'))
    AND (l.args IS NULL OR c.args_hash = l.args) AND (l.text IS NULL OR c.text = l.text)"""
_FOUND = f"""
SELECT l.number, l.kind, l.w, l.conv_id, min(c.conversation) AS conversation, l.lane, l.subject,
    l.partner, l.calls, l.steps, min(c.us) AS first_us, max(c.us) AS last_us,
    count(CASE WHEN c.is_bad THEN 1 END) AS failures,
    coalesce(sum(c.elapsed_ms), 0) AS elapsed_ms, min(c.service) AS service,
    arg_max(c.error, c.nth) AS error, min(c.nth) AS first_nth, max(c.nth) AS last_nth
FROM loops l JOIN in_order c ON {_INSIDE} GROUP BY ALL HAVING max(c.us) > min(c.start_us)
"""
_TOKENS = """
SELECT f.number, coalesce(sum(coalesce(m.input_tokens, 0) + coalesce(m.output_tokens, 0)), 0)
FROM located f JOIN moments m ON m.conv_id = f.conv_id AND m.lane IS NOT DISTINCT FROM f.lane
    AND m.us > f.first_us AND m.us <= f.last_us
WHERE m.act = 'assistant_response' GROUP BY f.number
"""
_ENDS = f"""
SELECT l.number, {", ".join(f"c.{name}" for name in LOCATED)} FROM loops l
JOIN located f ON f.number = l.number
JOIN in_order c ON {_INSIDE} AND (c.nth = f.first_nth OR c.nth = f.last_nth)
ORDER BY l.number, c.nth
"""
# Of calls that went well it is known how much they answered, and not what.
_ANSWERS = f"""
SELECT number, subject, args_hash, {", ".join(LOCATED)} FROM (
    SELECT l.number, c.*, row_number() OVER (PARTITION BY l.number ORDER BY c.nth) AS place_of,
        c.nth = f.last_nth AS is_last
    FROM loops l JOIN located f ON f.number = l.number AND f.failures = 0
    JOIN in_order c ON {_INSIDE})
WHERE is_last OR place_of < {_MOST_COMPARED} ORDER BY number, place_of
"""
_FIGURES = (
    *("subject", "conversation", "calls", "steps", "first_us", "last_us", "failures"),
    *("elapsed_ms", "partner", "service", "error"),
)
"""The columns of what is located that are fields of Run."""
_TABLES = ("calling", "busy", "pairs", "moments", "in_order", "loops", "located")


Complete: TypeAlias = Callable[[Sequence[Sample]], Sequence[Sample]]
"""Reads the texts of samples."""


def runs(walk: Walk, length: int, least: int, complete: Complete) -> list[tuple[Run, ...]]:
    """As ``Snapshot.runs``, for each window of a walk, so many microseconds long."""
    db = walk.db
    runs_by_window: list[tuple[Run, ...]] = [()] * len(walk.spans)
    starts = [span.end - length for span in walk.spans]
    is_recent = all(s >= span.raw_us for s, span in zip(starts, walk.spans, strict=True))
    events = "recent" if is_recent else walk.events(starts)
    back, end = min(starts) - _LOOK_BACK_US, walk.spans[-1].end
    among = f"us > {back} AND us <= {end} AND conv IN (SELECT conv FROM"
    try:
        db.table(
            "calling",
            f"SELECT DISTINCT w, conv_id AS conv, end_us FROM {events}"
            f" WHERE us > end_us - {length} AND {CALL} AND conv_id IS NOT NULL",
        )
        calls = f"({canonical(f'{among} calling)')})"
        db.table("busy", _BUSY.format(events=calls), least=least)
        if not db.value("SELECT count(*) FROM busy"):
            return runs_by_window
        db.table(
            "pairs",
            f"SELECT row_number() OVER () AS number, *, end_us - {length} AS start_us"
            " FROM calling WHERE conv IN (SELECT conv FROM busy)",
        )
        paired = _PAIRED.format(events=canonical(f"{among} pairs)"))
        for first, last in _parts(walk, paired):
            inside = f"(SELECT * FROM {paired} WHERE w BETWEEN {first} AND {last})"
            db.table("moments", _MOMENTS.format(events=inside), least=least)
            db.table("in_order", _CALLS)
            db.table("loops", _LOOPS, least=least)
            db.table("located", _FOUND)
            for w, runs_of_window in _runs_by_window(db, complete).items():
                runs_by_window[w] = _apart(runs_of_window)
    finally:
        db.drop(*_TABLES)
    return runs_by_window


def _parts(walk: Walk, paired: str) -> Iterator[tuple[int, int]]:
    """The windows, from one to another, that have few enough events to be looked at together."""
    last = len(walk.spans) - 1
    events: dict[int, int] = {}
    if last:
        events = dict(walk.db.run(f"SELECT w, count(*) FROM {paired} GROUP BY w"))
    first = many = 0
    for w in range(last + 1):
        if many and many + events.get(w, 0) > MOST_EVENTS:
            yield first, w - 1
            first, many = w, 0
        many += events.get(w, 0)
    yield first, last


def _runs_by_window(db: Database, complete: Complete) -> dict[int, list[Run]]:
    tokens = dict(db.run(_TOKENS))
    ends: dict[int, list[Any]] = {}
    for number, *located in db.run(_ENDS):
        ends.setdefault(number, []).append(sample_of(located))
    polls = _polls(db, complete)
    names = ", ".join(_FIGURES)
    runs_by_window: dict[int, list[Run]] = {}
    for number, w, kind, *values in db.run(f"SELECT number, w, kind, {names} FROM located"):
        if number not in polls:
            figures: dict[str, Any] = dict(zip(_FIGURES, values, strict=True))
            first, last = ends[number][0], ends[number][-1]
            spent = tokens.get(number, 0.0)
            run = Run(Repetition(kind), first=first, last=last, tokens=spent, **figures)
            runs_by_window.setdefault(w, []).append(run)
    return runs_by_window


def _polls(db: Database, complete: Complete) -> set[int]:
    """The runs in which a call was answered with another text of the same length. Of most polls
    two answers tell it, so that no more of them are read."""
    answers: dict[tuple[int, str, int], list[Sample]] = {}
    for number, subject, args, *located in db.run(_ANSWERS):
        answers.setdefault((number, subject, args), []).append(sample_of(located))
    polls: set[int] = set()
    for many in (2, _MOST_COMPARED):
        left = {key: samples[:many] for key, samples in answers.items() if key[0] not in polls}
        # Windows have most of their calls in common.
        once = {sample.locator: sample for samples in left.values() for sample in samples}
        texts = {
            place: whole.text for place, whole in zip(once, complete([*once.values()]), strict=True)
        }
        for key, samples in left.items():
            if len({texts[sample.locator] for sample in samples} - {None}) > 1:
                polls.add(key[0])
    return polls


def _apart(runs: list[Run]) -> tuple[Run, ...]:
    """The longest first; of several that are made of the same calls only the longest."""
    kinds = list(Repetition)
    runs.sort(key=lambda r: (-r.calls, kinds.index(r.kind), r.first_us, r.conversation, r.subject))
    chosen: list[Run] = []
    for run in runs:
        if not any(_overlap(run, other) for other in chosen):
            chosen.append(run)
    return tuple(chosen)


def _overlap(one: Run, other: Run) -> bool:
    return (
        one.conversation == other.conversation
        and one.first_us <= other.last_us
        and other.first_us <= one.last_us
        and bool({one.subject, one.partner} & {other.subject, other.partner} - {None})
    )
