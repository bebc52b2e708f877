"""On a real terminal: colours where they are wanted, and a display of what a run is doing."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace

Card = Callable[..., dict[str, Any]]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

PROGRESS = """
from tgt.output import progress
with progress.display() as show:
    assert show is not None
    show("reading \\x1b[31mhour 1", 0.5)
    show("judging", None)
"""


def _on_terminal(workplace: Workplace, *arguments: str, **environment: str) -> str:
    """All that ``python ARGUMENTS`` writes to a terminal of its own, 80 columns wide."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=workplace.path,
        env=workplace.environment(**{"TERM": "xterm-256color", "COLUMNS": "80", **environment}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        written += part
    os.close(ours)
    assert process.wait() == 0, written
    return written.decode().replace("\r\n", "\n")


@pytest.fixture
def one(workplace: Workplace, card_data: Card) -> Workplace:
    workplace.write_journal(card_data(title="a \x1b[5mtitle"))
    return workplace


@pytest.mark.parametrize("command", [["show", "01K94"], ["stats"], ["config"]])
def test_colour_adds_nothing_but_colour(one: Workplace, command: list[str]) -> None:
    coloured = _on_terminal(one, "-m", "tgt", *command, "--now", NOW)
    plain = one.tgt(*command, "--now", NOW).out
    assert ESCAPE.search(coloured)
    stripped = "\n".join(line.rstrip() for line in ESCAPE.sub("", coloured).splitlines())
    assert stripped == plain.rstrip("\n")
    assert {match[-1] for match in ESCAPE.findall(coloured)} == {"m"}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--no-color"], {}),
        ([], {"NO_COLOR": "1"}),
        ([], {"TERM": "dumb"}),
        ([], {"NO_COLOR": "1", "FORCE_COLOR": "1"}),
    ],
)
def test_no_colour_where_it_is_not_wanted(
    one: Workplace, arguments: list[str], environment: dict[str, str]
) -> None:
    shown = _on_terminal(one, "-m", "tgt", "list", *arguments, **environment)
    assert "\x1b" not in shown


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"])
def test_a_pipe_is_never_coloured(one: Workplace, variable: str) -> None:
    assert "\x1b" not in one.tgt("list", **{variable: "1"}).out


def test_json_on_a_terminal_is_plain(one: Workplace) -> None:
    assert "\x1b" not in _on_terminal(one, "-m", "tgt", "--json", "list")


def test_progress_shows_on_a_terminal_and_is_gone_afterwards(workplace: Workplace) -> None:
    shown = _on_terminal(workplace, "-c", PROGRESS)
    assert "judging" in shown
    assert "\x1b[31mhour" not in shown
    assert shown.rstrip("\n").endswith(("\x1b[2K", "\x1b[?25h")), "the line is cleared"


def test_progress_shows_nothing_on_a_dumb_terminal(workplace: Workplace) -> None:
    script = PROGRESS.replace("is not None", "is None").split("    show(")[0]
    assert _on_terminal(workplace, "-c", script, TERM="dumb") == ""
