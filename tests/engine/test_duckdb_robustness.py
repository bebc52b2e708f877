"""What the store does where it cannot do what it should: killed, damaged, planted, full, in use.

It is derived data. Whatever becomes of it costs the next run time, and never an answer.
"""

from __future__ import annotations

import functools
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest
from conftest import World, before
from engine.conformance.worlds import END, Lines, answer, call
from engine.timelines import Held, as_lines, held, held_of, opened

from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.store import FILE_NAME, TABLES

TESTS = Path(__file__).parents[1]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Some hours of calls and answers."""
    return _written(tmp_path / "logs")


def _written(path: Path) -> Path:
    path.mkdir()
    for number in range(4):
        (path / f"{number}.jsonl").write_bytes(_hours(number * 6, number * 6 + 6))
    return path


def _hours(first: int, end: int) -> bytes:
    """Two conversations in each of some hours before END."""
    return as_lines(
        record
        for n in range(first, end)
        for conv in (f"a{n}", f"b{n}")
        for record in (
            call(60 * n + 40, conv, f"tool{n % 3}", failed=n % 4 == 0, id=f"{conv}-1"),
            answer(60 * n + 30, conv, id=f"{conv}-2"),
        )
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "tasks" / "cache"


def _grow(logs: Path) -> None:
    with (logs / "0.jsonl").open("ab") as stream:
        stream.write(_hours(30, 33))
    (logs / "3.jsonl").unlink()


@functools.cache
def _expected(*, grown: bool = False) -> Held:
    """What a timeline in memory holds of the logs, and of those that have grown."""
    with tempfile.TemporaryDirectory() as directory:
        logs = _written(Path(directory) / "logs")
        if grown:
            _grow(logs)
        return held_of(Lines(logs))


def _held(logs: Path, cache: Path, **how: bool) -> Held:
    return held_of(Lines(logs), cache, **how)


def _settle(cache: Path) -> None:
    """What runs have added is in the store itself, and no more in the log beside it."""
    with duckdb.connect(cache / FILE_NAME) as database:
        database.execute("CHECKPOINT")
    assert [path.name for path in cache.iterdir()] == [FILE_NAME]


def _tree(*directories: Path) -> dict[str, tuple[int, int, int]]:
    """All there is below directories, with what a change would change."""
    return {
        str(path): (status.st_ino, status.st_mtime_ns, status.st_size)
        for directory in directories
        for path in (directory, *directory.rglob("*"))
        for status in [path.lstat()]
    }


# --- killed --------------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from pathlib import Path
from tgt.engine.duckdb.database import Database
from engine.conformance.worlds import Lines
from engine.timelines import opened

count, run = 0, Database.run
def counting(self, statement, **parameters):
    global count
    count += 1
    point = sys.argv[3]
    at_end = statement == "COMMIT"
    if point == str(count) or (point == "before the end" and at_end):
        os.kill(os.getpid(), signal.SIGKILL)
    rows = run(self, statement, **parameters)
    if point == "after the end" and at_end:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows
Database.run = counting
with opened(Lines(Path(sys.argv[1])), Path(sys.argv[2])):
    pass
print(count)
"""


def _run_killed(logs: Path, cache: Path, point: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _KILLED, str(logs), str(cache), point],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


ENDS = ("before the end", "after the end")


