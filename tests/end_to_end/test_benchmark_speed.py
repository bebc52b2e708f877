"""The benchmark of speed can be run by anyone; what it measures is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_case_is_measured_and_told(tmp_path: Path) -> None:
    sizes = ["--loads", "60x2", "--histories", "1,2", "--growth-per-hour", "60"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.speed", "--quick", "--json", *sizes),
            *("--journals", "0x1,20x2", "--directory", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {"cores", "cpu", "python", "duckdb", "loadAverage"} <= set(told["machine"])
    figures = told["figures"]
    assert {figure["case"] for figure in figures} == {"empty", "cold", "growth", "replay", "cards"}
    assert all(figure["median_ms"] > 0 and figure["peak_mb"] > 5 for figure in figures)
    compared = [figure for figure in figures if figure["compared_with"]]
    assert all(figure["ratio"] > 0 and figure["processor_ratio"] > 0 for figure in compared)
    assert any(figure["what"] == "tgt backtest --since 3h" for figure in compared)
    assert any(figure["what"] == "tgt run, first" for figure in compared)
    assert list(tmp_path.iterdir()) == [], "the made-up data is removed"
