"""The benchmark of reliability knows which findings are of a fault."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import reliability
from benchmarks.reliability import Runs


def test_without_faults_nothing_is_right_and_with_them_what_is_sure_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reliability, "WEEK_H", 12)
    chance = np.random.default_rng(1)
    healthy = reliability.runs(chance, 2, 0.0)
    assert len(healthy.sure) > 0
    assert not healthy.is_true.any()
    ill = reliability.runs(chance, 2, 2.0 * len(reliability.SUBJECTS))
    assert ill.is_true[ill.sure > 0.9].mean() > 0.9
    assert ill.is_true[ill.sure < 0.1].mean() < 0.9
    both = reliability.together([healthy, ill])
    assert len(set(both.subject.tolist())) == sum(
        len(set(each.subject.tolist())) for each in (healthy, ill)
    )


def test_a_row_is_of_one_tenth() -> None:
    told = Runs(np.array([0.05, 0.31, 0.39, 1.0]), np.array([0, 1, 0, 1], bool), np.arange(4))
    _, low, middle, high = reliability.table(told)
    assert low.split()[:7] == ["0.0", "to", "0.1", "0.05", "1", "1", "0.00"]
    assert middle.split()[:7] == ["0.3", "to", "0.4", "0.35", "2", "2", "0.50"]
    assert high.split()[:7] == ["0.9", "to", "1.0", "1.00", "1", "1", "1.00"]
