"""docs/detection.md tells the numbers and rules by which the analyzers decide."""

from __future__ import annotations

import pytest
from conftest import World, call, response
from pages import Page

from tgt import config
from tgt.analyzers import (
    base,
    baseline,
    continuation,
    docs_gap,
    error_spike,
    judgements,
    performance,
    signals,
    silence,
    token_waste,
    ux_issue,
)
from tgt.analyzers.registry import built_in
from tgt.engine.duckdb import conversations
from tgt.engine.protocol import Counts
from tgt.events import Interval
from tgt.stats import distributions

PAGE = Page("docs/detection.md")
FACTS = Page("docs/analyzers.md")
HOW = "How tgt decides"
WINDOWS = (
    "`continuation` at {}, `error_spike` at {}, `performance` at {}, `ux_issue` at {}"
    " and `token_waste` at {} hours"
)


def test_every_analyzer_has_a_section() -> None:
    for analyzer in built_in():
        pages = (PAGE, FACTS)
        assert any(f"\n## `{analyzer.name}`\n" in page.text for page in pages), analyzer.name


def test_the_longer_windows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that each analyzer asks for in a real cycle."""
    asked: dict[tuple[int, ...], None] = {}
    ask = base.Context.longer_windows

    def listen(context: base.Context, *hours: int) -> list[Interval]:
        asked[hours] = None
        return ask(context, *hours)

    monkeypatch.setattr(base.Context, "longer_windows", listen)
    world.write(response(10, "c1"), call(9, "c1", elapsed_ms=20))

    assert world.run().warnings == ()

    lists = [" and ".join(", ".join(map(str, hours)).rsplit(", ", 1)) for hours in asked]
    assert WINDOWS.format(*lists) in PAGE.section(HOW)


NUMBERS = [
    ("`continuation`", "Needs {} responses with a known end", continuation.MIN_RESPONSES),
    ("`continuation`", "cut-off ones in {} conversations", continuation.MIN_CONVERSATIONS),
    ("`error_spike`", "Needs {} errors", error_spike.MIN_ERRORS),
    ("`error_spike`", "errors in {} conversations", error_spike.MIN_CONVERSATIONS),
    ("`error_spike`", "and {} hours of baseline", baseline.MIN_HOURS_OBSERVED),
    ("`error_spike`", "with {} failing", error_spike.MIN_BASELINE_FAILING),
    ("`error_spike`", "failing or {} conversations in it", error_spike.MIN_BASELINE_UNITS),
    ("`error_spike`", "most of at least {} calls", error_spike.MIN_NEW_CALLS),
    ("`error_spike`", "less than once in {:,.0f})", 1 / error_spike.CRITICAL_TAIL),
    ("`docs_gap`", "Needs {} conversations", docs_gap.MIN_CONVERSATIONS),
    ("`performance`", "Needs {} calls", performance.MIN_CALLS),
    ("`performance`", "calls ({} in", performance.MIN_TAIL_CALLS),
    ("`performance`", "in {} conversations where only", performance.MIN_TAIL_CONVERSATIONS),
    ("`performance`", "and {} hours of baseline", baseline.MIN_HOURS_OBSERVED),
    ("`performance`", "with {} calls in it", performance.MIN_BASELINE_CALLS),
    ("`performance`", "less than {} ms longer", performance.SLIGHT_MS),
    ("`performance`", "less than {:.0%} of the time", performance.SLIGHT_SHARE),
    ("`performance`", "in steps of {:.0f}%", 100 * (distributions.BASE - 1)),
    ("`ux_issue`", "no event for {:.0f} minutes", conversations.IDLE.total_seconds() / 60),
    ("`ux_issue`", "seconds ({} by default)", signals.LONG_WAIT.default),
    ("`ux_issue`", "Needs {} finished conversations", ux_issue.MIN_CONVERSATIONS),
    ("`ux_issue`", "conversations, {} of them bad", ux_issue.MIN_BAD),
    ("`token_waste`", "Needs {} answers", token_waste.MIN_ANSWERS),
    ("`token_waste`", "({} where", token_waste.MIN_TAIL_ANSWERS),
    ("`token_waste`", "{} conversations beyond", token_waste.MIN_BEYOND),
    ("`token_waste`", "with {} answers in it", token_waste.MIN_BASELINE_ANSWERS),
    ("`token_waste`", "critical from {:g} times", token_waste.CRITICAL),
    ("`token_waste`", "high from {:g} times", token_waste.HIGH),
    ("`token_waste`", "of a tool {} results", token_waste.MIN_RESULTS),
    ("`telemetry_silence`", "less than 1 in {:,.0f}", 1 / silence.UNLIKELY),
    ("`telemetry_silence`", "the {} days before", silence.DAYS),
    ("`telemetry_silence`", "the {} weeks before", silence.WEEKS),
    ("`telemetry_silence`", "as long as {} remain", silence.MIN_LEFT),
    (HOW, "is then at most {}", judgements.LOOSE_CONFIDENCE),
]


@pytest.mark.parametrize(("where", "sentence", "value"), NUMBERS)
def test_a_number_of_an_analyzer(where: str, sentence: str, value: object) -> None:
    assert sentence.format(value) in PAGE.section(where)


def test_the_share_of_errors_that_makes_a_conversation_heavy() -> None:
    assert signals.ERROR_HEAVY.counted == "errors > 0.3 * events"
    assert "more than 30% of the events" in PAGE.section("`ux_issue`")


def test_the_confidence_of_a_documentation_gap() -> None:
    sure = [docs_gap.confidence(Counts(n=20, bad_conversations=n)) for n in (3, 6, 18)]
    sentence = "{:.2g} for three, {:.2g} for six, {:.2g} for eighteen"
    assert sentence.format(*sure) in PAGE.section("`docs_gap`")


def test_the_severities_of_troubled_conversations() -> None:
    text = PAGE.section("`ux_issue`")
    aborted, waits, errors = ux_issue.questions(config.Settings())
    assert f"default of {aborted.threshold:.0%}, critical from {aborted.critical:.0%}" in text
    assert f"high from {aborted.high:.0%}" in text
    assert f"{waits.threshold:.0%} with a long wait, {errors.threshold:.0%} error-heavy" in text
    steps = f"long waits high above {waits.high:.0%}; error-heavy high above {errors.high:.0%}"
    assert steps in text
