"""Truncated answers: the limits, the minimum counts, and what is said about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from conftest import END, Line, World, hours_of, response

from tgt.analyzers import judgements
from tgt.analyzers.base import Analysis
from tgt.analyzers.continuation import ContinuationAnalyzer
from tgt.output.why import why as explain
from tgt.stats.calibration import ABOVE, AGREED, calibrated
from tgt.tasks.card import Finding

Judge = Callable[..., Analysis]
ANALYZER = ContinuationAnalyzer()


def _answers(
    n: int, cut: int, *, conversations: int = 1000, minutes: int = 50, **keys: str
) -> list[Line]:
    """So many answers over the last minutes, the first of them cut off."""
    return [
        response(
            minutes * (number + 0.5) / n,
            f"c{number % conversations}",
            "length" if number < cut else "stop",
            **keys,
        )
        for number in range(n)
    ]


def test_the_threshold_and_the_steps_of_severity(world: World, judge: Judge) -> None:
    cases = {
        15: (None, "exactly at the threshold"),
        16: ("medium", "just above it"),
        20: ("medium", "exactly 0.20"),
        21: ("high", "above 0.20"),
        30: ("high", "exactly 0.30"),
        31: ("critical", "above 0.30"),
        100: ("critical", "all"),
    }
    for cut in cases:
        world.write(*_answers(100, cut, model=f"m{cut}"))
    found = {finding.subject: str(finding.severity) for finding in judge(ANALYZER).findings}
    for cut, (severity, why) in cases.items():
        assert found.pop(f"assistant_response/m{cut}", None) == severity, why
    assert not found


def test_what_is_not_sure_says_how_often_that_is_right(
    world: World, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(*_answers(100, 17, model="unsure"), *_answers(100, 40, model="sure"))
    told = {each.subject: each.confidence for each in judge(ANALYZER).findings}
    monkeypatch.setattr(judgements, "calibrated", lambda sure, _: sure)
    model = {each.subject: each.confidence for each in judge(ANALYZER).findings}
    unsure, sure = "assistant_response/unsure", "assistant_response/sure"
    assert told[sure] == model[sure] > 0.99
    assert 0.02 < model[unsure] < told[unsure] < AGREED
    assert told[unsure] == pytest.approx(calibrated(model[unsure], ABOVE), rel=1e-9)


def test_the_threshold_is_a_setting(world: World, judge: Judge) -> None:
    world.write(*_answers(100, 26))
    for threshold, found in ((0.10, 1), (0.25, 1), (0.26, 0), (1.0, 0)):
        analysis = judge(ANALYZER, continuation_threshold=threshold)
        assert len(analysis.findings) == found, threshold


@pytest.mark.parametrize(
    ("n", "cut", "conversations", "reason"),
    [
        (1, 1, 1, "1 of 20 responses with a known end"),
        (19, 19, 19, "19 of 20 responses with a known end"),
        (40, 30, 2, "truncations in 2 of 3 conversations"),
    ],
)
def test_too_little_to_judge_is_said(
    world: World, judge: Judge, n: int, cut: int, conversations: int, reason: str
) -> None:
    world.write(*_answers(n, cut, conversations=conversations))
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert (abstention.subject, abstention.reason) == ("assistant_response", reason)


def test_twenty_answers_in_three_conversations_are_enough(world: World, judge: Judge) -> None:
    world.write(*_answers(20, 10, conversations=3))
    analysis = judge(ANALYZER)
    assert len(analysis.findings) == 1
    assert analysis.abstained == ()


def test_an_answer_whose_end_is_not_told_counts_for_nothing(world: World, judge: Judge) -> None:
    world.write(*_answers(20, 10), *(response(m / 9, f"u{m}", "") for m in range(300)))
    (finding,) = judge(ANALYZER).findings
    assert (finding.evidence.details["k"], finding.evidence.details["n"]) == (10, 20)


def test_each_model_is_a_subject_of_its_own(world: World, judge: Judge) -> None:
    for model, cut in (("good", 1), ("bad", 30), ("worse", 60)):
        world.write(*_answers(80, cut, model=model))
    findings = {finding.subject: finding for finding in judge(ANALYZER).findings}
    assert set(findings) == {"assistant_response/bad", "assistant_response/worse"}
    assert "worse" in findings["assistant_response/worse"].title


def test_answers_of_no_conversation_are_judged_with_less_certainty(
    world: World, judge: Judge
) -> None:
    lines = _answers(100, 60)
    world.write(*({k: v for k, v in line.items() if k != "conv_id"} for line in lines))
    (finding,) = judge(ANALYZER).findings
    assert finding.confidence == pytest.approx(0.8)


def test_a_burst_in_few_conversations_is_less_certain_than_the_same_spread(
    world: World, judge: Judge
) -> None:
    world.write(*_answers(60, 18, model="spread"))
    burst = [response(m / 2, f"b{m // 6}", "length" if m < 18 else "stop") for m in range(60)]
    world.write(*({**line, "model": "burst"} for line in burst))
    sure = {f.subject: f.confidence for f in judge(ANALYZER).findings}
    assert sure["assistant_response/burst"] < sure["assistant_response/spread"] - 0.02


def test_what_has_long_been_too_much_is_reported_with_its_history(
    world: World, judge: Judge
) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [response(minutes, conv, "length" if bad else "stop")]

    world.write(*hours_of(make, bad_of=3), *_answers(30, 10))
    (finding,) = judge(ANALYZER).findings
    details = finding.evidence.details
    assert finding.confidence > 0.9
    assert details["baselineValue"] == pytest.approx(1 / 3, abs=0.02)
    assert details["history"][-1] == pytest.approx(1 / 3, abs=0.01)


def test_little_traffic_is_judged_over_six_hours(world: World, judge: Judge) -> None:
    world.write(*_answers(60, 36, minutes=330))
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.time_window == "6 hours"
    assert finding.evidence.details["n"] > 50


def test_telemetry_that_tells_no_ends_is_not_measurable_rather_than_zero(
    world: World, judge: Judge
) -> None:
    world.write(*(response(m, f"c{m}", "") for m in range(1, 55)))
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert "neither finish reasons nor continuations" in abstention.reason


def test_other_acts_are_no_answers(world: World, judge: Judge) -> None:
    world.write(*(response(m, f"c{m}", "length", act="plan") for m in range(1, 55)))
    assert judge(ANALYZER) == Analysis()


def test_a_finding_carries_its_evidence(world: World, judge: Judge) -> None:
    world.write(*({**line, "id": f"e{n}"} for n, line in enumerate(_answers(40, 20))))
    finding: Finding = judge(ANALYZER).findings[0]
    details = finding.evidence.details
    assert (details["value"], details["thresholdValue"], details["unit"]) == (0.5, 0.15, "share")
    assert details["interval"][0] < 0.5 < details["interval"][1]
    assert len(finding.evidence.samples) == 3
    assert {sample["finishReason"] for sample in finding.evidence.samples} == {"length"}
    assert set(finding.related_events) <= {f"e{n}" for n in range(20)}
    assert finding.centre is not None


def _begun(bad: int = 9) -> list[Line]:
    """Thirty answers of the last 28 minutes, of which so many were cut off, and as many before."""
    late, early = _answers(30, bad, minutes=28), _answers(30, 0, minutes=28)
    return [*late, *({**line, "ts": _earlier(line["ts"], 30)} for line in early)]


def _earlier(ts: str, minutes: int) -> str:
    return (datetime.fromisoformat(ts) - timedelta(minutes=minutes)).isoformat()


def _usual(minutes: float, conv: str, bad: bool) -> list[Line]:
    return [response(minutes, conv, "length" if bad else "stop")]


def test_what_began_within_the_window_is_judged_in_its_later_half(
    world: World, judge: Judge
) -> None:
    world.write(*hours_of(_usual), *_begun())
    (finding,) = judge(ANALYZER).findings
    details = finding.evidence.details
    assert finding.evidence.time_window == "30 minutes"
    assert (details["k"], details["n"], details["value"]) == (9, 30, 0.3)
    assert "9 of 30 responses" in finding.description
    assert "in the last 30 minutes" in finding.description
    assert finding.confidence > 0.85


@pytest.mark.parametrize(
    ("hours", "bad", "why"),
    [
        (0, 9, "nothing is usual, so it is not known to have begun"),
        (48, 5, "above what is tolerated, and no more than chance gives"),
        (48, 4, "not above it"),
    ],
)
def test_the_later_half_alone_shows_nothing(
    world: World, judge: Judge, hours: int, bad: int, why: str
) -> None:
    world.write(*hours_of(_usual, hours=hours), *_begun(bad))
    assert [f for f in judge(ANALYZER).findings if f.confidence >= 0.7] == [], why


def test_the_whole_window_is_told_where_it_is_sure_enough(world: World, judge: Judge) -> None:
    world.write(*hours_of(_usual), *_begun(bad=28))
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.time_window == "60 minutes"
    assert finding.evidence.details["n"] == 60


def test_the_later_half_of_events_without_a_conversation_shows_nothing(
    world: World, judge: Judge
) -> None:
    """They may all be of one."""
    lines = [*hours_of(_usual), *_begun()]
    world.write(*({k: v for k, v in line.items() if k != "conv_id"} for line in lines))
    assert judge(ANALYZER).findings == ()


def test_the_card_of_a_half_is_measured_and_explained_by_that_half(world: World) -> None:
    world.write(*hours_of(_usual), *_begun())
    world.run()
    card = world.card()
    (criterion,) = card.items("criteria")
    assert criterion["before"]["of"] <= 30
    assert criterion["before"]["bad"] / criterion["before"]["of"] == pytest.approx(0.3, abs=0.01)
    told = explain(card, END)
    assert "in a window of 30 minutes" in told["counted"]
    assert "Of 30 answers, 9 counted against it" in told["counted"]
    assert "lies beyond it" in told["limit"]


def _turns(n: int, cut: int, calls: int, **keys: str) -> list[Line]:
    """Turns of an agent: answers that only call tools, and one that ends the turn."""
    lines: list[Line] = []
    for turn in range(n):
        minutes, conv = 50 * (turn + 0.9) / n, f"c{turn}"
        lines += [response(minutes + i / 50, conv, "tool_calls", **keys) for i in range(1, calls)]
        lines.append(response(minutes, conv, "length" if turn < cut else "stop", **keys))
    return lines


@pytest.mark.parametrize(
    ("cut", "calls", "value"),
    [(24, 6, 0.8), (24, 1, 0.8), (10, 6, 10 / 30), (4, 6, None), (0, 6, None)],
)
def test_of_turns_of_an_agent_only_the_ends_are_counted(
    world: World, judge: Judge, cut: int, calls: int, value: float | None
) -> None:
    world.write(*_turns(30, cut, calls, service="codex:website"))
    found = [f.evidence.details["value"] for f in judge(ANALYZER).findings]
    assert found == ([pytest.approx(value, abs=0.001)] if value else [])


def test_of_other_services_every_answer_is_counted(world: World, judge: Judge) -> None:
    world.write(*_turns(30, 24, 6, service="website"))
    assert judge(ANALYZER).findings == (), "24 of 180"


def test_an_answer_that_calls_tools_and_was_cut_off_is_counted(world: World, judge: Judge) -> None:
    lines = _turns(30, 0, 1, service="codex:website")
    cut = ({**line, "finish_reason": "tool_calls", "continuation": True} for line in lines[:12])
    world.write(*cut, *lines[12:])
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.details["k"] == 12


@pytest.mark.parametrize(
    ("service", "said", "files"),
    [
        ("claude-code:website", "CLAUDE_CODE_MAX_OUTPUT_TOKENS", ("~/.claude/settings.json",)),
        ("codex:website", "(max_tokens)", ()),
        ("website", "(max_tokens)", (".env",)),
    ],
)
def test_the_advice_is_of_the_agent_that_has_it(
    world: World, judge: Judge, service: str, said: str, files: tuple[str, ...]
) -> None:
    world.write(*_answers(40, 20, service=service))
    (finding,) = judge(ANALYZER).findings
    assert said in finding.fix.changes[0]
    assert finding.fix.files == files
