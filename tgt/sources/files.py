"""A telemetry file as it is now, and what tells that two names are one file.

What a name says is only how the file is compressed. Which events are in it, only its content
tells, and that no later ones are, only the time when it was last written.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from io import RawIOBase
from itertools import zip_longest

from tgt.sources.streams import Blocks, opened

# A clock of another machine may be off by this much.
_SLACK = timedelta(hours=26)
_COMPRESSED = re.compile(r"\.(gz|zst)(?:[._-]\d[\dtz:._+-]*)?$", re.IGNORECASE)
_IDENTITY_BYTES = 1024


@dataclass(frozen=True, order=True)
class LogFile:
    """One telemetry file. ``path`` may hold surrogate escapes, as os.fsencode understands them."""

    path: str
    size: int
    modified_ns: int
    inode: int = 0
    device: int = 0

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> LogFile:
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)

    @property
    def compression(self) -> str:
        """uncompressed, gzip or zstd, by the name; also of a rotated one (``x.jsonl.2.gz``)."""
        ending = _COMPRESSED.search(self.path.rpartition("/")[2])
        if ending is None:
            return "uncompressed"
        return "gzip" if ending[1].lower() == "gz" else "zstd"

    def may_reach(self, start: datetime) -> bool:
        """False if no event after ``start`` can be inside, since it was last written before."""
        written = datetime.fromtimestamp(self.modified_ns / 1e9, timezone.utc)
        return written >= start - _SLACK


def stream_of(file: LogFile, offset: int = 0) -> Blocks:
    """The content of a file, unpacked, from an offset on."""
    return Blocks(file.path, file.compression, offset)


# --- identity ------------------------------------------------------------------------------------


def beginning(file: LogFile) -> tuple[int, str]:
    """How much of the beginning is hashed (at most 1024 bytes, unpacked), and its hash.

    Raises OSError.
    """
    data = _first(file, _IDENTITY_BYTES)
    return len(data), _hash(data)


def first_bytes(file: LogFile) -> bytes:
    """The bytes, unpacked, that ``beginning`` hashes. Raises OSError."""
    return _first(file, _IDENTITY_BYTES)


def head(file: LogFile, length: int) -> str:
    """The hash of so many bytes of the beginning, unpacked. Raises OSError."""
    return _hash(_first(file, length))


def tail(file: LogFile, end: int) -> str:
    """The hash of the 1024 bytes (or fewer) before an offset of an uncompressed file.

    Raises OSError.
    """
    start = max(0, end - _IDENTITY_BYTES)
    with opened(file.path) as stream:
        return _hash(_at(stream, start, end))


def unpacked_end(file: LogFile, at_most: int) -> tuple[int, str]:
    """The unpacked size of a file and the hash of its last 1024 bytes (or fewer); reading stops
    beyond ``at_most`` bytes, and the size is then larger than that. Raises OSError."""
    size, last = 0, b""
    for block in stream_of(file):
        size += len(block)
        last = (last + block)[-_IDENTITY_BYTES:]
        if size > at_most:
            break
    return size, _hash(last)


def same_content(one: LogFile, other: LogFile) -> bool:
    """Whether two files hold the same, unpacked and undamaged. Raises OSError."""
    first, second = stream_of(one), stream_of(other)
    pairs = zip_longest(first.even(), second.even(), fillvalue=b"")
    return all(a == b for a, b in pairs) and not (first.damage or second.damage)


def _first(file: LogFile, length: int) -> bytes:
    data = b""
    for block in stream_of(file).of(max(length, 1)):
        data += block
        if len(data) >= length:
            break
    return data[:length]


def _at(stream: RawIOBase, start: int, end: int) -> bytes:
    data = b""
    while start + len(data) < end:
        block = os.pread(stream.fileno(), end - start - len(data), start + len(data))
        if not block:
            break
        data += block
    return data


def hashed(data: bytes) -> tuple[int, str]:
    """How many bytes these are, and their hash as those of beginnings and tails."""
    return len(data), _hash(data)


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