def _points(logs: Path, cache: Path, share: int) -> list[str]:
    """Some points of an ingest at which it may be killed, the first of them after the opening."""
    done = _run_killed(logs, cache, "never")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(cache)
    count = int(done.stdout)
    step = max(1, count // share)
    return [*map(str, range(step, count, step))]


def _killed_at(logs: Path, cache: Path, *points: str) -> None:
    for point in points:
        assert _run_killed(logs, cache, point).returncode == -signal.SIGKILL, point
        assert _held(logs, cache, writable=False) == _expected(), point
        assert _held(logs, cache) == _expected(), point
        shutil.rmtree(cache)


def test_after_a_run_that_was_killed_the_next_is_right(logs: Path, cache: Path) -> None:
    _killed_at(logs, cache, *_points(logs, cache, 2), *ENDS)


@pytest.mark.slow
def test_wherever_it_was_killed(logs: Path, cache: Path) -> None:
    _killed_at(logs, cache, *_points(logs, cache, 9))


def test_killed_while_it_added_to_what_was_there(logs: Path, cache: Path) -> None:
    _held(logs, cache)
    before = cache.with_name("before")
    shutil.copytree(cache, before)
    _grow(logs)
    for point in ("50", "after the end"):
        shutil.rmtree(cache)
        shutil.copytree(before, cache)
        assert _run_killed(logs, cache, point).returncode == -signal.SIGKILL, point
        assert _held(logs, cache, writable=False) == _expected(grown=True), point
        assert _held(logs, cache) == _expected(grown=True), point
    assert {path.name for path in cache.iterdir()} == {FILE_NAME, f"{FILE_NAME}.wal"}


# --- damaged, foreign, older ---------------------------------------------------------------------


def _statement(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with duckdb.connect(path) as database:
            database.execute(statement)

    return change


def _overwritten(share: float) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        start = int(len(data) * share)
        data[start : start + 5000] = os.urandom(len(data[start : start + 5000]))
        path.write_bytes(data)

    return change


def _replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def _another_database(path: Path) -> None:
    path.unlink()
    _statement("CREATE TABLE invoices (id INTEGER); INSERT INTO invoices VALUES (1)")(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"x" * 60_000),
    "another format": lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(60_000)),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "damaged at its beginning": _overwritten(0),
    "another database": _another_database,
    "of other code": _statement("UPDATE meta SET value = 'older' WHERE name = 'key'"),
    "of older code": _statement(
        "UPDATE meta SET value = 'older' WHERE name = 'key'; ALTER TABLE rollups DROP COLUMN kk"
    ),
    "without a key": _statement("DELETE FROM meta"),
    "without a table": _statement("DROP TABLE conversations"),
    "with a table more": _statement("CREATE TABLE more (x INTEGER)"),
    "with another column": _statement("ALTER TABLE files ADD COLUMN more INTEGER"),
    "with another type": _statement("ALTER TABLE files ALTER size TYPE VARCHAR"),
    "with a view for a table": _statement(
        "DROP TABLE events; CREATE VIEW events AS SELECT * FROM read_text('/etc/hostname')"
    ),
    "with a view more": _statement("CREATE VIEW more AS SELECT 1"),
    "with a constraint": _statement(
        "DROP TABLE meta; CREATE TABLE meta (name VARCHAR UNIQUE, value VARCHAR CHECK (value = ''))"
    ),
    "with an index": _statement("CREATE INDEX more ON events (wording)"),
    "with a default": _statement(
        "ALTER TABLE events ALTER continued SET DEFAULT true; "
        "ALTER TABLE events ALTER is_merged SET DEFAULT true"
    ),
    "a directory": _replaced_by(Path.mkdir),
    "a directory with something inside": _replaced_by(
        lambda path: path.joinpath("precious").mkdir(parents=True)
    ),
    "a pipe": _replaced_by(os.mkfifo),
    "a link that leads nowhere": _replaced_by(lambda path: path.symlink_to("/nowhere/x")),
}


_QUICK = (
    *("empty", "garbage", "damaged at its beginning", "of older code", "with a view for a table"),
    *("with a constraint", "a directory", "a pipe"),
)


@pytest.mark.parametrize(
    "damage",
    [d if d in _QUICK else pytest.param(d, marks=pytest.mark.slow) for d in DAMAGES],
)
def test_a_store_that_cannot_be_used_is_begun_anew(logs: Path, cache: Path, damage: str) -> None:
    _held(logs, cache)
    _settle(cache)
    DAMAGES[damage](cache / FILE_NAME)
    before = _tree(cache)
    assert _held(logs, cache, writable=False) == _expected(), "a dry run sees the same"
    assert _tree(cache) == before, "and leaves it as it is"
    for _ in range(2):
        with opened(Lines(logs), cache) as timeline:
            assert held(timeline) == _expected()
            assert timeline.store.is_kept == ("directory" not in damage)


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        *(("the store", damage) for damage in ("gone", "empty", "garbage", "cut off")),
        *(("the log", damage) for damage in ("gone", "empty", "garbage", "cut off", "damaged")),
    ],
)
def test_one_of_the_store_and_its_log_is_damaged(
    logs: Path, cache: Path, what: str, damage: str
) -> None:
    _held(logs, cache)
    _settle(cache)
    _grow(logs)
    _held(logs, cache)
    path = cache / (FILE_NAME if what == "the store" else f"{FILE_NAME}.wal")
    {**DAMAGES, "damaged": _overwritten(0.4)}[damage](path)
    for writable in (False, True, True):
        assert _held(logs, cache, writable=writable) == _expected(grown=True)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_damage_inside_costs_at_most_one_run(logs: Path, cache: Path, share: float) -> None:
    """Most of a store is looked at only when somebody asks for it."""
    _held(logs, cache)
    _settle(cache)
    _overwritten(share)(cache / FILE_NAME)
    before = _tree(cache)
    with suppress(duckdb.Error):
        assert _held(logs, cache, writable=False) == _expected()
    assert _tree(cache) == before
    with suppress(duckdb.Error), opened(Lines(logs), cache) as timeline:
        assert held(timeline) == _expected()
    assert _held(logs, cache) == _expected()


