"""What people keep dismissing sinks where priorities are shown, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace

Make = Callable[..., dict[str, Any]]
OPEN, OTHER = ("01K94XYZ00A7T4M8R2VXCDGH" + tail for tail in ("AA", "BB"))
TOOLS = ("cat", "ls", "mv", "cp", "rm", "ln", "dd", "ps", "df", "du")
GAP = {"type": "documentation_gap", "metadata": {"analyzer": "docs_gap"}, "severity": "low"}


@pytest.fixture
def place(workplace: Workplace, card_data: Make) -> Workplace:
    """Nine of ten gaps were dismissed; one more is open, and so is an error spike."""
    decided = [
        card_data(
            f"01K94XYZ00A7T4M8R2VXCDGJ{n:02}",
            **GAP,
            subject=f"tool_call/{tool}",
            **(
                {"status": "dismissed", "dismissedAt": NOW}
                if n
                else {"status": "approved", "approvedAt": NOW}
            ),
            priority=10,
        )
        for n, tool in enumerate(TOOLS)
    ]
    workplace.write_journal(
        *decided,
        card_data(OPEN, **GAP, subject="tool_call/grep", title="gap", priority=62),
        card_data(OTHER, subject="tool_call/read_file", title="errors", priority=50),
    )
    return workplace


def listed(place: Workplace, *more: str, **environment: str) -> list[tuple[str, float]]:
    told = place.tgt("list", "--json", "--now", NOW, *more, **environment).json
    cards = [card for card in told["tasks"] if card["status"] == "generated"]
    return [(card["title"], card["priority"]) for card in cards]


def test_what_people_keep_dismissing_sinks_and_comes_back(place: Workplace) -> None:
    journal = place.tasks / "generated_tasks.jsonl"
    before = journal.read_bytes()
    assert listed(place) == [("errors", 50), ("gap", 45)]
    assert listed(place, TASKGEN_REPUTATION="0") == [("gap", 62), ("errors", 50)]
    assert listed(place, "--min-priority", "46") == [("errors", 50)]
    rows = place.tgt("list", "--now", NOW).out.splitlines()
    assert "  45  " in next(row for row in rows if row.endswith("gap"))
    why = "would be 62: 9 of 10 cards of docs_gap were dismissed"
    assert f"priority  45 ({why})" in place.tgt("show", OPEN, "--now", NOW).out
    markdown = place.tgt("show", OPEN, "--format", "markdown", "--now", NOW).out
    assert "45 (would be 62: 9 of 10 cards of docs\\_gap were dismissed)" in markdown
    shown = place.tgt("show", OPEN, "--json", "--now", NOW).json["task"]
    assert (shown["priority"], shown["reputation"]["priority"]) == (45, 62)
    later = place.tgt("show", OPEN, "--json", "--now", "2026-03-03T00:00:00Z").json["task"]
    assert later["priority"] == 62, "verdicts fade"
    assert journal.read_bytes() == before, "nothing of it is written"

    stats = place.tgt("stats", "--now", NOW).out
    assert "priority 27% lower: 9 of 10 were dismissed" in stats
    (record,) = place.tgt("stats", "--json", "--now", NOW).json["tasks"]["reputation"]
    assert (record["analyzer"], record["factor"], record["of"]) == ("docs_gap", 0.73, 10)
    told = place.tgt("stats", "--json", "--now", NOW, TASKGEN_REPUTATION="off").json
    assert (told["tasks"]["reputation"], told["stats"]["config"]["reputation"]) == ([], False)
    assert "lower" not in place.tgt("stats", "--now", NOW, TASKGEN_REPUTATION="0").out

    for name in ("tool_call/cat", f"01K94XYZ00A7T4M8R2VXCDGJ{1:02}"):
        assert place.tgt("complete", name, "--now", NOW).status == 0
    for n in range(2, 5):
        place.tgt("reopen", f"01K94XYZ00A7T4M8R2VXCDGJ{n:02}", "--now", NOW)
    assert listed(place)[:2] == [("gap", 62), ("errors", 50)], "of seven verdicts five dismiss"
