"""docs/commands.md says what ``tgt --help`` says."""

from __future__ import annotations

import re

import pytest
from conftest import Workplace
from pages import COMMANDS, SHARED_OPTIONS, Page, coded, long_names, options

from tgt.errors import ExitStatus

PAGE = Page("docs/commands.md")


def test_the_commands_with_their_summaries() -> None:
    rows = {coded(usage)[0].split()[1]: does for usage, does in PAGE.table("commands")}
    assert rows == {name: command.get_short_help_str(200) for name, command in COMMANDS.items()}
    assert list(rows) == list(COMMANDS), "in the order of tgt --help"


def test_the_summaries_fit_into_the_help(workplace: Workplace) -> None:
    help_text = workplace.tgt("--help").out
    for usage, does in PAGE.table("commands"):
        line = rf"^ +{coded(usage)[0].split()[1]} +{re.escape(does)}$"
        assert re.search(line, help_text, re.MULTILINE), usage


@pytest.mark.parametrize("usage", [coded(row[0])[0] for row in PAGE.table("commands")])
def test_the_options_and_arguments_of_a_command(usage: str) -> None:
    name = usage.split()[1]
    assert set(re.findall(r"--[a-z-]+", usage)) == options(name) - SHARED_OPTIONS - {"--help"}
    arguments = [p for p in COMMANDS[name].params if p.param_type_name == "argument"]
    tasks = [p for p in arguments if p.metavar == "TASK"]
    assert ("TASK" in usage) == bool(tasks)
    assert ("TASK…" in usage) == any(p.nargs == -1 for p in tasks)


def test_the_shared_options() -> None:
    meanings = {coded(option)[0]: meaning for option, meaning in PAGE.table("shared-options")}
    for command in COMMANDS.values():
        own = {n: p.help for p in command.params for n in long_names(p) if n in SHARED_OPTIONS}
        assert own == meanings


def test_the_exit_statuses() -> None:
    assert [int(row[0]) for row in PAGE.table("exit-statuses")] == sorted(ExitStatus)
