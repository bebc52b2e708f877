"""Which analyzers could judge anything in a window, and what the others lacked.

An analyzer tells what it abstains from and what it finds, and nothing of what it found well. So one
that has said nothing judged whatever there was enough of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tgt import judging
from tgt.analyzers.pooling import base
from tgt.analyzers.registry import Chosen
from tgt.analyzers.signals import FAILURE
from tgt.engine.protocol import Counts, Snapshot, Timeline
from tgt.outcome import Abstention

FEWEST_EVENTS, FEWEST_CONVERSATIONS = 5, 3
"""Of how few events of a subject, in how few conversations, nothing can be told: no analyzer that
compares is content with less."""
_TOO_FEW = f"no subject has {FEWEST_EVENTS} events in {FEWEST_CONVERSATIONS} conversations"


@dataclass(frozen=True)
class Verdict:
    """Whether an analyzer could judge anything, and what was missing if not; ``failure`` is what it
    failed for."""

    analyzer: str
    type: str
    summary: str
    is_judged: bool = True
    missing: str = ""
    failure: str = ""


def nothing(analyzers: Chosen) -> tuple[Verdict, ...]:
    """The verdicts where there are no events."""
    return tuple(
        Verdict(each.name, each.task_type, each.summary, is_judged=False, missing="no events")
        for each in analyzers.analyzers
    )


def verdicts(
    analyzers: Chosen, timeline: Timeline, snapshot: Snapshot, judged: judging.Judged
) -> Iterator[Verdict]:
    """Of each analyzer that was asked of a snapshot's window."""
    needs = [need.where for analyzer in analyzers.analyzers for need in analyzer.needs]
    holds = timeline.inventory(needs).holds
    readings = snapshot.counts(FAILURE, snapshot.coverage.window)
    known = {name for each in readings for name in (each.subject, base(each.subject))}
    enough = frozenset(each.subject for each in readings if _is_enough(each.now))
    for analyzer in analyzers.analyzers:
        failure = next(
            (w for w in judged.warnings if w.startswith(f"analyzer {analyzer.name} failed")), ""
        )
        found = any(finding.analyzer == analyzer.name for finding in judged.findings)
        lacks = next((n.missing for n in analyzer.needs if not holds.get(n.where, True)), "")
        own = [each for each in judged.abstained if each.analyzer == analyzer.name]
        missing = "" if found else _TOO_FEW if not enough else lacks or _missing(own, known, enough)
        yield Verdict(
            analyzer.name,
            analyzer.task_type,
            analyzer.summary,
            is_judged=not failure and not missing,
            missing="" if failure else missing,
            failure=failure,
        )


def _is_enough(now: Counts) -> bool:
    return now.n >= FEWEST_EVENTS and (now.by_event or now.units >= FEWEST_CONVERSATIONS)


def _missing(
    abstained: Sequence[Abstention], known: Collection[str | None], enough: frozenset[str]
) -> str:
    """What an analyzer that found nothing lacked; nothing if it judged any of the ``known``
    subjects of which there is ``enough``."""
    left = {each.subject for each in abstained}
    # Who abstains of other things than events are about does not judge those.
    of_others = bool(abstained) and left.isdisjoint(known)
    return _reasons(abstained) if of_others or left >= enough else ""


def _reasons(abstained: Sequence[Abstention]) -> str:
    first, *others = abstained
    more = f", and {len(others)} more" if others else ""
    return f"{first.subject}: {first.reason}{more}"


def too_little(verdicts: Iterable[Verdict]) -> str:
    """Why nothing can be told of anything; empty if any analyzer could judge something."""
    every = tuple(verdicts)
    if any(each.is_judged for each in every):
        return ""
    unjudged = [each for each in every if each.missing]
    same = {each.missing for each in unjudged}
    if len(same) == 1:
        return same.pop()
    return "no analyzer could judge anything" + "".join(
        f"; {each.analyzer}: {each.missing}" for each in unjudged
    )
