"""Evidence that a reader can check: the chart, the windows, and what would have sufficed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import END, World, call, calls_of, hours_of, response

from tgt.output import card_view, evidence_view, markdown, text
from tgt.tasks.card import Card

CHART = {"baselineValue": 1.0, "thresholdValue": 4.0}


@pytest.mark.parametrize(
    ("details", "bars", "marks"),
    [
        ({"history": [1, 8], **CHART}, "▂█", "usual ▂, limit ▅"),
        # A limit above everything measured is on the scale too.
        ({"history": [1, 2], **CHART}, "▃▅", "usual ▃, limit █"),
        ({"history": [1, None, 8]}, "▂ █", ""),
        ({"history": [8], "baselineValue": None, "thresholdValue": 8}, "█", "limit █"),
        ({"history": [8], "baselineValue": "x", "thresholdValue": []}, "█", ""),
        ({"history": None, **CHART}, "", "usual ▃, limit █"),
        ({"history": [0, 0], "baselineValue": 0.0, "thresholdValue": 0}, "▁▁", "usual ▁, limit ▁"),
    ],
)
def test_the_chart_has_one_scale_for_bars_and_marks(
    details: dict[str, Any], bars: str, marks: str
) -> None:
    assert (evidence_view.by_hour(details), evidence_view.marks(details)) == (bars, marks)


@pytest.mark.parametrize(
    ("windows", "told"),
    [
        ([{"hours": 1.0, "confidence": 0.971}, {"hours": 24.27, "confidence": 1.0}], None),
        ([{"hours": 0.5, "confidence": 0.9}], "30 min 90%"),
        ([{"hours": None, "confidence": 0.9}], "hours None confidence 0.9"),
        ([{"hours": 1e300, "confidence": 0.9}], "41666 d 16 h 90%"),
        ([0.25], "25%"),
        ("6 hours", ""),
        (None, ""),
    ],
)
def test_windows_say_how_sure_each_was(windows: object, told: str | None) -> None:
    shown = evidence_view.windows({"windows": windows, "unit": "share"})
    assert shown == (told if told is not None else "1 h 97%, 1 d >99%")


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (
            [{"text": "ENOENT: no such file", "count": 1200}, {"text": "\x1b[2J", "count": 1}],
            ["1,200 × ENOENT: no such file", "1 × \x1b[2J"],
        ),
        ([{"text": None, "count": 3}, {"text": "x"}, "x", None, {"count": 2}], []),
        ({"text": "x", "count": 3}, []),
        (None, []),
    ],
)
def test_what_failures_said_is_counted(stored: object, told: list[str]) -> None:
    details = {"errorTexts": stored, "k": 3, "n": 4}
    assert evidence_view.error_texts(details) == told
    card = Card({"id": "01K", "evidence": {"metric": "share", "details": details}})
    shown = card_view.card(text.Screen(width=80, colour=False), card, END)
    assert "\x1b" not in shown
    assert ("errors" in shown) == bool(told)
    assert "\x1b" not in markdown.card(card, END)
    assert ("**Errors:** 1,200 × ENOENT" in markdown.card(card, END)) == bool(told)


def test_what_is_measured_now_stands_beside_what_was_measured_first() -> None:
    details = {"unit": "share", "value": 0.35, "baselineValue": 0.02, "history": [0.02, 0.35]}
    evidence = {"current": "35.0%", "baseline": "2.0% over 160 h", "details": details}
    now = {"value": 0.9, "history": [0.35, 0.9], "at": "2025-11-03T16:00:00.000Z"}
    moved, still = Card({"evidence": evidence, "now": now}), Card({"evidence": evidence})
    assert list(evidence_view.measured(moved))[:2] == [("Now", "90%"), ("When found", "35.0%")]
    assert next(iter(evidence_view.measured(still))) == ("Now", "35.0%")
    assert evidence_view.details_of(moved)["history"] == [0.35, 0.9]
    assert evidence_view.details_of(still) == details


def _card(world: World, kind: str) -> Card:
    return next(card for card in world.cards.values() if card.type == kind)


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("error_spike", "failing conversations"),
        ("continuation_issue", "responses cut off"),
        ("performance_degradation", "calls slower than"),
        ("ux_issue", "such conversations"),
    ],
)
def test_a_real_card_can_be_checked(world: World, kind: str, counted: str) -> None:
    """By which rule, on which counts, against how much baseline, in which windows, and what would
    have been enough."""
    world.write(*hours_of(calls_of(elapsed_ms=100)))
    world.write(*hours_of(lambda m, conv, _: [response(m - 0.1, conv)]))
    for number in range(40):
        minutes, conv = 55 - number, f"bad{number}"
        world.write(call(minutes, conv, status="error"))
        world.write(call(minutes - 0.1, conv, "read_file", elapsed_ms=5000))
        world.write(response(minutes - 0.2, conv, finish="length"))
    world.run(END)
    card = _card(world, kind)
    details = card.mapping("evidence")["details"]
    assert {"n", "k", "rule", "baselineHours", "history"} <= details.keys()
    assert details["baselineHours"] == 48
    for window in details["windows"]:
        assert 0 < window["confidence"] <= 1
        assert 1 <= window["hours"] <= 25
    assert card.confidence == pytest.approx(
        max(w["confidence"] for w in details["windows"]), abs=0.02
    )
    few, _, rest = details["enough"].partition(" of ")
    assert counted in rest
    assert 0 < int(few) <= details["k"]
    screen = text.Screen(width=100, colour=False)
    shown = card_view.card(screen, card, END)
    assert "with 48 h of baseline" in shown
    assert "windows" in shown
    assert details["enough"] in " ".join(shown.split())
    assert "limit" in shown
    assert "**Windows:**" in markdown.card(card, END)


def test_what_lies_beyond_the_limit_is_red(card_data: Callable[..., dict[str, Any]]) -> None:
    card = Card(card_data())
    shown = card_view.card(text.Screen(width=80, colour=True), card, END)
    (line,) = [line for line in shown.splitlines() if "by hour" in line]
    assert "\x1b[31m█" in line
    assert "\x1b[36m▁" in line


@pytest.mark.parametrize(
    ("keys", "head"),
    [
        ({"file": "/var/log/a.jsonl", "line": 7}, "T  c-1  /var/log/a.jsonl:7"),
        ({"file": "/var/log/a.jsonl", "line": None}, "T  c-1  /var/log/a.jsonl"),
        ({}, "T  c-1"),
    ],
)
def test_a_sample_says_where_it_stands(keys: dict[str, Any], head: str) -> None:
    sample = {"timestamp": "T", "convId": "c-1", "text": "no", **keys}
    assert evidence_view.sample_parts(sample, "tool_call/ls") == (head, "no", "")


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"touchedPerDay": 40.3, "touchedShare": 0.12}, "about 40 conversations a day, 12% of all"),
        (
            {"touchedPerDay": 1234, "touchedShare": 0.5},
            "about 1,200 conversations a day, 50% of all",
        ),
        ({"touchedPerDay": 1, "touchedShare": 0.0066}, "about 1 conversation a day, 0.7% of all"),
        ({"touchedPerDay": 0.43}, "about 3 conversations a week"),
        ({"touchedPerDay": 0.05, "touchedShare": 0.0002}, "under 0.1% of all"),
        ({"touchedPerDay": 720, "touchedUnit": "events"}, "about 720 events a day"),
        ({"touchedPerDay": 9.96}, "about 10 conversations a day"),
        ({"touchedPerDay": "many", "touchedShare": 0.5}, None),
        ({"touchedPerDay": -1}, None),
        ({"touchedPerDay": float("inf")}, None),
    ],
)
def test_a_card_says_in_one_line_whom_it_touches(
    card_data: Callable[..., dict[str, Any]], numbers: dict[str, Any], told: str | None
) -> None:
    task = Card(card_data(evidence={"metric": "m", "details": numbers}))
    shown = card_view.card(text.Screen(width=80, colour=False), task, END), markdown.card(task, END)
    for document, label in zip(shown, ("touches ", "**Touches:**"), strict=True):
        assert (label in document) == (told is not None)
        assert told is None or told in " ".join(document.split())


def test_whom_a_card_touches_is_as_of_now(card_data: Callable[..., dict[str, Any]]) -> None:
    details = {"touchedPerDay": 40, "touchedShare": 0.12}
    now = {"touchedPerDay": 80, "touchedShare": 0.2}
    task = Card(card_data(evidence={"metric": "m", "details": details}, now=now))
    assert "about 80 conversations a day, 20% of all" in markdown.card(task, END)
