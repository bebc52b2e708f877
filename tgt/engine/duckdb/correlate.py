"""From records to events: what was logged several times counts once.

A tool call may be a start and a finish or error record, and a record of the whole written later by
someone else; a response may be continued by a record of its own; an exporter may send a record
twice; a history may be copied into another file. Records with one key tell the same. Records of
one call share a call id, else a trace, else a conversation, and the tool's name; within those they
are matched in order, because the times of different writers do not agree.

Records of a trace may not know their conversation, which then is called like the trace. A record
without an act that has both is a *link*: those of the trace are of that conversation, in whatever
file they stand and whichever was read first.

New records are looked at together with the stored ones that they belong to: those are taken out
of the store, and what all of them come to is put back. A record that is an event by itself is a
row of ``events``; those of which only together become one are set ``aside`` as they are, and the
row of ``events`` is made of them. So nothing is lost when one of their files goes.
"""

from __future__ import annotations

from collections.abc import Iterable

from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.store import RECORD_COLUMNS, Store, quoted_numbers
from tgt.events import HOUR_US

_COLUMNS = ", ".join(RECORD_COLUMNS)
_STORED = f"{_COLUMNS}, is_linked"

_AGAIN_US = 60_000_000
"""The clocks of two who tell of the end of one call do not differ by more."""
_LATER_US = 600_000_000
"""Nor does an error tell more before the finish of the call, which may have tried again."""
_TIED = "file, place, tie"
# A count over a window is one of values: with FILTER its time grows with the square of the rows,
# and one line that is written a million times has a million rows in one window.
_LAST = f"phase = 'end', {_TIED}"

# Records with one key, each less than an hour after the one before, tell the same thing. The one
# of the highest revision is the truth, among equals the first. One that says that it is a copy
# tells the same whenever it was written.
_IS_COPY = "coalesce(revision < 0, false)"
_BEST_FIRST = "revision DESC NULLS LAST, us, file, place, wording"
_REPEATED = f"""
SELECT row FROM (
    SELECT row, is_copy AND NOT bool_and(is_copy) OVER (PARTITION BY key) AS is_told,
        row_number() OVER (PARTITION BY key, is_copy, run ORDER BY {_BEST_FIRST}) AS nth,
    FROM (
        SELECT *, count(CASE WHEN is_later AND NOT is_copy THEN 1 END) OVER (
            PARTITION BY key, is_copy ORDER BY us, file, place, wording) AS run,
        FROM (
            SELECT row, key, revision, us, file, place, wording, {_IS_COPY} AS is_copy,
                us - lag(us) OVER (
                    PARTITION BY key, {_IS_COPY} ORDER BY us, file, place, wording) > {HOUR_US}
                    AS is_later,
            FROM pool WHERE key IN (
                SELECT key FROM pool WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1))))
WHERE nth > 1 OR is_told
"""

_ONCE = """
SELECT pool.row, us, file, place, trace, hash(call, w.name) AS call, keyed, w.phase, w.act,
    conv, wording, keyed AND call IS DISTINCT FROM coalesce(trace, conv) AS is_named,
    CASE WHEN w.is_wait IS NOT true THEN elapsed_ms END AS elapsed_ms, w.failed, w.cancelled,
    w.finish_reason, w.error_type, error, args_hash, result_bytes, hash(key, wording) AS tie,
FROM pool JOIN wordings w USING (wording) ANTI JOIN repeated ON repeated.row = pool.row
WHERE w.act IS NOT NULL
"""

# Only where there is a start or an end is there something to join.
_TOGETHER = """
SELECT * FROM once WHERE phase IS NOT NULL AND call IN (
    SELECT call FROM once WHERE phase IS NOT NULL GROUP BY call
    HAVING count(*) > 1 AND count(*) FILTER (phase IN ('start', 'end')) > 0)
"""

