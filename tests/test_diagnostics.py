"""Every way to fail has its status and one line on standard error, and leaves through one door."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tgt import diagnostics
from tgt.errors import (
    BusyError,
    Candidate,
    ExitStatus,
    NotFoundError,
    SettingsError,
    StoreError,
    TelemetryError,
    TgtError,
    TransitionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class _UsageError(Exception):
    """Stands for what the argument parser raises."""


Told = list[tuple[str, TgtError | None]]


def _run(problem: BaseException | None, saved: int = 0) -> tuple[int, Told]:
    told: Told = []

    def act() -> int:
        if problem is not None:
            raise problem
        return 0

    status = diagnostics.boundary(act, _UsageError, lambda *what: told.append(what), lambda: saved)
    return status, told


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (TgtError("x", hint="y"), ExitStatus.FAILED),
        (TelemetryError("x", hint="y"), ExitStatus.FAILED),
        (StoreError("x", hint="y"), ExitStatus.FAILED),
        (BusyError("x", hint="y"), ExitStatus.FAILED),
        (TransitionError("x", hint="y"), ExitStatus.FAILED),
        (SettingsError("x", hint="y"), ExitStatus.USAGE),
        (NotFoundError("x", hint="y"), ExitStatus.NOT_FOUND),
    ],
)
def test_an_expected_failure(
    problem: TgtError, status: ExitStatus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(problem) == (status, [("x; y", problem)])
    assert capsys.readouterr() == ("", "tgt: x; y\n")


def test_candidates_follow_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    candidates = (Candidate("A", "reads\nfail"), Candidate("B\x1b", ""))
    problem = NotFoundError("x", candidates=candidates, more=40)
    assert _run(problem)[1] == [("x", problem)]
    assert capsys.readouterr().err == ("tgt: x\n  A  reads\\nfail\n  B\\x1b\n  and 40 more\n")


def test_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(_UsageError("No such\noption.")) == (2, [("No such option; see tgt --help", None)])
    assert capsys.readouterr().err == "tgt: No such option; see tgt --help\n"


@pytest.mark.parametrize("problem", [RuntimeError("secret"), RecursionError(), MemoryError()])
def test_an_unexpected_failure_tells_where_and_not_what(
    problem: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TGT_DEBUG", raising=False)
    status, told = _run(problem)
    assert status == 1
    assert told[0][0].startswith(f"unexpected {type(problem).__name__} at test_diagnostics.py:")
    err = capsys.readouterr().err
    assert "secret" not in err
    assert err.count("\n") == 1


def test_success_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(None) == (0, [])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("saved", "told"),
    [(0, "nothing was saved"), (1, "1 task had been saved"), (3, "3 tasks had been saved")],
)
def test_who_interrupts_is_told_what_was_saved(
    saved: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(KeyboardInterrupt(), saved) == (130, [])
    assert capsys.readouterr() == ("", f"tgt: interrupted; {told}\n")


def test_an_interrupt_that_a_library_turns_into_an_error_is_still_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def act() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None
        return 0

    told: Told = []
    assert diagnostics.boundary(act, _UsageError, lambda *what: told.append(what)) == 130
    assert told == []
    assert capsys.readouterr() == ("", "tgt: interrupted; nothing was saved\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("say", "plain", "journald"),
    [
        (diagnostics.error, "tgt: a\\nb\n", "<3>tgt: a\\nb\n"),
        (diagnostics.warn, "tgt: warning: a\\nb\n", "<4>tgt: warning: a\\nb\n"),
        (diagnostics.info, "tgt: a\\nb\n", "<6>tgt: a\\nb\n"),
    ],
)
def test_a_message_is_one_line_with_its_priority(
    say: Callable[[str], None],
    plain: str,
    journald: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    say("a\nb")
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    say("a\nb")
    assert capsys.readouterr().err == plain + journald
