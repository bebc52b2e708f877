"""When a conversation is over, given up, and how long its user waited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from engine.conformance.worlds import (
    ABORTED,
    END,
    WAITED,
    Answers,
    Engine,
    Event,
    answer,
    call,
    cancel,
    event,
    every_engine,
    message,
)

from tgt.engine.protocol import Of, Signal
from tgt.events import CONVERSATION, HOUR_US, to_us
from tgt.stats.confidence import Clusters

pytestmark = every_engine
LAST_HOUR = to_us(END) // HOUR_US - 1


def _of(*events: Event) -> tuple[Event, ...]:
    return events


def _told_apart(table: Sequence[tuple[tuple[Event, ...], object, str]]) -> list[Event]:
    """One world of all cases: each is a conversation, and a service by which it is told apart."""
    return [{**each, "conv_id": why, "service": why} for events, _, why in table for each in events]


def _judged(asked: Answers, counted: str) -> dict[str, bool]:
    """The conversations of the window by their service, and whether they count."""
    signal = Signal("judged", of=Of.CONVERSATIONS, counted=counted, by="service")
    shares = asked.shares(signal)
    assert all(n == 1 for n, _ in shares.values())
    return {service: bool(k) for service, (_, k) in shares.items()}


USED = (call(40, "c"), call(35, "c"))
"""Two events, and a third makes a conversation that can be judged."""

GIVEN_UP: list[tuple[tuple[Event, ...], bool, str]] = [
    (_of(*USED, answer(30)), False, "an answer that ended by itself"),
    (_of(*USED, answer(30, finish="length")), True, "an answer that was cut off"),
    (_of(*USED, answer(30, finish="tool_calls")), True, "it ended with a call of a tool"),
    (_of(*USED, answer(30, finish="error", failed=True)), True, "an answer that failed"),
    (_of(*USED, answer(30, failed=True)), True, "it failed, whatever its end says"),
    (_of(*USED, answer(30, continuation=True)), True, "an answer that was continued"),
    (_of(*USED, answer(30, finish="content_filter")), True, "an answer that was filtered"),
    (_of(*USED, answer(50), answer(30, finish="length")), False, "one answer is enough"),
    (_of(*USED, answer(30), call(20)), False, "the last event need not be the answer"),
    (_of(*USED, answer(45)), False, "nor the first"),
    (_of(*USED, call(30), answer(31, finish="tool_calls")), True, "no answer at all"),
    (USED, False, "two events are too few to tell"),
    (_of(answer(30, finish="length")), False, "so is one"),
    (_of(*USED, answer(30), cancel(29)), True, "a cancel after the answer"),
    (_of(*USED, cancel(30), answer(29)), False, "steering: an answer came after the cancel"),
    (_of(*USED, cancel(30), answer(29, finish="length")), True, "and none that ended by itself"),
    (_of(*USED, cancel(30), answer(29), cancel(28)), True, "the last word is a cancel"),
    (_of(call(30), cancel(29)), True, "an explicit cancel needs no third event"),
    (_of(answer(30, finish="cancelled", cancelled=True)), True, "an answer that was cancelled"),
    (_of(call(30, cancelled=True), answer(29)), False, "a cancelled call, then an answer"),
]


def test_which_conversations_were_given_up(engine: Engine) -> None:
    """Each service tells how its answers end, once long before."""
    with engine.asked(*_told_apart(GIVEN_UP), *_tellers(GIVEN_UP)) as asked:
        found = _judged(asked, "is_aborted")
    assert found == {why: expected for _, expected, why in GIVEN_UP}


def _tellers(table: list[tuple[tuple[Event, ...], bool, str]]) -> list[Event]:
    return [answer(600, f"long ago: {why}", service=why) for _, _, why in table]


UNTOLD: list[tuple[tuple[Event, ...], bool, str]] = [
    (_of(*USED, answer(30, finish=None)), False, "an answer that nothing continues"),
    (_of(*USED, answer(30, finish=None, failed=True)), True, "an answer that failed"),
    (_of(*USED, call(30)), True, "no answer"),
    (_of(*USED, cancel(30), answer(29, finish=None)), False, "an answer after a cancel"),
    (_of(*USED, answer(30, finish=None), cancel(29)), True, "a cancel after the answer"),
]


def test_where_a_service_never_tells_how_answers_end_one_that_nothing_continues_ended_by_itself(
    engine: Engine,
) -> None:
    with engine.asked(*_told_apart(UNTOLD)) as asked:
        assert _judged(asked, "is_aborted") == {why: expected for _, expected, why in UNTOLD}


def test_what_other_services_tell_says_nothing_about_one_that_does_not(engine: Engine) -> None:
    world = [{**each, "service": "s"} for each in (*USED, answer(30, "c", finish=None))]
    with engine.asked(*world, answer(300, "d", service="other")) as asked:
        assert asked.shares(ABORTED) == {"aborted": (1, 0)}
    with engine.asked(*world, answer(300, "d", service="s")) as asked:
        assert asked.shares(ABORTED) == {"aborted": (1, 1)}


def test_subjects_that_only_the_history_has_are_not_of_the_window(engine: Engine) -> None:
    signal = Signal("all", of=Of.CONVERSATIONS, by="service")
    with engine.asked(call(30, "c", service="s"), call(300, "d", service="other")) as asked:
        assert list(asked.readings(signal)) == ["s"]


def test_where_it_is_told_otherwise_an_answer_that_does_not_tell_is_no_end(engine: Engine) -> None:
    world = [*USED, answer(30, "c", finish=None)]
    for minutes in (300, 20):
        with engine.asked(*world, answer(minutes, "d")) as asked:
            assert asked.shares(ABORTED)["aborted"][1] == 1


OVER: list[tuple[tuple[Event, ...], bool, str]] = [
    (_of(*USED, call(15)), True, "idle for fifteen minutes"),
    (_of(*USED, call(14.99)), False, "idle for less: it may go on"),
    (_of(*USED, call(0)), False, "still going"),
    (_of(call(90), call(59.99)), True, "its last event is in the window"),
    (_of(call(90), call(80), call(60)), False, "it ended before the window"),
    (_of(call(50), call(-1)), False, "it goes on after the window, and had begun"),
    (_of(call(-1), call(-2)), False, "it begins after the window"),
    (_of(call(60 * 24 * 6), call(30)), True, "it began days ago"),
]


def test_a_conversation_is_judged_in_the_window_in_which_it_ended(engine: Engine) -> None:
    over = {why for _, is_over, why in OVER if is_over}
    with engine.asked(*_told_apart(OVER)) as asked:
        found = set(_judged(asked, "true"))
        # As of the end of the window it had its last event 50 minutes before.
        assert found == over | {"it goes on after the window, and had begun"}


def test_a_conversation_is_judged_whole_and_as_of_the_end_of_the_window(engine: Engine) -> None:
    whole = [call(200, "c"), answer(199, "c"), call(30, "c")]
    going_on = [call(50, "d"), call(45, "d"), call(40, "d"), answer(-30, "d")]
    with engine.asked(*whole, *going_on) as asked:
        assert asked.shares(ABORTED) == {"aborted": (2, 1)}
    with engine.asked(*whole, *going_on, end=END + timedelta(hours=1)) as asked:
        assert asked.shares(ABORTED) == {"aborted": (1, 0)}


def test_events_of_no_conversation_are_none(engine: Engine) -> None:
    with engine.asked(call(30), call(29), call(28)) as asked:
        assert asked.readings(ABORTED) == {}


WAITS: list[tuple[tuple[Event, ...], int, str]] = [
    (_of(message(50), answer(49)), 60_000, "from the message to its answer"),
    (_of(message(50), message(49.5), answer(49)), 60_000, "from the first of two messages"),
    (
        _of(message(50), answer(49.9, finish="tool_calls"), answer(49)),
        60_000,
        "a call of a tool is no answer yet",
    ),
    (
        _of(message(50), answer(49.9), message(40), answer(39), message(38), answer(37.9)),
        60_000,
        "the longest of several waits",
    ),
    (_of(message(50), call(49.5, elapsed_ms=90_000.0), answer(49)), 60_000, "no single event"),
    (_of(message(55), call(30, elapsed_ms=9_000.0)), 0, "a message that nobody answered"),
    (_of(message(120), answer(50)), 0, "an answer that came after more than an hour"),
    (_of(message(110), answer(50)), 3_600_000, "after just an hour"),
    (_of(message(50), answer(40, finish=None)), 600_000, "an answer that does not tell its end"),
    (_of(message(50), answer(40, finish="length")), 600_000, "an answer that was cut off"),
    (
        _of(message(50, act="prompt"), answer(40), call(30, elapsed_ms=9_000.0)),
        0,
        "nobody sits waiting for a task that was given",
    ),
    (
        _of(call(50, elapsed_ms=9_000.0), call(40, elapsed_ms=3_000.0), answer(30)),
        9_000,
        "the slowest event, where users' messages are not recorded",
    ),
    (
        _of(event(50, elapsed_ms=90_000.0, is_wait=True), call(40, elapsed_ms=3_000.0)),
        3_000,
        "waiting for a person is no wait",
    ),
    (_of(call(50), answer(30)), 0, "nothing is told"),
]


def test_how_long_a_user_waited(engine: Engine) -> None:
    with engine.asked(*_told_apart(WAITS)) as asked:
        at_least = {"": True}
        for _, wait, why in WAITS:
            at_least[why] = (
                _judged(asked, f"longest_wait_ms >= {wait}")[why]
                and not _judged(asked, f"longest_wait_ms > {wait}")[why]
            )
    assert [why for why, is_right in at_least.items() if not is_right] == []


def test_each_conversation_is_one_event_and_one_unit(engine: Engine) -> None:
    world = [*USED, call(30, "c"), *(call(m, "d") for m in (50, 45)), answer(44, "d")]
    with engine.asked(*world) as asked:
        now = asked.counts(ABORTED)["aborted"]
        assert (now.n, now.k, now.units, now.bad_units, now.bad_conversations) == (2, 1, 2, 1, 1)
        assert now.loose_n == 0
        assert now.clusters == Clusters(2, 2, 1, 2, 1, 1)


def test_the_history_of_conversations_is_by_the_hour_in_which_they_ended(engine: Engine) -> None:
    ended = {100: "a", 130: "b", 140: "c", 300: "d"}
    world = [call(m + back, conv) for m, conv in ended.items() for back in (0, 30, 60)]
    with engine.asked(*world, call(30, "now")) as asked:
        history = asked.readings(ABORTED)["aborted"].history
        assert {hour: (n.n, n.k) for hour, n in history.items()} == {
            LAST_HOUR - 4: (1, 1),
            LAST_HOUR - 2: (2, 2),
            LAST_HOUR - 1: (1, 1),
        }


def test_a_longer_window_has_all_conversations_that_ended_in_it(engine: Engine) -> None:
    world = [call(m + back, f"c{m}") for m in (30, 100, 200) for back in (0, 1, 2)]
    with engine.asked(*world) as asked:
        assert asked.shares(ABORTED) == {"aborted": (1, 1)}
        assert asked.shares(ABORTED, hours=2) == {"aborted": (2, 2)}
        assert asked.shares(ABORTED, hours=4) == {"aborted": (3, 3)}


def test_conditions_may_use_all_columns_of_conversations(engine: Engine) -> None:
    world = [
        message(50, "c"),
        call(49, "c", failed=True, service="s"),
        call(48, "c", elapsed_ms=5.0, service="s"),
        answer(47, "c", service="s"),
        cancel(46, "c"),
    ]
    expected = {
        "service": "= 's'",
        "events": "= 5",
        "errors": "= 1",
        "answers": "= 1",
        "tells_answers": "",
        "ended": "= 1",
        "cancelled": "= 1",
        "messages": "= 1",
        "is_aborted": "",
        "longest_wait_ms": "= 180000",
    }
    assert expected.keys() == CONVERSATION.keys()
    with engine.asked(*world) as asked:
        for column, comparison in expected.items():
            signal = Signal("any", of=Of.CONVERSATIONS, where=f"{column} {comparison}", by="'any'")
            assert asked.shares(signal) == {"any": (1, 1)}, column
        assert asked.shares(WAITED) == {"waited": (1, 1)}
