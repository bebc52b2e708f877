"""What the writers of a ContextLog call things, field by field, as one table of promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import duckdb
import pytest
from conftest import World
from sources.test_soft_failures import ENVELOPES

from tgt.sources.contextlog import ContextLog

T = "2025-11-03T15:00:00Z"
US = 1762182000_000_000
Row = dict[str, Any]
Project = Callable[..., list[Row]]


@pytest.fixture
def project(world: World) -> Project:
    """The records that the source makes of these lines."""
    return partial(project_lines, world)


def project_lines(world: World, *lines: Row | str | bytes) -> list[Row]:
    """The source's own statement, in a real DuckDB over a real file, in the order of the lines; and
    the statement for what stands there, which has to say the same."""
    path = world.write(*lines)
    source = ContextLog(world.logs)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 1")
        projection = source.projection()
        for macro in projection.macros:
            connection.execute(macro)
        assert projection.narrowed is not None
        rows, same = (
            _rows(connection.execute(each.whole(), {"paths": [str(path)], **each.parameters}))
            for each in (projection, projection.narrowed(path.read_bytes()))
        )
        assert same == rows
        return rows


def _rows(cursor: duckdb.DuckDBPyConnection) -> list[Row]:
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _event(**keys: Any) -> Row:
    return {"ts": T, **keys}


def _one(project: Project, line: Row | str) -> Row:
    (row,) = project(line)
    return row


@pytest.mark.parametrize(
    ("keys", "us", "why"),
    [
        ({"ts": T}, US, "UTC by its Z"),
        ({"ts": "2025-11-03t15:00:00z"}, US, "in lower case"),
        ({"ts": "2025-11-03T15:00:00.123Z"}, US + 123_000, "milliseconds"),
        ({"ts": "2025-11-03T15:00:00,5Z"}, US + 500_000, "a comma before the decimals"),
        ({"ts": "2025-11-03T15:00:00.123456789Z"}, US + 123_456, "nanoseconds are cut"),
        ({"ts": "2025-11-03T16:00:00+01:00"}, US, "an offset"),
        ({"ts": "2025-11-03T10:00:00-0500"}, US, "an offset without a colon"),
        ({"ts": "2025-11-03T15:00:00"}, US, "without a zone it is UTC"),
        ({"ts": "2025-11-03 15:00:00.000001"}, US + 1, "a blank instead of the T"),
        ({"ts": US // 10**6}, US, "seconds"),
        ({"ts": US / 10**6 + 0.25}, US + 250_000, "seconds with a fraction"),
        ({"ts": US // 10**3}, US, "milliseconds"),
        ({"ts": US}, US, "microseconds"),
        ({"ts": US * 1000}, US, "nanoseconds"),
        ({"ts": str(US // 10**6)}, US, "seconds as text"),
        ({"ts": str(US // 10**3)}, US, "milliseconds as text"),
        ({"ts": str(US * 1000)}, US, "nanoseconds as text"),
        ({"timestamp": US // 10**3}, US, "the layout of the second version"),
        ({"t_utc_iso": "2025-11-03T15:00:00+00:00"}, US, "the layout in Python"),
        ({"wm_event_time_ms": US // 10**3}, US, "its other clock"),
        ({"ts": "yesterday", "timestamp": T}, US, "the first one that can be used"),
        ({"ts": None, "timestamp": T}, US, "null is no time"),
        ({"ts": T, "timestamp": 1}, US, "ts comes first"),
    ],
)
def test_a_time_is_understood(project: Project, keys: Row, us: int, why: str) -> None:
    assert _one(project, keys)["us"] == us


@pytest.mark.parametrize(
    "ts",
    [
        *(None, "", "yesterday", True, [], {}, [1762182000], -5, "-5", "NaN", "Infinity", "1e400"),
        *("2025-13-03T15:00:00Z", "2025-11-31T15:00:00Z", "2025-11-03T25:00:00Z", "infinity"),
        *(10**30, "2025-", "0x10", "1762182000Z"),
    ],
)
def test_a_line_without_a_usable_time_is_malformed(project: Project, ts: Any) -> None:
    first, second = sorted(project({"ts": ts, "id": "a"}, _event(id="b")), key=lambda r: r["id"])
    assert first["us"] is None
    assert (second["us"], second["id"]) == (US, "b")


CALL = {"act": "tool_call", "name": "x"}


FIELDS: list[tuple[Row, Row]] = [
    # identity
    ({"id": "01K"}, {"id": "01K"}),
    ({"id": 7}, {"id": "7"}),
    ({"id": ""}, {"id": None}),
    ({"id": {"a": 1}}, {"id": None}),
    (
        {"id": "{550e8400-e29b-41d4-a716-446655440000}", "conv_id": "[main] 7"},
        {"us": US, "id": "{550e8400-e29b-41d4-a716-446655440000}", "conv_id": "[main] 7"},
    ),
    ({}, {"id": None, "conv_id": None, "trace_id": None, "name": None, "error": None}),
    ({"conv_id": "c", "session_id": "s", "sessionId": "t"}, {"conv_id": "c"}),
    ({"session_id": "s", "sessionId": "t"}, {"conv_id": "s"}),
    ({"sessionId": "t"}, {"conv_id": "t"}),
    ({"conv_id": None, "sessionId": "t"}, {"conv_id": "t"}),
    ({"conv_id": 12}, {"conv_id": "12"}),
    ({"trace_id": "t"}, {"trace_id": "t"}),
    # which call
    ({"call_id": "k"}, {"call_id": "k"}),
    ({"tool_call_id": "k"}, {"call_id": "k"}),
    ({"iter": 3}, {"iter": 3}),
    ({"iteration": "4"}, {"iter": 4}),
    ({"turn_id": 2}, {"iter": 2}),
    ({"attempt": 1}, {"iter": 1}),
    ({"turn_id": "01KABC", "attempt": 6}, {"iter": 6}),
    ({"iter": 1e30}, {"iter": None}),
    # what was done, in the three layouts
    ({"act": "plan"}, {"act": "plan", "subject": "plan"}),
    ({"type": "plan"}, {"act": "plan"}),
    ({"action": "workspace_update"}, {"act": "workspace_update"}),
    ({"type": "autonomous_iteration", "act": "reflection"}, {"act": "reflection"}),
    ({"act": ["x"], "type": "plan"}, {"act": "plan"}),
    ({}, {"act": "event", "subject": "event"}),
    (CALL, {"act": "tool_call", "phase": "call", "subject": "tool_call/x", "actor": "tool"}),
    ({"act": "tool_execution_start", "name": "x"}, {"act": "tool_call", "phase": "start"}),
    ({"type": "tool_call_begin", "name": "x"}, {"act": "tool_call", "phase": "start"}),
    ({"act": "tool_execution_finish", "name": "x"}, {"phase": "end", "failed": False}),
    ({"type": "tool_call_end", "name": "x"}, {"phase": "end", "failed": False}),
    ({"act": "tool_execution_error", "name": "x"}, {"phase": "end", "failed": True}),
    ({"type": "tool_call_error", "name": "x"}, {"phase": "end", "failed": True}),
    ({"act": "tool_result", "name": "x"}, {"phase": "end", "failed": None}),
    ({"act": "message", "actor": "assistant"}, {"act": "assistant_response"}),
    ({"act": "message", "role": "Assistant"}, {"act": "assistant_response"}),
    ({"act": "message", "actor": "user"}, {"act": "message", "actor": "user"}),
    ({"act": "INPUT", "role": "user"}, {"act": "message", "actor": "user"}),
    ({"act": "TOOL_OUT", "role": "tool", "meta": {"tool": "shell"}}, {"name": "shell"}),
    (
        {"act": "assistant_response", "model": "gpt-oss-120b"},
        {"subject": "assistant_response/gpt-oss-120b", "model": "gpt-oss-120b"},
    ),
    (
        {"act": "assistant_response", "metadata": {"model": "m"}},
        {"subject": "assistant_response/m", "model": "m"},
    ),
    ({"act": "assistant_response"}, {"subject": "assistant_response", "actor": "assistant"}),
    # names
    ({"act": "tool_call", "tool": "t"}, {"name": "t", "subject": "tool_call/t"}),
    ({"act": "tool_call", "tool_name": "t"}, {"name": "t"}),
    ({"act": "recovery", "failed_tool": "t"}, {"name": "t"}),
    ({"act": "plan", "planned_tool": "t"}, {"name": "t"}),
    ({"act": "tool_call"}, {"name": None, "subject": "tool_call/unknown"}),
    ({"act": "tool_call", "name": {"a": 1}}, {"name": None}),
    # outcomes
    ({**CALL, "status": "ok"}, {"failed": False}),
    ({**CALL, "status": "Success"}, {"failed": False}),
    ({**CALL, "status": "completed"}, {"failed": False}),
    ({**CALL, "status": "error"}, {"failed": True}),
    ({**CALL, "status": " ERROR "}, {"failed": True}),
    ({**CALL, "status": "failed"}, {"failed": True}),
    ({**CALL, "status": "timeout"}, {"failed": True}),
    (CALL, {"failed": None}),
    ({**CALL, "status": None}, {"failed": None}),
    ({**CALL, "status": "warning"}, {"failed": None}),
    ({**CALL, "status": {"ok": True}}, {"failed": None}),
    ({**CALL, "status": 200}, {"failed": False, "error_type": None}),
    ({**CALL, "status": 399}, {"failed": False}),
    ({**CALL, "status": 400}, {"failed": True, "error_type": "http_400"}),
    ({**CALL, "status": 503}, {"failed": True, "error_type": "http_503"}),
    ({**CALL, "status": "503"}, {"failed": True, "error_type": "http_503"}),
    ({**CALL, "status": -1}, {"failed": None}),
    ({**CALL, "status": 1e30}, {"failed": True, "error_type": None}),
    ({"act": "stuck_detection", "status": "failed"}, {"failed": None}),
    # errors
    ({"act": "error", "message": "boom"}, {"failed": True, "error": "boom"}),
    ({"act": "error", "actor": "tool", "name": "x"}, {"subject": "tool_call/x"}),
    ({"type": "error", "error_code": "E1"}, {"error_type": "E1", "subject": "error/E1"}),
    ({"act": "reflection_error", "error": "e"}, {"failed": True, "error": "e"}),
    ({**CALL, "error_message": "no"}, {"error": "no", "failed": None}),
    ({**CALL, "error": {"code": 1}}, {"error": '{"code":1}'}),
    ({**CALL, "metadata": {"error": "no"}}, {"error": "no"}),
    ({**CALL, "error_type": "ENOENT"}, {"error_type": "ENOENT"}),
    ({"act": "message", "message": "hello"}, {"error": None}),
    (
        {"act": "upstream_error", "status": 503, "where": "chat_stream", "message": "bad"},
        {"subject": "upstream/chat_stream", "failed": True, "error": "bad"},
    ),
    ({"act": "upstream_error", "status": 503}, {"subject": "upstream/http_5xx"}),
    ({"act": "upstream_error", "status": "502"}, {"subject": "upstream/http_5xx"}),
    ({"act": "upstream_error", "status": 404}, {"subject": "upstream/http_4xx"}),
    ({"act": "upstream_error", "status": 429}, {"subject": "upstream/http_429"}),
    ({"act": "upstream_error", "status": 529}, {"subject": "upstream/http_529"}),
    ({"act": "upstream_error"}, {"subject": "upstream/unknown", "failed": True}),
    ({"act": "circuit", "status": 503, "where": "w"}, {"subject": "upstream/w"}),
    # people are neither slow nor wrong
    ({"act": "approval_response", "elapsed_ms": 6e4}, {"elapsed_ms": None}),
    ({"act": "approval_timeout", "status": "error"}, {"failed": None}),
    ({"act": "approval_cancelled", "status": "cancelled"}, {"cancelled": False}),
    ({"act": "checkpoint_resolved", "elapsed_ms": 6e4}, {"elapsed_ms": None}),
    ({**CALL, "status": "rejected"}, {"failed": None}),
    ({**CALL, "status": "error", "error_type": "user_rejected"}, {"failed": None}),
    ({**CALL, "status": "error", "error_type": "denied"}, {"failed": None}),
    # aborts
    ({"act": "user_abort"}, {"cancelled": True}),
    ({**CALL, "status": "cancelled"}, {"cancelled": True, "failed": None}),
    ({"act": "assistant_response", "finish_reason": "aborted"}, {"cancelled": True}),
    ({**CALL, "status": "ok"}, {"cancelled": False}),
    # numbers
    ({"elapsed_ms": 12.5}, {"elapsed_ms": 12.5}),
    ({"elapsed_ms": "12.5"}, {"elapsed_ms": 12.5}),
    ({"duration_ms": 9}, {"elapsed_ms": 9.0}),
    ({"total_elapsed_ms": 9}, {"elapsed_ms": 9.0}),
    ({"metadata": {"elapsed_ms": 9}}, {"elapsed_ms": 9.0}),
    ({"elapsed_ms": None, "duration_ms": 9}, {"elapsed_ms": 9.0}),
    ({"elapsed_ms": 0}, {"elapsed_ms": 0.0}),
    ({"elapsed_ms": -1}, {"elapsed_ms": None}),
    ({"elapsed_ms": "soon"}, {"elapsed_ms": None}),
    ({"elapsed_ms": "NaN"}, {"elapsed_ms": None}),
    ({"elapsed_ms": float("nan")}, {"elapsed_ms": None}),
    ({"elapsed_ms": float("inf")}, {"elapsed_ms": None}),
    ({"elapsed_ms": [1]}, {"elapsed_ms": None}),
    ({"input_tokens": 5, "output_tokens": "6"}, {"input_tokens": 5.0, "output_tokens": 6.0}),
    ({"tokens": {"input": 5, "output": 6}}, {"input_tokens": 5.0, "output_tokens": 6.0}),
    ({"reasoning_tokens": 2, "content_tokens": 3}, {"output_tokens": 5.0}),
    ({"input_tokens": -1, "tokens": 5}, {"input_tokens": None}),
    ({"cost_usd": "0.25"}, {"cost_usd": 0.25}),
    ({"service": "web"}, {"service": "web"}),
    # previews
    ({"args_preview": "ls"}, {"args_preview": "ls"}),
    ({"args_preview": {"path": "a"}}, {"args_preview": '{"path":"a"}'}),
    ({"result_preview": ["a"]}, {"result_preview": '["a"]'}),
    ({"content_preview": "hello"}, {"result_preview": "hello"}),
    ({"metadata": "text", "meta": [1], "tokens": "many"}, {"us": US, "model": None}),
    ({"service": "shop", "version": "1.9"}, {"version": "1.9", "service": "shop"}),
    ({"version": 2}, {"version": "2", "prompt": None}),
    ({"prompt_name": "plan", "prompt_version": 7, "prompt_hash": "a"}, {"prompt": "plan@7"}),
    ({"prompt_name": "plan"}, {"prompt": "plan"}),
    ({"prompt_hash": "0f3a"}, {"prompt": "0f3a"}),
    ({"prompt": "Say hello", "prompt_text": "Say hello"}, {"prompt": None}),
]


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The records of all of FIELDS, read together, because planning the statement takes longest."""
    return project_lines(
        World(tmp_path_factory.mktemp("fields")), *(_event(**k) for k, _ in FIELDS)
    )


