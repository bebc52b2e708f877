"""Telemetry that agents really wrote, where a collection of it lies beside the repository.

Events by file, as read (``-s`` prints the whole table): Claude Code's log events 11 of 21 records
(the others are twins and bookkeeping), its spans 10; Codex's log events 10 and 11; Gemini CLI's
log events and its outfile both the same 11; the long transcripts 12 to 463 events each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tgt import config, cycle
from tgt.sources.base import Reason
from tgt.survey import Surveyed, survey
from tgt.tasks.card import parse_time

SAMPLES = Path(__file__).parents[3] / "shared" / "telemetry-samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside the repository")


def surveyed(kind: str, place: str) -> Surveyed:
    settings = config.load({"TASKGEN_SOURCE": f"{kind}:{SAMPLES / place}"}, environ={})
    (one,) = survey(settings)
    acts = ", ".join(f"{n} {act}" for act, n in sorted(one.inventory.acts.items()))
    print(f"{kind:12} {place:60} {one.records:6} records, {unknown(one)} unknown: {acts}")  # noqa: T201
    return one


def unknown(one: Surveyed) -> int:
    return sum(one.passed_over(Reason.UNKNOWN).values())


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
    one = surveyed(kind, place)
    assert (unknown(one), one.inventory.malformed, tuple(one.problems)) == (0, 0, ())
    assert dict(one.inventory.acts) == events


def test_long_working_sessions() -> None:
    one = surveyed("claude-code", "claude-code/transcripts")
    acts = one.inventory.acts
    assert (unknown(one), one.inventory.malformed) == (0, 0)
    assert acts["tool_call"] > 600
    assert acts["interruption"] == 4
    assert one.inventory.columns["elapsed_ms"] > 0.9 * sum(acts.values())


def test_logs_and_spans_of_a_session_are_one_session() -> None:
    settings = config.load(
        {"TASKGEN_SOURCE": f"otlp:{SAMPLES / 'claude-code/otlp'}", "TASKGEN_WINDOW_MIN": "120"},
        environ={},
    )
    now = parse_time("2026-11-22T23:30:00Z")
    assert now is not None
    assert cycle.run(settings, now, dry_run=True).events_analyzed == 11


def test_everything_is_recognised_that_is_known() -> None:
    settings = config.load({"TASKGEN_SOURCE": f"auto:{SAMPLES}"}, environ={})
    kinds = {one.kind: one for one in survey(settings)}
    agents = {"claude-code", "codex", "copilot", "gemini", "qwen", "pi", "opencode"}
    assert set(kinds) == {"otlp", "contextlog", "unknown", *agents}
    assert not any(one.problems for one in kinds.values())
