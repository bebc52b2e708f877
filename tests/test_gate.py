"""What is new since a time, as CI asks: which cards cover, what could not be judged; nothing is
written."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import END, World, call, calls_of, hours_of, response

from tgt import gate as core
from tgt import mutes, triage
from tgt.gate import Change, Gate, Outcome
from tgt.settings import ANALYZERS
from tgt.store.journal import Journal
from tgt.tasks.card import Card, Severity, format_time
from tgt.tasks.mute import Mute

SPIKE = "tool_call/read_file"
EVERY = ",".join(ANALYZERS)


def ask(
    world: World,
    now: datetime = END,
    fail_on: Severity = Severity.HIGH,
    **changes: Any,
) -> Gate:
    """By the analyzer of errors alone, if nothing else is said."""
    return core.gate(world.settings(**{"analyzers": "error_spike", **changes}), now, fail_on)


def spike(world: World, failing: int = 30, name: str = "read_file") -> None:
    """Two days in which a tool fails in every 25th conversation, and an hour in which it fails in
    so many of 40."""
    world.write(*hours_of(calls_of(name)))
    world.write(
        *(
            call(50 * (n + 0.5) / 40, f"now{n}", name, status="error" if n < failing else "ok")
            for n in range(40)
        )
    )


def told(gate: Gate) -> list[tuple[str, str, str]]:
    return [(str(p.change), p.card.severity, p.card.subject) for p in gate.problems]


def save(world: World, at: datetime, **changes: Any) -> Card:
    """The card of the spike, as a run would have saved it."""
    world.run(analyzers="error_spike")
    stamp = format_time(at)
    card = world.card().changed(generatedAt=stamp, savedAt=stamp, updatedAt=stamp, **changes)
    with Journal(world.tasks).writing() as writer:
        writer.append([card])
    return card


def test_a_problem_without_a_card_is_new_and_nothing_is_written(world: World) -> None:
    spike(world)
    before = world.tree()
    gate = ask(world)
    assert gate.outcome is Outcome.FAILED
    assert told(gate) == [("new", "critical", SPIKE)]
    assert gate.events == 40
    (problem,) = gate.problems
    samples = problem.card.mapping("evidence")["samples"]
    assert {sample["line"] for sample in samples} <= set(range(481, 522)), "in the file"
    assert world.tree() == before
    assert not world.tasks.exists()


def test_nor_is_anything_written_beside_cards_and_a_store(world: World) -> None:
    spike(world)
    world.run(analyzers="error_spike")
    before = world.tree()
    assert told(ask(world, END + timedelta(minutes=1))) == [("saved", "critical", SPIKE)]
    assert world.tree() == before


@pytest.mark.parametrize(
    ("failing", "fail_on"),
    [(30, Severity.CRITICAL), (7, Severity.HIGH), (7, Severity.MEDIUM), (7, Severity.LOW)],
)
def test_only_what_is_bad_enough_fails(world: World, failing: int, fail_on: Severity) -> None:
    """30 of 40 are critical, 7 of 40 are 4.1 times the usual and so medium."""
    spike(world, failing)
    gate = ask(world, fail_on=fail_on, min_confidence=0.01)
    severity = Severity.CRITICAL if failing == 30 else Severity.MEDIUM
    is_bad = severity.rank >= fail_on.rank
    assert told(gate) == ([("new", str(severity), SPIKE)] if is_bad else [])
    assert gate.milder == (0 if is_bad else 1)
    assert gate.outcome is (Outcome.FAILED if is_bad else Outcome.PASSED)


def test_what_is_not_sure_enough_does_not_fail(world: World) -> None:
    spike(world, 7)
    assert told(ask(world, fail_on=Severity.LOW, min_confidence=0.01))
    assert ask(world, fail_on=Severity.LOW, min_confidence=0.999).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("status", "minutes"),
    [
        *(("generated", 30), ("approved", 30), ("dismissed", 30), ("completed", 30)),
        *(("generated", 90), ("approved", 90)),
    ],
)
def test_a_card_covers_unless_a_run_has_saved_it_since(
    world: World, status: str, minutes: int
) -> None:
    spike(world)
    decided = {"dismissedSeverity": "critical", "completedAt": format_time(END)}
    save(world, END - timedelta(minutes=minutes), status=status, **decided)
    gate = ask(world)
    is_open = status in {"generated", "approved"}
    if is_open and minutes < 60:
        assert told(gate) == [("saved", "critical", SPIKE)]
        assert gate.covered == 0
    else:
        assert told(gate) == []
        assert (gate.outcome, gate.covered) == (Outcome.PASSED, 1)


@pytest.mark.parametrize("saved_before", [None, 30, 90])
@pytest.mark.parametrize(("glob", "passes"), [("tool_call/*", True), ("upstream/*", False)])
def test_what_is_muted_passes_and_is_counted(
    world: World, saved_before: int | None, glob: str, passes: bool
) -> None:
    spike(world)
    if saved_before is not None:
        save(world, END - timedelta(minutes=saved_before), status="generated")
    mutes.mute(world.tasks, [Mute(END - timedelta(hours=2), glob)], END)
    gate = ask(world)
    if passes:
        assert (told(gate), gate.muted, gate.covered) == ([], 1, 0)
        assert gate.outcome is Outcome.PASSED
    else:
        assert (gate.muted, gate.covered) == (0, 1 if saved_before == 90 else 0)
        assert gate.outcome is (Outcome.PASSED if saved_before == 90 else Outcome.FAILED)


def test_a_card_that_was_saved_since_is_not_told_if_it_is_muted(world: World) -> None:
    """Also where its problem is not seen any more."""
    spike(world)
    gone = {"subject": "tool_call/gone", "fingerprint": "another"}
    save(world, END - timedelta(minutes=30), status="generated", **gone)
    assert {each[0] for each in told(ask(world))} == {"saved", "new"}
    mutes.mute(world.tasks, [Mute(END, "tool_call/gone")], END)
    gate = ask(world)
    assert (told(gate), gate.muted) == ([("new", "critical", SPIKE)], 0)


def test_a_problem_that_comes_back_is_new(world: World) -> None:
    spike(world)
    card = save(world, END - timedelta(days=3))
    triage.complete(Journal(world.tasks), [card.id], END - timedelta(days=2))
    gate = ask(world)
    assert told(gate) == [("back", "critical", SPIKE)]
    assert gate.problems[0].card.id == card.id


def test_a_card_that_was_saved_since_is_told_although_its_problem_is_not_seen_now(
    world: World,
) -> None:
    spike(world)
    world.run(analyzers="error_spike")
    world.write(*(call(-60 - m, f"later{m}") for m in range(40)))
    later = END + timedelta(minutes=100)
    since_before = ask(world, later, window_min=101, error_spike_multiplier=100)
    assert told(since_before) == [("saved", "critical", SPIKE)]
    since_then = ask(world, later, window_min=45, error_spike_multiplier=100)
    assert since_then.outcome is Outcome.PASSED


def test_what_was_saved_later_than_now_is_not_there(world: World) -> None:
    spike(world)
    save(world, END + timedelta(minutes=5))
    assert told(ask(world)) == [("new", "critical", SPIKE)]


def test_no_limit_of_tasks_holds_anything_back(world: World) -> None:
    for number in range(4):
        spike(world, name=f"tool_{'abcd'[number]}")
    gate = ask(world, max_tasks=1, max_per_hour=1)
    assert len(gate.problems) == 4
    assert all(problem.change is Change.NEW for problem in gate.problems)


def test_a_healthy_hour_passes(world: World) -> None:
    spike(world, 1)
    (world.path / "docs" / "tools.md").write_text("read_file")
    gate = ask(world, analyzers=EVERY)
    assert (gate.outcome, gate.problems, gate.missing) == (Outcome.PASSED, (), "")
    judged = {each.analyzer: each for each in gate.verdicts}
    assert judged["error_spike"].is_judged
    assert judged["continuation"].missing == "no responses of a model"
    assert judged["performance"].missing == "no record tells how long it took"
    assert judged["docs_gap"].is_judged


@pytest.mark.parametrize(
    ("calls", "conversations", "is_enough"), [(4, 4, False), (5, 2, False), (5, 3, True)]
)
def test_a_few_calls_tell_nothing_however_much_history_there_is(
    world: World, calls: int, conversations: int, is_enough: bool
) -> None:
    world.write(*hours_of(calls_of()))
    world.write(*(call(n + 1, f"new{n % conversations}") for n in range(calls)))
    gate = ask(world, analyzers=EVERY)
    assert gate.events == calls
    assert gate.outcome is (Outcome.PASSED if is_enough else Outcome.UNKNOWN)
    missing = "no subject has 5 events in 3 conversations"
    assert gate.missing == ("" if is_enough else missing)
    assert any(each.is_judged for each in gate.verdicts) is is_enough


def test_analyzers_that_all_abstain_tell_nothing(world: World) -> None:
    """As many calls as one wants, but not as many as these want."""
    world.write(*(call(m, f"c{m}", elapsed_ms=5) for m in range(1, 15)))
    gate = ask(world, analyzers="performance,continuation")
    assert gate.outcome is Outcome.UNKNOWN
    assert gate.missing == (
        "no analyzer could judge anything; continuation: no responses of a model;"
        " performance: tool_call/read_file: 14 of 20 calls"
    )


def test_what_was_found_weighs_more_than_what_could_not_be_judged(world: World) -> None:
    spike(world)
    gate = ask(world, analyzers="error_spike,continuation")
    assert gate.outcome is Outcome.FAILED
    assert [each.is_judged for each in gate.verdicts] == [False, True]


def test_without_events_nothing_can_be_told(world: World) -> None:
    world.write(call(120, "old"))
    gate = ask(world)
    assert gate.outcome is Outcome.UNKNOWN
    assert gate.missing == (
        "no events since then; the newest was 2h before (2025-11-03T14:00:00.000Z)"
    )
    assert not any(each.is_judged for each in gate.verdicts)


def test_nor_where_all_files_are_old_or_there_are_none(world: World) -> None:
    world.logs.mkdir()
    assert ask(world).missing.startswith("no events since then, nor before")
    path = world.write(response(1, "c"))
    later = END + timedelta(days=9000)
    assert "the newest file was written" in ask(world, later).missing
    assert path.exists()
