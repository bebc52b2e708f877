"""How often a stated confidence is right, where it is known how often something is wrong.

Services of eight subjects each, in whose weeks now and then a subject fails more often, or is
slower, for some hours. Of every run in which an analyzer would say something of a subject, however
unsure, it is asked whether the window that shows it best has hours of such a fault; where no more
than a fixed line is tolerated, of one that is beyond it. The numbers are made as those of
``benchmarks.evidence`` and ``benchmarks.limits`` are.

    python -m benchmarks.reliability error_spike --first-seed 9301
    python -m benchmarks.reliability ux_issue --first-seed 9301 --wrong 18
    python -m benchmarks.reliability continuation --services first second --fit

``--fit`` shows how often the model itself is right, and which shift makes a calibrated confidence
of what it says (``tgt.stats.calibration``).

The runs of one fault, or of one chance excess, rest on the same events. So the interval of a share
is that of as many findings as there are subjects among them.
"""

from __future__ import annotations

import argparse
import itertools
import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from benchmarks import limits
from benchmarks.detection import interval
from benchmarks.evidence import (
    HISTORY_H,
    QUARTERS,
    Array,
    Latencies,
    Shares,
    findings,
    slow_since,
    stated,
)
from benchmarks.limits import ABORTED, CUT_OFF, ERROR_HEAVY, LONG_WAIT, Limited
from tgt.stats.calibration import ABOVE, AGREED, BOTH, RISEN, SLOWER

WEEK_H = 168
WRONG_H = 9.0
MANY = 8
"""So many subjects a service has."""
TENTHS = tuple(tenth / 10 for tenth in range(11))
_LARGEST = 3.0
_BELOW = tuple(tenth for tenth in TENTHS if tenth < AGREED)


Subject: TypeAlias = Shares | Limited | Latencies


@dataclass(frozen=True)
class Service:
    """Its subjects, and of their faults how many hours they last and how many times as often a
    subject fails meanwhile, or as long as usual its calls take (with a ``tail``, a tenth of them as
    the usual p95), both evenly between two values on a logarithmic scale."""

    subjects: tuple[Subject, ...]
    fault_h: tuple[float, float]
    times: tuple[float, float]

    def faults(self, wrong_h: float) -> float:
        """How many a subject has in a week, where of MANY subjects one or another is at fault for
        so many hours."""
        low, high = self.fault_h
        return wrong_h / MANY / ((high - low) / math.log(high / low))


def _answers(
    per_hour: float, share: float, each: float, alike: float, wave: float = 0.0
) -> Limited:
    return Limited(CUT_OFF, Shares(per_hour, share, wave=wave), each, alike)


