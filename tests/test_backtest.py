"""A back-test shows what real runs would have shown, and what other settings would change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import END, Line, World, before, call, calls_of, hours_of, response

from tgt import backtest, config, cycle, judging
from tgt.analyzers.deferred import whole
from tgt.analyzers.registry import chosen
from tgt.analyzers.signals import LATENCY
from tgt.backtest import Incident, Moved, Replay
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.errors import SettingsError, TelemetryError
from tgt.events import Interval
from tgt.store.journal import Journal
from tgt.store.state_file import Sidecar
from tgt.tasks import ledger
from tgt.tasks.card import Card, Finding, measured
from tgt.tasks.ledger import Action

HOURS = 36
EVERY = timedelta(minutes=50)
SINCE = END - timedelta(hours=9, minutes=7)
"""Runs at no round minute: calls, conversations and hours lie across their borders."""


def _conversation(draw: random.Random, minutes: float, name: str) -> Iterator[Line]:
    """A user asks, a tool is called (told as a start and an end), a model answers."""
    failing = 6 < minutes / 60 < 8 and draw.random() < 0.8
    cut = 3 < minutes / 60 < 5 and draw.random() < 0.6
    slow = 20 if 1 < minutes / 60 < 2.5 else 1
    took = draw.lognormvariate(6, 0.5) * slow
    ids = {"conv_id": name, "trace_id": f"t-{name}"}
    yield {"ts": before(minutes), "actor": "user", "act": "message", **ids}
    # Half of the calls take minutes, so that many begin before a run and end after it.
    started = minutes - 0.05
    ended = started - (took / 60_000 if draw.random() < 0.5 else draw.uniform(1, 50))
    tool = {"name": "read_file", "call_id": f"k-{name}", **ids}
    yield {"ts": before(started), "act": "tool_execution_start", **tool}
    if ended > 0:
        word = "tool_execution_error" if failing else "tool_execution_finish"
        more = {"error": "EIO", "error_type": "io"} if failing else {}
        yield {"ts": before(ended), "act": word, "elapsed_ms": took, **more, **tool}
    for number in range(draw.choice([1, 1, 2])):
        at = ended - 0.3 - 20 * number
        if at > 0:
            finish = "length" if cut else "stop"
            yield response(at, finish=finish, model="m1", elapsed_ms=900 * slow, **ids)
    if draw.random() < 0.3:
        yield call(minutes, name, "quick_look", elapsed_ms=12)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A day and a half in which a tool fails, then answers are cut off, then all is slow."""
    world = World(tmp_path_factory.mktemp("faulty"))
    draw = random.Random("faulty")
    lines = [
        line
        for number in range(HOURS * 24)
        for line in _conversation(draw, (number + draw.random()) * 60 / 24, f"c{number}")
    ]
    world.write(*sorted(lines, key=lambda line: str(line["ts"])))
    return world


_LATER = {"id", "now", "related", "criteria", "changes", "versions"}