@pytest.mark.parametrize("index", range(len(FIELDS)), ids=[repr(keys) for keys, _ in FIELDS])
def test_a_field_is_understood(fields: list[Row], index: int) -> None:
    row, expected = fields[index], FIELDS[index][1]
    assert row["us"] == US, "a value of a wrong type never makes the event invalid"
    assert {key: row[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("meaning", "spellings"),
    [
        ("stop", "stop STOP end_turn stop_sequence completed complete eos FINISH_REASON_STOP"),
        ("length", "length max_tokens MAX_TOKENS max-tokens max_output_tokens max_token"),
        ("length", "model_length model_context_window_exceeded incomplete FinishReason.MAX_TOKENS"),
        ("tool_calls", "tool_calls tool_call tool_use tool-calls function_call pause_turn"),
        ("content_filter", "content_filter content-filter SAFETY refusal RECITATION BLOCKLIST"),
        ("content_filter", "PROHIBITED_CONTENT SPII"),
        ("cancelled", "cancelled canceled aborted interrupted"),
        ("error", "error MALFORMED_FUNCTION_CALL"),
        ("other", "unheard_of 5"),
    ],
)
@pytest.mark.parametrize("under_metadata", [False, True])
def test_the_spellings_of_a_finish_reason(
    project: Project, meaning: str, spellings: str, under_metadata: bool
) -> None:
    words = spellings.split()
    keys = [{"finish_reason": word} for word in words]
    lines = [{"metadata": key} if under_metadata else key for key in keys]
    rows = project(*(_event(act="assistant_response", **line) for line in lines))
    assert {word: row["finish_reason"] for word, row in zip(words, rows, strict=True)} == (
        dict.fromkeys(words, meaning)
    )


@pytest.mark.parametrize("absent", [None, "", [], {}])
def test_a_finish_reason_that_is_not_told_is_not_guessed(project: Project, absent: Any) -> None:
    row = _one(project, _event(act="assistant_response", finish_reason=absent))
    assert row["finish_reason"] is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"continuation": True}, True),
        ({"continuation": "True"}, True),
        ({"continuation": 1}, True),
        ({"continuation": False}, False),
        ({"continuation": 0}, False),
        ({"continuation": "maybe"}, None),
        ({"metadata": {"continuation": True}}, True),
        ({"continuation": None, "metadata": {"continuation": False}}, False),
        ({}, None),
    ],
)
def test_a_continuation_is_told_at_the_top_or_under_metadata(
    project: Project, keys: Row, expected: bool | None
) -> None:
    assert _one(project, _event(act="assistant_response", **keys))["continuation"] is expected


