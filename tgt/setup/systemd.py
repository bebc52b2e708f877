"""A timer of the account's own service manager, made from the units that come with tgt."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import tgt
from tgt.errors import StoreError
from tgt.setup import programs
from tgt.setup.job import Job, Outcome
from tgt.store import fsio

TIMER = "tgt.timer"
_SERVICE = "tgt.service"
_NOTIFY = "tgt-notify.service"
_FAILURE = "tgt-failure@.service"
_UNITS = {
    _SERVICE: f"user/{_SERVICE}",
    TIMER: TIMER,
    _FAILURE: _FAILURE,
    _NOTIFY: f"user/{_NOTIFY}",
}
"""The units by name, and where each lies among those that come with tgt. The one that may use the
network is put beside the others and not enabled: that is for whoever wants to be told."""
_MARK = "# Written by tgt init; changes belong into a drop-in (systemctl --user edit), which stays."
FAMILIES = "AF_INET AF_INET6 AF_UNIX"
"""What a connection to a server needs; names are asked for through the last."""
_MOST = 1 << 16
_TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108 nothing is written there


def is_there() -> bool:
    """Whether the account has a service manager that answers."""
    return programs.call("systemctl", "--user", "show-environment").status == 0


def directory() -> Path:
    """Where the account's units lie."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(home if os.path.isabs(home) else "~/.config").expanduser() / "systemd/user"  # noqa: PTH117 text


def paths() -> tuple[Path, ...]:
    return tuple(directory() / name for name in _UNITS)


def undo() -> tuple[str, ...]:
    """The commands that take everything away again."""
    return (
        f"systemctl --user disable --now {TIMER} {_NOTIFY}",
        f"rm {' '.join(map(str, paths()))}",
    )


def is_own() -> bool:
    """Whether the units there are those that were written by an earlier time."""
    return _is_ours(_read(directory() / _SERVICE))


def install(job: Job) -> Outcome:
    """Write the units and start the timer; what is there of somebody else's is left alone.

    Raises StoreError. Whatever goes wrong, no unit stays that was not there before.
    """
    units = rendered(job)
    fsio.ensure_directory(directory())
    before = {name: _read(directory() / name) for name in units}
    foreign = [name for name, text in before.items() if text and not _is_ours(text)]
    if foreign:
        where = directory() / foreign[0]
        return Outcome(problem=f"{where} is not of tgt init: it was left as it is")
    try:
        for name, text in units.items():
            if before[name] != text:
                fsio.replace(directory() / name, [text.encode()])
        problem = _start()
    except BaseException:
        _take_back(before)
        raise
    if problem:
        _take_back(before)
        return Outcome(problem=f"systemd did not take the timer: {problem}")
    return Outcome(f"{TIMER} of this account runs", changed=before != units)


def _start() -> str:
    """Why the timer does not run; empty if it does."""
    for words in (("daemon-reload",), ("enable", "--now", TIMER)):
        answer = programs.call("systemctl", "--user", *words)
        if answer.status != 0:
            return answer.reason
    return ""


def _take_back(before: Mapping[str, str]) -> None:
    """Remove the units that were not there before, and what enabling has made of them."""
    if not before[TIMER]:
        programs.call("systemctl", "--user", "disable", "--now", TIMER)
    for name, text in before.items():
        if not text:
            (directory() / name).unlink(missing_ok=True)
    programs.call("systemctl", "--user", "daemon-reload")


def _read(path: Path) -> str:
    try:
        return (fsio.read(path, _MOST) or b"").decode("utf-8", "replace")
    except StoreError:
        return "what is no regular file"


def _is_ours(text: str) -> bool:
    return text.startswith(_MARK)


def rendered(job: Job) -> dict[str, str]:
    """The units by name, with the paths and the cadence of the job."""
    minutes, hours = job.cadence
    calendar = f"*:0/{minutes}" if minutes else f"0/{hours}:00"
    place = _escaped(str(job.directory))
    changes: dict[str, dict[str, str | None]] = {
        unit: {
            "ExecStart": " ".join(_quoted(word).replace("$", "$$") for word in words),
            "EnvironmentFile": None,
            "WorkingDirectory": place,
            "ReadWritePaths": _quoted(str(job.writes)),
        }
        for unit, words in ((_SERVICE, job.words), (_NOTIFY, job.words_to_notify))
    }
    changes[TIMER] = {"OnCalendar": calendar}
    if job.connects:
        changes[_SERVICE] |= {"PrivateNetwork": "no", "RestrictAddressFamilies": FAMILIES}
    if any(word.startswith(_TEMPORARY) for word in (*job.words, *job.reads)):
        # A directory for temporary files of its own would hide what lies in the usual one.
        changes[_SERVICE]["PrivateTmp"] = changes[_NOTIFY]["PrivateTmp"] = "no"
    return {
        name: f"{_MARK}\n{_changed(_shipped(place), changes.get(name, {}))}"
        for name, place in _UNITS.items()
    }


def _changed(unit: str, values: dict[str, str | None]) -> str:
    """A unit without its head of comments, and with other values of some directives."""
    lines = unit[unit.index("[Unit]") :].splitlines()
    kept = []
    for line in lines:
        key = line.partition("=")[0]
        if key not in values:
            kept.append(line)
        elif values[key] is not None:
            kept.append(f"{key}={values[key]}")
    return "\n".join(kept) + "\n"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of a command line, as systemd.syntax(7) has it."""
    if re.fullmatch(r"[\w./:@+-]+", word, re.ASCII):
        return word
    escaped = _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _shipped(name: str) -> str:
    """A unit that comes with tgt: beside the modules once installed, else in the source tree."""
    package = Path(tgt.__file__).parent
    for root in (package / "data" / "systemd", package.parent / "systemd"):
        if (root / name).is_file():
            return (root / name).read_text(encoding="utf-8")
    raise StoreError(f"the unit {name} is missing in this installation of tgt")
