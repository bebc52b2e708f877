"""The screen and the terminal: what it is drawn with, how it ends, and where it cannot be shown.

It is drawn on standard error, so that standard output is free for what was decided. The terminal
keeps its own colours and its mouse, which selects text.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from textual.app import App
from textual.worker import WorkerFailed

from tgt.board import Board, Query
from tgt.errors import SettingsError
from tgt.output import ascii as ascii_of
from tgt.tui.lines import Drawn
from tgt.tui.triage import Around, Triage

_SWITCH_S = 0.0005
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_LOOK_S = 1.0


class TriageApp(App[None]):
    """``plain``: without colours. ``only_ascii``: without signs that not every terminal has."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: ansi_default; color: ansi_default; }"
    TITLE = "tgt"

    def __init__(
        self, board: Board, around: Around, query: Query, *, plain: bool, only_ascii: bool = False
    ) -> None:
        with _no_color(wanted=plain):
            super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self.ended_by: signal.Signals | None = None
        self.problem: BaseException | None = None
        Drawn.only_ascii = only_ascii
        self._triage = Triage(board, around, query, colour=not plain)

    def on_mount(self) -> None:
        self.push_screen(self._triage)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in _ENDING:
                loop.add_signal_handler(number, self._end_by, number)
            self.set_interval(_LOOK_S, self._end_with_the_terminal)

    def _end_with_the_terminal(self) -> None:
        """A terminal that is gone need not have sent a signal, and would be read for ever."""
        terminal = select.poll()
        terminal.register(sys.stdin, select.POLLHUP)
        if any(event & select.POLLHUP for _, event in terminal.poll(0)):
            self._end_by(signal.SIGHUP)

    def _end_by(self, number: signal.Signals) -> None:
        self.ended_by = number
        self.call_later(self.action_quit)

    async def action_quit(self) -> None:
        """End, as soon as what was decided is written."""
        await self._triage.finish()
        self.exit()

    def action_help_quit(self) -> None:
        """Ctrl-C ends it, as it ends everything else."""
        self.call_later(self.action_quit)

    def _fatal_error(self) -> None:
        """A defect is told by the command, which never quotes the values that were there."""
        failed = self._exception
        self.problem = failed.error if isinstance(failed, WorkerFailed) else failed
        self._close_messages_no_wait()


@contextmanager
def _no_color(*, wanted: bool) -> Iterator[None]:
    """The library looks at the variable alone, and once."""
    before = os.environ.pop("NO_COLOR", None)
    if wanted:
        os.environ["NO_COLOR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("NO_COLOR", None)
        if before is not None:
            os.environ["NO_COLOR"] = before


def run(board: Board, around: Around, query: Query, *, no_color: bool) -> None:
    """Show the screen until somebody ends it. Raises SettingsError where there is no terminal."""
    _must_be_terminal()
    plain = no_color or bool(os.environ.get("NO_COLOR")) or _is_monochrome()
    app = TriageApp(board, around, query, plain=plain, only_ascii=ascii_of.is_wanted())
    # The screen answers between two steps of whatever is read beside it.
    sys.setswitchinterval(_SWITCH_S)
    app.run(mouse=False)
    if app.problem is not None:
        raise app.problem
    if app.ended_by is signal.SIGINT:
        raise KeyboardInterrupt
    if app.ended_by is not None:
        signal.signal(app.ended_by, signal.SIG_DFL)
        signal.raise_signal(app.ended_by)


def _must_be_terminal() -> None:
    hint = "tgt list, show, approve and dismiss do the same without one"
    for stream, name in ((sys.stdin, "input"), (sys.stderr, "error")):
        if stream is None or not cast("TextIO", stream).isatty():
            raise SettingsError(
                f"the screen needs a terminal, and standard {name} is none", hint=hint
            )
    if os.environ.get("TERM", "dumb") in {"dumb", "unknown", ""}:
        raise SettingsError("the screen needs a terminal that can place its cursor", hint=hint)


def _is_monochrome() -> bool:
    """Whether the terminal says that it has no colours; one that nobody knows may have."""
    import curses

    try:
        curses.setupterm(fd=sys.stderr.fileno())
        return curses.tigetnum("colors") in range(-1, 2)
    except (curses.error, OSError):
        return False
