"""Which bytes are read: those that are new, each once, whatever their file is called by now."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from engine.conformance.worlds import END, SIGNALS, USE
from engine.timelines import HOUR, WEEK, as_lines, held_of, opened, talk

from tgt.engine.duckdb import ingest, pieces
from tgt.engine.duckdb.store import Workspace
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.engine.protocol import Signal
from tgt.events import HOUR_US, Interval, to_us
from tgt.sources import salvage
from tgt.sources.contextlog import ContextLog
from tgt.sources.files import LogFile

CALLS = Signal("calls", where="act = 'tool_call'")
WINDOW = Interval(END - HOUR, END)

Stretches: TypeAlias = list[tuple[str, int, int]]
"""What was read: the name of a file, from which offset and to which."""


def _lines(number: int, count: int = 12) -> bytes:
    """Lines of one length, more than the beginning and the end that a file is known by."""
    return as_lines(
        {
            "ts": (END - timedelta(minutes=50 - n / 10)).isoformat(timespec="milliseconds"),
            "act": "tool_call",
            "name": f"tool{number:02}",
            "status": "ok",
            "conv_id": f"conversation-{number:04}-{n:04}",
            "args_preview": "x" * 150,
        }
        for n in range(count)
    )


A, B, C = _lines(1), _lines(2), _lines(3)
SIZE = len(A)
SHORT = SIZE // 12 * 5


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Stretches:
    """What is read from now on."""
    stretches: Stretches = []

    def spied(file: LogFile, lines: pieces.Stretch) -> Iterator[pieces.Piece]:
        for piece in pieces.pieces(file, lines):
            stretches.append((Path(file.path).name, piece.start, piece.end))
            yield piece

    def clean(file: LogFile, start: int, end: int | None) -> salvage.CleanPieces:
        stretches.append((Path(file.path).name, start, -1 if end is None else end))
        return salvage.CleanPieces(file, start, end)

    monkeypatch.setattr(ingest, "pieces", spied)
    monkeypatch.setattr(ingest, "CleanPieces", clean)
    return stretches


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def _renamed(path: Path, data: bytes = b"") -> None:
    path.rename(path.with_name("x.jsonl.1"))
    if data:
        _append(path.with_name("x.jsonl.1"), data)


def _copytruncated(path: Path) -> None:
    shutil.copyfile(path, path.with_name("x.jsonl.1"))
    path.write_bytes(B[: SIZE // 2] + b"\n")


def _packed(path: Path, *, keep: bool) -> None:
    path.with_name("x.jsonl.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    if not keep:
        path.unlink()


def _copied(path: Path, then: Callable[[Path, Path], object] = lambda *_: None) -> None:
    copy = path.with_name("copy.jsonl")
    shutil.copyfile(path, copy)
    then(path, copy)


def _replaced(path: Path) -> None:
    path.unlink()
    path.write_bytes(B)


def _overwritten(path: Path) -> None:
    path.write_bytes(B + B)


def _damaged_in_the_middle(path: Path) -> None:
    """Nobody writes so; it shows that these bytes are not looked at again."""
    data = bytearray(path.read_bytes())
    data[1100:1200] = b"#" * 100
    with path.open("r+b") as stream:
        stream.write(data)
    _append(path, B)


def _torn(path: Path) -> None:
    _append(path, B[: SIZE // 2])


CHANGES: list[tuple[str, Callable[[Path], object], Stretches, int]] = [
    ("nothing happens", lambda _: None, [], 12),
    ("it is touched", os.utime, [], 12),
    ("it grows", lambda path: _append(path, B), [("x.jsonl", SIZE, 2 * SIZE)], 24),
    ("half a line is added", lambda path: _append(path, B[:50]), [], 12),
    ("its older bytes change", _damaged_in_the_middle, [("x.jsonl", SIZE, 2 * SIZE)], 24),
    ("it is renamed", _renamed, [], 12),
    (
        "it is renamed and grows",
        lambda path: _renamed(path, B),
        [("x.jsonl.1", SIZE, 2 * SIZE)],
        24,
    ),
    (
        "it is copied and truncated",
        _copytruncated,
        [("x.jsonl", 0, SIZE // 2 + 1)],
        12 + 6,
    ),
    ("it is packed", lambda path: _packed(path, keep=False), [], 12),
    ("it is packed and stays", lambda path: _packed(path, keep=True), [], 12),
    ("it is copied", _copied, [], 12),
    (
        "it is copied and grows",
        lambda path: _copied(path, lambda path, _: _append(path, B)),
        [("x.jsonl", SIZE, 2 * SIZE)],
        24,
    ),
    (
        "its copy grows",
        lambda path: _copied(path, lambda _, copy: _append(copy, B)),
        [("copy.jsonl", SIZE, 2 * SIZE)],
        24,
    ),
    ("its copy stays alone", lambda path: _copied(path, lambda path, _: path.unlink()), [], 12),
    ("it gets another name", lambda path: os.link(path, path.with_name("hard.jsonl")), [], 12),
    ("a link leads to it", lambda path: path.with_name("soft.jsonl").symlink_to(path), [], 12),
    ("it is replaced", _replaced, [("x.jsonl", 0, SIZE)], 12),
    ("it is overwritten", _overwritten, [("x.jsonl", 0, 2 * SIZE)], 24),
    ("it is shortened", lambda path: os.truncate(path, SHORT), [("x.jsonl", 0, SHORT)], 5),
    ("it is emptied", lambda path: os.truncate(path, 0), [], 0),
    ("it is removed", Path.unlink, [], 0),
    (
        "another appears",
        lambda path: _append(path.with_name("y.jsonl"), B),
        [("y.jsonl", 0, SIZE)],
        24,
    ),
]


_SLOW = (
    *("it is touched", "half a line is added", "it is renamed", "it is packed and stays"),
    *("it gets another name", "it is overwritten", "it is emptied", "it is removed"),
    "another appears",
)


@pytest.mark.parametrize(
    ("change", "stretches", "events"),
    [
        pytest.param(*case, id=what, marks=[pytest.mark.slow] if what in _SLOW else [])
        for what, *case in CHANGES
    ],
)
def test_only_new_bytes_are_read(
    tmp_path: Path,
    read: Stretches,
    change: Callable[[Path], object],
    stretches: Stretches,
    events: int,
) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    (logs / "x.jsonl").write_bytes(A)
    held_of(logs, cache)
    read.clear()
    change(logs / "x.jsonl")
    with opened(logs, cache) as timeline:
        assert timeline.inventory().events == events
    expected = [
        (name, start, SIZE // 12 * 5 if end == -1 else end) for name, start, end in stretches
    ]
    assert read == expected
    held_of(logs, cache)
    assert read == expected, "the next run finds nothing new"


def test_a_line_that_is_half_there_counts_as_malformed_until_it_is_whole(
    tmp_path: Path, read: Stretches
) -> None:
    path, cache = tmp_path / "logs" / "x.jsonl", tmp_path / "cache"
    path.parent.mkdir()
    path.write_bytes(A)
    line = B.splitlines(keepends=True)[0]
    for part, malformed, events in ((line[:20], 1, 12), (line[20:50], 1, 12), (line[50:], 0, 13)):
        _append(path, part)
        with opened(path.parent, cache) as timeline:
            inventory = timeline.inventory()
            assert (inventory.malformed, inventory.events) == (malformed, events)
    assert read == [("x.jsonl", 0, SIZE), ("x.jsonl", SIZE, SIZE + len(line))]


def test_a_last_line_that_lacks_only_its_end_is_read(tmp_path: Path) -> None:
    path, cache = tmp_path / "logs" / "x.jsonl", tmp_path / "cache"
    path.parent.mkdir()
    path.write_bytes(A.rstrip(b"\n"))
    for rest in (b"", b"\n", B.rstrip(b"\n"), b"\n" + C):
        _append(path, rest)
        held_of(path.parent, cache)
    assert held_of(path.parent, cache) == held_of(path.parent)
    with opened(path.parent, cache) as timeline:
        inventory = timeline.inventory()
        assert (inventory.malformed, inventory.events) == (0, 36)


NAMES = [
    b"with space.jsonl",
    b"glob[a]*?.jsonl",
    b"back\\slash.jsonl",
    b"quote'\".jsonl",
    b"new\nline.jsonl",
    b"not-utf8-\xff\xfe.jsonl",
    "ünïcode-漢🧨.jsonl".encode(),
    b"-dash.jsonl",
    b"$HOME.jsonl",
    b"a=b.jsonl",
]


def test_files_may_have_any_name(tmp_path: Path, read: Stretches) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    for number, name in enumerate(NAMES):
        (logs / os.fsdecode(name)).write_bytes(_lines(number))
    expected = 12 * len(NAMES)
    for _ in range(2):
        with opened(logs, cache) as timeline:
            assert timeline.inventory().events == expected
            assert timeline.warnings == ()
            samples = timeline.at(WINDOW).examples(CALLS, "tool_call/tool05", WINDOW, 1).samples
            (sample,) = timeline.complete(samples)
            assert os.fsencode(sample.file or "") == os.fsencode(logs / os.fsdecode(NAMES[5]))
    assert len(read) == len(NAMES)


def test_a_file_that_goes_while_it_is_looked_for_is_no_failure(tmp_path: Path) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    for name, data in (("a.jsonl", A), ("b.jsonl", B), ("c.jsonl.gz", gzip.compress(C))):
        (logs / name).write_bytes(data)
    source = ContextLog(logs)
    listing = source.listing()
    (logs / "b.jsonl").unlink()
    (logs / "c.jsonl.gz").unlink()
    for kept in (None, cache):
        workspace = Workspace(kept, writable=kept is not None)
        with DuckDBTimeline(
            [(source, listing)], SIGNALS, WINDOW, WINDOW, WEEK, workspace
        ) as timeline:
            assert timeline.inventory().events == 12
            assert timeline.warnings == ()
    assert held_of(logs, cache) == held_of(logs)


# --- what makes it read again, and what does not -------------------------------------------------


def test_a_signal_that_is_new_is_counted_in_all_hours_and_no_file_is_read(
    tmp_path: Path, read: Stretches
) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    chance = random.Random(1)
    lines = (line for n in range(20) for line in talk(chance, END - n * HOUR))
    (logs / "x.jsonl").write_bytes(as_lines(lines))
    held_of(logs, cache)
    read.clear()
    for signals in ([*SIGNALS, CALLS], [CALLS], SIGNALS):
        kept = held_of(logs, cache, signals=signals)
        assert read == []
        assert kept == held_of(logs, signals=signals)
        read.clear()


@pytest.mark.parametrize(
    ("later", "is_read_again", "why"),
    [
        (timedelta(), False, "the same"),
        (timedelta(hours=5), False, "time goes by"),
        (timedelta(days=20), False, "much of it"),
        (timedelta(days=-1), True, "a baseline that reaches further back than what was kept"),
    ],
)
def test_the_time_that_is_asked_for_decides_what_is_kept(
    tmp_path: Path, read: Stretches, later: timedelta, is_read_again: bool, why: str
) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    chance = random.Random(1)
    lines = [line for n in range(24 * 9) for line in talk(chance, END - n * HOUR)]
    (logs / "x.jsonl").write_bytes(as_lines(sorted(lines, key=lambda line: str(line["ts"]))))
    held_of(logs, cache)
    read.clear()
    end = END + later
    with opened(logs, cache, end=end) as kept:
        assert bool(read) == is_read_again, why
        with opened(logs, end=end) as fresh:
            window = Interval(end - HOUR, end)
            one, other = kept.at(window), fresh.at(window)
            assert one.coverage.events == other.coverage.events
            assert one.coverage.hours_observed == other.coverage.hours_observed
            assert one.counts(USE, window, history=_always) == (
                other.counts(USE, window, history=_always)
            )
        oldest = kept.database.value("SELECT min(us) FROM events")
        since = to_us(end - HOUR - WEEK)
        assert oldest is None or oldest >= since - 26 * HOUR_US


def _always(_: object) -> bool:
    return True


def test_a_file_last_written_long_before_the_baseline_is_not_met(
    tmp_path: Path, read: Stretches
) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    for name, days in (("old.jsonl", 9.2), ("slow-clock.jsonl", 8.0), ("new.jsonl", 0)):
        (logs / name).write_bytes(_lines(len(name)))
        written = (END - timedelta(days=days)).timestamp()
        os.utime(logs / name, (written, written))
    with opened(logs, cache) as timeline:
        assert timeline.inventory().events == 24
    assert [name for name, *_ in read] == ["slow-clock.jsonl", "new.jsonl"]
    assert held_of(logs, cache) == held_of(logs)


def test_other_sources_have_another_store(tmp_path: Path) -> None:
    one, other, cache = tmp_path / "one", tmp_path / "other", tmp_path / "cache"
    for path, data in ((one, A), (other, B + C)):
        path.mkdir()
        (path / "x.jsonl").write_bytes(data)
    both = [ContextLog(one), ContextLog(other)]
    for sources in (both[:1], both, both[1:]):
        assert held_of(sources, cache) == held_of(sources)
