"""Which files of a telemetry directory may hold events of a period, without opening any."""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tgt.errors import TelemetryError

_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".ndjson.gz", ".ndjson.zst")
_HOUR_IN_NAME = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{2})(?!\d)")

PART_BYTES = 32 * 1024 * 1024
_CHECKED = 4096

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


@dataclass(frozen=True)
class Part:
    """A stretch of whole lines of a file: the unit of reading, remembered by its identity.

    ``identity`` of all but the last stretch of a large file holds as long as the file only grows,
    so what was appended is all that has to be read again.
    """

    file: LogFile
    offset: int
    length: int
    identity: str

    @property
    def is_whole(self) -> bool:
        return self.length == self.file.size

    def descriptor(self) -> int:
        """A descriptor of a file in memory that holds this stretch; the caller closes it."""
        copy = os.memfd_create("tgt-part", os.MFD_CLOEXEC)
        source = os.open(self.file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            offset, end = self.offset, self.offset + self.length
            while offset < end:
                sent = os.sendfile(copy, source, offset, end - offset)
                if sent == 0:
                    break
                offset += sent
        except OSError:
            os.close(copy)
            raise
        finally:
            os.close(source)
        return copy


def parts(file: LogFile) -> tuple[Part, ...]:
    """The file in stretches of about PART_BYTES; one that is small or compressed is one stretch.

    Raises OSError.
    """
    whole = f"{file.path}|{file.inode}|{file.size}|{file.modified_ns}"
    if file.compression != "uncompressed":
        return (Part(file, 0, file.size, whole),)
    found = []
    with open(file.path, "rb", buffering=0) as stream:  # noqa: PTH123 the path is not a Path here
        # The JSON reader would take the mark for a part of the first line, and lose that.
        start = len(codecs.BOM_UTF8) if stream.read(3) == codecs.BOM_UTF8 else 0
        if file.size < 2 * PART_BYTES:
            return (Part(file, start, file.size - start, whole),)
        while start < file.size:
            end = _line_end(stream, start + PART_BYTES, file.size)
            if end >= file.size:
                identity = f"{whole}|{start}"
            else:
                check = zlib.crc32(_at(stream, end - _CHECKED, end=end), 0)
                check = zlib.crc32(_at(stream, start, end=start + _CHECKED), check)
                identity = f"{file.path}|{file.inode}|{start}|{end}|{check:08x}"
            found.append(Part(file, start, end - start, identity))
            start = end
    return tuple(found)


def _line_end(stream: io.FileIO, position: int, size: int) -> int:
    """The offset behind the first line end at or after the position, or the size of the file."""
    while position < size:
        stream.seek(position)
        piece = stream.read(1 << 16)
        if not piece:
            break
        newline = piece.find(b"\n")
        if newline >= 0:
            return min(position + newline + 1, size)
        position += len(piece)
    return size


def _at(stream: io.FileIO, start: int, *, end: int) -> bytes:
    stream.seek(max(start, 0))
    return stream.read(end - max(start, 0)) or b""


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
