"""Mutated telemetry of every source, through the engine and the real command.

For the cases of truth of the tests (``tests/sources/truth``), and for ContextLog, files are written
beside the good ones that hold the same lines, mutated: keys that are gone, doubled or renamed,
values of other kinds, deep nests, bytes that are no text, lines that are cut off. What must hold:
``tgt run`` neither crashes nor hangs, holds at most 350 MB, and every good line counts as if the
others were not there.

    python -m benchmarks.fuzz_sources
    python -m benchmarks.fuzz_sources --lines 100000 --seed 7 codex otlp
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import measured

from tgt.config import Settings, settings_of
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.events import EPOCH, Interval

TRUTH = Path(__file__).parents[1] / "tests" / "sources" / "truth"
CONTEXTLOG = "contextlog"
_NOT_TELEMETRY = {"expected.json", "map.toml", ".project_root"}
_FIXED = {"events.jsonl", "ui_messages.json", "history_item.json", "api_conversation_history.json"}
_LAYOUTS = {"opencode"}
"""Kinds that keep their files at fixed places below their directory."""
_PATIENCE_S = 1800
_MEGABYTES = 350
_WEEK_MIN = 7 * 24 * 60
_ID_IN_TEXT = re.compile(rb"""(Id"\s*:\s*")""")
_NEST = 600
_LATER_NS = 3 * 86_400 * 10**9
_START = datetime(2025, 11, 3, 10, tzinfo=timezone.utc)
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, 10**30, "", " ", "NaN", "\x00", "\ud800", "x" * 5000),
    *([], {}, [[]], [None], {"": ""}, ["type"], {"type": ["x"]}, "2025-11-03T10:00:00Z", "é" * 99),
)


@dataclass(frozen=True)
class Place:
    """Where good telemetry of a kind lies, and how the settings name it."""

    kind: str
    files: Path
    options: str = ""

    def source(self, directory: Path) -> str:
        return f"{self.kind}:{directory}{self.options}"


@dataclass
class Outcome:
    """What came of a kind: lines mutated, events, objects passed over, and what was wrong."""

    lines: int = 0
    good: int = 0
    events: int = 0
    malformed: int = 0
    unknown: int = 0
    seconds: float = 0.0
    megabytes: int = 0
    faults: list[str] = field(default_factory=list)


def places(made: Path) -> dict[str, list[Place]]:
    """The places of all kinds, with all cases of one source together; ContextLog's is made."""
    found: dict[str, list[Place]] = {CONTEXTLOG: [Place(CONTEXTLOG, _contextlog(made))]}
    for kind in sorted(each.name for each in TRUTH.iterdir() if each.is_dir()):
        for case in sorted((TRUTH / kind).iterdir()):
            mapping = case / "map.toml"
            files = case / "input"
            options = f"?map={mapping}" if mapping.exists() else ""
            files = files if files.exists() else case
            if options or kind in _LAYOUTS:
                found.setdefault(kind, []).append(Place(kind, files, options))
                continue
            together = made / kind
            if not together.exists():
                found.setdefault(kind, []).append(Place(kind, together))
            shutil.copytree(files, together / case.name)
    return found


