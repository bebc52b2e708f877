"""What tgt has approved itself says so wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conftest import NOW, Workplace

Make = Callable[..., dict[str, Any]]
MINE, THEIRS = ("01K94XYZ00A7T4M8R2VXCDGH" + tail for tail in ("AA", "BB"))
LATER = "2025-11-03T17:00:00.000Z"
WHY = "by tgt: people approved all 12 tasks"


def by_tgt(card_data: Make) -> dict[str, Any]:
    return card_data(
        MINE,
        generatedAt=NOW,
        savedAt=NOW,
        status="approved",
        approvedAt=NOW,
        approvedBy="tgt",
        approvalNote=WHY,
        autoApproved={"at": NOW, "severity": "high", "confidence": 0.93, "approvals": 12},
    )


def test_it_is_told_apart_from_what_people_approved(workplace: Workplace, card_data: Make) -> None:
    alike = [
        card_data(f"01K94XYZ00A7T4M8R2VXCDGJ{n:02}", status="approved", approvedAt=NOW)
        for n in range(12)
    ]
    workplace.write_journal(by_tgt(card_data), *alike)

    def told(*arguments: str) -> str:
        return workplace.tgt(*arguments, "--now", LATER, TASKGEN_AUTO_APPROVE="3").out

    assert told("list").count("approved by tgt") == 1
    shown = told("show", MINE)
    assert "approved by tgt" in shown.splitlines()[1]
    assert f"approved   {WHY}" in shown
    assert f"tgt reopen {MINE}" in shown
    assert "**Status:** approved by tgt" in told("show", MINE, "--format", "markdown")
    found, approved = told("log", MINE).splitlines()[-2:]
    assert ("  found  " in found, "  approved  " in approved, WHY in approved) == (True,) * 3
    stats = told("stats")
    assert "approved  1 of 3 by tgt in the last day" in stats
    assert "error_spike, high, confidence 0.9 to 1: people approved 12" in stats
    assert "13 generated → 13 approved (1 by tgt)" in stats
    assert "12 approved, 0 dismissed, 1 undecided" in stats
    document = workplace.tgt("stats", "--json", "--now", LATER, TASKGEN_AUTO_APPROVE="3").json
    kind = {"confidenceFrom": 0.9, "confidenceTo": 1.0, "approved": 12}
    assert document["stats"]["autoApproval"] == {
        "maxTasksPerDay": 3,
        "tasksInLastDay": 1,
        "remaining": 2,
        "kinds": [{"type": "error_spike", "severity": "high", **kind}],
    }
    assert "confidence 0.9 to 1" not in workplace.tgt("stats", "--now", LATER).out, "it is off"

    assert told("dismiss", MINE, "--reason", "no").startswith("dismissed")
    document = workplace.tgt("stats", "--json", "--now", LATER).json["stats"]["autoApproval"]
    assert (document["kinds"], document["tasksInLastDay"]) == ([], 1)


def test_who_is_told_of_a_new_task_is_told_that_tgt_approved_it(
    workplace: Workplace, card_data: Make
) -> None:
    took = workplace.path / "took.json"
    target = {"TASKGEN_NOTIFY": f"exec:cp /dev/stdin {took}"}
    workplace.write_journal(card_data(THEIRS))
    workplace.tgt("notify", "--now", NOW, **target)
    workplace.write_journal(card_data(THEIRS), by_tgt(card_data))
    told = workplace.tgt("notify", "--json", "--now", LATER, **target).json
    (task,) = told["notification"]["tasks"]
    assert (task["id"], task["change"]) == (MINE, "new")
    assert task["text"].startswith("approved by tgt; ")
