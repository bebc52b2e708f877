"""What ``tgt demo`` leaves, for the tests of the documentation: its directory and its cards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import Workplace

NOW = "2025-11-05T16:00:00.000Z"
"""The hour of the examples: a Wednesday afternoon, at which both demos show what they planted."""


@dataclass(frozen=True)
class Demo:
    """A directory of ``tgt demo``, and the cards that its run has made."""

    workplace: Workplace
    directory: Path

    @property
    def cards(self) -> list[dict[str, Any]]:
        path = next(self.directory.rglob("generated_tasks.jsonl"))
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    @classmethod
    def of(cls, kind: str, place: Workplace) -> Demo:
        done = place.tgt("demo", "--as", kind, "--now", NOW, "--json", TMPDIR=str(place.path))
        assert (done.status, done.err) == (0, "")
        return cls(place, Path(done.json["demo"]["directory"]))
