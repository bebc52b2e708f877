"""docs/sources.md says what the code does."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tgt.sources.mapping import COLUMNS, OPTIONS, WORDS, read
from tgt.sources.ndjson import Ndjson
from tgt.sources.otlp import SUFFIXES
from tgt.sources.reading import FileReading
from tgt.sources.spec import CLICKHOUSE, KINDS, parse

TEXT = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
PLAIN = " ".join(TEXT.split())


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_the_table_has_every_kind_of_source() -> None:
    rows = re.findall(r"^\| `([a-z-]+)[^|]*` \|", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted((*KINDS, CLICKHOUSE))


def test_every_value_of_the_setting_is_one() -> None:
    values = re.findall(r"TASKGEN_SOURCE=([^\s`]+)", TEXT)
    assert values
    for value in values:
        parse(value)


def test_the_columns_and_words_of_a_mapping() -> None:
    for name in (*COLUMNS, *OPTIONS):
        assert f"`{name}`" in PLAIN
    for name, words in WORDS.items():
        for word in words or ():
            assert f"`{word}`" in PLAIN, (name, word)


def test_the_endings_of_files() -> None:
    for ending in SUFFIXES:
        assert f"`{ending}`" in PLAIN


def test_its_configurations_can_be_parsed() -> None:
    for block in blocks("toml"):
        tomllib.loads(block)
    for block in blocks("json"):
        json.loads(block)


def test_links_within_the_page_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(#([^)]+)\)", TEXT):
        assert target in headings


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            {"event": "message_send", "time": 1762185600}
            | {"properties": {"main_model": "m", "prompt_tokens": 7, "cost": 0.5}},
            {"act": "assistant_response", "model": "m", "input_tokens": 7, "cost_usd": 0.5},
        ),
        (
            {"event": "message_send_starting", "properties": {}, "time": 1762185600},
            {"act": "message", "actor": "user", "service": "aider"},
        ),
    ],
)
def test_the_example_of_a_mapping(
    tmp_path: Path, line: dict[str, object], expected: dict[str, object]
) -> None:
    example = TEXT.split("<!-- mapping -->\n```toml\n")[1].split("```")[0]
    (tmp_path / "map.toml").write_text(example)
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n")
    source = Ndjson(tmp_path / "a.jsonl", read(tmp_path / "map.toml"))
    (file,) = source.listing().files
    (record,) = FileReading(source, file).outcomes()
    assert isinstance(record, dict)
    assert {key: record[key] for key in expected} == expected


def test_every_example_of_a_mapping_can_be_used(tmp_path: Path) -> None:
    mappings = [block for block in blocks("toml") if "[columns]" in block]
    assert len(mappings) == 2
    for block in mappings:
        (tmp_path / "map.toml").write_text(block)
        read(tmp_path / "map.toml")
