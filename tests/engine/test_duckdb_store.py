"""The event store against a fresh reading: whatever becomes of the files, what it holds after a run
is what a timeline in memory holds that reads them for the first time."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
import zstandard
from engine.conformance.worlds import END
from engine.timelines import HOUR, as_lines, held_of, talk

Change: TypeAlias = Callable[["Logs", random.Random, datetime], None]


class Logs:
    """A directory of log files that somebody writes, rotates, copies and loses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        self.pending: dict[Path, bytes] = {}
        self.number = 0

    def plain(self) -> list[Path]:
        """Files that are what they seem to be."""
        return sorted(p for p in self.path.iterdir() if p.suffix == ".jsonl" and not p.is_symlink())

    def any(self) -> list[Path]:
        return sorted(self.path.iterdir())

    def new_name(self, kind: str = "new") -> Path:
        self.number += 1
        return self.path / f"{kind}{self.number}.jsonl"

    def append(self, path: Path, data: bytes) -> None:
        with path.open("ab") as stream:
            stream.write(self.pending.pop(path, b"") + data)

    def forget_pending(self) -> None:
        """What was half written stays so: its writer is not the one that goes on."""
        self.pending.clear()


def _talks(chance: random.Random, hour: datetime, most: int = 5) -> bytes:
    return as_lines(line for _ in range(chance.randint(1, most)) for line in talk(chance, hour))


def _grow(logs: Logs, chance: random.Random, hour: datetime) -> None:
    path = chance.choice(logs.plain())
    logs.append(path, _talks(chance, hour))


def _grow_by_half_a_line(logs: Logs, chance: random.Random, hour: datetime) -> None:
    path = chance.choice(logs.plain())
    data = _talks(chance, hour)
    # A last line that lacks but its end is read; if its writer never goes on, the next to write
    # there spoils it, and only for a fresh reading.
    cut = chance.choice([n for n in range(len(data)) if data[n : n + 1] != b"\n"])
    logs.append(path, data[:cut])
    logs.pending[path] = data[cut:]


def _grow_all(logs: Logs, chance: random.Random, hour: datetime) -> None:
    for path in logs.plain():
        logs.append(path, _talks(chance, hour, 2))


def _grow_late(logs: Logs, chance: random.Random, hour: datetime) -> None:
    _grow(logs, chance, hour - HOUR * chance.randint(2, 30))


def _write_rubbish(logs: Logs, chance: random.Random, hour: datetime) -> None:
    path = chance.choice(logs.plain())
    logs.append(path, b'{"ts": "torn\n[1]\n\n\xff\xfe\n' + _talks(chance, hour, 2) + b"{}\n")


def _begin(logs: Logs, chance: random.Random, hour: datetime) -> None:
    logs.append(logs.new_name(), _talks(chance, hour))


def _begin_many(logs: Logs, chance: random.Random, hour: datetime) -> None:
    for _ in range(20):
        logs.append(logs.new_name("small"), _talks(chance, hour, 1))


def _rotate(logs: Logs, chance: random.Random, hour: datetime) -> None:
    """By a number, and begin anew."""
    logs.forget_pending()
    path = chance.choice(logs.plain())
    path.rename(path.with_name(f"{path.name}.{logs.number}"))
    logs.number += 1
    logs.append(path, _talks(chance, hour))


def _rotate_by_date(logs: Logs, chance: random.Random, hour: datetime) -> None:
    logs.forget_pending()
    path = chance.choice(logs.plain())
    path.rename(path.with_name(f"{path.name}-{hour:%Y%m%d}{logs.number:03d}"))
    logs.number += 1
    logs.append(path, _talks(chance, hour))


def _rotate_by_copy(logs: Logs, chance: random.Random, hour: datetime) -> None:
    """As logrotate's copytruncate does."""
    logs.forget_pending()
    path = chance.choice(logs.plain())
    shutil.copyfile(path, path.with_name(f"{path.name}.{logs.number}"))
    logs.number += 1
    os.truncate(path, 0)
    logs.append(path, _talks(chance, hour))


def _compress(logs: Logs, chance: random.Random, hour: datetime) -> None:
    logs.forget_pending()
    path = chance.choice(logs.plain())
    data = path.read_bytes()
    if chance.random() < 0.5:
        path.with_name(f"{path.name}.{logs.number}.gz").write_bytes(gzip.compress(data))
    else:
        packed = zstandard.ZstdCompressor().compress(data)
        path.with_name(f"{path.name}.{logs.number}.zst").write_bytes(packed)
    logs.number += 1
    if chance.random() < 0.7:
        path.unlink()


