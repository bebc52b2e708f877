"""Each question of a snapshot is asked once, and answers that fill the memory are not kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from conftest import END

from tgt.analyzers.asked_once import asked_once
from tgt.analyzers.signals import FAILURE, TRAFFIC
from tgt.engine.protocol import Counts, Reading, Signal, Snapshot
from tgt.events import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW = Interval(END - timedelta(hours=1), END)
LONGER = Interval(END - timedelta(hours=2), END)


class Counting:
    """Answers with so many subjects, and remembers what it was asked."""

    coverage = "what there is"

    def __init__(self, subjects: int) -> None:
        self.subjects = subjects
        self.asked: list[tuple[Signal, Interval]] = []

    def counts(self, signal: Signal, window: Interval) -> Sequence[Reading]:
        self.asked.append((signal, window))
        return [Reading(f"tool_call/{n}", window, Counts(n=n)) for n in range(self.subjects)]


def test_what_was_asked_is_not_asked_again_and_answered_the_same() -> None:
    below = Counting(3)
    snapshot = asked_once(cast("Snapshot", below))
    first = snapshot.counts(FAILURE, WINDOW)
    assert snapshot.counts(FAILURE, WINDOW) == first
    assert cast("object", snapshot.coverage) == Counting.coverage
    assert below.asked == [(FAILURE, WINDOW)]


def test_another_signal_or_window_is_another_question() -> None:
    below = Counting(3)
    snapshot = asked_once(cast("Snapshot", below))
    for signal, window in ((FAILURE, WINDOW), (TRAFFIC, WINDOW), (FAILURE, LONGER)):
        snapshot.counts(signal, window)
    assert below.asked == [(FAILURE, WINDOW), (TRAFFIC, WINDOW), (FAILURE, LONGER)]


def test_an_answer_about_very_many_subjects_is_not_kept() -> None:
    below = Counting(3000)
    snapshot = asked_once(cast("Snapshot", below))
    assert snapshot.counts(FAILURE, WINDOW) == snapshot.counts(FAILURE, WINDOW)
    assert len(below.asked) == 2
