"""Which bytes are new: the files that were read, and what has become of each since.

A file is known by what it is, not by its name: device and inode, and hashes of its beginning and
of the bytes before the place up to which it was read. One that grew is read on from there; one
that was renamed is the same; one that was copied or compressed was read already; one that was
truncated, replaced or removed is forgotten, with all that was read of it. A database is known by
device and inode alone: its bytes change anywhere, and what is new in it its reader's state says.
This module decides; it changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tgt.engine.duckdb.store import TABLES
from tgt.events import HOUR_US
from tgt.sources import files as identity
from tgt.sources.files import LogFile

_SLACK_US = 26 * HOUR_US
"""A clock of another machine, or a time zone, may be off by this much."""


_MOST_ALIKE = 16
"""Of files that begin alike so many are compared with a new one."""


@dataclass(frozen=True)
class Known:
    """A file as the manifest has it: a row of the table ``files``.

    ``copy_of`` names the file that this one is a copy of, and nothing was read of it.
    """

    file: int
    source: str
    path: bytes
    device: int = 0
    inode: int = 0
    size: int = 0
    modified_ns: int = 0
    head_bytes: int = 0
    head: str = ""
    tail: str = ""
    read_to: int = 0
    is_torn: bool = False
    records: int = 0
    malformed: int = 0
    first_us: int | None = None
    last_us: int | None = None
    copy_of: bytes | None = None
    damage: str = ""
    passed_over: str = "{}"
    state: str | None = None

    @property
    def name(self) -> str:
        return os.fsdecode(self.path)

    def as_of(self, file: LogFile) -> Known:
        """The same with where the file lies and how large it is now."""
        return replace(
            self,
            path=os.fsencode(file.path),
            device=file.device,
            inode=file.inode,
            size=file.size,
            modified_ns=file.modified_ns,
        )

    def touches(self, start_us: int, end_us: int) -> bool:
        """Whether it has records of [start, end), or none at all."""
        if self.first_us is None or self.last_us is None:
            return True
        return self.first_us < end_us and self.last_us >= start_us


COLUMNS = tuple(TABLES["files"])


def known_of(row: Sequence[Any]) -> Known:
    """A row of the columns of the table ``files``."""
    return Known(**dict(zip(COLUMNS, row, strict=True)))


@dataclass(frozen=True)
class Reading:
    """A file that has bytes to be read, from an offset on; ``known`` is what was read before. Of a
    database rows are read, and the offset says only whether any were."""

    file: LogFile
    known: Known
    offset: int = 0
    is_database: bool = False

    @property
    def length(self) -> int:
        """The bytes that are new, as far as sizes tell."""
        return max(0, self.file.size - self.offset)


@dataclass(frozen=True)
class Plan:
    """What has to be done about the files of one source.

    ``forgotten`` are the numbers of files whose records are no longer true; ``kept`` are rows of
    the manifest that change without anything being read.
    """

    readings: tuple[Reading, ...] = ()
    forgotten: tuple[int, ...] = ()
    kept: tuple[Known, ...] = ()
    warnings: tuple[str, ...] = ()


class Planner:
    """One look at the files of a source. ``next_file`` is the first number that is free,
    ``is_database`` tells which files are no text."""

    def __init__(
        self,
        source: str,
        known: Iterable[Known],
        next_file: int,
        is_database: Callable[[LogFile], bool] = lambda _: False,
    ) -> None:
        self._source = source
        self._is_database = is_database
        self._known = list(known)
        self.next_file = next_file
        self._by_inode = {(k.device, k.inode): k for k in self._known}
        self._by_path = {k.path: k for k in self._known}
        self._claimed: set[int] = set()
        self._readings: list[Reading] = []
        self._forgotten: list[int] = []
        self._kept: list[Known] = []
        self._warnings: list[str] = []
        self._heads: dict[tuple[int, str], list[LogFile]] = {}
        self._by_head: dict[int, dict[str, list[Known]]] | None = None

    def plan(self, present: Sequence[LogFile], *, resumes: bool, since_us: int) -> Plan:
        """``resumes``: any file that grew can be read on from where its reading ended, and not only
        one of which a state is known. Files last written long before ``since_us`` are not met."""
        strange: list[LogFile] = []
        for file in present:
            try:
                if not self._is_known(file, resumes=resumes):
                    strange.append(file)
            except OSError as failure:
                self._refuse(file, failure)
        for file in strange:
            try:
                self._meet(file, since_us, resumes=resumes)
            except OSError as failure:
                self._refuse(file, failure)
        gone = [k.file for k in self._known if k.file not in self._claimed]
        return Plan(
            tuple(self._readings),
            (*self._forgotten, *gone),
            tuple(self._kept),
            tuple(self._warnings),
        )

    def _refuse(self, file: LogFile, failure: OSError) -> None:
        if not isinstance(failure, FileNotFoundError):  # it was removed since it was listed
            self._warnings.append(f"cannot read {file.path}: {failure.strerror}")

    # --- files of which something was read -------------------------------------------------------

    def _is_known(self, file: LogFile, *, resumes: bool) -> bool:
        known = self._by_inode.get((file.device, file.inode))
        if known is None or known.file in self._claimed:
            return False
        same = known.size == file.size and known.modified_ns == file.modified_ns
        if same or (known.copy_of is None and self._continues(file, known)):
            self._claim(file, known, resumes=resumes, changed=not same)
            return True
        return False

    def _continues(self, file: LogFile, known: Known) -> bool:
        """Whether the file holds what was read, and maybe more."""
        if self._is_database(file):
            return True
        if file.compression != "uncompressed":
            return False
        if file.size < known.read_to or known.head_bytes > file.size:
            return False
        head = identity.head(file, known.head_bytes)
        return head == known.head and identity.tail(file, known.read_to) == known.tail

    def _claim(self, file: LogFile, known: Known, *, resumes: bool, changed: bool) -> None:
        self._claimed.add(known.file)
        now = known.as_of(file)
        is_database = self._is_database(file)
        if changed and (is_database or file.size > known.read_to or known.is_torn):
            if resumes or known.state is not None or known.read_to == 0:
                self._readings.append(Reading(file, now, known.read_to, is_database))
            else:
                self._forgotten.append(known.file)
                self._readings.append(Reading(file, self._new(file), 0, is_database))
        elif now != known:
            self._kept.append(now)

    # --- files that are new ----------------------------------------------------------------------

    def _meet(self, file: LogFile, since_us: int, *, resumes: bool) -> None:
        if file.modified_ns // 1000 < since_us - _SLACK_US:
            return
        if self._is_database(file):
            self._readings.append(Reading(file, self._new(file), is_database=True))
            return
        data = identity.first_bytes(file)
        for known in self._beginning_alike(file, data):
            if known.file in self._claimed:
                if self._is_copy(file, known):
                    self._kept.append(replace(self._new(file), copy_of=known.path))
                    return
            elif self._continues(file, known) or self._is_compressed(file, known):
                is_grown = file.compression == "uncompressed" and file.size > known.read_to
                self._claim(file, known, resumes=resumes, changed=is_grown)
                return
        beginning = identity.hashed(data)
        for other in self._heads.get(beginning, ())[:_MOST_ALIKE]:
            if self._is_twin(file, other):
                path = os.fsencode(other.path)
                self._kept.append(replace(self._new(file), copy_of=path))
                return
        self._heads.setdefault(beginning, []).append(file)
        self._readings.append(Reading(file, self._new(file)))

    def _beginning_alike(self, file: LogFile, data: bytes) -> list[Known]:
        """Files that begin as this one does, the one that had its name first."""
        if self._by_head is None:
            self._by_head = {}
            for known in self._known:
                if known.head_bytes and known.copy_of is None:
                    of_length = self._by_head.setdefault(known.head_bytes, {})
                    of_length.setdefault(known.head, []).append(known)
        alike: list[Known] = []
        for length, of_length in self._by_head.items():
            if length <= len(data):
                alike += of_length.get(identity.hashed(data[:length])[1], ())
        replaced = self._by_path.get(os.fsencode(file.path))
        return sorted(alike[:_MOST_ALIKE], key=lambda known: known is not replaced)

    def _is_copy(self, file: LogFile, known: Known) -> bool:
        """Whether the file holds just what was read of one that is still there."""
        if file.compression != "uncompressed":
            return self._is_compressed(file, known)
        is_whole = known.size == known.read_to == file.size
        return is_whole and identity.tail(file, file.size) == known.tail

    def _is_compressed(self, file: LogFile, known: Known) -> bool:
        """Whether the file, unpacked, is what was read of an other."""
        if file.compression == "uncompressed" or known.is_torn:
            return False
        size, tail = identity.unpacked_end(file, known.read_to)
        return size == known.read_to and tail == known.tail

    def _is_twin(self, file: LogFile, other: LogFile) -> bool:
        """Whether two new files hold the same."""
        if file.compression == other.compression:
            return file.size == other.size and identity.same_content(file, other)
        return identity.same_content(file, other)

    def _new(self, file: LogFile) -> Known:
        number = self.next_file
        self.next_file += 1
        self._claimed.add(number)
        return Known(number, self._source, b"").as_of(file)


def unread(known: Iterable[Known]) -> Mapping[str, str]:
    """The files of which nothing was read because they are copies, and of which."""
    return {k.name: f"a copy of {os.fsdecode(k.copy_of)}" for k in known if k.copy_of is not None}
