"""Names that differ in ids only are one name, and many names take no more memory than few."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import END, Line, Loaded, World, call, hours_of

from tgt.analyzers.base import Analysis
from tgt.analyzers.docs_gap import DocsGapAnalyzer
from tgt.analyzers.error_spike import ErrorSpikeAnalyzer
from tgt.analyzers.signals import FAILURE
from tgt.engine.duckdb import families
from tgt.subjects import family

Judge = Callable[..., Analysis]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("fetch_ticket_000001", "fetch_ticket_*"),
        ("fetch_ticket", "fetch_ticket"),
        ("mcp__server__tool2", "mcp__server__tool*"),
        ("get_3f2504e0-4f89-11d3-9a0c-0305e82c3301", "get_*"),
        ("get-3f2a9c", "get-*"),
        ("get_facade", "get_facade"),
        ("run_01K94XYZ00A7T4M8R2VXCDGHJK_now", "run_*_now"),
        ("a1b2", "a*b*"),
        ("internationalization2", "internationalization*"),
    ],
)
def test_numbers_and_ids_in_a_name_are_stars(name: str, form: str) -> None:
    assert family(f"tool_call/{name}") == f"tool_call/{form}"


def _subjects(read: Loaded) -> dict[str, int]:
    return {r.subject: r.now.n for r in read.snapshot.counts(FAILURE, read.window)}


def _named(n: int, name: str = "fetch_ticket_{:06}", minutes: float = 0) -> list[Line]:
    return [call(minutes + 50 * (i + 1) / n, f"c{i}", name.format(i)) for i in range(n)]


@pytest.mark.parametrize(
    ("n", "folded"), [(30, False), (31, True)], ids=["somebody gave them", "nobody did"]
)
def test_few_names_of_one_form_stay_and_many_are_folded(
    world: World, load: Callable[..., Loaded], n: int, folded: bool
) -> None:
    world.write(*_named(n), *_named(9, "mcp__server__tool{}"))
    read = load()
    subjects = _subjects(read)
    assert len(subjects) == (1 if folded else n) + 9
    assert ("tool_call/fetch_ticket_*" in subjects) is folded
    assert "tool_call/mcp__server__tool2" in subjects
    assert dict(read.snapshot.coverage.folded) == (
        {"tool_call/fetch_ticket_*": n} if folded else {}
    )


def test_names_that_come_later_join_those_that_were_there(
    world: World, load: Callable[..., Loaded], tmp_path: Path
) -> None:
    """What is known of the hours before is known of the family then."""
    cache = tmp_path / "cache"
    world.write(*_named(20, minutes=180))
    early = END - timedelta(hours=3)
    read = load(early, cache=cache)
    assert len(_subjects(read)) == 20
    read.timeline.__exit__()
    world.write(*(call(m, f"d{m}", f"fetch_ticket_1{m:05}") for m in range(1, 21)))
    again = load(cache=cache)
    assert _subjects(again) == {"tool_call/fetch_ticket_*": 20}
    (reading,) = again.snapshot.counts(FAILURE, again.window, history=lambda _: True)
    assert sum(counts.n for counts in reading.history.values()) == 20
    assert again.snapshot.coverage.folded == {"tool_call/fetch_ticket_*": 40}


def test_thousands_of_names_that_fail_are_one_card(world: World, judge: Judge) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        status = "error" if bad else "ok"
        return [call(minutes, conv, f"fetch_ticket_{round(minutes * 100):06}", status=status)]

    failing = [{**line, "status": "error" if n % 5 else "ok"} for n, line in enumerate(_named(500))]
    world.write(*hours_of(make), *failing)
    (finding,) = judge(ErrorSpikeAnalyzer()).findings
    assert finding.subject == "tool_call/fetch_ticket_*"
    assert finding.description.endswith(" names like fetch_ticket_*.")
    analysis = judge(DocsGapAnalyzer())
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert abstention.subject == "tool_call/fetch_ticket_*"
    assert "names like fetch_ticket_*" in abstention.reason


def test_names_without_a_form_are_bounded_and_what_is_used_most_stays(
    world: World, load: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "MOST_SUBJECTS", 50)
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"do_{a}{b}" for a in letters for b in letters]
    world.write(*(call(1 + n / 100, f"c{n}", name) for n, name in enumerate(names)))
    world.write(*(call(1 + n, f"d{n}", "read_file") for n in range(20)))
    subjects = _subjects(load())
    assert len(subjects) <= 51
    assert subjects["tool_call/read_file"] == 20
    assert sum(subjects.values()) == len(names) + 20
    assert subjects["tool_call/*"] > 600
