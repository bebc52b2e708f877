"""Promises of the ledger: one problem is one card, and every decision has its reason."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgt.store.journal import Journal, encode
from tgt.store.state_file import Sidecar
from tgt.tasks import ledger
from tgt.tasks.card import (
    Card,
    Evidence,
    Finding,
    Fix,
    Severity,
    TaskType,
    Touched,
    fingerprint,
    format_time,
    measured,
    new_card,
    sort_key,
)
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.mute import Mute, Mutes
from tgt.tasks.nearby import Nearby, What
from tgt.tasks.state import SchedulerState, Sighting
from tgt.tasks.versions import Tried, VersionUse

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)


def finding(
    subject: str = "tool_call/read_file",
    severity: Severity = Severity.HIGH,
    *,
    centre: datetime | None = NOW,
    samples: int = 0,
    confidence: float = 0.9,
    value: float = 0.25,
    versions: tuple[VersionUse, ...] = (),
    changes: tuple[Nearby, ...] = (),
) -> Finding:
    sample = {"ts": format_time(NOW), "error": "x" * 300, "traceId": "t" * 32}
    return Finding(
        analyzer="error_spike",
        type=TaskType.ERROR_SPIKE,
        subject=subject,
        severity=severity,
        title=f"{subject} fails ({severity})",
        description="d",
        evidence=Evidence(
            *("m", "1", "2", "60 min"),
            samples=(sample,) * samples,
            details={"value": value, "history": [None, 0.1, value]},
        ),
        fix=Fix("a", ("c",)),
        acceptance=("ok",),
        confidence=confidence,
        touched=Touched(40, 0.12),
        centre=centre,
        versions=versions,
        changes=changes,
    )


def version(name: str, *, failed: datetime | None = None, k: int = 0) -> VersionUse:
    """A version of a service; those that failed were there before those that did not."""
    is_old = failed is not None and failed < NOW
    first, tried = NOW - (2 * DAY if is_old else HOUR), Tried(20, k, 20, k)
    return VersionUse("shop", name, first, NOW, tried if is_old else Tried(), tried)


def card(status: str = "generated", *, subject: str = "tool_call/read_file", **keys: Any) -> Card:
    return new_card(finding(subject), NOW - 2 * DAY).changed(status=status, **keys)


def by_id(*cards: Card) -> dict[str, Card]:
    return {entry.id: entry for entry in cards}


def decide_one(problem: Finding, *cards: Card) -> Decision:
    (decision,) = ledger.decide([problem], by_id(*cards), NOW, 10)
    return decision


PAST, FUTURE = format_time(NOW - HOUR), format_time(NOW + HOUR)
CASES: list[tuple[str, Finding, list[Card], Action, str]] = [
    ("nothing is known of it", finding(), [], Action.SAVE, ledger.NEW),
    ("another problem's card", finding(), [card(subject="x")], Action.SAVE, ledger.NEW),
    ("no fingerprint covers nothing", finding(), [card(fingerprint=None)], Action.SAVE, ledger.NEW),
    ("an open card", finding(), [card()], Action.TOUCH, ledger.COVERED),
    ("an approved card", finding(), [card("approved")], Action.TOUCH, ledger.COVERED),
    ("another tool's status", finding(), [card("in_progress")], Action.TOUCH, ledger.COVERED),
    ("less severe", finding(severity=Severity.LOW), [card()], Action.TOUCH, ledger.COVERED),
    (
        "more severe",
        finding(severity=Severity.CRITICAL),
        [card("approved")],
        Action.RENEW,
        ledger.SEVERITY_ROSE,
    ),
    (
        "a severity of somebody's own is left alone",
        finding(severity=Severity.CRITICAL),
        [card(severity="urgent")],
        Action.TOUCH,
        ledger.COVERED,
    ),
    ("dismissed", finding(), [card("dismissed")], Action.SUPPRESS, ledger.DISMISSED),
    (
        "dismissed when it was less severe",
        finding(),
        [card("dismissed", dismissedSeverity="low")],
        Action.REOPEN,
        ledger.SEVERITY_ABOVE_DISMISSAL,
    ),
    (
        "dismissed for a while",
        finding(),
        [card("dismissed", dismissedUntil=FUTURE)],
        Action.SUPPRESS,
        ledger.SNOOZED,
    ),
    (
        "dismissed for a while, but worse now",
        finding(severity=Severity.CRITICAL),
        [card("dismissed", dismissedUntil=FUTURE)],
        Action.REOPEN,
        ledger.SEVERITY_ABOVE_DISMISSAL,
    ),
    (
        "the while is over",
        finding(),
        [card("dismissed", dismissedUntil=format_time(NOW))],
        Action.REOPEN,
        ledger.SNOOZE_OVER,
    ),
    (
        "an end that is no time is no end",
        finding(),
        [card("dismissed", dismissedUntil="soon")],
        Action.SUPPRESS,
        ledger.DISMISSED,
    ),
    (
        "solved, and back",
        finding(centre=NOW),
        [card("completed", completedAt=PAST)],
        Action.REOPEN,
        ledger.CAME_BACK,
    ),
    (
        "solved, and most of the evidence is older",
        finding(centre=NOW - HOUR),
        [card("completed", completedAt=PAST)],
        Action.SUPPRESS,
        ledger.COMPLETED_BEFORE,
    ),
    (
        "solved, and nobody knows when the evidence is from",
        finding(centre=None),
        [card("completed", completedAt=PAST)],
        Action.REOPEN,
        ledger.CAME_BACK,
    ),
    (
        "solved, and only versions older than the fix still do it",
        finding(centre=NOW, versions=(version("1.9", failed=NOW - DAY, k=9), version("1.10"))),
        [card("completed", completedAt=PAST)],
        Action.SUPPRESS,
        ledger.OLDER_VERSIONS_ONLY,
    ),
    (
        "solved, and the fix does it, too",
        finding(
            centre=NOW,
            versions=(version("1.9", failed=NOW - DAY, k=9), version("1.10", failed=NOW, k=9)),
        ),
        [card("completed", completedAt=PAST)],
        Action.REOPEN,
        ledger.CAME_BACK,
    ),
    (
        "an open card outweighs a newer decision",
        finding(),
        [card(), card("dismissed", dismissedAt=PAST)],
        Action.TOUCH,
        ledger.COVERED,
    ),
    (
        "of the others the newest decision counts",
        finding(),
        [
            card("dismissed", dismissedAt=PAST),
            card("completed", completedAt=format_time(NOW - DAY)),
        ],
        Action.SUPPRESS,
        ledger.DISMISSED,
    ),
]


def test_a_card_keeps_what_changed_when_it_began_and_all_versions_that_failed() -> None:
    release = Nearby(What.RELEASE, "1.10", NOW - HOUR, "shop")
    first = finding(changes=(release,), versions=(version("1.9", failed=NOW - DAY, k=9),))
    (saved,) = ledger.decide([first], {}, NOW, 10)
    made = ledger.apply(saved, NOW)
    assert made is not None
    assert [each["name"] for each in made.items("changes")] == ["1.10"]
    worse = finding(
        severity=Severity.CRITICAL, versions=(version("1.10", failed=NOW, k=9), version("1.11"))
    )
    renewed = ledger.apply(decide_one(worse, made), NOW + HOUR)
    assert renewed is not None
    assert renewed.items("changes") == made.items("changes"), "the onset lies too far back by now"
    assert {each["version"]: each["failed"] for each in renewed.items("versions")} == {
        "1.9": True,
        "1.10": True,
        "1.11": False,
    }
    done = renewed.changed(status="completed", completedAt=PAST)
    back = ledger.apply(decide_one(finding(), done), NOW + DAY)
    assert back is not None
    assert back.items("changes") == [], "of this time nothing is known"
    assert back.items("versions") == renewed.items("versions")


@pytest.mark.parametrize(("why", "problem", "cards", "action", "reason"), CASES)
def test_every_decision_has_its_reason(
    why: str, problem: Finding, cards: list[Card], action: Action, reason: str
) -> None:
    decision = decide_one(problem, *cards)
    assert (decision.action, decision.reason) == (action, reason), why
    assert decide_one(problem, *reversed(cards)) == decision or action is Action.SAVE
    if action is not Action.SAVE:
        assert decision.card in cards


def test_the_best_findings_get_the_room_and_the_others_are_told_why_not() -> None:
    problems = [finding(str(number)) for number in range(5)]
    cards = by_id(card(subject="1"), card("completed", subject="2", completedAt=PAST))
    for limit in (ledger.QUOTA, ledger.MAX_TASKS):
        decisions = ledger.decide(problems, cards, NOW, 1, limit)
        assert [decision.action for decision in decisions] == [
            Action.SAVE,
            Action.TOUCH,
            Action.REOPEN,
            Action.DEFER,
            Action.DEFER,
        ]
        assert [(decision.reason, decision.card) for decision in decisions[3:]] == [
            (limit, None)
        ] * 2


@pytest.mark.parametrize(("why", "problem", "cards", "action", "reason"), CASES)
def test_what_is_muted_changes_no_card(
    why: str, problem: Finding, cards: list[Card], action: Action, reason: str
) -> None:
    covered = decide_one(problem, *cards).card if action is not Action.SAVE else None
    for mute in (Mute(NOW, "tool_call/*"), Mute(NOW, "*", "error_spike", NOW + HOUR)):
        (decision,) = ledger.decide([problem], by_id(*cards), NOW, 9, mutes=Mutes([mute]))
        assert (decision.action, decision.reason) == (Action.SUPPRESS, ledger.MUTED), why
        assert decision.card == covered
        assert ledger.apply(decision, NOW + 9 * DAY) is None, why
    for mute in (Mute(NOW, "upstream/*"), Mute(NOW, "*", "docs_gap")):
        (decision,) = ledger.decide([problem], by_id(*cards), NOW, 9, mutes=Mutes([mute]))
        assert (decision.action, decision.reason) == (action, reason), why


def test_what_is_muted_is_seen_all_the_same_and_takes_no_room() -> None:
    mutes = Mutes([Mute(NOW, "muted*")])
    there, closed = card(subject="muted1"), card("dismissed", subject="muted2")
    problems = [finding("muted0"), finding("muted1"), finding("muted2"), finding("new")]
    cards = by_id(there, closed)
    decisions = ledger.decide(problems, cards, NOW, 1, mutes=mutes)
    assert [each.reason for each in decisions] == ["muted"] * 3 + ["new"]
    seen = ledger.sightings({}, decisions, cards, NOW)
    assert set(seen) == {there.id}, "of an open card; whoever ends the mute finds it up to date"
    assert seen[there.id].last_seen_at == NOW
    assert seen[there.id].now is not None
    twice = ledger.decide([finding("muted0")] * 2, {}, NOW, 1, mutes=mutes)
    assert [each.reason for each in twice] == ["muted"] * 2


def test_an_analyzer_has_a_room_of_its_own_and_takes_none_from_the_others() -> None:
    mine = [replace(finding(f"mine{n}"), analyzer="docs_gap") for n in range(4)]
    others = [finding(f"other{n}") for n in range(3)]
    problems = [problem for pair in zip(mine, [*others, mine[3]], strict=True) for problem in pair]
    cards = by_id(card(subject="mine0"))

    def told(room: int, rooms: dict[str, int]) -> list[tuple[str, str]]:
        decided = ledger.decide(problems, cards, NOW, room, ledger.MAX_TASKS, rooms)
        return [(each.finding.subject, each.reason) for each in decided if each.reason != "covered"]

    assert told(10, {"docs_gap": 1, "ux_issue": 0}) == [
        ("other0", "new"),
        ("mine1", "new"),
        ("other1", "new"),
        ("mine2", "analyzer_quota"),
        ("other2", "new"),
        ("mine3", "analyzer_quota"),
    ]
    none = told(2, {"docs_gap": 0})
    assert none[:2] == [("other0", "new"), ("mine1", "analyzer_quota")]
    assert ("other1", "new") in none, "what an analyzer may not have is left to the others"
    assert none[-1] == ("mine3", "max_tasks"), "where there is room for nobody, that is the reason"
    assert told(10, {}) == told(10, {"docs_gap": 3})


@pytest.mark.parametrize(
    ("max_tasks", "quota", "expected"),
    [
        (10, 3, (3, ledger.QUOTA)),
        (3, 10, (3, ledger.MAX_TASKS)),
        (10, 10, (10, ledger.QUOTA)),
        (10, 0, (0, ledger.QUOTA)),
        (10, -1, (0, ledger.QUOTA)),
    ],
)
def test_the_tighter_limit_is_named(max_tasks: int, quota: int, expected: tuple[int, str]) -> None:
    assert ledger.room(max_tasks, quota) == expected


@pytest.mark.parametrize(
    "cards",
    [
        [],
        [card()],
        [card(severity="low")],
        [card("completed", completedAt=PAST)],
        [card("dismissed")],
    ],
)
def test_a_problem_found_twice_in_a_run_is_written_once_at_most(cards: list[Card]) -> None:
    problems = [finding(), finding(severity=Severity.LOW), finding()]
    decisions = ledger.decide(problems, by_id(*cards), NOW, 10)
    assert sum(ledger.apply(decision, NOW) is not None for decision in decisions) <= 1
    repeated = {(decision.action, decision.reason) for decision in decisions[1:]}
    assert repeated <= {(Action.TOUCH, ledger.COVERED), (Action.SUPPRESS, ledger.DISMISSED)}
    seen = ledger.sightings({}, decisions, by_id(*cards), NOW)
    assert all(sighting.occurrences == 2 for sighting in seen.values())


SEVERITIES = st.sampled_from(list(Severity))
TIMES = st.sampled_from([None, PAST, FUTURE])


@st.composite
def known_cards(draw: st.DrawFn) -> Card:
    return card(
        draw(st.sampled_from(["generated", "approved", "dismissed", "completed", "in_progress"])),
        subject=draw(st.sampled_from("abcdef")),
        severity=str(draw(SEVERITIES)),
        dismissedUntil=draw(TIMES),
        completedAt=draw(TIMES),
        updatedAt=draw(TIMES),
    )


@settings(max_examples=120)
@given(
    severities=st.lists(SEVERITIES, min_size=6, max_size=6),
    cards=st.lists(known_cards(), max_size=8),
    room=st.integers(0, 7),
    seed=st.integers(0, 1000),
)
def test_the_order_decides_nothing_but_who_gets_the_room(
    severities: list[Severity], cards: list[Card], room: int, seed: int
) -> None:
    def told(decisions: Sequence[Decision]) -> dict[str, tuple[Action, str, str]]:
        return {
            decision.finding.subject: (
                decision.action,
                decision.reason,
                decision.card.id if decision.card and decision.action is not Action.SAVE else "",
            )
            for decision in decisions
        }

    problems = [
        finding(subject, severity) for subject, severity in zip("abcdef", severities, strict=True)
    ]
    shuffled, shuffled_cards = problems[:], cards[:]
    random.Random(seed).shuffle(shuffled)
    random.Random(seed).shuffle(shuffled_cards)
    roomy = told(ledger.decide(problems, by_id(*cards), NOW, 99))
    assert told(ledger.decide(shuffled, by_id(*shuffled_cards), NOW, 99)) == roomy

    tight = told(ledger.decide(shuffled, by_id(*shuffled_cards), NOW, room))
    new = {subject for subject, (action, _, _) in roomy.items() if action is Action.SAVE}
    assert {s: tight[s] for s in tight if s not in new} == {
        s: roomy[s] for s in roomy if s not in new
    }
    actions = Counter(tight[subject][0] for subject in new)
    assert actions[Action.SAVE] == min(room, len(new))
    assert actions[Action.DEFER] == len(new) - actions[Action.SAVE]


def test_a_renewed_card_takes_the_new_evidence_and_keeps_its_history() -> None:
    old = card("approved", severity="low", occurrences=4, approvalNote="yes", assignee="ada")
    new = ledger.apply(decide_one(finding(), old), NOW)
    assert new is not None
    assert (new.severity, new.title) == ("high", finding().title)
    assert {
        key: new.data[key] for key in ("status", "occurrences", "approvalNote", "assignee")
    } == {
        "status": "approved",
        "occurrences": 5,
        "approvalNote": "yes",
        "assignee": "ada",
    }
    assert new.data["lastSeenAt"] == new.data["updatedAt"] == format_time(NOW)
    assert (new.data["savedAt"], new.data["firstSeenAt"]) == (old.data["savedAt"],) * 2


def test_a_reopened_card_is_the_same_task_and_says_so() -> None:
    old = card("completed", completedAt=PAST)
    for count in (1, 2):
        new = ledger.apply(decide_one(finding(), old), NOW)
        assert new is not None
        assert (new.id, new.status, new.data["reopenedAt"]) == (
            old.id,
            "generated",
            format_time(NOW),
        )
        assert new.data["completedAt"] == PAST
        assert new.mapping("metadata")["reopened"] == {
            "at": format_time(NOW),
            "reason": ledger.CAME_BACK,
            "count": count,
        }
        assert new.mapping("metadata")["analyzer"] == "error_spike"
        old = new.changed(status="completed")


@pytest.mark.parametrize("occurrences", [None, "many", -3, float("inf"), float("nan"), 1e300])
def test_a_count_that_makes_no_sense_does_no_harm(occurrences: Any) -> None:
    old = card(severity="low", occurrences=occurrences)
    new = ledger.apply(decide_one(finding(), old), NOW)
    assert new is not None
    assert isinstance(new.data["occurrences"], int)
    assert new.data["occurrences"] >= 2


@pytest.mark.parametrize(
    ("keys", "written", "why"),
    [
        ({"savedAt": PAST}, False, "its line is an hour old"),
        ({"updatedAt": format_time(NOW - DAY + QUARTER)}, False, "not quite a day"),
        ({"updatedAt": format_time(NOW - DAY)}, True, "a day"),
        ({"updatedAt": FUTURE}, False, "a clock was wrong: rather no line than one at every run"),
        ({"lastSeenAt": format_time(NOW - QUARTER)}, True, "sightings are not lines"),
    ],
)
def test_a_covered_problem_writes_one_line_a_day(keys: Any, written: bool, why: str) -> None:
    line = ledger.apply(decide_one(finding(), card(**keys)), NOW)
    assert (line is not None) is written, why
    if line is not None:
        assert (line.data["occurrences"], line.data["lastSeenAt"]) == (2, format_time(NOW))
        assert line.title == card().title, "its evidence stays that of the day it was found"


def test_sightings_count_on_until_the_card_is_written_or_gone() -> None:
    covered, worse, closed = card(subject="a"), card(subject="b", severity="low"), card(subject="c")
    cards = by_id(covered, worse, closed)
    before = {key: Sighting(5, NOW - HOUR) for key in (*cards, "GONE")}
    shown = ledger.overlay(cards, before)
    decisions = ledger.decide([finding("a"), finding("b")], shown, NOW, 10)
    assert ledger.sightings(before, decisions, shown, NOW) == {
        covered.id: Sighting(6, NOW, measured(finding("a"), NOW)),
        closed.id: Sighting(5, NOW - HOUR),
    }
    renewed = ledger.apply(decisions[1], NOW)
    assert renewed is not None
    assert renewed.data["occurrences"] == 6


def test_a_card_tells_what_was_measured_last_beside_what_was_measured_first() -> None:
    known = card()
    worse = finding(value=0.9, confidence=0.999)
    (decision,) = ledger.decide([worse], by_id(known), NOW, 10)
    seen = ledger.sightings({}, [decision], by_id(known), NOW)
    shown = ledger.overlay(by_id(known), seen)[known.id]
    assert shown.data["now"] == {
        "value": 0.9,
        "confidence": 0.999,
        "priority": worse.priority,
        "severity": "high",
        "history": [None, 0.1, 0.9],
        "at": format_time(NOW),
    }
    assert shown.mapping("evidence") == known.mapping("evidence")
    assert (shown.confidence, shown.current.confidence) == (0.9, 0.999)
    assert sort_key(shown) < sort_key(known), "what has become surer comes first"
    (line,) = (ledger.apply(decision, NOW + DAY),)
    assert line is not None
    assert line.mapping("now")["at"] == format_time(NOW + DAY)


def test_what_was_measured_is_worked_out_only_where_somebody_may_look() -> None:
    known = card()
    (decision,) = ledger.decide([finding()], by_id(known), NOW, 10)
    seen = ledger.sightings({}, [decision], by_id(known), NOW, measures=False)
    assert seen == {known.id: Sighting(2, NOW)}
    assert ledger.overlaid(known, seen[known.id]).mapping("now") == known.mapping("now")


@pytest.mark.parametrize(
    "now",
    [None, {}, [], "0.9", {"severity": 3, "priority": "high", "confidence": None}],
)
def test_what_others_wrote_in_its_place_changes_nothing(now: object) -> None:
    known = card(now=now)
    assert known.current.data == known.data
    assert sort_key(known) == sort_key(card(id=known.id))


def test_the_overlay_shows_what_is_newer_and_nothing_else() -> None:
    newer, older = card(occurrences=9), card(lastSeenAt=FUTURE, occurrences=9)
    seen = {newer.id: Sighting(3, NOW), older.id: Sighting(30, NOW), "GONE": Sighting(1, NOW)}
    shown = ledger.overlay(by_id(newer, older), seen)
    assert shown[newer.id].data == {**newer.data, "lastSeenAt": format_time(NOW)}
    assert shown[older.id] is older
    assert list(shown) == [newer.id, older.id]


def touching(problem: Finding, share: float) -> Finding:
    """The same problem where such a share of all conversations is touched."""
    touched = replace(problem.touched, share=share)
    return replace(problem, touched=touched, severity=touched.lessened(problem.severity))


@pytest.mark.parametrize("shares", [(0.12,), (0.009, 0.011), (0.011, 0.009, 0.009)])
def test_ten_problems_that_persist_all_day_add_less_than_100_kb_to_the_journal(
    tmp_path: Path, shares: tuple[float, ...]
) -> None:
    """Also where whom they touch is now more and now less than makes them severe."""
    journal, sidecar = Journal(tmp_path), Sidecar(tmp_path)
    persistent = [finding(f"tool_call/{number}", samples=8) for number in range(10)]
    problems = persistent
    assert 3_000 < len(encode(new_card(problems[0], NOW).data)) < 4_500

    def store(seen: dict[str, Sighting], _state: SchedulerState) -> SchedulerState:
        return SchedulerState(sightings=seen)

    sizes = []
    for run in range(2 * 96 + 1):
        now = NOW + run * QUARTER
        problems = [touching(each, shares[run % len(shares)]) for each in persistent]
        state, warnings = sidecar.read(())
        cards = ledger.overlay(journal.read().cards, state.sightings)
        decisions = ledger.decide(problems, cards, now, 10)
        lines = [line for line in (ledger.apply(decision, now) for decision in decisions) if line]
        with journal.writing() as writer:
            writer.append(lines)
        new = ledger.sightings(state.sightings, decisions, cards, now)
        sidecar.update(partial(store, new))
        assert warnings == ()
        sizes.append(journal.path.stat().st_size)
    assert max(after - before for before, after in zip(sizes, sizes[96:], strict=False)) < 100_000
    assert sizes[96] < 100_000, "the first day, with the cards themselves"
    shown = ledger.overlay(journal.read().cards, sidecar.read(())[0].sightings)
    assert {entry.data["occurrences"] for entry in shown.values()} == {2 * 96 + 1}
    assert {entry.severity for entry in shown.values()} == {"high"}
    written = journal.path.read_bytes().count(b"\n")
    assert written <= 10 * (1 + 2 + (shares[0] < 0.01)), "one at first, one a day, one as it rose"
    assert {entry.fingerprint for entry in shown.values()} == {
        fingerprint(TaskType.ERROR_SPIKE, problem.subject) for problem in problems
    }
