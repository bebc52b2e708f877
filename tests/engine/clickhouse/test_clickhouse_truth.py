"""What counts in the exporter's tables is what counts in files of the same telemetry, in the words
of every framework and agent.

The cases are those of ``tests/sources/truth/otlp`` whose files are requests of the protocol: only
those can have gone through a Collector.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from engine.clickhouse.databases import Database, protocol
from engine.clickhouse.exporter import MAP, log_rows, span_rows

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.database import Database as DuckDB
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.events import CANONICAL, Interval
from tgt.sources.base import Listing
from tgt.sources.discover import listed
from tgt.sources.otlp import Otlp

_TRUTH = Path(__file__).parents[2] / "sources" / "truth" / "otlp"
FILES = {
    case.name: [path for path in sorted(case.iterdir()) if path.name != "expected.json"]
    for case in sorted(_TRUTH.iterdir())
}
CASES = [name for name, files in FILES.items() if protocol(files)]
_ROWS = f"SELECT {', '.join(CANONICAL)} FROM ({canonical()}) ORDER BY ALL"
_ASKED = list(CANONICAL).index("args_hash")
UNTOLD = {"mcp": ("error",)}
"""Columns that a file tells less of: its reader had forgotten the text when the rest came."""


def events_of(database: DuckDB, case: str) -> list[dict[str, Any]]:
    """The events; of arguments only whether there are any, since a table holds them as text."""
    rows = [(*row[:_ASKED], row[_ASKED] is None, *row[_ASKED + 1 :]) for row in database.run(_ROWS)]
    named = [dict(zip(CANONICAL, row, strict=True)) for row in rows]
    return [{k: v for k, v in row.items() if k not in UNTOLD.get(case, ())} for row in named]


def test_most_cases_are_requests() -> None:
    assert len(CASES) > 20


IN_JSON = (
    *("claude-code", "codex", "ends-in-providers-answers", "handled-exceptions", "langfuse"),
    *("openinference", "other-frameworks", "sessions"),
)
"""Cases that tell something in each of the ways in which a column of JSON is read otherwise."""


@pytest.mark.parametrize(
    ("case", "attributes"),
    [*((case, MAP) for case in CASES), *((case, "JSON") for case in IN_JSON)],
    ids=[*CASES, *(f"{case}-json" for case in IN_JSON)],
)
def test_tables_tell_what_files_tell(case: str, attributes: str) -> None:
    documents = protocol(FILES[case])
    database = Database("truth", attributes, events=attributes == "JSON")
    database.create()
    assert database.export(documents) > 0
    newest = max(row[0] for row in (*span_rows(documents), *log_rows(documents)))
    end = datetime.fromtimestamp(newest / 1e9, timezone.utc) + timedelta(minutes=5)
    with database.timeline(end) as timeline:
        told = events_of(timeline.database, case)

    source = Otlp(_TRUTH / case)
    files = listed(source.location, (".jsonl", ".log", ".json"), "TRUTH").files
    listing = Listing(tuple(file for file in files if Path(file.path) in FILES[case]))
    window = Interval(end - timedelta(hours=1), end)
    with DuckDBTimeline([(source, listing)], (), window, window, timedelta(days=7)) as timeline:
        wanted = events_of(timeline.database, case)
    if case == "exported-again":
        # A table does not tell batches: a log event twice at one time was exported again.
        wanted = wanted[1:] if wanted[0]["act"] == wanted[1]["act"] == "prompt" else []
    assert told == wanted
