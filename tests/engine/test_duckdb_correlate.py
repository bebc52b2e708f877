"""Records become the same events in whatever portions they come, and whichever of them go again."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from engine.conformance.worlds import END, Event, Lines, answer, call, event
from engine.timelines import HOUR, Held, as_lines, held, held_of, opened, talk

from tgt.engine.duckdb import conversations, correlate, families, ingest, pieces, rollups, wordings
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.sources.base import Source
from tgt.sources.contextlog import ContextLog
from tgt.sources.macros import number_of


def _world(directory: Path) -> list[Source]:
    """A source that the engine reads and one that is translated, each of several files."""
    chance = random.Random(1)
    for kind in ("logs", "records"):
        (directory / kind).mkdir()
    for number in range(3):
        lines = [line for n in range(4) for line in talk(chance, END - HOUR * (n + 4 * number))]
        chance.shuffle(lines)
        (directory / "logs" / f"{number}.jsonl").write_bytes(as_lines(lines))
        (directory / "records" / f"{number}.jsonl").write_bytes(as_lines(_records(chance)))
    return [ContextLog(directory / "logs"), Lines(directory / "records")]


def _records(chance: random.Random) -> list[Event]:
    records: list[Event] = []
    for number in range(15):
        minutes, name = chance.uniform(0, 900), f"r{chance.randrange(12)}"
        ids = {"conv_id": f"c-{name}", "trace_id": f"t-{name}"}
        records += [
            call(minutes, name="x", **ids, phase="start", failed=None),
            call(minutes - chance.random(), name="x", **ids, phase="end", failed=name < "r5"),
            answer(minutes - 1, **ids, key=f"k-{name}", revision=chance.randrange(3)),
        ]
        if chance.random() < 0.2:
            records.append(event(minutes - 2, **ids, act="auto_continue"))
        loose = {"conv_id": f"l-{name}", "trace_id": f"l-{name}"}
        records.append(call(minutes - 3, name="y", key=f"y-{minutes}", **loose))
        if chance.random() < 0.3:
            records.append(link(minutes - chance.uniform(0, 90), f"l-{name}", f"c-{name}"))
        copied: Event = {"key": f"z-{name}", "conv_id": f"c-{name}", "revision": -1 - number}
        records.append(call(minutes, name="z", **copied))
    return records


def link(minutes: float, trace: str, conv: str, **more: Any) -> Event:
    """A record that names the conversation of a trace."""
    told = {"act": None, "actor": None, "subject": None, "trace_id": trace, "key": f"trace:{trace}"}
    return event(minutes, conv, **{"revision": 1, **told, **more})


PORTIONS: list[tuple[object, str, int]] = [
    (ingest, "_BATCH_BYTES", 3_000),
    (ingest, "_COMPRESSED_BYTES", 3_000),
    (ingest, "_BATCH_FILES", 1),
    (ingest, "_RECORDS_BYTES", 2_000),
    (ingest, "_FEW_FILES", 1),
    (ingest, "_BUNDLE_FILES", 1),
    (pieces, "PIECE_BYTES", 3_000),
    (correlate, "_AT_ONCE", 40),
    (conversations, "_AT_ONCE", 20),
    (rollups, "_EVENTS_AT_ONCE", 20),
    (wordings, "_MANY", 0),
    (families, "_AT_ONCE", 1),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Source], Held]:
    """The world, which nobody changes, and what is held of it in the usual portions."""
    sources = _world(tmp_path_factory.mktemp("whole"))
    return sources, held_of(sources)


def test_portions_of_any_size_come_to_the_same(
    whole: tuple[list[Source], Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, expected = whole
    assert len(expected["events"]) > 50
    for module, name, size in PORTIONS:
        monkeypatch.setattr(module, name, size)
    assert held_of(sources) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("module", "name", "size"), PORTIONS)
def test_each_portion_may_be_of_any_size(
    whole: tuple[list[Source], Held],
    module: object,
    name: str,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources, expected = whole
    monkeypatch.setattr(module, name, size)
    assert held_of(sources) == expected


def test_every_record_is_kept_once(tmp_path: Path) -> None:
    """As an event of its own, or aside where several are one: so nothing is lost when some go."""
    sources, cache = _world(tmp_path), tmp_path / "cache"
    files = sorted((tmp_path / "logs").iterdir()) + sorted((tmp_path / "records").iterdir())
    for path in (None, *files[1::2]):
        if path is not None:
            path.unlink()
        with opened(sources, cache) as timeline:
            _check_rows(timeline)
            assert held(timeline) == held_of(sources)


def _check_rows(timeline: DuckDBTimeline) -> None:
    value = timeline.database.value
    records = value("SELECT coalesce(sum(records), 0) FROM files")
    alone = value("SELECT count(*) FROM events WHERE is_merged IS NOT true")
    assert alone + value("SELECT count(*) FROM aside") == records
    for table in ("events", "aside"):
        orphans = f"SELECT count(*) FROM {table} WHERE file NOT IN (SELECT file FROM files)"
        assert value(orphans) == 0
        unknown = f"SELECT count(*) FROM {table} ANTI JOIN wordings USING (wording)"
        assert value(unknown) == 0


def _told_in_files() -> Iterator[tuple[str, dict[str, Any]]]:
    """One call, told in as many files as there are ways to tell it."""
    at, ids = END - timedelta(minutes=30), {"name": "x", "conv_id": "c", "trace_id": "t"}
    for name, seconds, keys in (
        ("start", 0.0, {"act": "tool_execution_start"}),
        ("error", 2.0, {"act": "tool_execution_error", "error": "no such thing"}),
        ("finish", 2.5, {"act": "tool_execution_finish", "elapsed_ms": 1900}),
        ("whole", 60.0, {"act": "tool_call", "status": "ok"}),
        ("again", 61.0, {"act": "tool_call", "status": "ok", "id": "whole"}),
    ):
        ts = (at + timedelta(seconds=seconds)).isoformat()
        yield name, {"ts": ts, "id": name, **ids, **keys}


def test_whichever_files_go_what_the_others_tell_is_left(tmp_path: Path) -> None:
    told = dict(_told_in_files())
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    logs.mkdir()
    some = [names for size in (2, 3, 4) for names in itertools.combinations(told, size)]
    random.Random(1).shuffle(some)
    for names in some[:3]:
        _of(logs, cache=cache, told=told, names=tuple(told))
        kept = _of(logs, cache=cache, told=told, names=names)
        assert kept == _of(logs, cache=None, told=told, names=names), names


def _of(
    logs: Path, *, cache: Path | None, told: dict[str, dict[str, Any]], names: tuple[str, ...]
) -> Held:
    """What is held when just these files are there."""
    for name, line in told.items():
        path = logs / f"{name}.jsonl"
        if name in names and not path.exists():
            path.write_text(json.dumps(line) + "\n")
        elif name not in names:
            path.unlink(missing_ok=True)
    return held_of(logs, cache)


# --- what only a link or a copy tells ------------------------------------------------------------


def _linked() -> dict[str, list[Event]]:
    """Two traces whose spans, and the names of whose conversations, stand in a file each."""
    spans = [call(20 + n, "t1", "x", trace_id="t1", failed=n == 1) for n in range(3)]
    return {
        "spans": [*spans, answer(95, "t1", trace_id="t1")],
        "named": [call(22, "chat", "x", trace_id="t1"), link(21, "t1", "chat")],
        "also named": [link(90, "t1", "other"), answer(89, "other", trace_id="t1")],
        "of a service": [link(400, "t1", "window", revision=0)],
        "not named": [
            call(5, "t2", "x", phase="start", failed=None, trace_id="t2", call_id="c"),
            call(4, "t2", "x", phase="end", trace_id="t2", call_id="c"),
        ],
    }


def _write(directory: Path, told: dict[str, list[Event]], names: Iterable[str]) -> Lines:
    """Just these files."""
    directory.mkdir(exist_ok=True)
    for path in set(directory.iterdir()) - {directory / f"{name}.jsonl" for name in names}:
        path.unlink()
    for name in names:
        path = directory / f"{name}.jsonl"
        if not path.exists():
            path.write_bytes(as_lines(told[name]))
    return Lines(directory)


def test_a_trace_is_of_the_conversation_that_a_link_names_whenever_it_is_read(
    tmp_path: Path,
) -> None:
    told = _linked()
    orders = list(itertools.permutations(told))
    random.Random(1).shuffle(orders)
    for number, order in enumerate(orders[:2]):
        cache = tmp_path / f"cache{number}"
        for names in (order[:2], order[:3], order, order[2:], order[3:]):
            source = _write(tmp_path / "logs", told, names)
            alone = held_of(source)
            assert held_of(source, cache, writable=False) == alone, names
            assert held_of(source, cache) == alone, names


def test_which_conversation_a_link_gives(tmp_path: Path) -> None:
    """The first that the trace names, and only where a record names none; the session of a service
    where nothing else does."""
    told = _linked()
    for names, expected in (
        (("spans",), {"t1": 4}),
        (("spans", "of a service", "not named"), {"window": 4, "t2": 1}),
        (("spans", "of a service", "named"), {"chat": 5}),
        (tuple(told), {"other": 5, "chat": 1, "t2": 1}),
    ):
        with opened(_write(tmp_path / "logs", told, names)) as timeline:
            run = timeline.database.run
            wanted = {
                run(f"SELECT {number_of('$n')}", n=name)[0][0]: n for name, n in expected.items()
            }
            assert dict(run("SELECT conv, events FROM conversations")) == wanted


@pytest.mark.parametrize(
    ("name", "counted"),
    [("key", "count(*)"), ("id", "count(*)"), ("conv_id", "count(DISTINCT conv)")]
    + [(name, "count(DISTINCT call)") for name in ("call_id", "trace_id")],
)
def test_ids_that_differ_alike_in_two_places_are_two(
    tmp_path: Path, name: str, counted: str
) -> None:
    """The engine's hash is equal for these two texts."""
    for ids, many in (("s22:t100022", "s25:t100025"), 2), (("s22:t100022", "s22:t100022"), 1):
        shared: Event = {"key": None, "conv_id": "c", "trace_id": None}
        told = [call(10, **{**shared, name: f"call:{one}:start"}) for one in ids]
        with opened(_write(tmp_path / "logs", {str(many): told}, [str(many)])) as timeline:
            assert timeline.database.run(f"SELECT {counted} FROM events") == [(many,)]


