"""Any JSON lines through a mapping file, and TASKGEN_SOURCE as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tgt.errors import SettingsError, TelemetryError
from tgt.sources.files import parts
from tgt.sources.mapping import read
from tgt.sources.ndjson import Ndjson
from tgt.sources.registry import open_sources
from tgt.sources.spec import Spec, parse
from tgt.sources.translated import SKIPPED

if TYPE_CHECKING:
    from conftest import Workplace

MAPPING = """
[columns]
ts = ["at", "time.sent"]
act = "event"
actor = "who"
phase = "step"
name = '"tool.name".short'
status = "result.code"
conv_id = "ids[0]"
call_id = "ids[1].call"
elapsed_s = "took"
finish_reason = "end"
error = "result.text"
error_type = "result.class"
model = "model"
input_tokens = "tokens.in"
cost_usd = "usd"
iter = "n"
service = {constant = "own"}

[act]
tool_call = ["tool_used", "tool_begun"]
assistant_response = "answer"
skip = ["heartbeat"]

[phase]
start = "begin"

[status]
error = ["bad", 7]
rejected = "no-thanks"

[finish_reason]
length = "full"
"""


def records(tmp_path: Path, *lines: Any, mapping: str = MAPPING) -> list[Any]:
    (tmp_path / "map.toml").write_text(mapping)
    logs = tmp_path / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "a.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = Ndjson(logs, read(tmp_path / "map.toml"))
    return [
        record
        for file in source.files()
        for part in parts(file)
        for record in source.translate(part)
    ]


AT = {"at": "2025-11-03T16:00:00Z"}
US = 1_762_185_600_000_000


@pytest.mark.parametrize(
    ("promise", "line", "expected"),
    [
        ("the first path that leads to a value counts", {"time": {"sent": 1762185600}}, {"us": US}),
        ("a time in milliseconds", {"at": 1762185600000}, {"us": US}),
        ("a constant", AT, {"service": "own"}),
        (
            "words are translated, whatever their case",
            {**AT, "event": "TOOL_USED", "result": {"code": "Bad"}},
            {"act": "tool_call", "actor": "tool", "failed": True},
        ),
        ("numbers too", {**AT, "result": {"code": 7}}, {"failed": True}),
        (
            "others have their usual meaning",
            {**AT, "result": {"code": "success"}},
            {"failed": False},
        ),
        (
            "an HTTP status as well",
            {**AT, "result": {"code": 503}},
            {"failed": True, "error_type": "http_503"},
        ),
        ("what nobody knows is not told", {**AT, "result": {"code": "blue"}}, {"failed": None}),
        ("a refusal is no failure", {**AT, "result": {"code": "no-thanks"}}, {"failed": None}),
        (
            "a key with dots",
            {**AT, "event": "tool_used", "tool.name": {"short": "ls"}},
            {"name": "ls", "subject": "tool_call/ls"},
        ),
        (
            "a place in a list",
            {**AT, "ids": ["c", {"call": "k"}]},
            {"conv_id": "c", "call_id": "k"},
        ),
        ("seconds become milliseconds", {**AT, "took": "1.5"}, {"elapsed_ms": 1500.0}),
        (
            "an end in the source's word, and in a usual one",
            {**AT, "event": "answer", "end": "FULL", "model": "m"},
            {"finish_reason": "length", "subject": "assistant_response/m", "name": "m"},
        ),
        ("", {**AT, "event": "answer", "end": "end_turn"}, {"finish_reason": "stop"}),
        (
            "a start is a start",
            {**AT, "event": "tool_begun", "step": "begin"},
            {"phase": "start", "act": "tool_call"},
        ),
        (
            "a value of a wrong type is none",
            {**AT, "took": {"x": 1}, "tokens": 3, "usd": -1, "n": "x", "ids": "c", "who": []},
            {"elapsed_ms": None, "input_tokens": None, "cost_usd": None, "conv_id": None}
            | {"iter": None, "actor": "system"},
        ),
    ],
)
def test_a_record(
    tmp_path: Path, promise: str, line: dict[str, Any], expected: dict[str, Any]
) -> None:
    (record,) = records(tmp_path, line)
    assert {key: record[key] for key in expected} == expected


def test_what_is_skipped_and_what_is_malformed(tmp_path: Path) -> None:
    skipped, untimed = records(tmp_path, {**AT, "event": "heartbeat"}, {"event": "answer"})
    assert skipped is SKIPPED
    assert untimed["us"] is None


@pytest.mark.parametrize(
    ("promise", "mapping", "said"),
    [
        ("no TOML: the line is named", "[columns]\nts = = 1\n", "line 2"),
        ("no columns", "", "columns: a table of columns is needed"),
        ("no time", '[columns]\nact = "x"\n', "columns.ts: the time of a record is needed"),
        ("no such column", '[columns]\nts = "t"\ncolour = "x"\n', "columns.colour: no such column"),
        ("no such table", '[columns]\nts = "t"\n[colour]\n', "colour: no such table"),
        ("no path", '[columns]\nts = "a..b"\n', "columns.ts: 'a..b' is no path"),
        ("no path either", '[columns]\nts = "a[x]"\n', "columns.ts: 'a[x]' is no path"),
        ("a path of nothing", '[columns]\nts = ""\n', "columns.ts: '' is no path"),
        ("a path that is a number", "[columns]\nts = 17\n", "columns.ts: a path, a list of paths"),
        (
            "a constant that is none",
            '[columns]\nts = "t"\nact = {constantly = "x"}\n',
            "columns.act: a constant is written as",
        ),
        (
            "a word that tgt does not know",
            '[columns]\nts = "t"\nstatus = "s"\n[status]\nfine = "x"\n',
            "status.fine: no such word; there are ok, error",
        ),
        (
            "one word for two things",
            '[columns]\nts = "t"\nstatus = "s"\n[status]\nok = "x"\nerror = ["y", "X"]\n',
            "status.error: 'X' is in two lists",
        ),
        (
            "words for a column that is not there",
            '[columns]\nts = "t"\n[status]\nok = "x"\n',
            "status: translates columns.status, which is not there",
        ),
    ],
)
def test_a_mapping_that_cannot_be_used(
    tmp_path: Path, promise: str, mapping: str, said: str
) -> None:
    path = tmp_path / "map.toml"
    path.write_text(mapping)
    with pytest.raises(SettingsError) as failure:
        read(path)
    assert said in str(failure.value)
    assert str(path) in str(failure.value)


def test_a_path_is_never_part_of_a_statement(tmp_path: Path) -> None:
    """Whatever a key is called, it is a key."""
    nasty = "a'); DROP TABLE records; --"
    (record,) = records(
        tmp_path,
        {**AT, nasty: "x"},
        mapping=f'[columns]\nts = "at"\nname = {json.dumps(json.dumps(nasty))}\n',
    )
    assert record["name"] == "x"


# --- TASKGEN_SOURCE ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("contextlog", [Spec("contextlog")]),
        ("contextlog:/a b", [Spec("contextlog", Path("/a b"))]),
        (" Claude_Code , codex:/x ", [Spec("claude-code"), Spec("codex", Path("/x"))]),
        ("otlp:logs/otel.json", [Spec("otlp", Path("logs/otel.json"))]),
        ("ndjson:/x?map=/m.toml", [Spec("ndjson", Path("/x"), Path("/m.toml"))]),
        ("auto:~/t", [Spec("auto", Path("~/t").expanduser())]),
    ],
)
def test_sources_as_they_are_written(value: str, expected: list[Spec]) -> None:
    specs = parse(value)
    assert list(specs) == expected
    assert parse(",".join(map(str, specs))) == specs


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            ",",
            "bogus",
            "otlp",
            "otlp:",
            "auto",
            "ndjson:/x",
            "ndjson:?map=y",
            "ndjson:/x?map=",
        ),
        *("otlp:/x?map=y", "ndjson:/x?mapping=y", "contextlog:\0"),
        "otlp:~nobody-of-this-name/x",
    ],
)
def test_what_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="comma-separated list of contextlog"):
        parse(value)


def test_a_bad_value_is_refused_before_any_work(workplace: Workplace) -> None:
    result = workplace.tgt("run", TASKGEN_SOURCE="otlp")
    assert result.status == 2
    assert "TASKGEN_SOURCE='otlp' is not usable" in result.err
    assert not workplace.tasks.exists()


def test_a_bad_mapping_too(workplace: Workplace) -> None:
    (workplace.path / "map.toml").write_text("[columns]\n")
    result = workplace.tgt("run", "--source", "ndjson:.?map=map.toml")
    assert result.status == 2
    assert "map.toml, columns: a table of columns is needed" in result.err


def test_a_place_that_is_not_there_is_named_with_its_setting(workplace: Workplace) -> None:
    result = workplace.tgt("run", "--source", "otlp:gone")
    assert result.status == 1
    assert "cannot read the telemetry in gone" in result.err
    assert "TASKGEN_SOURCE" in result.err


def test_files_are_recognised_by_what_they_hold(tmp_path: Path) -> None:
    first_lines = {
        "a.jsonl": {"resourceLogs": []},
        "b.log": {"hrTime": [1, 2], "attributes": {}},
        "c.jsonl": {"timestamp": "2025-11-03T16:00:00Z", "type": "session_meta", "payload": {}},
        "d.jsonl": {"type": "user", "sessionId": "s", "uuid": "u", "message": {}},
        "e.jsonl": {"ts": "2025-11-03T16:00:00Z", "act": "message"},
        "f.jsonl": {"something": "else"},
    }
    for name, line in first_lines.items():
        (tmp_path / name).write_text(json.dumps(line) + "\n")
    found = {
        source.kind: sorted(Path(file.path).name for file in source.files())
        for source in open_sources([Spec("auto", tmp_path)], tmp_path)
    }
    assert found == {
        "otlp": ["a.jsonl", "b.log"],
        "codex": ["c.jsonl"],
        "claude-code": ["d.jsonl"],
        "contextlog": ["e.jsonl"],
    }


def test_a_place_with_nothing_known_is_refused_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert len(open_sources([Spec("auto", tmp_path)], tmp_path)) == 1
    (tmp_path / "f.jsonl").write_text('{"something": "else"}\n')
    with pytest.raises(TelemetryError, match="no known telemetry"):
        open_sources([Spec("auto", tmp_path)], tmp_path)
