"""What was added to a journal: read once, whatever becomes of the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tgt.store import tail
from tgt.store.journal import Journal
from tgt.tasks.card import Card


def line(card_id: str, word: str = "a") -> str:
    return json.dumps({"id": card_id, "status": word}) + "\n"


Rewrite = Callable[[Path, str], None]


def in_its_place(path: Path, text: str) -> None:
    """As fsio does it."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def over_it(path: Path, text: str) -> None:
    """As an editor or a copy may do it: the same inode."""
    path.write_text(text)


class Reader:
    def __init__(self, path: Path) -> None:
        self.journal = Journal(path)
        self.position: tail.Position | None = None
        self.told: list[str] = []
        self.all: list[bool] = []

    def take(self, card: Card) -> None:
        self.told.append(f"{card.id}{card.status}")

    def newest(self) -> list[str]:
        self.told.clear()
        self.position, is_all = tail.newest(self.journal, self.position, self.take)
        self.all.append(is_all)
        return self.told

    def each(self) -> list[str]:
        self.told.clear()
        assert self.position is not None
        self.position, is_all = tail.each(self.journal, self.position, self.take)
        self.all.append(is_all)
        return self.told


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_only_what_was_added_is_read(reader: Reader) -> None:
    assert reader.newest() == []
    reader.journal.path.write_text(line("A") + line("B") + line("A", "b"))
    assert sorted(reader.newest()) == ["Ab", "Ba"]
    assert reader.newest() == []
    with reader.journal.path.open("a") as journal:
        journal.write("no card\n" + line("B", "b") + line("C") + line("B", "c"))
    before = reader.position
    assert reader.each() == ["Bb", "Ca", "Bc"]
    reader.position = before
    assert sorted(reader.newest()) == ["Bc", "Ca"]
    assert reader.each() == []
    assert reader.all == [False, True, False, False, False, False]


@pytest.mark.parametrize("rewrite", [in_its_place, over_it])
@pytest.mark.parametrize("text", [line("B", "b"), line("X" * 9000) + line("B", "b"), ""])
def test_a_journal_written_anew_is_read_as_a_whole(
    reader: Reader, rewrite: Rewrite, text: str
) -> None:
    for read in (reader.newest, reader.each):
        rewrite(reader.journal.path, line("A") + line("B"))
        reader.newest()
        rewrite(reader.journal.path, text)
        assert read() == [word for word in ("X" * 9000 + "a", "Bb") if word[0] in text]
        assert reader.all[-1]


def test_a_line_that_is_being_written_is_read_when_it_is_whole(reader: Reader) -> None:
    path = reader.journal.path
    path.write_text(line("A"))
    reader.newest()
    for text, told in ((line("B")[:9], []), (line("B")[9:], ["Ba"])):
        with path.open("a") as journal:
            journal.write(text)
        assert reader.each() == told
    assert not any(reader.all[1:])


def test_a_journal_that_is_gone_and_back_is_the_same(reader: Reader, tmp_path: Path) -> None:
    path = reader.journal.path
    path.write_text(line("A"))
    reader.newest()
    path.rename(tmp_path / "away")
    assert reader.newest() == []
    assert reader.each() == []
    (tmp_path / "away").rename(path)
    assert reader.each() == []
    assert not any(reader.all[1:])
