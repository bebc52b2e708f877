"""Whatever a line of any agent's log holds, it is read or counted, never fatal.

The lines are those of the cases in ``truth``; in each one value after another is broken.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tgt.events import RECORD
from tgt.sources import bounds
from tgt.sources.base import PassedOver, RecordSource
from tgt.sources.envelopes import documents
from tgt.sources.reading import FileReading
from tgt.sources.registry import open_sources
from tgt.sources.spec import Spec

TRUTH = Path(__file__).parent / "truth"
Objects = list[dict[str, Any]]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


WRONG: tuple[Any, ...] = (
    *(None, 17, -1, 1.5, "x", "", [], {}, [None], [[]], True, 1e400, float("nan"), "\ud800"),
    *({"type": "tool_use", "id": []}, [{"type": {}}], {"a": {"b": []}}, "1e999", "9" * 400),
    *({"type": ["tool_use"]}, [17, "x"], {"": 1}, "\0", nested(150), nested(400)),
    *(10**400, -(10**400), 2**63, "x" * 5000, "[" * 5000, {"$set": 1}, ["\ud800"]),
)
KINDS = {
    bool: "BOOLEAN",
    str: "VARCHAR",
    float: "DOUBLE",
}


def logs() -> Iterator[tuple[str, Path, Path]]:
    """The kind of source, the case and the file of every log there is an example of."""
    for place in sorted(TRUTH.glob("*/*/input")):
        for path in sorted(place.rglob("*.json*")):
            yield place.parent.parent.name, place.parent, path


LOGS = list(logs())


def source_over(kind: str, case: Path, place: Path) -> RecordSource:
    mapping = case / "map.toml"
    (source,) = open_sources([Spec(kind, place, mapping if mapping.exists() else None)], place)
    assert isinstance(source, RecordSource)
    return source


def objects_of(path: Path) -> Objects:
    from tgt.sources.files import LogFile  # only here

    file = LogFile.of(str(path), path.stat())
    return [document.value for document in documents(file) if document.value is not None]


def written(case: Path, path: Path, place: Path, objects: Objects) -> None:
    """The objects as lines, in a file of the same name in another place."""
    target = place / path.relative_to(case / "input")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(json.dumps(each) + "\n" for each in objects), encoding="utf-8")


def read(source: RecordSource) -> tuple[int, int]:
    """How many records there are, each with values of the right types, and malformed objects."""
    records = malformed = 0
    for file in source.listing().files:
        reading = FileReading(source, file)
        for outcome in reading.outcomes():
            if isinstance(outcome, PassedOver):
                continue
            records += 1
            assert isinstance(outcome["us"], int)
            for name, value in outcome.items():
                if value is not None:
                    kind = "BIGINT" if type(value) is int else KINDS[type(value)]
                    assert kind == RECORD[name].replace("UBIGINT", "BIGINT"), name
            json.dumps(outcome, allow_nan=False, ensure_ascii=False).encode()
        json.dumps(reading.state, allow_nan=False)
        malformed += reading.malformed.total()
    return records, malformed


def broken(value: Any, chance: random.Random) -> Any:
    """The value with something in it left out or replaced."""
    if isinstance(value, dict) and value:
        key, draw = chance.choice(list(value)), chance.random()
        if draw < 0.15:
            del value[key]
        else:
            value[key] = chance.choice(WRONG) if draw < 0.5 else broken(value[key], chance)
        return value
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        value[at] = broken(value[at], chance)
        return value
    return chance.choice(WRONG)


@pytest.mark.parametrize(
    ("kind", "case", "path"),
    LOGS,
    ids=[f"{kind}-{case.name}-{n}" for n, (kind, case, _) in enumerate(LOGS)],
)
def test_a_log_with_a_broken_object_is_read(
    tmp_path: Path, kind: str, case: Path, path: Path
) -> None:
    chance = random.Random(11)
    objects = objects_of(path)
    if not objects:
        pytest.skip("there is no object in it")
    source = source_over(kind, case, tmp_path)
    written(case, path, tmp_path, objects)
    usual, malformed = read(source)
    for _ in range(12):
        changed = copy.deepcopy(objects)
        at = chance.randrange(len(changed))
        changed[at] = broken(changed[at], chance)
        written(case, path, tmp_path, changed)
        records, more = read(source)
        assert more <= malformed + bounds.RECORDS_PER_DOCUMENT
        if len(objects) > 3:
            assert records >= min(1, usual - 1)


@pytest.mark.parametrize(
    "bad",
    [
        '{"type": ["assistant"], "message": {"content": [{"type": ["tool_use"]}]}}',
        '{"type": "assistant", "stop_reason": ' + "[" * 486 + "]" * 486 + "}",
        '{"type": "assistant", "message": {"stop_reason": ' + "[" * 150 + "]" * 150 + "}}",
        '{"any": ' + "[" * 967 + "]" * 967 + "}",
        '{"any": ' + "9" * 5001 + "}",
        '{"any": "\\ud800"}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "\udcff",
        "no JSON",
        "[]",
        "17",
    ],
    ids=lambda bad: bad[:30],
)
@pytest.mark.parametrize("kind", sorted({kind for kind, *_ in LOGS}))
def test_a_line_that_kills_costs_none_of_the_others(tmp_path: Path, kind: str, bad: str) -> None:
    """Each was once the end of a run; the lines around it are read as they were without it."""
    _, case, path = max(
        (log for log in LOGS if log[0] == kind and log[2].suffix == ".jsonl"),
        key=lambda log: (len(objects_of(log[2])), log[2]),
        default=max(log for log in LOGS if log[0] == kind),
    )
    source = source_over(kind, case, tmp_path)
    written(case, path, tmp_path, objects_of(path))
    usual, _ = read(source)
    assert usual
    target = tmp_path / path.relative_to(case / "input")
    line = bad.encode("utf-8", "surrogateescape") + b"\n"
    target.write_bytes(line + target.read_bytes() + line)
    assert read(source)[0] >= usual
