"""What a file is: how it is packed, what tells that two are one, and the bytes that are in it."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import zstandard

from tgt.sources import files
from tgt.sources.bounds import BLOCK_BYTES
from tgt.sources.files import LogFile, stream_of

AT = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
LINES = b"".join(
    b'{"number": %d, "filler": "%s"}\n' % (n, bytes([97 + n % 26]) * 40) for n in range(4000)
)

Pack = Callable[[bytes], bytes]
PACKED: dict[str, tuple[str, Pack]] = {
    "gzip": ("x.jsonl.gz", gzip.compress),
    "zstd": ("x.jsonl.zst", zstandard.ZstdCompressor().compress),
}


def log(path: Path, data: bytes) -> LogFile:
    path.write_bytes(data)
    return LogFile.of(os.fspath(path), path.stat())


def content(file: LogFile, offset: int = 0) -> tuple[bytes, str]:
    """What there is from an offset on, and the damage."""
    blocks = stream_of(file, offset)
    return b"".join(blocks), blocks.damage


@pytest.mark.parametrize(
    ("name", "compression"),
    [
        ("x.jsonl", "uncompressed"),
        ("x.jsonl.1", "uncompressed"),
        ("x.jsonl.gz", "gzip"),
        ("x.jsonl.GZ", "gzip"),
        ("x.jsonl.2.gz", "gzip"),
        ("x.jsonl-20251105.gz", "gzip"),
        ("x.jsonl.gz.1", "gzip"),
        ("x.jsonl.zst", "zstd"),
        ("x.3.jsonl.zst", "zstd"),
        ("x.gz.jsonl", "uncompressed"),
        ("gz", "uncompressed"),
        ("x.jsonl.gzip-notes", "uncompressed"),
    ],
)
def test_the_name_tells_the_compression(name: str, compression: str) -> None:
    assert LogFile(f"/some.gz/{name}", 1, 0).compression == compression


@pytest.mark.parametrize(
    ("name", "age", "may"),
    [
        ("x.jsonl", timedelta(0), True),
        ("x.jsonl", timedelta(hours=25), True),
        ("x.jsonl", timedelta(hours=27), False),
        ("agent-20240101-15.jsonl", timedelta(minutes=1), True),
        ("ctx-20991231-12.jsonl", timedelta(minutes=1), True),
    ],
)
def test_only_the_time_of_writing_limits_what_is_in_a_file(
    name: str, age: timedelta, may: bool
) -> None:
    """A file may be named after the start of a process that has run for weeks."""
    written = int((AT - age).timestamp() * 1e9)
    assert LogFile(name, 1, written).may_reach(AT) is may


# --- identity ------------------------------------------------------------------------------------


def test_a_file_that_grew_is_still_itself(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    before = log(path, LINES[:3000])
    length, head = files.beginning(before)
    tail = files.tail(before, 3000)
    after = log(path, LINES[:9000])
    assert length == 1024
    assert files.head(after, length) == head == files.beginning(after)[1]
    assert files.tail(after, 3000) == tail
    assert files.tail(after, 9000) != tail


@pytest.mark.parametrize("changed", [0, 500, 1023, 2000, 2999])
def test_a_file_that_was_written_anew_is_another(tmp_path: Path, changed: int) -> None:
    """A change in its beginning or before the place up to which it was read is seen."""
    before = log(tmp_path / "a.jsonl", LINES[:3000])
    data = bytearray(LINES[:3000])
    data[changed] ^= 1
    after = log(tmp_path / "b.jsonl", bytes(data))
    is_same_head = files.beginning(before) == files.beginning(after)
    is_same_tail = files.tail(before, 3000) == files.tail(after, 3000)
    assert is_same_head is (changed > 1023)
    assert is_same_tail is (changed < 3000 - 1024)


def test_a_short_file_is_hashed_as_a_whole(tmp_path: Path) -> None:
    short, longer = log(tmp_path / "a", b"{}\n"), log(tmp_path / "b", b"{}\n{}\n")
    assert files.beginning(short) == (3, files.head(longer, 3))
    assert files.beginning(log(tmp_path / "c", b"")) == (0, files.head(short, 0))
    assert files.tail(short, 3) == files.tail(longer, 3)


@pytest.mark.parametrize("kind", PACKED)
def test_a_compressed_copy_is_known_by_what_is_in_it(tmp_path: Path, kind: str) -> None:
    name, pack = PACKED[kind]
    plain = log(tmp_path / "x.jsonl", LINES)
    packed = log(tmp_path / name, pack(LINES))
    other = log(tmp_path / f"other-{name}", pack(LINES[:-1] + b" "))
    assert files.beginning(packed) == files.beginning(plain)
    end = files.tail(plain, len(LINES))
    assert files.unpacked_end(packed, len(LINES)) == (len(LINES), end)
    assert files.unpacked_end(packed, 10)[0] > 10
    assert files.same_content(plain, packed)
    assert files.same_content(packed, packed)
    assert not files.same_content(plain, other)
    assert not files.same_content(plain, log(tmp_path / f"torn-{name}", pack(LINES)[:-20]))


# --- bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("offset", [0, 1, 4096, len(LINES) - 1, len(LINES), len(LINES) + 5])
def test_a_compressed_file_is_read_from_any_place(tmp_path: Path, kind: str, offset: int) -> None:
    name, pack = PACKED[kind]
    assert content(log(tmp_path / name, pack(LINES)), offset) == (LINES[offset:], "")


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize(
    ("padding", "why"),
    [(b"", "members one after another"), (b"\0" * 700, "zeros, as blocks of tapes are filled")],
)
def test_a_compressed_file_may_have_several_members(
    tmp_path: Path, kind: str, padding: bytes, why: str
) -> None:
    name, pack = PACKED[kind]
    data = pack(LINES) + padding + pack(LINES[:500]) + padding
    assert content(log(tmp_path / name, data)) == (LINES + LINES[:500], "")


@pytest.mark.parametrize("kind", PACKED)
def test_of_a_compressed_file_that_ends_early_all_is_read_that_there_is(
    tmp_path: Path, kind: str
) -> None:
    name, pack = PACKED[kind]
    whole = pack(LINES) + pack(LINES)
    data, damage = content(log(tmp_path / name, whole[:-40]))
    assert data == (LINES + LINES)[: len(data)]
    assert len(data) >= len(LINES)
    assert damage == "the compressed file ends early"


@pytest.mark.parametrize("kind", PACKED)
def test_what_stands_before_damage_is_read_and_the_damage_is_named(
    tmp_path: Path, kind: str
) -> None:
    name, pack = PACKED[kind]
    whole = pack(LINES) + b"this is no beginning of a member" + pack(LINES)
    data, damage = content(log(tmp_path / name, whole))
    assert data == LINES
    assert damage == "the compressed file is damaged"


def test_damage_inside_a_member_costs_little_of_what_stands_before(tmp_path: Path) -> None:
    noise = os.urandom(300_000).hex().encode()
    packed = bytearray(gzip.compress(noise))
    packed[len(packed) // 2 :] = os.urandom(len(packed) - len(packed) // 2)
    data, damage = content(log(tmp_path / "x.jsonl.gz", bytes(packed)))
    assert damage
    assert len(data) > len(noise) // 2 - 1000
    assert noise.startswith(data[: len(noise) // 2 - 1000])


@pytest.mark.parametrize("kind", PACKED)
def test_what_is_not_compressed_at_all_is_named(tmp_path: Path, kind: str) -> None:
    name, _ = PACKED[kind]
    assert content(log(tmp_path / name, LINES)) == (b"", "the compressed file is damaged")


@pytest.mark.parametrize("kind", PACKED)
def test_a_bomb_comes_in_blocks_of_a_bounded_size(tmp_path: Path, kind: str) -> None:
    """A few kilobytes that stand for very much are unpacked a little at a time, to their end."""
    name, pack = PACKED[kind]
    file = log(tmp_path / name, pack(b"a" * 50_000_000))
    sizes = [len(block) for block in stream_of(file)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 5_000_000


def test_a_window_that_would_take_too_much_memory_is_refused(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    file = log(tmp_path / "x.jsonl.zst", packer.compress(LINES) + packer.flush())
    assert content(file) == (b"", "the compressed file is damaged")


def test_blocks_of_one_size(tmp_path: Path) -> None:
    data = os.urandom(BLOCK_BYTES * 2 + 7)
    for file in (
        log(tmp_path / "x.jsonl", data),
        log(tmp_path / "x.jsonl.gz", gzip.compress(data)),
        log(tmp_path / "x.jsonl.zst", zstandard.ZstdCompressor().compress(data)),
    ):
        sizes = [len(block) for block in stream_of(file).even()]
        assert sizes == [BLOCK_BYTES, BLOCK_BYTES, 7]


def test_a_file_that_is_written_faster_than_it_is_read_has_an_end(tmp_path: Path) -> None:
    file = log(tmp_path / "x.jsonl", LINES)
    total = 0
    with Path(file.path).open("ab") as writer:
        for block in stream_of(file).of(1000):
            total += len(block)
            writer.write(LINES)
            writer.flush()
    assert total == len(LINES)


def test_a_file_that_was_cut_while_it_is_read_ends_there(tmp_path: Path) -> None:
    file = log(tmp_path / "x.jsonl", LINES)
    blocks = stream_of(file).of(1000)
    assert next(blocks) == LINES[:1000]
    os.truncate(file.path, 1500)
    assert list(blocks) == [LINES[1000:1500]]


@pytest.mark.parametrize("kind", ["fifo", "device", "directory", "absent", "dangling"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    """A named pipe without a writer would keep whoever opens it waiting for ever."""
    path = tmp_path / "x.jsonl"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to("nowhere")
    file = LogFile(os.fspath(path), 1, 0)
    for ask in (files.beginning, lambda f: files.tail(f, 1), lambda f: list(stream_of(f))):
        with pytest.raises(OSError, match=r"regular file|directory|symbolic links"):
            ask(file)


def test_a_name_may_be_no_text(tmp_path: Path) -> None:
    file = log(tmp_path / os.fsdecode(b"\xff\xfe*[a].jsonl"), LINES)
    assert content(file) == (LINES, "")
    assert files.beginning(file)[0] == 1024