def test_a_stream_of_output_is_no_event(project: Project) -> None:
    assert project(_event(type="tool_call_output_delta", name="x")) == []


def test_of_a_key_that_stands_twice_one_value_counts_and_the_line_is_kept(
    project: Project,
) -> None:
    row = _one(project, f'{{"ts": "{T}", "id": "a", "id": "b", "act": "plan"}}')
    assert row["us"] == US
    assert row["id"] in {"a", "b"}
    assert row["act"] == "plan"


@pytest.mark.parametrize(
    "bad",
    [
        *("garbage", "{", "[1, 2]", '"text"', "5", "null", "true", "{}{}", '{"ts": }'),
        f'{{"ts": "{T}"',
        f'[{{"ts": "{T}"}}]',
        f'{{"ts": "{T}"}}{{"ts": "{T}"}}',
        b'{"ts": "' + T.encode() + b'", "id": "\xff\xfe"}\n',
        b"\x00\x00\x00\x00\n",
        '{"ts": "' + T + '", "id": "\\ud800"}',
    ],
)
def test_a_line_that_is_no_object_is_one_malformed_line_and_its_neighbours_are_read(
    project: Project, bad: str | bytes
) -> None:
    rows = project(_event(id="a"), bad, _event(id="b"))
    assert sorted(row["id"] for row in rows if row["us"] is not None) == ["a", "b"]
    assert sum(row["us"] is None for row in rows) == 1


