"""Conversations that go badly: three questions, each judged on whole conversations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Line, World, call, hours_of, response

from tgt.analyzers import judgements
from tgt.analyzers.base import Analysis
from tgt.analyzers.ux_issue import UxIssueAnalyzer
from tgt.stats.calibration import ABOVE, AGREED, calibrated

Judge = Callable[..., Analysis]
ANALYZER = UxIssueAnalyzer()
ABORTED, WAITED, HEAVY = (
    f"conversations/{name}" for name in ("aborted", "long_wait", "error_heavy")
)


def _conversation(minutes: float, conv: str, kind: str = "good") -> list[Line]:
    """One that ended so many minutes before END, in one of the ways there are."""
    asked = {**call(minutes + 0.2, conv), "act": "message", "actor": "user"}
    used = call(minutes + 0.1, conv)
    answer = response(minutes + 0.08, conv)
    late = response(minutes, conv)
    match kind:
        case "aborted":
            return [asked, used, call(minutes, conv)]
        case "waited":
            return [asked, used, late]
        case "heavy":
            return [asked, *({**used, "status": "error"} for _ in range(3)), answer]
    return [asked, used, answer]


def _mixed(n: int, bad: int, kind: str) -> list[Line]:
    """n conversations that ended between 15 and 60 minutes before END, the first ones badly."""
    return [
        line
        for number in range(n)
        for line in _conversation(
            16 + 40 * number / n, f"now{number}", kind if number < bad else "good"
        )
    ]


@pytest.mark.parametrize(
    ("kind", "subject", "bad", "severity", "why"),
    [
        ("aborted", ABORTED, 4, None, "exactly at the threshold"),
        ("aborted", ABORTED, 5, "medium", "above it"),
        ("aborted", ABORTED, 6, "high", "0.30 is included"),
        ("aborted", ABORTED, 7, "critical", "0.35 is included"),
        ("waited", WAITED, 3, None, "exactly at 0.15"),
        ("waited", WAITED, 4, "medium", "above it"),
        ("waited", WAITED, 6, "medium", "exactly 0.30"),
        ("waited", WAITED, 7, "high", "above 0.30"),
        ("waited", WAITED, 20, "high", "waits are never critical"),
        ("heavy", HEAVY, 5, None, "exactly at 0.25"),
        ("heavy", HEAVY, 6, "medium", "above it"),
        ("heavy", HEAVY, 8, "medium", "exactly 0.40"),
        ("heavy", HEAVY, 9, "high", "above 0.40"),
        ("heavy", HEAVY, 20, "high", "nor are errors"),
    ],
)
def test_the_thresholds_and_the_steps_of_severity(
    world: World, judge: Judge, kind: str, subject: str, bad: int, severity: str | None, why: str
) -> None:
    world.write(*_mixed(20, bad, kind))
    found = {finding.subject: str(finding.severity) for finding in judge(ANALYZER).findings}
    assert found == ({subject: severity} if severity else {})


@pytest.mark.parametrize(("bad", "is_sure"), [(5, False), (18, True)])
def test_what_is_not_sure_says_how_often_that_is_right(
    world: World, judge: Judge, monkeypatch: pytest.MonkeyPatch, bad: int, is_sure: bool
) -> None:
    world.write(*_mixed(20, bad, "aborted"))
    (told,) = judge(ANALYZER).findings
    monkeypatch.setattr(judgements, "calibrated", lambda sure, _: sure)
    (model,) = judge(ANALYZER).findings
    assert told.confidence == pytest.approx(calibrated(model.confidence, ABOVE), rel=1e-9)
    assert (model.confidence > AGREED, told.confidence == model.confidence) == (is_sure, is_sure)


def test_the_abort_threshold_is_a_setting_and_the_steps_go_with_it(
    world: World, judge: Judge
) -> None:
    world.write(*_mixed(20, 8, "aborted"))
    cases = ((0.1, "critical"), (0.2, "critical"), (0.25, "high"), (0.3, "medium"), (0.4, None))
    for threshold, severity in cases:
        found = judge(ANALYZER, ux_abort_threshold=threshold).findings
        severities = [str(finding.severity) for finding in found]
        assert severities == ([severity] if severity else []), threshold


def test_nine_finished_conversations_are_too_few(world: World, judge: Judge) -> None:
    world.write(*_mixed(9, 9, "aborted"))
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert (abstention.subject, abstention.reason) == (
        "conversations",
        "9 of 10 finished conversations",
    )


def test_conversations_that_still_go_on_are_not_counted(world: World, judge: Judge) -> None:
    running = [line for n in range(30) for line in _conversation(0.4 * n, f"open{n}", "aborted")]
    world.write(*_mixed(20, 1, "aborted"), *running)
    assert judge(ANALYZER).findings == ()


def test_two_bad_conversations_are_no_problem_of_the_service(world: World, judge: Judge) -> None:
    world.write(*_mixed(10, 2, "heavy"))
    assert judge(ANALYZER, ux_abort_threshold=0.01).findings == ()


def test_every_question_that_is_answered_with_yes_is_reported(world: World, judge: Judge) -> None:
    lines: list[Line] = []
    for number in range(60):
        kind = ("aborted", "waited", "heavy")[number % 3] if number % 10 else "good"
        lines += _conversation(16 + 0.7 * number, f"now{number}", kind)
    world.write(*lines)
    found = {finding.subject for finding in judge(ANALYZER).findings}
    assert found == {ABORTED, WAITED, HEAVY}


def test_what_is_usual_is_told_and_what_is_chronic_is_still_reported(
    world: World, judge: Judge
) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return _conversation(minutes, conv, "aborted" if bad else "good")

    world.write(*hours_of(make, bad_of=2), *_mixed(20, 10, "aborted"))
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.details["baselineValue"] == pytest.approx(0.5, abs=0.02)
    assert finding.confidence > 0.9


def test_a_conversation_is_judged_once_in_the_window_in_which_it_ended(
    world: World, judge: Judge
) -> None:
    """It went on for three hours; its only answer came in the first."""
    for number in range(20):
        world.write(
            response(200 + number, f"long{number}"),
            *(call(m, f"long{number}") for m in (150, 90, 20 + number)),
        )
    assert judge(ANALYZER).findings == ()


def test_samples_come_from_the_bad_conversations(world: World, judge: Judge) -> None:
    world.write(*_mixed(20, 10, "aborted"))
    (finding,) = judge(ANALYZER).findings
    bad = {f"now{n}" for n in range(10)}
    seen = [sample["convId"] for sample in finding.evidence.samples]
    assert len(set(seen)) == 3
    assert set(seen) <= bad
    assert finding.evidence.details["k"] == 10


def test_telemetry_without_conversations_has_nothing_to_judge(world: World, judge: Judge) -> None:
    world.write(*({**call(m), "status": "error"} for m in range(1, 55)))
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    assert analysis.abstained[0].reason == "0 of 10 finished conversations"


def test_the_log_of_a_server_of_tools_tells_nothing_of_conversations(
    world: World, judge: Judge
) -> None:
    world.write(*(call(m / 2, f"c{m % 15}") for m in range(32, 115)))
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert (abstention.subject, abstention.reason) == ("conversations", "no responses of a model")


def test_such_a_log_beside_an_agent_changes_nothing(world: World, judge: Judge) -> None:
    world.write(
        *(
            {**line, "service": "tools"}
            for line in (call(m / 2, f"t{m % 30}") for m in range(32, 115))
        )
    )
    world.write(*({**line, "service": "agent"} for line in _mixed(20, 7, "aborted")))
    (finding,) = judge(ANALYZER).findings
    assert (finding.evidence.details["k"], finding.evidence.details["n"]) == (7, 20)


def test_a_model_that_was_silent_for_the_whole_window_is_none_that_never_answers(
    world: World, judge: Judge
) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return _conversation(minutes, conv, "aborted" if bad else "good")

    world.write(*hours_of(make), *_mixed(20, 20, "aborted"))
    (finding,) = judge(ANALYZER).findings
    assert finding.subject == ABORTED


@pytest.mark.parametrize(
    ("usual", "now", "found", "why"),
    [
        (0, 20, True, "hardly anybody waited before"),
        (2, 20, False, "half of them always waited; half of them do"),
        (1, 40, False, "all of them always did"),
        (4, 38, True, "a quarter did, and now nearly all"),
        (5, 9, False, "hardly more than usual, though above the fixed limit"),
    ],
)
def test_long_waits_that_are_usual_are_no_news(
    world: World, judge: Judge, usual: int, now: int, found: bool, why: str
) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return _conversation(minutes, conv, "waited" if bad else "good")

    world.write(*hours_of(make, bad_of=usual), *_mixed(40, now, "waited"))
    sure = [f for f in judge(ANALYZER).findings if f.confidence >= 0.7]
    assert [f.subject for f in sure] == ([WAITED] if found else [])


def test_aborts_that_are_usual_are_still_reported(world: World, judge: Judge) -> None:
    """The control: only waiting may be what is normal."""

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return _conversation(minutes, conv, "aborted" if bad else "good")

    world.write(*hours_of(make, bad_of=2), *_mixed(40, 20, "aborted"))
    assert [f.subject for f in judge(ANALYZER).findings] == [ABORTED]


@pytest.mark.parametrize(
    ("order", "aborted", "why"),
    [
        ("stop", True, "nothing came after it"),
        ("answer stop", True, "an answer before it is none after it"),
        ("stop answer", False, "steering an agent is not giving up"),
        ("stop answer stop", True, "the last one counts"),
        ("stop cut", True, "an answer that was cut off did not end by itself"),
        ("answer", False, "nobody stopped anything"),
    ],
)
def test_who_steers_an_agent_does_not_give_up(
    world: World, judge: Judge, order: str, aborted: bool, why: str
) -> None:
    for number in range(20):
        for step, what in enumerate(order.split()):
            minutes, conv = 30 - step + number / 2 + 0.1, f"now{number}"
            line = response(minutes, conv, "length" if what == "cut" else "stop")
            if what == "stop":
                line = {**call(minutes, conv), "act": "abort", "actor": "user"}
            world.write(call(minutes + 0.5, conv), line)
    world.write(*(response(m, "other") for m in (16, 17, 18)))
    found = [finding.subject for finding in judge(ANALYZER).findings]
    assert found == ([ABORTED] if aborted else [])


def test_where_few_conversations_end_more_of_them_are_looked_at(world: World, judge: Judge) -> None:
    """Four an hour are too few for an hour, and enough for four."""
    for number in range(16):
        kind = "aborted" if number % 2 else "good"
        world.write(*_conversation(16 + 13 * number, f"now{number}", kind))
    analysis = judge(ANALYZER)
    (finding,) = analysis.findings
    assert finding.subject == ABORTED
    assert finding.evidence.time_window == "4 hours"
    assert len(finding.evidence.samples) == 3
    assert analysis.abstained == ()


def _usual(minutes: float, conv: str, bad: bool) -> list[Line]:
    return _conversation(minutes, conv, "waited" if bad else "good")


def _begun(bad: int, n: int = 12) -> list[Line]:
    """So many conversations that ended in the 29 minutes in which those of the last 45 can be over,
    and as many in the 15 before; of the later ones some kept their users waiting."""
    lines: list[Line] = []
    for number in range(n):
        kind = "waited" if number < bad else "good"
        lines += _conversation(16 + 28 * number / n, f"late{number}", kind)
        lines += _conversation(46 + 12 * number / n, f"early{number}")
    return lines


def test_what_began_within_the_window_is_judged_in_the_end_of_it(
    world: World, judge: Judge
) -> None:
    world.write(*hours_of(_usual, bad_of=0), *_begun(3))
    (finding,) = judge(ANALYZER).findings
    assert finding.subject == WAITED
    assert finding.evidence.time_window == "45 minutes"
    assert (finding.evidence.details["k"], finding.evidence.details["n"]) == (3, 12)
    assert "3 of 12 conversations (25.0%) that ended in the last 45 minutes" in finding.description
    assert finding.confidence > 0.7


@pytest.mark.parametrize(
    ("hours", "bad", "n", "why"),
    [
        (0, 3, 12, "nothing is usual, so it is not known to have begun"),
        (48, 2, 12, "two are too few"),
        (48, 3, 9, "nine are too few to tell a share"),
    ],
)
def test_the_end_alone_shows_nothing(
    world: World, judge: Judge, hours: int, bad: int, n: int, why: str
) -> None:
    world.write(*hours_of(_usual, hours=hours, bad_of=0), *_begun(bad, n))
    found = [f.evidence.time_window for f in judge(ANALYZER).findings if f.confidence >= 0.7]
    assert "45 minutes" not in found, why


def test_the_whole_window_is_told_where_it_is_sure_enough(world: World, judge: Judge) -> None:
    world.write(*hours_of(_usual, bad_of=0), *_begun(9))
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.time_window == "60 minutes"
