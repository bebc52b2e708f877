"""A Claude Code that writes transcripts of invented sessions, for tests above its source."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

_MODEL = "claude-sonnet-4-6"
_FAULT = "connection refused by ledger.internal:5432"

Failing = Callable[[int], bool]
"""Whether the call of the MCP tool fails in the session with a number; the oldest has 0."""


def write_sessions(
    home: Path, end: datetime, *, days: int, per_day: int, fails: Failing = lambda _: False
) -> int:
    """Sessions spread evenly over days before ``end``, a file each; how many there are."""
    project = home / ".claude/projects/-home-a-shop"
    project.mkdir(parents=True, exist_ok=True)
    many = days * per_day
    for number in range(many):
        began = end - timedelta(days=days) * (1 - number / many) - timedelta(minutes=20)
        name = f"{number:08d}-0000-4000-8000-000000000000"
        lines = list(_session(name, began, fails(number)))
        path = project / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        written = datetime.fromisoformat(lines[-1]["timestamp"]).timestamp()
        os.utime(path, (written, written))
    return many


def _session(name: str, began: datetime, has_failed: bool) -> Iterator[dict[str, Any]]:
    """A prompt, three rounds of two calls, and a last answer."""
    at, parent = began, None
    for number, (kind, message) in enumerate(_messages(name, has_failed)):
        at += timedelta(seconds=4)
        line = {
            "parentUuid": parent,
            "sessionId": name,
            "cwd": "/home/a/shop",
            "version": "2.1.340",
            "type": kind,
            "uuid": f"{name}-{number}",
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "message": message,
        }
        parent = line["uuid"]
        yield line


def _messages(name: str, has_failed: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "user", {"role": "user", "content": "Mend the invoice export"}
    for number in range(3):
        tools = ("Bash", "mcp__ledger__find_invoice")[:: -1 if number % 2 else 1]
        calls = [(f"toolu_{name[:8]}{number}{place:015d}", t) for place, t in enumerate(tools)]
        yield "assistant", _answer(f"msg_{name[:8]}{number:016d}", "tool_use", calls)
        for call, tool in calls:
            is_bad = has_failed and number == 0 and tool.startswith("mcp")
            result = {"type": "tool_result", "tool_use_id": call, "is_error": is_bad}
            result["content"] = _FAULT if is_bad else f"number {number} of {name} is fine"
            yield "user", {"role": "user", "content": [result]}
    yield "assistant", _answer(f"msg_{name[:8]}{9:016d}", "end_turn", [])


def _answer(name: str, reason: str, calls: list[tuple[str, str]]) -> dict[str, Any]:
    uses = [
        {"type": "tool_use", "id": call, "name": tool, "input": {"number": call[-3:]}}
        for call, tool in calls
    ]
    return {
        "id": name,
        "role": "assistant",
        "model": _MODEL,
        "stop_reason": reason,
        "usage": {"input_tokens": 900, "output_tokens": 80, "cache_read_input_tokens": 700},
        "content": uses or [{"type": "text", "text": "The export works again"}],
    }
