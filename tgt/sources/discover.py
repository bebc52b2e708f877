"""Telemetry files of agents: a file, or all files with certain endings below a directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tgt.errors import TelemetryError
from tgt.sources.files import LogFile

COMPRESSED = ("", ".gz", ".zst")
_MAX_DEPTH = 12


def listed(location: Path, endings: tuple[str, ...], setting: str) -> tuple[LogFile, ...]:
    """The files, oldest first by modification; names that begin with a dot are passed over.

    A file that is named itself may have any ending. Links to directories are not followed. Raises
    TelemetryError naming the location and its setting if it cannot be read.
    """
    wanted = tuple(ending + packed for ending in endings for packed in COMPRESSED)
    try:
        status = location.stat()
        if stat.S_ISDIR(status.st_mode):
            found = list(_below(str(location), wanted, 0))
        else:
            found = [LogFile(str(location), status.st_size, status.st_mtime_ns, status.st_ino)]
    except OSError as failure:
        raise TelemetryError(
            f"cannot read the telemetry in {location}: {failure.strerror}",
            hint=f"set {setting} to where it is written; tgt sources shows what is found",
        ) from None
    found = [file for file in found if file.size]
    return tuple(sorted(found, key=lambda file: (file.modified_ns, file.path)))


def _below(directory: str, wanted: tuple[str, ...], depth: int) -> Iterator[LogFile]:
    """Raises OSError for the outermost directory only."""
    try:
        with os.scandir(directory) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        if depth == 0:
            raise
        return
    for entry in inside:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth < _MAX_DEPTH:
                    yield from _below(entry.path, wanted, depth + 1)
            elif entry.name.lower().endswith(wanted) and entry.is_file():
                status = entry.stat()
                yield LogFile(entry.path, status.st_size, status.st_mtime_ns, status.st_ino)
        except OSError:
            continue
