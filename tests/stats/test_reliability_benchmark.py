"""The benchmark of reliability knows which findings are of a fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from benchmarks import reliability
from benchmarks.evidence import Shares
from benchmarks.limits import ABORTED, Limited
from benchmarks.reliability import Runs
from tgt.stats.calibration import AGREED, calibrated


@pytest.mark.parametrize("analyzer", reliability.SERVICES)
def test_without_faults_nothing_is_right_and_with_them_what_is_sure_is(
    analyzer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reliability, "WEEK_H", 12)
    chance = np.random.default_rng(1)
    service = reliability.SERVICES[analyzer][0]
    healthy = reliability.runs(chance, 2, 0.0, service)
    assert len(healthy.sure) > 0
    assert not healthy.is_true.any()
    ill = reliability.runs(chance, 2, 1000.0, service)
    assert ill.is_true[ill.sure > 0.9].mean() > 0.9
    assert ill.is_true[ill.sure < 0.1].mean() < 0.9
    both = reliability.together([healthy, ill])
    assert len(set(both.subject.tolist())) == sum(
        len(set(each.subject.tolist())) for each in (healthy, ill)
    )


def test_a_fault_that_stays_below_the_line_is_tolerated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability, "WEEK_H", 12)
    subject = Limited(ABORTED, Shares(24, 0.05))
    service = replace(
        reliability.SERVICES["ux_issue"][0], subjects=(subject,), fault_h=(11.9, 12.0)
    )

    def right(times: float) -> np.bool_:
        faults = replace(service, times=(times, times * 1.001))
        return reliability.runs(np.random.default_rng(1), 10, 1000.0, faults).is_true.any()

    assert not right(3.9)
    assert right(4.1)


@pytest.mark.parametrize(
    ("wrong_h", "hours"), [(9.0, (1.0, 12.0)), (18.0, (0.5, 24.0)), (4.5, (2.0, 2.001))]
)
def test_a_service_is_at_fault_for_so_many_hours_a_week(
    wrong_h: float, hours: tuple[float, float]
) -> None:
    service = replace(reliability.SERVICES["error_spike"][0], fault_h=hours)
    low, high = np.log(hours)
    lengths = np.exp(np.random.default_rng(1).uniform(low, high, 100_000))
    told = reliability.MANY * service.faults(wrong_h) * lengths.mean()
    assert told == pytest.approx(wrong_h, rel=0.02)


@pytest.mark.slow
def test_what_is_below_a_card_is_as_often_right_as_is_said() -> None:
    """In weeks and in a service on which nothing was fitted: what the model says is not."""
    service = reliability.SERVICES["error_spike"][-1]
    model = reliability.runs(np.random.default_rng(9203), 20, reliability.WRONG_H, service)
    told = reliability.calibrated(model)

    def too_modest(every: Runs) -> float:
        unsure = (every.sure >= 0.1) & (every.sure < AGREED)
        return float(every.is_true[unsure].mean() - every.sure[unsure].mean())

    assert abs(too_modest(told)) < min(0.1, too_modest(model))
    assert (told.sure[model.sure >= AGREED] == model.sure[model.sure >= AGREED]).all()


def test_the_shift_is_found_again_by_which_findings_were_made_wrong() -> None:
    chance = np.random.default_rng(1)
    sure = expit(chance.uniform(-6, 1.5, 8_000))
    right = [calibrated(each, 1.0) for each in sure]
    is_true = chance.random(len(sure)) < np.array(right)
    other = Runs(sure, ~is_true, np.arange(len(sure)), np.full(len(sure), 0.2))
    every = reliability.together([other, replace(other, is_true=is_true, shift=other.shift + 1)])
    found = reliability.fitted(every, 1.2)
    assert found == pytest.approx(1.0, rel=0.25)


def test_a_row_is_of_one_tenth() -> None:
    told = Runs(
        np.array([0.05, 0.31, 0.39, 1.0]), np.array([0, 1, 0, 1], bool), np.arange(4), np.ones(4)
    )
    _, low, middle, high = reliability.table(told)
    assert low.split()[:7] == ["0.0", "to", "0.1", "0.05", "1", "1", "0.00"]
    assert middle.split()[:7] == ["0.3", "to", "0.4", "0.35", "2", "2", "0.50"]
    assert high.split()[:7] == ["0.9", "to", "1.0", "1.00", "1", "1", "1.00"]