def _facts(card: Card) -> dict[str, Any]:
    """All of a card but its id, and what a back-test does not ask: the texts of samples, what runs
    measured of a problem that a card covers, and what is said beside the finding."""
    data = {key: value for key, value in card.data.items() if key not in _LATER}
    data["metadata"] = {k: v for k, v in data["metadata"].items() if k != "relatedTasks"}
    samples = data["evidence"]["samples"]
    without = [{k: v for k, v in sample.items() if k != "text"} for sample in samples]
    data["evidence"] = {**data["evidence"], "samples": without}
    return data


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"min_confidence": 0.0, "max_tasks": 2, "max_per_hour": 3},
        {"window_min": 95, "analyzers": ("error_spike", "ux_issue")},
    ],
    ids=["default", "everything_but_little_room", "another_window"],
)
def test_a_back_test_agrees_with_real_runs_at_every_step(
    faulty: World, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """The same cards with the same evidence at the same times, and the same counts."""
    settings = faulty.settings(tasks_dir=tmp_path, **changes)
    times = backtest.instants(SINCE, END, EVERY)
    (told,) = backtest.replay([settings], SINCE, END, EVERY)
    said: dict[str, tuple[Action, str]] = {}
    expected = []
    findings = 0
    for now in times:
        report = cycle.run(settings, now)
        findings += report.generated
        now_said = {}
        for decision in report.decisions:
            key = decision.finding.fingerprint
            now_said[key] = what = (decision.action, decision.reason)
            news = decision.action in {Action.SAVE, Action.RENEW, Action.REOPEN}
            if news or (decision.action is not Action.TOUCH and said.get(key) != what):
                expected.append((now, *what, *_what(decision.finding)))
        said = now_said
    real = Sidecar(tmp_path).read(stored := Journal(tmp_path).read().cards.values())[0]
    assert [(s.at, s.action, s.reason, *_what(s.finding)) for s in told.steps] == expected
    assert {s.action for s in told.steps} >= {Action.SAVE}
    assert (told.runs, told.findings) == (len(times), findings)
    shown = ledger.overlay({card.id: card for card in stored}, real.sightings)
    for card, other in zip(told.cards, shown.values(), strict=True):
        assert _facts(card) == _facts(other)


def _what(finding: Finding) -> tuple[object, ...]:
    sure = pytest.approx(finding.confidence, abs=1e-9)
    return finding.type, finding.subject, finding.severity, sure


def test_the_world_holds_every_kind_of_news(faulty: World, tmp_path: Path) -> None:
    """Otherwise the comparison with real runs would compare little."""
    settings = faulty.settings(tasks_dir=tmp_path)
    (told,) = backtest.replay([settings], SINCE, END, EVERY)
    kinds = {card.type for card in told.cards}
    assert {"error_spike", "continuation_issue", "performance_degradation"} <= kinds
    assert told.repeated > 10


def test_one_engine_answers_for_every_step_as_a_fresh_one_would(faulty: World) -> None:
    """Every finding, also those that no ledger would look at, with all evidence."""
    settings = faulty.settings(min_confidence=0.0)
    times = backtest.instants(SINCE, END, EVERY)
    first, last = (judging.window_of(settings, now) for now in (times[0], times[-1]))
    telemetry, signals = telemetry_of(settings), chosen(settings).signals
    with open_timeline(settings, telemetry, signals, first, last, every=EVERY) as shared:
        for number, now in enumerate(times):
            window = judging.window_of(settings, now)
            snapshot = shared.at(window)
            if number % 2:
                continue  # a fresh one is dear, and every step is held against real runs above
            with open_timeline(settings, telemetry, signals, window) as fresh:
                alone = fresh.at(window)
                assert snapshot.coverage == alone.coverage
                mine = judging.judge(settings, snapshot, {}, {})
                assert mine == judging.judge(settings, alone, {}, {})
                for each in (window, Interval(window.end - timedelta(hours=4), window.end)):
                    asked = (LATENCY, "tool_call/read_file", each, 1.0, 5)
                    spread = snapshot.spread(*asked)
                    assert spread.largest
                    assert spread == alone.spread(*asked)
                for finding in mine.findings:
                    assert measured(finding, now) == measured(whole(finding), now)
    assert not mine.warnings


def test_few_windows_are_answered_together_where_they_have_many_events(
    faulty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, and the answers are the same however many windows are taken together."""
    settings, since = faulty.settings(), END - timedelta(hours=5)
    (together,) = backtest.replay([settings], since, END, EVERY)
    for part in ("walk", "sequences"):
        monkeypatch.setattr(f"tgt.engine.duckdb.{part}.MOST_EVENTS", 200)
    (apart,) = backtest.replay([settings], since, END, EVERY)
    assert _replayed(apart) == _replayed(together)


def _replayed(told: Replay) -> list[object]:
    cards = [_facts(card) for card in told.cards]
    return [cards, *[(s.at, s.action, s.reason, *_what(s.finding)) for s in told.steps]]


def test_other_steps_than_the_expected_are_answered_the_same(faulty: World) -> None:
    """The windows that are asked for need not be those that were announced."""
    settings = faulty.settings(min_confidence=0.0)
    times = backtest.instants(SINCE, END, timedelta(minutes=230))
    first, last = (judging.window_of(settings, now) for now in (times[0], times[-1]))
    telemetry, signals = telemetry_of(settings), chosen(settings).signals
    with (
        open_timeline(settings, telemetry, signals, first, last, every=EVERY) as announced,
        open_timeline(settings, telemetry, signals, first, last) as alone,
    ):
        for now in (*times, times[0]):
            window = judging.window_of(settings, now)
            assert announced.is_idle(window) == alone.is_idle(window)
            mine, other = (
                judging.judge(settings, each.at(window), {}, {}) for each in (announced, alone)
            )
            assert mine == other


def test_a_finding_that_cannot_be_told_is_a_failure_of_its_analyzer(
    faulty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said of a finding is worked out late; that it fails must not stop the others."""

    def fails(*_: object) -> Finding:
        raise ZeroDivisionError("division by\nzero")

    monkeypatch.setattr("tgt.analyzers.error_spike._finding", fails)
    (told,) = backtest.replay([faulty.settings()], SINCE, END, EVERY)
    assert told.warnings == ("analyzer error_spike failed: ZeroDivisionError: division by",)
    kinds = {card.type for card in told.cards}
    assert "error_spike" not in kinds
    assert {"continuation_issue", "performance_degradation"} <= kinds


@pytest.mark.parametrize(
    ("start", "end"), [(0, 60), (10, 70), (10, 59), (59, 61), (61, 130), (100, 190), (130, 250)]
)
def test_idle_windows_are_told_by_the_minute(world: World, start: int, end: int) -> None:
    """As by a question for each window: the borders lie within minutes with events, too."""
    begin = END - timedelta(minutes=10)
    minutes = [10 - seconds / 60 for seconds in (10, 59.5, 60.5, 180, 200)]
    world.write(*(call(each, f"c{n}") for n, each in enumerate(minutes)))
    settings = world.settings()
    window = Interval(begin + timedelta(seconds=start), begin + timedelta(seconds=end))
    telemetry = telemetry_of(settings)
    with (
        open_timeline(settings, telemetry, (), window, window, every=EVERY) as announced,
        open_timeline(settings, telemetry, (), window, window) as alone,
    ):
        assert announced.is_idle(window) == alone.is_idle(window)


def _twice(world: World, gap_hours: int) -> None:
    """Two incidents of an hour and a half each, so many hours from one start to the next."""
    world.write(*hours_of(calls_of(), hours=24 * 5, per_hour=12))
    for start in (2 + gap_hours, 2):
        for number in range(40):
            minutes = start * 60 + number * 2
            world.write(call(minutes, f"bad{start}-{number}", status="error"))


def test_a_problem_that_was_quiet_for_a_day_comes_back(world: World) -> None:
    """Nobody triages in a back-test, and still the second incident must show."""
    _twice(world, 60)
    since, every = END - timedelta(hours=64), timedelta(hours=2)
    (told,) = backtest.replay([world.settings(analyzers=("error_spike",))], since, END, every)
    news = [(s.action, s.reason) for s in told.steps if s.action is not Action.RENEW]
    assert news == [(Action.SAVE, "new"), (Action.REOPEN, "came_back")]
    (card,) = told.cards
    assert card.mapping("metadata")["reopened"]["count"] == 1
    first, second = told.incidents
    assert second.start - first.last >= backtest.QUIET
    assert first.last - first.start < timedelta(hours=26)


def test_a_problem_that_is_soon_there_again_is_one(world: World) -> None:
    _twice(world, 12)
    since, every = END - timedelta(hours=18), timedelta(hours=1)
    (told,) = backtest.replay([world.settings(analyzers=("error_spike",))], since, END, every)
    assert [s.action for s in told.steps if s.action is not Action.RENEW] == [Action.SAVE]
    assert len(told.incidents) == 1


def test_a_problem_that_stays_away_is_completed(world: World) -> None:
    """As of when it was last seen."""
    _twice(world, 60)
    until = END - timedelta(hours=4)
    settings, every = world.settings(analyzers=("error_spike",)), timedelta(hours=2)
    (told,) = backtest.replay([settings], END - timedelta(hours=64), until, every)
    (card,) = told.cards
    assert card.status == "completed"
    assert card.time("completedAt") == card.time("lastSeenAt") == told.incidents[0].last


def test_what_is_held_back_again_and_again_is_told_once(faulty: World, tmp_path: Path) -> None:
    settings = faulty.settings(tasks_dir=tmp_path, min_confidence=0.0, max_tasks=1, max_per_hour=1)
    (told,) = backtest.replay([settings], END - timedelta(hours=5), END, EVERY)
    deferred = [s for s in told.steps if s.action is Action.DEFER]
    assert len(deferred) >= 1
    for step in deferred:
        earlier = [
            s
            for s in told.steps
            if s.finding.fingerprint == step.finding.fingerprint and s.at == step.at - EVERY
        ]
        assert not [s for s in earlier if (s.action, s.reason) == (step.action, step.reason)]


def test_settings_are_held_against_one_another(faulty: World, tmp_path: Path) -> None:
    """In one pass, and where the window differs in two; each as if it were replayed alone."""
    variants = [
        faulty.settings(tasks_dir=tmp_path, **changes)
        for changes in ({}, {"min_confidence": 0.9999}, {"window_min": 30}, {"baseline_days": 1})
    ]
    since = END - timedelta(hours=4)
    together = backtest.replay(variants, since, END, EVERY)
    for variant, told in zip(variants, together, strict=True):
        (alone,) = backtest.replay([variant], since, END, EVERY)
        assert told.incidents == alone.incidents
        assert told.settings == variant
    assert not backtest.compare(together[0], together[0])
    stricter = backtest.compare(together[0], together[1])
    assert stricter
    assert all(m.before for m in stricter)


AT = END - timedelta(days=10)


def _incident(start: float, end: float, subject: str = "a") -> Incident:
    moments = (AT + timedelta(hours=start), AT + timedelta(hours=end))
    return Incident("error_spike", subject, *moments, "high", 0.9)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([(0, 1)], [(0, 9)], []),
        ([(0, 1)], [], [((0, 1), None)]),
        ([], [(0, 1)], [(None, (0, 1))]),
        ([(0, 1)], [(0.5, 1)], [((0, 1), (0.5, 1))]),
        # Less than a day apart is the same incident, a day apart is another.
        ([(0, 1)], [(24, 26)], [((0, 1), (24, 26))]),
        ([(0, 1)], [(25, 26)], [((0, 1), None), (None, (25, 26))]),
        # What one side shows as one and the other as two is neither gained nor lost.
        ([(0, 90)], [(0, 20), (60, 90)], []),
        ([(0, 20), (60, 90)], [(0, 90)], []),
    ],
)
def test_incidents_are_gained_lost_or_moved(
    before: list[tuple[float, float]],
    after: list[tuple[float, float]],
    expected: list[tuple[tuple[float, float] | None, tuple[float, float] | None]],
) -> None:
    sides = [
        Replay(World(Path()).settings(), AT, END, incidents=tuple(_incident(*i) for i in side))
        for side in (before, after)
    ]
    wanted = [Moved(*(None if i is None else _incident(*i) for i in pair)) for pair in expected]
    assert list(backtest.compare(*sides)) == wanted


