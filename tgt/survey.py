"""What lies where telemetry is read: the formats, how much of it is understood, and what for.

The first thing to look at when cards are missing. It reads what a run would read, with the same
translation, but judges nothing. Of very much telemetry only the newest files are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from tgt.errors import SettingsError, TgtError
from tgt.events import RECORD, from_us
from tgt.sources.base import Source
from tgt.sources.files import LogFile, parts
from tgt.sources.registry import UNRECOGNISED, Chosen, open_sources, recognised_files
from tgt.sources.spec import AUTO, CONTEXTLOG, Spec
from tgt.sources.translated import METRIC, UNKNOWN, Translated

MOST_BYTES = 512 * 1024 * 1024
"""How much of a source is read; a compressed file weighs what it has on disk."""

_COLUMNS = tuple(
    name
    for name in RECORD
    if name not in {"path", "us", "subject", "phase", "actor", "cancelled", "is_wait"}
)
_DIALECT_ITEMS = 500


@dataclass
class Found:
    """One source. Counts are of what was read; ``columns`` of records with a value there."""

    kind: str
    place: str
    files: int = 0
    size: int = 0
    files_read: int = 0
    records: int = 0
    understood: int = 0
    unknown: int = 0
    malformed: int = 0
    metrics: int = 0
    first_us: int | None = None
    last_us: int | None = None
    columns: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    services: Counter[str] = field(default_factory=Counter)
    dialects: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def first(self) -> datetime | None:
        return None if self.first_us is None else from_us(self.first_us)

    @property
    def last(self) -> datetime | None:
        return None if self.last_us is None else from_us(self.last_us)

    def abilities(self) -> dict[str, str]:
        """Per analyzer why it cannot work on this telemetry; an empty text if it can."""
        facts, columns = self.facts, self.columns
        return {
            "continuation": "" if facts["ends"] else _ends_missing(facts),
            "error_spike": "" if columns["failed"] else "no record tells whether it failed",
            "docs_gap": "" if facts["tools"] else _tools_missing(facts),
            "performance": "" if columns["elapsed_ms"] else "no record tells how long it took",
            "ux_issue": _conversations_missing(facts, columns),
        }


def _ends_missing(facts: Mapping[str, int]) -> str:
    if not facts["responses"]:
        return "no responses of a model"
    return "no response tells how it ended (finish reason)"


def _tools_missing(facts: Mapping[str, int]) -> str:
    return "only the agent's own tools" if facts["own_tools"] else "no tool calls with a name"


def _conversations_missing(facts: Mapping[str, int], columns: Mapping[str, int]) -> str:
    if not columns["conv_id"]:
        return "no record names its conversation"
    return "" if facts["responses"] else "no responses of a model"


def of_specs(specs: Sequence[Spec], contextlog: Path) -> tuple[Found, ...]:
    """What lies at each place of TASKGEN_SOURCE. Raises SettingsError for a bad mapping."""
    found: list[Found] = []
    for spec in specs:
        try:
            sources = open_sources([spec], contextlog)
        except SettingsError:
            raise
        except TgtError as failure:
            found.append(Found(spec.kind, str(spec), problems=[str(failure)]))
            continue
        place = str(spec if spec.place or spec.kind != CONTEXTLOG else f"{spec}:{contextlog}")
        found.extend(look(place, sources))
        if spec.kind == AUTO and spec.place is not None:
            strange = recognised_files(spec.place).get(UNRECOGNISED, ())
            size = sum(file.size for file in strange)
            if strange:
                found.append(Found(UNRECOGNISED, place, files=len(strange), size=size))
    return tuple(found)


def look(place: str, sources: Sequence[Source]) -> Iterator[Found]:
    """One result per source; what cannot be listed or read is among its problems."""
    for source in sources:
        found = Found(source.kind, place)
        try:
            files = source.files()
        except TgtError as failure:
            found.problems.append(str(failure))
            yield found
            continue
        found.files = len(files)
        found.size = sum(file.size for file in files)
        chosen = _newest(files)
        found.files_read = len(chosen)
        reader = source.source if isinstance(source, Chosen) else source
        if isinstance(reader, Translated):
            _look_into(reader, chosen, found)
        else:
            _ask(source, chosen, found)
        yield found


def _newest(files: Sequence[LogFile]) -> list[LogFile]:
    chosen: list[LogFile] = []
    room = MOST_BYTES
    for file in sorted(files, key=lambda f: f.modified_ns, reverse=True):
        if chosen and file.size > room:
            break
        chosen.append(file)
        room -= file.size
    return chosen


def _look_into(source: Translated, files: Sequence[LogFile], found: Found) -> None:
    for file in files:
        try:
            for part in parts(file):
                for record in source.translate(part):
                    _take(record, found)
            if source.kind == "otlp":
                found.dialects.update(_dialects(file))
        except OSError as failure:
            found.problems.append(f"cannot read {file.path}: {failure.strerror or failure}")


def _take(record: Any, found: Found) -> None:
    found.records += 1
    if record is UNKNOWN:
        found.unknown += 1
    elif record is METRIC:
        found.metrics += 1
    elif not isinstance(record, dict):
        found.understood += 1
    elif record.get("us") is None:
        found.malformed += 1
    else:
        found.understood += 1
        us = record["us"]
        found.first_us = us if found.first_us is None else min(found.first_us, us)
        found.last_us = us if found.last_us is None else max(found.last_us, us)
        found.columns.update(name for name in _COLUMNS if record.get(name) is not None)
        found.acts[record["act"]] += 1
        if record.get("service"):
            found.services[record["service"]] += 1
        if record["act"] == "assistant_response":
            found.facts["responses"] += 1
            told = record.get("finish_reason") or record.get("continuation") is not None
            found.facts["ends"] += bool(told)
        elif record["act"] == "tool_call" and record.get("name"):
            found.facts["tools" if record["actor"] == "tool" else "own_tools"] += 1


def _dialects(file: LogFile) -> Iterator[str]:
    from tgt.sources.envelopes import MALFORMED, documents  # noqa: PLC0415
    from tgt.sources.otlp import decode as otlp  # noqa: PLC0415 only this format has dialects
    from tgt.sources.otlp import dialects as genai  # noqa: PLC0415 only this format has dialects
    from tgt.sources.otlp.attributes import Item  # noqa: PLC0415

    items = (
        item
        for document in documents(file)
        if document is not MALFORMED
        for item in otlp.items(document)
        if isinstance(item, Item)
    )
    for item in islice(items, _DIALECT_ITEMS):
        dialect = genai.dialect(item)
        if dialect:
            yield dialect


_ASKED = """
SELECT count(*), count(us), min(us), max(us),
    count(*) FILTER (act = 'assistant_response'),
    count(*) FILTER (act = 'auto_continue' OR (act = 'assistant_response'
        AND (finish_reason IS NOT NULL OR continuation IS NOT NULL))),
    count(*) FILTER (act = 'tool_call' AND name IS NOT NULL),
    {columns}
