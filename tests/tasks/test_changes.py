"""What the versions of a card tell: every decision and every turn once, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tgt.tasks import changes, ledger
from tgt.tasks.card import Card, format_time
from tgt.tasks.changes import Change, Kind

SAVED = datetime(2025, 11, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def stamp(days: float) -> str:
    return format_time(SAVED + days * DAY)


FRESH: dict[str, Any] = {
    "id": "01K",
    "subject": "tool_call/ls",
    "title": "ls fails",
    "severity": "high",
    "status": "generated",
    "generatedBy": "tgt",
    "generatedAt": stamp(0),
    "savedAt": stamp(0),
    "firstSeenAt": stamp(0),
    "lastSeenAt": stamp(0),
}
LATER = {"updatedAt": stamp(1)}


def told(*versions: dict[str, Any]) -> list[Change]:
    """The changes of lines of one card, the oldest first."""
    found: list[Change] = []
    before = None
    for data in versions:
        card = Card(data)
        version = changes.version(card)
        found += changes.between(before, version, card)
        before = version
    return found


def brief(found: list[Change]) -> list[tuple[str, float, str, str]]:
    """Of each change its kind, its day, by whom, and what was said."""
    return [(str(c.kind), (c.at - SAVED) / DAY, c.by, c.text or c.reason) for c in found]


def test_a_card_is_found_once() -> None:
    (found,) = told(FRESH)
    assert found == Change(SAVED, Kind.FOUND, "01K", "tool_call/ls", "high", "ls fails", "tgt")
    assert told(FRESH, FRESH) == [found]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"occurrences": 9, "lastSeenAt": stamp(1), **LATER}, []),
        ({"title": "ls fails often", "priority": 3, "assignee": "x", **LATER}, []),
        ({"severity": "critical", **LATER}, [("worse", 1, "tgt", "from high to critical")]),
        ({"severity": "low", **LATER}, [("better", 1, "tgt", "from high to low")]),
        ({"severity": "urgent", **LATER}, []),
        (
            {"now": {"severity": "critical"}, **LATER},
            [("worse", 1, "tgt", "from high to critical")],
        ),
        (
            {"status": "approved", "approvedAt": stamp(1), "approvalNote": "on it", **LATER},
            [("approved", 1, "", "on it")],
        ),
        (
            {"status": "dismissed", "dismissedAt": stamp(1), "dismissalReason": "known", **LATER},
            [("dismissed", 1, "", "known")],
        ),
        (
            {"status": "completed", "completedAt": stamp(1), "completionNote": "2.1", **LATER},
            [("completed", 1, "", "2.1")],
        ),
        (
            {
                "status": "completed",
                "completedAt": stamp(1),
                "completedBy": "tgt",
                "verification": {"state": "holds", "at": stamp(1), "text": "99.7%"},
                **LATER,
            },
            [("completed", 1, "tgt", "99.7%")],
        ),
        ({"quietSince": stamp(0.5), **LATER}, [("quiet", 0.5, "tgt", "")]),
        ({"owner": "ada", **LATER}, [("annotated", 1, "", "owner ada")]),
        ({"links": ["https://x/1"], **LATER}, [("annotated", 1, "", "link https://x/1")]),
        (
            {"notes": [{"at": stamp(1), "by": "bo", "text": "hm"}], "owner": "ada", **LATER},
            [("annotated", 1, "bo", "owner ada; hm")],
        ),
        ({"status": "approved", **LATER}, [("approved", 1, "", "")]),
        ({"status": "in_progress", **LATER}, [("other", 1, "", "in_progress")]),
        ({"status": 7, "severity": None, "links": "x", "notes": [1, {}], "verification": 3}, []),
    ],
)
def test_the_next_version_tells_what_changed(
    keys: dict[str, Any], expected: list[tuple[str, float, str, str]]
) -> None:
    assert brief(told(FRESH, {**FRESH, **keys}))[1:] == expected
    assert brief(told(FRESH, {**FRESH, **keys}, {**FRESH, **keys}))[1:] == expected, "once"


def test_a_dismissal_for_a_time_says_until_when() -> None:
    keys = {"status": "dismissed", "dismissedAt": stamp(1), "dismissedUntil": stamp(8)}
    assert told(FRESH, {**FRESH, **keys})[-1].until == SAVED + 8 * DAY
    approved = {"status": "approved", "approvedAt": stamp(2), "dismissedUntil": None}
    assert told(FRESH, {**FRESH, **keys}, {**FRESH, **keys, **approved})[-1].until is None


def test_a_run_and_a_person_may_both_reopen() -> None:
    closed = {**FRESH, "status": "completed", "completedAt": stamp(1), "updatedAt": stamp(1)}
    person = {**closed, "status": "generated", "reopenedAt": stamp(2), "reopenNote": "not yet"}
    assert brief(told(FRESH, closed, person))[2:] == [("reopened", 2, "", "not yet")]
    by_itself = {"at": stamp(2), "reason": ledger.CAME_BACK, "count": 1}
    run = {**person, "metadata": {"reopened": by_itself}, "severity": "critical"}
    found = told(FRESH, closed, run)[2:]
    assert brief(found) == [("reopened", 2, "tgt", "came_back")], "not worse beside it"
    assert found[0].severity == "critical"
    again = {**run, "status": "generated", "reopenedAt": stamp(3), "reopenNote": "really"}
    assert brief(told(run, again))[-1] == ("reopened", 3, "", "really")


def test_of_a_card_alone_its_stamps_tell_what_they_can() -> None:
    """As after tgt cleanup. Who owns it, and whether it was worse, has no time."""
    card = {
        **FRESH,
        "status": "approved",
        "owner": "ada",
        "completedAt": stamp(1),
        "reopenedAt": stamp(2),
        "metadata": {"reopened": {"at": stamp(2), "reason": "came_back"}},
        "approvedAt": stamp(3),
        "notes": [{"at": stamp(2.5), "by": "bo", "text": "hm"}],
        "updatedAt": stamp(3),
    }
    assert sorted(brief(told(card)), key=lambda entry: entry[1]) == [
        ("found", 0, "tgt", ""),
        ("completed", 1, "", ""),
        ("reopened", 2, "tgt", "came_back"),
        ("annotated", 2.5, "bo", "hm"),
        ("approved", 3, "", ""),
    ]


def test_a_card_of_another_writer_is_found_when_it_says() -> None:
    assert told({"id": "x"}) == []
    assert brief(told({"id": "x", "generatedAt": stamp(2)})) == [("found", 2, "", "")]
    assert brief(told({"id": "x", "generatedAt": stamp(2), "status": "completed"})) == [
        ("found", 2, "", "")
    ], "it does not say when"
