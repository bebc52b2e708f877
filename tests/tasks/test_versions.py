"""Which versions bring a completed problem back: by when they were first seen, never by text."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tgt.tasks.card import Card, format_time
from tgt.tasks.versions import (
    MOST_KEPT,
    Tried,
    VersionUse,
    criterion_of,
    kept,
    only_older_fail,
)

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)

CRITERION = {
    "metric": "failing_conversations",
    "subject": "tool_call/read_file",
    "op": "<=",
    "value": 0.06,
    "tolerated": 0.06,
    "unit": "conversations",
    "before": {"bad": 20, "of": 40},
}


def use(
    version: str,
    seen: float,
    *,
    failed: int = 0,
    bad: int = 0,
    of: int = 20,
    last: float = 0,
    service: str = "shop",
) -> VersionUse:
    """A version that was first seen so many days before NOW; so many of its conversations were bad
    before the completion, and so many since."""
    before, since = (Tried(of, k, of, k) for k in (failed, bad))
    return VersionUse(service, version, NOW - seen * DAY, NOW - last * DAY, before, since)


def card(*versions: dict[str, Any], criteria: Any = (CRITERION,)) -> Card:
    return Card({"id": "a", "versions": list(versions), "criteria": list(criteria)})


def known(version: str, seen: float, *, failed: bool, service: str = "shop") -> dict[str, Any]:
    first = format_time(NOW - seen * DAY)
    return {"service": service, "version": version, "firstSeenAt": first, "failed": failed}


OLD = use("1.9", 6, failed=10, bad=10)
CASES: list[tuple[str, Card, list[VersionUse], bool]] = [
    ("nothing is known of versions", card(), [], False),
    ("there is no other version", card(), [OLD], False),
    ("a newer one is in use and clean", card(), [OLD, use("1.10", 1)], True),
    ("it fails, too", card(), [OLD, use("1.10", 1, bad=10)], False),
    ("it fails as often as is tolerated", card(), [OLD, use("1.10", 1, bad=1)], True),
    (
        "it fails less than before, and more than is tolerated",
        card(),
        [OLD, use("1.10", 1, bad=15, of=100)],
        False,
    ),
    (
        "nobody knows what is tolerated",
        card(criteria=()),
        [OLD, use("1.10", 1, bad=1)],
        False,
    ),
    (
        "a newer one was there for an hour, and is no more",
        card(),
        [OLD, use("2", 1.5, last=1.2)],
        False,
    ),
    ("the text says nothing", card(), [use("1.10", 6, failed=10, bad=10), use("1.9", 1)], True),
    (
        "a version that never failed before is not the fix if it is older",
        card(),
        [OLD, use("1.8", 7)],
        False,
    ),
    (
        "what is older than the fix and failed only now is old, too",
        card(),
        [OLD, use("1.8", 7, bad=5), use("1.10", 1)],
        True,
    ),
    (
        "the fix itself was in use when the card was completed",
        card(),
        [OLD, use("1.10", 2.5)],
        True,
    ),
    (
        "an error now and then before the completion is no failure of the fix",
        card(),
        [OLD, use("1.10", 3, failed=1)],
        True,
    ),
    (
        "an error now and then elsewhere says nothing",
        card(),
        [OLD, use("1.10", 1), use("", 6, bad=1), use("3", 6, bad=1, service="bank")],
        True,
    ),
    (
        "the newest of those that failed before decides",
        card(),
        [OLD, use("1.10", 4, failed=10, bad=5), use("1.11", 1)],
        True,
    ),
    (
        "one that failed before is not the fix",
        card(),
        [OLD, use("1.10", 4, failed=10)],
        False,
    ),
    (
        "events without a version have no order",
        card(),
        [OLD, use("", 6, bad=5), use("2", 1)],
        False,
    ),
    ("those that do not fail say nothing", card(), [OLD, use("", 6), use("2", 1)], True),
    (
        "each service has versions of its own",
        card(),
        [OLD, use("2", 1, service="bank")],
        False,
    ),
    (
        "of several services each must be past",
        card(),
        [OLD, use("2", 1), use("7", 6, bad=5, service="bank")],
        False,
    ),
    (
        "the card remembers what telemetry has forgotten",
        card(known("1.9", 40, failed=True), known("1.8", 50, failed=False)),
        [use("1.8", 3, bad=5), use("1.10", 3, last=0)],
        True,
    ),
    (
        "what the card knows to be older is no fix",
        card(known("1.9", 40, failed=True), known("1.8", 50, failed=False)),
        [use("1.9", 3, bad=5), use("1.8", 3)],
        False,
    ),
    (
        "what makes no sense on a card is left out",
        Card(
            {
                "versions": [7, {}, {"version": 3}, {"version": "x", "firstSeenAt": "?"}],
                "criteria": 1,
            }
        ),
        [OLD, use("1.10", 1)],
        True,
    ),
]


@pytest.mark.parametrize(("promise", "kept_card", "uses", "only"), CASES, ids=[c[0] for c in CASES])
def test_whether_only_older_versions_fail(
    promise: str, kept_card: Card, uses: list[VersionUse], only: bool
) -> None:
    assert only_older_fail(kept_card, uses, NOW) is only, promise
    assert only_older_fail(kept_card, uses[::-1], NOW) is only, "in any order"


def test_a_card_keeps_versions_and_never_forgets_that_one_failed() -> None:
    criterion = criterion_of(card())
    first = kept(Card({}), [OLD, use("1.10", 1, failed=1), use("", 5, bad=3)], criterion)
    assert first == [known("1.9", 6, failed=True), known("1.10", 1, failed=False)]
    later = kept(card(*first), [use("1.9", 2), use("1.10", 0.5, bad=9)], criterion)
    assert later == [known("1.10", 1, failed=True), known("1.9", 6, failed=True)]


def test_a_card_keeps_few_versions_those_that_failed_first() -> None:
    many = [use(str(n), 100 - n) for n in range(50)]
    found = kept(Card({}), [*many, use("bad", 200, failed=1)], None)
    assert len(found) == MOST_KEPT
    assert found[0] == known("bad", 200, failed=True)
    assert found[1]["version"] == "49"
