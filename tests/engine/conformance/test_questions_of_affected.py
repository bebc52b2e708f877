"""Which conversations are affected by what is asked, and since when."""

from __future__ import annotations

import random

import pytest
from engine.conformance.worlds import (
    ABORTED,
    END,
    LATENCY,
    USE,
    WAITED,
    Answers,
    Engine,
    Event,
    answer,
    call,
    cancel,
    every_engine,
    message,
)

from tgt.engine.affected import Affected, Asked
from tgt.engine.protocol import Signal
from tgt.events import to_us

pytestmark = every_engine
GREP = "tool_call/grep"
EVERYBODY = Signal("everybody", counted="false", by="'everybody'")
MOST = 1000


def _at(minutes: float) -> int:
    return to_us(END) - round(minutes * 60_000_000)


def _times(asked: Answers, *questions: Asked, hours: float | None = None) -> list[tuple[str, ...]]:
    """Of each question in how many minutes before the end which conversation went badly, or was
    last fine: ``bad 12``."""
    answers = asked.snapshot.affected(questions, asked.longer(hours), MOST)
    end = to_us(END)
    return [
        tuple(
            f"{word} {(end - us) / 60_000_000:g}"
            for word, some in (("bad", each.bad), ("fine", each.fine))
            for us in sorted(some.values())
        )
        for each in answers
    ]


def test_conversations_are_bad_since_the_first_event_that_counts(engine: Engine) -> None:
    world = [
        *(call(m, "bad", failed=m in {30, 20}) for m in (40, 30, 20, 10)),
        *(call(m, "fine") for m in (50, 45, 5)),
        call(7, failed=True),
        call(6, "other", "sed", failed=True),
        *(call(m, "past", failed=True) for m in (61, 60)),
        call(-1, "later", failed=True),
    ]
    with engine.asked(*world) as asked:
        sed = Asked(USE, "tool_call/sed")
        nothing = Asked(USE, "tool_call/none")
        assert _times(asked, Asked(USE, GREP), sed, nothing) == [
            ("bad 30", "fine 5"),
            ("bad 6",),
            (),
        ]
        assert _times(asked, Asked(USE, GREP), hours=2) == [("bad 61", "bad 30", "fine 5")]


def test_numbers_are_those_of_the_same_conversations_in_all_answers(engine: Engine) -> None:
    world = [
        *(call(m, f"c{m}", failed=True) for m in (10, 20, 30)),
        *(call(m - 5, f"c{m}", "sed", failed=True) for m in (20, 30, 40)),
    ]
    with engine.asked(*world) as asked:
        grep, sed, every = asked.snapshot.affected(
            [Asked(USE, GREP), Asked(USE, "tool_call/sed"), Asked(EVERYBODY, "everybody")],
            asked.window,
            MOST,
        )
        assert len(grep.bad.keys() & sed.bad.keys()) == 2
        assert every.bad == {}
        assert every.fine.keys() == grep.bad.keys() | sed.bad.keys()


def test_values_are_bad_beyond_a_line_and_all_are_without_one(engine: Engine) -> None:
    world = [call(m, f"c{m}", elapsed_ms=100.0 * m) for m in (1, 2, 3)]
    with engine.asked(*world, call(9, "none")) as asked:
        beyond, at_all = Asked(LATENCY, GREP, beyond=200), Asked(LATENCY, GREP)
        assert _times(asked, beyond, at_all) == [
            ("bad 3", "fine 2", "fine 1"),
            ("bad 3", "bad 2", "bad 1"),
        ]


def test_of_failures_those_count_that_say_an_error(engine: Engine) -> None:
    text = "it's no disk'); DROP TABLE events; --"
    world = [
        call(5, "a", failed=True, error=text),
        call(6, "b", failed=True, error="no file"),
        call(7, "c", error=text),
        call(8, "d"),
    ]
    with engine.asked(*world) as asked:
        (told,) = asked.timeline.at(asked.window).recurrences(
            "error LIKE 'it%'", asked.window, 1, 0, newest=asked.window.start
        )
        assert _times(asked, Asked(USE, GREP, error=told.text)) == [
            ("bad 5", "fine 8", "fine 7", "fine 6")
        ]


