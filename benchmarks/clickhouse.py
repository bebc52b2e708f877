"""What ClickHouse costs: time, memory and what the server reads, for a first run and a usual one.

A day of spans as the Collector's exporter writes them is made in an embedded ClickHouse (chDB),
which is the real engine without a network. A tenth of the traces are requests of other services, in
which no agent takes part. Then the real command runs as it does each quarter of an hour. What it
would cost the server to answer the questions itself is told, too: at least what each run would
take to make events of the spans of the longest look-back.

    python -m benchmarks.clickhouse --millions 1
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
_QUARTER = timedelta(minutes=15)
_PER_TRACE = 10
_MAP = "Map(LowCardinality(String), String)"

TABLE = f"""
CREATE TABLE IF NOT EXISTS otel_traces (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)), TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)), ParentSpanId String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)), ServiceName LowCardinality(String),
    ResourceAttributes {_MAP}, ScopeName String, SpanAttributes {_MAP},
    Duration UInt64 CODEC(ZSTD(1)), StatusCode LowCardinality(String),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes {_MAP}),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
"""

# Of each trace one span is the agent, three are answers, five calls of tools, one a request of a
# library inside of an answer. One trace in ten is another service's.
_SPANS = """
INSERT INTO otel_traces
SELECT
    fromUnixTimestamp64Micro(began + 1000000 * step) AS Timestamp,
    lower(hex(sipHash128(trace))) AS TraceId, lower(hex(sipHash64(n))) AS SpanId,
    if(step = 0, '', lower(hex(sipHash64(n - step)))) AS ParentSpanId,
    multiIf(is_other, 'GET /orders', step = 0, 'invoke_agent shop', step = 9, 'POST',
        step % 3 = 1, 'chat model-x', concat('execute_tool ', tool)) AS SpanName,
    if(is_other, 'orders', 'shop') AS ServiceName,
    map('service.name', ServiceName, 'service.version', '1.4.2', 'host.name', 'node-7') AS R,
    'app' AS ScopeName,
    multiIf(
        is_other OR step = 9, map('http.request.method', 'GET', 'url.path', '/orders',
            'http.response.status_code', '200'),
        step = 0, map('gen_ai.operation.name', 'invoke_agent', 'gen_ai.agent.name', 'shop',
            'gen_ai.conversation.id', concat('conversation-', toString(intDiv(trace, 4)))),
        step % 3 = 1, map('gen_ai.operation.name', 'chat', 'gen_ai.request.model', 'model-x',
            'gen_ai.response.finish_reasons', if(step = 7, '["stop"]', '["tool_calls"]'),
            'gen_ai.usage.input_tokens', toString(1000 + trace % 977),
            'gen_ai.usage.output_tokens', toString(50 + trace % 97),
            'gen_ai.input.messages', repeat('some text of a prompt ', 40)),
        map('gen_ai.operation.name', 'execute_tool', 'gen_ai.tool.name', tool,
            'gen_ai.tool.call.id', toString(n), 'gen_ai.tool.call.arguments',
            concat('{{"order": ', toString(n), '}}'), 'gen_ai.tool.call.result',
            repeat('a line of a result ', 20))) AS S,
    300000000 + 1000000 * (n % 397) AS Duration,
    if(fails, 'Error', 'Unset') AS StatusCode,
    if(fails, 'order service did not answer', '') AS StatusMessage, [], [], []
FROM (
    SELECT number + {first} AS n, intDiv(n, {per_trace}) AS trace, n % {per_trace} AS step,
        trace % 10 = 9 AS is_other, {start} + intDiv(toInt64(trace) * {length}, {traces}) AS began,
        arrayElement(['search', 'fetch', 'order', 'mail'], toInt64(1 + (trace + step) % 4)) AS tool,
        NOT is_other AND step % 3 <> 1 AND step NOT IN (0, 9) AND cityHash64(n) % 50 = 0 AS fails
    FROM numbers({many})
)
"""
_AT_ONCE = 1_000_000


def fill(directory: Path, millions: float, days: float, begin: datetime, end: datetime) -> int:
    """Write what begins in some time, of so many million spans a day up to NOW; how many bytes
    that is."""
    import clickhouse_connect

    client = clickhouse_connect.get_client(interface="chdb", path=str(directory))
    client.command(TABLE)
    spans = int(millions * days * 1_000_000)
    oldest = NOW - timedelta(days=days)
    start = int(oldest.timestamp()) * 1_000_000
    low, high = (
        int(spans * ((moment - oldest) / timedelta(days=days))) // _PER_TRACE * _PER_TRACE
        for moment in (begin, end)
    )
    for first in range(low, high, _AT_ONCE):
        client.command(
            _SPANS.format(
                first=first,
                many=min(_AT_ONCE, high - first),
                per_trace=_PER_TRACE,
                traces=spans // _PER_TRACE,
                start=start,
                length=int(days * 86_400) * 1_000_000,
            )
        )
    client.close()
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


_RUN = """
import json, sys, time
from datetime import datetime
from tgt import config, cycle
from tgt.engine.clickhouse.connection import Connection

