"""Which services are told apart.

Subjects of several services are several: ``tool_call/search@billing``. Coding agents are one,
whatever the projects are that they work in: a tool of theirs is the same program everywhere, and
the sessions of one project alone are too few to judge.
"""

from __future__ import annotations

from collections.abc import Iterable

from tgt.sources.spec import AGENTS

_IN_TRACES = (
    *("codex_cli_rs", "codex_exec", "gemini-cli", "qwen-code", "github-copilot", "copilot-chat"),
    "goose",
)
"""How agents call themselves in OpenTelemetry, if otherwise than their files are called."""
_KIN = ("openclaw", "roo", "kilo", "zoo")
"""Agents that write as another one does."""
_AGENTS = (*AGENTS, *_KIN, *_IN_TRACES)
IS_AGENT = f"split_part(service, ':', 1) IN ({', '.join(map(repr, _AGENTS))})"
"""SQL for whether a service is a coding agent in some project, ``codex:website``."""


def is_agent(service: str | None) -> bool:
    """The same of one service."""
    return service is not None and service.partition(":")[0] in _AGENTS


def are_told_apart(services: Iterable[str]) -> bool:
    """Whether subjects carry their service: there are several, all coding agents being one. To have
    none is no service."""
    named = set(filter(None, services))
    others = {service for service in named if not is_agent(service)}
    return len(others) + (others != named) > 1