@pytest.mark.parametrize(
    ("data", "malformed", "why"),
    [
        (b'{"ts":"%s"}\r\n{"ts":"%s"}\r\n', 0, "lines that end as on Windows"),
        (b'{"ts":"%s"}\n\n   \n\t\n{"ts":"%s"}\n', 0, "blank lines"),
        (b'{"ts":"%s"}\n{"ts":"%s"}', 0, "no line end at the end"),
        (b'{"ts":"%s"}\n{"ts":"%s"}\n{"ts":"2025-11', 1, "a torn last line"),
    ],
)
def test_the_lines_of_a_file(project: Project, data: bytes, malformed: int, why: str) -> None:
    rows = project(data % (T.encode(), T.encode()))
    assert [row["us"] for row in rows].count(US) == 2
    assert [row["us"] for row in rows].count(None) == malformed


def test_nesting_without_end_is_one_value_and_no_crash(project: Project) -> None:
    deep = '{"ts": "' + T + '", "id": "d", "metadata": ' + "[" * 50_000 + "]" * 50_000 + "}"
    rows = project(deep, _event(id="b"))
    assert [row["id"] for row in rows if row["us"] is not None][-1] == "b"


def test_text_is_kept_as_it_was_written(project: Project) -> None:
    text = "\u202e\x1b[31m 'quoted' \"twice\" \\ \x00 ${x} %s 漢字 🧨"
    row = _one(project, json.dumps(_event(id="x", error=text, name=text, act="tool_call")))
    assert row["error"] == text
    assert row["name"] == text
    assert row["subject"] == "tool_call/" + text


