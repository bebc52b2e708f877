"""The job that a scheduler is given, and how often it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_HOUR, _DAY = 60, 24


@dataclass(frozen=True)
class Job:
    """``tgt run`` with its settings file, every so many minutes. ``directory`` is where relative
    paths of the settings start, ``writes`` the task directory, ``reads`` the places with
    telemetry. ``connects``: runs need the network, to a server that has it."""

    command: tuple[str, ...]
    env_file: Path
    directory: Path
    minutes: int
    writes: Path
    reads: tuple[str, ...] = ()
    connects: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        return self._call("run")

    @property
    def words_to_notify(self) -> tuple[str, ...]:
        """What tells people after it, if they want that."""
        return self._call("notify")

    def _call(self, command: str) -> tuple[str, ...]:
        return (*self.command, "--env-file", str(self.env_file), command)

    @property
    def cadence(self) -> tuple[int, int]:
        """Minutes and hours from run to run, one of them 0, as calendars can say them: the longest
        that divides an hour or a day and is not above the minutes wanted."""
        if self.minutes < _HOUR:
            return max(n for n in range(1, self.minutes + 1) if _HOUR % n == 0), 0
        hours = min(self.minutes // _HOUR, _DAY)
        return 0, max(n for n in range(1, hours + 1) if _DAY % n == 0)


@dataclass(frozen=True)
class Outcome:
    """What a scheduler made of a job. ``problem`` says why it has it not."""

    text: str = ""
    changed: bool = False
    problem: str = ""
