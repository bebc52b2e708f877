"""Promises of the journal's index: quicker, never different, and nothing fails for want of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tgt.store import journal_index as heads
from tgt.store.journal import FILE_NAME, Journal, scan
from tgt.tasks.card import Card, sort_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FILLER = "x" * 2000


def card(number: int, **keys: object) -> Card:
    text = {"type": "ux_issue", "status": "generated", "priority": number, "title": FILLER}
    return Card({"id": f"01K{number:05d}", **text, **keys})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal that is large enough for an index, without one."""
    made = Journal(tmp_path)
    append(made, *(card(number) for number in range(200)))
    return made


def append(journal: Journal, *cards: Card) -> None:
    with journal.writing() as writer:
        writer.append(cards)


def index_of(journal: Journal) -> Path:
    return journal.path.parent / "cache" / heads.INDEX_NAME


def seen(journal: Journal) -> dict[str, Card]:
    return heads.viewed(
        journal, lambda view: {key: view.card(head) for key, head in view.heads.items()}
    )


def _some(ids: Collection[str]) -> list[str]:
    return [card_id for card_id in ids if card_id.startswith("01K0001")]


def same(journal: Journal) -> None:
    """Through the index and by reading all of it, the journal is the same."""
    content = journal.read()
    assert seen(journal) == content.cards
    assert heads.viewed(journal, lambda view: view.skipped_lines) == content.skipped_lines
    order = sorted(content.cards.values(), key=sort_key)
    told = heads.viewed(journal, lambda v: sorted(v.heads.values(), key=lambda h: h.sort_key))
    assert [head.id for head in told] == [each.id for each in order]
    assert heads.find(journal, _some) == journal.find(_some)