FROM looked
"""


def _ask(source: Source, files: Sequence[LogFile], found: Found) -> None:
    """The same of a source that the engine reads by itself."""
    import duckdb  # noqa: PLC0415 not for the formats that are translated

    projection = source.records()
    columns = ", ".join(f"count({name}) FILTER (us IS NOT NULL)" for name in _COLUMNS)
    with duckdb.connect(":memory:", config={"memory_limit": "256MB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for macro in source.macros:
            connection.execute(macro)
        for file in files:
            try:
                connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE looked AS SELECT * EXCLUDE (args_preview,"
                    " result_preview, error), left(args_preview, 1) AS args_preview,"
                    " left(result_preview, 1) AS result_preview, left(error, 1) AS error"
                    f" FROM ({projection.whole()})",
                    {"paths": [_literal(file.path)], **projection.parameters},
                )
            except duckdb.Error as failure:
                found.problems.append(f"cannot read {file.path}: {str(failure).splitlines()[0]}")
                continue
            row = connection.execute(_ASKED.format(columns=columns)).fetchone() or ()
            _add(row, found)
            for name, counts in (("act", found.acts), ("service", found.services)):
                for word, n in connection.execute(
                    f"SELECT {name}, count(*) FROM looked WHERE us IS NOT NULL AND {name} IS NOT"
                    " NULL GROUP BY ALL"
                ).fetchall():
                    counts[word] += n


def _literal(path: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _add(row: Sequence[Any], found: Found) -> None:
    records, understood, first, last, responses, ends, tools, *columns = row
    found.records += records
    found.understood += understood
    found.malformed += records - understood
    if first is not None:
        found.first_us = first if found.first_us is None else min(found.first_us, first)
        found.last_us = last if found.last_us is None else max(found.last_us, last)
    found.facts.update({"responses": responses, "ends": ends, "tools": tools})
    found.columns.update(dict(zip(_COLUMNS, columns, strict=True)))
