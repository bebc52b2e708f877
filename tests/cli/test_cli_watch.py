"""``tgt watch``: one line for every change, as it happens, by the real command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Workplace

from tgt.store.journal import Journal
from tgt.tasks.card import Card
from tgt.watch import Watch

Make = Callable[..., dict[str, Any]]
A, B, C = (f"01K94XYZ00{letter}7T4M8R2VXCDGH1A" for letter in "ABC")
PATIENCE_S = 30


@dataclass
class Watching:
    """The command at work, and the journal that it watches."""

    place: Workplace
    make: Make
    child: subprocess.Popen[bytes]

    def add(self, card_id: str, **changes: Any) -> None:
        with (self.place.tasks / "generated_tasks.jsonl").open("a") as journal:
            journal.write(json.dumps(self.make(card_id, **changes)) + "\n")

    def line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().decode()


@pytest.fixture
def watch(workplace: Workplace, card_data: Make) -> Callable[..., Any]:
    """The command with one card in the journal, once it watches."""

    @contextmanager
    def started(*words: str, **streams: Any) -> Iterator[Watching]:
        workplace.write_journal(card_data(A))
        child = subprocess.Popen(
            [sys.executable, "-m", "tgt", "watch", *words],
            cwd=workplace.path,
            env=workplace.environment(),
            stderr=subprocess.PIPE,
            **{"stdout": subprocess.PIPE, **streams},
        )
        watching = Watching(workplace, card_data, child)
        try:
            _wait_until_it_watches(child)
            yield watching
        finally:
            child.kill()
            child.communicate()

    return started


def _wait_until_it_watches(child: subprocess.Popen[bytes]) -> None:
    """What it says first it says when it has read what there is."""
    assert child.stderr is not None
    assert child.stderr.readline() == b"tgt: watching .forgekeeper/tasks; Ctrl-C ends it\n"


def test_a_line_as_it_happens(watch: Callable[..., Any]) -> None:
    with watch() as watching:
        watching.add(B, severity="critical")
        found = (
            f"2025-11-03 13:00:00 UTC  found      {B}  critical  tool_call/read_file  "
            "read_file fails in 25% of the conversations that use it"
        )
        assert watching.line() == f"{found}\n"
        watching.place.tgt("mute", "tool_call/*")
        watching.add(C, severity="critical")
        assert watching.line() == f"{found.replace(B, C)}  (muted)\n"
        watching.place.tgt("unmute", "tool_call/*")
        done = watching.place.tgt("approve", A, "--note", "on it\x1b[2J", "--now", "2025-11-04")
        assert done.status == 0
        assert watching.line() == (
            f"2025-11-04 00:00:00 UTC  approved   {A}  tool_call/read_file  on it\\x1b[2J\n"
        )


def test_for_scripts_one_document_a_line(watch: Callable[..., Any]) -> None:
    with watch("--json") as watching:
        watching.add(A, severity="critical", updatedAt="2025-11-03T14:00:00.000Z")
        told = json.loads(watching.line())
        assert list(told) == ["at", "change", "task"]
        assert (told["at"], told["change"]) == ("2025-11-03T14:00:00.000Z", "worse")
        assert (told["task"]["id"], told["task"]["severity"]) == (A, "critical")
        assert told["task"]["evidence"], "the whole card"


def test_an_interrupt_is_how_it_ends(watch: Callable[..., Any]) -> None:
    with watch() as watching:
        watching.child.send_signal(signal.SIGINT)
        out, err = watching.child.communicate(timeout=PATIENCE_S)
        assert (watching.child.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize("writes", [True, False])
def test_it_ends_when_nobody_reads_it_any_more(watch: Callable[..., Any], writes: bool) -> None:
    """Also where nothing happens that it could tell."""
    reader, writer = os.pipe()
    with watch("--json", stdout=writer) as watching:
        os.close(writer)
        os.close(reader)
        if writes:
            watching.add(B)
        _, err = watching.child.communicate(timeout=PATIENCE_S)
        assert (watching.child.returncode, err) == (0, b"")


def test_it_watches_a_place_where_nothing_is_yet(workplace: Workplace, card_data: Make) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tgt", "watch", "--json"],
        cwd=workplace.path,
        env=workplace.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        _wait_until_it_watches(child)
        assert not workplace.tasks.exists(), "looking creates nothing"
        workplace.write_journal(card_data(A))
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["change"] == "found"
    finally:
        child.kill()
        child.communicate()


# --- the journal ---------------------------------------------------------------------------------


class Looked:
    """What a watch of a journal tells."""

    def __init__(self, workplace: Workplace) -> None:
        self.place = workplace
        self.watch = Watch(Journal(workplace.tasks))

    def look(self) -> list[str]:
        told: list[str] = []
        self.watch.look(lambda change, card: told.append(f"{change.kind} {card.id[10]}"))
        return told

    def add(self, *cards: dict[str, Any]) -> None:
        with (self.place.tasks / "generated_tasks.jsonl").open("a") as journal:
            journal.write("".join(json.dumps(card) + "\n" for card in cards))


def test_every_line_is_compared_with_the_one_before(workplace: Workplace, card_data: Make) -> None:
    workplace.write_journal(card_data(A))
    looked = Looked(workplace)
    assert looked.look() == []
    stamps = [f"2025-11-03T1{hour}:00:00.000Z" for hour in range(4)]
    looked.add(
        card_data(A, severity="critical", updatedAt=stamps[0]),
        card_data(B),
        card_data(A, severity="medium", updatedAt=stamps[1]),
        card_data(A, severity="medium", updatedAt=stamps[1], status="completed", completedAt=NOW),
        card_data(B, lastSeenAt=stamps[3], occurrences=99),
    )
    assert looked.look() == ["worse A", "found B", "better A", "completed A"]
    assert looked.look() == []


NOW = "2025-11-03T16:00:00.000Z"


def test_a_journal_that_was_cleaned_up_or_put_away_repeats_nothing(
    workplace: Workplace, card_data: Make
) -> None:
    old = {"status": "dismissed", "dismissedAt": "2025-01-01T00:00:00.000Z"}
    journal = workplace.write_journal(card_data(A), card_data(B, **old))
    looked = Looked(workplace)
    looked.add(card_data(A, severity="critical", updatedAt=NOW))
    assert workplace.tgt("cleanup").status == 0
    assert looked.look() == ["worse A"], "what was written before it was not seen is not lost"
    assert workplace.tgt("cleanup").status == 0
    assert looked.look() == []
    looked.add(card_data(B))
    assert looked.look() == ["reopened B"], "what is dropped is not forgotten"
    journal.rename(workplace.path / "rotated")
    assert looked.look() == []
    workplace.write_journal(card_data("01K94XYZ00C7T4M8R2VXCDGH1A"))
    assert looked.look() == ["found C"]


def test_a_card_in_brief_is_kept_of_each(workplace: Workplace, card_data: Make) -> None:
    workplace.write_journal(card_data(A))
    looked = Looked(workplace)
    assert not any(isinstance(value, Card) for value in vars(looked.watch).values())
    assert len(repr(looked.watch._versions)) < 400
