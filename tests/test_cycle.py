"""The cycle: its outcomes, the life of a problem over many runs, and the faults of other systems
that must not happen here."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from conftest import END, Line, World, before, call, calls_of, hours_of, response

from tgt import completing, judging, mutes, plugins, triage
from tgt.analyzers.base import Analysis, Context
from tgt.config import ANALYZERS, Settings
from tgt.engine.duckdb.examples import Finder
from tgt.engine.protocol import Examples, Signal
from tgt.errors import TelemetryError
from tgt.events import Interval
from tgt.outcome import RunReport, SkipReason
from tgt.store.journal import Journal
from tgt.tasks import ledger
from tgt.tasks.card import Card, format_time, new_card, new_id
from tgt.tasks.ledger import Action
from tgt.tasks.mute import Mute
from tgt.tasks.state import Pause

QUARTER = timedelta(minutes=15)


class SingleCalls(World):
    """Its conversations are single calls, about which ux_issue would have a word of its own."""

    def settings(self, **changes: Any) -> Settings:
        return super().settings(**{"analyzers": ANALYZERS[:4], **changes})


@pytest.fixture
def documented(tmp_path: Path) -> World:
    """A world in which every tool is documented, so that docs_gap has nothing to say."""
    docs = tmp_path / "docs"
    docs.mkdir(exist_ok=True)
    (docs / "tools.md").write_text(" ".join(("read_file", *TOOLS)))
    return SingleCalls(tmp_path)


TOOLS = tuple(f"tool{n}" for n in range(12))


def _failing(n: int, failing: int, name: str = "read_file", start: float = 55) -> list[Line]:
    return [
        call(start * (i + 0.5) / n, f"now{i}", name, status="error" if i < failing else "ok")
        for i in range(n)
    ]


def _spike(world: World, *names: str) -> World:
    """Two days of history, and an hour in which these tools fail in half of the conversations."""
    for name in names or ("read_file",):
        world.write(*hours_of(calls_of(name)), *_failing(40, 20, name))
    return world


def _subjects(report: RunReport) -> list[str]:
    return sorted(card.subject for card in report.tasks)


# --- outcomes ------------------------------------------------------------------------------------


def test_where_the_quota_is_small_what_people_dismiss_goes_without(documented: World) -> None:
    documented.write(*hours_of(calls_of("read_file")), *hours_of(calls_of("tool0")))
    documented.write(*_failing(400, 70, "tool0"), *_failing(80, 15))
    dismissed = [
        Card(
            {
                "id": f"D{n}",
                "type": "error_spike",
                "subject": f"tool_call/tool{n}",
                "status": "dismissed",
                "dismissedAt": format_time(END - QUARTER),
                "metadata": {"analyzer": "error_spike"},
            }
        )
        for n in range(1, 9)
    ]
    with Journal(documented.tasks).writing() as writer:
        writer.append(dismissed)
    as_measured = documented.run(dry_run=True, max_per_hour=1, reputation="0")
    assert _subjects(as_measured) == ["tool_call/tool0"]
    report = documented.run(max_per_hour=1)
    assert _subjects(report) == ["tool_call/read_file"]
    held_back = [d.finding for d in report.decisions if d.action is Action.DEFER]
    assert [(f.subject, f.priority) for f in held_back] == [
        ("tool_call/tool0", as_measured.tasks[0].priority)
    ]
    (saved,) = documented.run(END + timedelta(minutes=1), max_per_hour=2).tasks
    journaled = documented.cards[saved.id]
    assert saved.current.priority < journaled.current.priority, "the journal has what was measured"


def test_what_people_always_approved_is_approved_as_often_as_was_said(documented: World) -> None:
    _spike(documented, "read_file", "tool1", "tool2", "tool3")
    findings = [decision.finding for decision in documented.run(dry_run=True).decisions]
    assert len(findings) == 4
    known = [
        new_card(replace(finding, subject=f"tool_call/old{n}{m}"), END - timedelta(days=9)).changed(
            status="approved", approvedAt=format_time(END - timedelta(days=8))
        )
        for m, finding in enumerate(findings)
        for n in range(10)
    ]
    with Journal(documented.tasks).writing() as writer:
        writer.append(known)
    mutes.mute(documented.tasks, [Mute(END, "tool_call/read_file")], END)
    assert documented.run(dry_run=True).approved == 0, "nobody asked for it"
    before_it = documented.tree()
    dry = documented.run(dry_run=True, auto_approve=1)
    assert (dry.message, documented.tree()) == (
        "Dry run: 3 tasks to save, 1 of them to be approved by tgt, one incident, 1 muted",
        before_it,
    )
    first = documented.run(auto_approve=1, max_per_hour=1)
    assert (first.saved, first.approved) == (1, 1)
    documented.sidecar.path.unlink()
    second = documented.run(END + timedelta(minutes=1), auto_approve=1)
    assert (second.saved, second.approved) == (2, 0), "the journal remembers"
    by_tgt = [card for card in documented.cards.values() if card.data.get("approvedBy") == "tgt"]
    assert [card.id for card in by_tgt] == [first.tasks[0].id]
    assert by_tgt[0].text("approvalNote").startswith("by tgt: people approved all ")


def test_a_cycle_saves_what_it_found(documented: World) -> None:
    report = _spike(documented).run()
    assert (report.skipped, report.saved, report.degraded) == (None, 1, False)
    assert report.message == "Analysis complete: 1 task saved"
    card = documented.card()
    assert (card.type, card.subject, card.status) == (
        "error_spike",
        "tool_call/read_file",
        "generated",
    )
    assert card.text("generatedAt") == card.text("savedAt") == "2025-11-03T16:00:00.000Z"
    assert card.id[:10] == new_id(END)[:10]
    assert report.events_analyzed == 40


def test_a_dry_run_reports_the_same_and_writes_nothing(documented: World) -> None:
    _spike(documented)
    before_it = documented.tree()
    dry = documented.run(dry_run=True)
    assert documented.tree() == before_it
    real = documented.run()
    same = ("generated", "filtered", "saved", "covered", "deferred", "events_analyzed", "abstained")
    assert [getattr(dry, key) for key in same] == [getattr(real, key) for key in same]
    assert dry.dry_run
    after_it = documented.tree()
    again = documented.run(dry_run=True)
    assert (again.saved, again.covered) == (0, 1)
    assert documented.tree() == after_it


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "an empty directory"),
        ([call(61), call(500)], "nothing in the window"),
        ([call(-1)], "only the future"),
        (["garbage"], "nothing that can be read"),
    ],
)
def test_no_events(world: World, lines: list[Any], why: str) -> None:
    world.logs.mkdir()
    if lines:
        world.write(*lines)
    report = world.run()
    assert report.skipped is SkipReason.NO_EVENTS
    assert report.malformed_lines == lines.count("garbage")
    assert "60 minutes" in report.message
    state, _ = world.sidecar.read(())
    assert state.total_runs == 1


def test_the_kill_switch(world: World) -> None:
    tree = world.tree()
    report = world.run(enabled=False)
    assert report.skipped is SkipReason.DISABLED
    assert world.tree() == tree, "it does not even look for the telemetry"


@pytest.mark.parametrize(
    ("minutes", "is_paused"), [(None, True), (1, True), (0, False), (-60, False)]
)
def test_a_pause(documented: World, minutes: float | None, is_paused: bool) -> None:
    _spike(documented)
    until = None if minutes is None else END + timedelta(minutes=minutes)
    pause = Pause(until, "release", END - timedelta(hours=2))
    documented.sidecar.update(lambda state: replace(state, pause=pause))
    report = documented.run()
    assert (report.skipped is SkipReason.PAUSED) == is_paused
    assert len(documented.cards) == 1 - is_paused


def test_an_absent_directory_is_a_failure_that_is_counted(world: World) -> None:
    for _ in range(2):
        with pytest.raises(TelemetryError, match="FGK_CONTEXTLOG_DIR"):
            world.run()
    state, _ = world.sidecar.read(())
    assert (state.total_runs, state.errors) == (2, 2)
    tree = world.tree()
    with pytest.raises(TelemetryError):
        world.run(dry_run=True)
    assert world.tree() == tree


def test_a_file_that_cannot_be_read_degrades_the_run_and_the_rest_is_analyzed(
    documented: World,
) -> None:
    _spike(documented)
    path = documented.write(b"not compressed", name="broken.jsonl.gz")
    report = documented.run()
    assert report.degraded
    assert str(path) in report.warnings[0]
    assert _subjects(report) == ["tool_call/read_file"]


def test_malformed_lines_are_counted_and_are_no_failure(documented: World) -> None:
    _spike(documented)
    documented.write("garbage", "[1]", '{"act": "no time"}', b'{"ts": "torn')
    report = documented.run()
    assert (report.malformed_lines, report.degraded, report.saved) == (4, False, 1)


def test_only_the_chosen_analyzers_run(documented: World) -> None:
    report = _spike(documented).run(analyzers=("performance", "docs_gap"))
    assert report.generated == 0
    assert {a.analyzer for a in report.abstained} <= {"performance", "docs_gap"}


@pytest.mark.parametrize(("minimum", "saved"), [(0.0, 2), (0.75, 1), (1.0, 0)])
def test_what_is_not_certain_enough_is_counted_and_not_saved(
    world: World, minimum: float, saved: int
) -> None:
    """docs_gap is 0.7 sure of three conversations, and surer of many."""
    for name, conversations in (("few", 3), ("many", 40)):
        world.write(*(call(m, f"c{m % conversations}", name) for m in range(1, 55)))
    report = world.run(min_confidence=minimum, analyzers=("docs_gap",))
    assert (report.generated, report.filtered, report.saved) == (2, saved, saved)


# --- analyzers that fail -------------------------------------------------------------------------


class _Failing:
    name = "performance"
    task_type = "performance_degradation"
    summary = "always"
    options = ()
    needs = ()

    def __init__(self) -> None:
        self.asked = 0

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:
        return ()

    def analyze(self, context: Context) -> Analysis:
        self.asked += 1
        raise ZeroDivisionError("division by\nzero")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> _Failing:
    """An analyzer that always fails, in the place of performance."""
    analyzer = _Failing()
    real = plugins.analyzer
    monkeypatch.setattr(
        plugins, "analyzer", lambda name: analyzer if name == analyzer.name else real(name)
    )
    return analyzer


def test_one_failing_analyzer_does_not_stop_the_others(
    documented: World, failing: _Failing
) -> None:
    report = _spike(documented).run()
    assert report.degraded
    assert report.warnings == ("analyzer performance failed: ZeroDivisionError: division by",)
    assert _subjects(report) == ["tool_call/read_file"]


def test_an_analyzer_that_keeps_failing_is_asked_less_and_less_often(
    world: World, failing: _Failing
) -> None:
    lines = (call(-15 * quarter - 1, "c") for quarter in range(-2, 34))
    world.write(*lines)
    asked = []
    for quarter in (0, 1, 2, 3, 4, 6, 7, 8, 14, 15, 16, 30, 31):
        before_it = failing.asked
        report = world.run(END + quarter * QUARTER, analyzers=(failing.name,))
        if failing.asked > before_it:
            asked.append(quarter)
            assert report.degraded
        else:
            assert not report.degraded
            reasons = [a.reason for a in report.abstained if a.analyzer == failing.name]
            assert "not tried again before" in reasons[0]
    assert asked == [0, 1, 3, 7, 15, 31], "15 minutes, and twice as long after every failure"
    state, _ = world.sidecar.read(())
    assert state.analyzers["performance"].consecutive_failures == 6
    assert state.errors == 6


def test_an_analyzer_that_works_again_is_forgiven(
    world: World, failing: _Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(*(call(m, "c") for m in range(-40, 50, 5)))
    world.run()
    monkeypatch.undo()
    assert not world.run(END + QUARTER).degraded
    state, _ = world.sidecar.read(())
    assert state.analyzers == {}


# --- quota ---------------------------------------------------------------------------------------


def test_the_quota_holds_back_what_is_beyond_it_and_gives_it_its_turn_later(
    documented: World,
) -> None:
    _spike(documented, *TOOLS[:5])
    first = documented.run(max_per_hour=3)
    assert (first.saved, first.deferred, first.rate_limited) == (3, 2, True)
    assert "2 held back by the hourly quota" in first.message
    second = documented.run(END + timedelta(minutes=1), max_per_hour=3)
    assert (second.saved, second.covered, second.deferred) == (0, 3, 2)
    third = documented.run(END + timedelta(minutes=2), max_per_hour=4)
    assert (third.saved, third.covered, third.deferred) == (1, 3, 1)


def test_the_quota_is_a_rolling_hour(documented: World) -> None:
    _spike(documented, *TOOLS[:2])
    assert documented.run(END - timedelta(minutes=5), max_per_hour=1).saved == 1
    assert documented.run(END, max_per_hour=1).rate_limited
    late = END + timedelta(minutes=55)
    for name in TOOLS[:2]:
        lines = _failing(40, 20, name, start=35)
        shift = (late - END).total_seconds() / 60
        documented.write(*(shifted(line, -shift) for line in lines))
    report = documented.run(late, max_per_hour=1)
    assert (report.saved, report.covered) == (1, 1)


def shifted(line: Line, minutes: float) -> Line:
    at = datetime.fromisoformat(line["ts"]) - timedelta(minutes=minutes)
    return {**line, "ts": at.isoformat(), "conv_id": f"{line['conv_id']}/{minutes}"}


def test_saves_that_a_crash_kept_from_being_counted_survive_runs_that_find_nothing(
    documented: World,
) -> None:
    """Such runs do not look through the journal, and what they do not see they must not forget."""
    _spike(documented)
    before = END - timedelta(minutes=5)
    assert documented.run(before, max_per_hour=1).saved == 1
    (documented.tasks / "scheduler_state.json").write_text('{"version": 1}', encoding="utf-8")
    nothing = documented.run(END - timedelta(minutes=4), analyzers=("continuation",))
    assert (nothing.skipped, nothing.generated) == (None, 0)
    documented.card()
    documented.write(*hours_of(calls_of("grep")), *_failing(40, 20, "grep"))
    report = documented.run(END, max_per_hour=1)
    assert (report.saved, report.rate_limited) == (0, True)


def test_the_task_limit_is_no_rate_limit(documented: World) -> None:
    report = _spike(documented, *TOOLS[:3]).run(max_tasks=2)
    assert (report.saved, report.deferred, report.rate_limited) == (2, 1, False)


# --- the same again ------------------------------------------------------------------------------


def _comparable(cards: Collection[Card]) -> list[str]:
    """The cards as texts in which ids, whose ends are random, are told by what they are of."""
    known = {card.id: card.fingerprint for card in cards}
    texts = [json.dumps(card.data, sort_keys=True) for card in cards]
    for card_id, fingerprint in known.items():
        texts = [text.replace(card_id, card_id[:10] + fingerprint) for text in texts]
    return sorted(texts)


def test_the_same_telemetry_and_time_give_the_same_cards(documented: World) -> None:
    _spike(documented, *TOOLS[:3])
    documented.write(*(response(m / 2, f"now{m}", ("length", "stop")[m % 2]) for m in range(100)))
    told = []
    for number in range(3):
        tasks = documented.path / f"tasks{number}"
        documented.run(tasks_dir=tasks)
        told.append(_comparable(Journal(tasks).read().cards.values()))
    assert len(told[0]) >= 4
    assert told[0] == told[1] == told[2]


def test_later_events_are_invisible(documented: World) -> None:
    _spike(documented)
    documented.run(tasks_dir=documented.path / "before")
    documented.write(*(call(-m / 10, f"later{m}", status="error") for m in range(1, 600)))
    documented.write(*(response(-m / 10, f"later{m}", "length") for m in range(1, 600)))
    documented.run(tasks_dir=documented.path / "after")
    first, second = (
        _comparable(Journal(documented.path / name).read().cards.values())
        for name in ("before", "after")
    )
    assert first == second != []


# --- the life of a problem -----------------------------------------------------------------------


def _incident(world: World, hours: float, *, share: int = 2) -> Iterator[datetime]:
    """A spike that begins at END and lasts; the times of the runs, with their telemetry there."""
    world.write(*hours_of(calls_of(), after=0))
    for quarter in range(1, int(hours * 4) + 1):
        for n in range(10):
            minutes = -15 * (quarter - 1) - 1.4 * (n + 0.5)
            status = "error" if n % share == 0 else "ok"
            world.write(call(minutes, f"i{quarter}-{n}", status=status))
        yield END + quarter * QUARTER


def test_an_incident_of_six_hours_is_one_card(documented: World) -> None:
    reports = [documented.run(now) for now in _incident(documented, 6)]
    assert len(reports) == 24
    assert sum(report.saved for report in reports) == 1
    seen = [report.saved + report.covered for report in reports]
    first = seen.index(1)
    assert first <= 3, "it is found within the first hour"
    assert seen[first:] == [1] * (24 - first)
    (card,) = ledger.overlay(documented.cards, documented.sidecar.read(())[0].sightings).values()
    assert card.number("occurrences") == 24 - first
    assert card.text("lastSeenAt") == "2025-11-03T22:00:00.000Z"


class Spikes(World):
    """Only errors are looked at: many runs are about what becomes of a card."""

    def settings(self, **changes: Any) -> Settings:
        return super().settings(**{"analyzers": ("error_spike",), **changes})


@pytest.fixture
def spikes(world: World) -> World:
    return Spikes(world.path)


def test_a_dismissed_problem_stays_quiet(spikes: World) -> None:
    runs = _incident(spikes, 4)
    list(map(spikes.run, islice(runs, 6)))
    triage.dismiss(Journal(spikes.tasks), [spikes.card().id], END + 6 * QUARTER, reason="known")
    size = Journal(spikes.tasks).path.stat().st_size
    for now in runs:
        report = spikes.run(now)
        assert (report.saved, report.reopened) == (0, 0)
        assert {d.action for d in report.decisions} <= {Action.SUPPRESS}
    assert spikes.card().status == "dismissed"
    assert Journal(spikes.tasks).path.stat().st_size == size


def test_a_problem_dismissed_for_a_while_comes_back_when_that_is_over(spikes: World) -> None:
    runs = _incident(spikes, 4)
    list(map(spikes.run, islice(runs, 6)))
    until = END + 10 * QUARTER
    triage.dismiss(Journal(spikes.tasks), [spikes.card().id], END + 6 * QUARTER, until=until)
    for now in runs:
        report = spikes.run(now)
        assert report.reopened == (now == until), now
    card = spikes.card()
    assert card.status == "generated"
    assert card.mapping("metadata")["reopened"]["reason"] == "snooze_over"


def test_a_completed_problem_that_comes_back_is_the_same_task_reopened_once(
    spikes: World,
) -> None:
    runs = _incident(spikes, 4)
    list(map(spikes.run, islice(runs, 6)))
    completed = END + 6 * QUARTER
    journal = Journal(spikes.tasks)
    triage.complete(journal, [spikes.card().id], completed)
    with journal.writing() as writer:
        writer.append([spikes.card().changed(assignee="ada")])
    keys = set(spikes.card().data)
    reopened = [now for now in runs if spikes.run(now).reopened]
    assert len(reopened) == 1
    assert reopened[0] > completed + QUARTER, "not from what lies before the completion"
    card = spikes.card()
    assert (card.status, card.mapping("metadata")["reopened"]["count"]) == ("generated", 1)
    assert keys <= set(card.data), "what decisions do not look at is there as well"


def test_of_what_a_card_covers_no_examples_are_asked(
    spikes: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    examples = Finder.examples

    def counted(finder: Finder, signal: Signal, subject: str, *rest: Any) -> Examples:
        asked.append(subject)
        return examples(finder, signal, subject, *rest)

    monkeypatch.setattr(Finder, "examples", counted)
    runs = _incident(spikes, 4)
    assert sum(spikes.run(now).saved for now in islice(runs, 6)) == 1
    assert asked, "as the card says more than what is measured"
    asked.clear()
    later = next(runs)
    assert spikes.run(later).covered == 1
    assert not asked
    seen = spikes.sidecar.read(())[0].sightings[spikes.card().id].now
    assert seen is not None, "what is measured of the problem needs no examples"
    assert seen["value"] > 3
    assert [len(seen["history"]), seen["history"][-1]] == [24, seen["value"]]


def test_a_card_that_is_closed_while_its_problem_is_looked_at_is_left_to_the_next_run(
    spikes: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is to say of a problem is asked while telemetry is open, and not of a covered
    one."""
    runs = _incident(spikes, 4)
    list(map(spikes.run, islice(runs, 6)))
    card, now = spikes.card(), next(runs)
    journal, complete = Journal(spikes.tasks), completing.completed

    def while_it_is_looked_at(*arguments: Any) -> judging.Judged:
        judged = complete(*arguments)
        triage.complete(journal, [card.id], END)
        return judged

    with monkeypatch.context() as patched:
        patched.setattr("tgt.cycle.completed", while_it_is_looked_at)
        report = spikes.run(now)
    assert (report.saved, report.covered, report.reopened) == (0, 0, 0)
    assert not report.warnings
    assert spikes.card().status == "completed"
    assert spikes.run(next(runs)).reopened == 1


