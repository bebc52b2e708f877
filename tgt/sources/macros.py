"""The coercions in SQL: the same rules as ``tgt.sources.coerce``, which says what each means.

Telemetry is read as text and converted here, so that a wrong type makes one value NULL and never
a record invalid. They run over millions of lines: what most lines hold is told first, and each
argument is written as seldom as can be, since it is worked out as often as it is written. The
macros are built from constants of this package alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tgt.sources.words import ABORTS, FINISH_PREFIX, FINISHES, OUTCOMES, REFUSALS, TRUTHS


def constant_map(words: Mapping[str, object]) -> str:
    """A constant map of the statement: a look-up plans many times faster than a long CASE."""
    pairs = (
        f"'{word}': {str(value).lower() if value in (True, False) else repr(value)}"
        for word, value in words.items()
    )
    return "MAP {" + ", ".join(pairs) + "}"


def _is_one_of(words: Iterable[str]) -> str:
    return f"coalesce({constant_map(dict.fromkeys(sorted(words), True))}[plain(w)], false)"


_FINISHES = constant_map(FINISHES)
_SEVERAL = f"""list_transform(regexp_extract_all(lower(w), '[a-z_.-]+'),
    lambda one: coalesce({_FINISHES}[replace(regexp_replace(one, '{FINISH_PREFIX}', ''), '-', '_')],
        'other'))"""

# What is not written as DuckDB reads it: the basic form, a comma, a blank before the offset, UTC.
_WRITTEN = (
    r"^(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d):?(\d\d)(\.\d+)?"
    r" *([+-]\d\d(?::?\d\d)?)? ?(?:Z|UTC|GMT)?$"
)

MACROS = (
    "CREATE OR REPLACE TEMP MACRO number(t) AS CASE"
    " WHEN TRY_CAST(t AS DOUBLE) BETWEEN 0 AND 1.7976931348623157e308 THEN CAST(t AS DOUBLE) END",
    # Nearly all texts begin with a letter or digit and do not end in a blank, which comparing tells
    # ten times faster than trimming.
    """CREATE OR REPLACE TEMP MACRO word(t) AS CASE
        WHEN (t BETWEEN '0' AND '[' OR t BETWEEN '^' AND '{')
            AND NOT (suffix(t, ' ') OR suffix(t, chr(10)) OR suffix(t, chr(9))
                OR suffix(t, chr(13))) THEN t
        WHEN ltrim(t, chr(32) || chr(9) || chr(10) || chr(13))[1] IN ('{', '[') AND json_valid(t)
            THEN NULL
        ELSE nullif(trim(t, chr(32) || chr(9) || chr(10) || chr(13)), '') END""",
    """CREATE OR REPLACE TEMP MACRO plain(w) AS
        translate(lower(trim(w, chr(32) || chr(9) || chr(10) || chr(13))), '- ', '__')""",
    f"""CREATE OR REPLACE TEMP MACRO written_moment(t) AS epoch_us(TRY_CAST(
        regexp_replace(replace(upper(t), ',', '.'), '{_WRITTEN}', '\\1-\\2-\\3 \\4:\\5:\\6\\7\\8')
        AS TIMESTAMP))""",
    """CREATE OR REPLACE TEMP MACRO real_moment(d) AS CASE
        WHEN d < 631152000 THEN NULL WHEN d < 1e11 THEN CAST(d * 1e6 AS BIGINT)
        WHEN d < 631152000e3 THEN NULL WHEN d < 1e14 THEN CAST(d * 1e3 AS BIGINT)
        WHEN d < 631152000e6 THEN NULL WHEN d < 1e17 THEN CAST(d AS BIGINT)
        WHEN d < 631152000e9 THEN NULL WHEN d < 1e19 THEN CAST(d / 1e3 AS BIGINT) END""",
    """CREATE OR REPLACE TEMP MACRO pair_moment(p) AS CASE
        WHEN len(p) = 2 AND p[1] BETWEEN 631152000 AND 253402300799 AND p[2] >= 0
        THEN p[1] * 1000000 + least(p[2], 1000000000) // 1000 END""",
    """CREATE OR REPLACE TEMP MACRO moment(t) AS CASE
        WHEN t LIKE '____-__-__%' AND t[6] <> 'W'
            THEN CASE WHEN t >= '1990'
                THEN coalesce(epoch_us(TRY_CAST(t AS TIMESTAMP)), written_moment(t)) END
        WHEN t IS NULL THEN NULL
        WHEN regexp_full_match(t, '[1-9][0-9]{8,18}')
            THEN CASE WHEN length(t) % 3 = 0 AND t < '631152' THEN NULL
                ELSE CASE length(t) // 3 WHEN 3 THEN CAST(t AS BIGINT) * 1000000
                    WHEN 4 THEN CAST(t AS BIGINT) * 1000 WHEN 5 THEN CAST(t AS BIGINT)
                    ELSE CAST(t AS BIGINT) // 1000 END END
        WHEN t[1] = '[' THEN pair_moment(TRY_CAST(t AS BIGINT[]))
        ELSE coalesce(CASE WHEN trim(t) >= '1990' THEN written_moment(trim(t)) END,
            real_moment(number(t))) END""",
    f"""CREATE OR REPLACE TEMP MACRO truth(w) AS {constant_map(TRUTHS)}[plain(w)]""",
    f"""CREATE OR REPLACE TEMP MACRO outcome(w) AS CASE w
        WHEN 'ok' THEN false WHEN 'error' THEN true
        ELSE coalesce({constant_map(OUTCOMES)}[plain(w)],
            CASE WHEN number(w) >= 400 THEN true
                WHEN number(w) >= 100 OR number(w) <= 1 THEN false END) END""",
    "CREATE OR REPLACE TEMP MACRO failure(w) AS outcome(w)",
    f"CREATE OR REPLACE TEMP MACRO is_abort(w) AS {_is_one_of(ABORTS)}",
    f"CREATE OR REPLACE TEMP MACRO is_refusal(w) AS {_is_one_of(REFUSALS)}",
    f"""CREATE OR REPLACE TEMP MACRO finish(w) AS CASE
        WHEN w[1] = '[' THEN coalesce(
            list_filter({_SEVERAL}, lambda one: one <> 'stop')[1], ({_SEVERAL})[1])
        WHEN w IS NOT NULL THEN coalesce({_FINISHES}[
            replace(regexp_replace(lower(w), '{FINISH_PREFIX}', ''), '-', '_')], 'other') END""",
)

OUTCOME_WORDS, FINISH_WORDS = OUTCOMES, FINISHES
__all__ = ["ABORTS", "FINISH_WORDS", "MACROS", "OUTCOME_WORDS", "REFUSALS", "constant_map"]
