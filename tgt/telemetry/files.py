"""Which files of a telemetry directory may hold events of a period, without opening any."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tgt.errors import TelemetryError

_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".ndjson.gz", ".ndjson.zst")
_HOUR_IN_NAME = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{2})(?!\d)")

# A clock of another machine, or another time zone in the name, may be off by this much.
_SLACK = timedelta(hours=26)


@dataclass(frozen=True, order=True)
class LogFile:
    """One telemetry file as it is now; another size or time makes it another file."""

    path: str
    size: int
    modified_ns: int
    inode: int

    @property
    def compression(self) -> str:
        """What DuckDB calls the compression that the name tells."""
        if self.path.endswith(".gz"):
            return "gzip"
        return "zstd" if self.path.endswith(".zst") else "uncompressed"

    def hour(self) -> datetime | None:
        """The hour in a name such as ``ctx-20251216-02-1.jsonl``, if there is one."""
        found = _HOUR_IN_NAME.search(Path(self.path).name)
        if not found:
            return None
        try:
            year, month, day, hour = map(int, found.groups())
            return datetime(year, month, day, hour, tzinfo=timezone.utc)
        except ValueError:
            return None

    def may_reach(self, start: datetime) -> bool:
        """False if no event after ``start`` can be inside: it was last written before, or its
        name says so by more than a day."""
        if datetime.fromtimestamp(self.modified_ns / 1e9, timezone.utc) < start - _SLACK:
            return False
        hour = self.hour()
        return hour is None or hour + timedelta(hours=1) + _SLACK > start

    def may_precede(self, end: datetime) -> bool:
        """False if the name says that all events are later than ``end`` by more than a day."""
        hour = self.hour()
        return hour is None or hour - _SLACK < end


def discover(directory: Path, setting: str) -> tuple[LogFile, ...]:
    """The telemetry files of a directory, by name; what is no regular file is passed over.

    Raises TelemetryError naming the directory and its setting if it cannot be listed.
    """
    try:
        with os.scandir(directory) as entries:
            found = [_describe(entry) for entry in entries if entry.name.endswith(_SUFFIXES)]
    except OSError as failure:
        raise TelemetryError(
            f"cannot read the telemetry directory {directory}: {failure.strerror}",
            hint=f"set {setting} to the directory where the telemetry is written",
        ) from None
    return tuple(sorted(file for file in found if file is not None))


def _describe(entry: os.DirEntry[str]) -> LogFile | None:
    try:
        status = entry.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return None
    return LogFile(entry.path, status.st_size, status.st_mtime_ns, status.st_ino)


def between(files: Sequence[LogFile], start: datetime, end: datetime) -> tuple[LogFile, ...]:
    """The files that may hold events of (start, end]."""
    return tuple(file for file in files if file.may_reach(start) and file.may_precede(end))