def test_conversations_that_ended_are_bad_at_their_end(engine: Engine) -> None:
    world = [
        *(call(m, "bad") for m in (50, 40, 30)),
        *(message(m, "slow") for m in (45,)),
        answer(44, "slow"),
        cancel(34, "worse"),
        *(call(m, "open") for m in (3, 2, 1)),
        *(call(m, "past") for m in (80, 79, 78)),
    ]
    with engine.asked(*world) as asked:
        aborted, waited = Asked(ABORTED, "aborted"), Asked(WAITED, "waited")
        assert _times(asked, aborted, waited) == [
            ("bad 34", "bad 30", "fine 44"),
            ("bad 44", "fine 34", "fine 30"),
        ]
        (answer_of,) = asked.snapshot.affected([aborted], asked.window, MOST)
        assert sorted(answer_of.events.values()) == [1, 2, 3]
        assert _times(asked, waited, Asked(ABORTED, "none"), hours=3) == [
            ("bad 44", "fine 78", "fine 34", "fine 30"),
            (),
        ]


def test_a_subject_without_a_service_is_that_of_all_services(engine: Engine) -> None:
    world = [
        call(5, "a", service="s", failed=True),
        call(6, "b", service="t", failed=True),
        call(7, "c", service="t"),
    ]
    with engine.asked(*world) as asked:
        assert _times(asked, Asked(USE, f"{GREP}@s"), Asked(USE, GREP), Asked(USE, "x")) == [
            ("bad 5",),
            ("bad 6", "bad 5", "fine 7"),
            (),
        ]
    with engine.asked(*world, call(8, "d", failed=True)) as asked:
        assert _times(asked, Asked(USE, GREP)) == [("bad 8",)], "events that name no service"


def test_of_too_many_conversations_the_same_are_told_of_all_questions(engine: Engine) -> None:
    world = [
        *(call(m / 10, f"c{m}", failed=True) for m in range(1, 101)),
        *(call(m / 10, f"c{m}", "sed", failed=True) for m in range(1, 101)),
    ]
    with engine.asked(*world) as asked:
        questions = [Asked(USE, GREP), Asked(USE, "tool_call/sed")]
        grep, sed = asked.snapshot.affected(questions, asked.window, 30)
        assert len(grep.bad) == 30
        assert grep.bad == sed.bad
        assert asked.snapshot.affected([], asked.window, 30) == ()


@pytest.mark.parametrize("seed", range(3))
def test_an_engine_answers_what_plain_python_answers(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    events: list[Event] = [
        call(
            minutes,
            chance.choice(["a", "b", "c", "d", None]),
            chance.choice(["grep", "sed"]),
            failed=chance.choice([None, False, True]),
            elapsed_ms=chance.choice([None, 50.0, 500.0]),
        )
        for minutes in chance.sample(range(-5, 200), 60)
    ]
    questions = {
        Asked(USE, GREP): lambda e: bool(e["failed"]),
        Asked(USE, "tool_call/sed"): lambda e: bool(e["failed"]),
        Asked(LATENCY, GREP, beyond=100): lambda e: e["elapsed_ms"] > 100,
    }
    with engine.asked(*events) as asked:
        for hours in (None, 2):
            window = asked.longer(hours)
            answers = asked.snapshot.affected(list(questions), window, MOST)
            for (question, counts), told in zip(questions.items(), answers, strict=True):
                expected = _plainly(events, question, counts, to_us(window.start))
                assert sorted(told.bad.values()) == sorted(expected.bad.values())
                assert sorted(told.fine.values()) == sorted(expected.fine.values())
                assert sorted(told.events.values()) == sorted(expected.events.values())


def _plainly(events: list[Event], asked: Asked, counts: object, start: int) -> Affected:
    assert callable(counts)
    bad: dict[int, int] = {}
    last: dict[int, int] = {}
    many: dict[int, int] = {}
    for each in events:
        conv, us = each.get("conv_id"), each["us"]
        if asked.signal is LATENCY and (each["failed"] or not each["elapsed_ms"]):
            continue
        if conv is None or each["subject"] != asked.subject or not start < us <= to_us(END):
            continue
        number = ord(conv)
        many[number] = many.get(number, 0) + 1
        last[number] = max(us, last.get(number, us))
        if counts(each):
            bad[number] = min(us, bad.get(number, us))
    return Affected(bad, {n: us for n, us in last.items() if n not in bad}, many)