# If there are more ends than starts, an end right behind another is the same end told again (an
# error, then the finish that every call gets): as many as there are too many, the closest first.
# Where no start was written that is so if both tell the call's id and not the same.
# Of the records of such calls the step of each, and which record of an end it belongs to.
_TOLD_AGAIN = f"""
SELECT row, step,
    count(CASE WHEN NOT is_again THEN 1 END) OVER (PARTITION BY call ORDER BY step) AS nth
FROM (
    SELECT row, call, step, gap IS NOT NULL AND row_number() OVER (
        PARTITION BY call, gap IS NULL ORDER BY gap, step) <= ends - greatest(starts, 1) AS is_again
    FROM (
        SELECT row, call, step, starts, ends, CASE WHEN phase = 'end' AND before = 'end'
            AND CASE WHEN starts > 0 THEN later_us <= {_LATER_US}
                ELSE is_named AND is_other AND later_us <= {_AGAIN_US} END THEN later_us END AS gap
        FROM (
            SELECT row, call, phase, is_named, row_number() OVER steps AS step,
                lag(phase) OVER steps AS before, us - lag(us) OVER steps AS later_us,
                wording <> lag(wording) OVER steps
                    AND conv IS NOT DISTINCT FROM lag(conv) OVER steps
                    AND trace IS NOT DISTINCT FROM lag(trace) OVER steps AS is_other,
                count(CASE phase WHEN 'start' THEN 1 END) OVER (PARTITION BY call) AS starts,
                count(CASE phase WHEN 'end' THEN 1 END) OVER (PARTITION BY call) AS ends,
            FROM together WHERE phase <> 'call' AND call IN (
                SELECT call FROM together GROUP BY call HAVING count(*) FILTER (phase = 'end')
                    > greatest(count(*) FILTER (phase = 'start'), 1)
                AND (count(*) FILTER (phase = 'start') > 0 OR bool_or(is_named)))
            WINDOW steps AS (PARTITION BY call ORDER BY us, {_LAST}))))
"""

# What several records of one end tell: it failed if any says so, and of a failure that record is
# the evidence.
_MERGED = """
SELECT row, us, phase, call, keyed, cancelled, file, place, tie, elapsed_ms, failed, finish_reason,
    error_type, error, args_hash, result_bytes,
FROM together ANTI JOIN told_again USING (row)
UNION ALL BY NAME
SELECT arg_min(row, (failed IS NOT true, step)) AS row, min(us) AS us,
    arg_min(phase, step) AS phase, call, arg_min(keyed, step) AS keyed,
    bool_or(cancelled) AS cancelled, arg_min(file, step) AS file, arg_min(place, step) AS place,
    arg_min(tie, step) AS tie, arg_min(elapsed_ms, step) AS elapsed_ms,
    CASE WHEN bool_or(failed) THEN true WHEN count(failed) = count(*) THEN false END AS failed,
    arg_min(finish_reason, step) AS finish_reason, arg_min(error_type, step) AS error_type,
    arg_min(error, step) AS error, arg_min(args_hash, step) AS args_hash,
    arg_min(result_bytes, step) AS result_bytes,
FROM together JOIN told_again USING (row) GROUP BY call, nth
"""

_RANKED = f"""
SELECT *, row_number() OVER (PARTITION BY call, phase ORDER BY us, {_TIED}) AS rank FROM merged
"""

_TOTALS = """
SELECT call, count(*) FILTER (phase = 'end') AS ends, count(*) FILTER (phase = 'call') AS wholes,
FROM merged GROUP BY call
"""

# A call is its end; without one, its record of the whole; without either, its start. What it was
# asked stands in its start.
_CALLS = """
SELECT ranked.row,
    CASE WHEN ranked.phase = 'end' THEN ranked.failed OR coalesce(whole.failed, ranked.failed)
         ELSE ranked.failed END AS failed,
    ranked.cancelled OR coalesce(whole.cancelled, false) AS cancelled,
    coalesce(ranked.elapsed_ms, whole.elapsed_ms, (ranked.us - start.us) / 1000.0) AS elapsed_ms,
    coalesce(ranked.finish_reason, whole.finish_reason) AS finish_reason,
    coalesce(ranked.error_type, whole.error_type) AS error_type,
    coalesce(ranked.error, whole.error) AS error,
    coalesce(ranked.args_hash, whole.args_hash, start.args_hash) AS args_hash,
    coalesce(ranked.result_bytes, whole.result_bytes) AS result_bytes,
    coalesce(start.file, whole.file) AS asked_file,
    coalesce(start.place, whole.place) AS asked_place,
FROM ranked JOIN totals ON totals.call = ranked.call
LEFT JOIN (FROM ranked WHERE phase = 'call' AND keyed) AS whole
    ON ranked.phase = 'end' AND ranked.call = whole.call AND ranked.rank = whole.rank
LEFT JOIN (FROM ranked WHERE phase = 'start' AND keyed) AS start
    ON ranked.phase = 'end' AND ranked.call = start.call AND ranked.rank = start.rank
WHERE CASE ranked.phase
    WHEN 'end' THEN true
    WHEN 'call' THEN NOT ranked.keyed OR ranked.rank > ends
    ELSE ranked.rank > greatest(ends, CASE WHEN ranked.keyed THEN wholes ELSE 0 END) END
"""