def test_a_rise_in_severity_renews_the_card(documented: World) -> None:
    documented.write(*hours_of(calls_of()), *_failing(40, 7))
    documented.run(min_confidence=0.0)
    assert documented.card().severity == "medium"
    documented.write(*(call(m, f"more{m}", status="error") for m in range(1, 40)))
    report = documented.run(END + timedelta(minutes=1), min_confidence=0.0)
    assert [d.action for d in report.decisions] == [Action.RENEW]
    card = documented.card()
    assert card.severity == "critical"
    assert card.number("occurrences") == 2
    assert card.text("generatedAt") == "2025-11-03T16:00:00.000Z"


def test_ten_problems_that_persist_all_day_add_less_than_100_kb_to_the_journal(
    world: World,
) -> None:
    """Ten undocumented tools at every run of a day, with the run's real cards."""
    for name in TOOLS[:10]:
        preview = {"args_preview": "x" * 300, "result_preview": "y" * 300}
        world.write(
            *(
                call(-m, f"c{m % 40}", name, id=f"{name}-{m}", **preview)
                for m in range(-55, 1440, 2)
            )
        )
    sizes = []
    for quarter in range(0, 96, 12):
        world.run(END + quarter * QUARTER, analyzers=("docs_gap",), baseline_days=1)
        sizes.append(Journal(world.tasks).path.stat().st_size)
    assert len(world.cards) == 10
    assert sizes[0] == sizes[-1], "what is simply still there writes nothing until a day is over"
    world.run(END + 96 * QUARTER - timedelta(minutes=1), analyzers=("docs_gap",), baseline_days=1)
    world.run(END + 96 * QUARTER, analyzers=("docs_gap",), baseline_days=1)
    grown = Journal(world.tasks).path.stat().st_size - sizes[0]
    assert 0 < grown < 100_000


