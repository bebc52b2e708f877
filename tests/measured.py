"""What a command takes of the memory: a process of its own is watched while it runs.

Counted is what only this process holds: its anonymous pages, and all of its memory files, also
those that are mapped nowhere. What it maps of files is the system's, which takes it back at need.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_OFTEN_S = 0.005
_IN_MEMORY = ("/memfd:", "/dev/shm/", "/dev/zero")


@dataclass(frozen=True)
class Told:
    """How a command ended, what it wrote, how long it took and the most memory that it held."""

    status: int
    out: str
    err: str
    seconds: float
    megabytes: int


def run(*arguments: str, cwd: Path, environment: Mapping[str, str], patience: float = 600) -> Told:
    """The real command, watched until it ends; it is killed where it does not."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "tgt", *arguments],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        most = 0
        while process.poll() is None:
            most = max(most, held(process.pid))
            if time.monotonic() - started > patience:
                process.kill()
                process.wait()
                raise TimeoutError(f"{arguments} not done after {patience:.0f} s")
            time.sleep(_OFTEN_S)
        seconds = time.monotonic() - started
        said, complained = _text(out.fileno()), _text(err.fileno())
    return Told(process.returncode, said, complained, seconds, most >> 20)


def held(pid: int) -> int:
    """Bytes of anonymous pages and of memory files; 0 of a process that is gone."""
    place = Path("/proc", str(pid))
    try:
        pages = sum(
            int(line.split()[1]) << 10
            for line in (place / "status").read_text().splitlines()
            if line.startswith("RssAnon:")
        )
        descriptors = list((place / "fd").iterdir())
    except OSError:
        return 0
    files: dict[tuple[int, int], int] = {}
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()).startswith(_IN_MEMORY):
                about = descriptor.stat()
                files[about.st_dev, about.st_ino] = about.st_blocks * 512
    return pages + sum(files.values())


def _text(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode("utf-8", "replace")
