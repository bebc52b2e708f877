"""Which findings are symptoms of one incident, and which of them was there first.

Two findings are those of one incident if they began together and are met by the same conversations
more than chance would have it. Of each it is asked which conversation met it when in the last day;
that tells since when it is there (``tgt.stats.onset``), and from then on how many conversations met
both (``tgt.stats.coincidence``). Only conversations count that could meet both: who did not use a
tool says nothing of it.

Where nearly every conversation meets one of them, an overlap says nothing; then both must have
begun within minutes. Where conversations of like length do not show an overlap although they could,
it is length alone that brings both about. What has always been so, or affects too few to say since
when, is of no incident; and what counts use instead of harm is no symptom.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import combinations

from tgt import subjects
from tgt.analyzers.builder import Question
from tgt.engine.affected import Affected, Asked
from tgt.engine.protocol import Signal, Snapshot
from tgt.events import Interval, to_us
from tgt.stats import coincidence
from tgt.stats.coincidence import Overlap
from tgt.stats.onset import Onset, onset_of
from tgt.tasks.card import Finding, TaskType
from tgt.tasks.related import Incident

LOOK_BACK = timedelta(days=1)
MOST_CONVERSATIONS = 10_000
MOST_SYMPTOMS = 30
"""So many findings of a run, those of the highest priority, are compared with each other."""

_MINUTE = 60_000_000
SPAN = 120 * _MINUTE
"""What begins later than this after another is no symptom of the same."""
MEETS = 5 * _MINUTE
"""The spans of two onsets that are no further apart are the same time."""
KNOWN, SHARP = 90 * _MINUTE, 20 * _MINUTE
"""Onsets that are known to an hour and a half and meet speak for one cause, so that it takes less
to believe an overlap; where that says nothing, they must be known better to decide alone."""
CHANCE, CHANCE_IF_SHARP, CHANCE_IF_APART = 0.01, 0.1, 0.001
"""How unlikely an overlap must be by chance, given how well both onsets are known and agree: two
faults that begin within the same minutes are rare by themselves."""
CHANCE_OF_FEW, SAYS_NOTHING = 0.25, 0.05
"""How unlikely one of all that could be shared must be; where not even that could be less likely
than SAYS_NOTHING, an overlap says nothing."""
BEYOND = 0.5
"""How far an overlap must go beyond chance, of as far as it could."""
TELLING, MANY, SAME_LENGTH = 0.1, 2.0, 0.4
"""If among conversations of like length an overlap could go TELLING as far beyond chance as among
all, and that by MANY conversations, it must go SAME_LENGTH of that."""
EVERYTHING = 0.8
"""Share of the conversations that is nearly all."""
TIE = 2_000_000
"""Of what happened within two seconds the logs do not tell which came first."""
_BULK = 0.95
_TOLD = 2.0

EVERYBODY = Signal("everybody", counted="false", by="'everybody'")
_NO_SYMPTOMS = frozenset({TaskType.DOCS_GAP, TaskType.SILENCE})
_RANKS = {subjects.UPSTREAM: 0, subjects.RESPONSE: 1, subjects.CONVERSATIONS: 3}
_TOOL_RANK = 2
_LATER: Mapping[str, int] = {TaskType.RECURRING: 1, TaskType.LOOP: 2}

Rank = tuple[int, int]
"""How early something stands in what causes what: upstream, answers, tools, conversations; of one
tool that it fails, that it does so again and again, and that it is called again and again."""


@dataclass(frozen=True)
class Symptom:
    """A finding as far as incidents are concerned. ``affected`` has all conversations that could
    meet it."""

    key: str
    rank: Rank
    affected: Affected
    onset: Onset

    @cached_property
    def bad(self) -> dict[int, int]:
        """The conversations that met it since it began, and when they did first."""
        since = self.onset.earliest
        return {conv: at for conv, at in self.affected.bad.items() if at >= since}

    @cached_property
    def until(self) -> int:
        """Until when most of them met it first."""
        times = sorted(self.bad.values())
        return times[math.ceil(_BULK * (len(times) - 1))]

    @cached_property
    def met(self) -> dict[int, int]:
        """All that could meet it since it began: when they did first, or were last seen not to."""
        since = self.onset.earliest
        return {c: at for c, at in self.affected.fine.items() if at >= since} | self.bad


def incidents(
    snapshot: Snapshot,
    window: Interval,
    findings: Sequence[Finding],
    paired: Collection[frozenset[str]] = (),
) -> tuple[Incident, ...]:
    """The incidents among findings, which are best first. ``paired`` are pairs of fingerprints that
    were said to be of one incident before, and stay so."""
    with_questions = [(f, q) for f in findings if (q := _question(f)) is not None][:MOST_SYMPTOMS]
    if len(with_questions) < 2:  # noqa: PLR2004 one alone is no incident
        return ()
    back = Interval(window.end - LOOK_BACK, window.end)
    questions = [
        Asked(EVERYBODY, "everybody"),
        *dict.fromkeys(question for _, question in with_questions),
    ]
    answers = dict(
        zip(questions, snapshot.affected(questions, back, MOST_CONVERSATIONS), strict=True)
    )
    everybody = answers[questions[0]]
    involved = [symptom_of(f, answers[question], everybody) for f, question in with_questions]
    symptoms = [symptom for symptom in involved if symptom is not None]
    return related(symptoms, everybody.events, paired)


def symptom_of(finding: Finding, affected: Affected, everybody: Affected) -> Symptom | None:
    """A finding with the conversations that could meet it; None where nobody can say since when it
    is there. What only ever is an error may be met by everybody."""
    question = finding.question
    bad, fine, since = dict(affected.bad), affected.fine, None
    if isinstance(question, Question) and question.met is not None:
        bad, since = dict(question.met), to_us(question.window.start)
    if not fine:
        fine = everybody.fine
    fine = {conv: at for conv, at in fine.items() if conv not in bad}
    onset = onset_of(bad.values(), fine.values())
    if onset is None:
        return None
    if since is not None and onset.earliest <= since:  # it was looked for in the window alone
        onset = Onset(onset.at, min(onset.earliest, since - SPAN), onset.latest)
    return Symptom(
        finding.fingerprint, rank_of(finding), Affected(bad, fine, affected.events), onset
    )


def rank_of(finding: Finding) -> Rank:
    act = subjects.parse(finding.subject).act
    return _RANKS.get(act, _TOOL_RANK), _LATER.get(finding.type, 0)


def _question(finding: Finding) -> Asked | None:
    question = finding.question
    if not isinstance(question, Question) or finding.type in _NO_SYMPTOMS:
        return None
    if question.signal.value and question.beyond is None:
        return None  # all of the values together are the problem
    return Asked(question.signal, question.subject, question.beyond, question.error)


def related(
    symptoms: Sequence[Symptom],
    lengths: Mapping[int, int],
    paired: Collection[frozenset[str]] = (),
) -> tuple[Incident, ...]:
    """The incidents among symptoms; ``lengths`` are how many events conversations have."""
    overlaps: dict[frozenset[str], float] = {}
    links: dict[tuple[int, int], float] = {}
    for (i, one), (j, other) in combinations(enumerate(symptoms), 2):
        pair = frozenset((one.key, other.key))
        common = eligible(one, other)
        overlap = overlap_of(one, other, common)
        overlaps[pair] = overlap.coefficient
        if pair in paired:
            links[i, j] = _TOLD
        elif is_linked(one, other, overlap) and not is_by_length(one, other, common, lengths):
            links[i, j] = overlap.excess
    groups = clusters([each.rank for each in symptoms], [s.onset.at for s in symptoms], links)
    return tuple(_incident([symptoms[i] for i in members], overlaps) for members in groups)


def eligible(one: Symptom, other: Symptom) -> list[int]:
    """The conversations that could meet both while both were there."""
    since, until = max(one.onset.at, other.onset.at), min(one.until, other.until)
    common = []
    for conv in one.met.keys() & other.met.keys():
        first, last = sorted((one.met[conv], other.met[conv]))
        if last >= since and first <= max(until, since):
            common.append(conv)
    return common


def overlap_of(one: Symptom, other: Symptom, among: Iterable[int]) -> Overlap:
    shared = a = b = n = 0
    for conv in among:
        first, second = conv in one.bad, conv in other.bad
        shared, a, b, n = shared + (first and second), a + first, b + second, n + 1
    return Overlap(shared, a, b, n)


def is_linked(one: Symptom, other: Symptom, overlap: Overlap) -> bool:
    """Whether two symptoms belong together, as far as their onsets and their overlap tell."""
    apart, width = one.onset.apart(other.onset), max(one.onset.width, other.onset.width)
    if apart > SPAN or abs(one.onset.at - other.onset.at) > SPAN:
        return False
    if apart > MEETS or width > KNOWN:
        return overlap.excess >= BEYOND and overlap.chance <= CHANCE_IF_APART
    is_whole, is_sharp = overlap.coefficient == 1.0, width <= SHARP
    chance = CHANCE_OF_FEW if is_whole else CHANCE_IF_SHARP if is_sharp else CHANCE
    if overlap.excess >= BEYOND and overlap.chance <= chance:
        return True
    is_of_all = is_whole or overlap.expected >= EVERYTHING
    return is_sharp and is_of_all and overlap.least_chance > SAYS_NOTHING


def is_by_length(
    one: Symptom, other: Symptom, among: Collection[int], lengths: Mapping[int, int]
) -> bool:
    """Whether an overlap is only that long conversations meet more of everything."""
    classes: dict[int, list[int]] = {}
    for conv in among:  # of like length are those that differ by less than a factor of two
        classes.setdefault(lengths.get(conv, 0).bit_length(), []).append(conv)
    more, most = coincidence.within(overlap_of(one, other, some) for some in classes.values())
    _, most_of_all = coincidence.within([overlap_of(one, other, among)])
    return most >= max(MANY, TELLING * most_of_all) and more < SAME_LENGTH * most


def clusters(
    ranks: Sequence[Rank], onsets: Sequence[int], links: Mapping[tuple[int, int], float]
) -> list[list[int]]:
    """Symptoms in groups of at least two, given how strongly which two are linked.

    A group has a centre, the most causal of its symptoms with the most links, and those that are
    linked with it, each with the centre to which its link is the strongest; so a chain of links
    does not draw everything together, and what two faults lead to does not join them. A symptom
    that is left alone joins the group of one that it is linked with and that can have caused it.
    """
    linked: dict[int, dict[int, float]] = {i: {} for i in range(len(ranks))}
    for (i, j), strength in links.items():
        linked[i][j] = linked[j][i] = strength
    order = sorted(linked, key=lambda i: (ranks[i], -len(linked[i]), onsets[i], i))
    centres: list[int] = []
    for i in order:
        if not any(centre in linked[i] for centre in centres):
            centres.append(i)
    groups = {centre: [centre] for centre in centres}

    def strongest(i: int, among: Iterable[int]) -> int | None:
        candidates = [j for j in among if j in linked[i]]
        return min(
            candidates, key=lambda j: (-linked[i][j], abs(onsets[i] - onsets[j]), j), default=None
        )

    home = {centre: centre for centre in centres}
    for i in order:
        before = [centre for centre in centres if ranks[centre] <= ranks[i]]
        if i not in groups and (centre := strongest(i, before)) is not None:
            home[i] = centre
            groups[centre].append(i)
    for i in centres:
        causes = [j for j in home if ranks[j] <= ranks[i] and len(groups.get(home[j], ())) > 1]
        if len(groups[i]) == 1 and (cause := strongest(i, causes)) is not None:
            centre = home[cause]
            if abs(onsets[i] - onsets[centre]) <= SPAN:
                groups[centre].append(i)
                del groups[i]
    return [members for members in groups.values() if len(members) > 1]


def _incident(symptoms: Sequence[Symptom], overlaps: Mapping[frozenset[str], float]) -> Incident:
    votes = firsts(symptoms)
    symptoms = sorted(symptoms, key=lambda s: (-votes[s.key], s.rank, s.onset.at, s.key))
    mine = {frozenset((a.key, b.key)) for a, b in combinations(symptoms, 2)}
    return Incident(
        tuple(each.key for each in symptoms),
        {pair: overlap for pair, overlap in overlaps.items() if pair in mine},
    )


def firsts(symptoms: Sequence[Symptom]) -> Counter[str]:
    """In how many of the conversations that met several symptoms each was the first; of what came
    at the same time the most causal."""
    met: dict[int, list[tuple[int, Symptom]]] = {}
    for symptom in symptoms:
        for conv, at in symptom.bad.items():
            met.setdefault(conv, []).append((at, symptom))
    votes: Counter[str] = Counter()
    for times in met.values():
        if len(times) > 1:
            first = min(at for at, _ in times)
            tied = [(s.rank, at, s.key) for at, s in times if at <= first + TIE]
            votes[min(tied)[2]] += 1
    return votes
