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
from tgt.stats.calibration import ABOVE, BOTH, calibrated


def of_answers(look: Look) -> Iterator[Outlook]:
    """Of each model, the share of answers that are cut off."""
    signal = truncation(look.context.snapshot.coverage)
    for reading in look.readings(signal, look.day):
        if subjects.parse(reading.subject).act == subjects.RESPONSE:
            yield _answers(look, reading)


def _answers(look: Look, reading: Reading) -> Outlook:
    history, length = look.baseline(reading), max(continuation.WINDOWS_H)
    threshold = look.context.option(continuation.THRESHOLD, reading.subject)
    n = _expected(look, reading, length, lambda each: each.n)
    of = f"responses in {length} hours"
    if n < continuation.MIN_RESPONSES:
        missing = f"{n} of {continuation.MIN_RESPONSES} {of} of a typical day"
        return look.lacking(reading.subject, missing)
    effect = history.clusters.design_effect()
    usual = history.usual(continuation.MIN_RESPONSES, design_effect=effect)

    def is_seen(k: int) -> bool:
        sure = confidence.lies_above(k / effect, n / effect, threshold, usual, continuation.PRIOR)
        sure = calibrated(capped(sure, by_event=reading.now.by_event), ABOVE)
        return sure >= look.minimum

    low = max(continuation.MIN_CONVERSATIONS, math.floor(threshold * n) + 1)
    k = smallest(low, n, is_seen)
    usual_share = usual.share if usual else None
    return look.seeing(
        reading.subject, None if k is None else k / n, Unit.SHARE, usual_share, n, of
    )


def of_conversations(look: Look) -> Iterator[Outlook]:
    """The shares of conversations that go badly."""
    context = look.context
    length = max(1, round(context.window.minutes / 60))
    of = f"finished conversations in {duration(context.window)}"
    for question in ux_issue.questions(context.settings):
        # The typical day is known of what ended in one of the windows, if not in the run's.
        windows = context.longer_windows(*ux_issue.WINDOWS_H)
        counted = (
            context.snapshot.counts(question.signal, window, history=lambda _: True)
            for window in windows
        )
        readings = next(filter(None, counted), ())
        if not readings:
            missing = f"0 of {ux_issue.MIN_CONVERSATIONS} {of}"
            yield look.lacking(subjects.CONVERSATIONS, missing)
            return
        for reading in readings:
            n = _expected(look, reading, length, lambda each: each.n)
            if n < ux_issue.MIN_CONVERSATIONS:
                missing = f"{n} of {ux_issue.MIN_CONVERSATIONS} {of} of a typical day"
                yield look.lacking(reading.subject, missing)
                continue
            usual = look.baseline(reading).usual(ux_issue.MIN_CONVERSATIONS)
            is_relative = question.is_relative and usual is not None
            share = _smallest(look, question.threshold, n, usual, is_relative=is_relative)
            usual_share = usual.share if usual else None
            yield look.seeing(reading.subject, share, Unit.SHARE, usual_share, n, of)


def _smallest(
    look: Look, threshold: float, n: int, usual: confidence.Usual | None, *, is_relative: bool
) -> float | None:
    """The smallest share of ``n`` that is found; a relative one must be more than usual, too."""
    line = max(threshold, usual.share) if is_relative and usual else threshold
    prior = confidence.prior_of(look.context.window.minutes / 60, ux_issue.A_HOUR)

    def is_seen(k: int) -> bool:
        if is_relative and usual:
            sure = confidence.risen_above(k, n, line, usual, prior)
            return calibrated(sure, BOTH) >= look.minimum
        sure = confidence.lies_above(k, n, line, usual, prior)
        return calibrated(sure, ABOVE) >= look.minimum

    k = smallest(max(ux_issue.MIN_BAD, math.floor(line * n) + 1), n, is_seen)
    return None if k is None else k / n


def _expected(look: Look, reading: Reading, length: int, count: Callable[[Counts], int]) -> int:
    """How many there are in so many hours of a typical day, as the baseline has it; without one,
    as many as of the window would fall into them."""
    history = look.baseline(reading).hours
    peak = typical_peak({hour: float(count(each)) for hour, each in history.items()}, length)
    hours = max(1.0, reading.window.minutes / 60)
    return round(peak) if peak else round(count(reading.now) * min(1.0, length / hours))
