"""Priorities bring problems into the order in which a person would take them, and stay put."""

from __future__ import annotations

import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import thirty_problems
from conftest import World
from hypothesis import given
from hypothesis import strategies as st
from thirty_problems import ORDER

from tgt import subjects
from tgt.tasks.card import Card, Severity, Touched, priority

PAIRS = (
    ("given up", "400 ms slower"),
    ("given up", "undocumented, used always"),
    ("outage", "rare tool fails"),
    ("outage", "rare tool 6 s slower"),
    ("outage", "23 s slower"),
    ("silent", "undocumented, used always"),
    ("model fails", "tool fails for 7%"),
    ("tool fails for a quarter", "tool fails for 7%"),
    ("tool fails for 7%", "tool fails a little"),
    ("tool fails for a quarter", "undocumented, used always"),
    ("tool fails a little", "undocumented, used always"),
    ("cut off", "cut off a little"),
    ("cut off", "answers longer"),
    ("long waits", "3 s slower"),
    ("23 s slower", "3 s slower"),
    ("3 s slower", "400 ms slower"),
    ("slow ones slower", "400 ms slower"),
    ("400 ms slower", "100 ms slower"),
    ("rare tool 6 s slower", "100 ms slower"),
    ("error in 36", "error in 14"),
    ("error in 14", "error in 6"),
    ("error in 6", "cheap error in 4"),
    ("loop of 40", "loop of 12"),
    ("loop of 12", "loop of 7"),
    ("undocumented, used always", "undocumented, used now and then"),
    ("cache unused", "undocumented, used now and then"),
)
"""Of which the first comes first whoever is asked."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Card]:
    """The cards of a real cycle, by what was planted."""
    path: Path = tmp_path_factory.mktemp("thirty")
    (path / "docs").mkdir()
    (path / "docs" / "tools.md").write_text("\n".join(thirty_problems.DOCUMENTED))
    world = World(path)
    world.write(*thirty_problems.lines())
    report = world.run(max_tasks=100, max_per_hour=1000)
    assert report.warnings == ()
    names = {(kind, subject): name for name, kind, subject in ORDER}
    cards = {(card.type, _without_service(card)): card for card in world.cards.values()}
    return {names[key]: card for key, card in cards.items() if key in names}


def _without_service(card: Card) -> str:
    parsed = subjects.parse(card.subject)
    return str(subjects.Subject(parsed.act, parsed.name))


def _rank_correlation(values: list[float]) -> float:
    """Spearman's, of values that should fall; those that are equal share their ranks."""
    n = len(values)
    ranks = [sum(v > x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]
    mean = (n + 1) / 2
    spread = sum((r - mean) ** 2 for r in ranks) * sum((i - mean) ** 2 for i in range(1, n + 1))
    together = sum((i - mean) * (r - mean) for i, r in enumerate(ranks, start=1))
    return float(together / spread**0.5)


def test_thirty_problems_come_in_the_order_of_a_person(found: dict[str, Card]) -> None:
    assert len(ORDER) == 30
    assert [name for name, *_ in ORDER if name not in found] == []
    correlation = _rank_correlation([found[name].priority for name, *_ in ORDER])
    sys.stdout.write(f"rank correlation of {len(found)} priorities: {correlation:.3f}\n")
    assert correlation > 0.9


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_of_two_problems_the_graver_comes_first(
    found: dict[str, Card], first: str, second: str
) -> None:
    assert found[first].priority > found[second].priority


def test_priorities_are_spread_over_the_scale(found: dict[str, Card]) -> None:
    priorities = sorted(card.priority for card in found.values())
    assert sum(value > 80 for value in priorities) <= len(priorities) / 3
    assert priorities[0] < 20
    assert priorities[-1] > 70
    for low, high in ((0, 25), (25, 50), (50, 75)):
        assert sum(low <= value < high for value in priorities) >= len(priorities) / 6
    assert max(b - a for a, b in pairwise(priorities)) <= 10


def test_severities_tell_the_grave_from_the_slight(found: dict[str, Card]) -> None:
    """What is many times as slow as usual and costs nobody half a second is low."""
    severities = {name: card.severity for name, card in found.items()}
    assert severities["400 ms slower"] == severities["100 ms slower"] == "low"
    assert severities["23 s slower"] == severities["3 s slower"] == "critical"
    assert severities["error in 36"] == severities["loop of 40"] == "high"
    assert severities["loop of 12"] == severities["error in 14"] == "medium"
    assert severities["loop of 7"] == severities["cheap error in 3"] == "low"
    grave = sum(severity == "critical" for severity in severities.values())
    assert grave <= len(severities) / 2


def test_a_card_tells_whom_it_touches(found: dict[str, Card]) -> None:
    details = {name: card.mapping("evidence")["details"] for name, card in found.items()}
    assert all("touchedPerDay" in told and "touchedShare" in told for told in details.values())
    assert details["given up"]["touchedShare"] == pytest.approx(0.38, abs=0.1)
    assert details["silent"]["touchedPerDay"] == pytest.approx(24 * 20, rel=0.02)
    assert details["error in 14"]["touchedPerDay"] == pytest.approx(14, rel=0.1)
    assert details["loop of 7"]["touchedPerDay"] == 1
    assert all(card.data["now"]["touchedPerDay"] for card in found.values())


SEVERITIES = sorted(Severity, key=lambda severity: severity.rank)
SHARES = st.floats(0, 1)
MANY = st.floats(0, 1e7)


@cache
def _exactly(severity: Severity, confidence: float, per_day: float, harm: float) -> int:
    return priority(severity, confidence, Touched(per_day, harm=harm))


@given(st.sampled_from(SEVERITIES), SHARES, MANY, SHARES, st.floats(0, 1), st.floats(1, 1000))
def test_a_priority_never_falls_as_a_problem_grows(
    severity: Severity, sure: float, many: float, harm: float, surer: float, times: float
) -> None:
    is_now = _exactly(severity, sure, many, harm)
    assert 0 <= is_now <= 100
    graver = SEVERITIES[min(severity.rank + 1, 3)]
    assert _exactly(graver, sure, many, harm) >= is_now
    assert _exactly(severity, max(sure, surer), many, harm) >= is_now
    assert _exactly(severity, sure, many * times, harm) >= is_now
    assert _exactly(severity, sure, many, max(harm, surer)) >= is_now


@given(st.sampled_from(SEVERITIES), SHARES, MANY, SHARES)
def test_a_small_change_of_a_problem_is_a_small_change_of_its_priority(
    severity: Severity, sure: float, many: float, harm: float
) -> None:
    is_now = _exactly(severity, sure, many, harm)
    assert abs(_exactly(severity, min(1.0, sure + 0.01), many, harm) - is_now) <= 2
    assert abs(_exactly(severity, sure, 1.1 * many + 0.01, harm) - is_now) <= 2
