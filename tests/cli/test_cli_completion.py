"""What a shell is offered, in bash, zsh and fish; nothing of it is code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Workplace

Card = Callable[..., dict[str, Any]]
HOSTILE = "a`id`$(id)\\$(id)\"'; rm -rf * [x] {y} (z) | <b> & #c ~ \x1b[31m\n世界"


def _asked(workplace: Workplace, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from tgt.cli import main; main()"],
        cwd=workplace.path,
        env=workplace.environment(**environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line]


def _bash(workplace: Workplace, words: str, **environment: str) -> list[str]:
    return _asked(
        workplace,
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split(" ")) - 1),
        **{"_TGT_COMPLETE": "complete_bash", **environment},
    )


def _other(workplace: Workplace, shell: str, words: str, **environment: str) -> list[str]:
    return _asked(
        workplace,
        _TGT_COMPLETE=f"complete_{shell}",
        _TYPER_COMPLETE_ARGS=words,
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        **environment,
    )


@pytest.fixture
def tasks(workplace: Workplace, card_data: Card) -> Workplace:
    workplace.write_journal(
        card_data("01K94XYZ00A7T4AAAA", priority=1, title="reads fail"),
        card_data("01K94XYZ00A7T4BBBB", priority=2, title="writes: fail", subject="tool_call/w"),
        card_data("01K94XYZ00A7T4CCCC", status="dismissed"),
        card_data("01$(rm -rf x)"),
    )
    return workplace


def test_bash_is_shown_titles_and_given_ids(tasks: Workplace) -> None:
    """Bash inserts what all candidates begin with, so that several may show more than their ids."""
    assert _bash(tasks, "tgt approve ") == ["BBBB  high writes fail", "AAAA  high reads fail"]
    assert _bash(tasks, "tgt approve a") == ["aAAA"]
    assert _bash(tasks, "tgt show --json 01k94") == [
        "01k94XYZ00A7T4BBBB  high writes fail",
        "01k94XYZ00A7T4AAAA  high reads fail",
    ]
    assert _bash(tasks, "tgt approve ", COMP_TYPE="37") == ["BBBB", "AAAA"], "one after another"
    assert _bash(tasks, "tgt show tool_call/w") == ["tool_call/w"]
    assert _bash(tasks, "tgt show 01$") == []


def test_what_is_not_open_is_offered_to_be_reopened(tasks: Workplace) -> None:
    assert _bash(tasks, "tgt reopen ") == ["CCCC"]
    assert _bash(tasks, "tgt show c") == ["cCCC"], "or where no open one begins so"
    assert _bash(tasks, "tgt show ") == ["BBBB  high writes fail", "AAAA  high reads fail"]
    assert _bash(tasks, "tgt log b") == ["bBBB"]
    assert _bash(tasks, "tgt events a") == ["aAAA"]


def test_fish_and_zsh_are_given_titles_beside_the_ids(tasks: Workplace) -> None:
    assert _other(tasks, "fish", "tgt show ") == ["BBBB\thigh writes fail", "AAAA\thigh reads fail"]
    assert _other(tasks, "zsh", "tgt show ") == [
        '_arguments \'*: :(("BBBB":"high writes fail"',
        '"AAAA":"high reads fail"))\'',
    ]


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_no_title_is_code_for_a_shell(workplace: Workplace, card_data: Card, shell: str) -> None:
    workplace.write_journal(card_data("01KAAAA", title=HOSTILE), card_data("01KBBBB", title="b"))
    offered = "\n".join(
        _bash(workplace, "tgt show ") if shell == "bash" else _other(workplace, shell, "tgt show ")
    )
    assert "high a id id" in offered
    mine = offered.replace("_arguments '*: :((", "").replace("))'", "").replace('"', "")
    assert not set(mine) & set("`$\\'();*?[]{}|<>&#~!\x1b"), offered
    assert offered.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("tgt app", ["approve"]),
        ("tgt list --status ", ["open", "generated", "approved", "dismissed", "completed"]),
        ("tgt list --status dismissed,comp", ["dismissed,completed"]),
        ("tgt list --severity h", ["high"]),
        ("tgt list --type docu", ["documentation_gap"]),
        ("tgt list --type docs", ["docs_gap"]),
        ("tgt list --type retry", ["retry_loop"]),
        ("tgt list --sort ", ["priority", "age", "seen"]),
        ("tgt run --analyzers docs_gap,perf", ["docs_gap,performance"]),
        ("tgt run --analyzers docs_gap,ru", ["docs_gap,rules"]),
        ("tgt run --source con", ["contextlog"]),
        ("tgt sources --source con", ["contextlog"]),
        ("tgt show 01K --format m", ["markdown"]),
        ("tgt demo --as ", ["contextlog", "claude-code"]),
        ("tgt --install-completion ", ["bash", "zsh", "fish"]),
    ],
)
def test_the_words_of_options(workplace: Workplace, words: str, offered: list[str]) -> None:
    assert _bash(workplace, words) == offered


def test_rules_are_those_of_tasks(workplace: Workplace, card_data: Card) -> None:
    names = ("rules/slow-grep", "rules/$(id)", "docs_gap")
    workplace.write_journal(
        *(card_data(f"01K{n}", metadata={"analyzer": name}) for n, name in enumerate(names))
    )
    for command in ("list", "mute x"):
        assert _bash(workplace, f"tgt {command} --type docs_gap,ru") == ["docs_gap,rules/slow-grep"]


def test_owners_are_those_of_tasks(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(
        card_data("01KA", owner="ada"),
        card_data("01KB", owner="$(id)"),
        card_data("01KC", owner="alan", status="completed"),
        card_data("01KD"),
    )
    assert _bash(workplace, "tgt list --owner ") == ["ada", "alan"]
    assert _bash(workplace, "tgt annotate 01KD --owner al") == ["alan"]
    assert _bash(workplace, "tgt list --owner x") == []


def test_a_failure_offers_nothing(tasks: Workplace) -> None:
    assert _bash(tasks, "tgt show ", TASKGEN_MAX_TASKS="x") == []
    assert _bash(tasks, "tgt --env-file absent show ") == []
    (tasks.path / "my.env").write_text("FGK_TASKS_DIR=elsewhere\n", encoding="utf-8")
    assert _bash(tasks, "tgt --env-file my.env show ") == []


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".bash_completions/tgt.sh"),
        ("zsh", ".zfunc/_tgt"),
        ("fish", ".config/fish/completions/tgt.fish"),
    ],
)
def test_the_shell_that_is_named_is_the_one_that_completes(
    workplace: Workplace, shell: str, place: str
) -> None:
    home = workplace.path / "home"
    result = workplace.tgt("--install-completion", shell, SHELL="/bin/other")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"{shell} completes tgt from its next start on, by {home / place}")
    written = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert place in written
    assert {Path(name).name for name in written} <= {Path(place).name, ".bashrc", ".zshrc"}
    shown = workplace.tgt("--show-completion", shell).out
    assert shown.strip() == (home / place).read_text(encoding="utf-8").strip()
    assert "_TGT_COMPLETE" in shown


def test_where_no_shell_is_named_it_is_the_one_in_use(workplace: Workplace) -> None:
    """Which is the one that started this, or else that of the account."""
    result = workplace.tgt("--show-completion", SHELL="/bin/bash")
    assert "_TGT_COMPLETE" in result.out or "--show-completion=" in result.err


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_bash_itself_completes(tasks: Workplace) -> None:
    """The script in a real shell: one candidate is inserted alone, several show their titles."""
    script = tasks.tgt("--show-completion", "bash").out
    binary = tasks.path / "bin"
    binary.mkdir()
    (binary / "tgt").write_text(f'#!/bin/sh\nexec {sys.executable} -m tgt "$@"\n')
    (binary / "tgt").chmod(0o755)
    ask = (
        'COMP_WORDS=(tgt show "$1"); COMP_CWORD=2; COMP_TYPE=9; _tgt_completion tgt\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    for typed, offered in (
        ("", "BBBB  high writes fail\nAAAA  high reads fail\n"),
        ("B", "BBBB\n"),
    ):
        done = subprocess.run(
            ["/bin/bash", "--norc", "-c", script + ask, "bash", typed],
            cwd=tasks.path,
            env=tasks.environment(PATH=f"{binary}:{os.defpath}"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == offered, done.stderr
