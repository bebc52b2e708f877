"""Commands tell at the end of long outputs what went wrong, or amid them: of every agent, templates
name it."""

from __future__ import annotations

from typing import Any

import pytest

from tgt.sources import agent_records, pi
from tgt.sources.claude_code.results import outcome
from tgt.sources.codex.outputs import ending
from tgt.templates import template

SAID = "\n".join(f"{n:04} rows were loaded from the table" for n in range(3000))
SAID += "\nmyapp.errors.LedgerError: the ledger is out of balance"
HEAD = "Chunk ID: 0a1b2c\nWall time: 1.0 seconds\nProcess exited with code 1\nOutput:\n"


PROGRESS = "\n".join(f"[{n}/9000] Building CXX object src/f{n}.o" for n in range(300))
AMID = f"{PROGRESS}\nFATAL: the ledger is out of balance\n{PROGRESS}"
PARTS = [{"type": "text", "text": SAID}]


def _columns(said: str) -> list[dict[str, Any]]:
    """What comes of a call that said so, for every agent."""
    parts = [{"type": "text", "text": said}]
    return [
        outcome({}, {"content": said, "is_error": True}, "Bash"),
        outcome({}, {"content": parts, "is_error": True}, "mcp__a__b"),
        ending(HEAD + said, "exec_command").columns(),
        dict(agent_records.failed(said)),
        dict(agent_records.exited(1, said)),
        dict(agent_records.reported(f"Output: {said}\nError: (none)\nExit Code: 1")),
        dict(pi._outcome({"isError": True}, parts)),
        dict(pi._outcome({"isError": True}, said)),
    ]


@pytest.mark.parametrize("agent", range(8))
def test_a_line_amid_a_long_output_names_the_error(agent: int) -> None:
    assert template(_columns(AMID)[agent]["error"]) == "FATAL: the ledger is out of balance"
    assert template(_columns(f"{PROGRESS}\n{PROGRESS}")[agent]["error"]) is None


def test_what_stands_at_the_ends_goes_before_what_stands_amid() -> None:
    said = f"{AMID}\n{PROGRESS}\nerror: no shop is open"
    assert template(agent_records.failed(said)["error"]) == "no shop is open"


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
        pi._outcome({"isError": True}, PARTS),
    ],
    ids=["claude", "claude-blocks", "codex", "failed", "exited", "reported", "pi"],
)
def test_the_end_of_a_long_output_names_the_error(columns: dict[str, Any]) -> None:
    assert template(columns["error"]) == "myapp.errors.LedgerError: the ledger is out of balance"


def test_a_command_that_went_well_has_no_error() -> None:
    assert "error" not in agent_records.exited(0, SAID)
    assert outcome({}, {"content": SAID}, "Bash").get("error") is None
