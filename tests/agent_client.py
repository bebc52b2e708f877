"""An agent's program, as the official client of the protocol has it, and the real server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from conftest import NOW, Workplace
from mcp import Client, StdioServerParameters, types
from mcp.client.stdio import stdio_client

NAME = "claude-code"


@dataclass(frozen=True)
class Agent:
    """A client that is connected to ``tgt mcp`` in a workplace."""

    client: Client
    portal: BlockingPortal

    def ask(self, tool: str, **arguments: Any) -> types.CallToolResult:
        result: types.CallToolResult = self.portal.call(self.client.call_tool, tool, arguments)
        return result

    def told(self, tool: str, **arguments: Any) -> Any:
        """The document of a call that succeeds."""
        result = self.ask(tool, **arguments)
        assert not result.is_error, result.structured_content
        return result.structured_content

    def refused(self, tool: str, **arguments: Any) -> str:
        """The reason of a call that fails."""
        result = self.ask(tool, **arguments)
        assert result.is_error
        assert isinstance(result.structured_content, dict)
        return str(result.structured_content["error"])

    def tools(self) -> dict[str, types.Tool]:
        return {tool.name: tool for tool in self.portal.call(self.client.list_tools).tools}


@contextmanager
def connected(
    workplace: Workplace, *options: str, name: str = NAME, mode: str = "legacy", **around: str
) -> Iterator[Agent]:
    """``legacy`` is the handshake by which a client says its name when it begins."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "tgt", "--now", NOW, "mcp", *options],
        env=workplace.environment(**around),
        cwd=workplace.path,
    )
    with ExitStack() as stack:
        errors = stack.enter_context((workplace.path / "stderr").open("w"))
        portal = stack.enter_context(start_blocking_portal())
        info = types.Implementation(name=name, version="1")
        client = Client(stdio_client(server, errlog=errors), client_info=info, mode=mode)
        stack.enter_context(portal.wrap_async_context_manager(client))
        yield Agent(client, portal)