# --- the faults of other systems -----------------------------------------------------------------


def test_fault_1_a_steady_rate_of_errors_is_no_spike_when_history_is_short(
    documented: World,
) -> None:
    """30 hours of a steady ten failing calls an hour; divided by a week it would be six times."""
    documented.write(*hours_of(calls_of(), hours=31, per_hour=40, bad_of=4, after=0))
    report = documented.run()
    assert [f for f in report.decisions if f.finding.type == "error_spike"] == []
    assert report.saved == 0


def test_fault_2_a_heavy_tail_is_no_slowdown(documented: World) -> None:
    """The p95 of a healthy heavy-tailed service is many times its mean."""
    chance = random.Random(7)

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [call(minutes, conv, elapsed_ms=20 * chance.paretovariate(0.9))]

    documented.write(*hours_of(make, per_hour=60, after=0))
    for quarter in (3, 2, 1, 0):
        report = documented.run(END - quarter * QUARTER)
        assert report.saved == 0


@pytest.mark.parametrize("ts", ["garbage", None, "2099-01-01T00:00:00Z", before(-5), -1])
def test_fault_3_events_with_an_unreadable_or_future_time_count_nowhere(
    documented: World, ts: Any
) -> None:
    documented.write(*hours_of(calls_of(), bad_of=0, after=0))
    documented.write(*(call(0, f"x{n}", ts=ts, status="error") for n in range(200)))
    report = documented.run()
    assert (report.events_analyzed, report.generated, report.saved) == (10, 0, 0)


