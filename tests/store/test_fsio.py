"""Promises about files: what is acknowledged is there, what failed left nothing, nothing hangs."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tgt.errors import StoreError
from tgt.store import fsio, locks


def never_whole(_fragment: bytes) -> bool:
    return False


def test_directories_and_files_are_for_their_owner_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    deep = tmp_path / "a" / "b"
    with locks.write_lock(deep):
        fsio.append(deep / "file", b"line\n", is_whole=never_whole)
        fsio.replace(deep / "other", [b"line\n"])
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", deep)} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in deep.iterdir()} == {0o600}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755, "what exists is left as it is"


def test_a_replaced_file_keeps_the_mode_that_its_owner_gave_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    fsio.replace(path, [b"new"])
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_root_does_not_take_the_file_away_from_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 12345, 12345)
    fsio.replace(path, [b"new"])
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)


def test_the_chunks_of_a_large_replacement_arrive_in_order(tmp_path: Path) -> None:
    chunks = [bytes([number % 251]) * 300_000 for number in range(9)]
    fsio.replace(tmp_path / "file", iter(chunks))
    assert (tmp_path / "file").read_bytes() == b"".join(chunks)


def test_a_replacement_whose_content_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    def chunks() -> list[bytes]:
        raise ValueError("no content")

    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(ValueError, match="no content"):
        fsio.replace(tmp_path / "file", (part for part in chunks()))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("length", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_a_torn_last_line_of_any_length_is_cut_off_or_ended(tmp_path: Path, length: int) -> None:
    path = tmp_path / "file"
    torn = b"x" * length
    path.write_bytes(b"first\n" + torn)
    fsio.append(path, b"next\n", is_whole=never_whole)
    assert path.read_bytes() == b"first\nnext\n"
    path.write_bytes(b"first\n" + torn)
    fsio.append(path, b"next\n", is_whole=lambda fragment: fragment == torn)
    assert path.read_bytes() == b"first\n" + (torn + b"\n" if torn else b"") + b"next\n"


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link_outside(path: Path) -> None:
    (path.parent.parent / "outside").write_bytes(b"precious\n")
    path.symlink_to(path.parent.parent / "outside")


def make_device_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have 107 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.mkdir, "regular file|Is a directory"),
        (make_fifo, "no regular file"),
        (make_socket, "No such device"),
        (make_link_outside, "symbolic link"),
        (make_device_link, "symbolic link"),
    ],
)
def test_what_is_no_regular_file_is_refused_in_one_line_and_never_hangs(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    directory = tmp_path / "tasks"
    directory.mkdir()
    make(directory / "file")
    attempts: list[Callable[[], object]] = [
        lambda: fsio.read(directory / "file", 10),
        lambda: fsio.append(directory / "file", b"x\n", is_whole=never_whole),
        lambda: locks.lock(directory / "file").__enter__(),
    ]
    for attempt in attempts:
        with pytest.raises(fsio.UnusableError, match=reason) as caught:
            attempt()
        assert str(directory / "file") in caught.value.message
        assert caught.value.hint
        assert "\n" not in str(caught.value)
    outside = tmp_path / "outside"
    assert not outside.exists() or outside.read_bytes() == b"precious\n"


def test_a_directory_that_cannot_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "tasks" / "deep"):
        with pytest.raises(StoreError, match="cannot create the directory") as caught:
            fsio.ensure_directory(path)
        assert str(path) in caught.value.message
        assert "FGK_TASKS_DIR" in caught.value.hint


def test_a_file_that_grew_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert fsio.read(tmp_path / "file", 5) == b"12345"
    with pytest.raises(fsio.UnusableError, match="larger than 4 bytes"):
        fsio.read(tmp_path / "file", 4)
    assert fsio.read(tmp_path / "absent", 4) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_what_root_makes_in_the_directory_of_another_is_of_that_one(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 12345, 12346)
    tasks = tmp_path / "state" / "tasks"
    fsio.ensure_directory(tasks)
    with locks.write_lock(tasks):
        fsio.append(tasks / "journal", b"x\n", is_whole=bool)
        fsio.replace(tasks / "state", [b"y"])
    made = [tasks.parent, tasks, *tasks.iterdir()]
    assert len(made) == 5
    assert {(each.stat().st_uid, each.stat().st_gid) for each in made} == {(12345, 12346)}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("directory", "mode", "owner", "is_refused"),
    [
        (0o777, 0o644, 12345, True),
        (0o755, 0o666, 12345, True),
        (0o770, 0o660, 12345, False),
        (0o777, 0o666, 0, False),
    ],
)
def test_a_file_of_a_stranger_is_refused_where_everybody_may_write(
    tmp_path: Path, directory: int, mode: int, owner: int, *, is_refused: bool
) -> None:
    tmp_path.chmod(directory)
    path = tmp_path / "journal"
    path.write_bytes(b"planted\n")
    path.chmod(mode)
    os.chown(path, owner, owner)
    if is_refused:
        with pytest.raises(StoreError, match="another account") as caught:
            fsio.read(path, 100)
        assert caught.value.hint
    else:
        assert fsio.read(path, 100) == b"planted\n"


def test_what_is_set_aside_never_replaces_what_was_set_aside_before(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "file").write_text(str(number))
        assert fsio.set_aside(tmp_path / "file").name == f"file.damaged-{number}"
    assert (tmp_path / "file.damaged-1").read_text() == "1"


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "FGK_TASKS_DIR"), (errno.EIO, "disk")],
)
def test_a_failing_disk_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    def fail(*_arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=os.strerror(code)) as caught:
        fsio.append(tmp_path / "file", b"line\n", is_whole=never_whole)
    assert advice in caught.value.hint
