"""docs/cards.md has the keys of a card, the reasons of decisions and the files, as they are."""

from __future__ import annotations

import ast
import inspect
import math
import re
from datetime import timedelta
from pathlib import Path

import pytest
from invented_problem import NOW, a_finding, write_log
from pages import Page, coded

from tgt import config, cycle, triage
from tgt.analyzers import incidents
from tgt.analyzers.touched import Harm, harm_of
from tgt.output import words
from tgt.store import journal, locks, state_file
from tgt.tasks import auto_approval, ledger, related, reputation
from tgt.tasks.card import FEW, Card, Severity, Status, Touched, new_card, priority
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.verification import Watch

PAGE = Page("docs/cards.md")


def test_the_keys_of_a_card(tmp_path: Path) -> None:
    """Those that a card has by the time that everything was done to it."""
    store = journal.Journal(tmp_path)
    card = new_card(a_finding(), NOW)
    alike = {
        f"T{n}": card.changed(id=f"T{n}", approvedAt="2025-11-01", status="approved")
        for n in range(10)
    }
    (decision,) = auto_approval.approved(
        [Decision(a_finding(), Action.SAVE, "new", card)], alike, NOW, 1
    )
    assert decision.card is not None
    with store.writing() as writer:
        writer.append([decision.card])
    triage.undo(store, triage.complete(store, [card.id], NOW), NOW)
    triage.approve(store, [card.id], NOW, note="yes")
    until = NOW + timedelta(days=1)
    triage.dismiss(store, [card.id], NOW, reason="no", until=until)
    triage.complete(store, [card.id], NOW, note="done")
    triage.reopen(store, [card.id], NOW, note="not done")
    triage.annotate(store, [card.id], NOW, owner="ada", links=["https://a.example"], note="well")
    triage.propose_complete(store, [card.id], NOW, agent="agent:x", reason="done")
    watch = Watch(NOW, NOW, {"state": "holds"})
    whole = ledger.completed_by_itself(store.read().cards[card.id], watch, NOW).data

    rows = PAGE.table("card")
    assert sorted(key for row in rows for key in coded(row[0])) == sorted(whole)
    quoted = {key: set(coded(row[1])) for row in rows for key in coded(row[0])}
    assert quoted["evidence"] == set(whole["evidence"])
    assert quoted["suggestedFix"] == set(whole["suggestedFix"])
    assert quoted["status"] == set(Status)
    assert quoted["severity"] == set(Severity)
    came_back = Decision(a_finding(), Action.REOPEN, ledger.CAME_BACK, Card(whole))
    reopened = ledger.apply(came_back, NOW)
    assert reopened is not None
    assert quoted["metadata"] < set(reopened.data["metadata"])
    assert set(reopened.data) == set(whole)


def test_the_priority() -> None:
    nobody, everybody = Touched(0), Touched(100_000)
    top, *others = (priority(severity, 1.0, nobody) for severity in Severity)
    most = priority(Severity.LOW, 1.0, everybody)
    least = f"({others[0]}, {others[1]} and {others[2]} for the others) plus {most} for the"
    section = PAGE.section("Severity and priority")
    assert f"{top} for a critical severity {least} conversations touched a day" in section
    assert f"one conversation in {1 / FEW:.0f} is one step less" in section
    assert priority(Severity.LOW, 1.0, Touched(99_000)) == most
    assert priority(Severity.LOW, 1.0, Touched(0.1)) == pytest.approx(
        most * math.log10(2) / 6, abs=1
    )


def test_how_much_a_conversation_suffers() -> None:
    told = {what: float(number) for number, what in PAGE.table("harm")}
    assert list(told.values()) == [
        *(Harm.LOST, Harm.HEAVY, Harm.FAILED, Harm.REPORTED),
        *(Harm.COSTS, Harm.UNWRITTEN),
    ]
    section = PAGE.section("Severity and priority")
    assert harm_of(10) == 0.5
    assert harm_of(30) == 0.75
    assert "0.5 for 10 seconds and 0.75 for 30" in section


