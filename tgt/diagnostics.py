"""Everything that goes to standard error, and the one place where failures become exit statuses.

Messages are one line each: nothing from telemetry acts on the terminal, and under systemd each
carries its priority. A report of an unexpected failure names places in the code, never the values
that were there.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from tgt.errors import ExitStatus, NotFoundError, TgtError
from tgt.output.safe import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

INTERRUPTED = 130
_ERROR, _WARNING, _INFO = 3, 4, 6
_TITLE = 120


def error(message: str) -> None:
    _say(_ERROR, f"tgt: {message}")


def warn(message: str) -> None:
    _say(_WARNING, f"tgt: warning: {message}")


def info(message: str) -> None:
    _say(_INFO, f"tgt: {message}")


def claim_streams() -> None:
    """Give closed standard streams to nowhere, so that no file of ours gets their numbers, and let
    a terminal that lacks a character show a question mark instead of failing."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _say(priority: int, message: str) -> None:
    # https://www.freedesktop.org/software/systemd/man/sd-daemon.html
    prefix = f"<{priority}>" if os.environ.get("JOURNAL_STREAM") else ""
    try:
        sys.stderr.write(f"{prefix}{safe(message)}\n")
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)  # it is broken: there is nobody left to tell
    except (ValueError, AttributeError):
        return  # it was closed, or never there


def failure(problem: TgtError) -> None:
    """One line for an expected failure, and below it the tasks that may have been meant."""
    error(str(problem))
    if isinstance(problem, NotFoundError):
        for candidate in problem.candidates:
            title = safe(candidate.title, limit=_TITLE)
            _say(_ERROR, f"  {safe(candidate.id, limit=_TITLE)}  {title}".rstrip())
        if problem.more:
            _say(_ERROR, f"  and {problem.more} more")


def unexpected(problem: BaseException) -> str:
    """Report a defect of tgt on standard error; its one line is returned.

    The text of the exception may hold telemetry, so it is left out; with ``TGT_DEBUG=1`` the
    places in the code follow.
    """
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    message = f"unexpected {type(problem).__name__}{place}"
    if os.environ.get("TGT_DEBUG", "") in {"", "0"}:
        error(f"{message}; this is a defect of tgt: run it again with TGT_DEBUG=1 and report it")
        return message
    error(f"{message}; this is a defect of tgt, please report the lines below")
    for frame in frames:
        _say(_ERROR, f"  {frame.filename}:{frame.lineno} in {frame.name}")
    return message


def boundary(
    action: Callable[[], int],
    usage_error: type[Exception],
    write_failure: Callable[[str, TgtError | None], None],
    saved: Callable[[], int] = lambda: 0,
) -> int:
    """Run ``action``; every exception becomes a message and an exit status.

    ``usage_error`` is what the argument parser raises; ``write_failure`` puts a failure's one line
    on standard output, where a machine listens there. Who interrupts is told how many tasks had
    been ``saved``.
    """
    expected: TgtError | None = None
    interrupts: list[int] = []
    try:
        with _interrupts_into(interrupts):
            return action()
    except BrokenPipeError:  # whoever read the output has seen enough: that is no failure
        _give_up(sys.stdout)
        return int(ExitStatus.OK)
    except KeyboardInterrupt:
        return _interrupted(saved())
    except TgtError as problem:
        failure(problem)
        status, message, expected = int(problem.status), str(problem), problem
    except usage_error as problem:
        message = _usage_message(problem)
        error(message)
        status = int(ExitStatus.USAGE)
    except Exception as problem:  # noqa: BLE001 the boundary: nobody sees a traceback by accident
        if interrupts:
            return _interrupted(saved())
        message = unexpected(problem)
        status = int(ExitStatus.FAILED)
    try:
        write_failure(message, expected)
    except BrokenPipeError:
        _give_up(sys.stdout)
    except OSError as problem:
        _give_up(sys.stdout)
        error(f"cannot write to standard output: {problem.strerror}")
    return status


def _interrupted(saved: int) -> int:
    tasks = "1 task had" if saved == 1 else f"{saved} tasks had"
    error(f"interrupted; {tasks} been saved" if saved else "interrupted; nothing was saved")
    return INTERRUPTED


@contextmanager
def _interrupts_into(seen: list[int]) -> Iterator[None]:
    """Note every interrupt, because a library may turn one into an error of its own."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # ignored, or somebody else's
        return

    def interrupt(number: int, _frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _usage_message(problem: Exception) -> str:
    """The parser's own words on one line, with the next thing to do."""
    words = getattr(problem, "format_message", problem.__str__)()
    context = getattr(problem, "ctx", None)
    where = context.command_path if context is not None else "tgt"
    return f"{' '.join(words.split()).rstrip('.')}; see {where} --help"


def _give_up(stream: TextIO) -> None:
    """Lose what a stream still holds: when the interpreter exits it would fail to write it a second
    time, complain, and exit with a status of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write_output(pieces: Sequence[str]) -> None:
    """Write an answer to standard output, whole. Raises TgtError where that fails."""
    from tgt.output import ascii as ascii_of  # messages need none of it

    if any(pieces) and cast("TextIO | None", sys.stdout) is None:
        raise TgtError("cannot write to standard output: it is closed")
    try:
        if any(pieces):
            wanted = ascii_of.is_wanted()
            sys.stdout.writelines(map(ascii_of.plain, pieces) if wanted else pieces)
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        _give_up(sys.stdout)
        raise TgtError(
            f"cannot write to standard output: {problem.strerror}",
            hint="look at where it is redirected to",
        ) from None


def is_read(seconds: float) -> bool:
    """Wait, and tell whether somebody may still read standard output: of a pipe that was closed
    nobody would hear before something is written to it."""
    if cast("TextIO | None", sys.stdout) is None:
        return False
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    return not watched.poll(seconds * 1000)


def write_error_document(document: Mapping[str, Any]) -> None:
    """The JSON form of a failure, on standard output."""
    from tgt.output.machine import dumps  # only where a machine listens

    if cast("TextIO | None", sys.stdout) is not None:
        sys.stdout.write(dumps(document))
        sys.stdout.flush()
