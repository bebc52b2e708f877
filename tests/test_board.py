"""What the triage screen asks: the list of ``tgt list``, what others changed, and what one did."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import END, NOW, Workplace
from screens import cards, ids

from tgt import triage
from tgt.board import MOST_SHOWN, UNDONE, Board, Overtaken, Query
from tgt.errors import StoreError, TransitionError
from tgt.listing import AGE, PRIORITY, SEEN, Asked

Card = Callable[..., dict[str, Any]]
IDS = ids(20)


def append(place: Workplace, *changed: dict[str, Any]) -> None:
    with (place.tasks / "generated_tasks.jsonl").open("a") as journal:
        journal.writelines(json.dumps(card) + "\n" for card in changed)


QUERIES = (
    ([], Query()),
    (["--all"], Query(Asked(every=True), muted=True)),
    (["--status", "dismissed"], Query(Asked(statuses=frozenset({"dismissed"})))),
    (["--severity", "low,high"], Query(Asked(severities=frozenset({"low", "high"})))),
    (["--type", "performance"], Query(Asked(types=frozenset({"performance"})))),
    (["--subject", "tool_call/t1*"], Query(Asked(subjects=["tool_call/t1*"]))),
    (["--owner", "ada"], Query(Asked(owners=frozenset({"ada"})))),
    (["--min-priority", "89"], Query(Asked(least=89))),
    (["--since", "2025-11-03T15:00:00Z"], Query(Asked(since=END.replace(hour=15)))),
    *((["--sort", order], Query(order=order)) for order in (PRIORITY, AGE, SEEN)),
)


def test_it_shows_what_the_list_shows(workplace: Workplace, card_data: Card) -> None:
    known = cards(card_data, 12)
    known[2] |= {"status": "dismissed", "dismissedAt": NOW}
    known[3] |= {"severity": "low", "savedAt": NOW, "generatedAt": NOW}
    known[4] |= {"type": "performance_degradation", "metadata": {"analyzer": "performance"}}
    known[5] |= {"owner": "Ada", "subject": "tool_call/quiet"}
    workplace.write_journal(*known)
    seen = {"lastSeenAt": NOW, "occurrences": 13, "firstSeenAt": NOW}
    now = {"severity": "critical", "priority": 97, "confidence": 0.98, "value": 0.5, "at": NOW}
    workplace.write_sidecar(sightings={known[6]["id"]: {**seen, "now": now}})
    assert workplace.tgt("mute", "*quiet", "--now", NOW).status == 0
    board = Board(workplace.tasks)
    for arguments, query in QUERIES:
        listed = workplace.tgt("list", *arguments, "--json", "--now", NOW).json
        shown = board.look(query, END)
        assert [dict(card.data) for card in shown.cards] == listed["tasks"], arguments
        assert (shown.total, shown.hidden) == (listed["total"], listed["muted"]), arguments
    choices = board.choices(END, muted=False)
    assert dict(choices.statuses) == {"generated": 10, "dismissed": 1}
    assert dict(choices.severities) == {"high": 8, "low": 1, "critical": 1}
    assert (choices.muted, dict(choices.owners)) == (1, {})


def test_news_is_what_others_did_once_and_never_what_one_did(
    workplace: Workplace, card_data: Card
) -> None:
    known = cards(card_data, 5)
    workplace.write_journal(*known)
    board = Board(workplace.tasks)
    assert board.look(Query(), END).news == ()
    board.decide("approved", triage.approve, [IDS[0]], END)
    assert board.look(Query(), END).news == ()
    triage.dismiss(board._journal, [IDS[1]], END, reason="theirs")
    append(workplace, {**known[2], "severity": "critical", "updatedAt": NOW})
    append(workplace, card_data("01NEW", title="quite new"))
    told = [(str(c.kind), c.task) for c in board.look(Query(words="nothing"), END).news]
    assert sorted(told) == [("dismissed", IDS[1]), ("found", "01NEW"), ("worse", IDS[2])]
    assert board.look(Query(), END).news == ()
    triage.cleanup(board._journal, END.replace(year=2026), days=1)
    assert board.look(Query(), END).news == (), "a journal that was written anew is no news"
    assert board.look(Query(), END).known == 5


def test_what_is_kept_stays_as_long_as_there_is_such_a_card(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(*cards(card_data, MOST_SHOWN + 5, evidence={}))
    board = Board(workplace.tasks)
    last = ids(MOST_SHOWN + 5)[-1]
    query = Query(kept=frozenset({last, "gone", IDS[0]}))
    shown = board.look(query, END)
    assert (len(shown.cards), shown.total) == (MOST_SHOWN + 1, MOST_SHOWN + 5)
    assert (shown.cards[-1].id, shown.kept) == (last, frozenset({last}))


def test_a_search_ends_when_nobody_waits_for_it(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(*cards(card_data, 3))
    board = Board(workplace.tasks)
    with pytest.raises(Overtaken):
        board.look(Query(words="problem"), END, lambda: True)
    assert board.look(Query(words="problem"), END).total == 3
    assert board.look(Query(words="problem"), END, lambda: True).total == 3, "it is known by now"


def test_decisions_are_remembered_in_their_order_until_they_are_taken_back(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(*cards(card_data, 3))
    board = Board(workplace.tasks)
    assert board.undo(END) is None
    board.decide("approved", triage.approve, IDS[:2], END)
    board.decide("approved", triage.approve, IDS[:1], END)  # which it is already
    board.decide("completed", triage.complete, [IDS[2]], END)
    assert board.decided == {IDS[0]: "approved", IDS[1]: "approved", IDS[2]: "completed"}
    done, outcome = board.undo(END) or ("", None)
    assert (done, outcome and [card.id for card in outcome.cards]) == ("completed", [IDS[2]])
    triage.annotate(board._journal, [IDS[1]], END, owner="grace")
    with pytest.raises(TransitionError):
        board.undo(END)
    assert board.undo(END) is None
    assert board.decided == {IDS[0]: "approved", IDS[1]: "approved", IDS[2]: UNDONE}


def test_what_cannot_be_read_is_an_error_and_is_read_again_later(
    workplace: Workplace, card_data: Card
) -> None:
    board = Board(workplace.tasks)
    assert board.look(Query(), END).known == 0
    before = board.stamp()
    (workplace.tasks / "generated_tasks.jsonl").mkdir(parents=True)
    assert board.stamp() != before
    with pytest.raises(StoreError):
        board.look(Query(), END)
    (workplace.tasks / "generated_tasks.jsonl").rmdir()
    workplace.write_journal(*cards(card_data, 1))
    assert board.look(Query(), END).known == 1
