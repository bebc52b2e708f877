"""One line in the account's crontab, which is told from all others by its mark."""

from __future__ import annotations

import shlex

from tgt.setup import programs
from tgt.setup.job import Job, Outcome

MARK = "# by tgt init"
UNDO = (f"crontab -l | grep -v '{MARK}$' | crontab -",)
_NONE = "no crontab"


def is_there() -> bool:
    """Whether there is a crontab command that serves this account."""
    answer = programs.call("crontab", "-l")
    return answer.status == 0 or (answer.status is not None and _NONE in answer.err.lower())


def is_own() -> bool:
    """Whether the crontab has the line of an earlier time."""
    return any(map(_is_ours, _lines() or ()))


def line_of(job: Job) -> str:
    """The line. cron mails what a job prints, so a run that did its work says nothing."""
    minutes, hours = job.cadence
    when = f"*/{minutes} * * * *" if minutes else f"0 */{hours} * * *"
    words = " ".join(map(shlex.quote, job.words))
    command = (
        f"cd {shlex.quote(str(job.directory))} && out=$(nice -n 10 {words} 2>&1)"
        ' || printf \'tgt run: exit status %s\\n%s\\n\' "$?" "$out"'
    )
    return f"{when} {_escaped(command)} {MARK}".replace("\n", " ")


def _escaped(command: str) -> str:
    """cron reads a bare percent sign as a line break."""
    return command.replace("%", "\\%")


def install(job: Job) -> Outcome:
    """Add the line, or put it in the place of that of an earlier time; all others stay as they
    are."""
    lines = _lines()
    if lines is None:
        return Outcome(problem=f"cannot read the crontab: {programs.call('crontab', '-l').reason}")
    line = line_of(job)
    text = "the crontab of this account has the line"
    if [each for each in lines if _is_ours(each)] == [line]:
        return Outcome(text)
    wanted = [*(each for each in lines if not _is_ours(each)), line]
    answer = programs.call("crontab", "-", stdin="".join(f"{each}\n" for each in wanted))
    if answer.status != 0:
        return Outcome(problem=f"cannot write the crontab: {answer.reason}")
    return Outcome(text, changed=True)


def _is_ours(line: str) -> bool:
    return line.rstrip().endswith(MARK) and not line.lstrip().startswith("#")


def _lines() -> list[str] | None:
    """The lines of the crontab; None where it cannot be read."""
    answer = programs.call("crontab", "-l")
    if answer.status == 0:
        return answer.out.split("\n")[:-1] if answer.out.endswith("\n") else answer.out.split("\n")
    return [] if _NONE in answer.err.lower() else None
