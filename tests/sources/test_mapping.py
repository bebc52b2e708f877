"""Mapping files that cannot be used, and TASKGEN_SOURCE as it is written.

What a mapping makes of records is held case by case (``test_truth.py``).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tgt.errors import SettingsError, TelemetryError
from tgt.sources.files import LogFile
from tgt.sources.mapping import read
from tgt.sources.ndjson import Ndjson
from tgt.sources.registry import listed_sources, open_sources
from tgt.sources.spec import Spec, parse

if TYPE_CHECKING:
    from conftest import Workplace


@pytest.mark.parametrize(
    ("promise", "mapping", "said"),
    [
        ("no TOML: the line is named", "[columns]\nts = = 1\n", "line 2"),
        ("no columns", "", "columns: a table of columns is needed"),
        ("no time", '[columns]\nact = "x"\n', "columns.ts: the time of a record is needed"),
        ("no such column", '[columns]\nts = "t"\ncolour = "x"\n', "columns.colour: no such column"),
        ("no such table", '[columns]\nts = "t"\n[colour]\n', "colour: there is only columns, act"),
        ("no path", '[columns]\nts = "a..b"\n', "columns.ts: 'a..b' is no path"),
        ("no path either", '[columns]\nts = "a[x]"\n', "columns.ts: 'a[x]' is no path"),
        ("a path of nothing", '[columns]\nts = ""\n', "columns.ts: '' is no path"),
        ("a path that is a number", "[columns]\nts = 17\n", "columns.ts: a path, a list of paths"),
        (
            "a path into every element",
            '[columns]\nts = "a[].b"\n',
            "columns.ts: 'a[].b' is no path",
        ),
        ("no name of a file", '[columns]\nts = {from = "size"}\n', "columns.ts: a constant is"),
        (
            "two ways at once",
            '[columns]\nts = {first = "a", from = "file"}\n',
            "columns.ts: a const",
        ),
        (
            "no path in the first object",
            "[columns]\nts = {first = 1}\n",
            "columns.ts: 1 is no path",
        ),
        ("no path to records", 'records = "a..b"\n[columns]\nts = "t"\n', "records: 'a..b' is no"),
        (
            "no zone",
            'zone = "Mars/Base"\n[columns]\nts = "t"\n',
            "zone: 'Mars/Base' is no time zone",
        ),
        ("no zone either", 'zone = 2\n[columns]\nts = "t"\n', "zone: 2 is no time zone"),
        ("a zone outside", 'zone = "../x"\n[columns]\nts = "t"\n', "zone: '../x' is no time zone"),
        (
            "no list of tools",
            'own_tools = "x"\n[columns]\nts = "t"\n',
            "own_tools: a list of names",
        ),
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


def test_zones_are_names_or_offsets(tmp_path: Path) -> None:
    for zone in ("Europe/Paris", "UTC", "+02:00", "-0530"):
        (tmp_path / "map.toml").write_text(f'zone = "{zone}"\n[columns]\nend = "t"\n')
        assert read(tmp_path / "map.toml").zone is not None


def test_a_key_is_a_key_whatever_it_is_called(tmp_path: Path) -> None:
    nasty = "a'); DROP TABLE records; --"
    (tmp_path / "map.toml").write_text(
        f'[columns]\nts = "at"\nname = {json.dumps(json.dumps(nasty))}\n'
    )
    source = Ndjson(tmp_path, read(tmp_path / "map.toml"))
    reader = source.reader(LogFile(str(tmp_path / "a.jsonl"), 1, 0, 0))
    (record,) = reader.take({"at": "2025-11-03T16:00:00Z", nasty: "x"}, 0)
    assert isinstance(record, dict)
    assert record["name"] == "x"


def test_another_mapping_is_another_source(tmp_path: Path) -> None:
    """What was read by it is read anew."""
    keys = set()
    for name in ("x", "y"):
        (tmp_path / "map.toml").write_text(f'[columns]\nts = "at"\nname = "{name}"\n')
        keys.add(Ndjson(tmp_path, read(tmp_path / "map.toml")).key)
    assert len(keys) == 2


# --- TASKGEN_SOURCE ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("contextlog", [Spec("contextlog")]),
        ("contextlog:/a b", [Spec("contextlog", Path("/a b"))]),
        (" Claude_Code , codex:/x ", [Spec("claude-code"), Spec("codex", Path("/x"))]),
        ("otlp:logs/otel.json", [Spec("otlp", Path("logs/otel.json"))]),
        ("ndjson:/x?map=/m.toml", [Spec("ndjson", Path("/x"), Path("/m.toml"))]),
        ("auto:~/t", [Spec("auto", Path("~/t"))]),
    ],
)
def test_sources_as_they_are_written(value: str, expected: list[Spec]) -> None:
    specs = parse(value)
    home = [replace(e, place=e.place and e.place.expanduser()) for e in expected]
    assert list(specs) == home
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
        "g.jsonl": {"ts": "2025-11-03T16:00:00Z", "type": "tool_call_end", "call_id": "x"},
        "h.jsonl": {"ts": "2025-11-03T16:00:00Z", "type": "anything"},
    }
    for name, line in first_lines.items():
        (tmp_path / name).write_text(json.dumps(line) + "\n")
    before = "2025-11-03T16:00:00.000Z stdout F "
    (tmp_path / "i.log").write_text(f'{before}{{"resourceSpans": []}}\n')
    (tmp_path / "j.log").write_text(f'{before}{{"ts": "x", "act": "message"}}\n')
    (tmp_path / "k.jsonl.bz2").write_text("x")
    listings = {
        source.kind: source.listing() for source in open_sources([Spec("auto", tmp_path)], tmp_path)
    }
    assert {
        kind: sorted(Path(file.path).name for file in listing.files)
        for kind, listing in listings.items()
    } == {
        "otlp": ["a.jsonl", "b.log", "i.log"],
        "codex": ["c.jsonl"],
        "claude-code": ["d.jsonl"],
        "contextlog": ["e.jsonl", "g.jsonl"],
    }
    not_read = [Path(path).name for each in listings.values() for path, _ in each.passed_over]
    assert not_read == ["k.jsonl.bz2"]


def test_a_place_with_nothing_known_is_refused_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert len(open_sources([Spec("auto", tmp_path)], tmp_path)) == 1
    (tmp_path / "f.jsonl").write_text('{"something": "else"}\n')
    with pytest.raises(TelemetryError, match="no known telemetry"):
        listed_sources(open_sources([Spec("auto", tmp_path)], tmp_path))
