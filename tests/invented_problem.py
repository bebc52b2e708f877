"""A finding, and a log that makes one, for tests that need any."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tgt.tasks.card import Evidence, Finding, Fix, Severity, TaskType, Touched

NOW = datetime(2025, 11, 3, 16, 0, tzinfo=timezone.utc)


def a_finding() -> Finding:
    return Finding(
        analyzer="error_spike",
        type=TaskType.ERROR_SPIKE,
        subject="tool_call/read_file",
        severity=Severity.HIGH,
        title="Errors of read_file",
        description="It fails.",
        evidence=Evidence("failing_conversations", "25%", "3 × usual", "60 minutes"),
        fix=Fix("find_common_cause", ("Look",)),
        acceptance=("It works",),
        confidence=0.93,
        touched=Touched(40, 0.12),
    )


def write_log(directory: Path, *, conversations: int, calls: int) -> None:
    """A ContextLog in its usual place: of all conversations but the first every call fails."""
    log = directory / ".forgekeeper" / "context_log"
    log.mkdir(parents=True, exist_ok=True)
    with (log / "ctx-20251103-15.jsonl").open("w", encoding="utf-8") as lines:
        for conversation in range(conversations):
            for call in range(calls):
                at = NOW - timedelta(minutes=40, seconds=-call - 60 * conversation)
                event = {
                    "ts": at.isoformat(),
                    "act": "tool_call",
                    "name": "read_file",
                    "status": "error" if conversation else "ok",
                    "conv_id": f"conv-{conversation}",
                    "elapsed_ms": 20,
                }
                lines.write(json.dumps(event) + "\n")
