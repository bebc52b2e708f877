"""Of a file that the engine refuses as a whole, every good line is still read by it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import zstandard

from tgt.sources import bounds, salvage
from tgt.sources.files import LogFile
from tgt.sources.salvage import PIECE_BYTES, CleanPieces

LINE = b'{"n": 1, "metadata": {"a": [1]}, "text": "\xc3\xa9 [{"}\n'
PLAIN, GZIP, ZSTD = "x.jsonl", "x.jsonl.gz", "x.jsonl.zst"
PACK: dict[str, Callable[[bytes], bytes]] = {
    PLAIN: bytes,
    GZIP: lambda data: gzip.compress(data, 1),
    ZSTD: zstandard.ZstdCompressor(level=1).compress,
}


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., LogFile]:
    def written(data: bytes, name: str = PLAIN) -> LogFile:
        path = tmp_path / name
        path.write_bytes(data)
        return LogFile.of(os.fspath(path), path.stat())

    return written


def rows(descriptor: int) -> tuple[int, int]:
    """How many lines DuckDB makes of a piece, and how many of them have a number."""
    with duckdb.connect(config={"memory_limit": "300MB", "threads": 1}) as connection:
        counts = connection.execute(
            "SELECT count(*), count(n) FROM read_ndjson($path, ignore_errors = true,"
            " columns = {'n': 'BIGINT', 'metadata': 'JSON', 'text': 'VARCHAR'})",
            {"path": f"/proc/self/fd/{descriptor}"},
        ).fetchall()
        return int(counts[0][0]), int(counts[0][1])


def read(clean: CleanPieces) -> int:
    """The good lines of all pieces, read as the engine reads them."""
    return sum(rows(descriptor)[1] for descriptor in clean)


def contents(clean: CleanPieces) -> list[tuple[int, bytes]]:
    return [
        (clean.place, os.pread(descriptor, os.fstat(descriptor).st_size, 0)) for descriptor in clean
    ]


@pytest.mark.parametrize(
    ("bad", "left_out", "why"),
    [
        (b"", 0, "nothing is wrong"),
        (b"\n \n\r\n", 0, "blank lines"),
        (b"no JSON\n", 0, "the engine itself passes over what is no JSON"),
        (b'{"n": "\xff\xfe"}\n', 1, "a line that is no text"),
        (b'{"n": 2, "text": "' + b"x" * bounds.LINE_BYTES + b'"}\n', 1, "one that is too long"),
        (b"\0" * bounds.LINE_BYTES + b"\0\n", 0, "nulls that a crash left"),
        (b'{"n": 2, "text": "ha\0\0\0', 0, "what was being written when that happened"),
        (b"[" * 9_000_000 + b"\n", 1, "nine megabytes of brackets"),
        ((b"[" * 4_000_000 + b"\n") * 3, 3, "four megabytes of brackets, several times"),
        (b'{"metadata":' * 300 + b"1" + b"}" * 300 + b"\n", 1, "one that is nested too deeply"),
        (b'{"metadata": [' + b"[]," * bounds.VALUES + b"1]}\n", 1, "one of too many values"),
        (b'{"n": "\xff"}\n' + b"{" * 500 + b"\n" + b'{"n": "\xfe"}\n', 3, "several kinds"),
    ],
)
@pytest.mark.parametrize("name", PACK)
def test_a_bad_line_costs_only_itself(
    log: Callable[..., LogFile], name: str, bad: bytes, left_out: int, why: str
) -> None:
    data = LINE * 20 + bad + LINE * 20
    clean = CleanPieces(log(PACK[name](data), name))
    assert read(clean) == 40
    assert (clean.left_out, clean.damage, clean.is_torn) == (left_out, "", False)
    assert clean.end == len(data)


@pytest.mark.parametrize("bad", [b"", b'{"n": "\xff"}\n', b"x" * bounds.LINE_BYTES + b"x\n"])
def test_lines_keep_their_places(log: Callable[..., LogFile], bad: bytes) -> None:
    """So that a line in a piece can be found in the file."""
    data = b"\xef\xbb\xbf" + LINE + bad + LINE * 3
    total = 0
    for place, piece in contents(CleanPieces(log(data))):
        start = piece.find(LINE)
        while start >= 0:
            total += 1
            assert data.startswith(LINE, place + start)
            start = piece.find(LINE, start + 1)
    assert total == 4


def test_pieces_are_bounded_and_follow_each_other(
    log: Callable[..., LogFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvage, "PIECE_BYTES", 1_000_000)
    count = 200_000
    for name, pack in PACK.items():
        pieces = contents(CleanPieces(log(pack(LINE * count), name)))
        assert b"".join(piece for _, piece in pieces) == LINE * count
        assert max(len(piece) for _, piece in pieces) <= 6_000_000
        assert len(pieces) > 2
        assert all(piece.endswith(b"\n") for _, piece in pieces)
        ends = [place + len(piece) for place, piece in pieces]
        assert [place for place, _ in pieces] == [0, *ends[:-1]]


def test_a_bomb_is_read_in_pieces(log: Callable[..., LogFile]) -> None:
    """A hundred megabytes out of a few kilobytes; no piece holds more than its bound."""
    count = 2_000_000
    clean = CleanPieces(log(gzip.compress(LINE * count, 9), GZIP))
    sizes, lines = [], 0
    for descriptor in clean:
        sizes.append(os.fstat(descriptor).st_size)
        lines += os.pread(descriptor, sizes[-1], 0).count(LINE)
    assert lines == count
    assert max(sizes) <= PIECE_BYTES + bounds.BLOCK_BYTES
    assert clean.end == len(LINE) * count


@pytest.mark.parametrize("name", [GZIP, ZSTD])
def test_of_a_damaged_file_the_lines_before_the_damage_are_read(
    log: Callable[..., LogFile], name: str
) -> None:
    pack = PACK[name]
    clean = CleanPieces(log(pack(LINE * 500) + b"damage" + pack(LINE), name))
    assert read(clean) == 500
    assert clean.damage == "the compressed file is damaged"
    clean = CleanPieces(log(pack(LINE * 500) + pack(os.urandom(99).hex().encode())[:-20], name))
    assert read(clean) == 500
    assert clean.damage == "the compressed file ends early"


@pytest.mark.parametrize(
    ("tail", "is_torn", "lines"),
    [
        (b"", False, 2),
        (LINE[:-1], False, 3),
        (LINE[:-1] + b" \r", False, 3),
        (LINE[:-2], True, 2),
        (b"{", True, 2),
        (b'{"a": {}', True, 2),
        (b"no JSON", True, 2),
        (b'{"a": "\xff"}', True, 2),
        (b"x" * (bounds.LINE_BYTES + bounds.BLOCK_BYTES), True, 2),
    ],
)
def test_a_last_line_without_an_end(
    log: Callable[..., LogFile], tail: bytes, is_torn: bool, lines: int
) -> None:
    """One that is a whole object is read, one that is not is left for the next reading."""
    clean = CleanPieces(log(LINE * 2 + tail))
    assert read(clean) == lines
    assert clean.is_torn is is_torn
    assert clean.end == len(LINE) * 2 + (0 if is_torn else len(tail))
    assert clean.left_out == 0


def test_a_stretch_of_a_file(log: Callable[..., LogFile]) -> None:
    file = log(LINE * 5)
    clean = CleanPieces(file, len(LINE), len(LINE) * 4)
    assert contents(clean) == [(len(LINE), LINE * 3)]
    assert clean.end == len(LINE) * 4
    assert contents(CleanPieces(file, len(LINE) * 5)) == []


def test_descriptors_are_closed(log: Callable[..., LogFile]) -> None:
    file = log(LINE * 5)
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    for _ in range(50):
        list(CleanPieces(file))
        next(iter(CleanPieces(file)))
    assert len(list(opened.iterdir())) <= before


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    clean = CleanPieces(LogFile(os.fspath(tmp_path / "gone.jsonl"), 1, 0))
    with pytest.raises(FileNotFoundError):
        list(clean)


def test_the_engine_does_refuse_such_a_file(log: Callable[..., LogFile]) -> None:
    """The reason why all this is there; when it falls, so may this module."""
    descriptor = os.open(log(LINE + b"[" * 9_000_000 + b"\n" + LINE).path, os.O_RDONLY)
    try:
        with pytest.raises(duckdb.Error):
            rows(descriptor)
    finally:
        os.close(descriptor)
    assert json.loads(LINE)["n"] == 1
