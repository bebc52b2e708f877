"""What must hold of any bytes that come from outside, each as a function that fails if it does not.

``benchmarks/fuzz.py`` looks for bytes that break them, for as long as one likes; the tests try the
corpus (``tests/corpus``), in which every finding stays, and bytes that are made of it.
"""

# ruff: noqa: S101 what must hold is asserted: that is how a fuzzer is told of a finding

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tgt import cycle, durations
from tgt.config import Settings, load
from tgt.errors import TgtError
from tgt.output.safe import safe
from tgt.redact import STRICT, redact
from tgt.rules.conditions import Kind, parse
from tgt.rules.reading import read as read_rules
from tgt.sources.envelopes import documents
from tgt.sources.files import LogFile
from tgt.store.journal import Journal, decode, encode
from tgt.store.state_file import Sidecar
from tgt.tasks.card import Card, format_time, new_id, parse_time

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)

Target = Callable[[bytes, Path], None]
"""Is given bytes, and a directory of its own in which it may leave what it likes."""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _masking(data: bytes, place: Path) -> None:  # noqa: ARG001 it writes nothing
    """Masking again changes nothing, and what is shown is printable."""
    once = redact(_text(data), STRICT)
    assert redact(once, STRICT) == once
    assert safe(once).isprintable()


def _journal(data: bytes, place: Path) -> None:
    """Reading never fails, and a card appended to anything is there afterwards."""
    journal = Journal(place)
    journal.path.write_bytes(data)
    before = journal.read()
    card = Card({"id": new_id(NOW), "title": _text(data[:50])})
    with journal.writing() as writer:
        writer.append([card])
    after = journal.read().cards
    assert after[card.id].data == decode(encode(card.data))
    assert before.cards.keys() <= after.keys()


def _sidecar(data: bytes, place: Path) -> None:
    """Any file is read as some state, and the next writer leaves one without complaints."""
    sidecar = Sidecar(place)
    sidecar.path.write_bytes(data)
    state, _ = sidecar.read(())
    if state.pause is not None:
        state.pause.as_of(NOW)
    sidecar.update(lambda s: s)
    assert sidecar.read(())[1] == ()
    for aside in place.glob("*.damaged-*"):
        aside.unlink()


def _documents(data: bytes, place: Path) -> None:
    """Documents come out or are told to be malformed."""
    path = place / "x.json"
    path.write_bytes(data)
    for document in documents(LogFile(str(path), len(data), 1, 1)):
        assert document.value is not None or document.reason


def _times(data: bytes, place: Path) -> None:  # noqa: ARG001
    """A time is understood or not, and what is understood is written and read as the same."""
    moment = parse_time(_text(data))
    if moment is not None and moment.year > 1:
        again = parse_time(format_time(moment))
        assert again is not None
        assert abs(again - moment) < timedelta(milliseconds=1)
    with contextlib.suppress(TgtError):
        durations.parse_duration(_text(data))


def _rules(data: bytes, place: Path) -> None:
    """A rule is refused with its line, or its conditions say the same when they are read again."""
    path = place / "rules.toml"
    path.write_bytes(data)
    file = read_rules(path)
    lines = 1 + data.count(b"\n") + data.count(b"\r")
    for problem in (*file.problems, *(each for e in file.entries for each in e.problems)):
        assert problem.reason
        assert 1 <= problem.line <= lines
    for entry in file.entries:
        if entry.rule is not None:
            assert parse(entry.rule.where, Kind.TRUTH).sql == entry.rule.where


def _settings(place: Path) -> Settings:
    places = {"FGK_CONTEXTLOG_DIR": str(place / "logs"), "FGK_TASKS_DIR": str(place / "tasks")}
    return load(environ=places)


def _cycle(data: bytes, place: Path) -> None:
    """Whatever the telemetry is, a cycle comes to its end, and what is good counts; slow, as each
    one is a whole cycle."""
    logs = place / "logs"
    logs.mkdir(exist_ok=True)
    lines = []
    for number, line in enumerate(data.split(b"\n")):
        made = decode(line)
        stamp = {"ts": format_time(NOW - timedelta(seconds=number % 3000)), "id": f"{number}"}
        lines.append(json.dumps({**made, **stamp}).encode() if made is not None else line)
    (logs / "bytes.jsonl").write_bytes(b"\n".join(lines * 3) + b"\n")
    good = {"ts": format_time(NOW), "id": "good", "act": "tool_call", "name": "x", "status": "ok"}
    (logs / "good.jsonl").write_text(json.dumps(good) + "\n", encoding="utf-8")
    report = cycle.run(_settings(place), NOW)
    assert report.warnings == ()
    assert report.events_analyzed >= 1
    shutil.rmtree(place / "tasks")


def _store(data: bytes, place: Path) -> None:
    """A store in which something was overwritten is used or begun anew, and counts the same: the
    first four bytes say where, the others what."""
    logs = place / "logs"
    logs.mkdir(exist_ok=True)
    calls = [
        {
            "ts": format_time(NOW - timedelta(minutes=n)),
            "id": f"{n}",
            "act": "tool_call",
            "name": "x",
        }
        for n in range(50)
    ]
    (logs / "calls.jsonl").write_text("".join(json.dumps(each) + "\n" for each in calls))
    expected = cycle.run(_settings(place), NOW).events_analyzed
    for file in sorted((place / "tasks" / "cache").glob("events.duckdb*")):
        with file.open("r+b") as stream:
            stream.seek(int.from_bytes(data[:4], "big") % max(1, file.stat().st_size))
            stream.write(data[4:])
    assert cycle.run(_settings(place), NOW).events_analyzed == expected
    shutil.rmtree(place / "tasks")


TARGETS: Mapping[str, Target] = {
    "masking": _masking,
    "journal": _journal,
    "sidecar": _sidecar,
    "documents": _documents,
    "times": _times,
    "rules": _rules,
    "cycle": _cycle,
    "store": _store,
}

_ODD = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xc3",
        b"\\ud800",
        b"\r",
        b"\n",
        b'"',
        b"\\",
        b"{",
        b"[" * 300,
        b"}]",
    ),
    *(b"null", b"1e999", b"-", b"9" * 400, b"''", b'"""', b"\x1b[2J", "\u202e".encode()),
)


def mutated(corpus: Sequence[bytes], many: int, seed: str) -> Iterator[bytes]:
    """So many inputs that are made of others: parts that are gone, doubled, odd, or of another."""
    chance = random.Random(seed)
    for _ in range(many):
        data = chance.choice(corpus)
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(data) + 1)
            end = min(len(data), start + chance.choice((0, 1, 4, 30)))
            part = (b"", data[start:end] * 2, chance.choice(_ODD), chance.choice(corpus)[:60])
            data = data[:start] + chance.choice(part) + data[end:]
        yield data
