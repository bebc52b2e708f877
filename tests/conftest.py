"""What the tests of several parts share: a workplace of their own, the real command, real cards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NOW = "2025-11-03T16:00:00.000Z"


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        assert self.out.endswith("\n")
        return json.loads(self.out)


@dataclass(frozen=True)
class Workplace:
    """A directory with nothing around it: no settings, no home, no terminal."""

    path: Path

    @property
    def tasks(self) -> Path:
        return self.path / ".forgekeeper" / "tasks"

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "HOME": str(self.path / "home"),
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "error",
            **more,
        }

    def tgt(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        """Run the real command as of NOW and wait for it; never raises for its status."""
        done = subprocess.run(
            [sys.executable, "-m", "tgt", *arguments],
            cwd=self.path,
            env=self.environment(**environment),
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def write_journal(self, *cards: Mapping[str, Any]) -> Path:
        self.tasks.mkdir(parents=True, exist_ok=True)
        path = self.tasks / "generated_tasks.jsonl"
        path.write_text("".join(json.dumps(card) + "\n" for card in cards), encoding="utf-8")
        return path

    def write_sidecar(self, **state: Any) -> Path:
        self.tasks.mkdir(parents=True, exist_ok=True)
        path = self.tasks / "scheduler_state.json"
        path.write_text(json.dumps({"version": 1, **state}), encoding="utf-8")
        return path


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture(scope="session")
def card_data() -> Callable[..., dict[str, Any]]:
    """Makes the JSON object of a whole card; keyword arguments replace its keys."""
    return _card_data


def _card_data(card_id: str = "01K94XYZ00A7T4M8R2VXCDGHJK", **changes: Any) -> dict[str, Any]:
    return {
        "id": card_id,
        "type": "error_spike",
        "severity": "high",
        "status": "generated",
        "title": "read_file fails in 25% of the conversations that use it",
        "description": "14 of 56 conversations saw read_file fail; 3.1% did in the week before.",
        "evidence": {
            "metric": "share of conversations in which tool_call/read_file failed",
            "current": "25% (14 of 56)",
            "baseline": "3.1%",
            "threshold": "9.3%",
            "timeWindow": "2025-11-03 15:00 to 16:00 UTC",
            "samples": [
                {
                    "timestamp": "2025-11-03T15:41:07.120Z",
                    "id": "ev-91",
                    "text": "ENOENT: no such file, open 'config.yml'",
                }
            ],
            "details": {
                "value": 0.25,
                "baselineValue": 0.031,
                "thresholdValue": 0.093,
                "unit": "share",
                "history": [0.03, 0.02, None, 0.06, 0.25],
                "historyEnd": NOW,
                "k": 14,
                "n": 56,
                "interval": [0.16, 0.37],
                "rule": "fires beyond 3 times the subject's own baseline",
                "enough": "5 errors in 3 conversations",
            },
        },
        "suggestedFix": {
            "approach": "Look at what changed in how read_file is called.",
            "files": ["tools/read_file.py"],
            "changes": ["Reproduce one of the sample calls", "Validate the path first"],
            "estimatedEffort": "1-2 hours",
        },
        "acceptanceCriteria": ["The failing share stays below 9.3% for 24 hours"],
        "priority": 70,
        "confidence": 0.93,
        "generatedAt": "2025-11-03T13:00:00.000Z",
        "generatedBy": "tgt",
        "savedAt": "2025-11-03T13:00:00.000Z",
        "metadata": {"analyzer": "error_spike", "relatedEvents": ["ev-91"]},
        "fingerprint": "d3adb33fd3adb33f",
        "subject": "tool_call/read_file",
        "occurrences": 12,
        "firstSeenAt": "2025-11-03T13:00:00.000Z",
        "lastSeenAt": "2025-11-03T15:55:00.000Z",
        **changes,
    }