def test_an_absent_journal_has_no_heads_and_nothing_is_created(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tasks")
    assert seen(journal) == {}
    assert heads.find(journal, _some) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_small_journal_has_no_index(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    append(journal, card(1))
    same(journal)
    assert not index_of(journal).exists()


def test_the_index_is_kept_and_what_was_appended_since_is_read(journal: Journal) -> None:
    same(journal)
    made = index_of(journal).read_bytes()
    append(journal, card(7, status="dismissed"), card(500))
    same(journal)
    assert index_of(journal).read_bytes() == made, "a short tail is read, not indexed"
    append(journal, *(card(number, status="approved") for number in range(200)))
    same(journal)
    assert index_of(journal).read_bytes() != made


def _rewrite(journal: Journal) -> None:
    with journal.writing() as writer:
        writer.rewrite([card(number, title="y" * 2000) for number in range(190)])


def _edit(journal: Journal) -> None:
    """In the same place, as an editor that writes over the file does."""
    data = journal.path.read_bytes().replace(b'"priority":7,', b'"priority":9,')
    with journal.path.open("r+b") as stream:
        stream.write(data)
    os.utime(journal.path, ns=(1, 1))


def _edit_and_append(journal: Journal) -> None:
    _edit(journal)
    append(journal, card(600))


def _truncate(journal: Journal) -> None:
    os.truncate(journal.path, journal.path.stat().st_size // 2)


def _tear(journal: Journal) -> None:
    with journal.path.open("ab") as stream:
        stream.write(b'{"id":"01K00003","title":"torn')


def _damage_newest(journal: Journal) -> None:
    with journal.path.open("ab") as stream:
        stream.write(b'{"id":"01K00003","title":dam}\n{"id":"NEW","title":dam}\n')


@pytest.mark.parametrize(
    "change", [_rewrite, _edit, _edit_and_append, _truncate, _tear, _damage_newest]
)
def test_whatever_becomes_of_the_journal_it_is_the_truth(
    journal: Journal, change: Callable[[Journal], None]
) -> None:
    same(journal)
    assert index_of(journal).exists()
    change(journal)
    same(journal)


@pytest.mark.parametrize(
    "change",
    [
        *(_rewrite, _edit, _edit_and_append, _truncate, _tear, _damage_newest),
        lambda journal: append(journal, card(7, status="approved"), card(700)),
        lambda journal: journal.path.unlink(),
    ],
)
@pytest.mark.parametrize("number", [3, 200])
def test_heads_that_are_kept_in_memory_are_those_of_the_journal(
    tmp_path: Path, change: Callable[[Journal], None], number: int
) -> None:
    """Also of a journal that is too small for an index."""
    journal, kept = Journal(tmp_path), heads.Kept()
    append(journal, *(card(each) for each in range(number)))

    def look() -> dict[str, Card]:
        return heads.viewed(
            journal, lambda view: {key: view.card(head) for key, head in view.heads.items()}, kept
        )

    for _ in range(2):
        assert look() == journal.read().cards
    change(journal)
    for _ in range(2):
        assert look() == journal.read().cards


def test_what_is_kept_is_not_read_once_more(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, starts = heads.Kept(), []

    def watched(descriptor: int, start: int, each: Callable[..., None]) -> int:
        starts.append(start)
        return scan(descriptor, start, each)

    monkeypatch.setattr(heads, "scan", watched)
    size = journal.path.stat().st_size
    heads.viewed(journal, len_of_heads, kept)
    index_of(journal).unlink()
    append(journal, card(900))
    assert heads.viewed(journal, len_of_heads, kept) == 201
    assert starts == [0, size]


def len_of_heads(view: heads.View) -> int:
    return len(view.heads)


@pytest.mark.parametrize("kept", [None, heads.Kept()])
def test_a_card_that_comes_while_the_journal_is_read_is_not_left_out(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, kept: heads.Kept | None
) -> None:
    """Of what was read nothing is claimed that was written behind its back."""

    def overtaken(descriptor: int, start: int, each: Callable[..., None]) -> int:
        skipped = scan(descriptor, start, each)
        append(journal, card(901))
        return skipped

    monkeypatch.setattr(heads, "scan", overtaken)
    heads.viewed(journal, len_of_heads, kept)
    monkeypatch.setattr(heads, "scan", scan)
    assert heads.viewed(journal, len_of_heads, kept) == 201
    same(journal)


def _row(data: bytes, value: object) -> bytes:
    first, _, rest = data.partition(b"\n")
    rows = json.loads(rest)
    rows[3][-1] = value
    return first + b"\n" + json.dumps(rows).encode()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "garbage": lambda _: b"\xff\x00{" * 100,
    "half of it": lambda data: data[: len(data) // 2],
    "a value changed": lambda data: data.replace(b"generated", b"dismissed", 1),
    "a row of another type": lambda data: _row(data, "x"),
    "another version": lambda data: data.replace(b'"version": 2', b'"version": 9'),
    "another document": lambda _: b"[]\n{}",
    "nesting": lambda _: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_index_is_ignored_and_made_again(
    journal: Journal, damage: Callable[[bytes], bytes]
) -> None:
    same(journal)
    index = index_of(journal)
    whole = index.read_bytes()
    index.write_bytes(damage(whole))
    same(journal)
    assert index.read_bytes() == whole


def test_the_index_of_another_journal_is_ignored(journal: Journal, tmp_path: Path) -> None:
    same(journal)
    other = Journal(tmp_path / "other")
    append(other, *(card(number, title="z" * 2000) for number in range(200)))
    index_of(other).parent.mkdir()
    index_of(other).write_bytes(index_of(journal).read_bytes())
    same(other)


def test_a_directory_in_the_place_of_the_index_harms_nothing(journal: Journal) -> None:
    index_of(journal).mkdir(parents=True)
    same(journal)
    files = {path.name for path in journal.path.parent.iterdir() if path.is_file()}
    assert files == {".write.lock", FILE_NAME}


def test_nothing_is_written_behind_a_link_in_the_place_of_the_cache(
    journal: Journal, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    index_of(journal).parent.symlink_to(outside)
    same(journal)
    assert list(outside.iterdir()) == []


def test_what_a_killed_writer_of_the_index_left_is_removed(journal: Journal) -> None:
    left = index_of(journal).with_name(".journal.index.0123456789ab.tgt-tmp")
    left.parent.mkdir()
    left.write_bytes(b"half")
    same(journal)
    assert index_of(journal).exists()
    assert not left.exists()