def test_what_is_no_file_of_ours_stays(logs: Path, cache: Path, tmp_path: Path) -> None:
    """A link could lead anywhere; what lies behind it is neither read, written nor removed."""
    _held(logs, cache)
    outside = tmp_path / "outside"
    shutil.copytree(cache, outside)
    _grow(logs)
    before, fresh = _tree(outside), _expected(grown=True)
    (cache / FILE_NAME).unlink()
    (cache / FILE_NAME).symlink_to(outside / FILE_NAME)
    assert _held(logs, cache, writable=False) == fresh
    assert _held(logs, cache) == fresh
    assert _tree(outside) == before
    shutil.rmtree(cache)
    (outside / "spill").mkdir()
    (outside / "spill" / "precious").write_text("x")
    before = _tree(outside)
    cache.symlink_to(outside)
    for writable in (False, True):
        with opened(Lines(logs), cache, writable=writable) as timeline:
            assert held(timeline) == fresh
    assert _tree(outside) == before


@pytest.mark.parametrize("what", ["pipe", "link", "directory", "garbage"])
def test_what_lies_beside_the_store_hangs_nobody(
    logs: Path, cache: Path, what: str, tmp_path: Path
) -> None:
    _held(logs, cache)
    _settle(cache)
    beside = cache / f"{FILE_NAME}.wal"
    outside = tmp_path / "outside"
    outside.write_text("x")
    if what == "pipe":
        os.mkfifo(beside)
    elif what == "link":
        beside.symlink_to(outside)
    elif what == "directory":
        beside.mkdir()
    else:
        beside.write_bytes(b"x" * 1000)
    for writable in (False, True):
        with opened(Lines(logs), cache, writable=writable) as timeline:
            assert held(timeline) == _expected()
    assert outside.read_text() == "x"
    assert stat.S_ISREG(outside.lstat().st_mode)


# --- where nothing can be written ----------------------------------------------------------------