def test_no_name_is_missed_in_whatever_line_it_comes_first(project: Project) -> None:
    """What nobody wrote so far is asked for as soon as somebody does."""
    lines = [_event(act="tool_call", name="grep"), *({"ts": T} for _ in range(50))]
    (*_, last) = project(*lines, _event(act="tool_call", tool_name="late", cost_usd=1))
    assert (last["name"], last["cost_usd"]) == ("late", 1)


@pytest.mark.parametrize("name", [r"n\u0061me", r"\u006e\u0061\u006D\u0065", r"nam\u0065"])
def test_a_name_may_be_written_with_numbers_for_letters(project: Project, name: str) -> None:
    row = _one(project, f'{{"ts": "{T}", "act": "tool_call", "{name}": "grep"}}')
    assert row["name"] == "grep"


def test_lines_without_any_name_are_malformed(project: Project) -> None:
    assert [row["us"] for row in project("{}", '{"x": 1}')] == [None, None]


def test_only_what_stands_in_the_lines_is_asked_for(world: World) -> None:
    """To plan all that writers may say takes longer than to read what few lines do."""
    projection = ContextLog(world.logs).projection()
    assert projection.narrowed is not None
    narrow = projection.narrowed(b'{"ts": 1, "act": "x"}\n{"act": "name"}\n')
    assert narrow.parameters["columns"].keys() == {"ts", "act", "name"}
    assert narrow.words == projection.words
    assert "cost_usd)" not in narrow.statement


@pytest.mark.parametrize(("envelope", "says"), ENVELOPES)
def test_a_line_may_say_that_a_call_failed_which_went_well(
    project: Project, envelope: Row, says: bool
) -> None:
    call = _event(act="tool_call_end", name="sh", result_preview="the index is being rebuilt")
    row = _one(project, call | envelope)
    assert bool(row["soft_failed"]) is says
    assert row["error"] == ("the index is being rebuilt" if says else None)


@pytest.mark.parametrize(
    "keys",
    [
        {"status": "error"},
        {"status": "cancelled"},
        {"status": "denied"},
        {"act": "assistant_response"},
    ],
)
def test_what_failed_or_was_stopped_did_not_go_well(project: Project, keys: Row) -> None:
    row = _one(project, _event(act="tool_call_end", name="sh", exit_code=2) | keys)
    assert not row["soft_failed"]