HARMS = {
    "given up": Harm.LOST,
    "with a failing tool": Harm.FAILED,
    "with an undocumented tool": Harm.UNWRITTEN,
    "in which 0.4 seconds are lost": harm_of(0.4),
}


@pytest.mark.parametrize("row", PAGE.table("priorities"), ids=lambda row: row[0])
def test_a_priority(row: list[str]) -> None:
    told = re.fullmatch(r"(\w+), ([\d,]+) conversations a day (.+)", row[0])
    assert told
    per_day, harm = float(told[2].replace(",", "")), HARMS[told[3]]
    value = priority(Severity(told[1]), float(row[1]), Touched(per_day, harm=harm))
    assert str(value) == row[2]


@pytest.mark.parametrize("row", PAGE.table("reputation"), ids=lambda row: f"{row[0]}/{row[1]}")
def test_what_is_left_of_a_priority(row: list[str]) -> None:
    against, of = int(row[0]), int(row[1])
    factor = reputation.Record("x", against=against, upheld=of - against).factor
    assert words.percent(factor) == row[2]


def test_the_bounds_of_a_reputation() -> None:
    section = " ".join(PAGE.section("What people dismiss sinks").split())
    assert f"with {reputation.CERTAINTY:.0%} certainty" in section
    half, oldest = reputation.HALF_LIFE.days, reputation.OLDEST.days
    assert f"counts half after {half} days and nothing after {oldest};" in section
    assert reputation.FLOOR == 0.5


def test_the_bounds_of_what_tgt_approves() -> None:
    section = " ".join(PAGE.section("What tgt approves itself").split())
    assert f"at least {auto_approval.NEEDED} cards of the same type" in section
    assert timedelta(hours=24) == auto_approval.PERIOD


def test_the_reasons_of_decisions() -> None:
    rows = [(coded(action)[0], coded(reason)[0]) for action, reason, _ in PAGE.table("reasons")]
    assert {action for action, _ in rows} == set(Action)
    reasons = [reason for _, reason in rows]
    assert sorted(reasons) == sorted(words.REASONS)
    tree = ast.parse(inspect.getsource(ledger))
    constants = {
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    assert {c for c in constants if isinstance(c, str)} == set(reasons)


def test_the_words_of_relations() -> None:
    words = [coded(word)[0] for word, _ in PAGE.table("relations")]
    assert words == [related.FIRST, related.SAME_INCIDENT]


def test_the_bounds_of_incidents() -> None:
    told = " ".join(PAGE.section("One incident, several cards").split())
    hours, sharp = incidents.SPAN / 3.6e9, incidents.SHARP / 6e7
    assert f"within {['one', 'two', 'three'][int(hours) - 1]} hours of each other" in told
    assert f"{incidents.CHANCE:.0%}; {incidents.CHANCE_IF_SHARP:.0%} where both" in told
    assert f"known to {sharp:.0f} minutes and agree; {incidents.CHANCE_IF_APART:.1%} where" in told
    assert f"of few conversations {incidents.CHANCE_OF_FEW:.0%} where all" in told
    assert f"at the same time, known to {sharp:.0f} minutes" in told
    assert incidents.BEYOND == 0.5
    assert timedelta(days=1) == incidents.LOOK_BACK == related.LONGEST


def test_the_files_are_those_that_a_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(tmp_path, conversations=4, calls=15)
    monkeypatch.chdir(tmp_path)
    settings = config.load(environ={})
    assert cycle.run(settings, NOW).tasks
    written = {p.name + "/" * p.is_dir() for p in settings.tasks_dir.iterdir()}
    constant = {journal.FILE_NAME, state_file.FILE_NAME, locks.RUN_LOCK, locks.WRITE_LOCK}
    assert {name for row in PAGE.table("files") for name in coded(row[0])} == written
    assert constant < written
    kinds = {oct(path.stat().st_mode & 0o777) for path in settings.tasks_dir.rglob("*")}
    assert kinds == {"0o600", "0o700"}
