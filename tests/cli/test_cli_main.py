"""The command as a whole: shared options, help, exit statuses, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Workplace

from tgt import __version__

Card = Callable[..., dict[str, Any]]
COMMANDS = [
    "run",
    "list",
    "show",
    "approve",
    "dismiss",
    "complete",
    "reopen",
    "stats",
    "pause",
    "resume",
    "cleanup",
    "config",
]


def test_alone_it_shows_its_help(workplace: Workplace) -> None:
    alone, asked = workplace.tgt(), workplace.tgt("--help")
    assert (alone.status, alone.err) == (0, "")
    assert alone.out == asked.out
    for command in COMMANDS:
        assert f"\n  {command} " in alone.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_shared_options(workplace: Workplace, command: str) -> None:
    result = workplace.tgt(command, "--help")
    assert (result.status, result.err) == (0, "")
    for option in ("--json", "--now", "--env-file", "--no-color", "--help"):
        assert option in result.out


def test_the_value_of_an_option_may_be_called_like_a_command(workplace: Workplace) -> None:
    (workplace.path / "list").write_text("TASKGEN_MAX_TASKS=7\n", encoding="utf-8")
    told = workplace.tgt("--env-file", "list", "config", "--json").json["tgt"]
    assert told["maxTasks"] == 7
    assert workplace.tgt("--env-file=list", "config", "--json").json["tgt"] == told


@pytest.mark.parametrize("words", [["lis"], ["--json", "lis"], ["lis", "list"]])
def test_a_misspelled_command_is_told_what_was_meant(
    workplace: Workplace, words: list[str]
) -> None:
    result = workplace.tgt(*words)
    assert result.status == 2
    assert "No such command 'lis'. Did you mean 'list'?" in result.err


def test_version(workplace: Workplace) -> None:
    assert workplace.tgt("--version").out == f"tgt {__version__}\n"
    assert workplace.tgt("--version", "--json").json == {"version": __version__}


def test_shared_options_stand_before_or_after_the_command(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(card_data("A", status="dismissed"))
    (workplace.path / "my.env").write_text("FGK_TASKS_DIR=.forgekeeper/tasks\n")
    shared = ["--json", "--now", NOW, "--env-file", "my.env", "--no-color"]
    for arguments in (
        [*shared, "reopen", "A"],
        ["complete", "A", *shared],
        ["--json", "--now=" + NOW, "reopen", "--env-file=my.env", "A"],
        ["--now", "2020-01-01", "complete", "A", "--json", "--now", "2025-11-03T17:00:00+01:00"],
    ):
        result = workplace.tgt(*arguments)
        assert (result.status, result.err) == (0, ""), arguments
        assert result.json["tasks"][0]["updatedAt"] == NOW, arguments


def test_options_beat_the_environment_which_beats_the_file(workplace: Workplace) -> None:
    (workplace.path / ".env").write_text("TASKGEN_MAX_TASKS=3\nTASKGEN_WINDOW_MIN=5\n")
    told = workplace.tgt("config", "--json", TASKGEN_MAX_TASKS="4").json["tgt"]
    assert (told["maxTasks"], told["windowMinutes"]) == (4, 5)


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["frobnicate"], {}, "No such command 'frobnicate'; see tgt --help"),
        (["lst"], {}, "Did you mean"),
        (["list", "--frob"], {}, "No such option: --frob; see tgt list --help"),
        (["list", "--limit"], {}, "Option '--limit' requires an argument; see tgt --help"),
        (["list", "surplus"], {}, "see tgt list --help"),
        (["list", "--now", "soon"], {}, "--now='soon' is not usable: accepted is an ISO 8601"),
        (["--now", "2500-01-01", "list"], {}, "in the years 2000 to 2199"),
        (["list", "--env-file", "absent"], {}, "cannot read the settings file absent"),
        (["list"], {"TASKGEN_MAX_TASKS": "0"}, "TASKGEN_MAX_TASKS='0' is not usable: accepted"),
        (["run", "--window", "0"], {}, "TASKGEN_WINDOW_MIN='0' is not usable"),
        (["run", "--min-confidence", "2"], {}, "TASKGEN_MIN_CONFIDENCE='2' is not usable"),
        (["run", "--max-tasks", "x"], {}, "TASKGEN_MAX_TASKS='x' is not usable"),
        (["run", "--analyzers", "x"], {}, "TASKGEN_ANALYZERS='x' is not usable"),
    ],
)
def test_unusable_arguments_and_settings(
    workplace: Workplace, arguments: list[str], environment: dict[str, str], told: str
) -> None:
    plain = workplace.tgt(*arguments, **environment)
    assert (plain.status, plain.out) == (2, "")
    assert told in plain.err
    assert plain.err.startswith("tgt: ")
    assert plain.err.count("\n") == 1
    for words in (["--json", *arguments], [*arguments, "--json"]):
        if words[-2:] == ["--limit", "--json"]:
            continue  # there --json is the value that was missing
        machine = workplace.tgt(*words, **environment)
        assert machine.status == 2
        assert machine.err == f"tgt: {machine.json['error']}\n"
    assert not workplace.tasks.exists()


def test_json_without_a_command_is_an_error(workplace: Workplace) -> None:
    result = workplace.tgt("--json")
    assert result.status == 2
    assert set(result.json) == {"error"}


def test_what_follows_two_dashes_is_no_option(workplace: Workplace) -> None:
    result = workplace.tgt("show", "--", "--json")
    assert (result.status, result.out) == (3, "")


def test_messages_cannot_act_on_a_terminal(workplace: Workplace) -> None:
    result = workplace.tgt("show", "\x1b]0;owned\x07\u202e\udcff")
    assert result.status == 3
    assert "\x1b" not in result.err
    assert "\u202e" not in result.err


def test_priorities_for_the_journal_of_systemd(workplace: Workplace, card_data: Card) -> None:
    path = workplace.write_journal(card_data())
    path.write_bytes(path.read_bytes() + b"x\n")
    assert workplace.tgt("show", "zzz", JOURNAL_STREAM="8:1").err.startswith("<3>tgt: no such")
    assert workplace.tgt("list", JOURNAL_STREAM="8:1").err.startswith("<4>tgt: warning: ")


def _start(workplace: Workplace, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tgt", *arguments],
        cwd=workplace.path,
        env=workplace.environment(),
        stderr=subprocess.PIPE,
        **options,
    )


def test_a_reader_who_has_seen_enough_is_no_failure(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(*(card_data(f"{n:026}") for n in range(200)))
    reader, writer = os.pipe()
    os.close(reader)
    process = _start(workplace, "list", "--json", stdout=writer)
    os.close(writer)
    assert process.communicate()[1] == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_output_that_cannot_be_written_is_a_failure(workplace: Workplace) -> None:
    for arguments in (["config"], ["config", "--json"]):
        with Path("/dev/full").open("w") as full:
            process = _start(workplace, *arguments, stdout=full)
            err = process.communicate()[1].decode()
        assert process.returncode == 1
        assert err == (
            "tgt: cannot write to standard output: No space left on device; "
            "look at where it is redirected to\n"
        )


@pytest.mark.parametrize(
    ("closed", "status"), [(">&-", 1), ("2>&-", 0), ("<&-", 0), ("<&- >&- 2>&-", 1)]
)
def test_closed_streams_harm_no_file(
    workplace: Workplace, card_data: Card, closed: str, status: int
) -> None:
    path = workplace.write_journal(card_data())
    path.write_bytes(path.read_bytes() + b"not a card\n")
    before = path.read_bytes()
    command = f"{sys.executable} -m tgt list --json {closed}"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=workplace.path,
        env=workplace.environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == status
    assert (closed.startswith(">")) == (b"standard output: it is closed" in done.stderr)
    assert path.read_bytes() == before


def test_an_interrupt_is_quiet(workplace: Workplace) -> None:
    process = _start(workplace, "approve", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    # Standard input is read when the pipe has been emptied: only then is it worth interrupting.
    process.stdin.write(b"x" * 300_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_terminal_that_knows_only_ascii_shows_what_it_can(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(card_data(title="世界"))
    result = workplace.tgt("list", PYTHONIOENCODING="ascii")
    assert result.status == 0
    assert "??" in result.out


def test_an_unexpected_failure_is_one_line_without_content(
    workplace: Workplace, card_data: Card
) -> None:
    """A store made unusable in a way that no code expects: the module raises while it is read."""
    workplace.write_journal(card_data(title="secret"))
    (workplace.path / "sitecustomize.py").write_text(
        "import tgt.tasks.ledger\n"
        "def broken(*_):\n    raise RuntimeError('secret')\n"
        "tgt.tasks.ledger.overlay = broken\n"
    )
    result = workplace.tgt("show", "01", "--json", PYTHONPATH=str(workplace.path))
    assert result.status == 1
    assert result.json["error"].startswith("unexpected RuntimeError at sitecustomize.py:3")
    assert result.err.count("\n") == 1
    assert "TGT_DEBUG=1" in result.err
    debug = workplace.tgt("show", "01", PYTHONPATH=str(workplace.path), TGT_DEBUG="1")
    assert "in broken" in debug.err
    assert "secret" not in result.err + result.out + debug.err


def _complete(workplace: Workplace, words: str, **environment: str) -> list[str]:
    script = "_TGT_COMPLETE=complete_bash"
    done = subprocess.run(
        [sys.executable, "-c", "from tgt.cli import main; main()"],
        cwd=workplace.path,
        env=workplace.environment(
            COMP_WORDS=words,
            COMP_CWORD=str(len(words.split(" ")) - 1),
            **dict([script.split("=")]),
            **environment,
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_shell_completes_commands_and_open_tasks(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(
        card_data("01A", priority=1),
        card_data("01B", priority=2),
        card_data("01C", status="dismissed"),
        card_data("01$(rm -rf x)"),
    )
    assert _complete(workplace, "tgt app") == ["approve"]
    assert _complete(workplace, "tgt approve ") == ["01B", "01A"]
    assert _complete(workplace, "tgt show 01a") == ["01a"]
    assert _complete(workplace, "tgt show ", TASKGEN_MAX_TASKS="x") == []


def test_a_completion_script_is_offered(workplace: Workplace) -> None:
    result = workplace.tgt("--show-completion", SHELL="/bin/bash")
    assert "_TGT_COMPLETE" in result.out or result.status != 0


def test_json_is_one_ascii_document(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(card_data(title="世界\u2028", priority=float("inf")))
    out = workplace.tgt("list", "--json").out
    assert out.isascii()
    assert out.count("\n") == 1
    json.loads(out)
