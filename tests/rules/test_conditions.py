"""Conditions: what is accepted is written anew, runs on the engine and never fails; nothing else is
accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import duckdb
import pytest
from conftest import Loaded, World, call, response
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tgt.engine.duckdb.canonical import canonical
from tgt.events import CANONICAL
from tgt.rules.conditions import COLUMNS, FUNCTIONS, MOST_WORDS, ConditionError, Kind, parse

TYPES = {Kind.TEXT: {"VARCHAR"}, Kind.TRUTH: {"BOOLEAN"}}
"""The engine's types; all others are numbers."""


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("failed", "failed"),
        ("NOT failed AND act='tool_call'", "((NOT failed) AND (act = 'tool_call'))"),
        ("elapsed_ms > 5", "(elapsed_ms > 5e0)"),
        ("ELAPSED_MS>=1.5E3 or failed", "((elapsed_ms >= 1.5E3) OR failed)"),
        ("name != 'it''s'", "(name <> 'it''s')"),
        (
            "name IN ('a', 'b') OR us NOT IN (-1, 2)",
            "((name IN ('a', 'b')) OR (us NOT IN (-1e0, 2e0)))",
        ),
        (
            "name NOT LIKE '%x_' AND name ILIKE 'Y%'",
            "((name NOT LIKE '%x_') AND (name ILIKE 'Y%'))",
        ),
        ("result_bytes BETWEEN 1 AND 2 + 3", "(result_bytes BETWEEN 1e0 AND (2e0 + 3e0))"),
        ("us / 1000 * 2 > 1", "((((us * 1e0) / 1000e0) * 2e0) > 1e0)"),
        ("-us < - -5", "((- (us * 1e0)) < (- (- 5e0)))"),
        ("error IS NOT NULL", "(error IS NOT NULL)"),
        ("failed IS TRUE", "coalesce(failed, false)"),
        ("failed IS NOT TRUE", "(NOT coalesce(failed, false))"),
        ("failed IS FALSE", "(NOT coalesce(failed, true))"),
        ("failed IS NOT FALSE", "coalesce(failed, true)"),
        ("model IS NOT DISTINCT FROM 'x'", "(model IS NOT DISTINCT FROM 'x')"),
        ("coalesce(failed, soft_failed, false)", "coalesce(failed, soft_failed, false)"),
        ("lower(name || 'X') = 'x'", "(lower((name || 'X')) = 'x')"),
        ("floor(cost_usd) = abs(us)", "(floor((cost_usd * 1e0)) = abs((us * 1e0)))"),
        (
            "CASE WHEN failed THEN us ELSE 0 END > 1",
            "((CASE WHEN failed THEN (us * 1e0) ELSE 0e0 END) > 1e0)",
        ),
        (
            "name = 'naïve – \U0001f600; DROP TABLE x --'",
            "(name = 'naïve – \U0001f600; DROP TABLE x --')",
        ),
    ],
)  # fmt: skip
def test_what_is_accepted_is_written_anew(text: str, sql: str) -> None:
    assert parse(text, Kind.TRUTH).sql == sql
    assert parse(sql, Kind.TRUTH).kind is Kind.TRUTH, "and is accepted when it is read again"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("1); DROP TABLE events", "one expression is accepted, and no statements"),
        ("true) OR (true", ") is not expected here"),
        ("failed; SELECT 1", "one expression is accepted, and no statements"),
        ("failed -- always", "comments are not accepted"),
        ("failed /* always */", "comments are not accepted"),
        ("(SELECT true)", "statements and subqueries are not accepted"),
        ("EXISTS (SELECT 1)", "statements and subqueries are not accepted"),
        ("us IN (SELECT us FROM events)", "statements and subqueries are not accepted"),
        ("name = (TABLE x)", "there is no column table; there are us, actor, "),
        ("failed UNION SELECT true", "statements and subqueries are not accepted"),
        ("nam = 'x'", "there is no column nam; did you mean name?"),
        ("current_user = 'x'", "there is no column current_user; there are us, actor, "),
        ("e.name = 'x'", "columns stand alone, as in name"),
        ('name = "grep"', "texts stand in 'single' quotes, and names of columns in none"),
        ("name = 'grep", "a text does not end"),
        ("name = $$x$$", "parameters are not accepted"),
        ("name = ?", "parameters are not accepted"),
        ("us::VARCHAR = 'x'", "casts and parameters are not accepted"),
        ("CAST(us AS VARCHAR) = 'x'", "casts are not accepted"),
        ("try_cast(us AS VARCHAR) = 'x'", "casts are not accepted"),
        ("read_text('/etc/passwd') = 'x'", "the function read_text is not accepted; lower, "),
        ("getenv('HOME') = 'x'", "the function getenv is not accepted; lower, "),
        ("count(us) > 1", "the function count is not accepted; lower, "),
        ("sleep_ms(1000) > 1", "the function sleep_ms is not accepted; lower, "),
        ("lower(name, name) = 'x'", "lower takes one value"),
        ("nullif(us, us, us) = 1", "nullif takes two values"),
        ("lower(us) = 'x'", "LOWER needs a text, and this is a number"),
        ("name > 5", "a text and a number cannot be compared"),
        ("failed = 1", "true or false and a number cannot be compared"),
        ("coalesce(name, 5) = 'x'", "a text and a number cannot be compared"),
        ("name + 1 > 1", "+ needs a number, and this is a text"),
        ("us AND failed", "AND needs true or false, and this is a number"),
        ("NOT name", "NOT needs true or false, and this is a text"),
        ("us", "this is a number, and has to be true or false"),
        ("name LIKE model", "LIKE needs a pattern, a text such as '%grep%'"),
        ("name LIKE 'a' ESCAPE '!'", "escape is not expected here"),
        ("name LIKE 'a\\%'", "a backslash is not accepted, since engines differ in what it means"),
        ("name = 'a\nb'", "a text with a control character is not accepted"),
        ("name = 'a' = failed", "= is not expected here"),
        ("us > 1e999", "1e999 is too large"),
        ("us > 0x1F", "a number is written as in 20, 0.5 or 1e6"),
        ("us > 1_000", "a number is written as in 20, 0.5 or 1e6"),
        ("us IN ()", "IN takes constants, as in ('a', 'b')"),
        ("name IN ('a', 1)", "a text and a number cannot be compared"),
        ("name ~ 'x'", "the character '~' is not accepted outside of a text"),
        ("name = \u2018x\u2019", "the character '\\u2018' is not accepted outside of a text"),
        ("n\u0430me = 'x'", "the character '\\u0430' is not accepted outside of a text"),
        ("failed\0", "the character '\\x00' is not accepted outside of a text"),
        ("failed\u00a0AND failed", "the character '\\xa0' is not accepted outside of a text"),
        ("CASE name WHEN 'x' THEN true END", "CASE needs WHEN, as in CASE WHEN failed "),
        ("CASE WHEN failed THEN 1 ELSE 'x' END = 1", "a number and a text cannot be compared"),
        ("(" * 26 + "failed" + ")" * 26, "nested more than 25 deep"),
        ("NOT " * 26 + "failed", "nested more than 25 deep"),
        ("- " * 26 + "us > 1", "nested more than 25 deep"),
        ("(" * 1000, "more than 400 words and signs"),
        ("failed OR " * 500 + "failed", "longer than 2,000 characters"),
        ("us" + "+1" * 300 + ">1", f"more than {MOST_WORDS} words and signs"),
        (f"name = '{'x' * 301}'", "a text of more than 300 characters"),
    ],
)
def test_what_is_not_accepted(text: str, reason: str) -> None:
    with pytest.raises(ConditionError) as refused:
        parse(text, Kind.TRUTH)
    assert refused.value.reason.startswith(reason)


