"""Who refuses or stops a call says it in many words; none of them is a failure of the tool."""

from __future__ import annotations

from typing import Any

import pytest

from tgt.sources import copilot
from tgt.sources.agent_records import INTERRUPTED, REFUSED, ended_badly
from tgt.sources.claude_code.results import outcome
from tgt.sources.codex.outputs import ending


@pytest.mark.parametrize(
    "said",
    [
        "User rejected",
        "Rejected by user",
        "The user rejected this tool call.",
        "Error: User denied execution.",
        "Command was denied by the user: rm -r build",
        "QuestionRejectedError: The user dismissed this question",
        "User did not approve the plan",
        "The user has not granted permission",
        "Permission denied by user",
        "Permission denied and could not request permission from user",
        "User chose not to run this",
        'Tool execution for "Shell" requires user confirmation, which is not supported in'
        " non-interactive mode.",
    ],
)
def test_a_refusal(said: str) -> None:
    assert ended_badly(said) == ended_badly(said, is_added=True) == REFUSED
    assert ended_badly([{"type": "text", "text": said}]) == REFUSED


@pytest.mark.parametrize(
    "said",
    [
        "aborted",
        "Cancelled.",
        "AbortError: aborted",
        "The operation was aborted.",
        "Tool execution was interrupted",
        "Command cancelled by user",
        "User cancelled the operation",
        "The execution of this tool, or a previous tool was interrupted.",
    ],
)
def test_a_stop(said: str) -> None:
    assert ended_badly(said) == INTERRUPTED


@pytest.mark.parametrize(
    ("said", "is_added"),
    [
        ("", False),
        ("Permission denied", False),
        ("EACCES: permission denied, open '/srv/x'", False),
        ("remote: rejected by users of the shop", False),
        ("Interrupted system call", False),
        ("the order was cancelled by the user of the shop", False),
        ("The build was aborted: 3 errors", False),
        ("The user does not exist", False),
        ("cancelled", True),
        ("requires user", False),
        ("error: run.py requires users", False),
    ],
)
def test_a_failure(said: str, is_added: bool) -> None:
    assert ended_badly(said, is_added=is_added)["failed"] is True


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("rejected", "user_rejected"),
        ("denied-by-rules", "user_rejected"),
        ("denied-interactively-by-user", "user_rejected"),
        ("denied_no_approval_rule_and_could_not_request_from_user", "user_rejected"),
        ("aborted", "interrupted"),
        ("failure", "tool_error"),
        ("deniedness", "deniedness"),
    ],
)
def test_the_words_of_copilot(code: str, error_type: str) -> None:
    said = copilot._outcome({"success": False, "error": {"code": code, "message": "x"}}, "bash")
    assert said["error_type"] == error_type


@pytest.mark.parametrize(
    ("said", "tool", "kind"),
    [
        ("The user denied this command", "exec_command", "user_rejected"),
        ("turn aborted", "exec_command", "interrupted"),
        ("Operation aborted by user", "apply_patch", "interrupted"),
        ("cancelled", "mcp__shop__order", None),
        ("cancelled orders: 3", "exec_command", None),
    ],
)
def test_the_words_of_codex(said: str, tool: str, kind: str | None) -> None:
    assert ending(said, tool).kind == kind


@pytest.mark.parametrize(
    ("said", "error_type"),
    [
        ("The user wants to clarify these questions.", "user_rejected"),
        ("User skipped the edit", "user_rejected"),
        ("Operation cancelled by user", "interrupted"),
        ("Tool permission request failed: AbortError", "interrupted"),
        ("Tool permission request failed: Error: Stream closed", "tool_error"),
        ("Exit code 1\nAbortError: The operation was aborted", "exit_code"),
    ],
)
def test_the_words_of_claude_code(said: str, error_type: str) -> None:
    told: dict[str, Any] = outcome({}, {"content": said, "is_error": True}, "Bash")
    assert told["error_type"] == error_type
