"""The benchmark of reliability knows which findings are of a fault."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from benchmarks import reliability
from benchmarks.reliability import Runs
from tgt.stats.calibration import AGREED, moved


def test_without_faults_nothing_is_right_and_with_them_what_is_sure_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reliability, "WEEK_H", 12)
    chance = np.random.default_rng(1)
    service = reliability.SERVICES["fitted"]
    healthy = reliability.runs(chance, 2, 0.0, service)
    assert len(healthy.sure) > 0
    assert not healthy.is_true.any()
    ill = reliability.runs(chance, 2, 2.0 * len(service.subjects), service)
    assert ill.is_true[ill.sure > 0.9].mean() > 0.9
    assert ill.is_true[ill.sure < 0.1].mean() < 0.9
    both = reliability.together([healthy, ill])
    assert len(set(both.subject.tolist())) == sum(
        len(set(each.subject.tolist())) for each in (healthy, ill)
    )


@pytest.mark.slow
def test_what_is_below_a_card_is_as_often_right_as_is_said() -> None:
    """In weeks and in a service on which nothing was fitted: what the model says is not."""
    service = reliability.SERVICES["others"]
    model = reliability.runs(np.random.default_rng(9203), 20, 2.0, service)
    told = reliability.calibrated(model)

    def too_modest(every: Runs) -> float:
        unsure = (every.sure >= 0.1) & (every.sure < AGREED)
        return float(every.is_true[unsure].mean() - every.sure[unsure].mean())

    assert too_modest(model) > 0.1
    assert abs(too_modest(told)) < 0.1
    assert (told.sure[model.sure >= AGREED] == model.sure[model.sure >= AGREED]).all()


def test_the_map_is_found_again_by_which_findings_were_made_wrong() -> None:
    chance = np.random.default_rng(1)
    sure = expit(chance.uniform(-6, 1.5, 8_000))
    right = [moved(each, 1.0, 3.0) if each < AGREED else each for each in sure]
    is_true = chance.random(len(sure)) < np.array(right)
    found = reliability.fitted(Runs(sure, is_true, np.arange(len(sure))))
    assert found == pytest.approx((1.0, 3.0), rel=0.25)


def test_a_row_is_of_one_tenth() -> None:
    told = Runs(np.array([0.05, 0.31, 0.39, 1.0]), np.array([0, 1, 0, 1], bool), np.arange(4))
    _, low, middle, high = reliability.table(told)
    assert low.split()[:7] == ["0.0", "to", "0.1", "0.05", "1", "1", "0.00"]
    assert middle.split()[:7] == ["0.3", "to", "0.4", "0.35", "2", "2", "0.50"]
    assert high.split()[:7] == ["0.9", "to", "1.0", "1.00", "1", "1", "1.00"]
