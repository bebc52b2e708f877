"""Promises of the journal: the newest line wins, nothing a user has is lost, nothing crashes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgt.errors import StoreError
from tgt.store.journal import FILE_NAME, Journal, encode
from tgt.tasks.card import Card


def card(card_id: str, **keys: Any) -> Card:
    return Card({"id": card_id, "type": "error_spike", "status": "generated", **keys})


def original_reader(path: Path) -> dict[str, dict[str, Any]]:
    """What the store that this format comes from makes of a journal."""
    tasks: dict[str, dict[str, Any]] = {}
    for line in path.read_bytes().decode("utf-8").split("\n"):
        if line.strip():
            task = json.loads(line)
            tasks[task["id"]] = task
    return tasks


def write(tasks_dir: Path, *cards: Card) -> Journal:
    journal = Journal(tasks_dir)
    with journal.writing() as writer:
        writer.append(cards)
    return journal


def test_an_absent_journal_is_empty_and_reading_creates_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tasks")
    assert journal.read().cards == {}
    assert journal.find(lambda ids: ids) == {}
    assert not journal.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_newest_line_wins_and_the_order_is_that_of_first_appearance(tmp_path: Path) -> None:
    write(tmp_path, card("A", title="old"), card("B"))
    journal = write(tmp_path, card("C"), card("A", title="new"))
    content = journal.read()
    assert [(key, value.title) for key, value in content.cards.items()] == [
        ("A", "new"),
        ("B", ""),
        ("C", ""),
    ]
    assert content.skipped_lines == 0


def test_a_writer_sees_its_own_lines_and_writes_one_object_a_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.writing() as writer:
        assert writer.cards == {}
        writer.append([card("A", title="line\nbreak \u2028 \x85 \x1b[31m")])
        assert list(writer.cards) == ["A"]
        writer.append([])
        writer.rewrite([])
        assert writer.cards == {}
        writer.rewrite([card("A", title="line\nbreak \u2028 \x85 \x1b[31m")])
    raw = journal.path.read_bytes()
    assert raw.count(b"\n") == 1
    assert len(raw.decode().splitlines()) == 1
    assert original_reader(journal.path)["A"]["title"] == "line\nbreak \u2028 \x85 \x1b[31m"


@pytest.mark.parametrize(
    "text",
    ["\ud800 lone", "\x00\x07\x1b[2J", "\x7f\x9b31m", "\u202eevil\u2069", "ünï ☃ 𝄞", '"}\\'],
)
def test_any_text_survives_and_none_of_it_can_act_on_a_terminal(tmp_path: Path, text: str) -> None:
    journal = write(tmp_path, card("A", title=text, metadata={text: [text]}))
    raw = journal.path.read_bytes().decode("utf-8")
    assert all(c == "\n" or (c.isprintable() and c not in "\x7f\u202e\u2069") for c in raw)
    assert journal.read().cards["A"].data == card("A", title=text, metadata={text: [text]}).data


def test_a_number_that_json_does_not_have_becomes_null() -> None:
    data = {"id": "A", "a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}}
    assert encode(data) == b'{"id":"A","a":null,"b":[null,1.5],"c":{"d":null}}'


GOOD = b'{"id":"GOOD","type":"ux_issue","status":"generated"}\n'
BAD_LINES = {
    "no JSON": b"garbage\n",
    "a list": b"[1,2]\n",
    "a number": b"1\n",
    "no id": b'{"type":"x"}\n',
    "an id that is a number": b'{"id":7}\n',
    "an empty id": b'{"id":""}\n',
    "not a number": b'{"id":"A","priority":NaN}\n',
    "bad UTF-8": b'{"id":"A","title":"\xff\xfe"}\n',
    "an id of bad UTF-8": b'{"id":"\xff","title":""}\n',
    "zeros": b"\0" * 4096 + b"\n",
    "20 MB": b"x" * 20_000_000 + b"\n",
    "deep nesting": b'{"id":"A","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n",
    "a number of 5000 digits": b'{"id":"A","x":' + b"9" * 5000 + b"}\n",
    "two lines run together": b'{"id":"A","title":"to{"id":"B","status":"generated"}\n',
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_line_that_is_no_card_is_skipped_counted_and_never_thrown_away(
    tmp_path: Path, bad: bytes
) -> None:
    journal = Journal(tmp_path)
    journal.path.write_bytes(bad + GOOD + b"\n  \n")
    content = journal.read()
    assert (list(content.cards), content.skipped_lines) == (["GOOD"], 1)
    with journal.writing() as writer:
        writer.append([card("NEW")])
        writer.rewrite(writer.cards.values())
    assert journal.path.read_bytes() == bad + GOOD + encode(card("NEW").data) + b"\n"
    assert journal.read().skipped_lines == 1


def test_a_damaged_newest_line_gives_way_to_the_one_before(tmp_path: Path) -> None:
    journal = write(tmp_path, card("A", title="first"), card("A", title="second"), card("B"))
    with journal.path.open("ab") as stream:
        stream.write(b'{"id":"A","title":"thi\xffrd"}\n{"id":"A","title":to}\n')
    content = journal.read()
    assert content.cards["A"].title == "second"
    assert content.skipped_lines == 2
    assert journal.find(lambda _ids: ["A"])["A"].title == "second"


def test_byte_order_marks_and_windows_line_ends_are_tolerated(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.path.write_bytes(b'\xef\xbb\xbf{"id":"A"}\r\n{ "id": "B" }\r\n\r\n')
    assert (list(journal.read().cards), journal.read().skipped_lines) == (["A", "B"], 0)


def test_find_reads_only_the_cards_that_are_chosen(tmp_path: Path) -> None:
    journal = write(tmp_path, card("01KA"), card("01KB"), card("02X"))
    assert journal.ids() == ["01KA", "01KB", "02X"]
    assert list(journal.find(lambda _ids: ["02X", "01KA"])) == ["01KA", "02X"]
    assert list(journal.find(lambda ids: [i for i in ids if "K" in i])) == ["01KA", "01KB"]
    assert journal.find(lambda _ids: []) == {}


def test_cards_in_brief_decide_as_the_whole_ones_do(tmp_path: Path) -> None:
    lines = [
        {**card(name).data, "fingerprint": name.lower(), "evidence": {"samples": [1]}, "by": "ada"}
        for name in ("A", "B")
    ]
    journal = write(tmp_path, *map(Card, lines))
    with journal.path.open("ab") as stream:
        stream.write(b'{"id":"A" torn}\n')
    brief = journal.brief(lambda card: card.fingerprint == "b")
    assert brief["B"].data == lines[1]
    assert brief["A"].fingerprint == "a"
    assert not {"evidence", "by"} & set(brief["A"].data)
    assert journal.brief().keys() == journal.read().cards.keys()
    assert Journal(tmp_path / "elsewhere").brief() == {}


def test_a_card_of_another_writer_keeps_every_key_in_its_place(tmp_path: Path) -> None:
    lines = (
        '{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","type":"custom_type","severity":"urgent",'
        '"status":"in_progress","title":"T","description":"D","evidence":{"metric":"m",'
        '"current":1,"samples":[]},"suggestedFix":{"approach":"a"},"acceptanceCriteria":["x"],'
        '"priority":70,"confidence":0.9,"generatedAt":"2025-11-03T15:45:00.000Z",'
        '"generatedBy":"automated-task-generator","savedAt":"2025-11-03T15:45:01.000Z",'
        '"metadata":{"analyzer":"e","relatedEvents":[]},"assignee":"ada"}\n'
    )
    journal = Journal(tmp_path)
    journal.path.write_text(lines)
    before = journal.read().cards["01ARZ3NDEKTSV4RRFFQ69G5FAV"]
    with journal.writing() as writer:
        writer.append([before.changed(status="approved")])
    again = original_reader(journal.path)[before.id]
    assert list(again) == list(before.data)
    assert again == {**before.data, "status": "approved"}
    assert journal.path.read_text().startswith(lines), "an append changes nothing before it"


def test_a_journal_that_is_a_directory_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    journal = Journal(tmp_path)
    for attempt in (journal.read, lambda: write(tmp_path, card("A"))):
        with pytest.raises(StoreError, match=FILE_NAME):
            attempt()


def test_a_task_directory_may_be_a_link_but_its_journal_may_not(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", card("A"))
    assert list(Journal(tmp_path / "real").read().cards) == ["A"]


IDS = st.sampled_from(["A", "B", "01K"])
LINES = st.one_of(
    IDS.flatmap(lambda key: st.integers().map(lambda n: encode({"id": key, "n": n}))),
    IDS.map(lambda key: json.dumps({"n": 1, "id": key}).encode()),
    IDS.map(lambda key: json.dumps({"id": key, "x": {"id": "C"}}).encode()),
    IDS.map(lambda key: f'{{"id":"{key}","torn":{{"id":"B"}}'.encode()),
    IDS.map(lambda key: f'{{"id":"{key}","torn":"x{{"id":"B"}}'.encode()),
    IDS.map(lambda key: f'{{"id":"{key}","n":NaN}}'.encode()),
    st.binary(max_size=12).filter(lambda data: b"\n" not in data),
)


@settings(max_examples=150)
@given(lines=st.lists(LINES, max_size=12), ended=st.booleans())
def test_quick_reading_agrees_with_parsing_every_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool
) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    expected: dict[str, Any] = {}
    for line in lines:
        try:
            value = json.loads(line.decode("utf-8-sig"), parse_constant=refuse)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("id"), str) and value["id"]:
            expected[value["id"]] = value
    journal = Journal(tmp_path_factory.mktemp("journal"))
    journal.path.write_bytes(b"\n".join(lines) + (b"\n" if ended else b""))
    cards = journal.read().cards
    assert {key: value.data for key, value in cards.items()} == expected
