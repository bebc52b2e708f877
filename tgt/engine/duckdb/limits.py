"""What the engine may use of the machine: how many threads, and where to put what does not fit.

A timer shares its machine with what it watches, so memory is bounded, and what is beyond the bound
lies in a directory that exists only for as long as it is needed.
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

from tgt.errors import StoreError
from tgt.store import fsio, temporary

_SPILL = "spill"
_TEMPORARY = "tgt-spill-"
_MB_PER_THREAD = 96
"""The engine's JSON reader takes 32 MB a thread, and what it makes of them takes as much again."""

_CGROUP = Path("/sys/fs/cgroup")


def threads(memory_mb: int) -> int:
    """As many as there are processors for this process, and as the memory serves."""
    return max(1, min(processors(), memory_mb // _MB_PER_THREAD))


def engine_mb(memory_mb: int) -> int:
    """What the engine may count as its own: there is more that it takes and does not count.

    Below 64 MB it cannot read at all.
    """
    return max(64, memory_mb * 3 // 4)


def processors(cgroup: Path = _CGROUP) -> int:
    """The processors that the scheduler and the control group give this process; at least 1."""
    usable = len(os.sched_getaffinity(0))
    with contextlib.suppress(OSError, ValueError):
        quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            usable = min(usable, math.ceil(int(quota) / int(period)))
    return max(1, usable)


def spill_directory(cache: Path | None) -> Path | None:
    """Where one engine may put what does not fit; None where there is no such place.

    Below ``cache`` the engine makes it when it needs it, and what a killed one has left there is
    removed. Without ``cache`` it is a new private directory of the system's temporary ones, and
    what killed ones have left there is removed.
    """
    if cache is None:
        try:
            return temporary.make(_TEMPORARY)
        except OSError:
            return None
    directory = cache / _SPILL
    if cache.is_symlink():
        return None  # it could lead anywhere
    try:
        fsio.ensure_directory(cache)
    except StoreError:
        return None
    release(directory)
    return directory


def release(directory: Path) -> None:
    """Remove what an engine, also one that was killed, has put there."""
    temporary.remove(directory)
