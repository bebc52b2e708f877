"""Several sources are one stream, in which services are told apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tgt import config, cycle
from tgt.config import Settings
from tgt.outcome import RunReport
from tgt.store.journal import Journal

NOW = datetime(2025, 11, 3, 16, 0, tzinfo=timezone.utc)


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def claude_requests(count: int, answers: int = 3) -> Iterator[dict[str, Any]]:
    """Log events of sessions that nobody gave up, in telemetry that never says so."""
    for session in range(count):
        records = []
        for index in range(answers):
            at = NOW - timedelta(minutes=50) + timedelta(seconds=10 * session + index)
            told = {"event.name": "api_request", "session.id": f"s{session}", "model": "m"}
            told["request_id"] = f"r{session}-{index}"
            pairs = [{"key": key, "value": {"stringValue": word}} for key, word in told.items()]
            records.append({"timeUnixNano": str(int(at.timestamp() * 1e9)), "attributes": pairs})
        resource = {
            "attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]
        }
        yield {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}


def chat_lines(count: int, cut: int, hours_ago: float = 0.8) -> Iterator[dict[str, Any]]:
    """ContextLog of conversations of which ``cut`` end with an answer that is cut off."""
    for number in range(count):
        at = NOW - timedelta(hours=hours_ago) + timedelta(seconds=number)
        common = {"conv_id": f"c{hours_ago}-{number}", "actor": "assistant", "model": "m"}
        common |= {"act": "assistant_response", "service": "chat"}
        ended = "length" if number < cut else "stop"
        yield {"ts": iso(at), "finish_reason": ended, **common}


def write(path: Path, lines: Iterator[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in lines)


def settings(tmp_path: Path, source: str) -> Settings:
    values = {"TASKGEN_SOURCE": source, "FGK_TASKS_DIR": str(tmp_path / "tasks")}
    return config.load(values, environ={})


@pytest.fixture
def both(tmp_path: Path) -> RunReport:
    write(tmp_path / "otel" / "a.jsonl", claude_requests(30))
    write(tmp_path / "chat" / "b.jsonl", chat_lines(30, cut=15))
    source = f"otlp:{tmp_path / 'otel'},contextlog:{tmp_path / 'chat'}"
    return cycle.run(settings(tmp_path, source), NOW, dry_run=True)


def test_a_subject_is_one_of_a_service_where_there_are_several(both: RunReport) -> None:
    assert both.events_analyzed == 120
    subjects = {task.subject for task in both.tasks if task.type == "continuation_issue"}
    assert subjects == {"assistant_response/m@chat"}


def test_a_service_that_never_tells_ends_abstains_beside_one_that_does(both: RunReport) -> None:
    """Its answers are neither all good nor all cut off."""
    told = [a for a in both.abstained if a.analyzer == "continuation"]
    assert [(a.subject, a.reason) for a in told] == [
        ("assistant_response/m", "its telemetry does not tell finish reasons")
    ]


def test_nor_are_its_conversations_aborted(both: RunReport) -> None:
    """Thirty sessions without a finish reason would be as many aborts."""
    aborted = [task for task in both.tasks if task.subject == "conversations/aborted"]
    assert aborted == []


def test_with_one_service_subjects_stay_as_they_are(tmp_path: Path) -> None:
    write(tmp_path / "chat" / "b.jsonl", chat_lines(30, cut=15))
    report = cycle.run(settings(tmp_path, f"contextlog:{tmp_path / 'chat'}"), NOW, dry_run=True)
    assert {task.subject for task in report.tasks} == {"assistant_response/m"}


def test_what_was_counted_before_stays_true_when_a_file_grows(tmp_path: Path) -> None:
    """A run that remembers finds what one finds that reads everything anew."""
    directory = tmp_path / "logs"
    mapping = tmp_path / "map.toml"
    names = ("act", "actor", "conv_id", "finish_reason", "model", "service")
    columns = "".join(f'{name} = "{name}"\n' for name in names)
    mapping.write_text(f'[columns]\nts = "ts"\n{columns}')
    source = f"ndjson:{directory}?map={mapping}"
    for hours in range(40, 2, -1):
        write(directory / "a.jsonl", chat_lines(30, cut=1, hours_ago=hours))
    first = cycle.run(settings(tmp_path, source), NOW - timedelta(hours=1))
    assert first.saved == 0
    write(directory / "a.jsonl", chat_lines(40, cut=12))
    write(directory / "b.jsonl", chat_lines(30, cut=1, hours_ago=10.5))
    remembering = cycle.run(settings(tmp_path, source), NOW)
    fresh = cycle.run(settings(tmp_path / "other", source), NOW)
    assert remembering.saved == fresh.saved == 1
    (told,), (expected,) = (
        [(card.title, card.confidence, card.data["evidence"]) for card in report.tasks]
        for report in (remembering, fresh)
    )
    assert told == expected
    assert len(Journal(tmp_path / "tasks").read().cards) == 1
