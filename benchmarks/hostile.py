"""Telemetry that is made to fill a machine, through the real command: what a run holds at most.

Beside each stand ten good calls in a file of their own; what must hold is that the run ends well,
holds at most 350 MB, and counts all that is good.

    python -m benchmarks.hostile
    python -m benchmarks.hostile --scale 0.1 names files
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import repeat
from pathlib import Path

import zstandard

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import measured

MEGABYTES = 350
GOOD = 10
END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
CONTEXTLOG, CLAUDE = "contextlog", "claude-code"
_PATIENCE_S = 1800


@dataclass(frozen=True)
class Case:
    """``write`` fills a directory for a scale of 1 or less; of its lines so many are good, each of
    which is ``each`` events."""

    what: str
    write: Callable[[Path, float], int]
    source: str = CONTEXTLOG

    @property
    def each(self) -> int:
        """A transcript's line with a call is an answer, too."""
        return 2 if self.source == CLAUDE else 1


@dataclass(frozen=True)
class Held:
    """What a run came to: its status, the events that it counted of those that there are, and what
    it took."""

    status: int
    events: int
    expected: int
    seconds: float
    megabytes: int

    @property
    def is_fine(self) -> bool:
        return self.status == 0 and self.events == self.expected and self.megabytes <= MEGABYTES


def _stamp(number: int) -> str:
    return (END - timedelta(seconds=1 + number % 3000)).isoformat()


def _call(number: int, name: str = "x") -> bytes:
    line = {"ts": _stamp(number), "id": f"e{number}", "act": "tool_call", "name": name}
    return json.dumps(line).encode() + b"\n"


def _said(number: int, content: object) -> bytes:
    line = {
        "type": "assistant",
        "timestamp": _stamp(number),
        "sessionId": f"s{number % 50}",
        "uuid": f"u{number}",
        "cwd": "/srv/shop",
        "message": {"id": f"msg_{number:024}", "role": "assistant", "content": content},
    }
    return json.dumps(line).encode() + b"\n"


def _use(number: int, text: str = "") -> list[dict[str, object]]:
    told = {"command": text}
    return [{"type": "tool_use", "id": f"toolu_{number:024}", "name": "Bash", "input": told}]


def _write(path: Path, lines: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.writelines(lines)


def _one_line(place: Path, scale: float) -> int:
    """A hole in the file, which takes no disk."""
    with (place / "bad.jsonl").open("wb") as stream:
        stream.write(b'{"ts":"2025-11-03T15:50:00Z","name":"')
        stream.seek(int(scale * (1 << 30)), os.SEEK_CUR)
        stream.write(b'"}\n')
    return 0


def _lists(place: Path, scale: float) -> int:
    sizes = (int(scale * each) for each in (16 << 20, 30 << 20, 60 << 20))
    lines = (b'{"type":"assistant","message":[' + b"[]," * (n // 3) + b"1]}\n" for n in sizes)
    _write(place / "p" / "bad.jsonl", lines)
    return 0


def _gzipped(place: Path, scale: float) -> int:
    with gzip.open(place / "bad.jsonl.gz", "wb", compresslevel=6) as stream:
        many = max(1, int(300 * scale))
        stream.writelines(repeat(_call(7) * 10_000, many))
    return 1


def _transcript(place: Path, scale: float) -> int:
    many = int(100_000 * scale)
    _write(place / "p" / "bad.jsonl", (_said(n, _use(n, "y" * 1_900)) for n in range(many)))
    return many


def _zstd(place: Path, scale: float) -> int:
    path = place / "p" / "bad.jsonl.zst"
    path.parent.mkdir(parents=True, exist_ok=True)
    many = int(200_000 * scale)
    with path.open("wb") as stream, zstandard.ZstdCompressor().stream_writer(stream) as packed:
        for number in range(many):
            packed.write(_said(number, _use(number, "y" * 1_900)))
    return many


def _names(place: Path, scale: float) -> int:
    many = int(300_000 * scale)
    # Letters alone: names that differ in numbers only are one name.
    names = (str(n).translate(str.maketrans("0123456789", "bcdfghjklm")) for n in range(many))
    _write(place / "bad.jsonl", (_call(n, f"tool_{name}") for n, name in enumerate(names)))
    return many


def _one_bracket_a_line(place: Path, scale: float) -> int:
    _write(place / "bad.jsonl", repeat(b"{\n" * (1 << 20), max(1, int(20 * scale))))
    return 0


def _brackets(place: Path, scale: float) -> int:
    sizes = (int(scale * (4 + n % 6)) << 20 or 1 << 16 for n in range(20))
    _write(place / "bad.jsonl", (b"[" * size + b"\n" for size in sizes))
    return 0


def _files(place: Path, scale: float) -> int:
    many = int(50_000 * scale)
    for number in range(many):
        (place / f"bad{number}.jsonl").write_bytes(_call(number))
    return many


CASES: Mapping[str, Case] = {
    "line": Case("one line of a gigabyte", _one_line),
    "lists": Case("lines of up to 60 MB of empty lists, in a transcript", _lists, CLAUDE),
    "gzip": Case("3,000,000 equal lines in gzip", _gzipped),
    "transcript": Case("200 MB of transcripts in one file", _transcript, CLAUDE),
    "zstd": Case("400 MB of transcripts in zstd", _zstd, CLAUDE),
    "names": Case("300,000 names of tools", _names),
    "bracket": Case("20,971,520 lines of one bracket", _one_bracket_a_line),
    "brackets": Case("lines of 4 to 9 MB of brackets", _brackets),
    "files": Case("50,000 files of one line", _files),
}


def hold(case: Case, place: Path, scale: float = 1.0) -> Held:
    """Write a case below a directory, and run tgt over it."""
    logs = place / "logs"
    logs.mkdir()
    many = case.each * (case.write(logs, scale) + GOOD)
    if case.source == CLAUDE:
        _write(logs / "p" / "good.jsonl", (_said(-n, _use(-n)) for n in range(1, GOOD + 1)))
    else:
        _write(logs / "good.jsonl", (_call(-n, "good") for n in range(1, GOOD + 1)))
    environment = {
        "PATH": os.defpath,
        "HOME": str(place),
        "TASKGEN_SOURCE": f"{case.source}:{logs}",
        "FGK_TASKS_DIR": str(place / "tasks"),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = measured.run(
        *("run", "--json", "--now", END.isoformat()),
        cwd=place,
        environment=environment,
        patience=_PATIENCE_S,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = json.loads(told.out)["result"] if told.out else {}
    return Held(told.status, result.get("eventsAnalyzed", 0), many, seconds, told.megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--scale", type=float, default=1.0, help="less of everything, as in 0.1")
    options = parser.parse_args()
    if unknown := set(options.cases) - CASES.keys():
        parser.error(f"no case {', '.join(sorted(unknown))}: there are {', '.join(CASES)}")
    print("| telemetry | most memory | processor |\n| --- | --- | --- |")
    failed = []
    for name in options.cases or CASES:
        with tempfile.TemporaryDirectory(prefix="tgt-hostile-") as directory:
            held = hold(CASES[name], Path(directory), options.scale)
        print(f"| {CASES[name].what} | {held.megabytes} MB | {held.seconds:.0f} s |", flush=True)
        if not held.is_fine:
            failed.append(f"{name}: {held}")
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