def test_it_says_where() -> None:
    with pytest.raises(ConditionError) as refused:
        parse("failed AND\n  nam = 'x'", Kind.TRUTH)
    assert refused.value.at == len("failed AND\n  ")


def test_the_kinds_of_columns_are_the_engines(world: World, load: Callable[..., Loaded]) -> None:
    world.write(call(5, "c"))
    database = load().snapshot._db
    told = {name: type_ for name, type_, *_ in database.run(f"DESCRIBE ({canonical()})")}
    assert set(COLUMNS) == set(CANONICAL)
    for name, kind in COLUMNS.items():
        numeric = told[name] not in {"VARCHAR", "BOOLEAN"}
        assert (told[name] in TYPES[kind]) if kind in TYPES else numeric, name


# --- whatever is accepted runs, and never fails ---------------------------------------------------

TEXTS = st.text(alphabet="ab%_'; -—é$?{}\"", max_size=6).map(
    lambda text: "'" + text.replace("'", "''") + "'"
)
NUMBERS = st.sampled_from(["0", "1", "0.5", "1e300", "123456789012345678901234567890"])


def _of(kind: Kind) -> st.SearchStrategy[str]:
    return st.sampled_from([name for name, each in COLUMNS.items() if each is kind])


def _grown(inner: dict[Kind, Any]) -> dict[Kind, st.SearchStrategy[str]]:
    """Expressions made of smaller ones."""
    truth, number, text = inner[Kind.TRUTH], inner[Kind.NUMBER], inner[Kind.TEXT]
    build = st.builds
    compare = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">=", "IS DISTINCT FROM"])
    return {
        Kind.TRUTH: st.one_of(
            truth,
            build("({} {} {})".format, number, compare, number),
            build("({} {} {})".format, text, compare, text),
            build("({} AND {} OR NOT {})".format, truth, truth, truth),
            build("({} {})".format, number, st.sampled_from(["IS NULL", "IN (1, -2)"])),
            build("({} BETWEEN {} AND {})".format, number, number, number),
            build("({} NOT ILIKE {})".format, text, TEXTS),
            build("({} IS NOT TRUE)".format, truth),
        ),
        Kind.NUMBER: st.one_of(
            number,
            build("({} {} {})".format, number, st.sampled_from("+-*/"), number),
            build("(-{})".format, number),
            build("{}({})".format, st.sampled_from(["abs", "floor", "ceil"]), number),
            build("{}({}, {})".format, st.sampled_from(["coalesce", "nullif"]), number, number),
            build("CASE WHEN {} THEN {} ELSE {} END".format, truth, number, number),
        ),
        Kind.TEXT: st.one_of(
            text,
            build("({} || {})".format, text, text),
            build("{}({})".format, st.sampled_from(["lower", "upper"]), text),
            build("coalesce({}, {})".format, text, text),
        ),
    }


