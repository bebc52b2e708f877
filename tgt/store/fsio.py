"""The only place that fsyncs, renames, truncates or opens a file for writing.

What a caller is told has been written is on the disk; what failed has left no trace. Only regular
files are touched: a link could lead out of the task directory, and a pipe or a device could hang.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tgt.errors import StoreError

_TEMPORARY = ".tgt-tmp"
_TAIL_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20
_UNUSABLE = {errno.EISDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENXIO, errno.ENODEV}
_MOVE_AWAY = "move it away, or set FGK_TASKS_DIR to another directory"
_HINTS = {
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "free some space and try again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f) and try again",
    errno.EACCES: "check its owner and its permissions",
    errno.EPERM: "check its owner and its permissions",
    errno.EROFS: "set FGK_TASKS_DIR to a directory that can be written",
    errno.EISDIR: _MOVE_AWAY,
    errno.ENOTDIR: _MOVE_AWAY,
    errno.ENXIO: _MOVE_AWAY,
    errno.EEXIST: _MOVE_AWAY,
    errno.ELOOP: "put the file itself there: tgt follows no links to its files",
}


class UnusableError(StoreError):
    """What is in the file's place is not a file of ours, and trying again will not change it."""


def ensure_directory(path: Path) -> None:
    """Create ``path`` and its missing parents, 0700; one that exists is left as it is."""
    with explained("create the directory", path):
        _make_directory(path)


def _make_directory(path: Path) -> None:
    """From the outermost that is missing inwards; a place that takes none says so itself."""
    missing = [place for place in (path, *path.parents) if not os.path.lexists(place)]
    for place in reversed(missing or [path]):
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            if not place.is_dir():
                raise
        else:
            _give_to_owner_of_parent(place)
            _sync_directory(place.parent)


def temporary_files(directory: Path) -> list[Path]:
    """The temporary files of a directory: of the writer at work, or of those that were killed."""
    try:
        return sorted(
            path
            for path in directory.iterdir()
            if path.name.startswith(".") and path.name.endswith(_TEMPORARY)
        )
    except OSError:
        return []


def sweep(directory: Path) -> None:
    """Remove the temporary files of killed writers; only for who alone may write there."""
    for path in temporary_files(directory):
        with contextlib.suppress(OSError):
            path.unlink()


def open_for_reading(path: Path) -> int | None:
    """A descriptor that the caller closes, or None where there is no file. StoreError."""
    try:
        return open_regular(path, os.O_RDONLY, "read")
    except FileNotFoundError:
        return None


def read(path: Path, limit: int) -> bytes | None:
    """The whole file, or None where there is none; UnusableError beyond ``limit`` bytes."""
    descriptor = open_for_reading(path)
    if descriptor is None:
        return None
    with explained("read", path), os.fdopen(descriptor, "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise UnusableError(f"cannot read {path}: it is larger than {limit} bytes", hint=_MOVE_AWAY)
    return data


def append(path: Path, data: bytes, *, is_whole: Callable[[bytes], bool]) -> None:
    """Add whole lines at the end, durably; if that fails, the file is as it was.

    A last line without its end is what a crash left behind: terminated when ``is_whole`` accepts
    it, cut off otherwise. The caller holds the write lock.
    """
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, "write")
    try:
        with explained("write", path):
            start, fragment = _last_line(descriptor)
            size = start + len(fragment)
            if fragment and is_whole(fragment):
                data = b"\n" + data
            elif fragment:
                os.ftruncate(descriptor, start)
                size = start
            try:
                _write(descriptor, data)
                os.fsync(descriptor)
                _sync_directory(path.parent)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, size)
                    os.fsync(descriptor)
                raise
    finally:
        os.close(descriptor)


def replace(path: Path, chunks: Iterable[bytes]) -> None:
    """Put a new file in the place of ``path``, whole and durable; if that fails, the old one stays.

    The new file takes over the mode and, as far as we may, the owner of the old one, so that root
    tidying up does not lock out the user whose timer runs tgt.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}{_TEMPORARY}")
    with explained("write", path):
        try:
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
            try:
                _give_to_owner(descriptor, path.parent)
                _inherit(descriptor, path)
                buffer = bytearray()
                for chunk in chunks:
                    buffer += chunk
                    if len(buffer) >= _BUFFER_BYTES:
                        _write(descriptor, buffer)
                        buffer.clear()
                _write(descriptor, buffer)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_directory(path.parent)


def set_aside(path: Path) -> Path:
    """Move a damaged file out of the way, next to where it was; returns its new path."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.damaged-{number}")):
        number += 1
    with explained("set aside", path):
        path.replace(aside)
        _sync_directory(path.parent)
    return aside


