"""What a coding agent works on, told by the directory it works in.

The git worktrees of one repository are one project: people and agents make one for each task, and
what is seen in one alone is too little to judge. Where git keeps that is read from its files; git
is not run, since telemetry may name any directory. Of a worktree that is gone the usual places tell
it.
"""

from __future__ import annotations

import os
import re
import stat
from functools import lru_cache
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

_MOST = 4096
_KEPT = 4096
_IN_REPOSITORY = {"worktrees", ".worktrees"}
_BESIDE = re.compile(r"(.+?)[-_.]worktrees?")
_HIDDEN = re.compile(r"\.\w+")
_HOMES = {"home", "Users"}
_OF_CURSOR = (".cursor", "worktrees")


def project_name(directory: str | None) -> str | None:
    """The name of the directory in which an agent works, on any system, or of the repository whose
    worktree it is; None for a root, and for what is too long for a path."""
    return _project(directory) if directory and len(directory) <= _MOST else None


@lru_cache(maxsize=_KEPT)
def _project(directory: str) -> str | None:
    is_windows = directory[1:2] == ":" or ("\\" in directory and not directory.startswith("/"))
    if is_windows:
        path: PurePath = PureWindowsPath(directory)
        return _by_place(path) or path.name or None
    path = PurePosixPath(directory)
    return _repository(directory) or path.name or None


def _repository(directory: str) -> str | None:
    """The name of the repository if the directory is a worktree of one."""
    path = PurePosixPath(directory)
    if not path.is_absolute() or "\0" in directory:
        return None
    try:
        is_file = stat.S_ISREG(Path(path, ".git").lstat().st_mode)
    except OSError:
        return _by_place(path)
    return _main(Path(path)) if is_file else None


def _main(worktree: Path) -> str | None:
    """The repository of a worktree as git's files tell it; None for a submodule, which is its
    own."""
    kind, _, place = _line(worktree / ".git").partition(":")
    if kind != "gitdir" or not place.strip():
        return None
    own = worktree / place.strip()
    common = _line(own / "commondir")
    if not common:
        # Removed by hand, git's part of it first: its place tells as much.
        is_worktree = own.parent.name == "worktrees"
        shared = own.parent.parent if is_worktree else None
    else:
        shared = Path(os.path.normpath(own / common))
    if shared is None:
        return None
    return shared.parent.name or None if shared.name == ".git" else shared.name.removesuffix(".git")


def _line(path: Path) -> str:
    """The first line of a small regular file; nothing of what is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, _MOST).decode("utf-8", "replace").partition("\n")[0].strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _by_place(path: PurePath) -> str | None:
    """The repository of a directory in one of the places where worktrees are made:
    ``repo/.claude/worktrees/x``, ``repo/.worktrees/x``, ``repo-worktrees/x``,
    ``~/.cursor/worktrees/repo/x``."""
    parts = path.parts
    for place in range(len(parts) - 2, 0, -1):
        if parts[place] not in _IN_REPOSITORY:
            continue
        before = parts[place - 1]
        if parts[place - 1 : place + 1] == _OF_CURSOR:
            return parts[place + 1] if len(parts) > place + 2 else None
        # Inside the repository, or in the agent's own directory there.
        owner = place - 2 if _HIDDEN.fullmatch(before) else place - 1
        is_last = place == len(parts) - 2
        is_home = owner > 0 and parts[owner - 1] in _HOMES
        return parts[owner] if owner > 0 and is_last and not is_home else None
    beside = _BESIDE.fullmatch(path.parent.name)
    return beside.group(1) if beside else None
