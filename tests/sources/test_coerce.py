"""One rule, one place: a value means the same in Python and in SQL; what is right is a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tgt.events import to_us
from tgt.sources import coerce
from tgt.sources.macros import MACROS
from tgt.templates import LONGEST_INPUT

TABLE: dict[str, list[list[Any]]] = json.loads(
    (Path(__file__).parent / "values.json").read_text(encoding="utf-8")
)
"""For each coercion pairs of a value, as JSON has it, and the right answer; times as ISO 8601."""

IN_PYTHON: dict[str, Callable[[Any], Any]] = {
    "moment": coerce.moment,
    "number": coerce.number,
    "text": coerce.text,
    "truth": coerce.truth,
    "outcome": coerce.outcome,
    "is_abort": coerce.is_abort,
    "is_refusal": coerce.is_refusal,
    "finish": coerce.finish,
    "template": coerce.template,
}
IN_SQL = {
    "moment": "moment(t)",
    "number": "number(t)",
    "text": "word(t)",
    "truth": "truth(word(t))",
    "outcome": "outcome(word(t))",
    "is_abort": "is_abort(word(t))",
    "is_refusal": "is_refusal(word(t))",
    "finish": "finish(trim(t))",
    "template": "template(word(t))",
}


def _answer(coercion: str, answer: Any) -> Any:
    if coercion == "moment" and answer is not None:
        return to_us(datetime.fromisoformat(answer))
    return answer


def _as_read(value: Any) -> str | None:
    """What DuckDB's JSON reader makes of a value for a column of text."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        for macro in MACROS:
            opened.execute(macro)
        yield opened


def test_the_table_has_a_part_for_every_coercion() -> None:
    assert TABLE.keys() == IN_PYTHON.keys() == IN_SQL.keys()


@pytest.mark.parametrize("coercion", TABLE)
def test_python_gives_the_right_answers(coercion: str) -> None:
    for value, answer in TABLE[coercion]:
        given = IN_PYTHON[coercion](value)
        assert given == _answer(coercion, answer), f"{coercion} of {value!r}"
        assert type(given) is type(_answer(coercion, answer)), f"{coercion} of {value!r}"


@pytest.mark.parametrize("coercion", TABLE)
def test_sql_gives_the_right_answers(connection: duckdb.DuckDBPyConnection, coercion: str) -> None:
    statement = f"SELECT {IN_SQL[coercion]} FROM (SELECT $t::VARCHAR AS t)"
    for value, answer in TABLE[coercion]:
        ((given,),) = connection.execute(statement, {"t": _as_read(value)}).fetchall()
        assert given == _answer(coercion, answer), f"{coercion} of {value!r}"


def test_sql_gives_the_right_answers_for_a_column_of_all_of_them(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """A value that is folded before a statement runs may take another way than one in a column."""
    for coercion, rows in TABLE.items():
        texts = [_as_read(value) for value, _ in rows]
        given = connection.execute(
            f"SELECT {IN_SQL[coercion]} FROM (SELECT unnest($texts::VARCHAR[]) AS t)",
            {"texts": texts},
        ).fetchall()
        assert [one for (one,) in given] == [_answer(coercion, answer) for _, answer in rows]


WRONG: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1.5,
        10**400,
        float("nan"),
        float("inf"),
        "",
        " ",
        "\0",
        "\ud800",
        "[",
        "{",
    ),
    *(
        "[" * 5000,
        "9" * 5001,
        "1e999999",
        [],
        {},
        [[]],
        [None],
        {"a": []},
        ["\ud800"],
        "2025-99-99",
    ),
    *(["9" * 5001, 1], [10**30, 1], [1e308, 1e308], "[1,", "9" * 5001 + "-01-01T00:00:00Z"),
    *(
        "9999-12-31T24:00:00Z",
        "9999-12-31T23:59:59-99:99",
        "0001-01-01T00:00:00+99:99",
        "[]," * 9999,
    ),
)


def test_nothing_is_raised_for_any_value() -> None:
    others = (coerce.preview, coerce.http_class, coerce.args_hash, coerce.result_bytes)
    for value in WRONG:
        for coercion in (*IN_PYTHON.values(), *others):
            coercion(value)


def test_sql_raises_nothing_for_any_text(connection: duckdb.DuckDBPyConnection) -> None:
    texts = [value for value in WRONG if isinstance(value, str) and value.isascii()]
    for call in IN_SQL.values():
        connection.execute(
            f"SELECT {call} FROM (SELECT unnest($texts::VARCHAR[]) AS t)", {"texts": texts}
        ).fetchall()


@pytest.mark.parametrize(
    ("one", "other", "is_same", "why"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True, "the order of keys means nothing"),
        ({"a": "é"}, {"a": "\u00e9"}, True, "however it was written"),
        ("ls -l", "ls -l", True, "a text as it is"),
        ({"a": 1}, {"a": 2}, False, "another value"),
        ({"a": [1, 2]}, {"a": [2, 1]}, False, "the order of elements means something"),
        ("ls", "ls ", False, "a text as it is"),
        ({"a": 1}, {"a": "1"}, False, "a number is no text"),
        ({}, [], False, "nothing of another kind"),
        (
            {"command": "ls", "description": "List files", "timeout": 5},
            {"command": "ls", "description": "Show what is there"},
            True,
            "a command is described anew each time",
        ),
        ('{"cmd":"ls","yield_time_ms":1000}', '{"cmd": "ls"}', True, "also in a text"),
        ({"command": "ls", "cwd": "a"}, {"command": "ls", "cwd": "b"}, False, "another place"),
        ({"description": "a"}, {"description": "b"}, False, "of no command it is what was asked"),
        ('{"cmd":"ls"}', '{"cmd":"ls', False, "a text that is cut off is a text"),
    ],
)
def test_arguments_are_the_same_if_they_say_the_same(
    one: Any, other: Any, is_same: bool, why: str
) -> None:
    assert (coerce.args_hash(one) == coerce.args_hash(other)) is is_same


def test_a_hash_of_arguments_does_not_change_from_run_to_run() -> None:
    assert coerce.args_hash({"command": "ls"}) == 4094681358591820921
    assert coerce.args_hash(None) is None
    assert all(0 <= (coerce.args_hash(str(n)) or 0) < 2**64 for n in range(1000))


@pytest.mark.parametrize(
    ("result", "size"),
    [
        (None, None),
        ("", 0),
        ("abc", 3),
        ("é漢", 5),
        ([{"type": "text", "text": "abc"}, {"type": "text", "text": "é"}], 5),
        ({"a": 1}, 7),
        ([1, 2], 5),
        ([], 2),
    ],
)
def test_the_size_of_a_result(result: Any, size: int | None) -> None:
    assert coerce.result_bytes(result) == size


def test_what_a_failure_said_is_kept_with_its_end() -> None:
    """A preview shows the beginning; what went wrong is often told at the end."""
    said = "collecting\n" * 90 + "fatal: the disk is full"
    assert coerce.error_text(said) == said
    assert len(coerce.preview(said) or "") == coerce.PREVIEW
    long = coerce.error_text(
        [{"type": "text", "text": "step\n" * 9000 + "fatal: the disk is full"}]
    )
    assert long is not None
    assert (long[:4], long[-23:]) == ("step", "fatal: the disk is full")
    assert len(long) <= LONGEST_INPUT
    assert (coerce.error_text(""), coerce.error_text(None)) == (None, None)
