"""The log of a journal: in order of time, within bounds, and of any size in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tgt import log, triage
from tgt.log import News
from tgt.store.journal import Journal
from tgt.tasks.card import Card, format_time

NOW = datetime(2025, 11, 3, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def card(card_id: str, hours_ago: float, **keys: Any) -> Card:
    saved = format_time(NOW - hours_ago * HOUR)
    return Card(
        {"id": card_id, "severity": "high", "status": "generated", "savedAt": saved, **keys}
    )


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path)
    with made.writing() as writer:
        writer.append([card("01A", 50), card("01B", 40), card("01C", 2)])
    triage.approve(made, ["01A"], NOW - 30 * HOUR, note="on it")
    triage.complete(made, ["01B"], NOW - 3 * HOUR)
    triage.reopen(made, ["01B"], NOW - HOUR)
    worse = made.read().cards["01A"].changed(severity="critical", updatedAt=format_time(NOW - HOUR))
    with made.writing() as writer:
        writer.append([worse])
    return made


def told(found: log.Log) -> list[tuple[str, str]]:
    return [(change.task, str(change.kind)) for change in found.changes]


ALL = [
    ("01A", "found"),
    ("01B", "found"),
    ("01A", "approved"),
    ("01B", "completed"),
    ("01C", "found"),
    ("01B", "reopened"),
    ("01A", "worse"),
]


def test_everything_is_told_newest_last(journal: Journal) -> None:
    found = log.log(journal)
    assert told(found) == ALL
    assert [*found.known] == ["01A", "01B", "01C"]


def test_of_some_tasks_and_of_some_time(journal: Journal) -> None:
    assert told(log.log(journal, tasks={"01A"})) == [each for each in ALL if each[0] == "01A"]
    assert told(log.log(journal, since=NOW - 3 * HOUR)) == ALL[3:], "from that instant on"
    assert told(log.log(journal, until=NOW - 30 * HOUR)) == ALL[:3], "up to that instant"
    assert len(log.log(journal, tasks={"01A"}).known) == 3, "ids are short among all of them"


def test_what_is_news(journal: Journal) -> None:
    assert log.news(journal, NOW - 24 * HOUR) == {
        "01C": News.NEW,
        "01B": News.BACK,
        "01A": News.WORSE,
    }
    assert log.news(journal, NOW - 60 * HOUR)["01A"] == News.NEW, "whatever came of it"
    assert log.news(journal, NOW - HOUR / 2) == {}
    assert log.news(journal, NOW - 24 * HOUR, NOW - 2 * HOUR) == {"01C": News.NEW}


def test_lines_that_are_no_cards_are_counted(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    journal.path.write_bytes(b"no card\n\n" + whole + b'{"id": "01A", "torn')
    found = log.log(journal)
    assert (told(found), found.skipped_lines) == (ALL, 2)


def test_no_journal_is_an_empty_log(tmp_path: Path) -> None:
    assert log.log(Journal(tmp_path / "none")) == log.Log((), {})


def test_a_log_of_many_cards_needs_little_memory(tmp_path: Path) -> None:
    """Of 20,000 cards of 4 KB the text alone would be 80 MB."""
    text = "x" * 4000
    with (tmp_path / "generated_tasks.jsonl").open("w", encoding="utf-8") as journal:
        for number in range(20_000):
            data = card(f"01K{number:023}", number / 100, description=text).data
            journal.write(json.dumps(dict(data)) + "\n")
    script = (
        "import sys, pathlib\n"
        "from tgt import log\n"
        "from tgt.store.journal import Journal\n"
        "def most(): return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "before = most()\n"
        "assert len(log.log(Journal(pathlib.Path(sys.argv[1]))).changes) == 20_000\n"
        "print(most() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert 1024 < int(done.stdout) < 40 * 1024
