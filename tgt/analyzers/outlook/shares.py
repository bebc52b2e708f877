"""Shares with a fixed limit: the smallest share at which answers or conversations would be found.

They need no history, but as many as an analyzer wants in one of its windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from tgt import subjects
from tgt.analyzers import continuation, ux_issue
from tgt.analyzers.figures import Unit, duration
from tgt.analyzers.judgements import capped
from tgt.analyzers.outlook.base import Look, Outlook, smallest, typical_peak
from tgt.analyzers.signals import truncation
from tgt.engine.protocol import Counts, Reading
from tgt.stats import confidence


def of_answers(look: Look) -> Iterator[Outlook]:
    """Of each model, the share of answers that are cut off."""
    context = look.context
    signal, length = truncation(context.snapshot.coverage), max(continuation.WINDOWS_H)
    threshold = context.option(continuation.THRESHOLD)
    for reading in look.readings(signal, look.day):
        if subjects.parse(reading.subject).act != subjects.RESPONSE:
            continue
        history = look.baseline(reading)
        n = _expected(look, reading, length, lambda each: each.n)
        of = f"responses in {length} hours"
        if n < continuation.MIN_RESPONSES:
            missing = f"{n} of {continuation.MIN_RESPONSES} {of} of a typical day"
            yield look.lacking(reading.subject, missing)
            continue
        effect = history.clusters.design_effect()
        usual = history.usual(continuation.MIN_RESPONSES, design_effect=effect)

        def is_seen(
            k: int,
            n: int = n,
            effect: float = effect,
            usual: confidence.Usual | None = usual,
            *,
            by_event: bool = reading.now.by_event,
        ) -> bool:
            sure = confidence.lies_above(
                k / effect, n / effect, threshold, usual, continuation.PRIOR
            )
            return capped(sure, by_event=by_event) >= look.minimum

        low = max(continuation.MIN_CONVERSATIONS, math.floor(threshold * n) + 1)
        k = smallest(low, n, is_seen)
        share = usual.share if usual else None
        yield look.seeing(reading.subject, k and k / n, Unit.SHARE, share, n, of)


def of_conversations(look: Look) -> Iterator[Outlook]:
    """The shares of conversations that go badly."""
    context = look.context
    length = max(1, round(context.window.minutes / 60))
    for question in ux_issue.questions(context.settings):
        for reading in context.snapshot.counts(question.signal, context.window):
            n = _expected(look, reading, length, lambda each: each.n)
            of = f"finished conversations in {duration(context.window)}"
            if n < ux_issue.MIN_CONVERSATIONS:
                missing = f"{n} of {ux_issue.MIN_CONVERSATIONS} {of} of a typical day"
                yield look.lacking(reading.subject, missing)
                continue
            yield _question(look, question.threshold, reading, n, of)


def _question(look: Look, threshold: float, reading: Reading, n: int, of: str) -> Outlook:
    usual = look.baseline(reading).usual(ux_issue.MIN_CONVERSATIONS)

    def is_seen(k: int) -> bool:
        sure = confidence.lies_above(k, n, threshold, usual, ux_issue.PRIOR)
        return sure >= look.minimum

    low = max(ux_issue.MIN_BAD, math.floor(threshold * n) + 1)
    k = smallest(low, n, is_seen)
    share = usual.share if usual else None
    return look.seeing(reading.subject, k and k / n, Unit.SHARE, share, n, of)


def _expected(look: Look, reading: Reading, length: int, count: Callable[[Counts], int]) -> int:
    """How many there are in so many hours of a typical day, as the baseline has it; without one,
    as many as of the window would fall into them."""
    history = look.baseline(reading).hours
    peak = typical_peak({hour: float(count(each)) for hour, each in history.items()}, length)
    hours = max(1.0, reading.window.minutes / 60)
    return round(peak) if peak else round(count(reading.now) * min(1.0, length / hours))