# A continuation belongs to the response before it in its trace; one that was written before the
# only response of its trace belongs to that response.
_CONTINUED = f"""
SELECT row FROM (
    SELECT row, act,
        lead(act) OVER steps = 'auto_continue' AS continues,
        count(CASE act WHEN 'assistant_response' THEN 1 END) OVER steps = 1
            AND count(CASE act WHEN 'auto_continue' THEN 1 END) OVER steps > 0 AS follows,
    FROM once
    WHERE act IN ('assistant_response', 'auto_continue') AND trace IN (
        SELECT trace FROM once WHERE act = 'auto_continue' AND trace IS NOT NULL)
    WINDOW steps AS (PARTITION BY trace ORDER BY us, act = 'auto_continue', {_TIED}))
WHERE act = 'assistant_response' AND (continues OR follows)
"""

_STEPS = (
    ("repeated", _REPEATED, ()),
    ("once", _ONCE, ()),
    ("continuing", _CONTINUED, ()),
    ("together", _TOGETHER, ("once",)),
    ("told_again", _TOLD_AGAIN, ()),
    ("merged", _MERGED, ("told_again",)),
    ("ranked", _RANKED, ()),
    ("totals", _TOTALS, ("merged",)),
    ("calls", _CALLS, ("ranked", "totals")),
)
"""Tables, and which are not needed any more when they are made."""
_AT_ONCE = 100_000
"""What belongs together is worked out in tables several times as large as the records."""

_IS_LINK = "wording IN (SELECT wording FROM wordings WHERE act IS NULL)"
_IS_LOOSE = "(conv = trace OR is_linked)"

# Of the links of a trace that of the highest revision is the truth, among equals the first. Without
# any the conversation is called like the trace.
_NAMED = f"""
SELECT trace, coalesce(arg_min(conv, (-coalesce(revision, 0), us, conv)), trace) AS conv
FROM asked LEFT JOIN (
    SELECT trace, conv, revision, us FROM events WHERE conv <> trace AND {_IS_LINK}
    UNION ALL SELECT trace, conv, revision, us FROM aside WHERE conv <> trace AND {_IS_LINK})
    USING (trace)
GROUP BY trace
"""
_MISNAMED = f"""trace IN (SELECT trace FROM named) AND {_IS_LOOSE}
    AND (trace, conv) NOT IN (SELECT (trace, conv) FROM named)"""


