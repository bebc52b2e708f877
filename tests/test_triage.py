"""Promises of triage: the right card, all or nothing, and what people said is never lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tgt import triage
from tgt.errors import ExitStatus, NotFoundError, TransitionError
from tgt.store.journal import Journal
from tgt.tasks.card import Card, format_time

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
STAMP = "2025-11-03T12:00:00.000Z"
DAY = timedelta(days=1)
SAVED = format_time(NOW - DAY)

Change = Callable[[Journal, Sequence[str], datetime], triage.Outcome]


def card(card_id: str, status: str = "generated", **keys: Any) -> Card:
    return Card({"id": card_id, "severity": "high", "status": status, "savedAt": SAVED, **keys})


def journal_of(tasks_dir: Path, *cards: Card) -> Journal:
    journal = Journal(tasks_dir)
    with journal.writing() as writer:
        writer.append(cards)
    return journal


IDS = ("01KABC", "01KABCDE", "01KXYZ", "01lower")


@pytest.mark.parametrize(
    ("references", "expected", "why"),
    [
        (["01KX"], ["01KXYZ"], "the beginning of an id"),
        (["xyz"], ["01KXYZ"], "the end of an id, in either case"),
        ([" 01KXYZ\n"], ["01KXYZ"], "with space around it"),
        (["01KABC"], ["01KABC"], "a whole id wins over a longer one"),
        (["01KX", "01KABC", "yz"], ["01KXYZ", "01KABC"], "each once, in the order asked for"),
        (["tool_call/git"], ["01KXYZ"], "a whole subject"),
        (["tool_call/ls"], ["01lower"], "a subject that only one open task has"),
        (["tool_call/ls", "ABC"], ["01lower", "01KABC"], "both kinds of names"),
    ],
)
def test_a_task_is_found_by_its_id_an_end_of_it_or_its_subject(
    tmp_path: Path, references: list[str], expected: list[str], why: str
) -> None:
    journal = journal_of(
        tmp_path,
        card("01KABC"),
        card("01KABCDE", "completed", subject="tool_call/ls"),
        card("01KXYZ", subject="tool_call/git"),
        card("01lower", "approved", subject="tool_call/ls"),
    )
    assert [found.id for found in triage.find(journal, references)] == expected, why


def test_an_ambiguous_name_lists_ten_candidates_with_their_titles(tmp_path: Path) -> None:
    many = [card(f"02{n:03}", subject="tool_call/ls") for n in range(50)]
    journal = journal_of(tmp_path, *(card(name, title=f"of {name}") for name in IDS), *many)
    with pytest.raises(NotFoundError, match="'01k' fits 3 tasks") as caught:
        triage.approve(journal, ["01KX", "01k"], NOW)
    fitting = ("01KABC", "01KABCDE", "01KXYZ")
    assert caught.value.candidates == tuple((name, f"of {name}") for name in fitting)
    assert (caught.value.status, caught.value.more) == (ExitStatus.NOT_FOUND, 0)
    for name in ("02", "tool_call/ls"):
        with pytest.raises(NotFoundError, match="fits 50 tasks") as caught:
            triage.find(journal, [name])
        assert (len(caught.value.candidates), caught.value.more) == (10, 40)


def test_an_unknown_name_lists_open_tasks_that_may_be_meant(tmp_path: Path) -> None:
    journal = journal_of(
        tmp_path,
        card("A", subject="tool_call/read_file", priority=1),
        card("B", subject="tool_call/git_diff", priority=2),
        card("C", "dismissed", subject="tool_call/read_file"),
    )
    for name, meant in (("read", ["A"]), ("Tool_Call", ["B", "A"]), ("zzz", ["B", "A"])):
        with pytest.raises(NotFoundError, match="no such task") as caught:
            triage.find(journal, [name])
        assert [candidate.id for candidate in caught.value.candidates] == meant, name


@pytest.mark.parametrize("reference", ["", "  ", "01KXYZ0", "\x1b[31m"])
def test_a_task_that_does_not_exist_is_named_without_control_characters(
    tmp_path: Path, reference: str
) -> None:
    journal = journal_of(tmp_path, *map(card, IDS))
    with pytest.raises(NotFoundError, match="no such task") as caught:
        triage.find(journal, [reference])
    assert str(caught.value).isprintable()


def test_of_several_tasks_all_are_changed_or_none(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, *map(card, IDS))
    before = journal.path.read_bytes()
    with pytest.raises(NotFoundError, match="'NONE', 'NOR'"):
        triage.complete(journal, ["01KX", "NONE", "NOR"], NOW)
    assert journal.path.read_bytes() == before


def test_a_task_that_does_not_exist_creates_no_directory(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        triage.approve(Journal(tmp_path / "tasks"), ["01K"], NOW)
    assert triage.cleanup(Journal(tmp_path / "tasks"), NOW, days=30).removed == ()
    assert list(tmp_path.iterdir()) == []


STATUSES = ("generated", "approved", "dismissed", "completed", "in_progress")


@pytest.mark.parametrize(
    ("change", "status", "stamp", "already"),
    [
        (triage.approve, "approved", "approvedAt", {"approved"}),
        (triage.complete, "completed", "completedAt", {"completed"}),
        (triage.reopen, "generated", "reopenedAt", {"generated", "approved"}),
        (triage.dismiss, "dismissed", "dismissedAt", set()),
    ],
)
@pytest.mark.parametrize("before", STATUSES)
def test_any_status_may_follow_any_other_and_the_same_again_writes_nothing(
    tmp_path: Path, change: Change, status: str, stamp: str, *, already: set[str], before: str
) -> None:
    old = card("01K", before, assignee="ada", metadata={"analyzer": "x"})
    journal = journal_of(tmp_path, old)
    outcome = change(journal, ["01k"], NOW)
    if before in already:
        assert outcome == triage.Outcome((old,), frozenset({"01K"}))
        assert outcome.changed == ()
    else:
        (new,) = outcome.changed
        assert new.data.items() >= {**old.data, "status": status, stamp: STAMP}.items()
        assert new.data["updatedAt"] == STAMP
        assert outcome.already == frozenset()
    size = journal.path.stat().st_size
    again = change(journal, ["01k"], NOW + DAY)
    assert again.already == {"01K"}
    assert (again.cards, journal.path.stat().st_size) == (outcome.cards, size)
    assert tuple(journal.read().cards.values()) == outcome.cards


def test_the_note_is_kept_and_may_be_added_later(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, card("01K"))
    assert "approvalNote" not in triage.approve(journal, ["01K"], NOW).cards[0].data
    assert triage.approve(journal, ["01K"], NOW, note="why").cards[0].data["approvalNote"] == "why"
    assert triage.approve(journal, ["01K"], NOW, note="why").already == {"01K"}


@pytest.mark.parametrize(
    ("change", "key"),
    [(triage.complete, "completionNote"), (triage.reopen, "reopenNote")],
)
def test_whoever_completes_or_reopens_may_say_why(
    tmp_path: Path, change: Callable[..., triage.Outcome], key: str
) -> None:
    journal = journal_of(tmp_path, card("01K", "dismissed"))
    assert change(journal, ["01K"], NOW, note="as agreed").cards[0].data[key] == "as agreed"
    assert change(journal, ["01K"], NOW, note="as agreed").already == {"01K"}


@pytest.mark.parametrize("change", [triage.approve, triage.complete, triage.reopen])
def test_a_decision_ends_a_dismissal_and_its_end(tmp_path: Path, change: Change) -> None:
    journal = journal_of(tmp_path, card("01K"))
    triage.dismiss(journal, ["01K"], NOW, until=NOW + DAY)
    assert change(journal, ["01K"], NOW).cards[0].data["dismissedUntil"] is None


def test_an_annotation_changes_no_status_and_adds_to_what_there_is(tmp_path: Path) -> None:
    old = card("01K", "approved", links=["https://a.example/1"], notes=[{"text": "old"}])
    journal = journal_of(tmp_path, old)
    link = "https://a.example/2"
    (new,) = triage.annotate(
        journal, ["01K"], NOW, owner="ada", links=[old.data["links"][0], link, link], by="jo"
    ).changed
    assert new.data == {
        **old.data,
        "owner": "ada",
        "links": ["https://a.example/1", link],
        "updatedAt": STAMP,
    }
    (noted,) = triage.annotate(journal, ["01K"], NOW, note="seen", by="jo").changed
    assert noted.data["notes"] == [{"text": "old"}, {"at": STAMP, "by": "jo", "text": "seen"}]
    assert triage.annotate(journal, ["01K"], NOW, owner="ada", links=[link]).already == {"01K"}
    assert triage.annotate(journal, ["01K"], NOW, owner="").cards[0].data["owner"] is None


@pytest.mark.parametrize("strange", ["x", 7, {"a": 1}, None])
def test_notes_and_links_of_another_type_give_way(tmp_path: Path, strange: object) -> None:
    journal = journal_of(tmp_path, card("01K", links=strange, notes=strange, owner=strange))
    (new,) = triage.annotate(
        journal, ["01K"], NOW, owner="ada", links=["https://a.example"], note="n"
    ).changed
    assert new.data["links"] == ["https://a.example"]
    assert len(new.data["notes"]) == 1


def test_a_dismissal_remembers_its_reason_its_end_and_the_severity(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, card("01K"))
    until = NOW + 7 * DAY
    (new,) = triage.dismiss(journal, ["01K"], NOW, reason="known", until=until).cards
    assert new.data["dismissalReason"] == "known"
    assert new.data["dismissedUntil"] == format_time(until)
    assert new.data["dismissedSeverity"] == "high"
    (longer,) = triage.dismiss(journal, ["01K"], NOW, until=until + DAY).changed
    assert longer.data["dismissedUntil"] == format_time(until + DAY)
    assert longer.data["dismissalReason"] == "known"
    (forever,) = triage.dismiss(journal, ["01K"], NOW).changed
    assert forever.data["dismissedUntil"] is None, "without an end it is for good"


def test_an_old_end_does_not_end_a_new_dismissal(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, card("01K"))
    triage.dismiss(journal, ["01K"], NOW, until=NOW + DAY)
    triage.reopen(journal, ["01K"], NOW + 2 * DAY)
    (new,) = triage.dismiss(journal, ["01K"], NOW + 2 * DAY).cards
    assert new.data["dismissedUntil"] is None


@pytest.mark.parametrize("until", [NOW, NOW - DAY])
def test_a_dismissal_that_has_ended_already_is_refused(tmp_path: Path, until: datetime) -> None:
    journal = journal_of(tmp_path, card("01K"))
    with pytest.raises(TransitionError, match="not in the future"):
        triage.dismiss(journal, ["01K"], NOW, until=until)
    assert journal.read().cards["01K"].status == "generated"


def ago(days: float) -> str:
    return format_time(NOW - days * DAY)


OLD_ENOUGH: list[tuple[Card, bool, str]] = [
    (card("T", "dismissed", dismissedAt=ago(31)), True, "dismissed long ago"),
    (card("T", "dismissed", dismissedAt=ago(30)), True, "dismissed just long enough ago"),
    (card("T", "dismissed", dismissedAt=ago(29)), False, "dismissed of late"),
    (card("T", "dismissed", dismissedAt=ago(29), generatedAt=ago(90)), False, "old, but not that"),
    (card("T", "dismissed", updatedAt=ago(31)), True, "the last change tells"),
    (card("T", "dismissed", generatedAt=ago(31), dismissedAt="?"), True, "or else its beginning"),
    (card("T", "dismissed", dismissedAt="?"), False, "nobody knows when"),
    (card("T", "dismissed", dismissedAt=ago(31), dismissedUntil=ago(-1)), False, "still snoozed"),
    (card("T", "dismissed", dismissedAt=ago(31), dismissedUntil=ago(1)), True, "snoozed before"),
    (card("T", "completed", completedAt=ago(99), dismissedAt=ago(99)), False, "completed"),
    (card("T", "archived", updatedAt=ago(99)), False, "another tool's status"),
]


@pytest.mark.parametrize(("old", "dropped", "why"), OLD_ENOUGH)
def test_cleanup_drops_what_was_dismissed_long_ago_and_nothing_else(
    tmp_path: Path, old: Card, dropped: bool, why: str
) -> None:
    journal = journal_of(tmp_path, card("KEPT"), old)
    before = journal.path.read_bytes()
    expected = (old,) if dropped else ()
    assert triage.cleanup(journal, NOW, days=30, dry_run=True).removed == expected, why
    assert journal.path.read_bytes() == before, "a dry run changes nothing"
    assert triage.cleanup(journal, NOW, days=30).removed == expected, why
    assert list(journal.read().cards) == (["KEPT"] if dropped else ["KEPT", "T"])


def test_cleanup_leaves_one_line_a_card_and_every_line_that_is_none(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, card("A"), card("B"))
    triage.approve(journal, ["A"], NOW)
    with journal.path.open("ab") as stream:
        stream.write(b'not mine\n{"torn":')
    before = journal.read()
    assert triage.cleanup(journal, NOW, days=0).removed == ()
    lines = journal.path.read_bytes().splitlines()
    assert (len(lines), lines[0]) == (3, b"not mine")
    assert journal.read().cards == before.cards


PROOF = {"quietSince": STAMP, "verification": {"state": "holds"}, "completedBy": "tgt"}


@pytest.mark.parametrize(
    ("status", "change", "is_kept"),
    [
        ("completed", triage.reopen, False),
        ("generated", triage.complete, False),
        ("completed", triage.complete, True),
        ("generated", triage.approve, True),
        ("generated", triage.reopen, True),
    ],
)
def test_what_was_shown_of_an_end_says_nothing_of_the_next(
    tmp_path: Path, status: str, change: Change, is_kept: bool
) -> None:
    journal = journal_of(tmp_path, card("A", status, **PROOF))
    (after,) = change(journal, ["A"], NOW).cards
    assert {key: after.data[key] for key in PROOF} == (PROOF if is_kept else dict.fromkeys(PROOF))
