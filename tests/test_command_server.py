"""Nothing tells a command that a server has started from one with an interpreter of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from command_server import Server
from conftest import Workplace

from tgt.store.journal import Journal


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("--version",), {}),
        (("list", "--help"), {}),
        (("list",), {}),
        (("list",), {"COLUMNS": "50"}),
        (("list", "--help"), {"COLUMNS": "50"}),
        (("list", "--json"), {"FGK_TASKS_DIR": "elsewhere"}),
        (("config",), {"TASKGEN_MAX_TASKS": "7"}),
        (("show", "01K9\udcff"), {}),
        (("frobnicate",), {}),
        (("run",), {}),
        (("config",), {"TASKGEN_MAX_TASKS": "many"}),
    ],
)
def test_it_says_the_same_and_ends_the_same(
    workplace: Workplace,
    card_data: Callable[..., dict[str, Any]],
    arguments: tuple[str, ...],
    environment: dict[str, str],
) -> None:
    workplace.write_journal(card_data())
    assert workplace.server is not None
    alone = replace(workplace, server=None)
    assert workplace.tgt(*arguments, **environment) == alone.tgt(*arguments, **environment)


def test_no_command_knows_of_the_one_before(workplace: Workplace) -> None:
    first = workplace.tgt("config", "--json", TASKGEN_MAX_TASKS="7")
    second = workplace.tgt("config", "--json")
    assert first.out != second.out
    assert second == replace(workplace, server=None).tgt("config", "--json")


def test_what_it_is_given_to_read_arrives(workplace: Workplace) -> None:
    """More than a pipe holds, also where nobody reads it."""
    workplace.write_journal({"id": "01A", "status": "generated"})
    result = workplace.tgt("approve", "-", stdin="01A\n")
    assert (result.status, result.err) == (0, "")
    assert workplace.tgt("list", stdin="x" * 1_000_000).status == 0


def test_one_that_does_not_end_is_ended(workplace: Workplace, server: Server) -> None:
    workplace.write_journal({"id": "01A", "status": "generated"})
    around = workplace.environment()
    with Journal(workplace.tasks).writing(), pytest.raises(subprocess.TimeoutExpired):
        server.run(["approve", "01A"], workplace.path, around, b"", 0.3)
    assert workplace.tgt("--version").status == 0, "and the next is not in its way"
