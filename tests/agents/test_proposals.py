"""What agents may change of a task: they claim it, say something, and propose that it is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import Workplace

from tgt import triage
from tgt.errors import TransitionError
from tgt.store.journal import Journal
from tgt.tasks import proposal
from tgt.tasks.card import Card

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=5)
ID = "01K94XYZ00A7T4M8R2VXCDGHJK"
AGENT = "agent:claude-code"

CardData = Callable[..., dict[str, Any]]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def begin(journal: Journal, card: dict[str, Any]) -> None:
    with journal.writing() as writer:
        writer.append([Card(card)])


def card_of(journal: Journal) -> Card:
    (card,) = journal.read().cards.values()
    return card


def propose(journal: Journal, at: datetime = NOW, **changes: Any) -> triage.Outcome:
    told = {"agent": AGENT, "reason": "the path is checked first", **changes}
    return triage.propose_complete(journal, [ID], at, **told)


def test_a_task_of_nobody_becomes_the_agents(journal: Journal, card_data: CardData) -> None:
    begin(journal, card_data())
    (claimed,) = triage.claim(journal, [ID], NOW, agent=AGENT).changed
    assert claimed == card_of(journal)
    assert claimed.owner == AGENT
    assert claimed.status == "generated"
    assert [note["by"] for note in claimed.items("notes")] == [AGENT]
    assert triage.claim(journal, [ID], LATER, agent=AGENT).already == {ID}
    assert card_of(journal) == claimed


@pytest.mark.parametrize("owner", ["ada", "agent:codex"])
def test_a_task_of_somebody_stays_theirs(journal: Journal, card_data: CardData, owner: str) -> None:
    begin(journal, card_data(owner=owner))
    with pytest.raises(TransitionError, match=f"already a task of {owner}"):
        triage.claim(journal, [ID], NOW, agent=AGENT)
    assert card_of(journal).data == card_data(owner=owner)


@pytest.mark.parametrize("status", ["dismissed", "completed"])
def test_what_is_closed_is_neither_claimed_nor_proposed(
    journal: Journal, card_data: CardData, status: str
) -> None:
    begin(journal, card_data(status=status))
    with pytest.raises(TransitionError, match="only an open task can be claimed"):
        triage.claim(journal, [ID], NOW, agent=AGENT)
    with pytest.raises(TransitionError, match="only an open task can be proposed"):
        propose(journal)
    assert card_of(journal).data == card_data(status=status)


def test_a_proposal_stands_once_and_completes_nothing(
    journal: Journal, card_data: CardData
) -> None:
    begin(journal, card_data(status="approved"))
    propose(journal)
    card = card_of(journal)
    assert card.status == "approved"
    assert proposal.standing(card) == (NOW, AGENT, "the path is checked first")
    assert propose(journal, LATER).already == {ID}, "it is proposed already"
    assert propose(journal, LATER, agent="agent:codex").already == frozenset()
    assert propose(journal, LATER, reason="and tested").already == frozenset()


ANSWERS: dict[str, Callable[[Journal], object]] = {
    "completed": lambda journal: triage.complete(journal, [ID], LATER),
    "dismissed": lambda journal: triage.dismiss(journal, [ID], LATER),
    "approved": lambda journal: triage.approve(journal, [ID], LATER),
    "reopened": lambda journal: triage.reopen(journal, [ID], LATER, note="it still fails"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_a_person_decides_answers_a_proposal(
    journal: Journal, card_data: CardData, answer: Callable[[Journal], object]
) -> None:
    begin(journal, card_data())
    propose(journal)
    answer(journal)
    assert proposal.standing(card_of(journal)) is None
    triage.reopen(journal, [ID], LATER)
    assert proposal.standing(card_of(journal)) is None, "also when the task is open again"
    propose(journal, LATER + timedelta(minutes=5))
    assert proposal.standing(card_of(journal)) is not None, "it may be proposed anew"


def test_what_people_note_is_no_answer(journal: Journal, card_data: CardData) -> None:
    begin(journal, card_data())
    propose(journal)
    triage.annotate(journal, [ID], LATER, note="I will look at it", by="ada")
    assert proposal.standing(card_of(journal)) is not None


@pytest.mark.parametrize("told", [None, "yes", 7, [], {}, {"at": "now"}, {"at": 5, "by": []}])
def test_what_another_program_wrote_there_is_no_proposal(told: object, card_data: CardData) -> None:
    assert proposal.standing(Card(card_data(proposedComplete=told))) is None


def test_agents_do_not_fill_a_card_with_notes(journal: Journal, card_data: CardData) -> None:
    """One that goes round in circles would; people may go on."""
    full = [{"at": "x", "by": AGENT, "text": "again"}] * triage.MOST_NOTES_BY_AGENTS
    begin(journal, card_data(notes=full[1:]))
    triage.annotate(journal, [ID], NOW, note="the last one", by="agent:codex")
    changes: tuple[Callable[[], object], ...] = (
        lambda: triage.annotate(journal, [ID], NOW, note="one more", by=AGENT),
        lambda: triage.claim(journal, [ID], NOW, agent=AGENT),
        lambda: propose(journal),
    )
    for change in changes:
        with pytest.raises(TransitionError, match="100 notes by agents, and takes no more"):
            change()
    triage.annotate(journal, [ID], NOW, note="enough", by="ada")
    assert len(card_of(journal).items("notes")) == triage.MOST_NOTES_BY_AGENTS + 1


def test_people_see_a_proposal_until_it_is_answered(
    workplace: Workplace, card_data: CardData
) -> None:
    told = {"at": "2025-11-03T15:30:00.000Z", "by": AGENT, "text": "\x1b[2Jfixed in #12"}
    workplace.write_journal(card_data(proposedComplete=told), card_data(ID[:-1] + "M"))
    line, other, *_ = workplace.tgt("list").out.splitlines()[1:]
    assert "  proposed done  " in line
    assert "  generated  " in other
    shown = workplace.tgt("show", ID).out
    sentence = f"to complete it, by {AGENT}: \\x1b[2Jfixed in #12"
    assert f"proposed  {sentence}" in shown
    assert f"tgt complete {ID}" in shown
    markdown = workplace.tgt("show", ID, "--format", "markdown").out
    assert "- **Proposed:** to complete it, by " in markdown
    workplace.tgt("approve", ID)
    assert "proposed" not in workplace.tgt("list").out
    assert "proposed" not in workplace.tgt("show", ID).out
    assert "Proposed" not in workplace.tgt("show", ID, "--format", "markdown").out


def test_a_narrow_screen_shows_it_too(card_data: CardData) -> None:
    from tgt.output import list_view
    from tgt.output.text import Screen

    told = {"at": "2025-11-03T15:30:00.000Z", "by": AGENT, "text": "fixed"}
    for card, is_shown in ((card_data(proposedComplete=told), True), (card_data(), False)):
        cards = list_view.compact([Card(card)])
        listing = list_view.Listing(cards, 1, {ID: cards[0]}, "tasks")
        on = Screen(width=50, terminal=True, colour=False)
        assert ("proposed done" in list_view.task_list(on, listing, NOW)) is is_shown