LEAVES = {
    Kind.TRUTH: st.one_of(_of(Kind.TRUTH), st.sampled_from(["true", "false"])),
    Kind.NUMBER: st.one_of(_of(Kind.NUMBER), NUMBERS),
    Kind.TEXT: st.one_of(_of(Kind.TEXT), TEXTS),
}
EXPRESSIONS = _grown(_grown(_grown(LEAVES)))


@cache
def _extremes() -> duckdb.DuckDBPyConnection:
    """Rows with the least and the largest value of every column, and with none."""
    database = duckdb.connect()
    columns = {
        "us": "BIGINT", "elapsed_ms": "DOUBLE", "input_tokens": "DOUBLE", "cached_tokens": "DOUBLE",
        "output_tokens": "DOUBLE", "cost_usd": "DOUBLE", "args_hash": "UBIGINT",
        "result_bytes": "BIGINT", "conv_id": "UBIGINT", "trace_id": "UBIGINT", "call_id": "UBIGINT",
    }  # fmt: skip
    kinds = {Kind.TEXT: "VARCHAR", Kind.TRUTH: "BOOLEAN"}
    types = {name: kinds.get(kind) or columns[name] for name, kind in COLUMNS.items()}
    database.execute(f"CREATE TABLE e ({', '.join(f'{n} {t}' for n, t in types.items())})")
    values = {
        "VARCHAR": ("''", "'a%_\\é'"),
        "BOOLEAN": ("false", "true"),
        "BIGINT": ("(-9223372036854775808)::BIGINT", "9223372036854775807"),
        "UBIGINT": ("0", "18446744073709551615"),
        "DOUBLE": ("0", "1.7976931348623157e308"),
    }
    for row in (0, 1):
        database.execute(
            f"INSERT INTO e VALUES ({', '.join(values[t][row] for t in types.values())})"
        )
    database.execute(f"INSERT INTO e VALUES ({', '.join('NULL' for _ in types)})")
    return database


