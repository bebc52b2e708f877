"""An answer is the same however the agent that hands it on numbers and times it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tgt.sources.agent_records import without_ids
from tgt.sources.codex.outputs import written

CLEAN = "On branch main\nnothing to commit"


@pytest.mark.parametrize(
    "output",
    [
        CLEAN,
        f"Chunk ID: 0a1b2c\nWall time: 0.51 seconds\nProcess exited with code 0\nOutput:\n{CLEAN}",
        f"Chunk ID: ffe012\nWall time: 12.0 seconds\nProcess exited with code 0\nOutput:\n{CLEAN}",
        f"Exit code: 0\nWall time: 2 seconds\nOutput:\n{CLEAN}",
        json.dumps({"output": CLEAN, "metadata": {"exit_code": 0, "duration_seconds": 0.7}}),
        {"output": CLEAN, "metadata": {"exit_code": 0, "duration_seconds": 10.3}},
        [{"type": "input_text", "text": f"Wall time 1.1 seconds\nOutput:\n{CLEAN}"}],
        {"content": [{"type": "text", "text": CLEAN}]},
    ],
)
def test_what_codex_puts_around_an_output_is_none_of_it(output: Any) -> None:
    assert written(output) == CLEAN


@pytest.mark.parametrize(
    "output",
    [None, 7, {"rows": [1]}, [{"type": "image", "data": "x"}], "Wall clock\nOutput: x", "{broken"],
)
def test_what_has_no_such_header_is_left_as_it_is(output: Any) -> None:
    assert written(output) == output


def test_of_a_report_on_a_command_the_numbers_of_processes_are_left_out() -> None:
    report = f"Output: {CLEAN}\nExit Code: 1\nBackground PIDs: 12, 13\nProcess Group PGID: 99"
    assert without_ids(report) == f"Output: {CLEAN}\nExit Code: 1"
    said = f"Output: Process Group PGID: 1 is running\n{'x' * 700}\nExit Code: 1"
    assert without_ids(said) == said, "what the command wrote stays"
    assert without_ids(None) is None
