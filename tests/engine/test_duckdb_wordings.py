"""What records mean is worked out once for all that say the same, and that shows nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from engine.conformance.worlds import END
from engine.timelines import as_lines, held, held_of, opened

from tgt.engine.duckdb import wordings
from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.store import Store, Workspace
from tgt.sources.contextlog import ContextLog


def _line(minutes: float, name: str, **keys: Any) -> dict[str, Any]:
    at = (END - timedelta(minutes=minutes)).isoformat()
    told = {"ts": at, "act": "tool_call", "status": "ok", "conv_id": f"c{minutes}"}
    return {**told, "name": name, **keys}


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files are read for their words, each time that there are new ones."""
    readings: list[int] = []
    table = Database.table

    def counting(self: Database, name: str, query: str, **parameters: Any) -> None:
        if name == "examples":
            readings.append(len(parameters["paths"]))
        table(self, name, query, **parameters)

    monkeypatch.setattr(Database, "table", counting)
    return readings


def test_what_was_understood_once_is_not_looked_at_again(tmp_path: Path, learnt: list[int]) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    steps: list[tuple[str, list[dict[str, Any]], list[int]]] = [
        ("a", [_line(50, "grep"), _line(49, "grep", status="error")], [1]),
        ("b", [_line(40, "grep"), _line(39, "grep")], []),
        ("c", [_line(30, "grep"), _line(29, "sed")], [1]),
        ("a", [_line(20, "sed"), _line(19, "grep", status="error")], []),
    ]
    for name, lines, expected in steps:
        with (logs / f"{name}.jsonl").open("ab") as stream:
            stream.write(as_lines(lines))
        learnt.clear()
        with opened(logs, cache) as timeline:
            assert learnt == expected
            kept = held(timeline)
        assert kept == held_of(logs)


def test_words_are_looked_for_in_as_few_files_as_have_them(
    tmp_path: Path, learnt: list[int]
) -> None:
    for number in range(12):
        names = ["usual", "usual too"] + (["rare"] if number == 7 else [])
        lines = [_line(number, name, conv_id=f"{number}") for name in names]
        (tmp_path / f"{number}.jsonl").write_bytes(as_lines(lines))
    with opened(tmp_path) as timeline:
        assert set(timeline.inventory().acts) == {"tool_call"}
        assert timeline.database.value("SELECT count(DISTINCT name) FROM wordings") == 3
    assert learnt == [1]


@pytest.mark.parametrize(
    ("pieces", "chosen"),
    [
        ({}, set()),
        ({1: {10}}, {1}),
        ({1: {10}, 2: {10, 20}, 3: {20}}, {2}),
        ({1: {10, 20}, 2: {20, 30}, 3: {30}}, {1, 2}),
        ({1: {10}, 2: {20}, 3: {30}}, {1, 2, 3}),
    ],
)
def test_few_pieces_have_all_words(pieces: dict[int, set[int]], chosen: set[int]) -> None:
    few = wordings._few(pieces)
    every: set[int] = set().union(*pieces.values())
    assert set().union(*(pieces[piece] for piece in few)) == every
    assert len(few) == len(chosen)


def test_a_file_that_no_longer_holds_what_was_read_of_it_is_a_failure(tmp_path: Path) -> None:
    """It is then read by itself; to pass over it would lose the records in silence."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(as_lines([_line(5, "grep")]))
    source = ContextLog(tmp_path)
    database = Database(128, None)
    store = Store(database, Workspace(), "key")
    database.table("staged", "SELECT 0 AS piece, 1::UBIGINT AS wording, 1::BIGINT AS us")
    with pytest.raises(OSError, match="changed while it was read"):
        wordings.learn(store, source.projection(), "staged", {0: str(path)})
    assert database.value("SELECT count(*) FROM wordings") == 0
    database.close()


def _names() -> Iterator[str]:
    yield from ("x" * 100_000, "x" * 100_000 + "y", "x" * 240, "x" * 241, "é" * 200, "🧨" * 100, "")


def test_long_names_keep_their_beginning_and_what_tells_them_apart(tmp_path: Path) -> None:
    lines = [_line(n, name, conv_id=name) for n, name in enumerate(_names())]
    (tmp_path / "x.jsonl").write_bytes(as_lines(lines))
    with opened(tmp_path) as timeline:
        names = [n for (n,) in timeline.database.run("SELECT name FROM wordings WHERE name <> ''")]
        assert len(set(names)) == 6
        assert all(len(name.encode()) <= 260 for name in names)
        assert "x" * 240 in names
        assert timeline.database.value("SELECT count(*) FROM conversations") == 6


def test_names_that_become_many_are_folded_as_if_they_had_always_been(tmp_path: Path) -> None:
    """In the events and in the hours that were counted before."""
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    for step in range(3):
        lines = [
            _line(600 - 150 * step - n, f"fetch_ticket_{step * 18 + n:04}", status="error")
            for n in range(18)
        ]
        with (logs / "x.jsonl").open("ab") as stream:
            stream.write(as_lines(lines))
        fresh = held_of(logs)
        assert held_of(logs, cache, writable=False) == fresh, step
        assert held_of(logs, cache) == fresh, step
