"""What a window sees: its bounds, its past, and nothing of what comes later."""

from __future__ import annotations

from datetime import timedelta

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
    event,
    every_engine,
    message,
)

from tgt.engine.protocol import Counts, TimeSpent
from tgt.events import HOUR_US, Interval, to_us

pytestmark = every_engine
US = 1 / 60_000_000
"""A microsecond in minutes."""
HOUR = timedelta(hours=1)
LAST_HOUR = to_us(END) // HOUR_US - 1


def test_a_window_reaches_from_after_its_start_to_its_end(engine: Engine) -> None:
    cases = (
        (0, True, "the end belongs to the window"),
        (-US, False, "a microsecond later does not"),
        (60 - US, True, "a microsecond after the start does"),
        (60, False, "the start does not"),
        (-60 * 24 * 365, False, "nor does the far future"),
    )
    with engine.each_asked(*([call(minutes, "c")] for minutes, *_ in cases)) as answers:
        for asked, (_, is_inside, why) in zip(answers, cases, strict=True):
            assert asked.snapshot.coverage.events == int(is_inside), why
            assert ("tool_call/grep" in asked.counts(USE)) == is_inside, why
            assert asked.timeline.is_idle(asked.window) != is_inside, why


def _everything(asked: Answers) -> object:
    coverage = asked.snapshot.coverage
    return (
        (coverage.events, coverage.hours_observed, coverage.tells_finish),
        [asked.readings(signal) for signal in (USE, ABORTED, WAITED)],
        asked.counts(USE, 4),
        asked.values(LATENCY),
        asked.values(LATENCY, 4),
        asked.snapshot.distribution_history(LATENCY, "tool_call/grep", asked.window),
        asked.snapshot.beyond(LATENCY, "tool_call/grep", asked.window, 50),
        asked.snapshot.time_spent(LATENCY, "tool_call/grep", asked.window),
        [
            (sample.at, sample.values)
            for signal in (USE, ABORTED)
            for sample in asked.examples(signal, "tool_call/grep").samples
        ],
    )


PAST = [
    *(call(m + 0.5, f"c{m // 7}", elapsed_ms=m, failed=m % 3 == 0) for m in range(0, 700, 9)),
    *(answer(m, f"c{m // 7}", "stop" if m % 2 else "length") for m in range(3, 700, 31)),
]


def test_later_events_are_invisible(engine: Engine) -> None:
    end = END - 2 * HOUR
    before = [each for each in PAST if each["us"] <= to_us(end)]
    with engine.asked(*before, end=end) as then, engine.asked(*PAST, end=end) as now:
        assert _everything(now) == _everything(then)
        assert then.snapshot.coverage.events > 0


def test_one_timeline_answers_as_of_any_of_its_windows_as_if_it_were_the_only_one(
    engine: Engine,
) -> None:
    first = END - timedelta(hours=3)
    ends = [first + timedelta(minutes=20 * step) for step in (0, 1, 6)]
    with engine.timeline(*PAST, first=first, end=END) as timeline:
        for end in (*ends, ends[1]):
            window = Interval(end - HOUR, end)
            asked = Answers(timeline, timeline.at(window), window)
            with engine.asked(*PAST, end=end) as alone:
                assert _everything(asked) == _everything(alone), end


def test_what_a_longer_window_saw_does_not_depend_on_what_was_asked_before(engine: Engine) -> None:
    with engine.asked(*PAST) as asked:
        found = {hours: asked.counts(USE, hours) for hours in (6, 2, 24)}
    for hours, counts in found.items():
        with engine.asked(*PAST) as asked:
            assert asked.counts(USE, hours) == counts


def test_a_window_without_events_is_idle(engine: Engine) -> None:
    with engine.timeline(call(90, "c"), call(10, "c")) as timeline:
        assert not timeline.is_idle(Interval(END - HOUR, END))
        assert not timeline.is_idle(Interval(END - 2 * HOUR, END - HOUR))
        assert timeline.is_idle(Interval(END - timedelta(minutes=10), END))
        assert timeline.is_idle(Interval(END - timedelta(minutes=90), END - HOUR))


