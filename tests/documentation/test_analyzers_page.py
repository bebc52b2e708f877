"""docs/analyzers.md has of each analyzer what it looks at, when it fires, what it cannot see."""

from __future__ import annotations

import re

import pytest
from pages import Page, coded

from tgt import config
from tgt.analyzers import (
    baseline,
    continuation,
    docs_gap,
    error_spike,
    performance,
    recurring_error,
    shift,
    signals,
    silence,
    token_waste,
    ux_issue,
)
from tgt.analyzers.base import Analyzer
from tgt.analyzers.registry import built_in
from tgt.engine.duckdb import conversations
from tgt.stats import distributions

PAGE = Page("docs/analyzers.md")
LEADS = ("Looks at", "Fires", "Severity", "Needs", "What to do", "Settings", "Cannot see")


def section(name: str) -> str:
    return PAGE.section(f"`{name}`")


def test_every_analyzer_has_a_section_in_the_order_of_the_table() -> None:
    names = re.findall(r"^## `(\w+)`$", PAGE.text, re.MULTILINE)
    assert names == [coded(row[0])[0] for row in PAGE.table("analyzers")]
    assert names == [analyzer.name for analyzer in built_in()]


@pytest.mark.parametrize("analyzer", built_in(), ids=lambda each: each.name)
def test_a_section_answers_the_same_questions_as_the_others(analyzer: Analyzer) -> None:
    leads = re.findall(r"- \*\*([A-Z][a-z ]+?)(?: when| above)?:?\*\*", section(analyzer.name))
    assert [lead for lead in leads if lead in LEADS] == list(LEADS)
    assert PAGE.block(f"card: {analyzer.name}")


@pytest.mark.parametrize("analyzer", built_in(), ids=lambda each: each.name)
def test_the_settings_of_an_analyzer_with_their_defaults(analyzer: Analyzer) -> None:
    (told,) = re.findall(r"\*\*Settings:\*\* (.*?)\. - ", section(analyzer.name))
    own = [f"`{each.variable}` ({config.default_text(each.variable)})" for each in analyzer.options]
    assert told == (", ".join(own) or "none of its own")


NUMBERS = [
    ("continuation", "Needs {} responses with a known end", continuation.MIN_RESPONSES),
    ("continuation", "cut-off ones in {} conversations", continuation.MIN_CONVERSATIONS),
    ("error_spike", "Needs {} errors", error_spike.MIN_ERRORS),
    ("error_spike", "errors in {} conversations", error_spike.MIN_CONVERSATIONS),
    ("error_spike", "and {} hours of baseline", baseline.MIN_HOURS_OBSERVED),
    ("error_spike", "with {} failing", error_spike.MIN_BASELINE_FAILING),
    ("error_spike", "failing or {} conversations in it", error_spike.MIN_BASELINE_UNITS),
    ("error_spike", "most of at least {} calls", error_spike.MIN_NEW_CALLS),
    ("error_spike", "less than once in {:,.0f})", 1 / error_spike.CRITICAL_TAIL),
    ("docs_gap", "Needs {} conversations", docs_gap.MIN_CONVERSATIONS),
    ("performance", "Needs {} calls", performance.MIN_CALLS),
    ("performance", "calls ({} in", performance.MIN_TAIL_CALLS),
    ("performance", "in {} conversations where only", performance.MIN_TAIL_CONVERSATIONS),
    ("performance", "slower) of {} conversations", shift.FEWEST_CONVERSATIONS),
    ("performance", "calls {} conversations of the last hour or two", shift.FAR_CONVERSATIONS),
    ("performance", "and {} hours of baseline", baseline.MIN_HOURS_OBSERVED),
    ("performance", "with {} calls in it", performance.MIN_BASELINE_CALLS),
    ("performance", "less than {} ms longer", performance.SLIGHT_MS),
    ("performance", "less than {:.0%} of the time", performance.SLIGHT_SHARE),
    ("performance", "in steps of {:.0f}%", 100 * (distributions.BASE - 1)),
    ("ux_issue", "no event for {:.0f} minutes", conversations.IDLE.total_seconds() / 60),
    ("ux_issue", "seconds ({} by default)", signals.LONG_WAIT.default),
    ("ux_issue", "Needs {} finished conversations", ux_issue.MIN_CONVERSATIONS),
    ("ux_issue", "conversations, {} of them bad", ux_issue.MIN_BAD),
    ("token_waste", "Needs {} answers", token_waste.MIN_ANSWERS),
    ("token_waste", "({} where", token_waste.MIN_TAIL_ANSWERS),
    ("token_waste", "{} conversations beyond", token_waste.MIN_BEYOND),
    ("token_waste", "with {} answers in it", token_waste.MIN_BASELINE_ANSWERS),
    ("token_waste", "critical from {:g} times", token_waste.CRITICAL),
    ("token_waste", "high from {:g} times", token_waste.HIGH),
    ("token_waste", "of a tool {} results", token_waste.MIN_RESULTS),
    ("telemetry_silence", "less likely than 1 in {:,.0f}", 1 / silence.UNLIKELY),
    ("telemetry_silence", "the {} days before", silence.DAYS),
    ("telemetry_silence", "the {} weeks before", silence.WEEKS),
    ("telemetry_silence", "as long as {} remain", silence.MIN_LEFT),
    ("recurring_error", "in at least {} conversations", recurring_error.MIN_CONVERSATIONS),
    ("recurring_error", "in fewer than {} of them", recurring_error.MANY_CONVERSATIONS),
]


@pytest.mark.parametrize(("name", "sentence", "value"), NUMBERS)
def test_a_number_of_an_analyzer(name: str, sentence: str, value: object) -> None:
    assert sentence.replace("Needs", "**Needs**").format(value) in section(name)


def test_the_share_of_errors_that_makes_a_conversation_heavy() -> None:
    assert signals.ERROR_HEAVY.counted == "errors > 0.3 * events"
    assert "more than 30% of the events" in section("ux_issue")


def test_the_severities_of_troubled_conversations() -> None:
    text = section("ux_issue")
    aborted, waits, errors = ux_issue.questions(config.Settings())
    assert f"default of {aborted.threshold:.0%}, critical from {aborted.critical:.0%}" in text
    assert f"high from {aborted.high:.0%}" in text
    assert f"{waits.threshold:.0%} with a long wait, {errors.threshold:.0%} error-heavy" in text
    steps = f"long waits high above {waits.high:.0%}; error-heavy high above {errors.high:.0%}"
    assert steps in text
