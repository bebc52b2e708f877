"""Several real processes change one store at once: no change is lost and no line is torn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tgt.store.journal import Journal
from tgt.store.state_file import Sidecar
from tgt.tasks.card import Card

ROUNDS = 20
WORKERS = 3

WORKER = """
import sys, pathlib
from dataclasses import replace
from datetime import datetime, timezone
from tgt import triage
from tgt.tasks.card import Card
from tgt.store.journal import Journal
from tgt.store.state_file import Sidecar

tasks_dir, name, rounds = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
journal, now = Journal(tasks_dir), datetime.now(timezone.utc)
sys.stdin.readline()
for number in range(rounds):
    with journal.writing(60) as writer:
        shared = writer.cards["SHARED"]
        changed = shared.changed(occurrences=shared.data["occurrences"] + 1)
        writer.append([changed, Card({"id": f"{name}-{number}-", "status": "generated"})])
    triage.approve(journal, [f"{name}-{number}-"], now, note=f"{name} {number}")
    Sidecar(tasks_dir).update(lambda state: replace(state, total_runs=state.total_runs + 1))
"""

CLEANER = """
import sys, pathlib
from datetime import datetime, timezone
from tgt import triage
from tgt.store.journal import Journal

sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    triage.cleanup(Journal(pathlib.Path(sys.argv[1])), datetime.now(timezone.utc), days=0)
"""


def test_no_change_is_lost_while_others_write_and_clean_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.writing() as writer:
        writer.append([Card({"id": "SHARED", "status": "generated", "occurrences": 0})])
    commands = [
        [sys.executable, "-c", WORKER, str(tmp_path), f"W{number}", str(ROUNDS)]
        for number in range(WORKERS)
    ]
    commands.append([sys.executable, "-c", CLEANER, str(tmp_path), str(2 * ROUNDS)])
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for command in commands
    ]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        while any(process.poll() is None for process in processes):
            seen = journal.read().cards["SHARED"].number("occurrences")
            assert 0 <= seen <= WORKERS * ROUNDS, "readers without a lock see whole cards"
        results = [process.communicate(timeout=60) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [
        (process.returncode, err) for process, (_, err) in zip(processes, results, strict=True)
    ] == [(0, b"")] * len(processes)

    content = journal.read()
    assert content.skipped_lines == 0
    assert content.cards["SHARED"].data["occurrences"] == WORKERS * ROUNDS
    expected = {
        f"W{worker}-{n}-": f"W{worker} {n}" for worker in range(WORKERS) for n in range(ROUNDS)
    }
    notes = {card.id: card.text("approvalNote") for card in content.cards.values()}
    assert notes == {**expected, "SHARED": ""}
    for line in journal.path.read_bytes().splitlines():
        assert isinstance(json.loads(line), dict)
    state, warnings = Sidecar(tmp_path).read(())
    assert (state.total_runs, warnings) == (WORKERS * ROUNDS, ())


def test_the_second_of_two_changes_is_made_on_the_card_of_the_first(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.writing() as writer:
        writer.append([Card({"id": "A", "status": "generated"})])
    script = (
        "import sys, pathlib; from datetime import datetime, timezone\n"
        "from tgt import triage; from tgt.store.journal import Journal\n"
        "print('ready', flush=True)\n"
        "triage.complete(Journal(pathlib.Path(sys.argv[1])), ['A'], datetime.now(timezone.utc))\n"
    )
    with journal.writing() as writer:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        writer.append([writer.cards["A"].changed(status="approved", approvalNote="first")])
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    card = journal.read().cards["A"]
    assert (card.status, card.text("approvalNote")) == ("completed", "first")
