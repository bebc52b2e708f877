"""docs/architecture.md walks through rooms that are there, with lines that do what it says."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import END, World, before
from pages import Page

import tgt
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.events import Interval
from tgt.templates import template

PAGE = Page("docs/architecture.md")
PARTS = {path.stem for path in Path(tgt.__file__).parent.iterdir()}
ROOMS = sorted(
    name
    for name in set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", PAGE.text))
    if name.split(".")[0] in PARTS and name.rpartition(".")[2] not in {"duckdb", "py"}
)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_that_is_named_is_there(room: str) -> None:
    try:
        importlib.import_module(f"tgt.{room}")
    except ModuleNotFoundError:
        module, _, name = room.rpartition(".")
        assert hasattr(importlib.import_module(f"tgt.{module}"), name), room


def lines(mark: str) -> list[dict[str, Any]]:
    """The JSON lines of a walk."""
    text = PAGE.text.partition(f"## {mark}")[2]
    block = text.partition("```json\n")[2].partition("```")[0]
    return [json.loads(line) for line in block.splitlines()]


def test_the_line_of_a_context_log_becomes_a_card(world: World) -> None:
    (line,) = lines("A walk: one line of a ContextLog")
    quoted = re.search(r"\(`(ENOENT[^`]+)`", PAGE.text)
    assert quoted
    assert template(line["error"]) == quoted[1]
    calls = [line | {"ts": before(n + 1), "conv_id": f"c-{n}"} for n in range(20)]
    world.write(*calls)
    tasks = {task.type: task for task in world.run().tasks}
    assert tasks["error_spike"].subject == "tool_call/read_file"
    (first, *_) = tasks["error_spike"].mapping("evidence")["samples"]
    assert first["text"] == line["error"]


def test_the_lines_of_a_transcript_are_an_answer_and_one_failed_call(world: World) -> None:
    sessions = world.path / "sessions" / "project"
    sessions.mkdir(parents=True)
    asked, answered = lines("A walk: one line of a Claude Code transcript")
    written = [
        line | {"sessionId": "s", "uuid": f"u{n}", "timestamp": before(5 - n)}
        for n, line in enumerate((asked, answered))
    ]
    (sessions / "s.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
    settings = world.settings(source=f"claude-code:{sessions.parent}")
    window = Interval(END.replace(year=END.year - 1), END)
    with open_timeline(settings, telemetry_of(settings), (), window) as timeline:
        inventory = timeline.inventory(["failed AND subject = 'tool_call/Bash'"])
    assert inventory.acts == {"assistant_response": 1, "tool_call": 1}
    assert list(inventory.holds.values()) == [True]
