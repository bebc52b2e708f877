"""Timelines of directories of files, and all that they hold, to compare one with another."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from engine.conformance.worlds import END, SIGNALS

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.store import Workspace
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.engine.protocol import Signal
from tgt.events import CANONICAL, Interval
from tgt.sources.base import Source
from tgt.sources.contextlog import ContextLog

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)

Held: TypeAlias = dict[str, list[tuple[Any, ...]]]
"""Rows by the name of what they are."""


@contextmanager
def opened(
    sources: Source | Sequence[Source] | Path,
    cache: Path | None = None,
    *,
    end: datetime = END,
    writable: bool = True,
    signals: Sequence[Signal] = SIGNALS,
    baseline: timedelta = WEEK,
    memory_mb: int = 256,
) -> Iterator[DuckDBTimeline]:
    """A timeline for the hour before ``end``; of a path of ContextLog files, or of sources."""
    if isinstance(sources, Path):
        sources = ContextLog(sources)
    some = sources if isinstance(sources, Sequence) else [sources]
    window = Interval(end - HOUR, end)
    workspace = Workspace(cache, writable=writable and cache is not None, memory_mb=memory_mb)
    listed = [(source, source.listing()) for source in some]
    with DuckDBTimeline(listed, signals, window, window, baseline, workspace) as timeline:
        yield timeline


def held(timeline: DuckDBTimeline) -> Held:
    """All events, conversations and rollups of a timeline, and what it could not understand; but
    not in which file they stand, since which of two copies was read is no matter."""
    run = timeline.database.run
    conversations = [c for c in _columns(timeline, "conversations") if c != "row"]
    sums = ("n", "k", "units", "bad_units", "loose_n", "clustered_n", "clustered_k")
    added = ", ".join(f"sum({name})::BIGINT" for name in (*sums, "nn", "nk", "kk"))
    return {
        "events": run(f"SELECT {', '.join(CANONICAL)} FROM ({canonical()}) ORDER BY ALL"),
        "conversations": run(f"SELECT {', '.join(conversations)} FROM conversations ORDER BY ALL"),
        "rollups": run(
            f"SELECT signal, hour, subject, service, bucket, {added} FROM rollups"
            " GROUP BY ALL ORDER BY ALL"
        ),
        "malformed": run("SELECT sum(malformed + is_torn::INTEGER)::BIGINT FROM files"),
    }


def _columns(timeline: DuckDBTimeline, table: str) -> list[str]:
    return [row[0] for row in timeline.database.run(f"DESCRIBE {table}")]


def held_of(
    sources: Source | Sequence[Source] | Path, cache: Path | None = None, **how: Any
) -> Held:
    """What a timeline holds, opened and closed again."""
    with opened(sources, cache, **how) as timeline:
        assert timeline.store.is_kept == (cache is not None and how.get("writable", True))
        return held(timeline)


# --- what somebody writes ------------------------------------------------------------------------


def as_lines(documents: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in documents)


def talk(chance: random.Random, start: datetime) -> list[dict[str, Any]]:
    """A conversation in ContextLog's words that begins about then, with all that may be joined:
    starts and ends of calls, records of the whole, records told again, answers continued."""
    name = f"c{chance.randrange(10**9)}"
    at = start + timedelta(seconds=chance.uniform(0, 3600))
    lines: list[dict[str, Any]] = []

    def say(act: str, **keys: Any) -> None:
        nonlocal at
        at += timedelta(seconds=chance.uniform(0.001, 300))
        lines.append({"ts": at.isoformat(), "act": act, "conv_id": name, **keys})

    say("message", actor="user")
    for number in range(chance.randint(0, 4)):
        call = {"name": f"tool{number % 3}", "trace_id": f"{name}-{number}"}
        if chance.random() < 0.5:
            call["call_id"] = f"{name}-call-{number}"
        say("tool_execution_start", **call)
        if chance.random() < 0.3:
            say("tool_execution_error", error=f"no such file: /tmp/{name}", **call)
        if chance.random() < 0.9:
            say("tool_execution_finish", **call)
        if chance.random() < 0.3:
            say("tool_call", status=chance.choice(["ok", "error"]), elapsed_ms=5, **call)
    said = {"actor": "assistant", "id": f"{name}-answer", "trace_id": f"{name}-end"}
    say("assistant_response", finish_reason=chance.choice(["stop", "length", None]), **said)
    if chance.random() < 0.2:
        say("auto_continue", trace_id=f"{name}-end")
    if chance.random() < 0.2:
        lines.append(chance.choice(lines) | {"id": f"{name}-again"})
        lines.append(lines[-1])
    return lines
