"""What must be true for a problem to be over, as a card keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from tgt.stats.recovery import Before
from tgt.tasks.criterion import Criterion, Tally

CRITERION = Criterion(
    "failing_conversations", "tool_call/read_file", "<=", 0.036, Before(11, 40), 0.036
)


def test_a_criterion_is_read_again_as_it_was_written() -> None:
    assert Criterion.of(CRITERION.document) == CRITERION


def test_the_document_says_how_many_show_it() -> None:
    document = CRITERION.document
    assert document["minConversations"] == CRITERION.least
    assert {"metric", "subject", "op", "value", "minConversations", "window"} <= document.keys()


@pytest.mark.parametrize(
    ("op", "value", "is_met"),
    [("<=", 0.036, True), ("<=", 0.04, False), ("<", 0.036, False), (">=", 0.036, True)],
)
def test_a_value_is_compared_as_the_criterion_says(op: str, value: float, is_met: bool) -> None:
    criterion = Criterion("m", "s", op, 0.036, Before(1, 2), 0.036)
    assert criterion.is_met(value) is is_met


@pytest.mark.parametrize(
    "changed",
    [
        {"value": "much"},
        {"value": True},
        {"before": None},
        {"before": {"bad": 1}},
        {"before": {"bad": 5, "of": 2}},
        {"before": {"bad": 1, "of": 0}},
        {"before": {"bad": float("nan"), "of": 3}},
        {"before": {"bad": 1, "of": float("inf")}},
        {"tolerated": 3},
        {"metric": 7},
        {"unit": ["calls"]},
        {"op": "\x1b[2J"},
    ],
)
def test_what_somebody_else_wrote_is_no_criterion(changed: dict[str, Any]) -> None:
    assert Criterion.of({**CRITERION.document, **changed}) is None


@pytest.mark.parametrize("document", [None, "x", 3, [], {}])
def test_what_is_no_object_is_no_criterion(document: object) -> None:
    assert Criterion.of(document) is None


def test_of_nothing_nothing_is_bad() -> None:
    assert Tally(0, 0, 0.1).share == 0
