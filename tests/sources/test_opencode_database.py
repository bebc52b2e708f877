"""OpenCode's database: only its new rows are read, and nothing is ever written beside it."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from agents_reading import STORAGE, counting, outcomes

from tgt.sources.base import Outcome, PassedOver, Record
from tgt.sources.opencode import OpenCode
from tgt.sources.reading import guarded
from tgt.sources.sqlite_documents import DocumentSource

_TABLES = """
CREATE TABLE session (id text PRIMARY KEY, project_id text, parent_id text, directory text,
    version text, time_created integer, time_updated integer);
CREATE TABLE message (id text PRIMARY KEY, session_id text, time_created integer,
    time_updated integer, data text NOT NULL);
CREATE TABLE part (id text PRIMARY KEY, message_id text, session_id text, time_created integer,
    time_updated integer, data text NOT NULL);
CREATE INDEX part_message_idx ON part (message_id);
"""
_OUTER = frozenset(("id", "sessionID", "messageID"))


class Agent:
    """Who writes the database: OpenCode."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "opencode.db"
        self.open = sqlite3.connect(self.path, isolation_level=None)
        self.open.execute("PRAGMA journal_mode = WAL")
        self.open.executescript(_TABLES)

    def session(self, stored: Mapping[str, Any]) -> None:
        row = (stored["id"], stored.get("parentID"), stored["directory"], stored["version"])
        self.open.execute(
            "INSERT INTO session (id, parent_id, directory, version) VALUES (?, ?, ?, ?)", row
        )

    def message(self, stored: Mapping[str, Any]) -> None:
        self.open.execute(
            "INSERT OR REPLACE INTO message (id, session_id, data) VALUES (?, ?, ?)",
            (stored["id"], stored["sessionID"], _data(stored)),
        )

    def part(self, stored: Mapping[str, Any]) -> None:
        self.open.execute(
            "INSERT INTO part (id, message_id, session_id, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            (stored["id"], stored["messageID"], stored["sessionID"], _data(stored)),
        )

    def quits(self) -> None:
        self.open.close()


def _data(stored: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in stored.items() if name not in _OUTER})


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """OpenCode with the sessions that the storage of earlier versions has, while it runs."""
    writer = Agent(tmp_path)
    for kind in ("session", "message", "part"):
        for path in sorted((STORAGE / "storage" / kind).rglob("*.json")):
            getattr(writer, kind)(json.loads(path.read_text()))
    yield writer
    writer.quits()


def read(
    agent: Agent, state: Mapping[str, Any] | None = None
) -> tuple[list[Outcome], Mapping[str, Any]]:
    return told_by(agent.path, state)


def told_by(
    path: Path, state: Mapping[str, Any] | None = None
) -> tuple[list[Outcome], Mapping[str, Any]]:
    """One reading of a database, as the driver does it, and the state that it leaves."""
    source = OpenCode(path.parent)
    (file,) = source.listing().files
    reader = source.reader(file, state)
    documents = source.documents(file, state)
    assert documents is not None
    told = [o for place, d in documents for o in guarded(partial(reader.take, d, place), place)]
    left = reader.state()
    assert left is not None
    return told, json.loads(json.dumps(left))


def records(told: list[Outcome]) -> list[Record]:
    """The records that count, without what only some ways of reading know."""
    return [
        {k: v for k, v in each.items() if k not in {"place", "elapsed_ms", "us"}}
        for each in counting(told)
    ]


def _stored() -> list[Outcome]:
    source = OpenCode(STORAGE)
    return [each for file in source.listing().files for each in outcomes(source, file)]


def test_it_is_a_source_of_documents() -> None:
    assert isinstance(OpenCode(STORAGE), DocumentSource)


def test_messages_and_parts_are_completed_by_their_session() -> None:
    """What is not whole yet, a summary, and what is added to a prompt are none of it; a sub-agent's
    task is no person's, and its session belongs to the one that opened it."""
    stored = counting(_stored())
    assert {(each["service"], each["version"], each["conv_id"]) for each in stored} == {
        ("opencode:web-shop", "1.0.150", "ses_dddddddddddddddddd01")
    }
    columns = ("act", "name", "failed", "cancelled", "finish_reason", "error_type", "elapsed_ms")
    model = "claude-sonnet-4-6"
    assert [tuple(each.get(name) for name in columns) for each in stored] == [
        ("prompt", None, None, False, None, None, None),
        ("assistant_response", model, False, False, "stop", None, 5900.0),
        ("tool_call", "task", False, False, None, None, 6900.0),
        ("assistant_response", model, False, False, "tool_calls", None, None),
        ("assistant_response", model, None, True, "cancelled", None, None),
        ("api_error", model, True, False, None, "http_529", None),
        ("api_error", model, True, False, None, "http_429", None),
        ("assistant_response", model, False, False, "length", None, None),
    ]


