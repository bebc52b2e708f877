"""``tgt triage`` in a real terminal: a person sends keys, and what was decided is written."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Workplace
from screens import cards, ids

Card = Callable[..., dict[str, Any]]
COMMAND = Path(sys.executable).with_name("tgt")
INSTALLED = [str(COMMAND)] if COMMAND.exists() else [sys.executable, "-m", "tgt"]
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")
DEFECT = """
from tgt.board import Board
from tgt.cli import main
def look(*_arguments):
    raise ValueError("a secret of the telemetry")
Board.look = look
main(["triage"])
"""


class Terminal:
    """A program at a terminal of its own, whose standard output is a pipe."""

    def __init__(
        self, place: Workplace, command: list[str], size: tuple[int, int] = (80, 24), **more: str
    ) -> None:
        self._ours, theirs = pty.openpty()
        columns, rows = size
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self._ours)
        around = place.environment(**{"TERM": "xterm-256color", **more})
        self.process = subprocess.Popen(
            command,
            cwd=place.path,
            env={name: value for name, value in around.items() if value},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        self.written = b""
        self._is_left = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while not self._is_left:
            try:
                if select.select([self._ours], [], [], 0.2)[0]:
                    self.written += os.read(self._ours, 65536)
            except OSError:  # the other end is closed
                return

    @property
    def text(self) -> str:
        return self.written.decode()

    def until(self, words: str) -> None:
        end = time.monotonic() + 60
        while words not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text):
            assert time.monotonic() < end, (words, self.text)
            time.sleep(0.02)

    def keys(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def hang_up(self) -> int:
        """Take the terminal away, and wait for the end: the exit status."""
        self._is_left = True
        self._reader.join(60)
        os.close(self._ours)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(60)

    def end(self) -> tuple[int, str]:
        """Wait for the end: the exit status, and what is on standard output."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            out = stream.read().decode()
        status = self.process.wait(60)
        self.after = termios.tcgetattr(self._ours)
        self._reader.join(60)
        os.close(self._ours)
        return status, out


DONE = (
    ("a", {"status": "approved", "approvedAt": NOW}),
    ("dnot ours\r", {"status": "dismissed", "dismissalReason": "not ours"}),
    ("z\r", {"status": "dismissed", "dismissedUntil": "2025-11-10T16:00:00.000Z"}),
    ("c", {"status": "completed", "completedAt": NOW}),
    ("oada\rj", {"status": "generated", "owner": "ada"}),
)
"""Keys, and what they make of the card under the cursor, which is left for the next."""


