"""docs/json.md shows the documents that the commands write."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Workplace
from invented_problem import NOW, a_finding, write_log
from pages import COMMANDS, Page, coded

from tgt.mcp import answer
from tgt.outcome import Abstention, RunReport, SkipReason
from tgt.output import machine
from tgt.tasks import ledger
from tgt.tasks.card import new_card
from tgt.tasks.ledger import Action, Decision

PAGE = Page("docs/json.md")
SHELL = ("sh", "-euc")


MAPS = {"analyzers", "byStatus", "bySeverity", "byType", "byAnalyzer"}


def shape(value: Any, key: str = "") -> Any:
    """The keys of a document, however deep; of lists and maps by name those of the first item."""
    if isinstance(value, dict):
        if key in MAPS:
            return [shape(item) for item in list(value.values())[:1]]
        return {name: shape(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return "scalar"


def test_the_document_of_a_run() -> None:
    card = new_card(a_finding(), NOW)
    report = RunReport(
        "Analysis complete: 1 task saved",
        abstained=(Abstention("performance", "tool_call/git_diff", "11 of 20 calls"),),
        decisions=(Decision(a_finding(), Action.SAVE, ledger.NEW, card),),
        tasks=(card,),
    )
    assert shape(json.loads(PAGE.block("json: run"))) == shape(machine.run(report))


def test_the_example_of_a_run_adds_up() -> None:
    result = json.loads(PAGE.block("json: run"))["result"]
    parts = ("tasksSaved", "tasksSkipped", "tasksDeferred", "tasksReopened")
    assert result["tasksFiltered"] == sum(result[part] for part in parts)
    assert len(result["tasks"]) == result["tasksSaved"]


def test_the_outcomes_of_a_run() -> None:
    reports = [RunReport("", reason) for reason in SkipReason]
    reports += [RunReport("", rate_limited=True), RunReport("", dry_run=True)]
    documents = [*map(machine.run, reports), machine.run_failure("…")]
    outcomes = [json.loads("{" + coded(row[0])[0] + "}") for row in PAGE.table("outcomes")]
    assert len(outcomes) == len(documents)
    for outcome in outcomes:
        assert any(outcome.items() <= _scalars(d["result"]).items() for d in documents), outcome


def _scalars(document: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if not isinstance(v, list | dict)}


def test_the_document_of_the_statistics(
    workplace: Workplace, card_data: Callable[..., dict[str, Any]]
) -> None:
    workplace.write_journal(card_data(status="approved", approvedAt="2025-11-03T15:00:00.000Z"))
    document = workplace.tgt("stats", "--json", "--now", NOW.isoformat()).json
    assert shape(json.loads(PAGE.block("json: stats"))) == shape(document)


def test_the_keys_of_each_document(
    workplace: Workplace, card_data: Callable[..., dict[str, Any]]
) -> None:
    """By running each command but the demo, which takes its time, those that go on until somebody
    ends them, and the one that talks with agents: these have tests of their own."""
    card = card_data()
    workplace.write_journal(card)
    write_log(workplace.path, conversations=1, calls=1)
    keys_of = {
        coded(name)[0].removeprefix("tgt "): coded(keys) for name, keys in PAGE.table("documents")
    }
    assert list(keys_of.items())[-1] == ("demo", ["demo"])
    assert keys_of["watch"] == ["at", "change", "task"]
    assert keys_of["mcp"] == list(answer.document({}, str))
    alone = {"demo", "triage", "watch", "mcp"}
    keys_of = {name: keys for name, keys in keys_of.items() if name not in alone}
    assert {*keys_of, *alone} == set(COMMANDS)
    for name, keys in keys_of.items():
        tasks = [p for p in COMMANDS[name].params if p.metavar == "TASK"]
        needed = NEEDED.get(name, [])
        result = workplace.tgt(name, *([card["id"]] if tasks else []), *needed, "--json")
        assert list(result.json) == keys, name


NEEDED = {
    "init": ["--dry-run"],
    "backtest": ["--since", "1h"],
    "annotate": ["--owner", "ada"],
    "mute": ["upstream/*"],
    "unmute": ["upstream/*"],
    "mark": ["release 2.1"],
}
"""What a command does not go without."""


def prepare(workplace: Workplace, card_data: Callable[..., dict[str, Any]]) -> dict[str, str]:
    """A task, a log with something to abstain from, and ``tgt`` as of NOW on the path."""
    workplace.write_journal(card_data(severity="critical"))
    write_log(workplace.path, conversations=3, calls=2)
    program = workplace.path / "bin" / "tgt"
    program.parent.mkdir()
    stamp = NOW.isoformat()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tgt --now {stamp} "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{Path(shutil.which('jq') or '/usr/bin/jq').parent}:/usr/bin:/bin"
    return workplace.environment(PATH=path)


EXAMPLES = [line for line in PAGE.block("jq").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_with_jq_prints_something(
    example: str, workplace: Workplace, card_data: Callable[..., dict[str, Any]]
) -> None:
    environment = prepare(workplace, card_data)
    if shutil.which("jq") is None:
        first = example.partition("|")[0].removeprefix("tgt ").replace(" --json", "").split()
        document = json.dumps(workplace.tgt("--now", NOW.isoformat(), "--json", *first).json)
        program = example.split("'")[1]
        for key in re.findall(r"\.([a-zA-Z]+)", program):
            assert key in {"key", "value"} or f'"{key}": ' in document, key
        return

    done = subprocess.run(
        [*SHELL, example],
        cwd=workplace.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert "null" not in done.stdout