def test_problems_of_different_subjects_are_different() -> None:
    none = World(Path()).settings()
    one = Replay(none, AT, END, incidents=(_incident(0, 1, "a"),))
    other = Replay(none, AT, END, incidents=(_incident(0, 1, "b"),))
    moved = backtest.compare(one, other)
    assert [(bool(m.before), bool(m.after)) for m in moved] == [(True, False), (False, True)]


def test_an_empty_history_is_idle(world: World) -> None:
    world.logs.mkdir()
    (told,) = backtest.replay([world.settings()], END - timedelta(hours=5), END, EVERY)
    assert (told.runs, told.idle_runs, told.steps, told.cards) == (6, 6, (), ())
    assert told.cards_a_week == 0


def test_no_time_has_no_runs(world: World) -> None:
    """Shorter than one step; the telemetry is not even looked for."""
    (told,) = backtest.replay([world.settings()], END - timedelta(minutes=5), END, EVERY)
    assert told.runs == 0


def test_an_absent_directory_is_named(world: World) -> None:
    with pytest.raises(TelemetryError, match="context_log"):
        backtest.replay([world.settings()], END - timedelta(hours=5), END, EVERY)


def test_too_many_runs_are_refused() -> None:
    with pytest.raises(SettingsError, match="100,000 runs"):
        backtest.instants(END - timedelta(days=100), END, timedelta(minutes=1))


