"""The same telemetry in files and in tables makes the same cards, with the same evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from engine.clickhouse.databases import PASSWORD, Database, protocol
from sources.test_same_incident import (
    DAYS,
    NOW,
    Conversation,
    claude_logs_and_spans,
    conversations,
    framework_and_provider,
    genai_spans,
)

from tgt import config, cycle
from tgt.outcome import RunReport
from tgt.store.journal import Journal

_WRITERS = (genai_spans, framework_and_provider, claude_logs_and_spans)
_QUARTER = timedelta(minutes=15)


def analyzed(source: str, tasks: Path) -> tuple[RunReport, list[Mapping[str, Any]]]:
    """What two runs a quarter of an hour apart come to, and the cards that they save."""
    settings = config.load(
        {
            "TASKGEN_SOURCE": source,
            "FGK_TASKS_DIR": str(tasks),
            "TASKGEN_BASELINE_DAYS": str(DAYS),
            "TASKGEN_DOCS_PATHS": str(tasks.parent / "docs"),
            "TASKGEN_CLICKHOUSE_PASSWORD": PASSWORD,
        },
        environ={},
    )
    (tasks.parent / "docs").mkdir(exist_ok=True)
    cycle.run(settings, NOW - _QUARTER)
    report = cycle.run(settings, NOW)
    return report, [card.data for card in Journal(tasks).read().cards.values()]


def essence(card: Mapping[str, Any]) -> dict[str, Any]:
    """All that a card says but for where its samples stand."""
    samples = [
        {name: told for name, told in sample.items() if name not in {"file", "line"}}
        for sample in card["evidence"]["samples"]
    ]
    told = ("type", "subject", "severity", "title", "description", "confidence", "priority")
    return {**{name: card[name] for name in told}, "samples": samples}


@pytest.mark.parametrize("write", _WRITERS, ids=lambda write: write.__name__)
def test_tables_make_the_cards_that_files_make(
    write: Callable[[Conversation], str], tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    file = logs / "telemetry.jsonl"
    file.write_text("".join(write(one) for one in conversations()), encoding="utf-8")
    wanted_report, wanted = analyzed(f"otlp:{logs}", tmp_path / "files")
    assert len(wanted) >= 3
    assert all(card["evidence"]["samples"] for card in wanted)

    database = Database("cards")
    database.create()
    database.export(protocol([file]))
    report, cards = analyzed(database.source, tmp_path / "tables")
    assert report.events_analyzed == wanted_report.events_analyzed
    assert not report.warnings

    def by_subject(some: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return sorted(map(essence, some), key=json.dumps)

    assert by_subject(cards) == by_subject(wanted)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "tables").rglob("*.json*"))
    assert not PASSWORD or PASSWORD.encode() not in stored
