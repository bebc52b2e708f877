"""The coercions in SQL: the same rules as ``tgt.sources.coerce``, which says what each means.

Telemetry is read as text and converted here, so that a wrong type makes one value NULL and never
a record invalid. They run over millions of lines: what most lines hold is told first, and each
argument is written as seldom as can be, since it is worked out as often as it is written. The
macros are built from constants of this package alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tgt.sources.coerce import LONGEST_TEMPLATE
from tgt.sources.words import ABORTS, FINISH_PREFIX, FINISHES, OUTCOMES, REFUSALS, TRUTHS


def constant_map(words: Mapping[str, object]) -> str:
    """A constant map of the statement: a look-up plans many times faster than a long CASE."""
    pairs = (
        f"'{word}': {str(value).lower() if value in (True, False) else repr(value)}"
        for word, value in words.items()
    )
    return "MAP {" + ", ".join(pairs) + "}"


def number_of(text: str) -> str:
    """SQL for the number that stands for a text.

    The engine hashes a text by blocks of eight bytes, and what differs in the last bytes of two of
    them cancels out: ``call:s22:t100022`` and ``call:s25:t100025`` have the same hash. Of counters
    that run along with each other up to 3% did. Four bytes further on these are other bytes.
    """
    return f"hash({text}, '----' || {text})"


def _is_one_of(words: Iterable[str]) -> str:
    which = constant_map(dict.fromkeys(sorted(words), True))
    return (
        "CASE w WHEN 'ok' THEN false WHEN 'error' THEN false"
        f" ELSE coalesce({which}[plain(w)], false) END"
    )


_BLANKS = r"E' \t\n\r'"

# What is not written as DuckDB reads it: the basic form, a comma, a blank before the offset, UTC.
_WRITTEN = (
    r"^(\d{4})[-/]?(\d\d)[-/]?(\d\d)[T ](\d\d):?(\d\d):?(\d\d)(\.\d+)?"
    r" *([+-]\d\d(?::?\d\d)?)? ?(?:Z|UTC|GMT)?$"
)
_AS_DUCKDB = r"\1-\2-\3 \4:\5:\6\7\8"

MACROS = (
    "CREATE OR REPLACE TEMP MACRO number(t) AS CASE"
    " WHEN TRY_CAST(t AS DOUBLE) BETWEEN 0 AND 1.7976931348623157e308 THEN CAST(t AS DOUBLE) END",
    # Nearly all texts begin with a letter or digit and end in no blank, which comparing tells ten
    # times faster than trimming.
    f"""CREATE OR REPLACE TEMP MACRO word(t) AS CASE
        WHEN (t BETWEEN '0' AND '[' OR t BETWEEN '^' AND '{{') AND t[-1] > ' ' THEN t
        WHEN ltrim(t, {_BLANKS})[1] IN ('{{', '[') AND json_valid(t) THEN NULL
        ELSE nullif(trim(t, {_BLANKS}), '') END""",
    "CREATE OR REPLACE TEMP MACRO plain(w) AS translate(lower(w), '- ', '__')",
    # The engine knows years of more than four digits.
    f"""CREATE OR REPLACE TEMP MACRO written_moment(t) AS list_filter([epoch_us(TRY_CAST(
        regexp_replace(replace(upper(t), ',', '.'), '{_WRITTEN}', '{_AS_DUCKDB}') AS TIMESTAMPTZ))],
        lambda us: us < 253402300800000000)[1]""",
    """CREATE OR REPLACE TEMP MACRO real_moment(d) AS list_transform([d], lambda x: CASE
        WHEN x < 631152000 THEN NULL WHEN x < 1e11 THEN CAST(x * 1e6 AS BIGINT)
        WHEN x < 631152000e3 THEN NULL WHEN x < 1e14 THEN CAST(x * 1e3 AS BIGINT)
        WHEN x < 631152000e6 THEN NULL WHEN x < 1e17 THEN CAST(x AS BIGINT)
        WHEN x < 631152000e9 THEN NULL WHEN x < 1e19 THEN CAST(x / 1e3 AS BIGINT) END)[1]""",
    """CREATE OR REPLACE TEMP MACRO pair_moment(p) AS list_transform([p], lambda x: CASE
        WHEN len(x) = 2 AND x[1] BETWEEN 631152000 AND 253402300799 AND x[1] = floor(x[1])
            AND x[2] >= 0
        THEN CAST(x[1] AS BIGINT) * 1000000
            + CAST(floor(least(x[2], 1e9)) AS BIGINT) // 1000 END)[1]""",
    # Most end in a Z, which can be told without asking for time zones. What few are is asked only
    # of those that the first case leaves.
    f"""CREATE OR REPLACE TEMP MACRO moment(t) AS coalesce(
        CASE WHEN t LIKE '____-%Z' AND t >= '1990' AND t[6] <> 'W'
                THEN epoch_us(TRY_CAST(t AS TIMESTAMP))
            WHEN t LIKE '____-__-__%' AND t >= '1990' THEN epoch_us(TRY_CAST(t AS TIMESTAMPTZ))
            WHEN regexp_full_match(t, '[1-9][0-9]{{8,18}}') AND length(t) <> 14
                AND (length(t) % 3 <> 0 OR t >= '631152')
                THEN CASE length(t) // 3 WHEN 3 THEN TRY_CAST(t AS BIGINT) * 1000000
                    WHEN 4 THEN TRY_CAST(t AS BIGINT) * 1000 WHEN 5 THEN TRY_CAST(t AS BIGINT)
                    ELSE TRY_CAST(t AS BIGINT) // 1000 END END,
        CASE WHEN t IS NULL OR t LIKE '____-__-__%' AND t < '1990' THEN NULL
            WHEN t[1] = '[' THEN pair_moment(TRY_CAST(t AS DOUBLE[]))
            WHEN regexp_full_match(t, '[1-9][0-9]{{8,18}}') AND length(t) <> 14 THEN NULL
            ELSE coalesce(
                written_moment(CASE
                    WHEN regexp_full_match(t, '[1-9][0-9]{{13}}') AND t >= '1990'
                        THEN left(t, 8) || 'T' || right(t, 6)
                    WHEN trim(t, {_BLANKS}) BETWEEN '1990' AND ':' THEN trim(t, {_BLANKS}) END),
                CASE WHEN regexp_full_match(t, '[1-9][0-9]{{13}}') THEN TRY_CAST(t AS BIGINT) * 1000
                    ELSE real_moment(number(t)) END) END)""",
    f"""CREATE OR REPLACE TEMP MACRO template(w) AS CASE
        WHEN length(w) <= {LONGEST_TEMPLATE} AND NOT regexp_matches(w, '[\\x00-\\x1f\\x7f]')
        THEN nullif(w, '') ELSE left(md5(w), 12) END""",
    f"CREATE OR REPLACE TEMP MACRO truth(w) AS {constant_map(TRUTHS)}[plain(w)]",
    f"""CREATE OR REPLACE TEMP MACRO outcome(w) AS CASE w
        WHEN 'ok' THEN false WHEN 'error' THEN true
        ELSE coalesce({constant_map(OUTCOMES)}[plain(w)],
            CASE WHEN number(w) >= 400 THEN true
                WHEN number(w) >= 100 OR number(w) IN (0, 1) THEN false END) END""",
    f"CREATE OR REPLACE TEMP MACRO is_abort(w) AS {_is_one_of(ABORTS)}",
    f"CREATE OR REPLACE TEMP MACRO is_refusal(w) AS {_is_one_of(REFUSALS)}",
    # Of an array the first that is not stop, else stop.
    f"""CREATE OR REPLACE TEMP MACRO finish(w) AS CASE
        WHEN w IS NULL THEN NULL WHEN w IN ('stop', 'length', 'tool_calls') THEN w
        ELSE list_reduce(
            list_transform(
                CASE WHEN starts_with(w, '[')
                        THEN nullif(regexp_extract_all(lower(w), '[a-z][a-z_.-]*'), [])
                    WHEN word(w) IS NOT NULL THEN [lower(w)] END,
                lambda one: coalesce({constant_map(FINISHES)}[
                    replace(regexp_replace(one, '{FINISH_PREFIX}', ''), '-', '_')], 'other')),
            lambda first, second: CASE WHEN first = 'stop' THEN second ELSE first END) END""",
)
"""Those of words (truth, outcome, is_abort, is_refusal, finish) are given what ``word`` leaves; a
finish reason may be an array, too."""
