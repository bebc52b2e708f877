"""Programs of the system that are asked or told something: systemctl, crontab."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """How a program ended; a status of None if it is missing or did not end."""

    status: int | None
    out: str = ""
    err: str = ""

    @property
    def reason(self) -> str:
        """Why it failed, in its own words, on one line."""
        return " ".join((self.err or self.out).split()) or f"exit status {self.status}"


def call(program: str, *arguments: str, stdin: str = "") -> Answer:
    """Run a program and wait for it. Never raises."""
    path = shutil.which(program)
    if path is None:
        return Answer(None, err=f"{program} is not installed")
    try:
        done = subprocess.run(  # noqa: S603 a fixed program of the system
            [path, *arguments],
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        return Answer(None, err=f"{program}: {failure}")
    out, err = (text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr))
    return Answer(done.returncode, out, err)


def own_command() -> tuple[str, ...]:
    """How this program is called by its whole path: the command beside this interpreter, else the
    one that is on the path, else the interpreter with the module."""
    beside = Path(sys.executable).with_name("tgt")
    if beside.is_file():
        return (str(beside),)
    command = shutil.which("tgt")
    return (str(Path(command).absolute()),) if command else (sys.executable, "-m", "tgt")