def test_rows_tell_the_same_as_files_did(agent: Agent) -> None:
    by_key = {each["key"]: each for each in records(read(agent)[0])}
    assert by_key == {each["key"]: each for each in records(_stored())}


def test_an_answer_ends_where_its_first_tool_begins(agent: Agent) -> None:
    (answer,) = (
        each
        for each in counting(read(agent)[0])
        if each["act"] == "assistant_response" and each["finish_reason"] == "tool_calls"
    )
    assert answer["elapsed_ms"] == 1900.0


def test_rows_of_a_log_that_nobody_moved_yet_are_read(agent: Agent) -> None:
    assert (agent.path.parent / "opencode.db-wal").stat().st_size > 0
    assert len(records(read(agent)[0])) == len(records(_stored()))


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "not running"])
def test_nothing_is_written_beside_it(agent: Agent, is_running: bool) -> None:
    """A process of its own reads: within one, SQLite shares what it knows of a file."""
    if not is_running:
        agent.quits()
    before = _directory(agent)
    for _ in range(2):
        script = "import sys; from pathlib import Path; import test_opencode_database as tests;"
        count = subprocess.run(
            [sys.executable, "-c", f"{script} tests.print_count(Path(sys.argv[1]))", agent.path],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert count.stdout == f"{len(records(_stored()))}\n"
    assert _directory(agent) == before
    assert len(before) == (3 if is_running else 1)


def print_count(path: Path) -> None:
    print(len(records(told_by(path)[0])))  # noqa: T201 what it is for


def _directory(agent: Agent) -> dict[str, tuple[bytes, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in agent.path.parent.iterdir()
    }


def test_it_can_be_read_by_who_may_not_write(agent: Agent) -> None:
    agent.quits()
    agent.path.chmod(0o400)
    agent.path.parent.chmod(0o500)
    try:
        assert records(read(agent)[0])
    finally:
        agent.path.parent.chmod(0o700)


def test_only_new_rows_are_read(agent: Agent) -> None:
    first, state = read(agent)
    agent.part(_tool(90, "completed"))
    second, state = read(agent, state)
    assert [each["id"] for each in counting(second)] == ["toolu_0000000000000000000090"]
    assert records([*first, *second]) == records(read(agent)[0])
    assert read(agent, state) == ([], state) or counting(read(agent, state)[0]) == []


def test_what_was_not_whole_is_looked_at_again(agent: Agent) -> None:
    agent.part(_tool(91, "running"))
    first, state = read(agent)
    agent.part(_tool(92, "completed"))
    agent.part(_tool(91, "error"))
    second, _ = read(agent, state)
    ids = {each["id"]: each["failed"] for each in counting(second)}
    assert ids == {"toolu_0000000000000000000091": True, "toolu_0000000000000000000092": False}
    assert "toolu_0000000000000000000091" not in {each["id"] for each in counting(first)}


def test_numbers_of_rows_that_are_given_again_lose_nothing(agent: Agent) -> None:
    """Whoever deletes a session makes room for rows with the numbers of those that were read."""
    _, state = read(agent)
    last = agent.open.execute("SELECT max(rowid) FROM part").fetchone()[0]
    agent.open.execute("DELETE FROM part WHERE rowid = ?", (last,))
    agent.part(_tool(93, "completed"))
    assert agent.open.execute("SELECT max(rowid) FROM part").fetchone()[0] == last
    told, _ = read(agent, state)
    assert "toolu_0000000000000000000093" in {each["id"] for each in counting(told)}


def test_readings_in_any_stretches_come_to_the_same(tmp_path: Path) -> None:
    files = [
        (kind, json.loads(path.read_text()))
        for kind in ("message", "part")
        for path in sorted((STORAGE / "storage" / kind).rglob("*.json"))
    ]
    expected = {each["key"]: each for each in records(_stored())}
    for seed in range(6):
        numbers = random.Random(seed)
        (tmp_path / str(seed)).mkdir()
        writer = Agent(tmp_path / str(seed))
        for path in sorted((STORAGE / "storage" / "session").rglob("*.json")):
            writer.session(json.loads(path.read_text()))
        told: list[Outcome] = []
        state: Mapping[str, Any] | None = None
        for kind, stored in files:
            getattr(writer, kind)(stored)
            if numbers.random() < 0.4:
                more, state = read(writer, state)
                told += more
        told += read(writer, state)[0]
        assert {each["key"]: each for each in records(told)} == expected
        writer.quits()


def test_a_row_that_is_broken_costs_itself(agent: Agent) -> None:
    whole = records(read(agent)[0])
    for number, data in enumerate(('{"type": "tool"', "of no text", "[]", "[" * 5000, "{}")):
        agent.open.execute(
            "INSERT INTO part (id, message_id, session_id, data) VALUES (?, 'm', 's', ?)",
            (f"broken{number}", data),
        )
    agent.open.execute("UPDATE part SET data = CAST(x'FF22' AS TEXT) WHERE data = 'of no text'")
    told, _ = read(agent)
    assert records(told) == whole
    wrong = [each for each in told if isinstance(each, PassedOver) and each.reason == "malformed"]
    assert len(wrong) == 5


def test_a_place_leads_back_to_its_row(agent: Agent) -> None:
    source = OpenCode(agent.path.parent)
    (file,) = source.listing().files
    for record in counting(read(agent)[0]):
        place = record["place"]
        document = source.document(file, place)
        assert document is not None
        reader = source.reader(file)
        assert record in list(guarded(partial(reader.take, document, place), place))
    assert source.document(file, 2_000_000) is None


def test_a_database_that_is_locked_is_not_waited_for(agent: Agent) -> None:
    agent.open.execute("PRAGMA journal_mode = DELETE")
    agent.open.execute("BEGIN EXCLUSIVE")
    agent.open.execute("DELETE FROM session")
    with pytest.raises(OSError, match="locked"):
        read(agent)
    agent.open.execute("ROLLBACK")
    assert len(records(read(agent)[0])) == len(records(_stored()))


def test_what_is_written_while_it_is_read_as_it_lies_there_is_noticed(agent: Agent) -> None:
    agent.quits()
    source = OpenCode(agent.path.parent)
    (file,) = source.listing().files
    documents = source.documents(file, None)
    assert documents is not None
    next(documents)
    other = sqlite3.connect(agent.path)
    other.execute("DELETE FROM part")
    other.commit()
    other.close()
    with pytest.raises(OSError, match="changed while it was read"):
        list(documents)


@pytest.mark.parametrize(
    "content",
    [
        b"no database at all, but a text that is long enough to be read as one\n" * 20,
        b"",
        b"SQLite",
    ],
    ids=["a text", "empty", "cut off"],
)
def test_what_is_no_database_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "opencode.db").write_bytes(content)
    source = OpenCode(tmp_path)
    (file,) = source.listing().files
    with pytest.raises(OSError, match=r"\w") as failure:
        list(source.documents(file, None) or ())
    assert failure.value.strerror


def test_a_damaged_database_gives_what_came_before_and_says_so(agent: Agent) -> None:
    agent.open.execute("BEGIN")
    for number in range(100, 1500):
        agent.part(_tool(number, "completed"))
    agent.open.execute("COMMIT")
    agent.open.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    agent.quits()
    data = bytearray(agent.path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096 * 8] = b"\x07" * 4096 * 8
    agent.path.write_bytes(data)
    with pytest.raises(OSError, match=r"\w"):
        read(agent)


def test_what_an_earlier_version_left_is_named_and_not_read_twice(agent: Agent) -> None:
    storage = agent.path.parent / "storage" / "message" / "s"
    storage.mkdir(parents=True)
    (storage / "m.json").write_text("{}")
    listing = OpenCode(agent.path.parent).listing()
    assert [Path(file.path).name for file in listing.files] == ["opencode.db"]
    assert [Path(path).name for path, _ in listing.passed_over] == ["storage"]


def test_a_write_to_its_log_alone_is_a_change(agent: Agent) -> None:
    (before,) = OpenCode(agent.path.parent).listing().files
    agent.part(_tool(94, "completed"))
    (after,) = OpenCode(agent.path.parent).listing().files
    assert (before.inode, before.path) == (after.inode, after.path)
    assert before != after


def _tool(number: int, status: str) -> dict[str, Any]:
    ended = {"end": 1780000003000} if status in {"completed", "error"} else {}
    return {
        "id": f"prt_{number:04d}",
        "messageID": "msg_eeeeeeeeeeeeeeeeee02",
        "sessionID": "ses_dddddddddddddddddd01",
        "type": "tool",
        "callID": f"toolu_{number:022d}",
        "tool": "bash",
        "state": {
            "status": status,
            "input": {"command": f"test {number}"},
            "output" if status == "completed" else "error": "said",
            "metadata": {},
            "time": {"start": 1780000002000, **ended},
        },
    }