def _sql(text: str, kind: Kind) -> str:
    """What an expression becomes; empty for one that is refused."""
    try:
        return parse(text, kind).sql
    except ConditionError:
        return ""


@settings(max_examples=150, database=None)
@given(st.data())
def test_what_is_accepted_never_fails(data: st.DataObject) -> None:
    """With the largest values there are: one statement asks the questions of all analyzers."""
    kind = data.draw(st.sampled_from(list(Kind)))
    text = data.draw(EXPRESSIONS[kind])
    sql = _sql(text, kind)
    assume(sql)  # it may be too long
    rows = _extremes().execute(f"SELECT {sql} FROM e").fetchall()
    assert len(rows) == 3


WORDS = (
    *(*FUNCTIONS, *COLUMNS, *"()+-*/=<>,'\";\\", "AND", "NOT", "IN", "1"),
    *("SELECT", "CASE", "WHEN", "--", "::", "'x'"),
)


@settings(max_examples=300, database=None)
@given(st.lists(st.sampled_from(WORDS), max_size=20))
def test_what_is_no_expression_is_refused_and_nothing_else_happens(parts: list[str]) -> None:
    sql = _sql(" ".join(parts), Kind.TRUTH) or "true"
    assert len(_extremes().execute(f"SELECT {sql} FROM e").fetchall()) == 3


def _deepest() -> Iterator[str]:
    yield "(" * 24 + "failed" + ")" * 24
    yield "NOT (" * 12 + "failed" + ")" * 12
    yield "us" + "+1" * ((MOST_WORDS - 4) // 2) + ">1"
    yield " OR ".join(["failed"] * (MOST_WORDS // 2))[:1990].rpartition(" OR ")[0]
    yield "CASE WHEN failed THEN " * 11 + "true" + " END" * 11


@pytest.mark.parametrize("text", [*_deepest()])
def test_the_deepest_that_is_accepted_is_nothing_for_the_engine(text: str) -> None:
    sql = parse(text, Kind.TRUTH).sql
    assert len(_extremes().execute(f"SELECT {sql} FROM e").fetchall()) == 3


def test_conditions_mean_in_the_engine_what_they_say(
    world: World, load: Callable[..., Loaded]
) -> None:
    world.write(
        call(5, "a", "grep", status="error", elapsed_ms=900),
        call(6, "b", "it's; DROP TABLE events", elapsed_ms=20),
        response(7, "c", model="m1", output_tokens=10),
    )
    timeline = load().timeline
    cases = {
        "name = 'it''s; DROP TABLE events'": True,
        "name LIKE '%gr%' AND failed AND elapsed_ms > 800": True,
        "output_tokens * 2 BETWEEN 19 AND 21 AND model IN ('m0', 'm1')": True,
        "failed AND elapsed_ms < 800": False,
        "upper(name) = 'GREP' AND failed IS NOT TRUE": False,
    }
    conditions = [parse(text, Kind.TRUTH).sql for text in cases]
    holds = timeline.inventory(conditions).holds
    assert [holds[each] for each in conditions] == list(cases.values())