SERVICES = {
    "error_spike": (
        Service(
            (
                *(Shares(60, 0.04), Shares(24, 0.04), Shares(10, 0.03), Shares(2, 0.04)),
                *(Shares(10, 0.1), Shares(40, 0.08)),
                *(Shares(24, 0.04, wave=0.3), Shares(2, 0.04, wave=0.3)),
            ),
            (1.0, 12.0),
            (2.0, 20.0),
        ),
        Service(
            (
                *(Shares(100, 0.02), Shares(30, 0.06), Shares(16, 0.15), Shares(5, 0.05)),
                *(Shares(3, 0.1), Shares(45, 0.03)),
                *(Shares(16, 0.06, wave=0.2), Shares(80, 0.02, wave=0.3)),
            ),
            (0.5, 24.0),
            (2.5, 12.0),
        ),
        Service(
            (
                *(Shares(200, 0.01), Shares(50, 0.05), Shares(20, 0.08), Shares(7, 0.12)),
                *(Shares(12, 0.02), Shares(4, 0.07)),
                *(Shares(35, 0.03, wave=0.25), Shares(8, 0.06, wave=0.3)),
            ),
            (0.75, 18.0),
            (2.0, 15.0),
        ),
    ),
    "performance": (
        Service(
            (
                *(Latencies(23, 0.5), Latencies(23, 1.2), Latencies(60, 0.8), Latencies(5, 0.7)),
                Latencies(40, 0.8, each=5, alike=0.6),
                *(Latencies(23, 0.5, tail=1), Latencies(60, 0.8, tail=1)),
                Latencies(12, 0.6, tail=1),
            ),
            (1.0, 12.0),
            (1.25, 4.0),
        ),
        Service(
            (
                *(Latencies(40, 0.4), Latencies(15, 1.0), Latencies(100, 0.6), Latencies(8, 0.5)),
                Latencies(30, 1.0, each=3, alike=0.4),
                *(Latencies(40, 0.6, tail=1), Latencies(100, 0.5, tail=1)),
                Latencies(20, 0.9, tail=1),
            ),
            (0.5, 24.0),
            (1.3, 3.0),
        ),
        Service(
            (
                *(Latencies(30, 0.7), Latencies(18, 0.5), Latencies(80, 1.1), Latencies(6, 0.9)),
                Latencies(50, 0.6, each=8, alike=0.3),
                *(Latencies(30, 0.7, tail=1), Latencies(80, 0.6, tail=1)),
                Latencies(15, 0.5, tail=1),
            ),
            (0.75, 18.0),
            (1.25, 5.0),
        ),
    ),
    "ux_issue": (
        Service(
            (
                *(Limited(ABORTED, Shares(24, 0.08)), Limited(ABORTED, Shares(8, 0.06))),
                *(Limited(ABORTED, Shares(3, 0.08)), Limited(LONG_WAIT, Shares(24, 0.07))),
                *(Limited(LONG_WAIT, Shares(10, 0.2)), Limited(ERROR_HEAVY, Shares(24, 0.12))),
                Limited(ERROR_HEAVY, Shares(6, 0.08)),
                Limited(ABORTED, Shares(40, 0.1, wave=0.3)),
            ),
            (1.0, 12.0),
            (2.0, 20.0),
        ),
        Service(
            (
                *(Limited(ABORTED, Shares(60, 0.05)), Limited(ABORTED, Shares(14, 0.12))),
                *(Limited(ABORTED, Shares(5, 0.04)), Limited(LONG_WAIT, Shares(40, 0.1))),
                *(Limited(LONG_WAIT, Shares(6, 0.05)), Limited(ERROR_HEAVY, Shares(40, 0.1))),
                Limited(ERROR_HEAVY, Shares(12, 0.15)),
                Limited(LONG_WAIT, Shares(16, 0.25, wave=0.2)),
            ),
            (0.5, 24.0),
            (2.5, 12.0),
        ),
        Service(
            (
                *(Limited(ABORTED, Shares(35, 0.1)), Limited(ABORTED, Shares(18, 0.04))),
                *(Limited(ABORTED, Shares(7, 0.1)), Limited(LONG_WAIT, Shares(16, 0.12))),
                *(Limited(LONG_WAIT, Shares(50, 0.3)), Limited(ERROR_HEAVY, Shares(16, 0.07))),
                Limited(ERROR_HEAVY, Shares(4, 0.12)),
                Limited(ERROR_HEAVY, Shares(30, 0.14, wave=0.25)),
            ),
            (0.75, 18.0),
            (2.0, 15.0),
        ),
    ),
    "continuation": (
        Service(
            (
                *(_answers(120, 0.05, 5, 0.1), _answers(40, 0.05, 3, 0.2)),
                *(_answers(20, 0.08, 4, 0.05), _answers(8, 0.04, 2, 0.1)),
                *(_answers(60, 0.1, 6, 0.1), _answers(30, 0.02, 1, 0.0)),
                *(_answers(80, 0.07, 8, 0.3), _answers(40, 0.06, 3, 0.1, wave=0.3)),
            ),
            (1.0, 12.0),
            (2.0, 20.0),
        ),
        Service(
            (
                *(_answers(200, 0.03, 10, 0.1), _answers(60, 0.08, 4, 0.15)),
                *(_answers(30, 0.05, 2, 0.3), _answers(12, 0.06, 3, 0.1)),
                *(_answers(100, 0.09, 5, 0.2), _answers(24, 0.04, 1, 0.0)),
                *(_answers(50, 0.02, 6, 0.1), _answers(90, 0.06, 4, 0.1, wave=0.2)),
            ),
            (0.5, 24.0),
            (2.5, 12.0),
        ),
        Service(
            (
                *(_answers(80, 0.04, 4, 0.2), _answers(25, 0.09, 5, 0.1)),
                *(_answers(50, 0.06, 8, 0.1), _answers(15, 0.03, 2, 0.2)),
                *(_answers(150, 0.08, 6, 0.15), _answers(36, 0.05, 1, 0.0)),
                *(_answers(70, 0.1, 3, 0.1), _answers(20, 0.07, 3, 0.1, wave=0.25)),
            ),
            (0.75, 18.0),
            (2.0, 15.0),
        ),
    ),
}
"""Three services for each analyzer: on the first two its confidence is calibrated."""
_NAMES = ("first", "second", "third")


