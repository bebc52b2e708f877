"""docs/ci.md says what a job may rely on, and its recipes do what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from conftest import Workplace, before, call, hours_of
from pages import Page, coded

from tgt.cli.gate import FORMATS
from tgt.errors import ExitStatus
from tgt.judgeable import FEWEST_CONVERSATIONS, FEWEST_EVENTS

if TYPE_CHECKING:
    from conftest import Line

PAGE = Page("docs/ci.md")


def test_the_statuses() -> None:
    told = [int(row[0]) for row in PAGE.table("gate-statuses")]
    gate = (ExitStatus.OK, ExitStatus.PROBLEM_FOUND, ExitStatus.TOO_LITTLE, ExitStatus.DEGRADED)
    assert told == list(gate)


def test_the_formats() -> None:
    assert [coded(row[0])[0] for row in PAGE.table("gate-formats")] == list(FORMATS)


def test_what_is_too_little() -> None:
    words = f"no subject with {FEWEST_EVENTS} events in {FEWEST_CONVERSATIONS} conversations"
    assert words in PAGE.text


def _script(recipe: str) -> str:
    """The shell script of the step that asks."""
    match = re.search(r"^( +)run: \|\n((?:\1  .*\n)+)", PAGE.block(recipe) + "\n", re.MULTILINE)
    assert match
    return textwrap.dedent(match[2])


def _calls(minutes: float, conv: str, bad: bool) -> list[Line]:
    return [call(minutes, conv, status="error" if bad else "ok")]


@pytest.mark.parametrize(
    ("calls", "status", "exit_status"), [(30, "error", 10), (30, "ok", 0), (2, "ok", 0)]
)
def test_the_script_of_github_passes_on_what_the_gate_says(
    workplace: Workplace, calls: int, status: str, exit_status: int
) -> None:
    """Too little telemetry fails no job there."""
    log = workplace.path / "log"
    log.mkdir()
    now = [{**call(m, f"n{m}", status=status), "ts": before(m)} for m in range(1, calls + 1)]
    lines = [*hours_of(_calls, after=3), *now]
    (log / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    program = workplace.path / "bin" / "tgt"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m tgt --now 2025-11-03T16:00:00Z "$@"\n'
    )
    program.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", _script("github")],
        cwd=workplace.path,
        env=workplace.environment(
            PATH=f"{program.parent}:{os.defpath}",
            TASKGEN_SOURCE=f"contextlog:{log}",
            TASKGEN_ANALYZERS="error_spike",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (exit_status, "")
    assert ("::warning::too little telemetry" in done.stdout) == (calls < FEWEST_EVENTS)
    (run,) = json.loads((workplace.path / "tgt.sarif").read_text())["runs"]
    assert len(run["results"]) == (1 if exit_status else 0)


def test_gitlab_is_told_which_status_is_a_warning() -> None:
    assert f"exit_codes: {int(ExitStatus.TOO_LITTLE)} " in PAGE.block("gitlab")
    assert "reports:\n      junit: tgt.xml" in PAGE.block("gitlab")
    assert "> tgt.xml" in PAGE.block("gitlab")
