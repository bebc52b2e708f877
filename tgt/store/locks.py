"""Locks of a task directory: the right to run, the right to write.

Locks are the kernel's (``flock``), so a process that is killed leaves none behind, and nothing
here guesses whether a lock is stale. A lock is looked at again once it is held: its file may have
been removed meanwhile, and then it would keep nobody out.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tgt.errors import BusyError, StoreError
from tgt.store import fsio

WRITE_LOCK = ".write.lock"
RUN_LOCK = ".run.lock"

_POLL_SECONDS = 0.02
_TRY_SECONDS = 0.25


@contextmanager
def lock(path: Path, timeout: float = 10.0) -> Iterator[None]:
    """Hold an exclusive lock on the file; BusyError when it is not free within ``timeout`` s."""
    fsio.ensure_directory(path.parent)
    descriptor = _acquire(path, timeout)
    if descriptor is None:
        raise BusyError(
            f"another process has held the lock {path} for {timeout:g} s",
            hint="try again when it is done",
        )
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def try_lock(path: Path, *, with_directory: bool = False) -> Iterator[bool]:
    """Hold the lock if it is free, and tell whether; without waiting for a holder to finish.

    It is asked for a little while: ``is_locked`` of another process takes it for an instant. Who
    removes the file of a lock that is held lets another one in, unless the directory is locked
    too; that only one lock of a directory can do.
    """
    fsio.ensure_directory(path.parent)
    descriptor = _acquire(path, _TRY_SECONDS)
    if descriptor is None:
        yield False
        return
    try:
        if with_directory:
            with _directory_lock(path.parent) as is_held:
                yield is_held
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def _directory_lock(path: Path) -> Iterator[bool]:
    """A directory that cannot be locked, as on some file systems, keeps nobody out."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield True
        return
    try:
        is_free = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_free = False
        except OSError:
            pass
        yield is_free
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock now; creates nothing, and what cannot be read is free."""
    try:
        descriptor = fsio.open_regular(path, os.O_RDONLY, "open the lock")
    except (StoreError, FileNotFoundError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


@contextmanager
def write_lock(directory: Path, timeout: float = 10.0) -> Iterator[None]:
    """The right to change the files of ``directory``; clears up after writers that were killed."""
    with lock(directory / WRITE_LOCK, timeout):
        fsio.sweep(directory)
        yield


def _acquire(path: Path, timeout: float) -> int | None:
    """A descriptor of the file, which is locked; None where it is not free in time."""
    deadline = time.monotonic() + timeout
    while True:
        descriptor = fsio.open_regular(path, os.O_RDWR | os.O_CREAT, "open the lock")
        try:
            is_held = _flock(descriptor, path, deadline)
            if is_held and is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not is_held or time.monotonic() >= deadline:
            return None


def _flock(descriptor: int, path: Path, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        except OSError as failure:
            fsio.fail("lock", path, failure)
        else:
            return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the path still leads to what was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False
