"""How lines are handed to the engine: whole, each once, in pieces of bounded size."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from engine.timelines import as_lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tgt.engine.duckdb import bundles, pieces
from tgt.engine.duckdb.pieces import Stretch, line_number, stretch, whole_lines_at
from tgt.sources import files
from tgt.sources.contextlog import ContextLog
from tgt.sources.files import LogFile

MARK = b"\xef\xbb\xbf"


def _file(path: Path, data: bytes) -> LogFile:
    path.write_bytes(data)
    return LogFile.of(str(path), path.stat())


@pytest.mark.parametrize(
    ("data", "offset", "expected", "why"),
    [
        (b"", 0, Stretch(0, 0, False), "nothing"),
        (b"{}\n{}\n", 0, Stretch(0, 6, False), "whole lines"),
        (b"{}\n{}\n", 3, Stretch(3, 6, False), "from where the last reading ended"),
        (b"{}\n{}\n", 6, Stretch(6, 6, False), "nothing new"),
        (b'{}\n{"a"', 0, Stretch(0, 3, True), "half a line"),
        (b'{"a"', 0, Stretch(0, 0, True), "nothing but half a line"),
        (b'{}\n{"a"', 3, Stretch(3, 3, True), "still half a line"),
        (b'{}\n{"a": 1}', 0, Stretch(0, 11, False), "a line that lacks but its end"),
        (b"{}\n[1]", 0, Stretch(0, 3, True), "what is no object may be half of one"),
        (b"{}\n1", 0, Stretch(0, 3, True), "as may a number"),
        (MARK + b"{}\n", 0, Stretch(3, 6, False), "behind the mark of the byte order"),
        (MARK, 0, Stretch(3, 3, False), "nothing but the mark"),
        (b"{}\n" + MARK + b"{}\n", 3, Stretch(3, 9, False), "a mark elsewhere is a part of a line"),
    ],
)
def test_what_there_is_to_read_are_whole_lines(
    tmp_path: Path, data: bytes, offset: int, expected: Stretch, why: str
) -> None:
    assert stretch(_file(tmp_path / "x", data), offset) == expected, why


@pytest.mark.parametrize(("size", "is_own"), [(100, True), (2 << 20, False)])
def test_only_what_is_little_is_asked_for_what_stands_in_it(
    tmp_path: Path, size: int, is_own: bool
) -> None:
    file = _file(tmp_path / "x", b'{"ts": 1}'.ljust(size - 1) + b"\n")
    projection = ContextLog(tmp_path).projection()
    (piece,) = pieces.pieces(file, stretch(file, 0))
    narrowed = pieces.narrowed(projection, [piece])
    assert (narrowed != projection) is is_own
    piece.close()


CONTENT = st.lists(
    st.sampled_from([b"", b" ", b"{}", b'{"a": 1}', b"no JSON", b"x" * 100, b"x" * 3000]),
    min_size=1,
    max_size=12,
).map(lambda lines: b"".join(line + b"\n" for line in lines))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENT, size=st.sampled_from([1, 5, 50, 1000, 10_000]), start=st.integers(0, 40))
def test_pieces_are_all_lines_in_their_order(
    tmp_path: Path, content: bytes, size: int, start: int
) -> None:
    file = _file(tmp_path / "x", content)
    start = content.find(b"\n", min(start, len(content))) + 1
    lines = stretch(file, start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", size)
        found = b""
        for piece in pieces.pieces(file, lines):
            data = os.pread(piece.descriptor, 1 << 20, 0)
            assert data.endswith(b"\n")
            assert piece.start == lines.start + len(found)
            assert piece.length == len(data)
            assert Path(piece.path).read_bytes() == data
            longest = max(map(len, data.split(b"\n"))) + 1
            assert len(data) <= size + longest
            again = whole_lines_at(file, piece.start)
            assert again.start == piece.start
            assert again.end >= piece.end, "it can be found again by where it begins"
            _check_lines(file, piece, content)
            piece.close()
            found += data
    assert found == content[lines.start : lines.end]


def _check_lines(file: LogFile, piece: pieces.Piece, content: bytes) -> None:
    lines = content.split(b"\n")
    filled = [text for text in content[piece.start : piece.end].split(b"\n") if text.strip()]
    for nth, text in enumerate(filled, 1):
        number = line_number(file, piece, nth)
        assert number is not None
        assert lines[number - 1] == text
    assert line_number(file, piece, 100) is None


def test_a_file_that_is_read_whole_is_not_copied(tmp_path: Path) -> None:
    file = _file(tmp_path / "x", b"{}\n" * 100)
    (piece,) = pieces.pieces(file, stretch(file, 0))
    assert os.fstat(piece.descriptor).st_ino == file.inode
    piece.close()
    (piece,) = pieces.pieces(file, stretch(file, 3))
    assert os.fstat(piece.descriptor).st_ino != file.inode
    piece.close()


def test_what_is_written_meanwhile_is_left_for_the_next_reading(tmp_path: Path) -> None:
    path = tmp_path / "x"
    file = _file(path, b"{}\n" * 3)
    lines = stretch(file, 3)
    with path.open("ab") as stream:
        stream.write(b'{"new": 1}\n')
    (piece,) = pieces.pieces(file, lines)
    assert Path(piece.path).read_bytes() == b"{}\n" * 2
    piece.close()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    file = _file(tmp_path / "x", b"{}\n" * 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for start in (0, 3):
        for piece in pieces.pieces(file, stretch(file, start)):
            piece.close()
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "nowhere"):
        with pytest.raises(OSError, match=r"regular file|No such file"):
            stretch(LogFile(str(path), 0, 0), 0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# --- many small files as one ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "lines", "end", "is_torn"),
    [
        (b'{"a": 1}\n', [{"tgt:file": "7", "a": 1}], 9, False),
        (b'{"a": 1}', [{"tgt:file": "7", "a": 1}], 8, False),
        (b'  { "a": 1 }\r\n\n \n{}\n', [{"tgt:file": "7", "a": 1}, {"tgt:file": "7"}], 20, False),
        (b'{"a": 1}\n{"b', [{"tgt:file": "7", "a": 1}], 9, True),
        (b"[1]\nnull\n", [{"tgt:file": "7"}, {"tgt:file": "7"}], 9, False),
        (MARK + b'{"a": 1}\n', [{"tgt:file": "7", "a": 1}], 12, False),
        (b"", [], 0, False),
    ],
)
def test_each_line_of_a_bundle_says_of_which_file_it_is(
    tmp_path: Path, data: bytes, lines: list[object], end: int, is_torn: bool
) -> None:
    small = bundles.small_file(_file(tmp_path / "x.jsonl", data), 7)
    assert small is not None
    assert [json.loads(line) for line in small.lines.splitlines()] == lines
    assert (small.count, small.end, small.is_torn) == (len(lines), end, is_torn)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.jsonl.gz", b"{}"),
        ("x.jsonl", b"{}\n" * 30_000),
        ("x.jsonl", b"\xff\n"),
        ("x.jsonl", b"{}\0\n"),
    ],
    ids=["packed", "large", "no text", "with what a crash leaves"],
)
def test_what_is_no_small_text_is_read_by_itself(tmp_path: Path, name: str, data: bytes) -> None:
    assert bundles.small_file(_file(tmp_path / name, data), 1) is None


def test_what_a_bundle_tells_of_a_file_is_what_the_file_tells(tmp_path: Path) -> None:
    """So that it is known again when it has grown."""
    data = as_lines({"number": number, "text": "x" * 50} for number in range(40))
    for content in (data, data + b'{"torn', data[:100], MARK + data):
        file = _file(tmp_path / "x.jsonl", content)
        small = bundles.small_file(file, 1)
        assert small is not None
        assert small.head == files.beginning(file)
        assert small.tail == files.tail(file, small.end)