def test_nothing_is_written(faulty: World) -> None:
    earlier = faulty.tree()
    backtest.replay([faulty.settings()], END - timedelta(hours=2), END, EVERY)
    assert faulty.tree() == earlier


FIXED = {
    "FGK_CONTEXTLOG_DIR": "where telemetry lies",
    "FGK_TASKS_DIR": "where cards are kept",
    "TASKGEN_ENABLED": "a back-test is asked for",
    "TASKGEN_INTERVAL_MIN": "--every says it",
    "TASKGEN_CLICKHOUSE_PASSWORD": "where telemetry lies",
    "TASKGEN_SOURCE": "where telemetry lies",
    "TASKGEN_SOURCES": "where telemetry lies",
    "TASKGEN_MAPPING": "what telemetry means",
    "TASKGEN_MEMORY_MB": "how much it takes, not what comes of it",
    "TASKGEN_REDACT": "what a card may show, not whether there is one",
    "TASKGEN_SERVICES": "what a service is called, not whether there is a card",
    "TASKGEN_REDACT_PATTERNS": "what a card may show, not whether there is one",
    "TASKGEN_NOTIFY": "whom to tell, not of what",
    "TASKGEN_NOTIFY_MIN_SEVERITY": "whom to tell, not of what",
    "TASKGEN_NOTIFY_QUIET_HOURS": "whom to tell, not of what",
    "TASKGEN_RULES": "tgt rules test tries rules on the past",
    "TASKGEN_REPUTATION": "nobody has decided anything there",
    "TASKGEN_AUTO_APPROVE": "nobody has decided anything there",
}


def test_every_setting_can_be_varied_or_there_is_a_reason() -> None:
    """A new setting of the judgement must not be forgotten here."""
    assert set(config.varying()) <= set(config.variables())
    assert set(config.variables()) - set(config.varying()) <= set(FIXED)


@pytest.mark.parametrize("name", ["FGK_TASKS_DIR", "TASKGEN_ENABLED", "TASKGEN_MINCONFIDENCE"])
def test_a_setting_that_cannot_vary_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="accepted are TASKGEN_WINDOW_MIN") as refused:
        backtest.varied({name: "1"})
    assert name in str(refused.value)
