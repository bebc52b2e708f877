"""The command as a whole: shared options, help, exit statuses, and how it fails."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
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
    "annotate",
    "stats",
    "pause",
    "resume",
    "cleanup",
    "config",
]


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """Where each command has an interpreter of its own: how that begins is tested here, too."""
    return Workplace(tmp_path)


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
        (["list", "--wurble"], {}, "No such option: --wurble; see tgt list --help"),
        (["list", "--limit"], {}, "Option '--limit' requires an argument; see tgt --help"),
        (["list", "surplus"], {}, "see tgt list --help"),
        (["list", "--now", "soon"], {}, "--now='soon' is not usable: accepted is an ISO 8601"),
        (["--now", "2500-01-01", "list"], {}, "in the years 2000 to 2199"),
        (["list", "--env-file", "absent"], {}, "cannot read the settings file absent"),
        (["list"], {"TASKGEN_MAX_TASKS": "0"}, "TASKGEN_MAX_TASKS='0' is not usable: accepted"),
        (["run", "--window", "0"], {}, "--window='0' is not usable: accepted is a whole number"),
        (
            ["run", "--window", "2 moons"],
            {},
            "--window='2 moons' is not usable: accepted is a whole",
        ),
        (["run", "--min-confidence", "2"], {}, "--min-confidence='2' is not usable"),
        (["run", "--max-tasks", "x"], {}, "--max-tasks='x' is not usable"),
        (["run", "--analyzers", "x"], {}, "--analyzers='x' is not usable"),
        (["run"], {"TASKGEN_WINDOW_MIN": "0"}, "TASKGEN_WINDOW_MIN='0' is not usable"),
        (["run", "--window", "5"], {"TASKGEN_MAX_TASKS": "x"}, "TASKGEN_MAX_TASKS='x' is not"),
        (["--install-completion", "csh"], {}, "--install-completion='csh' is not usable: acc"),
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["show", "zzz"], 3), (["list", "--status", "odd"], 2), (["nothing"], 2), (["list"], 0)],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("lost", ["2>/dev/full", ">/dev/full", ">/dev/full 2>&1"])
def test_a_message_that_cannot_be_written_changes_no_exit_status(
    workplace: Workplace,
    card_data: Card,
    arguments: list[str],
    status: int,
    form: list[str],
    lost: str,
) -> None:
    path = workplace.write_journal(card_data())
    path.write_bytes(path.read_bytes() + b"not a card\n")  # list warns of it
    words = shlex.join([sys.executable, "-m", "tgt", *arguments, *form])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{words} {lost}"],
        cwd=workplace.path,
        env=workplace.environment(),
        capture_output=True,
        check=False,
    )
    answered = status == 0 and lost.startswith(">")
    assert done.returncode == (1 if answered else status)
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("closed", "status"), [(">&-", 1), ("2>&-", 0), ("<&-", 0), ("<&- >&- 2>&-", 1)]
)
@pytest.mark.parametrize("form", ["", "--json"])
def test_closed_streams_harm_no_file(
    workplace: Workplace, card_data: Card, closed: str, status: int, form: str
) -> None:
    path = workplace.write_journal(card_data())
    path.write_bytes(path.read_bytes() + b"not a card\n")
    before = path.read_bytes()
    command = f"{sys.executable} -m tgt list {form} {closed}"
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


def test_who_interrupts_is_told_what_was_saved(workplace: Workplace) -> None:
    process = _start(workplace, "approve", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    # Standard input is read when the pipe has been emptied: only then is it worth interrupting.
    process.stdin.write(b"x" * 300_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    told = b"tgt: interrupted; nothing was saved\n"
    assert (process.returncode, out, err) == (130, b"", told)


def test_a_change_is_durable_although_nobody_can_be_told(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(card_data("01KA"), card_data("01KB"))
    for closed, name, status in ((">&-", "01KA", 1), ("2>&-", "01KB", 0)):
        command = f"{sys.executable} -m tgt approve {name} {closed}"
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=workplace.path,
            env=workplace.environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == status
    assert workplace.tgt("list", "--status", "approved", "--json").json["count"] == 2


@pytest.mark.parametrize("place", ["/proc/x", "/proc/x/y/z", "/dev/null/x"])
def test_a_place_that_takes_no_directory_is_one_line(workplace: Workplace, place: str) -> None:
    result = workplace.tgt("pause", "--json", FGK_TASKS_DIR=place)
    assert result.status == 1
    assert result.json["error"].startswith("cannot create the directory")
    assert result.err == f"tgt: {result.json['error']}\n"


@pytest.mark.parametrize(
    "environment", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_the_c_locale_gets_charts_of_ascii(
    workplace: Workplace, card_data: Card, environment: dict[str, str]
) -> None:
    workplace.write_journal(card_data())
    for arguments in (["show", "01K"], ["show", "01K", "--format", "markdown"], ["stats"]):
        assert workplace.tgt(*arguments, **environment).out.isascii(), arguments
    assert (
        "by hour   __ .#  5 h, until just now; usual _, limit -"
        in workplace.tgt("show", "01K", "--now", NOW, LC_ALL="C").out
    )


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
    alone = replace(workplace, server=None)
    result = alone.tgt("show", "01", "--json", PYTHONPATH=str(workplace.path))
    assert result.status == 1
    assert result.json["error"].startswith("unexpected RuntimeError at sitecustomize.py:3")
    assert result.err.count("\n") == 1
    assert "TGT_DEBUG=1" in result.err
    debug = alone.tgt("show", "01", PYTHONPATH=str(workplace.path), TGT_DEBUG="1")
    assert "in broken" in debug.err
    assert "secret" not in result.err + result.out + debug.err


def test_json_is_one_ascii_document(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(card_data(title="世界\u2028", priority=float("inf")))
    out = workplace.tgt("list", "--json").out
    assert out.isascii()
    assert out.count("\n") == 1
    json.loads(out)
