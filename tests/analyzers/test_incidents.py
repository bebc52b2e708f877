"""Which findings are of one incident: what is shared, when it began, how links become groups."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.analyzers.builder import Question
from tgt.analyzers.incidents import SPAN, Rank, Symptom, clusters, incidents, rank_of, related
from tgt.analyzers.signals import FAILURE, LATENCY, USED
from tgt.engine.affected import Affected, Asked
from tgt.engine.protocol import Signal
from tgt.events import Interval, to_us
from tgt.stats.onset import onset_of
from tgt.tasks.card import Evidence, Finding, Fix, Severity, TaskType, Touched

MINUTE = 60_000_000
NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
WINDOW = Interval(NOW - timedelta(hours=1), NOW)
UPSTREAM, ANSWER, TOOL, RECURRING, CONVERSATION = (0, 0), (1, 0), (2, 0), (2, 1), (3, 0)
PER_HOUR = 40


class World:
    """A day of conversations, each at one time; those since 600 minutes before the end may go
    badly."""

    def __init__(self, seed: int = 1, per_hour: float = PER_HOUR) -> None:
        self.chance = random.Random(seed)
        end = to_us(NOW)
        times = [end - self.chance.randrange(1440 * MINUTE) for _ in range(int(24 * per_hour))]
        self.at = dict(enumerate(sorted(times)))
        self.lengths = dict.fromkeys(self.at, 5)

    def since(self, minutes: float) -> list[int]:
        start = to_us(NOW) - minutes * MINUTE
        return [conv for conv, at in self.at.items() if at > start]

    def some(self, among: Iterable[int], share: float) -> set[int]:
        return {conv for conv in among if self.chance.random() < share}

    def symptom(
        self,
        key: str,
        bad: Iterable[int],
        rank: Rank = TOOL,
        *,
        later: float = 0,
        uses: Iterable[int] | None = None,
    ) -> Symptom:
        """What some conversations met so many seconds after they began."""
        times = {conv: self.at[conv] + round(later * 1e6) for conv in bad}
        met = self.at if uses is None else {conv: self.at[conv] for conv in uses}
        fine = {conv: at for conv, at in met.items() if conv not in times}
        onset = onset_of(times.values(), fine.values())
        assert onset is not None, key
        return Symptom(key, rank, Affected(times, fine), onset)

    def incidents(self, *symptoms: Symptom, told: Iterable[frozenset[str]] = ()) -> set[str]:
        """The incidents as texts: the first, a colon, and the others by the letter."""
        return {
            f"{each.symptoms[0]}:{''.join(sorted(each.symptoms[1:]))}"
            for each in related(symptoms, self.lengths, frozenset(told))
        }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_symptoms_of_one_outage_are_one_incident(seed: int, share: float) -> None:
    world = World(seed, per_hour=80)
    struck = world.some(world.since(50), share)
    background = world.some(world.at, 0.03)
    symptoms = [
        world.symptom("u", struck, UPSTREAM),
        world.symptom("t", world.some(struck, 0.9) | background, TOOL, later=20),
        world.symptom("r", world.some(struck, 0.5), RECURRING, later=20),
        world.symptom("a", world.some(struck, 0.8), ANSWER, later=40),
        world.symptom("c", world.some(struck, 0.7) | background, CONVERSATION, later=90),
    ]
    for order in list(permutations(symptoms))[::17]:
        assert world.incidents(*order) == {"u:acrt"}


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.3, 0.6), (0.8, 0.7), (0.25, 0.25)])
@pytest.mark.parametrize(("per_hour", "most"), [(60, 2), (150, 0)])
def test_two_faults_that_begin_at_one_time_are_two(
    shares: tuple[float, float], per_hour: float, most: int
) -> None:
    joined = 0
    for seed in range(30):
        world = World(seed, per_hour)
        one, other = (world.some(world.since(55), share) for share in shares)
        joined += bool(world.incidents(world.symptom("x", one), world.symptom("y", other)))
    assert joined <= most, "with little traffic few of thirty pairs look alike by chance"


@pytest.mark.parametrize("seed", range(10))
def test_what_two_faults_lead_to_does_not_join_them(seed: int) -> None:
    world = World(seed, per_hour=80)
    one, other = (world.some(world.since(55), 0.4) for _ in range(2))
    found = world.incidents(
        world.symptom("x", one),
        world.symptom("y", other),
        world.symptom("p", world.some(one, 0.9), RECURRING, later=1),
        world.symptom("q", world.some(other, 0.9), RECURRING, later=1),
        world.symptom("c", world.some(one | other, 0.9), CONVERSATION, later=60),
    )
    assert found in ({"x:cp", "y:q"}, {"x:p", "y:cq"}, {"x:p", "y:q"})


def test_where_everything_is_bad_the_onset_decides() -> None:
    world = World(3)
    all_at_once = [world.symptom(key, world.since(50)) for key in "xy"]
    assert world.incidents(*all_at_once) == {"x:y"}
    apart = world.symptom("x", world.since(80)), world.symptom("y", world.since(50))
    assert world.incidents(*apart) == set()
    nearly = (
        world.symptom("x", world.since(80)),
        world.symptom("y", world.some(world.since(50), 0.4)),
    )
    assert world.incidents(*nearly) == set(), "of those that met x all the time, some met y later"


def test_who_did_not_use_a_tool_says_nothing_of_it() -> None:
    """A full disk: two tools fail always, each used by a third of the conversations."""
    world = World(4, per_hour=200)
    one, other = world.some(world.at, 0.4), world.some(world.at, 0.4)
    since = set(world.since(50))
    full = [
        world.symptom("x", one & since, uses=one),
        world.symptom("y", other & since, uses=other),
    ]
    assert world.incidents(*full) == {"x:y"}
    half = [
        world.symptom("x", world.some(one & since, 0.5), uses=one),
        world.symptom("y", world.some(other & since, 0.5), uses=other),
    ]
    assert world.incidents(*half) == set()


@pytest.mark.parametrize("seed", range(5))
def test_a_symptom_that_appears_an_hour_later_joins(seed: int) -> None:
    world = World(seed)
    struck = world.some(world.since(110), 0.5)
    late = world.some(struck & set(world.since(50)), 0.9)
    symptoms = world.symptom("u", struck, UPSTREAM), world.symptom("t", late, later=20)
    assert world.incidents(*symptoms) == {"u:t"}
    unrelated = world.symptom("t", world.some(world.since(50), 0.45), later=20)
    assert world.incidents(symptoms[0], unrelated) == set()


def test_what_begins_much_later_is_another_incident() -> None:
    world = World(2)
    struck = world.some(world.since(300), 0.5)
    late = struck & set(world.since(300 - 60 - SPAN / MINUTE))
    symptoms = world.symptom("u", struck, UPSTREAM), world.symptom("t", late)
    assert world.incidents(*symptoms) == set()
    soon = world.symptom("t", struck & set(world.since(300 - 60)))
    assert world.incidents(symptoms[0], soon) == {"u:t"}


def test_with_little_traffic_what_is_wholly_shared_is_one_incident() -> None:
    """Nine conversations since then; of five that met one, four met the other, or one."""
    world = World(1, per_hour=9)
    since = world.since(50)
    five = {since[i] for i in (0, 1, 3, 6, 8)}
    assert len(since) == 9
    tool = world.symptom("t", five - {since[3]})
    assert world.incidents(world.symptom("u", five, UPSTREAM), tool) == {"u:t"}
    others = {since[i] for i in (1, 2, 4, 5, 7)}
    assert world.incidents(world.symptom("u", others, UPSTREAM), tool) == set()


def test_long_conversations_meet_more_of_everything() -> None:
    """Two faults of one call in ten: half of the conversations have one call, half have twenty."""
    joined = 0
    for seed in range(20):
        world = World(seed, per_hour=80)
        world.lengths = {conv: world.chance.choice([1, 20]) for conv in world.at}
        since, chance = world.since(55), world.chance
        one, other = (
            {conv for conv in since if chance.random() > 0.9 ** world.lengths[conv]}
            for _ in range(2)
        )
        joined += bool(world.incidents(world.symptom("x", one), world.symptom("y", other)))
        because = world.symptom("y", world.some(one, 0.9), later=9)
        assert world.incidents(world.symptom("x", one), because) == {"x:y"}
    assert joined <= 4


def test_failing_conversations_may_be_shorter_than_others() -> None:
    world = World(1)
    struck = world.some(world.since(50), 0.5)
    world.lengths = {conv: 3 if conv in struck else 12 for conv in world.at}
    symptoms = world.symptom("u", struck, UPSTREAM), world.symptom("t", world.some(struck, 0.8))
    assert world.incidents(*symptoms) == {"u:t"}


# --- who was first -------------------------------------------------------------------------------


def test_the_first_is_who_came_first_in_most_conversations() -> None:
    world = World(1)
    struck = world.some(world.since(50), 0.6)
    tool = world.symptom("t", struck, TOOL, later=10)
    assert world.incidents(tool, world.symptom("u", struck, UPSTREAM, later=30)) == {"t:u"}
    assert world.incidents(tool, world.symptom("u", struck, UPSTREAM, later=5)) == {"u:t"}


def test_at_the_same_time_the_more_causal_was_first() -> None:
    world = World(1)
    struck = world.some(world.since(50), 0.6)
    ranks = {"u": UPSTREAM, "a": ANSWER, "t": TOOL, "r": RECURRING, "c": CONVERSATION}
    symptoms = {
        key: world.symptom(key, struck, rank, later=2 - 0.4 * place)
        for place, (key, rank) in enumerate(ranks.items())
    }
    for keys in ("uatrc", "atrc", "trc", "rc"):
        some = [symptoms[key] for key in reversed(keys)]
        assert world.incidents(*some) == {f"{keys[0]}:{''.join(sorted(keys[1:]))}"}


def test_one_early_accident_is_not_the_cause() -> None:
    """A tool fails now and then; that it did so once in a conversation before the outage struck it
    makes it no cause."""
    world = World(1)
    struck = world.some(world.since(50), 0.6)
    tool = world.symptom("t", struck | world.some(world.at, 0.03), TOOL, later=10)
    odd = min(struck)
    early = {**tool.affected.bad, odd: world.at[odd] - 1}
    tool = Symptom("t", TOOL, Affected(early, tool.affected.fine), tool.onset)
    assert world.incidents(tool, world.symptom("u", struck, UPSTREAM)) == {"u:t"}


def test_what_was_said_to_be_one_incident_stays_one() -> None:
    world = World(1)
    one, other = (world.some(world.since(55), 0.5) for _ in range(2))
    symptoms = world.symptom("x", one), world.symptom("y", other)
    assert world.incidents(*symptoms) == set()
    assert len(world.incidents(*symptoms, told=[frozenset("xy")])) == 1


def test_overlaps_are_told_of_every_two() -> None:
    world = World(1)
    struck = sorted(world.some(world.since(50), 0.6))
    symptoms = [
        world.symptom("u", struck, UPSTREAM),
        world.symptom("x", set(struck) - set(struck[1::3])),
        world.symptom("y", set(struck) - set(struck[2::3])),
    ]
    (found,) = related(symptoms, world.lengths)
    told = {"".join(sorted(pair)): overlap for pair, overlap in found.overlaps.items()}
    assert told.keys() == {"ux", "uy", "xy"}
    assert (told["ux"], told["uy"]) == (1.0, 1.0)
    assert 0.3 < told["xy"] < 1.0


# --- groups --------------------------------------------------------------------------------------


def _named(found: list[list[int]]) -> set[str]:
    return {"".join(sorted("abcdefgh"[i] for i in members)) for members in found}


def _linked(*pairs: str, strength: float = 1.0) -> dict[tuple[int, int], float]:
    return {("abcdefgh".index(p[0]), "abcdefgh".index(p[1])): strength for p in pairs}


@pytest.mark.parametrize(
    ("ranks", "links", "groups", "why"),
    [
        ([TOOL] * 2, ["ab"], {"ab"}, "two that are linked"),
        ([TOOL] * 3, ["ab"], {"ab"}, "and one that is not"),
        ([TOOL] * 4, ["ab", "ac", "ad"], {"abcd"}, "a star"),
        ([UPSTREAM] + [TOOL] * 3, ["ab", "ac", "ad", "bc"], {"abcd"}, "its rays may be linked"),
        ([TOOL] * 6, ["ab", "ac", "cd", "de", "df"], {"abc", "def"}, "a bridge joins nothing"),
        ([TOOL, TOOL, CONVERSATION], ["ac", "bc"], {"ac"}, "an effect of two joins them not"),
        ([UPSTREAM, TOOL, RECURRING], ["ab", "bc"], {"abc"}, "what a symptom leads to is of it"),
        ([UPSTREAM, CONVERSATION, TOOL], ["ab", "bc"], {"ab"}, "what leads to a symptom is not"),
    ],
)
def test_links_become_groups(
    ranks: list[Rank], links: list[str], groups: set[str], why: str
) -> None:
    onsets = [0] * len(ranks)
    assert _named(clusters(ranks, onsets, _linked(*links))) == groups, why


def test_a_chain_swallows_nothing() -> None:
    many = 40
    links = {(i, i + 1): 1.0 for i in range(many - 1)}
    found = clusters([TOOL] * many, [i * SPAN for i in range(many)], links)
    assert max(map(len, found)) <= 4


def test_each_belongs_to_the_centre_of_its_strongest_link() -> None:
    ranks = [TOOL, TOOL, RECURRING, RECURRING, CONVERSATION]
    links = {**_linked("ac", "bd"), **_linked("ae", strength=0.6), **_linked("be", strength=0.8)}
    assert _named(clusters(ranks, [0] * 5, links)) == {"ac", "bde"}


RANKS = st.sampled_from([UPSTREAM, ANSWER, TOOL, RECURRING, CONVERSATION])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Rank], list[int], dict[tuple[int, int], float]]:
    """Links of what begins within the span, as there are only those."""
    n = draw(st.integers(0, 9))
    ranks = draw(st.lists(RANKS, min_size=n, max_size=n))
    onsets = draw(st.lists(st.integers(0, 6).map(lambda i: i * SPAN // 3), min_size=n, max_size=n))
    links = {
        pair: draw(st.sampled_from([0.5, 0.7, 1.0]))
        for pair in combinations(range(n), 2)
        if abs(onsets[pair[0]] - onsets[pair[1]]) <= SPAN and draw(st.booleans())
    }
    return ranks, onsets, links


@given(graphs())
def test_groups_are_bounded_and_apart(
    graph: tuple[list[Rank], list[int], dict[tuple[int, int], float]],
) -> None:
    ranks, onsets, links = graph
    found = clusters(ranks, onsets, links)
    members = [i for group in found for i in group]
    assert len(members) == len(set(members))
    near: Mapping[int, set[int]] = {i: {i} for i in range(len(ranks))}
    for i, j in links:
        near[i].add(j)
        near[j].add(i)
    for group in found:
        assert len(group) > 1
        centre = group[0]
        assert ranks[centre] == min(ranks[i] for i in group)
        within_two = set().union(*(near[i] for i in near[centre]))
        assert within_two.issuperset(group)
        assert all(abs(onsets[i] - onsets[centre]) <= SPAN for i in group)
        assert all(near[i] & set(group) - {i} for i in group), "each is linked with one of them"


# --- what is asked -------------------------------------------------------------------------------


def _finding(type_: str, subject: str, question: Question | None = None) -> Finding:
    return Finding(
        analyzer="any",
        type=type_,
        subject=subject,
        severity=Severity.HIGH,
        title="",
        description="",
        evidence=Evidence("", "", "", ""),
        fix=Fix("", ()),
        acceptance=(),
        confidence=0.9,
        touched=Touched(40, 0.5),
        question=question,
    )


@pytest.mark.parametrize(
    ("type_", "subject", "rank"),
    [
        (TaskType.ERROR_SPIKE, "upstream/http_529", (0, 0)),
        (TaskType.PERFORMANCE, "assistant_response/gpt", (1, 0)),
        (TaskType.ERROR_SPIKE, "tool_call/read_file", (2, 0)),
        (TaskType.RECURRING, "tool_call/read_file: EACCES", (2, 1)),
        (TaskType.LOOP, "tool_call/read_file", (2, 2)),
        (TaskType.UX, "conversations/aborted", (3, 0)),
        ("another", "whatever", (2, 0)),
    ],
)
def test_what_comes_before_what(type_: str, subject: str, rank: Rank) -> None:
    assert rank_of(_finding(type_, subject)) == rank


class Telling:
    """A snapshot that answers whom a question affects, and keeps what it was asked."""

    def __init__(self, world: World, **bad: Iterable[int]) -> None:
        self.world, self.bad = world, bad
        self.asked: list[tuple[Asked, ...]] = []

    def affected(self, asked: Iterable[Asked], window: Interval, most: int) -> tuple[Affected, ...]:
        assert (window.end, window.minutes) == (NOW, 1440)
        self.asked.append(tuple(asked))
        return tuple(self._of(set(self.bad.get(each.subject, ()))) for each in self.asked[-1])

    def _of(self, bad: set[int]) -> Affected:
        at = self.world.at
        return Affected(
            {conv: at[conv] for conv in bad},
            {conv: at[conv] for conv in at if conv not in bad},
            dict.fromkeys(at, 4),
        )


def _ask(signal: Signal, subject: str, **more: Any) -> Question:
    return Question(signal, subject, WINDOW, **more)


def test_findings_are_asked_for_those_they_affect() -> None:
    world = World(1)
    struck = world.some(world.since(50), 0.6)
    telling = Telling(world, tool=struck, slow=world.some(struck, 0.9))
    loop = {conv: world.at[conv] + 5 for conv in world.some(struck, 0.9)}
    findings = [
        _finding("error_spike", "tool", _ask(FAILURE, "tool")),
        _finding("performance_degradation", "slow", _ask(LATENCY, "slow", beyond=9.0)),
        _finding("recurring_error", "tool: no", _ask(FAILURE, "tool", error="no")),
        _finding("retry_loop", "tool", _ask(USED, "tool", met=loop)),
        _finding("token_waste", "all values", _ask(LATENCY, "all")),
        _finding("documentation_gap", "tool", _ask(USED, "tool")),
        _finding("telemetry_silence", "service"),
    ]
    (found,) = incidents(telling, WINDOW, findings)  # type: ignore[arg-type]
    assert set(found.symptoms) == {each.fingerprint for each in findings[:4]}
    (asked,) = telling.asked
    assert asked[1:] == (
        Asked(FAILURE, "tool"),
        Asked(LATENCY, "slow", beyond=9.0),
        Asked(FAILURE, "tool", error="no"),
        Asked(USED, "tool"),
    )


def test_one_alone_asks_nothing() -> None:
    telling = Telling(World(1))
    findings = [
        _finding("error_spike", "tool", _ask(FAILURE, "tool")),
        _finding("documentation_gap", "tool", _ask(USED, "tool")),
    ]
    assert incidents(telling, WINDOW, findings) == ()  # type: ignore[arg-type]
    assert telling.asked == []


def test_what_has_always_been_so_is_of_no_incident() -> None:
    world = World(1)
    often = world.some(world.at, 0.4)
    telling = Telling(world, x=often, y=world.some(often, 0.95))
    findings = [_finding("error_spike", name, _ask(FAILURE, name)) for name in "xy"]
    assert incidents(telling, WINDOW, findings) == ()  # type: ignore[arg-type]


def test_what_is_always_an_error_may_be_met_by_everybody() -> None:
    """Nothing of an upstream error is fine, and still it is news that it is there."""
    world = World(1)
    struck = world.some(world.since(50), 0.4)

    class Erring(Telling):
        def _of(self, bad: set[int]) -> Affected:
            told = super()._of(bad)
            return Affected(told.bad, {}, told.events) if bad == struck else told

    telling = Erring(world, upstream=struck, tool=world.some(struck, 0.8))
    findings = [_finding("error_spike", name, _ask(FAILURE, name)) for name in ("upstream", "tool")]
    assert len(incidents(telling, WINDOW, findings)) == 1  # type: ignore[arg-type]
