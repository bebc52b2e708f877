"""Reading agents' files as tests do: whole, or in stretches, and what then counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tgt.sources.base import Outcome, PassedOver, Record, RecordSource
from tgt.sources.cline import Cline
from tgt.sources.copilot import Copilot
from tgt.sources.files import LogFile
from tgt.sources.gemini import Gemini
from tgt.sources.opencode import OpenCode
from tgt.sources.pi import Pi
from tgt.sources.qwen import Qwen
from tgt.sources.reading import FileReading

TRUTH = Path(__file__).parent / "sources" / "truth"
STORAGE = Path(__file__).parent / "sources" / "opencode"
SAMPLES = Path(__file__).parents[2] / "shared" / "telemetry-samples" / "other-agents"
SOURCES: Mapping[str, Callable[[Path], RecordSource]] = {
    "copilot": Copilot,
    "gemini": Gemini,
    "qwen": Qwen,
    "pi": Pi,
    "opencode": OpenCode,
    "cline": Cline,
}
AGENT_CASES = (*sorted(p for kind in SOURCES for p in (TRUTH / kind).glob("*/input")), STORAGE)
"""The input of the cases of these agents, and a directory of OpenCode's earlier versions."""


def kind_of(place: Path) -> str:
    """The source whose files lie at a place of the cases, or of a copy of one."""
    return next(part for part in reversed(place.parts) if part in SOURCES)


def source_of(place: Path) -> RecordSource:
    return SOURCES[kind_of(place)](place)


def outcomes(source: RecordSource, file: LogFile) -> list[Outcome]:
    return list(FileReading(source, file).outcomes())


def in_stretches(source: RecordSource, path: Path, ends: Sequence[int]) -> list[Record]:
    """The records of a file that grew to each of these sizes before it was read on; where a reader
    keeps no state, those of its last reading."""
    data = path.read_bytes()
    records: list[Record] = []
    offset, state = 0, None
    for end in (*ends, len(data)):
        path.write_bytes(data[:end])
        file = LogFile.of(str(path), path.stat())
        reading = FileReading(source, file, offset, state)
        if offset == 0:
            records = []
        records += [each for each in reading.outcomes() if not isinstance(each, PassedOver)]
        state = None if reading.state is None else json.loads(json.dumps(reading.state))
        offset = reading.end if state is not None else 0
    return records


def counting(records: Iterable[Outcome]) -> list[Record]:
    """The records that count, by time: of those with one key the one of the highest revision, among
    equals the first."""
    best: dict[str, Record] = {}
    for record in records:
        if isinstance(record, PassedOver):
            continue
        known = best.get(record["key"])
        if known is None or _revision(record) > _revision(known):
            best[record["key"]] = record
    return sorted(best.values(), key=lambda record: (record["us"], record["key"]))


def _revision(record: Mapping[str, Any]) -> int:
    revision = record.get("revision")
    return -(2**63) if revision is None else int(revision)