def _copied() -> dict[str, list[Event]]:
    """A history, its copies of which the times are not told, and another call with a like key."""
    return {
        "original": [call(400, "c", "x", key="k", revision=5, failed=True)],
        "copy": [call(180, "c", "x", key="k", revision=-9, failed=True)],
        "later copy": [call(10, "c", "x", key="k", revision=-8, failed=True)],
        "again": [call(5, "c", "x", key="k", revision=2)],
    }


def test_a_copy_counts_no_second_time_however_much_later_it_was_written(tmp_path: Path) -> None:
    told = _copied()
    orders = list(itertools.permutations(told))
    random.Random(1).shuffle(orders)
    for number, order in enumerate(orders[:4]):
        cache = tmp_path / f"cache{number}"
        for names in (order[:1], order[:2], order, order[2:]):
            with opened(_write(tmp_path / "logs", told, names), cache) as timeline:
                originals = len({"original", "again"} & set(names))
                assert timeline.inventory().events == (originals or 1), names


@pytest.mark.slow
def test_many_calls_fit_into_little_memory(tmp_path: Path) -> None:
    """Also where nothing may be written."""
    lines = []
    for number in range(150_000):
        at = END - timedelta(seconds=number * 0.3)
        ids = {"conv_id": f"c{number // 30}", "trace_id": f"t{number // 3}", "name": "x"}
        lines.append({"ts": at.isoformat(), "act": "tool_execution_start", **ids})
        at += timedelta(seconds=0.1)
        lines.append({"ts": at.isoformat(), "act": "tool_execution_finish", **ids})
    (tmp_path / "x.jsonl").write_bytes(as_lines(lines))
    with opened(tmp_path, memory_mb=192) as timeline:
        assert timeline.inventory().events == 150_000
