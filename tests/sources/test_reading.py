"""A reading of a file: whatever a record does to its reader, it costs that record."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tgt.events import RECORD, from_us
from tgt.sources import bounds, excerpts
from tgt.sources.base import (
    METRIC,
    SKIPPED,
    Listing,
    Outcome,
    PassedOver,
    Reason,
    RecordSource,
    malformed,
    unknown,
)
from tgt.sources.excerpts import documents_at, line_number, line_numbers, records_at
from tgt.sources.files import LogFile, stream_of
from tgt.sources.reading import OTHERS, FileReading, harmless
from tgt.sources.streams import Blocks

US = 1_762_353_000_000_000

Take = Callable[[Mapping[str, Any]], Iterable[Outcome]]


@dataclass
class Reader:
    """Answers as a function does, numbers what it was given, and keeps one record to the end."""

    answer: Take
    count: int = 0
    places: list[int] = field(default_factory=list)

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        self.count += 1
        self.places.append(place)
        return self.answer(document)

    def finish(self) -> Iterable[Outcome]:
        return ()

    def state(self) -> Mapping[str, Any] | None:
        return {"count": self.count}


@dataclass(frozen=True)
class Fake:
    """A source of JSON lines that a function translates."""

    answer: Take
    make: Callable[[Take, Mapping[str, Any]], Reader] = lambda answer, state: Reader(
        answer, state.get("count", 0)
    )
    wrappers: tuple[str, ...] = ()
    kind: str = "fake"
    key: str = "fake"

    def listing(self) -> Listing:
        return Listing()

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> Reader:
        return self.make(self.answer, state or {})


def one(document: Mapping[str, Any]) -> Iterable[Outcome]:
    """Each object is a record of its own."""
    return [{"us": US, "act": "event", **document}]


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., LogFile]:
    def written(*lines: object, is_torn: bool = False) -> LogFile:
        path = tmp_path / "x.jsonl"
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        path.write_text("\n".join(texts) + ("" if is_torn else "\n"), encoding="utf-8")
        return LogFile.of(os.fspath(path), path.stat())

    return written


def records(reading: FileReading) -> list[dict[str, Any]]:
    return [outcome for outcome in reading.outcomes() if isinstance(outcome, dict)]


def test_records_have_the_place_of_their_object(log: Callable[..., LogFile]) -> None:
    reading = FileReading(Fake(one), log({"name": "a"}, {"name": "b", "place": 7}))
    assert records(reading) == [
        {"us": US, "act": "event", "name": "a", "place": 0},
        {"us": US, "act": "event", "name": "b", "place": 7},
    ]
    assert (reading.records, reading.end, reading.torn, reading.damage) == (2, 40, 0, "")


def test_what_is_no_record_is_counted(log: Callable[..., LogFile]) -> None:
    answers = {"s": SKIPPED, "m": METRIC, "u": unknown("odd"), "b": malformed("bad")}
    lines = ("no JSON", *({"is": key} for key in "susmub"), "{", '{"half')
    reading = FileReading(Fake(lambda document: [answers[document["is"]]]), log(*lines))
    outcomes = list(reading.outcomes())
    assert all(isinstance(outcome, PassedOver) for outcome in outcomes)
    assert (reading.skipped, reading.metrics, reading.records) == (2, 1, 0)
    assert reading.unknown == {"odd": 2}
    assert reading.malformed == {"no object": 1, "bad": 1, "not JSON": 2}
    assert sum(o.reason is Reason.MALFORMED for o in outcomes if isinstance(o, PassedOver)) == 4


def test_the_state_and_the_offset_let_the_next_reading_go_on(log: Callable[..., LogFile]) -> None:
    first = FileReading(Fake(one), log({"name": "a"}, {"name": "b"}, '{"na', is_torn=True))
    assert [record["name"] for record in records(first)] == ["a", "b"]
    assert (first.torn, first.state) == (1, {"count": 2})
    grown = log({"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"})
    second = FileReading(Fake(one), grown, first.end, first.state)
    assert [record["name"] for record in records(second)] == ["c", "d"]
    assert (second.torn, second.state, second.end) == (0, {"count": 4}, grown.size)


def test_a_file_that_cannot_be_opened_is_told_when_it_is_read(tmp_path: Path) -> None:
    reading = FileReading(Fake(one), LogFile(os.fspath(tmp_path / "gone"), 1, 0))
    with pytest.raises(FileNotFoundError):
        list(reading.outcomes())


# --- readers that fail ---------------------------------------------------------------------------


def recursion() -> None:
    recursion()


def memory() -> None:
    raise MemoryError


FAILURES: dict[str, Callable[[], object]] = {
    "TypeError": lambda: hash([]),
    "KeyError": lambda: RECORD["x"],
    "ValueError": lambda: int("x"),
    "RecursionError": recursion,
    "MemoryError": memory,
    "OverflowError": lambda: float(10**400),
    "UnicodeEncodeError": "\ud800".encode,
    "StopIteration": iter(()).__next__,
    "ExceptionGroup": lambda: (_ for _ in ()).throw(ExceptionGroup("several", [ValueError()])),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("when", ["at once", "later", "at the end"])
def test_what_a_reader_raises_costs_one_object(
    log: Callable[..., LogFile], name: str, when: str
) -> None:
    fail = FAILURES[name]

    def at_once(document: Mapping[str, Any]) -> Iterable[Outcome]:
        if document.get("bad"):
            fail()
        return one({"name": "x"})

    def later(document: Mapping[str, Any]) -> Iterator[Outcome]:
        yield from one({"name": "x"})
        if document.get("bad"):
            fail()

    class Ending(Reader):
        def finish(self) -> Iterable[Outcome]:
            fail()
            return ()

    source = {
        "at once": Fake(at_once),
        "later": Fake(later),
        "at the end": Fake(one, lambda answer, _: Ending(answer)),
    }[when]
    reading = FileReading(source, log({"n": 1}, {"bad": True}, {"n": 3}))
    given = records(reading)
    raised = "RuntimeError" if (name, when) == ("StopIteration", "later") else name
    assert len(given) == {"at once": 2, "later": 3, "at the end": 3}[when]
    assert reading.malformed == {raised: 1}
    assert reading.end == reading._documents.end


def test_an_interruption_by_a_person_is_passed_on(log: Callable[..., LogFile]) -> None:
    def interrupted(document: Mapping[str, Any]) -> Iterable[Outcome]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(FileReading(Fake(interrupted), log({})).outcomes())


@pytest.mark.parametrize(
    "answer", [None, 5, [None], [5], ["record"], [[]], [object()], [{}], [{"us": None}]]
)
def test_an_answer_that_is_none_costs_one_object(log: Callable[..., LogFile], answer: Any) -> None:
    def wrong(document: Mapping[str, Any]) -> Iterable[Outcome]:
        return answer if document.get("bad") else one({})

    reading = FileReading(Fake(wrong), log({}, {"bad": True}, {}))
    assert len(records(reading)) == 2
    assert reading.malformed.total() == 1


def test_an_object_that_comes_to_too_many_records_is_cut_off(
    log: Callable[..., LogFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(document: Mapping[str, Any]) -> Iterator[Outcome]:
        while True:
            yield from one({})

    monkeypatch.setattr("tgt.sources.reading.RECORDS_PER_DOCUMENT", 10)
    reading = FileReading(Fake(endless), log({}, {}))
    assert len(records(reading)) == 20
    assert reading.malformed == {"more than 10 records in one object": 2}


def test_kinds_of_which_there_are_many_are_counted_together(log: Callable[..., LogFile]) -> None:
    lines = [{"kind": f"kind {n}"} for n in range(bounds.DISTINCT_KINDS + 50)]
    reading = FileReading(Fake(lambda document: [unknown(document["kind"])]), log(*lines))
    list(reading.outcomes())
    assert reading.unknown.total() == len(lines)
    assert reading.unknown[OTHERS] == 50


@pytest.mark.parametrize(
    "state", [None, {"a": object()}, {"a": "x" * (bounds.STATE_BYTES + 1)}, "fails"]
)
def test_without_a_state_that_can_be_kept_the_file_is_read_from_its_beginning(
    log: Callable[..., LogFile], state: Any
) -> None:
    class Stateless(Reader):
        def state(self) -> Mapping[str, Any] | None:
            if state == "fails":
                raise ValueError
            return state  # type: ignore[no-any-return] # a plug-in may

    reading = FileReading(Fake(one, lambda answer, _: Stateless(answer)), log({}))
    assert len(records(reading)) == 1
    assert reading.state is None


def test_a_state_that_a_reader_cannot_use_is_as_none(log: Callable[..., LogFile]) -> None:
    """As one that another version of tgt has left."""
    source = Fake(one, lambda answer, state: Reader(answer, int(state.get("count", 0))))
    reading = FileReading(source, log({}, {}), 3, {"count": "many"})
    assert len(records(reading)) == 1
    assert reading.state == {"count": 1}


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        ("name", "x", "x"),
        ("name", 5, "5"),
        ("name", True, "true"),
        ("name", ["x"], None),
        ("name", {"x": 1}, None),
        ("name", "half \ud800", "half ?"),
        ("name", "nul\0l", "nul�l"),
        ("error", "é" * 9000, "é" * bounds.TEXT_CHARS),
        ("failed", True, True),
        ("failed", "false", False),
        ("failed", [], None),
        ("failed", "who knows", None),
        ("iter", 3, 3),
        ("iter", "3", 3),
        ("iter", 3.0, 3),
        ("iter", 2**63, None),
        ("iter", 10**400, None),
        ("iter", float("nan"), None),
        ("iter", True, None),
        ("revision", -5, -5),
        ("elapsed_ms", 1.5, 1.5),
        ("elapsed_ms", "1.5", 1.5),
        ("elapsed_ms", float("inf"), None),
        ("elapsed_ms", -1, None),
        ("elapsed_ms", 10**400, None),
        ("args_hash", 2**64 - 1, 2**64 - 1),
        ("args_hash", 2**64, None),
        ("args_hash", -1, None),
    ],
)
def test_a_value_of_a_wrong_type_is_made_harmless(column: str, value: Any, kept: Any) -> None:
    record = harmless({"us": US, column: value}, 3)
    assert isinstance(record, dict)
    assert record.get(column) == kept
    assert type(record.get(column)) is type(kept)
    assert record["place"] == 3


def test_columns_that_there_are_not_are_left_out() -> None:
    assert harmless({"us": US, "anything": 1, "path": "x"}, 0) == {
        "us": US,
        "path": "x",
        "place": 0,
    }


@pytest.mark.parametrize("us", [None, "x", -5, 0, 10**15 // 2, 2**62, 10**30, True, [US]])
def test_a_record_without_a_usable_time_is_malformed(us: Any) -> None:
    assert harmless({"us": us, "act": "event"}, 0) == malformed("no usable time")


def test_the_limits_of_time() -> None:
    for us, year in ((631_152_000_000_000, 1990), (253_402_300_799_999_999, 9999)):
        assert isinstance(harmless({"us": us}, 0), dict)
        assert from_us(us).year == year
        assert not isinstance(harmless({"us": us + (1 if year == 9999 else -1)}, 0), dict)


def test_words_that_are_too_long_stay_different() -> None:
    long = "x" * 10_000
    one, other = (harmless({"us": US, "key": long + end}, 0) for end in "ab")
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    assert one["key"] != other["key"]
    assert len(one["key"]) <= bounds.WORD_CHARS
    assert one == harmless({"us": US, "key": long + "a"}, 0)


def test_every_record_can_be_written_as_json_and_as_text() -> None:
    """Whatever is in its columns."""
    wrong: tuple[Any, ...] = (
        *(None, 17, -1, 1.5, "x", "", [], {}, [None], True, 1e400, float("nan"), "\ud800", 10**400),
        *("9" * 5000, b"bytes", object(), sys, {1, 2}),
    )
    for value in wrong:
        record = harmless({**dict.fromkeys(RECORD, value), "us": US}, 0)
        assert isinstance(record, dict)
        json.dumps(record, allow_nan=False, ensure_ascii=False).encode()


# --- excerpts ------------------------------------------------------------------------------------


def test_the_records_of_one_object_are_fetched_again_by_its_place(
    log: Callable[..., LogFile],
) -> None:
    source: RecordSource = Fake(lambda document: [*one(document), *one({"name": "twin"})])
    file = log({"name": "a"}, {"name": "b"}, "no JSON", {"name": "c"})
    for place, name in ((0, "a"), (14, "b"), (36, "c")):
        found = documents_at(source, file, place)
        assert [record["name"] for record in found] == [name, "twin"]
        assert {record["place"] for record in found} == {place}
    assert documents_at(source, file, 15) == ()
    assert documents_at(source, file, 28) == ()
    assert documents_at(source, file, 5000) == ()


def test_what_is_inside_of_a_wrapper_is_fetched_together(log: Callable[..., LogFile]) -> None:
    source = Fake(one, wrappers=("spans",))
    file = log({"name": "a"}, {"spans": [{"name": "b"}, {"name": "c"}]}, {"name": "d"})
    assert [record["name"] for record in records(FileReading(source, file))] == list("abcd")
    assert [record["name"] for record in documents_at(source, file, 14)] == ["b", "c"]


def test_what_a_reader_keeps_to_the_end_is_fetched_too(log: Callable[..., LogFile]) -> None:
    class Keeping(Reader):
        def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
            self.kept = list(self.answer(document))
            return ()

        def finish(self) -> Iterable[Outcome]:
            return self.kept

    source = Fake(one, lambda answer, _: Keeping(answer))
    (record,) = documents_at(source, log({"name": "a"}), 0)
    assert record["name"] == "a"


def test_lines_are_numbered_from_one(log: Callable[..., LogFile], tmp_path: Path) -> None:
    file = log({}, {}, "", {"a": 1})
    assert [line_number(file, place) for place in (0, 2, 3, 6, 7, 10)] == [1, 1, 2, 3, 4, 4]
    large = tmp_path / "large.jsonl"
    large.write_bytes(b"{}\n" * 300_000)
    assert line_number(LogFile.of(os.fspath(large), large.stat()), 3 * 299_999) == 300_000
    assert line_numbers(file, ()) == {}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_what_lies_before_several_places_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    lines = [
        {"name": f"n{n}" if n % 3 else "", "spans": [{"name": "x"}] * (n % 4)} for n in range(99)
    ]
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content) if suffix else content)
    file = LogFile.of(os.fspath(path), path.stat())
    source = Fake(one, wrappers=("spans",))
    places = [0]
    while (place := content.find(b"\n", places[-1]) + 1) < len(content):
        places.append(place)
    wanted = [*places[::5], 7, len(content) + 9]
    assert records_at(source, file, wanted) == {p: documents_at(source, file, p) for p in wanted}
    assert sum(map(len, records_at(source, file, wanted).values())) > 20
    assert line_numbers(file, wanted) == {p: content.count(b"\n", 0, p) + 1 for p in wanted}

    streams: list[int] = []

    def counted(file: LogFile, offset: int = 0) -> Blocks:
        streams.append(offset)
        return stream_of(file, offset)

    monkeypatch.setattr(excerpts, "stream_of", counted)
    line_numbers(file, places)
    assert streams == [0]
