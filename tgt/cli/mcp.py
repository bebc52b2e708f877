"""``tgt mcp``: the same for LLM agents."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tgt.cli.telemetry import OPTIONS, Source
from tgt.errors import TgtError

if TYPE_CHECKING:
    from tgt.cli.request import Request


def mcp(request: Request, *, source: Source = None) -> None:
    """Let LLM agents read tasks and propose what to do.

    Speaks the Model Context Protocol over standard input and output, for a program that starts it;
    docs/agents.md says how to add it to yours. Agents claim, annotate and propose; approving,
    dismissing and completing is up to people.
    """
    from tgt import diagnostics
    from tgt.cli.agent_tools import AgentTools

    settings = request.settings({"TASKGEN_SOURCE": source}, OPTIONS)
    try:
        from tgt.mcp.server import serve
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] == "tgt":
            raise
        raise TgtError(
            "the package mcp is not installed, or too old",
            hint=f"install it with pip install 'tgt[mcp]', or with {sys.executable} -m pip install"
            " 'mcp>=2'",
        ) from None
    if sys.stdin is not None and sys.stdin.isatty():
        diagnostics.info("waiting for a client of the Model Context Protocol; Ctrl-C ends it")
    serve(AgentTools(request, source).act, settings.masked)
