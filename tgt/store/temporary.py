"""Private directories among the system's temporary ones."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from tgt.store.locks import is_at

_held: dict[Path, int] = {}
"""Temporary directories with the descriptors by which they are held."""


def make(prefix: str) -> Path:
    """A private directory among the system's temporary ones, until ``remove``.

    Those that killed processes have left are removed. Raises OSError.
    """
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{prefix}*"):
        descriptor = _held_alone(left)
        if descriptor is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(descriptor)
    while True:
        directory = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        descriptor = _held_alone(directory)
        if descriptor is not None:
            _held[directory] = descriptor
            return directory


def remove(directory: Path) -> None:
    """Remove it with all that is in it."""
    shutil.rmtree(directory, ignore_errors=True)
    descriptor = _held.pop(directory, None)
    if descriptor is not None:
        os.close(descriptor)


def _held_alone(directory: Path) -> int | None:
    """A descriptor of our own directory, locked; None where another process is at work in it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(descriptor, directory):
                return descriptor
    os.close(descriptor)
    return None
