"""What later telemetry says of a problem: quiet, holding, back, or nothing at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tgt.stats.recovery import Before
from tgt.tasks.card import Card, format_time
from tgt.tasks.criterion import Criterion, Tally
from tgt.tasks.verification import (
    LEAST,
    LONGEST,
    State,
    Verdict,
    Watch,
    criteria_of,
    full_hour,
    hour_of,
    is_about,
    is_over,
    is_watched,
    worst,
)

NOW = datetime(2025, 11, 3, 16, 0, tzinfo=timezone.utc)
SINCE = NOW - timedelta(hours=5)
CRITERION = Criterion(
    "failing_conversations", "tool_call/read_file", "<=", 0.05, Before(20, 50), 0.05
)


def verdict(bad: float, units: float, *, line: float = 0.05) -> Verdict:
    return Verdict(CRITERION, Tally(bad, units, line, bad / units if units else None), SINCE, NOW)


def card(**changes: Any) -> Card:
    data = {"id": "A", "status": "generated", "criteria": [CRITERION.document], **changes}
    return Card(data)


@pytest.mark.parametrize(
    ("bad", "units", "state", "words"),
    [
        (0, 0, State.NO_TRAFFIC, "no conversations that could show it since 2025-11-03 11:00"),
        (0, 5, State.TOO_EARLY, "0 of 5 conversations since 2025-11-03 11:00, at the old rate about"
         " 2; 31 more without one are needed"),
        (0, 60, State.HOLDS, "0 of 60 conversations since 2025-11-03 11:00; at the old rate about"
         " 24, and more than now with a probability of 99.99%"),
        (9, 20, State.NOT_HOLDING, "9 of 20 conversations since 2025-11-03 11:00; 5.0% is"
         " tolerated"),
        # Fewer than before and more than is tolerated: neither over nor as it was.
        (6, 100, State.TOO_EARLY, "6 of 100 conversations since 2025-11-03 11:00, at the old rate"
         " about 40; 22 more without one are needed"),
    ],
)  # fmt: skip
def test_what_was_counted_is_judged_and_said(
    bad: int, units: int, state: State, words: str
) -> None:
    told = verdict(bad, units)
    assert told.state is state
    assert told.text == words
    document = told.document
    assert document["state"] == state
    assert document["figures"]["bad"] == bad
    assert document["figures"]["of"] == units


def test_quiet_needs_less_than_a_proof_and_more_than_nothing() -> None:
    assert not verdict(0, 0).is_quiet
    assert not verdict(0, 2).is_quiet
    quiet = next(units for units in range(50) if verdict(0, units).is_quiet)
    proof = next(units for units in range(50) if verdict(0, units).state is State.HOLDS)
    assert 2 < quiet < proof
    assert not verdict(10, 30).is_quiet


def test_of_several_criteria_the_worst_counts() -> None:
    good, none, bad, early = verdict(0, 60), verdict(0, 0), verdict(9, 20), verdict(0, 5)
    assert worst([good, none, bad, early]) is bad
    assert worst([good, none, early]) is none
    assert worst([good, early]) is early
    assert worst([good]) is good


@pytest.mark.parametrize(
    ("changes", "is_measured"),
    [
        ({}, True),
        ({"status": "approved"}, True),
        ({"status": "dismissed"}, False),
        ({"criteria": []}, False),
        ({"status": "completed", "completedAt": format_time(NOW - timedelta(days=2))}, True),
        ({"status": "completed", "completedAt": format_time(NOW - LONGEST * 1.1)}, False),
        (
            {
                "status": "completed",
                "completedAt": format_time(NOW - timedelta(days=2)),
                "verification": {"state": "holds"},
            },
            False,
        ),
        ({"status": "completed"}, False),
        ({"status": "completed", "completedAt": format_time(NOW + timedelta(days=2))}, False),
    ],
)
def test_what_runs_measure(changes: dict[str, Any], is_measured: bool) -> None:
    assert is_watched(card(**changes), NOW) is is_measured


def test_a_card_of_another_writer_has_nothing_to_measure() -> None:
    assert criteria_of(card(criteria=["It works", None, {"metric": "x"}])) == []


def test_a_card_is_over_after_a_day_of_proof_and_not_before() -> None:
    holds = {"state": "holds", "figures": {"observedHours": 24}}
    assert is_over(Watch(NOW - LEAST, SINCE, holds), NOW)
    assert not is_over(Watch(NOW - LEAST + timedelta(minutes=1), SINCE, holds), NOW)
    assert not is_over(Watch(NOW - LEAST, SINCE, {"state": "too_early"}), NOW)
    assert not is_over(Watch(NOW - LEAST, SINCE, {"state": "no_traffic"}), NOW)
    assert not is_over(Watch(None, SINCE, holds), NOW)
    assert not is_over(Watch(), NOW)


@pytest.mark.parametrize("hours", [23.9, None, "24", float("nan"), float("inf"), -24, [24]])
def test_a_day_of_which_no_telemetry_tells_proves_nothing(hours: object) -> None:
    told = {"state": "holds", "figures": {"observedHours": hours}}
    assert not is_over(Watch(NOW - 3 * LEAST, SINCE, told), NOW)
    assert not is_over(Watch(NOW - 3 * LEAST, SINCE, {"state": "holds", "figures": []}), NOW)


@pytest.mark.parametrize(("bad", "units"), [(1, 3), (2, 12)])
def test_what_fails_now_and_then_as_ever_does_not_bring_a_problem_back(
    bad: int, units: int
) -> None:
    told = Verdict(replace(CRITERION, line=0.02), Tally(bad, units, 0.02), SINCE, NOW)
    assert not told.is_back
    assert told.state is State.TOO_EARLY
    assert verdict(9, 20).is_back


def test_what_has_not_begun_is_too_early_and_no_lack_of_traffic() -> None:
    told = Verdict(CRITERION, Tally(0, 0, 0.05), NOW, NOW)
    assert told.state is State.TOO_EARLY
    assert told.text == "counted from 2025-11-03 16:00 on; 36 more without one are needed"


def test_how_much_of_the_day_telemetry_tells_of_is_said_until_it_is_enough() -> None:
    holds = replace(verdict(0, 60), observed=timedelta(hours=6))
    assert holds.text.endswith("99.99%; so far over 6 of 24 hours")
    assert holds.document["figures"]["observedHours"] == 6
    assert "so far" not in replace(holds, observed=LEAST).text


@pytest.mark.parametrize(
    ("watch", "changes", "is_its_own"),
    [
        (Watch(SINCE, NOW), {}, True),
        (Watch(SINCE, NOW), {"reopenedAt": format_time(SINCE)}, True),
        (Watch(SINCE, NOW), {"reopenedAt": format_time(NOW)}, False),
        (Watch(SINCE, NOW), {"status": "approved", "completedAt": format_time(NOW)}, False),
        (Watch(SINCE, NOW), {"status": "approved", "approvedAt": format_time(NOW)}, True),
        (Watch(SINCE, NOW), {"status": "dismissed"}, False),
        (Watch(SINCE, SINCE), {"status": "completed", "completedAt": format_time(NOW)}, False),
        (Watch(None, NOW), {"status": "completed", "completedAt": format_time(NOW)}, True),
        (Watch(), {"status": "completed", "completedAt": format_time(NOW)}, False),
    ],
)
def test_what_was_measured_before_somebody_decided_is_of_another_time(
    watch: Watch, changes: dict[str, Any], is_its_own: bool
) -> None:
    assert is_about(watch, card(**changes)) is is_its_own


def test_a_card_with_more_criteria_than_anybody_reads_is_not_measured() -> None:
    assert len(criteria_of(card(criteria=[CRITERION.document] * 20))) == 20
    assert criteria_of(card(criteria=[CRITERION.document] * 3000)) == []


def test_counting_begins_at_a_full_hour() -> None:
    assert full_hour(NOW) == NOW
    assert full_hour(NOW + timedelta(seconds=1)) == NOW + timedelta(hours=1)


def test_an_hour_begins_when_it_is_full() -> None:
    assert hour_of(NOW) == hour_of(NOW + timedelta(minutes=59, seconds=59)) == NOW
    assert hour_of(NOW - timedelta(microseconds=1)) == NOW - timedelta(hours=1)