def test_fault_4_one_incident_is_one_card_whatever_its_numbers(spikes: World) -> None:
    """Its share of failures changes at every run, and it is dismissed in the middle."""
    spikes.write(*hours_of(calls_of(), per_hour=20, after=0))
    for quarter in range(1, 10):
        failing = (10, 14, 12)[quarter % 3]
        for n in range(20):
            status = "error" if n < failing else "ok"
            spikes.write(call(-15 * quarter + 0.7 * n, f"i{quarter}-{n}", status=status))
        spikes.run(END + quarter * QUARTER)
        if quarter == 5:
            triage.dismiss(Journal(spikes.tasks), [spikes.card().id], END + 5 * QUARTER)
        if quarter > 5:
            assert spikes.card().status == "dismissed"
    assert len(spikes.cards) == 1


def test_fault_5_duplicates_use_no_quota(documented: World) -> None:
    _spike(documented, *TOOLS[:3])
    assert documented.run(max_per_hour=4).saved == 3
    documented.write(*hours_of(calls_of("read_file")), *_failing(40, 20))
    report = documented.run(END + timedelta(minutes=1), max_per_hour=4)
    assert (report.covered, report.saved, report.rate_limited) == (3, 1, False)
    assert _subjects(report) == ["tool_call/read_file"]


