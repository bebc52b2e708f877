"""How often a stated confidence is right, where it is known how often something is wrong.

Services of some subjects each, in whose weeks now and then a subject fails more often for some
hours. Of every run in which ``error_spike`` would say something of a subject, however unsure, it is
asked whether the window that shows it best has hours of such a fault. The numbers are made as those
of ``benchmarks.evidence`` are.

    python -m benchmarks.reliability --seeds 10 --first-seed 9101 --faults 2
    python -m benchmarks.reliability --seeds 10 --first-seed 9101 --faults 2 --subjects others
    python -m benchmarks.reliability --seeds 20 --faults 2 --fit

``--fit`` shows how often the model itself is right, and which map makes a calibrated confidence of
what it says (``tgt.stats.calibration``).

The runs of one fault, or of one chance excess, rest on the same events. So the interval of a share
is that of as many findings as there are subjects among them.
"""

from __future__ import annotations

import argparse
import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.detection import interval
from benchmarks.evidence import HISTORY_H, QUARTERS, Array, Shares, findings, stated
from tgt.stats.calibration import AGREED, FULLY_BELOW, SHIFT, moved

WEEK_H = 168
TENTHS = tuple(tenth / 10 for tenth in range(11))
_STARTS = ((0.5, 1.5), (SHIFT, FULLY_BELOW), (1.5, 5.0))
_BELOW = tuple(tenth for tenth in TENTHS if tenth < AGREED)


@dataclass(frozen=True)
class Service:
    """Its subjects, and of their faults how many hours they last and how many times as often a
    subject fails meanwhile, both evenly between two values on a logarithmic scale."""

    subjects: tuple[Shares, ...]
    fault_h: tuple[float, float]
    times: tuple[float, float]


SERVICES = {
    "fitted": Service(
        (
            *(Shares(60, 0.04), Shares(24, 0.04), Shares(10, 0.03), Shares(2, 0.04)),
            *(Shares(10, 0.1), Shares(40, 0.08)),
            *(Shares(24, 0.04, wave=0.3), Shares(2, 0.04, wave=0.3)),
        ),
        (1.0, 12.0),
        (2.0, 20.0),
    ),
    "others": Service(
        (
            *(Shares(100, 0.02), Shares(30, 0.06), Shares(16, 0.15), Shares(5, 0.05)),
            *(Shares(3, 0.1), Shares(45, 0.03)),
            *(Shares(16, 0.06, wave=0.2), Shares(80, 0.02, wave=0.3)),
        ),
        (0.5, 24.0),
        (2.5, 12.0),
    ),
}
"""What the confidence was calibrated on, and what it was not."""


@dataclass(frozen=True)
class Runs:
    """Findings: how sure, whether right, and of which subject."""

    sure: Array
    is_true: NDArray[np.bool_]
    subject: NDArray[np.int_]


def runs(chance: np.random.Generator, weeks: int, faults_a_week: float, service: Service) -> Runs:
    """All findings of so many weeks of a service, as sure as the model says."""
    told: list[Runs] = []
    many = len(service.subjects)
    for place, kind in enumerate(service.subjects):
        begin, end, times = _faults(chance, weeks, faults_a_week / many, service)
        units, failing = _with_fault(kind, chance, begin, end, times)
        sure, since = findings(units, failing)
        steps = QUARTERS * HISTORY_H + 1 + np.arange(sure.shape[1])
        is_true = (begin[:, None] < steps) & (since < end[:, None])
        which = np.arange(weeks)[:, None] * many + place + np.zeros_like(since)
        found = sure > 0
        told.append(Runs(sure[found], is_true[found], which[found]))
    return together(told)


def together(some: list[Runs]) -> Runs:
    """Findings of several, whose subjects are others."""
    first = np.cumsum([0, *(each.subject.max(initial=-1) + 1 for each in some)])
    return Runs(
        np.concatenate([each.sure for each in some]),
        np.concatenate([each.is_true for each in some]),
        np.concatenate([each.subject + at for each, at in zip(some, first, strict=False)]),
    )


def calibrated(every: Runs) -> Runs:
    """The findings, as sure as tgt says."""
    return replace(every, sure=stated(every.sure))


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


def _with_fault(
    kind: Shares, chance: np.random.Generator, begin: Array, end: Array, times: Array
) -> tuple[Array, Array]:
    units, failing = replace(kind, times=1.0).draw(chance, WEEK_H, len(begin))
    steps = np.arange(units.shape[1])
    bad = (steps >= begin[:, None]) & (steps < end[:, None])
    share = np.minimum(kind.share * times, 0.98)[:, None]
    return units, np.where(bad, chance.binomial(units.astype(int), share), failing)


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


def fitted(every: Runs) -> tuple[float, float]:
    """SHIFT and FULLY_BELOW of ``tgt.stats.calibration`` of the greatest likelihood, where each
    tenth of what the model says weighs the same."""
    is_moved = (every.sure > 0) & (every.sure < AGREED)
    sure, is_true = every.sure[is_moved], every.is_true[is_moved]
    tenth = np.searchsorted(_BELOW, sure, side="right")
    weight = 1 / np.bincount(tenth)[tenth]

    def surprise(parameters: Array) -> float:
        shift, fully_below = parameters
        if not 0 < shift < fully_below:
            return math.inf
        told = np.array([moved(each, shift, fully_below) for each in sure])
        return float(-(weight * np.log(np.where(is_true, told, 1 - told))).sum())

    # The likelihood has a flat ridge on which a search may end too soon.
    tried = [minimize(surprise, start, method="Nelder-Mead") for start in _STARTS]
    shift, fully_below = min(tried, key=lambda each: each.fun).x
    return float(shift), float(fully_below)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--services", type=int, default=50, help="for a week, for each seed")
    parser.add_argument("--subjects", choices=tuple(SERVICES), default="fitted")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--faults", type=float, default=1.0, help="of a service in a week")
    parser.add_argument(
        "--fit", action="store_true", help="also how often the model is right, and a map for it"
    )
    options = parser.parse_args()
    service = SERVICES[options.subjects]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"{options.faults:g} faults a week in a service of {len(service.subjects)} subjects")
    chances = (np.random.default_rng(seed) for seed in seeds)
    every = together(
        [runs(chance, options.services, options.faults, service) for chance in chances]
    )
    print("\n".join(table(calibrated(every))))
    if options.fit:
        print("\nas the model says")
        print("\n".join(table(every)))
        shift, fully_below = fitted(every)
        print(f"\nfitted: SHIFT {shift:.2f}, FULLY_BELOW {fully_below:.2f}")


if __name__ == "__main__":
    main()
