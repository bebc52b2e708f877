"""What a tool gave back may say that it failed, although the call went well."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tgt.sources.agent_records import SUCCEEDED, UNTOLD, Session
from tgt.sources.agents import says_failure

ENVELOPES: list[tuple[dict[str, Any], bool]] = [
    ({"isError": True}, True),
    ({"isError": "true"}, True),
    ({"isError": False}, False),
    ({"ok": False}, True),
    ({"success": "false"}, True),
    ({"success": "true"}, False),
    ({"success": 0, "failed": 3}, False),
    ({"exit_code": 2}, True),
    ({"exitCode": "1"}, True),
    ({"returncode": -9}, True),
    ({"returncode": "-15"}, True),
    ({"returncode": 0}, False),
    ({"returncode": "-0"}, False),
    ({"exit_code": False}, False),
    ({"exit_code": None}, False),
    ({"rows": []}, False),
    ({"ok": "0"}, False),
]


@pytest.mark.parametrize(
    ("envelope", "says"),
    [
        *ENVELOPES,
        ({"status": 503}, True),
        ({"status": 200}, False),
        ({"status": -500}, False),
        ({"exit_code": float("nan")}, False),
    ],
)
def test_what_an_envelope_says(envelope: dict[str, Any], says: bool) -> None:
    assert says_failure(envelope) is says
    assert says_failure(json.dumps(envelope)) is says


FAILURE = {"isError": True, "content": [{"type": "text", "text": "the index is being rebuilt"}]}


@pytest.mark.parametrize("result", [FAILURE, json.dumps(FAILURE), [{"text": json.dumps(FAILURE)}]])
def test_a_tool_of_a_server_may_say_that_it_failed(result: Any) -> None:
    session = Session("agent", "c")
    for record in (
        session.ended(1, "x", "mcp__jira__find", result, **SUCCEEDED),
        session.called(1, "x", "jira-find", None, result, added=True, **SUCCEEDED),
    ):
        assert (record["failed"], record["soft_failed"]) == (False, True)
        assert "the index is being rebuilt" in record["error"]


@pytest.mark.parametrize(
    ("tool", "result", "outcome"),
    [
        ("read_file", json.dumps(FAILURE), SUCCEEDED),
        ("mcp__jira__find", '{"isError": false}', SUCCEEDED),
        ("mcp__jira__find", json.dumps(FAILURE), UNTOLD),
        ("mcp__jira__find", None, SUCCEEDED),
    ],
    ids=["an agent's own tool", "it went well", "how it ended is not told", "nothing"],
)
def test_what_says_nothing_of_the_kind(tool: str, result: Any, outcome: dict[str, Any]) -> None:
    record = Session("agent", "c").ended(1, "x", tool, result, **outcome)
    assert not record.get("soft_failed")
