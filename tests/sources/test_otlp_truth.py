"""OpenTelemetry of every dialect: small files, and what of them counts, by hand.

Each directory below ``truth/otlp`` is a case: files, and ``expected.json`` with the ``promise``
that they stand for, how many objects are ``passed_over`` and why, and as ``records`` the events in
the order of their times with the columns that the promise is about (``all`` of them have some in
common). The events must be the same however the files come, unless a case ``needs_order``, or what
is told ``together_only``.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from otlp_reading import counted, objects, read, read_grown

from tgt.sources.base import Outcome, PassedOver
from tgt.sources.otlp import recognises
from tgt.sources.otlp.decode import WRAPPERS
from tgt.sources.otlp.dialects import dialects
from tgt.sources.wrappers import unwrapped

CASES = sorted((Path(__file__).parent / "truth" / "otlp").iterdir())
NO_COLUMN = {"soft_failed": False}
"""What a missing value means of columns that few calls have."""


def files_of(case: Path) -> list[Path]:
    return sorted(path for path in case.iterdir() if path.name != "expected.json")


def expectation(case: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text("utf-8"))
    return expected


def check(case: Path, outcomes: Iterable[Outcome]) -> None:
    """That the events are the expected ones."""
    expected = expectation(case)
    events = counted(outcomes)
    wanted = [{**expected.get("all", {}), **record} for record in expected["records"]]
    assert [
        {name: event.get(name, NO_COLUMN.get(name)) for name in record}
        for event, record in zip(events, wanted, strict=False)
    ] == wanted
    assert [event["act"] for event in events] == [record["act"] for record in wanted]


def names_of(cases: Iterable[Path]) -> list[str]:
    return [case.name for case in cases]


@pytest.mark.parametrize("case", CASES, ids=names_of(CASES))
def test_what_counts(case: Path) -> None:
    outcomes = read(*files_of(case))
    check(case, outcomes)
    reasons = Counter(
        f"{one.reason}:{one.kind}" if one.reason in {"unknown", "malformed"} else str(one.reason)
        for one in outcomes
        if isinstance(one, PassedOver)
    )
    wanted = expectation(case).get("passed_over")
    assert wanted is None or dict(reasons) == wanted


@pytest.mark.parametrize("case", CASES, ids=names_of(CASES))
def test_a_file_may_be_read_in_any_stretches(case: Path, tmp_path: Path) -> None:
    """Whenever it is looked at while it is written, also in the middle of an object."""
    chance = random.Random(case.name)
    for _ in range(5):
        outcomes: list[Outcome] = []
        for path in files_of(case):
            copy = tmp_path / path.name
            copy.write_bytes(path.read_bytes())
            sizes = sorted(chance.randrange(1, copy.stat().st_size) for _ in range(4))
            outcomes += read_grown(copy, sizes)
        check(case, outcomes)


def written(directory: Path, case: Path, *, apart: bool, backwards: bool) -> list[Path]:
    """The objects of a case in files: each in one of its own, or the last one first."""
    paths = []
    for path in files_of(case):
        told = objects(path)[:: -1 if backwards else 1]
        groups = [[one] for one in told] if apart else [told]
        for number, group in enumerate(groups):
            paths.append(directory / f"{path.name}-{number}.jsonl")
            paths[-1].write_text("".join(f"{json.dumps(one)}\n" for one in group), "utf-8")
    return paths


@pytest.mark.parametrize("case", CASES, ids=names_of(CASES))
def test_objects_may_come_in_another_order(case: Path, tmp_path: Path) -> None:
    if expectation(case).get("needs_order"):
        pytest.skip("what was decided is told before what came of it")
    check(case, read(*written(tmp_path, case, apart=False, backwards=True)))


@pytest.mark.parametrize("case", CASES, ids=names_of(CASES))
def test_objects_may_stand_in_different_files(case: Path, tmp_path: Path) -> None:
    if expectation(case).get("together_only") or expectation(case).get("needs_order"):
        pytest.skip("what is put together of two objects is so within one file")
    check(case, read(*written(tmp_path, case, apart=True, backwards=False)))


@pytest.mark.parametrize("case", CASES, ids=names_of(CASES))
def test_it_is_recognised(case: Path) -> None:
    told = [one for path in files_of(case) for one in objects(path)]
    assert all(recognises(one) for one in told)
    named = expectation(case).get("dialect")
    items = [inner for one in told for inner in unwrapped(one, WRAPPERS)]
    assert named is None or named in {name for one in items for name in dialects(one)}
