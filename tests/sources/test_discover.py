"""Each file is found once, whatever its name and however many names it has; the rest is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tgt.errors import TelemetryError
from tgt.sources.bounds import DIRECTORY_DEPTH
from tgt.sources.discover import listed

ENDINGS = (".jsonl", ".ndjson")


def write(path: Path, data: str = "{}\n", modified: float = 1_762_000_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data, encoding="utf-8")
    os.utime(path, (modified, modified))
    return path


def names(location: Path, *, recursive: bool = True) -> list[str]:
    """The files, as paths relative to the location."""
    listing = listed(location, ENDINGS, "SETTING", recursive=recursive)
    return [os.path.relpath(file.path, location) for file in listing.files]


def passed_over(location: Path, *, recursive: bool = True) -> dict[str, str]:
    listing = listed(location, ENDINGS, "SETTING", recursive=recursive)
    return {
        os.path.relpath(path, location): reason.replace(f"{location}/", "")
        for path, reason in listing.passed_over
    }


@pytest.mark.parametrize(
    ("name", "is_read", "why"),
    [
        ("x.jsonl", True, "the ending"),
        ("x.NDJSON", True, "another, in capitals"),
        ("x.jsonl.gz", True, "compressed"),
        ("x.ndjson.zst", True, "compressed otherwise"),
        ("x.jsonl.1", True, "rotated by number"),
        ("x.jsonl.12", True, "rotated often"),
        ("x.jsonl.2.gz", True, "rotated and compressed"),
        ("x.jsonl.gz.2", True, "compressed and rotated"),
        ("x.jsonl.2.zst", True, "rotated and compressed otherwise"),
        ("x.jsonl-20251105", True, "rotated by day"),
        ("x.jsonl-20251105.gz", True, "rotated by day and compressed"),
        ("x.jsonl.2025-11-05", True, "rotated by day, as Python does"),
        ("x.jsonl.2025-11-05_14", True, "rotated by hour"),
        ("x.jsonl-1762353000", True, "rotated by second"),
        ("x.jsonl.2025-11-05T14:30:00.123Z", True, "rotated by a whole time"),
        ("x.1.jsonl", True, "a number before the ending"),
        ("x-2025-11-05T05-02-14.173.jsonl", True, "a time before the ending"),
        ("a[1]*?{x,y} $'\".jsonl", True, "characters that mean something to others"),
        ("back\\slash.jsonl", True, "a backslash"),
        ("\u202eevil.jsonl", True, "an odd character"),
        ("line\nend.jsonl", True, "a line end"),
        (".jsonl", False, "a name that begins with a dot"),
        (".x.jsonl", False, "a hidden file"),
        (".x.jsonl.swp", False, "an editor's"),
        ("x.jsonl.tmp", False, "a file that is being written"),
        ("x.jsonl~", False, "an editor's copy"),
        ("x.jsonl.notes", False, "another ending"),
        ("x.json", False, "another ending"),
        ("jsonl", False, "no ending"),
        ("x.jsonlines", False, "a longer ending"),
    ],
)
def test_names(tmp_path: Path, name: str, is_read: bool, why: str) -> None:
    write(tmp_path / name)
    write(tmp_path / "control.jsonl", modified=1_761_000_000)
    assert names(tmp_path) == ["control.jsonl", *([name] if is_read else [])]


@pytest.mark.parametrize(
    "name",
    [
        *("x.jsonl.bz2", "x.jsonl.xz", "x.jsonl.old", "x.jsonl.1.bak", "x.jsonl.Z", "x.jsonl~"),
        *("x.jsonl@20251105", "x.jsonl.1-copy", "x.jsonl.part", "x.jsonl.gz.tmp"),
    ],
)
def test_a_log_that_is_kept_in_a_way_that_is_not_read_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert names(tmp_path) == []
    assert passed_over(tmp_path) == {name: "its ending is not one that is read"}


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / os.fsdecode(b"\xff\xfe.jsonl"))
    (file,) = listed(tmp_path, ENDINGS, "SETTING").files
    assert os.fsencode(file.path) == os.fsencode(path)


def test_the_oldest_comes_first_and_of_one_time_the_first_by_name(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", modified=1_762_000_002)
    write(tmp_path / "z" / "c.jsonl", modified=1_762_000_001)
    write(tmp_path / "a.jsonl", modified=1_762_000_002)
    assert names(tmp_path) == ["z/c.jsonl", "a.jsonl", "b.jsonl"]


def test_a_place_may_be_one_file_of_any_name(tmp_path: Path) -> None:
    path = write(tmp_path / ".hidden.txt")
    (file,) = listed(path, ENDINGS, "SETTING").files
    assert file.path == str(path)
    assert (file.size, file.inode, file.device) == (3, path.stat().st_ino, path.stat().st_dev)


def test_directories_are_looked_into_if_that_is_wanted(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    write(tmp_path / "deep" / "er" / "b.jsonl")
    write(tmp_path / ".git" / "c.jsonl")
    assert names(tmp_path) == ["a.jsonl", "deep/er/b.jsonl"]
    assert names(tmp_path, recursive=False) == ["a.jsonl"]


def test_a_directory_with_logs_that_is_not_looked_into_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    write(tmp_path / "inside" / "b.jsonl.1")
    write(tmp_path / "notes" / "c.md")
    (tmp_path / "linked").symlink_to(tmp_path / "inside")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    reason = "a directory inside of it, which is not looked into"
    assert passed_over(tmp_path, recursive=False) == {"inside": reason, "linked": reason}


def test_what_lies_too_deep_is_named(tmp_path: Path) -> None:
    deepest = tmp_path.joinpath(*["d"] * DIRECTORY_DEPTH)
    write(deepest / "in.jsonl")
    write(deepest / "d" / "out.jsonl")
    assert [Path(name).name for name in names(tmp_path)] == ["in.jsonl"]
    (reason,) = passed_over(tmp_path).values()
    assert reason == f"deeper than {DIRECTORY_DEPTH} directories"


def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "control.jsonl")
    (tmp_path / "directory.jsonl").mkdir()
    (tmp_path / "empty.jsonl").touch()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "device.jsonl").symlink_to("/dev/zero")
    (tmp_path / "dangling.jsonl").symlink_to("nowhere")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    assert names(tmp_path) == ["control.jsonl"]
    assert passed_over(tmp_path) == {
        "pipe.jsonl": "no regular file",
        "device.jsonl": "no regular file",
        "dangling.jsonl": "a link that leads nowhere",
        "loop.jsonl": "cannot be read: Too many levels of symbolic links",
    }


def test_a_link_to_a_file_of_the_same_place_is_that_file(tmp_path: Path) -> None:
    """As a link ``latest.jsonl`` to the newest file is."""
    write(tmp_path / "z.jsonl")
    (tmp_path / "a-latest.jsonl").symlink_to("z.jsonl")
    assert names(tmp_path) == ["z.jsonl"]
    assert passed_over(tmp_path) == {"a-latest.jsonl": "the same file as z.jsonl"}


def test_a_link_to_a_file_elsewhere_is_a_file(tmp_path: Path) -> None:
    place = tmp_path / "place"
    write(place / "own.jsonl")
    (place / "link.jsonl").symlink_to(write(tmp_path / "elsewhere" / "data"))
    assert names(place) == ["link.jsonl", "own.jsonl"]
    assert passed_over(place) == {}


def test_a_file_with_several_names_is_listed_once(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl")
    os.link(tmp_path / "b.jsonl", tmp_path / "a.jsonl")
    (tmp_path / "deep").mkdir()
    os.link(tmp_path / "b.jsonl", tmp_path / "deep" / "c.jsonl")
    assert names(tmp_path) == ["a.jsonl"]
    assert passed_over(tmp_path) == {
        "b.jsonl": "the same file as a.jsonl",
        "deep/c.jsonl": "the same file as a.jsonl",
    }


def test_a_file_with_the_same_content_is_another_file(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    write(tmp_path / "b.jsonl")
    assert names(tmp_path) == ["a.jsonl", "b.jsonl"]


def test_a_link_to_a_directory_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "deep" / "x.jsonl")
    place = tmp_path / "place"
    write(place / "own.jsonl", modified=1_761_000_000)
    (place / "link").symlink_to(tmp_path / "elsewhere")
    assert names(place) == ["own.jsonl", "link/deep/x.jsonl"]


def test_a_directory_is_looked_into_once_and_by_its_own_name(tmp_path: Path) -> None:
    write(tmp_path / "z" / "x.jsonl")
    (tmp_path / "a").symlink_to("z")
    (tmp_path / "b").symlink_to(tmp_path / "z")
    assert names(tmp_path) == ["z/x.jsonl"]
    assert passed_over(tmp_path) == {
        "a": "the same directory as z",
        "b": "the same directory as z",
    }


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x.jsonl")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "self").symlink_to(".")
    (tmp_path / "b").symlink_to("a/up/b")
    assert names(tmp_path) == ["a/x.jsonl"]


def test_links_into_what_grows_from_links_are_bounded(tmp_path: Path) -> None:
    """Directories that link to each other lead to each of them once, not to every way there is."""
    for one in range(8):
        write(tmp_path / "d" / str(one) / "x.jsonl")
        for other in range(8):
            (tmp_path / "d" / str(one) / f"to{other}").symlink_to(f"../{other}")
    assert len(names(tmp_path)) == 8


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        assert names(tmp_path) == ["a.jsonl"]
        assert passed_over(tmp_path) == {"closed": "cannot be read: Permission denied"}
    finally:
        closed.chmod(0o700)


@pytest.mark.parametrize("name", ["id=7", "us=5", "a[b]*", "it's", "dot.", "ünï 漢", "$x {y}"])
def test_the_name_of_the_directory_means_nothing(tmp_path: Path, name: str) -> None:
    write(tmp_path / name / "x.jsonl")
    assert names(tmp_path / name) == ["x.jsonl"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("absent", "No such file or directory"),
        ("loop", "Too many levels of symbolic links"),
        ("fifo", "neither a directory nor a regular file"),
        ("inside a file", "Not a directory"),
    ],
)
@pytest.mark.parametrize(
    ("recursive", "message"),
    [
        (True, "cannot read the telemetry in {place}: {reason}; set SETTING to where it is"),
        (False, "cannot read the telemetry directory {place}: {reason}; set SETTING to the dir"),
    ],
)
def test_a_place_that_cannot_be_read_is_named_with_its_setting(
    tmp_path: Path, kind: str, reason: str, recursive: bool, message: str
) -> None:
    place = tmp_path / "place"
    if kind == "loop":
        place.symlink_to(place)
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "inside a file":
        place = write(place) / "deeper"
    with pytest.raises(TelemetryError) as failure:
        listed(place, ENDINGS, "SETTING", recursive=recursive)
    assert str(failure.value).startswith(message.format(place=place, reason=reason))