def test_of_nothing_there_are_no_answers_and_no_failures(engine: Engine) -> None:
    with engine.asked() as asked:
        for signal in (USE, ABORTED):
            assert asked.readings(signal) == {}
        assert asked.values(LATENCY) == {}
        assert asked.snapshot.distribution_history(LATENCY, "x", asked.window) == {}
        assert asked.snapshot.beyond(LATENCY, "x", asked.window, 1) == Counts()
        assert asked.snapshot.time_spent(LATENCY, "x", asked.window) == TimeSpent()
        assert asked.examples(USE, "x").samples == ()
        assert asked.examples(USE, "x").median_us is None
        coverage = asked.snapshot.coverage
        assert (coverage.events, coverage.hours_observed) == (0, frozenset())
        assert asked.timeline.inventory(["failed"]).holds == {"failed": False}


BEYOND = timedelta(days=9)
"""Further than a window and its baseline reach."""


def test_an_hour_of_the_baseline_with_any_event_is_observed(engine: Engine) -> None:
    cases: tuple[tuple[Event, bool, str], ...] = (
        (call(60.5, "c"), True, "the hour before the window"),
        (event(60 * 24 * 7 + 59), True, "the first hour of the baseline"),
        (message(60 * 24, "c"), True, "a user's message is an event, too"),
        (call(60 * 24 * 7 + 61, "c"), False, "before the baseline"),
        (call(30, "c"), False, "the window is no part of its baseline"),
    )
    with engine.each_asked(*([only] for only, *_ in cases), apart=BEYOND) as answers:
        for asked, (only, is_observed, why) in zip(answers, cases, strict=True):
            hour = only["us"] // HOUR_US - (END - asked.window.end) // HOUR
            assert asked.snapshot.coverage.hours_observed == ({hour} if is_observed else set()), why


def test_hours_that_the_baseline_has_only_in_part_are_not_observed(engine: Engine) -> None:
    end = END - timedelta(minutes=20)  # a window from 14:40, a baseline from 14:40 a week before
    week = 60 * 24 * 7
    parts = [call(m, "c") for m in (75, 100, week + 75, week + 85)]
    with engine.asked(*parts, call(125, "c"), call(week + 55, "c"), end=end) as asked:
        last = LAST_HOUR - 2
        assert asked.snapshot.coverage.hours_observed == {last, last + 2 - 24 * 7}
        assert set(asked.readings(USE)["tool_call/grep"].history) == {last, last + 2 - 24 * 7}


def test_whether_answers_tell_how_they_end_is_seen_in_baseline_and_window(engine: Engine) -> None:
    cases: tuple[tuple[float, dict[str, object], bool, bool, str], ...] = (
        (10, {"finish_reason": "stop"}, True, False, "how it ended"),
        (600, {"finish_reason": "stop"}, True, False, "how it ended, long ago"),
        (10, {"finish_reason": "length"}, True, True, "that it was cut off"),
        (600, {"finish_reason": "length"}, True, True, "that it was cut off, long ago"),
        (90, {"continuation": True}, True, True, "that it was continued"),
        (10, {"continuation": False}, True, False, "that it was not continued"),
        (10, {}, False, False, "nothing"),
    )
    worlds = (
        [
            call(30, "c"),
            answer(minutes, "c", finish=None) | said,
            answer(-1, "later", "length"),
        ]
        for minutes, said, *_ in cases
    )
    with engine.each_asked(*worlds, apart=BEYOND) as answers:
        for asked, (*_, tells_finish, tells_continuation, why) in zip(answers, cases, strict=True):
            coverage = asked.snapshot.coverage
            assert coverage.tells_finish == tells_finish, why
            assert coverage.tells_continuation == tells_continuation, why