def _contextlog(made: Path) -> Path:
    directory = made / "contextlog"
    directory.mkdir()
    acts: tuple[dict[str, Any], ...] = (
        {"act": "message", "actor": "user", "args_preview": {"text": "hello"}},
        {"act": "tool_call", "name": "read_file", "status": "ok", "elapsed_ms": 12},
        {"act": "tool_call", "name": "run_bash", "status": "error", "error": "no such file"},
        {"act": "tool_execution_start", "name": "grep", "trace_id": "t1"},
        {"act": "tool_execution_finish", "name": "grep", "trace_id": "t1", "status": "ok"},
        {"act": "assistant_response", "actor": "assistant", "finish_reason": "stop", "model": "m"},
        {"act": "upstream_error", "status": 503, "where": "chat"},
    )
    lines = [
        {"ts": (_START + timedelta(seconds=n)).isoformat(), "id": f"e{n}", "conv_id": f"c{n % 5}"}
        | acts[n % len(acts)]
        for n in range(70)
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (directory / "ctx-20251103-10.jsonl").write_text(text)
    return directory


# --- mutations ------------------------------------------------------------------------------------


class Mutator:
    """Makes of good lines lines that nobody expects."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def line(self, good: bytes) -> bytes:
        rng = self._rng
        try:
            value = json.loads(good)
        except ValueError:  # of a format around JSON
            return self._bytes(_ID_IN_TEXT.sub(rb"\1z", good))
        if rng.random() < 0.25:
            return self._bytes(json.dumps(_apart(value)).encode())
        value = _apart(value)
        for _ in range(rng.randint(1, 4)):
            value = self._value(value)
        text = json.dumps(value)
        if rng.random() < 0.05:
            text = text.replace('""', "[" * _NEST + "]" * _NEST, 1)
        return text.encode("utf-8", "replace")

    def _value(self, value: Any) -> Any:
        rng = self._rng
        if isinstance(value, dict) and value and rng.random() < 0.9:
            name = rng.choice(list(value))
            changed: Any
            match rng.randrange(6):
                case 0:
                    return {key: each for key, each in value.items() if key != name}
                case 1:
                    return {**value, rng.choice(["", "type", "id", name.upper()]): value[name]}
                case 2:
                    changed = rng.choice(_ODD)
                case 3:
                    changed = [value[name]]
                case _:
                    changed = self._value(value[name])
            return {**value, name: changed}
        if isinstance(value, list) and value and rng.random() < 0.9:
            place = rng.randrange(len(value))
            return [*value[:place], self._value(value[place]), *value[place + rng.randrange(2) :]]
        return rng.choice(_ODD)

    def _bytes(self, line: bytes) -> bytes:
        rng = self._rng
        place = rng.randrange(len(line) + 1)
        match rng.randrange(4):
            case 0:
                return line[:place]
            case 1:
                return line[:place] + rng.randbytes(3).replace(b"\n", b"") + line[place:]
            case 2:
                return line[:place] + b"\xff" + line[place + 1 :]
        return line[place:] + line[:place]


def _apart(value: Any, name: str = "") -> Any:
    """The same with ids and times of its own: it must not be taken for the good one told again."""
    if isinstance(value, dict):
        called = value.get("key")  # as attributes of OpenTelemetry are
        inside = called if isinstance(called, str) else ""
        return {key: _apart(each, inside or key) for key, each in value.items()}
    if isinstance(value, list):
        return [_apart(each, name) for each in value]
    if isinstance(value, str) and value.startswith("{"):
        with contextlib.suppress(ValueError):
            return json.dumps(_apart(json.loads(value)))
    if "UnixNano" in name and str(value).isdigit():
        return str(int(value) + _LATER_NS)
    is_id = name.lower().endswith(("id", "uuid", "parent")) and isinstance(value, str)
    return f"{value}z" if is_id else value


def spoil(place: Place, directory: Path, lines: int, mutator: Mutator) -> int:
    """Write mutated copies of the files of a place into a directory; how many lines they have."""
    files = [
        p for p in sorted(place.files.rglob("*")) if p.is_file() and p.name not in _NOT_TELEMETRY
    ]
    written = 0
    share = -(-lines // len(files))
    for path in files:
        good = [line for line in path.read_bytes().splitlines() if line.strip()]
        is_whole = path.suffix == ".json"
        for number in range(max(1, share // 20) if is_whole else 1):
            target = directory / _beside(path.relative_to(place.files), number)
            target.parent.mkdir(parents=True, exist_ok=True)
            if is_whole:
                target.write_bytes(mutator.line(path.read_bytes()))
                written += 1
                continue
            spoilt = [mutator.line(good[n % len(good)]) for n in range(share)]
            target.write_bytes(b"".join(line + b"\n" for line in spoilt))
            written += len(spoilt)
    return written


def _beside(path: Path, number: int) -> Path:
    if path.name in _FIXED and path.parent.name:
        return path.parent.with_name(f"{path.parent.name}f{number}") / path.name
    return path.with_name(f"{path.stem}f{number}{path.suffix}")


# --- what must hold -------------------------------------------------------------------------------


def _settings(place: Place, directory: Path) -> Settings:
    given = {"TASKGEN_SOURCE": place.source(directory), "FGK_TASKS_DIR": str(directory / ".tasks")}
    return settings_of(given | {"TASKGEN_BASELINE_DAYS": "1", "TASKGEN_MIN_CONFIDENCE": "0"})


def _taken(place: Place, directory: Path) -> tuple[int, int, int, datetime | None]:
    """Events, malformed and unknown objects of a directory, and when the last event was."""
    settings = _settings(place, directory)
    all_time = Interval(EPOCH, EPOCH + timedelta(hours=1))
    telemetry = telemetry_of(settings)
    with open_timeline(settings, telemetry, (), all_time, baseline=timedelta(0)) as timeline:
        held = timeline.inventory()
    unknown = sum(n for (reason, _), n in held.passed_over.items() if reason == "unknown")
    return held.events, held.malformed, unknown, held.last


def attack(place: Place, lines: int, mutator: Mutator, outcome: Outcome) -> None:
    """One place: the good alone, the spoilt alone, both together, and a cycle over them."""
    with tempfile.TemporaryDirectory(prefix="tgt-fuzz-") as made:
        good, bad, both = (Path(made, name) for name in ("good", "bad", "both"))
        for directory in (good, both):
            shutil.copytree(place.files, directory)
        written = spoil(place, bad, lines, mutator)
        shutil.copytree(bad, both, dirs_exist_ok=True)
        events, _, _, last = _taken(place, good)
        spoilt, malformed, unknown, _ = _taken(place, bad)
        together = _taken(place, both)[0]
        outcome.lines += written
        outcome.good += events
        outcome.events += spoilt
        outcome.malformed += malformed
        outcome.unknown += unknown
        if together != events + spoilt:
            outcome.faults.append(f"{place.files}: {events} + {spoilt} events are {together}")
        _command(place, both, (last or _START) + timedelta(minutes=20), outcome)


def _command(place: Place, directory: Path, now: datetime, outcome: Outcome) -> None:
    """What the installed command makes of it, in a process of its own."""
    tasks = directory / ".tasks"
    environment = {
        "PATH": os.defpath,
        "HOME": str(directory),
        "FGK_TASKS_DIR": str(tasks),
        "TASKGEN_SOURCE": place.source(directory),
        "TASKGEN_MIN_CONFIDENCE": "0",
    }
    arguments = ("run", "--json", "--now", now.isoformat(), "--window", str(_WEEK_MIN))
    told = measured.run(*arguments, cwd=directory, environment=environment, patience=_PATIENCE_S)
    outcome.megabytes = max(outcome.megabytes, told.megabytes)
    if told.status not in {0, 4} or told.megabytes > _MEGABYTES:
        outcome.faults.append(
            f"{place.files}: status {told.status}, {told.megabytes} MB: {told.err[-300:]}"
        )


def fuzz(kind: str, some: Sequence[Place], lines: int, seed: int) -> Outcome:
    outcome, mutator = Outcome(), Mutator(seed)
    started = time.monotonic()
    for place in some:
        signal.alarm(_PATIENCE_S)
        try:
            attack(place, -(-lines // len(some)), mutator, outcome)
        except Exception as failure:  # noqa: BLE001 that is what is sought
            outcome.faults.append(f"{place.files}: {type(failure).__name__}: {failure}"[:300])
        finally:
            signal.alarm(0)
    outcome.seconds = time.monotonic() - started
    print(_row(kind, outcome), flush=True)
    return outcome


def _row(kind: str, told: Outcome) -> str:
    numbers = (told.lines, told.good, told.events, told.malformed, told.unknown)
    cells = "".join(f"{number:>11,}" for number in numbers)
    verdict = f"{len(told.faults)} faults" if told.faults else "held"
    return f"{kind:<14}{cells}{told.seconds:>9.0f}{told.megabytes:>6}  {verdict}"


def _hang(*_: object) -> None:
    raise TimeoutError(f"not done after {_PATIENCE_S} s")


def _chosen(all_places: dict[str, list[Place]], kinds: Sequence[str]) -> Iterator[str]:
    for kind in kinds or all_places:
        if kind not in all_places:
            raise SystemExit(f"no source {kind!r}: there are {', '.join(all_places)}")
        yield kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kinds", nargs="*", help="sources, by kind; all if none is named")
    parser.add_argument("--lines", type=int, default=10_000, help="mutated lines a source")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _hang)
    heads = ("lines", "good", "events", "malformed", "unknown")
    print(f"{'source':<14}{''.join(f'{head:>11}' for head in heads)}{'seconds':>9}{'MB':>6}")
    with tempfile.TemporaryDirectory(prefix="tgt-fuzz-") as made:
        all_places = places(Path(made))
        results = {
            kind: fuzz(kind, all_places[kind], options.lines, options.seed)
            for kind in _chosen(all_places, options.kinds)
        }
    faults = [f"{kind}: {fault}" for kind, told in results.items() for fault in told.faults]
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
