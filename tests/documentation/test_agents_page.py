"""docs/agents.md tells what agents are offered, and how to start it."""

from __future__ import annotations

import json
import re

from pages import COMMANDS, Page, coded

from tgt.mcp import answer
from tgt.mcp.tools import TOOLS
from tgt.triage import MOST_NOTES_BY_AGENTS

PAGE = Page("docs/agents.md")


def test_the_tools_with_their_arguments() -> None:
    rows = {coded(row[0])[0]: row for row in PAGE.table("tools")}
    assert list(rows) == list(TOOLS)
    for name, (_, arguments, does, like) in rows.items():
        assert set(coded(arguments)) == set(TOOLS[name].arguments.model_fields)
        assert does
        assert {command.removeprefix("tgt ") for command in coded(like)} <= set(COMMANDS)


def test_every_configuration_starts_the_server() -> None:
    blocks = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", PAGE.text, re.DOTALL)]
    (server,) = blocks[0]["mcpServers"].values()
    assert [server["command"], *server["args"]] == ["tgt", "mcp"]
    assert blocks[1]["mcp"]["tgt"]["command"] == ["tgt", "mcp"]
    (argument,) = re.findall(r"--add-mcp '(.*)'", PAGE.text)
    assert [json.loads(argument)[key] for key in ("command", "args")] == ["tgt", ["mcp"]]


def test_the_limits() -> None:
    section = PAGE.section("What it may do")
    assert f"at most {MOST_NOTES_BY_AGENTS} notes by agents" in section
    section = PAGE.section("What is not to be trusted")
    assert f"at most {answer.MOST:,} characters" in section
