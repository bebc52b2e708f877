"""What readers of Claude Code's transcripts and Codex's rollouts remember, and where they look.

What they make of lines is held case by case (``test_truth.py``).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tgt.sources import claude_code, codex
from tgt.sources.base import PassedOver, Record, RecordSource
from tgt.sources.claude_code import ClaudeCode
from tgt.sources.codex import Codex
from tgt.sources.files import LogFile

SAMPLES = Path(__file__).parents[3] / "shared" / "telemetry-samples"
SOURCES: Mapping[str, RecordSource] = {
    "claude-code": ClaudeCode(Path("/nowhere")),
    "codex": Codex(Path("/nowhere")),
}
FILE = LogFile("/nowhere/project/session.jsonl", 1, 0, 0)
SECRET = "canary-orchid"
AT = "2025-11-03T16:00:"


def claude_lines(number: int) -> Iterator[dict[str, Any]]:
    """A prompt, a call and its result, and an answer; nobody waits for the second call."""
    common = {"sessionId": "s", "cwd": "/srv/shop", "timestamp": f"{AT}{number % 60:02d}Z"}
    said = {"type": "text", "text": f"{SECRET} said"}
    yield from (
        common | {"type": kind, "uuid": f"u{number}-{index}", "message": message}
        for index, (kind, message) in enumerate(
            (
                ("user", {"content": f"{SECRET} asked"}),
                ("assistant", {"id": f"m{number}", "content": [said]}),
                ("assistant", {"id": f"m{number}", "content": [use(f"c{number}")]}),
                ("assistant", {"id": f"m{number}", "content": [use(f"d{number}")]}),
                ("user", {"content": [{"tool_use_id": f"c{number}", "content": SECRET}]}),
            )
        )
    )


def use(call: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": SECRET}}


def codex_lines(number: int) -> Iterator[dict[str, Any]]:
    call = {"type": "function_call", "name": "shell", "arguments": SECRET}
    said = {"type": "message", "content": [{"text": f"{SECRET} said"}]}
    for kind, payload in (
        ("event_msg", {"type": "task_started", "turn_id": f"t{number}"}),
        ("response_item", {**said, "role": "user"}),
        ("response_item", {**said, "role": "assistant"}),
        ("response_item", {**call, "call_id": f"c{number}"}),
        ("response_item", {**call, "call_id": f"d{number}"}),
        ("response_item", {"type": "function_call_output", "call_id": "c0", "output": SECRET}),
        ("event_msg", {"type": "error", "message": SECRET}),
    ):
        yield {"timestamp": f"{AT}{number % 60:02d}Z", "type": kind, "payload": payload}


LINES = {"claude-code": claude_lines, "codex": codex_lines}


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_remembered_is_little_and_holds_no_text(kind: str) -> None:
    reader = SOURCES[kind].reader(FILE)
    sizes = []
    for number in range(2000):
        for line in LINES[kind](number):
            assert any(not isinstance(one, PassedOver) for one in reader.take(line, number)) or (
                line["type"] != "assistant"
            )
        if number in {500, 1999}:
            sizes.append(len(json.dumps(reader.state())))
    assert SECRET not in json.dumps(reader.state())
    assert sizes[1] < 1.05 * sizes[0] < 40_000


def test_where_agents_keep_their_files() -> None:
    home = {"CLAUDE_CONFIG_DIR": "/data/claude", "CODEX_HOME": "/data/codex"}
    assert claude_code.places(home) == (Path("/data/claude/projects"),)
    assert codex.places(home) == (
        Path("/data/codex/sessions"),
        Path("/data/codex/archived_sessions"),
    )
    assert claude_code.places({}) == (Path("~/.claude/projects").expanduser(),)
    assert codex.places({})[0] == Path("~/.codex/sessions").expanduser()


@pytest.mark.parametrize(
    ("promise", "line", "kinds"),
    [
        ("a message", {"type": "user", "sessionId": "s", "uuid": "u", "message": {}}, "claude"),
        (
            "bookkeeping",
            {"type": "queue-operation", "sessionId": "s", "operation": "enqueue"},
            "claude",
        ),
        ("another agent's", {"type": "tool_result", "sessionId": "s", "uuid": "u"}, ""),
        ("a kind that is no word", {"type": ["user"], "sessionId": "s", "uuid": "u"}, ""),
        ("a rollout's", {"type": "session_meta", "timestamp": "t", "payload": {}}, "codex"),
        ("another payload", {"type": "webhook", "timestamp": "t", "payload": {}}, ""),
        ("nothing", {}, ""),
    ],
)
def test_lines_are_recognised(promise: str, line: dict[str, Any], kinds: str) -> None:
    assert claude_code.recognises(line) == (kinds == "claude")
    assert codex.recognises(line) == (kinds == "codex")


# --- what agents really wrote --------------------------------------------------------------------


def sample_files() -> list[tuple[str, Path]]:
    claude = [
        *SAMPLES.glob("claude-code/transcripts/*"),
        SAMPLES / "claude-code/otlp/transcript.jsonl",
    ]
    return [*(("claude-code", path) for path in claude), ("codex", SAMPLES / "codex/rollout.jsonl")]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside the repository")
def test_real_sessions_may_be_read_in_any_stretches() -> None:
    """Wherever one reading ends and the next begins, all of them come to the same."""
    chance = random.Random(7)
    for kind, path in sample_files():
        lines = list(placed(path))
        whole = read(kind, lines, set())
        assert whole
        for many in (1, 10, len(lines)):
            cuts = set(chance.sample(range(len(lines)), min(many, len(lines))))
            assert read(kind, lines, cuts) == whole, (path.name, many)


def placed(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    place = 0
    for raw in path.read_bytes().splitlines(keepends=True):
        yield place, json.loads(raw)
        place += len(raw)


def read(
    kind: str, lines: list[tuple[int, dict[str, Any]]], cuts: set[int]
) -> dict[object, Record]:
    """What counts of the records, by key: of each the highest revision."""
    reader = SOURCES[kind].reader(FILE)
    best: dict[object, Record] = {}
    for number, (place, line) in enumerate(lines):
        outcomes = [] if number not in cuts else [*reader.finish()]
        if number in cuts:
            reader = SOURCES[kind].reader(FILE, json.loads(json.dumps(reader.state())))
        for one in (*outcomes, *reader.take(line, place)):
            if not isinstance(one, PassedOver):
                known = best.get(one["key"])
                if known is None or (one["revision"] or -1) > (known["revision"] or -1):
                    best[one["key"]] = one
    return best
