"""After a card, at awkward moments: nothing is over by silence, and nobody is overruled.

The world: 30 conversations an hour use ``read_file``, one of 50 fails. From hour 0 to hour 3 nine
of ten fail; then it is mended.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import END, Line, World, call

from tgt import triage
from tgt import verify as verifying
from tgt.analyzers.error_spike import ErrorSpikeAnalyzer
from tgt.store.journal import Journal
from tgt.tasks import ledger
from tgt.tasks.card import Card, parse_time
from tgt.tasks.criterion import Tally

BEGIN = END - timedelta(hours=80)
PER_HOUR, MENDED = 30, 3
QUIET, HOLDS, OVER = 5, 10, 29
"""When runs find it quiet, when its end holds, and when it has held for a day."""


def _at(hour: float) -> datetime:
    return BEGIN + timedelta(hours=hour)


def _tell(
    world: World,
    until: float,
    *,
    gap: tuple[float, float] = (0, 0),
    bad: Callable[[float], bool] = lambda hour: 0 <= hour < MENDED,
    per_hour: int = PER_HOUR,
) -> None:
    """The telemetry up to an hour, but for a gap of some hours."""

    def lines(number: int) -> list[Line]:
        hour = number / per_hour
        is_bad = number % 10 != 0 if bad(hour) else number % 50 == 0
        minutes, status = 60 * (80 - hour), "error" if is_bad else "ok"
        return [call(minutes, f"c{number}", status=status), call(minutes, f"c{number}", "other")]

    numbers = range(-48 * per_hour, round(until * per_hour))
    world.write(
        *(line for n in numbers if not gap[0] <= n / per_hour < gap[1] for line in lines(n))
    )


def _run(world: World, *hours: float, analyzers: str = "error_spike") -> tuple[str, ...]:
    """The warnings of the last of some runs."""
    return [world.run(_at(hour), analyzers=analyzers) for hour in hours][-1].warnings


def _shown(world: World) -> Card:
    """The only card, with what runs remember."""
    state, warnings = world.sidecar.read(())
    assert warnings == ()
    card = world.card()
    return ledger.overlaid(card, state.sightings.get(card.id), state.watches.get(card.id))


def _verified(world: World, hour: float) -> verifying.Verification:
    state, _ = world.sidecar.read(())
    settings = world.settings(analyzers="error_spike")
    return verifying.verify(settings, list(world.cards.values()), state, _at(hour))


def _said(card: Card) -> str:
    return str(card.mapping("verification").get("state"))


def _proven(world: World) -> Card:
    """The card whose end holds, as of HOLDS."""
    _run(world, 1, QUIET, HOLDS)
    card = _shown(world)
    assert (card.status, _said(card)) == ("generated", "holds")
    return card


def test_what_held_before_the_telemetry_ended_is_not_over_by_silence(world: World) -> None:
    _tell(world, HOLDS)
    _proven(world)
    _run(world, OVER, OVER + 20)
    card = _shown(world)
    assert (card.status, _said(card)) == ("generated", "holds")
    assert "so far over" in card.mapping("verification")["text"]


def test_what_holds_for_a_day_of_telemetry_is_over(world: World) -> None:
    _tell(world, OVER)
    _proven(world)
    _run(world, OVER - 2)
    assert _shown(world).status == "generated"
    _run(world, OVER)
    card = _shown(world)
    assert (card.status, card.text("completedBy")) == ("completed", "tgt")
    assert card.mapping("verification")["figures"]["observedHours"] >= 24
    (verified,) = _verified(world, OVER).tasks
    assert verified.verification is not None
    assert verified.verification["state"] == "holds", "what tgt has proven is shown from its proof"


def test_a_gap_in_the_telemetry_is_no_part_of_the_day(world: World) -> None:
    _tell(world, 52, gap=(HOLDS, 34))
    _proven(world)
    _run(world, 36)
    assert _shown(world).status == "generated"
    _run(world, 52)
    assert _shown(world).status == "completed"


def test_a_crash_after_the_completion_writes_it_once_and_overrules_nobody(world: World) -> None:
    """The journal has it, the sidecar does not."""
    _tell(world, OVER + 2)
    card = _proven(world)
    before = world.sidecar.path.read_bytes()
    _run(world, OVER)
    world.sidecar.path.write_bytes(before)
    _run(world, OVER + 0.25)
    journal = (world.tasks / "generated_tasks.jsonl").read_text()
    assert journal.count('"completedBy":"tgt"') == 1
    world.sidecar.path.write_bytes(before)
    triage.reopen(Journal(world.tasks), [card.id], _at(OVER + 0.3))
    assert not _shown(world).text("quietSince"), "that was measured before somebody reopened it"
    _run(world, OVER + 0.5, OVER + 1)
    shown = _shown(world)
    assert shown.status == "generated"
    quiet = shown.time("quietSince")
    assert quiet is None or quiet >= _at(OVER + 0.3)


def test_what_somebody_completes_is_counted_from_then_on(world: World) -> None:
    _tell(world, OVER)
    card = _proven(world)
    triage.complete(Journal(world.tasks), [card.id], _at(HOLDS + 0.1))
    assert not _shown(world).text("quietSince")
    _run(world, HOLDS + 0.25)
    assert _said(_shown(world)) == "too_early"
    assert "counted from" in _shown(world).mapping("verification")["text"]
    _run(world, HOLDS + 6)
    shown = _shown(world)
    assert (shown.status, _said(shown)) == ("completed", "holds")
    assert parse_time(shown.mapping("verification")["figures"]["since"]) == _at(HOLDS + 1)


def test_who_approves_what_was_completed_opens_it_again_without_the_old_proof(world: World) -> None:
    _tell(world, OVER + 1)
    card = _proven(world)
    _run(world, OVER)
    triage.approve(Journal(world.tasks), [card.id], _at(OVER + 0.1))
    told = world.card()
    assert told.status == "approved"
    assert not any(told.data.get(key) for key in ledger.PROOF)


def test_approving_an_open_card_changes_nothing_that_is_known_of_its_end(world: World) -> None:
    _tell(world, OVER)
    card = _proven(world)
    triage.approve(Journal(world.tasks), [card.id], _at(HOLDS + 0.1))
    shown = _shown(world)
    assert (shown.status, _said(shown)) == ("approved", "holds")
    _run(world, OVER)
    assert _shown(world).status == "completed"


def test_a_run_of_other_analyzers_forgets_nothing_for_a_day(world: World) -> None:
    _tell(world, 40)
    quiet = _proven(world).data["quietSince"]
    _run(world, HOLDS + 0.5, HOLDS + 12, analyzers="ux_issue")
    assert _shown(world).data["quietSince"] == quiet
    _run(world, HOLDS + 25, analyzers="ux_issue")
    shown = _shown(world)
    assert not shown.text("quietSince"), "what nobody measures for a day is not known"
    assert shown.status == "generated"


NONSENSE: list[Any] = [
    "many",
    Tally(5, 3, 0.1),
    Tally(-1, 3, 0.1),
    Tally(float("nan"), float("nan"), 0.1),
    Tally(0, float("inf"), 0.1),
    Tally(0, 1e300, 0.1),
    Tally(0, 1000, 0.1, float("nan")),
    Tally(0, 1000, 0.1, None, 5),  # type: ignore[arg-type]
]


def test_a_tally_that_fails_or_makes_no_sense_ends_no_run_and_completes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tell(world, OVER)
    quiet = _proven(world).data["quietSince"]

    def fails(*_: object) -> Tally:
        raise RuntimeError("no idea")

    answers = [fails, *((lambda *_, told=told: told) for told in NONSENSE)]
    for number, tally in enumerate(answers):
        monkeypatch.setattr(ErrorSpikeAnalyzer, "tally", tally)
        warnings = _run(world, OVER - 2 + number / 8)
        assert [w for w in warnings if w.startswith("analyzer error_spike failed")], tally
        verified = _verified(world, OVER)
        assert [w for w in verified.warnings if "error_spike failed" in w]
        assert verified.tasks[0].verification is None
    shown = _shown(world)
    assert (shown.status, shown.data["quietSince"]) == ("generated", quiet)


@pytest.mark.parametrize("tally", [None, *NONSENSE[:2]], ids=repr)
def test_a_card_is_written_though_its_tally_fails(
    world: World, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    _tell(world, 2)

    def told(*_: object) -> Tally:
        if tally is None:
            raise RuntimeError("no idea")
        return tally  # type: ignore[no-any-return]

    monkeypatch.setattr(ErrorSpikeAnalyzer, "tally", told)
    assert len(_run(world, 1)) == 1
    assert world.card().subject == "tool_call/read_file"


def test_what_is_not_used_any_more_is_not_quiet_because_it_was_good_before(world: World) -> None:
    """In the last day there were many good ones, all before it broke."""
    _tell(world, 30, bad=lambda hour: 0 <= hour < 1 / 6, gap=(1 / 6, 26), per_hour=120)
    _run(world, 1, 9, 12)
    assert not _shown(world).text("quietSince")
    _run(world, 28)
    quiet = _shown(world).time("quietSince")
    assert quiet is not None
    assert quiet >= _at(25)


def test_what_came_back_is_not_quiet_because_it_was_good_before_that(world: World) -> None:
    _tell(world, 20 + 1 / 6, bad=lambda hour: 0 <= hour % 20 < 1 / 6 and hour >= 0, per_hour=120)
    _run(world, 1, 4)
    assert _shown(world).text("quietSince")
    _run(world, 21)
    assert not _shown(world).text("quietSince")
    _run(world, 22, 29, 32)
    assert not _shown(world).text("quietSince")


def test_a_card_that_was_completed_in_the_future_costs_the_sidecar_nothing(world: World) -> None:
    _tell(world, 8)
    _run(world, 1)
    card = world.card()
    with Journal(world.tasks).writing() as writer:
        writer.append([card.changed(status="completed", completedAt="2999-01-01T00:00:00.000Z")])
    _run(world, 5, 6)
    assert _said(_shown(world)) == "None"
    assert sorted(world.tasks.glob("*damaged*")) == []


def test_the_value_since_it_is_quiet_has_the_time_of_its_measuring(world: World) -> None:
    _tell(world, OVER)
    _run(world, 1, QUIET, HOLDS, HOLDS + 14, HOLDS + 17)
    now = _shown(world).mapping("now")
    assert now["value"] < 2
    assert parse_time(now["at"]) == _at(HOLDS + 17)
