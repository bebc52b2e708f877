"""What must hold of any bytes holds of all that ever broke it, and of what is made of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz_targets import TARGETS, mutated

CORPUS = Path(__file__).parents[1] / "corpus"
FEW = {"cycle": 2, "store": 2}
"""Targets whose inputs take half a second each, and how many are made up for them."""


def corpus(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def test_every_target_has_a_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys()


@pytest.mark.parametrize(
    ("target", "path"),
    [(name, path) for name in TARGETS for path in sorted((CORPUS / name).iterdir())],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_what_was_found_stays_mended(target: str, path: Path, tmp_path: Path) -> None:
    TARGETS[target](path.read_bytes(), tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_it_holds_of_what_is_made_of_that(target: str, tmp_path: Path) -> None:
    for data in mutated(corpus(target), FEW.get(target, 300), target):
        try:
            TARGETS[target](data, tmp_path)
        except BaseException as failure:
            failure.add_note(f"of {data!r}")
            raise
