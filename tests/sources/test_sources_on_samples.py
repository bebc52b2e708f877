"""Telemetry that agents really wrote, where a collection of it lies beside the repository.

Events by file, as read (``-s`` prints the whole table): Claude Code's log events 11 of 21 records
(the others are twins and bookkeeping), its spans 10; Codex's log events 10 and 11; Gemini CLI's
log events and its outfile both the same 11; the long transcripts 12 to 463 events each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tgt import config, cycle
from tgt.sources.registry import open_sources
from tgt.sources.spec import Spec
from tgt.survey import Found, look, of_specs
from tgt.tasks.card import parse_time

SAMPLES = Path(__file__).parents[3] / "shared" / "telemetry-samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside the repository")


def surveyed(kind: str, place: str) -> Found:
    (found,) = look(place, open_sources([Spec(kind, SAMPLES / place)], SAMPLES))
    events = ", ".join(f"{n} {act}" for act, n in found.acts.most_common())
    print(f"{kind:12} {place:60} {found.records:6} records, {found.unknown} unknown: {events}")  # noqa: T201
    return found


@pytest.mark.parametrize(
    ("kind", "place", "events"),
    [
        (
            "otlp",
            "claude-code/otlp/otlp-http-logs.jsonl",
            {"assistant_response": 6, "tool_call": 4, "prompt": 1},
        ),
        (
            "otlp",
            "claude-code/otlp/otlp-http-traces.jsonl",
            {"assistant_response": 6, "tool_call": 4},
        ),
        ("otlp", "claude-code/otlp/otlp-http-metrics.jsonl", {}),
        (
            "otlp",
            "codex/otlp-http-logs.jsonl",
            {"assistant_response": 4, "tool_call": 4, "prompt": 1, "api_error": 1},
        ),
        ("otlp", "codex/otlp-http-traces.jsonl", {}),
        (
            "otlp",
            "gemini-cli/otlp-http-logs.jsonl",
            {"assistant_response": 5, "tool_call": 4, "prompt": 1, "api_error": 1},
        ),
        (
            "otlp",
            "gemini-cli/outfile-telemetry.log.json",
            {"assistant_response": 5, "tool_call": 4, "prompt": 1, "api_error": 1},
        ),
        ("otlp", "redundo/sample_otlp.json", {"assistant_response": 1, "tool_call": 2}),
        (
            "claude-code",
            "claude-code/otlp/transcript.jsonl",
            {"assistant_response": 6, "tool_call": 4, "prompt": 1, "api_error": 1},
        ),
        (
            "codex",
            "codex/rollout.jsonl",
            {"assistant_response": 5, "tool_call": 4, "prompt": 1},
        ),
    ],
)
def test_a_scripted_session_is_read_whole(kind: str, place: str, events: dict[str, int]) -> None:
    """The same little session, as five programs wrote it."""
    found = surveyed(kind, place)
    assert (found.unknown, found.malformed, found.problems) == (0, 0, [])
    assert dict(found.acts) == events


def test_long_working_sessions(tmp_path: Path) -> None:
    found = surveyed("claude-code", "claude-code/transcripts")
    assert (found.unknown, found.malformed) == (0, 0)
    assert found.acts["tool_call"] > 600
    assert found.acts["interruption"] == 4
    assert found.columns["elapsed_ms"] > 0.9 * sum(found.acts.values())


def test_logs_and_spans_of_a_session_are_one_session() -> None:
    settings = config.load(
        {"TASKGEN_SOURCE": f"otlp:{SAMPLES / 'claude-code/otlp'}", "TASKGEN_WINDOW_MIN": "120"},
        environ={},
    )
    now = parse_time("2026-11-22T23:30:00Z")
    assert now is not None
    assert cycle.run(settings, now, dry_run=True).events_analyzed == 11


def test_everything_is_recognised_that_is_known() -> None:
    kinds = {one.kind: one for one in of_specs([Spec("auto", SAMPLES)], SAMPLES)}
    assert set(kinds) == {"otlp", "claude-code", "codex", "contextlog", "unknown"}
    assert not any(one.problems or one.malformed for one in kinds.values())