@dataclass(frozen=True)
class Runs:
    """Findings: how sure, whether right, of which subject, and what shift is calibrated for."""

    sure: Array
    is_true: NDArray[np.bool_]
    subject: NDArray[np.int_]
    shift: Array


def runs(chance: np.random.Generator, weeks: int, wrong_h: float, service: Service) -> Runs:
    """All findings of so many weeks of a service, as sure as the model says."""
    told: list[Runs] = []
    many = len(service.subjects)
    for place, subject in enumerate(service.subjects):
        faults = _faults(chance, weeks, service.faults(wrong_h), service)
        begin, end, sure, since = _looked(subject, chance, *faults)
        steps = QUARTERS * HISTORY_H + 1 + np.arange(sure.shape[1])
        is_true = (begin[:, None] < steps) & (since < end[:, None])
        which = np.arange(weeks)[:, None] * many + place + np.zeros_like(since)
        found = sure > 0
        shift = np.full(found.sum(), _shift(subject))
        told.append(Runs(sure[found], is_true[found], which[found], shift))
    return together(told)


def _looked(
    subject: Subject, chance: np.random.Generator, begin: Array, end: Array, times: Array
) -> tuple[Array, Array, Array, NDArray[np.int_]]:
    """When the fault of each week begins and ends, as far as it is one, and the findings."""
    if isinstance(subject, Latencies):
        seen = []
        for first, last, factor in zip(begin, end, times, strict=True):
            fault = {"tail": factor} if subject.tail else {"times": factor}
            week = replace(subject, **fault).draw(chance, WEEK_H, (first, last))
            seen.append(slow_since(week))
        sure, since = (np.array(each) for each in zip(*seen, strict=True))
        return begin, end, sure, since
    steps = np.arange(QUARTERS * (HISTORY_H + WEEK_H))
    is_bad = (steps >= begin[:, None]) & (steps < end[:, None])
    each = np.where(is_bad, times[:, None], 1.0)
    if isinstance(subject, Shares):
        share = subject.shares(chance, each, len(begin))
        units = chance.poisson(subject.per_hour / QUARTERS, share.shape)
        failing = chance.binomial(units, share).astype(float)
        return begin, end, *findings(units.astype(float), failing)
    share = subject.units.shares(chance, each, len(begin))
    # What stays below the line is tolerated.
    begin = np.where(subject.units.share * times > subject.line, begin, math.inf)
    return begin, end, *limits.findings(subject.question, subject.draw(chance, share))


def together(some: list[Runs]) -> Runs:
    """Findings of several, whose subjects are others."""
    first = np.cumsum([0, *(each.subject.max(initial=-1) + 1 for each in some)])
    return Runs(
        np.concatenate([each.sure for each in some]),
        np.concatenate([each.is_true for each in some]),
        np.concatenate([each.subject + at for each, at in zip(some, first, strict=False)]),
        np.concatenate([each.shift for each in some]),
    )


