"""Error spikes: counted in conversations, against the subject's own past."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Line, World, before, call, calls_of, hours_of

from tgt.analyzers import judgements
from tgt.analyzers.base import Analysis
from tgt.analyzers.error_spike import ErrorSpikeAnalyzer
from tgt.stats.calibration import AGREED, calibrated
from tgt.tasks.card import Finding

Judge = Callable[..., Analysis]
ANALYZER = ErrorSpikeAnalyzer()
SHARE = 20.5 / 481  # what hours_of makes usual: 20 of 480 conversations, as it is estimated


def _now(n: int, failing: int, name: str = "read_file", **keys: Any) -> list[Line]:
    """One call in each of n conversations of the last 50 minutes; the first ones fail."""
    return [
        call(
            50 * (number + 0.5) / n,
            f"now{number}",
            name,
            **{"status": "error" if number < failing else "ok", **keys},
        )
        for number in range(n)
    ]


def test_the_multiplier_and_the_steps_of_severity(world: World, judge: Judge) -> None:
    for failing in range(3, 14):
        world.write(*hours_of(calls_of(f"t{failing}")), *_now(40, failing, f"t{failing}"))
    findings = {finding.subject: finding for finding in judge(ANALYZER).findings}
    for failing in range(3, 14):
        ratio = failing / 40 / SHARE
        finding = findings.pop(f"tool_call/t{failing}", None)
        if failing < 5 or ratio <= 3:
            assert finding is None, failing
            continue
        assert finding is not None, failing
        details = finding.evidence.details
        assert details["value"] == pytest.approx(ratio, rel=0.001)
        assert (details["k"], details["n"]) == (failing, 40)
        step = "critical" if ratio >= 5 and details["tail"] < 1e-4 else "high"
        assert str(finding.severity) == (step if ratio >= 4.5 else "medium")
        assert 0 <= finding.confidence <= 1
    assert not findings


def test_what_is_not_sure_says_how_often_that_is_right(
    world: World, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    for failing in (6, 14):
        world.write(*hours_of(calls_of(f"t{failing}")), *_now(40, failing, f"t{failing}"))
    told = {each.subject: each for each in judge(ANALYZER).findings}
    monkeypatch.setattr(judgements, "calibrated", lambda sure, _: sure)
    model = {each.subject: each.confidence for each in judge(ANALYZER).findings}
    unsure, sure = "tool_call/t6", "tool_call/t14"
    assert told[sure].confidence == model[sure] > 0.99
    assert 0.02 < model[unsure] < told[unsure].confidence < AGREED
    assert told[unsure].confidence == pytest.approx(calibrated(model[unsure]), rel=1e-9)
    in_windows = [each["confidence"] for each in told[unsure].evidence.details["windows"]]
    assert max(in_windows) == pytest.approx(told[unsure].confidence, abs=0.001)


def test_what_began_half_a_window_ago_is_as_sure_as_that_half_is(
    world: World, judge: Judge
) -> None:
    """Seven of 24 either way: the whole is beyond the limit, and thinned out by what was before."""
    lines = _now(24, 7, "late")
    for number, line in enumerate(_now(24, 0, "spread")):
        lines.append({**line, "status": "error" if number * 7 % 24 < 7 else "ok"})
    world.write(*hours_of(calls_of("late")), *hours_of(calls_of("spread")), *lines)
    late, spread = judge(ANALYZER).findings
    assert (late.subject, spread.subject) == ("tool_call/late", "tool_call/spread")
    assert late.confidence > 0.7 > spread.confidence
    told, usual = late.evidence.details, spread.evidence.details
    assert (told["k"], told["n"], told["value"]) == (7, 24, usual["value"])
    assert told["surestIn"] == "30 minutes"
    assert "surestIn" not in usual


def test_more_failures_are_more_certain(world: World, judge: Judge) -> None:
    for failing in (7, 9, 12, 20):
        world.write(*hours_of(calls_of(f"t{failing}")), *_now(40, failing, f"t{failing}"))
    sure = {f.subject: f.confidence for f in judge(ANALYZER).findings}
    ordered = [sure[f"tool_call/t{failing}"] for failing in (7, 9, 12, 20)]
    assert ordered == sorted(ordered)
    assert ordered[-1] > 0.9


def test_a_spike_counts_what_the_errors_said_and_shows_each(world: World, judge: Judge) -> None:
    secret = "token ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8 is bad"
    said = ["ENOENT: no such file"] * 9 + ["write EPIPE"] * 4 + [secret] * 2
    failing = [
        call(3 * n + 1, f"bad{n}", status="error", error=error) for n, error in enumerate(said)
    ]
    world.write(*hours_of(calls_of()), *failing, *_now(20, 0))
    (finding,) = judge(ANALYZER).findings
    texts = finding.evidence.details["errorTexts"]
    assert [each["count"] for each in texts] == [9, 4, 2]
    assert [each["text"] for each in texts[:2]] == ["ENOENT: no such file", "write EPIPE"]
    assert "ghp_a1" not in json.dumps(texts)
    shown = [sample.text for sample in finding.examples]
    assert [str(text)[:6] for text in shown] == ["ENOENT", "write ", "token "], "one of each"


def test_errors_that_say_nothing_are_not_listed(world: World, judge: Judge) -> None:
    world.write(*hours_of(calls_of()), *_now(40, 20))
    (finding,) = judge(ANALYZER).findings
    assert "errorTexts" not in finding.evidence.details
    assert len(finding.examples) == 3


def test_the_multiplier_is_a_setting(world: World, judge: Judge) -> None:
    world.write(*hours_of(calls_of()), *_now(40, 8))
    for multiplier, found in ((3.0, 1), (4.5, 1), (4.9, 0)):
        findings = judge(ANALYZER, error_spike_multiplier=multiplier).findings
        assert len(findings) == found, multiplier


@pytest.mark.parametrize(
    ("lines", "reason", "why"),
    [
        (
            [call(m, "one", status="error") for m in range(1, 41)],
            "40 errors in 1 of 3 conversations",
            "a retry storm is no spike",
        ),
        (
            [call(m, f"c{m % 2}", status="error") for m in range(1, 6)],
            "5 errors in 2 of 3 conversations",
            "nor are two",
        ),
        ([call(m, f"c{m}", status="error") for m in range(1, 5)], None, "four errors are none"),
    ],
)
def test_a_storm_in_few_conversations_is_no_spike(
    world: World, judge: Judge, lines: list[Line], reason: str | None, why: str
) -> None:
    world.write(*hours_of(calls_of()), *_now(40, 0), *lines)
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    assert [a.reason for a in analysis.abstained] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("history", "missing"),
    [
        ({"hours": 23, "per_hour": 20}, "23 of 24 hours of baseline"),
        ({"hours": 0}, "0 of 24 hours of baseline"),
        ({"hours": 30, "per_hour": 1}, "30 of 200 conversations in the baseline"),
    ],
)
def test_too_little_history_is_said(
    world: World, judge: Judge, history: dict[str, int], missing: str
) -> None:
    world.write(*hours_of(calls_of(), **history), *_now(40, 10))
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert (abstention.subject, abstention.reason) == ("tool_call/read_file", missing)


def test_on_the_first_day_only_what_mostly_fails_is_reported(world: World, judge: Judge) -> None:
    cases = {
        "all fail": (40, 40, "critical"),
        "ninety percent": (40, 36, "critical"),
        "three quarters": (40, 30, "high"),
        "somewhat more than half is not certain enough": (40, 22, None),
        "nineteen calls are too few": (19, 19, None),
        "twenty are enough": (20, 20, "critical"),
    }
    for why, (n, failing, _) in cases.items():
        world.write(*_now(n, failing, why))
    analysis = judge(ANALYZER)
    found = {finding.subject: str(finding.severity) for finding in analysis.findings}
    abstained = [abstention.subject for abstention in analysis.abstained]
    for why, (*_, severity) in cases.items():
        assert found.get(f"tool_call/{why}") == severity, why
        assert abstained.count(f"tool_call/{why}") == (severity is None), why
    assert len(found) + len(abstained) == len(cases)


@pytest.mark.parametrize(
    ("n", "failing", "found", "why"),
    [
        (5, 5, True, "as sure as twenty calls of which most fail"),
        (4, 4, False, "not sure enough"),
        (8, 7, False, "nor is one that went well among so few"),
        (9, 8, True, "which it is among more"),
        (12, 4, False, "most do not fail"),
    ],
)
def test_of_a_tool_that_is_new_fewer_calls_are_enough(
    world: World, judge: Judge, n: int, failing: int, found: bool, why: str
) -> None:
    new = _now(n, failing, "new")
    if failing == 4:
        new += _now(1, 1, "new")  # a fifth error, of one of the four
    world.write(*hours_of(calls_of()), *new)
    assert [f.subject for f in judge(ANALYZER).findings] == ["tool_call/new"] * found, why


def test_what_is_not_known_to_be_new_is_held_against_more_calls(world: World, judge: Judge) -> None:
    """It was used before, if seldom; or there is no history, or no conversation."""
    world.write(*hours_of(calls_of()))
    world.write(*hours_of(calls_of("rare"), per_hour=1), *_now(6, 6, "rare"))
    world.write(
        *({k: v for k, v in line.items() if k != "conv_id"} for line in _now(9, 9, "loose"))
    )
    assert judge(ANALYZER).findings == ()


def test_many_calls_of_one_conversation_count_once(world: World, judge: Judge) -> None:
    world.write(*hours_of(calls_of()), *_now(37, 0))
    for conv in ("x", "y", "z"):
        world.write(*(call(m / 2, conv, status="error") for m in range(1, 60)))
    assert judge(ANALYZER).findings == (), "3 of 40 conversations is not three times the usual"


def test_calls_of_no_conversation_are_judged_by_the_event_with_less_certainty(
    world: World, judge: Judge
) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [call(minutes, status="error" if bad else "ok")]

    lines = [{k: v for k, v in line.items() if k != "conv_id"} for line in _now(40, 30)]
    world.write(*hours_of(make), *lines)
    (finding,) = judge(ANALYZER).findings
    assert finding.confidence == pytest.approx(0.8)
    assert (finding.evidence.details["k"], finding.evidence.details["n"]) == (30, 40)


def test_every_subject_that_spikes_is_reported_and_no_other(world: World, judge: Judge) -> None:
    for name, failing in (("a", 15), ("b", 2), ("c", 20), ("d", 0)):
        world.write(*hours_of(calls_of(name)), *_now(40, failing, name))
    found = {finding.subject for finding in judge(ANALYZER).findings}
    assert found == {"tool_call/a", "tool_call/c"}


def test_a_failing_api_is_judged_against_all_conversations(world: World, judge: Judge) -> None:
    def upstream(minutes: float, conv: str) -> Line:
        return {
            "ts": before(minutes),
            "act": "upstream_error",
            "status": 503,
            "where": "chat_stream",
            "conv_id": conv,
        }

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [call(minutes, conv), *([upstream(minutes, conv)] if bad else [])]

    world.write(*hours_of(make), *_now(40, 0), *(upstream(n + 1, f"now{n}") for n in range(15)))
    (finding,) = judge(ANALYZER).findings
    assert finding.subject == "upstream/chat_stream"
    assert finding.title == "Errors of upstream chat_stream"
    assert "used it" not in finding.description, "everybody may meet it"
    assert "8.8 times as often as usual" in finding.description
    assert (finding.evidence.details["k"], finding.evidence.details["n"]) == (15, 40)
    assert finding.evidence.details["value"] == pytest.approx(15 / 40 / SHARE, rel=0.01)


def test_of_what_never_failed_it_is_not_told_how_many_times_as_often(
    world: World, judge: Judge
) -> None:
    world.write(*hours_of(calls_of(), hours=168, per_hour=40, bad_of=0), *_now(40, 30))
    (finding,) = judge(ANALYZER).findings
    assert "more than 100 times as often as usual" in finding.description


def test_a_refusal_by_the_user_is_no_error(world: World, judge: Judge) -> None:
    world.write(*hours_of(calls_of()), *_now(40, 0, status="rejected"))
    world.write(*_now(40, 20, error_type="user_rejected"))
    assert judge(ANALYZER) == Analysis()


def test_little_traffic_is_judged_over_a_day(world: World, judge: Judge) -> None:
    """Two conversations an hour; for the last twenty hours half of them fail."""
    world.write(*hours_of(calls_of(), hours=140, per_hour=2, after=20))
    world.write(
        *(call(m, f"n{m}", status=["ok", "error"][m // 30 % 2]) for m in range(5, 1195, 30))
    )
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.time_window.endswith(" hours")
    assert finding.evidence.details["n"] >= 10
    assert finding.confidence > 0.9


def test_the_evidence_says_what_would_have_been_enough(world: World, judge: Judge) -> None:
    world.write(*hours_of(calls_of()), *_now(40, 20, error_type="ENOENT", error="no such file"))
    (finding,) = judge(ANALYZER).findings
    details = finding.evidence.details
    assert details["errorTypes"] == ["ENOENT"]
    assert "of 40 failing conversations would have been enough" in details["enough"]
    assert int(details["enough"].split()[0]) <= 20
    assert finding.evidence.samples[0]["text"] == "no such file"
    assert len(details["history"]) == 24


def _sessions(
    hours: range, per_hour: int, calls: int, share: float, prefix: str, **keys: Any
) -> list[Line]:
    """Sessions of many calls each, of which a share fails, evenly spread."""
    lines: list[Line] = []
    count = 0.0
    for hour in hours:
        for session in range(per_hour):
            for number in range(calls):
                count += share
                minutes = 60 * hour + 60 * (session + number / calls / 2) / per_hour
                fails, count = count >= 1, count % 1
                status = {"status": "error" if fails else "ok"}
                lines.append(call(minutes, f"{prefix}{hour}-{session}", "Bash", **keys, **status))
    return lines


@pytest.mark.parametrize(
    ("share", "found", "why"),
    [
        (0.62, True, "five times as many calls fail, although a failure is in every session"),
        (0.12, False, "as always"),
        (0.30, False, "less than three times as many"),
    ],
)
def test_a_tool_that_is_used_many_times_in_each_conversation(
    world: World, judge: Judge, share: float, found: bool, why: str
) -> None:
    world.write(*_sessions(range(1, 40), 10, 16, 0.12, "old"))
    world.write(*_sessions(range(1), 10, 16, share, "now"))
    findings = judge(ANALYZER).findings
    assert [f.subject for f in findings] == (["tool_call/Bash"] if found else [])
    if found:
        details = findings[0].evidence.details
        assert findings[0].confidence > 0.9
        assert (details["n"], details["k"]) == (160, 99)
        assert "of 160 calls" in findings[0].description


def test_a_storm_in_one_of_many_conversations_is_no_spike_of_calls(
    world: World, judge: Judge
) -> None:
    world.write(*_sessions(range(1, 40), 10, 16, 0.12, "old"))
    world.write(*_sessions(range(1), 10, 16, 0.12, "now"))
    world.write(*(call(m / 10, "storm", "Bash", status="error") for m in range(1, 160)))
    assert [f for f in judge(ANALYZER).findings if f.confidence >= 0.7] == []


def _of_envelopes(world: World, *lines: Line) -> list[Finding]:
    """What is said of calls whose envelopes are told, as a mapping does it."""
    logs = world.path / "calls"
    logs.mkdir()
    (logs / "calls.ndjson").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    columns = "".join(f'{name} = "{name}"\n' for name in dict.fromkeys((*lines[0], "soft_failed")))
    (world.path / "map.toml").write_text(f"[columns]\n{columns}")
    source = f"ndjson:{logs}?map={world.path / 'map.toml'}"
    report = world.run(source=source, analyzers=("error_spike",), min_confidence=0)
    return [decision.finding for decision in report.decisions]


def test_calls_that_say_themselves_that_they_failed_are_a_share_of_their_own(world: World) -> None:
    told = ({**line, "soft_failed": n < 30} for n, line in enumerate(_now(40, 0)))
    (finding,) = _of_envelopes(world, *hours_of(calls_of(soft_failed=False)), *told)
    details = finding.evidence.details
    assert finding.title == "read_file reports failure"
    assert "read_file reports failure" in finding.description
    assert (details["errors"], details["softFailures"]) == (0, 30)
    assert finding.confidence > 0.9


def test_calls_that_failed_as_such_are_told_apart_from_those(world: World) -> None:
    told = ({**line, "soft_failed": n >= 37} for n, line in enumerate(_now(40, 20)))
    (finding,) = _of_envelopes(world, *hours_of(calls_of(soft_failed=False)), *told)
    details = finding.evidence.details
    assert finding.title == "Errors of read_file"
    assert (details["errors"], details["softFailures"]) == (20, 3)


def test_as_many_as_usual_are_none(world: World) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [call(minutes, conv, soft_failed=True)]

    told = ({**line, "soft_failed": True} for line in _now(40, 0))
    assert _of_envelopes(world, *hours_of(make), *told) == []


# --- what is usual ------------------------------------------------------------------------------


def _by_hour(share: Callable[[int], float], *, hours: int = 150, n: int = 12) -> list[Line]:
    """A history in which so many hours ago that share of the conversations failed."""
    number, lines = 0, []
    for ago in range(1, hours):
        failing = share(ago) * n
        bad = int((ago + 1) * failing) - int(ago * failing)
        for place in range(n):
            number += 1
            status = "error" if place < bad else "ok"
            minutes = 60.0 * ago + 60.0 * (place + 0.5) / n
            lines.append(call(minutes, f"old{number}", status=status))
    return lines


def test_an_outage_in_the_history_hides_no_spike(world: World, judge: Judge) -> None:
    world.write(*_by_hour(lambda ago: 1.0 if 50 <= ago < 60 else 1 / 24), *_now(40, 10))
    (finding,) = judge(ANALYZER).findings
    assert finding.confidence > 0.9
    assert finding.evidence.details["baselineShare"] == pytest.approx(1 / 24, rel=0.15)
    assert finding.evidence.details["baselineHours"] == 149 - 10


@pytest.mark.parametrize(("worse", "is_spike"), [(0.4, False), (1 / 24, True)])
def test_what_fails_at_this_hour_of_every_day_is_no_spike(
    world: World, judge: Judge, worse: float, is_spike: bool
) -> None:
    world.write(*_by_hour(lambda ago: 1 / 24 if ago % 24 else worse), *_now(40, 14))
    sure = [finding.confidence for finding in judge(ANALYZER).findings]
    assert any(confidence >= 0.9 for confidence in sure) is is_spike
    assert is_spike or all(confidence < 0.5 for confidence in sure)


def test_a_slow_rise_is_held_against_the_time_before_it(world: World, judge: Judge) -> None:
    def rising(ago: int) -> float:
        return float(1.5 * 1.02 ** max(0, 80 - ago) / 24)

    world.write(*_by_hour(rising, hours=160, n=24), *_now(40, 10))
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.details["risingDays"] == 3
    assert "before it began to rise 3 days ago" in finding.description
    assert finding.confidence > 0.9
    assert finding.evidence.details["baselineShare"] == pytest.approx(1.5 / 24, rel=0.15)
