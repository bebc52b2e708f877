"""Every system call of every change may fail, or be the last one: the store is the old or the new.

A process that is killed is played by an exception that no handler survives: from the chosen call
on, no call reaches the disk any more, and the kernel frees the locks as the descriptors close.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import END, World, call, calls_of, hours_of

from tgt import cycle, triage
from tgt.config import Settings
from tgt.errors import StoreError, TgtError
from tgt.store.journal import Journal, encode
from tgt.store.state_file import Sidecar
from tgt.tasks.card import Card, format_time
from tgt.tasks.state import Pause, SchedulerState

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
OLD = format_time(NOW - timedelta(days=90))
CARDS = (
    Card({"id": "01A", "status": "generated", "title": "first"}),
    Card({"id": "01B", "status": "dismissed", "dismissedAt": OLD}),
    Card({"id": "01C", "status": "approved", "title": "ünï"}),
)
NEW = tuple(Card({"id": f"02{n}", "status": "generated", "title": "x" * 3000}) for n in range(3))
CALLS = [
    *((os, name) for name in ("open", "write", "fsync", "replace", "unlink", "ftruncate", "mkdir")),
    *((os, name) for name in ("fchmod", "listdir", "pread")),
    (fcntl, "flock"),
]


class Killed(BaseException):
    """The process is gone: nobody may catch this."""


@contextmanager
def fault(at: int, mode: str) -> Iterator[list[str]]:
    """Let the ``at``-th system call fail as ``mode`` says; yields the names of the calls made."""
    made: list[str] = []
    real = {(module, name): getattr(module, name) for module, name in CALLS}

    def patched(key: tuple[Any, str]) -> Callable[..., Any]:
        def call(*arguments: Any, **keys: Any) -> Any:
            made.append(key[1])
            if mode.startswith("killed"):
                if len(made) == at and mode == "killed after":
                    real[key](*arguments, **keys)
                if len(made) >= at:
                    raise Killed
            elif len(made) == at:
                if mode == "ENOSPC" and key[1] == "write":
                    real[key](arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise OSError(getattr(errno, mode), os.strerror(getattr(errno, mode)))
            return real[key](*arguments, **keys)

        return call

    for module, name in CALLS:
        setattr(module, name, patched((module, name)))
    try:
        yield made
    finally:
        for (module, name), function in real.items():
            setattr(module, name, function)


def append(tasks_dir: Path) -> None:
    with Journal(tasks_dir).writing() as writer:
        writer.append(NEW)


def approve(tasks_dir: Path) -> None:
    triage.approve(Journal(tasks_dir), ["01A", "01B"], NOW, note="yes")


def dismiss(tasks_dir: Path) -> None:
    triage.dismiss(Journal(tasks_dir), ["01A", "01C"], NOW, until=NOW + timedelta(days=7))


def complete(tasks_dir: Path) -> None:
    triage.complete(Journal(tasks_dir), ["01C"], NOW)


def reopen(tasks_dir: Path) -> None:
    triage.reopen(Journal(tasks_dir), ["01B"], NOW)


def pause(tasks_dir: Path) -> None:
    chosen = Pause(until=NOW + timedelta(hours=2), reason="release", since=NOW)
    Sidecar(tasks_dir).update(lambda state: replace(state, pause=chosen))


def cleanup(tasks_dir: Path) -> None:
    triage.cleanup(Journal(tasks_dir), NOW, days=30)


def update(tasks_dir: Path) -> None:
    Sidecar(tasks_dir).update(lambda state: replace(state, total_runs=state.total_runs + 1))


def nothing(tasks_dir: Path) -> None:
    pass


def full(tasks_dir: Path) -> None:
    with Journal(tasks_dir).writing() as writer:
        writer.append(CARDS)
    Sidecar(tasks_dir).update(lambda _state: SchedulerState(total_runs=6))
    update(tasks_dir)


def torn(tasks_dir: Path) -> None:
    full(tasks_dir)
    with Journal(tasks_dir).path.open("ab") as stream:
        stream.write(b'{"id":"01D","status":"gen')


def unended(tasks_dir: Path) -> None:
    full(tasks_dir)
    with Journal(tasks_dir).path.open("ab") as stream:
        stream.write(b'{"id":"01D","status":"generated"}')


def damaged(tasks_dir: Path) -> None:
    full(tasks_dir)
    Sidecar(tasks_dir).path.write_bytes(b"{")


def seen(tasks_dir: Path) -> Any:
    """Everything that the store tells, and how many damaged sidecars have been set aside."""
    content = Journal(tasks_dir).read()
    state, _ = Sidecar(tasks_dir).read(())
    return {key: card.data for key, card in content.cards.items()}, state


SCENARIOS = [
    (nothing, append),
    (full, append),
    (torn, append),
    (unended, append),
    (full, approve),
    (full, dismiss),
    (torn, complete),
    (unended, reopen),
    (full, pause),
    (full, cleanup),
    (torn, cleanup),
    (nothing, update),
    (full, update),
    (damaged, update),
]


@pytest.mark.parametrize("mode", ["EIO", "ENOSPC", "killed before", "killed after"])
@pytest.mark.parametrize(
    ("prepare", "change"), SCENARIOS, ids=[f"{a.__name__}-{b.__name__}" for a, b in SCENARIOS]
)
def test_the_store_is_the_old_or_the_new_one_whatever_call_fails(
    tmp_path: Path,
    mode: str,
    prepare: Callable[[Path], None],
    change: Callable[[Path], None],
) -> None:
    reference = tmp_path / "reference"
    prepare(reference)
    old = seen(reference)
    change(reference)
    new = seen(reference)
    assert old != new

    for number in range(1, 200):
        tasks_dir = tmp_path / str(number)
        prepare(tasks_dir)
        failure: BaseException | None = None
        with fault(number, mode) as calls:
            try:
                change(tasks_dir)
            except (Killed, StoreError) as raised:
                failure = raised
        where = f"call {number} of {calls}"
        now = seen(tasks_dir)
        assert now in (old, new), where
        if failure is None:
            assert now == new, where
        elif isinstance(failure, StoreError):
            assert str(tasks_dir) in failure.message
            assert failure.hint
            assert not list(tasks_dir.glob(".*.tgt-tmp")), where
            if change in {append, approve, dismiss, complete, reopen}:
                assert now == old, f"a failed append leaves nothing behind: {where}"

        extra = Card({"id": "03X", "status": "generated"})
        with Journal(tasks_dir).writing() as writer:
            writer.append([extra])
        assert seen(tasks_dir)[0] == {**now[0], "03X": extra.data}, where
        assert not list(tasks_dir.glob(".*.tgt-tmp")), where
        assert all(map(json.loads, Journal(tasks_dir).path.read_bytes().splitlines())), where
        if len(calls) < number:
            break
    else:
        pytest.fail("the change never came to its end")
    assert number > 5, "the faults must have reached the change"


@pytest.mark.parametrize(
    ("change", "last_calls"),
    [
        (append, ["write", "fsync", "open", "fsync"]),
        (approve, ["write", "fsync", "open", "fsync"]),
        (cleanup, ["write", "fsync", "replace", "open", "fsync"]),
        (update, ["write", "fsync", "replace", "open", "fsync"]),
    ],
)
def test_nothing_is_acknowledged_before_the_file_and_its_name_are_on_the_disk(
    tmp_path: Path, change: Callable[[Path], None], last_calls: list[str]
) -> None:
    full(tmp_path)
    with fault(0, "EIO") as calls:
        change(tmp_path)
    assert calls[-len(last_calls) :] == last_calls


@pytest.mark.parametrize("part", [1, 100, 3_050, 5_000, 9_000])
@pytest.mark.parametrize("error", [Killed(), OSError(errno.EIO, "I/O error")])
def test_a_write_that_is_cut_short_beyond_repair_leaves_whole_cards_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int, error: BaseException
) -> None:
    full(tmp_path)
    old = seen(tmp_path)[0]
    write = os.write

    def cut_short(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:part])
        raise error

    def fail(*_arguments: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", cut_short)
        patch.setattr(os, "ftruncate", fail)
        with pytest.raises((Killed, StoreError)):
            append(tmp_path)
    now = seen(tmp_path)[0]
    whole = {card.id: card.data for card in NEW[: part // len(encode(NEW[0].data))]}
    assert now == {**old, **whole}
    append(tmp_path)
    assert seen(tmp_path)[0] == {**old, **{card.id: card.data for card in NEW}}
    assert Journal(tmp_path).read().skipped_lines == 0


def test_whatever_byte_a_journal_ends_at_its_complete_cards_survive(tmp_path: Path) -> None:
    lines = [encode(card.data) for card in CARDS]
    whole = b"".join(line + b"\n" for line in lines)
    ends = [len(b"\n".join(lines[: n + 1])) for n in range(len(lines))]
    journal = Journal(tmp_path)
    for length in range(len(whole) + 1):
        journal.path.write_bytes(whole[:length])
        complete = [card.id for card, end in zip(CARDS, ends, strict=True) if end <= length]
        assert list(journal.read().cards) == complete, length
        with journal.writing() as writer:
            writer.append([Card({"id": "NEW"})])
        content = journal.read()
        assert list(content.cards) == [*complete, "NEW"], length
        assert content.skipped_lines == 0, length


def test_a_limit_on_the_size_of_files_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    full(tmp_path)
    before = Journal(tmp_path).path.read_bytes()
    script = (
        "import sys, pathlib\n"
        "from tgt.store.journal import Journal\n"
        "from tgt.tasks.card import Card\n"
        "from tgt.errors import StoreError\n"
        "cards = [Card({'id': f'N{n}', 'title': 'x' * 400}) for n in range(3)]\n"
        "try:\n"
        "    with Journal(pathlib.Path(sys.argv[1])).writing() as writer:\n"
        "        writer.append(cards)\n"
        "except StoreError as failure:\n"
        "    print(failure)\n"
    )
    limit = len(before) + 600
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "File too large; raise the limit on the size of files" in done.stdout
    assert Journal(tmp_path).path.read_bytes() == before


def test_what_a_killed_process_acknowledged_is_there(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, itertools\n"
        "from tgt.store.journal import Journal\n"
        "from tgt.tasks.card import Card\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "for n in itertools.count():\n"
        "    with journal.writing() as writer:\n"
        "        if n % 5 == 4:\n"
        "            writer.rewrite(writer.cards.values())\n"
        "        writer.append([Card({'id': f'{sys.argv[2]}-{n}', 'pad': 'x' * 20000})])\n"
        "    print(n, flush=True)\n"
    )
    for wanted in (1, 7, 12):
        command = [sys.executable, "-c", script, str(tmp_path), str(wanted)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(wanted):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split()
        last = int(rest[-1]) if rest else wanted - 1
        content = Journal(tmp_path).read()
        assert {f"{wanted}-{n}" for n in range(last + 1)} <= content.cards.keys()
        assert all(len(card.text("pad")) == 20000 for card in content.cards.values())
    with Journal(tmp_path).writing() as writer:
        writer.append([Card({"id": "LAST"})])
    assert Journal(tmp_path).read().skipped_lines == 0
    assert not list(tmp_path.glob(".*.tgt-tmp"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    full(tmp_path)
    before = Journal(tmp_path).path.read_bytes()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="Permission denied") as caught:
            cleanup(tmp_path)
        assert "permissions" in caught.value.hint
        assert Journal(tmp_path).path.read_bytes() == before
    finally:
        tmp_path.chmod(0o700)


def _calls_of(settings: Settings) -> tuple[list[str], int]:
    """The system calls of a run, and how many of them come before it saves."""
    with fault(0, "EIO") as made:
        cycle.run(settings, END)
    locks = [number for number, name in enumerate(made) if name == "flock"]
    return made, locks[2]  # the first two are the run's own


@pytest.mark.parametrize("mode", ["EIO", "killed after"])
def test_a_whole_run_is_done_or_is_done_by_the_next(world: World, mode: str) -> None:
    """One problem: whatever call of a run fails, there is one card, counted once, afterwards."""
    (world.path / "docs" / "tools.md").write_text("read_file")
    now = [call(n + 1, f"now{n}", status="error" if n % 2 else "ok") for n in range(40)]
    world.write(*hours_of(calls_of("read_file"), hours=30), *now)

    def settings(name: str, store: Path | None = None) -> Settings:
        tasks_dir = world.path / name
        if store:
            shutil.copytree(store, tasks_dir / "cache")
        return world.settings(tasks_dir=tasks_dir, analyzers=("error_spike", "docs_gap"))

    store = world.path / "reference" / "cache"
    first, until = _calls_of(settings("reference"))
    later, since = _calls_of(settings("again", store))
    # What a run saves, it saves alike whether telemetry had been read before; where it had, it
    # takes a third of the time.
    assert first[until:] == later[since:]
    # Before it saves anything one call is like the next.
    points: list[tuple[int, Path | None]] = [(number, None) for number in range(1, until + 1, 5)]
    points += [(number, store) for number in range(since + 1, len(later) + 1)]
    assert len(points) > 20, "the faults must reach all of the run"
    for number, given in points:
        chosen = settings(f"{number}{'-later' if given else ''}", given)
        with fault(number, mode) as calls, contextlib.suppress(Killed, TgtError):
            cycle.run(chosen, END)
        where = f"call {number} of {calls}"
        assert len(calls) >= number
        before = Journal(chosen.tasks_dir).read()
        assert before.skipped_lines == 0, where
        assert len(before.cards) <= 1, where
        report = cycle.run(chosen, END)
        (card,) = Journal(chosen.tasks_dir).read().cards.values()
        assert (report.saved, len(before.cards)) in {(1, 0), (0, 1)}, where
        assert before.cards.get(card.id, card).data == card.data, "an acknowledged card stays"
        state, warnings = Sidecar(chosen.tasks_dir).read(())
        assert (len(state.saves), warnings) == (1, ()), where
        assert not list(chosen.tasks_dir.rglob(".*.tgt-tmp")), where
