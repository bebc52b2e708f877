"""From files to events: however a file of any source grows, and whatever stands in it, what is good
of it counts, once."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import zstandard
from engine.conformance.worlds import END
from engine.timelines import as_lines, held_of, opened

from tgt.engine.duckdb import ingest
from tgt.engine.duckdb.timeline import DuckDBTimeline
from tgt.sources.base import Projection, RecordSource
from tgt.sources.contextlog import ContextLog
from tgt.sources.registry import open_sources
from tgt.sources.spec import Spec

# --- sources that are translated: the cases of truth, written by and by --------------------------

TRUTH = Path(__file__).parents[1] / "sources" / "truth"
CASES = sorted(path.parent for path in TRUTH.glob("*/*/input"))
SOME = (
    *("branches", "messages-in-many-lines", "forks", "messages-written-again"),
    *("exported-again", "starts-and-ends"),
)
ALL_TIME: dict[str, Any] = {
    "end": datetime(2040, 1, 1, tzinfo=timezone.utc),
    "baseline": timedelta(days=20 * 365),
}


def _sources(case: Path, place: Path) -> list[RecordSource]:
    mapping = case / "map.toml"
    spec = Spec(case.parent.name, place, mapping if mapping.exists() else None)
    return [s for s in open_sources([spec], place) if isinstance(s, RecordSource)]


def _grow(case: Path, tmp_path: Path, shares: Sequence[float]) -> None:
    """Its files have grown to some share of their bytes whenever a run comes. What the first one
    keeps is no more than a fresh reading; the later ones are held against one."""
    chance = random.Random(case.name)
    place, cache = tmp_path / "input", tmp_path / "cache"
    shutil.copytree(case / "input", place)
    listed = {file.path for source in _sources(case, place) for file in source.listing().files}
    contents = {Path(path): Path(path).read_bytes() for path in listed}
    for number, share in enumerate(shares):
        for path, data in contents.items():
            end = len(data) if share == 1 else int(len(data) * share * chance.uniform(0.7, 1.3))
            with path.open("r+b") as stream:
                stream.write(data[:end])
                stream.truncate()
        sources = _sources(case, place)
        kept = held_of(sources, cache, **ALL_TIME)
        assert not number or kept == held_of(sources, **ALL_TIME)


@pytest.mark.parametrize(
    "case",
    [c if c.name in SOME else pytest.param(c, marks=pytest.mark.slow) for c in CASES],
    ids=lambda c: f"{c.parent.name}-{c.name}",
)
def test_any_file_may_be_met_while_it_is_written(tmp_path: Path, case: Path) -> None:
    _grow(case, tmp_path, (0.3, 0.65, 1) if case.name in SOME else (0.5, 1))


# --- lines that the engine reads -----------------------------------------------------------------


def _good(number: int, **keys: Any) -> dict[str, Any]:
    at = (END - timedelta(minutes=30) + timedelta(seconds=number)).isoformat()
    return {"ts": at, "act": "tool_call", "name": f"tool{number % 3}", "conv_id": "c", **keys}


def _json(number: int, **keys: Any) -> bytes:
    return json.dumps(_good(number, **keys)).encode()


def _nest(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


LINES: list[tuple[str, bytes, int, int]] = [
    ("a good one", _json(1), 1, 0),
    ("with the line end of another system", _json(1) + b"\r", 1, 0),
    ("with space around it", b"  " + _json(1) + b"\t ", 1, 0),
    ("of no length", b"", 0, 0),
    ("of space", b" \t ", 0, 0),
    ("a list", b"[1, 2]", 0, 1),
    ("a number", b"17", 0, 1),
    ("null", b"null", 0, 1),
    ("no JSON", b"Traceback (most recent call last):", 0, 1),
    ("half of one", _json(1)[:40], 0, 1),
    ("half of one, then a whole one", _json(1)[:40] + _json(2), 0, 1),
    ("an object without a time", b'{"act": "tool_call"}', 0, 1),
    ("an object of nothing", b"{}", 0, 1),
    ("a bad time", _json(1).replace(b"2025", b"20x5"), 0, 1),
    ("no UTF-8", _json(1, text="@").replace(b"@", b"\xff\xfe"), 0, 1),
    ("with a NUL that is escaped", _json(1, text="\0"), 1, 0),
    ("what a crash leaves, then a whole one", b"\0" * 64 + _json(1), 1, 0),
    (
        "half of one, what a crash leaves, then a whole one",
        _json(1)[:40] + b"\0" * 64 + _json(2),
        1,
        1,
    ),
    ("half of a pair", _json(1, error="@").replace(b"@", b"\\ud800"), 0, 1),
    ("a nest", b'{"act":' + b"[" * 5000 + b"]" * 5000 + b"}", 0, 1),
    ("a deep but closed value", _json(1, args={"a": [[[[1]]]]}), 1, 0),
    ("a value that is too deep", _json(1, args="?").replace(b'"?"', _nest(300)), 0, 1),
    ("a value that is deep enough", _json(1, args="?").replace(b'"?"', _nest(150)), 1, 0),
    ("a wide value", _json(1, args=[{"a": n} for n in range(300)]), 1, 0),
    ("a key that is ours", b'{"tgt:file": "1", ' + _json(1)[1:], 1, 0),
    ("a key twice", _json(1)[:-1] + b', "act": "tool_call"}', 1, 0),
]


BEFORE, AFTER = as_lines(_good(n) for n in range(3)), as_lines(_good(n) for n in range(10, 14))


def _write(directory: Path, layout: str) -> None:
    """For each line a file of some kind in which good ones stand around it."""
    directory.mkdir()
    for number, (_, line, _, _) in enumerate(LINES):
        path, data = directory / f"{number:02}.jsonl", BEFORE + line + b"\n" + AFTER
        if layout == "packed":
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data))
        elif layout == "packed otherwise":
            path.with_name(f"{path.name}.zst").write_bytes(zstandard.compress(data))
        else:
            path.write_bytes(data)


def _understood(timeline: DuckDBTimeline) -> list[tuple[str, int, int]]:
    rows = timeline.database.run("SELECT path, records, malformed FROM files ORDER BY path")
    counts = [(records - 7, malformed) for _, records, malformed in rows]
    return [(what, *count) for (what, *_), count in zip(LINES, counts, strict=True)]


EXPECTED = [(what, events, malformed) for what, _, events, malformed in LINES]


@pytest.mark.parametrize("layout", ["one by one", "many at once", "packed", "packed otherwise"])
def test_what_is_good_beside_a_bad_line_counts(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_FEW_FILES", 1 if layout == "many at once" else 1000)
    _write(tmp_path / "logs", layout)
    with opened(tmp_path / "logs", tmp_path / "cache") as timeline:
        assert _understood(timeline) == EXPECTED
        events = 7 * len(LINES) + sum(good for _, _, good, _ in LINES)
        assert timeline.inventory().events == events
        assert timeline.warnings == ()


def test_what_is_appended_is_read_as_what_was_there(tmp_path: Path) -> None:
    logs, cache = tmp_path / "logs", tmp_path / "cache"
    _write(logs, "plain")
    for path in logs.iterdir():
        path.write_bytes(BEFORE)
    held_of(logs, cache)
    for number, (_, line, _, _) in enumerate(LINES):
        with (logs / f"{number:02}.jsonl").open("ab") as stream:
            stream.write(line + b"\n" + AFTER)
    with opened(logs, cache) as timeline:
        assert _understood(timeline) == EXPECTED


def test_a_mark_of_the_byte_order_is_no_part_of_the_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"\xef\xbb\xbf" + BEFORE
    tmp_path.joinpath("a.jsonl").write_bytes(data)
    tmp_path.joinpath("b.jsonl.gz").write_bytes(gzip.compress(data + AFTER))
    for few in (1, 1000):
        monkeypatch.setattr(ingest, "_FEW_FILES", few)
        with opened(tmp_path) as timeline:
            inventory = timeline.inventory()
            assert (inventory.events, inventory.malformed) == (7, 0), "one is the other's beginning"


@pytest.mark.parametrize("kind", ["contextlog", "claude-code"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_file_that_another_shell_has_redirected_is_named(
    tmp_path: Path, kind: str, encoding: str
) -> None:
    text = ("\ufeff" + BEFORE.decode()).encode(encoding)
    other = tmp_path / "p" / "a.jsonl"
    other.parent.mkdir()
    other.write_bytes(text)
    packed = other.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(text))
    (other.parent / "b.jsonl").write_bytes(BEFORE)
    place = other.parent if kind == "contextlog" else tmp_path
    with opened(open_sources([Spec(kind, place, None)], tmp_path)) as timeline:
        assert set(timeline.warnings) == {
            f"cannot read {path}: it is UTF-16, not UTF-8" for path in (other, packed)
        }
        inventory = timeline.inventory()
        assert (inventory.events, inventory.malformed) == (3 * (kind == "contextlog"), 0)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_line_beyond_all_bounds_costs_itself(tmp_path: Path, *, is_kept: bool) -> None:
    """Also where what failed to be read stands in the middle of what is to be kept together."""
    logs = tmp_path / "logs"
    logs.mkdir()
    long = b'{"act": "' + b"x" * (40 << 20) + b'"}\n'
    for name, data in (("x.jsonl", BEFORE + long + AFTER), ("y.jsonl", AFTER + long)):
        (logs / name).write_bytes(data)
    (logs / "z.jsonl.gz").write_bytes(gzip.compress(BEFORE + BEFORE + long + AFTER, 1))
    with opened(logs, tmp_path / "cache" if is_kept else None) as timeline:
        assert timeline.store.is_kept is is_kept
        inventory = timeline.inventory()
        assert (inventory.events, inventory.malformed) == (7 + 4 + 10, 3)


def test_what_is_read_as_it_lies_there_is_asked_for_all_names(tmp_path: Path) -> None:
    """Somebody may write another name between looking which stand there and reading; what was
    appended lies in memory, and does not change."""
    logs, cache, looked_at = tmp_path / "logs", tmp_path / "cache", []

    class Log(ContextLog):
        def projection(self) -> Projection:
            projection = super().projection()

            def narrowed(lines: bytes) -> Projection:
                looked_at.append(lines)
                assert projection.narrowed is not None
                return projection.narrowed(lines)

            return replace(projection, narrowed=narrowed)

    logs.mkdir()
    first, later = (as_lines([{"ts": END.isoformat(), "act": act}]) for act in ("a", "b"))
    (logs / "x.jsonl").write_bytes(first)
    held_of(Log(logs), cache)
    assert looked_at == []
    with (logs / "x.jsonl").open("ab") as stream:
        stream.write(later)
    assert held_of(Log(logs), cache) == held_of(logs)
    assert looked_at == [later]
