"""One call is one event, however many records its writers made of it; an answer too.

For engines that are given records. Each case of a table is a tool (or a model) of its own, so that
one world holds them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from engine.conformance.worlds import (
    CUT,
    USE,
    Answers,
    Engine,
    Event,
    answer,
    call,
    event,
    every_joining_engine,
)

from tgt.engine.protocol import Signal
from tgt.stats import distributions

pytestmark = every_joining_engine
TOOK = Signal("took", value="elapsed_ms")

Step: TypeAlias = tuple[str, float, dict[str, Any]]
"""What a record says, seconds after the beginning, and more columns."""

START, FINISH, FAIL, WHOLE = "start", "finish", "fail", "whole"
_PHASES: Mapping[str, dict[str, Any]] = {
    START: {"phase": "start", "failed": None},
    FINISH: {"phase": "end", "failed": False},
    FAIL: {"phase": "end", "failed": True},
    WHOLE: {"phase": "call", "failed": None},
}


@dataclass(frozen=True)
class Case:
    why: str
    steps: Sequence[Step]
    calls: int
    failed: int
    elapsed_ms: tuple[float, ...]


def _records(case: Case, ids: Mapping[str, str]) -> list[Event]:
    name = f"{case.why}, by {' and '.join(ids)}"
    own = {column: f"{name}: {value}" for column, value in ids.items()}
    return [
        call(30 - seconds / 60, name=name, **{**_PHASES[what], **own, **more})
        for what, seconds, more in case.steps
    ]


def _expected(case: Case, ids: Mapping[str, str]) -> tuple[object, ...]:
    buckets = sorted(map(distributions.bucket, case.elapsed_ms))
    return f"{case.why}, by {' and '.join(ids)}", case.calls, case.failed, buckets


def _counted(asked: Answers) -> list[tuple[object, ...]]:
    values = asked.values(TOOK)
    return [
        (
            name.removeprefix("tool_call/"),
            *share,
            sorted(values[name].now.keys()) if name in values else [],
        )
        for name, share in asked.shares(USE).items()
    ]


ONE = [
    Case("a start and its finish", [(START, 0, {}), (FINISH, 2, {})], 1, 0, (2000,)),
    Case(
        "what is told goes before what is measured",
        [(START, 0, {}), (FINISH, 2, {"elapsed_ms": 1500})],
        1,
        0,
        (1500,),
    ),
    Case("a start and its error", [(START, 0, {}), (FAIL, 2, {})], 1, 1, (2000,)),
    Case(
        "an error, then the finish that every call gets",
        [(START, 0, {}), (FAIL, 2, {}), (FINISH, 2.5, {"elapsed_ms": 7})],
        1,
        1,
        (7,),
    ),
    Case(
        "the same in the other order",
        [(START, 0, {}), (FINISH, 2, {"elapsed_ms": 7}), (FAIL, 2.5, {})],
        1,
        1,
        (7,),
    ),
    Case(
        "an error, then a finish that says the same",
        [(START, 0, {}), (FAIL, 2, {}), (FAIL, 2.5, {"elapsed_ms": 7, "error_type": "E"})],
        1,
        1,
        (7,),
    ),
    Case(
        "three records of its end",
        [(START, 0, {}), (FAIL, 2, {}), (FINISH, 2.2, {}), (FAIL, 2.5, {"elapsed_ms": 7})],
        1,
        1,
        (7,),
    ),
    Case(
        "an error, and minutes later the finish",
        [(START, 0, {}), (FAIL, 2, {}), (FAIL, 300, {"error_type": "E"})],
        1,
        1,
        (2000,),
    ),
    Case("a start without an end", [(START, 0, {})], 1, 0, ()),
    Case("an end without a start", [(FINISH, 0, {"elapsed_ms": 7})], 1, 0, (7,)),
    Case("a call and its result", [(WHOLE, 0, {}), (FAIL, 3, {})], 1, 1, ()),
    Case(
        "another writer tells of the whole later",
        [(START, 0, {}), (FINISH, 2, {}), (WHOLE, 60, {"failed": False})],
        1,
        0,
        (2000,),
    ),
    Case(
        "an error that only the other writer knows",
        [(START, 0, {}), (FINISH, 2, {}), (WHOLE, 60, {"failed": True})],
        1,
        1,
        (2000,),
    ),
    Case(
        "a latency that only the other writer knows",
        [(FAIL, 2, {}), (WHOLE, 60, {"elapsed_ms": 9})],
        1,
        1,
        (9,),
    ),
    Case(
        "the other writer's clock is ahead",
        [(WHOLE, 0, {"elapsed_ms": 9}), (START, 1, {}), (FINISH, 2, {})],
        1,
        0,
        (9,),
    ),
    Case("a record of the whole alone", [(WHOLE, 0, {"failed": True})], 1, 1, ()),
]

BY = ({"trace_id": "t", "conv_id": "c"}, {"call_id": "k", "conv_id": "c"}, {"conv_id": "c"})


def _world() -> list[Event]:
    return [record for case in ONE for ids in BY for record in _records(case, ids)]


EXPECTED = sorted(_expected(case, ids) for case in ONE for ids in BY)


@pytest.mark.parametrize("order", ["as it happened", "backwards", "in many files"])
def test_all_records_of_a_call_are_one_event(engine: Engine, order: str) -> None:
    world = _world()
    if order == "backwards":
        world.reverse()
    if order == "in many files":
        world = [{**each, "file": str(number % 7)} for number, each in enumerate(world)]
    with engine.asked(*world, signals=[USE, TOOK]) as asked:
        assert sorted(_counted(asked)) == EXPECTED


@pytest.mark.parametrize("files", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_also_if_they_are_met_by_different_runs(engine: Engine, tmp_path: Path, files: int) -> None:
    world = _world()
    order = sorted(range(len(world)), key=lambda n: world[n]["us"])
    world = [{**world[n], "file": str(n % files)} for n in order]
    size = len(world)
    for end in (size // 3, size * 2 // 3, size):
        with (
            engine.asked(*world[:end], signals=[USE, TOOK], kept=tmp_path) as kept,
            engine.asked(*world[:end], signals=[USE, TOOK]) as fresh,
        ):
            assert _counted(kept) == _counted(fresh)
            found = _counted(kept)
    assert sorted(found) == EXPECTED


def _many(
    why: str, steps: Sequence[Step], calls: int, failed: int, elapsed_ms: tuple[float, ...]
) -> Case:
    return Case(why, steps, calls, failed, elapsed_ms)


MANY = [
    (
        _many(
            "parallel calls are told apart by their ids",
            [
                (what, seconds, {"call_id": f"parallel {k}"})
                for what, seconds, k in ((START, 0, 1), (START, 1, 2), (FINISH, 2, 2), (FAIL, 5, 1))
            ],
            2,
            1,
            (1000, 5000),
        ),
        {"trace_id": "t"},
    ),
    (
        _many(
            "without ids they are matched in order",
            [(START, 0, {}), (START, 1, {}), (FINISH, 2, {}), (FINISH, 5, {})],
            2,
            0,
            (2000, 4000),
        ),
        {"trace_id": "t"},
    ),
    (
        _many(
            "calls of two traces",
            [
                (what, seconds, {"trace_id": f"trace {t}"})
                for what, seconds, t in (
                    (START, 0, 1),
                    (START, 1, 2),
                    (FINISH, 2, 2),
                    (FINISH, 5, 1),
                )
            ],
            2,
            0,
            (1000, 5000),
        ),
        {"conv_id": "c"},
    ),
    (
        _many("three calls of one trace", [(WHOLE, s, {}) for s in (0, 1, 2)], 3, 0, ()),
        {"trace_id": "t"},
    ),
    (
        _many(
            "a third call that only one of the writers saw",
            [
                *((START, 0, {}), (FINISH, 1, {}), (START, 2, {}), (FAIL, 3.5, {})),
                *((WHOLE, 9, {}), (WHOLE, 9.1, {}), (WHOLE, 9.2, {})),
            ],
            3,
            1,
            (1000, 1500),
        ),
        {"trace_id": "t"},
    ),
    (
        _many(
            "two calls, of which one failed, then all that every call gets",
            [(START, 0, {}), (FAIL, 1, {}), (FINISH, 1.1, {}), (START, 2, {}), (FINISH, 3.5, {})],
            2,
            1,
            (1000, 1500),
        ),
        {"conv_id": "c"},
    ),
    (
        _many("ends that belong to nothing", [(FINISH, 0, {}), (FINISH, 1, {})], 2, 0, ()),
        {"file": "usual"},
    ),
    (
        _many(
            "an error and the finish of a call of which no start was written",
            [(FAIL, 0, {}), (FINISH, 0.5, {"elapsed_ms": 7})],
            1,
            1,
            (7,),
        ),
        {"call_id": "k", "conv_id": "c"},
    ),
    (
        _many(
            "without its id they may be two",
            [(FAIL, 0, {}), (FINISH, 0.5, {"elapsed_ms": 7})],
            2,
            1,
            (7,),
        ),
        {"trace_id": "t"},
    ),
    (
        _many(
            "ends that say the same are of two calls", [(FINISH, s, {}) for s in (0, 1)], 2, 0, ()
        ),
        {"call_id": "k", "conv_id": "c"},
    ),
    (
        _many(
            "an id that another conversation has, too",
            [(FAIL, 0, {"conv_id": "a"}), (FINISH, 0.5, {"conv_id": "b"})],
            2,
            1,
            (),
        ),
        {"call_id": "k"},
    ),
    (
        _many("starts that belong to nothing", [(START, 0, {}), (START, 1, {})], 2, 0, ()),
        {"file": "usual"},
    ),
    (
        _many("equal records are as many calls", [(WHOLE, 0, {})] * 3, 3, 0, ()),
        {"conv_id": "c"},
    ),
    (
        _many(
            "records with one id are one",
            [(WHOLE, s, {"id": "same", "failed": True}) for s in (0, 0, 9)],
            1,
            1,
            (),
        ),
        {"conv_id": "c"},
    ),
    (
        _many(
            "the same id in other conversations is something else",
            [(WHOLE, 0, {"id": "same", "conv_id": c}) for c in "ab"],
            2,
            0,
            (),
        ),
        {"trace_id": "t"},
    ),
]


def _with_usual_ids(case: Case, ids: Mapping[str, str]) -> list[Event]:
    own = {} if "file" in ids else {name: f"{case.why}: {value}" for name, value in ids.items()}
    return [
        call(30 - seconds / 60, name=case.why, **{**_PHASES[what], **own, **more})
        for what, seconds, more in case.steps
    ]


@pytest.mark.parametrize("backwards", [False, True])
def test_calls_are_told_apart(engine: Engine, backwards: bool) -> None:
    world = [record for case, ids in MANY for record in _with_usual_ids(case, ids)]
    with engine.asked(*(world[::-1] if backwards else world), signals=[USE, TOOK]) as asked:
        assert sorted(_counted(asked)) == sorted(
            (case.why, case.calls, case.failed, sorted(map(distributions.bucket, case.elapsed_ms)))
            for case, _ in MANY
        )


def test_calls_of_other_tools_in_the_same_trace_are_other_calls(engine: Engine) -> None:
    ids = {"trace_id": "t", "conv_id": "c"}
    steps = [("a", START, 0), ("b", START, 0.5), ("b", FAIL, 1), ("a", FINISH, 2)]
    world = [call(30 - s / 60, name=name, **_PHASES[what], **ids) for name, what, s in steps]
    with engine.asked(*world, signals=[USE, TOOK]) as asked:
        assert _counted(asked) == [
            ("a", 1, 0, [distributions.bucket(2000)]),
            ("b", 1, 1, [distributions.bucket(500)]),
        ]


def test_an_event_has_the_columns_that_any_of_its_records_tells(engine: Engine) -> None:
    steps: list[Step] = [
        (START, 0, {"args_hash": 42}),
        (FAIL, 1, {"error_type": "E", "error": "no such program"}),
        (FINISH, 1.5, {"elapsed_ms": 9.0, "result_bytes": 7}),
        (WHOLE, 60, {"cancelled": True}),
    ]
    world = _records(Case("told", steps, 1, 1, ()), {"trace_id": "t", "conv_id": "c"})
    conditions = [
        "args_hash = 42",
        "error_type = 'E'",
        "error = 'no such program'",
        "elapsed_ms = 9",
        "cancelled",
        "failed",
        "result_bytes = 7",
    ]
    with engine.timeline(*world) as timeline:
        inventory = timeline.inventory(conditions)
        assert inventory.events == 1
        assert inventory.holds == dict.fromkeys(conditions, True)


# --- what is told again --------------------------------------------------------------------------


AGAIN: list[tuple[tuple[float, ...], int, str]] = [
    ((50, 50), 1, "at the same time"),
    ((50, 20, 0), 1, "each less than an hour after the one before"),
    ((59.9, 0.1), 1, "within an hour"),
    ((150, 80), 2, "more than an hour later it is something else"),
    ((150, 110, 70, 5), 2, "a run goes on as long as no hour lies between"),
]


def test_records_with_one_key_within_an_hour_tell_the_same(engine: Engine, tmp_path: Path) -> None:
    named = Signal("named", by="name")
    world = [
        call(m, f"c{n}", why, key=why, file=f"file{n}", failed=n % 2 == 1)
        for minutes, _, why in AGAIN
        for n, m in enumerate(minutes)
    ]
    world.sort(key=lambda each: each["file"])
    expected = {why: events for _, events, why in AGAIN}

    def counted(asked: Answers) -> dict[str, int]:
        return {name: n for name, (n, _) in asked.shares(named, hours=4).items()}

    for order in (world, world[::-1]):
        with engine.asked(*order) as asked:
            assert counted(asked) == expected
    for files in (1, 2, 4):
        met = [each for each in world if each["file"] < f"file{files}"]
        with engine.asked(*met, kept=tmp_path) as asked, engine.asked(*met) as fresh:
            assert counted(asked) == counted(fresh), "whichever run met them"


REVISIONS: dict[tuple[int | None, ...], int] = {
    (None, None, None): 0,
    (None, 1, 2): 2,
    (5, 4, None): 0,
    (1, 2, 1): 1,
    (3, 3, 3): 0,
}


def test_of_records_with_one_key_the_highest_revision_is_the_truth(engine: Engine) -> None:
    """Among equals the first."""
    world = [
        call(30 - n, "c", f"{revisions}: {n}", key=str(revisions), revision=revision)
        for revisions in REVISIONS
        for n, revision in enumerate(revisions)
    ]
    expected = {f"tool_call/{revisions}: {n}" for revisions, n in REVISIONS.items()}
    for order in (world, world[::-1]):
        with engine.asked(*order) as asked:
            assert set(asked.shares(USE)) == expected


def test_a_better_revision_that_a_later_run_meets_replaces_the_worse(
    engine: Engine, tmp_path: Path
) -> None:
    world = [answer(30, "c", None, key="k", revision=1), call(29, "c", key="other")]
    world += [answer(28, "c", "length", key="k", revision=2), answer(27, "c", key="k", revision=0)]
    for end, expected in ((2, {}), (3, {"assistant_response": (1, 1)})):
        with engine.asked(*world[:end], kept=tmp_path) as asked:
            assert asked.shares(CUT) == expected
    with engine.asked(*world, kept=tmp_path) as asked:
        assert asked.shares(CUT) == {"assistant_response": (1, 1)}
        assert asked.snapshot.coverage.events == 2


COPIES: list[tuple[tuple[tuple[float, int], ...], int, str]] = [
    (((170, 5), (10, -5)), 1, "a copy counts no second time, however much later it was written"),
    (((10, 5), (170, -5)), 1, "nor one that is dated long before"),
    (((170, -5), (10, -4)), 1, "copies of one thing are one"),
    (((170, 5), (80, -5), (10, 6)), 2, "what is no copy is something else"),
]


def test_a_copy_tells_the_same_at_any_time(engine: Engine, tmp_path: Path) -> None:
    """Its revision is below 0."""
    named = Signal("named", by="name")
    world = [
        call(minutes, f"c{n}", why, key=why, revision=revision, file=f"file{n}")
        for told, _, why in COPIES
        for n, (minutes, revision) in enumerate(told)
    ]
    expected = {why: events for _, events, why in COPIES}
    for kept, files in ((None, "012"), (tmp_path, "0"), (tmp_path, "012"), (None, "210")):
        met = [each for file in files for each in world if each["file"] == f"file{file}"]
        with engine.asked(*met, kept=kept) as asked:
            counts = {name: n for name, (n, _) in asked.shares(named, hours=4).items()}
    assert counts == expected


def test_a_trace_is_of_the_conversation_that_a_record_without_an_act_names(
    engine: Engine, tmp_path: Path
) -> None:
    """Where a record's conversation is called like its trace; it may be met by another run."""
    world = [call(30 + n, "t", trace_id="t") for n in range(3)]
    world += [call(20, "c", trace_id="other"), call(19, "own", trace_id="t")]
    world.append(
        event(25, "c", act=None, actor=None, subject=None, key="trace:t", trace_id="t", file="z")
    )
    for some, units in ((world[:-1], 3), (world, 2)):
        with engine.asked(*some, kept=tmp_path) as asked, engine.asked(*some[::-1]) as fresh:
            for each in (asked, fresh):
                assert each.counts(USE)["tool_call/grep"].units == units


