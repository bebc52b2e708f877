"""Loops, sought in real files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from conftest import END, Line, World, before, call, response

from tgt.analyzers.base import Analysis
from tgt.analyzers.retry_loop import RetryLoopAnalyzer

Judge = Callable[..., Analysis]
ANALYZER = RetryLoopAnalyzer()
FAILED: Line = {"status": "error", "error": "bash: line 1: frob: command not found"}


TEST_FAILED: Line = {"status": "error", "error": "E   assert 1 == 2\n1 failed, 3 passed in 0.1s"}


def _calls(
    n: int, start: float = 50, conv: str = "c", name: str = "Bash", **keys: str
) -> list[Line]:
    """Calls with the same arguments and the same answer, ten seconds apart."""
    asked = {"args_preview": '{"command": "make"}', "result_preview": "nothing to do", **keys}
    return [call(start - i / 6, conv, name, **asked) for i in range(n)]


def _failures(n: int, start: float = 50, conv: str = "c", name: str = "Bash") -> list[Line]:
    """Failures of one tool that was asked for something else each time."""
    return [call(start - i / 6, conv, name, args_preview=f"try {i}", **FAILED) for i in range(n)]


def _turns(n: int, start: float = 50, **keys: str) -> list[Line]:
    """Two tools taking turns."""
    return [
        call(
            start - i / 6,
            "c",
            ("Read", "Grep")[i % 2],
            args_preview="a",
            result_preview="b",
            **keys,
        )
        for i in range(n)
    ]


def _kinds(analysis: Analysis) -> list[tuple[str, str, int]]:
    return [
        (f.subject, f.evidence.details["kind"], f.evidence.details["value"])
        for f in analysis.findings
    ]


@pytest.mark.parametrize(
    ("lines", "loops", "why"),
    [
        (_calls(6), [("tool_call/Bash", "identical", 6)], "the same call"),
        (_calls(5), [], "too few"),
        (_failures(6), [("tool_call/Bash", "failing", 6)], "failures in a row"),
        (_failures(5), [], "too few failures"),
        (_turns(6), [("tool_call/Grep", "alternating", 6)], "taking turns"),
        (_turns(5), [], "too few turns"),
        (_calls(6, **FAILED), [("tool_call/Bash", "identical", 6)], "the same call that fails"),
    ],
)
def test_what_is_a_loop(
    world: World, judge: Judge, lines: list[Line], loops: list[tuple[str, str, int]], why: str
) -> None:
    world.write(*lines)
    assert _kinds(judge(ANALYZER)) == loops, why


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            [
                call(50 - i, "c", "get", args_preview="a", result_preview=f"{'x' * i}")
                for i in range(9)
            ],
            "a poll whose answers grow",
        ),
        (
            [
                call(50 - i, "c", "get", args_preview="a", result_preview=f"{i} of 9")
                for i in range(9)
            ],
            "a poll whose answers are of the same length",
        ),
        (
            [*_calls(9), *_calls(1, 40, result_preview="done")],
            "a poll that came to its end",
        ),
        (_calls(9, name="wait_for_agent"), "a tool that waits"),
        (
            [
                call(50 - i, "c", "Bash", args_preview="sleep 20", elapsed_ms=20_000)
                for i in range(9)
            ],
            "calls that take long because they wait",
        ),
        (
            [
                call(50 - i, "c", "Edit", args_preview=f"file{i}.py", result_preview="updated")
                for i in range(20)
            ],
            "edits of different files that each succeed",
        ),
        (
            [
                line
                for i in range(9)
                for line in (*_calls(1, 50 - i), call(49.5 - i, "c", "Edit", args_preview=f"{i}"))
            ],
            "something else in between",
        ),
        (
            [
                line
                for i in range(9)
                for line in (
                    call(50 - i, "c", "Bash", status="error", error=f"no {'abcdefghi'[i] * 4}"),
                    call(49.5 - i, "c", "Edit", args_preview=f"{i}"),
                )
            ],
            "a success of another tool between failures of different kinds",
        ),
        (
            [
                line
                for i in range(9)
                for line in (
                    call(50 - i, "c", "Bash", args_preview="make test", **TEST_FAILED),
                    call(49.5 - i, "c", "Edit", args_preview=f"{i}"),
                )
            ],
            "tests that fail while code is changed",
        ),
        (
            [
                line
                for i in range(9)
                for line in (
                    *_calls(1, 50 - i),
                    {"ts": before(49.5 - i), "act": "message", "actor": "user", "conv_id": "c"},
                )
            ],
            "a person who asks for it each time",
        ),
        (
            [line for i in range(9) for line in _calls(1, 50 - i, f"c{i}")],
            "calls of different conversations",
        ),
        (_calls(9, 90), "a loop that ended before the window"),
        (
            [
                response(51, "c", "tool_calls"),
                *(call(50 - i / 600, "c", "Read", args_preview=f"{i}", **FAILED) for i in range(9)),
                response(49, "c", "tool_calls"),
            ],
            "calls of one message that fell together",
        ),
    ],
)
def test_what_is_none(world: World, judge: Judge, lines: list[Line], why: str) -> None:
    world.write(*lines, *_failures(7, 30, "control", "Other"))
    assert _kinds(judge(ANALYZER)) == [("tool_call/Other", "failing", 7)], why


def test_failures_of_other_tools_may_stand_in_between(world: World, judge: Judge) -> None:
    world.write(*(_failures(1, 50 - i, name=("A", "B", "A")[i % 3])[0] for i in range(9)))
    assert _kinds(judge(ANALYZER)) == [("tool_call/A", "failing", 6)]


def test_the_same_failure_again_whatever_happens_in_between(world: World, judge: Judge) -> None:
    """Seven commits that a hook rejects, each after another edit; and the same as a test."""
    for i, check in enumerate("DCDDCDD"):
        said = f"Pre-commit validation failed:\n\n[{'DIALYZER' if check == 'D' else 'CREDO'}]\n{i}"
        world.write(
            call(50 - i, "c", "Bash", args_preview="git commit", status="error", error=said),
            call(49.7 - i, "c", "Edit", args_preview=f"{i}"),
        )
    (finding,) = judge(ANALYZER).findings
    assert finding.title == (
        "Bash fails again and again in one conversation: Pre-commit validation failed: [DIALYZER]"
    )
    assert finding.evidence.details["kind"] == "again"
    assert "7 calls of Bash, with the same error each time" in finding.description
    assert "7 calls, 6.0 minutes" in finding.description
    assert finding.fix.changes[0].startswith("The hook rejects what the agent does")


def test_failures_of_several_tools_are_told_together(world: World, judge: Judge) -> None:
    world.write(*(_failures(1, 50 - i, name="ABCBAB"[i])[0] for i in range(6)))
    (finding,) = judge(ANALYZER).findings
    assert finding.title == "B and other tools fail many times in a row"
    assert "6 calls of B and other tools in a row, all of which failed" in finding.description


def test_a_sub_agent_has_an_order_of_its_own(world: World, judge: Judge) -> None:
    other = [
        {**line, "ts": before(50 - i / 6 - 0.05), "name": "Read", "args_preview": f"{i}"}
        for i, line in enumerate(_calls(8))
    ]
    world.write(*({**line, "trace_id": "one"} for line in _calls(8)))
    world.write(*({**line, "trace_id": "two"} for line in other))
    assert _kinds(judge(ANALYZER)) == [("tool_call/Bash", "identical", 8)]


@pytest.mark.parametrize(
    ("n", "severity"), [(6, "medium"), (9, "medium"), (10, "high"), (19, "high"), (20, "critical")]
)
def test_a_loop_is_as_bad_as_what_it_cost(
    world: World, judge: Judge, n: int, severity: str
) -> None:
    world.write(*_failures(n))
    (finding,) = judge(ANALYZER).findings
    assert finding.severity == severity


def test_a_card_says_what_it_cost_and_shows_both_ends(world: World, judge: Judge) -> None:
    answers = [
        response(50.05 - i / 6, "c", "tool_calls", input_tokens=1000, output_tokens=50)
        for i in range(13)
    ]
    world.write(*answers, *_failures(13))
    (finding,) = judge(ANALYZER).findings
    assert "13 calls, 2.0 minutes and 12,600 tokens" in finding.description
    assert finding.evidence.details["tokens"] == 12_600
    assert finding.evidence.details["minutes"] == pytest.approx(2, abs=0.01)
    assert finding.confidence == pytest.approx(1 - 0.2 * 6 / 13)
    newest, oldest = finding.evidence.samples
    assert newest["text"].startswith("try 12 → bash: line 1: frob")
    assert oldest["text"].startswith("try 0 → bash: line 1: frob")
    assert finding.fix.changes[0].startswith("Install frob")


def test_several_loops_of_a_tool_are_one_finding(world: World, judge: Judge) -> None:
    world.write(
        *_failures(7), *_failures(12, 40, "d"), *_calls(6, 30, "e"), *_calls(8, 50, "x", "X")
    )
    bash, x = judge(ANALYZER).findings
    assert (bash.subject, x.subject) == ("tool_call/Bash", "tool_call/X")
    details = bash.evidence.details
    assert (details["value"], details["loops"], details["calls"]) == (12, 3, 25)
    assert details["conversations"] == 3
    assert bash.confidence > x.confidence


def test_a_loop_that_began_before_the_window_is_seen_whole(world: World, judge: Judge) -> None:
    world.write(*_failures(30, 62))
    assert _kinds(judge(ANALYZER)) == [("tool_call/Bash", "failing", 30)]


def test_how_many_calls_make_a_loop_is_a_setting(world: World, judge: Judge) -> None:
    world.write(*_calls(4))
    assert judge(ANALYZER, loop_min_calls=5).findings == ()
    assert len(judge(ANALYZER, loop_min_calls=4).findings) == 1


def test_two_weeks_of_one_person_give_one_card_a_loop(world: World) -> None:
    """Eight sessions a day that work and poll; a loop on the third and on the tenth day."""
    for day in range(14):
        for session in range(8):
            start, conv = 60 * (24 * (13 - day) + 10 - session) + 30, f"d{day}s{session}"
            world.write(
                *(call(start - i, conv, "Edit", args_preview=f"{i}") for i in range(12)),
                *(
                    call(start - 12 - i, conv, "get", args_preview="a", result_preview=f"{i:02}")
                    for i in range(10)
                ),
            )
    world.write(
        *_failures(8, 60 * 24 * 11 + 45, "d2s3"), *_calls(11, 60 * 24 * 4 + 45, "d9s3", "X")
    )
    saved = [
        task.subject
        for day in range(14, -1, -1)
        for task in world.run(
            END - timedelta(days=day), window_min=24 * 60, analyzers="retry_loop"
        ).tasks
    ]
    assert saved == ["tool_call/Bash", "tool_call/X"]
