"""The server: the protocol on standard input and output, by the official SDK.

It knows which tools there are and how an answer is wrapped; what a tool does it is given. One call
is worked on at a time, beside the protocol, so that a client that asks whether anybody is there is
answered meanwhile. Nothing but the protocol goes to standard output: the SDK keeps that for itself
and leaves everybody else standard error.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from tgt import __version__, diagnostics
from tgt.errors import NotFoundError, TgtError
from tgt.mcp import answer
from tgt.mcp.tools import TOOLS, Arguments, agent, understood

Act = Callable[[str, Arguments, str], Mapping[str, Any]]
"""Does what a tool is for, given its name, its arguments and who calls, and answers with a JSON
object. Raises TgtError."""

INSTRUCTIONS = (
    "tgt watches the telemetry that LLM agents write and turns what goes wrong into a short list of"
    " tasks with evidence, a suggested fix and acceptance criteria. Begin with list_tasks, claim"
    " what you work on, and propose its completion when it is done; whether it is, a person or"
    f" telemetry decides. Every answer is marked as untrusted: {answer.NOTICE}"
)

_Context = ServerRequestContext[Any, Any]


def serve(act: Act, mask: answer.Mask) -> None:
    """Answer one client until it goes. ``mask`` takes credentials out of texts."""
    # The SDK reads standard input in a thread that no interrupt reaches. What is being written
    # bears an end at any point, as it bears a crash.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    log = logging.getLogger("mcp")
    log.addHandler(_Log())
    log.propagate = False
    try:
        anyio.run(_serve, _server(act, mask))
    except* BrokenPipeError:
        pass  # the client is gone: that is how it ends


class _Log(logging.Handler):
    """What the SDK has to say is one line each, of which nothing acts on a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            diagnostics.warn(record.getMessage())


async def _serve(server: Server[Any]) -> None:
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def _server(act: Act, mask: answer.Mask) -> Server[Any]:
    one_at_a_time = anyio.CapacityLimiter(1)

    async def offer(
        _context: _Context, _page: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_offered(name) for name in TOOLS])

    async def call(context: _Context, request: types.CallToolRequestParams) -> types.CallToolResult:
        work = partial(_called, act, request.name, request.arguments or {}, _client(context))
        answered, failed = await anyio.to_thread.run_sync(work, limiter=one_at_a_time)
        document = answer.document(answered, mask)
        return types.CallToolResult(
            content=[types.TextContent(text=answer.text(document))],
            structured_content=document,
            is_error=failed,
        )

    return Server(
        "tgt",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=offer,
        on_call_tool=call,
    )


def _offered(name: str) -> types.Tool:
    tool = TOOLS[name]
    return types.Tool(
        name=name,
        description=tool.description,
        input_schema=tool.arguments.model_json_schema(),
        annotations=types.ToolAnnotations(
            read_only_hint=not tool.changes, destructive_hint=False, open_world_hint=False
        ),
    )


def _client(context: _Context) -> str | None:
    """How the program that is connected calls itself."""
    parameters = context.session.client_params
    return None if parameters is None else parameters.client_info.name


def _called(
    act: Act, name: str, arguments_sent: dict[str, Any], client: str | None
) -> tuple[Mapping[str, Any], bool]:
    """What the tool answers, and whether it failed."""
    try:
        arguments = understood(name, arguments_sent)
        return act(name, arguments, agent(getattr(arguments, "agent", None) or client)), False
    except TgtError as problem:
        return _failure(problem), True
    except Exception as problem:  # noqa: BLE001 the boundary: one call fails, the server goes on
        return {"error": diagnostics.unexpected(problem)}, True


def _failure(problem: TgtError) -> dict[str, Any]:
    document: dict[str, Any] = {"error": str(problem)}
    if isinstance(problem, NotFoundError) and problem.candidates:
        document["candidates"] = [
            {"id": each.id, "title": each.title} for each in problem.candidates
        ]
        document["moreCandidates"] = problem.more
    return document
