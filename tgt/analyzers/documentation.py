"""Which names the documentation mentions, and how much of it could be read.

Whatever the settings name is read within bounds: ``/`` comes to an end. What is left out because
of them is said, since a name that was not met may stand there.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tgt import options
from tgt.analyzers.mentions import Mentions

PATHS = options.paths(
    "TASKGEN_DOCS_PATHS",
    (Path("docs"), Path("README.md")),
    "comma-separated files and directories where documentation of tools is sought",
)

_SUFFIXES = {".md", ".mdx", ".markdown", ".rst", ".txt", ".adoc", ".html", ".htm", ".org", ""}
MOST_DOCUMENTS = 5000
MOST_BYTES = 64 * 1024 * 1024
MOST_ENTRIES = 200_000
MOST_DEPTH = 40
_PART = 1024 * 1024
_BEGINNING = 8192


@dataclass(frozen=True)
class Search:
    """What came of looking for names: those that stand as a whole word in none of the
    ``documents``, and in words what was ``left_out``."""

    unmentioned: frozenset[str]
    documents: int
    left_out: str = ""


def absent(paths: Sequence[Path]) -> str:
    """What is wrong with the paths if none of them is there; else an empty text."""
    if any(_exists(path) for path in paths):
        return ""
    named = ", ".join(map(str, paths))
    return f"there is no documentation: {named} is not there" if named else "no path is named"


def search(names: Collection[str], paths: Iterable[Path]) -> Search:
    """Look for all of the names in real files."""
    mentions, reader = Mentions(names), _Reader()
    for parts in reader.documents(paths):
        if not mentions.unmentioned:
            break
        for part in parts:
            mentions.look_at(part, is_last=False)
        mentions.look_at("")
    left_out = list(reader.left_out)
    if mentions.unsought:
        left_out.append(f"{len(mentions.unsought)} names without letters")
    return Search(mentions.unmentioned, reader.read, ", ".join(left_out))


class _Reader:
    """Reads documents until one of the bounds is met."""

    def __init__(self) -> None:
        self.read = 0
        self.left_out: dict[str, None] = {}
        self._bytes = 0
        self._entries = 0

    def documents(self, paths: Iterable[Path]) -> Iterator[Iterator[str]]:
        """The texts of the documents, each in parts."""
        for path in paths:
            for file in self._files(path):
                if self.read >= MOST_DOCUMENTS:
                    self.left_out[f"what is more than {MOST_DOCUMENTS:,} documents"] = None
                    return
                if self._bytes >= MOST_BYTES:
                    self.left_out[f"what is more than {MOST_BYTES >> 20} MB"] = None
                    return
                yield self._parts(file)

    def _files(self, path: Path) -> Iterator[Path]:
        if not path.is_dir():
            yield path
            return
        device = path.stat().st_dev
        for name, directories, files in os.walk(path):
            directory = Path(name)
            self._entries += len(directories) + len(files)
            if self._entries > MOST_ENTRIES:
                self.left_out[f"what is more than {MOST_ENTRIES:,} files and directories"] = None
                return
            wanted = sorted(each for each in directories if not each.startswith("."))
            directories[:] = [each for each in wanted if self._enters(directory / each, device)]
            if len(directory.parts) - len(path.parts) >= MOST_DEPTH and directories:
                self.left_out[f"what is more than {MOST_DEPTH} directories deep"] = None
                directories.clear()
            for file in sorted(files):
                if Path(file).suffix.lower() in _SUFFIXES:
                    yield directory / file

    def _enters(self, directory: Path, device: int) -> bool:
        """Whether a directory is part of the file system; others are the system's own."""
        try:
            status = directory.lstat()
        except OSError:
            return False
        if status.st_dev != device and stat.S_ISDIR(status.st_mode):
            self.left_out["other file systems"] = None
            return False
        return True

    def _parts(self, path: Path) -> Iterator[str]:
        """The text of a regular file; nothing of what is none."""
        try:
            # Neither a pipe nor a device of the kernel may keep the run waiting.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            self.left_out["files that may not be read"] = None
            return
        except OSError as error:
            self._note(error)
            return
        with os.fdopen(descriptor, "rb", buffering=0) as stream, self._noting():
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return
            if b"\0" in stream.read(_BEGINNING):
                return  # a program, a picture
            stream.seek(0)
            self.read += 1
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            while data := stream.read(min(_PART, MOST_BYTES - self._bytes)):
                self._bytes += len(data)
                yield decoder.decode(data)
                if self._bytes >= MOST_BYTES:
                    if os.fstat(descriptor).st_size > stream.tell():
                        self.left_out[f"what is more than {MOST_BYTES >> 20} MB"] = None
                    return

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError) -> None:
        """A failing disk hides what is documented; what went away or leads nowhere says nothing."""
        if error.errno == errno.EIO:
            self.left_out["files that could not be read"] = None


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True
