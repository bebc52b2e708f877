"""The file of marks: durable, bounded, and safe from whatever stands in it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tgt.errors import StoreError
from tgt.store import fsio, marks_file
from tgt.store.marks_file import MarksFile
from tgt.tasks.mark import LONGEST_NAME, Mark

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)


def test_marks_are_kept_in_the_order_of_their_times_each_once(tmp_path: Path) -> None:
    file = MarksFile(tmp_path / "tasks")
    assert file.read() == ((), 0)
    late, early = Mark(NOW, "2.1", "shop"), Mark(NOW - timedelta(days=1), "2.0")
    assert [file.add(each) for each in (late, early, late)] == [True, True, False]
    assert file.read() == ((early, late), 0)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert len(file.path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"[" * 100_000,
        b'{"name": "x"}',
        b'{"name": " ", "at": "2025-11-03T12:00:00Z"}',
        b'{"name": 7, "at": "2025-11-03T12:00:00Z"}',
        b'{"name": "x", "at": "yesterday"}',
        b"\xff\xfe\x00",
    ],
)
def test_a_line_that_is_no_mark_is_passed_over_and_stays(tmp_path: Path, line: bytes) -> None:
    file = MarksFile(tmp_path)
    file.path.write_bytes(line + b"\n")
    assert file.add(Mark(NOW, "x"))
    assert file.read() == ((Mark(NOW, "x"),), 1)
    assert file.path.read_bytes().startswith(line)


def test_what_a_mark_says_is_bounded(tmp_path: Path) -> None:
    file = MarksFile(tmp_path)
    data = {"name": "n" * 10_000, "at": "2025-11-03T13:00:00+01:00", "service": ["s"], "more": 1}
    file.path.write_text(json.dumps(data) + "\n")
    assert file.read() == ((Mark(NOW, "n" * LONGEST_NAME),), 0)


def test_a_torn_line_is_cut_off_by_the_next_writer(tmp_path: Path) -> None:
    file = MarksFile(tmp_path)
    file.add(Mark(NOW, "first"))
    with file.path.open("ab") as stream:
        stream.write(b'{"name": "tor')
    assert file.read().skipped_lines == 1
    file.add(Mark(NOW, "second"))
    assert file.read() == ((Mark(NOW, "first"), Mark(NOW, "second")), 0)


def test_a_mark_is_never_lost_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = MarksFile(tmp_path)
    file.add(Mark(NOW, "first"))
    kept = file.path.read_bytes()
    with monkeypatch.context() as small:
        small.setattr(marks_file, "_MAX_BYTES", len(kept) + 10)
        with pytest.raises(StoreError, match="would be larger"):
            file.add(Mark(NOW, "second"))
    assert file.path.read_bytes() == kept


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    file = MarksFile(tmp_path)
    (tmp_path / "elsewhere").write_bytes(b"")
    file.path.symlink_to(tmp_path / "elsewhere")
    for act in (file.read, lambda: file.add(Mark(NOW, "x"))):
        with pytest.raises(fsio.UnusableError):
            act()
    assert (tmp_path / "elsewhere").read_bytes() == b""
