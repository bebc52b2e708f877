"""Coverage-guided fuzzing of what reads text from outside, by hand and for as long as one likes.

    pip install -e '.[fuzz]'
    python benchmarks/fuzz.py redact -max_total_time=600
    python benchmarks/fuzz.py journal | sidecar | documents | times | cycle

Each target states what must hold for any bytes; what it finds becomes a test. It is no part of the
tests because it has no end, and atheris no dependency because nothing else needs it.
"""

# ruff: noqa: S101 what must hold is asserted: that is how a fuzzer is told of a finding

from __future__ import annotations

import contextlib
import importlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

# It need not be there where this file is only checked.
atheris: Any = importlib.import_module("atheris")

with atheris.instrument_imports(include=["tgt"]):
    from tgt import cycle, durations
    from tgt.config import load
    from tgt.errors import TgtError
    from tgt.output.safe import safe
    from tgt.redact import STRICT, redact
    from tgt.sources.envelopes import documents
    from tgt.sources.files import LogFile
    from tgt.store.journal import Journal, decode, encode
    from tgt.store.state_file import Sidecar
    from tgt.tasks.card import Card, format_time, new_id, parse_time

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
PLACE = Path(tempfile.mkdtemp(prefix="tgt-fuzz-"))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def fuzz_redact(data: bytes) -> None:
    """Masking again changes nothing, and what is shown is printable."""
    once = redact(_text(data), STRICT)
    assert redact(once, STRICT) == once
    assert safe(once).isprintable()


def fuzz_journal(data: bytes) -> None:
    """Reading never fails, and a card appended to anything is there afterwards."""
    journal = Journal(PLACE)
    journal.path.write_bytes(data)
    before = journal.read()
    card = Card({"id": new_id(NOW), "title": _text(data[:50])})
    with journal.writing() as writer:
        writer.append([card])
    after = journal.read().cards
    assert after[card.id].data == decode(encode(card.data))
    assert before.cards.keys() <= after.keys()


def fuzz_sidecar(data: bytes) -> None:
    """Any file is read as some state, and the next writer leaves one without complaints."""
    sidecar = Sidecar(PLACE)
    sidecar.path.write_bytes(data)
    state, _ = sidecar.read(())
    if state.pause is not None:
        state.pause.as_of(NOW)
    sidecar.update(lambda s: s)
    assert sidecar.read(())[1] == ()
    for aside in PLACE.glob("*.damaged-*"):
        aside.unlink()


def fuzz_documents(data: bytes) -> None:
    """Documents come out or are told to be malformed."""
    path = PLACE / "x.json"
    path.write_bytes(data)
    for document in documents(LogFile(str(path), len(data), 1, 1)):
        assert document.value is not None or document.reason


def fuzz_times(data: bytes) -> None:
    """A time is understood or not, and what is understood is written and read as the same."""
    moment = parse_time(_text(data))
    if moment is not None and moment.year > 1:
        again = parse_time(format_time(moment))
        assert again is not None
        assert abs(again - moment) < timedelta(milliseconds=1)
    with contextlib.suppress(TgtError):
        durations.parse_duration(_text(data))


def fuzz_cycle(data: bytes) -> None:
    """Whatever the telemetry is, a cycle comes to its end; slow, as each one is a whole cycle."""
    logs = PLACE / "logs"
    logs.mkdir(exist_ok=True)
    lines = []
    for number, line in enumerate(data.split(b"\n")):
        made = decode(line)
        stamp = {"ts": format_time(NOW - timedelta(seconds=number % 3000)), "id": f"{number}"}
        lines.append(json.dumps({**made, **stamp}).encode() if made is not None else line)
    (logs / "fuzz.jsonl").write_bytes(b"\n".join(lines * 3) + b"\n")
    places = {"FGK_CONTEXTLOG_DIR": str(logs), "FGK_TASKS_DIR": str(PLACE / "tasks")}
    report = cycle.run(load(environ=places), NOW)
    assert report.warnings == ()
    shutil.rmtree(PLACE / "tasks", ignore_errors=True)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "redact": fuzz_redact,
    "journal": fuzz_journal,
    "sidecar": fuzz_sidecar,
    "documents": fuzz_documents,
    "times": fuzz_times,
    "cycle": fuzz_cycle,
}


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python {sys.argv[0]} {{{','.join(TARGETS)}}} [libFuzzer options]")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)
