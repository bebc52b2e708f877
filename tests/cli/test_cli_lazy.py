"""The commands as a group: loaded when asked for, and parsed without a validation library."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, get_args

import pytest

from tgt.cli import command_line
from tgt.cli.lazy import COMMANDS
from tgt.cli.request import command

PLAIN: tuple[Any, ...] = (bool, str, str | None, list[str], list[str] | None)


def test_the_group_knows_its_commands_without_loading_them() -> None:
    group = command_line()
    assert group.list_commands(None) == list(COMMANDS)
    assert not any(group.commands.values())
    assert group.get_command(None, "list").name == "list"
    assert [name for name, loaded in group.commands.items() if loaded] == ["list"]
    assert group.get_command(None, "lis") is None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_is_a_flag_or_a_text(name: str) -> None:
    """Numbers, times and choices are checked by the command, which names the option and what it
    accepts; the parser takes values as they were typed."""
    module, function = COMMANDS[name]
    found = command(getattr(importlib.import_module(f"tgt.cli.{module}"), function))
    for parameter in inspect.signature(found).parameters.values():
        if parameter.name != "context":
            assert get_args(parameter.annotation)[0] in PLAIN, parameter