def test_thirty_tasks_are_triaged_by_keys_alone_however_fast_they_come(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(*cards(card_data, 30))
    screen = Terminal(workplace, [*INSTALLED, "--now", NOW, "triage", "--json"])
    screen.until("30 open tasks")
    for number in range(30):
        screen.keys(DONE[number % 5][0])
    screen.keys("u")  # a hand slipped: the last decision was wrong
    screen.keys("q")
    status, out = screen.end()
    assert status == 0, screen.text
    answer = json.loads(out)
    stored = workplace.tgt("show", *ids(30), "--json").json["tasks"]
    for number, card in enumerate(stored[:-1]):
        expected = DONE[number % 5][1]
        assert {key: card.get(key) for key in expected} == expected, number
    assert (stored[-1].get("owner"), stored[-1]["undone"]["text"]) == (None, "annotated: owner ada")
    assert {card["id"]: card for card in answer["tasks"]} == {card["id"]: card for card in stored}
    assert answer["message"] == (
        "6 tasks approved, 6 tasks dismissed, 6 tasks snoozed, 6 tasks completed,"
        " 5 tasks annotated, 1 task undone"
    )
    journal = (workplace.tasks / "generated_tasks.jsonl").read_text().splitlines()
    assert len(journal) == 30 + 30 + 1
    assert screen.after == screen.before, "the terminal is as it was"
    assert screen.text.rstrip().endswith("\x1b[?1004l")
    assert "\x1b[?1049l" in screen.text
    assert "\x1b[?1000h" not in screen.text, "the mouse stays the terminal's"


def test_without_colours_or_signs_and_ended_from_outside_all_is_written(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(*cards(card_data, 3))
    more = {"NO_COLOR": "1", "LC_ALL": "C"}
    screen = Terminal(workplace, [*INSTALLED, "triage"], (60, 20), **more)
    screen.until("3 open tasks")
    screen.keys(" j d")
    screen.until("Dismiss 2 tasks, because")
    screen.keys("later\r?")
    screen.until("take the last decision back")
    screen.process.send_signal(signal.SIGTERM)
    status, out = screen.end()
    assert (status, out) == (-signal.SIGTERM, "")
    assert not COLOUR.search(screen.text)
    assert screen.written.isascii()
    assert "\x1b[?1049l" in screen.text
    assert screen.after == screen.before
    listed = workplace.tgt("list", "--status", "dismissed", "--json").json["tasks"]
    assert [card["dismissalReason"] for card in listed] == ["later", "later"]


def test_it_ends_with_its_terminal_also_if_no_signal_says_so(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(*cards(card_data, 3))
    screen = Terminal(workplace, [*INSTALLED, "triage"])
    screen.until("3 open tasks")
    screen.keys("a ")
    screen.until("1 marked")  # which is shown after the decision was taken
    assert screen.hang_up() == -signal.SIGHUP
    assert workplace.tgt("list", "--status", "approved", "--json").json["count"] == 1


def test_ctrl_c_leaves_a_question_and_then_the_screen_and_says_what_was_decided(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(*cards(card_data, 2))
    screen = Terminal(workplace, [*INSTALLED, "triage"], TERM="vt100")
    screen.until("2 open tasks")
    screen.keys("a")
    screen.until("approved A000")
    screen.keys("e")
    screen.until("these are the samples of the card")
    screen.keys("q")
    screen.keys("dnever mind\x03\x03")
    status, out = screen.end()
    assert (status, out) == (0, f"approved  {ids(1)[0]}  problem 0\n")
    assert not COLOUR.search(screen.text), "a terminal of that name has no colours"


def test_a_defect_is_told_in_one_line_that_quotes_nothing(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(card_data())
    screen = Terminal(workplace, [sys.executable, "-c", DEFECT])
    status, out = screen.end()
    assert (status, out) == (1, "")
    told = screen.text.rpartition("\x1b[?1049l")[2]
    assert "unexpected ValueError" in told
    assert "this is a defect of tgt" in told
    assert "secret" not in screen.text
    assert screen.after == screen.before


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_without_a_terminal_it_says_so(
    workplace: Workplace, card_data: Card, arguments: list[str]
) -> None:
    workplace.write_journal(card_data())
    done = workplace.tgt("triage", *arguments)
    assert done.status == 2
    told = "the screen needs a terminal, and standard input is none; tgt list, show, approve"
    assert told in done.err
    assert done.err.count("\n") == 1
    assert (told in done.json["error"]) if arguments else not done.out


def test_on_a_terminal_that_cannot_place_its_cursor_it_says_so(workplace: Workplace) -> None:
    screen = Terminal(workplace, [*INSTALLED, "triage"], TERM="dumb")
    assert screen.end() == (2, "")
    assert "a terminal that can place its cursor" in screen.text
    assert "\x1b" not in screen.text


def test_a_filter_that_nobody_knows_is_refused_before_the_screen(workplace: Workplace) -> None:
    done = workplace.tgt("triage", "--severity", "huge")
    assert done.status == 2
    assert "--severity='huge' is not usable: accepted is" in done.err


def test_without_the_package_a_message_says_how_to_install_it(workplace: Workplace) -> None:
    absent = workplace.path / "absent"
    absent.mkdir()
    (absent / "textual.py").write_text("raise ImportError('there is none')\n")
    done = replace(workplace, server=None).tgt("triage", PYTHONPATH=str(absent))
    assert (done.status, done.out) == (1, "")
    assert "the package textual is not installed, or too old; install it with pip" in done.err
    assert "'tgt[tui]'" in done.err
    assert done.err.count("\n") == 1
