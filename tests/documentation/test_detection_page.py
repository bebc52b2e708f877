"""docs/detection.md has the numbers and rules by which all analyzers decide."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from conftest import World, call, response
from pages import Page
from scipy.stats import betabinom

from tgt.analyzers import (
    base,
    continuation,
    error_spike,
    judgements,
    retry_loop,
    shift,
    silence,
    ux_issue,
)
from tgt.config import Settings
from tgt.events import Interval
from tgt.stats import confidence
from tgt.stats.calibration import calibrated
from tgt.stats.confidence import Usual

PAGE = Page("docs/detection.md")
WINDOWS = (
    "`continuation` at {}, `error_spike` at {}, `performance` at {}, `ux_issue` at {}"
    " and `token_waste` at {} hours"
)


def test_the_longer_windows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that each analyzer asks for in a real cycle."""
    asked: list[tuple[int, ...]] = []
    ask = base.Context.longer_windows

    def listen(context: base.Context, *hours: int) -> list[Interval]:
        asked.append(hours)
        return ask(context, *hours)

    monkeypatch.setattr(base.Context, "longer_windows", listen)
    world.write(response(10, "c1"), call(9, "c1", elapsed_ms=20))

    assert world.run().warnings == ()

    lists = [" and ".join(", ".join(map(str, hours)).rsplit(", ", 1)) for hours in asked]
    assert WINDOWS.format(*lists) in PAGE.section("Window and baseline")


def test_the_most_that_events_without_a_conversation_can_show() -> None:
    assert f"is then at most {judgements.LOOSE_CONFIDENCE}" in PAGE.section("What is counted")


def test_which_conversations_are_left_out() -> None:
    word = {2: "two", 3: "three"}
    section = PAGE.section("What is counted")
    assert f"than {word[shift.LARGE]} usual conversations of the window have calls" in section
    most = f"At most {word[shift.LEFT_OUT]} are left out, or one conversation in {{:.0f}}"
    assert most.format(1 / shift.LEFT_OUT_SHARE) in section
    assert f"in {word[shift.FEWEST_CONVERSATIONS]} conversations at least" in section


def test_the_example_of_a_confidence() -> None:
    """A week in which every other hour has one failing conversation of 24."""
    usual = confidence.usual_share([(hour % 2, 24) for hour in range(168)])
    line = usual.share * 3**0.5
    prior = confidence.prior_of(1, error_spike.A_HOUR)
    sure = [calibrated(confidence.risen_above(k, 24, line, usual, prior)) for k in (9, 4)]
    assert (f"{usual.share:.0%}", sure[0] > 0.99, f"{sure[1]:.0%}") == ("2%", True, "16%")
    assert round(4 / 24 / usual.share) == 8
    section = PAGE.section("Confidence")
    assert "of which 2% fail, an hour in which 9 of 24 fail is a rise" in section
    assert "One with 4 of 24 has 16%, although that is eight times the usual" in section


Judge = Callable[[float, float, float, Usual, float], float]


def _by_chance(n: int, line: float, judge: Judge, prior: float) -> float:
    """How often ``n`` of which a share below the line is usual are surer than the gate, at most."""
    gate = Settings().min_confidence
    usual = [Usual(share / 100, 0.01, 336 * n) for share in range(1, round(100 * line))]
    return max(
        sum(
            float(betabinom.pmf(k, n, *each.beta))
            for k in range(math.floor(line * n) + 1, n + 1)
            if judge(k, n, line, each, prior) >= gate
        )
        for each in usual
    )


def test_how_often_chance_makes_the_end_of_a_window_sure() -> None:
    told = r"one of (\d+) conversations, or of (\d+) answers .* once in ([\d,]+) looks"
    ((conversations, answers, looks),) = re.findall(told, PAGE.section("Window and baseline"))
    prior, line = continuation.PRIOR * confidence.END_WEIGHT, continuation.THRESHOLD.default
    chances = [_by_chance(int(answers), line, confidence.lies_above, prior)]
    prior = confidence.prior_of(1, ux_issue.A_HOUR) * confidence.END_WEIGHT
    for question in ux_issue.questions(Settings()):
        judge: Judge = confidence.risen_above if question.is_relative else confidence.lies_above
        chances.append(_by_chance(int(conversations), question.threshold, judge, prior))
    assert len(chances) == 4
    assert max(chances) < 1 / int(looks.replace(",", ""))


def test_the_confidence_of_facts() -> None:
    conversations, calls = (row[1] for row in PAGE.table("facts"))
    pairs = re.findall(r"(0\.\d+) for (\d+)", conversations)
    assert len(pairs) == 5
    for sure, many in pairs:
        assert f"{judgements.of_conversations(int(many)):.2g}" == sure
    for times, words in ((1, "{:.1f} for the fewest"), (2, "{:.1f} for twice as many")):
        assert words.format(retry_loop.confidence(6 * times, 6)) in calls
    assert retry_loop.confidence(10**6, 6) < 1
    assert f"than 1 in {1 / silence.UNLIKELY:,.0f}" in PAGE.section("Confidence")
    assert f"never above {silence.Past((1e6,) * 7, False).confidence}" in PAGE.section("Confidence")