def _copy(logs: Logs, chance: random.Random, hour: datetime) -> None:
    path = chance.choice(logs.plain())
    shutil.copyfile(path, logs.new_name("copy"))


def _link(logs: Logs, chance: random.Random, hour: datetime) -> None:
    path = chance.choice(logs.plain())
    if chance.random() < 0.5:
        os.link(path, logs.new_name("hard"))
    else:
        logs.new_name("soft").symlink_to(path)


def _shrink(logs: Logs, chance: random.Random, hour: datetime) -> None:
    logs.forget_pending()
    path = chance.choice(logs.plain())
    os.truncate(path, chance.randrange(path.stat().st_size + 1))


def _replace(logs: Logs, chance: random.Random, hour: datetime) -> None:
    """By other content under the same name, as a new file or in the old one."""
    logs.forget_pending()
    path = chance.choice(logs.plain())
    if chance.random() < 0.5:
        path.unlink()
    path.write_bytes(_talks(chance, hour - HOUR * chance.randint(0, 20)))


def _swap(logs: Logs, chance: random.Random, hour: datetime) -> None:
    logs.forget_pending()
    one, other = chance.choice(logs.plain()), chance.choice(logs.plain())
    spare = logs.path / "spare"
    one.rename(spare)
    if one != other:
        other.rename(one)
    spare.rename(other)


def _remove(logs: Logs, chance: random.Random, hour: datetime) -> None:
    logs.forget_pending()
    if len(logs.plain()) > 2:
        chance.choice(logs.any()).unlink()


def _nothing(logs: Logs, chance: random.Random, hour: datetime) -> None:
    """Also a run that finds everything as it was must leave it so."""


CHANGES: tuple[Change, ...] = (
    *(_grow, _grow, _grow_by_half_a_line, _grow_by_half_a_line, _grow_all, _grow_late),
    *(_write_rubbish, _begin, _begin_many, _rotate, _rotate_by_date, _rotate_by_copy, _compress),
    *(_copy, _link, _shrink, _replace, _swap, _remove, _nothing),
)


def _live(tmp_path: Path, seed: int, steps: int, at_once: int) -> None:
    chance = random.Random(seed)
    logs, cache = Logs(tmp_path / "logs"), tmp_path / "cache"
    start = END - timedelta(hours=40)
    for number in range(6):
        logs.append(logs.new_name("old"), _talks(chance, start + 4 * HOUR * number))
    for step in range(steps):
        now = start + timedelta(hours=26, minutes=20 * step)
        done = [chance.choice(CHANGES) for _ in range(chance.randint(1, at_once))]
        for change in done:
            change(logs, chance, now - HOUR)
        names = [change.__name__ for change in done]
        kept = held_of(logs.path, cache, end=now)
        # To read all anew takes most of the time; what was lost or counted twice stays so.
        assert not step % 2 or kept == held_of(logs.path, end=now), (step, names)
    dry = held_of(logs.path, cache, end=END, writable=False)
    assert dry == held_of(logs.path, end=END)


@pytest.mark.parametrize("seed", [7])
def test_a_kept_store_holds_what_a_fresh_reading_holds(tmp_path: Path, seed: int) -> None:
    _live(tmp_path, seed, steps=7, at_once=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [103])
def test_also_in_long_lives(tmp_path: Path, seed: int) -> None:
    _live(tmp_path, seed, steps=14, at_once=1 + seed % 4)


@pytest.mark.slow
@pytest.mark.parametrize("change", dict.fromkeys(CHANGES), ids=lambda change: change.__name__[1:])
def test_after_one_change_it_holds_what_a_fresh_reading_holds(
    tmp_path: Path, change: Change
) -> None:
    chance = random.Random(change.__name__)
    logs, cache = Logs(tmp_path / "logs"), tmp_path / "cache"
    for number in range(3):
        logs.append(logs.new_name("old"), _talks(chance, END - 5 * HOUR * (number + 1)))
    held_of(logs.path, cache)
    for _ in range(2):
        change(logs, chance, END - HOUR)
        assert held_of(logs.path, cache) == held_of(logs.path)