def test_fault_6_conversations_that_still_go_on_are_not_aborted(documented: World) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        steps = [call(minutes + step, conv) for step in (0.3, 0.2, 0.1)]
        return steps if bad else [*steps, response(minutes, conv)]

    documented.write(*hours_of(make, per_hour=40, bad_of=20, after=0))
    running = (call(m / 10, f"open{m % 30}") for m in range(100))
    documented.write(*running)
    report = documented.run(analyzers=("ux_issue",))
    assert report.generated == 0
    assert "conversations" not in {a.subject for a in report.abstained}


def test_fault_7_one_truncated_answer_of_one_is_no_finding(documented: World) -> None:
    documented.write(response(5, "c", "length"))
    report = documented.run(min_confidence=0.0)
    assert report.generated == 0
    assert "1 of 20 responses with a known end" in {a.reason for a in report.abstained}


def test_fault_8_every_finding_of_an_analyzer_is_reported(documented: World) -> None:
    report = _spike(documented, *TOOLS[:4]).run()
    assert _subjects(report) == [f"tool_call/{name}" for name in TOOLS[:4]]


def test_fault_9_no_card_holds_a_nan(world: World) -> None:
    """Every analyzer fires, with values in the telemetry that are no numbers."""
    odd: list[Any] = ["NaN", float("nan"), float("inf"), -1, 0, 1e308, None, "x"]

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        ms = odd[int(minutes * 7) % 8] if bad else 50
        return [call(minutes, conv, elapsed_ms=ms), response(minutes - 0.01, conv, elapsed_ms=ms)]

    world.write(*hours_of(make))
    for n in range(80):
        minutes = 16 + n / 2
        world.write(
            call(minutes, f"n{n}", status="error", elapsed_ms=odd[n % 8], cost_usd=odd[n % 8]),
            call(minutes, f"n{n}", elapsed_ms=900, input_tokens=odd[n % 8]),
            response(minutes - 0.3, f"n{n}", "length", elapsed_ms=900, iter=odd[n % 8]),
        )
    report = world.run(min_confidence=0.0)
    assert {card.type for card in report.tasks} == {
        *("continuation_issue", "error_spike", "documentation_gap"),
        *("performance_degradation", "ux_issue"),
    }
    text = Journal(world.tasks).path.read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    for line in text.splitlines():
        json.loads(line, parse_constant=pytest.fail)
    for card in report.tasks:
        assert 0 <= card.confidence <= 1
        assert 0 <= card.priority <= 100


