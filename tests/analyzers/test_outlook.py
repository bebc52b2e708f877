"""How far analyzers see: what is said of it is what they would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from conftest import END, Line, World, before, call, calls_of, hours_of, response

from tgt.analyzers import error_spike
from tgt.analyzers.base import Analysis, Analyzer, Context, Need
from tgt.analyzers.baseline import Baseline
from tgt.analyzers.exposure import Exposure, risen
from tgt.analyzers.figures import Unit
from tgt.analyzers.outlook import Outlook, outlooks
from tgt.analyzers.outlook.base import Look, later, smallest, typical_peak
from tgt.analyzers.registry import chosen
from tgt.analyzers.signals import USAGE
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats.calibration import calibrated
from tgt.stats.confidence import prior_of

HOUR = timedelta(hours=1)
READ_FILE = "tool_call/read_file"


@contextmanager
def looking(world: World, **changes: Any) -> Iterator[tuple[Context, Mapping[str, bool]]]:
    """The context of a run at END, and which needs of analyzers hold."""
    settings = world.settings(**changes)
    analyzers = chosen(settings)
    window = Interval(END - HOUR, END)
    signals = (*analyzers.signals, USAGE)
    with open_timeline(settings, telemetry_of(settings), signals, window) as timeline:
        needs = [need.where for analyzer in analyzers.analyzers for need in analyzer.needs]
        yield Context(settings, timeline.at(window), window), timeline.inventory(needs).holds


def outlook(world: World, name: str, most: int = 40, **changes: Any) -> dict[str, Outlook]:
    """What one analyzer says, by subject."""
    with looking(world, **changes) as (context, holds):
        (analyzer,) = (each for each in chosen(context.settings).analyzers if each.name == name)
        told = outlooks(analyzer, context, holds, most)
        assert all(each.analyzer == name for each in told)
        return {each.subject: each for each in told}


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("per_hour", "gate"), [(10, 0.7), (2, 0.7), (2, 0.35)])
def test_the_smallest_rise_is_the_smallest_that_is_found(
    world: World, per_hour: int, gate: float
) -> None:
    """One conversation fewer would not be sure enough, or not be beyond the threshold."""
    world.write(*hours_of(calls_of(), hours=150, per_hour=per_hour))
    told = outlook(world, "error_spike", min_confidence=gate)[READ_FILE]
    assert told.judgeable
    assert (told.unit, told.usual_unit, told.of) == (Unit.RATIO, Unit.SHARE, "conversations a day")
    assert told.usual == pytest.approx(0.04, rel=0.1)
    assert told.expected == pytest.approx(24 * per_hour, rel=0.05)
    assert told.smallest_change is not None
    assert told.expected is not None
    assert told.usual is not None
    assert told.smallest_change > 3, "a card that says three times means it"
    exposed = round(told.expected)
    failing = round(told.smallest_change * told.usual * exposed)

    def sure(failing: int) -> float:
        hours = dict.fromkeys(range(150), (0.04 * per_hour, per_hour))
        rise = risen(
            Exposure(failing, exposed, hours),
            Baseline({}, frozenset(hours)),
            3.0,
            prior_of(24, error_spike.A_HOUR),
            Interval(END - timedelta(days=1), END),
        )
        return 0.0 if rise is None else calibrated(rise.confidence)

    assert sure(failing) >= gate
    assert sure(failing - 1) < gate


@pytest.mark.parametrize(
    ("per_hour", "least", "most"),
    [(2, 4, 30), (10, 3, 5), (40, 3, 3.4)],
)
def test_more_traffic_sees_smaller_rises(
    world: World, per_hour: int, least: float, most: float
) -> None:
    world.write(*hours_of(calls_of(), hours=168, per_hour=per_hour))
    told = outlook(world, "error_spike")[READ_FILE]
    assert told.smallest_change is not None
    assert least <= told.smallest_change <= most


def test_what_lacks_a_day_of_baseline_says_when_it_will_have_one(world: World) -> None:
    world.write(*hours_of(calls_of(), hours=10, per_hour=30))
    told = outlook(world, "error_spike")[READ_FILE]
    assert not told.judgeable
    assert told.missing == "10 of 24 hours of baseline"
    assert told.smallest_change is None
    assert told.judgeable_at is not None
    assert timedelta(days=1) < told.judgeable_at - END < timedelta(days=3)


def test_who_uses_it_too_seldom_is_told_when_there_is_enough(world: World) -> None:
    world.write(*hours_of(calls_of(), hours=72, per_hour=40))
    world.write(*(call(30 * half + 65, f"r{half}", "rare") for half in range(144)))
    told = outlook(world, "error_spike")["tool_call/rare"]
    assert told.missing == "144 of 200 conversations in the baseline"
    assert told.judgeable_at is not None
    assert told.judgeable_at - END == pytest.approx(timedelta(days=56 / 48), abs=4 * HOUR)


def test_what_never_has_enough_has_no_time(world: World) -> None:
    world.write(*hours_of(calls_of(), hours=168, per_hour=40))
    world.write(*(call(60 * 24 * day + 5, f"r{day}", "rare") for day in range(7)))
    told = outlook(world, "error_spike")["tool_call/rare"]
    assert (told.judgeable, told.judgeable_at) == (False, None)
    assert told.missing.endswith("of 200 conversations in the baseline")


def test_a_subject_that_does_not_tell_what_is_needed_says_so(world: World) -> None:
    world.write(*hours_of(calls_of(), hours=48))
    untold = [call(m, f"u{m}", "untold") for m in range(5, 50)]
    for line in untold:
        del line["status"]
    world.write(*untold)
    told = outlook(world, "error_spike")
    assert told["tool_call/untold"].missing == "no record tells whether it failed"
    assert told["tool_call/untold"].judgeable_at is None
    assert told[READ_FILE].judgeable, "others are judged all the same"


def test_where_no_telemetry_has_what_is_needed_nothing_is_judged(world: World) -> None:
    world.write(*hours_of(calls_of(), hours=3))
    (told,) = outlook(world, "performance").values()
    assert (told.subject, told.missing) == ("all", "no record tells how long it took")


def test_where_every_conversation_fails_the_calls_are_looked_at(world: World) -> None:
    """A share of conversations that is 100% cannot triple; that of their calls can."""

    def many(minutes: float, conv: str, bad: bool) -> list[Line]:
        del bad
        return [
            call(minutes + n / 100, conv, status="error" if n == 0 else "ok") for n in range(20)
        ]

    world.write(*hours_of(many, hours=60, per_hour=8))
    told = outlook(world, "error_spike")[READ_FILE]
    assert told.of == "calls a day"
    assert told.usual == pytest.approx(0.05, rel=0.1)
    assert told.smallest_change is not None
    assert 3 < told.smallest_change < 4


# --- latencies -----------------------------------------------------------------------------------


def test_how_much_slower_calls_must_be(world: World) -> None:
    steady = calls_of(elapsed_ms=100)
    world.write(*hours_of(steady, hours=100, per_hour=20, bad_of=0))
    told = outlook(world, "performance")[READ_FILE]
    assert told.judgeable
    assert (told.unit, told.usual_unit) == (Unit.RATIO, Unit.MS)
    assert told.usual == pytest.approx(100, rel=0.02)
    assert (told.expected, told.of) == (480, "calls in 24 hours")
    assert told.smallest_change is not None
    assert 1.5 < told.smallest_change < 1.6, "all calls are alike, so any rise is seen at once"


@pytest.mark.parametrize(("per_hour", "least", "most"), [(2, 1.6, 10), (60, 1.5, 1.6)])
def test_where_latencies_scatter_few_calls_hide_small_changes(
    world: World, per_hour: int, least: float, most: float
) -> None:
    number = iter(range(10**6))

    def scattered(minutes: float, conv: str, bad: bool) -> list[Line]:
        del bad
        return [call(minutes, conv, elapsed_ms=20 * 1.5 ** (next(number) * 7 % 13))]

    world.write(*hours_of(scattered, hours=120, per_hour=per_hour, bad_of=0))
    told = outlook(world, "performance")[READ_FILE]
    assert told.smallest_change is not None
    assert least < told.smallest_change < most


def test_too_few_calls_are_too_few(world: World) -> None:
    seldom = calls_of(elapsed_ms=100)

    def every_other(minutes: float, conv: str, bad: bool) -> list[Line]:
        return seldom(minutes, conv, bad) if minutes % 120 < 60 else []

    world.write(*hours_of(every_other, hours=600, per_hour=1, bad_of=0))
    told = outlook(world, "performance", baseline_days=28)[READ_FILE]
    assert told.missing == "12 of 20 calls in 24 hours of a typical day"
    assert told.judgeable_at is None


def answers(tokens: Callable[[int], int]) -> Callable[[float, str, bool], list[Line]]:
    """For hours_of: one answer a conversation, and how many tokens the nth has."""
    number = iter(range(10**6))

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        del bad
        return [response(minutes, conv, output_tokens=tokens(next(number)), input_tokens=9)]

    return make


def test_how_many_times_more_tokens_a_model_must_need(world: World) -> None:
    world.write(*hours_of(answers(lambda n: 500 + n % 100), hours=60, per_hour=20))
    told = outlook(world, "token_waste")["assistant_response"]
    assert told.judgeable
    assert (told.unit, told.usual_unit, told.of) == (Unit.RATIO, Unit.COUNT, "answers in 4 hours")
    assert told.usual == pytest.approx(595, rel=0.03)
    assert told.smallest_change is not None
    assert 2 < told.smallest_change < 2.2


def test_a_service_is_missed_after_a_week(world: World) -> None:
    world.write(*hours_of(calls_of(service="billing"), hours=24 * 5))
    told = outlook(world, "telemetry_silence")["service/billing"]
    assert told.missing == "5 of 7 days of history"
    assert told.judgeable_at is not None
    assert 2 * 24 * HOUR <= told.judgeable_at - END <= 2 * 24 * HOUR + 2 * HOUR
    world.write(*hours_of(calls_of(service="billing"), hours=24 * 8), name="older.jsonl")
    told = outlook(world, "telemetry_silence", baseline_days=9)["service/billing"]
    assert (told.judgeable, told.missing, told.smallest_change) == (True, "", None)


def test_coding_agents_are_never_missed(world: World) -> None:
    world.write(*hours_of(calls_of(service="claude-code:mine"), hours=24))
    told = outlook(world, "telemetry_silence")["service/claude-code:mine"]
    assert (told.judgeable, told.judgeable_at) == (False, None)
    assert "its people" in told.missing


# --- shares --------------------------------------------------------------------------------------


def test_answers_need_no_history(world: World) -> None:
    world.write(*(response(m + 60, f"c{m // 3}") for m in range(300)))
    told = outlook(world, "continuation")["assistant_response"]
    assert told.judgeable
    assert told.unit is Unit.SHARE
    assert told.smallest_change is not None
    assert 0.15 < told.smallest_change < 0.25


def test_conversations_need_enough_in_a_window(world: World) -> None:
    def talk(minutes: float, conv: str, bad: bool) -> list[Line]:
        del bad
        return [call(minutes + 0.2, conv), call(minutes + 0.1, conv), response(minutes, conv)]

    world.write(*hours_of(talk, hours=30, per_hour=4, bad_of=0))
    told = outlook(world, "ux_issue")
    assert set(told) >= {"conversations/aborted", "conversations/error_heavy"}
    aborted = told["conversations/aborted"]
    assert aborted.missing == "4 of 10 finished conversations in 60 minutes of a typical day"
    world.write(*hours_of(talk, hours=30, per_hour=30, bad_of=0), name="more.jsonl")
    aborted = outlook(world, "ux_issue")["conversations/aborted"]
    assert aborted.judgeable
    assert aborted.smallest_change is not None
    assert 0.2 < aborted.smallest_change < 0.5


def test_long_waits_must_be_more_than_usual(world: World) -> None:
    """Where half of the conversations wait long, the smallest change lies beyond that half."""

    def slow(minutes: float, conv: str, bad: bool) -> list[Line]:
        asked = {"ts": before(minutes + (1 if bad else 0.05)), "act": "message", "actor": "user"}
        return [{**asked, "conv_id": conv}, response(minutes, conv)]

    world.write(*hours_of(slow, hours=40, per_hour=40, bad_of=2))
    told = outlook(world, "ux_issue")["conversations/long_wait"]
    assert told.usual == pytest.approx(0.5, abs=0.02)
    assert told.smallest_change is not None
    assert 0.5 < told.smallest_change <= 0.95


def test_where_no_conversation_has_ended_none_can_be_judged(world: World) -> None:
    world.write(response(5, "c"), call(6, "c"))
    (told,) = outlook(world, "ux_issue").values()
    assert told.subject == "conversations"
    assert told.missing == "0 of 10 finished conversations in 60 minutes"


# --- what all have in common ---------------------------------------------------------------------


def test_the_most_used_subjects_are_looked_at(world: World) -> None:
    world.write(*(call(m / 10, f"c{m}", f"t{m % 30:02}") for m in range(600)))
    world.write(*(call(m / 10, f"d{m}", "busy") for m in range(100)))
    told = outlook(world, "error_spike", most=5)
    assert len(told) == 5
    assert "tool_call/busy" in told


def test_nothing_to_judge(world: World) -> None:
    world.write(call(10))
    for analyzer in ("error_spike", "performance", "continuation", "ux_issue", "docs_gap"):
        assert not any(each.judgeable for each in outlook(world, analyzer).values())


class Other:
    """An analyzer of which nothing special is known."""

    name = "other"
    task_type = "other"
    summary = ""
    options = ()
    needs = (Need("failed", "nothing failed"),)

    def signals(self, settings: object, /) -> tuple[()]:
        return ()

    def analyze(self, context: Context) -> Analysis:
        return Analysis((), (Abstention("other", "this", "3 of 4 moons"),))


def test_any_other_analyzer_is_asked_what_it_abstains_from(world: World) -> None:
    world.write(call(10))
    analyzer: Analyzer = Other()
    with looking(world) as (context, _):
        everything, this = outlooks(analyzer, context, {"failed": True}, 9)
        assert everything == Outlook("other", "all", judgeable=True)
        assert this == Outlook("other", "this", missing="3 of 4 moons")
        (lacking,) = outlooks(analyzer, context, {"failed": False}, 9)
        assert lacking == Outlook("other", "all", missing="nothing failed")


@pytest.mark.parametrize(
    ("by_hour", "hours", "peak", "why"),
    [
        ({}, 4, 0, "nothing"),
        ({100: 0.0}, 4, 0, "an hour with nothing"),
        ({100: 5.0}, 4, 5, "one hour"),
        ({100: 5.0, 101: 2.0, 107: 3.0}, 2, 7, "two hours in a row"),
        ({76: 9.0, 100: 5.0, 124: 1.0}, 1, 5, "the median of three days"),
        (dict.fromkeys(range(24), 1.0), 24, 24, "a whole day"),
        (dict.fromkeys(range(240), 1.0), 24, 24, "ten of them"),
    ],
)
def test_the_peak_of_a_typical_day(
    by_hour: Mapping[int, float], hours: int, peak: float, why: str
) -> None:
    assert typical_peak(by_hour, hours) == peak, why


@pytest.mark.parametrize("answer", range(3, 12))
def test_the_smallest_that_is_seen(answer: int) -> None:
    is_seen: Callable[[int], bool] = lambda k: k >= answer  # noqa: E731 one of a table
    assert smallest(3, 10, is_seen) == (answer if answer <= 10 else None)
    assert smallest(5, 4, is_seen) is None


def test_never_is_later_than_any_time() -> None:
    assert later(END, END + HOUR) == END + HOUR
    assert later(END, None) is None


@pytest.mark.parametrize(
    ("lacks", "a_day", "needed", "days", "why"),
    [
        (0, 0, 10, 0, "nothing is missing"),
        (48, 24, 60, 2, "two days at this rate"),
        (100, 24, 200, None, "a whole baseline has 168"),
        (5, 0, 10, None, "there is none"),
    ],
)
def test_when_there_will_be_enough(
    world: World, lacks: float, a_day: float, needed: float, days: float | None, why: str
) -> None:
    world.write(call(10))
    with looking(world) as (context, _):
        look = Look(error_spike.ErrorSpikeAnalyzer(), context, 9)
        at = look.when(lacks, a_day, needed)
    if days is None:
        assert at is None, why
    else:
        assert at is not None
        assert timedelta(days=days) <= at - END <= timedelta(days=days) + HOUR, why