def open_regular(path: Path, flags: int, purpose: str) -> int:
    """Open a regular file only, never through a link; FileNotFoundError is left to the caller."""
    with explained(purpose, path, absent=bool(flags & os.O_CREAT)):
        descriptor, is_new = _opened(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY)
        try:
            if is_new:
                _give_to_owner(descriptor, path.parent)
            status = os.fstat(descriptor)
            _refuse_irregular(status.st_mode, purpose, path)
            _refuse_strangers(status, purpose, path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _opened(path: Path, flags: int) -> tuple[int, bool]:
    """A descriptor, and whether the file was made by that."""
    if not flags & os.O_CREAT:
        return os.open(path, flags | os.O_CLOEXEC), False
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(path, flags | os.O_EXCL | os.O_CLOEXEC, 0o600), True
        with contextlib.suppress(FileNotFoundError):  # it was removed in between
            return os.open(path, (flags & ~os.O_CREAT) | os.O_CLOEXEC), False


def _give_to_owner(descriptor: int, directory: Path) -> None:
    """What root makes is of the owner of the directory, whom it would lock out else."""
    if os.geteuid() != 0:
        return
    owner = directory.stat()
    if owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _give_to_owner_of_parent(directory: Path) -> None:
    """The same for a new directory, unless another one was put into its place meanwhile."""
    if os.geteuid() != 0:
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid == 0:
            _give_to_owner(descriptor, directory.parent)
    finally:
        os.close(descriptor)


def _refuse_strangers(status: os.stat_result, purpose: str, path: Path) -> None:
    """A file of somebody else counts only where not everybody may write it or its directory.

    Accounts that share a task directory do so by their group.
    """
    directory = path.parent.stat()
    if status.st_uid in {os.geteuid(), 0, directory.st_uid}:
        return
    if (status.st_mode | directory.st_mode) & stat.S_IWOTH:
        raise UnusableError(
            f"cannot {purpose} {path}: it is of another account (uid {status.st_uid}), and"
            " everybody may write there",
            hint=_MOVE_AWAY,
        )


def _refuse_irregular(mode: int, purpose: str, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise UnusableError(f"cannot {purpose} {path}: it is no regular file", hint=_MOVE_AWAY)


def _last_line(descriptor: int) -> tuple[int, bytes]:
    """Where the unterminated last line begins, and its bytes; none in a file that is whole."""
    end = os.fstat(descriptor).st_size
    parts: list[bytes] = []
    position = end
    while position > 0:
        length = min(_TAIL_BYTES, position)
        block = os.pread(descriptor, length, position - length)
        newline = block.rfind(b"\n")
        if newline >= 0:
            parts.append(block[newline + 1 :])
            return position - length + newline + 1, b"".join(reversed(parts))
        parts.append(block)
        position -= length
    return 0, b"".join(reversed(parts))


def _write(descriptor: int, data: bytes | bytearray) -> None:
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(descriptor, view[written:])


def _inherit(descriptor: int, path: Path) -> None:
    try:
        old = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(old.st_mode):
        return
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o666)


def _sync_directory(path: Path) -> None:
    """Make names durable; a directory that may not be read cannot be synced, and need not be."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as failure:
        if failure.errno != errno.EINVAL:  # a file system that has nothing to sync says so
            raise
    finally:
        os.close(descriptor)


@contextmanager
def explained(purpose: str, path: Path, *, absent: bool = True) -> Iterator[None]:
    """Turn an OSError into one line; with ``absent`` false, a missing file is no failure."""
    try:
        yield
    except OSError as failure:
        if isinstance(failure, FileNotFoundError) and not absent:
            raise
        fail(purpose, path, failure)


def fail(purpose: str, path: Path, failure: OSError) -> NoReturn:
    """Say in one line what could not be done."""
    reason = os.strerror(failure.errno) if failure.errno else str(failure)
    if failure.errno == errno.ELOOP:
        reason = "it is a symbolic link"
    error = UnusableError if failure.errno in _UNUSABLE else StoreError
    hint = _HINTS.get(failure.errno or 0, "check the disk, and FGK_TASKS_DIR")
    raise error(f"cannot {purpose} {path}: {reason}", hint=hint) from failure
