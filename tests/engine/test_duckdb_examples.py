"""Evidence: what a sample says, and in which line of which file it stands."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from engine.conformance.worlds import END, Lines, LinesReader, call
from engine.timelines import HOUR, as_lines, held_of, opened

from tgt.engine.duckdb import pieces
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.engine.protocol import Signal
from tgt.events import Interval, Sample
from tgt.sources.base import Outcome
from tgt.sources.files import LogFile

WINDOW = Interval(END - HOUR, END)
CALLS = Signal("calls", where="act = 'tool_call'", by="'calls'")


def _line(number: int, **keys: Any) -> dict[str, Any]:
    at = (END - timedelta(minutes=50) + timedelta(seconds=number)).isoformat()
    told = {"ts": at, "act": "tool_call", "name": "grep", "conv_id": f"c{number}"}
    return {**told, "id": f"id-{number}", "error": f"error {number}", "status": "error", **keys}


MARK = b"\xef\xbb\xbf"
GOOD = [as_lines([_line(number)]) for number in range(40)]
BAD = b"no JSON\n", b"\n", b"   \n", b"[1]\n", b'{"act": "torn\n'
CONTENT = b"".join(line + BAD[n % 5] * (n % 3) for n, line in enumerate(GOOD))


def _samples(timeline: DuckDBTimeline, signal: Signal = CALLS) -> list[Sample]:
    examples = timeline.at(WINDOW).examples(signal, "calls", WINDOW, 100)
    return list(timeline.complete(examples.samples))


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    return zstandard.decompress(data) if path.suffix == ".zst" else data


def _check(samples: list[Sample], expected: int = 40) -> None:
    """Each sample stands in the line of its file that it names."""
    assert len(samples) == expected
    for sample in samples:
        assert sample.file is not None
        assert sample.line is not None
        data = _unpacked(Path(sample.file)).removeprefix(MARK)
        line = json.loads(data.split(b"\n")[sample.line - 1])
        assert (line["id"], line["conv_id"]) == (sample.id, sample.conv_id)
        assert sample.text == line["error"]


def _in_one_file(logs: Path) -> None:
    (logs / "x.jsonl").write_bytes(CONTENT)


def _in_many_files(logs: Path) -> None:
    for number in range(20):
        lines = GOOD[2 * number : 2 * number + 2]
        (logs / f"{number}.jsonl").write_bytes(b"\n" + BAD[0] + b"\n".join(lines))


def _packed(logs: Path) -> None:
    (logs / "x.jsonl.gz").write_bytes(gzip.compress(CONTENT))


def _packed_otherwise(logs: Path) -> None:
    (logs / "x.jsonl.zst").write_bytes(zstandard.compress(CONTENT))


def _with_a_mark(logs: Path) -> None:
    (logs / "x.jsonl").write_bytes(MARK + CONTENT)


@pytest.mark.parametrize(
    ("write", "piece_bytes"),
    [
        (_in_one_file, pieces.PIECE_BYTES),
        (_in_one_file, 700),
        (_in_one_file, len(CONTENT) - 300),
        (_in_many_files, pieces.PIECE_BYTES),
        (_packed, pieces.PIECE_BYTES),
        (_packed_otherwise, pieces.PIECE_BYTES),
        (_with_a_mark, 700),
    ],
)
def test_a_sample_stands_where_it_says(
    tmp_path: Path,
    write: Callable[[Path], None],
    piece_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also in files that were read in pieces."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", piece_bytes)
    write(tmp_path)
    with opened(tmp_path) as timeline:
        _check(_samples(timeline))


def test_also_of_what_an_earlier_run_has_read(tmp_path: Path) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    for start in range(0, 40, 10):
        with (logs / "x.jsonl").open("ab") as stream:
            stream.write(b"".join(GOOD[start : start + 10]) + BAD[0])
        with opened(logs, cache) as timeline:
            _check(_samples(timeline), start + 10)
    (logs / "x.jsonl").rename(logs / "x.jsonl.1")
    with opened(logs, cache) as timeline:
        _check(_samples(timeline))
    with opened(logs, cache, writable=False) as timeline:
        _check(_samples(timeline))


def test_a_sample_whose_file_is_gone_or_another_stays_as_it_is(tmp_path: Path) -> None:
    for what in ("gone", "another", "emptied", "a directory"):
        logs = tmp_path / what
        logs.mkdir()
        path = logs / "x.jsonl"
        path.write_bytes(CONTENT)
        with opened(logs) as timeline:
            path.unlink()
            if what == "another":
                path.write_bytes(as_lines([_line(99, name="other")]))
            elif what == "emptied":
                path.touch()
            elif what == "a directory":
                path.mkdir()
            samples = _samples(timeline)
        assert len(samples) == 40
        assert {(s.id, s.text, s.file, s.line) for s in samples} == {(None,) * 4}, what


def test_what_was_asked_stands_where_the_call_began(tmp_path: Path) -> None:
    """In another file, and met by another run; for a source that is translated."""
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    begun = call(30, "c", phase="start", failed=None, call_id="k", args_preview="what was asked")
    ended = call(29, "c", phase="end", failed=True, call_id="k", error="what went wrong", id="e")
    source = Lines(logs)
    (logs / "a.jsonl").write_bytes(b"\n" + as_lines([begun]))
    held_of(source, cache)
    (logs / "b.jsonl").write_bytes(b"\n\n" + as_lines([ended]))
    for kept in (cache, None):
        with opened(source, kept) as timeline:
            (sample,) = _samples(timeline)
            assert (sample.text, sample.args) == ("what went wrong", "what was asked")
            assert (sample.file, sample.line, sample.id) == (str(logs / "b.jsonl"), 3, "e")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_an_end_that_was_told_twice_the_failure_is_shown(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    begun = _line(1, act="tool_execution_start", call_id="k", status=None, error=None)
    ends = [
        _line(2 + order[0], act="tool_execution_error", call_id="k", id="failure"),
        _line(2 + order[1], act="tool_execution_finish", call_id="k", status="ok", error=None),
    ]
    (tmp_path / "x.jsonl").write_bytes(as_lines([begun, *ends]))
    with opened(tmp_path) as timeline:
        (sample,) = _samples(timeline)
    assert (sample.id, sample.text) == ("failure", f"error {2 + order[0]}")


def test_equal_lines_are_shown_as_one_of_them(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(GOOD[0] * 3 + GOOD[1])
    with opened(tmp_path) as timeline:
        _check(_samples(timeline), 2)
    line = as_lines([{**_line(0), "id": None}])
    (tmp_path / "x.jsonl").write_bytes(line * 3)
    with opened(tmp_path) as timeline:
        samples = _samples(timeline)
    assert [sample.text for sample in samples] == ["error 0"] * 3
    assert {sample.line for sample in samples} <= {1, 2, 3}


@dataclass(frozen=True)
class Lists(Lines):
    """A source whose lines are lists of records."""

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> ListsReader:
        del file, state
        return ListsReader()


class ListsReader(LinesReader):
    def take(self, document: Mapping[str, Any], place: int) -> list[Outcome]:
        del place
        return list(document["records"])


def test_lines_of_one_moment_that_differ_in_their_conversation_alone_are_told_apart(
    tmp_path: Path,
) -> None:
    """They need not have an id."""
    at = (END - timedelta(minutes=3)).isoformat()
    lines = [
        {
            "ts": at,
            "act": "tool_call",
            "name": "grep",
            "conv_id": conv,
            "args_preview": f"of {conv}",
        }
        for conv in "abc"
    ]
    (tmp_path / "x.jsonl").write_bytes(as_lines(lines))
    with opened(tmp_path) as timeline:
        told = {(s.conv_id, s.args, s.line) for s in _samples(timeline)}
    assert told == {("a", "of a", 1), ("b", "of b", 2), ("c", "of c", 3)}


def test_records_of_one_object_are_told_apart(tmp_path: Path) -> None:
    """By their time, their act and their name, as the calls of one message are."""
    records = [
        call(30, "c", name, error=f"error of {name}", failed=True) for name in ("a", "b", "c")
    ]
    records.append(call(29, "c", "a", error="a later error of a", failed=True))
    (tmp_path / "x.jsonl").write_bytes(b"\n" + as_lines([{"records": records}]))
    with opened(Lists(tmp_path)) as timeline:
        samples = _samples(timeline)
    assert {(s.values["name"], s.text) for s in samples} == {
        ("a", "error of a"),
        ("b", "error of b"),
        ("c", "error of c"),
        ("a", "a later error of a"),
    }
    assert {s.line for s in samples} == {2}