def calibrated(every: Runs) -> Runs:
    """The findings, as sure as tgt says."""
    return replace(every, sure=stated(every.sure, every.shift))


def _shift(subject: Subject) -> float:
    """That of what is asked of it (``tgt.stats.calibration``)."""
    if isinstance(subject, Limited):
        return BOTH if subject.question.is_relative else ABOVE
    return SLOWER if isinstance(subject, Latencies) else RISEN


def _faults(
    chance: np.random.Generator, subjects: int, a_week: float, service: Service
) -> tuple[Array, Array, Array]:
    """The step at which the fault of each subject begins (never, where it has none), the one before
    which it ends, and how many times as often the subject fails meanwhile."""
    has = chance.random(subjects) < a_week
    begin = QUARTERS * (HISTORY_H + chance.uniform(0, WEEK_H, subjects))
    hours, times = (
        np.exp(chance.uniform(math.log(low), math.log(high), subjects))
        for low, high in (service.fault_h, service.times)
    )
    begin = np.where(has, np.floor(begin), math.inf)
    return begin, begin + np.ceil(QUARTERS * hours), times


def table(every: Runs) -> list[str]:
    """A row for each tenth of the confidence."""
    head = ("stated", "runs", "subjects", "right", "9 of 10 in")
    rows = [f"{'confidence':<16}" + "".join(f"{word:>12}" for word in head)]
    for low, high in itertools.pairwise(TENTHS):
        inside = (every.sure >= low) & ((every.sure < high) | (high == 1.0))
        if inside.any():
            share, subjects = every.is_true[inside].mean(), len(set(every.subject[inside].tolist()))
            least, most = interval(float(share), subjects)
            rows.append(
                f"{low:.1f} to {high:.1f}".ljust(16)
                + f"{every.sure[inside].mean():>12.2f}{inside.sum():>12}{subjects:>12}"
                f"{share:>12.2f}{least:>7.2f}-{most:.2f}"
            )
    return rows


def fitted(every: Runs, instead: float) -> float:
    """The shift of the greatest likelihood ``instead`` of another one, where each tenth of what the
    model says weighs the same."""
    is_moved = (every.sure > 0) & (every.sure < AGREED) & (every.shift == instead)
    sure, is_true = every.sure[is_moved], every.is_true[is_moved]
    tenth = np.searchsorted(_BELOW, sure, side="right")
    weight = 1 / np.bincount(tenth)[tenth]

    def surprise(shift: float) -> float:
        told = stated(sure, np.full(len(sure), shift))
        return float(-(weight * np.log(np.where(is_true, told, 1 - told))).sum())

    return float(minimize_scalar(surprise, bounds=(0, _LARGEST), method="bounded").x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("analyzers", nargs="+", choices=tuple(SERVICES))
    parser.add_argument("--services", nargs="+", choices=_NAMES, default=_NAMES[-1:])
    parser.add_argument("--wrong", type=float, default=WRONG_H, help="hours of a service in a week")
    parser.add_argument("--weeks", type=int, default=20, help="of a service, for each seed")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument(
        "--fit", action="store_true", help="also how often the model is right, and a map for it"
    )
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    every = together(
        [
            runs(np.random.default_rng(seed), options.weeks, options.wrong, service)
            for analyzer in options.analyzers
            for name, service in zip(_NAMES, SERVICES[analyzer], strict=True)
            if name in options.services
            for seed in seeds
        ]
    )
    print("\n".join(table(calibrated(every))))
    if options.fit:
        print("\nas the model says")
        print("\n".join(table(every)))
        for shift in sorted(set(every.shift.tolist())):
            print(f"\n{shift:.2f}, fitted: {fitted(every, shift):.2f}")


if __name__ == "__main__":
    main()
