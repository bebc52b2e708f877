"""Reading OpenTelemetry as tests do: whole, in stretches, in other orders, and what then counts.

Records are joined here as an engine joins them, by what their columns promise and nothing else, so
that a reader can be tested by itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tgt.sources.base import Outcome, PassedOver, Record
from tgt.sources.envelopes import documents
from tgt.sources.files import LogFile
from tgt.sources.otlp import Otlp
from tgt.sources.reading import FileReading

_TELLS_NOTHING = (None, False)


def read(*paths: Path) -> list[Outcome]:
    """What the files come to, each read once from its beginning to its end."""
    return [
        outcome
        for path in paths
        for file in Otlp(path).listing().files
        for outcome in FileReading(Otlp(path), file).outcomes()
    ]


def read_grown(path: Path, sizes: Sequence[int]) -> list[Outcome]:
    """The same of a file that was read anew whenever it had grown to one of the sizes."""
    data = path.read_bytes()
    outcomes: list[Outcome] = []
    offset, state = 0, None
    for size in (*sizes, len(data)):
        path.write_bytes(data[:size])
        reading = FileReading(Otlp(path), LogFile.of(str(path), path.stat()), offset, state)
        outcomes += reading.outcomes()
        offset, state = reading.end, json.loads(json.dumps(reading.state))
        assert state is not None
    return outcomes


def objects(path: Path) -> list[dict[str, Any]]:
    """The objects of a file as they were written."""
    file = LogFile.of(str(path), path.stat())
    return [document.value for document in documents(file) if document.value is not None]


def counted(outcomes: Iterable[Outcome]) -> list[Record]:
    """The events that outcomes come to, by time."""
    told = _told([one for one in outcomes if not isinstance(one, PassedOver)])
    traces = {r["trace_id"]: r["conv_id"] for r in told if not r.get("act") and "trace_id" in r}
    calls: dict[tuple[Any, ...], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    events: list[Record] = []
    for record in told:
        if not record.get("act"):
            continue
        if record.get("conv_id") == record.get("trace_id"):
            record["conv_id"] = traces.get(record.get("trace_id"), record.get("conv_id"))
        if record.get("phase") is None:
            events.append(record)
        else:
            by = record.get("call_id") or record.get("trace_id") or record.get("conv_id")
            calls[by, record.get("name")][record["phase"]].append(record)
    for phases in calls.values():
        events += _joined(phases["end"], phases["call"])
    return sorted(events, key=lambda event: (event["us"], event.get("key") or ""))


def _told(records: Sequence[Record]) -> list[Record]:
    """Of the records with one key the one of the highest revision, among equals the first."""
    best: dict[Any, Record] = {}
    for number, record in enumerate(records):
        key = record.get("key") or number
        if key not in best or _revision(record) > _revision(best[key]):
            best[key] = record
    return [dict(record) for record in best.values()]


def _revision(record: Mapping[str, Any]) -> int:
    revision = record.get("revision")
    return -(2**63) if revision is None else int(revision)


def _joined(ends: list[Record], wholes: list[Record]) -> list[Record]:
    """A call is its end, with what only a record of the whole tells."""
    events = []
    for end, whole in zip(ends, wholes, strict=False):
        failed = end.get("failed") or whole.get("failed") or end.get("failed")
        events.append({**whole, **{k: v for k, v in end.items() if v is not None}})
        events[-1] |= {"failed": failed} if failed is not None else {}
    return [*events, *ends[len(wholes) :], *wholes[len(ends) :]]
