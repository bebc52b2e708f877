"""Examples of what counts, and what there is at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from engine.conformance.worlds import (
    ABORTED,
    END,
    LATENCY,
    USE,
    Answers,
    Engine,
    answer,
    call,
    cancel,
    event,
    every_engine,
    message,
)

from tgt.engine.protocol import Signal
from tgt.events import CANONICAL, Sample, from_us, to_us

pytestmark = every_engine
GREP = "tool_call/grep"
CALLS = Signal("calls", where="act = 'tool_call'")


def _ids(asked: Answers, *samples: Sample) -> list[str | None]:
    return [sample.id for sample in asked.timeline.complete(samples)]


def test_examples_are_the_newest_of_as_many_conversations_as_possible(engine: Engine) -> None:
    world = [
        *(call(m, "chatty", id=f"a{m}") for m in range(1, 10)),
        *(call(m, "quiet", id=f"b{m}") for m in (20, 21)),
        call(30, "old", id="c"),
        *(call(m, id=f"loose{m}") for m in (25, 40)),
    ]
    with engine.asked(*world) as asked:
        for most, ids in {
            0: [],
            2: ["a1", "b20"],
            4: ["a1", "b20", "loose25", "c"],
            7: ["a1", "b20", "loose25", "c", "a2", "b21", "loose40"],
        }.items():
            assert _ids(asked, *asked.examples(CALLS, GREP, most).samples) == ids
        (first, *_) = asked.examples(CALLS, GREP).samples
        assert first.at == END - timedelta(minutes=1)


def _failed(minutes: int, conv: str, error: str | None) -> dict[str, Any]:
    return call(minutes, conv, id=f"{conv}{minutes}", failed=True, error=error)


def test_examples_show_every_kind_of_error_the_commonest_first(engine: Engine) -> None:
    world = [
        *(_failed(m, f"c{m}", "no such file") for m in (2, 3, 4)),
        *(_failed(m, f"d{m}", "no disk") for m in (40, 41, 42, 43)),
        _failed(50, "e", "no idea"),
        call(1, "fine", error="no such file"),
    ]
    with engine.asked(*world) as asked:
        three = asked.examples(USE, GREP, 3)
        assert _ids(asked, *three.samples) == ["d4040", "c22", "e50"]
        assert list(three.errors.items()) == [("no disk", 4), ("no such file", 3), ("no idea", 1)]
        five = asked.examples(USE, GREP, 5)
        assert _ids(asked, *five.samples) == ["d4040", "c22", "e50", "d4141", "c33"]
        assert asked.examples(USE, "tool_call/none").errors == {}
        assert asked.examples(CALLS, GREP, 1).errors == {
            "no disk": 4,
            "no such file": 4,
            "no idea": 1,
        }


def test_examples_of_one_kind_of_error_are_of_different_conversations(engine: Engine) -> None:
    world = [
        *(_failed(m, "chatty", "no disk") for m in (1, 2, 3)),
        *(_failed(m, "quiet", "no disk") for m in (10, 11)),
        _failed(5, "chatty", "no file"),
        _failed(20, "other", "no file"),
    ]
    with engine.asked(*world) as asked:
        assert _ids(asked, *asked.examples(USE, GREP, 4).samples) == [
            "chatty1",
            "other20",
            "quiet10",
            "chatty5",
        ]


def test_of_many_error_texts_the_commonest_are_counted(engine: Engine) -> None:
    world = [
        _failed(m, f"c{n}", f"number {'abcdefghijkl'[n]}")
        for n in range(12)
        for m in range(1, n + 2)
    ]
    with engine.asked(*world) as asked:
        errors = list(asked.examples(USE, GREP, 1).errors.items())
        assert errors == [(f"number {'abcdefghijkl'[n]}", n + 1) for n in range(11, 6, -1)]


def test_examples_that_say_nothing_differ_in_what_was_asked(engine: Engine) -> None:
    world = [
        *(call(m, f"c{m}", id=str(m), args_hash=7) for m in (1, 2, 3)),
        call(30, "d", id="30", args_hash=8),
        call(40, "e", id="40", args_hash=9),
    ]
    with engine.asked(*world) as asked:
        assert _ids(asked, *asked.examples(CALLS, GREP, 4).samples) == ["1", "30", "40", "2"]


def test_examples_count_and_lie_in_the_window(engine: Engine) -> None:
    world = [
        *(call(m, f"c{m}", id=str(m), failed=m != 3) for m in (-1, 0, 3, 5, 60)),
        call(4, "d", "other", id="other", failed=True),
    ]
    with engine.asked(*world) as asked:
        assert _ids(asked, *asked.examples(USE, GREP).samples) == ["0", "5"]
        assert asked.examples(USE, "tool_call/none").samples == ()
        longer = asked.snapshot.examples(USE, GREP, asked.longer(3), 9)
        assert _ids(asked, *longer.samples) == ["0", "5", "60"]


def test_examples_tell_the_median_time_of_what_counts_and_the_breadth_of_what_may(
    engine: Engine,
) -> None:
    world = [
        *(call(m, f"c{m}", failed=True) for m in (10, 20, 50)),
        *(call(m, "fine") for m in (1, 2)),
        call(3),
    ]
    with engine.asked(*world) as asked:
        examples = asked.examples(USE, GREP, 1)
        assert examples.median_us == to_us(END - timedelta(minutes=20))
        assert examples.conversations == 4
        assert asked.examples(USE, "tool_call/none").median_us is None
    with engine.asked(*world, call(55, "early", failed=True)) as asked:
        assert asked.examples(USE, GREP).median_us == to_us(END - timedelta(minutes=50))


def test_examples_of_a_distribution_exceed_the_line(engine: Engine) -> None:
    world = [call(m, f"c{m}", id=str(m), elapsed_ms=100.0 * m) for m in (1, 2, 3, 4)]
    with engine.asked(*world, call(5, "none")) as asked:
        beyond = asked.examples(LATENCY, GREP, beyond=200)
        assert _ids(asked, *beyond.samples) == ["3", "4"]
        assert beyond.median_us == to_us(END - timedelta(minutes=4))
        assert [s.values["elapsedMs"] for s in beyond.samples] == [300.0, 400.0]


def test_examples_of_conversations_are_their_events(engine: Engine) -> None:
    world = [
        *(call(m, "bad", id=f"bad{m}") for m in (50, 40, 30)),
        *(call(m, "worse", id=f"worse{m}") for m in (45, 35)),
        cancel(34, "worse"),
        *(call(m, "good", id=f"good{m}") for m in (20, 19)),
        answer(18, "good"),
        *(call(m, "open", id=f"open{m}") for m in (3, 2, 1)),
        *(call(m, "past", id=f"past{m}") for m in (80, 79, 78)),
    ]
    with engine.asked(*world) as asked:
        samples = asked.examples(ABORTED, "aborted", 3).samples
        assert _ids(asked, *samples) == ["bad30", None, "worse35"]
        convs = {
            s.conv_id for s in asked.timeline.complete(asked.examples(ABORTED, "aborted").samples)
        }
        assert convs == {"bad", "worse"}


def test_of_many_conversations_the_examples_are_how_the_newest_ended(engine: Engine) -> None:
    """Also where more of them ended at the same time than there are examples."""
    ends = {"a": 50, "b": 30, "c": 30, "d": 30, "e": 25, "f": 40}
    world = [
        call(minutes + before, conv, id=f"{conv}{before}")
        for conv, minutes in ends.items()
        for before in (2, 1, 0)
    ]
    with engine.asked(*world) as asked:
        ids = _ids(asked, *asked.examples(ABORTED, "aborted", 3).samples)
        assert ids[0] == "e0"
        assert len(set(ids)) == 3
        assert {*ids[1:]} < {"b0", "c0", "d0"}
        every = _ids(asked, *asked.examples(ABORTED, "aborted", 18).samples)
        assert ({*every[1:4]}, every[4:6]) == ({"b0", "c0", "d0"}, ["f0", "a0"])
        assert (every[:3], len(set(every))) == (ids, 18)


def test_the_same_events_have_the_same_examples_in_whatever_order_they_were_written(
    engine: Engine,
) -> None:
    world = [call(5, f"c{n % 3}", id=str(n), failed=True) for n in range(12)]
    with engine.asked(*world) as one:
        expected = _ids(one, *one.examples(USE, GREP).samples)
    with engine.asked(*reversed(world)) as other:
        assert _ids(other, *other.examples(USE, GREP).samples) == expected


def test_a_sample_says_what_happened(engine: Engine) -> None:
    told: dict[str, Any] = {"failed": True, "error_type": "ENOENT", "elapsed_ms": 12.5}
    with engine.asked(call(5, "c", **told), answer(4, "c", "length")) as asked:
        (sample,) = asked.examples(USE, GREP).samples
        assert sample.values == {
            "errorType": "ENOENT",
            "elapsedMs": 12.5,
            "act": "tool_call",
            "name": "grep",
        }
        signal = Signal("answers", where="act = 'assistant_response'")
        (sample,) = asked.examples(signal, "assistant_response").samples
        assert sample.values == {"finishReason": "length", "act": "assistant_response"}


@pytest.mark.parametrize(
    ("told", "text", "why"),
    [
        (("error", "result_preview", "args_preview"), "error", "the error goes first"),
        (("result_preview", "args_preview"), "result_preview", "then the result"),
        (("args_preview",), "args_preview", "then what was asked"),
        ((), None, "or nothing"),
    ],
)
def test_completed_samples_have_ids_and_texts(
    engine: Engine, told: tuple[str, ...], text: str | None, why: str
) -> None:
    texts: dict[str, Any] = {name: f"the text of {name} 1234" for name in told}
    with engine.asked(call(5, "conv-1", id="id-1", failed=True, **texts)) as asked:
        samples = asked.examples(USE, GREP).samples
        assert [(s.id, s.text, s.args) for s in samples] == [(None, None, None)]
        (sample,) = asked.timeline.complete(samples)
        assert (sample.id, sample.conv_id) == ("id-1", "conv-1")
        assert sample.text == (text and texts[text]), why
        assert sample.args == texts.get("args_preview")
        assert (sample.at, sample.values) == (samples[0].at, samples[0].values)


def test_what_cannot_be_completed_stays_as_it_is(engine: Engine) -> None:
    with engine.timeline(call(5, "c")) as timeline:
        strange = Sample(END, {"act": "tool_call"}, locator=None)
        assert timeline.complete([strange]) == (strange,)
        assert timeline.complete([]) == ()


def test_hostile_names_are_values_and_nothing_else(engine: Engine) -> None:
    names = [
        "'; DROP TABLE events; --",
        "$start",
        "%s {}",
        "a/../b",
        "\x1b[2J",
        "漢🧨\u202e",
        "a@b",
    ]
    world = [call(m, f"c{n}", n, id=n, failed=True) for n in names for m in (5, 100)]
    with engine.asked(*world) as asked:
        readings = asked.readings(USE)
        assert set(readings) == {f"tool_call/{name}" for name in names}
        for name in names:
            assert len(readings[f"tool_call/{name}"].history) == 1
            (sample,) = asked.timeline.complete(asked.examples(USE, f"tool_call/{name}").samples)
            assert (sample.id, sample.conv_id) == (name, f"c{name}")
            assert asked.snapshot.beyond(LATENCY, f"tool_call/{name}", asked.window, 1).n == 0


# --- inventory -----------------------------------------------------------------------------------


def test_the_inventory_has_everything_whatever_its_time(engine: Engine) -> None:
    world = [
        call(60 * 24 * 6, "c", service="a", failed=True, version="1.2"),
        call(5, "c", service="b", cancelled=True, soft_failed=False),
        answer(-60, "d", "length", service="b"),
        answer(-50, "d", cached_tokens=5.0),
        message(3),
        event(4),
    ]
    holds = {
        "failed": True,
        "failed AND service = 'b'": False,
        "act = 'assistant_response'": True,
        "cost_usd > 0": False,
    }
    filled = {
        "failed": 2,
        "version": 1,
        "conv_id": 4,
        "cached_tokens": 1,
        "cost_usd": 0,
        "cancelled": 1,
        "soft_failed": 0,
        "truncated": 1,
        "finish_reason": 2,
        "model": 0,
    }
    with engine.timeline(*world) as timeline:
        inventory = timeline.inventory(list(holds))
        assert (inventory.events, inventory.malformed) == (6, 0)
        assert inventory.first == from_us(world[0]["us"])
        assert inventory.last == from_us(world[2]["us"])
        assert inventory.acts == {
            "tool_call": 2,
            "assistant_response": 2,
            "message": 1,
            "event": 1,
        }
        assert inventory.services == {"a": 1, "b": 2}
        assert inventory.holds == holds
        assert inventory.columns.keys() <= CANONICAL.keys()
        for column, count in filled.items():
            assert inventory.columns[column] == count, column