@pytest.mark.parametrize("place", ["below a file", "in /proc", "behind a link that leads nowhere"])
def test_where_no_store_can_be_kept_the_answers_are_the_same(
    logs: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent" / "x")
    cache = {
        "below a file": tmp_path / "file" / "cache",
        "in /proc": Path("/proc/cache"),
        "behind a link that leads nowhere": tmp_path / "nowhere",
    }[place]
    with opened(Lines(logs), cache) as timeline:
        assert not timeline.store.is_kept
        assert held(timeline) == _expected()
    assert not (tmp_path / "absent").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_directory_that_may_not_be_written(logs: Path, cache: Path, mode: int) -> None:
    _held(logs, cache)
    _grow(logs)
    cache.chmod(mode)
    try:
        with opened(Lines(logs), cache) as timeline:
            assert held(timeline) == _expected(grown=True)
    finally:
        cache.chmod(0o700)


@contextmanager
def _files_at_most(size: int) -> Iterator[None]:
    """As on a disk with so much room: no file can be longer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 5_000, 100_000, 500_000])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_full_disk_costs_no_answer(
    tmp_path: Path, cache: Path, size: int, is_there: bool
) -> None:
    """Also one that becomes full."""
    logs = tmp_path / "context_log"
    logs.mkdir()
    lines = [
        {"ts": before(n + 1), "act": "tool_call", "name": f"tool{n % 3}", "conv_id": f"c{n % 9}"}
        for n in range(100)
    ]
    (logs / "x.jsonl").write_bytes(as_lines(lines[50:]))
    if is_there:
        held_of(logs, cache)
    (logs / "y.jsonl").write_bytes(as_lines(lines[:50]))
    with _files_at_most(size), opened(logs, cache) as timeline:
        found = held(timeline)
    assert found == held_of(logs)
    assert held_of(logs, cache) == found, "and what it left is of use or replaced"


@pytest.mark.parametrize("what", ["a full disk", "a file", "a link", "a pipe in its store"])
def test_cards_are_made_whatever_is_in_place_of_the_cache(world: World, what: str) -> None:
    calls = (
        {"ts": before(n + 1), "act": "tool_call", "name": "undocumented", "conv_id": f"c{n % 5}"}
        for n in range(30)
    )
    world.write(*calls)
    outside, cache = world.path / "outside", world.tasks / "cache"
    outside.mkdir()
    world.tasks.mkdir()
    if what == "a file":
        cache.write_text("x")
    elif what == "a link":
        cache.symlink_to(outside)
    elif what == "a pipe in its store":
        cache.mkdir()
        os.mkfifo(cache / FILE_NAME)
    with _files_at_most(100_000 if what == "a full disk" else 1 << 40):
        report = world.run()
    assert report.warnings == ()
    assert world.card().subject == "tool_call/undocumented"
    assert list(outside.iterdir()) == []


# --- who may read what it writes -----------------------------------------------------------------


def test_what_is_written_is_for_its_owner_alone(
    logs: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what is there only while it is at work."""
    line = {"ts": END.isoformat(), "act": "tool_call", "name": "x"}
    texts = ({**line, "conv_id": str(n), "id": str(n)} for n in range(60_000))
    (logs / "large.jsonl").write_bytes(as_lines(texts))
    modes: dict[str, int] = {}

    def look() -> None:
        for path in (cache, *cache.rglob("*")):
            modes[path.name] = modes.get(path.name, 0) | stat.S_IMODE(path.lstat().st_mode)

    run = Database.run

    def looking(self: Database, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        rows = run(self, statement, **parameters)
        if cache.exists():
            look()
        return rows

    monkeypatch.setattr(Database, "run", looking)
    mask = os.umask(0)
    try:
        with opened(logs, cache, memory_mb=64):
            look()
        look()
    finally:
        os.umask(mask)
    assert modes.pop("cache") == 0o700
    assert FILE_NAME in modes
    assert f"{FILE_NAME}.wal" in modes
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


# --- what is only looked at ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", ["none", "up to date", "behind", "in use", "with what a killed run left"]
)
def test_where_nothing_may_be_written_nothing_is(
    logs: Path, cache: Path, tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither there nor among temporary files; and the answers are those of a run."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.chdir(temporary)
    if state != "none":
        _held(logs, cache)
    if state != "up to date":
        _grow(logs)
    if state == "with what a killed run left":
        _run_killed(logs, cache, "after the end")
        assert (cache / f"{FILE_NAME}.wal").exists()
    before = _tree(tmp_path)
    if state == "in use":
        _settle(cache)  # as the other process would do
        before = _tree(tmp_path)
        with _in_use(cache / FILE_NAME):
            found = _held(logs, cache, writable=False)
    else:
        found = _held(logs, cache, writable=False)
    assert _tree(tmp_path) == before
    assert found == _expected(grown=state != "up to date")


# --- two at once ---------------------------------------------------------------------------------

_HOLDING = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read") as database:
    database.execute("SELECT count(*) FROM events").fetchall()
    print("here", flush=True)
    sys.stdin.read()
"""


@contextmanager
def _in_use(path: Path, how: str = "write") -> Iterator[None]:
    """Another process has the store open."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDING, str(path), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield
        process.communicate("")
        assert process.returncode == 0


@pytest.mark.parametrize("how", ["read", "write"])
@pytest.mark.parametrize("writable", [False, True])
def test_two_processes_do_not_hinder_each_other(
    logs: Path, cache: Path, how: str, writable: bool
) -> None:
    _held(logs, cache)
    _grow(logs)
    with (
        _in_use(cache / FILE_NAME, how),
        opened(Lines(logs), cache, writable=writable) as timeline,
    ):
        assert held(timeline) == _expected(grown=True)
    assert _held(logs, cache) == _expected(grown=True)


def test_the_tables_are_all_there_is(logs: Path, cache: Path) -> None:
    """No text of prompts, answers or tools is kept, and of errors only what repeats."""
    secret = "Zaphod-Beeblebrox"
    line = {
        "ts": END.isoformat(),
        "act": "tool_call",
        "status": "error",
        "name": "x",
        "conv_id": f"{secret} in a conversation",
        "id": f"{secret} in an id",
        "args_preview": f"{secret} in what was asked",
        "result_preview": f"{secret} in a result",
        "error": f"no such file: '/home/{secret}/notes.txt'",
    }
    (logs / "private.jsonl").write_bytes(as_lines([line]))
    held_of(logs, cache)
    assert secret.encode() not in (cache / FILE_NAME).read_bytes()
    with duckdb.connect(cache / FILE_NAME, read_only=True) as database:
        tables = {name for (name,) in database.execute("SHOW TABLES").fetchall()}
        assert tables == set(TABLES)
        kept: Held = {
            table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables
        }
    assert secret not in str(kept)
