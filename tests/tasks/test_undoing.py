"""A decision that is taken back: the card says what it said before, and nothing else is lost."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tgt import triage
from tgt.errors import NotFoundError, TransitionError
from tgt.store.journal import Journal
from tgt.tasks import changes, ledger
from tgt.tasks.card import Card, format_time
from tgt.tasks.changes import Kind
from tgt.tasks.verdict import verdict

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
LATER, LATEST, THEN = (NOW + timedelta(hours=hours) for hours in (1, 2, 3))
FRESH: dict[str, Any] = {
    "id": "A",
    "severity": "high",
    "status": "generated",
    "savedAt": format_time(NOW),
    "generatedAt": format_time(NOW),
    "title": "ls fails",
    "quietSince": format_time(NOW),
    "verification": {"state": "too_early", "at": format_time(NOW), "text": "3 more"},
    "unknown": {"of": ["another", "program"]},
}
SNOOZED = {
    "status": "dismissed",
    "dismissedAt": format_time(NOW),
    "dismissedUntil": format_time(THEN),
    "dismissedSeverity": "high",
    "dismissalReason": "soon",
}
DECISIONS: dict[str, Any] = {
    "approve": lambda *what: triage.approve(*what, note="on it"),
    "dismiss": lambda *what: triage.dismiss(*what, reason="noise"),
    "snooze": lambda *what: triage.dismiss(*what, until=THEN),
    "complete": lambda *what: triage.complete(*what, note="done"),
    "reopen": lambda *what: triage.reopen(*what, note="not yet"),
    "annotate": lambda *what: triage.annotate(
        *what, owner="ada", links=["https://x.test"], note="hm", by="ada"
    ),
}


def journal_of(path: Path, *cards: dict[str, Any]) -> Journal:
    journal = Journal(path)
    with journal.writing() as writer:
        writer.append([Card(data) for data in cards])
    return journal


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize("before", [FRESH, FRESH | SNOOZED, FRESH | {"status": "approved"}])
def test_the_card_says_again_what_it_said(
    tmp_path: Path, before: dict[str, Any], decision: str
) -> None:
    journal = journal_of(tmp_path, before)
    done = DECISIONS[decision](journal, ["A"], LATER)
    undone = triage.undo(journal, done, LATEST)
    card = journal.read().cards["A"]
    assert list(undone.cards) == ([card] if done.changed else [])
    said = {key: value for key, value in card.data.items() if key not in {"undone", "updatedAt"}}
    assert said == before
    assert verdict(card) == verdict(Card(before))
    if done.changed:
        assert card.time("updatedAt") == LATEST
        assert card.mapping("undone")["at"] == format_time(LATEST)
        decided = changes.version(done.changed[0])
        (told,) = changes.between(decided, changes.version(card), card)
        assert (told.kind, told.at) == (Kind.UNDONE, LATEST)
        assert told.text == card.mapping("undone")["text"]
        lines = journal.path.read_bytes().splitlines()
        assert len(lines) == 3, "the decision stays in its line"


def test_what_was_said_with_a_decision_stays_with_the_card(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, FRESH)
    done = triage.dismiss(journal, ["A"], LATER, reason="known since May", until=THEN)
    card = triage.undo(journal, done, LATER).cards[0]
    told = f"dismissed: until {format_time(THEN)}: known since May"
    assert card.mapping("undone")["text"] == told
    with journal.writing() as writer:
        writer.rewrite([card])
    (found, undone, _quiet) = changes.between(None, changes.version(card), card)
    assert (found.kind, undone.kind, undone.text) == (Kind.FOUND, Kind.UNDONE, told)


@pytest.mark.parametrize("decision", DECISIONS)
def test_where_anybody_has_said_anything_since_it_stands(tmp_path: Path, decision: str) -> None:
    for name, since in DECISIONS.items():
        journal = journal_of(tmp_path / name, FRESH | {"status": "completed"}, FRESH | {"id": "B"})
        done = DECISIONS[decision](journal, ["A", "B"], LATER)
        theirs = since(journal, ["B"], LATEST)
        before = journal.path.read_bytes()
        if not theirs.changed:
            continue
        if "B" not in done.before:
            triage.undo(journal, done, LATEST)  # which says nothing of B
            continue
        with pytest.raises(TransitionError, match="B was changed by somebody else since"):
            triage.undo(journal, done, LATEST)
        assert journal.path.read_bytes() == before, "neither is A"


def test_what_runs_have_measured_since_stays(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, FRESH)
    done = triage.approve(journal, ["A"], LATER)
    measured = {"severity": "critical", "title": "ls fails more", "occurrences": 7}
    with journal.writing() as writer:
        writer.append([done.cards[0].changed(**measured, updatedAt=format_time(LATEST))])
    card = triage.undo(journal, done, LATEST).cards[0]
    assert {key: card.data[key] for key in measured} == measured
    assert card.status == "generated"


def test_what_a_run_has_opened_again_or_cleanup_has_dropped_is_not_taken_back(
    tmp_path: Path,
) -> None:
    journal = journal_of(tmp_path, FRESH)
    done = triage.complete(journal, ["A"], LATER)
    with journal.writing() as writer:
        reopened = {"status": "generated", "reopenedAt": format_time(LATEST)}
        meta = {"metadata": {"reopened": {"at": format_time(LATEST), "reason": ledger.CAME_BACK}}}
        writer.append([done.cards[0].changed(**reopened, **meta)])
    with pytest.raises(TransitionError):
        triage.undo(journal, done, LATEST)
    with journal.writing() as writer:
        writer.rewrite([])
    with pytest.raises(NotFoundError):
        triage.undo(journal, done, LATEST)
