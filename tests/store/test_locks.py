"""Locks: seen, waited for, and gone with whoever held them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tgt.errors import BusyError
from tgt.store import locks


def test_a_held_lock_is_seen_and_waited_for_only_so_long(tmp_path: Path) -> None:
    path = tmp_path / "tasks" / ".lock"
    assert not locks.is_locked(path)
    assert not path.parent.exists(), "asking creates nothing"
    with locks.lock(path):
        assert locks.is_locked(path)
        with locks.try_lock(path) as held:
            assert not held
        with pytest.raises(BusyError, match=r"\.lock") as caught, locks.lock(path, timeout=0.05):
            pass
        assert caught.value.hint
    assert not locks.is_locked(path)
    with locks.try_lock(path) as held:
        assert held
        assert locks.is_locked(path)


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    script = (
        "import sys, time, pathlib; from tgt.store import locks\n"
        "with locks.lock(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert locks.is_locked(path)
        process.kill()
        process.wait()
    with locks.lock(path, timeout=0.0):
        pass


def test_a_writer_clears_up_after_killed_ones_and_touches_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".journal.0123456789ab.tgt-tmp").write_bytes(b"half")
    (tmp_path / ".other.tmp").write_bytes(b"somebody's")
    (tmp_path / "mine.tgt-tmp").write_bytes(b"somebody's")
    with locks.write_lock(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {
        ".other.tmp",
        "mine.tgt-tmp",
        locks.WRITE_LOCK,
    }


def test_a_lock_whose_file_was_removed_while_it_was_waited_for_is_taken_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / ".lock"
    waiting, held = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        with locks.lock(path, timeout=30):
            held.set()
            assert locks.is_locked(path)

    thread = threading.Thread(target=wait)
    with locks.lock(path):
        thread.start()
        waiting.wait()
        while len(_holders(path)) < 2:
            time.sleep(0.01)
        path.unlink()
        path.touch()
    thread.join()
    assert held.is_set()


def _holders(path: Path) -> list[str]:
    """The descriptors of this process that lead to a file."""
    links = map(os.path.realpath, Path("/proc/self/fd").iterdir())
    return [link for link in links if link == str(path)]


def test_who_removes_a_lock_that_is_held_does_not_get_in(tmp_path: Path) -> None:
    path = tmp_path / locks.RUN_LOCK
    with locks.try_lock(path, with_directory=True) as first:
        assert first
        path.unlink()
        with locks.try_lock(path, with_directory=True) as second:
            assert not second
        with locks.try_lock(tmp_path / ".other", with_directory=False) as other:
            assert other
    with locks.try_lock(path, with_directory=True) as later:
        assert later
