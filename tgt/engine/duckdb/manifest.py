"""Which bytes are new: the files that were read, and what has become of each since.

A file is known by what it is, not by its name: device and inode, and hashes of its beginning and
of the bytes before the place up to which it was read. One that grew is read on from there; one
that was renamed is the same; one that was copied or compressed was read already; one that was
truncated, replaced or removed is forgotten, with all that was read of it. A database is known by
device and inode alone: its bytes change anywhere, and what is new in it its reader's state says.
This module decides; it changes nothing.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tgt.engine.duckdb.store import TABLES
from tgt.events import HOUR_US
from tgt.redact import redact
from tgt.sources import files as identity
from tgt.sources.files import LogFile

_SLACK_US = 26 * HOUR_US
"""A clock of another machine, or a time zone, may be off by this much."""


_MOST_ALIKE = 16
"""Of files that begin alike so many are compared with a new one."""
_ALIKE_BYTES = 256
"""All first lines of a log begin alike, so a few bytes are the beginning of anything."""


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

    def with_more(
        self,
        records: int,
        malformed: int,
        first_us: int | None,
        last_us: int | None,
        passed_over: Mapping[str, int],
    ) -> Known:
        """The same with what was read since; kinds that are passed over are masked."""
        kinds = Counter(json.loads(self.passed_over))
        for kind, count in passed_over.items():  # of which there are few
            kinds[redact(kind)] += count
        firsts, lasts = (self.first_us, first_us), (self.last_us, last_us)
        return replace(
            self,
            records=self.records + records,
            malformed=self.malformed + malformed,
            first_us=min((us for us in firsts if us is not None), default=None),
            last_us=max((us for us in lasts if us is not None), default=None),
            passed_over=json.dumps(kinds),
        )

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
        self._claimed: dict[int, LogFile] = {}
        self._readings: list[Reading] = []
        self._forgotten: list[int] = []
        self._kept: list[Known] = []
        self._warnings: list[str] = []
        self._new_alike: dict[tuple[int | str, ...], list[Known]] = {}
        self._by_head: dict[int, dict[str, list[Known]]] | None = None

    def plan(self, present: Sequence[LogFile], *, resumes: bool, since_us: int) -> Plan:
        """``resumes``: any file that grew can be read on from where its reading ended, and not only
        one of which a state is known. Files last written long before ``since_us`` are not met."""
        self._resumes = resumes
        left = [file for file in present if not self._tried(self._is_known, file)]
        left = [file for file in left if not self._is_known_copy(file)]
        left = [file for file in left if file.modified_ns // 1000 >= since_us - _SLACK_US]
        # Whatever became of known files must be known before others are compared with them.
        left = [file for file in left if not self._tried(self._is_moved, file)]
        for file in left:
            self._tried(self._meet, file)
        gone = [k.file for k in self._known if k.file not in self._claimed]
        return Plan(
            tuple(self._readings),
            (*self._forgotten, *gone),
            tuple(self._kept),
            tuple(dict.fromkeys(self._warnings)),
        )

    def _tried(self, step: Callable[[LogFile], bool], file: LogFile) -> bool:
        try:
            return step(file)
        except OSError as failure:
            self._refuse(file, failure)
            return False

    def _refuse(self, file: LogFile, failure: OSError) -> None:
        if not isinstance(failure, FileNotFoundError):  # it was removed since it was listed
            self._warnings.append(f"cannot read {file.path}: {failure.strerror}")

    # --- files of which something was read -------------------------------------------------------

    def _is_known(self, file: LogFile) -> bool:
        known = self._by_inode.get((file.device, file.inode))
        if known is None or known.file in self._claimed or known.copy_of is not None:
            return False
        is_same = _is_unchanged(file, known)
        if is_same or self._continues(file, known):
            self._claim(file, known, is_changed=not is_same)
            return True
        return False

    def _is_known_copy(self, file: LogFile) -> bool:
        """Whether it is the copy that it was, of a file that is still there."""
        known = self._by_inode.get((file.device, file.inode))
        if known is None or known.file in self._claimed or not _is_unchanged(file, known):
            return False
        original = self._original(known)
        if original is None or original.file not in self._claimed:
            return False
        path = os.fsencode(self._claimed[original.file].path)
        self._claimed[known.file] = file
        now = replace(known.as_of(file), copy_of=path)
        if now != known:
            self._kept.append(now)
        return True

    def _original(self, copy: Known) -> Known | None:
        """What a copy is a copy of, as the manifest has it; None where that is not known."""
        original: Known | None = copy
        for _ in range(_MOST_ALIKE):
            if original is None or original.copy_of is None:
                return original
            original = self._by_path.get(original.copy_of)
        return None

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

    def _claim(self, file: LogFile, known: Known, *, is_changed: bool) -> None:
        self._claimed[known.file] = file
        now = known.as_of(file)
        is_database = self._is_database(file)
        if is_changed and (is_database or file.size > known.read_to or known.is_torn):
            if self._resumes or known.state is not None or known.read_to == 0:
                self._readings.append(Reading(file, now, known.read_to, is_database))
            else:
                self._forgotten.append(known.file)
                self._readings.append(Reading(file, self._new(file), 0, is_database))
        elif now != known:
            self._kept.append(now)

    # --- files that are new ----------------------------------------------------------------------

    def _is_moved(self, file: LogFile) -> bool:
        """Whether it is a known file under another name, or packed."""
        if self._is_database(file):
            return False
        for known in self._alike(file, identity.first_bytes(file)):
            if known.file not in self._claimed and (
                self._continues(file, known) or self._is_compressed(file, known)
            ):
                is_grown = file.compression == "uncompressed" and file.size > known.read_to
                self._claim(file, known, is_changed=is_grown)
                return True
        return False

    def _meet(self, file: LogFile) -> bool:
        if self._is_database(file):
            self._readings.append(Reading(file, self._new(file), is_database=True))
            return True
        data = identity.first_bytes(file)
        claimed = [known for known in self._alike(file, data) if known.file in self._claimed]
        if any(self._is_read_with(file, known) for known in claimed):
            return True
        whole = (*identity.hashed(data), file.size)
        beginning = identity.hashed(data[:_ALIKE_BYTES])
        alike = [*self._new_alike.get(whole, ()), *self._new_alike.get(beginning, ())]
        if not data or not any(self._is_read_with(file, new) for new in alike[:_MOST_ALIKE]):
            new = self._new(file)
            for key in (whole, beginning):
                self._new_alike.setdefault(key, []).append(new)
            self._readings.append(Reading(file, new))
        return True

    def _is_read_with(self, file: LogFile, known: Known) -> bool:
        """Whether one of two files that are there is the beginning of the other; if the one that
        was known is, the other is read on in its place."""
        other = self._claimed[known.file]
        first, others_first = identity.first_bytes(file), identity.first_bytes(other)
        if min(len(first), len(others_first)) < _ALIKE_BYTES and first != others_first:
            return False
        if _is_beginning(file, other):
            longer, shorter = other, file
        elif _is_beginning(other, file):
            longer, shorter = file, other
            self._readings = [r for r in self._readings if r.file is not other]
            self._kept = [k for k in self._kept if k.file != known.file]
            self._claim(file, known, is_changed=True)
        else:
            return False
        self._kept.append(replace(self._new(shorter), copy_of=os.fsencode(longer.path)))
        return True

    def _alike(self, file: LogFile, data: bytes) -> list[Known]:
        """Files that begin as this one does: first what it was a copy of, and what had its name."""
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
        alike = sorted(alike[:_MOST_ALIKE], key=lambda known: known is not replaced)
        was = self._by_inode.get((file.device, file.inode), replaced)
        original = self._original(was) if was and was.copy_of is not None else None
        return [original, *alike] if original else alike

    def _is_compressed(self, file: LogFile, known: Known) -> bool:
        """Whether the file, unpacked, is what was read of an other."""
        if file.compression == "uncompressed" or known.is_torn:
            return False
        size, tail = identity.unpacked_end(file, known.read_to)
        return size == known.read_to and tail == known.tail

    def _new(self, file: LogFile) -> Known:
        number = self.next_file
        self.next_file += 1
        self._claimed[number] = file
        return Known(number, self._source, b"").as_of(file)


def _is_unchanged(file: LogFile, known: Known) -> bool:
    return known.size == file.size and known.modified_ns == file.modified_ns


def _is_beginning(file: LogFile, other: LogFile) -> bool:
    """Whether all of a file, unpacked, is what another begins with. Raises OSError."""
    if file.compression == other.compression == "uncompressed":
        if file.size > other.size:
            return False
        if identity.tail(file, file.size) != identity.tail(other, file.size):
            return False
    blocks = identity.stream_of(other).even()
    return all(
        next(blocks, b"")[: len(block)] == block for block in identity.stream_of(file).even()
    )


def unread(known: Iterable[Known]) -> Mapping[str, str]:
    """The files of which nothing was read because they are copies, and of which."""
    return {k.name: f"a copy of {os.fsdecode(k.copy_of)}" for k in known if k.copy_of is not None}
