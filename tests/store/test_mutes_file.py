"""The file of mutes: a decision is never lost, and whatever stands in the file does no harm."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tgt import mutes
from tgt.errors import StoreError
from tgt.store import fsio, mutes_file
from tgt.store.mutes_file import MutesFile
from tgt.tasks.mute import Mute

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
A, B = Mute(NOW, "a*", "docs_gap", NOW + HOUR, "flaky"), Mute(NOW, "b")


def test_decisions_are_kept_in_their_order(tmp_path: Path) -> None:
    file = MutesFile(tmp_path / "tasks")
    assert file.read() == ((), 0)
    assert file.add(lambda history: [A, B] if not history else []) == (A, B)
    assert file.add(lambda history: [] if history == (A, B) else [A]) == ()
    assert file.read() == ((A, B), 0)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert len(file.path.read_bytes().splitlines()) == 2


def test_what_is_muted_so_already_is_not_written_again(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    assert mutes.mute(tasks, [B], NOW) == (B,)
    again = Mute(NOW + HOUR, "b")
    assert mutes.mute(tasks, [again], NOW + HOUR) == ()
    other = Mute(NOW + HOUR, "b", reason="since it is flaky")
    assert mutes.mute(tasks, [other], NOW + HOUR) == (other,)
    assert list(mutes.in_force(tasks, NOW + HOUR).mutes) == [other]
    assert mutes.unmute(tasks, "b", (), NOW + 2 * HOUR) == (other,)
    assert mutes.unmute(tasks, "b", (), NOW + 3 * HOUR) == ()
    assert mutes.mute(tasks, [again], NOW + 4 * HOUR) == (again,), "it had ended"
    assert len(MutesFile(tasks).read().mutes) == 4, "what was decided stays written down"


def test_only_what_is_named_is_ended(tmp_path: Path) -> None:
    history = [Mute(NOW, "a"), Mute(NOW, "a", "x"), Mute(NOW, "a", "y"), Mute(NOW, "*")]
    mutes.mute(tmp_path, history, NOW)
    assert mutes.unmute(tmp_path, "a", ["x"], NOW) == (history[1],)
    assert mutes.unmute(tmp_path, "b", (), NOW) == ()
    assert set(mutes.unmute(tmp_path, "a", (), NOW)) == {history[0], history[2]}
    assert list(mutes.in_force(tmp_path, NOW).mutes) == [history[3]]


def test_ending_nothing_makes_no_directory(tmp_path: Path) -> None:
    assert mutes.unmute(tmp_path / "tasks", "a", (), NOW) == ()
    assert not (tmp_path / "tasks").exists()


@pytest.mark.parametrize(
    "line", [b"garbage", b"[" * 100_000, b'{"subject": "*"}', b"\xff\xfe\x00", b"null"]
)
def test_a_line_that_is_no_decision_is_passed_over_and_stays(tmp_path: Path, line: bytes) -> None:
    file = MutesFile(tmp_path)
    file.path.write_bytes(line + b"\n")
    assert file.add(lambda _history: [B]) == (B,)
    assert file.read() == ((B,), 1)
    assert file.path.read_bytes().startswith(line)
    assert mutes.in_force(tmp_path, NOW).warning == "1 line of mutes.jsonl is no mute"


def test_a_torn_line_is_cut_off_by_the_next_writer(tmp_path: Path) -> None:
    file = MutesFile(tmp_path)
    file.add(lambda _history: [A])
    with file.path.open("ab") as stream:
        stream.write(b'{"subject": "to')
    assert file.read() == ((A,), 1)
    file.add(lambda _history: [B])
    assert file.read() == ((A, B), 0)


def test_a_whole_line_without_its_end_is_kept(tmp_path: Path) -> None:
    file = MutesFile(tmp_path)
    file.path.write_text(json.dumps(A.document))
    file.add(lambda _history: [B])
    assert file.read() == ((A, B), 0)


def test_what_was_decided_is_never_lost_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = MutesFile(tmp_path)
    file.add(lambda _history: [A])
    kept = file.path.read_bytes()
    with monkeypatch.context() as small:
        small.setattr(mutes_file, "_MAX_BYTES", len(kept) + 10)
        with pytest.raises(StoreError, match="would be larger"):
            file.add(lambda _history: [B])
    assert file.path.read_bytes() == kept


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    file = MutesFile(tmp_path)
    (tmp_path / "elsewhere").write_bytes(b"")
    file.path.symlink_to(tmp_path / "elsewhere")
    for act in (file.read, lambda: file.add(lambda _history: [B])):
        with pytest.raises(fsio.UnusableError):
            act()
    assert (tmp_path / "elsewhere").read_bytes() == b""
    known = mutes.if_readable(tmp_path, NOW)
    assert len(known.mutes) == 0
    assert known.warning.startswith("nothing is muted: ")
