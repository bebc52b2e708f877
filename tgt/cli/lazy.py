"""Commands that are loaded when they are asked for, and parameters that cost nothing to parse.

A group whose commands are modules is Click's documented way of not loading them all:
https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tgt.cli.request import command

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "init"),
    "run": ("run", "run"),
    "list": ("list_", "list_tasks"),
    "show": ("show", "show"),
    "events": ("events", "events"),
    "log": ("log", "log"),
    "verify": ("verify", "verify"),
    "approve": ("approve", "approve"),
    "dismiss": ("dismiss", "dismiss"),
    "complete": ("complete", "complete"),
    "reopen": ("reopen", "reopen"),
    "annotate": ("annotate", "annotate"),
    "mute": ("mute", "mute"),
    "unmute": ("mute", "unmute"),
    "mark": ("mark", "mark"),
    "triage": ("triage", "triage"),
    "watch": ("watch", "watch"),
    "notify": ("notify", "notify"),
    "mcp": ("mcp", "mcp"),
    "stats": ("stats", "stats"),
    "pause": ("pause", "pause"),
    "resume": ("pause", "resume"),
    "cleanup": ("cleanup", "cleanup"),
    "gate": ("gate", "gate"),
    "backtest": ("backtest", "backtest"),
    "rules": ("rules", "rules"),
    "config": ("config", "config"),
    "report": ("report", "report"),
    "sources": ("sources", "sources"),
    "doctor": ("doctor", "doctor"),
    "demo": ("demo", "demo"),
}
"""Of each command the module in ``tgt.cli`` and the function, in the order of the help."""


class PlainCommand(TyperCommand):
    """A command whose parameters are flags and texts."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _taken_as_typed(super().get_params(ctx))


class LazyGroup(TyperGroup):
    """The group of all commands, none of which is loaded before it is asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: dict[str, Any] = dict.fromkeys(COMMANDS)

    def get_params(self, ctx: Any) -> list[Any]:
        return _taken_as_typed(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 the signature is Click's
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 as above
        if cmd_name in COMMANDS and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _loaded(cmd_name)
        return self.commands.get(cmd_name)


def _loaded(name: str) -> Any:
    module, function = COMMANDS[name]
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    implementation = getattr(importlib.import_module(f"tgt.cli.{module}"), function)
    alone.command(name, cls=PlainCommand)(command(implementation))
    return typer.main.get_command(alone)


def _taken_as_typed(parameters: list[Any]) -> list[Any]:
    """Flags and texts need no conversion; to find that out, typer may load a validation library,
    which takes longer than all the rest of a small command. What a text means the command says."""
    for parameter in parameters:
        if not isinstance(parameter.process_value, partial):
            parameter.process_value = partial(_processed, parameter, parameter.process_value)
    return parameters


def _processed(
    parameter: Any, convert: Callable[[typer.Context, Any], Any], context: typer.Context, value: Any
) -> Any:
    many = parameter.multiple or parameter.nargs == -1
    if parameter.required and value in (None, (), []):
        return convert(context, value)  # which says what is missing
    if value is None and many:
        value = ()
    return value if parameter.callback is None else parameter.callback(context, parameter, value)
