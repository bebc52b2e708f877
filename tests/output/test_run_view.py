"""The report of a run, in words and as JSON: every outcome, every decision with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tgt.outcome import Abstention, RunReport, SkipReason
from tgt.output import machine, run_view, words
from tgt.output.text import Screen
from tgt.tasks import ledger
from tgt.tasks.card import Card, Evidence, Finding, Fix, Severity, TaskType, Touched
from tgt.tasks.ledger import Action, Decision

if TYPE_CHECKING:
    from collections.abc import Callable

TERMINAL = Screen(80, colour=False, terminal=True)
PIPE = Screen(80, colour=False, terminal=False)


def _finding(title: str, severity: Severity = Severity.HIGH) -> Finding:
    return Finding(
        analyzer="error_spike",
        type=TaskType.ERROR_SPIKE,
        subject="tool_call/read_file",
        severity=severity,
        title=title,
        description="",
        evidence=Evidence("m", "c", "t", "w"),
        fix=Fix("a", ()),
        acceptance=(),
        confidence=0.93,
        touched=Touched(40, 0.12),
    )


@pytest.fixture
def report(card_data: Callable[..., dict[str, Any]]) -> RunReport:
    new = Card(card_data("01K94XYZ00A7"))
    old, quiet = (
        Card(card_data("01K94XYZ0QB7", title=title)) for title in ("writes \x1b[2Jfail", "odd")
    )
    return RunReport(
        message="Analysis complete: 1 task saved",
        rate_limited=True,
        generated=8,
        filtered=4,
        saved=1,
        covered=2,
        deferred=1,
        events_analyzed=1247,
        malformed_lines=3,
        duration_ms=412,
        warnings=("ctx-1.jsonl is damaged",),
        abstained=(Abstention("performance", "tool_call/git_diff", "11 of 20 calls"),),
        decisions=(
            Decision(_finding("reads fail"), Action.SAVE, "new", new),
            Decision(_finding("what nobody asked"), Action.TOUCH, "covered", old),
            Decision(_finding("slow", Severity.LOW), Action.DEFER, "quota"),
            Decision(_finding("what nobody asked"), Action.SUPPRESS, "a_new_reason", quiet),
        ),
        tasks=(new,),
    )


def test_on_a_terminal_each_finding_has_its_fate_and_reason(report: RunReport) -> None:
    assert run_view.run(TERMINAL, report) == (
        "Analysis complete: 1 task saved\n"
        "1,247 events in 412 ms, 4 of 8 findings certain enough, 1 covered, 1 kept quiet,\n"
        "1 held back, 3 malformed lines\n"
        "\n"
        "saved      high  00A7  reads fail\n"
        "covered    high  0QB7  writes \\x1b[2Jfail  (already a task)\n"
        "held back  low         slow  (the hourly quota is used up)\n"
        "quiet      high  0QB7  odd  (a_new_reason)\n"
        "\n"
        "Not judged, for lack of data: 1\n"
        "  performance  tool_call/git_diff  11 of 20 calls\n"
        "\n"
        "Next: tgt list\n"
    )


def test_in_a_log_it_is_one_line(report: RunReport) -> None:
    assert run_view.run(PIPE, report) == (
        "Analysis complete: 1 task saved (1,247 events in 412 ms, 4 of 8 findings certain enough, "
        "1 covered, 1 kept quiet, 1 held back, 3 malformed lines); "
        "00A7 high tool_call/read_file\n"
    )
    skipped = RunReport(message="Skipped: paused", skipped=SkipReason.PAUSED)
    assert run_view.run(PIPE, skipped) == "Skipped: paused\n"


def test_a_dry_run_is_told_in_full_also_in_a_pipe(report: RunReport) -> None:
    shown = run_view.run(PIPE, replace(report, dry_run=True))
    assert "would be saved      high        reads fail\n" in shown
    assert "Next" not in shown


def test_json_of_a_run_that_did_its_work(report: RunReport) -> None:
    document = machine.run(report)
    result = document["result"]
    decisions = result.pop("decisions")
    assert document["message"] == report.message
    assert result == {
        "success": True,
        "rateLimited": True,
        "tasksGenerated": 8,
        "tasksFiltered": 4,
        "tasksSaved": 1,
        "tasksSkipped": 2,
        "tasksMuted": 0,
        "tasksDeferred": 1,
        "tasksReopened": 0,
        "tasksCompleted": 0,
        "tasksApproved": 0,
        "eventsAnalyzed": 1247,
        "malformedLines": 3,
        "duration": 412,
        "lastEventAt": None,
        "warnings": ["ctx-1.jsonl is damaged"],
        "abstained": [
            {
                "analyzer": "performance",
                "subject": "tool_call/git_diff",
                "reason": "11 of 20 calls",
            }
        ],
        "tasks": [
            {
                "id": "01K94XYZ00A7",
                "type": "error_spike",
                "severity": "high",
                "status": "generated",
                "subject": "tool_call/read_file",
                "title": "read_file fails in 25% of the conversations that use it",
                "confidence": 0.93,
                "priority": 70,
            }
        ],
    }
    assert [(d["action"], d["reason"], d["id"]) for d in decisions] == [
        ("save", "new", "01K94XYZ00A7"),
        ("touch", "covered", "01K94XYZ0QB7"),
        ("defer", "quota", None),
        ("suppress", "a_new_reason", "01K94XYZ0QB7"),
    ]


def test_json_of_a_dry_run_says_so(report: RunReport) -> None:
    assert machine.run(replace(report, dry_run=True))["result"]["dryRun"] is True


@pytest.mark.parametrize("reason", list(SkipReason))
def test_json_of_a_skipped_run(reason: SkipReason) -> None:
    document = machine.run(RunReport(message="Skipped", skipped=reason))
    assert document["result"]["skipped"] is True
    assert document["result"]["reason"] == str(reason)
    assert "success" not in document["result"]


def test_json_of_a_failed_run() -> None:
    assert machine.run_failure("no such directory") == {
        "result": {"success": False, "error": "no such directory"},
        "message": "Analysis failed: no such directory",
    }


def test_a_document_survives_what_json_cannot_write() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert machine.dumps({"a": float("nan"), "b": 1}) == '{"a": null, "b": 1}\n'
    assert machine.dumps({"a": deep, "b": 1}).endswith('], "b": 1}\n')


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.253, "share", "25%"),
        (0.0314, "share", "3.1%"),
        (0.02, "share", "2%"),
        (1, "share", "100%"),
        (850, "ms", "850 ms"),
        (999.6, "ms", "1 s"),
        (1240, "ms", "1.24 s"),
        (125_000, "ms", "2 min 5 s"),
        (3.2, "ratio", "3.2×"),
        (1200, "count", "1,200"),
        (0.5, None, "0.5"),
        (True, "count", ""),
        ("7", "count", ""),
        (float("nan"), "share", ""),
        (10**400, "ms", ""),
    ],
)
def test_quantities(value: object, unit: object, shown: str) -> None:
    assert words.quantity(value, unit) == shown


@pytest.mark.parametrize(
    ("history", "shown"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([0.02, None, 0.25], "▁ █"),
        ([0, 0], "▁▁"),
        ([None, "x", True], ""),
        ([], ""),
        ("12", ""),
        (None, ""),
        ([-1, 1], "▁█"),
    ],
)
def test_sparklines(history: object, shown: str) -> None:
    assert words.sparkline(history) == shown


def test_what_is_muted_is_neither_covered_nor_kept_quiet(report: RunReport) -> None:
    quiet = next(each for each in report.decisions if each.action is Action.SUPPRESS)
    muted = replace(quiet, reason=ledger.MUTED, card=None)
    decisions = (*report.decisions, muted, muted)
    told = replace(report, decisions=decisions, covered=report.covered + 2, muted=2)
    line = run_view.run(PIPE, told)
    assert "1 covered, 1 kept quiet, 2 muted, 1 held back" in line
    shown = run_view.run(PIPE, replace(told, dry_run=True))
    assert shown.count("(muted)") == 2
    assert machine.run(told)["result"]["tasksMuted"] == 2
