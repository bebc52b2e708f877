"""What is counted of events: population, units, conversations, subjects, and their history."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from engine.conformance.worlds import (
    END,
    TOGETHER,
    USE,
    Engine,
    answer,
    call,
    event,
    every_engine,
    message,
)

from tgt.engine.protocol import EVERYTHING, Counts, Of, Signal
from tgt.events import HOUR_US, to_us
from tgt.stats.confidence import Clusters

pytestmark = every_engine
LAST_HOUR = to_us(END) // HOUR_US - 1
GREP = "tool_call/grep"


def test_an_event_counts_if_the_condition_is_true_and_not_if_it_is_unknown(engine: Engine) -> None:
    world = [
        *(call(m, "c", failed=failed) for m, failed in ((1, True), (2, False), (3, None))),
        message(4, "c"),
        event(5, subject=None),
    ]
    with engine.asked(*world) as asked:
        assert asked.shares(USE) == {GREP: (3, 1)}
        for where, share in {
            "failed": (1, 1),
            "NOT failed": (1, 0),
            "failed IS NULL AND actor = 'tool'": (1, 0),
            "failed IS DISTINCT FROM false AND actor = 'tool'": (2, 1),
        }.items():
            signal = Signal("asked", where=where, counted="failed", by="'all'")
            assert asked.shares(signal) == {"all": share}, where


def test_subjects_are_what_a_signal_is_grouped_by_in_their_order(engine: Engine) -> None:
    world = [call(1, "c", "b"), call(2, "c", "a"), answer(4, "c")]
    cases: dict[str, dict[str, tuple[int, int]]] = {
        "subject": {"assistant_response": (1, 0), "tool_call/b": (1, 0), "tool_call/a": (2, 1)},
        "name": {"a": (2, 1), "b": (1, 0)},
        "'all'": {"all": (4, 1)},
        "CASE WHEN failed THEN 'bad' END": {"bad": (1, 1)},
        "concat_ws('/', name, error_type)": {"": (1, 0), "a": (1, 0), "a/E": (1, 1), "b": (1, 0)},
    }
    with engine.asked(*world, call(3, "c", "a", failed=True, error_type="E")) as asked:
        for by, shares in cases.items():
            found = asked.shares(Signal("asked", counted="coalesce(failed, false)", by=by))
            assert found == shares, by
            assert list(found) == sorted(shares), by


def test_a_unit_is_a_conversation_in_one_hour_and_bad_if_one_of_its_events_counts(
    engine: Engine,
) -> None:
    world = [
        *(call(m, "bad", failed=m == 5) for m in (1, 5, 6)),
        *(call(m, "good") for m in (2, 3)),
        *(call(m, failed=m == 7) for m in (7, 8, 9, 10)),
    ]
    with engine.asked(*world) as asked:
        clusters = Clusters(2, n=5.0, k=1.0, nn=9.0 + 4.0, nk=3.0, kk=1.0)
        counts = Counts(9, 2, 2, 1, 1, 4, clusters)
        assert asked.counts(USE) == {GREP: counts}
        assert not counts.by_event
    with engine.asked(*world, call(11)) as asked:
        assert asked.counts(USE)[GREP].loose_n == 5
        assert not asked.counts(USE)[GREP].by_event
    with engine.asked(*world, call(11), call(12)) as asked:
        assert asked.counts(USE)[GREP].by_event


def test_the_hours_of_the_units_of_a_window_are_counted_back_from_its_end(engine: Engine) -> None:
    end = END - timedelta(minutes=20)
    across = [call(m, "c", failed=True) for m in (50, 70, 75)]  # 15:10, 14:50 and 14:45
    with engine.asked(*across, end=end) as asked:
        now = asked.counts(USE)[GREP]
        assert (now.n, now.units, now.bad_units, now.bad_conversations) == (3, 1, 1, 1)
    with engine.asked(*across, call(90, "c"), call(100, "d"), end=end, minutes=120) as asked:
        now = asked.counts(USE)[GREP]
        assert (now.n, now.units, now.bad_units, now.bad_conversations) == (5, 3, 1, 1)


def test_a_longer_window_is_made_of_the_clock_hours_that_it_touches(engine: Engine) -> None:
    end = END - timedelta(minutes=20)
    world = [
        *(call(m, "c", failed=m != 100) for m in (30, 70, 100, 130)),  # 15:30 14:50 14:20 13:50
        call(180, "d", failed=True),  # 13:00, when the hour begins
        call(180 + 1 / 60_000, "e"),  # a millisecond earlier
    ]
    with engine.asked(*world, end=end) as asked:
        now = asked.counts(USE, hours=2.5)[GREP]  # from 13:10 on
        assert (now.n, now.k) == (5, 4)
        assert (now.units, now.bad_units, now.bad_conversations) == (4, 4, 2)
        assert asked.counts(USE, hours=3)[GREP].n == 6
        (first, *_) = asked.readings(USE, hours=2.5)[GREP].history
        assert first == LAST_HOUR - 3, "the hours before are its history"


def test_a_conversation_that_is_bad_in_many_hours_is_one_bad_conversation(engine: Engine) -> None:
    world = [call(m, f"c{m % 3}", failed=m % 2 == 0) for m in range(0, 600, 5)]
    with engine.asked(*world) as asked:
        for hours in (2, 4, 8):
            now = asked.counts(USE, hours)[GREP]
            bad = {e["conv_id"] for e in world if e["failed"] and e["us"] >= _hour(hours)}
            assert now.bad_conversations == len(bad) == 3
            assert now.bad_units > 3
        assert asked.counts(TOGETHER, 8)["together"].bad_conversations == 3


def test_how_many_conversations_are_bad_can_be_asked_alone(engine: Engine) -> None:
    world = [call(m, f"c{m % 3}", "ab"[m % 2], failed=m % 4 == 0) for m in range(0, 600, 5)]
    world += [call(m, None, "a", failed=True) for m in range(3, 600, 50)]
    # What goes on after the window has something in it, and what only begun before it has not.
    world += [call(m, "c0", "a", failed=True) for m in (-5, -70)]
    world += [call(m, "d", "a", failed=True) for m in (-5, 700)]
    world += [call(m, "e", "a", failed=True) for m in (-5, 100, 700)]
    signals = [USE, TOGETHER, EVERYTHING, Signal("new", by="name", counted="failed")]
    with engine.asked(*world) as asked:
        for signal, hours in itertools.product(signals, (None, 2, 8)):
            counts = asked.counts(signal, hours)
            bad = {name: now.bad_conversations for name, now in counts.items()}
            expected = {name: many for name, many in bad.items() if many}
            for subjects in (sorted(bad), sorted(bad)[:1], ["of no event"], []):
                told = asked.snapshot.conversations_of(signal, asked.longer(hours), subjects)
                assert told == {name: expected[name] for name in subjects if name in expected}
            assert expected


def _hour(before: int) -> int:
    return to_us(END) - before * HOUR_US


# --- services ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("services", "names", "why"),
    [
        ((None, None), [GREP], "none is named"),
        (("a", "a"), [GREP], "there is only one"),
        (("a", "b"), [f"{GREP}@a", f"{GREP}@b"], "there are two"),
        (("a", "b", None), [GREP, f"{GREP}@a", f"{GREP}@b"], "some of it has no service"),
    ],
)
def test_a_subject_is_named_with_its_service_as_soon_as_there_are_several(
    engine: Engine, services: tuple[str | None, ...], names: list[str], why: str
) -> None:
    world = [
        call(m, "c", service=service, failed=True, elapsed_ms=10)
        for m in (5, 100)
        for service in services
    ]
    with engine.asked(*world) as asked:
        readings = asked.readings(USE)
        assert list(readings) == names, why
        assert all(list(r.history) == [LAST_HOUR - 1] for r in readings.values())
        assert list(asked.counts(USE, hours=4)) == names
        for name in names:
            assert len(asked.examples(USE, name).samples) == readings[name].now.n


def test_a_service_that_only_the_baseline_knows_is_another_service(engine: Engine) -> None:
    with engine.asked(call(5, "c", service="a"), call(600, "d", service="b")) as asked:
        assert list(asked.counts(USE)) == [f"{GREP}@a"]
    with engine.asked(call(5, "c", service="a"), call(-600, "d", service="b")) as asked:
        assert list(asked.counts(USE)) == [GREP], "the future names nothing"


def test_the_same_with_and_without_the_only_service_is_one_subject(engine: Engine) -> None:
    world = [call(5, "c", service="a"), call(4, "d"), call(100, "c", service="a"), call(99, "d")]
    with engine.asked(*world) as asked:
        readings = asked.readings(USE)
        assert {name: r.now.n for name, r in readings.items()} == {GREP: 2}
        assert [hour.n for hour in readings[GREP].history.values()] == [2]


# --- history -------------------------------------------------------------------------------------


def test_a_history_has_the_whole_hours_of_the_baseline_before_the_window(engine: Engine) -> None:
    end = END - timedelta(minutes=20)
    day = timedelta(days=1)
    world = [call(m, f"c{m}", failed=m % 2 == 1) for m in range(0, 60 * 27, 15)]
    with engine.asked(*world, end=end, baseline=day) as asked:
        history = asked.readings(USE)[GREP].history
        assert list(history) == list(range(LAST_HOUR - 24, LAST_HOUR - 1))
        assert all((hour.n, hour.k, hour.units) == (4, 2, 4) for hour in history.values())
        assert {hour.bad_conversations for hour in history.values()} == {0}


def test_a_history_comes_with_the_subjects_for_which_it_was_asked(engine: Engine) -> None:
    world = [call(m, "c", name) for m in (5, 100) for name in ("a", "b", "b")]
    with engine.asked(*world) as asked:
        readings = asked.snapshot.counts(USE, asked.window, history=lambda now: now.n > 1)
        assert [len(reading.history) for reading in readings] == [0, 1]
        assert [reading.now.n for reading in readings] == [1, 2]


def test_hours_without_events_of_the_subject_are_not_in_its_history(engine: Engine) -> None:
    world = [call(5, "c"), call(100, "c"), call(300, "c"), call(200, "c", "other")]
    with engine.asked(*world) as asked:
        assert list(asked.readings(USE)[GREP].history) == [LAST_HOUR - 4, LAST_HOUR - 1]


# --- signals that were not declared --------------------------------------------------------------

NEW = Signal("new", where="act = 'tool_call'", counted="elapsed_ms > 50", by="name")


def test_a_signal_that_was_not_declared_can_be_asked_of_any_window(engine: Engine) -> None:
    world = [call(m, f"c{m % 4}", "ab"[m % 2], elapsed_ms=m) for m in range(1, 400, 7)]
    with engine.asked(*world) as asked, engine.asked(*world, signals=[NEW]) as declared:
        for hours in (None, 4):
            assert asked.counts(NEW, hours) == declared.counts(NEW, hours)
            with pytest.raises(ValueError, match="not declared"):
                asked.readings(NEW, hours)
        assert sum(now.k for now in asked.counts(NEW, 4).values()) > 0


def test_also_of_a_longer_one_that_begins_within_an_hour(engine: Engine) -> None:
    end = END - timedelta(minutes=17)
    world = [call(m, f"c{m % 4}", "a", elapsed_ms=m) for m in range(20, 400, 7)]
    with engine.asked(*world, end=end) as asked:
        declared = engine.asked(*world, end=end, signals=[NEW])
        with declared as fresh:
            assert asked.counts(NEW, 3) == fresh.counts(NEW, 3)


def test_a_signal_that_is_declared_later_has_the_history_of_what_was_read_before(
    engine: Engine, tmp_path: Path
) -> None:
    world = [call(m, f"c{m % 4}", "ab"[m % 2], elapsed_ms=m) for m in range(1, 4000, 70)]
    with engine.asked(*world, kept=tmp_path) as asked:
        before = asked.readings(USE)
    for signals in ([NEW], [NEW, USE], [USE]):
        kept = engine.asked(*world, signals=signals, kept=tmp_path)
        with kept as asked, engine.asked(*world, signals=signals) as fresh:
            for signal in signals:
                assert asked.readings(signal) == fresh.readings(signal)
                assert asked.readings(signal)
    with engine.asked(*world, kept=tmp_path) as asked:
        assert asked.readings(USE) == before


def test_signals_that_ask_the_same_are_one_whatever_they_are_called(engine: Engine) -> None:
    again = Signal("another name", USE.where, USE.counted, USE.by)
    assert again.key == USE.key
    for other in (
        Signal("use", "actor = 'tool'", USE.counted),
        Signal("use", USE.where, "NOT failed"),
        Signal("use", USE.where, USE.counted, by="name"),
        Signal("use", USE.where, USE.counted, of=Of.CONVERSATIONS),
        Signal("use", USE.where, USE.counted, value="elapsed_ms"),
    ):
        assert other.key != USE.key
    with engine.asked(call(5, "c"), call(100, "c"), signals=[USE, again]) as asked:
        assert asked.readings(again) == asked.readings(USE)
        assert len(asked.readings(again)[GREP].history) == 1