class Correlator:
    """Brings new records into the store. Which hours were touched ``hours`` tells, from when on
    ``first_us``, and which conversations the temporary table ``touched``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db: Database = store.database
        self.hours: set[int] = set()
        self.first_us: int | None = None
        self._db.run("CREATE OR REPLACE TEMP TABLE touched (conv UBIGINT)")

    def absorb(self, staged: str) -> None:
        """Bring in the records of a temporary table with the columns of RECORD_COLUMNS."""
        self._touch(staged)
        if not self._belongs_together(staged):
            self._store.insert("events", f"SELECT {_COLUMNS} FROM {staged}")
            self._link(staged)
            return
        parts = 1 + self._db.value(f"SELECT count(*) FROM {staged}") // _AT_ONCE
        for part in range(parts):
            self._db.table(
                "pool",
                f"SELECT {_COLUMNS}, NULL::BOOLEAN AS is_linked FROM {staged}"
                f" WHERE coalesce(conv, call) % {parts} = {part}",
            )
            self._pull(self._seeds("pool"))
            self._settle()
        self._link(staged)

    def forget(self, numbers: Iterable[int]) -> None:
        """Take out all records of some files, and look anew at what they belonged to."""
        self._take_out(f"file IN ({quoted_numbers(numbers)})")

    def forget_keys(self, keys: str, first_us: int) -> None:
        """The same for the records from a time on with one of the keys in a temporary table."""
        among = f"us >= {first_us} AND key IN (SELECT key FROM {keys})"
        if any(
            self._db.run(f"SELECT 1 FROM {table} WHERE {among} LIMIT 1")
            for table in ("events", "aside")
        ):
            self._take_out(among)

    def _take_out(self, condition: str) -> None:
        self._db.table(
            "leaving",
            f"SELECT {_STORED} FROM events WHERE {condition} AND is_merged IS NOT true"
            f" UNION ALL SELECT {_STORED} FROM aside WHERE {condition}",
        )
        self._touch("leaving")
        seeds = self._seeds("leaving")
        self._store.delete("events", condition + " AND is_merged IS NOT true")
        self._store.delete("aside", condition)
        self._db.table("pool", f"SELECT {_STORED} FROM leaving LIMIT 0")
        self._pull(seeds)
        self._settle()
        self._link("leaving")
        self._db.drop("leaving")

    # --- what belongs together -------------------------------------------------------------------

    def _touch(self, rows: str) -> None:
        touched = self._db.run(f"SELECT us // {HOUR_US}, min(us) FROM {rows} GROUP BY ALL")
        self.hours.update(hour for hour, _ in touched)
        firsts = [us for _, us in touched] + ([] if self.first_us is None else [self.first_us])
        self.first_us = min(firsts, default=None)
        self._db.run(f"INSERT INTO touched SELECT DISTINCT conv FROM {rows} WHERE conv IS NOT NULL")

    def _belongs_together(self, staged: str) -> bool:
        """Whether records may belong to each other or to stored ones: asked of what the known words
        mean and of ids alone."""
        paired, continued, again = self._db.run(
            "SELECT coalesce(bool_or(phase IN ('start', 'end')), false),"
            " coalesce(bool_or(act = 'auto_continue'), false),"
            f" (SELECT count(key) > count(DISTINCT key) FROM {staged}) FROM wordings"
        )[0]
        if paired or continued or again:
            return True
        same = self._same(staged, staged)
        return any(
            self._db.run(f"SELECT 1 FROM {table} WHERE {same} LIMIT 1")
            for table in ("events", "aside")
        )

    def _same(self, rows: str, keys: str) -> str:
        """SQL for rows of the store with one of the ``keys`` of these rows: those near them in
        time, and copies and what they are copies of at any."""
        first, last, copies = self._db.run(
            f"SELECT min(us), max(us), count(*) FILTER ({_IS_COPY}) FROM {rows}"
        )[0]
        if first is None:
            return "false"
        conditions = [f"us BETWEEN {first - HOUR_US} AND {last + HOUR_US}"]
        if copies:
            copied = f"SELECT key FROM {rows} WHERE {_IS_COPY} AND key IS NOT NULL"
            conditions.append(f"key IN ({copied})")
        if self._has_copies():
            conditions.append(_IS_COPY)
        either = " OR ".join(conditions)
        return f"(({either}) AND key IN (SELECT key FROM {keys} WHERE key IS NOT NULL))"

    def _has_copies(self) -> bool:
        """Whether any stored record is a copy; of most sources none is."""
        return any(
            self._db.run(f"SELECT 1 FROM {table} WHERE revision < 0 LIMIT 1")
            for table in ("events", "aside")
        )

    def _seeds(self, rows: str) -> str:
        """SQL for rows of the store that belong to these rows at the first look."""
        self._db.table(
            "seeds",
            "SELECT DISTINCT key, CASE WHEN phase IS NOT NULL THEN call END AS call,"
            " CASE WHEN act IN ('assistant_response', 'auto_continue') THEN trace END AS trace"
            f" FROM {rows} JOIN wordings USING (wording)",
        )
        conditions = [self._same(rows, "seeds")]
        if self._means("phase IN ('start', 'end')"):
            conditions.append(
                "(call IN (SELECT call FROM seeds) AND wording IN"
                " (SELECT wording FROM wordings WHERE phase IS NOT NULL))"
            )
        if self._means("act = 'auto_continue'"):
            conditions.append(
                "(trace IN (SELECT trace FROM seeds) AND wording IN (SELECT wording"
                " FROM wordings WHERE act IN ('assistant_response', 'auto_continue')))"
            )
        return " OR ".join(conditions)

    def _means(self, condition: str) -> bool:
        """Whether any known wording is of that kind; where none is, nobody need look for it."""
        return bool(self._db.run(f"SELECT 1 FROM wordings WHERE {condition} LIMIT 1"))

    def _pull(self, condition: str) -> None:
        """Take stored records into the pool, then those that belong to them in turn."""
        while True:
            self._db.table(
                "pulled",
                f"SELECT {_STORED} FROM events WHERE is_merged IS NOT true AND ({condition})"
                f" UNION ALL SELECT {_STORED} FROM aside WHERE {condition}",
            )
            merged = f"SELECT 1 FROM events WHERE is_merged AND ({condition}) LIMIT 1"
            if not self._db.run("SELECT 1 FROM pulled LIMIT 1") and not self._db.run(merged):
                return
            self._touch("pulled")
            for table in ("events", "aside"):
                self._store.delete(table, condition)
            self._db.run("INSERT INTO pool FROM pulled")
            condition = self._seeds("pulled")

    def _settle(self) -> None:
        """Put back what the records of the pool come to."""
        self._db.table("pool", "SELECT row_number() OVER () AS row, * FROM pool")
        for name, query, done in _STEPS:
            self._db.table(name, query)
            self._db.drop(*done)
        stored = (*RECORD_COLUMNS, "is_linked")
        numbered = ", ".join(f"pool.{name}" for name in stored)
        joined = ("elapsed_ms", "error", "args_hash", "result_bytes")
        merged = ", ".join(f"{'calls' if name in joined else 'pool'}.{name}" for name in stored)
        self._store.insert("aside", f"SELECT {numbered} FROM pool SEMI JOIN repeated USING (row)")
        self._store.insert("aside", f"SELECT {numbered} FROM pool SEMI JOIN together USING (row)")
        self._store.insert(
            "events",
            f"SELECT {merged}, true AS is_merged, calls.failed, calls.cancelled,"
            " calls.finish_reason, calls.error_type, calls.asked_file, calls.asked_place,"
            " pool.row IN (SELECT row FROM continuing) AS continued"
            " FROM pool JOIN calls USING (row)",
        )
        self._store.insert(
            "events",
            f"SELECT {numbered}, pool.row IN (SELECT row FROM continuing) AS continued FROM pool"
            " ANTI JOIN repeated USING (row) ANTI JOIN together USING (row)",
        )
        self._db.drop("pool", "pulled", *(name for name, _, _ in _STEPS))

    # --- conversations that only a link names ----------------------------------------------------

    def _link(self, rows: str) -> None:
        """Give records that know only their trace the conversation that it is of, after these rows
        have come or gone. Where nobody writes links there is nothing to do."""
        if not self._means("act IS NULL"):
            return
        self._db.table(
            "asked",
            f"SELECT DISTINCT trace FROM {rows}"
            f" WHERE trace IS NOT NULL AND conv IS NOT NULL AND (conv = trace OR {_IS_LINK})",
        )
        self._db.table("named", _NAMED)
        moved = []
        for table in ("events", "aside"):
            self._db.table(f"moved_{table}", f"SELECT * FROM {table} WHERE {_MISNAMED}")
            if self._db.run(f"SELECT 1 FROM moved_{table} LIMIT 1"):
                moved.append(table)
        for table in moved:
            self._touch(f"moved_{table}")
            self._store.delete(table, _MISNAMED)
            self._store.insert(
                table,
                "SELECT moved.* EXCLUDE (row) REPLACE (named.conv AS conv, true AS is_linked)"
                f" FROM moved_{table} AS moved JOIN named USING (trace)",
            )
        if moved:
            self._db.run("INSERT INTO touched SELECT conv FROM named")
        self._db.drop("asked", "named", "moved_events", "moved_aside")
