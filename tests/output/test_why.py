"""``tgt show --why``: every figure of a card in a sentence, and none that it does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import END, NOW

from tgt.output import glossary, why_view
from tgt.output.text import Screen
from tgt.output.why import why
from tgt.tasks.card import Card

CardData = Callable[..., dict[str, Any]]
CRITERION = {
    "metric": "failing_conversations",
    "subject": "tool_call/read_file",
    "op": "<=",
    "value": 0.0537,
    "minConversations": 17,
    "unit": "conversations",
    "tolerated": 0.0537,
    "before": {"bad": 14, "of": 56},
}


def told(card_data: CardData, details: dict[str, Any] | None = None, **changes: Any) -> str:
    """All that is said of a card with these details and keys, on one line."""
    card = card_data(criteria=[CRITERION], **changes)
    if details is not None:
        evidence = card["evidence"]
        card["evidence"] = evidence | {"details": {"k": 14, "n": 56, **details}}
    return " ".join(why(Card(card), END).values())


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        ({}, "Of 56 conversations, 14 counted against it."),
        ({"k": None, "rule": "x"}, "The rule: x."),
        (
            {"surestIn": "30 minutes"},
            "shows it most plainly: the confidence is that of 30 minutes.",
        ),
        ({"designEffect": 2.0}, "56 weigh as much as 28 that are independent (a design effect"),
        (
            {"leftOutConversations": 1, "leftOutN": 103},
            "103 more, of 1 large conversation, are left out: they speak for no other.",
        ),
        ({"unit": "x", "ratio": 4030, "severityRule": "s"}, "Measured was more than 100 times the"),
        (
            {"unit": "ratio", "baselineShare": 1e-4, "thresholdValue": 4},
            "now lies above 0.02%: the usual 0.01% times the square root of 4.",
        ),
        ({"baselineHours": 120}, "The baseline says 3.1%, by 120 hours with telemetry"),
        ({"expected": 1.736}, "At that rate 1.74 of 56 would be expected."),
        ({"interval": [0.16, 0.37]}, "With a probability of 90% the share itself lies between 16%"),
        ({"touchedUnit": "events"}, "it is never above 80%"),
        ({"enough": "9 of 56 would do"}, "9 of 56 would do for a card."),
        (
            {"unit": "share", "interval": [0.16, 0.37]},
            "93% when the card was written: the probability that the share really lies above 9.3%",
        ),
        (
            {"unit": "ratio", "baselineShare": 0.02, "thresholdValue": 4, "tail": 1e-4},
            "now lies above 4%: the usual 2% times the square root of 4. By chance alone so many"
            " come up once in 10,000 times.",
        ),
        ({"route": "all", "unit": "ms"}, "this is a change, and that now more than half of the"),
        ({"route": "tail", "unit": "ms"}, "now more than 5% of the values lie beyond the line"),
        ({"chance": 1e-6}, "there would be no event once in 1,000,000 times"),
        ({"chance": 1e-30}, "no event less than once in 1,000,000,000 times"),
        (
            {"windows": [{"hours": 1, "confidence": 0.8}, {"hours": 4, "confidence": 0.93}]},
            "It showed in several windows, each with its own confidence: 1 h 80%, 4 h 93%.",
        ),
        ({"severityRule": "always high"}, "High when the card was written. The steps: always high"),
        ({"severityRule": "s", "ratio": 8.1}, "Measured was 8.1 times the usual."),
        ({"touchedShare": 0.005}, "fewer than 1 of 100 conversations, so it is one step less"),
        (
            {"touchedPerDay": 100, "harm": 1.0},
            "So the severity gives 24 of 36 points, and how many are touched 32 of 64; times the"
            " confidence that is 52.",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_figure_has_its_sentence(
    card_data: CardData, details: dict[str, Any], sentence: str
) -> None:
    plain = told(card_data, {"unit": "x"}, severity="high")
    said = told(card_data, details, severity="high")
    assert sentence in said
    assert details == {} or sentence not in plain, "only where there is such a figure"


@pytest.mark.parametrize(
    ("analyzer", "details", "sentence"),
    [
        ("recurring_error", {"k": 30}, "conversations that show it: 70% for three, 95% for"),
        ("docs_gap", {"conversations": 20}, "here there are 20."),
        ("token_waste", {"allBytes": 1e6, "conversations": 5}, "here there are 5."),
        ("retry_loop", {"calls": 9, "thresholdValue": 6}, "calls in vain: 80% for 6, the fewest"),
        ("long_answers", {}, "so sure is the analyzer `long_answers` that the measure lies beyond"),
        ("rules/slow", {}, "so sure is the analyzer `rules/slow` that the measure lies beyond"),
        ("", {}, "so sure is the analyzer that the measure lies beyond its limit."),
    ],
)
def test_facts_rules_and_plug_ins_say_what_their_confidence_is(
    card_data: CardData, analyzer: str, details: dict[str, Any], sentence: str
) -> None:
    metadata = {"analyzer": analyzer} if analyzer else {}
    assert sentence in told(card_data, details, metadata=metadata)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "The task is open, and nobody has decided about it. 12 runs saw the problem, last 5"),
        ({"status": "approved"}, "somebody said that it is worth doing"),
        ({"status": "approved", "approvedBy": "tgt"}, "tgt approved it, since people approved all"),
        (
            {"status": "dismissed", "dismissedSeverity": "medium"},
            "it comes back where it is worse than medium",
        ),
        (
            {"status": "dismissed", "dismissedUntil": "2025-11-09T08:00:00Z"},
            "Dismissed until 2025-11-09 08:00 UTC.",
        ),
        ({"status": "completed", "completedBy": "tgt"}, "telemetry shows that the problem is over"),
        ({"status": "completed"}, "If the problem comes back, the task is opened again."),
        ({"quietSince": "2025-11-03T14:00:00Z"}, "It is quiet since 2025-11-03 14:00 UTC"),
        (
            {"metadata": {"reopened": {"reason": "came_back"}}},
            "It was opened again: came back after it was completed.",
        ),
        (
            {"mutedBy": {"subject": "tool_call/*", "at": NOW, "until": None, "reason": "old"}},
            "It is muted until tgt unmute, by tool_call/*: old.",
        ),
        (
            {"now": {"severity": "low", "confidence": 0.5, "priority": 3}},
            "The last run that saw the problem was 50% sure.",
        ),
        ({"now": {"severity": "low"}}, "The last run that saw the problem measured low."),
        (
            {"reputation": {"priority": 58, "dismissed": 9, "of": 10, "analyzer": "docs_gap"}},
            "It would be 58, but 9 of 10 cards of docs_gap were dismissed, so it counts less.",
        ),
        (
            {"verification": {"state": "too_early", "text": "9 more are needed"}},
            "So far: too early: 9 more are needed.",
        ),
    ],
)
def test_what_became_of_it_has_its_sentence(
    card_data: CardData, changes: dict[str, Any], sentence: str
) -> None:
    assert sentence in told(card_data, **changes)
    assert not changes or sentence not in told(card_data)


def test_what_would_end_it(card_data: CardData) -> None:
    said = told(card_data)
    assert "over when this is true: Failing conversations at most 5.4%." in said
    assert "conversations without a bad one would show that" in said
    assert "If that holds for 24 hours of telemetry, tgt completes the task itself." in said
    nothing = " ".join(why(Card(card_data(criteria=[])), END).values())
    assert "tgt can measure nothing of its end: people say when it is done." in nothing


def test_a_card_of_another_writer_is_explained_as_far_as_it_goes() -> None:
    assert set(why(Card({}), END)) == {"usual", "confidence", "priority", "end"}
    odd: Any = {key: [1] for key in ("evidence", "now", "metadata", "criteria", "status", "type")}
    assert why(Card(odd), END)
    for broken in ("x", [None], {"a": 1}, float("inf"), -1, True, None):
        details = {
            **dict.fromkeys(("k", "n", "interval", "windows", "tail", "chance", "harm"), broken),
            **dict.fromkeys(("designEffect", "compared", "touchedShare", "ratio"), broken),
        }
        card = Card({"evidence": {"details": details, "metric": broken, "threshold": broken}})
        assert why(card, END)["confidence"]


def test_the_words_that_were_used_are_explained_once(card_data: CardData) -> None:
    cards = [Card(card_data()), Card(card_data("01K94XYZ00A7T4M8R2VXCDGHJM", title="Another"))]
    shown = why_view.as_text(Screen(80, colour=False), cards, END)
    assert shown.startswith(f"{cards[0].title}\ncounted     share of conversations")
    assert shown.count("\nWords\n") == 1
    assert "  baseline" in shown.partition("\nWords\n")[2]
    assert "quota" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_hostile_text_acts_nowhere(card_data: CardData) -> None:
    card = Card(card_data(title="\x1b[31m<b>@all", metadata={"analyzer": "\x1b]0;x\x07"}))
    assert "\x1b" not in why_view.as_text(Screen(80, colour=False), [card], END)
    shown = why_view.as_markdown(card, END)
    assert "\x1b" not in shown
    assert "<b>" not in shown
    assert shown.startswith("# Why: ")


def test_words_are_found_as_words() -> None:
    assert glossary.words_in("Two baselines, one Windowsill; the P95.") == ["baseline", "p95"]
    assert list(glossary.WORDS) == sorted(glossary.WORDS)
