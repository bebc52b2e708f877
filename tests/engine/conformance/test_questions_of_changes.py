"""Versions, models and prompts: since when there are which, and how what counts is spread over
them and over time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.conformance.worlds import (
    ABORTED,
    END,
    LATENCY,
    USE,
    Engine,
    answer,
    call,
    cancel,
    every_engine,
    message,
)

from tgt.engine.affected import Asked
from tgt.engine.compared import Column, Part, Use
from tgt.events import Interval, to_us
from tgt.stats import distributions

pytestmark = every_engine
GREP = Asked(USE, "tool_call/grep")
DAY = Interval(END - timedelta(days=1), END)


def us(minutes: float) -> int:
    return to_us(END) - round(minutes * 60_000_000)


def told(minutes: float, conv: str, version: str | None, **columns: Any) -> dict[str, Any]:
    return call(minutes, conv, service="shop", version=version, **columns)


def test_a_value_is_used_from_its_first_event_to_its_last(engine: Engine) -> None:
    world = [
        told(600, "a", "1.9"),
        told(30, "b", "1.9", prompt="plan@3"),
        told(500, "c", "1.10"),
        answer(400, "d", service="other", model="gpt"),
        call(20, "e", version="7"),
        told(2000, "f", "0.1"),
        told(-5, "g", "2.0"),
        message(10, "e"),
    ]
    with engine.asked(*world) as asked:
        period = Interval(DAY.start, END + timedelta(hours=1))
        assert asked.snapshot.uses(period) == (
            Use("shop", Column.VERSION, "1.9", us(600), us(30)),
            Use("shop", Column.VERSION, "1.10", us(500), us(500)),
            Use("other", Column.MODEL, "gpt", us(400), us(400)),
            Use("shop", Column.PROMPT, "plan@3", us(30), us(30)),
            Use("", Column.VERSION, "7", us(20), us(20)),
        ), "of the future nothing is known, and what is older was not asked for"


def test_parts_are_the_population_by_service_and_value(engine: Engine) -> None:
    world = [
        told(100, "a", "1", failed=True),
        told(90, "a", "1"),
        told(80, "b", "1"),
        told(70, "c", "2", failed=True),
        told(60, "c", "2", failed=True),
        told(50, "d", None),
        call(40, None, failed=True),
        call(30, "e", "other", failed=True),
        call(2000, "f", failed=True),
    ]
    with engine.asked(*world) as asked:
        by_version = asked.snapshot.parts(GREP, DAY, Column.VERSION)
        assert by_version == {
            ("", None): Part(1, 1, 0, 0, us(40), us(40)),
            ("shop", "1"): Part(3, 1, 2, 1, us(100), us(100)),
            ("shop", "2"): Part(2, 2, 1, 1, us(70), us(60)),
            ("shop", None): Part(1, 0, 1, 0),
        }
        recent = Interval(END - timedelta(minutes=65), END - timedelta(minutes=45))
        assert asked.snapshot.parts(GREP, recent) == {
            ("shop", None): Part(2, 1, 2, 1, us(60), us(60))
        }


def test_of_failures_those_that_say_something_count(engine: Engine) -> None:
    hostile = "ls'; DROP TABLE events; --"
    world = [
        told(9, "a", "1", failed=True, error="no such file"),
        told(8, "b", "2", failed=True, error="no disk"),
        told(7, "c", "'; DROP TABLE events; --", name=hostile, subject=f"tool_call/{hostile}"),
    ]
    with engine.asked(*world) as asked:
        for error, version in {"no such file": "1", "no disk": "2"}.items():
            failed = Asked(USE, "tool_call/grep", error=error)
            found = asked.snapshot.parts(failed, DAY, Column.VERSION)
            assert {value for (_, value), part in found.items() if part.k} == {version}
            assert sum(part.n for part in found.values()) == 2
        (key,) = asked.snapshot.parts(Asked(USE, f"tool_call/{hostile}"), DAY, Column.VERSION)
        assert key == ("shop", "'; DROP TABLE events; --"), "a text is never a statement"


def test_parts_may_be_among_other_events_and_of_some_conversations(engine: Engine) -> None:
    world = [
        told(9, "a", "1", failed=True),
        told(8, "b", "1", failed=True),
        told(7, "b", "1", name="ls", subject="tool_call/ls"),
    ]
    with engine.asked(*world) as asked:
        (among,) = asked.snapshot.parts(GREP, DAY, among="act = 'tool_call'").values()
        assert (among.n, among.k, among.conversations) == (3, 2, 2)
        locator: Any = asked.examples(USE, "tool_call/grep", 1).samples[0].locator
        (some,) = asked.snapshot.parts(GREP, DAY, met=[locator.conv]).values()
        assert (some.n, some.k, some.first_us) == (2, 1, us(8))


def test_parts_of_a_distribution_have_its_values(engine: Engine) -> None:
    world = [told(m, f"c{m}", "1", elapsed_ms=float(ms)) for m, ms in enumerate((5, 5, 900), 1)]
    with engine.asked(*world) as asked:
        beyond = Asked(LATENCY, "tool_call/grep", beyond=100.0)
        (part,) = asked.snapshot.parts(beyond, DAY, Column.VERSION).values()
        assert (part.n, part.k, part.conversations, part.bad_conversations) == (3, 1, 3, 1)
        assert part.values == {distributions.bucket(5): 2, distributions.bucket(900): 1}
        (every,) = asked.snapshot.parts(Asked(LATENCY, "tool_call/grep"), DAY).values()
        assert every.k == 3


def test_parts_of_conversations_have_the_value_that_each_had_last(engine: Engine) -> None:
    world = [
        *(message(m, "a") for m in (100, 99)),
        answer(98, "a", service="shop", version="1"),
        answer(97, "a", service="shop", version="2"),
        *(message(m, "b") for m in (80, 79)),
        answer(78, "b", service="shop", version="2"),
        cancel(77, "b"),
        message(5, "goes on"),
    ]
    with engine.asked(*world, minutes=120) as asked:
        found = asked.snapshot.parts(Asked(ABORTED, "aborted"), DAY, Column.VERSION)
        parts = {key: (part.n, part.k, part.last_us) for key, part in found.items()}
        assert parts == {("shop", "2"): (2, 1, us(77))}


def test_a_subject_of_no_event_is_that_of_all_services(engine: Engine) -> None:
    world = [
        call(9, "a", service="shop", failed=True),
        call(8, "b", service="bank"),
        call(7, "c", service="bank", failed=True),
    ]
    with engine.asked(*world) as asked:
        every = asked.snapshot.parts(GREP, DAY)
        assert {key: (part.n, part.k) for key, part in every.items()} == {
            ("bank", None): (2, 1),
            ("shop", None): (1, 1),
        }
        own = asked.snapshot.parts(Asked(USE, "tool_call/grep@bank"), DAY)
        assert {key: (part.n, part.k) for key, part in own.items()} == {("bank", None): (2, 1)}


def test_a_course_is_the_population_in_steps(engine: Engine) -> None:
    world = [
        call(60, "a"),
        call(51, "a", failed=True),
        call(50, "b", failed=True),
        call(50 - 1 / 60, "b"),
        call(0, "c", failed=True),
        call(5, "d", "ls"),
        message(15, "c"),
    ]
    hour = Interval(END - timedelta(hours=1, minutes=1), END)
    with engine.asked(*world) as asked:
        course = asked.snapshot.course(GREP, hour, timedelta(minutes=11))
        counts = {step: (part.n, part.k, part.conversations) for step, part in course.items()}
        assert counts == {0: (3, 2, 2), 1: (1, 0, 1), 5: (1, 1, 1)}, "a step ends with its end"
        among = asked.snapshot.course(GREP, hour, timedelta(minutes=61), "act = 'tool_call'")
        assert [(part.n, part.k) for part in among.values()] == [(6, 3)]
