"""Busy weeks made of real sessions: a small one of each kind, where there are such sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks import busy_weeks

SHARED = Path(__file__).parents[3] / "shared"
TRANSCRIPTS = SHARED / "telemetry-samples" / "claude-code" / "transcripts"
pytestmark = pytest.mark.skipif(not TRANSCRIPTS.exists(), reason="there are no transcripts")
SMALL = busy_weeks.Week(history=3, days=1, per_day=60)


@pytest.fixture(scope="module")
def pool() -> Sequence[list[dict[str, Any]]]:
    return busy_weeks.turns(TRANSCRIPTS)


@pytest.mark.parametrize("name", ["healthy", "bash_fails", "outage"])
def test_a_healthy_day_is_silent_and_a_fault_is_its_one_card(
    pool: Sequence[list[dict[str, Any]]], name: str
) -> None:
    result = busy_weeks.measure(pool, name, SMALL, timedelta(hours=1))
    planted = busy_weeks.FAULTS[name]
    cards = [(kind, subject) for kind, subject, _, _ in result.cards]
    assert cards == ([planted.what] if planted.spoil else [])
    assert (result.delay is not None) is bool(planted.spoil)
