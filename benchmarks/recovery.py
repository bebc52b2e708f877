"""How often a fix that does not hold is called one that does, and how long true fixes wait.

Every problem is found as analyzers find one: the first window whose share is beyond three times the
usual one, with five failures, is what is remembered, which flatters the old rate. Then the problem
goes on as it was, or at half or a third of its rate (still above what is tolerated), or is over;
every quarter of an hour somebody looks, for two weeks. Run ``python -m benchmarks.recovery``.
"""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tgt.stats.recovery import Before
from tgt.tasks.criterion import Criterion, Tally
from tgt.tasks.verification import State, Verdict, Watch, is_over

_BEGIN = datetime(2025, 1, 1, tzinfo=timezone.utc)
_LOOKS_AN_HOUR = 4
_DAYS = 14
_TIMES = 3
_FAILURES = 5
_LONGEST_SEARCH = 24 * 14


@dataclass(frozen=True)
class Problem:
    """A share that fails, what is usual, and how many units there are an hour."""

    share: float
    usual: float
    per_hour: float


@dataclass(frozen=True)
class Outcome:
    """Whether the end was called holding, and after how many hours; when the card was completed."""

    holds_after: float | None
    completed_after: float | None


def a_problem(chance: random.Random) -> Problem:
    usual = math.exp(chance.uniform(math.log(0.003), math.log(0.1)))
    times = math.exp(chance.uniform(math.log(4), math.log(30)))
    per_hour = math.exp(chance.uniform(math.log(1), math.log(100)))
    return Problem(min(usual * times, 0.95), usual, per_hour)


def found(problem: Problem, chance: random.Random) -> Before | None:
    """What is remembered of the first window that shows the problem; None if none does."""
    for _ in range(_LONGEST_SEARCH):
        units = _poisson(problem.per_hour, chance)
        bad = _binomial(units, problem.share, chance)
        if bad >= _FAILURES and bad > _TIMES * problem.usual * units:
            return Before(bad, units)
    return None


def live(problem: Problem, share: float, before: Before, chance: random.Random) -> Outcome:
    """What is said of the end while the share is ``share``."""
    line = math.sqrt(_TIMES) * problem.usual
    criterion = Criterion("failing_conversations", "tool_call/x", "<=", line, before, line)
    bad = units = 0
    holds_after = None
    for look in range(1, _LOOKS_AN_HOUR * 24 * _DAYS + 1):
        more = _poisson(problem.per_hour / _LOOKS_AN_HOUR, chance)
        bad, units = bad + _binomial(more, share, chance), units + more
        after = timedelta(hours=look / _LOOKS_AN_HOUR)
        verdict = Verdict(criterion, Tally(bad, units, line), _BEGIN, _BEGIN + after, after)
        if verdict.state is not State.HOLDS:
            continue
        hours = after / timedelta(hours=1)
        holds_after = hours if holds_after is None else holds_after
        if is_over(Watch(_BEGIN, _BEGIN, verdict.document), _BEGIN + after):
            return Outcome(holds_after, hours)
    return Outcome(holds_after, None)


def _poisson(mean: float, chance: random.Random) -> int:
    many, left = 0, chance.expovariate(1)
    while left < mean:
        many, left = many + 1, left + chance.expovariate(1)
    return many


def _binomial(n: int, share: float, chance: random.Random) -> int:
    return sum(chance.random() < share for _ in range(n))


def outcomes(lives: int, kept: float, seed: int) -> list[tuple[Problem, Outcome]]:
    """So many problems of which a part is ``kept`` (0: they are over, 1: they are as they were); of
    those that are not over the share stays above what is tolerated."""
    chance = random.Random(seed)
    told: list[tuple[Problem, Outcome]] = []
    while len(told) < lives:
        problem = a_problem(chance)
        share = problem.share * kept if kept else problem.usual
        if kept and share <= math.sqrt(_TIMES) * problem.usual * 1.2:
            continue
        before = found(problem, chance)
        if before is not None:
            told.append((problem, live(problem, share, before, chance)))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{options.lives} fixes each, looked at every 15 minutes for {_DAYS} days")
    for kept, name in (
        (1.0, "did nothing"),
        (0.7, "left 70%"),
        (0.5, "left half"),
        (1 / 3, "left a third"),
    ):
        told = outcomes(options.lives, kept, options.seed)
        wrong = sum(outcome.holds_after is not None for _, outcome in told)
        done = sum(outcome.completed_after is not None for _, outcome in told)
        print(
            f"{name:13} ever called holding: {wrong} of {len(told)}"
            f" ({100 * wrong / len(told):.1f}%), completed: {done}"
            f" ({100 * done / len(told):.1f}%)"
        )
    told = outcomes(options.lives, 0.0, options.seed)
    for low, high in ((1, 5), (5, 20), (20, 100)):
        some = [outcome for problem, outcome in told if low <= problem.per_hour < high]
        waits = sorted(o.holds_after for o in some if o.holds_after is not None)
        if waits:
            median, late = waits[len(waits) // 2], waits[min(len(waits) - 1, len(waits) * 9 // 10)]
            print(
                f"true fixes, {low} to {high} conversations an hour: {len(waits)} of {len(some)}"
                f" shown to hold; after {median:.1f} h (median), {late:.1f} h (90%)"
            )


if __name__ == "__main__":
    main()
