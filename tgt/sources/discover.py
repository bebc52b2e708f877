"""Which files a source has: those of certain endings below a place, each once, whatever its name.

Files are rotated (``x.jsonl.1``, ``x.jsonl-20251105``, ``x.jsonl.2.gz``) and linked; what is not
read of what looks like telemetry is named with the reason.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import ClassVar

from tgt.errors import TelemetryError
from tgt.sources.base import Listing
from tgt.sources.bounds import DIRECTORY_DEPTH
from tgt.sources.files import LogFile

_PACKED = r"(?:\.(?:gz|zst))?"
_ROTATED = r"(?:[._-]\d[\dtz:._+-]*?)?"
# What other programs leave beside a log, what they pack it with, and other ways to rotate.
_OTHER = r"[._~@-].*"
_PEEKED_AT = 1_000


@dataclass(frozen=True)
class FileSource:
    """A source of one format in a directory or a file; ``setting`` is what names another."""

    kind: ClassVar[str]
    location: Path
    setting: str = "TASKGEN_SOURCE"

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.location}"


def listed(
    location: Path, endings: Sequence[str], setting: str, *, recursive: bool = True
) -> Listing:
    """The files at a location, oldest first by modification.

    ``location`` is a directory, or a file of any name. Files with one of the endings count, also
    when they are compressed (.gz, .zst) or rotated. Names that begin with a dot and empty files
    are passed over silently. A file with several names is listed once, by one that is no link, if
    there is any; a directory that links lead to is looked into once. Raises TelemetryError naming
    the location and its setting if it cannot be read.
    """
    try:
        status = location.stat()
        if stat.S_ISDIR(status.st_mode):
            walk = _Walk(tuple(endings), recursive=recursive)
            walk.through(os.fspath(location))
            return walk.listing()
    except OSError as failure:
        reason = failure.strerror or type(failure).__name__
        raise _refusal(location, setting, reason, recursive=recursive) from None
    if not stat.S_ISREG(status.st_mode):
        reason = "neither a directory nor a regular file"
        raise _refusal(location, setting, reason, recursive=recursive)
    only = LogFile.of(os.fspath(location), status)
    return Listing((only,) if only.size else ())


def _refusal(location: Path, setting: str, reason: str, *, recursive: bool) -> TelemetryError:
    if recursive:
        return TelemetryError(
            f"cannot read the telemetry in {location}: {reason}",
            hint=f"set {setting} to where it is written; tgt sources shows what is found",
        )
    return TelemetryError(
        f"cannot read the telemetry directory {location}: {reason}",
        hint=f"set {setting} to the directory where the telemetry is written",
    )


@dataclass(frozen=True)
class _Entry:
    """A name in a directory that may be telemetry, and what it leads to."""

    path: str
    status: os.stat_result
    is_link: bool

    @property
    def identity(self) -> tuple[int, int]:
        return self.status.st_dev, self.status.st_ino


@dataclass
class _Walk:
    endings: tuple[str, ...]
    recursive: bool = True
    _files: list[_Entry] = field(default_factory=list)
    _directories: dict[tuple[int, int], str] = field(default_factory=dict)
    _links: list[tuple[str, int]] = field(default_factory=list)
    _passed_over: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        endings = "|".join(re.escape(ending) for ending in self.endings)
        form = f"(?:{endings})"
        self._is_log = re.compile(
            rf".*{form}(?:{_ROTATED}{_PACKED}|{_PACKED}{_ROTATED})", re.IGNORECASE | re.DOTALL
        ).fullmatch
        self._is_other = re.compile(rf".*{form}{_OTHER}", re.IGNORECASE | re.DOTALL).fullmatch

    def through(self, directory: str) -> None:
        """Look into the directory, and then where links inside of it lead. Raises OSError if it
        cannot be listed itself."""
        status = os.stat(directory)  # noqa: PTH116 a path may be no text
        self._directories[status.st_dev, status.st_ino] = directory
        self._look_into(directory, 0)
        while self._links:
            path, depth = self._links.pop(0)
            self._enter(path, depth)

    def listing(self) -> Listing:
        by_identity: dict[tuple[int, int], _Entry] = {}
        for entry in sorted(self._files, key=lambda entry: (entry.is_link, entry.path)):
            first = by_identity.setdefault(entry.identity, entry)
            if first is not entry:
                self._pass_over(entry.path, f"the same file as {first.path}")
        files = (LogFile.of(e.path, e.status) for e in by_identity.values() if e.status.st_size)
        return Listing(
            tuple(sorted(files, key=lambda file: (file.modified_ns, file.path))),
            tuple(sorted(self._passed_over)),
        )

    def _look_into(self, directory: str, depth: int) -> None:
        with os.scandir(directory) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
        for entry in inside:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    self._meet(entry, depth + 1)
                else:
                    self._consider(entry)
            except OSError as failure:
                self._pass_over(entry.path, f"cannot be read: {failure.strerror}")

    def _meet(self, entry: os.DirEntry[str], depth: int) -> None:
        if not self.recursive:
            if self._holds_logs(entry.path):
                self._pass_over(entry.path, "a directory inside of it, which is not looked into")
            return
        if entry.is_symlink():
            # Later, so that what also lies here by itself is known by its own path.
            self._links.append((entry.path, depth))
        else:
            self._enter(entry.path, depth)

    def _holds_logs(self, directory: str) -> bool:
        with os.scandir(directory) as inside:
            return any(self._is_log(entry.name) for entry in islice(inside, _PEEKED_AT))

    def _enter(self, directory: str, depth: int) -> None:
        if depth > DIRECTORY_DEPTH:
            self._pass_over(directory, f"deeper than {DIRECTORY_DEPTH} directories")
            return
        try:
            status = os.stat(directory)  # noqa: PTH116 a path may be no text
            identity = status.st_dev, status.st_ino
            first = self._directories.setdefault(identity, directory)
            if first != directory:
                self._pass_over(directory, f"the same directory as {first}")
                return
            self._look_into(directory, depth)
        except OSError as failure:
            self._pass_over(directory, f"cannot be read: {failure.strerror}")

    def _consider(self, entry: os.DirEntry[str]) -> None:
        if not self._is_log(entry.name):
            if self._is_other(entry.name):
                self._pass_over(entry.path, "its ending is not one that is read")
            return
        try:
            status = entry.stat()
        except FileNotFoundError:
            if entry.is_symlink():
                self._pass_over(entry.path, "a link that leads nowhere")
            return
        if stat.S_ISREG(status.st_mode):
            self._files.append(_Entry(entry.path, status, entry.is_symlink()))
        else:
            self._pass_over(entry.path, "no regular file")

    def _pass_over(self, path: str, reason: str) -> None:
        self._passed_over.append((path, reason))
