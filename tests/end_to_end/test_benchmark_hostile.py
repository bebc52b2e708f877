"""What is made to fill memory does not, and costs none of the good events beside it; in small. How
much a run holds of it in full, ``python -m benchmarks.hostile`` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.hostile import CASES, hold


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_what_is_made_to_fill_memory_does_not(name: str, tmp_path: Path) -> None:
    held = hold(CASES[name], tmp_path, 0.02)
    assert held.is_fine, held
