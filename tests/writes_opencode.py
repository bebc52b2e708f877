"""An OpenCode that writes its database, for tests of the layers above its source."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

_TABLES = """
CREATE TABLE session (id text PRIMARY KEY, project_id text, parent_id text, directory text,
    version text, time_created integer, time_updated integer);
CREATE TABLE message (id text PRIMARY KEY, session_id text, time_created integer,
    time_updated integer, data text NOT NULL);
CREATE TABLE part (id text PRIMARY KEY, message_id text, session_id text, time_created integer,
    time_updated integer, data text NOT NULL);
"""


class Agent:
    """Who has the database open."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "opencode.db"
        self.open = sqlite3.connect(self.path, isolation_level=None)
        self.open.execute("PRAGMA journal_mode = WAL")
        self.open.executescript(_TABLES)

    def quits(self) -> None:
        self.open.close()


def session_of(
    agent: Agent, number: int, calls: Sequence[str], at: datetime, *, tool: str = "bash"
) -> None:
    """A session with one answer and a call of a tool for each status; those that are there already
    are written again."""
    ms = int(at.timestamp() * 1000)
    session, message = f"ses_{number:020d}", f"msg_{number:020d}"
    write = agent.open.execute
    write(
        "INSERT OR REPLACE INTO session (id, directory, version) VALUES (?, '/home/a/shop', '1.0')",
        (session,),
    )
    answer = {
        "role": "assistant",
        "modelID": "gpt-oss-120b",
        "finish": "tool-calls",
        "tokens": {"input": 10, "output": 10},
        "time": {"created": ms, "completed": ms + 4000},
    }
    write(
        "INSERT OR REPLACE INTO message (id, session_id, data) VALUES (?, ?, ?)",
        (message, session, json.dumps(answer)),
    )
    for place, status in enumerate(calls):
        has_ended = status in {"completed", "error"}
        time = {"start": ms + place} | ({"end": ms + place + 500} if has_ended else {})
        said = {"error": "it said no"} if status == "error" else {"output": "done"}
        state = {"status": status, "input": {"n": place}, "metadata": {}, **said, "time": time}
        part = {
            "type": "tool",
            "callID": f"toolu_{number:010d}{place:012d}",
            "tool": tool,
            "state": state,
        }
        write(
            "INSERT INTO part (id, message_id, session_id, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            (f"prt_{number:010d}{place:04d}", message, session, json.dumps(part)),
        )
