"""Whatever a log says: no crash, no hang, bounded memory, nothing acted on, good events counted."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import socket
from pathlib import Path
from typing import Any

import measured
import pytest
from conftest import NOW, Workplace, World, before, call, response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ACTING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
ACTING_IN_A_FILE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
STAMP = f'"ts":"{before(1)}"'.encode()
NAMES = [
    "\x1b[2J\x1b[31mred",
    "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZWNobyBwd25lZA==\x07",
    "\x9b31mc1",
    "\u202etxt.exe",
    "zero\u200bwidth\ufeff",
    "[bold red]markup[/bold red]",
    "[link=https://evil.example]x[/link]",
    "](https://evil.example)<script>alert(1)</script>",
    "line\nfeed\r\n# heading",
    "nul\x00byte",
    "../../../../etc/passwd",
    "/etc/passwd",
    "--json",
    "-rf *",
    "'); DROP TABLE records; --",
    "$(touch pwned) `touch pwned` ; touch pwned",
    "{0.__class__} %s %n ${HOME}",
    "C:\\Users\\x",
    "a/b/c",
    "e\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301",
    "👩\u200d👩\u200d👧",
    # As long as needs no more memory; one of 14 MB is an event below.
    "x" * 100_000,
    "x" * 99_999 + "y",
    "漢" * 10_000,
]


@pytest.fixture
def logs(workplace: Workplace) -> Path:
    """Where telemetry lies; there is a place for documentation, too, which is missed else."""
    (workplace.path / "docs").mkdir()
    directory = workplace.path / ".forgekeeper" / "context_log"
    directory.mkdir(parents=True)
    return directory


def _write(directory: Path, *lines: bytes, name: str = "ctx-20251103-15.jsonl") -> None:
    (directory / name).write_bytes(b"".join(line + b"\n" for line in lines))


def _good(count: int = 10) -> list[bytes]:
    return [json.dumps(call(1 + n / 10, f"g{n}", id=f"good{n}")).encode() for n in range(count)]


def _lines(lines: list[bytes]) -> list[bytes]:
    return [line + b"\n" for line in lines]


def _told(result: Any) -> tuple[int, int]:
    told = result.json["result"]
    return told["eventsAnalyzed"], told["malformedLines"]


def test_names_and_texts_from_telemetry_are_only_ever_shown(
    workplace: Workplace, logs: Path
) -> None:
    lines = []
    for index, name in enumerate(NAMES):
        for number in range(20):
            answer = response(2 + number, f"m{number % 6}", ["stop", "length"][number % 2])
            lines.append(answer | {"model": f"{index}{name}", "id": f"{index}r{number}"})
        for number in range(6):
            text = {"error": name[:3000], "error_type": name, "result_preview": {"x": name[:99]}}
            identity = {"id": f"{name}/{number}", "status": ["ok", "error"][number % 2]}
            lines.append(call(2 + number, f"{name}{number}", name, **text) | identity)
    _write(logs, *(json.dumps(line).encode() for line in lines))
    generous = {
        "TASKGEN_MAX_TASKS": "1000",
        "TASKGEN_MAX_PER_HOUR": "1000",
        "TASKGEN_MIN_CONFIDENCE": "0",
        "TASKGEN_DOCS_GAP_MIN_USAGE": "6",
    }
    run = workplace.tgt("run", "--now", NOW, **generous)
    assert (run.status, run.err) == (0, "")

    journal = (workplace.tasks / "generated_tasks.jsonl").read_bytes()
    cards = [json.loads(line) for line in journal.splitlines()]
    # Also of letters of four bytes each, in a subject that quotes an error.
    assert max(map(len, journal.splitlines())) < 10_240
    assert ACTING_IN_A_FILE.search(journal.decode()) is None
    gaps = [card for card in cards if card["type"] == "documentation_gap"]
    cuts = [card for card in cards if card["type"] == "continuation_issue"]
    assert len(gaps) == len(cuts) == len(NAMES)
    assert len({card["fingerprint"] for card in cards}) == len(cards)

    dry = workplace.tgt("run", "--dry-run", "--now", NOW, **generous)
    outputs = [run, dry, workplace.tgt("list", "--all"), workplace.tgt("stats")]
    ids = [card["id"] for card in gaps]
    outputs += [workplace.tgt("show", card_id) for card_id in ids[:6]]
    outputs += [workplace.tgt("show", ids[n], "--format", "markdown") for n in (0, 1, 4, 9)]
    outputs += [workplace.tgt("show", ids[-1], "--json"), workplace.tgt("list", "--json")]
    for output in outputs:
        assert (output.status, output.err) == (0, "")
        assert ACTING.search(output.out) is None
    assert sorted(path.name for path in workplace.path.iterdir()) == [".forgekeeper", "docs"]
    assert sorted(path.name for path in logs.iterdir()) == ["ctx-20251103-15.jsonl"]


# Lines beside good ones, and whether they are an event.
LINES: dict[str, list[tuple[bytes, bool]]] = {
    "no objects": [
        (line, False)
        for line in (
            *(b"[1,2]", b'"text"', b"1", b"null", b"true", b"{", b"}", b"{]", b"nonsense"),
            *(b"[{" + STAMP + b"}]", b"{" + STAMP + b"}{" + STAMP + b"}", b"{'a': 1}"),
            *(b"{" + STAMP, b"{" + STAMP + b',"x":}', b"\x00" * 4096, b"\xff\xfe{\x00}\x00"),
        )
    ],
    "texts": [
        (b"{" + STAMP + b',"name":"nul \x00"}', False),
        (b"{" + STAMP + b',"name":"bad \xff\xfe utf-8"}', False),
        (b"{" + STAMP + b',"name":"overlong \xc0\xaf"}', False),
        (b"{" + STAMP + b',"name":"nul \\u0000 escaped"}', True),
        (b"{" + STAMP + b',"name":"\\u202e\\u001b[2J"}', True),
        (b"{" + STAMP + b',"name":"half a pair \\ud800"}', False),
        (b"{" + STAMP + b',"name":"crlf"}\r', True),
        (b"  {" + STAMP + b"}  ", True),
        (b"{" + STAMP + b',"a":1,}', True),
    ],
    "numbers": [
        (b"{" + STAMP + b',"elapsed_ms":' + value + b',"iter":' + value + b"}", True)
        for value in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1", b"9" * 5000, b'"1e5"')
    ],
    "times": [
        (b'{"ts":' + value + b"}", False)
        for value in (
            *(b"9" * 400, b"-1", b"9e307", b"NaN", b"true", b"null", b"{}", b"[]", b'""'),
            *(b'"99999-12-31T00:00:00Z"', b'"infinity"', b'"epoch"', b'"now"', b'"x"'),
            *(b'"2025-13-45T99:99:99Z"', b'"290000-01-01"', b'"' + b"2" * 100_000 + b'"'),
        )
    ],
    "wrong types": [
        (b"{" + STAMP + b',"act":{"a":1},"name":[1],"status":{},"conv_id":[],"meta":[]}', True),
        (b"{" + STAMP + b',"metadata":"x","tokens":5,"trace_id":true,"id":{"a":[]}}', True),
        (b"{" + STAMP + b',"metadata":{"finish_reason":{"a":1},"error":[]},"error":{"x":1}}', True),
        (b"{" + STAMP + b',"act":"a","act":"b","ts":"x","ts":null}', True),
        (b"{" + STAMP + b',"status":404,"finish_reason":7,"continuation":"maybe"}', True),
    ],
    "depths": [
        (b"[" * 100_000 + b"]" * 100_000, False),
        (b"{" + STAMP + b',"other":' + b"[" * 100_000 + b"]" * 100_000 + b"}", False),
        (b"{" + STAMP + b',"metadata":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", False),
        (b"{" + STAMP + b',"metadata":' + b'{"a":' * 150 + b"1" + b"}" * 150 + b"}", True),
        (b"{" + STAMP + b',"error":' + b'{"a":' * 100_000, False),
    ],
}


@pytest.mark.parametrize("kind", LINES)
def test_a_bad_line_is_counted_and_costs_no_good_one(
    workplace: Workplace, logs: Path, kind: str
) -> None:
    good = _good()
    lines = [line for line, _ in LINES[kind]]
    _write(logs, *good[:5], *lines, *good[5:])
    result = workplace.tgt("run", "--json", "--now", NOW)
    assert result.status == 0
    assert all("were not understood" in line for line in result.err.splitlines())
    events = sum(is_event for _, is_event in LINES[kind])
    assert _told(result) == (len(good) + events, len(lines) - events)


def test_times_far_away_are_no_events_of_now_and_no_failure(
    workplace: Workplace, logs: Path
) -> None:
    times = (
        b'"0001-01-01T00:00:00Z"',
        b'"9999-12-31T23:59:59Z"',
        b"1",
        b"1e18",
        b'"2025-11-03T15:59+99:99"',
    )
    _write(logs, *_good(), *(b'{"ts":' + time + b"}" for time in times))
    result = workplace.tgt("run", "--json", "--now", NOW)
    assert (result.status, result.err) == (0, "")
    assert result.json["result"]["eventsAnalyzed"] == 10


MEGABYTES = 350
"""The most that a run may hold, whatever the telemetry is."""


def _measured(workplace: Workplace, *arguments: str) -> tuple[int, dict[str, Any], int]:
    """Status, JSON and the most memory, in MB, of a command in a process of its own."""
    told = measured.run(
        *arguments, "--json", "--now", NOW, cwd=workplace.path, environment=workplace.environment()
    )
    return told.status, json.loads(told.out)["result"], told.megabytes


def _endless(path: Path, size: int, beginning: bytes = b"", end: bytes = b"") -> None:
    """Good lines around one of this size; the middle is a hole, which costs no disk."""
    good = _good()
    with path.open("wb") as stream:
        stream.write(b"\n".join(good[:5]) + b"\n" + beginning)
        stream.seek(size, os.SEEK_CUR)
        stream.write(end + b"\n" + b"\n".join(good[5:]) + b"\n")


def test_an_endless_line_is_left_out_in_bounded_memory(workplace: Workplace, logs: Path) -> None:
    _endless(logs / "a.jsonl", 200 << 20, b"{" + STAMP + b',"name":"', b'"}')
    with gzip.open(logs / "b.jsonl.gz", "wb", compresslevel=1) as stream:
        stream.write(b"{" + STAMP + b',"id":"of gz"}\n')
        for _ in range(60):
            stream.write(b"x" * (1 << 20))
    status, told, megabytes = _measured(workplace, "run")
    assert (status, told["warnings"]) == (0, [])
    # The hole is what a crash leaves of a block: what stands before and behind it are two lines.
    assert (told["eventsAnalyzed"], told["malformedLines"]) == (11, 3)
    assert megabytes < 200, "less than the line alone"


def test_a_line_of_twenty_megabytes_is_an_event(workplace: Workplace, logs: Path) -> None:
    long = b"{" + STAMP + b',"act":"tool_call","name":"' + b"n" * (14 << 20) + b'"}'
    _write(logs, *_good(), long, b'{"x":"' + b"x" * (20 << 20) + b'"}')
    status, told, megabytes = _measured(workplace, "run")
    assert (status, told["warnings"]) == (0, [])
    assert (told["eventsAnalyzed"], told["malformedLines"]) == (11, 1)
    assert megabytes < MEGABYTES


@pytest.mark.parametrize(
    "bad",
    [b"\xff\xfe{", b"[" * (9 << 20), b"{" + b"x" * (50 << 20)],
    ids=["text", "nest", "length"],
)
def test_a_card_quotes_what_stands_beside_a_bad_line(
    workplace: Workplace, logs: Path, bad: bytes
) -> None:
    calls = [call(5, f"c{n}", args_preview={"path": f"file {n}"}) for n in range(24)]
    lines = [json.dumps(line).encode() for line in calls]
    _write(logs, *lines[:12], bad, *lines[12:])
    saved = workplace.tgt("run", "--json", "--now", NOW, TASKGEN_MIN_CONFIDENCE="0")
    assert (saved.status, saved.json["result"]["eventsAnalyzed"]) == (0, 24)
    (gap,) = workplace.tgt("list", "--all", "--json").json["tasks"]
    samples = gap["evidence"]["samples"]
    assert len(samples) == 3
    assert all("file " in sample["text"] for sample in samples)


def test_what_is_no_readable_file_is_passed_over(workplace: Workplace, logs: Path) -> None:
    _write(logs, *_good())
    os.mkfifo(logs / "pipe.jsonl")
    (logs / "loop.jsonl").symlink_to("loop.jsonl")
    (logs / "zero.jsonl").symlink_to("/dev/zero")
    (logs / "directory.jsonl").mkdir()
    (logs / "empty.jsonl").touch()
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(logs, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/s.jsonl")  # a socket's path must be short
        os.close(here)
        for number in range(300):
            _write(logs, _good(1)[0].replace(b"good0", b"m%d" % number), name=f"m{number}.jsonl")
        result = workplace.tgt("run", "--json", "--now", NOW)
    assert (result.status, result.err) == (0, "")
    assert _told(result) == (310, 0)


@pytest.mark.parametrize(
    "name",
    [
        *("a[1]*?{x,y}.jsonl", "-rf.jsonl", "'; DROP TABLE x; --.jsonl", "new\nline\x1b[2J.jsonl"),
        *("\u202e.jsonl", "\udcff\udcfe.jsonl", "$(touch pwned).jsonl", "x" * 240 + ".jsonl"),
    ],
)
def test_the_name_of_a_file_means_nothing(world: World, name: str) -> None:
    world.write(*_lines(_good()), name=name)
    world.write(call(3, "z", id="other"), name="other.jsonl")
    report = world.run()
    assert (report.events_analyzed, report.malformed_lines, report.warnings) == (11, 0, ())


@pytest.mark.parametrize("cut", [1, 8, 9, 200, 4000])
def test_a_torn_archive_is_read_as_far_as_it_goes(
    workplace: Workplace, logs: Path, cut: int
) -> None:
    rows = [call(1, f"c{n}", id=f"{n}-{os.urandom(40).hex()}") for n in range(500)]
    packed = gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    (logs / "old.jsonl.gz").write_bytes(packed[:-cut])
    _write(logs, *_good())
    result = workplace.tgt("run", "--json", "--now", NOW)
    assert result.status == 4
    (warning,) = result.json["result"]["warnings"]
    assert "old.jsonl.gz to its end: the compressed file ends early" in warning
    events, malformed = _told(result)
    assert 10 + 500 * (1 - 2 * cut / len(packed)) - 20 < events <= 510
    assert malformed == int(events < 510)


def test_an_archive_in_parts_and_with_padding_is_whole(world: World) -> None:
    part = gzip.compress(b'{"ts":"' + b"9" * (40 << 20) + b'"}\n', 1)
    good = [gzip.compress(line) for line in _lines(_good(2))]
    path = world.write(good[0] + part + good[1] + b"\0" * 512, name="padded.jsonl.gz")
    report = world.run()
    assert (report.events_analyzed, report.malformed_lines, report.warnings) == (2, 1, ())
    with path.open("ab") as stream:
        stream.write(b"garbage behind it")
    (warning,) = world.run().warnings
    assert "is damaged" in warning


SECRET = "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fXaB3d"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ" + "c3ViIjoiMTIzNDU2Nzg5MCJ9" * 40


def _leaking(logs: Path) -> None:
    lines = []
    for number in range(24):
        text = f"user bob@example.com failed: Authorization: token {SECRET} " + "." * 60 + JWT
        name = f"fetch https://u:{SECRET}@git.example/x"
        lines.append(
            call(2 + number, f"c{number % 6}", name, id=f"e{number}", error=text, args_preview=text)
            | {"status": "error", "error_type": f"E password={SECRET}"}
        )
    _write(logs, *(json.dumps(line).encode() for line in lines))


@pytest.mark.parametrize(("mode", "keeps_address"), [("standard", True), ("strict", False)])
def test_no_secret_reaches_a_card_a_log_or_a_terminal(
    workplace: Workplace, logs: Path, mode: str, keeps_address: bool
) -> None:
    _leaking(logs)
    arguments = ["run", "--now", NOW, "--min-confidence", "0"]
    outputs = [
        workplace.tgt(*arguments, "--dry-run", "--json", TASKGEN_REDACT=mode),
        workplace.tgt(*arguments, "--dry-run", TASKGEN_REDACT=mode),
        workplace.tgt(*arguments, "--json", TASKGEN_REDACT=mode),
    ]
    outputs += [workplace.tgt("show", t["id"]) for t in outputs[-1].json["result"]["tasks"]]
    assert len(outputs) > 3
    journal = (workplace.tasks / "generated_tasks.jsonl").read_text()
    state = (workplace.tasks / "scheduler_state.json").read_text()
    for text in (journal, state, *(output.out + output.err for output in outputs)):
        assert SECRET[4:] not in text
        assert "c3ViIjoi" not in text
    assert "[redacted:" in journal
    assert ("bob@example.com" in journal) is keeps_address


def test_an_unknown_way_to_redact_is_refused(workplace: Workplace) -> None:
    result = workplace.tgt("run", TASKGEN_REDACT="none")
    assert result.status == 2
    assert "TASKGEN_REDACT='none' is not usable: accepted is standard or strict" in result.err


def test_a_card_with_a_masked_name_is_the_same_card_at_the_next_run(
    workplace: Workplace, logs: Path
) -> None:
    _leaking(logs)
    first = workplace.tgt("run", "--json", "--now", NOW).json["result"]
    again = workplace.tgt("run", "--json", "--now", "2025-11-03T16:05:00Z").json["result"]
    assert first["tasksSaved"] >= 1
    assert again["tasksSaved"] == 0


KEYS = (
    *("act", "type", "action", "actor", "role", "name", "tool", "status", "conv_id", "sessionId"),
    *("trace_id", "iter", "elapsed_ms", "duration_ms", "finish_reason", "continuation", "error"),
    *("message", "error_type", "error_code", "args_preview", "result_preview", "model", "tokens"),
    *("metadata", "meta", "input_tokens", "cost_usd", "where", "service", "path", "us", "done"),
)
TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from([*NAMES[:20], "error", "ok", "assistant_response", "upstream_error", "length"]),
    st.text(alphabet="\x00\x1b\u202e'\"\\[]{}$%\ud800;-", max_size=8),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [10**400, -(10**30), 2**63, 1e308, 5e-324, math.nan, math.inf, -math.inf, -0.0]
    ),
    st.floats(),
    TEXT,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)
PHASES = {"tool_call", "tool_result", "auto_continue"}


def _raw(value: dict[str, Any], number: int) -> bytes:
    """The object as a line, with a usable time and an id of its own."""
    kept = {k: v for k, v in value.items() if not (isinstance(v, str) and v in PHASES)}
    return json.dumps({"ts": before(1 + number % 50), "id": f"f{number}", **kept}).encode()


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    objects=st.lists(OBJECTS, min_size=20, max_size=60),
    junk=st.lists(
        st.binary(max_size=40).filter(lambda b: b"\n" not in b and b.strip()), max_size=5
    ),
)
def test_any_values_under_any_keys_are_counted(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]], junk: list[bytes]
) -> None:
    world = World(tmp_path_factory.mktemp("fuzz"))
    lines = [_raw(value, number) for number, value in enumerate(objects)] + junk
    world.write(b"".join(line + b"\n" for line in lines))
    report = world.run(min_confidence=0, docs_gap_min_usage=1)
    assert report.warnings == ()
    blank = sum(not line.strip(b" \t\r") for line in lines)
    assert report.events_analyzed + report.malformed_lines == len(lines) - blank


def test_memory_does_not_grow_with_bad_lines(workplace: Workplace, logs: Path) -> None:
    with (logs / "bad.jsonl").open("wb") as stream:
        stream.writelines(b'{"ts": bad %d\n' % n for n in range(500_000))
    _write(logs, *_good())
    status, told, megabytes = _measured(workplace, "run")
    assert status == 0
    assert (told["eventsAnalyzed"], told["malformedLines"]) == (10, 500_000)
    assert megabytes < MEGABYTES
