"""Which files are telemetry, and that one bad file never costs the others."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest
from conftest import END, Loaded, World, call

from tgt.errors import TelemetryError
from tgt.sources.files import between, discover

Load = Callable[..., Loaded]
SETTING = "FGK_CONTEXTLOG_DIR"


def _lines(*minutes: float) -> bytes:
    return b"".join(json.dumps(call(m)).encode() + b"\n" for m in minutes)


@pytest.mark.parametrize(
    ("name", "is_read", "why"),
    [
        ("ctx-20251103-15.jsonl", True, "the usual name"),
        ("ctx-20251103-15-1.jsonl", True, "a rotated one"),
        ("events.jsonl", True, "any other name"),
        ("events.ndjson", True, "the other suffix"),
        ("a[1]*?{x,y} $'\".jsonl", True, "characters that mean something to others"),
        ("\u202eevil.jsonl", True, "an odd character"),
        (".hidden.jsonl", True, "a hidden file"),
        ("ctx-20251103-15.jsonl.tmp", False, "a temporary file"),
        ("ctx-20251103-15.log", False, "another suffix"),
        ("notes.json", False, "no lines"),
        ("ctx-20251101-12.jsonl", True, "the name of an hour that the baseline reaches"),
        ("ctx-99999999-99.jsonl", True, "a name that only looks like an hour"),
        ("ctx-20250101-12.jsonl", False, "the name of an hour that is long past"),
        ("ctx-20251224-12.jsonl", False, "the name of an hour that is yet to come"),
    ],
)
def test_names(world: World, load: Load, name: str, is_read: bool, why: str) -> None:
    world.write(call(10), name=name)
    assert load().engine.telemetry.events == int(is_read)


@pytest.fixture
def zstd(tmp_path: Path) -> Callable[[bytes], bytes]:
    """Compresses lines as zstd does: DuckDB can, Python cannot before 3.14."""

    def compressed(data: bytes) -> bytes:
        plain, path = tmp_path / "plain", tmp_path / "lines.zst"
        plain.write_bytes(data)
        verbatim = "DELIMITER '\x01', QUOTE '', ESCAPE '', HEADER false"
        with duckdb.connect() as connection:
            source = f"read_csv('{plain}', columns = {{'line': 'VARCHAR'}}, delim = '\x01',"
            source += " quote = '', escape = '', header = false)"
            connection.execute(
                f"COPY (FROM {source}) TO '{path}' (FORMAT csv, {verbatim}, COMPRESSION zstd)"
            )
        return path.read_bytes()

    return compressed


def test_compressed_files_are_read_as_they_are(
    world: World, load: Load, zstd: Callable[[bytes], bytes]
) -> None:
    plain = _lines(10, 11)
    world.write(gzip.compress(plain), name="a.jsonl.gz")
    world.write(gzip.compress(plain) + gzip.compress(plain), name="two-members.ndjson.gz")
    world.write(zstd(plain), name="b.jsonl.zst")
    telemetry = load().engine.telemetry
    assert (telemetry.events, telemetry.malformed_lines, telemetry.warnings) == (8, 0, ())


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("x.jsonl.gz", gzip.compress(_lines(*range(1, 50)))[:-12], "torn"),
        ("x.jsonl.gz", _lines(10), "not compressed at all"),
        ("x.jsonl.zst", b"\x28\xb5\x2f\xfd garbage", "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(
    world: World, load: Load, name: str, data: bytes, why: str
) -> None:
    world.write(call(10), name="a.jsonl")
    path = world.write(data, name=name)
    world.write(call(11), name="z.jsonl")
    telemetry = load().engine.telemetry
    assert telemetry.events >= 2
    (warning,) = telemetry.warnings
    assert str(path) in warning
    assert "\n" not in warning


def test_what_is_no_regular_file_is_passed_over(world: World, load: Load) -> None:
    real = world.write(call(10), name="real.jsonl")
    (world.logs / "directory.jsonl").mkdir()
    os.mkfifo(world.logs / "pipe.jsonl")
    (world.logs / "empty.jsonl").touch()
    (world.logs / "loop.jsonl").symlink_to("loop.jsonl")
    (world.logs / "dangling.jsonl").symlink_to("nowhere")
    (world.logs / "device.jsonl").symlink_to("/dev/zero")
    assert [file.path for file in discover(world.logs, SETTING)] == [str(real)]
    telemetry = load().engine.telemetry
    assert (telemetry.events, telemetry.warnings) == (1, ())


def test_a_link_to_a_file_is_a_file(world: World, load: Load) -> None:
    elsewhere = world.path / "elsewhere"
    elsewhere.write_bytes(_lines(10))
    world.logs.mkdir()
    (world.logs / "link.jsonl").symlink_to(elsewhere)
    assert load().engine.telemetry.events == 1


@pytest.mark.parametrize("name", ["id=7", "us=5", "a[b]*", "it's", "dot.", "ünï 漢", "$x {y}"])
def test_the_name_of_the_directory_means_nothing(world: World, load: Load, name: str) -> None:
    inside = World(world.path / name)
    inside.path.mkdir()
    inside.write(call(10, id="e1", conv_id="c"))
    world.logs.symlink_to(inside.logs)
    report = world.run(contextlog_dir=inside.logs)
    assert (report.events_analyzed, report.warnings) == (1, ())


@pytest.mark.parametrize("kind", ["absent", "file", "loop"])
def test_a_directory_that_cannot_be_listed_is_named_with_its_setting(
    world: World, kind: str
) -> None:
    if kind == "file":
        world.logs.write_text("")
    elif kind == "loop":
        world.logs.symlink_to(world.logs)
    with pytest.raises(TelemetryError) as failure:
        discover(world.logs, SETTING)
    assert str(world.logs) in str(failure.value)
    assert SETTING in str(failure.value)


def test_an_old_file_cannot_hold_new_events_and_is_not_opened(world: World) -> None:
    old = world.write(call(10), name="old.jsonl")
    world.write(call(10), name="new.jsonl")
    longest_ago = (END - timedelta(days=30)).timestamp()
    os.utime(old, (longest_ago, longest_ago))
    found = between(discover(world.logs, SETTING), END - timedelta(days=7), END)
    assert [Path(file.path).name for file in found] == ["new.jsonl"]


@pytest.mark.parametrize(
    ("name", "hour"),
    [
        ("ctx-20251216-02.jsonl", datetime(2025, 12, 16, 2, tzinfo=timezone.utc)),
        ("ctx-20251216-02-1.jsonl", datetime(2025, 12, 16, 2, tzinfo=timezone.utc)),
        ("ctx-20251216-0230.jsonl", None),
        ("ctx-20251316-02.jsonl", None),
        ("ctx-20251216-24.jsonl", None),
        ("events.jsonl", None),
    ],
)
def test_the_hour_in_a_name(world: World, name: str, hour: datetime | None) -> None:
    world.write(call(10), name=name)
    (file,) = discover(world.logs, SETTING)
    assert file.hour() == hour


def test_a_mark_of_the_byte_order_costs_no_event(world: World, load: Load) -> None:
    world.write(b"\xef\xbb\xbf" + _lines(10, 11), name="windows.jsonl")
    telemetry = load().engine.telemetry
    assert (telemetry.events, telemetry.malformed_lines) == (2, 0)
