"""Many cards need little memory: no command holds all of what they say at once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import NOW, Workplace

if TYPE_CHECKING:
    from collections.abc import Callable

CARDS, LENGTH = 20_000, 6_000
"""120 MB of text."""
MOST_KB = 110_000

SCRIPT = """
import atexit, sys
def tell():
    peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
    print("peak", peak, file=sys.stderr)
atexit.register(tell)
from tgt.cli import main
main()
"""


@pytest.fixture(scope="module")
def crowded(
    tmp_path_factory: pytest.TempPathFactory, card_data: Callable[..., dict[str, Any]]
) -> Workplace:
    place = Workplace(tmp_path_factory.mktemp("crowded"))
    text = "x" * LENGTH
    place.write_journal(
        *(card_data(f"01K{number:023}", description=text) for number in range(CARDS))
    )
    return place


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stats"], '"total": 20000'),
        (["doctor"], "20000 tasks"),
        (["log", "--since", "2025-11-03"], '"count": 20000'),
        (["list", "--since", "2025-11-03", "--limit", "1"], '"count": 1, "total": 20000'),
        (["cleanup", "--dry-run"], '"removed": 0'),
        (["cleanup"], '"removed": 0'),
        (["show", "19999"], '"task"'),
    ],
    ids=str,
)
def test_many_cards_need_little_memory(crowded: Workplace, words: list[str], told: str) -> None:
    assert told in _measured(crowded, *words)


def test_many_cards_that_are_news_need_little_memory(crowded: Workplace) -> None:
    """Those of one message are whole in memory, and no others."""
    begins = "of the 20,000 open tasks that there are nobody is told"
    assert begins in _measured(crowded, "notify")
    assert "Nothing to tell" in _measured(crowded, "notify")
    state = {"version": 1, "cards": {}, "targets": {}}
    (crowded.tasks / "notify_state.json").write_text(json.dumps(state))
    for _ in range(2):
        assert '"message": "1 target told"' in _measured(crowded, "notify")
    state = json.loads((crowded.tasks / "notify_state.json").read_text())
    ((_, target),) = state["targets"].items()
    assert len(target["owed"]) == CARDS - 2000


def _measured(crowded: Workplace, *words: str) -> str:
    """What a command says, which needs little memory."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words, "--json", "--now", NOW],
        cwd=crowded.path,
        env=crowded.environment(TASKGEN_NOTIFY="exec:true"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert json.loads(done.stdout)
    assert int(done.stderr.rpartition("peak ")[2]) < MOST_KB
    return done.stdout


def test_a_journal_that_was_cleaned_up_has_every_card(crowded: Workplace) -> None:
    assert crowded.tgt("cleanup").out == "Dropped 0 dismissed tasks older than 30 days\n"
    journal = crowded.tasks / "generated_tasks.jsonl"
    with journal.open(encoding="utf-8") as lines:
        assert sum(len(json.loads(line)["description"]) for line in lines) == CARDS * LENGTH
