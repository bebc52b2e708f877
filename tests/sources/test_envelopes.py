"""Objects are found however they are laid out, and what is broken costs only itself."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tgt.sources import bounds, brackets, scanner
from tgt.sources.envelopes import Document, Documents, documents
from tgt.sources.files import LogFile

Lines = list[dict[str, Any]]
THREE: Lines = [{"n": 1}, {"n": 2, "in": {"list": [{"x": 1}, {}]}}, {"n": 3, "text": 'a"}{\\'}]


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., LogFile]:
    def written(data: bytes, name: str = "x.jsonl") -> LogFile:
        path = tmp_path / name
        path.write_bytes(data)
        return LogFile.of(os.fspath(path), path.stat())

    return written


def values(read: Documents) -> Lines:
    return [document.value for document in read if document.value is not None]


def spread(objects: Lines, indent: int | None) -> bytes:
    return b"".join(json.dumps(each, indent=indent).encode() + b"\n" for each in objects)


LAYOUTS: dict[str, bytes] = {
    "an object a line": spread(THREE, None),
    "no line end at the end": spread(THREE, None)[:-1],
    "line ends of Windows": spread(THREE, None).replace(b"\n", b"\r\n"),
    "blank lines between": spread(THREE, None).replace(b"\n", b"\n\n \t\n"),
    "blanks around": b"  " + spread(THREE, None).replace(b"\n", b"  \n\t"),
    "a mark of the byte order": b"\xef\xbb\xbf" + spread(THREE, None),
    "nulls that a crash left between": spread(THREE, None).replace(b"\n", b"\n\0\0\0"),
    "nulls at the end": spread(THREE, None) + b"\0" * 50,
    "several on a line": spread(THREE, None).replace(b"\n", b""),
    "several on a line with blanks": spread(THREE, None).replace(b"\n", b"  "),
    "several on each of two lines": spread(THREE, None).replace(b"\n", b"", 1),
    "a line with a comma at its end": spread(THREE, None).replace(b"\n", b",\n"),
    "over many lines": spread(THREE, 2),
    "over many lines, indented by tabs": spread(THREE, 4).replace(b"    ", b"\t"),
    "over many lines without indentation": spread(THREE, 0),
    "over many lines, one behind the other": spread(THREE, 2).replace(b"}\n{", b"}{"),
    "over many lines and on one": spread(THREE[:1], 2) + spread(THREE[1:], None),
    "on one line and over many": spread(THREE[:2], None) + spread(THREE[2:], 2),
    "an array on one line": json.dumps(THREE).encode(),
    "an array over many lines": json.dumps(THREE, indent=2).encode() + b"\n",
    "an array without indentation": json.dumps(THREE, indent=0).encode() + b"\n",
    "an array, an element a line": b"[\n"
    + b",\n".join(spread(THREE, None).split(b"\n")[:3])
    + b"\n]",
    "an array with commas first": b"[ "
    + b"\n, ".join(spread(THREE, None).split(b"\n")[:3])
    + b"]\n",
    "an array that is still being written": json.dumps(THREE, indent=2).encode()[:-2],
    "two arrays": json.dumps(THREE[:1]).encode() + b"\n" + json.dumps(THREE[1:], indent=1).encode(),
    "an array a line": b"".join(json.dumps([each]).encode() + b"\n" for each in THREE),
    "an array in an array": json.dumps([THREE]).encode(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(log: Callable[..., LogFile], layout: str) -> None:
    data = LAYOUTS[layout]
    read = Documents(log(data))
    found = list(read)
    assert [document.value for document in found] == THREE
    assert (read.end, read.is_torn, read.damage) == (len(data), False, "")
    for document in found:
        assert json.loads(data[document.place : document.end]) == document.value
        assert (document.reason, document.lines) == ("", 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_object_is_found_again_by_its_place(log: Callable[..., LogFile], layout: str) -> None:
    file = log(LAYOUTS[layout])
    for document in documents(file):
        assert next(documents(file, document.place)) == document


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_grows_is_read_on_from_where_reading_ended(
    log: Callable[..., LogFile], layout: str
) -> None:
    """Wherever the writer was when the file was read: each object once, and none lost."""
    data = LAYOUTS[layout]
    for cut in range(len(data) + 1):
        first = Documents(log(data[:cut]))
        before = values(first)
        assert before + values(Documents(log(data), first.end)) == THREE, cut


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_in_a_compressed_file(
    log: Callable[..., LogFile], pack: Callable[[bytes], bytes], layout: str
) -> None:
    name = "x.jsonl.gz" if pack is gzip.compress else "x.jsonl.zst"
    read = Documents(log(pack(LAYOUTS[layout]), name))
    assert values(read) == THREE
    assert read.end == len(LAYOUTS[layout])


GOOD = {"good": True}
LINE = b'{"good": true}\n'
DEEP = 201


@pytest.mark.parametrize(
    ("bad", "lines", "reason"),
    [
        (b"no JSON at all\n", 1, "no object"),
        (b"no JSON\nover\n\nlines\n", 3, "no object"),
        (b'"a text"\n', 1, "no object"),
        (b"17\n", 1, "no object"),
        (b"null\n", 1, "no object"),
        (b"\xff\xfe\x00b\n", 1, "no object"),
        (b"}\n", 1, "no object"),
        (b'{"a": "\xff"}\n', 1, "not UTF-8"),
        (b'{"a": nope}\n', 1, "not JSON"),
        (b"{'a': 1}\n", 1, "not JSON"),
        (b'{"a": 1,}\n', 1, "not JSON"),
        (b'{"a": [}]\n', 1, "not JSON"),
        (b'{"a": "line\x01"}\n', 1, "not JSON"),
        (b'{"a": ' + b"9" * 5001 + b"}\n", 1, "not JSON"),
        (b'{"a": "never ended\n', 1, "not JSON"),
        (b'{"a": 1, "b\n', 1, "not JSON"),
        (b'{"a": {"b": 1,\n', 1, "not JSON"),
        (b'{"a": 1\n', 1, "not JSON"),
        (b"{\n", 1, "not JSON"),
        (b'{\n  "a": {\n    "b": 1\n', 1, "not JSON"),
        (b'{\n  "a": [\n    {"b": 1},\n', 1, "not JSON"),
        (b'{"a": 1, "b": "x' + b"\0" * 100, 1, "not JSON"),
        (b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}\n", 1, "nested too deeply"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"\n", 1, "nested too deeply"),
        (b'{"a":' + b"[" * 100_000 + b"\n", 1, "nested too deeply"),
        (b'{"a":[' + b"[]," * bounds.VALUES + b"1]}\n", 1, "too many values"),
        (b'{"a":"' + b"x" * bounds.LINE_BYTES + b'"}\n', 1, "longer than 16 MiB"),
        (b"x" * (bounds.LINE_BYTES + 9) + b"\n", 1, "longer than 16 MiB"),
    ],
    ids=lambda given: str(given)[:30],
)
@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.zst"])
def test_what_is_broken_costs_only_itself(
    log: Callable[..., LogFile], bad: bytes, lines: int, reason: str, name: str
) -> None:
    data = LINE + bad + LINE + LINE
    pack = zstandard.ZstdCompressor(level=1).compress
    read = Documents(log(data if name == "x.jsonl" else pack(data), name))
    found = list(read)
    assert [document.value for document in found if document.value] == [GOOD] * 3
    broken = [document for document in found if document.value is None]
    assert {document.reason for document in broken} == {reason}
    assert sum(document.lines for document in broken) == lines
    assert (read.end, read.is_torn) == (len(data), False)


@pytest.mark.parametrize(
    "allowed",
    [
        b'{"a":' + b"[" * 199 + b"]" * 199 + b"}",
        b'{"a":"' + b"[{" * 5000 + b'"}',
        b'{"a":"' + b'\\"[' * 5000 + b'"}',
        b'{"a":"\\\\","b":"' + b"[" * 5000 + b'"}',
        b'{"a":[' + b"{}," * 5000 + b"1]}",
        b'{"a":"' + b"," * (bounds.VALUES + 9) + b'"}',
        b'{"a":"' + b"x" * (bounds.LINE_BYTES - 20) + b'"}',
        b'{"\\ud800": "\\udfff"}',
    ],
    ids=lambda given: str(given)[:30],
)
def test_what_is_large_and_right_is_read(log: Callable[..., LogFile], allowed: bytes) -> None:
    for data in (LINE + allowed + b"\n" + LINE, LINE.strip() + allowed + LINE):
        assert values(Documents(log(data))) == [GOOD, json.loads(allowed), GOOD]


def test_one_broken_element_costs_only_itself(log: Callable[..., LogFile]) -> None:
    """Also where all elements stand on one line."""
    bad = (b"{nope}", b"1", b'"text"', b"null", b"[2]", b'{"a":' + b"[" * 300 + b"]" * 300 + b"}")
    for each in bad:
        read = list(Documents(log(b"[" + LINE.strip() + b"," + each + b", " + LINE + b"]")))
        assert [document.value for document in read if document.value] == [GOOD, GOOD], each
        assert sum(document.value is None for document in read) == 1, each


def test_a_torn_object_costs_none_of_those_behind_it(log: Callable[..., LogFile]) -> None:
    """What follows may look as if it were inside of it: then it is looked at once more."""
    torn = b'{"a": [\n'
    assert values(Documents(log(torn + LINE * 3))) == [GOOD] * 3
    pretty = json.dumps(GOOD, indent=2).encode() + b"\n"
    half = json.dumps({"a": [{"b": 1}]}, indent=2).encode()[:20] + b"\n"
    assert values(Documents(log(pretty + half + pretty + pretty))) == [GOOD] * 3


@pytest.mark.parametrize(
    "half",
    [
        b"{",
        b'{"a',
        b'{"a": "x',
        b'{"a": "x\\',
        b'{"a": tru',
        b'{"a": 1, "b": {"c": [1, 2',
        b'{"a": 1} {"b"',
        b'{\n  "a": 1,\n',
        b'{\n  "a": {\n    "b": "x',
        b"no JSON, and not yet at its end",
        b'{"a": "\xc3',
    ],
)
def test_what_is_half_written_is_left_for_the_next_reading(
    log: Callable[..., LogFile], half: bytes
) -> None:
    whole = half.count(b"} {")
    read = Documents(log(LINE + half))
    found = list(read)
    assert [document.value for document in found[:1]] == [GOOD]
    assert len(found) == 1 + whole
    assert all(document.value for document in found)
    assert read.is_torn
    assert read.end == (len(LINE) if not whole else len(LINE) + half.index(b"{", 1))


def test_an_object_without_a_line_end_is_whole(log: Callable[..., LogFile]) -> None:
    read = Documents(log(LINE + LINE[:-1]))
    assert values(read) == [GOOD, GOOD]
    assert (read.end, read.is_torn) == (2 * len(LINE) - 1, False)


def test_an_empty_file_and_one_of_blanks_hold_nothing(log: Callable[..., LogFile]) -> None:
    for data in (b"", b"\n", b" \r\n\0\0", b"\xef\xbb\xbf", b"[]\n", b"[\n]"):
        read = Documents(log(data))
        assert list(read) == []
        assert (read.end, read.is_torn) == (len(data), False)


def test_a_line_that_is_too_long_and_not_ended_is_left_at_its_beginning(
    log: Callable[..., LogFile],
) -> None:
    """So that what comes of it later is no object of its own."""
    for begin in (b'{"a":"', b"x", b'{"a":[' + b'{"b":1},' * 9):
        read = Documents(log(LINE + begin + b"x" * (bounds.LINE_BYTES + 99)))
        assert values(read) == [GOOD]
        assert (read.end, read.is_torn) == (len(LINE), True)


# --- hopeless input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hopeless",
    [b"{\n", b'{"a\n', b'{"":\n', b'{"":[\n', b'{"":{}\n', b"[\n", b"x\n", b"[[],[]\n", b"{}{\n"],
)
def test_hopeless_lines_are_counted_and_what_stands_around_them_is_read(
    log: Callable[..., LogFile], hopeless: bytes
) -> None:
    count = 20_000
    read = list(Documents(log(LINE + hopeless * count + LINE)))
    good = [document.value for document in read if document.value]
    assert good[0] == good[-1] == GOOD
    broken = sum(document.lines for document in read if document.value is None)
    assert broken == (0 if hopeless.startswith(b"[") else count)


class Counting:
    """Counts how many bytes patterns are asked to look at, from where they begin to look."""

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern
        self.seen = 0

    def match(self, data: bytearray, start: int) -> Any:
        found = self.pattern.match(data, start)
        self.seen += (found.end() if found else start) - start
        return found


@pytest.mark.parametrize(
    "hopeless",
    [
        b'{"a":[\n',
        b'{"a":\n',
        b'{"a":[1,\n',
        b'{"a":"b","c":[{"d":1},\n',
        b'{"a":[\n{}\n,',
        b'[{"a":1},',
        b'{"a":{"b":1}} ',
        b'{"a":"\\"\\"',
    ],
)
def test_every_byte_is_looked_at_a_few_times_at_most(
    log: Callable[..., LogFile], monkeypatch: pytest.MonkeyPatch, hopeless: bytes
) -> None:
    counting = Counting(brackets._TO_BRACKET)
    monkeypatch.setattr(brackets, "_TO_BRACKET", counting)
    data = hopeless * (400_000 // len(hopeless))
    for _ in Documents(log(data)):
        pass
    assert counting.seen <= 3 * len(data)


def test_a_line_of_many_values_is_passed_over_in_no_more_time_than_it_is_long(
    log: Callable[..., LogFile],
) -> None:
    """With an object at its end: looking for that from each value would take hours."""
    count = 200_000
    read = list(Documents(log(b"[" + b"1, " * count + LINE.strip() + b", 2]\n" + LINE)))
    assert [document.value for document in read if document.value] == [GOOD, GOOD]
    assert sum(document.value is None for document in read) in (count, count + 1)


# --- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pack"),
    [("x.jsonl.gz", gzip.compress), ("x.jsonl.zst", zstandard.ZstdCompressor().compress)],
)
def test_of_a_damaged_file_what_stands_before_the_damage_is_read(
    log: Callable[..., LogFile], name: str, pack: Callable[[bytes], bytes]
) -> None:
    read = Documents(log(pack(LINE * 1000) + b"damage" + pack(LINE), name))
    assert values(read) == [GOOD] * 1000
    assert read.damage == "the compressed file is damaged"
    read = Documents(log(pack(LINE * 1000) + pack(os.urandom(90).hex().encode())[:-30], name))
    assert values(read) == [GOOD] * 1000
    assert read.damage == "the compressed file ends early"


def test_one_line_that_is_no_text_costs_one_line_of_a_compressed_file(
    log: Callable[..., LogFile],
) -> None:
    data = LINE * 500 + b'{"a": "\xff"}\n' + LINE * 500
    read = list(Documents(log(zstandard.ZstdCompressor().compress(data), "x.jsonl.zst")))
    assert sum(document.value == GOOD for document in read) == 1000
    assert [document.reason for document in read if document.value is None] == ["not UTF-8"]


def test_a_bomb_of_one_repeated_line_is_read_to_its_end(log: Callable[..., LogFile]) -> None:
    """It is just many lines."""
    count = 300_000
    read = Documents(log(gzip.compress(LINE * count), "x.jsonl.gz"))
    assert sum(document.value == GOOD for document in read) == count
    assert read.damage == ""


# --- whatever the blocks are ---------------------------------------------------------------------

JUNK = (
    *(b"junk\n", b"{\n", b'{"a":\n', b'{"a\n', b'{"a": [\n', b'{"a": {"b": 1,\n', b"[1,2]\n"),
    *(b'"s"\n', b"\xff\xfe\n", b'{"a":"\xff"}\n', b"}\n", b"]}{\n", b'{"a":1,}\n', b"  {\n"),
    *(b'{"a":1} x\n', b"\0\0\0", b"{}x{}\n", b"[[{\n", b"{}{\n", b'{"a":[}]\n', b"x" * 50 + b"\n"),
    *(b"[" * 30 + b"\n", b'{"x":' * 12 + b"\n", b'{"cut": "by a cra\0\0\0'),
)


def scanned(data: bytes, size: int) -> tuple[list[Document], Counter[str], int, bool]:
    """Objects, lines that are none by reason, and where reading ended, of blocks of a size."""
    blocks = [data[start : start + size] for start in range(0, len(data), size)]
    reader = scanner.Scanner(blocks)
    found = list(reader.documents())
    lost: Counter[str] = Counter()
    for document in found:
        if document.value is None:
            lost[document.reason] += document.lines
    objects = [document for document in found if document.value is not None]
    return objects, lost, reader.end, reader.is_torn


@pytest.mark.parametrize("seed", range(20))
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Where a file is cut into blocks, and how soon they are forgotten, must not be seen."""
    chance = random.Random(seed)
    for _ in range(40):
        pieces = [chance.choice((LINE, *JUNK)) for _ in range(chance.randint(1, 7))]
        data = b"".join((*pieces, LINE))
        monkeypatch.setattr(scanner, "BLOCK_BYTES", chance.choice((1, 5, 1000)))
        whole = scanned(data, len(data))
        for size in (1, 2, 3, 7):
            assert scanned(data, size) == whole, (size, data)
        if not whole[3]:
            assert GOOD in [document.value for document in whole[0]], data
