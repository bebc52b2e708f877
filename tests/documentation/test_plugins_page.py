"""docs/plugins.md shows an analyzer that works, and all that can be asked."""

from __future__ import annotations

import inspect
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Workplace, response
from pages import Page, coded

from tgt import plugins
from tgt.engine.protocol import Snapshot
from tgt.events import CANONICAL, CONVERSATION

PAGE = Page("docs/plugins.md")
NAME = "long_answers"


RUN = ("run", "--json", "--now", NOW, "--analyzers", NAME)


@pytest.fixture
def site(tmp_path: Path) -> str:
    """Where the analyzer of the page is installed."""
    site = tmp_path / "site"
    metadata = site / "long_answers-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "long_answers.py").write_text(PAGE.block("analyzer"), encoding="utf-8")
    points = tomllib.loads(PAGE.block("entry-point"))["project"]["entry-points"]
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in named.items())
        for group, named in points.items()
    )
    (metadata / "entry_points.txt").write_text(text, encoding="utf-8")
    (metadata / "METADATA").write_text("Name: long-answers\nVersion: 1.0\n", encoding="utf-8")
    return str(site)


def write(workplace: Workplace, *lines: dict[str, Any]) -> None:
    logs = workplace.path / ".forgekeeper" / "context_log"
    logs.mkdir(parents=True)
    (logs / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(("tokens", "many"), [(3000, 1), (100, 0)])
def test_the_analyzer_of_the_page_makes_a_card_of_long_answers_only(
    workplace: Workplace, site: str, tokens: int, many: int
) -> None:
    write(
        workplace,
        *(response(n + 1, f"c{n}", model="m1", output_tokens=tokens) for n in range(30)),
        *(response(n + 1, f"d{n}", model="m2", output_tokens=3000) for n in range(5)),
    )
    done = workplace.tgt(*RUN, PYTHONPATH=site)
    assert (done.status, done.err) == (0, "")
    result = done.json["result"]
    cards = [(task["type"], task["subject"]) for task in result["tasks"]]
    assert cards == [(NAME, "assistant_response/m1")] * many
    (abstained,) = result["abstained"]
    assert (abstained["subject"], abstained["reason"]) == (
        "assistant_response/m2",
        "5 of 20 answers",
    )
    for task in result["tasks"]:
        evidence = workplace.tgt("show", task["id"], "--json").json["task"]["evidence"]
        assert evidence["current"] == "100.0%"
        why = workplace.tgt("show", task["id"], "--why", "--json").json["why"][task["id"]]
        assert "The steps: high above 50.0%, else medium. Measured was 100.0%." in why["severity"]
        assert "the share really lies above 25.0%" in why["confidence"]
        assert len(evidence["samples"]) == 3


def test_its_option_is_a_setting(workplace: Workplace, site: str) -> None:
    write(workplace, *(response(n + 1, f"c{n}", output_tokens=3000) for n in range(30)))
    done = workplace.tgt(*RUN, PYTHONPATH=site, TASKGEN_LONG_ANSWER_TOKENS="5000")
    assert (done.err, done.json["result"]["tasks"]) == ("", [])


def test_the_groups() -> None:
    groups = [coded(row[0])[0] for row in PAGE.table("groups")]
    assert groups == [plugins.ANALYZERS, plugins.SOURCES, plugins.ENGINES, plugins.NOTIFIERS]


def test_the_columns() -> None:
    for mark, columns in (("canonical", CANONICAL), ("conversation", CONVERSATION)):
        assert {coded(n)[0]: what for n, what in PAGE.table(mark)} == columns


def test_the_questions() -> None:
    public = [n for n, _ in inspect.getmembers(Snapshot, inspect.isfunction) if n[0] != "_"]
    assert sorted(coded(row[0])[0] for row in PAGE.table("questions")) == sorted(public)