told, spent, sent = [], [0.0], [0]
whole = Connection._tried

def timed(self, statement, ask):
    told.append(statement)
    began = time.process_time()
    answer = whole(self, statement, ask)
    spent[0] += time.process_time() - began
    sent[0] += len(answer) if isinstance(answer, bytes) else 0
    return answer

Connection._tried = timed
settings = config.load(
    {"TASKGEN_SOURCE": sys.argv[1], "FGK_TASKS_DIR": sys.argv[2], "TASKGEN_MEMORY_MB": "1024"},
    environ={},
)
began, clock = time.process_time(), time.perf_counter()
report = cycle.run(settings, datetime.fromisoformat(sys.argv[3]))
cpu, seconds = time.process_time() - began, time.perf_counter() - clock
peak = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
statements, Connection._tried = list(told), whole
with Connection(settings.source[0].address) as connection:
    rows = sum(map(connection.rows_of, statements))
print(json.dumps({
    "events in the window": report.events_analyzed,
    "seconds": round(seconds, 1),
    "CPU s of the server": round(spent[0], 1),
    "CPU s of tgt": round(cpu - spent[0], 1),
    "queries": len(statements),
    "rows looked at": rows,
    "MB sent": round(sent[0] / 1e6, 1),
    "peak MB of both": round(peak / 1024),
}))
"""


LOOK_BACK_H = 25
"""The window, and the longest time before it that analyzers look at anew in each run."""
_ANSWERED = """
import json, sys, time
from datetime import datetime
from tgt.engine.clickhouse import shapes
from tgt.engine.clickhouse.connection import Connection
from tgt.engine.clickhouse.schemas import tables_of
from tgt.engine.clickhouse.tables import between
from tgt.sources.spec import parse

(spec,) = parse(sys.argv[1])
with Connection(spec.address) as connection:
    (table,) = tables_of(connection)
    end = int(datetime.fromisoformat(sys.argv[2]).timestamp()) * 1_000_000
    start = end - int(sys.argv[3]) * 3_600_000_000
    telling = table._is_telling()
    spans = shapes.read(table.columns, table.name, f"{between(start, end)} AND {telling}")
    events = f"SELECT {shapes.narrow(table.columns, telling)} FROM ({spans})"
    began = time.process_time()
    rows, = connection.run(f"SELECT count(), sum(ignore(*)) FROM ({events})")
    print(json.dumps({
        "CPU s of the server": round(time.process_time() - began, 1), "events": rows[0]
    }))
"""


def answered(source: str, now: datetime) -> dict[str, Any]:
    """What the server would have to do in each run to answer by itself: of each span of the longest
    look-back it makes an event, and nothing of it is sent. Whole traces are not looked for, nor are
    questions asked, which would come on top."""
    return _told(_ANSWERED, source, now.isoformat(), str(LOOK_BACK_H))


def measured(source: str, tasks: Path, now: datetime) -> dict[str, Any]:
    """What one run costs, in a process of its own."""
    return _told(_RUN, source, str(tasks), now.isoformat())


def _told(program: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "TASKGEN_SOURCE": ""},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--millions", type=float, default=1.0, help="of spans a day")
    parser.add_argument("--days", type=float, default=1.0, help="that there are")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tgt-clickhouse-") as temporary:
        directory, tasks = Path(temporary) / "server", Path(temporary) / "tasks"
        tasks.mkdir()
        source = f"clickhouse:chdb://{directory}?seconds=3600"
        since = NOW - timedelta(days=chosen.days)
        for name, now in (("first run", NOW - _QUARTER), ("usual run", NOW)):
            size = fill(directory, chosen.millions, chosen.days, since, now)
            print(f"{name}, of {size / 1e6:.0f} MB in ClickHouse: ", end="", flush=True)
            told = measured(source, tasks, now)
            print(", ".join(f"{what} {value:,}" for what, value in told.items()), flush=True)
            since = now
        told = answered(source, NOW)
        print("the server's own answers, each run: ", end="")
        print(", ".join(f"{what} {value:,}" for what, value in told.items()), flush=True)
        kept = (tasks / "cache" / "events.duckdb").stat().st_size
        print(f"the event store: {kept / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
