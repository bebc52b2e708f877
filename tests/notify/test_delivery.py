"""Handing a notification to one target: what hangs, fills or breaks ends with its own process."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import END, World

from tgt.errors import StoreError
from tgt.notify import telling
from tgt.notify.delivery import deliver
from tgt.notify.memory import MemoryFile
from tgt.notify.news import Item
from tgt.notify.telling import Result, Skip, Told
from tgt.store import fsio
from tgt.store.journal import Journal
from tgt.targets import Target
from tgt.tasks.card import Card

Make = Callable[..., dict[str, Any]]
DOCUMENT = {"notification": {"at": "", "kind": "digest", "tasks": []}}


def ends(pid: int) -> bool:
    """Whether a process ends; one that nobody asks for keeps its number, without its words."""
    words = Path(f"/proc/{pid}/cmdline")
    for _ in range(500):
        if not words.exists() or words.read_bytes() == b"":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("text", ["sleep 60 & echo $! > {}; wait", "echo $$ > {}; exec sleep 60"])
def test_who_does_not_answer_is_given_up_with_all_that_it_started(
    tmp_path: Path, text: str
) -> None:
    script, pid = tmp_path / "hangs.sh", tmp_path / "pid"
    script.write_text(f"#!/bin/sh\necho still trying\n{text.format(pid)}\n")
    script.chmod(0o700)
    began = time.monotonic()
    reason = deliver(Target(f"exec:{script}"), DOCUMENT, 5.0)
    assert reason == "it did not answer within 5 s: still trying"
    assert time.monotonic() - began < 30
    assert ends(int(pid.read_text()))


def test_no_process_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("subprocess.Popen", refused)
    reason = deliver(Target("exec:true"), DOCUMENT)
    assert reason == "no process can be started for it: Resource temporarily unavailable"


# --- telling several, in this process ------------------------------------------------------------


def compose(_at: Any, items: Sequence[Item]) -> dict[str, Any]:
    return {"notification": {"tasks": [item.card.id for item in items]}}


@pytest.fixture
def tell(world: World, card_data: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """Tells targets of a card ``B``, which was not there at first."""
    monkeypatch.chdir(world.path)
    telling.tell(world.settings(notify="exec:true"), END, compose)
    with Journal(world.tasks).writing() as journal:
        journal.append([Card(card_data("B"))])

    def tell(targets: str) -> Told:
        return telling.tell(world.settings(notify=targets), END, compose)

    return tell


def test_one_that_hangs_holds_up_the_others_for_a_moment(
    tell: Callable[..., Told], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "deliver", partial(deliver, longest=6.0))
    told = tell("exec:sleep 60, exec:tee got")
    assert [outcome.result for outcome in told.outcomes] == [Result.FAILED, Result.TOLD]
    assert (world.path / "got").read_text() == '{"notification": {"tasks": ["B"]}}\n'


def test_who_failed_before_is_tried_last(
    tell: Callable[..., Told], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def failing(target: Target, _document: Any) -> str:
        tried.append(target.place)
        return "no" if target.place in {"a", "b"} else ""

    monkeypatch.setattr(telling, "deliver", failing)
    first = tell("exec:a, exec:b, exec:c")
    assert [outcome.target for outcome in first.outcomes] == ["exec:a", "exec:b", "exec:c"]
    monkeypatch.setattr(telling, "_FIRST_RETRY", first.at - first.at)
    with Journal(world.tasks).writing() as journal:
        journal.append([Card({**world.cards["B"].data, "id": "C"})])
    file = MemoryFile(world.tasks)
    memory, _ = file.read()
    assert memory is not None
    later = END + telling._LAST_RETRY
    telling.tell(world.settings(notify="exec:a, exec:b, exec:c"), later, compose)
    assert tried == ["a", "b", "c", "c", "a", "b"]


@pytest.mark.parametrize("nth", [1, 2])
def test_what_cannot_be_written_down_stops_before_anybody_else_is_told(
    tell: Callable[..., Told], world: World, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """A full disk is found before the first is told, and one that fills meanwhile repeats one."""
    writes: list[Path] = []
    real = fsio.replace

    def filled(path: Path, chunks: Any) -> None:
        writes.append(path)
        if len(writes) == nth:
            raise StoreError("no space left")
        real(path, chunks)

    monkeypatch.setattr(fsio, "replace", filled)
    with pytest.raises(StoreError, match="no space left"):
        tell("exec:tee -a first, exec:tee -a second")
    counts = [len(list(world.path.glob(name))) for name in ("first", "second")]
    assert counts == [nth - 1, 0]
    assert tell("exec:tee -a first, exec:tee -a second").failed is False
    told = [(world.path / name).read_text().count("B") for name in ("first", "second")]
    assert told == [nth, 1]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("high", {"severity": "medium"}, ["B"]),
        ("medium", {"severity": "medium"}, []),
        ("high", {"status": "dismissed"}, []),
        ("high", {"status": "completed", "completedBy": "ada"}, []),
        ("medium", {"status": "completed", "completedBy": "tgt"}, ["B"]),
    ],
    ids=str,
)
def test_what_is_owed_follows_what_becomes_of_the_card(
    world: World, card_data: Make, before: str, after: dict[str, str], told: list[str]
) -> None:
    """What was new stays so; what is not worse any more, or is closed, is told to nobody."""
    steps = [{"severity": before}, {"severity": "critical"}, {"severity": "critical", **after}]
    settings = [world.settings(notify=target) for target in ("exec:true", *["nobody"] * 3)]
    if before == "high":
        settings[0], steps = settings[1], [steps[1], steps[2]]
        telling.tell(settings[0], END, compose)
    for chosen, step in zip(settings, steps, strict=False):
        with Journal(world.tasks).writing() as journal:
            journal.append([Card(card_data("B", **step))])
        telling.tell(chosen, END, compose)
    dry = telling.tell(world.settings(notify="exec:true"), END, compose, dry_run=True)
    assert [item.card.id for item in dry.items] == told


def test_more_than_one_message_can_hold_is_told_by_the_next(
    tell: Callable[..., Told], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "MOST", 2)
    with Journal(world.tasks).writing() as journal:
        journal.append([Card({**world.cards["B"].data, "id": f"B{n}"}) for n in range(4)])
    counts = [len(tell("exec:true").items) for _ in range(4)]
    assert counts == [2, 2, 1, 0]


def test_without_targets_nothing_is_read_or_written(world: World) -> None:
    told = telling.tell(world.settings(), END, compose)
    assert told.skipped is Skip.NO_TARGETS
    assert not world.tasks.exists()
