"""What telemetry comes to, case by case: a directory with input, and what is right.

``truth/<source>/<case>/`` has the files as they lie on a disk (``input/``), for a mapping
``map.toml``, and ``expected.json``:

``promise``
    One sentence: what must hold.
``counts``
    How many there are of each of COUNTS; what is left out is none. All of the input is counted.
``calls``, ``answers``, ``others``
    The events of each kind in the order of their times, each with the columns that matter.
    Left out, they are not looked at.
``conversations``
    By conversation how many events it has.

Every case is read whole, and again as it grows, line by line; both must come to the same.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tgt.sources.base import PassedOver, Projection, Record, RecordSource, SqlSource
from tgt.sources.excerpts import documents_at
from tgt.sources.files import LogFile
from tgt.sources.reading import FileReading
from tgt.sources.registry import open_sources
from tgt.sources.spec import Spec

TRUTH = Path(__file__).parent / "truth"
CASES = sorted(path.parent for path in TRUTH.glob("*/*/input"))
COUNTS = (
    *("answers", "truncated", "calls", "failed", "soft_failed", "refused", "cancelled"),
    *("api_errors", "prompts", "interruptions", "events", "conversations", "unknown", "malformed"),
)


# --- reading -------------------------------------------------------------------------------------


def sources_of(case: Path, place: Path) -> list[Any]:
    mapping = case / "map.toml"
    spec = Spec(case.parent.name, place, mapping if mapping.exists() else None)
    return list(open_sources([spec], place))


def read_whole(case: Path) -> tuple[list[Record], Counter[str]]:
    """All records of a case, and how many objects were passed over for which reason."""
    records: list[Record] = []
    passed: Counter[str] = Counter()
    for source in sources_of(case, case / "input"):
        files = source.listing().files
        if isinstance(source, SqlSource):
            records += asked_of(source, files)
            continue
        for file in files:
            for outcome in FileReading(source, file).outcomes():
                add(outcome, records, passed)
    return records, passed


def add(outcome: Any, records: list[Record], passed: Counter[str]) -> None:
    if isinstance(outcome, PassedOver):
        passed[str(outcome.reason)] += 1
    else:
        records.append(outcome)


def asked_of(source: Any, files: Iterable[LogFile]) -> list[Record]:
    import duckdb  # only some sources are read by the engine

    with duckdb.connect(":memory:") as connection:
        projection: Projection = source.projection()
        for statement in projection.macros:
            connection.execute(statement)
        paths = {"paths": [file.path for file in files]}
        found = connection.execute(projection.whole(), {**projection.parameters, **paths})
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def read_growing(case: Path, place: Path) -> list[Record]:
    """The records of a case whose files grow by a line between one reading and the next."""
    records: list[Record] = []
    for path in sorted(path for path in (case / "input").rglob("*") if path.is_file()):
        target = place / path.relative_to(case / "input")
        target.parent.mkdir(parents=True, exist_ok=True)
        offset, state, given = 0, None, b""
        for line in path.read_bytes().splitlines(keepends=True):
            given += line
            target.write_bytes(given)
            status = target.stat()
            file = LogFile.of(str(target), status)
            (source,) = sources_of(case, place)
            if offset and state is None:
                records, offset = [], 0
            reading = FileReading(source, file, offset, json.loads(json.dumps(state)))
            records += [r for r in reading.outcomes() if not isinstance(r, PassedOver)]
            offset, state = reading.end, reading.state
    return records


# --- from records to events ----------------------------------------------------------------------


def events_of(records: Iterable[Record]) -> list[Record]:
    """Records of one key are one, and the records of one call are an event."""
    calls: dict[Any, dict[str, Record]] = {}
    events = []
    for record in once(records):
        if record.get("phase") in {"start", "end", "call"} and record.get("call_id"):
            calls.setdefault(record["call_id"], {})[record["phase"]] = record
        elif record.get("act") is not None:
            events.append(record)
    events += map(joined, calls.values())
    return sorted(events, key=lambda event: (event["us"], str(event.get("place"))))


def once(records: Iterable[Record]) -> Iterator[Record]:
    best: dict[Any, Record] = {}
    for number, record in enumerate(records):
        key = record.get("key") or number
        known = best.get(key)
        if known is None or rank(record) > rank(known):
            best[key] = record
    return iter(best.values())


def rank(record: Record) -> int:
    revision: int | None = record.get("revision")
    return -(2**63) if revision is None else revision


def joined(phases: Mapping[str, Record]) -> Record:
    """A call is its end, else its record of the whole, else its start."""
    start, end, whole = (phases.get(phase) for phase in ("start", "end", "call"))
    event = dict(end or whole or start or {})
    for other in (whole, start):
        for name, value in (other or {}).items():
            if event.get(name) is None and name not in {"failed", "phase", "is_wait"}:
                event[name] = value
    if end and start and end.get("elapsed_ms") is None and not end.get("is_wait"):
        event["elapsed_ms"] = (end["us"] - start["us"]) / 1000
    if any(phase.get("failed") for phase in phases.values()):
        event["failed"] = True
    return event


# --- what is right -------------------------------------------------------------------------------


def kinds_of(event: Record) -> Iterator[str]:
    act = event["act"]
    yield "events"
    yield from {"assistant_response": ("answers",), "tool_call": ("calls",)}.get(act, ())
    yield from {"api_error": ("api_errors",), "prompt": ("prompts",)}.get(act, ())
    if event.get("failed"):
        yield "failed"
    if event.get("soft_failed"):
        yield "soft_failed"
    if event.get("error_type") == "user_rejected":
        yield "refused"
    if event.get("cancelled"):
        yield "cancelled" if act == "tool_call" else "interruptions"
    if event.get("finish_reason") == "length" or event.get("continuation"):
        yield "truncated"


def counts_of(events: list[Record], passed: Mapping[str, int]) -> dict[str, int]:
    counts = Counter(kind for event in events for kind in kinds_of(event))
    counts["conversations"] = len({event.get("conv_id") for event in events} - {None})
    counts["unknown"], counts["malformed"] = passed.get("unknown", 0), passed.get("malformed", 0)
    return {name: counts[name] for name in COUNTS if counts[name]}


def kind_of(event: Record) -> str:
    return {"assistant_response": "answers", "tool_call": "calls"}.get(event["act"], "others")


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_telemetry_comes_to_what_is_right(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    records, passed = read_whole(case)
    events = events_of(records)
    assert set(expected) <= {"promise", "counts", "calls", "answers", "others", "conversations"}
    for kind in ("calls", "answers", "others"):
        if kind in expected:
            found = [event for event in events if kind_of(event) == kind]
            told = [
                {name: event.get(name) for name in right}
                for event, right in zip(found, expected[kind], strict=False)
            ]
            assert (len(found), told) == (len(expected[kind]), expected[kind]), expected["promise"]
    if "conversations" in expected:
        sizes = Counter(str(event.get("conv_id")) for event in events)
        assert dict(sizes) == expected["conversations"], expected["promise"]
    assert counts_of(events, passed) == expected["counts"], expected["promise"]


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_grows_comes_to_the_same(case: Path, tmp_path: Path) -> None:
    if not all(isinstance(one, RecordSource) for one in sources_of(case, case / "input")):
        pytest.skip("the engine reads the files by itself")
    place = tmp_path / "input"
    shutil.copytree(case / "input", place, ignore=lambda _, names: names)
    grown = [essence(event) for event in events_of(read_growing(case, place))]
    whole = [essence(event) for event in events_of(read_whole(case)[0])]
    assert grown == whole


def essence(event: Record) -> Record:
    return {
        name: value
        for name, value in event.items()
        if value is not None and name not in {"revision", "key", "id", "path"}
    }


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_texts_are_found_again_where_a_record_says_they_stand(case: Path) -> None:
    """A reader that knows nothing else of the file makes a record of the same act of the object."""
    for source in sources_of(case, case / "input"):
        if not isinstance(source, RecordSource):
            continue
        for file in source.listing().files:
            for record in FileReading(source, file).outcomes():
                if not isinstance(record, PassedOver) and has_text(record):
                    again = documents_at(source, file, record["place"])
                    assert record["act"] in {one["act"] for one in again}


def has_text(record: Record) -> bool:
    return any(record.get(name) for name in ("error", "args_preview", "result_preview"))
