"""Promises of the statistics: every card is counted once, and odd values spoil no mean."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from tgt.tasks import statistics
from tgt.tasks.card import Card, format_time

NOW = datetime(2025, 11, 30, 12, tzinfo=timezone.utc)


def card(days_ago: float, status: str, **keys: Any) -> Card:
    generated = format_time(NOW - timedelta(days=days_ago))
    return Card({"id": "T", "status": status, "generatedAt": generated, **keys})


def test_no_cards_give_zeros() -> None:
    assert statistics.summarize([]) == statistics.TaskStatistics()
    assert statistics.funnel([], NOW, 7) == statistics.Funnel(7)
    assert statistics.verdicts([]) == {}


def test_counts_are_by_status_severity_and_type_with_the_most_frequent_first() -> None:
    cards = [
        card(1, "generated", severity="high", type="ux_issue", priority=60, confidence=0.75),
        card(1, "approved", severity="low", type="ux_issue", priority=65, confidence=0.8),
        card(1, "approved", severity="low", priority=62, confidence=0.8),
    ]
    told = statistics.summarize(cards)
    assert told.total == 3
    assert list(told.by_status.items()) == [("approved", 2), ("generated", 1)]
    assert told.by_severity == {"low": 2, "high": 1}
    assert told.by_type == {"ux_issue": 2, "unknown": 1}
    assert (told.average_priority, told.average_confidence) == (62.3, 0.78)


def test_values_that_make_no_sense_do_not_spoil_the_means() -> None:
    odd = [float("inf"), float("nan"), "high", None, -5, True, [1]]
    told = statistics.summarize([card(1, "generated", priority=x, confidence=x) for x in odd])
    assert (told.average_priority, told.average_confidence) == (0.0, 0.0)
    assert statistics.summarize([card(1, "x", priority=1e300)]).average_priority == 100.0


def test_the_funnel_follows_the_cards_generated_in_the_period() -> None:
    cards = [
        card(0, "generated"),
        card(1, "approved"),
        card(2, "completed"),
        card(6.9, "dismissed", approvedAt=format_time(NOW)),
        card(7, "approved"),
        card(29, "dismissed"),
        card(31, "completed"),
        card(-1, "generated"),
        Card({"id": "T", "status": "approved", "generatedAt": "?"}),
    ]
    assert statistics.funnel(cards, NOW, 7) == statistics.Funnel(7, 4, 3, 1, 1)
    assert statistics.funnel(cards, NOW, 30) == statistics.Funnel(30, 6, 4, 1, 2)


def test_the_verdicts_tell_what_people_think_of_an_analyzers_cards() -> None:
    def of(analyzer: Any, status: str, **keys: Any) -> Card:
        return card(1, status, metadata={"analyzer": analyzer}, **keys)

    cards = [
        of("ux_issue", "approved"),
        of("ux_issue", "completed"),
        of("ux_issue", "dismissed", approvedAt=format_time(NOW)),
        of("error_spike", "generated"),
        of(7, "dismissed"),
        card(1, "generated", metadata="none"),
    ]
    assert statistics.verdicts(cards) == {
        "error_spike": statistics.Verdicts(0, 0, 1),
        "unknown": statistics.Verdicts(0, 1, 1),
        "ux_issue": statistics.Verdicts(2, 1, 0),
    }
