"""Commands tell at the end of long outputs what went wrong: of every agent, templates name it."""

from __future__ import annotations

from typing import Any

import pytest

from tgt.sources import agent_records
from tgt.sources.claude_code.results import outcome
from tgt.sources.codex.outputs import ending
from tgt.templates import template

SAID = "\n".join(f"{n:04} rows were loaded from the table" for n in range(3000))
SAID += "\nmyapp.errors.LedgerError: the ledger is out of balance"
HEAD = "Chunk ID: 0a1b2c\nWall time: 1.0 seconds\nProcess exited with code 1\nOutput:\n"


@pytest.mark.parametrize(
    "columns",
    [
        outcome({}, {"content": SAID, "is_error": True}, "Bash"),
        outcome(
            {},
            {"content": [{"type": "text", "text": SAID}], "is_error": True},
            "mcp__a__b",
        ),
        ending(HEAD + SAID, "exec_command").columns(),
        agent_records.failed(SAID),
        agent_records.exited(1, SAID),
        agent_records.reported(f"Output: {SAID}\nExit Code: 1"),
    ],
    ids=["claude", "claude-blocks", "codex", "failed", "exited", "reported"],
)
def test_the_end_of_a_long_output_names_the_error(columns: dict[str, Any]) -> None:
    assert template(columns["error"]) == "myapp.errors.LedgerError: the ledger is out of balance"


def test_a_command_that_went_well_has_no_error() -> None:
    assert "error" not in agent_records.exited(0, SAID)
    assert outcome({}, {"content": SAID}, "Bash").get("error") is None
