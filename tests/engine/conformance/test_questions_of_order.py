"""What only the order of events tells: runs of calls, and errors that come again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeAlias

from engine.conformance.worlds import (
    END,
    Answers,
    Engine,
    Event,
    answer,
    call,
    cancel,
    every_engine,
    message,
)

from tgt.engine.sequences import Recurrence
from tgt.events import Interval, to_us

pytestmark = every_engine
TOOLS = "act = 'tool_call'"

_Run: TypeAlias = tuple[str, str, str | None, int, int]
"""Kind, subject, partner, calls and failures."""


def _runs(asked: Answers, least: int = 4) -> list[_Run]:
    return [
        (str(r.kind), r.subject, r.partner, r.calls, r.failures)
        for r in asked.snapshot.runs(asked.window, least)
    ]


def _row(n: int, start: float = 30, conv: str | None = "c", **columns: Any) -> list[Event]:
    """Calls one after another, every half minute."""
    return [call(start - i / 2, conv, **columns) for i in range(n)]


def test_calls_in_a_row(engine: Engine) -> None:
    cases: list[tuple[dict[str, Any], list[tuple[str, int]], str]] = [
        ({"args_hash": 7}, [("identical", 0)], "the same call"),
        ({"args_hash": 7, "failed": True}, [("identical", 4)], "the same call, which fails"),
        ({"args_hash": 7, "soft_failed": True}, [("identical", 4)], "its envelope says so"),
        ({"failed": True}, [("failing", 4)], "failures, whatever was asked"),
        ({"soft_failed": True}, [("failing", 4)], "failures in the envelope"),
        ({}, [], "what was asked is not told"),
        ({"failed": True, "cancelled": True}, [], "a person stopped them"),
        ({"failed": None}, [], "nobody tells whether they failed"),
        ({"failed": True, "actor": "user"}, [], "a user's own calls"),
    ]
    with engine.each_asked(*(_row(4, **columns) for columns, *_ in cases)) as answers:
        for asked, (_, runs, why) in zip(answers, cases, strict=True):
            wanted = [(kind, "tool_call/grep", None, 4, failures) for kind, failures in runs]
            assert _runs(asked) == wanted, why
    with engine.each_asked(*(_row(3, **columns) for columns, *_ in cases)) as answers:
        for asked, (*_, why) in zip(answers, cases, strict=True):
            assert _runs(asked) == [], f"one is missing: {why}"
    with engine.each_asked(*(_row(4, conv=None, **columns) for columns, *_ in cases)) as answers:
        for asked, (*_, why) in zip(answers, cases, strict=True):
            assert _runs(asked) == [], f"nobody knows what belongs together: {why}"


def test_what_may_stand_in_between(engine: Engine) -> None:
    cases: list[tuple[list[Event], bool, bool, str]] = [
        ([], True, True, "nothing"),
        ([answer(29.3, "c", "tool_calls")], True, True, "an answer of the model"),
        ([message(29.3, "c")], False, True, "a user's message"),
        ([cancel(29.3, "c")], False, True, "a user's stop"),
        (
            [call(29.3, "c", "read", failed=None, error_type="user_rejected")],
            False,
            True,
            "a refusal",
        ),
        (
            [call(29.3, "c", "read", failed=True, cancelled=True)],
            False,
            True,
            "a call that was stopped",
        ),
        ([call(29.3, "c", "read")], False, False, "another call that went well"),
        ([call(29.3, "c", "read", failed=True)], False, True, "another call that failed"),
        ([call(29.3, "d", "read")], True, True, "a call of another conversation"),
    ]
    same = _row(4, args_hash=7)
    failing = [call(30 - i / 2, "c", args_hash=i, failed=True) for i in range(4)]
    with (
        engine.each_asked(*([*same, *between] for between, *_ in cases)) as identical,
        engine.each_asked(*([*failing, *between] for between, *_ in cases)) as failures,
    ):
        for one, other, case in zip(identical, failures, cases, strict=True):
            _, is_identical, is_failing, why = case
            assert bool(_runs(one)) == is_identical, why
            assert bool(_runs(other)) == is_failing, why


def test_a_poll_is_no_run(engine: Engine) -> None:
    same: dict[str, Any] = {"args_hash": 7, "result_bytes": 5, "result_preview": "wait!"}
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"result_bytes": 11}, 0, "a longer answer"),
        ({"failed": True}, 0, "it failed at last"),
        ({"result_preview": "done!"}, 0, "another answer of the same length"),
        ({}, 1, "the same answer to the end"),
    ]
    worlds = ([*_row(6, **same), call(20, "c", **{**same, **last})] for last, *_ in cases)
    with engine.each_asked(*worlds) as answers:
        for asked, (_, runs, why) in zip(answers, cases, strict=True):
            assert len(_runs(asked)) == runs, why


def test_calls_that_take_turns(engine: Engine) -> None:
    def turns(n: int, **last: Any) -> list[Event]:
        calls = [call(30 - i / 2, "c", "ab"[i % 2], args_hash=i % 2) for i in range(n)]
        return [*calls[:-1], {**calls[-1], **last}]

    five: list[_Run] = [("alternating", "tool_call/a", "tool_call/b", 5, 0)]
    cases: tuple[tuple[list[Event], list[_Run], str], ...] = (
        (turns(5), five, "enough"),
        (turns(3), [], "too few"),
        (turns(6, failed=True), [], "one of them had another outcome at last"),
        (turns(6, args_hash=9), five, "until another call"),
    )
    with engine.each_asked(*(world for world, *_ in cases)) as answers:
        for asked, (_, runs, why) in zip(answers, cases, strict=True):
            assert _runs(asked) == runs, why


def test_calls_that_were_asked_for_at_once_are_one_step(engine: Engine) -> None:
    at_once = [
        answer(31, "c", "tool_calls"),
        *(call(30 - i / 100, "c", failed=True, elapsed_ms=200) for i in range(6)),
    ]
    one_by_one = (answer(30 - i / 100 + 0.005, "c", "tool_calls") for i in range(6))
    later = _row(6, 20, failed=True)
    cases: list[tuple[list[Event], list[tuple[int, int]], str]] = [
        (at_once, [], "one answer asked for them"),
        ([*at_once, *one_by_one], [(6, 6)], "each was asked for by itself"),
        ([at_once[0], *later], [(6, 6)], "there was time to ask for each"),
        ([answer(31, "c"), *at_once[1:]], [(6, 6)], "answers do not tell that they ask for calls"),
        (
            [message(32, "c"), answer(31, "c", None), *at_once[1:]],
            [],
            "an answer stands between the prompt and all of them",
        ),
        (
            [message(32, "c"), *at_once[1:], answer(20, "c", None)],
            [(6, 6)],
            "the answer came after them",
        ),
    ]
    with engine.each_asked(*(world for world, *_ in cases)) as answers:
        for asked, (_, wanted, why) in zip(answers, cases, strict=True):
            runs = asked.snapshot.runs(asked.window, 4)
            assert [(run.calls, run.steps) for run in runs] == wanted, why


def test_failures_that_were_asked_for_two_at_once_are_one_try(engine: Engine) -> None:
    def tries(n: int, at_once: int) -> list[Event]:
        return [
            event
            for i in range(n)
            for event in (
                answer(30 - i, "c", "tool_calls"),
                *(call(29.9 - i - j / 1000, "c", failed=True) for j in range(at_once)),
            )
        ]

    cases = ((2, 2, 4), (3, 2, 6), (2, 3, 6), (1, 9, 0))
    with engine.each_asked(*(tries(n, at_once) for n, at_once, _ in cases)) as answers:
        for asked, (n, at_once, calls) in zip(answers, cases, strict=True):
            wanted = [("failing", "tool_call/grep", None, calls, calls)] if calls else []
            assert _runs(asked) == wanted, (n, at_once)


def test_failures_of_several_tools_in_a_row(engine: Engine) -> None:
    def row(*names: str) -> list[Event]:
        return [call(30 - i / 2, "c", name, failed=True) for i, name in enumerate(names)]

    cases: tuple[tuple[list[Event], list[_Run], str], ...] = (
        (row("a", "b", "b", "c"), [("mixed", "tool_call/b", None, 4, 4)], "enough"),
        (row("a", "b", "b"), [], "too few"),
        (
            row("a", "b", "b", "b", "b"),
            [("failing", "tool_call/b", None, 4, 4)],
            "one of them by itself",
        ),
        ([*row("a", "b", "b", "c"), call(29.3, "c", "d")], [], "a success in between"),
    )
    with engine.each_asked(*(world for world, *_ in cases)) as answers:
        for asked, (_, runs, why) in zip(answers, cases, strict=True):
            assert _runs(asked) == runs, why


def _between(n: int, other: dict[str, Any], **columns: Any) -> list[Event]:
    """Failures with the same text, and another call after each."""
    failed: dict[str, Any] = {"failed": True, "error": "no frob", **columns}
    return [
        event
        for i in range(n)
        for event in (
            call(40 - i, "c", **{k: v(i) if callable(v) else v for k, v in failed.items()}),
            call(39.5 - i, "c", **other),
        )
    ]


def test_the_same_failure_with_other_calls_in_between(engine: Engine) -> None:
    cases: list[tuple[dict[str, Any], dict[str, Any], bool, str]] = [
        ({"name": "read"}, {"args_hash": 7}, True, "the same call"),
        ({"name": "read"}, {"args_hash": lambda i: i}, True, "most of what the tool did"),
        ({"args_hash": 7}, {"args_hash": 7}, False, "a call that goes well every other time"),
        (
            {"name": "read"},
            {"args_hash": 7, "error": lambda i: f"no {chr(97 + i) * 4}"},
            False,
            "another error each time",
        ),
        ({"name": "read"}, {"args_hash": 7, "error": None}, False, "errors that say nothing"),
        (
            {"name": "read"},
            {
                "args_hash": 7,
                "error": lambda i: f"Some check failed: [{'LINT' if i % 2 else 'TYPES'}]",
            },
            True,
            "what one check says of its parts",
        ),
    ]
    for n in (4, 3):
        worlds = (_between(n, other, **columns) for other, columns, *_ in cases)
        with engine.each_asked(*worlds) as answers:
            for asked, (*_, is_run, why) in zip(answers, cases, strict=True):
                wanted = [("again", "tool_call/grep", None, 4, 4)] if is_run and n == 4 else []
                assert _runs(asked) == wanted, f"{n}: {why}"


def test_the_same_call_may_fail_beside_many_others_of_its_tool(engine: Engine) -> None:
    failed: dict[str, Any] = {"failed": True, "error": "no frob", "args_hash": 7}
    calls = [call(50 - i, "c", **failed) for i in range(4)]
    others = [call(49.9 - i / 5, "c", args_hash=100 + i) for i in range(15)]
    success = call(48.5, "c", args_hash=7)
    with engine.each_asked([*calls, *others], [*calls, *others, success]) as answers:
        assert _runs(next(answers)) == [("again", "tool_call/grep", None, 4, 4)]
        assert _runs(next(answers)) == [], "it went well once: a poll"


def test_a_failure_that_is_little_of_what_a_tool_does_is_no_run(engine: Engine) -> None:
    failed: dict[str, Any] = {"failed": True, "error": "no frob"}
    events = [
        call(50 - i / 2, "c", args_hash=i, **(failed if i % 3 == 0 else {})) for i in range(30)
    ]
    with engine.asked(*events) as asked:
        assert _runs(asked) == []


def test_a_run_ends_in_the_window_and_is_seen_whole(engine: Engine) -> None:
    with engine.each_asked(_row(80, 70, failed=True), _row(10, 70, failed=True)) as answers:
        assert _runs(next(answers)) == [("failing", "tool_call/grep", None, 80, 80)]
        assert _runs(next(answers)) == []
    with engine.asked(*_row(10, 4, failed=True), end=END - timedelta(minutes=2)) as asked:
        assert _runs(asked) == [("failing", "tool_call/grep", None, 5, 5)], "later ones are unseen"


def test_a_run_says_what_it_cost_and_where_it_is(engine: Engine) -> None:
    calls = [
        call(30 - i / 2, "c", failed=True, id=f"e{i}", error=f"no frob {i}", elapsed_ms=100)
        for i in range(5)
    ]
    answers = [
        answer(30.1 - i / 2, "c", "tool_calls", input_tokens=100, output_tokens=10)
        for i in range(6)
    ]
    with engine.asked(*calls, *answers) as asked:
        (run,) = asked.snapshot.runs(asked.window, 4)
        assert (run.last_us - run.first_us, run.tokens) == (120_000_000, 440)
        assert (run.elapsed_ms, run.error) == (500, "no frob <n>")
        assert [s.id for s in asked.timeline.complete([run.first, run.last])] == ["e0", "e4"]


def test_no_call_is_in_two_runs(engine: Engine) -> None:
    with engine.asked(*_row(5, args_hash=7, failed=True), *_row(6, 20, failed=True)) as asked:
        (run,) = asked.snapshot.runs(asked.window, 4)
        assert (str(run.kind), run.calls) == ("failing", 11)


# --- errors that come again ----------------------------------------------------------------------


def _again(asked: Answers, least: int = 3, hours: float = 48) -> tuple[Recurrence, ...]:
    return asked.snapshot.recurrences(
        TOOLS, asked.longer(hours), least, 9, newest=asked.window.start
    )


def _failure(minutes: float, conv: str | None, error: str = "no frob", **columns: Any) -> Event:
    return call(minutes, conv, **{"failed": True, "error": error, **columns})


def test_a_text_is_counted_by_conversation(engine: Engine) -> None:
    world = [
        *(_failure(minutes, conv) for minutes, conv in ((5, "a"), (6, "a"), (90, "b"), (900, "c"))),
        _failure(7, "d", "disk quota exceeded"),
        _failure(8, "e", name="find", subject="tool_call/find"),
        _failure(9, None),
    ]
    with engine.asked(*world) as asked:
        (again,) = _again(asked)
        assert (again.subject, again.text) == ("tool_call/grep", "no frob")
        assert (again.counted.events, again.counted.conversations) == (4, 3)
        ends = [to_us(END - timedelta(minutes=m)) for m in (900, 5)]
        assert [again.counted.first_us, again.counted.last_us] == ends
        assert _again(asked, least=4) == ()
        assert _again(asked, hours=10) == (), "one of them was before"
        assert len(_again(asked, least=1)) == 3


def test_which_failures_count(engine: Engine) -> None:
    cases: list[tuple[dict[str, Any], bool, str]] = [
        ({}, True, "failures"),
        ({"failed": False, "soft_failed": True}, True, "failures in the envelope"),
        ({"failed": False}, False, "no failures"),
        ({"cancelled": True}, False, "a person stopped them"),
        ({"error": "Exit code 1"}, False, "a text that says nothing"),
        ({"act": "api_error"}, False, "no calls of tools"),
    ]
    worlds = ([_failure(5 + i, f"c{i}", **columns) for i in range(3)] for columns, *_ in cases)
    with engine.each_asked(*worlds, apart=timedelta(days=4)) as answers:
        for asked, (_, counts, why) in zip(answers, cases, strict=True):
            assert bool(_again(asked)) == counts, why


def test_only_what_came_again_in_the_window_counts(engine: Engine) -> None:
    world = [_failure(minutes, f"c{minutes}") for minutes in (61, 70, 80, 90)]
    with engine.asked(*world) as asked:
        assert _again(asked) == ()
        both = Interval(END - timedelta(hours=4), END)
        assert len(asked.snapshot.recurrences(TOOLS, both, 3, 1, newest=both.start)) == 1


def test_what_an_error_cost_is_the_way_to_the_next_success(engine: Engine) -> None:
    world = []
    for i in range(3):
        world += [
            _failure(30, f"c{i}"),
            call(29.5, f"c{i}", "read"),
            call(29, f"c{i}", failed=True),
            call(28 - i, f"c{i}"),
            call(10, f"c{i}"),
        ]
    world += [_failure(30, "lost"), call(29, "lost", "read")]
    with engine.asked(*world) as asked:
        (again,) = _again(asked)
        assert (again.cost.calls, again.cost.seconds, again.cost.given_up) == (3, 180, 1)
    with engine.asked(*(_failure(30, f"c{i}") for i in range(3))) as asked:
        (again,) = _again(asked)
        assert (again.cost.calls, again.cost.seconds, again.cost.given_up) == (None, None, 3)


def test_calls_that_fell_with_another_cost_nothing(engine: Engine) -> None:
    world = []
    for i in range(3):
        fell = (call(29.9, f"c{i}", failed=True, error_type="sibling_error") for _ in range(5))
        world += [_failure(30, f"c{i}"), *fell, call(29, f"c{i}")]
    with engine.asked(*world) as asked:
        (again,) = _again(asked)
        assert (again.cost.calls, again.cost.seconds) == (1, 60)


def test_in_how_many_conversations_it_was_the_same_call(engine: Engine) -> None:
    cases: list[tuple[tuple[int | None, ...], int | None]] = [
        *(((1, 2, 3), 1), ((1, 1, 3), 2), ((4, 4, 4), 3), ((None,) * 3, None))
    ]
    worlds = (
        [_failure(30 - i, f"c{i}", args_hash=asked) for i, asked in enumerate(hashes)]
        for hashes, _ in cases
    )
    with engine.each_asked(*worlds, apart=timedelta(days=4)) as answers:
        for asked, (hashes, same) in zip(answers, cases, strict=True):
            (again,) = _again(asked)
            assert again.same_call == same, hashes


def test_samples_are_of_different_conversations_and_services_are_named(engine: Engine) -> None:
    world = [
        *(_failure(m, "a", id=f"a{m}", service="x") for m in (1, 2, 3)),
        _failure(9, "b", id="b9", service="y"),
        _failure(8, "c", id="c8", service="y"),
    ]
    with engine.asked(*world) as asked:
        (again,) = _again(asked)
        assert again.services == ("y", "x")
        ids = [sample.id for sample in asked.timeline.complete(again.samples)]
        assert ids == ["a1", "c8", "b9", "a2", "a3"]