# --- answers that were continued -----------------------------------------------------------------


def _more(minutes: float, trace: str) -> Event:
    return event(minutes, act="auto_continue", subject="auto_continue", trace_id=trace)


def _answers(*ends: str | None, trace: str = "t") -> list[Event]:
    return [answer(30 - n, "c", end, trace_id=trace) for n, end in enumerate(ends)]


CONTINUED: list[tuple[list[Event], tuple[int, int], str]] = [
    (_answers("stop"), (1, 0), "a whole answer"),
    (_answers("length"), (1, 1), "a cut one"),
    (_answers("tool_calls"), (1, 0), "an answer that calls a tool"),
    ([answer(30, "c", None, continuation=True)], (1, 1), "a cut one by its mark"),
    ([answer(30, "c", None, continuation=False)], (1, 0), "a whole one by its mark"),
    ([answer(30, "c", continuation=True)], (1, 1), "either sign is enough"),
    ([*_answers(None), _more(29.5, "t")], (1, 1), "continued after it"),
    ([_more(31, "t"), *_answers(None)], (1, 1), "the continuation was written first"),
    (
        [*_answers(None, "stop"), _more(29.5, "t")],
        (2, 1),
        "of two answers of a trace the one before the continuation",
    ),
    ([*_answers(None, None), _more(29.5, "t"), _more(28.5, "t")], (2, 2), "both"),
    ([*_answers("stop"), _more(29.5, "u")], (1, 0), "a continuation of another trace"),
    (_answers("stop", None), (1, 0), "an end that is not told"),
]


def _as_told_apart(backwards: bool) -> list[Event]:
    world = []
    for events, _, why in CONTINUED:
        for each in events:
            own = {**each, "subject": why}
            if "trace_id" in each:
                own["trace_id"] = f"{why}: {each['trace_id']}"
            world.append(own)
    return world[::-1] if backwards else world


def test_which_answers_were_cut_off(engine: Engine, tmp_path: Path) -> None:
    expected = {why: share for _, share, why in CONTINUED}
    for backwards in (False, True):
        with engine.asked(*_as_told_apart(backwards)) as asked:
            assert asked.shares(CUT) == expected
    world = _as_told_apart(backwards=False)
    for end in (len(world) // 2, len(world)):
        with engine.asked(*world[:end], kept=tmp_path) as asked:
            shares = asked.shares(CUT)
    assert shares == expected
