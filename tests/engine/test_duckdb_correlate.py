"""One call is one event, however many records its writers made of it; a response too."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import END, Line, Loaded, World, before, call, response

from tgt.engine.protocol import Measure, Signal

Load = Callable[..., Loaded]
FAILURES = Signal("failures", Measure.EVENTS, Measure.ERRORS)
CUTS = Signal("cuts", Measure.ENDS, Measure.CUTS)
WAITS = Signal("waits", Measure.FINISHED, Measure.WAITED)
ABORTS = Signal("aborts", Measure.FINISHED, Measure.ABORTED)


@dataclass(frozen=True)
class Seen:
    """What the engine counts of one tool, and its latencies as the samples tell them."""

    calls: int
    failed: int
    elapsed_ms: tuple[float, ...]


@pytest.fixture
def seen(world: World, load: Load) -> Callable[..., Seen]:
    def look(*lines: Line, name: str = "x") -> Seen:
        world.write(*lines)
        read = load()
        subject = f"tool_call/{name}"
        readings = read.engine.shares(FAILURES, read.window, 0)
        (tally,) = (r.now for r in readings if r.subject == subject)
        samples = read.engine.samples(subject, Measure.EVENTS, read.window, 50)
        told = sorted(s.values["elapsedMs"] for s in samples if "elapsedMs" in s.values)
        assert len(samples) == tally.n
        return Seen(tally.n, tally.k, tuple(told))

    return look


def _record(act: str, seconds: float = 0, **keys: Any) -> Line:
    """A record of the tool x, so many seconds after half an hour before END."""
    return {"ts": before(30 - seconds / 60), "act": act, "name": "x", **keys}


START, FINISH, FAIL = "tool_execution_start", "tool_execution_finish", "tool_execution_error"
IN_TRACE = {"conv_id": "c", "trace_id": "t"}
BY_ID = {"call_id": "k", "conv_id": "c"}
IN_CONVERSATION = {"conv_id": "c"}


@pytest.mark.parametrize("keys", [IN_TRACE, BY_ID, IN_CONVERSATION], ids=["trace", "id", "conv"])
@pytest.mark.parametrize(
    ("records", "expected", "why"),
    [
        ([(START, 0, {}), (FINISH, 2, {})], Seen(1, 0, (2000.0,)), "a start and its finish"),
        (
            [(START, 0, {}), (FINISH, 2, {"elapsed_ms": 1500})],
            Seen(1, 0, (1500.0,)),
            "what is told goes before what is measured",
        ),
        ([(START, 0, {}), (FAIL, 2, {})], Seen(1, 1, (2000.0,)), "a start and its error"),
        (
            [(START, 0, {}), (FAIL, 2, {}), (FINISH, 2.5, {"elapsed_ms": 7})],
            Seen(1, 1, (7.0,)),
            "an error, then the finish that every call gets",
        ),
        (
            [(START, 0, {}), (FINISH, 2, {"elapsed_ms": 7}), (FAIL, 2.5, {})],
            Seen(1, 1, (7.0,)),
            "the same in the other order",
        ),
        ([(START, 0, {})], Seen(1, 0, ()), "a start without an end"),
        ([(FINISH, 0, {"elapsed_ms": 7})], Seen(1, 0, (7.0,)), "an end without a start"),
        (
            [("tool_call", 0, {}), ("tool_result", 3, {"status": "error"})],
            Seen(1, 1, ()),
            "a call and its result",
        ),
        (
            [(START, 0, {}), (FINISH, 2, {}), ("tool_call", 60, {"status": "ok"})],
            Seen(1, 0, (2000.0,)),
            "another writer tells of the whole later",
        ),
        (
            [(START, 0, {}), (FINISH, 2, {}), ("tool_call", 60, {"status": "error"})],
            Seen(1, 1, (2000.0,)),
            "an error that only the other writer knows",
        ),
        (
            [(START, 0, {}), (FAIL, 2, {}), ("tool_call", 60, {"elapsed_ms": 9})],
            Seen(1, 1, (9.0,)),
            "a latency that only the other writer knows",
        ),
        (
            [("tool_call", 0, {"elapsed_ms": 9}), (START, 1, {}), (FINISH, 2, {})],
            Seen(1, 0, (9.0,)),
            "the other writer's clock is ahead",
        ),
        ([("tool_call", 0, {"status": "ok"})], Seen(1, 0, ()), "a record of the whole alone"),
    ],
)
def test_one_call_is_one_event(
    seen: Callable[..., Seen],
    keys: Line,
    records: list[tuple[str, float, Line]],
    expected: Seen,
    why: str,
) -> None:
    assert seen(*(_record(act, at, **keys, **more) for act, at, more in records)) == expected


def test_the_order_of_the_lines_in_a_file_means_nothing(world: World, load: Load) -> None:
    """Several writers append to several files; only the times and the ids tell what belongs."""
    records = [
        _record(START, 0, **IN_TRACE),
        _record(FINISH, 2, **IN_TRACE),
        _record(START, 10, **IN_TRACE),
        _record(FAIL, 13, **IN_TRACE),
        _record("tool_call", 60, status="error", **IN_TRACE),
    ]
    for number, order in enumerate(itertools.permutations(records)):
        for line in order:
            trace = f"t{number}"
            world.write({**line, "trace_id": trace, "conv_id": trace})
    read = load()
    (reading,) = read.engine.shares(FAILURES, read.window, 0)
    assert reading.now.n == 2 * 120
    assert reading.now.bad_conversations == 120


@pytest.mark.parametrize(
    ("lines", "expected", "why"),
    [
        (
            [_record(a, s, call_id=k, **IN_TRACE) for a, s, k in (
                (START, 0, "1"), (START, 1, "2"), (FINISH, 2, "2"), (FAIL, 5, "1"))],
            Seen(2, 1, (1000.0, 5000.0)),
            "parallel calls are told apart by their ids",
        ),
        (
            [_record(a, s, **IN_TRACE) for a, s in (
                (START, 0), (START, 1), (FINISH, 2), (FINISH, 5))],
            Seen(2, 0, (2000.0, 4000.0)),
            "without ids they are matched in order",
        ),
        (
            [_record(a, s, trace_id=t) for a, s, t in (
                (START, 0, "1"), (START, 1, "2"), (FINISH, 2, "2"), (FINISH, 5, "1"))],
            Seen(2, 0, (1000.0, 5000.0)),
            "two traces",
        ),
        (
            [_record("tool_call", 0, status="ok") for _ in range(3)],
            Seen(3, 0, ()),
            "identical lines without ids are three calls",
        ),
        (
            [_record("tool_call", s, id="same", status="error") for s in (0, 0, 9)],
            Seen(1, 1, ()),
            "what an exporter sent again is one",
        ),
        (
            [_record("tool_call", s, **IN_TRACE, status="ok") for s in (0, 1, 2)],
            Seen(3, 0, ()),
            "three calls of one trace",
        ),
        (
            [_record(a, s, **IN_TRACE) for a, s in (
                (START, 0), (FINISH, 1), (START, 2), (FAIL, 3), ("tool_call", 9),
                ("tool_call", 9.1), ("tool_call", 9.2))],
            Seen(3, 1, (1000.0, 1000.0)),
            "a third call that only one of the writers saw",
        ),
        ([_record(FINISH, s) for s in (0, 1)], Seen(2, 0, ()), "ends that belong to nothing"),
        ([_record(START, s) for s in (0, 1)], Seen(2, 0, ()), "starts that belong to nothing"),
        (
            [
                {"ts": before(30), "type": "tool_call_begin", "name": "x", "call_id": "k"},
                {"ts": before(29), "type": "tool_call_output_delta", "name": "x", "call_id": "k"},
                {"ts": before(28), "type": "tool_call_end", "name": "x", "call_id": "k"},
            ],
            Seen(1, 0, (120_000.0,)),
            "the layout with types",
        ),
    ],
)  # fmt: skip
def test_calls_are_counted_right(
    seen: Callable[..., Seen], lines: list[Line], expected: Seen, why: str
) -> None:
    assert seen(*lines) == expected


def test_tools_of_other_names_in_the_same_trace_are_other_calls(
    world: World, seen: Callable[..., Seen]
) -> None:
    world.write(*({**_record(a, s, **IN_TRACE), "name": "y"} for a, s in ((START, 0), (FAIL, 1))))
    assert seen(_record(START, 0, **IN_TRACE), _record(FINISH, 2, **IN_TRACE)) == (
        Seen(1, 0, (2000.0,))
    )


def test_a_call_whose_records_lie_in_two_files_is_one(world: World, load: Load) -> None:
    world.write(_record(START, 0, **IN_TRACE), name="ctx-20251103-15.jsonl")
    world.write(_record(FINISH, 2, **IN_TRACE), name="ctx-20251103-15-1.jsonl")
    assert load().engine.telemetry.events == 1


def test_a_refused_call_is_neither_failed_nor_fine(seen: Callable[..., Seen]) -> None:
    lines = [_record("tool_call", 0, status="rejected"), _record("tool_call", 1, status="denied")]
    assert seen(*lines, _record("tool_call", 2, status="ok")) == Seen(3, 0, ())


def _answer(seconds: float, trace: str = "t", conv: str = "c", **keys: Any) -> Line:
    return {
        "ts": before(30 - seconds / 60),
        "act": "message",
        "actor": "assistant",
        "conv_id": conv,
        "trace_id": trace,
        **keys,
    }


def _more(seconds: float, trace: str = "t", conv: str = "c") -> Line:
    return {**_answer(seconds, trace, conv), "act": "auto_continue", "actor": "system"}


@pytest.mark.parametrize(
    ("lines", "ends", "cuts", "why"),
    [
        ([_answer(0, finish_reason="stop")], 1, 0, "a whole answer"),
        ([_answer(0, finish_reason="length")], 1, 1, "a cut one"),
        ([_answer(0, finish_reason="max_tokens")], 1, 1, "the same in another word"),
        ([_answer(0, finish_reason="tool_calls")], 1, 0, "an answer that calls a tool"),
        ([_answer(0, continuation=True)], 1, 1, "a cut one by its mark"),
        ([_answer(0, metadata={"continuation": True})], 1, 1, "the mark under metadata"),
        ([_answer(0, finish_reason="stop", continuation=True)], 1, 1, "either sign is enough"),
        ([_answer(0), _more(1)], 1, 1, "continued after it"),
        ([_more(0), _answer(1)], 1, 1, "the continuation was written first"),
        (
            [_answer(0), _more(1), _answer(2, finish_reason="stop")],
            2,
            1,
            "of two answers of a trace the one before the continuation",
        ),
        ([_answer(0), _more(1), _answer(2), _more(3)], 2, 2, "both"),
        ([_answer(0), _more(1, trace="u")], 1, 0, "a continuation of another trace"),
        ([_answer(0, finish_reason="stop"), _answer(1)], 1, 0, "an end that is not told"),
    ],
)
def test_which_answers_were_cut_off(
    world: World, load: Load, lines: list[Line], ends: int, cuts: int, why: str
) -> None:
    world.write(*lines)
    read = load()
    found = [
        (r.now.n, r.now.k)
        for r in read.engine.shares(CUTS, read.window, 0)
        if r.subject == "assistant_response"
    ]
    assert found == [(ends, cuts)]


def test_where_no_end_is_told_an_answer_that_is_not_continued_ended_by_itself(
    world: World, load: Load
) -> None:
    world.write(_answer(0, "t1"), _answer(1, "t2"), _more(2, "t2"), _answer(3, "t3"))
    read = load()
    (reading,) = (
        r for r in read.engine.shares(CUTS, read.window, 0) if r.subject == "assistant_response"
    )
    assert (reading.now.n, reading.now.k) == (3, 1)
    assert read.engine.telemetry.tells_continuation
    assert not read.engine.telemetry.tells_finish


def _user(seconds: float, conv: str = "c") -> Line:
    return {"ts": before(30 - seconds / 60), "act": "message", "actor": "user", "conv_id": conv}


@pytest.mark.parametrize(
    ("lines", "waited", "why"),
    [
        ([_user(0), _answer(7.9)], 0, "an answer in time"),
        ([_user(0), _answer(8.1)], 1, "a late one"),
        (
            [_user(0), _answer(2, finish_reason="tool_calls"), _answer(9)],
            1,
            "a call of a tool is no answer yet",
        ),
        (
            [_user(0), call(29.9, "c", elapsed_ms=9000), _answer(7)],
            0,
            "one slow event does not count where the wait itself is known",
        ),
        ([_user(0), _answer(2), _user(60), _answer(70)], 1, "the longest of two waits"),
        ([call(30, "c", elapsed_ms=8001), _answer(9)], 1, "no user messages: the slowest event"),
        ([call(30, "c", elapsed_ms=8000), _answer(9)], 0, "exactly at the limit"),
        (
            [{**call(30, "c"), "act": "approval_response", "elapsed_ms": 60_000}, _answer(1)],
            0,
            "waiting for a person is no wait",
        ),
    ],
)
def test_how_long_a_user_waited(
    world: World, load: Load, lines: list[Line], waited: int, why: str
) -> None:
    world.write(*lines)
    read = load()
    now = read.engine.conversations(WAITS, read.window).now
    assert (now.n, now.k) == (1, waited)


ENDED = [call(30, "c"), call(29, "c"), response(28, "c")]


@pytest.mark.parametrize(
    ("lines", "judged", "aborted", "why"),
    [
        (ENDED, 1, 0, "an answer that ended by itself"),
        ([*ENDED[:2], response(28, "c", "length")], 1, 1, "an answer that was cut off"),
        ([*ENDED[:2], response(28, "c", "tool_calls")], 1, 1, "ended with a call of a tool"),
        ([*ENDED[:2], response(28, "c", status="error")], 1, 1, "an answer that failed"),
        ([*ENDED[:2], call(28, "c")], 1, 1, "no answer at all"),
        (ENDED[:2], 1, 0, "two events are too few to tell"),
        ([*ENDED, call(27, "c")], 1, 0, "the last event need not be the answer"),
        ([call(30, "c", status="cancelled"), response(29, "c")], 1, 1, "an explicit cancel"),
        ([*ENDED, {**call(27, "c"), "act": "user_abort"}], 1, 1, "an explicit abort"),
        ([*ENDED[:2], response(14.9, "c")], 0, 0, "idle for less than fifteen minutes"),
        ([*ENDED[:2], response(15, "c")], 1, 0, "idle for fifteen"),
        ([*ENDED[:2], call(14, "c")], 0, 0, "still going: not aborted"),
        ([call(200, "c"), call(190, "c"), call(180, "c")], 0, 0, "ended before the window"),
        (
            [call(200, "c"), response(199, "c"), call(30, "c")],
            1,
            0,
            "judged whole: the answer came before the window",
        ),
        ([call(30), call(29), call(28)], 0, 0, "events of no conversation"),
    ],
)
def test_which_conversations_were_given_up(
    world: World, load: Load, lines: list[Line], judged: int, aborted: int, why: str
) -> None:
    world.write(*lines)
    world.write(response(300, "someone else"))
    read = load()
    now = read.engine.conversations(ABORTS, read.window).now
    assert (now.n, now.k) == (judged, aborted)


def test_where_no_finish_reason_is_ever_told_an_answer_not_continued_is_an_end(
    world: World, load: Load
) -> None:
    for conv in ("c", "d"):
        world.write(_user(0, conv), call(29.9, conv), _answer(9, conv, conv))
    world.write(_more(10, "d", "d"))
    read = load()
    now = read.engine.conversations(ABORTS, read.window).now
    assert (now.n, now.k) == (2, 1)


def test_the_end_of_the_window_hides_what_comes_later(world: World, load: Load) -> None:
    world.write(_record(START, 0, **IN_TRACE), _record(FINISH, 3600 * 2, **IN_TRACE))
    read = load(END)
    assert read.engine.telemetry.events == 1
    (sample,) = read.engine.samples("tool_call/x", Measure.EVENTS, read.window, 9)
    assert "elapsedMs" not in sample.values
