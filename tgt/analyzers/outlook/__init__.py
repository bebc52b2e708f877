"""What each analyzer can judge, and what is missing for the rest.

An analyzer of which nothing special is known (a plug-in's, or one whose findings are facts) is
asked for its abstentions as of the window of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tgt.analyzers.base import Analyzer, Context
from tgt.analyzers.outlook import rises, shares, shifts, silences, usage
from tgt.analyzers.outlook.base import Look, Outlook

__all__ = ["EVERYTHING", "Outlook", "outlooks"]

EVERYTHING = "all"
"""The subject of what is said of an analyzer as a whole."""

_OWN: Mapping[str, Callable[[Look], Iterator[Outlook]]] = {
    "continuation": shares.of_answers,
    "error_spike": rises.outlooks,
    "docs_gap": usage.outlooks,
    "performance": shifts.latencies,
    "ux_issue": shares.of_conversations,
    "token_waste": shifts.tokens,
    "telemetry_silence": silences.outlooks,
}


def outlooks(
    analyzer: Analyzer, context: Context, holds: Mapping[str, bool], most: int
) -> tuple[Outlook, ...]:
    """The outlook of one analyzer on ``most`` subjects at most, those that are used most.

    ``holds`` says of what analyzers need whether any event has it.
    """
    for need in analyzer.needs:
        if not holds.get(need.where, True):
            return (Outlook(analyzer.name, EVERYTHING, missing=need.missing),)
    own = _OWN.get(analyzer.name)
    if own is not None:
        return tuple(own(Look(analyzer, context, most)))
    abstained = analyzer.analyze(context).abstained
    abstaining = [Outlook(analyzer.name, each.subject, missing=each.reason) for each in abstained]
    return (Outlook(analyzer.name, EVERYTHING, judgeable=True), *abstaining[:most])