def test_fault_10_an_incident_does_not_hide_the_next_one(documented: World) -> None:
    """Twelve hours of failures that have a card must not be what is usual from then on."""
    documented.write(*hours_of(calls_of(), hours=72))
    start, end = END - timedelta(hours=38), END - timedelta(hours=26)
    minutes = range(60 * 26 + 1, 60 * 38, 2)
    documented.write(*(call(m, f"yesterday{m}", status="error") for m in minutes))
    documented.write(*_failing(40, 16))
    poisoned = documented.run(dry_run=True)
    card = new_card(_finding_of(documented), start + timedelta(hours=1)).changed(
        status="completed", completedAt=_stamp(end), lastSeenAt=_stamp(end)
    )
    with Journal(documented.tasks).writing() as writer:
        writer.append([card])
    report = documented.run()
    assert poisoned.saved == 0, "with the incident in the baseline nothing would be found"
    assert report.reopened == 1


def _stamp(moment: datetime) -> str:
    return format_time(moment)


def _finding_of(world: World) -> Any:
    """A finding about read_file, from a world of its own."""
    other = SingleCalls(world.path / "other")
    other.path.mkdir()
    (decision,) = _spike(other).run(analyzers=("error_spike",)).decisions
    return decision.finding


def test_the_times_of_incidents_reach_a_window_back_and_end_with_the_last_sighting() -> None:
    card = Card(
        {
            "id": "A",
            "fingerprint": "f",
            "status": "approved",
            "firstSeenAt": _stamp(END),
            "lastSeenAt": _stamp(END + timedelta(hours=3)),
        }
    )
    hour = timedelta(hours=1)

    def incidents(card: Card, since: datetime = END) -> Interval | None:
        return judging.incident_of(card, hour, since)

    assert incidents(card) == Interval(END - hour, END + 3 * hour)
    assert incidents(card, END + 3 * hour) == incidents(card), "it is looked at whole, or not"
    assert incidents(card, END + 4 * hour) is None
    assert incidents(card.changed(status="dismissed")) is None
    assert incidents(card.changed(fingerprint=None)) is None
    assert incidents(card.changed(firstSeenAt="garbage")) is None


def test_an_incident_that_was_over_when_it_was_completed_stays_completed(documented: World) -> None:
    """The longer windows still see it for a day; its median error lies before the completion."""
    incident = [
        call(120 + 300 * (i + 0.5) / 200, f"bad{i}", status="error" if i % 2 else "ok")
        for i in range(200)
    ]
    healthy = [
        call(110 * (i + 0.5) / 80, f"now{i}", status="error" if i % 20 == 0 else "ok")
        for i in range(80)
    ]
    documented.write(*hours_of(calls_of("read_file"), after=7), *incident, *healthy)
    assert documented.run(END - timedelta(hours=2)).saved == 1
    done = END - timedelta(minutes=45)
    triage.complete(Journal(documented.tasks), [documented.card().id], done)
    for now in (END - timedelta(minutes=30), END):
        report = documented.run(now)
        assert [(d.action, d.reason) for d in report.decisions] == [
            (Action.SUPPRESS, ledger.COMPLETED_BEFORE)
        ]
    assert documented.card().status == "completed"
